/* Images by reference: only what is allowed is read, whatever a reference is made of. */
#include "plant/image_source.h"

#include "classify/scripted_server.h"
#include "core/http_prefix.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 1000
#define KEY_ID "AKIATESTTESTTEST"
#define SECRET "secret/of+the+test/0123456789"
#define TOKEN "token/of+the+session=="

typedef struct {
  char *folder, *shared, *base; /* base: of the server, without a path */
  ScriptedServer *server;
  VelmImageSourceParams params;
  VelmImageSource *source;
  GError *error;
  gboolean retry;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = scratch_new();
  f->shared = g_build_filename(f->folder, "shared", NULL);
  g_assert_cmpint(g_mkdir(f->shared, 0755), ==, 0);
  f->server = scripted_server_new();
  f->base = g_strdup(scripted_server_endpoint(f->server));
  *strstr(f->base, "/v1") = '\0';
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_image_source_free(f->source);
  scripted_server_free(f->server);
  g_free(f->base);
  g_free(f->shared);
  scratch_remove(f->folder);
}

static void open_source(Fixture *f) {
  f->source = velm_image_source_new(&f->params, &f->error);
  g_assert_no_error(f->error);
}

static void open_shared(Fixture *f) {
  f->params.shared = f->shared;
  open_source(f);
}

static void refuses_to_open(Fixture *f, VelmError code, const char *text) {
  g_assert_null(velm_image_source_new(&f->params, &f->error));
  assert_failure(&f->error, code, text);
}

static void fetches(Fixture *f, const char *reference, const char *text) {
  f->retry = TRUE;
  g_autoptr(GBytes) bytes =
      velm_image_source_fetch(f->source, reference, MOST, &f->retry, &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), text, strlen(text));
  g_assert_false(f->retry);
}

/* The message begins with @shown, and has @text. */
static void fails(Fixture *f, const char *reference, VelmError code, gboolean retry,
                  const char *shown, const char *text) {
  f->retry = !retry;
  g_assert_null(velm_image_source_fetch(f->source, reference, MOST, &f->retry, &f->error));
  g_assert_true(g_str_has_prefix(f->error->message, shown));
  g_assert_cmpint(f->retry, ==, retry);
  assert_failure(&f->error, code, text);
}

static void write_text(const char *folder, const char *name, const char *text) {
  g_autofree char *path = scratch_write(folder, name, text, strlen(text));
}

/* ---- files ---- */

static void test_files(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *line = g_build_filename(f->shared, "line 3", NULL);
  g_autofree char *link = g_build_filename(f->shared, "link.png", NULL);
  g_assert_cmpint(g_mkdir(line, 0755), ==, 0);
  write_text(f->shared, "a.png", "plain");
  write_text(f->shared, "..a", "two dots that are a name's");
  write_text(line, "Gehäuse 100%.png", "umlaut");
  write_text(line, "two\nlines", "newline");
  write_text(line, "bytes\xff", "no UTF-8");
  write_text(line, "a?b#c", "marks");
  g_assert_cmpint(symlink("line 3/two\nlines", link), ==, 0);
  open_shared(f);
  fetches(f, "file:a.png", "plain");
  fetches(f, "FILE:./a.png", "plain");
  fetches(f, "file:..a", "two dots that are a name's");
  fetches(f, "file:line%203/Geh%C3%A4use%20100%25.png", "umlaut");
  fetches(f, "file:line 3/Gehäuse 100%25.png", "umlaut");
  fetches(f, "file:line%203/two%0Alines", "newline");
  fetches(f, "file:line%203/bytes%FF", "no UTF-8");
  fetches(f, "file:line%203/a%3Fb%23c", "marks");
  fetches(f, "file:link.png", "newline");
}

