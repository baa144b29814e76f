#include "serve/worker.h"

void velm_worker_init(VelmWorker *worker) {
  g_mutex_init(&worker->lock);
  g_cond_init(&worker->changed);
}

void velm_worker_clear(VelmWorker *worker) {
  g_mutex_clear(&worker->lock);
  g_cond_clear(&worker->changed);
}

void velm_worker_start(VelmWorker *worker, const char *name, GThreadFunc work, gpointer data) {
  worker->thread = g_thread_new(name, work, data);
}

void velm_worker_end(VelmWorker *worker) {
  g_mutex_lock(&worker->lock);
  worker->ending = TRUE;
  g_cond_signal(&worker->changed);
  g_mutex_unlock(&worker->lock);
  if (worker->thread)
    g_thread_join(g_steal_pointer(&worker->thread));
}

void velm_worker_wake(VelmWorker *worker) {
  g_mutex_lock(&worker->lock);
  worker->woken = TRUE;
  g_cond_signal(&worker->changed);
  g_mutex_unlock(&worker->lock);
}

/* @early: being woken ends the wait. */
static gboolean wait_for(VelmWorker *worker, guint seconds, gboolean early) {
  gint64 end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
  g_mutex_lock(&worker->lock);
  while (!worker->ending && !(early && worker->woken) &&
         g_cond_wait_until(&worker->changed, &worker->lock, end))
    continue;
  worker->woken = FALSE;
  gboolean goes_on = !worker->ending;
  g_mutex_unlock(&worker->lock);
  return goes_on;
}

gboolean velm_worker_wait(VelmWorker *worker, guint seconds) {
  return wait_for(worker, seconds, TRUE);
}

gboolean velm_worker_pause(VelmWorker *worker, guint seconds) {
  return wait_for(worker, seconds, FALSE);
}

gboolean velm_worker_is_ending(VelmWorker *worker) {
  g_mutex_lock(&worker->lock);
  gboolean ending = worker->ending;
  g_mutex_unlock(&worker->lock);
  return ending;
}
