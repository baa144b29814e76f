/* Reviews that teach: what is learnt and what is held back, jobs, versions, and new classes. */
#include "core/file.h"
#include "core/model.h"
#include "serve/review_split.h"
#include "serve/station_fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define LONGEST_WAIT_US (120 * G_TIME_SPAN_SECOND)
#define JOBS "/v1/products/" PRODUCT "/jobs"
#define VERSIONS "/v1/products/" PRODUCT "/versions"
#define VERSION "/v1/products/" PRODUCT "/version"
#define CLASSES "/v1/products/" PRODUCT "/classes"

static JsonObject *object_of(JsonNode *node) { return json_node_get_object(node); }

static const char *text_of(JsonNode *node, const char *name) {
  return json_object_get_string_member(object_of(node), name);
}

/* ---- a station with records ---- */

/* The spec is a copy: it is changed. */
static void start(StationFixture *f) {
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(small_product_spec(), &text, NULL, NULL));
  f->spec = g_build_filename(f->folder, "spec.yaml", NULL);
  g_assert_true(g_file_set_contents(f->spec, text, -1, NULL));
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
}

static void restart(StationFixture *f) {
  station_stop(f);
  station_start(f);
}

static gint64 add(StationFixture *f, const char *class_name, guint number) {
  g_autoptr(GBytes) image = small_product_image(class_name, number);
  return station_add(f, NULL, image);
}

static void review(const StationFixture *f, gint64 record, const char *verdict,
                   const char *class_name) {
  g_autofree char *path = g_strdup_printf("/v1/records/%" G_GINT64_FORMAT "/reviews", record);
  g_autofree char *class =
      class_name ? g_strdup_printf(",\"class\":\"%s\"", class_name) : g_strdup("");
  g_autofree char *json = g_strdup_printf("{\"verdict\":\"%s\"%s}", verdict, class);
  g_autoptr(HttpReply) reply = station_send_json(f, "POST", path, json);
  g_assert_cmpuint(reply->status, ==, 201);
}

/* @n images of a class, each with a review that says so. */
static void add_reviewed(StationFixture *f, const char *class_name, guint n) {
  for (guint i = 0; i < n; i++)
    if (g_str_equal(class_name, "good"))
      review(f, add(f, class_name, i), "good", NULL);
    else
      review(f, add(f, class_name, i), "correct", class_name);
}

/* ---- jobs ---- */

static char *begin(const StationFixture *f, const char *kind) {
  g_autofree char *json = g_strdup_printf("{\"kind\":\"%s\",\"who\":\"Berta\"}", kind);
  g_autoptr(HttpReply) reply = station_send_json(f, "POST", JOBS, json);
  g_assert_cmpuint(reply->status, ==, 202);
  char *location = http_reply_header(reply, "Location");
  g_assert_true(g_str_has_prefix(location, "/v1/jobs/"));
  return location;
}

static JsonNode *wait_for_end(const StationFixture *f, const char *job) {
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (;;) {
    g_autoptr(JsonNode) node = station_get_json(f, job);
    const char *state = text_of(node, "state");
    if (!g_str_equal(state, "queued") && !g_str_equal(state, "running"))
      return g_steal_pointer(&node);
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(20 * 1000);
  }
}

/* Runs a job, which is to do well. Returns: what it made. */
static gint64 run(const StationFixture *f, const char *kind) {
  g_autofree char *job = begin(f, kind);
  g_autoptr(JsonNode) ended = wait_for_end(f, job);
  if (!g_str_equal(text_of(ended, "state"), "done"))
    g_error("the job %s: %s", text_of(ended, "state"), text_of(ended, "error"));
  g_assert_cmpstr(text_of(ended, "who"), ==, "Berta");
  g_assert_true(json_object_get_null_member(object_of(ended), "step"));
  return json_object_get_int_member(object_of(ended), "version");
}

/* ---- versions ---- */

/* Version number @index of the list. */
static JsonObject *version_at(JsonNode *list, guint index) {
  JsonArray *versions = json_object_get_array_member(object_of(list), "versions");
  g_assert_cmpuint(index, <, json_array_get_length(versions));
  return json_array_get_object_element(versions, index);
}

static gint64 used_version(const StationFixture *f) {
  g_autoptr(JsonNode) list = station_get_json(f, VERSIONS);
  JsonArray *versions = json_object_get_array_member(object_of(list), "versions");
  gint64 used = -1;
  for (guint i = 0; i < json_array_get_length(versions); i++)
    if (json_object_get_boolean_member(version_at(list, i), "in_use")) {
      g_assert_cmpint(used, ==, -1);
      used = json_object_get_int_member(version_at(list, i), "id");
    }
  return used;
}

