#include "serve/station_fixture.h"

#include "core/file.h"
#include "core/model.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "serve/camera_link.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_WAIT_US (60 * G_TIME_SPAN_SECOND)
#define LOOK_US (5 * 1000)

/* ---- the product ---- */

static char *folder, *parts, *model_path, *taught_path, *spec_path;

static void write_parts(void) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 64;
  params.n_train = 16;
  params.n_test_good = 4;
  params.n_per_class = 4;
  velm_procedural_write(&params, parts, NULL, NULL, &error);
  g_assert_no_error(error);
}

/* Not taught: for that, a network is needed that takes long to open. */
static void fit(const char *network) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth@3,eighth@5";
  params.size = 64;
  g_autoptr(VelmModel) model = velm_model_fit(parts, &params, &error);
  g_assert_no_error(error);
  velm_model_save(model, model_path, &error);
  g_assert_no_error(error);
}

void small_product_set_up(void) {
  folder = scratch_new();
  parts = g_build_filename(folder, "parts", NULL);
  model_path = g_build_filename(folder, "small.velm", NULL);
  spec_path = g_build_filename(parts, "spec.yaml", NULL);
  g_autofree char *network =
      scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_autofree char *weights =
      scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights);
  write_parts();
  fit(network);
}

void small_product_tear_down(void) {
  scratch_remove(g_steal_pointer(&folder));
  g_clear_pointer(&parts, g_free);
  g_clear_pointer(&model_path, g_free);
  g_clear_pointer(&taught_path, g_free);
  g_clear_pointer(&spec_path, g_free);
}

const char *small_product_taught(void) {
  g_autoptr(GError) error = NULL;
  if (taught_path)
    return taught_path;
  VelmTeachParams params = velm_teach_params_default();
  params.shots = 2;
  params.trust = 0;
  g_autoptr(VelmModel) model = velm_model_load(model_path, &error);
  g_assert_no_error(error);
  g_autoptr(VelmSpec) spec = velm_spec_load(spec_path, &error);
  g_assert_no_error(error);
  velm_model_teach(model, parts, spec, &params, &error);
  g_assert_no_error(error);
  velm_model_set_double(model, "fewshot.trust", 1);
  taught_path = g_build_filename(folder, "taught.velm", NULL);
  velm_model_save(model, taught_path, &error);
  g_assert_no_error(error);
  return taught_path;
}

const char *small_product_model(void) { return model_path; }
const char *small_product_spec(void) { return spec_path; }

GBytes *small_product_image(const char *class_name, guint number) {
  g_autoptr(GError) error = NULL;
  g_autofree char *images = g_build_filename(parts, "test", class_name, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(images, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(number, <, names->len);
  g_autofree char *path = g_build_filename(images, names->pdata[number], NULL);
  GBytes *bytes = velm_file_read(path, &error);
  g_assert_no_error(error);
  return bytes;
}

GBytes *small_product_black(int width, int height) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) image = velm_image_new(width, height);
  GBytes *png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  return png;
}

/* ---- the station ---- */

void station_set_up(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  f->folder = scratch_new();
  g_autoptr(GBytes) model = velm_file_read(model_path, &error);
  g_assert_no_error(error);
  f->model = scratch_write(f->folder, "model.velm", g_bytes_get_data(model, NULL),
                           g_bytes_get_size(model));
  f->most_queued = 64;
  f->inspector = velm_inspector_params_default();
  f->inspector.parallel = 1;
  f->params = velm_api_params_default();
  f->params.http.listen = "127.0.0.1:0";
}

void station_tear_down(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_stop(f);
  velm_access_free(f->access);
  g_free(f->model);
  g_free(f->spec);
  scratch_remove(f->folder);
}

void station_use_tokens(StationFixture *f) {
  static const char text[] = "line camera " TOKEN_LINE "\noperator anna " TOKEN_OPERATOR
                             "\nengineer berta " TOKEN_ENGINEER "\n";
  g_autoptr(GError) error = NULL;
  g_autofree char *path = scratch_write(f->folder, "tokens", text, strlen(text));
  g_assert_cmpint(g_chmod(path, 0600), ==, 0);
  f->access = velm_access_load(path, &error);
  g_assert_no_error(error);
  f->params.access = f->access;
}

