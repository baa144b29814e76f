#include "serve/webhook_link.h"

#include "core/http_redact.h"
#include "serve/outbox.h"
#include "serve/record_json.h"
#include "serve/webhook.h"

/* Waits after failures: twice as long each time, up to the last. */
#define FIRST_WAIT_S 1
#define LAST_WAIT_S 60

typedef struct {
  VelmLink link;
  char *url;
  VelmWebhook *webhook;
  VelmOutbox *outbox;
  GThread *thread;
  GMutex lock;
  GCond changed;
  gboolean stopping, told;
} Hook;

/* Waits until there is something new, or @seconds have passed. Returns: FALSE where it is to end.
 */
static gboolean wait(Hook *hook, guint seconds, gboolean for_news) {
  gint64 end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
  g_mutex_lock(&hook->lock);
  while (!hook->stopping && !(for_news && hook->told) &&
         g_cond_wait_until(&hook->changed, &hook->lock, end))
    continue;
  hook->told = FALSE;
  gboolean goes_on = !hook->stopping;
  g_mutex_unlock(&hook->lock);
  return goes_on;
}

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
      goes_on = wait(hook, none ? LAST_WAIT_S : 0, TRUE);
    } else {
      velm_link_set_status(&hook->link, VELM_STATE_DEGRADED, error->message);
      goes_on = wait(hook, wait_s, FALSE);
      wait_s = MIN(2 * wait_s, LAST_WAIT_S);
    }
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Hook *hook = (Hook *)link;
  hook->thread = g_thread_new("webhook", deliver_in_thread, hook);
}

static void tell(VelmLink *link, const VelmStoredRecord *record) {
  Hook *hook = (Hook *)link;
  g_mutex_lock(&hook->lock);
  hook->told = TRUE;
  g_cond_signal(&hook->changed);
  g_mutex_unlock(&hook->lock);
}

/* What is not delivered by now is after the next start. */
static void hook_free(VelmLink *link) {
  Hook *hook = (Hook *)link;
  g_mutex_lock(&hook->lock);
  hook->stopping = TRUE;
  g_cond_signal(&hook->changed);
  g_mutex_unlock(&hook->lock);
  if (hook->thread)
    g_thread_join(hook->thread);
  velm_webhook_free(hook->webhook);
  velm_outbox_free(hook->outbox);
  g_mutex_clear(&hook->lock);
  g_cond_clear(&hook->changed);
  g_free(hook->url);
  velm_link_clear(link);
  g_free(hook);
}

static const VelmLinkClass klass = {.start = start, .tell = tell, .free = hook_free};

VelmLink *velm_webhook_link_new(VelmStation *station, const char *url, const char *key,
                                GError **error) {
  if (!velm_webhook_check_url(url, error))
    return NULL;
  Hook *hook = g_new0(Hook, 1);
  g_autofree char *shown = velm_http_display_url(url);
  velm_link_init(&hook->link, &klass, station, g_strconcat("webhook ", shown, NULL));
  g_mutex_init(&hook->lock);
  g_cond_init(&hook->changed);
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
