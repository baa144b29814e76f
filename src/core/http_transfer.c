#include "core/http_transfer.h"

#include "core/file.h"
#include "core/secret_file.h"

#include <string.h>

#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- what transfers share ---- */

static gpointer start_curl(G_GNUC_UNUSED gpointer data) {
  return GINT_TO_POINTER(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
                                     const char *value) {
  g_autofree char *line = g_strconcat(name, ": ", value, NULL);
  return curl_slist_append(headers, line);
}

/* Those that libcurl, as old as Debian 12's, does not add by itself. */
static struct curl_slist *add_signed_headers(struct curl_slist *headers,
                                             const VelmHttpSigning *signing) {
  headers = add_header(headers, "x-amz-content-sha256", SHA256_OF_NOTHING);
  return signing->token ? add_header(headers, "x-amz-security-token", signing->token) : headers;
}

static struct curl_slist *make_headers(const VelmHttpParams *params) {
  struct curl_slist *headers =
      add_header(NULL, "Accept", params->accept ? params->accept : "application/json");
  if (params->signing)
    return add_signed_headers(headers, params->signing);
  headers = curl_slist_append(headers, "Content-Type: application/json");
  /* Without it libcurl holds a large body back for a second, waiting for a word few servers say. */
  headers = curl_slist_append(headers, "Expect:");
  if (params->bearer) {
    g_autofree char *line = g_strconcat("Authorization: Bearer ", params->bearer, NULL);
    headers = curl_slist_append(headers, line);
  }
  return headers;
}

static CURLcode set_authorities(CURL *curl, GBytes *authorities) {
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(authorities, &size);
  struct curl_blob blob = {(void *)data, size, CURL_BLOB_NOCOPY};
  return curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
}

/* The bundle of certificates that libcurl would use by itself; NULL where it has none or another
 * kind of store. */
static GBytes *read_system_authorities(void) {
  char *path = NULL;
  CURL *curl = curl_easy_init();
  if (curl)
    curl_easy_getinfo(curl, CURLINFO_CAINFO, &path);
  GBytes *bundle = path ? velm_file_read(path, NULL) : NULL;
  curl_easy_cleanup(curl);
  return bundle;
}

static gboolean takes_authorities(GBytes *authorities) {
  CURL *curl = curl_easy_init();
  gboolean takes = curl && set_authorities(curl, authorities) == CURLE_OK;
  curl_easy_cleanup(curl);
  return takes;
}

static void append(GByteArray *array, GBytes *bytes) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  g_byte_array_append(array, data, (guint)size);
}

/* The system's certificates and those of @path: libcurl's own option would replace the former. */
static GBytes *read_authorities(const char *path, int code, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) own = velm_file_read(path, &cause);
  if (!own) {
    g_set_error_literal(error, VELM_ERROR, code, cause->message);
    return NULL;
  }
  gsize size = 0;
  const char *text = g_bytes_get_data(own, &size);
  if (!text || !g_strstr_len(text, (gssize)size, "-----BEGIN CERTIFICATE-----")) {
    g_set_error(error, VELM_ERROR, code, "%s: has no certificate in PEM form", path);
    return NULL;
  }
  g_autoptr(GBytes) system = read_system_authorities();
  GByteArray *all = g_byte_array_new();
  if (system) {
    append(all, system);
    g_byte_array_append(all, (const guint8 *)"\n", 1);
  }
  append(all, own);
  return g_byte_array_free_to_bytes(all);
}

static void set_signing(VelmHttpSetup *setup, const VelmHttpSigning *signing) {
  if (!signing)
    return;
  setup->signing = g_strdup_printf("aws:amz:%s:%s", signing->region, signing->service);
  setup->key_id = g_strdup(signing->key_id);
  setup->secret = g_strdup(signing->secret);
}

VelmHttpSetup *velm_http_setup_new(const VelmHttpParams *params, GError **error) {
  static GOnce once = G_ONCE_INIT;
  if (!g_once(&once, start_curl, NULL)) {
    g_set_error(error, VELM_ERROR, (int)params->error_code, "libcurl does not start");
    return NULL;
  }
  g_autoptr(VelmHttpSetup) setup = g_new0(VelmHttpSetup, 1);
  if (params->ca_file) {
    setup->authorities = read_authorities(params->ca_file, (int)params->error_code, error);
    if (!setup->authorities)
      return NULL;
  }
  if (setup->authorities && !takes_authorities(setup->authorities)) {
    g_set_error(error, VELM_ERROR, (int)params->error_code,
                "%s: this libcurl's TLS does not take certificates besides the system's",
                params->ca_file);
    return NULL;
  }
  setup->headers = make_headers(params);
  set_signing(setup, params->signing);
  return g_steal_pointer(&setup);
}

