/* The station's API as a client sees it: data/station/openapi.yaml is what it is held to. */
#include "core/file.h"
#include "core/scratch.h"
#include "serve/station_fixture.h"

#include <string.h>

#define LONGEST_WAIT_US (60 * G_TIME_SPAN_SECOND)

/* ---- asking ---- */

static GBytes *text_bytes(const char *text) { return g_bytes_new(text, strlen(text)); }

static JsonObject *object_of(JsonNode *node) { return json_node_get_object(node); }

static const char *text_of(JsonNode *node, const char *name) {
  return json_object_get_string_member(object_of(node), name);
}

static gint64 int_of(JsonNode *node, const char *name) {
  return json_object_get_int_member(object_of(node), name);
}

/* A problem document of @status whose detail has @part. */
static void assert_problem(HttpReply *reply, guint status, const char *part) {
  g_autofree char *type = http_reply_header(reply, "Content-Type");
  g_assert_cmpuint(reply->status, ==, status);
  g_assert_cmpstr(type, ==, "application/problem+json");
  g_autoptr(JsonNode) node = http_reply_json(reply);
  g_assert_cmpint(int_of(node, "status"), ==, status);
  if (part && !strstr(text_of(node, "detail"), part))
    g_error("\"%s\" is not in \"%s\"", part, text_of(node, "detail"));
}

static char *get_text(const StationFixture *f, const char *path) {
  g_autoptr(HttpReply) reply = http_get(f->url, path);
  g_assert_cmpuint(reply->status, ==, 200);
  return g_strdup(http_reply_text(reply));
}

static void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part))
    g_error("\"%s\" is not in \"%s\"", part, text);
}

/* A station that is ready, with three good parts, three with a scratch, and one of nothing. */
static void start_with_records(StationFixture *f) {
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  for (guint i = 0; i < 6; i++) {
    g_autoptr(GBytes) image = small_product_image(i % 2 ? "scratch" : "good", i / 2);
    g_autofree char *key = g_strdup_printf("part-%u", i);
    g_assert_cmpint(station_add(f, key, image), ==, i + 1);
  }
  g_autoptr(GBytes) black = small_product_black(100, 50);
  g_assert_cmpint(station_add(f, "black", black), ==, 7);
}

/* ---- readiness ---- */

static void test_readiness(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_pipe(f);
  station_start(f);
  g_autoptr(HttpReply) early = http_get(f->url, "/readyz");
  g_assert_cmpuint(early->status, ==, 503);
  g_autoptr(JsonNode) starting = http_reply_json(early);
  g_assert_cmpstr(text_of(starting, "state"), ==, "starting");
  g_autoptr(JsonNode) health = station_get_json(f, "/healthz");
  g_assert_cmpstr(text_of(health, "status"), ==, "alive");
  g_assert_cmpstr(text_of(health, "version"), ==, velm_version());
  station_write_pipe(f, NULL);
  g_autoptr(JsonNode) ready = station_wait_for(f, "ready");
  JsonArray *parts = json_object_get_array_member(object_of(ready), "parts");
  g_assert_cmpuint(json_array_get_length(parts), ==, 3);
  JsonObject *product = json_array_get_object_element(parts, 1);
  g_assert_cmpstr(json_object_get_string_member(product, "name"), ==, "product " PRODUCT);
  g_assert_cmpstr(json_object_get_string_member(product, "state"), ==, "ready");
}

static void test_products(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->spec = g_strdup(small_product_spec());
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(JsonNode) all = station_get_json(f, "/v1/products");
  JsonArray *products = json_object_get_array_member(object_of(all), "products");
  g_assert_cmpuint(json_array_get_length(products), ==, 1);
  JsonObject *first = json_array_get_object_element(products, 0);
  g_assert_cmpstr(json_object_get_string_member(first, "name"), ==, PRODUCT);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(first, "classes")), >=, 4);
  g_autoptr(JsonNode) one = station_get_json(f, "/v1/products/" PRODUCT);
  assert_contains(text_of(one, "model"), "patchcore");
  assert_contains(text_of(one, "spec"), "classes:");
  g_autoptr(HttpReply) absent = http_get(f->url, "/v1/products/absent");
  assert_problem(absent, 404, "there is no such product");
}

/* ---- inspecting ---- */

static void test_inspect(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_autoptr(GBytes) other = small_product_image("good", 0);
  g_autoptr(HttpReply) first = station_inspect(f, "k", image);
  g_assert_cmpuint(first->status, ==, 201);
  g_autofree char *location = http_reply_header(first, "Location");
  g_assert_cmpstr(location, ==, "/v1/records/1");
  g_autoptr(JsonNode) record = http_reply_json(first);
  g_assert_cmpstr(text_of(record, "key"), ==, "k");
  g_assert_cmpstr(text_of(record, "product"), ==, PRODUCT);
  g_assert_cmpint(int_of(record, "image_bytes"), ==, g_bytes_get_size(image));
  JsonObject *inspection = json_object_get_object_member(object_of(record), "inspection");
  g_assert_cmpstr(json_object_get_string_member(inspection, "image"), ==, "k");
  g_assert_cmpint(json_object_get_int_member(inspection, "width"), ==, 64);
  /* The same again is the same record; another image is none of this key's. */
  g_autoptr(HttpReply) again = station_inspect(f, "k", image);
  g_assert_cmpuint(again->status, ==, 200);
  g_autoptr(JsonNode) same = http_reply_json(again);
  g_assert_cmpint(int_of(same, "id"), ==, 1);
  g_autoptr(HttpReply) conflict = station_inspect(f, "k", other);
  assert_problem(conflict, 409, "the key \"k\" was used for another image or product");
  /* Without a key each is new. */
  g_autoptr(HttpReply) made_up = station_inspect(f, NULL, image);
  g_assert_cmpuint(made_up->status, ==, 201);
  g_autoptr(JsonNode) fresh = http_reply_json(made_up);
  g_assert_cmpint(int_of(fresh, "id"), ==, 2);
}

/* The same key from many at once: one record. */
static void test_same_key_at_once(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_pipe(f);
  station_start(f);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  HttpClient *clients[8];
  guint n_new = 0;
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    clients[i] = http_client_new(f->url);
    http_client_ask(clients[i], "POST", INSPECTIONS,
                    "Content-Type: image/png\r\nIdempotency-Key: k\r\n", image);
  }
  station_write_pipe(f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(HttpClient) client = clients[i];
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    g_assert_true(reply->status == 200 || reply->status == 201);
    n_new += reply->status == 201;
    g_autoptr(JsonNode) record = http_reply_json(reply);
    g_assert_cmpint(int_of(record, "id"), ==, 1);
  }
  g_assert_cmpuint(n_new, ==, 1);
}

static void test_named(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(HttpReply) reply = http_ask(f->url, "POST", INSPECTIONS "?name=cam%201/left.png",
                                        "Content-Type: Image/PNG; x=y\r\n", image);
  g_assert_cmpuint(reply->status, ==, 201);
  g_autoptr(JsonNode) record = http_reply_json(reply);
  JsonObject *inspection = json_object_get_object_member(object_of(record), "inspection");
  g_assert_cmpstr(json_object_get_string_member(inspection, "image"), ==, "cam 1/left.png");
  g_assert_cmpstr(text_of(record, "media_type"), ==, "image/png");
}

/* What made record @id. Returns: (transfer full). */
static JsonNode *made_by_of(const StationFixture *f, gint64 id) {
  g_autofree char *path = g_strdup_printf("/v1/records/%" G_GINT64_FORMAT, id);
  g_autoptr(JsonNode) record = station_get_json(f, path);
  JsonObject *inspection = json_object_get_object_member(object_of(record), "inspection");
  return json_node_copy(json_object_get_member(inspection, "made_by"));
}

static void test_made_by(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->spec = g_strdup(small_product_spec());
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autofree char *model = velm_file_sha256(f->model, NULL);
  g_autofree char *spec = velm_file_sha256(f->spec, NULL);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(JsonNode) made_by = made_by_of(f, station_add(f, "k", image));
  g_assert_cmpstr(text_of(made_by, "model"), ==, model);
  g_assert_cmpstr(text_of(made_by, "spec"), ==, spec);
  g_assert_true(json_object_get_null_member(object_of(made_by), "version"));
  g_assert_true(json_object_get_null_member(object_of(made_by), "worker"));
  station_stop(f);
  g_clear_pointer(&f->spec, g_free);
  station_start(f);
  g_autoptr(GBytes) other = small_product_image("good", 1);
  g_autoptr(JsonNode) of_own = made_by_of(f, station_add(f, "l", other));
  g_assert_cmpstr(text_of(of_own, "model"), ==, model);
  g_assert_true(json_object_get_null_member(object_of(of_own), "spec"));
}

