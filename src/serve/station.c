#include "serve/station.h"

#include "act/record.h"
#include "core/file.h"
#include "core/json_member.h"
#include "serve/backlog_link.h"
#include "serve/jobs.h"
#include "serve/readiness.h"
#include "serve/record_json.h"
#include "serve/score_map.h"
#include "serve/versions.h"

#include <string.h>

/* Records that are written together: while some are on their way to the disk, the next gather. */
#define MOST_TOGETHER 64
/* Letters of a station's name. */
#define MOST_NAME 100

struct _VelmStation {
  char *folder, *own_folder, *name;
  gboolean owns_records; /* of images that come in here */
  VelmStore *store;
  VelmEvents *events;
  VelmMetrics *metrics;
  GPtrArray *products;
  GPtrArray *links;  /* of VelmLink */
  VelmLink *backlog; /* one of them */
  VelmJobs *jobs;
  VelmStationPlant plant; /* without @inspect where there is none */
  GThread *keeper;
  GAsyncQueue *inspected; /* of Passage: to be kept, in this order, as who follows the records may
                             count parts by them */

  GMutex lock;
  GHashTable *coming; /* key -> Coming */
};

/* A key whose record comes from elsewhere: of those who wait for it, the first is told that it is
 * new, as it is to all but the process that made it. */
typedef struct {
  guint n; /* who wait */
  gboolean told;
} Coming;

/* A record that the plant made. */
typedef struct {
  char *json, *prompt;
  GBytes *map;
  gboolean failed;
} Told;

static Told *told_new(const VelmPlantRecord *record) {
  Told *told = g_new(Told, 1);
  *told = (Told){g_strdup(record->json), g_strdup(record->prompt),
                 record->map ? g_bytes_ref(record->map) : NULL, record->failed};
  return told;
}

static void told_free(Told *told) {
  if (!told)
    return;
  g_free(told->json);
  g_free(told->prompt);
  g_clear_pointer(&told->map, g_bytes_unref);
  g_free(told);
}

/* An image on its way to its record. */
typedef struct {
  VelmStation *station;
  VelmProduct *product;
  char *key, *name, *part, *media_type;
  char *owner;   /* the station whose image it is; or NULL */
  GBytes *image; /* NULL where it is in the store's queue, or waits for the plant */
  char *sha256;
  gboolean held;  /* the store keeps the image for this passage */
  Coming *coming; /* of its key, where the product is inspected elsewhere */
  gint64 time;
  gboolean only_normal, can_wait;
  VelmInspection *inspection;
  Told *told;    /* what the plant says instead */
  GError *error; /* why there is none */
  GBytes *map;   /* of the inspection, as it is kept; NULL where there is none */
  VelmStationDone done;
  gpointer user_data;
} Passage;

static Coming *come(VelmStation *station, const char *key) {
  g_mutex_lock(&station->lock);
  Coming *coming = g_hash_table_lookup(station->coming, key);
  if (!coming) {
    coming = g_new0(Coming, 1);
    g_hash_table_insert(station->coming, g_strdup(key), coming);
  }
  coming->n++;
  g_mutex_unlock(&station->lock);
  return coming;
}

static void leave(Passage *passage) {
  VelmStation *station = passage->station;
  g_mutex_lock(&station->lock);
  if (--passage->coming->n == 0)
    g_hash_table_remove(station->coming, passage->key);
  g_mutex_unlock(&station->lock);
}

/* Returns: whether it was told before. */
static gboolean note_told(const Passage *passage) {
  g_mutex_lock(&passage->station->lock);
  gboolean before = passage->coming->told;
  passage->coming->told = TRUE;
  g_mutex_unlock(&passage->station->lock);
  return before;
}

static void passage_free(Passage *passage) {
  if (passage->coming)
    leave(passage);
  if (passage->held)
    velm_store_release_image(passage->station->store, passage->sha256);
  velm_inspection_free(passage->inspection);
  told_free(passage->told);
  g_clear_error(&passage->error);
  g_clear_pointer(&passage->image, g_bytes_unref);
  g_clear_pointer(&passage->map, g_bytes_unref);
  g_free(passage->sha256);
  g_free(passage->key);
  g_free(passage->name);
  g_free(passage->part);
  g_free(passage->owner);
  g_free(passage->media_type);
  g_free(passage);
}

static gpointer keep_in_thread(gpointer data);

/* What follows the last that was inspected. */
static Passage no_more;

