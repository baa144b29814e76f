#include "plant/s3.h"

#include "core/http_fetcher.h"
#include "core/http_prefix.h"
#include "core/secret_file.h"

#include <string.h>

#define PREFIX VELM_S3_SCHEME "//"
#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

struct _VelmS3 {
  char *endpoint; /* without a slash at its end */
  GStrv buckets;
  char *region, *key_id, *secret, *token;
  VelmHttpSigning signing; /* of these */
  VelmHttpFetcher *fetcher;
};

/* ---- set-up ---- */

static gboolean fail(GError **error, const char *what, const char *why) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s%s", what, why);
  return FALSE;
}

static gboolean check_buckets(const char *const *buckets, GError **error) {
  for (; *buckets; buckets++)
    if (!strchr(LETTERS_AND_DIGITS, (*buckets)[0]) || !(*buckets)[0] ||
        (*buckets)[strspn(*buckets, LETTERS_AND_DIGITS "._-")])
      return fail(error, *buckets, ": that is no name of a bucket");
  return TRUE;
}

static gboolean set_endpoint(VelmS3 *s3, const char *endpoint, GError **error) {
  if (!endpoint)
    endpoint = g_getenv("AWS_ENDPOINT_URL");
  if (!endpoint || !endpoint[0])
    return fail(error, "s3: ", "no address of a store is given, nor AWS_ENDPOINT_URL set");
  if (!velm_http_prefix_check(endpoint, error))
    return FALSE;
  gsize length = strlen(endpoint);
  while (length > 0 && endpoint[length - 1] == '/')
    length--;
  s3->endpoint = g_strndup(endpoint, length);
  return TRUE;
}

/* Returns: (transfer full): NULL where it is not set, or empty. */
static char *from_environment(const char *name) {
  const char *value = g_getenv(name);
  return value && value[0] ? g_strdup(value) : NULL;
}

static gboolean set_signing(VelmS3 *s3, GError **error) {
  s3->region = from_environment("AWS_REGION");
  s3->key_id = from_environment("AWS_ACCESS_KEY_ID");
  s3->secret = from_environment("AWS_SECRET_ACCESS_KEY");
  s3->token = from_environment("AWS_SESSION_TOKEN");
  if (!s3->key_id || !s3->secret)
    return fail(error, "s3: ", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are to be set");
  s3->signing = (VelmHttpSigning){.region = s3->region ? s3->region : "us-east-1",
                                  .service = "s3",
                                  .key_id = s3->key_id,
                                  .secret = s3->secret,
                                  .token = s3->token};
  return TRUE;
}

VelmS3 *velm_s3_new(const char *endpoint, const char *const *buckets, const VelmHttpParams *http,
                    GError **error) {
  g_autoptr(VelmS3) s3 = g_new0(VelmS3, 1);
  VelmHttpParams params = *http;
  params.signing = &s3->signing;
  s3->buckets = g_strdupv((GStrv)(guintptr)buckets); /* copied only */
  if (!check_buckets(buckets, error) || !set_endpoint(s3, endpoint, error) ||
      !set_signing(s3, error) || !(s3->fetcher = velm_http_fetcher_new(&params, error)))
    return NULL;
  return g_steal_pointer(&s3);
}

void velm_s3_free(VelmS3 *s3) {
  if (!s3)
    return;
  velm_http_fetcher_free(s3->fetcher);
  g_strfreev(s3->buckets);
  g_free(s3->endpoint);
  g_free(s3->region);
  g_free(s3->key_id);
  velm_secret_free(s3->secret);
  velm_secret_free(s3->token);
  g_free(s3);
}

/* ---- an image ---- */

/* Such a path would lead to another bucket once it is made short. */
static gboolean climbs(const char *key) {
  g_auto(GStrv) names = g_strsplit(key, "/", -1);
  return g_strv_contains((const char *const *)names, ".") ||
         g_strv_contains((const char *const *)names, "..");
}

/* Where @reference is to be asked for. Returns: (transfer full). */
static char *url_of(const VelmS3 *s3, const char *reference, GError **error) {
  const char *rest = g_str_has_prefix(reference, PREFIX) ? reference + strlen(PREFIX) : "";
  const char *slash = strchr(rest, '/');
  if (!slash || !slash[1] || climbs(slash + 1)) {
    fail(error, "it is to be s3://BUCKET/KEY", ", without names of dots alone in the key");
    return NULL;
  }
  g_autofree char *bucket = g_strndup(rest, (gsize)(slash - rest));
  if (!g_strv_contains((const char *const *)s3->buckets, bucket)) {
    fail(error, "images do not come from this bucket", "");
    return NULL;
  }
  g_autofree char *key = g_uri_escape_bytes((const guint8 *)slash + 1, strlen(slash + 1), "/");
  return g_strconcat(s3->endpoint, "/", bucket, "/", key, NULL);
}

GBytes *velm_s3_read(VelmS3 *s3, const char *reference, gsize most, gboolean *retry,
                     GError **error) {
  *retry = FALSE;
  g_autofree char *url = url_of(s3, reference, error);
  return url ? velm_http_fetcher_get(s3->fetcher, url, most, retry, error) : NULL;
}
