/* A thread that works when it is woken, or after a while, until it is to end. */
#pragma once

#include <glib.h>

typedef struct {
  GThread *thread;
  GMutex lock;
  GCond changed;
  gboolean woken, ending;
} VelmWorker;

void velm_worker_init(VelmWorker *worker);
/** It must have ended. */
void velm_worker_clear(VelmWorker *worker);

/** @work: runs in the thread, and returns when velm_worker_wait() says FALSE. */
void velm_worker_start(VelmWorker *worker, const char *name, GThreadFunc work, gpointer data);
/** Has it end, and waits for that; nothing where it was not started. */
void velm_worker_end(VelmWorker *worker);

/** By others: there is something to do. */
void velm_worker_wake(VelmWorker *worker);
/** By the thread: waits to be woken (since it last waited), for @seconds at most. Returns: FALSE
 * where it is to end. */
gboolean velm_worker_wait(VelmWorker *worker, guint seconds);
/** By the thread: waits for @seconds, whatever wakes it. Returns: FALSE where it is to end. */
gboolean velm_worker_pause(VelmWorker *worker, guint seconds);
/** Whether it is to end. */
gboolean velm_worker_is_ending(VelmWorker *worker);
