#include "serve/upkeep_link.h"

#include "serve/worker.h"

/* How often a store that fails is tried, and how often records are removed. */
#define PROBE_S 5
#define RETAIN_S 600

typedef struct {
  VelmLink link;
  VelmRetention retention;
  VelmWorker worker;
} Upkeep;

static void retain(Upkeep *upkeep) {
  g_autoptr(GError) error = NULL;
  if (velm_store_retain(velm_station_get_store(upkeep->link.station), &upkeep->retention,
                        g_get_real_time(), NULL, &error))
    velm_link_set_status(&upkeep->link, VELM_STATE_READY, NULL);
  else
    velm_link_set_status(&upkeep->link, VELM_STATE_DEGRADED, error->message);
}

/* An image would find out too, but none may come to a line that stands still because of it. */
static void probe(Upkeep *upkeep) {
  VelmStore *store = velm_station_get_store(upkeep->link.station);
  g_auto(VelmStoreHealth) health = velm_store_get_health(store);
  if (health.state != VELM_DATABASE_FINE && velm_store_probe(store, NULL))
    velm_station_tell_state(upkeep->link.station);
}

static gpointer look_after(gpointer data) {
  Upkeep *upkeep = data;
  gint64 next = 0;
  gboolean limited = upkeep->retention.max_age || upkeep->retention.max_bytes;
  velm_link_set_status(&upkeep->link, VELM_STATE_READY, NULL);
  do {
    probe(upkeep);
    if (limited && g_get_monotonic_time() >= next) {
      retain(upkeep);
      next = g_get_monotonic_time() + RETAIN_S * G_TIME_SPAN_SECOND;
    }
  } while (velm_worker_pause(&upkeep->worker, PROBE_S));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Upkeep *upkeep = (Upkeep *)link;
  velm_worker_start(&upkeep->worker, "upkeep", look_after, upkeep);
}

static void stop(VelmLink *link) { velm_worker_end(&((Upkeep *)link)->worker); }

static void upkeep_free(VelmLink *link) {
  Upkeep *upkeep = (Upkeep *)link;
  velm_worker_clear(&upkeep->worker);
  velm_link_clear(link);
  g_free(upkeep);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = upkeep_free};

VelmLink *velm_upkeep_link_new(VelmStation *station, const VelmRetention *retention) {
  Upkeep *upkeep = g_new0(Upkeep, 1);
  velm_link_init(&upkeep->link, &klass, station, g_strdup("upkeep"));
  upkeep->retention = *retention;
  velm_worker_init(&upkeep->worker);
  return &upkeep->link;
}
