#include "serve/callback_link.h"

#include "serve/record_json.h"
#include "serve/webhook.h"
#include "serve/worker.h"

#define PAGE 20
#define FIRST_WAIT_S 2
#define LAST_WAIT_S (15 * 60)
/* Failures after which it is given up: with these waits, a day. */
#define MOST_ATTEMPTS 105
/* How often to look for what has come due. */
#define LOOK_S 1

typedef struct {
  VelmLink link;
  VelmWebhook *webhook;
  VelmWorker worker;
} Callbacks;

static gint64 next_try(const VelmCallback *callback) {
  gint64 seconds = FIRST_WAIT_S << MIN(callback->attempts, 10);
  return g_get_real_time() + MIN(seconds, LAST_WAIT_S) * G_USEC_PER_SEC;
}

/* Tells of the record, where it is still there. */
static gboolean tell_of(Callbacks *callbacks, const VelmCallback *callback, GError **error) {
  VelmStore *store = velm_station_get_store(callbacks->link.station);
  g_autoptr(VelmStoredRecord) record = NULL;
  if (!velm_store_get(store, callback->record, &record, error))
    return FALSE;
  g_autofree char *json = record ? velm_stored_record_to_json(store, record, error) : NULL;
  return !record || (json && velm_webhook_send(callbacks->webhook, callback->url, json, error));
}

static gboolean give_up(VelmStore *store, const VelmCallback *callback, const GError *cause,
                        GError **error) {
  g_autofree char *target = g_strdup_printf("record %" G_GINT64_FORMAT, callback->record);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "reason", cause->message);
  json_builder_end_object(builder);
  g_autofree char *detail = velm_json_print(builder, FALSE);
  return velm_store_audit(store, "station", "callback given up", target, detail, error) &&
         velm_store_callback_done(store, callback, error);
}

static gboolean deliver(Callbacks *callbacks, const VelmCallback *callback, GError **error) {
  VelmStore *store = velm_station_get_store(callbacks->link.station);
  g_autoptr(GError) cause = NULL;
  if (tell_of(callbacks, callback, &cause))
    return velm_store_callback_done(store, callback, error);
  if (callback->attempts + 1 >= MOST_ATTEMPTS)
    return give_up(store, callback, cause, error);
  return velm_store_callback_failed(store, callback, next_try(callback), cause->message, error);
}

static gboolean deliver_due(Callbacks *callbacks, GError **error) {
  g_autoptr(GPtrArray) due = velm_store_list_callbacks(
      velm_station_get_store(callbacks->link.station), g_get_real_time(), PAGE, error);
  for (guint i = 0; due && i < due->len && !velm_worker_is_ending(&callbacks->worker); i++)
    if (!deliver(callbacks, due->pdata[i], error))
      return FALSE;
  return due != NULL;
}

static gpointer deliver_in_thread(gpointer data) {
  Callbacks *callbacks = data;
  do {
    g_autoptr(GError) error = NULL;
    if (deliver_due(callbacks, &error))
      velm_link_set_status(&callbacks->link, VELM_STATE_READY, NULL);
    else
      velm_link_set_status(&callbacks->link, VELM_STATE_DEGRADED, error->message);
  } while (velm_worker_wait(&callbacks->worker, LOOK_S));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Callbacks *callbacks = (Callbacks *)link;
  velm_worker_start(&callbacks->worker, "callbacks", deliver_in_thread, callbacks);
}

static void tell(VelmLink *link, const VelmStoredRecord *record) {
  velm_worker_wake(&((Callbacks *)link)->worker);
}

/* What is not delivered by now is after the next start. */
static void end(VelmLink *link) { velm_worker_end(&((Callbacks *)link)->worker); }

static void callbacks_free(VelmLink *link) {
  Callbacks *callbacks = (Callbacks *)link;
  velm_worker_clear(&callbacks->worker);
  velm_webhook_free(callbacks->webhook);
  velm_link_clear(link);
  g_free(callbacks);
}

static const VelmLinkClass klass = {
    .start = start, .tell = tell, .end = end, .free = callbacks_free};

VelmLink *velm_callback_link_new(VelmStation *station, const char *key, GError **error) {
  VelmWebhook *webhook = velm_webhook_new(key, error);
  if (!webhook)
    return NULL;
  Callbacks *callbacks = g_new0(Callbacks, 1);
  velm_link_init(&callbacks->link, &klass, station, g_strdup("callbacks"));
  callbacks->webhook = webhook;
  velm_worker_init(&callbacks->worker);
  return &callbacks->link;
}