void velm_http_setup_free(VelmHttpSetup *setup) {
  if (!setup)
    return;
  curl_slist_free_all(setup->headers);
  g_clear_pointer(&setup->authorities, g_bytes_unref);
  g_free(setup->signing);
  g_free(setup->key_id);
  velm_secret_free(setup->secret);
  g_free(setup);
}

/* ---- one try ---- */

static size_t receive(char *data, size_t size, size_t n, void *user_data) {
  VelmHttpTransfer *transfer = user_data;
  gsize length = size * n;
  if (length > transfer->limit - transfer->body->len) {
    transfer->too_large = TRUE;
    return 0;
  }
  g_byte_array_append(transfer->body, (const guint8 *)data, (guint)length);
  return length;
}

static int note_progress(void *user_data, G_GNUC_UNUSED curl_off_t to_receive, curl_off_t received,
                         curl_off_t to_send, curl_off_t sent) {
  VelmHttpTransfer *transfer = user_data;
  if (received != transfer->received || to_send != transfer->to_send || sent != transfer->sent)
    transfer->moved_at = g_get_monotonic_time();
  transfer->received = received;
  transfer->to_send = to_send;
  transfer->sent = sent;
  return 0;
}

VelmHttpTransfer *velm_http_transfer_new(void) {
  CURL *curl = curl_easy_init();
  if (!curl)
    return NULL;
  VelmHttpTransfer *transfer = g_new0(VelmHttpTransfer, 1);
  transfer->curl = curl;
  transfer->body = g_byte_array_new();
  return transfer;
}

void velm_http_transfer_free(VelmHttpTransfer *transfer) {
  if (!transfer)
    return;
  curl_easy_cleanup(transfer->curl);
  g_byte_array_unref(transfer->body);
  g_free(transfer);
}

static void forget_last_try(VelmHttpTransfer *transfer, gsize limit) {
  curl_easy_reset(transfer->curl); /* options only */
  g_byte_array_set_size(transfer->body, 0);
  transfer->limit = limit;
  transfer->too_large = FALSE;
  transfer->to_send = transfer->sent = transfer->received = 0;
  transfer->moved_at = g_get_monotonic_time();
  transfer->message[0] = '\0';
}

static void set_limits(CURL *curl, const VelmHttpParams *params, gint64 time_ms) {
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* signals and threads do not mix */
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)params->connect_timeout_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)MAX(time_ms, 1));
  if (params->direct)
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L); /* routers forget a server that thinks long */
}

/* libcurl's defaults, said aloud. A server that speaks HTTP/2 gets all requests by one connection;
 * without TLS nothing is waited for, since HTTP/2 is not offered there. */
static void set_security(CURL *curl, const VelmHttpSetup *setup, const char *url) {
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  if (g_ascii_strncasecmp(url, "https:", 6) == 0)
    curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (setup->authorities)
    set_authorities(curl, setup->authorities);
  if (setup->signing) {
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, setup->signing);
    curl_easy_setopt(curl, CURLOPT_USERNAME, setup->key_id);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, setup->secret);
  }
}

void velm_http_transfer_prepare(VelmHttpTransfer *transfer, const VelmHttpParams *params,
                                const VelmHttpSetup *setup, const char *url, GBytes *json,
                                gint64 time_ms) {
  CURL *curl = transfer->curl;
  forget_last_try(transfer, params->max_response);
  set_limits(curl, params, time_ms);
  set_security(curl, setup, url);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, setup->headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "velm");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->message);
  curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, note_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
  if (json) {
    gsize size = 0;
    const char *data = g_bytes_get_data(json, &size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, data ? data : "");
  }
}

/* ---- its state ---- */

VelmHttpTransfer *velm_http_transfer_of(CURL *curl) {
  char *transfer = NULL;
  curl_easy_getinfo(curl, CURLINFO_PRIVATE, &transfer);
  return (VelmHttpTransfer *)(gpointer)transfer;
}

gint64 velm_http_transfer_stalls_at(const VelmHttpTransfer *transfer,
                                    const VelmHttpParams *params) {
  gboolean moving = transfer->sent < transfer->to_send || transfer->received > 0;
  if (!moving || params->stall_timeout_ms == 0)
    return G_MAXINT64;
  return transfer->moved_at + (gint64)params->stall_timeout_ms * 1000;
}

long velm_http_transfer_status(const VelmHttpTransfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

gint64 velm_http_transfer_retry_after(const VelmHttpTransfer *transfer) {
  curl_off_t seconds = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &seconds);
  return MAX((gint64)seconds, 0);
}