/* It cannot be inspected, and has a record that says so, without a path of the station's. */
static void test_damaged_image(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(GBytes) half = g_bytes_new_from_bytes(image, 0, g_bytes_get_size(image) / 2);
  for (guint i = 0; i < 2; i++) {
    g_autoptr(HttpReply) reply = station_inspect(f, "half", half);
    assert_problem(reply, 422, "half: ");
    g_assert_null(strstr(http_reply_text(reply), f->folder));
    g_autoptr(JsonNode) problem = http_reply_json(reply);
    g_assert_cmpint(int_of(problem, "record"), ==, 1);
  }
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/1");
  g_assert_cmpstr(text_of(record, "decision"), ==, "failed");
  JsonObject *inspection = json_object_get_object_member(object_of(record), "inspection");
  g_assert_true(g_str_has_prefix(json_object_get_string_member(inspection, "error"), "half: "));
  g_autoptr(HttpReply) picture = http_get(f->url, "/v1/records/1/picture");
  assert_problem(picture, 422, "it is damaged");
  g_autoptr(HttpReply) kept = http_get(f->url, "/v1/records/1/image");
  g_assert_cmpmem(kept->body->data, kept->body->len, g_bytes_get_data(half, NULL),
                  g_bytes_get_size(half));
}

static void test_wrong_bodies(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    guint status;
    const char *path, *headers, *body;
  } cases[] = {
      {415, INSPECTIONS, "Content-Type: text/plain\r\n", "x"},
      {415, INSPECTIONS, NULL, "x"},
      {415, INSPECTIONS, "Content-Type: image/gif\r\n", "x"},
      {400, INSPECTIONS, "Content-Type: image/png\r\n", ""},
      {400, INSPECTIONS, "Content-Type: image/png\r\n", NULL},
      {400, INSPECTIONS "?nme=x", "Content-Type: image/png\r\n", "x"},
      {400, INSPECTIONS "?name=", "Content-Type: image/png\r\n", "x"},
      {400, INSPECTIONS "?name=a%0ab", "Content-Type: image/png\r\n", "x"},
      {400, INSPECTIONS, "Content-Type: image/png\r\nIdempotency-Key: a b\r\n", "x"},
      {400, INSPECTIONS, "Content-Type: image/png\r\nIdempotency-Key: \xc3\xa4\r\n", "x"},
      {404, "/v1/products/absent/inspections", "Content-Type: image/png\r\n", "x"},
      {413, "/v1/products", "", "x"},
  };
  station_start(f);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GBytes) body = cases[i].body ? text_bytes(cases[i].body) : NULL;
    const char *method = cases[i].status == 413 ? "GET" : "POST";
    g_test_message("%s %s", cases[i].path, cases[i].headers);
    g_autoptr(HttpReply) reply = http_ask(f->url, method, cases[i].path, cases[i].headers, body);
    assert_problem(reply, cases[i].status, NULL);
  }
  g_autoptr(JsonNode) page = station_get_json(f, "/v1/records");
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(object_of(page), "records")),
                   ==, 0);
}

static void test_too_large(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.max_body = 1000;
  station_start(f);
  g_autoptr(GBytes) image = g_bytes_new_take(g_malloc0(1001), 1001);
  g_autoptr(HttpReply) reply = station_inspect(f, "k", image);
  assert_problem(reply, 413, NULL);
  g_autofree char *text = g_strnfill(70000, ' ');
  g_autoptr(HttpReply) json = station_send_json(f, "POST", "/v1/session", text);
  assert_problem(json, 413, NULL);
}

/* Those that wait for a model that is being opened: as many as may, and no more. */
static void test_queue_full(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->most_queued = 2;
  station_use_pipe(f);
  station_start(f);
  VelmProduct *product = velm_station_find_product(f->station, PRODUCT);
  HttpClient *clients[2];
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(GBytes) image = small_product_image("good", i);
    clients[i] = http_client_new(f->url);
    http_client_ask(clients[i], "POST", INSPECTIONS, "Content-Type: image/png\r\n", image);
    while (velm_product_get_queued(product) <= i)
      g_usleep(1000);
  }
  g_autoptr(GBytes) image = small_product_image("good", 2);
  g_autoptr(HttpReply) full = station_inspect(f, "k", image);
  assert_problem(full, 503, "2 images of " PRODUCT " wait already");
  g_autofree char *retry = http_reply_header(full, "Retry-After");
  g_assert_cmpstr(retry, ==, "5");
  station_write_pipe(f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(HttpClient) client = clients[i];
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    g_assert_cmpuint(reply->status, ==, 201);
  }
  /* The one that was refused may come again. */
  g_autoptr(HttpReply) later = station_inspect(f, "k", image);
  g_assert_cmpuint(later->status, ==, 201);
}

static gpointer stop_in_thread(gpointer f) {
  station_stop(f);
  return NULL;
}

/* Hands in an image that waits for the model, and stops the station. The answer is what the
 * model's @spec makes of it. Returns: (transfer full). */
static HttpReply *stop_while_opening(StationFixture *f, const char *spec) {
  station_use_pipe(f);
  station_start(f);
  VelmProduct *product = velm_station_find_product(f->station, PRODUCT);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(HttpClient) client = http_client_new(f->url);
  http_client_ask(client, "POST", INSPECTIONS, "Content-Type: image/png\r\nIdempotency-Key: k\r\n",
                  image);
  while (velm_product_get_queued(product) == 0)
    g_usleep(1000);
  GThread *thread = g_thread_new("stop", stop_in_thread, f);
  g_assert_true(http_client_is_quiet(client, 100));
  station_write_pipe(f, spec);
  HttpReply *reply = http_client_receive(client, FALSE);
  g_assert_true(reply && reply->whole);
  g_thread_join(thread);
  return reply;
}

static void test_stop_while_opening(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(HttpReply) reply = stop_while_opening(f, NULL);
  g_assert_cmpuint(reply->status, ==, 201);
  g_clear_pointer(&f->spec, g_free);
  station_start(f);
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/1");
  g_assert_cmpstr(text_of(record, "key"), ==, "k");
}

static void test_stop_while_failing(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(HttpReply) reply = stop_while_opening(f, "classes: 5\n");
  assert_problem(reply, 503, NULL);
}

/* ---- models that are no good ---- */

static void write_model(const StationFixture *f, const char *from) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = from ? velm_file_read(from, &error) : text_bytes("garbage");
  g_assert_no_error(error);
  velm_file_write(f->model, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  g_assert_no_error(error);
}

static void reload(const StationFixture *f) {
  g_autoptr(HttpReply) reply =
      http_ask(f->url, "POST", "/v1/products/" PRODUCT "/reload", NULL, NULL);
  g_assert_cmpuint(reply->status, ==, 202);
}

static const char *reason_of(JsonNode *readiness) {
  JsonArray *parts = json_object_get_array_member(object_of(readiness), "parts");
  return json_object_get_string_member(json_array_get_object_element(parts, 1), "reason");
}

static void test_reload(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  write_model(f, NULL);
  reload(f);
  g_autoptr(JsonNode) degraded = station_wait_for(f, "degraded");
  assert_contains(reason_of(degraded), "not a velm model file");
  assert_contains(reason_of(degraded), "the one in use stays");
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_assert_cmpint(station_add(f, "k", image), ==, 1);
  write_model(f, small_product_model());
  reload(f);
  g_autoptr(JsonNode) ready = station_wait_for(f, "ready");
  g_autoptr(GBytes) other = small_product_image("good", 1);
  g_assert_cmpint(station_add(f, "l", other), ==, 2);
  g_autoptr(JsonNode) audit = station_get_json(f, "/v1/audit?limit=1");
  JsonObject *entry =
      json_array_get_object_element(json_object_get_array_member(object_of(audit), "entries"), 0);
  g_assert_cmpstr(json_object_get_string_member(entry, "action"), ==, "reload");
  g_assert_cmpstr(json_object_get_string_member(entry, "target"), ==, "product " PRODUCT);
  g_autoptr(HttpReply) absent = http_ask(f->url, "POST", "/v1/products/absent/reload", NULL, NULL);
  assert_problem(absent, 404, NULL);
}