static void link_free(gpointer data) {
  VelmLink *link = data;
  link->klass->free(link);
}

/* ---- the station ---- */

/* Takes both. */
static VelmStation *new_station(const char *folder, char *own_folder, VelmStore *store) {
  VelmStation *station = g_new0(VelmStation, 1);
  station->folder = g_strdup(folder);
  station->own_folder = own_folder;
  station->store = store;
  station->events = velm_events_new();
  station->metrics = velm_metrics_new();
  station->products = g_ptr_array_new_with_free_func((GDestroyNotify)velm_product_free);
  station->links = g_ptr_array_new_with_free_func(link_free);
  station->backlog = velm_backlog_link_new(station);
  velm_station_add_link(station, station->backlog);
  station->jobs = velm_jobs_new(station);
  station->inspected = g_async_queue_new();
  g_mutex_init(&station->lock);
  station->coming = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  station->keeper = g_thread_new("keeper", keep_in_thread, station);
  return station;
}

VelmStation *velm_station_new(const char *folder, GError **error) {
  VelmStore *store = velm_store_open(folder, error);
  return store ? new_station(folder, g_strdup(folder), store) : NULL;
}

/* It becomes a folder's name. */
static gboolean check_name(const char *name, GError **error) {
  if (g_ascii_isalnum(name[0]) && strlen(name) <= MOST_NAME &&
      strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.") == strlen(name))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "the station's name is to be of at most %d letters, digits, \"-\", \"_\" and \".\"",
              MOST_NAME);
  return FALSE;
}

VelmStation *velm_station_new_shared(const char *folder, const char *database, const char *name,
                                     GError **error) {
  if (!check_name(name, error))
    return NULL;
  g_autofree char *own_folder = g_build_filename(folder, "stations", name, NULL);
  VelmStore *store = velm_store_open_shared(folder, database, name, error);
  if (!store)
    return NULL;
  VelmStation *station = new_station(folder, g_steal_pointer(&own_folder), store);
  velm_station_set_name(station, name);
  return station;
}

static void stop_links(VelmStation *station) {
  for (guint i = 0; i < station->links->len; i++) {
    VelmLink *link = station->links->pdata[i];
    if (link->klass->stop)
      link->klass->stop(link);
  }
}

/* Who says how he does reads how all do. */
static void end_links(VelmStation *station) {
  for (guint i = 0; i < station->links->len; i++) {
    VelmLink *link = station->links->pdata[i];
    if (link->klass->end)
      link->klass->end(link);
  }
}

void velm_station_free(VelmStation *station) {
  if (!station)
    return;
  stop_links(station);
  velm_jobs_free(station->jobs);
  for (guint i = 0; i < station->products->len; i++)
    velm_product_end(station->products->pdata[i]);
  g_async_queue_push(station->inspected, &no_more);
  g_thread_join(station->keeper);
  end_links(station);
  g_ptr_array_unref(station->links);
  g_ptr_array_unref(station->products);
  velm_store_free(station->store);
  velm_events_free(station->events);
  velm_metrics_free(station->metrics);
  g_async_queue_unref(station->inspected);
  g_hash_table_unref(station->coming);
  g_mutex_clear(&station->lock);
  g_free(station->folder);
  g_free(station->own_folder);
  g_free(station->name);
  g_free(station);
}

void velm_station_set_name(VelmStation *station, const char *name) {
  g_free(station->name);
  station->name = g_strdup(name);
}

void velm_station_own_records(VelmStation *station) { station->owns_records = TRUE; }

VelmStore *velm_station_get_store(VelmStation *station) { return station->store; }
VelmEvents *velm_station_get_events(VelmStation *station) { return station->events; }
VelmMetrics *velm_station_get_metrics(VelmStation *station) { return station->metrics; }
VelmJobs *velm_station_get_jobs(VelmStation *station) { return station->jobs; }

const GPtrArray *velm_station_get_products(const VelmStation *station) { return station->products; }

VelmProduct *velm_station_find_product(const VelmStation *station, const char *name) {
  for (guint i = 0; i < station->products->len; i++)
    if (g_str_equal(velm_product_get_name(station->products->pdata[i]), name))
      return station->products->pdata[i];
  return NULL;
}

void velm_station_tell_state(VelmStation *station) {
  g_autofree char *json = velm_readiness_to_json(station);
  velm_events_publish(station->events, "station", json);
}

