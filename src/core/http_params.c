#include "core/http_params.h"

#include <string.h>

#define MOST_IN_FLIGHT 1024

VelmHttpParams velm_http_params_default(void) {
  return (VelmHttpParams){
      .in_flight = 8,
      .connect_timeout_ms = 10 * 1000,
      .timeout_ms = 120 * 1000,
      .total_timeout_ms = 300 * 1000,
      .stall_timeout_ms = 30 * 1000,
      .max_response = 4 * 1024 * 1024,
      .tries = 3,
      .first_wait_ms = 500,
      .max_wait_ms = 30 * 1000,
      .breaker_failures = 5,
      .breaker_wait_ms = 30 * 1000,
      .error_code = VELM_ERROR_FILE,
  };
}

static gboolean has_control(const char *text) {
  for (const char *c = text; *c; c++)
    if (g_ascii_iscntrl(*c))
      return TRUE;
  return FALSE;
}

static gboolean is_word(const char *text) {
  return text && text[0] && !has_control(text) && !strpbrk(text, " :/");
}

/* The names stand in a header with slashes between them, and in libcurl's option with colons. */
static gboolean check_signing(const VelmHttpParams *params, GError **error) {
  const VelmHttpSigning *signing = params->signing;
  if (!signing ||
      (is_word(signing->region) && is_word(signing->service) && is_word(signing->key_id) &&
       signing->secret && signing->secret[0] && !(signing->token && has_control(signing->token))))
    return TRUE;
  g_set_error(
      error, VELM_ERROR, (int)params->error_code,
      "requests cannot be signed: the region, the key's name, the key or the token is empty "
      "or has characters that cannot be in it");
  return FALSE;
}

static gboolean check_range(const char *name, gint64 value, gint64 least, gint64 most,
                            GError **error) {
  if (value >= least && value <= most)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "http: %s is %" G_GINT64_FORMAT "; it must be %" G_GINT64_FORMAT
              " to %" G_GINT64_FORMAT,
              name, value, least, most);
  return FALSE;
}

gboolean velm_http_params_check(const VelmHttpParams *params, GError **error) {
  if (params->bearer && has_control(params->bearer)) {
    g_set_error(error, VELM_ERROR, (int)params->error_code,
                "the key has a line break or another control character in it");
    return FALSE;
  }
  return check_signing(params, error) &&
         check_range("in_flight", params->in_flight, 1, MOST_IN_FLIGHT, error) &&
         check_range("connect_timeout_ms", params->connect_timeout_ms, 1, G_MAXINT, error) &&
         check_range("timeout_ms", params->timeout_ms, 1, G_MAXINT, error) &&
         check_range("total_timeout_ms", params->total_timeout_ms, 1, G_MAXINT, error) &&
         check_range("stall_timeout_ms", params->stall_timeout_ms, 0, G_MAXINT, error) &&
         check_range("max_response", (gint64)MIN(params->max_response, G_MAXINT64), 1, G_MAXINT,
                     error) &&
         check_range("tries", params->tries, 1, G_MAXINT, error) &&
         check_range("first_wait_ms", params->first_wait_ms, 0, G_MAXINT, error) &&
         check_range("max_wait_ms", params->max_wait_ms, 0, G_MAXINT, error) &&
         check_range("breaker_wait_ms", params->breaker_wait_ms, 0, G_MAXINT, error);
}

void velm_http_response_free(VelmHttpResponse *response) {
  if (!response)
    return;
  g_bytes_unref(response->body);
  g_free(response);
}
