#include "serve/webhook.h"

#include "core/http_redact.h"

#include <curl/curl.h>
#include <string.h>

#define CONNECT_MS 5000
#define TOTAL_MS 15000

struct _VelmWebhook {
  CURL *curl;
  char *key;
};

VelmWebhook *velm_webhook_new(const char *key, GError **error) {
  CURL *curl = curl_easy_init();
  if (!curl) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "libcurl does not start");
    return NULL;
  }
  VelmWebhook *webhook = g_new(VelmWebhook, 1);
  *webhook = (VelmWebhook){curl, g_strdup(key)};
  return webhook;
}

void velm_webhook_free(VelmWebhook *webhook) {
  if (!webhook)
    return;
  curl_easy_cleanup(webhook->curl);
  if (webhook->key)
    explicit_bzero(webhook->key, strlen(webhook->key));
  g_free(webhook->key);
  g_free(webhook);
}

gboolean velm_webhook_check_url(const char *url, GError **error) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri ? g_uri_get_scheme(uri) : NULL;
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  if (host && host[0] && !g_uri_get_userinfo(uri) &&
      (g_str_equal(scheme, "http") || g_str_equal(scheme, "https")))
    return TRUE;
  g_autofree char *shown = velm_http_display_url(url);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: it is to be an address of http or https, without user and password", shown);
  return FALSE;
}

/* What it answers is not read. */
static size_t drop(char *data, size_t size, size_t n, void *user_data) { return size * n; }

static struct curl_slist *sign(const VelmWebhook *webhook, const char *json,
                               struct curl_slist *headers) {
  if (!webhook->key)
    return headers;
  gint64 seconds = g_get_real_time() / G_USEC_PER_SEC;
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT ".%s", seconds, json);
  g_autofree char *mac = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)webhook->key,
                                                   strlen(webhook->key), text, -1);
  g_autofree char *header =
      g_strdup_printf("Velm-Signature: t=%" G_GINT64_FORMAT ",v1=%s", seconds, mac);
  return curl_slist_append(headers, header);
}

static CURLcode post(VelmWebhook *webhook, const char *url, const char *json, long *status) {
  CURL *curl = webhook->curl;
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  headers = sign(webhook, json, headers);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "velm/" VELM_VERSION);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
  curl_slist_free_all(headers);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
  return code;
}

gboolean velm_webhook_send(VelmWebhook *webhook, const char *url, const char *json,
                           GError **error) {
  long status = 0;
  CURLcode code = post(webhook, url, json, &status);
  if (code == CURLE_OK && status >= 200 && status < 300)
    return TRUE;
  g_autofree char *shown = velm_http_display_url(url);
  if (code != CURLE_OK)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", shown, curl_easy_strerror(code));
  else
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: it answered with status %ld", shown,
                status);
  return FALSE;
}
