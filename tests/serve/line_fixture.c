#include "serve/line_fixture.h"

#include "core/database_sqlite.h"
#include "core/file.h"
#include "core/image.h"
#include "core/json.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#define N_PARTS 4

static char *model_folder;

/* ---- the model ---- */

static void write_part(const char *parts, guint number) {
  g_autofree char *name = g_strdup_printf("part%u.png", number);
  g_autofree char *path = g_build_filename(parts, name, NULL);
  line_write_image(path, number);
}

static void fit(const char *network, const char *parts, const char *path) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth";
  params.size = 32;
  g_autoptr(VelmModel) model = velm_model_fit(parts, &params, &error);
  g_assert_no_error(error);
  g_assert_true(velm_model_save(model, path, &error));
}

void line_fit_model(void) {
  g_autoptr(GError) error = NULL;
  model_folder = scratch_new();
  g_autofree char *parts = g_build_filename(model_folder, "parts", NULL);
  g_autofree char *path = g_build_filename(model_folder, "disc.velm", NULL);
  g_autofree char *network =
      scratch_write(model_folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(model_folder, "network.bin", network_image_weights,
                       sizeof network_image_weights));
  g_assert_true(velm_file_make_folder(parts, &error));
  for (guint i = 0; i < N_PARTS; i++)
    write_part(parts, i);
  fit(network, parts, path);
}

void line_remove_model(void) { scratch_remove(g_steal_pointer(&model_folder)); }

const char *line_model_folder(void) { return model_folder; }
void line_use_model(const char *folder) { model_folder = g_strdup(folder); }

/* ---- images ---- */

/* One colour, which is the number's. */
static VelmImage *draw_colour(guint number) {
  VelmImage *image = velm_image_new(64, 64);
  for (gsize i = 0; i < 64 * 64; i++) {
    image->pixels[3 * i] = (guint8)number;
    image->pixels[3 * i + 1] = (guint8)(number >> 8);
  }
  return image;
}

GBytes *line_image(guint number) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams drawing = velm_procedural_params_default();
  drawing.size = 64;
  g_autoptr(VelmImage) image = number < N_PARTS
                                   ? velm_procedural_draw(&drawing, number, 0, NULL, NULL)
                                   : draw_colour(number);
  GBytes *png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  return png;
}

void line_write_image(const char *path, guint number) {
  g_autoptr(GBytes) png = line_image(number);
  gsize size = 0;
  const char *data = g_bytes_get_data(png, &size);
  FILE *file = fopen(path, "wb");
  g_assert_nonnull(file);
  g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
  g_assert_cmpint(fclose(file), ==, 0);
}

/* ---- the station ---- */

void line_set_up(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = scratch_new();
  f->data = g_build_filename(f->folder, "station", NULL);
  f->most_queued = 100;
}

void line_tear_down(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_end(f);
  g_clear_error(&f->error);
  g_free(f->data);
  g_free(f->database);
  scratch_remove(f->folder);
}

void line_add_product(LineFixture *f, const char *name) {
  g_autofree char *model = g_build_filename(model_folder, "disc.velm", NULL);
  const VelmProductParams params = {.name = name,
                                    .model = model,
                                    .inspector = velm_inspector_params_default(),
                                    .most_queued = f->most_queued};
  g_assert_true(velm_station_add_product(f->station, &params, &f->error));
}

void line_make(LineFixture *f) {
  g_assert_null(f->station);
  f->station = f->database ? velm_station_new_shared(f->data, f->database, LINE_STATION, &f->error)
                           : velm_station_new(f->data, &f->error);
  g_assert_no_error(f->error);
  velm_station_own_records(f->station);
  line_add_product(f, LINE_PRODUCT);
}

static VelmState state_of_product(LineFixture *f) {
  VelmProduct *product = velm_station_find_product(f->station, LINE_PRODUCT);
  g_auto(VelmStatus) status = velm_product_get_status(product);
  return status.state;
}

void line_start(LineFixture *f) {
  velm_station_start(f->station);
  line_wait_for(state_of_product(f) == VELM_STATE_READY);
}

void line_end(LineFixture *f) { g_clear_pointer(&f->station, velm_station_free); }

VelmLink *line_add_link(LineFixture *f, VelmLink *link) {
  g_assert_no_error(f->error);
  g_assert_nonnull(link);
  velm_station_add_link(f->station, link);
  return link;
}

gboolean line_link_is(VelmLink *link, VelmState state, const char *words) {
  g_auto(VelmStatus) status = velm_status_get(&link->status);
  gboolean because = words ? status.reason && strstr(status.reason, words) : !status.reason;
  return status.state == state && because;
}

/* ---- inspecting ---- */

typedef struct {
  GMutex lock;
  GCond changed;
  gboolean done;
  VelmStoredRecord *record;
  GError *error;
} Waiting;

