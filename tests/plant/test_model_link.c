/* A worker that has its model from the plant's catalog: it rolls to the next version while jobs
 * flow, and what it has stays where the next is no good or the broker is away. */
#include "plant/model_link.h"

#include "core/file.h"
#include "core/json_member.h"
#include "core/model.h"
#include "core/scratch.h"
#include "plant/catalog.h"
#include "plant/job.h"
#include "plant/job_link.h"
#include "plant/nats_fixture.h"
#include "serve/line_fixture.h"
#include "serve/station.h"
#include "serve/station_fixture.h"

#include <string.h>
#include <utime.h>

/* For a job, on a machine that does much else. */
#define LONGEST_GAP_US (2 * G_TIME_SPAN_SECOND)
#define N_AFTER 20
#define LARGE 3000

typedef struct {
  char *folder, *cache;
  NatsServer server;
  VelmBroker *broker, *workers;
  VelmStation *station;
  VelmProduct *product;
  VelmLink *link;
  char *second; /* path of another model */
  GError *error;
} Plant;

/* Another file, of the same model, but for the good part that it is warmed up with, which is large
 * and takes long. */
static char *make_second(const char *folder) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) large = small_product_black(LARGE, LARGE);
  g_autoptr(VelmModel) model = velm_model_load(small_product_model(), &error);
  g_assert_no_error(error);
  velm_model_set_bytes(model, "detector.normal_png", large);
  char *path = g_build_filename(folder, "second.velm", NULL);
  g_assert_true(velm_model_save(model, path, &error));
  return path;
}

static void set_up(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  plant->folder = scratch_new();
  plant->cache = g_build_filename(plant->folder, "cache", NULL);
  plant->second = make_second(plant->folder);
  nats_server_set_up(&plant->server, plant->folder);
  nats_server_start(&plant->server);
  plant->broker = nats_server_connect(&plant->server, "test");
  plant->workers = nats_server_connect(&plant->server, "worker");
  g_assert_true(velm_streams_ensure(plant->broker, NULL, &plant->error));
}

static void stop_worker(Plant *plant) { g_clear_pointer(&plant->station, velm_station_free); }

static void tear_down(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  stop_worker(plant);
  velm_broker_free(plant->workers);
  velm_broker_free(plant->broker);
  nats_server_tear_down(&plant->server);
  g_free(plant->cache);
  g_free(plant->second);
  scratch_remove(plant->folder);
}

static void add_links(Plant *plant) {
  const VelmJobLinkParams params = {.broker = plant->workers,
                                    .worker = "worker",
                                    .stage = VELM_STAGE_DETECT,
                                    .most = 8,
                                    .most_bytes = 1000 * 1000};
  plant->link = velm_model_link_new(plant->station, plant->product, plant->workers, plant->cache);
  velm_station_add_link(plant->station, plant->link);
  velm_station_add_link(plant->station, velm_job_link_new(plant->station, plant->product, &params));
}

static void start_worker(Plant *plant) {
  g_autofree char *data = g_build_filename(plant->folder, "data", NULL);
  const VelmProductParams product = {
      .name = PRODUCT, .inspector = velm_inspector_params_default(), .most_queued = 64};
  plant->station = velm_station_new(data, &plant->error);
  g_assert_no_error(plant->error);
  velm_station_set_name(plant->station, "worker-1");
  g_assert_true(velm_station_add_product(plant->station, &product, &plant->error));
  plant->product = velm_station_find_product(plant->station, PRODUCT);
  add_links(plant);
  velm_station_start(plant->station);
}

/* ---- the catalog ---- */

/* @spec: (nullable). Returns: the version's number. */
static gint64 publish(Plant *plant, const char *model, const char *spec) {
  gboolean known = FALSE;
  const VelmCatalogFiles files = {model, spec, "anna", NULL};
  g_autoptr(VelmCatalog) catalog = velm_catalog_open(plant->broker, &plant->error);
  g_assert_no_error(plant->error);
  g_autoptr(VelmCatalogVersion) version =
      velm_catalog_publish(catalog, PRODUCT, &files, &known, &plant->error);
  g_assert_no_error(plant->error);
  return version->version;
}

static char *write_bad(Plant *plant) { return scratch_write(plant->folder, "bad", "no model", 8); }

/* ---- the worker ---- */