static guint use(const StationFixture *f, gint64 version) {
  g_autofree char *json = g_strdup_printf("{\"version\":%" G_GINT64_FORMAT "}", version);
  g_autoptr(HttpReply) reply = station_send_json(f, "PUT", VERSION, json);
  return reply->status;
}

/* The model in use, for a person, once it has @part. */
static void wait_for_model(const StationFixture *f, const char *part, gboolean has) {
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (;;) {
    g_autoptr(JsonNode) product = station_get_json(f, "/v1/products/" PRODUCT);
    if ((strstr(text_of(product, "model"), part) != NULL) == has)
      return;
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(20 * 1000);
  }
}

/* ---- what is learnt ---- */

static VelmReviewSplit *split(const StationFixture *f, const char *const *images) {
  const VelmKnown known = {.images = images};
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_load(f->spec, &error);
  g_assert_no_error(error);
  VelmReviewSplit *made =
      velm_review_split_new(velm_station_get_store(f->station), PRODUCT, spec, &known, &error);
  g_assert_no_error(error);
  return made;
}

static guint count_label(const GPtrArray *samples, const char *label) {
  guint n = 0;
  for (guint i = 0; i < samples->len; i++)
    n += g_str_equal(((const VelmSample *)samples->pdata[i])->label, label);
  return n;
}

static void test_split(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const none[] = {NULL};
  start(f);
  add_reviewed(f, "scratch", 4);
  add_reviewed(f, "good", 4);
  review(f, add(f, "dent", 0), "correct", "dent");
  review(f, add(f, "dent", 0), "correct", "dent");
  review(f, add(f, "dent", 0), "correct", "scratch"); /* the same image, said otherwise later */
  review(f, add(f, "dent", 1), "correct", "no class of the spec");
  add(f, "dent", 2); /* nobody said anything */
  gint64 taken_back = add(f, "dent", 3);
  review(f, taken_back, "correct", "dent");
  review(f, taken_back, "none", NULL);
  g_autoptr(VelmReviewSplit) all = split(f, none);
  g_assert_cmpuint(all->taught->train->len, ==, 3);
  g_assert_cmpuint(all->taught->test->len, ==, 4);
  g_assert_cmpuint(count_label(all->taught->test, "scratch"), ==, 4);
  g_assert_cmpuint(all->held_out->len, ==, 2);
  const VelmHeldOut *first = all->held_out->pdata[0], *second = all->held_out->pdata[1];
  g_assert_cmpint(first->record, ==, 4);
  g_assert_cmpstr(first->label, ==, "scratch");
  g_assert_cmpint(second->record, ==, 8);
  g_assert_cmpstr(second->label, ==, "good");
  /* What is known is not taught again, and what is held back stays held back. */
  const char *const known[] = {all->class_images[0], NULL};
  g_autoptr(VelmReviewSplit) rest = split(f, known);
  g_assert_cmpuint(rest->taught->test->len, ==, 3);
  g_assert_cmpuint(rest->held_out->len, ==, 2);
  g_assert_cmpint(((const VelmHeldOut *)rest->held_out->pdata[0])->record, ==, 4);
}

/* All images of a part that has a name are learnt from, or held back. */
static void test_split_parts(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const none[] = {NULL};
  static const struct {
    const char *part, *class_name;
    guint number;
  } images[] = {{"a", "scratch", 0}, {"b", "scratch", 1}, {"c", "scratch", 2}, {"d", "scratch", 3},
                {"d", "dent", 0},    {"d", "stain", 0},   {"e", "stain", 1}};
  start(f);
  for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
    g_autoptr(GBytes) image = small_product_image(images[i].class_name, images[i].number);
    g_autofree char *path = g_strdup_printf(INSPECTIONS "?part=%s", images[i].part);
    g_autoptr(HttpReply) reply =
        http_ask(f->url, "POST", path, "Content-Type: image/png\r\n", image);
    g_assert_cmpuint(reply->status, ==, 201);
    review(f, i + 1, "correct", "scratch");
  }
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/4");
  g_assert_cmpstr(text_of(record, "part"), ==, "d");
  g_autoptr(VelmReviewSplit) all = split(f, none);
  g_assert_cmpuint(all->held_out->len, ==, 3);
  g_assert_cmpuint(all->taught->test->len, ==, 4);
  /* A part that the model knows one image of is not held back. */
  g_autofree char *image = g_strdup(text_of(record, "image_sha256"));
  const char *const known[] = {image, NULL};
  g_autoptr(VelmReviewSplit) rest = split(f, known);
  g_assert_cmpuint(rest->held_out->len, ==, 0);
  g_assert_cmpuint(rest->taught->test->len, ==, 6);
}

/* ---- refitting ---- */

