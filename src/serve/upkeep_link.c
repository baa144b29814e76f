#include "serve/upkeep_link.h"

#include "serve/worker.h"

#include "core/file.h"

#include <glib/gstdio.h>

/* How often a store that fails is tried, records are removed, and the store is copied. */
#define PROBE_S 5
#define RETAIN_S 600
#define BACK_UP_S (24 * 60 * 60)

typedef struct {
  VelmLink link;
  VelmRetention retention;
  char *backup; /* or NULL */
  VelmWorker worker;
} Upkeep;

/* Goes on where the station does not stop. */
static gboolean goes_on(const char *stage, gsize done, gsize total, gpointer upkeep) {
  return !velm_worker_is_ending(&((Upkeep *)upkeep)->worker);
}

static gboolean retain(Upkeep *upkeep, GError **error) {
  const VelmRetention *retention = &upkeep->retention;
  if (!retention->max_age && !retention->max_bytes)
    return TRUE;
  return velm_store_retain(velm_station_get_store(upkeep->link.station), retention,
                           g_get_real_time(), NULL, error);
}

static gboolean is_as_large(const char *path, const char *other) {
  GStatBuf a, b;
  return g_stat(path, &a) == 0 && g_stat(other, &b) == 0 && a.st_size == b.st_size;
}

/* @constant: what has a name never changes. */
static gboolean copy_file(const char *from, const char *to, gboolean constant, GError **error) {
  if (constant && is_as_large(from, to))
    return TRUE;
  g_autoptr(GBytes) bytes = velm_file_read(from, error);
  return bytes &&
         velm_file_write(to, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
}

static void remove_gone(const char *from, const char *to) {
  g_autoptr(GPtrArray) names = velm_file_list(to, NULL);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *original = g_build_filename(from, names->pdata[i], NULL);
    g_autofree char *copy = g_build_filename(to, names->pdata[i], NULL);
    if (!g_file_test(original, G_FILE_TEST_EXISTS))
      g_unlink(copy);
  }
}

/* Copies the folder @name of the station's data, where it has one. */
static gboolean copy_folder(const Upkeep *upkeep, const char *name, gboolean constant,
                            GError **error) {
  g_autofree char *from =
      g_build_filename(velm_station_get_folder(upkeep->link.station), name, NULL);
  g_autofree char *to = g_build_filename(upkeep->backup, name, NULL);
  if (!g_file_test(from, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autoptr(GPtrArray) names = velm_file_list(from, error);
  gboolean ok = names && velm_file_make_folder(to, error);
  for (guint i = 0; ok && i < names->len; i++) {
    g_autofree char *original = g_build_filename(from, names->pdata[i], NULL);
    g_autofree char *copy = g_build_filename(to, names->pdata[i], NULL);
    ok = copy_file(original, copy, constant, error);
  }
  if (ok)
    remove_gone(from, to);
  return ok;
}

static gboolean back_up(Upkeep *upkeep, GError **error) {
  gint64 damaged = 0;
  if (!upkeep->backup)
    return TRUE;
  if (!velm_store_backup(velm_station_get_store(upkeep->link.station), upkeep->backup, goes_on,
                         upkeep, &damaged, error) ||
      !copy_folder(upkeep, "models", TRUE, error) || !copy_folder(upkeep, "specs", FALSE, error))
    return FALSE;
  if (damaged == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "%s: %" G_GINT64_FORMAT " images could not be copied, as they are damaged or missing",
              upkeep->backup, damaged);
  return FALSE;
}

/* What is done now and then. It is late again @period_s after it is done, whether it went well. */
typedef struct {
  gboolean (*work)(Upkeep *upkeep, GError **error);
  guint period_s;
  gint64 next;
  char *trouble; /* why it did not go well the last time */
} Chore;

static void do_when_late(Upkeep *upkeep, Chore *chore) {
  g_autoptr(GError) error = NULL;
  if (g_get_monotonic_time() < chore->next)
    return;
  g_clear_pointer(&chore->trouble, g_free);
  if (!chore->work(upkeep, &error))
    chore->trouble = g_strdup(error->message);
  chore->next = g_get_monotonic_time() + chore->period_s * G_TIME_SPAN_SECOND;
}

/* An image would find out too, but none may come to a line that stands still because of it. */
static void probe(Upkeep *upkeep) {
  VelmStore *store = velm_station_get_store(upkeep->link.station);
  g_auto(VelmStoreHealth) before = velm_store_get_health(store);
  if (before.state == VELM_DATABASE_FINE)
    velm_store_watch(store);
  else
    velm_store_probe(store, NULL);
  g_auto(VelmStoreHealth) after = velm_store_get_health(store);
  if ((before.state == VELM_DATABASE_FINE) != (after.state == VELM_DATABASE_FINE))
    velm_station_tell_state(upkeep->link.station);
}

static gpointer look_after(gpointer data) {
  Upkeep *upkeep = data;
  Chore chores[] = {{retain, RETAIN_S}, {back_up, BACK_UP_S}};
  do {
    const char *trouble = NULL;
    probe(upkeep);
    for (gsize i = 0; i < G_N_ELEMENTS(chores); i++) {
      do_when_late(upkeep, &chores[i]);
      trouble = trouble ? trouble : chores[i].trouble;
    }
    velm_link_set_status(&upkeep->link, trouble ? VELM_STATE_DEGRADED : VELM_STATE_READY, trouble);
  } while (velm_worker_pause(&upkeep->worker, PROBE_S));
  for (gsize i = 0; i < G_N_ELEMENTS(chores); i++)
    g_free(chores[i].trouble);
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
  g_free(upkeep->backup);
  velm_link_clear(link);
  g_free(upkeep);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = upkeep_free};

VelmLink *velm_upkeep_link_new(VelmStation *station, const VelmRetention *retention,
                               const char *backup) {
  Upkeep *upkeep = g_new0(Upkeep, 1);
  velm_link_init(&upkeep->link, &klass, station, g_strdup("upkeep"));
  upkeep->retention = *retention;
  upkeep->backup = g_strdup(backup);
  velm_worker_init(&upkeep->worker);
  return &upkeep->link;
}
