#include "serve/sessions.h"

#include <errno.h>
#include <sys/random.h>

#define SECRET 32 /* bytes */
/* More that are signed in at once: the one that ends first is ended. */
#define MOST_SESSIONS 1000

typedef struct {
  VelmRole role;
  char *name;
  gint64 end; /* of g_get_monotonic_time() */
} Session;

struct _VelmSessions {
  GMutex lock;
  GHashTable *sessions; /* SHA-256 of the cookie -> Session: how long it takes to find tells nothing
                           of the cookies */
};

static void session_free(gpointer data) {
  Session *session = data;
  g_free(session->name);
  g_free(session);
}

VelmSessions *velm_sessions_new(void) {
  VelmSessions *sessions = g_new0(VelmSessions, 1);
  g_mutex_init(&sessions->lock);
  sessions->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, session_free);
  return sessions;
}

void velm_sessions_free(VelmSessions *sessions) {
  if (!sessions)
    return;
  g_hash_table_unref(sessions->sessions);
  g_mutex_clear(&sessions->lock);
  g_free(sessions);
}

static char *digest_of(const char *cookie) {
  return g_compute_checksum_for_string(G_CHECKSUM_SHA256, cookie, -1);
}

static void make_room(VelmSessions *sessions, gint64 now) {
  GHashTableIter iter;
  gpointer key, value, first = NULL;
  gint64 soonest = G_MAXINT64;
  g_hash_table_iter_init(&iter, sessions->sessions);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const Session *session = value;
    if (session->end <= now) {
      g_hash_table_iter_remove(&iter);
    } else if (session->end < soonest) {
      soonest = session->end;
      first = key;
    }
  }
  if (g_hash_table_size(sessions->sessions) >= MOST_SESSIONS)
    g_hash_table_remove(sessions->sessions, first);
}

char *velm_sessions_begin(VelmSessions *sessions, VelmRole role, const char *name, GError **error) {
  guint8 secret[SECRET];
  if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "there is no randomness to be had: %s",
                g_strerror(errno));
    return NULL;
  }
  g_autoptr(GString) cookie = g_string_new(NULL);
  for (gsize i = 0; i < sizeof secret; i++)
    g_string_append_printf(cookie, "%02x", secret[i]);
  gint64 now = g_get_monotonic_time();
  Session *session = g_new(Session, 1);
  *session = (Session){role, g_strdup(name), now + VELM_SESSION_S * G_TIME_SPAN_SECOND};
  g_mutex_lock(&sessions->lock);
  if (g_hash_table_size(sessions->sessions) >= MOST_SESSIONS)
    make_room(sessions, now);
  g_hash_table_insert(sessions->sessions, digest_of(cookie->str), session);
  g_mutex_unlock(&sessions->lock);
  return g_strdup(cookie->str);
}

VelmRole velm_sessions_check(VelmSessions *sessions, const char *cookie, char **name) {
  g_autofree char *digest = digest_of(cookie);
  VelmRole role = VELM_ROLE_NOBODY;
  *name = NULL;
  g_mutex_lock(&sessions->lock);
  const Session *session = g_hash_table_lookup(sessions->sessions, digest);
  if (session && session->end > g_get_monotonic_time()) {
    role = session->role;
    *name = g_strdup(session->name);
  }
  g_mutex_unlock(&sessions->lock);
  return role;
}

void velm_sessions_end(VelmSessions *sessions, const char *cookie) {
  g_autofree char *digest = digest_of(cookie);
  g_mutex_lock(&sessions->lock);
  g_hash_table_remove(sessions->sessions, digest);
  g_mutex_unlock(&sessions->lock);
}