static void test_refit(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start(f);
  add_reviewed(f, "good", 4);
  add_reviewed(f, "scratch", 4);
  gint64 version = run(f, "refit");
  g_assert_cmpint(version, >, 0);
  g_assert_cmpint(used_version(f), ==, 0); /* it is offered, no more */
  g_autoptr(JsonNode) list = station_get_json(f, VERSIONS);
  JsonObject *made = version_at(list, 0), *given = version_at(list, 1);
  g_assert_cmpint(json_object_get_int_member(made, "id"), ==, version);
  g_assert_cmpstr(json_object_get_string_member(made, "kind"), ==, "refit");
  g_assert_cmpstr(json_object_get_string_member(made, "who"), ==, "Berta");
  g_assert_true(json_object_get_boolean_member(made, "available"));
  g_assert_cmpstr(json_object_get_string_member(given, "kind"), ==, "given");
  JsonObject *report = json_object_get_object_member(made, "report");
  g_assert_cmpint(json_object_get_int_member(report, "added"), ==, 3);
  g_assert_cmpint(json_object_get_int_member(report, "held_back"), ==, 2);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(report, "classes")), ==, 2);
  /* There is nothing more to learn from the version, once it is in use. */
  g_assert_cmpuint(use(f, version), ==, 202);
  g_assert_cmpint(used_version(f), ==, version);
  g_autofree char *job = begin(f, "refit");
  g_autoptr(JsonNode) idle = wait_for_end(f, job);
  g_assert_cmpstr(text_of(idle, "state"), ==, "failed");
  g_assert_nonnull(strstr(text_of(idle, "error"), "nothing new to learn"));
  /* It is used after a restart too, and one can go back. */
  restart(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_assert_cmpint(used_version(f), ==, version);
  g_assert_cmpuint(use(f, 0), ==, 202);
  g_assert_cmpint(used_version(f), ==, 0);
  g_assert_cmpuint(use(f, 1000), ==, 404);
  g_autoptr(HttpReply) whole = station_send_json(f, "PUT", VERSION, "{\"version\":0.0}");
  g_assert_cmpuint(whole->status, ==, 202);
  g_autoptr(HttpReply) part = station_send_json(f, "PUT", VERSION, "{\"version\":0.5}");
  g_assert_cmpuint(part->status, ==, 400);
  add(f, "good", 0);
}

