/* A new class from records that show it. */
#include "serve/call.h"
#include "serve/key.h"
#include "serve/spec_use.h"

#include "act/spec.h"

#include <stdint.h>

#define MOST_RECORDS 500
#define MOST_NAME 200
#define MOST_DESCRIPTION 2000

typedef struct {
  VelmNewClass class;
  const char *who;
  GArray *records; /* of gint64 */
} Wish;

/* ---- what is asked ---- */

/* A text of one line that must be there. */
static gboolean read_text(JsonNode *body, const char *name, gsize most, const char **text,
                          GError **error) {
  if (!velm_call_text(body, name, most, text, error))
    return FALSE;
  if (*text && (*text)[0] && velm_text_is_plain(*text))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: it is missing, empty, or has control characters", name);
  return FALSE;
}

static gboolean read_severity(JsonNode *body, VelmDecision *severity, GError **error) {
  const char *text = NULL;
  if (!velm_call_text(body, "severity", MOST_NAME, &text, error))
    return FALSE;
  for (*severity = VELM_DECISION_NEGLIGIBLE; *severity <= VELM_DECISION_DEFECT; (*severity)++)
    if (g_strcmp0(text, velm_decision_name(*severity)) == 0)
      return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "severity: it is to be negligible or defect");
  return FALSE;
}

static gboolean read_records(JsonNode *body, GArray *records, GError **error) {
  JsonNode *member = json_object_get_member(json_node_get_object(body), "records");
  JsonArray *array = member && JSON_NODE_HOLDS_ARRAY(member) ? json_node_get_array(member) : NULL;
  guint n = array ? json_array_get_length(array) : 0;
  gboolean ok = n >= 1 && n <= MOST_RECORDS;
  for (guint i = 0; ok && i < n; i++) {
    gint64 id = 0;
    ok = velm_call_whole(json_array_get_element(array, i), 1, &id);
    g_array_append_val(records, id);
  }
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "records: it is to be an array of 1 to %d numbers of records", MOST_RECORDS);
  return ok;
}

static gboolean read_wish(const VelmCall *call, JsonNode *body, Wish *wish, GError **error) {
  return read_text(body, "key", MOST_NAME, &wish->class.key, error) &&
         read_text(body, "name", MOST_NAME, &wish->class.name, error) &&
         read_text(body, "description", MOST_DESCRIPTION, &wish->class.description, error) &&
         read_text(body, "action", MOST_NAME, &wish->class.action, error) &&
         read_severity(body, &wish->class.severity, error) &&
         read_records(body, wish->records, error) && velm_call_who(call, body, &wish->who, error);
}

/* All of them must be there, and of the product. */
static gboolean check_records(const VelmCall *call, const GArray *records, GError **error) {
  VelmStore *store = velm_station_get_store(call->context->station);
  for (guint i = 0; i < records->len; i++) {
    gint64 id = g_array_index(records, gint64, i);
    g_autoptr(VelmStoredRecord) record = NULL;
    if (!velm_store_get(store, id, &record, error))
      return FALSE;
    if (record && g_str_equal(record->product, call->argument))
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "records: %s has no record %" G_GINT64_FORMAT,
                call->argument, id);
    return FALSE;
  }
  return TRUE;
}

/* ---- what is done ---- */

static gboolean review_records(VelmStation *station, const Wish *wish, GError **error) {
  for (guint i = 0; i < wish->records->len; i++) {
    gboolean found = FALSE;
    g_autoptr(VelmStoredRecord) record = NULL;
    VelmStore *store = velm_station_get_store(station);
    const VelmReview review = {.record = g_array_index(wish->records, gint64, i),
                               .verdict = VELM_VERDICT_CORRECT,
                               .class_name = (char *)(uintptr_t)wish->class.key,
                               .who = (char *)(uintptr_t)wish->who};
    if (!velm_store_review(store, &review, &found, error) ||
        !velm_store_get(store, review.record, &record, error))
      return FALSE;
    if (record)
      velm_station_tell_review(station, record);
  }
  return TRUE;
}

static VelmResponse *respond_taken(const char *key) {
  g_autofree char *why = g_strdup_printf("key: the spec has a class \"%s\" already", key);
  return velm_response_new_problem(409, why);
}

static VelmResponse *add_class(VelmCall *call, VelmProduct *product, Wish *wish, GError **error) {
  static const char *const names[] = {"key",    "name",    "description", "severity",
                                      "action", "records", "who",         NULL};
  VelmStation *station = call->context->station;
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  if (!body || !read_wish(call, body, wish, error) || !check_records(call, wish->records, error))
    return NULL;
  g_autoptr(VelmSpec) spec = velm_product_read_spec(product, error);
  if (spec && velm_classes_find(velm_spec_get_classes(spec), wish->class.key) >= 0)
    return respond_taken(wish->class.key);
  g_autofree char *text = spec ? velm_spec_add_class(spec, &wish->class, error) : NULL;
  gboolean ok = text && velm_spec_use(station, product, text, wish->who, error) &&
                review_records(station, wish, error);
  return ok ? velm_response_new(202, NULL, NULL) : NULL;
}

VelmResponse *velm_api_add_class(VelmCall *call, GError **error) {
  VelmResponse *problem = NULL;
  VelmProduct *product = velm_call_own_product(call, &problem);
  if (!product)
    return problem;
  g_autoptr(GArray) records = g_array_new(FALSE, FALSE, sizeof(gint64));
  Wish wish = {.records = records};
  return add_class(call, product, &wish, error);
}