static gint64 version_in_use(Plant *plant) {
  g_auto(VelmMadeBy) made_by = velm_product_get_made_by(plant->product);
  return made_by.version;
}

/* Whether it is in @state, for a reason that has @words (nullable: none). */
static gboolean product_is(Plant *plant, VelmState state, const char *words) {
  g_auto(VelmStatus) status = velm_product_get_status(plant->product);
  gboolean because = words ? status.reason && strstr(status.reason, words) : !status.reason;
  return status.state == state && because;
}

static void wait_for_version(Plant *plant, gint64 version) {
  line_wait_for(version_in_use(plant) == version && product_is(plant, VELM_STATE_READY, NULL) &&
                line_link_is(plant->link, VELM_STATE_READY, NULL));
}

/* ---- jobs ---- */

static void submit(Plant *plant, guint number) {
  g_autofree char *key = g_strdup_printf("job-%u", number);
  g_autoptr(GBytes) image = small_product_image("good", number % 4);
  const VelmPlantJob job = {.key = key,
                            .product = (char *)PRODUCT,
                            .name = (char *)"image.png",
                            .image = image,
                            .time = g_get_real_time()};
  velm_plant_job_submit(plant->broker, &job, VELM_STAGE_DETECT, NULL, &plant->error);
  g_assert_no_error(plant->error);
}

/* The record of a job: (transfer full) (nullable). */
static VelmStoredRecord *find_record(Plant *plant, guint number) {
  g_autofree char *key = g_strdup_printf("job-%u", number);
  VelmStoredRecord *record = NULL;
  velm_store_find(velm_station_get_store(plant->station), key, &record, &plant->error);
  g_assert_no_error(plant->error);
  return record;
}

static gboolean is_done(Plant *plant, guint number) {
  g_autoptr(VelmStoredRecord) record = find_record(plant, number);
  return record != NULL;
}

/* What made the record of a job, which there is. */
typedef struct {
  gint64 record, version;
  char *model, *spec, *worker;
} Made;