static void test_files_elsewhere(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const none[] = {"file:",
                                     "file:../outside.png",
                                     "file:folder/../../outside.png",
                                     "file:%2e%2e/outside.png",
                                     "file:..%2Foutside.png",
                                     "file:/etc/hostname",
                                     "file:///etc/hostname",
                                     "file:%2Fetc/hostname",
                                     "file:100%.png",
                                     "file:a.png%00.txt"};
  static const char *const gone[] = {
      "file:missing.png", "file:missing%0Aline", "file:link.png", "file:way/outside.png",
      "file:folder",      "file:folder/",        "file:.",        "file:pipe",
      "file:loop",        "file:folder/pipe/x"};
  g_autofree char *link = g_build_filename(f->shared, "link.png", NULL);
  g_autofree char *way = g_build_filename(f->shared, "way", NULL);
  g_autofree char *loop = g_build_filename(f->shared, "loop", NULL);
  g_autofree char *folder = g_build_filename(f->shared, "folder", NULL);
  g_autofree char *pipe = g_build_filename(f->shared, "pipe", NULL);
  write_text(f->folder, "outside.png", "outside");
  write_text(f->shared, "a.png", "inside");
  g_assert_cmpint(symlink("../outside.png", link), ==, 0);
  g_assert_cmpint(symlink("..", way), ==, 0);
  g_assert_cmpint(symlink("loop", loop), ==, 0);
  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  g_assert_cmpint(mkfifo(pipe, 0644), ==, 0);
  open_shared(f);
  for (guint i = 0; i < G_N_ELEMENTS(none); i++)
    fails(f, none[i], VELM_ERROR_USAGE, FALSE, none[i], "it is ");
  for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
    fails(f, gone[i], VELM_ERROR_FILE, FALSE, gone[i], "there is no such file");
  fails(f, "file:two\nlines", VELM_ERROR_FILE, FALSE, "file:two lines: ", "no such file");
}

static void test_files_too_large(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *text = g_strnfill(MOST + 1, 'x');
  write_text(f->shared, "large", text);
  text[MOST] = '\0';
  write_text(f->shared, "fits", text);
  open_shared(f);
  fetches(f, "file:fits", text);
  fails(f, "file:large", VELM_ERROR_IMAGE, FALSE, "file:large: ", "more than 1000 bytes");
}

/* What is no fault of the file is worth another try. */
static void test_files_retry(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  struct rlimit before, none;
  scripted_server_free(g_steal_pointer(&f->server)); /* its threads open files too */
  write_text(f->shared, "a.png", "plain");
  open_shared(f);
  g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
  int next = dup(0);
  none = (struct rlimit){(rlim_t)next, before.rlim_max};
  close(next);
  g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
  g_autoptr(GBytes) bytes =
      velm_image_source_fetch(f->source, "file:a.png", MOST, &f->retry, &f->error);
  g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
  g_assert_null(bytes);
  g_assert_true(f->retry);
  assert_failure(&f->error, VELM_ERROR_FILE, "file:a.png: the file cannot be read: ");
  fetches(f, "file:a.png", "plain");
}

static void test_refer(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *good = g_build_filename(f->shared, "Teil 1 ä#\n.png", NULL);
  g_autofree char *outside = g_build_filename(f->folder, "outside.png", NULL);
  g_autofree char *link = g_build_filename(f->folder, "link.png", NULL);
  g_autofree char *missing = g_build_filename(f->shared, "missing.png", NULL);
  write_text(f->shared, "Teil 1 ä#\n.png", "good");
  write_text(f->folder, "outside.png", "outside");
  g_assert_cmpint(symlink(good, link), ==, 0);
  open_shared(f);
  g_autofree char *reference = velm_image_source_refer(f->source, good, &f->error);
  g_assert_cmpstr(reference, ==, "file:Teil%201%20%C3%A4%23%0A.png");
  fetches(f, reference, "good");
  g_autofree char *same = velm_image_source_refer(f->source, link, &f->error);
  g_assert_cmpstr(same, ==, reference);
  const char *const wrong[] = {outside, missing, f->shared, f->folder, ""};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_assert_null(velm_image_source_refer(f->source, wrong[i], &f->error));
    g_assert_true(g_str_has_prefix(f->error->message, wrong[i]));
    assert_failure(&f->error, VELM_ERROR_FILE, "there is no such file in ");
  }
}

static guint count_files(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  guint n = 0;
  while (dir && g_dir_read_name(dir))
    n++;
  return n;
}

