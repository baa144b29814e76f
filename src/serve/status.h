/* How a part of the station does, and why. */
#pragma once

#include "core/json.h"

typedef enum {
  VELM_STATE_READY,
  VELM_STATE_STARTING,
  VELM_STATE_DEGRADED, /* it works, but not as it is to */
  VELM_STATE_FAILED,   /* it does not work */
} VelmState;

/** "ready", "starting", "degraded", "failed". */
const char *velm_state_name(VelmState state);

/**
 * VelmStatus: one moment's state.
 * @reason: why it is not ready; or NULL
 * @since: when it came to be in this state, in microseconds of g_get_real_time()
 */
typedef struct {
  VelmState state;
  char *reason;
  gint64 since;
} VelmStatus;

void velm_status_clear(VelmStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmStatus, velm_status_clear)

/* A status that several threads set and read. */
typedef struct {
  GMutex lock;
  VelmStatus now;
} VelmStatusCell;

void velm_status_cell_init(VelmStatusCell *cell, VelmState state);
void velm_status_cell_clear(VelmStatusCell *cell);
/** @reason: (nullable). Returns: whether it was another. */
gboolean velm_status_set(VelmStatusCell *cell, VelmState state, const char *reason);
/** Returns: (transfer full): a copy. */
VelmStatus velm_status_get(VelmStatusCell *cell);
