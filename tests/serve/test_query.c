/* What a request asks for behind its question mark. */
#include "core/scratch.h"
#include "serve/query.h"

#include <math.h>

/* Names and values, NULL-terminated. */
static GHashTable *query_of(const char *const *pairs) {
  GHashTable *query = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (gsize i = 0; pairs[i]; i += 2)
    g_hash_table_insert(query, g_strdup(pairs[i]), g_strdup(pairs[i + 1]));
  return query;
}

#define QUERY(...) query_of((const char *const[]){__VA_ARGS__, NULL})

static void test_only(void) {
  static const char *const names[] = {"limit", "order", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) good = QUERY("limit", "1", "class", "rust");
  g_autoptr(GHashTable) odd = QUERY("limits", "1");
  g_autoptr(GHashTable) binary = QUERY("\xff", "1");
  g_assert_true(velm_query_only(good, names, TRUE, &error));
  g_assert_no_error(error);
  g_assert_false(velm_query_only(good, names, FALSE, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "class: there is no such parameter here");
  g_assert_false(velm_query_only(odd, names, TRUE, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "limits: ");
  g_assert_false(velm_query_only(binary, names, TRUE, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "there is no such parameter here");
}

static void test_text(void) {
  static const char *const wrong[] = {"", "12345", "a\xff"};
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query = QUERY("a", "1234");
  const char *value = "unset";
  g_assert_true(velm_query_text(query, "a", 4, &value, &error));
  g_assert_cmpstr(value, ==, "1234");
  g_assert_true(velm_query_text(query, "b", 4, &value, &error));
  g_assert_null(value);
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GHashTable) one = QUERY("a", wrong[i]);
    g_assert_false(velm_query_text(one, "a", 4, &value, &error));
    assert_failure(&error, VELM_ERROR_USAGE, "a: it is empty, too long or no UTF-8");
  }
}

static void test_word(void) {
  static const char *const words[] = {"newest", "oldest", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query = QUERY("order", "oldest", "other", "Oldest");
  guint index = 7;
  g_assert_true(velm_query_word(query, "absent", words, &index, &error));
  g_assert_cmpuint(index, ==, 7);
  g_assert_true(velm_query_word(query, "order", words, &index, &error));
  g_assert_cmpuint(index, ==, 1);
  g_assert_false(velm_query_word(query, "other", words, &index, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "other: it is to be one of newest, oldest");
}

static void test_int(void) {
  static const char *const wrong[] = {
      "", "0", "11", "-1", "1.5", "1x", " 1", "1 ", "x", "1e1", "99999999999999999999"};
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query = QUERY("a", "10", "b", "1");
  gint64 value = 7;
  g_assert_true(velm_query_int(query, "absent", 1, 10, &value, &error));
  g_assert_cmpint(value, ==, 7);
  g_assert_true(velm_query_int(query, "a", 1, 10, &value, &error));
  g_assert_cmpint(value, ==, 10);
  g_assert_true(velm_query_int(query, "b", 1, 10, &value, &error));
  g_assert_cmpint(value, ==, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GHashTable) one = QUERY("a", wrong[i]);
    g_assert_false(velm_query_int(one, "a", 1, 10, &value, &error));
    assert_failure(&error, VELM_ERROR_USAGE, "a: it is to be a whole number, 1 to 10");
  }
}

static void test_no_filters(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query = QUERY(NULL);
  VelmStoreQuery filters, all = velm_store_query_default();
  g_assert_true(velm_query_filters(query, &filters, &error));
  g_assert_no_error(error);
  g_assert_null(filters.product);
  g_assert_null(filters.class_name);
  g_assert_null(filters.decision);
  g_assert_true(isnan(filters.min_score) && isnan(filters.max_score));
  g_assert_cmpint(filters.since, ==, all.since);
  g_assert_cmpint(filters.until, ==, all.until);
  g_assert_cmpint(filters.reviewed, ==, VELM_STORE_ALL);
}

static void test_filters(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query =
      QUERY("product", "disc", "class", "rust", "decision", "defect", "reviewed", "false",
            "min_score", "-1.5", "max_score", "2e3", "since", "1970-01-01T01:00:01+01:00", "until",
            "2026-01-31T08:00:00.25Z");
  VelmStoreQuery filters;
  g_assert_true(velm_query_filters(query, &filters, &error));
  g_assert_no_error(error);
  g_assert_cmpstr(filters.product, ==, "disc");
  g_assert_cmpstr(filters.class_name, ==, "rust");
  g_assert_cmpstr(filters.decision, ==, "defect");
  g_assert_cmpint(filters.reviewed, ==, VELM_STORE_UNREVIEWED);
  g_assert_cmpfloat(filters.min_score, ==, -1.5);
  g_assert_cmpfloat(filters.max_score, ==, 2000);
  g_assert_cmpint(filters.since, ==, 1000000);
  g_assert_cmpint(filters.until, ==, 1769846400250000);
}

/* 0 would be no limit at all. */
static void test_long_ago(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) query =
      QUERY("since", "1970-01-01T00:00:00Z", "until", "1900-01-01T00:00:00Z");
  VelmStoreQuery filters;
  g_assert_true(velm_query_filters(query, &filters, &error));
  g_assert_cmpint(filters.since, ==, 1);
  g_assert_cmpint(filters.until, ==, 1);
}

static void test_wrong_filters(void) {
  static const struct {
    const char *name, *value;
  } cases[] = {{"product", ""},
               {"class", "\xff"},
               {"decision", "Defect"},
               {"decision", ""},
               {"reviewed", "1"},
               {"reviewed", ""},
               {"min_score", ""},
               {"min_score", "nan"},
               {"min_score", "inf"},
               {"max_score", "1e999"},
               {"max_score", " 1"},
               {"max_score", "1 "},
               {"max_score", "1,5"},
               {"since", ""},
               {"since", "yesterday"},
               {"since", "2026-01-31"},
               {"since", "2026-01-31T08:00:00"},
               {"until", "2026-02-30T08:00:00Z"},
               {"until", "1"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) query = QUERY(cases[i].name, cases[i].value);
    VelmStoreQuery filters;
    g_test_message("%s=%s", cases[i].name, cases[i].value);
    g_assert_false(velm_query_filters(query, &filters, &error));
    assert_failure(&error, VELM_ERROR_USAGE, cases[i].name);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/query/only", test_only);
  g_test_add_func("/query/text", test_text);
  g_test_add_func("/query/word", test_word);
  g_test_add_func("/query/int", test_int);
  g_test_add_func("/query/no_filters", test_no_filters);
  g_test_add_func("/query/filters", test_filters);
  g_test_add_func("/query/long_ago", test_long_ago);
  g_test_add_func("/query/wrong_filters", test_wrong_filters);
  return g_test_run();
}
