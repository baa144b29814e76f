#include "serve/record_json.h"

#include <string.h>

char *velm_time_text(gint64 time) {
  g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc(time / G_USEC_PER_SEC);
  if (!seconds)
    return g_strdup("1970-01-01T00:00:00Z");
  g_autoptr(GDateTime) exact = g_date_time_add(seconds, time % G_USEC_PER_SEC);
  return g_date_time_format(exact, "%Y-%m-%dT%H:%M:%S.%fZ");
}

void velm_json_set_time(JsonBuilder *builder, const char *name, gint64 time) {
  g_autofree char *text = time ? velm_time_text(time) : NULL;
  velm_json_set_string(builder, name, text);
}

void velm_summary_build(JsonBuilder *builder, const VelmStoredRecord *record) {
  velm_json_set_int(builder, "id", record->id);
  velm_json_set_string(builder, "key", record->key);
  velm_json_set_string(builder, "product", record->product);
  velm_json_set_string(builder, "part", record->part);
  velm_json_set_string(builder, "station", record->station);
  velm_json_set_time(builder, "time", record->time);
  velm_json_set_string(builder, "decision", record->decision);
  velm_json_set_string(builder, "class", record->class_name);
  velm_json_set_string(builder, "detected_class", record->detected_class);
  velm_json_set_double(builder, "score", record->score);
  velm_json_set_double(builder, "threshold", record->threshold);
  velm_json_set_double(builder, "confidence", record->confidence);
  velm_json_set_string(builder, "verdict", velm_verdict_name(record->verdict));
  velm_json_set_string(builder, "media_type", record->media_type);
  velm_json_set_string(builder, "image_sha256", record->image);
  velm_json_set_int(builder, "image_bytes", record->image_bytes);
}

char *velm_summary_to_json(const VelmStoredRecord *record) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_summary_build(builder, record);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

static void build_review(JsonBuilder *builder, const VelmReview *review) {
  json_builder_begin_object(builder);
  velm_json_set_time(builder, "time", review->time);
  velm_json_set_string(builder, "who", review->who);
  velm_json_set_string(builder, "verdict", velm_verdict_name(review->verdict));
  velm_json_set_string(builder, "class", review->class_name);
  velm_json_set_string(builder, "note", review->note);
  json_builder_end_object(builder);
}

static void build_record(JsonBuilder *builder, const VelmStoredRecord *record,
                         const GPtrArray *reviews) {
  velm_summary_build(builder, record);
  json_builder_set_member_name(builder, "inspection");
  JsonNode *inspection =
      record->json ? velm_json_parse(record->json, -1, "the record", NULL) : NULL;
  json_builder_add_value(builder, inspection ? inspection : json_node_new(JSON_NODE_NULL));
  json_builder_set_member_name(builder, "reviews");
  json_builder_begin_array(builder);
  for (guint i = 0; i < reviews->len; i++)
    build_review(builder, reviews->pdata[i]);
  json_builder_end_array(builder);
}

char *velm_stored_record_to_json(VelmStore *store, const VelmStoredRecord *record, GError **error) {
  g_autoptr(GPtrArray) reviews = velm_store_list_reviews(store, record->id, error);
  if (!reviews)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  build_record(builder, record, reviews);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
