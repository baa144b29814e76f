/*
 * The station: its products, its store, and the way of an image from its bytes to a record that is
 * on the disk.
 */
#pragma once

#include "act/store.h"
#include "serve/events.h"
#include "serve/link.h"
#include "serve/metrics.h"
#include "serve/product.h"

/** Opens the store in @folder. Returns: (transfer full): NULL as velm_store_open(). */
VelmStation *velm_station_new(const char *folder, GError **error);
/** Opens the store that stations share at @database, with images in @folder. @name: the station's,
 * of letters, digits, "-", "_" and ".", the first one of the former two; there it also keeps what
 * is its own alone. Returns: (transfer full): NULL as velm_store_open_shared(). */
VelmStation *velm_station_new_shared(const char *folder, const char *database, const char *name,
                                     GError **error);
/** Ends when what was handed in is done and kept. */
void velm_station_free(VelmStation *station);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStation, velm_station_free)

/** What records call it; before it is started. A shared one has its name there. */
void velm_station_set_name(VelmStation *station, const char *name);
/** From now on, before it is started, records of images that come in here are of this station, by
 * its name, where it has one. */
void velm_station_own_records(VelmStation *station);

/** Where the station keeps the spec of a product that was changed at the page. Returns: (transfer
 * full). */
char *velm_station_own_spec_path(const VelmStation *station, const char *product);

/** Adds a product, before it is started. Returns: FALSE with VELM_ERROR_USAGE where there is one
 * of that name already, or the name will not do. A product
 * without a spec of its own has the one that was changed at the page, where there is one. */
gboolean velm_station_add_product(VelmStation *station, const VelmProductParams *params,
                                  GError **error);
/** Has its model and its spec read again. The model is the version that was put in use, of the one
 * that the product was given, or that one. */
void velm_station_reload(VelmStation *station, VelmProduct *product);
/** Adds a link, before the station is started. @link: (transfer full). */
void velm_station_add_link(VelmStation *station, VelmLink *link);
/** Returns: borrowed (element-type VelmLink). */
const GPtrArray *velm_station_get_links(const VelmStation *station);
/** Starts to open the products' models, and the links. */
void velm_station_start(VelmStation *station);
/** Returns: borrowed (element-type VelmProduct). */
const GPtrArray *velm_station_get_products(const VelmStation *station);
/** Returns: borrowed; NULL where there is none. */
VelmProduct *velm_station_find_product(const VelmStation *station, const char *name);

/** Where its data is, of stations that share a store the same. */
const char *velm_station_get_folder(const VelmStation *station);
/** The folder of what is no other station's; made where it is missing. Returns: borrowed; NULL with
 * VELM_ERROR_FILE. */
const char *velm_station_make_own_folder(const VelmStation *station, GError **error);
VelmStore *velm_station_get_store(VelmStation *station);
VelmEvents *velm_station_get_events(VelmStation *station);
VelmMetrics *velm_station_get_metrics(VelmStation *station);
VelmJobs *velm_station_get_jobs(VelmStation *station);

/** Tells those who follow the station how it does. */
void velm_station_tell_state(VelmStation *station);

/* ---- a station whose images others inspect ---- */

/** VelmPlantImage: an image for the plant; all borrowed. @station: (nullable): whose it is;
 * @sha256: of @image */
typedef struct {
  const char *key, *product, *name, *part, *station, *sha256;
  GBytes *image;
  gint64 time;
} VelmPlantImage;

/**
 * VelmPlantRecord: what came of one; all borrowed.
 * @json: the inspection's JSON, or what says why there is none
 * @prompt: (nullable): as velm_record_prompt_json()
 * @map: (nullable): as velm_score_map_pack()
 * @failed: the image could not be inspected
 */
typedef struct {
  const char *json, *prompt;
  GBytes *map;
  gboolean failed;
} VelmPlantRecord;

/** @record: NULL where there is none; @error: why. */
typedef void (*VelmPlantDone)(const VelmPlantRecord *record, const GError *error,
                              gpointer user_data);

/**
 * VelmStationPlant: @inspect: hands an image in, and does not wait; @done is called once, in any
 * thread. Returns: FALSE with VELM_ERROR_CANCELLED where none can be taken now, and @done is not
 * called. Likewise @done says VELM_ERROR_CANCELLED where there is no record yet, VELM_ERROR_USAGE
 * where the key is another image's, VELM_ERROR_IMAGE where nothing can come of it
 */
typedef struct {
  gboolean (*inspect)(gpointer plant, const VelmPlantImage *image, VelmPlantDone done,
                      gpointer user_data, GError **error);
  gpointer plant;
} VelmStationPlant;

/** From now on, before the station is started, products that are inspected elsewhere are inspected
 * by @plant, which is copied. */
void velm_station_set_plant(VelmStation *station, const VelmStationPlant *plant);
gboolean velm_station_has_plant(const VelmStation *station);

/* ---- inspecting ---- */

/**
 * VelmArrival: an image that came in; all borrowed.
 * @key: the sender's, as VelmSubmission; @name: what to call the image
 * @part: (nullable): the part that it shows, as VelmSubmission
 * @station: (nullable): the station whose image it is, where that is another
 * @time: when it was taken; 0 for now
 * @only_normal: where the image is anomalous, somebody else goes on with it: it gets no record here
 * @can_wait: where the language model that is to name it is away, it gets no record, and is to come
 * again: VELM_ERROR_CANCELLED
 */
typedef struct {
  const char *key, *name, *part, *station, *media_type;
  GBytes *image;
  gint64 time;
  gboolean only_normal, can_wait;
} VelmArrival;

/**
 * @record: (transfer full): it is on the disk; its decision is VELM_STORE_FAILED where the image
 * could not be inspected; NULL where there is none: there is then an error, or the image is one
 * that somebody else goes on with
 * @existed: the key had it already
 * @error: (nullable): borrowed; why the image has no record, or could not be inspected
 */
typedef void (*VelmStationDone)(VelmStoredRecord *record, gboolean existed, const GError *error,
                                gpointer user_data);

/**
 * Inspects an image and keeps it with its record. It writes to the disk before it returns; the rest
 * is done by the station's threads, in one of which @done is called.
 * Errors: VELM_ERROR_USAGE where the key was used for another image, VELM_ERROR_CANCELLED where it
 * cannot be taken now, VELM_ERROR_FILE where it cannot be kept, VELM_ERROR_IMAGE and others where
 * it cannot be inspected, which has a record
 */
void velm_station_inspect(VelmStation *station, VelmProduct *product, const VelmArrival *arrival,
                          VelmStationDone done, gpointer user_data);

/** Inspects an image of the store's queue, whose record takes it out of there; @done as above.
 * @queued: borrowed */
void velm_station_inspect_queued(VelmStation *station, VelmProduct *product,
                                 const VelmQueued *queued, VelmStationDone done,
                                 gpointer user_data);
/** Puts an image in that queue. Returns: as velm_store_enqueue(). */
gboolean velm_station_enqueue(VelmStation *station, const VelmQueued *queued, GBytes *image,
                              gboolean *existed, GError **error);

/** Tells those who follow the station of a record that came to be by others, as it is in the shared
 * store. @json: the summary */
void velm_station_tell_others(VelmStation *station, const char *json);
/** Tells those who follow that @record was reviewed. */
void velm_station_tell_review(VelmStation *station, const VelmStoredRecord *record);