static void made_clear(Made *made) {
  g_free(made->model);
  g_free(made->spec);
  g_free(made->worker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Made, made_clear)

static Made get_made(Plant *plant, guint number) {
  g_autoptr(VelmStoredRecord) found = find_record(plant, number), record = NULL;
  g_assert_nonnull(found);
  g_assert_cmpstr(found->decision, !=, VELM_STORE_FAILED);
  velm_store_get(velm_station_get_store(plant->station), found->id, &record, &plant->error);
  g_assert_no_error(plant->error);
  g_autoptr(JsonNode) node = json_from_string(record->json, NULL);
  JsonObject *made_by = velm_json_object_member(json_node_get_object(node), "made_by");
  g_assert_nonnull(made_by);
  return (Made){record->id, velm_json_int_member(made_by, "version", 0),
                g_strdup(velm_json_string_member(made_by, "model")),
                g_strdup(velm_json_string_member(made_by, "spec")),
                g_strdup(velm_json_string_member(made_by, "worker"))};
}

static void inspect_one(Plant *plant, guint number, gint64 version) {
  submit(plant, number);
  line_wait_for(is_done(plant, number));
  g_auto(Made) made = get_made(plant, number);
  g_assert_cmpint(made.version, ==, version);
}

/* ---- rolling ---- */

static gboolean is_opening(Plant *plant) {
  g_autofree char *why = NULL;
  return velm_product_get_opening(plant->product, &why) == VELM_OPENING_UNDER_WAY;
}

/* @longest: that any job took, in microseconds; @beside: done while a model was being opened */
typedef struct {
  gint64 longest;
  guint beside;
} Busy;

/* Submits jobs one after the other, each when the one before it is done, until some were done by
 * @version. Returns: the number of the next. */
static guint keep_busy(Plant *plant, guint from, gint64 version, Busy *busy) {
  guint number = from, after = 0;
  *busy = (Busy){0, 0};
  for (gint64 end = g_get_monotonic_time() + G_TIME_SPAN_MINUTE; after < N_AFTER; number++) {
    gint64 start = g_get_monotonic_time();
    gboolean opening = is_opening(plant);
    submit(plant, number);
    while (!is_done(plant, number))
      g_usleep(200);
    busy->longest = MAX(busy->longest, g_get_monotonic_time() - start);
    busy->beside += opening && is_opening(plant);
    after += version_in_use(plant) == version;
    g_assert_cmpint(start, <, end);
  }
  return number;
}

/* Each record is of one version or of the next, and none is of the first after one of the next. */
static void check_rolled(Plant *plant, guint n, const char *first, const char *second) {
  g_autofree char *sha256[] = {velm_file_sha256(first, NULL), velm_file_sha256(second, NULL)};
  g_autofree char *spec = velm_file_sha256(small_product_spec(), NULL), *unused = sha256[1];
  guint of[2] = {0, 0};
  for (guint i = 0; i < n; i++) {
    g_auto(Made) made = get_made(plant, i);
    g_assert_cmpint(made.version, >=, of[1] > 0 ? 2 : 1);
    g_assert_cmpint(made.version, <=, 2);
    g_assert_cmpstr(made.model, ==, sha256[made.version - 1]);
    g_assert_cmpstr(made.spec, ==, made.version == 2 ? spec : NULL);
    g_assert_cmpstr(made.worker, ==, "worker-1");
    of[made.version - 1]++;
  }
  g_assert_cmpuint(of[0], >, 0);
  g_assert_cmpuint(of[1], >, 0);
}

static void test_rolls(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  Busy busy;
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  inspect_one(plant, 0, 1);
  guint n = keep_busy(plant, 1, 1, &busy);
  g_test_message("with one version: %.1f ms for a job at the most", (double)busy.longest / 1e3);
  g_assert_cmpint(publish(plant, plant->second, small_product_spec()), ==, 2);
  n = keep_busy(plant, n, 2, &busy);
  g_test_message("with the next: %.1f ms for a job at the most, %u done while it was opened",
                 (double)busy.longest / 1e3, busy.beside);
  g_assert_cmpuint(busy.beside, >, 0);
  g_assert_cmpint(busy.longest, <, LONGEST_GAP_US);
  check_rolled(plant, n, small_product_model(), plant->second);
}

static void test_bad(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *bad = write_bad(plant);
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  publish(plant, bad, NULL);
  line_wait_for(line_link_is(plant->link, VELM_STATE_DEGRADED, "version 2 cannot be opened"));
  g_assert_true(product_is(plant, VELM_STATE_DEGRADED, "the one in use stays"));
  inspect_one(plant, 0, 1);
  publish(plant, plant->second, NULL);
  wait_for_version(plant, 3);
  inspect_one(plant, 1, 3);
}

/* Pieces that are missing are fetched when they are there again. */
static void test_unfetchable(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  kvStore *files = NULL;
  g_autofree char *sha256 = velm_file_sha256(plant->second, NULL);
  g_autofree char *piece = g_strconcat(sha256, ".0000", NULL);
  g_autofree char *json = g_strdup_printf("{\"version\": 2, \"spec\": null, \"model\": "
                                          "{\"sha256\": \"%s\", \"bytes\": 1000}}",
                                          sha256);
  kvStore *products = NULL;
  jsCtx *jetstream = velm_broker_get_jetstream(plant->broker);
  g_assert_cmpint(js_KeyValue(&files, jetstream, "velm_files"), ==, NATS_OK);
  g_assert_cmpint(js_KeyValue(&products, jetstream, "velm_products"), ==, NATS_OK);
  g_assert_cmpint(kvStore_PutString(NULL, products, PRODUCT, json), ==, NATS_OK);
  line_wait_for(line_link_is(plant->link, VELM_STATE_DEGRADED, "lacks a piece"));
  g_assert_true(line_link_is(plant->link, VELM_STATE_DEGRADED, "version 1 is in use"));
  inspect_one(plant, 0, 1);
  g_assert_cmpint(publish(plant, plant->second, NULL), ==, 2); /* it is known, but for its pieces */
  g_assert_cmpint(publish(plant, plant->second, small_product_spec()), ==, 3);
  wait_for_version(plant, 3);
  kvStore_Destroy(files);
  kvStore_Destroy(products);
}

static void test_awaited(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  start_worker(plant);
  line_wait_for(product_is(plant, VELM_STATE_STARTING, "is not in the plant's catalog"));
  g_assert_true(line_link_is(plant->link, VELM_STATE_DEGRADED, "is not in the plant's catalog"));
  submit(plant, 0);
  publish(plant, small_product_model(), NULL);
  wait_for_version(plant, 1);
  line_wait_for(is_done(plant, 0));
}

/* ---- the broker ---- */

static void test_broker_restarts(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  nats_server_kill(&plant->server);
  line_wait_for(line_link_is(plant->link, VELM_STATE_DEGRADED, "is away; version 1 is in use"));
  nats_server_start(&plant->server);
  line_wait_for(velm_broker_is_connected(plant->broker));
  publish(plant, plant->second, NULL);
  wait_for_version(plant, 2);
  inspect_one(plant, 0, 2);
}

/* A broker that comes back with nothing takes nothing from the worker. */
static void test_broker_forgets(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  nats_server_stop(&plant->server);
  scratch_remove(g_build_filename(plant->server.folder, "jetstream", NULL));
  nats_server_start(&plant->server);
  line_wait_for(line_link_is(plant->link, VELM_STATE_DEGRADED,
                             "not in the plant's catalog; version 1 is in use"));
  g_assert_true(product_is(plant, VELM_STATE_READY, NULL));
  line_wait_for(velm_broker_is_connected(plant->broker));
  g_assert_cmpint(publish(plant, plant->second, NULL), ==, 1); /* another version 1 */
  g_autofree char *sha256 = velm_file_sha256(plant->second, NULL);
  wait_for_version(plant, 1);
  line_wait_for(line_link_is(plant->link, VELM_STATE_READY, NULL));
  g_auto(VelmMadeBy) made_by = velm_product_get_made_by(plant->product);
  g_assert_cmpstr(made_by.model, ==, sha256);
}

static void damage_cache(Plant *plant) {
  g_autofree char *sha256 = velm_file_sha256(small_product_model(), NULL);
  g_autofree char *name = g_strconcat(sha256, ".velm", NULL);
  g_autofree char *path = scratch_write(plant->cache, name, "spoilt", 6);
}

/* A worker that starts while the broker is away has what it had; a damaged file is none. */
static void test_starts_alone(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  stop_worker(plant);
  nats_server_stop(&plant->server);
  start_worker(plant);
  line_wait_for(product_is(plant, VELM_STATE_READY, NULL) && version_in_use(plant) == 1);
  line_wait_for(line_link_is(plant->link, VELM_STATE_DEGRADED, "is away; version 1 is in use"));
  stop_worker(plant);
  damage_cache(plant);
  start_worker(plant);
  line_wait_for(product_is(plant, VELM_STATE_STARTING, "is away"));
  nats_server_start(&plant->server);
  wait_for_version(plant, 1);
}

/* Of files that no note names, those that have lain there for long go; what is not the cache's
 * stays. */
static void test_tidy(Plant *plant, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *digits = g_strnfill(64, 'a'), *others = g_strnfill(64, 'b');
  g_autofree char *old = g_strconcat(digits, ".velm", NULL),
                  *fresh = g_strconcat(others, ".velm", NULL);
  const struct utimbuf long_ago = {1000000000, 1000000000};
  g_assert_true(velm_file_make_folder(plant->cache, &plant->error));
  g_autofree char *old_path = scratch_write(plant->cache, old, "x", 1);
  g_autofree char *fresh_path = scratch_write(plant->cache, fresh, "x", 1);
  g_autofree char *own_path = scratch_write(plant->cache, "disc-1.velm", "x", 1);
  g_assert_cmpint(g_utime(old_path, (struct utimbuf *)&long_ago), ==, 0);
  g_assert_cmpint(g_utime(own_path, (struct utimbuf *)&long_ago), ==, 0);
  publish(plant, small_product_model(), NULL);
  start_worker(plant);
  wait_for_version(plant, 1);
  g_assert_false(g_file_test(old_path, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_test(fresh_path, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_test(own_path, G_FILE_TEST_EXISTS));
}

#define ADD(name, run) g_test_add("/plant/model-link/" name, Plant, NULL, set_up, run, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  ADD("rolls", test_rolls);
  ADD("bad", test_bad);
  ADD("unfetchable", test_unfetchable);
  ADD("awaited", test_awaited);
  ADD("broker-restarts", test_broker_restarts);
  ADD("broker-forgets", test_broker_forgets);
  ADD("starts-alone", test_starts_alone);
  ADD("tidy", test_tidy);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
