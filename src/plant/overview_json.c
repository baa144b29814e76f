/* A look at the plant as JSON. */
#include "plant/overview.h"
#include "serve/record_json.h"

#include <math.h>

static double seconds_since(gint64 time, gint64 now) {
  return time ? MAX((double)(now - time) / G_TIME_SPAN_SECOND, 0) : NAN;
}

/* ---- the jobs ---- */

static void build_stage(JsonBuilder *builder, VelmStage stage, const VelmStageFigures *figures) {
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "stage", velm_stage_name(stage));
  velm_json_set_int(builder, "jobs", (gint64)figures->jobs);
  velm_json_set_double(builder, "handed_in_per_second", figures->in_per_second);
  velm_json_set_double(builder, "done_per_second", figures->done_per_second);
  json_builder_end_object(builder);
}

static void build_queue(JsonBuilder *builder, const VelmQueueFigures *queue, gint64 now) {
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "stage", velm_stage_name(queue->stage));
  velm_json_set_string(builder, "product", queue->product);
  velm_json_set_int(builder, "workers", queue->workers);
  velm_json_set_int(builder, "waiting", (gint64)queue->waiting);
  velm_json_set_int(builder, "in_hand", (gint64)queue->in_hand);
  velm_json_set_int(builder, "redelivered", (gint64)queue->again);
  velm_json_set_double(builder, "oldest_s", seconds_since(queue->oldest, now));
  velm_json_set_double(builder, "handed_in_per_second", queue->in_per_second);
  velm_json_set_double(builder, "done_per_second", queue->done_per_second);
  velm_json_set_int(builder, "dead_letters", (gint64)queue->dead);
  velm_json_set_string(builder, "last_reason", queue->reason);
  json_builder_end_object(builder);
}

static void build_jobs(JsonBuilder *builder, const VelmOverview *overview) {
  json_builder_set_member_name(builder, "stages");
  json_builder_begin_array(builder);
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    build_stage(builder, stage, &overview->stages[stage]);
  json_builder_end_array(builder);
  json_builder_set_member_name(builder, "queues");
  json_builder_begin_array(builder);
  for (guint i = 0; i < overview->queues->len; i++)
    build_queue(builder, overview->queues->pdata[i], overview->time);
  json_builder_end_array(builder);
  velm_json_set_int(builder, "dead_letters", (gint64)overview->dead);
}

/* ---- workers and allowances ---- */

/* A worker's own words, and how long ago these were. */
static void build_workers(JsonBuilder *builder, const VelmOverview *overview) {
  json_builder_set_member_name(builder, "workers");
  json_builder_begin_array(builder);
  for (guint i = 0; i < overview->workers->len; i++) {
    const VelmBucketEntry *entry = overview->workers->pdata[i];
    g_autoptr(JsonNode) worker = json_node_copy(entry->value);
    json_object_set_double_member(json_node_get_object(worker), "seen_s",
                                  seconds_since(entry->time, overview->time));
    json_builder_add_value(builder, g_steal_pointer(&worker));
  }
  json_builder_end_array(builder);
}

static void build_allowances(JsonBuilder *builder, const VelmOverview *overview) {
  json_builder_set_member_name(builder, "llm");
  json_builder_begin_array(builder);
  for (guint i = 0; i < overview->allowances->len; i++) {
    const VelmBucketEntry *entry = overview->allowances->pdata[i];
    VelmAllowance allowance = velm_allowance_read(entry, overview->time);
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "name", entry->key);
    velm_json_set_double(builder, "requests_this_minute", allowance.requests);
    velm_json_set_double(builder, "per_minute", allowance.per_minute);
    velm_json_set_double(builder, "usd_today", allowance.usd_today);
    velm_json_set_double(builder, "usd_per_day", allowance.usd_per_day);
    velm_json_set_double(builder, "usd", allowance.usd);
    velm_json_set_double(builder, "usd_in_all", allowance.usd_in_all);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

/* ---- the broker ---- */

static void build_broker(JsonBuilder *builder, const VelmOverview *overview) {
  guint64 bytes = 0;
  json_builder_set_member_name(builder, "broker");
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "url", overview->shown);
  velm_json_set_string(builder, "version", overview->version);
  json_builder_set_member_name(builder, "streams");
  json_builder_begin_array(builder);
  for (guint i = 0; i < overview->streams->len; i++) {
    const VelmStreamFigures *stream = overview->streams->pdata[i];
    bytes += stream->bytes;
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "name", stream->name);
    velm_json_set_int(builder, "messages", (gint64)stream->messages);
    velm_json_set_int(builder, "bytes", (gint64)stream->bytes);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  velm_json_set_int(builder, "bytes", (gint64)bytes);
  json_builder_end_object(builder);
}

char *velm_overview_to_json(const VelmOverview *overview) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_time(builder, "time", overview->time);
  velm_json_set_double(builder, "interval_s", overview->seconds > 0 ? overview->seconds : NAN);
  build_broker(builder, overview);
  build_jobs(builder, overview);
  build_workers(builder, overview);
  build_allowances(builder, overview);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
