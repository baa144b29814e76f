/* How often one address may ask: a bucket of permits that fills up again. */
#pragma once

#include <glib.h>

typedef struct _VelmRate VelmRate;

/** @per_second: permits that come back a second; @burst: that there are at most. */
VelmRate *velm_rate_new(double per_second, double burst);
void velm_rate_free(VelmRate *rate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRate, velm_rate_free)

/** Whether @who has a permit left at @now, of g_get_monotonic_time(). */
gboolean velm_rate_has(VelmRate *rate, const char *who, gint64 now);
/** Takes a permit of @who. Returns: FALSE where there was none. */
gboolean velm_rate_take(VelmRate *rate, const char *who, gint64 now);
