#include "plant/broker.h"

#include <string.h>

#define CONNECT_MS 5000
#define RECONNECT_MS 250
#define JITTER_MS 250
/* A cut network is noticed after two of these without an answer. */
#define PING_MS 3000
#define PINGS_OUT 2
/* The longest wait for an answer of JetStream. */
#define ANSWER_MS 5000

struct _VelmBroker {
  natsConnection *connection;
  jsCtx *jetstream;
  char *shown;
};

/* ---- failures ---- */

gboolean velm_broker_fail(const VelmBroker *broker, natsStatus status, jsErrCode code,
                          const char *what, GError **error) {
  natsStatus last = NATS_OK;
  const char *detail = nats_GetLastError(&last);
  if (last != status || !detail || !detail[0])
    detail = natsStatus_GetText(status);
  g_autofree char *line = g_strdelimit(g_strdup(detail), "\r\n", ' ');
  if (code)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the broker %s: %s: %s (JetStream %d)",
                broker->shown, what, line, (int)code);
  else
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the broker %s: %s: %s", broker->shown, what,
                line);
  return FALSE;
}

gboolean velm_broker_check(const VelmBroker *broker, natsStatus status, jsErrCode code,
                           const char *what, GError **error) {
  return status == NATS_OK || velm_broker_fail(broker, status, code, what, error);
}

/* ---- the address ---- */

/* Not what it was, as there may be a password in it. */
static gboolean refuse(const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the address of the broker %s", why);
  return FALSE;
}

static gboolean check_url(GUri *uri, GError **error) {
  static const char rule[] = "is to be nats://HOST[:PORT] or tls://HOST[:PORT]";
  if (!uri)
    return refuse(rule, error);
  const char *scheme = g_uri_get_scheme(uri), *host = g_uri_get_host(uri);
  if (g_uri_get_userinfo(uri))
    return refuse("has a user in it, which others can read there: give it by --nats-creds, "
                  "VELM_NATS_TOKEN, or VELM_NATS_USER and VELM_NATS_PASSWORD",
                  error);
  if (!(g_str_equal(scheme, "nats") || g_str_equal(scheme, "tls")) || !host || !host[0] ||
      g_uri_get_path(uri)[0] || g_uri_get_query(uri) || g_uri_get_fragment(uri) ||
      g_uri_get_port(uri) == 0)
    return refuse(rule, error);
  return TRUE;
}

static gboolean check_urls(char **urls, GError **error) {
  for (char **url = urls; *url; url++) {
    g_autoptr(GUri) uri = g_uri_parse(g_strstrip(*url), G_URI_FLAGS_NONE, NULL);
    if (!check_url(uri, error))
      return FALSE;
  }
  return urls[0] || refuse("is missing", error);
}

/* ---- connecting ---- */

static natsStatus set_user(natsOptions *options, const VelmBrokerParams *params) {
  const char *token = g_getenv("VELM_NATS_TOKEN"), *user = g_getenv("VELM_NATS_USER");
  const char *password = g_getenv("VELM_NATS_PASSWORD");
  if (params->credentials)
    return natsOptions_SetUserCredentialsFromFiles(options, params->credentials, NULL);
  if (token && token[0])
    return natsOptions_SetToken(options, token);
  if (user && user[0])
    return natsOptions_SetUserInfo(options, user, password ? password : "");
  return NATS_OK;
}

static natsStatus set_tls(natsOptions *options, const VelmBrokerParams *params) {
  natsStatus status = NATS_OK;
  if (params->ca)
    status = natsOptions_LoadCATrustedCertificates(options, params->ca);
  if (status == NATS_OK && params->ca)
    status = natsOptions_SetSecure(options, true);
  return status;
}

/* The library waits in the background only where there is somebody to tell. */
static void ignore_connected(natsConnection *connection, void *closure) {}

/* Publishing goes into a buffer while the broker is away only as far as it is known to be: what
 * matters is acknowledged. */