static void shares(Fixture *f, GBytes *image, const char *expected) {
  g_autofree char *reference = velm_image_source_share(f->source, image, &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpstr(reference, ==, expected);
  fetches(f, reference, "abc");
}

static void test_share(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const expected =
      "file:inbox/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  g_autoptr(GBytes) image = g_bytes_new_static("abc", 3);
  g_autofree char *path = g_build_filename(f->shared, expected + strlen("file:"), NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  GStatBuf first, second;
  open_shared(f);
  shares(f, image, expected);
  g_assert_cmpint(g_stat(path, &first), ==, 0);
  shares(f, image, expected);
  g_assert_cmpint(g_stat(path, &second), ==, 0);
  g_assert_cmpuint(first.st_ino, ==, second.st_ino);
  g_assert_cmpuint(count_files(folder), ==, 1);
  write_text(folder, expected + strlen("file:inbox/ba/"), "ab?"); /* damaged since */
  shares(f, image, expected);
  g_assert_cmpuint(count_files(folder), ==, 1);
}

static void test_share_elsewhere(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = g_bytes_new_static("abc", 3);
  g_autofree char *inbox = g_build_filename(f->shared, "inbox", NULL);
  g_autofree char *outside = g_build_filename(f->folder, "outside", NULL);
  open_shared(f);
  write_text(f->shared, "inbox", "no folder");
  g_assert_null(velm_image_source_share(f->source, image, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "cannot be made");
  g_assert_cmpint(g_unlink(inbox), ==, 0);
  g_assert_cmpint(g_mkdir(outside, 0755), ==, 0);
  g_assert_cmpint(symlink(outside, inbox), ==, 0);
  g_assert_null(velm_image_source_share(f->source, image, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "there is no such file in ");
}

/* ---- nothing is allowed ---- */

static void refuses_all(Fixture *f) {
  static const char *const odd[] = {
      "",   "a.png",   "/etc/hostname", "ftp://u:pass@h/x", "s3", "files:a.png",
      "\n", "data:,x", "httpx:",        "\xff\xfe:pass"};
  fails(f, "file:a.png", VELM_ERROR_USAGE, FALSE, "file:a.png: ", "no folder is shared");
  fails(f, "file:\xff", VELM_ERROR_USAGE, FALSE, "file:", "no folder is shared");
  fails(f, "s3://b/k", VELM_ERROR_USAGE, FALSE, "s3://b/k: ", "none is allowed");
  fails(f, f->base, VELM_ERROR_USAGE, FALSE, f->base, "do not come from this address");
  for (guint i = 0; i < G_N_ELEMENTS(odd); i++)
    fails(f, odd[i], VELM_ERROR_USAGE, FALSE, "the reference of the image begins neither", "s3:");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
}

static void test_nothing(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = g_bytes_new_static("abc", 3);
  refuses_all(f); /* there is not even a source */
  open_source(f);
  refuses_all(f);
  g_assert_null(velm_image_source_refer(f->source, f->shared, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "no folder is shared");
  g_assert_null(velm_image_source_share(f->source, image, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "no folder is shared");
}

static void test_params(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const any[] = {"http://good.example/", NULL};
  static const char *const wrong[] = {"http://good.example/", "ftp://good.example/", NULL};
  static const char *const bucket[] = {"parts", NULL};
  static const char *const no_bucket[] = {"parts", "a/b", NULL};
  g_autofree char *missing = g_build_filename(f->folder, "missing", NULL);
  f->params.shared = missing;
  refuses_to_open(f, VELM_ERROR_FILE, "missing: no folder");
  f->params = (VelmImageSourceParams){.allowed = wrong};
  refuses_to_open(f, VELM_ERROR_USAGE, "ftp://good.example/: it is to be the beginning");
  f->params = (VelmImageSourceParams){.allowed = any, .ca_file = missing};
  refuses_to_open(f, VELM_ERROR_FILE, "missing: no such file");
  f->params = (VelmImageSourceParams){.allowed = any, .timeout_ms = -1};
  refuses_to_open(f, VELM_ERROR_USAGE, "timeout_ms");
  f->params = (VelmImageSourceParams){.s3_buckets = no_bucket, .s3_endpoint = f->base};
  refuses_to_open(f, VELM_ERROR_USAGE, "a/b: that is no name of a bucket");
  f->params = (VelmImageSourceParams){.s3_buckets = bucket, .s3_endpoint = "http://u:p@good/"};
  refuses_to_open(f, VELM_ERROR_USAGE, "http://good/: ");
  f->params = (VelmImageSourceParams){.s3_buckets = bucket};
  refuses_to_open(f, VELM_ERROR_USAGE, "AWS_ENDPOINT_URL");
  f->params.s3_endpoint = f->base;
  g_unsetenv("AWS_SECRET_ACCESS_KEY");
  refuses_to_open(f, VELM_ERROR_USAGE, "AWS_SECRET_ACCESS_KEY");
  g_setenv("AWS_SECRET_ACCESS_KEY", SECRET, TRUE);
  g_setenv("AWS_REGION", "eu:1", TRUE);
  refuses_to_open(f, VELM_ERROR_FILE, "requests cannot be signed");
  g_unsetenv("AWS_REGION");
}

/* ---- addresses ---- */

/* A case: whether @url is at or below @prefix. */
typedef struct {
  const char *prefix, *url;
  gboolean allowed;
} Address;

static const Address addresses[] = {
    {"http://good.example", "http://good.example/a.png", TRUE},
    {"http://good.example", "http://good.example", TRUE},
    {"http://good.example/", "HTTP://GOOD.example:80/a.png", TRUE},
    {"http://good.example:80/", "http://good.example/a.png?X-Amz-Signature=1#f", TRUE},
    {"http://good.example/a", "http://good.example/a", TRUE},
    {"http://good.example/a", "http://good.example/a/b", TRUE},
    {"http://good.example/a", "http://good.example/a?b", TRUE},
    {"http://good.example/a/", "http://good.example/a/b", TRUE},
    {"http://good.example/a/", "http://good.example/a/..b/b..", TRUE},
    {"https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443/a", TRUE},
    {"http://127.0.0.1/", "http://127.1/a", TRUE}, /* the same server */
    {"http://good.example", "http://good.example.evil/", FALSE},
    {"http://good.example", "http://good.example@evil/", FALSE},
    {"http://good.example", "http://good.example:pass@evil/", FALSE},
    {"http://good.example", "http://user@good.example/", FALSE},
    {"http://good.example", "http://user:pass@good.example/", FALSE},
    {"http://good.example", "http://@good.example/", FALSE},
    {"http://good.example", "http://evil\\@good.example/", FALSE},
    {"http://good.example", "http://evil#@good.example/", FALSE},
    {"http://good.example", "http://evil?@good.example/", FALSE},
    {"http://good.example", "http://evil/http://good.example", FALSE},
    {"http://good.example", "http://good.example\\.evil/", FALSE},
    {"http://good.example", "http://good.example.", FALSE},
    {"http://good.example", "http://xgood.example/", FALSE},
    {"http://good.example", "http://good.example:8080/", FALSE},
    {"http://good.example:8080", "http://good.example/", FALSE},
    {"http://good.example:80", "http://good.example:8080/", FALSE},
    {"http://good.example", "https://good.example/", FALSE},
    {"https://good.example", "http://good.example:443/", FALSE},
    {"http://good.example", "ftp://good.example/", FALSE},
    {"http://good.example", "good.example/", FALSE},
    {"http://good.example", "//good.example/", FALSE},
    {"http://good.example", "http://good.example/a b", FALSE},
    {"http://good.example", "http://good.example/a\r\nHost: evil", FALSE},
    {"http://good.example", "http://", FALSE},
    {"http://good.example", "", FALSE},
    {"http://good.example/a", "http://good.example/", FALSE},
    {"http://good.example/a", "http://good.example/ab", FALSE},
    {"http://good.example/a", "http://good.example/A", FALSE},
    {"http://good.example/a/", "http://good.example/a", FALSE},
    {"http://good.example/a", "http://good.example/a/../b", FALSE},
    {"http://good.example/a", "http://good.example/a/%2e%2e/b", FALSE},
    {"http://good.example/a", "http://good.example/a/%2E./b", FALSE},
    {"http://good.example/a", "http://good.example/a/..%2fb", FALSE},
    {"http://good.example/a", "http://good.example/a/..%5Cb", FALSE},
    {"http://good.example/a", "http://good.example/a/..\\b", FALSE},
    {"http://good.example/a", "http://good.example/a/..;x/b", FALSE},
    {"http://good.example/a", "http://good.example/a/..", FALSE},
    {"http://good.example/a", "http://good.example/a/%zz", FALSE},
    {"http://good.example/a", "http://good.example/a/%00", FALSE},
};

static void test_addresses(void) {
  for (guint i = 0; i < G_N_ELEMENTS(addresses); i++) {
    g_autoptr(GError) error = NULL;
    const Address *address = &addresses[i];
    const char *const prefixes[] = {"https://other.example/", address->prefix, NULL};
    g_assert_true(velm_http_prefix_check(address->prefix, &error));
    if (velm_http_prefix_allows(prefixes, address->url) != address->allowed)
      g_error("%s below %s: %d", address->url, address->prefix, !address->allowed);
  }
  g_assert_false(velm_http_prefix_allows(NULL, "http://good.example/"));
}

static void test_prefixes(void) {
  static const char *const wrong[] = {"",
                                      "good.example",
                                      "http://",
                                      "ftp://good.example/",
                                      "file:///a",
                                      "http://u:p@good.example/",
                                      "http://good.example/?a",
                                      "http://good.example/#a",
                                      "http://good.example/../a"};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    GError *error = NULL;
    const char *const prefixes[] = {wrong[i], NULL};
    g_assert_false(velm_http_prefix_check(wrong[i], &error));
    g_assert_null(strstr(error->message, "u:p"));
    assert_failure(&error, VELM_ERROR_USAGE, "it is to be the beginning of addresses");
    g_assert_false(velm_http_prefix_allows(prefixes, wrong[i]));
  }
}

/* ---- HTTP ---- */

/* What is below /images of the server is allowed. */
static char *open_http(Fixture *f) {
  g_autofree char *prefix = g_strconcat(f->base, "/images", NULL);
  const char *const allowed[] = {prefix, NULL};
  f->params.allowed = allowed;
  open_source(f);
  f->params.allowed = NULL;
  return g_strconcat(f->base, "/images/a.png", NULL);
}

static void test_http(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = open_http(f);
  g_autofree char *presigned = g_strconcat(url, "?X-Amz-Signature=hidden#part", NULL);
  g_autofree char *large = g_strnfill(MOST + 1, 'x');
  scripted_server_reply(f->server, 200, NULL, "image");
  scripted_server_reply(f->server, 200, NULL, large);
  scripted_server_reply(f->server, 404, NULL, "");
  fetches(f, presigned, "image");
  const ScriptedRequest *request = scripted_server_request(f->server, 0);
  g_assert_cmpstr(request->method, ==, "GET");
  g_assert_cmpstr(request->path, ==, "/images/a.png?X-Amz-Signature=hidden");
  g_assert_nonnull(strstr(request->headers, "Accept: image/*"));
  g_assert_null(strstr(request->headers, "Authorization"));
  g_assert_null(strstr(request->headers, KEY_ID));
  fails(f, presigned, VELM_ERROR_IMAGE, FALSE, url, "a.png: the answer has more than 1000 bytes");
  fails(f, presigned, VELM_ERROR_FILE, FALSE, url, "a.png: it answered with status 404");
}

static void test_http_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = open_http(f);
  static const char *const paths[] = {"", "/", "/imagesx/a.png", "/images/../a.png",
                                      "/images/%2e%2e/a.png?hidden"};
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autofree char *other = g_strconcat(f->base, paths[i], NULL);
    f->retry = TRUE;
    g_assert_null(velm_image_source_fetch(f->source, other, MOST, &f->retry, &f->error));
    g_assert_false(f->retry);
    g_assert_null(strstr(f->error->message, "hidden"));
    assert_failure(&f->error, VELM_ERROR_USAGE, "images do not come from this address");
  }
  g_autofree char *user = g_strdup_printf("http://us@er:hid@den@%s", url + strlen("http://"));
  fails(f, user, VELM_ERROR_USAGE, FALSE, url, "do not come from this address");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
}

static void test_http_redirect(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = open_http(f);
  g_autofree char *location = g_strdup_printf("Location: %s/images/b.png\r\n", f->base);
  scripted_server_reply(f->server, 302, location, "");
  fails(f, url, VELM_ERROR_FILE, FALSE, url, "status 302, and redirections are not followed");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_http_retry(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    int status;
    gboolean retry;
  } answers[] = {{500, TRUE},  {502, TRUE},  {503, TRUE},  {429, TRUE},
                 {408, TRUE},  {400, FALSE}, {401, FALSE}, {403, FALSE},
                 {404, FALSE}, {410, FALSE}, {204, FALSE}, {206, FALSE}};
  g_autofree char *url = open_http(f);
  for (guint i = 0; i < G_N_ELEMENTS(answers); i++)
    scripted_server_reply(f->server, answers[i].status, "Retry-After: 20\r\n", "");
  scripted_server_fault(f->server, SCRIPTED_RESET);
  scripted_server_fault(f->server, SCRIPTED_TRUNCATED);
  scripted_server_reply(f->server, 200, NULL, "image");
  for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
    g_autofree char *text = g_strdup_printf("it answered with status %d", answers[i].status);
    fails(f, url, VELM_ERROR_FILE, answers[i].retry, url, text);
  }
  for (guint i = 0; i < 2; i++)
    fails(f, url, VELM_ERROR_FILE, TRUE, url, "a.png: ");
  fetches(f, url, "image");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, G_N_ELEMENTS(answers) + 3);
}

static void test_http_slow(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.timeout_ms = 200;
  g_autofree char *url = open_http(f);
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  scripted_server_fault(f->server, SCRIPTED_STALLED_BODY);
  for (guint i = 0; i < 2; i++)
    fails(f, url, VELM_ERROR_FILE, TRUE, url, "no answer in time");
}

static void test_http_away(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = open_http(f);
  scripted_server_free(g_steal_pointer(&f->server));
  fails(f, url, VELM_ERROR_FILE, TRUE, url, "a.png: ");
}

static gpointer fetch_in_thread(gpointer data) {
  Fixture *f = data;
  g_autofree char *url = g_strconcat(f->base, "/images/a.png", NULL);
  guint n = 0;
  for (guint i = 0; i < 20; i++) {
    gboolean retry = FALSE;
    g_autoptr(GBytes) bytes = velm_image_source_fetch(f->source, url, MOST, &retry, NULL);
    n += bytes && g_bytes_get_size(bytes) == strlen("image");
  }
  return GUINT_TO_POINTER(n);
}

static void test_http_threads(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = open_http(f);
  GThread *threads[6];
  scripted_server_set_latency(f->server, 5);
  scripted_server_set_keep_alive(f->server, TRUE);
  scripted_server_reply(f->server, 200, NULL, "image");
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("fetch", fetch_in_thread, f);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(threads[i])), ==, 20);
  g_assert_cmpuint(scripted_server_peak(f->server), >, 1);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 6 * 20);
}

