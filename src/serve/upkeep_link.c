#include "serve/upkeep_link.h"

/* How often a store that fails is tried, and how often records are removed. */
#define PROBE_S 5
#define RETAIN_S 600

typedef struct {
  VelmLink link;
  VelmRetention retention;
  GThread *thread;
  GMutex lock;
  GCond ended;
  gboolean stopping;
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

/* Returns: FALSE where it is to end. */
static gboolean wait(Upkeep *upkeep) {
  gint64 end = g_get_monotonic_time() + PROBE_S * G_TIME_SPAN_SECOND;
  g_mutex_lock(&upkeep->lock);
  while (!upkeep->stopping && g_cond_wait_until(&upkeep->ended, &upkeep->lock, end))
    continue;
  gboolean goes_on = !upkeep->stopping;
  g_mutex_unlock(&upkeep->lock);
  return goes_on;
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
  } while (wait(upkeep));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Upkeep *upkeep = (Upkeep *)link;
  upkeep->thread = g_thread_new("upkeep", look_after, upkeep);
}

static void stop(VelmLink *link) {
  Upkeep *upkeep = (Upkeep *)link;
  g_mutex_lock(&upkeep->lock);
  upkeep->stopping = TRUE;
  g_cond_signal(&upkeep->ended);
  g_mutex_unlock(&upkeep->lock);
  if (upkeep->thread)
    g_thread_join(upkeep->thread);
}

static void upkeep_free(VelmLink *link) {
  Upkeep *upkeep = (Upkeep *)link;
  g_mutex_clear(&upkeep->lock);
  g_cond_clear(&upkeep->ended);
  velm_link_clear(link);
  g_free(upkeep);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = upkeep_free};

VelmLink *velm_upkeep_link_new(VelmStation *station, const VelmRetention *retention) {
  Upkeep *upkeep = g_new0(Upkeep, 1);
  velm_link_init(&upkeep->link, &klass, station, g_strdup("upkeep"));
  upkeep->retention = *retention;
  g_mutex_init(&upkeep->lock);
  g_cond_init(&upkeep->ended);
  return &upkeep->link;
}
