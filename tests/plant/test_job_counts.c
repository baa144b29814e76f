/* What has become of a worker's jobs. */
#include "plant/job_counts.h"

#define SECOND G_TIME_SPAN_SECOND

/* A moment well after whatever this starts at. */
static gint64 later(gint64 seconds) {
  static gint64 start;
  if (!start)
    start = g_get_monotonic_time() + 3600 * SECOND;
  return start + seconds * SECOND;
}

static void end_job(VelmJobCounts *counts, VelmJobEnd end, double ms, gint64 now) {
  velm_job_counts_take(counts);
  velm_job_counts_end(counts, end, ms, now);
}

static void test_ends(void) {
  VelmJobCounts *counts = velm_job_counts_new();
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    for (guint n = 0; n <= end; n++)
      end_job(counts, end, 10, later(0));
  velm_job_counts_take(counts);
  VelmJobFigures figures = velm_job_counts_get(counts, later(0));
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    g_assert_cmpuint(figures.ended[end], ==, end + 1);
  g_assert_cmpuint(figures.in_hand, ==, 1);
  g_assert_cmpstr(velm_job_end_name(VELM_JOB_GIVEN_BACK), ==, "given_back");
  velm_job_counts_unref(counts);
}

/* What was given back was not done, and what is older than a minute was not lately. */
static void test_minute(void) {
  VelmJobCounts *counts = velm_job_counts_new();
  end_job(counts, VELM_JOB_DONE, 1000, later(0));
  end_job(counts, VELM_JOB_DONE, 100, later(30));
  end_job(counts, VELM_JOB_FAILED, 200, later(31));
  end_job(counts, VELM_JOB_PASSED_ON, 300, later(60));
  end_job(counts, VELM_JOB_GIVEN_BACK, 5000, later(60));
  VelmJobFigures figures = velm_job_counts_get(counts, later(60));
  g_assert_cmpfloat_with_epsilon(figures.per_second, 3 / 60., 1e-9);
  g_assert_cmpfloat_with_epsilon(figures.ms_mean, 200, 1e-9);
  figures = velm_job_counts_get(counts, later(119));
  g_assert_cmpfloat_with_epsilon(figures.per_second, 1 / 60., 1e-9);
  figures = velm_job_counts_get(counts, later(200));
  g_assert_cmpfloat(figures.per_second, ==, 0);
  g_assert_cmpfloat(figures.ms_mean, ==, 0);
  g_assert_cmpuint(figures.ended[VELM_JOB_DONE], ==, 2);
  velm_job_counts_unref(counts);
}

/* Who has just started is not slow for it. */
static void test_start(void) {
  VelmJobCounts *counts = velm_job_counts_new();
  gint64 now = g_get_monotonic_time();
  for (guint i = 0; i < 10; i++)
    end_job(counts, VELM_JOB_DONE, 1, now);
  VelmJobFigures figures = velm_job_counts_get(counts, now + 2 * SECOND);
  g_assert_cmpfloat(figures.per_second, >, 4);
  g_assert_cmpfloat(figures.per_second, <=, 10);
  velm_job_counts_unref(counts);
}

static void test_sum(void) {
  VelmJobFigures sum = {0};
  const VelmJobFigures slow = {.ended = {1, 0, 2}, .in_hand = 1, .per_second = 1, .ms_mean = 100};
  const VelmJobFigures fast = {.ended = {3, 1}, .in_hand = 2, .per_second = 3, .ms_mean = 20};
  velm_job_figures_add(&sum, &slow);
  velm_job_figures_add(&sum, &fast);
  g_assert_cmpuint(sum.ended[VELM_JOB_DONE], ==, 4);
  g_assert_cmpuint(sum.ended[VELM_JOB_FAILED], ==, 1);
  g_assert_cmpuint(sum.ended[VELM_JOB_DEAD], ==, 2);
  g_assert_cmpuint(sum.in_hand, ==, 3);
  g_assert_cmpfloat_with_epsilon(sum.per_second, 4, 1e-9);
  g_assert_cmpfloat_with_epsilon(sum.ms_mean, 40, 1e-9);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/plant/job-counts/ends", test_ends);
  g_test_add_func("/plant/job-counts/minute", test_minute);
  g_test_add_func("/plant/job-counts/start", test_start);
  g_test_add_func("/plant/job-counts/sum", test_sum);
  return g_test_run();
}