/* ---- S3 ---- */

/* The value of a header, whose name is in small letters. Returns: (transfer full). */
static char *header(const ScriptedRequest *request, const char *name) {
  g_auto(GStrv) lines = g_strsplit(request->headers, "\r\n", -1);
  gsize n = strlen(name);
  for (char **line = lines; *line; line++)
    if (g_ascii_strncasecmp(*line, name, n) == 0 && (*line)[n] == ':')
      return g_strstrip(g_strdup(*line + n + 1));
  return g_strdup("");
}

/* The text between @start and the next @end. Returns: (transfer full). */
static char *between(const char *text, const char *start, char end) {
  const char *from = strstr(text, start);
  if (!from)
    return g_strdup("");
  from += strlen(start);
  const char *to = strchr(from, end);
  return to ? g_strndup(from, (gsize)(to - from)) : g_strdup(from);
}

static void hmac(guint8 key[32], gsize *size, const char *text) {
  GHmac *hash = g_hmac_new(G_CHECKSUM_SHA256, key, *size);
  g_hmac_update(hash, (const guchar *)text, -1);
  *size = 32;
  g_hmac_get_digest(hash, key, size);
  g_hmac_unref(hash);
}

/* The signature that AWS's documents want of @request. */
static char *sign(const ScriptedRequest *request, const char *scope, const char *signed_headers) {
  g_auto(GStrv) names = g_strsplit(signed_headers, ";", -1);
  g_auto(GStrv) parts = g_strsplit(scope, "/", -1); /* date, region, service, aws4_request */
  g_autofree char *time = header(request, "x-amz-date");
  g_autofree char *body = header(request, "x-amz-content-sha256");
  g_autoptr(GString) canonical = g_string_new(NULL);
  g_string_printf(canonical, "%s\n%s\n\n", request->method, request->path);
  for (char **name = names; *name; name++) {
    g_autofree char *value = header(request, *name);
    g_string_append_printf(canonical, "%s:%s\n", *name, value);
  }
  g_string_append_printf(canonical, "\n%s\n%s", signed_headers, body);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, canonical->str, -1);
  g_autofree char *text = g_strdup_printf("AWS4-HMAC-SHA256\n%s\n%s\n%s", time, scope, digest);
  guint8 key[64] = "AWS4" SECRET;
  gsize size = strlen("AWS4" SECRET);
  for (char **part = parts; *part; part++)
    hmac(key, &size, *part);
  return g_compute_hmac_for_string(G_CHECKSUM_SHA256, key, size, text, -1);
}

