#include "serve/deadlines.h"

#include <sys/socket.h>

typedef struct {
  int fd;
  gint64 deadline; /* of g_get_monotonic_time(); 0 for none */
} Held;

struct _VelmDeadlines {
  GMutex lock;
  GCond ended;
  gboolean ending;
  GHashTable *held; /* connection -> Held */
  GThread *thread;
};

/* Under the lock: whoever closes the socket removes it first, so it is nobody else's by now. */
static void shut_late(VelmDeadlines *deadlines) {
  gint64 now = g_get_monotonic_time();
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, deadlines->held);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Held *held = value;
    if (held->deadline == 0 || held->deadline > now)
      continue;
    shutdown(held->fd, SHUT_RDWR);
    held->deadline = 0;
  }
}

static gpointer watch(gpointer data) {
  VelmDeadlines *deadlines = data;
  g_mutex_lock(&deadlines->lock);
  while (!deadlines->ending) {
    gint64 soon = g_get_monotonic_time() + G_TIME_SPAN_SECOND / 2;
    g_cond_wait_until(&deadlines->ended, &deadlines->lock, soon);
    shut_late(deadlines);
  }
  g_mutex_unlock(&deadlines->lock);
  return NULL;
}

VelmDeadlines *velm_deadlines_new(void) {
  VelmDeadlines *deadlines = g_new0(VelmDeadlines, 1);
  g_mutex_init(&deadlines->lock);
  g_cond_init(&deadlines->ended);
  deadlines->held = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  deadlines->thread = g_thread_new("deadlines", watch, deadlines);
  return deadlines;
}

void velm_deadlines_free(VelmDeadlines *deadlines) {
  g_mutex_lock(&deadlines->lock);
  deadlines->ending = TRUE;
  g_cond_signal(&deadlines->ended);
  g_mutex_unlock(&deadlines->lock);
  g_thread_join(deadlines->thread);
  g_hash_table_unref(deadlines->held);
  g_cond_clear(&deadlines->ended);
  g_mutex_clear(&deadlines->lock);
  g_free(deadlines);
}

static gint64 from_now(guint seconds) {
  return seconds ? g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND : 0;
}

void velm_deadlines_add(VelmDeadlines *deadlines, gconstpointer connection, int fd, guint seconds) {
  Held *held = g_new(Held, 1);
  *held = (Held){fd, from_now(seconds)};
  g_mutex_lock(&deadlines->lock);
  g_hash_table_insert(deadlines->held, (gpointer)connection, held);
  g_mutex_unlock(&deadlines->lock);
}

void velm_deadlines_set(VelmDeadlines *deadlines, gconstpointer connection, guint seconds) {
  g_mutex_lock(&deadlines->lock);
  Held *held = g_hash_table_lookup(deadlines->held, connection);
  if (held)
    held->deadline = from_now(seconds);
  g_mutex_unlock(&deadlines->lock);
}

void velm_deadlines_remove(VelmDeadlines *deadlines, gconstpointer connection) {
  g_mutex_lock(&deadlines->lock);
  g_hash_table_remove(deadlines->held, connection);
  g_mutex_unlock(&deadlines->lock);
}

guint velm_deadlines_count(VelmDeadlines *deadlines) {
  g_mutex_lock(&deadlines->lock);
  guint n = g_hash_table_size(deadlines->held);
  g_mutex_unlock(&deadlines->lock);
  return n;
}
