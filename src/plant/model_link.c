#include "plant/model_link.h"

#include "core/log.h"
#include "plant/catalog.h"
#include "plant/model_cache.h"
#include "serve/station.h"
#include "serve/worker.h"

#define LOOK_MS 100
/* How long one subscription is trusted to tell of every version. */
#define WATCH_US (60 * G_TIME_SPAN_SECOND)
/* When to fetch again what could not be fetched. */
#define RETRY_US (5 * G_TIME_SPAN_SECOND)

typedef struct {
  VelmLink link;
  VelmProduct *product;
  VelmBroker *broker;
  char *folder;
  VelmModelParts parts; /* that the product wants */
  VelmWorker follower;

  /* The follower's own. */
  VelmCatalogVersion *wanted; /* what the catalog has; or NULL */
  VelmCatalogVersion *given;  /* what the product was given; or NULL */
  gboolean judged;            /* it is known what came of that */
  char *refusal;              /* why it could not be opened; or NULL */
  gboolean trouble;           /* the catalog has nothing for the product that can be read */
  gint64 retry_at;            /* when to fetch again */
} ModelLink;

/* ---- what is said ---- */

/* @reason: (nullable). */
static void say(ModelLink *link, VelmState state, const char *reason) {
  g_auto(VelmStatus) before = velm_status_get(&link->link.status);
  if (reason && g_strcmp0(reason, before.reason) != 0)
    velm_log_line("velm: %s: %s", link->link.name, reason);
  velm_link_set_status(&link->link, state, reason);
  if (reason)
    velm_product_set_waiting(link->product, reason);
}

static void say_degraded(ModelLink *link, const char *why) {
  const VelmCatalogVersion *given = link->given;
  if (!given || link->refusal) {
    say(link, VELM_STATE_DEGRADED, why);
    return;
  }
  g_autofree char *reason =
      g_strdup_printf("%s; version %" G_GINT64_FORMAT " is in use", why, given->version);
  say(link, VELM_STATE_DEGRADED, reason);
}

/* ---- giving ---- */

/* @version: (transfer full). */
static void give(ModelLink *link, VelmCatalogVersion *version) {
  g_auto(VelmModelPaths) paths = velm_model_cache_paths(link->folder, version, link->parts);
  const VelmProductFiles files = {paths.model, paths.spec, version->version};
  velm_catalog_version_free(link->given);
  link->given = version;
  link->judged = FALSE;
  g_clear_pointer(&link->refusal, g_free);
  velm_product_give(link->product, &files);
  velm_station_reload(link->link.station, link->product);
}

static void note_use(ModelLink *link) {
  g_autoptr(GError) error = NULL;
  g_clear_pointer(&link->refusal, g_free);
  velm_log_line("velm: %s: version %" G_GINT64_FORMAT " is in use", link->link.name,
                link->given->version);
  if (velm_model_cache_remember(link->folder, link->given, &error))
    say(link, VELM_STATE_READY, NULL);
  else
    say(link, VELM_STATE_DEGRADED, error->message);
}

/* Sees what came of the version that was given. One that was refused may have been read again. */
static void judge(ModelLink *link) {
  g_autofree char *why = NULL;
  if (!link->given || (link->judged && !link->refusal))
    return;
  VelmOpening opening = velm_product_get_opening(link->product, &why);
  link->judged = opening != VELM_OPENING_UNDER_WAY;
  if (opening == VELM_OPENING_DONE)
    note_use(link);
  if (opening != VELM_OPENING_FAILED || link->refusal)
    return;
  link->refusal = g_strdup_printf("version %" G_GINT64_FORMAT " cannot be opened: %s",
                                  link->given->version, why);
  say_degraded(link, link->refusal);
}

static gboolean is_ending(gpointer data) {
  return velm_worker_is_ending(&((ModelLink *)data)->follower);
}

/* Gives the product what the catalog has, once what it was given before is known to open or not:
 * so there is always one that stays. */
static void catch_up(ModelLink *link, VelmCatalog *catalog) {
  g_autoptr(GError) error = NULL;
  if (!link->wanted || velm_catalog_version_is_same(link->wanted, link->given) ||
      (link->given && !link->judged) || g_get_monotonic_time() < link->retry_at)
    return;
  if (velm_model_cache_fetch(link->folder, catalog, link->wanted, link->parts, is_ending, link,
                             &error)) {
    give(link, g_steal_pointer(&link->wanted));
    return;
  }
  link->retry_at = g_get_monotonic_time() + RETRY_US;
  if (!is_ending(link))
    say_degraded(link, error->message);
}

/* ---- following ---- */

static void set_wanted(ModelLink *link, VelmCatalogVersion *version) {
  velm_catalog_version_free(link->wanted);
  link->wanted = version;
  link->retry_at = 0;
}

/* The workers may have models and specs of their own. */
static gboolean can_do_without(const ModelLink *link) {
  return link->parts == VELM_SPEC_ALONE && !link->given;
}