static guint trigger(const StationFixture *f, const char *camera) {
  g_autofree char *path = g_strdup_printf("/v1/cameras/%s/trigger", camera);
  g_autoptr(HttpReply) reply = http_ask(f->url, "POST", path, NULL, NULL);
  return reply->status;
}

static void test_trigger(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const cameras[] = {"Fake_1,trigger=software", "Fake_2",
                                        "Nobody-0,trigger=software", NULL};
  gint64 end = g_get_monotonic_time() + 30 * G_TIME_SPAN_SECOND;
  f->cameras = cameras;
  station_start(f);
  while (trigger(f, "Fake_1") != 202) {
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(20 * 1000);
  }
  g_assert_cmpuint(trigger(f, "Fake_2"), ==, 409);
  g_assert_cmpuint(trigger(f, "Nobody-0"), ==, 503);
  g_assert_cmpuint(trigger(f, "Nobody-1"), ==, 404);
}

/* Images go on while models are read again and again. */
static void test_reload_under_load(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  for (guint i = 0; i < 12; i++) {
    g_autofree char *key = g_strdup_printf("k%u", i);
    g_autoptr(GBytes) image = small_product_image("scratch", i % 4);
    reload(f);
    g_assert_cmpint(station_add(f, key, image), ==, i + 1);
  }
}

static void test_garbage_model(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  write_model(f, NULL);
  station_start(f);
  g_autoptr(JsonNode) failed = station_wait_for(f, "failed");
  assert_contains(reason_of(failed), "not a velm model file");
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(HttpReply) reply = station_inspect(f, "k", image);
  assert_problem(reply, 503, "not a velm model file");
  g_autofree char *retry = http_reply_header(reply, "Retry-After");
  g_assert_cmpstr(retry, ==, "5");
  /* Nothing of it is kept: the key is free. */
  write_model(f, small_product_model());
  reload(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_assert_cmpint(station_add(f, "k", image), ==, 1);
}

/* ---- records ---- */

/* The keys of a page, separated by spaces. @next: (out) (transfer full): its cursor. */
static char *keys_of(const StationFixture *f, const char *path, char **next) {
  g_autoptr(JsonNode) page = station_get_json(f, path);
  JsonArray *records = json_object_get_array_member(object_of(page), "records");
  GString *keys = g_string_new(NULL);
  for (guint i = 0; i < json_array_get_length(records); i++)
    g_string_append_printf(
        keys, "%s%s", i ? " " : "",
        json_object_get_string_member(json_array_get_object_element(records, i), "key"));
  if (next)
    *next = g_strdup(json_object_get_string_member_with_default(object_of(page), "next", NULL));
  return g_string_free(keys, FALSE);
}

static void assert_keys_of(const StationFixture *f, const char *path, const char *wanted) {
  g_autofree char *keys = keys_of(f, path, NULL);
  g_test_message("%s", path);
  g_assert_cmpstr(keys, ==, wanted);
}

static void test_list(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start_with_records(f);
  assert_keys_of(f, "/v1/records", "black part-5 part-4 part-3 part-2 part-1 part-0");
  assert_keys_of(f, "/v1/records?order=oldest&limit=2", "part-0 part-1");
  assert_keys_of(f, "/v1/records?product=absent", "");
  assert_keys_of(f, "/v1/records?decision=failed", "");
  assert_keys_of(f, "/v1/records?until=2020-01-01T00:00:00Z", "");
  assert_keys_of(f, "/v1/records?reviewed=true", "");
  assert_keys_of(f, "/v1/records?max_score=-1", "");
  assert_keys_of(f,
                 "/v1/records?product=" PRODUCT "&reviewed=false&since=2020-01-01T00:00:00Z"
                 "&order=highest_score&limit=1",
                 "black");
  g_autoptr(GString) all = g_string_new(NULL);
  g_autofree char *cursor = NULL;
  guint n = 0;
  do {
    g_autofree char *escaped = cursor ? g_uri_escape_string(cursor, NULL, FALSE) : NULL;
    g_autofree char *path = g_strdup_printf("/v1/records?limit=2%s%s", escaped ? "&cursor=" : "",
                                            escaped ? escaped : "");
    g_clear_pointer(&cursor, g_free);
    g_autofree char *keys = keys_of(f, path, &cursor);
    g_string_append_printf(all, "%s ", keys);
    g_assert_cmpuint(++n, <=, 4);
  } while (cursor);
  g_assert_cmpstr(all->str, ==, "black part-5 part-4 part-3 part-2 part-1 part-0 ");
}

/* A record of another station than this one, which has none of its own. */
static void add_record_of(StationFixture *f, const char *key, const char *station) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  const VelmSubmission submission = {.key = key,
                                     .product = PRODUCT,
                                     .station = station,
                                     .time = 1,
                                     .image = image,
                                     .media_type = "image/png",
                                     .failure = "made up"};
  g_autoptr(VelmStoredRecord) record =
      velm_store_add(velm_station_get_store(f->station), &submission, NULL, &error);
  g_assert_no_error(error);
}

static void test_stations(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  station_add(f, "nobodys", image);
  g_autofree char *none = get_text(f, "/v1/stations");
  g_assert_cmpstr(none, ==, "{\"stations\":[]}");
  add_record_of(f, "b", "line, 2");
  add_record_of(f, "a", "line 1");
  add_record_of(f, "c", "line, 2");
  g_autofree char *stations = get_text(f, "/v1/stations");
  g_assert_cmpstr(stations, ==, "{\"stations\":[\"line 1\",\"line, 2\"]}");
  assert_keys_of(f, "/v1/records?station=line,%202", "c b");
  assert_keys_of(f, "/v1/records?station=line%201&product=" PRODUCT, "a");
  assert_keys_of(f, "/v1/records?station=absent", "");
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/2");
  g_assert_cmpstr(text_of(record, "station"), ==, "line, 2");
  g_autoptr(JsonNode) stats = station_get_json(f, "/v1/stats?station=line,%202");
  g_assert_cmpint(int_of(stats, "total"), ==, 2);
  g_autofree char *csv = get_text(f, "/v1/records/export?format=csv&station=line,%202");
  g_auto(GStrv) lines = g_strsplit(csv, "\r\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 4);
  g_assert_true(g_str_has_suffix(lines[0], ",station"));
  g_assert_true(g_str_has_suffix(lines[1], ",\"line, 2\""));
}

static void test_list_wrong(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const queries[] = {
      "limit=0",      "limit=501",     "limit=x",   "order=worst",    "cursor=x",
      "decision=odd", "reviewed=yes",  "since=now", "min_score=nan",  "min_score=1x",
      "class=",       "product=%20\t", "unknown=1", "limit=1&limit=2"};
  station_start(f);
  for (gsize i = 0; i < G_N_ELEMENTS(queries); i++) {
    g_autofree char *path = g_strconcat("/v1/records?", queries[i], NULL);
    if (strchr(path, '\t'))
      continue;
    g_test_message("%s", path);
    g_autoptr(HttpReply) reply = http_get(f->url, path);
    assert_problem(reply, 400, NULL);
  }
}

static void test_record(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const absent[] = {"/v1/records/8",
                                       "/v1/records/0",
                                       "/v1/records/-1",
                                       "/v1/records/x",
                                       "/v1/records/99999999999999999999",
                                       "/v1/records/8/image",
                                       "/v1/records/8/picture",
                                       "/v1/records/1/odd",
                                       "/v1/records//image",
                                       "/v1/records/"};
  start_with_records(f);
  g_autoptr(JsonNode) record = station_get_json(f, "/v1/records/2");
  g_assert_cmpstr(text_of(record, "key"), ==, "part-1");
  g_assert_cmpstr(text_of(record, "verdict"), ==, "none");
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_autoptr(HttpReply) kept = http_get(f->url, "/v1/records/2/image");
  g_autofree char *type = http_reply_header(kept, "Content-Type");
  g_assert_cmpstr(type, ==, "image/png");
  g_assert_cmpmem(kept->body->data, kept->body->len, g_bytes_get_data(image, NULL),
                  g_bytes_get_size(image));
  for (gsize i = 0; i < G_N_ELEMENTS(absent); i++) {
    g_autoptr(HttpReply) reply = http_get(f->url, absent[i]);
    assert_problem(reply, 404, NULL);
  }
}

static void assert_picture(const StationFixture *f, const char *path, int width, int height) {
  g_autoptr(GError) error = NULL;
  g_autoptr(HttpReply) reply = http_get(f->url, path);
  g_assert_cmpuint(reply->status, ==, 200);
  g_autoptr(GBytes) bytes = g_bytes_new(reply->body->data, reply->body->len);
  g_autoptr(VelmImage) image = velm_image_parse(bytes, path, &error);
  g_assert_no_error(error);
  g_assert_cmpint(image->width, ==, width);
  g_assert_cmpint(image->height, ==, height);
}

static void test_pictures(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const views[] = {"plain", "outline", "heatmap"};
  start_with_records(f);
  for (gsize i = 0; i < G_N_ELEMENTS(views); i++) {
    g_autofree char *part = g_strdup_printf("/v1/records/1/picture?view=%s", views[i]);
    g_autofree char *black = g_strdup_printf("/v1/records/7/picture?view=%s&size=50", views[i]);
    assert_picture(f, part, 64, 64);
    assert_picture(f, black, 50, 25);
  }
  assert_picture(f, "/v1/records/7/picture?size=16", 16, 8);
  assert_picture(f, "/v1/records/7/picture?size=4096", 100, 50);
  g_autoptr(HttpReply) small = http_get(f->url, "/v1/records/7/picture?size=15");
  assert_problem(small, 400, "size");
  g_autoptr(HttpReply) odd = http_get(f->url, "/v1/records/7/picture?view=odd");
  assert_problem(odd, 400, "view");
  /* The part of nothing is anomalous, and the views show it: they differ. */
  g_autofree char *plain = get_text(f, "/v1/records/7/picture?view=plain");
  g_autoptr(HttpReply) a = http_get(f->url, "/v1/records/7/picture?view=plain");
  g_autoptr(HttpReply) b = http_get(f->url, "/v1/records/7/picture?view=heatmap");
  g_assert_false(a->body->len == b->body->len &&
                 memcmp(a->body->data, b->body->data, a->body->len) == 0);
}

/* ---- exports ---- */

static void test_export_csv(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start_with_records(f);
  g_autofree char *text = get_text(f, "/v1/records/export?format=csv");
  g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 9);
  g_assert_true(g_str_has_prefix(lines[0], "id,key,product,part,time,"));
  g_assert_true(g_str_has_prefix(lines[1], "1,part-0," PRODUCT ","));
  g_assert_true(g_str_has_prefix(lines[7], "7,black," PRODUCT ","));
  g_assert_cmpstr(lines[8], ==, "");
  for (guint i = 0; i < 8; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
    g_assert_cmpuint(g_strv_length(cells), ==, 14);
  }
}

