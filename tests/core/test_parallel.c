#include "core/parallel.h"

/* ---- bodies ---- */

static void count(gsize index, gpointer data) { g_atomic_int_inc((gint *)data + index); }

static void check_loop(gsize n) {
  g_autofree gint *counts = g_new0(gint, n + 1);
  velm_parallel(n, count, counts);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint(counts[i], ==, 1);
  g_assert_cmpint(counts[n], ==, 0);
}

/* Each index once, whatever the number of threads. */
static void test_each_once(void) {
  for (guint threads = 0; threads <= 5; threads++) {
    velm_parallel_limit(threads);
    for (gsize n = 0; n < 20; n++)
      check_loop(n);
    check_loop(1000);
  }
  velm_parallel_limit(0);
}

static void remember_thread(gsize index, gpointer data) {
  GThread **threads = data;
  threads[index] = g_thread_self();
}

/* A thread whose work is its own does it all itself. */
static void test_limit(void) {
  GThread *threads[50];
  velm_parallel_limit(1);
  g_assert_cmpuint(velm_parallel_threads(), ==, 1);
  velm_parallel(50, remember_thread, threads);
  for (gsize i = 0; i < 50; i++)
    g_assert_true(threads[i] == g_thread_self());
  velm_parallel_limit(0);
  g_assert_cmpuint(velm_parallel_threads(), ==, g_get_num_processors());
}

static gpointer loop_in_thread(gpointer data) {
  for (int i = 0; i < 200; i++)
    check_loop(7);
  return GUINT_TO_POINTER(velm_parallel_threads());
}

/* Several threads share out work at a time, and one's limit is not another's. */
static void test_callers(void) {
  GThread *callers[4];
  velm_parallel_limit(1);
  for (gsize i = 0; i < 4; i++)
    callers[i] = g_thread_new("caller", loop_in_thread, NULL);
  for (gsize i = 0; i < 4; i++)
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(callers[i])), ==, g_get_num_processors());
  velm_parallel_limit(0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/parallel/each-once", test_each_once);
  g_test_add_func("/parallel/limit", test_limit);
  g_test_add_func("/parallel/callers", test_callers);
  return g_test_run();
}
