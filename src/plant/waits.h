/* Who waits for which record: images that a station has handed in to the plant. Any number of
 * threads may use it. */
#pragma once

#include "serve/station.h"

typedef struct _VelmWaits VelmWaits;

/**
 * VelmWait: one of them; it stays as it is.
 * @subject: the record's, velm_record_subject()
 * @key, @product, @name, @part, @station, @image, @time: as of the VelmPlantImage, @image its
 * SHA-256
 * @since: of g_get_monotonic_time()
 */
typedef struct {
  char *subject, *key, *product, *name, *part, *station, *image;
  gint64 time, since;
  VelmPlantDone done;
  gpointer user_data;
} VelmWait;

VelmWaits *velm_waits_new(void);
/** Nobody may wait any more. */
void velm_waits_free(VelmWaits *waits);

/** @subject: copied. */
void velm_waits_add(VelmWaits *waits, const char *subject, const VelmPlantImage *image,
                    VelmPlantDone done, gpointer user_data);
/** Takes those that wait for @subject. Returns: (transfer full) (element-type VelmWait). */
GPtrArray *velm_waits_take(VelmWaits *waits, const char *subject);
/** Takes all. Returns: likewise. */
GPtrArray *velm_waits_take_all(VelmWaits *waits);

/** What is waited for since @until or earlier: the first wait for each subject. Returns: (transfer
 * full) (element-type VelmWait). */
GPtrArray *velm_waits_list(VelmWaits *waits, gint64 until);
/** Waits until nobody waits, or until @end of g_get_monotonic_time(). */
void velm_waits_settle(VelmWaits *waits, gint64 end);