static void take_change(VelmProduct *product, gpointer user_data) {
  velm_station_tell_state(user_data);
}

const char *velm_station_get_folder(const VelmStation *station) { return station->folder; }

const char *velm_station_make_own_folder(const VelmStation *station, GError **error) {
  return velm_file_make_folder(station->own_folder, error) ? station->own_folder : NULL;
}

void velm_station_set_plant(VelmStation *station, const VelmStationPlant *plant) {
  station->plant = *plant;
}

gboolean velm_station_has_plant(const VelmStation *station) {
  return station->plant.inspect != NULL;
}

void velm_station_reload(VelmStation *station, VelmProduct *product) {
  if (!velm_product_is_elsewhere(product))
    velm_versions_settle(station, product);
  velm_product_reload(product);
}

char *velm_station_own_spec_path(const VelmStation *station, const char *product) {
  g_autofree char *name = g_strconcat(product, ".yaml", NULL);
  return g_build_filename(station->folder, "specs", name, NULL);
}

gboolean velm_station_add_product(VelmStation *station, const VelmProductParams *params,
                                  GError **error) {
  if (velm_station_find_product(station, params->name)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "there are two products with the name %s",
                params->name);
    return FALSE;
  }
  VelmProduct *product = velm_product_new(params, take_change, station, error);
  if (!product)
    return FALSE;
  g_ptr_array_add(station->products, product);
  if (params->elsewhere)
    return TRUE;
  g_autofree char *own = velm_station_own_spec_path(station, params->name);
  if (!params->spec && g_file_test(own, G_FILE_TEST_EXISTS))
    velm_product_set_spec_path(product, own);
  velm_versions_settle(station, product);
  return TRUE;
}

void velm_station_start(VelmStation *station) {
  for (guint i = 0; i < station->products->len; i++)
    velm_product_start(station->products->pdata[i]);
  for (guint i = 0; i < station->links->len; i++) {
    VelmLink *link = station->links->pdata[i];
    link->klass->start(link);
  }
  velm_jobs_start(station->jobs);
}

void velm_station_add_link(VelmStation *station, VelmLink *link) {
  g_ptr_array_add(station->links, link);
}

const GPtrArray *velm_station_get_links(const VelmStation *station) { return station->links; }

/* ---- keeping ---- */

static void count(const Passage *passage, const VelmStoredRecord *record) {
  VelmMetrics *metrics = passage->station->metrics;
  /* What the plant's workers did, they count. */
  const VelmInspection *inspection = passage->told ? NULL : passage->inspection;
  velm_metrics_add(metrics, VELM_METRIC_INSPECTIONS, record->product, record->decision, 1);
  for (VelmTiming i = 0; inspection && i < VELM_N_TIMINGS; i++)
    velm_metrics_observe(metrics, VELM_METRIC_STAGE_SECONDS, velm_timing_name(i),
                         inspection->timings_ms[i] / 1000);
  if (!inspection || !inspection->llm.llm)
    return;
  const VelmLlmUsage *llm = &inspection->llm;
  velm_metrics_add(metrics, VELM_METRIC_LLM_REQUESTS, record->product, NULL, llm->requests);
  velm_metrics_add(metrics, VELM_METRIC_LLM_TOKENS, record->product, NULL,
                   (double)(MAX(llm->prompt_tokens, 0) + MAX(llm->completion_tokens, 0)));
  if (llm->usd > 0)
    velm_metrics_add(metrics, VELM_METRIC_LLM_USD, record->product, NULL, llm->usd);
}

static void tell(VelmStation *station, const char *type, const VelmStoredRecord *record) {
  g_autofree char *json = velm_summary_to_json(record);
  velm_events_publish(station->events, type, json);
}

static void tell_links(VelmStation *station, const VelmStoredRecord *record) {
  for (guint i = 0; i < station->links->len; i++) {
    VelmLink *link = station->links->pdata[i];
    if (link->klass->tell)
      link->klass->tell(link, record);
  }
}

void velm_station_tell_others(VelmStation *station, const char *json) {
  velm_events_publish(station->events, "record", json);
}

void velm_station_tell_review(VelmStation *station, const VelmStoredRecord *record) {
  tell(station, "review", record);
}

