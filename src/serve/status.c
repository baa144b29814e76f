#include "serve/status.h"

const char *velm_state_name(VelmState state) {
  static const char *const names[] = {"ready", "starting", "degraded", "failed"};
  return names[state];
}

void velm_status_clear(VelmStatus *status) { g_clear_pointer(&status->reason, g_free); }

void velm_status_cell_init(VelmStatusCell *cell, VelmState state) {
  g_mutex_init(&cell->lock);
  cell->now = (VelmStatus){.state = state, .since = g_get_real_time()};
}

void velm_status_cell_clear(VelmStatusCell *cell) {
  velm_status_clear(&cell->now);
  g_mutex_clear(&cell->lock);
}

gboolean velm_status_set(VelmStatusCell *cell, VelmState state, const char *reason) {
  g_mutex_lock(&cell->lock);
  gboolean changed = cell->now.state != state || g_strcmp0(cell->now.reason, reason) != 0;
  if (cell->now.state != state)
    cell->now.since = g_get_real_time();
  cell->now.state = state;
  if (changed) {
    g_free(cell->now.reason);
    cell->now.reason = g_strdup(reason);
  }
  g_mutex_unlock(&cell->lock);
  return changed;
}

VelmStatus velm_status_get(VelmStatusCell *cell) {
  g_mutex_lock(&cell->lock);
  VelmStatus status = {cell->now.state, g_strdup(cell->now.reason), cell->now.since};
  g_mutex_unlock(&cell->lock);
  return status;
}
