/* Sessions: a cookie for a token. */
#include "serve/sessions.h"

#include <string.h>

static char *begin(VelmSessions *sessions, VelmRole role, const char *name) {
  g_autoptr(GError) error = NULL;
  char *cookie = velm_sessions_begin(sessions, role, name, &error);
  g_assert_no_error(error);
  return cookie;
}

static void assert_is(VelmSessions *sessions, const char *cookie, VelmRole role, const char *who) {
  g_autofree char *name = NULL;
  g_assert_cmpint(velm_sessions_check(sessions, cookie, &name), ==, role);
  g_assert_cmpstr(name, ==, who);
}

static void test_begin_and_end(void) {
  g_autoptr(VelmSessions) sessions = velm_sessions_new();
  g_autofree char *anna = begin(sessions, VELM_ROLE_OPERATOR, "anna");
  g_autofree char *berta = begin(sessions, VELM_ROLE_ENGINEER, "berta");
  assert_is(sessions, anna, VELM_ROLE_OPERATOR, "anna");
  assert_is(sessions, berta, VELM_ROLE_ENGINEER, "berta");
  velm_sessions_end(sessions, anna);
  assert_is(sessions, anna, VELM_ROLE_NOBODY, NULL);
  assert_is(sessions, berta, VELM_ROLE_ENGINEER, "berta");
  velm_sessions_end(sessions, anna);
  velm_sessions_end(sessions, "nobody's");
}

static void test_strangers(void) {
  g_autoptr(VelmSessions) sessions = velm_sessions_new();
  g_autofree char *cookie = begin(sessions, VELM_ROLE_LINE, "camera");
  g_autofree char *start = g_strndup(cookie, strlen(cookie) - 1);
  g_autofree char *more = g_strconcat(cookie, "0", NULL);
  const char *const strangers[] = {"", start, more, "camera", "\xff"};
  for (gsize i = 0; i < G_N_ELEMENTS(strangers); i++)
    assert_is(sessions, strangers[i], VELM_ROLE_NOBODY, NULL);
}

/* 256 bits, and never the same again; nothing that a cookie may not hold. */
static void test_cookies(void) {
  g_autoptr(VelmSessions) sessions = velm_sessions_new();
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < 200; i++) {
    char *cookie = begin(sessions, VELM_ROLE_LINE, "camera");
    g_assert_cmpuint(strlen(cookie), ==, 64);
    g_assert_cmpuint(strspn(cookie, "0123456789abcdef"), ==, 64);
    g_assert_true(g_hash_table_add(seen, cookie));
  }
}

/* There are a thousand at most: one more ends one of them, and not the new one. */
static void test_many(void) {
  g_autoptr(VelmSessions) sessions = velm_sessions_new();
  g_autoptr(GPtrArray) cookies = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < 1001; i++)
    g_ptr_array_add(cookies, begin(sessions, VELM_ROLE_LINE, "camera"));
  assert_is(sessions, cookies->pdata[1000], VELM_ROLE_LINE, "camera");
  guint n = 0;
  for (guint i = 0; i < cookies->len; i++) {
    g_autofree char *name = NULL;
    n += velm_sessions_check(sessions, cookies->pdata[i], &name) == VELM_ROLE_LINE;
  }
  g_assert_cmpuint(n, ==, 1000);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sessions/begin_and_end", test_begin_and_end);
  g_test_add_func("/sessions/strangers", test_strangers);
  g_test_add_func("/sessions/cookies", test_cookies);
  g_test_add_func("/sessions/many", test_many);
  return g_test_run();
}