static void test_export_csv_quotes(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  station_add(f, "a,\"b\"", image);
  g_autofree char *text = get_text(f, "/v1/records/export?format=csv");
  assert_contains(text, "\r\n1,\"a,\"\"b\"\"\"," PRODUCT ",");
}

static void test_export_jsonl(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start_with_records(f);
  g_autofree char *text = get_text(f, "/v1/records/export");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 8);
  for (guint i = 0; i < 7; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(lines[i], &error);
    g_assert_no_error(error);
    g_assert_cmpint(int_of(node, "id"), ==, i + 1);
    g_assert_true(json_object_has_member(object_of(node), "inspection"));
  }
}

static guint count_of(JsonNode *node, const char *name) {
  return json_array_get_length(json_object_get_array_member(object_of(node), name));
}

static void correct(const StationFixture *f, gint64 id, const char *class_name) {
  g_autofree char *path = g_strdup_printf("/v1/records/%" G_GINT64_FORMAT "/reviews", id);
  g_autofree char *json = g_strdup_printf("{\"verdict\":\"correct\",\"class\":\"%s\"}", class_name);
  g_autoptr(HttpReply) reply = station_send_json(f, "POST", path, json);
  g_assert_cmpuint(reply->status, ==, 201);
}

/* More records than a page of the export, so that its passes go over several; those that have a
 * class are on two of them. */
static void test_export_coco(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const classes[] = {"rust", "dent", "rust"};
  static const gint64 ids[] = {7, 30, 67};
  start_with_records(f);
  g_autoptr(GBytes) black = small_product_black(100, 50);
  for (guint i = 0; i < 60; i++) {
    g_autofree char *key = g_strdup_printf("black-%u", i);
    station_add(f, key, black);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
    correct(f, ids[i], classes[i]);
  g_autoptr(JsonNode) node = station_get_json(f, "/v1/records/export?format=coco");
  JsonArray *annotations = json_object_get_array_member(object_of(node), "annotations");
  g_assert_cmpuint(count_of(node, "images"), ==, 67);
  g_assert_cmpuint(count_of(node, "categories"), ==, 2);
  g_assert_cmpuint(count_of(node, "annotations"), ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
    JsonObject *one = json_array_get_object_element(annotations, i);
    JsonArray *box = json_object_get_array_member(one, "bbox");
    g_assert_cmpint(json_object_get_int_member(one, "id"), ==, i + 1);
    g_assert_cmpint(json_object_get_int_member(one, "image_id"), ==, ids[i]);
    g_assert_cmpint(json_object_get_int_member(one, "category_id"), ==, i == 1 ? 2 : 1);
    g_assert_cmpint(json_array_get_int_element(box, 2), >, 0);
  }
  g_autoptr(JsonNode) none = station_get_json(f, "/v1/records/export?format=coco&product=absent");
  g_assert_cmpuint(count_of(none, "images"), ==, 0);
  g_assert_cmpuint(count_of(none, "annotations"), ==, 0);
}

/* ---- reviews ---- */

static void test_reviews(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *json, *verdict, *class_name;
  } cases[] = {
      {"{\"verdict\":\"correct\",\"class\":\"rust\",\"note\":\"see\",\"who\":\"anna\"}", "correct",
       "rust"},
      {"{\"verdict\":\"good\"}", "good", "good"},
      {"{\"verdict\":\"confirm\",\"class\":null,\"note\":\"\"}", "confirm", NULL},
      {"{\"verdict\":\"none\"}", "none", NULL},
  };
  start_with_records(f);
  g_autoptr(JsonNode) before = station_get_json(f, "/v1/records/7");
  const char *detected =
      json_object_get_string_member_with_default(object_of(before), "class", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(HttpReply) reply =
        station_send_json(f, "POST", "/v1/records/7/reviews", cases[i].json);
    g_assert_cmpuint(reply->status, ==, 201);
    g_autoptr(JsonNode) record = http_reply_json(reply);
    g_assert_cmpstr(text_of(record, "verdict"), ==, cases[i].verdict);
    g_assert_cmpstr(json_object_get_string_member_with_default(object_of(record), "class", NULL),
                    ==, cases[i].class_name ? cases[i].class_name : detected);
    g_assert_cmpuint(count_of(record, "reviews"), ==, i + 1);
  }
  g_autoptr(JsonNode) audit = station_get_json(f, "/v1/audit");
  g_assert_cmpuint(count_of(audit, "entries"), ==, G_N_ELEMENTS(cases));
  JsonObject *last =
      json_array_get_object_element(json_object_get_array_member(object_of(audit), "entries"), 3);
  g_assert_cmpstr(json_object_get_string_member(last, "who"), ==, "anna");
  g_assert_cmpstr(json_object_get_string_member(last, "action"), ==, "review");
  g_autofree char *before_last = g_strdup_printf("/v1/audit?before=%" G_GINT64_FORMAT "&limit=2",
                                                 json_object_get_int_member(last, "id") + 2);
  g_autoptr(JsonNode) page = station_get_json(f, before_last);
  g_assert_cmpuint(count_of(page, "entries"), ==, 2);
}

