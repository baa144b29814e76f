#include "core/parallel.h"

typedef struct {
  VelmParallelBody body;
  gpointer data;
  gsize n;
  gint next; /* index, atomic */
  GMutex mutex;
  GCond done;
  guint helpers; /* that are not done, under the mutex */
} Loop;

static GPrivate limit;

void velm_parallel_limit(guint threads) { g_private_set(&limit, GUINT_TO_POINTER(threads)); }

guint velm_parallel_threads(void) {
  guint threads = GPOINTER_TO_UINT(g_private_get(&limit));
  return threads ? threads : g_get_num_processors();
}

static void work(Loop *loop) {
  for (gsize i; (i = (gsize)g_atomic_int_add(&loop->next, 1)) < loop->n;)
    loop->body(i, loop->data);
}

static void help(gpointer data, gpointer user_data) {
  Loop *loop = data;
  work(loop);
  g_mutex_lock(&loop->mutex);
  if (--loop->helpers == 0)
    g_cond_signal(&loop->done);
  g_mutex_unlock(&loop->mutex);
}

/* One for the process's life, as many threads as can be of use at a time. */
static GThreadPool *get_pool(void) {
  static gsize pool = 0;
  if (g_once_init_enter(&pool))
    g_once_init_leave(
        &pool, (gsize)g_thread_pool_new(help, NULL, (gint)g_get_num_processors(), FALSE, NULL));
  return (GThreadPool *)pool;
}

void velm_parallel(gsize n, VelmParallelBody body, gpointer data) {
  guint threads = (guint)MIN(n, (gsize)velm_parallel_threads());
  if (threads <= 1) {
    for (gsize i = 0; i < n; i++)
      body(i, data);
    return;
  }
  Loop loop = {.body = body, .data = data, .n = n, .helpers = threads - 1};
  g_mutex_init(&loop.mutex);
  g_cond_init(&loop.done);
  for (guint i = 1; i < threads; i++)
    g_thread_pool_push(get_pool(), &loop, NULL);
  work(&loop);
  g_mutex_lock(&loop.mutex);
  while (loop.helpers > 0)
    g_cond_wait(&loop.done, &loop.mutex);
  g_mutex_unlock(&loop.mutex);
  g_mutex_clear(&loop.mutex);
  g_cond_clear(&loop.done);
}

/* Not every BLAS has it, and OpenBLAS's header is not everywhere. */
extern void openblas_set_num_threads(int threads) __attribute__((weak));

void velm_parallel_calm_blas(void) {
  static gsize once;
  if (!g_once_init_enter(&once))
    return;
  if (openblas_set_num_threads)
    openblas_set_num_threads(1);
  g_once_init_leave(&once, 1);
}
