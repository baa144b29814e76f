#include "plant/set_up.h"

#include "core/json_member.h"
#include "plant/bucket.h"
#include "plant/catalog.h"
#include "plant/catalog_files.h"
#include "plant/llm_ledger.h"
#include "plant/presence.h"
#include "plant/streams.h"

#define ANSWER_MS 10000

static void stream_free(gpointer data) {
  VelmPlantStream *stream = data;
  g_free(stream->name);
  g_free(stream);
}

/* ---- making ---- */

/* Likewise those that only one of them needs: a setting is to be for all. */
static gboolean make_all(VelmBroker *broker, GError **error) {
  if (!velm_streams_ensure(broker, NULL, error))
    return FALSE;
  g_autoptr(VelmCatalog) catalog = velm_catalog_open(broker, error);
  g_autoptr(kvStore) llm = catalog ? velm_llm_ledger_open(broker, error) : NULL;
  g_autoptr(kvStore) workers = llm ? velm_presence_open(broker, error) : NULL;
  return workers != NULL;
}

/* ---- changing ---- */

/* As JSON: settings that the library does not know stay as well. Returns: NULL with the error. */
static JsonNode *ask(VelmBroker *broker, const char *verb, const char *name, const char *text,
                     const char *what, GError **error) {
  g_autofree char *subject = g_strdup_printf("$JS.API.STREAM.%s.%s", verb, name);
  g_autoptr(natsMsg) answer = NULL;
  natsStatus status = natsConnection_RequestString(&answer, velm_broker_get_connection(broker),
                                                   subject, text, ANSWER_MS);
  if (!velm_broker_check(broker, status, 0, what, error))
    return NULL;
  g_autoptr(JsonNode) node =
      velm_json_parse_object(natsMsg_GetData(answer), (gsize)natsMsg_GetDataLength(answer));
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  JsonObject *failure = velm_json_object_member(object, "error");
  const char *why = velm_json_string_member(failure, "description");
  if (object && !failure)
    return g_steal_pointer(&node);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the broker %s: %s: %s",
              velm_broker_get_shown(broker), what, why ? why : "its answer cannot be read");
  return NULL;
}

/* Returns: whether that is another value. */
static gboolean set_member(JsonObject *config, const char *name, gint64 value) {
  if (!config || value == 0 || velm_json_int_member(config, name, 0) == value)
    return FALSE;
  json_object_set_int_member(config, name, value);
  return TRUE;
}

static gboolean is_stage(const char *name) {
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    if (g_str_equal(name, velm_stage_stream(stage)))
      return TRUE;
  return FALSE;
}

/* @info: of the stream before. Returns: (transfer full): of it now. */
static JsonNode *change(VelmBroker *broker, const char *name, JsonNode *info,
                        const VelmPlantSettings *settings, GError **error) {
  JsonNode *node = json_object_get_member(json_node_get_object(info), "config");
  JsonObject *config = velm_json_object_member(json_node_get_object(info), "config");
  gboolean copies = set_member(config, "num_replicas", settings->replicas);
  gboolean jobs = is_stage(name) && set_member(config, "max_msgs", settings->max_jobs);
  if (!copies && !jobs)
    return json_node_ref(info);
  g_autofree char *text = json_to_string(node, FALSE);
  g_autofree char *what =
      copies
          ? g_strdup_printf("%s cannot have %" G_GINT64_FORMAT " copies", name, settings->replicas)
          : g_strdup_printf("%s cannot have %" G_GINT64_FORMAT " jobs", name, settings->max_jobs);
  return ask(broker, "UPDATE", name, text, what, error);
}

/* A server alone would take any number, and keep one. */
static gboolean check_cluster(VelmBroker *broker, JsonNode *info, gint64 replicas, GError **error) {
  if (replicas <= 1 || velm_json_object_member(json_node_get_object(info), "cluster"))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "the broker %s is one server alone: %" G_GINT64_FORMAT
              " copies take a cluster of as many servers",
              velm_broker_get_shown(broker), replicas);
  return FALSE;
}

static VelmPlantStream *set_up(VelmBroker *broker, const char *name,
                               const VelmPlantSettings *settings, GError **error) {
  g_autoptr(JsonNode) info = ask(broker, "INFO", name, "", "a stream cannot be looked at", error);
  g_autoptr(JsonNode) changed = info && check_cluster(broker, info, settings->replicas, error)
                                    ? change(broker, name, info, settings, error)
                                    : NULL;
  if (!changed)
    return NULL;
  JsonObject *object = json_node_get_object(changed);
  JsonObject *config = velm_json_object_member(object, "config");
  JsonObject *state = velm_json_object_member(object, "state");
  VelmPlantStream *stream = g_new(VelmPlantStream, 1);
  *stream = (VelmPlantStream){.name = g_strdup(name),
                              .replicas = velm_json_int_member(config, "num_replicas", 1),
                              .most = velm_json_int_member(config, "max_msgs", -1),
                              .messages = (guint64)velm_json_int_member(state, "messages", 0)};
  return stream;
}

GPtrArray *velm_plant_set_up(VelmBroker *broker, const VelmPlantSettings *settings,
                             GError **error) {
  const char *const names[] = {velm_stage_stream(VELM_STAGE_DETECT),
                               velm_stage_stream(VELM_STAGE_CLASSIFY),
                               VELM_STREAM_RECORDS,
                               VELM_STREAM_DEAD,
                               VELM_BUCKET_STREAM VELM_CATALOG_PRODUCTS,
                               VELM_BUCKET_STREAM VELM_CATALOG_FILES,
                               VELM_BUCKET_STREAM VELM_WORKERS_BUCKET,
                               VELM_BUCKET_STREAM VELM_LLM_BUCKET};
  g_autoptr(GPtrArray) streams = g_ptr_array_new_with_free_func(stream_free);
  if (!make_all(broker, error))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    VelmPlantStream *stream = set_up(broker, names[i], settings, error);
    if (!stream)
      return NULL;
    g_ptr_array_add(streams, stream);
  }
  return g_steal_pointer(&streams);
}