static void test_reviews_wrong(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const bodies[] = {
      "",
      "x",
      "[]",
      "{}",
      "{\"verdict\":\"odd\"}",
      "{\"verdict\":1}",
      "{\"verdict\":null}",
      "{\"verdict\":\"correct\"}",
      "{\"verdict\":\"correct\",\"class\":\"\"}",
      "{\"verdict\":\"confirm\",\"class\":\"rust\"}",
      "{\"verdict\":\"good\",\"note\":[]}",
      "{\"verdict\":\"good\",\"more\":1}",
      "{\"verdict\":\"good\",\"who\":\"\xff\"}",
      "{\"verdict\":\"good\"",
  };
  start_with_records(f);
  for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
    g_test_message("%s", bodies[i]);
    g_autoptr(HttpReply) reply = station_send_json(f, "POST", "/v1/records/7/reviews", bodies[i]);
    assert_problem(reply, 400, NULL);
  }
  g_autofree char *name = g_strnfill(201, 'x');
  g_autofree char *long_class = g_strdup_printf("{\"verdict\":\"correct\",\"class\":\"%s\"}", name);
  g_autoptr(HttpReply) longer = station_send_json(f, "POST", "/v1/records/7/reviews", long_class);
  assert_problem(longer, 400, NULL);
  g_autoptr(HttpReply) absent =
      station_send_json(f, "POST", "/v1/records/8/reviews", "{\"verdict\":\"good\"}");
  assert_problem(absent, 404, NULL);
  g_autoptr(JsonNode) audit = station_get_json(f, "/v1/audit");
  g_assert_cmpuint(count_of(audit, "entries"), ==, 0);
}

/* ---- events ---- */

/* Reads chunks until one has @part. Returns: (transfer full): all of them. */
static char *read_event(HttpClient *client, HttpReply *reply, const char *part) {
  g_autoptr(GString) text = g_string_new(NULL);
  while (!strstr(text->str, part)) {
    g_autofree char *chunk = http_client_receive_chunk(client, reply);
    g_assert_nonnull(chunk);
    g_string_append(text, chunk);
  }
  return g_strdup(text->str);
}

/* Follows from the event @last on. @reply: (out): its head. */
static HttpClient *follow(const StationFixture *f, const char *last, HttpReply **reply) {
  HttpClient *client = http_client_new(f->url);
  g_autofree char *header = last ? g_strdup_printf("Last-Event-ID: %s\r\n", last) : NULL;
  http_client_ask(client, "GET", "/v1/events", header, NULL);
  *reply = http_client_receive_head(client);
  g_assert_cmpuint((*reply)->status, ==, 200);
  return client;
}

static void test_events(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(HttpReply) reply = NULL, missed = NULL;
  g_autoptr(HttpClient) client = follow(f, NULL, &reply);
  g_autofree char *hello = read_event(client, reply, ":\n\n");
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  station_add(f, "k", image);
  g_autofree char *record = read_event(client, reply, "event: record\n");
  assert_contains(record, "\"key\":\"k\"");
  const char *id = strstr(record, "id: ");
  g_autofree char *number = g_strndup(id + 4, strcspn(id + 4, "\n"));
  g_autoptr(HttpReply) posted =
      station_send_json(f, "POST", "/v1/records/1/reviews", "{\"verdict\":\"good\"}");
  g_autofree char *review = read_event(client, reply, "event: review\n");
  assert_contains(review, "\"verdict\":\"good\"");
  /* Who was away since the record gets the review, and not the record again. */
  g_autoptr(HttpClient) back = follow(f, number, &missed);
  g_autofree char *since = read_event(back, missed, "event: review\n");
  g_assert_null(strstr(since, "event: record\n"));
  /* The end of the station is the end of its events. */
  station_stop(f);
  g_autofree char *rest = NULL;
  while ((rest = http_client_receive_chunk(client, reply)))
    g_clear_pointer(&rest, g_free);
  g_assert_true(reply->whole);
}

static guint status_of_follower(const StationFixture *f) {
  g_autoptr(HttpClient) client = http_client_new(f->url);
  http_client_ask(client, "GET", "/v1/events", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive_head(client);
  return reply->status;
}

/* A hundred follow, each of whom is told; the next is turned away until one has gone. */
static void test_followers(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { MOST = 100 };
  HttpClient *clients[MOST];
  HttpReply *replies[MOST];
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  for (guint i = 0; i < MOST; i++)
    clients[i] = follow(f, NULL, &replies[i]);
  g_assert_cmpuint(status_of_follower(f), ==, 503);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  station_add(f, "k", image);
  for (guint i = 0; i < MOST; i++) {
    g_autofree char *event = read_event(clients[i], replies[i], "event: record\n");
    assert_contains(event, "\"key\":\"k\"");
  }
  for (guint i = 0; i < MOST; i++) {
    http_client_free(clients[i]);
    http_reply_free(replies[i]);
  }
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (guint i = 1; status_of_follower(f) != 200; i++) {
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_autofree char *key = g_strdup_printf("k%u", i);
    station_add(f, key, image); /* what is sent to who has gone shows that he has */
  }
}

/* The connections before this one are closed; the station sees it a moment later. */
static char *get_metrics_alone(const StationFixture *f) {
  gint64 deadline = g_get_monotonic_time() + LONGEST_WAIT_US;
  char *text = get_text(f, "/metrics");
  while (!strstr(text, "\nvelm_connections 1\n") && g_get_monotonic_time() < deadline) {
    g_free(text);
    g_usleep(10 * 1000);
    text = get_text(f, "/metrics");
  }
  return text;
}

static void test_metrics(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start_with_records(f);
  g_autofree char *text = get_metrics_alone(f);
  assert_contains(text, "\nvelm_store_records 7\n");
  assert_contains(text, "\nvelm_ready 1\n");
  assert_contains(text, "\nvelm_queue{product=\"" PRODUCT "\"} 0\n");
  assert_contains(text, "\nvelm_keep_seconds_count 7\n");
  assert_contains(text, "\nvelm_store_queued 0\n");
  assert_contains(text, "\nvelm_connections 1\n");
  assert_contains(text, "\nvelm_stage_seconds_count{stage=\"total\"} 7\n");
  assert_contains(text, "\nvelm_http_requests_total{method=\"POST\",status=\"201\"} 7\n");
  assert_contains(text, "velm_inspections_total{product=\"" PRODUCT "\",decision=\"");
}

static gint64 sum_of(JsonNode *stats, const char *array, const char *member) {
  JsonArray *all = json_object_get_array_member(object_of(stats), array);
  gint64 sum = 0;
  for (guint i = 0; i < json_array_get_length(all); i++)
    sum += json_object_get_int_member(json_array_get_object_element(all, i), member);
  return sum;
}

/* Whatever they are split by, they add up to all records. */
static void test_stats(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  start_with_records(f);
  g_autoptr(JsonNode) stats = station_get_json(f, "/v1/stats");
  g_assert_cmpint(json_object_get_int_member(object_of(stats), "total"), ==, 7);
  g_assert_cmpint(json_object_get_int_member(object_of(stats), "reviewed"), ==, 0);
  g_assert_cmpint(sum_of(stats, "classes", "count"), ==, 7);
  g_assert_cmpint(sum_of(stats, "series", "total"), ==, 7);
  g_assert_cmpint(sum_of(stats, "scores", "good") + sum_of(stats, "scores", "other"), ==, 7);
  g_autoptr(JsonNode) none = station_get_json(f, "/v1/stats?product=absent");
  g_assert_cmpint(json_object_get_int_member(object_of(none), "total"), ==, 0);
  g_assert_true(json_object_get_null_member(object_of(none), "since"));
  g_autoptr(HttpReply) wrong = http_get(f->url, "/v1/stats?order=newest");
  assert_problem(wrong, 400, "order");
}

/* ---- specs ---- */

#define SPEC_PATH "/v1/products/" PRODUCT "/spec"

static HttpReply *send_spec(const StationFixture *f, const char *method, const char *path,
                            const char *spec) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "spec", spec);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  g_autoptr(GBytes) body = text_bytes(json);
  return http_ask(f->url, method, path, "Content-Type: application/json\r\n", body);
}

/* The product's spec, with another action for what nothing classifies. */
static char *changed_spec(void) {
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(small_product_spec(), &text, NULL, NULL));
  return g_strconcat(text, "\nunknown: {action: ask anna}\n", NULL);
}

