#include "plant/image_source.h"

#include "core/error.h"
#include "core/http_fetcher.h"
#include "core/http_prefix.h"
#include "core/http_redact.h"
#include "plant/s3.h"
#include "plant/shared_folder.h"
#include "serve/allowed_file.h"

#include <string.h>

#define CONNECT_MS (5 * 1000)
#define TOTAL_MS (30 * 1000)

struct _VelmImageSource {
  char *shared; /* NULL for none, as the next three */
  GStrv allowed;
  VelmHttpFetcher *fetcher;
  VelmS3 *s3;
  char *ca_file;
};

/* ---- set-up ---- */

static VelmHttpParams http_params(const VelmImageSource *source, int timeout_ms) {
  VelmHttpParams http = velm_http_params_default();
  http.accept = "image/*, application/octet-stream;q=0.9, */*;q=0.8";
  http.ca_file = source->ca_file;
  http.timeout_ms = http.total_timeout_ms = timeout_ms ? timeout_ms : TOTAL_MS;
  http.connect_timeout_ms = MIN(CONNECT_MS, http.timeout_ms);
  http.stall_timeout_ms = 0; /* of so short a time */
  return http;
}

static gboolean check_allowed(const char *const *allowed, GError **error) {
  for (; *allowed; allowed++)
    if (!velm_http_prefix_check(*allowed, error))
      return FALSE;
  return TRUE;
}

static gboolean set_up(VelmImageSource *source, const VelmImageSourceParams *params,
                       GError **error) {
  const VelmHttpParams http = http_params(source, params->timeout_ms);
  source->allowed = g_strdupv((GStrv)(guintptr)params->allowed); /* copied only */
  return (!params->shared || (source->shared = velm_allowed_folder(params->shared, error))) &&
         (!params->allowed || (check_allowed(params->allowed, error) &&
                               (source->fetcher = velm_http_fetcher_new(&http, error)))) &&
         (!params->s3_buckets ||
          (source->s3 = velm_s3_new(params->s3_endpoint, params->s3_buckets, &http, error)));
}

VelmImageSource *velm_image_source_new(const VelmImageSourceParams *params, GError **error) {
  g_autoptr(VelmImageSource) source = g_new0(VelmImageSource, 1);
  source->ca_file = g_strdup(params->ca_file);
  return set_up(source, params, error) ? g_steal_pointer(&source) : NULL;
}

void velm_image_source_free(VelmImageSource *source) {
  if (!source)
    return;
  velm_s3_free(source->s3);
  velm_http_fetcher_free(source->fetcher);
  g_strfreev(source->allowed);
  g_free(source->shared);
  g_free(source->ca_file);
  g_free(source);
}

/* ---- fetching ---- */

static GBytes *refuse(const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return NULL;
}

static GBytes *fetch_file(VelmImageSource *source, const char *reference, gsize most,
                          gboolean *retry, GError **error) {
  return source->shared ? velm_shared_folder_read(source->shared, reference, most, retry, error)
                        : refuse("images do not come from files, as no folder is shared", error);
}

static GBytes *fetch_url(VelmImageSource *source, const char *reference, gsize most,
                         gboolean *retry, GError **error) {
  if (!velm_http_prefix_allows((const char *const *)source->allowed, reference))
    return refuse("images do not come from this address", error);
  return velm_http_fetcher_get(source->fetcher, reference, most, retry, error);
}

static GBytes *fetch_object(VelmImageSource *source, const char *reference, gsize most,
                            gboolean *retry, GError **error) {
  return source->s3 ? velm_s3_read(source->s3, reference, most, retry, error)
                    : refuse("images do not come from buckets, as none is allowed", error);
}

/* A kind of reference. */
typedef struct {
  const char *scheme;
  GBytes *(*fetch)(VelmImageSource *source, const char *reference, gsize most, gboolean *retry,
                   GError **error);
  gboolean is_url;
} Kind;

static const Kind kinds[] = {{VELM_SHARED_FOLDER_SCHEME, fetch_file, FALSE},
                             {"http:", fetch_url, TRUE},
                             {"https:", fetch_url, TRUE},
                             {VELM_S3_SCHEME, fetch_object, FALSE}};

static const Kind *find_kind(const char *reference) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_ascii_strncasecmp(reference, kinds[i].scheme, strlen(kinds[i].scheme)) == 0)
      return &kinds[i];
  return NULL;
}

/* @reference as it may be shown. Returns: (transfer full). */
static char *show(const Kind *kind, const char *reference) {
  if (kind->is_url)
    return velm_http_display_url(reference);
  g_autofree char *start = g_strndup(reference, strcspn(reference, "?"));
  return g_utf8_make_valid(start, -1);
}

GBytes *velm_image_source_fetch(VelmImageSource *source, const char *reference, gsize most,
                                gboolean *retry, GError **error) {
  static VelmImageSource none; /* allows nothing, and stays so */
  g_autoptr(GError) cause = NULL;
  const Kind *kind = find_kind(reference);
  *retry = FALSE;
  /* What else it is may be a secret as a whole. */
  if (!kind)
    return refuse("the reference of the image begins neither with file:, http:, https: nor s3:",
                  error);
  GBytes *bytes = kind->fetch(source ? source : &none, reference, most, retry, &cause);
  if (bytes)
    return bytes;
  g_autofree char *shown = show(kind, reference);
  if (!g_str_has_prefix(cause->message, shown))
    g_prefix_error(&cause, "%s: ", shown);
  velm_error_one_line(cause);
  g_propagate_error(error, g_steal_pointer(&cause));
  return NULL;
}

/* ---- for those who submit ---- */

static gboolean has_shared(const VelmImageSource *source, GError **error) {
  return source->shared || refuse("no folder is shared", error);
}

char *velm_image_source_refer(VelmImageSource *source, const char *path, GError **error) {
  return has_shared(source, error) ? velm_shared_folder_refer(source->shared, path, error) : NULL;
}

char *velm_image_source_share(VelmImageSource *source, GBytes *image, GError **error) {
  return has_shared(source, error) ? velm_shared_folder_share(source->shared, image, error) : NULL;
}