static void test_refit_gone(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start(f);
  add_reviewed(f, "good", 3);
  gint64 version = run(f, "refit");
  g_assert_cmpuint(use(f, version), ==, 202);
  /* Its file goes: the model that was given stands in, and the station says so. */
  g_autofree char *models = g_build_filename(f->folder, "data", "models", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) files = velm_file_list(models, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(files->len, ==, 1);
  g_autofree char *path = g_build_filename(models, files->pdata[0], NULL);
  g_autofree char *aside = g_build_filename(f->folder, "aside", NULL);
  g_assert_cmpint(g_rename(path, aside), ==, 0);
  restart(f);
  g_autoptr(JsonNode) degraded = station_wait_for(f, "degraded");
  g_autofree char *said = json_to_string(degraded, FALSE);
  g_assert_nonnull(strstr(said, "the model that was given is in use"));
  add(f, "good", 0);
  /* It comes back. */
  g_assert_cmpint(g_rename(aside, path), ==, 0);
  g_autoptr(HttpReply) reload =
      http_ask(f->url, "POST", "/v1/products/" PRODUCT "/reload", NULL, NULL);
  g_assert_cmpuint(reload->status, ==, 202);
  json_node_unref(station_wait_for(f, "ready"));
  g_assert_cmpint(used_version(f), ==, version);
}

/* A product that is given another model uses that, whatever was put in use of the one before. */
static void test_other_model(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  start(f);
  add_reviewed(f, "good", 3);
  gint64 version = run(f, "refit");
  g_assert_cmpuint(use(f, version), ==, 202);
  g_autoptr(VelmModel) model = velm_model_load(f->model, &error);
  g_assert_no_error(error);
  velm_model_set_string(model, "remark", "another");
  velm_model_save(model, f->model, &error);
  g_assert_no_error(error);
  restart(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_assert_cmpint(used_version(f), ==, 0);
  g_assert_cmpuint(use(f, version), ==, 409);
  g_autoptr(JsonNode) list = station_get_json(f, VERSIONS);
  g_assert_false(json_object_get_boolean_member(version_at(list, 0), "available"));
}

/* ---- teaching ---- */

static void assert_refused(const StationFixture *f, const char *json, guint status,
                           const char *part) {
  g_autoptr(HttpReply) reply = station_send_json(f, "POST", CLASSES, json);
  g_assert_cmpuint(reply->status, ==, status);
  if (!strstr(http_reply_text(reply), part))
    g_error("\"%s\" is not in \"%s\"", part, http_reply_text(reply));
}

static void test_refused_classes(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start(f);
  add(f, "dent", 0);
  assert_refused(f,
                 "{\"key\":\"scratch\",\"name\":\"n\",\"description\":\"d\",\"severity\":"
                 "\"defect\",\"action\":\"a\",\"records\":[1]}",
                 409, "scratch");
  assert_refused(f,
                 "{\"key\":\"new\",\"name\":\"n\",\"description\":\"d\",\"severity\":\"defect\","
                 "\"action\":\"a\",\"records\":[2]}",
                 400, "no record 2");
  assert_refused(f,
                 "{\"key\":\"new\",\"name\":\"n\",\"description\":\"d\",\"severity\":\"normal\","
                 "\"action\":\"a\",\"records\":[1]}",
                 400, "severity");
  assert_refused(f,
                 "{\"key\":\"new\",\"name\":\"n\",\"description\":\"d\",\"severity\":\"defect\","
                 "\"action\":\"a\",\"records\":[]}",
                 400, "records");
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/1");
  g_assert_cmpstr(text_of(record, "verdict"), ==, "none");
}

/* A class that the spec does not have is taught from records, and then named. */
static void test_teach(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start(f);
  gint64 records[3];
  for (guint i = 0; i < 3; i++)
    records[i] = add(f, "dent", i);
  add_reviewed(f, "scratch", 4);
  g_autofree char *json = g_strdup_printf(
      "{\"key\":\"blot\",\"name\":\"blot of oil\",\"description\":\"a soft dark blot: oil\","
      "\"severity\":\"defect\",\"action\":\"wash\",\"who\":\"Berta\",\"records\":[%d,%d,%d]}",
      (int)records[0], (int)records[1], (int)records[2]);
  g_autoptr(HttpReply) added = station_send_json(f, "POST", CLASSES, json);
  g_assert_cmpuint(added->status, ==, 202);
  g_autoptr(JsonNode) reviewed = station_get_json(f, "/v1/records/1");
  g_assert_cmpstr(text_of(reviewed, "class"), ==, "blot");
  gint64 version = run(f, "teach");
  g_autoptr(JsonNode) list = station_get_json(f, VERSIONS);
  JsonObject *report = json_object_get_object_member(version_at(list, 0), "report");
  g_assert_cmpint(json_object_get_int_member(report, "added"), ==, 6);
  g_assert_cmpint(json_object_get_int_member(report, "held_back"), ==, 1);
  g_assert_cmpuint(use(f, version), ==, 202);
  wait_for_model(f, "blot", TRUE);
  g_autoptr(GBytes) image = small_product_image("dent", 1);
  g_autoptr(HttpReply) reply = station_inspect(f, "again", image);
  g_autoptr(JsonNode) record = http_reply_json(reply);
  g_assert_cmpstr(text_of(record, "detected_class"), ==, "blot");
  g_assert_cmpuint(use(f, 0), ==, 202);
  wait_for_model(f, "blot", FALSE);
}

static void test_cancel(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start(f);
  add_reviewed(f, "scratch", 3);
  add_reviewed(f, "dent", 3);
  g_autofree char *job = begin(f, "teach");
  g_autoptr(HttpReply) second = station_send_json(f, "POST", JOBS, "{\"kind\":\"refit\"}");
  g_assert_cmpuint(second->status, ==, 409);
  g_autoptr(HttpReply) cancelled = http_ask(f->url, "DELETE", job, NULL, NULL);
  g_assert_cmpuint(cancelled->status, ==, 204);
  g_autoptr(JsonNode) ended = wait_for_end(f, job);
  g_assert_cmpstr(text_of(ended, "state"), ==, "cancelled");
  g_assert_true(json_object_get_null_member(object_of(ended), "version"));
  g_autoptr(JsonNode) list = station_get_json(f, VERSIONS);
  g_assert_cmpint(json_object_get_int_member(version_at(list, 0), "id"), ==, 0);
  /* A station that ends gives its job up. */
  g_autofree char *last = begin(f, "teach");
  station_stop(f);
}

#define ADD(path, test)                                                                            \
  g_test_add("/teaching/" path, StationFixture, NULL, station_set_up, test, station_tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  small_product_set_up();
  ADD("split", test_split);
  ADD("split/parts", test_split_parts);
  ADD("refit", test_refit);
  ADD("refit/gone", test_refit_gone);
  ADD("other-model", test_other_model);
  ADD("classes/refused", test_refused_classes);
  ADD("teach", test_teach);
  ADD("cancel", test_cancel);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
