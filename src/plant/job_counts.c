#include "plant/job_counts.h"

#define MINUTE_S 60

/* Those that ended in one second. */
typedef struct {
  gint64 second;
  guint n;
  double ms;
} Moment;

struct _VelmJobCounts {
  GMutex lock;
  gint64 start;
  guint64 ended[VELM_N_JOB_ENDS];
  guint in_hand;
  Moment recent[MINUTE_S]; /* by the second, in a circle */
};

const char *velm_job_end_name(VelmJobEnd end) {
  static const char *const names[] = {"done", "failed", "dead", "passed_on", "given_back"};
  return names[end];
}

VelmJobCounts *velm_job_counts_new(void) {
  VelmJobCounts *counts = g_atomic_rc_box_new0(VelmJobCounts);
  g_mutex_init(&counts->lock);
  counts->start = g_get_monotonic_time();
  return counts;
}

VelmJobCounts *velm_job_counts_ref(VelmJobCounts *counts) {
  return g_atomic_rc_box_acquire(counts);
}

static void clear(gpointer counts) { g_mutex_clear(&((VelmJobCounts *)counts)->lock); }

void velm_job_counts_unref(VelmJobCounts *counts) { g_atomic_rc_box_release_full(counts, clear); }

void velm_job_counts_take(VelmJobCounts *counts) {
  g_mutex_lock(&counts->lock);
  counts->in_hand++;
  g_mutex_unlock(&counts->lock);
}

/* Under the lock. */
static void note_moment(VelmJobCounts *counts, double ms, gint64 second) {
  Moment *moment = &counts->recent[second % MINUTE_S];
  if (moment->second != second)
    *moment = (Moment){.second = second};
  moment->n++;
  moment->ms += ms;
}

void velm_job_counts_end(VelmJobCounts *counts, VelmJobEnd end, double ms, gint64 now) {
  g_mutex_lock(&counts->lock);
  counts->in_hand--;
  counts->ended[end]++;
  if (end != VELM_JOB_GIVEN_BACK)
    note_moment(counts, ms, now / G_TIME_SPAN_SECOND);
  g_mutex_unlock(&counts->lock);
}

/* Under the lock. Who has not worked for a minute yet is measured by the time that he has. */
static void measure_recent(const VelmJobCounts *counts, gint64 now, VelmJobFigures *figures) {
  gint64 oldest = now / G_TIME_SPAN_SECOND - MINUTE_S;
  double seconds = (double)(now - counts->start) / G_TIME_SPAN_SECOND, ms = 0;
  guint n = 0;
  for (guint i = 0; i < MINUTE_S; i++) {
    const Moment *moment = &counts->recent[i];
    if (moment->n == 0 || moment->second <= oldest)
      continue;
    n += moment->n;
    ms += moment->ms;
  }
  if (n == 0)
    return;
  figures->per_second = n / CLAMP(seconds, 1, MINUTE_S);
  figures->ms_mean = ms / n;
}

VelmJobFigures velm_job_counts_get(VelmJobCounts *counts, gint64 now) {
  VelmJobFigures figures = {0};
  g_mutex_lock(&counts->lock);
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    figures.ended[end] = counts->ended[end];
  figures.in_hand = counts->in_hand;
  measure_recent(counts, now, &figures);
  g_mutex_unlock(&counts->lock);
  return figures;
}

void velm_job_figures_add(VelmJobFigures *sum, const VelmJobFigures *other) {
  double per_second = sum->per_second + other->per_second;
  if (per_second > 0)
    sum->ms_mean =
        (sum->ms_mean * sum->per_second + other->ms_mean * other->per_second) / per_second;
  sum->per_second = per_second;
  sum->in_hand += other->in_hand;
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    sum->ended[end] += other->ended[end];
}