/* A store that answers what is signed as it is to be, and forbids all else. */
static guint answer_signed(const ScriptedRequest *request, G_GNUC_UNUSED guint number,
                           G_GNUC_UNUSED guint seen, gpointer data) {
  const char *region = data;
  g_autofree char *authorization = header(request, "authorization");
  g_autofree char *scope = between(authorization, "Credential=" KEY_ID "/", ',');
  g_autofree char *signed_headers = between(authorization, "SignedHeaders=", ',');
  g_autofree char *signature = between(authorization, "Signature=", ',');
  g_autofree char *end = g_strdup_printf("/%s/s3/aws4_request", region);
  g_autofree char *own = sign(request, scope, signed_headers);
  gboolean good = g_str_has_prefix(authorization, "AWS4-HMAC-SHA256 ") &&
                  g_str_has_suffix(scope, end) && strstr(signed_headers, "host;") &&
                  strstr(signed_headers, "x-amz-content-sha256;x-amz-date") &&
                  g_str_equal(signature, own);
  return good ? 0 : 1;
}

static const char *const parts_bucket[] = {"parts", "other.parts-2", NULL};

static void open_s3(Fixture *f, const char *region) {
  scripted_server_reply(f->server, 200, NULL, "image");
  scripted_server_reply(f->server, 403, NULL, "<Code>SignatureDoesNotMatch</Code>");
  scripted_server_set_plan(f->server, answer_signed, (gpointer)(guintptr)region);
  f->params.s3_buckets = parts_bucket;
  open_source(f);
}