static void test_check_spec(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->spec = g_strdup(small_product_spec());
  start_with_records(f);
  g_autofree char *spec = changed_spec();
  g_autoptr(JsonNode) stats = station_get_json(f, "/v1/stats");
  JsonObject *decisions = json_object_get_object_member(object_of(stats), "decisions");
  gint64 n_review = json_object_get_int_member(decisions, "review");
  g_autoptr(HttpReply) reply = send_spec(f, "POST", SPEC_PATH "/check", spec);
  g_autoptr(JsonNode) found = http_reply_json(reply);
  g_assert_true(json_object_get_boolean_member(object_of(found), "usable"));
  g_assert_cmpint(json_object_get_int_member(object_of(found), "tried"), ==, 7);
  g_assert_cmpint(json_object_get_int_member(object_of(found), "changed"), ==, n_review);
  g_assert_cmpint(n_review, >, 0);
  JsonObject *change =
      json_array_get_object_element(json_object_get_array_member(object_of(found), "changes"), 0);
  g_assert_cmpstr(json_object_get_string_member(change, "new_action"), ==, "ask anna");
  g_assert_cmpstr(json_object_get_string_member(change, "new_decision"), ==, "review");
  g_autoptr(HttpReply) few = send_spec(f, "POST", SPEC_PATH "/check?records=2", spec);
  g_autoptr(JsonNode) tried = http_reply_json(few);
  g_assert_cmpint(json_object_get_int_member(object_of(tried), "tried"), ==, 2);
  /* The spec in use changes nothing. */
  g_autofree char *same = NULL;
  g_assert_true(g_file_get_contents(f->spec, &same, NULL, NULL));
  g_autoptr(HttpReply) nothing = send_spec(f, "POST", SPEC_PATH "/check", same);
  g_autoptr(JsonNode) unchanged = http_reply_json(nothing);
  g_assert_cmpint(json_object_get_int_member(object_of(unchanged), "changed"), ==, 0);
  g_autoptr(HttpReply) wrong = send_spec(f, "POST", SPEC_PATH "/check", "classes: 1\n");
  g_autoptr(JsonNode) mistakes = http_reply_json(wrong);
  g_assert_false(json_object_get_boolean_member(object_of(mistakes), "usable"));
}

/* A model without a spec of its own: the station keeps the one that it is given. */
static void test_put_spec(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *spec = changed_spec();
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(HttpReply) wrong = send_spec(f, "PUT", SPEC_PATH, "classes: 1\n");
  assert_problem(wrong, 400, "the spec:1");
  g_autoptr(HttpReply) put = send_spec(f, "PUT", SPEC_PATH, spec);
  g_assert_cmpuint(put->status, ==, 202);
  station_stop(f);
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  g_autoptr(JsonNode) product = station_get_json(f, "/v1/products/" PRODUCT);
  g_assert_cmpstr(text_of(product, "spec"), ==, spec);
  g_autoptr(JsonNode) all = station_get_json(f, "/v1/products/" PRODUCT "/specs");
  JsonArray *specs = json_object_get_array_member(object_of(all), "specs");
  g_assert_cmpuint(json_array_get_length(specs), ==, 1);
  JsonObject *first = json_array_get_object_element(specs, 0);
  g_assert_cmpstr(json_object_get_string_member(first, "spec"), ==, spec);
  g_assert_cmpstr(json_object_get_string_member(first, "who"), ==, "local");
}

/* ---- later ---- */

/* Waits until the image with @key has its record. */
static JsonNode *wait_for_record(const StationFixture *f, const char *key) {
  g_autofree char *path = g_strconcat("/v1/inspections/", key, NULL);
  for (guint i = 0; i < 1000; i++) {
    g_autoptr(JsonNode) state = station_get_json(f, path);
    if (g_str_equal(text_of(state, "state"), "done"))
      return g_steal_pointer(&state);
    g_assert_cmpstr(text_of(state, "state"), ==, "queued");
    g_usleep(20 * 1000);
  }
  g_assert_not_reached();
}

static HttpReply *hand_in_later(const StationFixture *f, const char *query, const char *key,
                                GBytes *image) {
  g_autofree char *path = g_strconcat(INSPECTIONS "?wait=false", query, NULL);
  g_autofree char *headers =
      g_strdup_printf("Content-Type: image/png\r\nIdempotency-Key: %s\r\n", key);
  return http_ask(f->url, "POST", path, headers, image);
}

static void test_later(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const callbacks[] = {"http://127.0.0.1:1/told", NULL};
  f->params.callbacks = callbacks;
  station_start(f);
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_autoptr(GBytes) other = small_product_image("good", 0);
  /* Also while the model is being opened. */
  g_autoptr(HttpReply) first = hand_in_later(f, "", "a", image);
  g_assert_cmpuint(first->status, ==, 202);
  g_autoptr(HttpReply) again = hand_in_later(f, "", "a", image);
  g_assert_cmpuint(again->status, ==, 202);
  g_autoptr(HttpReply) conflict = hand_in_later(f, "", "a", other);
  assert_problem(conflict, 409, "another image");
  g_autoptr(JsonNode) done = wait_for_record(f, "a");
  JsonObject *record = json_object_get_object_member(object_of(done), "record");
  g_assert_cmpint(json_object_get_int_member(record, "id"), ==, 1);
  g_autoptr(HttpReply) absent = http_get(f->url, "/v1/inspections/b");
  assert_problem(absent, 404, "no image with this key");
  g_autoptr(HttpReply) stranger = hand_in_later(f, "&callback=http://127.0.0.1:1/", "c", image);
  assert_problem(stranger, 403, "does not call this address");
  g_autoptr(HttpReply) beside = hand_in_later(f, "&callback=http://127.0.0.1:1/toldx", "c", image);
  assert_problem(beside, 403, "does not call this address");
  g_autoptr(HttpReply) friend = hand_in_later(f, "&callback=http://127.0.0.1:1/told/1", "c", image);
  g_assert_cmpuint(friend->status, ==, 202);
  g_autoptr(HttpReply) now = http_ask(f->url, "POST", INSPECTIONS "?callback=http://127.0.0.1:1/",
                                      "Content-Type: image/png\r\n", image);
  assert_problem(now, 400, "wait=false");
}

/* ---- who may what ---- */

/* The API's routes; {} is filled in with what is there or not, as it does not matter. */
static const struct {
  const char *method, *path;
  VelmRole role;
} routes[] = {
    {"GET", "/healthz", VELM_ROLE_NOBODY},
    {"GET", "/readyz", VELM_ROLE_NOBODY},
    {"GET", "/metrics", VELM_ROLE_LINE},
    {"GET", "/openapi.yaml", VELM_ROLE_NOBODY},
    {"GET", "/v1/session", VELM_ROLE_NOBODY},
    {"POST", "/v1/session", VELM_ROLE_NOBODY},
    {"DELETE", "/v1/session", VELM_ROLE_NOBODY},
    {"GET", "/v1/products", VELM_ROLE_LINE},
    {"GET", "/v1/products/{}", VELM_ROLE_LINE},
    {"POST", "/v1/products/{}/reload", VELM_ROLE_ENGINEER},
    {"PUT", "/v1/products/{}/spec", VELM_ROLE_ENGINEER},
    {"POST", "/v1/products/{}/spec/check", VELM_ROLE_ENGINEER},
    {"GET", "/v1/products/{}/specs", VELM_ROLE_ENGINEER},
    {"POST", "/v1/products/{}/classes", VELM_ROLE_ENGINEER},
    {"GET", "/v1/products/{}/versions", VELM_ROLE_OPERATOR},
    {"PUT", "/v1/products/{}/version", VELM_ROLE_ENGINEER},
    {"POST", "/v1/products/{}/jobs", VELM_ROLE_ENGINEER},
    {"GET", "/v1/jobs", VELM_ROLE_OPERATOR},
    {"GET", "/v1/jobs/{}", VELM_ROLE_OPERATOR},
    {"DELETE", "/v1/jobs/{}", VELM_ROLE_ENGINEER},
    {"POST", "/v1/products/{}/inspections", VELM_ROLE_LINE},
    {"GET", "/v1/inspections/{}", VELM_ROLE_LINE},
    {"POST", "/v1/cameras/{}/trigger", VELM_ROLE_LINE},
    {"GET", "/v1/records", VELM_ROLE_OPERATOR},
    {"GET", "/v1/records/export", VELM_ROLE_OPERATOR},
    {"GET", "/v1/records/{}", VELM_ROLE_LINE},
    {"GET", "/v1/records/{}/image", VELM_ROLE_OPERATOR},
    {"GET", "/v1/records/{}/picture", VELM_ROLE_OPERATOR},
    {"GET", "/v1/records/{}/prompt", VELM_ROLE_LINE},
    {"POST", "/v1/records/{}/reviews", VELM_ROLE_OPERATOR},
    {"GET", "/v1/stations", VELM_ROLE_OPERATOR},
    {"GET", "/v1/stats", VELM_ROLE_OPERATOR},
    {"GET", "/v1/audit", VELM_ROLE_ENGINEER},
    {"GET", "/v1/events", VELM_ROLE_OPERATOR},
};

