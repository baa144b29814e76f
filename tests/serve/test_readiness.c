/* How the station does, in one word: that of its worst part, as far as it matters. */
#include "serve/readiness.h"

#include "act/store_fixture.h"
#include "core/json.h"
#include "serve/callback_link.h"
#include "serve/folder_link.h"
#include "serve/line_fixture.h"
#include "serve/modbus_link.h"
#include "serve/upkeep_link.h"
#include "serve/webhook_link.h"

#include <string.h>
#include <sys/resource.h>

/* ---- a link that does as it is told ---- */

static void begin(G_GNUC_UNUSED VelmLink *link) {}

static void puppet_free(VelmLink *link) {
  velm_link_clear(link);
  g_free(link);
}

static const VelmLinkClass puppet = {.start = begin, .free = puppet_free};

static VelmLink *add_link(LineFixture *f, const VelmLinkClass *klass) {
  VelmLink *link = g_new0(VelmLink, 1);
  velm_link_init(link, klass, f->station, g_strdup("puppet"));
  return line_add_link(f, link);
}

/* ---- parts ---- */

static void add_bad_product(LineFixture *f, const char *name) {
  const VelmProductParams params = {.name = name,
                                    .model = "/absent.velm",
                                    .inspector = velm_inspector_params_default(),
                                    .most_queued = 1};
  g_assert_true(velm_station_add_product(f->station, &params, &f->error));
}

/* The reason of the part @name, which is in @state. Returns: (transfer full) (nullable). */
static char *reason_of(LineFixture *f, const char *name, const char *state) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  VelmState whole = velm_readiness_build(f->station, builder);
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  JsonObject *object = json_node_get_object(root);
  g_assert_cmpstr(json_object_get_string_member(object, "state"), ==, velm_state_name(whole));
  JsonArray *parts = json_object_get_array_member(object, "parts");
  for (guint i = 0; i < json_array_get_length(parts); i++) {
    JsonObject *part = json_array_get_object_element(parts, i);
    if (!g_str_equal(json_object_get_string_member(part, "name"), name))
      continue;
    g_assert_cmpstr(json_object_get_string_member(part, "state"), ==, state);
    return g_strdup(json_object_get_string_member_with_default(part, "reason", NULL));
  }
  g_error("there is no part %s", name);
}

static void assert_part(LineFixture *f, const char *name, const char *state, const char *words) {
  g_autofree char *reason = reason_of(f, name, state);
  if (words)
    g_assert_nonnull(strstr(reason, words));
  else
    g_assert_cmpstr(reason, ==, NULL);
}

/* ---- tests ---- */

static void test_ready(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_make(f);
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_STARTING);
  assert_part(f, "product disc", "starting", NULL);
  line_start(f);
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_READY);
  assert_part(f, "store", "ready", NULL);
  assert_part(f, "product disc", "ready", NULL);
  line_wait_for(line_link_is(velm_station_get_links(f->station)->pdata[0], VELM_STATE_READY, NULL));
  assert_part(f, "queue", "ready", NULL);
}

static void test_no_model(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->station = velm_station_new(f->data, &f->error);
  add_bad_product(f, "bolt");
  velm_station_start(f->station);
  line_wait_for(velm_readiness(f->station) == VELM_STATE_FAILED);
  assert_part(f, "product bolt", "failed", "/absent.velm: no such file");
}

/* One product that works makes a station that works. */
static void test_one_model_of_two(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_make(f);
  add_bad_product(f, "bolt");
  line_start(f);
  line_wait_for(velm_readiness(f->station) == VELM_STATE_DEGRADED);
  assert_part(f, "product disc", "ready", NULL);
  assert_part(f, "product bolt", "failed", "/absent.velm");
}

static void test_link(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_make(f);
  VelmLink *link = add_link(f, &puppet);
  line_start(f);
  assert_part(f, "puppet", "starting", NULL);
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_READY);
  velm_link_set_status(link, VELM_STATE_DEGRADED, "lame");
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_DEGRADED);
  assert_part(f, "puppet", "degraded", "lame");
  velm_link_set_status(link, VELM_STATE_FAILED, "dead");
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_DEGRADED);
  assert_part(f, "puppet", "failed", "dead");
  velm_link_set_status(link, VELM_STATE_READY, NULL);
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_READY);
  assert_part(f, "puppet", "ready", NULL);
}

/* What cannot be kept need not be inspected. */
static void test_store(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  line_make(f);
  line_start(f);
  VelmStore *store = velm_station_get_store(f->station);
  store_limit_files(1);
  gboolean ok = velm_store_probe(store, &error);
  VelmState state = velm_readiness(f->station);
  store_limit_files(RLIM_INFINITY);
  g_assert_false(ok);
  g_assert_cmpint(state, ==, VELM_STATE_FAILED);
  assert_part(f, "store", "failed", "");
  g_assert_true(velm_store_probe(store, &f->error));
  g_assert_cmpint(velm_readiness(f->station), ==, VELM_STATE_READY);
}

/* ---- the end ---- */

static const char *const threads[] = {"backlog", "callbacks", "folder",
                                      "modbus",  "upkeep",    "webhook"};

static gboolean has_thread(const char *name) {
  const char *number;
  gboolean found = FALSE;
  g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
  while (!found && (number = g_dir_read_name(dir))) {
    g_autofree char *text = NULL;
    g_autofree char *path = g_build_filename("/proc/self/task", number, "comm", NULL);
    if (g_file_get_contents(path, &text, NULL, NULL))
      found = g_str_equal(g_strchomp(text), name);
  }
  return found;
}

static void wait_for_threads(gboolean there) {
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    line_wait_for(has_thread(threads[i]) == there);
}

/* Of the last link: those before it have ended. */
static void end(G_GNUC_UNUSED VelmLink *link) { wait_for_threads(FALSE); }

static void add_links(LineFixture *f) {
  static const VelmLinkClass last = {.start = begin, .end = end, .free = puppet_free};
  const VelmRetention all = {0};
  VelmProduct *product = velm_station_find_product(f->station, LINE_PRODUCT);
  line_add_link(f, velm_callback_link_new(f->station, NULL, &f->error));
  line_add_link(f, velm_folder_link_new(f->station, product, f->folder, &f->error));
  line_add_link(f, velm_modbus_link_new(f->station, "127.0.0.1:0", &f->error));
  line_add_link(f, velm_upkeep_link_new(f->station, &all, NULL));
  line_add_link(f, velm_webhook_link_new(f->station, "http://127.0.0.1:1/", NULL, &f->error));
  add_link(f, &last);
}

/* No link goes while a thread of another may ask how all do. */
static void test_threads_end(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_make(f);
  add_links(f);
  line_start(f);
  wait_for_threads(TRUE);
  line_end(f);
}

#define ADD(name, function)                                                                        \
  g_test_add("/serve/readiness/" name, LineFixture, NULL, line_set_up, function, line_tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  line_fit_model();
  ADD("ready", test_ready);
  ADD("no-model", test_no_model);
  ADD("one-model-of-two", test_one_model_of_two);
  ADD("link", test_link);
  ADD("store", test_store);
  ADD("threads-end", test_threads_end);
  int code = g_test_run();
  line_remove_model();
  return code;
}