/* The record names the image as its sender does, not by where the store has it. */
static void set_names(Passage *passage) {
  VelmInspection *inspection = passage->inspection;
  if (!inspection)
    return;
  g_free(inspection->path);
  inspection->path = g_strdup(passage->name);
  if (passage->told)
    return; /* another made it */
  g_free(inspection->made_by.worker);
  inspection->made_by.worker = g_strdup(passage->station->name);
}

/* Its message names the image by its sender's name likewise. */
static void rename_in_error(Passage *passage) {
  if (!passage->error)
    return;
  g_autofree char *path = velm_store_image_path(passage->station->store, passage->sha256);
  g_auto(GStrv) parts = g_strsplit(passage->error->message, path, -1);
  g_free(passage->error->message);
  passage->error->message = g_strjoinv(passage->name, parts);
}

static VelmSubmission submission_of(const Passage *passage) {
  return (VelmSubmission){.key = passage->key,
                          .product = velm_product_get_name(passage->product),
                          .time = passage->time,
                          .image = passage->image,
                          .media_type = passage->media_type,
                          .inspection = passage->inspection,
                          .json = passage->told ? passage->told->json : NULL,
                          .part = passage->part,
                          .station = passage->owner,
                          .name = passage->name,
                          .failure = passage->error ? passage->error->message : NULL,
                          .map = passage->map};
}

/* The disk has lost the image while it waited in the queue: it would wait for ever. */
static gboolean is_lost(const Passage *passage) {
  g_autofree char *path = velm_store_image_path(passage->station->store, passage->sha256);
  return !passage->held && !g_file_test(path, G_FILE_TEST_EXISTS);
}

/* What could not be named because nobody could be asked is as if it had not been inspected. */
static void put_off(Passage *passage) {
  const VelmInspection *inspection = passage->inspection;
  if (!passage->can_wait || !inspection || !inspection->error || !inspection->llm_away)
    return;
  passage->error = g_error_new(VELM_ERROR, VELM_ERROR_CANCELLED, "%s", inspection->error);
  g_clear_pointer(&passage->inspection, velm_inspection_free);
}

/* What failed because the station stops, or cannot take more, says nothing of the image. */
static gboolean deserves_record(const Passage *passage) {
  if (passage->only_normal && passage->inspection && passage->inspection->anomalous)
    return FALSE;
  if (passage->coming && passage->held &&
      g_error_matches(passage->error, VELM_ERROR, VELM_ERROR_USAGE))
    return FALSE; /* the key has a record, of another image: who handed this one in is told */
  if (g_error_matches(passage->error, VELM_ERROR, VELM_ERROR_FILE))
    return is_lost(passage);
  return !g_error_matches(passage->error, VELM_ERROR, VELM_ERROR_CANCELLED);
}

static gboolean read_told(Passage *passage, GError **error) {
  const Told *told = passage->told;
  if (!told || told->failed)
    return TRUE;
  passage->inspection = velm_record_read(told->json, error);
  return passage->inspection &&
         (!told->prompt || velm_record_read_prompt(passage->inspection, told->prompt, error));
}

/* The image of a record that is to be written: it is not, where the workers share the store. */
static gboolean get_image(Passage *passage, GError **error) {
  VelmStore *store = passage->station->store;
  g_autoptr(VelmStoredRecord) record = NULL;
  if (!passage->coming || !passage->held)
    return TRUE;
  if (!velm_store_find(store, passage->key, &record, error))
    return FALSE;
  if (!record)
    passage->image = velm_store_read_image(store, passage->sha256, error);
  return record || passage->image;
}

static gboolean prepare(Passage *passage, GError **error) {
  const Told *told = passage->told;
  put_off(passage);
  if (!deserves_record(passage))
    return TRUE;
  if (!read_told(passage, error) || !get_image(passage, error))
    return FALSE;
  set_names(passage);
  rename_in_error(passage);
  if (told)
    passage->map = told->map ? g_bytes_ref(told->map) : NULL;
  else
    passage->map = passage->inspection ? velm_score_map_pack(passage->inspection) : NULL;
  return TRUE;
}

/* @added: (nullable): what came of it; @error: (nullable): why nothing did. */
static void end_passage(Passage *passage, VelmStoreAdded *added, const GError *error) {
  VelmStation *station = passage->station;
  VelmStoredRecord *record = added ? g_steal_pointer(&added->record) : NULL;
  gboolean existed = added && added->existed;
  if (added && added->error)
    error = added->error;
  if (record && passage->coming)
    existed = note_told(passage);
  if (record && !existed) {
    count(passage, record);
    tell(station, "record", record);
    tell_links(station, record);
  }
  if (error)
    velm_station_tell_state(station);
  passage->done(record, existed, error ? error : passage->error, passage->user_data);
  passage_free(passage);
}