static char *fill_in(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "{}", 2);
  return g_strjoinv("1", parts);
}

/* The status that a request without a body gets; @token: (nullable). */
static guint status_of(const StationFixture *f, const char *method, const char *path,
                       const char *token) {
  g_autoptr(HttpClient) client = http_client_new(f->url);
  g_autofree char *header = token ? g_strdup_printf("Authorization: Bearer %s\r\n", token) : NULL;
  http_client_ask(client, method, path, header, NULL);
  g_autoptr(HttpReply) reply = http_client_receive_head(client);
  g_assert_nonnull(reply);
  return reply->status;
}

static void test_roles(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const tokens[] = {NULL, TOKEN_LINE, TOKEN_OPERATOR, TOKEN_ENGINEER};
  station_use_tokens(f);
  station_start(f);
  for (gsize i = 0; i < G_N_ELEMENTS(routes); i++)
    for (VelmRole role = VELM_ROLE_NOBODY; role <= VELM_ROLE_ENGINEER; role++) {
      g_autofree char *path = fill_in(routes[i].path);
      guint status = status_of(f, routes[i].method, path, tokens[role]);
      g_test_message("%s %s %u: %u", routes[i].method, path, role, status);
      if (role >= routes[i].role)
        g_assert_true(status != 401 && status != 403);
      else
        g_assert_cmpuint(status, ==, role == VELM_ROLE_NOBODY ? 401 : 403);
    }
}

/* The rows of the table in the server's source, so that none is left out above. */
static void test_routes_in_source(void) {
  g_autofree char *source = g_test_build_filename(G_TEST_DIST, "..", "src", "serve", "api.c", NULL);
  g_autofree char *text = NULL;
  guint n = 0;
  g_assert_true(g_file_get_contents(source, &text, NULL, NULL));
  const char *table = strstr(text, "routes[] = {");
  g_assert_nonnull(table);
  g_autofree char *rows = g_strndup(table, (gsize)(strstr(table, "};") - table));
  for (const char *row = rows; (row = strstr(row, "{\"")); row++)
    n++;
  for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
    g_autofree char *row = g_strdup_printf("{\"%s\", \"%s\",", routes[i].method, routes[i].path);
    assert_contains(rows, row);
  }
  g_assert_cmpuint(n, ==, G_N_ELEMENTS(routes));
}

/* The description's operations, "GET /v1/records/{}". Returns: (transfer full). */
static GPtrArray *described(const char *yaml) {
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GRegex) hole = g_regex_new("\\{[a-z]+\\}", 0, 0, NULL);
  g_auto(GStrv) lines = g_strsplit(yaml, "\n", -1);
  g_autofree char *path = NULL;
  gboolean in_paths = FALSE;
  for (char **line = lines; *line; line++) {
    gsize length = strlen(*line), indent = strspn(*line, " ");
    if (indent == 0 && length > 0)
      in_paths = g_str_equal(*line, "paths:");
    if (!in_paths || length == 0 || (*line)[length - 1] != ':')
      continue;
    g_autofree char *key = g_strndup(*line + indent, length - indent - 1);
    if (indent == 2) {
      g_free(path);
      path = g_regex_replace_literal(hole, key, -1, 0, "{}", 0, NULL);
    } else if (indent == 4 && !g_str_equal(key, "parameters")) {
      g_autofree char *method = g_ascii_strup(key, -1);
      g_ptr_array_add(found, g_strdup_printf("%s %s", method, path));
    }
  }
  return found;
}

static gboolean is_there(const StationFixture *f, const char *operation) {
  const char *space = strchr(operation, ' ');
  g_autofree char *method = g_strndup(operation, (gsize)(space - operation));
  g_autofree char *path = fill_in(space + 1);
  /* Nobody is let in, but where there is nothing. */
  guint status = status_of(f, method, path, NULL);
  return status != 404 && status != 405;
}

/* What is described is there, and what is there is described. */
static void test_description(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_tokens(f);
  station_start(f);
  g_autofree char *yaml = get_text(f, "/openapi.yaml");
  g_autoptr(GPtrArray) operations = described(yaml);
  for (guint i = 0; i < operations->len; i++) {
    g_test_message("%s", (const char *)operations->pdata[i]);
    g_assert_true(is_there(f, operations->pdata[i]));
  }
  g_assert_cmpuint(operations->len, ==, G_N_ELEMENTS(routes));
  for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
    g_autofree char *operation = g_strdup_printf("%s %s", routes[i].method, routes[i].path);
    g_test_message("%s", operation);
    g_assert_true(g_ptr_array_find_with_equal_func(operations, operation, g_str_equal, NULL));
  }
}

static void test_methods(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  g_autoptr(HttpReply) wrong = http_ask(f->url, "DELETE", "/v1/records/1", NULL, NULL);
  g_autofree char *allow = http_reply_header(wrong, "Allow");
  g_assert_cmpuint(wrong->status, ==, 405);
  g_assert_cmpstr(allow, ==, "GET");
  g_autoptr(HttpReply) both = http_ask(f->url, "PUT", "/v1/session", NULL, NULL);
  g_autofree char *all = http_reply_header(both, "Allow");
  g_assert_cmpstr(all, ==, "GET, POST, DELETE");
  g_autoptr(HttpReply) absent = http_get(f->url, "/v1/absent");
  assert_problem(absent, 404, "there is nothing at this address");
  g_autoptr(HttpReply) head = http_ask(f->url, "HEAD", "/healthz", NULL, NULL);
  g_assert_cmpuint(head->status, ==, 200);
  g_autofree char *kept = http_reply_header(head, "Cache-Control");
  g_autofree char *sniff = http_reply_header(head, "X-Content-Type-Options");
  g_assert_cmpstr(kept, ==, "no-store");
  g_assert_cmpstr(sniff, ==, "nosniff");
}

/* Ten wrong ones, wherever they are tried, and this address has to wait, with a right one too. */
static guint count_parts(const StationFixture *f, const char *headers) {
  g_autoptr(HttpReply) reply = http_ask(f->url, "GET", "/readyz", headers, NULL);
  g_autoptr(JsonNode) node = http_reply_json(reply);
  g_assert_nonnull(text_of(node, "state"));
  return json_array_get_length(json_object_get_array_member(object_of(node), "parts"));
}

/* What the station is made of is nobody's business who has no token. */
static void test_strangers(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_tokens(f);
  station_start(f);
  g_assert_cmpuint(count_parts(f, ""), ==, 0);
  g_assert_cmpuint(count_parts(f, "Authorization: Bearer " TOKEN_LINE "\r\n"), ==, 3);
}

static void test_wrong_tokens(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char wrong[] = "Authorization: Bearer wrong-token-0123456789\r\n";
  station_use_tokens(f);
  station_start(f);
  for (guint i = 0; i < 10; i++) {
    g_autoptr(HttpReply) reply =
        i % 3 == 0 ? http_ask(f->url, "GET", "/v1/products", wrong, NULL)
        : i % 3 == 1
            ? http_ask(f->url, "GET", "/v1/session", wrong, NULL)
            : station_send_json(f, "POST", "/v1/session", "{\"token\":\"wrong-token-0123456789\"}");
    g_assert_cmpuint(reply->status, ==, i % 3 == 1 ? 200 : 401);
    g_assert_null(strstr(http_reply_text(reply), "wrong-token"));
  }
  g_autoptr(HttpReply) late = http_ask(f->url, "GET", "/v1/products", wrong, NULL);
  assert_problem(late, 429, NULL);
  g_autofree char *retry = http_reply_header(late, "Retry-After");
  g_assert_cmpstr(retry, ==, "5");
  g_assert_cmpuint(status_of(f, "GET", "/v1/products", TOKEN_LINE), ==, 429);
  g_autoptr(HttpReply) sign_in =
      station_send_json(f, "POST", "/v1/session", "{\"token\":\"" TOKEN_LINE "\"}");
  assert_problem(sign_in, 429, NULL);
}

