#include "serve/query.h"

#include <math.h>
#include <string.h>

#define MOST_TEXT 200

static const char *const filter_names[] = {"product",  "station",   "class",     "decision",
                                           "reviewed", "min_score", "max_score", "since",
                                           "until",    NULL};

static gboolean refuse(GError **error, const char *name, const char *why) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: %s", name, why);
  return FALSE;
}

gboolean velm_query_only(GHashTable *query, const char *const *names, gboolean filters,
                         GError **error) {
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, query);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    if (!g_strv_contains(names, name) && !(filters && g_strv_contains(filter_names, name))) {
      g_autofree char *shown = g_utf8_make_valid(name, -1);
      return refuse(error, shown, "there is no such parameter here");
    }
  return TRUE;
}

gboolean velm_query_text(GHashTable *query, const char *name, gsize most, const char **value,
                         GError **error) {
  const char *text = g_hash_table_lookup(query, name);
  *value = text;
  if (!text ||
      (text[0] && g_utf8_validate(text, -1, NULL) && g_utf8_strlen(text, -1) <= (glong)most))
    return TRUE;
  return refuse(error, name, "it is empty, too long or no UTF-8");
}

gboolean velm_query_word(GHashTable *query, const char *name, const char *const *words,
                         guint *index, GError **error) {
  const char *text = g_hash_table_lookup(query, name);
  if (!text)
    return TRUE;
  for (guint i = 0; words[i]; i++)
    if (g_str_equal(words[i], text)) {
      *index = i;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv(", ", (char **)words);
  g_autofree char *why = g_strconcat("it is to be one of ", all, NULL);
  return refuse(error, name, why);
}

gboolean velm_query_int(GHashTable *query, const char *name, gint64 least, gint64 most,
                        gint64 *value, GError **error) {
  const char *text = g_hash_table_lookup(query, name);
  if (!text || g_ascii_string_to_signed(text, 10, least, most, value, NULL))
    return TRUE;
  g_autofree char *why = g_strdup_printf(
      "it is to be a whole number, %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, least, most);
  return refuse(error, name, why);
}

static gboolean read_number(GHashTable *query, const char *name, double *value, GError **error) {
  const char *text = g_hash_table_lookup(query, name);
  char *end = NULL;
  if (!text)
    return TRUE;
  *value = g_ascii_strtod(text, &end);
  if (end != text && !*end && isfinite(*value) && !g_ascii_isspace(text[0]))
    return TRUE;
  return refuse(error, name, "it is to be a number");
}

static gboolean read_time(GHashTable *query, const char *name, gint64 *value, GError **error) {
  const char *text = g_hash_table_lookup(query, name);
  if (!text)
    return TRUE;
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  if (!time)
    return refuse(error, name, "it is to be a time such as 2026-01-31T08:00:00Z");
  *value = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
  /* 0 stands for no limit; no record is so old. */
  *value = MAX(*value, 1);
  return TRUE;
}

static gboolean read_reviewed(GHashTable *query, VelmStoreReviewed *reviewed, GError **error) {
  static const char *const words[] = {"true", "false", NULL};
  static const VelmStoreReviewed values[] = {VELM_STORE_REVIEWED, VELM_STORE_UNREVIEWED,
                                             VELM_STORE_ALL};
  guint index = 2;
  if (!velm_query_word(query, "reviewed", words, &index, error))
    return FALSE;
  *reviewed = values[index];
  return TRUE;
}

static gboolean read_decision(GHashTable *query, const char **decision, GError **error) {
  const char *words[] = {velm_decision_name(VELM_DECISION_NORMAL),
                         velm_decision_name(VELM_DECISION_NEGLIGIBLE),
                         velm_decision_name(VELM_DECISION_DEFECT),
                         velm_decision_name(VELM_DECISION_REVIEW),
                         VELM_STORE_FAILED,
                         NULL};
  guint index = G_N_ELEMENTS(words) - 1;
  if (!velm_query_word(query, "decision", words, &index, error))
    return FALSE;
  *decision = words[index];
  return TRUE;
}

gboolean velm_query_filters(GHashTable *query, VelmStoreQuery *filters, GError **error) {
  *filters = velm_store_query_default();
  return velm_query_text(query, "product", MOST_TEXT, &filters->product, error) &&
         velm_query_text(query, "station", MOST_TEXT, &filters->station, error) &&
         velm_query_text(query, "class", MOST_TEXT, &filters->class_name, error) &&
         read_decision(query, &filters->decision, error) &&
         read_reviewed(query, &filters->reviewed, error) &&
         read_number(query, "min_score", &filters->min_score, error) &&
         read_number(query, "max_score", &filters->max_score, error) &&
         read_time(query, "since", &filters->since, error) &&
         read_time(query, "until", &filters->until, error);
}