static void take_record(VelmStoredRecord *record, G_GNUC_UNUSED gboolean existed,
                        const GError *error, gpointer user_data) {
  Waiting *waiting = user_data;
  g_mutex_lock(&waiting->lock);
  waiting->record = record;
  waiting->error = record || !error ? NULL : g_error_copy(error);
  waiting->done = TRUE;
  g_cond_signal(&waiting->changed);
  g_mutex_unlock(&waiting->lock);
}

VelmStoredRecord *line_inspect_bytes(LineFixture *f, const char *key, GBytes *image) {
  Waiting waiting = {.done = FALSE};
  const VelmArrival arrival = {.key = key, .name = key, .media_type = "image/png", .image = image};
  g_mutex_init(&waiting.lock);
  g_cond_init(&waiting.changed);
  velm_station_inspect(f->station, velm_station_find_product(f->station, LINE_PRODUCT), &arrival,
                       take_record, &waiting);
  g_mutex_lock(&waiting.lock);
  while (!waiting.done)
    g_cond_wait(&waiting.changed, &waiting.lock);
  g_mutex_unlock(&waiting.lock);
  g_mutex_clear(&waiting.lock);
  g_cond_clear(&waiting.changed);
  if (waiting.error)
    g_propagate_error(&f->error, waiting.error);
  return waiting.record;
}

gint64 line_inspect(LineFixture *f, const char *key, guint number) {
  g_autoptr(GBytes) image = line_image(number);
  g_autoptr(VelmStoredRecord) record = line_inspect_bytes(f, key, image);
  g_assert_no_error(f->error);
  return record->id;
}

void line_enqueue(LineFixture *f, const char *product, const char *key, guint number,
                  const char *callback) {
  gboolean existed = TRUE;
  g_autoptr(GBytes) image = line_image(number);
  const VelmQueued queued = {.key = (char *)key,
                             .product = (char *)product,
                             .time = g_get_real_time(),
                             .media_type = (char *)"image/png",
                             .callback = (char *)callback};
  g_assert_true(velm_station_enqueue(f->station, &queued, image, &existed, &f->error));
  g_assert_false(existed);
}

/* ---- records ---- */

gint64 line_add_record_of(LineFixture *f, const char *station, guint number) {
  g_autoptr(GBytes) image = line_image(number);
  g_autofree char *key = g_strdup_printf("%s %u", station, number);
  const VelmSubmission submission = {.key = key,
                                     .product = LINE_PRODUCT,
                                     .station = station,
                                     .time = g_get_real_time(),
                                     .image = image,
                                     .media_type = "image/png",
                                     .failure = "made up"};
  g_autoptr(VelmStoredRecord) record =
      velm_store_add(velm_station_get_store(f->station), &submission, NULL, &f->error);
  g_assert_no_error(f->error);
  return record->id;
}

GPtrArray *line_records(LineFixture *f) {
  GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_record_free);
  for (gint64 last = 0;;) {
    VelmStoredRecord *record = NULL;
    velm_store_next(velm_station_get_store(f->station), last, &record, &f->error);
    g_assert_no_error(f->error);
    if (!record)
      return records;
    last = record->id;
    g_ptr_array_add(records, record);
  }
}

guint line_count(LineFixture *f) {
  const VelmStoreQuery all = velm_store_query_default();
  gint64 n = -1;
  velm_store_count(velm_station_get_store(f->station), &all, &n, &f->error);
  g_assert_no_error(f->error);
  return (guint)n;
}

guint line_count_queued(LineFixture *f) {
  gint64 n = -1;
  velm_store_count_queued(velm_station_get_store(f->station), &n, &f->error);
  g_assert_no_error(f->error);
  return (guint)n;
}

guint line_count_of(LineFixture *f, const char *name) {
  guint n = 0;
  g_autoptr(GPtrArray) records = line_records(f);
  for (guint i = 0; i < records->len; i++) {
    const VelmStoredRecord *record = records->pdata[i];
    g_autoptr(JsonNode) json = json_from_string(record->json, &f->error);
    g_assert_no_error(f->error);
    n += g_str_equal(json_object_get_string_member(json_node_get_object(json), "image"), name);
  }
  return n;
}

/* ---- the rest ---- */

char *line_free_address(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
  g_autoptr(GSocket) socket =
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
  g_socket_bind(socket, any, FALSE, &error);
  g_assert_no_error(error);
  g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, &error);
  g_assert_no_error(error);
  return g_strdup_printf("127.0.0.1:%d",
                         g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
}

void line_run_sql(const LineFixture *f, const char *sql) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(f->data, "records.sqlite", NULL);
  g_autoptr(VelmDatabase) database = velm_sqlite_open(path, "the store", FALSE, NULL, &error);
  g_assert_no_error(error);
  velm_database_run_script(database, sql, &error);
  g_assert_no_error(error);
}

void line_pause(gint64 end, const char *condition, const char *where) {
  if (g_get_monotonic_time() > end)
    g_error("%s: waited in vain for: %s", where, condition);
  g_usleep(2000);
}