static natsStatus set_options(natsOptions *options, const VelmBrokerParams *params, char **urls) {
  natsStatus status =
      natsOptions_SetServers(options, (const char **)urls, (int)g_strv_length(urls));
  if (status == NATS_OK)
    status = natsOptions_SetName(options, params->name);
  if (status == NATS_OK)
    status = natsOptions_SetTimeout(options, CONNECT_MS);
  if (status == NATS_OK)
    status = natsOptions_SetMaxReconnect(options, -1);
  if (status == NATS_OK)
    status = natsOptions_SetReconnectWait(options, RECONNECT_MS);
  if (status == NATS_OK)
    status = natsOptions_SetReconnectJitter(options, JITTER_MS, JITTER_MS);
  if (status == NATS_OK)
    status = natsOptions_SetPingInterval(options, PING_MS);
  if (status == NATS_OK)
    status = natsOptions_SetMaxPingsOut(options, PINGS_OUT);
  if (status == NATS_OK)
    status = natsOptions_SetFailRequestsOnDisconnect(options, true);
  if (status == NATS_OK)
    status = natsOptions_SetSendAsap(options, true);
  if (status == NATS_OK && params->patient)
    status = natsOptions_SetRetryOnFailedConnect(options, true, ignore_connected, NULL);
  if (status == NATS_OK)
    status = set_user(options, params);
  if (status == NATS_OK)
    status = set_tls(options, params);
  return status;
}

static gboolean connect_to(VelmBroker *broker, const VelmBrokerParams *params, char **urls,
                           GError **error) {
  g_autoptr(natsOptions) options = NULL;
  jsOptions jetstream;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK)
    status = set_options(options, params, urls);
  if (!velm_broker_check(broker, status, 0, "its settings will not do", error))
    return FALSE;
  status = natsConnection_Connect(&broker->connection, options);
  if (status == NATS_NOT_YET_CONNECTED && params->patient)
    status = NATS_OK;
  if (!velm_broker_check(broker, status, 0, "it cannot be reached", error))
    return FALSE;
  jsOptions_Init(&jetstream);
  jetstream.Wait = ANSWER_MS;
  status = natsConnection_JetStream(&broker->jetstream, broker->connection, &jetstream);
  return velm_broker_check(broker, status, 0, "JetStream cannot be used", error);
}

VelmBroker *velm_broker_connect(const VelmBrokerParams *params, GError **error) {
  g_auto(GStrv) urls = g_strsplit(params->url, ",", -1);
  if (!check_urls(urls, error))
    return NULL;
  g_autoptr(VelmBroker) broker = g_new0(VelmBroker, 1);
  broker->shown = g_strjoinv(",", urls);
  return connect_to(broker, params, urls, error) ? g_steal_pointer(&broker) : NULL;
}

void velm_broker_free(VelmBroker *broker) {
  if (!broker)
    return;
  jsCtx_Destroy(broker->jetstream);
  natsConnection_Destroy(broker->connection);
  g_free(broker->shown);
  g_free(broker);
}

/* ---- what it is ---- */

gboolean velm_broker_is_connected(VelmBroker *broker) {
  return natsConnection_Status(broker->connection) == NATS_CONN_STATUS_CONNECTED;
}

gboolean velm_broker_check_connected(VelmBroker *broker, GError **error) {
  if (velm_broker_is_connected(broker))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the broker %s is away", broker->shown);
  return FALSE;
}

const char *velm_broker_get_shown(const VelmBroker *broker) { return broker->shown; }

gsize velm_broker_get_most(VelmBroker *broker) {
  gint64 most = natsConnection_GetMaxPayload(broker->connection);
  return most > 0 ? (gsize)most : 1024 * 1024;
}

guint64 velm_broker_count_reconnects(VelmBroker *broker) {
  natsStatistics *statistics = NULL;
  uint64_t in = 0, in_bytes = 0, out = 0, out_bytes = 0, n = 0;
  if (natsStatistics_Create(&statistics) == NATS_OK &&
      natsConnection_GetStats(broker->connection, statistics) == NATS_OK)
    natsStatistics_GetCounts(statistics, &in, &in_bytes, &out, &out_bytes, &n);
  natsStatistics_Destroy(statistics);
  return n;
}

natsConnection *velm_broker_get_connection(VelmBroker *broker) { return broker->connection; }
jsCtx *velm_broker_get_jetstream(VelmBroker *broker) { return broker->jetstream; }
