#include "serve/backlog_link.h"

#include "serve/worker.h"

/* Handed in at a time; images that come by themselves are not to wait behind a long queue. The
 * plant has a queue of its own, and many hands. */
#define MOST_ON_WAY 4
#define MOST_IN_PLANT 64
#define PAGE 100
/* How long before what could not be inspected is tried again. */
#define WAIT_S 2

typedef struct {
  VelmLink link;
  VelmWorker worker;
  GMutex lock;
  GHashTable *on_way; /* keys */
} Backlog;

/* A queued image that was handed in. */
typedef struct {
  Backlog *backlog;
  char *key;
} Errand;

void velm_backlog_link_wake(VelmLink *link) { velm_worker_wake(&((Backlog *)link)->worker); }

/* The record has taken the image out of the queue. */
static void take_record(VelmStoredRecord *record, gboolean existed, const GError *error,
                        gpointer user_data) {
  Errand *errand = user_data;
  Backlog *backlog = errand->backlog;
  if (record)
    velm_link_set_status(&backlog->link, VELM_STATE_READY, NULL);
  else
    velm_link_set_status(&backlog->link, VELM_STATE_DEGRADED, error->message);
  g_mutex_lock(&backlog->lock);
  g_hash_table_remove(backlog->on_way, errand->key);
  g_mutex_unlock(&backlog->lock);
  if (record)
    velm_worker_wake(&backlog->worker);
  velm_stored_record_free(record);
  g_free(errand->key);
  g_free(errand);
}

/* Returns: FALSE where enough are on their way. */
static gboolean begin(Backlog *backlog, const char *key, gboolean *known) {
  g_mutex_lock(&backlog->lock);
  *known = g_hash_table_contains(backlog->on_way, key);
  guint most = velm_station_has_plant(backlog->link.station) ? MOST_IN_PLANT : MOST_ON_WAY;
  gboolean room = g_hash_table_size(backlog->on_way) < most;
  room = room && !velm_worker_is_ending(&backlog->worker);
  if (room && !*known)
    g_hash_table_add(backlog->on_way, g_strdup(key));
  g_mutex_unlock(&backlog->lock);
  return room;
}

/* Returns: FALSE where no more are to be handed in now. */
static gboolean hand_in(Backlog *backlog, const VelmQueued *queued) {
  VelmStation *station = backlog->link.station;
  VelmProduct *product = velm_station_find_product(station, queued->product);
  gboolean known = FALSE;
  if (!product) {
    g_autofree char *why =
        g_strdup_printf("images of the product %s wait, which is not here", queued->product);
    velm_link_set_status(&backlog->link, VELM_STATE_DEGRADED, why);
    return TRUE;
  }
  if (!begin(backlog, queued->key, &known) || known)
    return known;
  Errand *errand = g_new(Errand, 1);
  *errand = (Errand){backlog, g_strdup(queued->key)};
  velm_station_inspect_queued(station, product, queued, take_record, errand);
  return TRUE;
}

static void hand_in_all(Backlog *backlog) {
  g_autoptr(GError) error = NULL;
  for (gint64 after = 0; after >= 0;) {
    g_autoptr(GPtrArray) page =
        velm_store_list_queued(velm_station_get_store(backlog->link.station), after, PAGE, &error);
    if (!page) {
      velm_link_set_status(&backlog->link, VELM_STATE_DEGRADED, error->message);
      return;
    }
    after = page->len == PAGE ? ((VelmQueued *)page->pdata[PAGE - 1])->id : -1;
    for (guint i = 0; i < page->len; i++)
      if (!hand_in(backlog, page->pdata[i]))
        return;
  }
}

static gpointer work_in_thread(gpointer data) {
  Backlog *backlog = data;
  velm_link_set_status(&backlog->link, VELM_STATE_READY, NULL);
  do
    hand_in_all(backlog);
  while (velm_worker_wait(&backlog->worker, WAIT_S));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Backlog *backlog = (Backlog *)link;
  velm_worker_start(&backlog->worker, "backlog", work_in_thread, backlog);
}

static void stop(VelmLink *link) { velm_worker_end(&((Backlog *)link)->worker); }

static void backlog_free(VelmLink *link) {
  Backlog *backlog = (Backlog *)link;
  g_hash_table_unref(backlog->on_way);
  g_mutex_clear(&backlog->lock);
  velm_worker_clear(&backlog->worker);
  velm_link_clear(link);
  g_free(backlog);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = backlog_free};

VelmLink *velm_backlog_link_new(VelmStation *station) {
  Backlog *backlog = g_new0(Backlog, 1);
  velm_link_init(&backlog->link, &klass, station, g_strdup("queue"));
  backlog->on_way = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init(&backlog->lock);
  velm_worker_init(&backlog->worker);
  return &backlog->link;
}