static const char *last_path(Fixture *f) {
  return scripted_server_request(f->server, scripted_server_n_requests(f->server) - 1)->path;
}

static void test_s3(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *slash = g_strconcat(f->base, "/", NULL);
  f->params.s3_endpoint = slash;
  open_s3(f, "us-east-1");
  fetches(f, "s3://parts/line-3/a_b~c.png", "image");
  g_assert_cmpstr(last_path(f), ==, "/parts/line-3/a_b~c.png");
  fetches(f, "s3://other.parts-2/Gehäuse 1/100%+x=(y)*?#.png", "image");
  g_assert_cmpstr(last_path(f), ==,
                  "/other.parts-2/Geh%C3%A4use%201/100%25%2Bx%3D%28y%29%2A%3F%23.png");
  g_autofree char *token = header(scripted_server_request(f->server, 0), "x-amz-security-token");
  g_autofree char *type = header(scripted_server_request(f->server, 0), "content-type");
  g_assert_cmpstr(token, ==, "");
  g_assert_cmpstr(type, ==, "");
  g_assert_null(strstr(scripted_server_request(f->server, 0)->headers, SECRET));
}

/* All that may be is the environment's. */
static void test_s3_environment(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_setenv("AWS_ENDPOINT_URL", f->base, TRUE);
  g_setenv("AWS_REGION", "eu-central-1", TRUE);
  g_setenv("AWS_SESSION_TOKEN", TOKEN, TRUE);
  open_s3(f, "eu-central-1");
  g_unsetenv("AWS_ENDPOINT_URL");
  g_unsetenv("AWS_REGION");
  g_unsetenv("AWS_SESSION_TOKEN");
  fetches(f, "s3://parts/a.png", "image");
  g_autofree char *token = header(scripted_server_request(f->server, 0), "x-amz-security-token");
  g_autofree char *authorization = header(scripted_server_request(f->server, 0), "authorization");
  g_assert_cmpstr(token, ==, TOKEN);
  g_assert_nonnull(strstr(authorization, "x-amz-security-token"));
}

