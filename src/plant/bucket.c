#include "plant/bucket.h"

#include "core/json_member.h"

#define NEXT_MS 2000

kvStore *velm_bucket_open(VelmBroker *broker, kvConfig *config, GError **error) {
  kvStore *store = NULL;
  jsCtx *jetstream = velm_broker_get_jetstream(broker);
  natsStatus status = js_KeyValue(&store, jetstream, config->Bucket);
  if (status == NATS_NOT_FOUND)
    status = js_CreateKeyValue(&store, jetstream, config);
  /* Another may have made it in between. */
  if (status != NATS_OK && status != NATS_TIMEOUT)
    status = js_KeyValue(&store, jetstream, config->Bucket);
  g_autofree char *what = g_strdup_printf("the bucket %s cannot be used", config->Bucket);
  return velm_broker_check(broker, status, 0, what, error) ? store : NULL;
}

static void entry_free(gpointer data) {
  VelmBucketEntry *entry = data;
  g_free(entry->key);
  json_node_unref(entry->value);
  g_free(entry);
}

static void remove_entry(GPtrArray *entries, const char *key) {
  for (guint i = 0; i < entries->len; i++)
    if (g_str_equal(((VelmBucketEntry *)entries->pdata[i])->key, key)) {
      g_ptr_array_remove_index_fast(entries, i);
      return;
    }
}

/* What is put while others are read comes once more. */
static void take_entry(GPtrArray *entries, kvEntry *found) {
  remove_entry(entries, kvEntry_Key(found));
  JsonNode *value =
      kvEntry_Operation(found) == kvOp_Put
          ? velm_json_parse_object(kvEntry_Value(found), (gsize)MAX(kvEntry_ValueLen(found), 0))
          : NULL;
  if (!value)
    return;
  VelmBucketEntry *entry = g_new0(VelmBucketEntry, 1);
  *entry = (VelmBucketEntry){
      .key = g_strdup(kvEntry_Key(found)), .value = value, .time = kvEntry_Created(found) / 1000};
  g_ptr_array_add(entries, entry);
}

static gint compare(gconstpointer a, gconstpointer b) {
  const VelmBucketEntry *const *one = a, *const *other = b;
  return g_strcmp0((*one)->key, (*other)->key);
}

/* An entry that is none says that this was all. */
static natsStatus read_all(kvWatcher *watcher, GPtrArray *entries) {
  for (;;) {
    g_autoptr(kvEntry) entry = NULL;
    natsStatus status = kvWatcher_Next(&entry, watcher, NEXT_MS);
    if (status != NATS_OK || !entry)
      return status;
    take_entry(entries, entry);
  }
}

GPtrArray *velm_bucket_list(VelmBroker *broker, const char *bucket, GError **error) {
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
  g_autoptr(kvStore) store = NULL;
  g_autoptr(kvWatcher) watcher = NULL;
  natsStatus status = js_KeyValue(&store, velm_broker_get_jetstream(broker), bucket);
  if (status == NATS_NOT_FOUND)
    return g_steal_pointer(&entries);
  if (status == NATS_OK)
    status = kvStore_WatchAll(&watcher, store, NULL);
  if (status == NATS_OK)
    status = read_all(watcher, entries);
  g_autofree char *what = g_strdup_printf("the bucket %s cannot be read", bucket);
  if (!velm_broker_check(broker, status, 0, what, error))
    return NULL;
  g_ptr_array_sort(entries, compare);
  return g_steal_pointer(&entries);
}
