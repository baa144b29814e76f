#include "plant/record_message.h"

#include "core/json_member.h"
#include "serve/record_json.h"

#include <string.h>

/* What of a message is not its body. */
#define HEADERS 4096

/* ---- telling ---- */

static gboolean add_prompt(VelmStore *store, gint64 id, JsonObject *object, GError **error) {
  g_autofree char *prompt = NULL;
  if (!velm_store_get_prompt(store, id, &prompt, error))
    return FALSE;
  JsonNode *node = prompt ? velm_json_parse_object(prompt, strlen(prompt)) : NULL;
  if (node)
    json_object_set_member(object, "prompt", node);
  return TRUE;
}

/* @most: bytes that it may have. */
static gboolean add_map(VelmStore *store, gint64 id, JsonObject *object, gsize most,
                        GError **error) {
  g_autoptr(GBytes) map = NULL;
  if (!velm_store_get_map(store, id, &map, error))
    return FALSE;
  gsize size = map ? g_bytes_get_size(map) : 0;
  g_autofree char *text = map ? g_base64_encode(g_bytes_get_data(map, NULL), size) : NULL;
  if (text && strlen(text) <= most)
    json_object_set_string_member(object, "map", text);
  return TRUE;
}

/* @json: the record. Returns: (transfer full): with what else belongs to it. */
static char *complete(VelmStore *store, gint64 id, const char *json, gsize most, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse(json, -1, "the record", error);
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  if (!object || !add_prompt(store, id, object, error))
    return NULL;
  g_autofree char *without = json_to_string(node, FALSE);
  gsize used = strlen(without) + HEADERS;
  if (!add_map(store, id, object, most > used ? most - used : 0, error))
    return NULL;
  return json_to_string(node, FALSE);
}

static char *describe(VelmBroker *broker, VelmStore *store, const VelmStoredRecord *record,
                      gboolean whole, GError **error) {
  g_autofree char *json = velm_stored_record_to_json(store, record, error);
  if (!json || !whole)
    return g_steal_pointer(&json);
  return complete(store, record->id, json, velm_broker_get_most(broker), error);
}

static natsStatus make_message(const VelmStoredRecord *record, const char *json, const char *worker,
                               natsMsg **message) {
  g_autofree char *subject = velm_record_subject(record->product, record->key);
  natsStatus status = natsMsg_Create(message, subject, NULL, json, (int)strlen(json));
  if (status == NATS_OK)
    status = natsMsgHeader_Set(*message, "Velm-Key", record->key);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(*message, "Velm-Worker", worker);
  return status;
}

/* By its key and its number: a job that is handed in anew may have another record, and stores of
 * their own have the same numbers. */
static char *identify(const VelmStoredRecord *record, const char *subject, gboolean whole) {
  return g_strdup_printf("%s-%" G_GINT64_FORMAT "%s", subject, record->id, whole ? "-whole" : "");
}

gboolean velm_record_message_send(VelmBroker *broker, VelmStore *store,
                                  const VelmStoredRecord *record, const char *worker,
                                  gboolean whole, GError **error) {
  g_autoptr(natsMsg) message = NULL;
  g_autofree char *json = describe(broker, store, record, whole, error);
  if (!json)
    return FALSE;
  jsPubOptions options;
  jsErrCode code = 0;
  natsStatus status = make_message(record, json, worker, &message);
  if (!velm_broker_check(broker, status, 0, "a record cannot be written", error))
    return FALSE;
  g_autofree char *id = identify(record, natsMsg_GetSubject(message), whole);
  jsPubOptions_Init(&options);
  options.MsgId = id;
  status = js_PublishMsg(NULL, velm_broker_get_jetstream(broker), message, &options, &code);
  return velm_broker_check(broker, status, code, "a record cannot be published", error);
}

/* ---- reading ---- */

void velm_record_message_free(VelmRecordMessage *record) {
  if (!record)
    return;
  g_free(record->image);
  g_free(record->summary);
  g_free(record->inspection);
  g_free(record->prompt);
  g_clear_pointer(&record->map, g_bytes_unref);
  g_free(record);
}

/* The object @name, taken out. Returns: (transfer full): as text; NULL where there is none. */
static char *take_object(JsonObject *object, const char *name) {
  JsonNode *member = json_object_get_member(object, name);
  char *text = member && JSON_NODE_HOLDS_OBJECT(member) ? json_to_string(member, FALSE) : NULL;
  json_object_remove_member(object, name);
  return text;
}

static GBytes *take_map(JsonObject *object) {
  const char *text = velm_json_string_member(object, "map");
  gsize size = 0;
  guchar *bytes = text ? g_base64_decode(text, &size) : NULL;
  json_object_remove_member(object, "map");
  return bytes ? g_bytes_new_take(bytes, size) : NULL;
}

/* What is left of @node when the rest has been taken is the summary. */
static VelmRecordMessage *read_record(JsonNode *node) {
  VelmRecordMessage *record = g_new0(VelmRecordMessage, 1);
  JsonObject *object = json_node_get_object(node);
  record->id = velm_json_int_member(object, "id", 0);
  record->image = g_strdup(velm_json_string_member(object, "image_sha256"));
  record->failed = g_strcmp0(velm_json_string_member(object, "decision"), VELM_STORE_FAILED) == 0;
  record->inspection = take_object(object, "inspection");
  record->prompt = take_object(object, "prompt");
  record->map = take_map(object);
  json_object_remove_member(object, "reviews");
  record->summary = json_to_string(node, FALSE);
  return record;
}

VelmRecordMessage *velm_record_message_read(natsMsg *message, GError **error) {
  g_autoptr(JsonNode) node =
      velm_json_parse_object(natsMsg_GetData(message), (gsize)natsMsg_GetDataLength(message));
  g_autoptr(VelmRecordMessage) record = node ? read_record(node) : NULL;
  if (record && record->image && record->inspection)
    return g_steal_pointer(&record);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the message tells no record",
              natsMsg_GetSubject(message));
  return NULL;
}