static void test_s3_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const none[] = {
      "s3:",           "s3://",        "s3://parts",    "s3://parts/",
      "s3:/parts/a",   "S3://parts/a", "s3://parts/..", "s3://parts/../secrets/a",
      "s3://parts/./a"};
  static const char *const others[] = {"s3://secrets/a", "s3://part/a", "s3://partss/a", "s3:///a",
                                       "s3://x@parts/a"};
  f->params.s3_endpoint = f->base;
  open_s3(f, "us-east-1");
  for (guint i = 0; i < G_N_ELEMENTS(none); i++)
    fails(f, none[i], VELM_ERROR_USAGE, FALSE, none[i], "it is to be s3://BUCKET/KEY");
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    fails(f, others[i], VELM_ERROR_USAGE, FALSE, others[i], "do not come from this bucket");
  fails(f, "s3://secrets/a?X-Amz-Signature=1", VELM_ERROR_USAGE, FALSE,
        "s3://secrets/a: ", "do not come from this bucket");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
}

static void test_s3_fails(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const shown = "s3://parts/a: http://127.0.0.1:";
  f->params.s3_endpoint = f->base;
  open_s3(f, "not-the-region");
  fails(f, "s3://parts/a", VELM_ERROR_FILE, FALSE, shown, "/parts/a: it answered with status 403");
  scripted_server_set_plan(f->server, NULL, NULL);
  scripted_server_reply(f->server, 503, NULL, "<Code>SlowDown</Code>"); /* the third request */
  fails(f, "s3://parts/a", VELM_ERROR_FILE, FALSE, shown, "403");
  fails(f, "s3://parts/a", VELM_ERROR_FILE, TRUE, shown, "503");
  scripted_server_free(g_steal_pointer(&f->server));
  fails(f, "s3://parts/a", VELM_ERROR_FILE, TRUE, shown, "/parts/a: ");
}