static void test_too_many_requests(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.per_second = 2;
  station_start(f);
  guint n = 0;
  for (; n < 100 && status_of(f, "GET", "/healthz", NULL) == 200; n++)
    ;
  g_assert_cmpuint(n, >=, 8);
  g_assert_cmpuint(n, <, 100);
}

static void test_session(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_tokens(f);
  station_start(f);
  g_autoptr(HttpReply) signed_in =
      station_send_json(f, "POST", "/v1/session", "{\"token\":\"" TOKEN_OPERATOR "\"}");
  g_assert_cmpuint(signed_in->status, ==, 200);
  g_autofree char *cookie = http_reply_header(signed_in, "Set-Cookie");
  assert_contains(cookie, "; HttpOnly");
  assert_contains(cookie, "; SameSite=Strict");
  g_assert_null(strstr(cookie, TOKEN_OPERATOR));
  g_autofree char *value = g_strndup(cookie, strcspn(cookie, ";"));
  g_autofree char *header = g_strdup_printf("Cookie: %s\r\n", value);
  g_autoptr(HttpReply) session = http_ask(f->url, "GET", "/v1/session", header, NULL);
  g_autoptr(JsonNode) node = http_reply_json(session);
  g_assert_cmpstr(text_of(node, "role"), ==, "operator");
  g_assert_cmpstr(text_of(node, "name"), ==, "anna");
  g_autoptr(HttpReply) records = http_ask(f->url, "GET", "/v1/records", header, NULL);
  g_assert_cmpuint(records->status, ==, 200);
  g_autoptr(HttpReply) audit = http_ask(f->url, "GET", "/v1/audit", header, NULL);
  g_assert_cmpuint(audit->status, ==, 403);
  g_autoptr(HttpReply) signed_out = http_ask(f->url, "DELETE", "/v1/session", header, NULL);
  g_assert_cmpuint(signed_out->status, ==, 204);
  g_autoptr(HttpReply) after = http_ask(f->url, "GET", "/v1/records", header, NULL);
  assert_problem(after, 401, NULL);
  g_autoptr(HttpReply) none = http_get(f->url, "/v1/session");
  g_assert_cmpstr(http_reply_text(none), ==, "{\"role\":null,\"name\":null,\"tokens\":true}");
}

/* A review is by who has the token, whatever it says. */
static void test_reviewer(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_tokens(f);
  station_start(f);
  g_autoptr(GBytes) image = small_product_image("good", 0);
  station_add(f, "k", image);
  g_autoptr(GBytes) body = text_bytes("{\"verdict\":\"good\",\"who\":\"somebody\"}");
  g_autoptr(HttpReply) reply = http_ask(
      f->url, "POST", "/v1/records/1/reviews",
      "Content-Type: application/json\r\nAuthorization: Bearer " TOKEN_OPERATOR "\r\n", body);
  g_assert_cmpuint(reply->status, ==, 201);
  assert_contains(http_reply_text(reply), "\"who\":\"anna\"");
}

/* ---- pages of others ---- */

static void test_foreign_origin(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_start(f);
  const char *host = f->url + strlen("http://");
  g_autofree char *own = g_strdup_printf("Origin: http://%s\r\n", host);
  g_autofree char *tls = g_strdup_printf("Origin: https://%s\r\n", host);
  const char *const foreign[] = {"Origin: http://evil.example\r\n", "Origin: null\r\n",
                                 "Origin: http://127.0.0.1\r\n", tls};
  for (gsize i = 0; i < G_N_ELEMENTS(foreign); i++) {
    g_autoptr(HttpReply) reply =
        http_ask(f->url, "POST", "/v1/products/" PRODUCT "/reload", foreign[i], NULL);
    assert_problem(reply, 403, "another site");
  }
  g_autoptr(HttpReply) reply =
      http_ask(f->url, "POST", "/v1/products/" PRODUCT "/reload", own, NULL);
  g_assert_cmpuint(reply->status, ==, 202);
}

static void test_foreign_host(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *header;
    guint status;
  } cases[] = {{"Host: evil.example\r\n", 403},
               {"Host: evil.example:80\r\n", 403},
               {"Host: 127.0.0.1.evil.example\r\n", 403},
               {"Host: localhost:1\r\n", 200},
               {"Host: localhost\r\n", 200},
               {"Host: [::1]:8080\r\n", 200},
               {"Host: [::1]\r\n", 200},
               {"Host: 127.0.0.1:8080\r\n", 200}};
  station_start(f);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("%s", cases[i].header);
    g_autoptr(HttpReply) reply = http_ask(f->url, "GET", "/v1/records", cases[i].header, NULL);
    g_assert_cmpuint(reply->status, ==, cases[i].status);
  }
}

/* With tokens a station may have any name. */
static void test_host_with_tokens(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  station_use_tokens(f);
  station_start(f);
  g_autoptr(HttpReply) reply =
      http_ask(f->url, "GET", "/v1/products",
               "Host: station.example\r\nAuthorization: Bearer " TOKEN_LINE "\r\n", NULL);
  g_assert_cmpuint(reply->status, ==, 200);
}

static void test_reach(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(f->folder, "data", NULL);
  g_autoptr(VelmStation) station = velm_station_new(folder, &error);
  g_assert_no_error(error);
  f->params.http.listen = "0.0.0.0:0";
  g_autoptr(VelmApi) refused = velm_api_new(station, &f->params, &error);
  g_assert_null(refused);
  assert_failure(&error, VELM_ERROR_USAGE, "--tokens");
  station_use_tokens(f);
  g_autoptr(VelmApi) api = velm_api_new(station, &f->params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(api);
}

#define ADD(path, test)                                                                            \
  g_test_add("/station_api/" path, StationFixture, NULL, station_set_up, test, station_tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  /* Not warnings: libvips warns of each damaged file. */
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  small_product_set_up();
  ADD("readiness", test_readiness);
  ADD("products", test_products);
  ADD("inspect/keys", test_inspect);
  ADD("inspect/same_key_at_once", test_same_key_at_once);
  ADD("inspect/named", test_named);
  ADD("inspect/made_by", test_made_by);
  ADD("inspect/damaged", test_damaged_image);
  ADD("inspect/wrong", test_wrong_bodies);
  ADD("inspect/too_large", test_too_large);
  ADD("inspect/queue_full", test_queue_full);
  ADD("stop/opening", test_stop_while_opening);
  ADD("stop/failing", test_stop_while_failing);
  ADD("model/reload", test_reload);
  ADD("model/reload_under_load", test_reload_under_load);
  ADD("camera/trigger", test_trigger);
  ADD("model/garbage", test_garbage_model);
  ADD("records/list", test_list);
  ADD("records/stations", test_stations);
  ADD("records/list_wrong", test_list_wrong);
  ADD("records/one", test_record);
  ADD("records/pictures", test_pictures);
  ADD("export/csv", test_export_csv);
  ADD("export/csv_quotes", test_export_csv_quotes);
  ADD("export/jsonl", test_export_jsonl);
  ADD("export/coco", test_export_coco);
  ADD("reviews", test_reviews);
  ADD("reviews/wrong", test_reviews_wrong);
  ADD("events", test_events);
  ADD("events/followers", test_followers);
  ADD("metrics", test_metrics);
  ADD("stats", test_stats);
  ADD("inspect/later", test_later);
  ADD("spec/check", test_check_spec);
  ADD("spec/put", test_put_spec);
  ADD("access/roles", test_roles);
  ADD("access/strangers", test_strangers);
  ADD("access/wrong_tokens", test_wrong_tokens);
  ADD("access/too_many", test_too_many_requests);
  ADD("access/session", test_session);
  ADD("access/reviewer", test_reviewer);
  ADD("access/reach", test_reach);
  ADD("foreign/origin", test_foreign_origin);
  ADD("foreign/host", test_foreign_host);
  ADD("foreign/host_with_tokens", test_host_with_tokens);
  ADD("routes/description", test_description);
  ADD("routes/methods", test_methods);
  g_test_add_func("/station_api/routes/source", test_routes_in_source);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