static void note_absence(ModelLink *link) {
  g_autofree char *why =
      g_strdup_printf("%s is not in the plant's catalog", velm_product_get_name(link->product));
  set_wanted(link, NULL);
  link->trouble = !can_do_without(link);
  if (link->trouble)
    say_degraded(link, why);
  else
    say(link, VELM_STATE_READY, NULL);
}

static void take_entry(ModelLink *link, kvEntry *entry) {
  g_autoptr(GError) error = NULL;
  if (kvEntry_Operation(entry) != kvOp_Put) {
    note_absence(link);
    return;
  }
  VelmCatalogVersion *version = velm_catalog_read(entry, &error);
  link->trouble = !version;
  if (!version)
    say_degraded(link, error->message);
  else if (velm_catalog_version_is_same(version, link->given))
    velm_catalog_version_free(version);
  else
    set_wanted(link, version);
}

/* What was said of the broker is over. */
static void note_contact(ModelLink *link) {
  if (link->given && link->judged && !link->wanted && !link->trouble)
    say(link, link->refusal ? VELM_STATE_DEGRADED : VELM_STATE_READY, link->refusal);
}

/* Returns: FALSE where nothing can be heard by @watcher any more. */
static gboolean look(ModelLink *link, VelmCatalog *catalog, kvWatcher *watcher, gboolean *found) {
  g_autoptr(kvEntry) entry = NULL;
  natsStatus status = kvWatcher_Next(&entry, watcher, LOOK_MS);
  if (entry) {
    take_entry(link, entry);
    *found = TRUE;
  } else if (status == NATS_OK) {
    *found ? note_contact(link) : note_absence(link);
  }
  judge(link);
  catch_up(link, catalog);
  return status == NATS_OK || status == NATS_TIMEOUT;
}

static void follow(ModelLink *link, VelmCatalog *catalog, kvWatcher *watcher, guint64 reconnects) {
  gint64 end = g_get_monotonic_time() + WATCH_US;
  gboolean found = FALSE;
  while (!is_ending(link) && g_get_monotonic_time() < end &&
         velm_broker_is_connected(link->broker) &&
         velm_broker_count_reconnects(link->broker) == reconnects)
    if (!look(link, catalog, watcher, &found))
      return;
}

/* Returns: FALSE with the error where the catalog cannot be followed now. */
static gboolean open_and_follow(ModelLink *link, GError **error) {
  guint64 reconnects = velm_broker_count_reconnects(link->broker);
  g_autoptr(kvWatcher) watcher = NULL;
  if (!velm_broker_check_connected(link->broker, error))
    return FALSE;
  g_autoptr(VelmCatalog) catalog = velm_catalog_open(link->broker, error);
  if (!catalog ||
      !velm_catalog_watch(catalog, velm_product_get_name(link->product), &watcher, error))
    return FALSE;
  follow(link, catalog, watcher, reconnects);
  gboolean ok = velm_broker_check_connected(link->broker, error);
  if (!ok) /* now: the end of a watcher waits for the broker */
    say_degraded(link, (*error)->message);
  return ok;
}

static void use_recalled(ModelLink *link) {
  g_autoptr(VelmCatalogVersion) version =
      velm_model_cache_recall(link->folder, velm_product_get_name(link->product));
  if (version && velm_model_cache_has(link->folder, version, link->parts))
    give(link, g_steal_pointer(&version));
}

static gpointer follow_in_thread(gpointer data) {
  ModelLink *link = data;
  use_recalled(link);
  while (!is_ending(link)) {
    g_autoptr(GError) error = NULL;
    gboolean ok = open_and_follow(link, &error);
    judge(link);
    if (ok || is_ending(link))
      continue;
    say_degraded(link, error->message);
    velm_worker_pause(&link->follower, 1);
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *base) {
  ModelLink *link = (ModelLink *)base;
  velm_worker_start(&link->follower, "follower", follow_in_thread, link);
}

static void stop(VelmLink *base) { velm_worker_end(&((ModelLink *)base)->follower); }

static void model_link_free(VelmLink *base) {
  ModelLink *link = (ModelLink *)base;
  velm_catalog_version_free(link->wanted);
  velm_catalog_version_free(link->given);
  g_free(link->refusal);
  g_free(link->folder);
  velm_worker_clear(&link->follower);
  velm_link_clear(base);
  g_free(link);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = model_link_free};

VelmLink *velm_model_link_new(VelmStation *station, VelmProduct *product, VelmBroker *broker,
                              const char *folder) {
  ModelLink *link = g_new0(ModelLink, 1);
  gboolean elsewhere = velm_product_is_elsewhere(product);
  velm_link_init(
      &link->link, &klass, station,
      g_strdup_printf("%s of %s", elsewhere ? "spec" : "model", velm_product_get_name(product)));
  link->parts = elsewhere ? VELM_SPEC_ALONE : VELM_MODEL_AND_SPEC;
  link->product = product;
  link->broker = broker;
  link->folder = g_strdup(folder);
  velm_worker_init(&link->follower);
  return &link->link;
}
