/* The file of tokens: who it lets in, and how it is refused without giving a token away. */
#include "core/scratch.h"
#include "serve/access.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  char *folder;
  GError *error;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) { f->folder = scratch_new(); }

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&f->error);
  scratch_remove(f->folder);
}

static VelmAccess *load(Fixture *f, const char *text, int mode) {
  g_autofree char *path = scratch_write(f->folder, "tokens", text, strlen(text));
  g_assert_cmpint(g_chmod(path, mode), ==, 0);
  return velm_access_load(path, &f->error);
}

static void assert_is(const VelmAccess *access, const char *token, VelmRole role, const char *who) {
  const char *name = "unset";
  g_assert_cmpint(velm_access_check(access, token, &name), ==, role);
  g_assert_cmpstr(name, ==, who);
}

static void test_roles(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmAccess) access = load(f,
                                      "# who works here\n"
                                      "\n"
                                      "line camera-1 aaaaaaaaaaaaaaaa\n"
                                      "  operator\tanna   bbbbbbbbbbbbbbbbb \r\n"
                                      "#engineer nobody dddddddddddddddd\n"
                                      "engineer berta cccccccccccccccccc",
                                      0600);
  g_assert_no_error(f->error);
  assert_is(access, "aaaaaaaaaaaaaaaa", VELM_ROLE_LINE, "camera-1");
  assert_is(access, "bbbbbbbbbbbbbbbbb", VELM_ROLE_OPERATOR, "anna");
  assert_is(access, "cccccccccccccccccc", VELM_ROLE_ENGINEER, "berta");
  static const char *const strangers[] = {"",
                                          "aaaaaaaaaaaaaaa",
                                          "aaaaaaaaaaaaaaaaa",
                                          "Aaaaaaaaaaaaaaaa",
                                          " aaaaaaaaaaaaaaaa",
                                          "dddddddddddddddd",
                                          "camera-1",
                                          "\xff"};
  for (gsize i = 0; i < G_N_ELEMENTS(strangers); i++)
    assert_is(access, strangers[i], VELM_ROLE_NOBODY, NULL);
}

static void test_names(void) {
  g_assert_null(velm_role_name(VELM_ROLE_NOBODY));
  g_assert_cmpstr(velm_role_name(VELM_ROLE_LINE), ==, "line");
  g_assert_cmpstr(velm_role_name(VELM_ROLE_OPERATOR), ==, "operator");
  g_assert_cmpstr(velm_role_name(VELM_ROLE_ENGINEER), ==, "engineer");
}

/* The message names the line, and has no word of it. */
static void test_bad_lines(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const lines[] = {
      "boss anna secret-token-0123456789",
      "secret-token-0123456789",
      "nobody anna secret-token-0123456789",
      "line secret-token-0123456789",
      "line anna",
      "line",
      "line anna secret-token-01",
      "line anna secret-token-0123456789 secret-token-0123456789",
      "Line anna secret-token-0123456789",
      "line \xff secret-token-0123456789",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_autofree char *text = g_strdup_printf("line camera aaaaaaaaaaaaaaaa\n# two\n%s\n", lines[i]);
    g_autoptr(VelmAccess) access = load(f, text, 0600);
    g_assert_null(access);
    g_assert_nonnull(f->error);
    g_assert_null(strstr(f->error->message, "secret"));
    assert_failure(&f->error, VELM_ERROR_USAGE, "tokens: line 3: ");
  }
}

static void test_lengths(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    guint name, token;
    gboolean fits;
  } cases[] = {{1, 16, TRUE}, {1, 15, FALSE}, {100, 200, TRUE}, {101, 16, FALSE}, {1, 201, FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *name = g_strnfill(cases[i].name, 'n');
    g_autofree char *token = g_strnfill(cases[i].token, 't');
    g_autofree char *text = g_strdup_printf("line %s %s", name, token);
    g_autoptr(VelmAccess) access = load(f, text, 0600);
    g_assert_cmpint(access != NULL, ==, cases[i].fits);
    if (access)
      assert_is(access, token, VELM_ROLE_LINE, name);
    else
      assert_failure(&f->error, VELM_ERROR_USAGE, "line 1: ");
  }
}

static void test_empty(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const texts[] = {"", "\n\n", "# line camera aaaaaaaaaaaaaaaa\n"};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(VelmAccess) access = load(f, texts[i], 0600);
    g_assert_null(access);
    assert_failure(&f->error, VELM_ERROR_USAGE, "has no token");
  }
}

static void test_readable_by_others(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const int modes[] = {0644, 0640, 0604, 0620, 0601};
  for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_autoptr(VelmAccess) access = load(f, "line camera aaaaaaaaaaaaaaaa\n", modes[i]);
    g_assert_null(access);
    assert_failure(&f->error, VELM_ERROR_FILE, "chmod 600 it");
  }
  g_autoptr(VelmAccess) access = load(f, "line camera aaaaaaaaaaaaaaaa\n", 0400);
  g_assert_no_error(f->error);
  g_assert_nonnull(access);
}

static void test_no_file(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *path = g_build_filename(f->folder, "absent", NULL);
  g_assert_null(velm_access_load(path, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "absent: no such file");
  g_assert_null(velm_access_load(f->folder, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "is a folder");
}

#define ADD(path, test) g_test_add("/access/" path, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("roles", test_roles);
  g_test_add_func("/access/names", test_names);
  ADD("bad_lines", test_bad_lines);
  ADD("lengths", test_lengths);
  ADD("empty", test_empty);
  ADD("readable_by_others", test_readable_by_others);
  ADD("no_file", test_no_file);
  return g_test_run();
}
