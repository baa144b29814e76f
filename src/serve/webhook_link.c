#include "serve/webhook_link.h"

#include "core/http_redact.h"
#include "serve/outbox.h"
#include "serve/record_json.h"
#include "serve/webhook.h"
#include "serve/worker.h"

/* Waits after failures: twice as long each time, up to the last. */
#define FIRST_WAIT_S 1
#define LAST_WAIT_S 60

typedef struct {
  VelmLink link;
  char *url;
  VelmWebhook *webhook;
  VelmOutbox *outbox;
  VelmWorker worker;
} Hook;

/* Delivers the next record. @none: (out): there is none. */
static gboolean deliver(Hook *hook, gboolean *none, GError **error) {
  g_autoptr(VelmStoredRecord) record = NULL;
  if (!velm_outbox_next(hook->outbox, &record, error))
    return FALSE;
  *none = !record;
  if (!record)
    return TRUE;
  g_autofree char *json =
      velm_stored_record_to_json(velm_station_get_store(hook->link.station), record, error);
  return json && velm_webhook_send(hook->webhook, hook->url, json, error) &&
         velm_outbox_done(hook->outbox, record, error);
}

static gpointer deliver_in_thread(gpointer data) {
  Hook *hook = data;
  guint wait_s = FIRST_WAIT_S;
  for (gboolean goes_on = TRUE; goes_on;) {
    g_autoptr(GError) error = NULL;
    gboolean none = FALSE;
    if (deliver(hook, &none, &error)) {
      velm_link_set_status(&hook->link, VELM_STATE_READY, NULL);
      wait_s = FIRST_WAIT_S;
      goes_on = velm_worker_wait(&hook->worker, none ? LAST_WAIT_S : 0);
    } else {
      velm_link_set_status(&hook->link, VELM_STATE_DEGRADED, error->message);
      goes_on = velm_worker_pause(&hook->worker, wait_s);
      wait_s = MIN(2 * wait_s, LAST_WAIT_S);
    }
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Hook *hook = (Hook *)link;
  velm_worker_start(&hook->worker, "webhook", deliver_in_thread, hook);
}

static void tell(VelmLink *link, const VelmStoredRecord *record) {
  velm_worker_wake(&((Hook *)link)->worker);
}

/* What is not delivered by now is after the next start. */
static void end(VelmLink *link) { velm_worker_end(&((Hook *)link)->worker); }

static void hook_free(VelmLink *link) {
  Hook *hook = (Hook *)link;
  velm_worker_clear(&hook->worker);
  velm_webhook_free(hook->webhook);
  velm_outbox_free(hook->outbox);
  g_free(hook->url);
  velm_link_clear(link);
  g_free(hook);
}

static const VelmLinkClass klass = {.start = start, .tell = tell, .end = end, .free = hook_free};

VelmLink *velm_webhook_link_new(VelmStation *station, const char *url, const char *key,
                                GError **error) {
  if (!velm_webhook_check_url(url, error))
    return NULL;
  Hook *hook = g_new0(Hook, 1);
  g_autofree char *shown = velm_http_display_url(url);
  velm_link_init(&hook->link, &klass, station, g_strconcat("webhook ", shown, NULL));
  velm_worker_init(&hook->worker);
  hook->url = g_strdup(url);
  hook->webhook = velm_webhook_new(key, error);
  hook->outbox = hook->webhook
                     ? velm_outbox_new(velm_station_get_store(station), hook->link.name, error)
                     : NULL;
  if (hook->outbox)
    return &hook->link;
  hook_free(&hook->link);
  return NULL;
}