/* @passages: (element-type Passage): each of them deserves a record. */
static void keep_records(VelmStation *station, const GPtrArray *passages) {
  VelmSubmission submissions[MOST_TOGETHER];
  VelmStoreAdded added[MOST_TOGETHER] = {0};
  g_autoptr(GError) error = NULL;
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < passages->len; i++)
    submissions[i] = submission_of(passages->pdata[i]);
  velm_store_add_many(station->store, submissions, passages->len, added, &error);
  for (guint i = 0; i < passages->len; i++) {
    velm_metrics_observe(station->metrics, VELM_METRIC_KEEP_SECONDS, NULL,
                         velm_timing_since(start) / 1000);
    end_passage(passages->pdata[i], error ? NULL : &added[i], error);
    velm_store_added_clear(&added[i]);
  }
}

/* The next that were inspected, after waiting for one. @goes_on: (out): whether more may follow.
 * Returns: (transfer full) (element-type Passage). */
static GPtrArray *next_passages(VelmStation *station, gboolean *goes_on) {
  GPtrArray *passages = g_ptr_array_new();
  Passage *passage = g_async_queue_pop(station->inspected);
  while (passage && passage != &no_more) {
    g_ptr_array_add(passages, passage);
    passage = passages->len < MOST_TOGETHER ? g_async_queue_try_pop(station->inspected) : NULL;
  }
  *goes_on = passage != &no_more;
  return passages;
}

static gpointer keep_in_thread(gpointer data) {
  VelmStation *station = data;
  for (gboolean goes_on = TRUE; goes_on;) {
    g_autoptr(GPtrArray) passages = next_passages(station, &goes_on);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (guint i = 0; i < passages->len; i++) {
      Passage *passage = passages->pdata[i];
      g_autoptr(GError) error = NULL;
      if (prepare(passage, &error) && deserves_record(passage))
        g_ptr_array_add(kept, passage);
      else
        end_passage(passage, NULL, error);
    }
    if (kept->len > 0)
      keep_records(station, kept);
  }
  return NULL;
}

/* ---- inspecting here ---- */

/* In the product's thread, which is not to wait for the disk. */
static void take_inspection(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Passage *passage = user_data;
  passage->inspection = inspection;
  passage->error = error ? g_error_copy(error) : NULL;
  g_async_queue_push(passage->station->inspected, passage);
}

/* ---- inspecting elsewhere ---- */

/* Why the record says that the image could not be inspected. */
static GError *read_failure(const char *json) {
  g_autoptr(JsonNode) node = velm_json_parse_object(json, strlen(json));
  const char *why = node ? velm_json_string_member(json_node_get_object(node), "error") : NULL;
  return g_error_new_literal(VELM_ERROR, VELM_ERROR_IMAGE,
                             why ? why : "the image could not be inspected");
}

/* In a thread of the plant's, which is not to wait for the disk. */
static void take_told(const VelmPlantRecord *record, const GError *error, gpointer user_data) {
  Passage *passage = user_data;
  velm_product_give_place(passage->product);
  passage->told = record ? told_new(record) : NULL;
  if (record && record->failed)
    passage->error = read_failure(record->json);
  else
    passage->error = error ? g_error_copy(error) : NULL;
  g_async_queue_push(passage->station->inspected, passage);
}

/* Hands @image to the plant. It may take long: meanwhile the image is on the disk alone. */
static gboolean hand_over(Passage *passage, GError **error) {
  VelmStation *station = passage->station;
  g_auto(VelmStatus) status = velm_product_get_status(passage->product);
  if (status.state != VELM_STATE_READY) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "%s",
                status.reason ? status.reason : "the plant is not there yet");
    return FALSE;
  }
  g_autoptr(GBytes) image = passage->image
                                ? g_steal_pointer(&passage->image)
                                : velm_store_read_image(station->store, passage->sha256, error);
  if (!image || !velm_product_take_place(passage->product, error))
    return FALSE;
  const VelmPlantImage given = {.key = passage->key,
                                .product = velm_product_get_name(passage->product),
                                .name = passage->name,
                                .part = passage->part,
                                .station = passage->owner,
                                .sha256 = passage->sha256,
                                .image = image,
                                .time = passage->time};
  if (station->plant.inspect(station->plant.plant, &given, take_told, passage, error))
    return TRUE;
  velm_product_give_place(passage->product);
  return FALSE;
}