#define ADD(name, function)                                                                        \
  g_test_add("/plant/image_source/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  static const char *const unset[] = {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"};
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(unset); i++)
    g_unsetenv(unset[i]);
  g_setenv("AWS_ACCESS_KEY_ID", KEY_ID, TRUE);
  g_setenv("AWS_SECRET_ACCESS_KEY", SECRET, TRUE);
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  ADD("files/good", test_files);
  ADD("files/elsewhere", test_files_elsewhere);
  ADD("files/too-large", test_files_too_large);
  ADD("files/retry", test_files_retry);
  ADD("files/refer", test_refer);
  ADD("files/share", test_share);
  ADD("files/share-elsewhere", test_share_elsewhere);
  ADD("nothing", test_nothing);
  ADD("params", test_params);
  g_test_add_func("/plant/image_source/addresses", test_addresses);
  g_test_add_func("/plant/image_source/prefixes", test_prefixes);
  ADD("http/good", test_http);
  ADD("http/refused", test_http_refused);
  ADD("http/redirect", test_http_redirect);
  ADD("http/retry", test_http_retry);
  ADD("http/slow", test_http_slow);
  ADD("http/away", test_http_away);
  ADD("http/threads", test_http_threads);
  ADD("s3/good", test_s3);
  ADD("s3/environment", test_s3_environment);
  ADD("s3/refused", test_s3_refused);
  ADD("s3/fails", test_s3_fails);
  return g_test_run();
}