void station_use_pipe(StationFixture *f) {
  f->spec = g_build_filename(f->folder, "spec.pipe", NULL);
  g_assert_cmpint(mkfifo(f->spec, 0600), ==, 0);
}

void station_write_pipe(StationFixture *f, const char *spec) {
  g_autofree char *text = NULL;
  if (!spec)
    g_assert_true(g_file_get_contents(spec_path, &text, NULL, NULL));
  spec = spec ? spec : text;
  int fd = g_open(f->spec, O_WRONLY, 0);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(write(fd, spec, strlen(spec)), ==, strlen(spec));
  close(fd);
}

static void add_cameras(StationFixture *f) {
  g_autoptr(GError) error = NULL;
  VelmProduct *product = velm_station_find_product(f->station, PRODUCT);
  for (gsize i = 0; f->cameras && f->cameras[i]; i++) {
    VelmLink *link = velm_camera_link_new(f->station, product, f->cameras[i], &error);
    g_assert_no_error(error);
    velm_station_add_link(f->station, link);
  }
}

void station_start(StationFixture *f) {
  g_autoptr(GError) error = NULL;
  g_autofree char *data = g_build_filename(f->folder, "data", NULL);
  VelmProductParams product = {.name = PRODUCT,
                               .model = f->model,
                               .spec = f->spec,
                               .inspector = f->inspector,
                               .most_queued = f->most_queued};
  f->station = velm_station_new(data, &error);
  g_assert_no_error(error);
  velm_station_add_product(f->station, &product, &error);
  g_assert_no_error(error);
  add_cameras(f);
  f->api = velm_api_new(f->station, &f->params, &error);
  g_assert_no_error(error);
  f->url = velm_api_get_url(f->api);
  velm_station_start(f->station);
}

void station_stop(StationFixture *f) {
  g_clear_pointer(&f->api, velm_api_free);
  g_clear_pointer(&f->station, velm_station_free);
}

JsonNode *station_wait_for(const StationFixture *f, const char *state) {
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (;;) {
    g_autoptr(HttpReply) reply = http_get(f->url, "/readyz");
    g_autoptr(JsonNode) node = http_reply_json(reply);
    const char *is = json_object_get_string_member(json_node_get_object(node), "state");
    gboolean ready = g_str_equal(is, "ready") || g_str_equal(is, "degraded");
    g_assert_cmpuint(reply->status, ==, ready ? 200 : 503);
    if (g_str_equal(is, state))
      return g_steal_pointer(&node);
    if (g_get_monotonic_time() > end)
      g_error("the station is %s, and does not come to be %s", is, state);
    g_usleep(LOOK_US);
  }
}

HttpReply *station_inspect(const StationFixture *f, const char *key, GBytes *image) {
  g_autofree char *with_key = g_strdup_printf("Idempotency-Key: %s\r\n", key ? key : "");
  g_autofree char *headers =
      g_strdup_printf("Content-Type: image/png\r\n%s%s", key ? with_key : "",
                      f->access ? "Authorization: Bearer " TOKEN_LINE "\r\n" : "");
  return http_ask(f->url, "POST", INSPECTIONS, headers, image);
}

gint64 station_add(const StationFixture *f, const char *key, GBytes *image) {
  g_autoptr(HttpReply) reply = station_inspect(f, key, image);
  g_assert_cmpuint(reply->status, ==, 201);
  g_autoptr(JsonNode) node = http_reply_json(reply);
  return json_object_get_int_member(json_node_get_object(node), "id");
}

JsonNode *station_get_json(const StationFixture *f, const char *path) {
  g_autoptr(HttpReply) reply = http_get(f->url, path);
  if (reply->status != 200)
    g_error("%s: %u: %s", path, reply->status, http_reply_text(reply));
  return http_reply_json(reply);
}

HttpReply *station_send_json(const StationFixture *f, const char *method, const char *path,
                             const char *json) {
  g_autoptr(GBytes) body = g_bytes_new(json, strlen(json));
  return http_ask(f->url, method, path, "Content-Type: application/json\r\n", body);
}