/* ---- inspecting ---- */

/* Whether the key has a record: then the image need not be inspected again. */
static gboolean find_earlier(Passage *passage, VelmStoredRecord **record, GError **error) {
  if (!velm_store_find(passage->station->store, passage->key, record, error))
    return FALSE;
  if (!*record || (g_str_equal((*record)->image, passage->sha256) &&
                   g_str_equal((*record)->product, velm_product_get_name(passage->product))))
    return TRUE;
  g_clear_pointer(record, velm_stored_record_free);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "the key \"%s\" was used for another image or product", passage->key);
  return FALSE;
}

static gboolean begin(Passage *passage, const char *path, GError **error) {
  return velm_product_is_elsewhere(passage->product)
             ? hand_over(passage, error)
             : velm_product_inspect(passage->product, path, take_inspection, passage, error);
}

/* An image of the queue has its record, which another process made. */
static gboolean leave_queue(Passage *passage, GError **error) {
  const VelmSubmission submission = submission_of(passage);
  g_autoptr(VelmStoredRecord) record =
      velm_store_add(passage->station->store, &submission, NULL, error);
  return record != NULL;
}

/* Goes on with @passage, whose image is at the path of its SHA-256, or ends it. @cause: (transfer
 * full) (nullable): why there is none. */
static void inspect(Passage *passage, GError *cause) {
  VelmStoredRecord *earlier = NULL;
  g_autoptr(GError) error = cause;
  if (velm_product_is_elsewhere(passage->product))
    passage->coming = come(passage->station, passage->key);
  g_autofree char *path =
      passage->sha256 ? velm_store_image_path(passage->station->store, passage->sha256) : NULL;
  if (path && find_earlier(passage, &earlier, &error) && !earlier && begin(passage, path, &error))
    return;
  if (earlier && !passage->held && !leave_queue(passage, &error))
    g_clear_pointer(&earlier, velm_stored_record_free);
  passage->done(earlier, earlier != NULL, error, passage->user_data);
  passage_free(passage);
}

/* @owner: (nullable): whose image it is, where that is another station. */
static Passage *new_passage(VelmStation *station, VelmProduct *product, const char *owner,
                            VelmStationDone done, gpointer user_data) {
  Passage *passage = g_new0(Passage, 1);
  *passage =
      (Passage){.station = station, .product = product, .done = done, .user_data = user_data};
  passage->owner = g_strdup(owner || !station->owns_records ? owner : station->name);
  return passage;
}

void velm_station_inspect(VelmStation *station, VelmProduct *product, const VelmArrival *arrival,
                          VelmStationDone done, gpointer user_data) {
  GError *error = NULL;
  Passage *passage = new_passage(station, product, arrival->station, done, user_data);
  passage->key = g_strdup(arrival->key);
  passage->name = g_strdup(arrival->name);
  passage->part = g_strdup(arrival->part);
  passage->media_type = g_strdup(arrival->media_type);
  passage->image = g_bytes_ref(arrival->image);
  passage->time = arrival->time ? arrival->time : g_get_real_time();
  passage->only_normal = arrival->only_normal;
  passage->can_wait = arrival->can_wait;
  passage->sha256 = velm_store_put_image(station->store, arrival->image, &error);
  passage->held = passage->sha256 != NULL;
  inspect(passage, error);
}

void velm_station_inspect_queued(VelmStation *station, VelmProduct *product,
                                 const VelmQueued *queued, VelmStationDone done,
                                 gpointer user_data) {
  Passage *passage = new_passage(station, product, NULL, done, user_data);
  passage->key = g_strdup(queued->key);
  passage->name = g_strdup(queued->name ? queued->name : queued->key);
  passage->part = g_strdup(queued->part);
  passage->media_type = g_strdup(queued->media_type);
  passage->time = queued->time;
  passage->sha256 = g_strdup(queued->image);
  inspect(passage, NULL);
}

gboolean velm_station_enqueue(VelmStation *station, const VelmQueued *queued, GBytes *image,
                              gboolean *existed, GError **error) {
  if (!velm_store_enqueue(station->store, queued, image, existed, error))
    return FALSE;
  velm_backlog_link_wake(station->backlog);
  return TRUE;
}
