#include "serve/mqtt_session.h"

#include "core/file.h"
#include "velm.h"

#include <string.h>

#define MOST_FILE 1000
#define DIGEST 16
#define TOKEN 16

/* The last message of a packet identifier. */
typedef struct {
  char digest[DIGEST + 1];
  guint count; /* of messages before it with the same image */
  guint64 connection;
} Seen;

struct _VelmMqttSession {
  char *path, *client;
  char *token;        /* of the broker's session */
  guint64 connection; /* counts them */
  GHashTable *seen;   /* packet identifier -> Seen */
};

/* Sixteen hexadecimal digits that no other has. */
static char *make_token(void) {
  g_autofree char *random = g_uuid_string_random();
  char *token = g_compute_checksum_for_string(G_CHECKSUM_SHA256, random, -1);
  token[TOKEN] = '\0';
  return token;
}

static gboolean save(const VelmMqttSession *session, GError **error) {
  g_autofree char *text = g_strdup_printf("%s %s\n", session->client, session->token);
  return velm_file_write(session->path, text, strlen(text), error);
}

static gboolean parse(VelmMqttSession *session, GError **error) {
  gsize length = 0;
  g_autofree char *contents = velm_file_read_limited(session->path, MOST_FILE, &length, error);
  if (!contents)
    return FALSE;
  g_autofree char *text = g_strndup(contents, length);
  g_auto(GStrv) words = g_strsplit(g_strchomp(text), " ", -1);
  if (g_strv_length(words) != 2 || !words[0][0] || strlen(words[1]) != TOKEN ||
      !g_utf8_validate(words[0], -1, NULL)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "%s: no session with an MQTT broker; without this file there will be a new one",
                session->path);
    return FALSE;
  }
  session->client = g_strdup(words[0]);
  session->token = g_strdup(words[1]);
  return TRUE;
}

static gboolean make(VelmMqttSession *session, GError **error) {
  g_autofree char *name = make_token();
  session->client = g_strconcat("velm-", name, NULL); /* any broker takes 23 characters */
  session->token = make_token();
  return save(session, error);
}

VelmMqttSession *velm_mqtt_session_load(const char *folder, const char *client, GError **error) {
  g_autoptr(VelmMqttSession) session = g_new0(VelmMqttSession, 1);
  session->path = g_build_filename(folder, "mqtt-session", NULL);
  session->seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  gboolean exists = g_file_test(session->path, G_FILE_TEST_EXISTS);
  if (!(exists ? parse(session, error) : make(session, error)))
    return NULL;
  if (client && !g_str_equal(client, session->client)) {
    g_free(session->client);
    session->client = g_strdup(client);
  }
  return g_steal_pointer(&session);
}

void velm_mqtt_session_free(VelmMqttSession *session) {
  if (!session)
    return;
  g_clear_pointer(&session->seen, g_hash_table_unref);
  g_free(session->path);
  g_free(session->client);
  g_free(session->token);
  g_free(session);
}

const char *velm_mqtt_session_get_client(const VelmMqttSession *session) { return session->client; }

gboolean velm_mqtt_session_begin(VelmMqttSession *session, gboolean resumed, GError **error) {
  session->connection++;
  if (resumed)
    return TRUE;
  g_free(session->token);
  session->token = make_token();
  g_hash_table_remove_all(session->seen);
  return save(session, error);
}

static Seen *find_seen(VelmMqttSession *session, guint16 packet) {
  gpointer name = GUINT_TO_POINTER(packet);
  Seen *seen = g_hash_table_lookup(session->seen, name);
  if (!seen) {
    seen = g_new0(Seen, 1);
    g_hash_table_insert(session->seen, name, seen);
  }
  return seen;
}

char *velm_mqtt_session_make_key(VelmMqttSession *session, guint16 packet, GBytes *image) {
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  digest[DIGEST] = '\0';
  if (packet == 0) {
    g_autofree char *random = make_token();
    return g_strdup_printf("mqtt:%s:%s", random, digest);
  }
  Seen *seen = find_seen(session, packet);
  if (!g_str_equal(seen->digest, digest))
    seen->count = 0;
  else if (seen->connection == session->connection)
    seen->count++;
  seen->connection = session->connection;
  g_strlcpy(seen->digest, digest, sizeof seen->digest);
  return g_strdup_printf("mqtt:%s:%u.%u:%s", session->token, packet, seen->count, digest);
}
