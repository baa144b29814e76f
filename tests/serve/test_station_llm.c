/* The language model at the station: what is kept of it, what it costs, and that the line goes on
 * without it. */
#include "classify/scripted_server.h"
#include "core/file.h"
#include "core/json_member.h"
#include "core/scratch.h"
#include "serve/station_fixture.h"

#include <string.h>

#define KEY "sk-secret-of-the-station-4711"
#define MODELS "{\"data\":[{\"id\":\"scripted\"}]}"
#define ANSWER "{\"class\":\"scratch\",\"reason\":\"a bright line\"}"
#define ANSWER_WITH_KEY "{\"class\":\"scratch\",\"reason\":\"a line\",\"key\":\"" KEY "\"}"

/* Far below what waiting for each part would take, far over what a busy machine adds. */
#define SOON_US (20 * G_USEC_PER_SEC)

enum { LIST, REPLY, FAILING, STALLED }; /* the replies of the script */

/* ---- the server ---- */

/* @data: which reply a question gets; that of FAILING and STALLED is also the list's. */
static guint by_path(const ScriptedRequest *request, G_GNUC_UNUSED guint number,
                     G_GNUC_UNUSED guint seen, gpointer data) {
  guint reply = GPOINTER_TO_UINT(data);
  return g_str_has_suffix(request->path, "/models") && reply == REPLY ? LIST : reply;
}

static void behave(ScriptedServer *server, guint reply) {
  scripted_server_set_plan(server, by_path, GUINT_TO_POINTER(reply));
}

/* @answer: (nullable): the model's words. */
static ScriptedServer *server_new(guint16 port, const char *answer) {
  g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), answer ? answer : ANSWER);
  g_autofree char *quoted = json_to_string(node, FALSE);
  g_autofree char *body =
      g_strdup_printf("{\"choices\":[{\"message\":{\"content\":%s}}],"
                      "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":10}}",
                      quoted);
  ScriptedServer *server = scripted_server_new_at(port);
  scripted_server_reply(server, 200, NULL, MODELS);
  scripted_server_reply(server, 200, NULL, body);
  scripted_server_reply(server, 500, NULL, "out of memory");
  scripted_server_fault(server, SCRIPTED_STALLED);
  behave(server, REPLY);
  return server;
}

static guint16 port_of(const ScriptedServer *server) {
  g_autoptr(GUri) uri = g_uri_parse(scripted_server_endpoint(server), G_URI_FLAGS_NONE, NULL);
  return (guint16)g_uri_get_port(uri);
}

/* The last question that came. */
static JsonNode *last_question(ScriptedServer *server) {
  for (guint i = scripted_server_n_requests(server); i > 0; i--) {
    const ScriptedRequest *request = scripted_server_request(server, i - 1);
    if (g_str_has_suffix(request->path, "/completions"))
      return velm_json_parse_object(request->body, strlen(request->body));
  }
  return NULL;
}

static guint count_questions(ScriptedServer *server) {
  guint n = 0;
  for (guint i = 0; i < scripted_server_n_requests(server); i++)
    n += g_str_has_suffix(scripted_server_request(server, i)->path, "/completions");
  return n;
}

/* ---- the station ---- */

typedef struct {
  StationFixture station;
  char *endpoint, *part, *cache, *prices;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  station_set_up(&f->station, data);
  f->station.spec = g_strdup(small_product_spec());
  f->station.inspector.llm.fail_fast = TRUE;
}

static void tear_down(Fixture *f, gconstpointer data) {
  station_tear_down(&f->station, data);
  g_free(f->endpoint);
  g_free(f->part);
  g_free(f->cache);
  g_free(f->prices);
}

/* The endpoint has a password. */
static void start(Fixture *f, const char *classifier, guint16 port) {
  f->endpoint = g_strdup_printf("http://velm:hidden-word@127.0.0.1:%u/v1", port);
  f->part = g_strdup_printf("llm 127.0.0.1:%u", port);
  f->station.inspector.classifier = classifier;
  f->station.inspector.llm.endpoint = f->endpoint;
  station_start(&f->station);
}

static void use_taught(Fixture *f) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_file_read(small_product_taught(), &error);
  g_assert_no_error(error);
  velm_file_write(f->station.model, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  g_assert_no_error(error);
}

static JsonNode *get(Fixture *f, const char *format, gint64 id) {
  g_autofree char *path = g_strdup_printf("%s%" G_GINT64_FORMAT "%s", "/v1/records/", id, format);
  g_autoptr(HttpReply) reply = http_get(f->station.url, path);
  g_assert_cmpuint(reply->status, ==, 200);
  g_assert_null(strstr(http_reply_text(reply), KEY));
  g_assert_null(strstr(http_reply_text(reply), "hidden-word"));
  return http_reply_json(reply);
}

static const char *text_of(JsonNode *node, const char *member) {
  return json_object_get_string_member_with_default(json_node_get_object(node), member, NULL);
}

static JsonObject *inspection_of(JsonNode *record) {
  return json_object_get_object_member(json_node_get_object(record), "inspection");
}

static void assert_contains(const char *text, const char *words) {
  if (!text || !strstr(text, words))
    g_error("\"%s\" is not in: %s", words, text);
}

/* A black image is anomalous; @number makes it another. */
static gint64 add(Fixture *f, guint number) {
  g_autoptr(GBytes) image = small_product_black(100 + (int)number, 50);
  return station_add(&f->station, NULL, image);
}

/* The part of the language model in @readiness. */
static JsonObject *llm_part(Fixture *f, JsonNode *readiness) {
  JsonArray *parts = json_object_get_array_member(json_node_get_object(readiness), "parts");
  for (guint i = 0; i < json_array_get_length(parts); i++) {
    JsonObject *part = json_array_get_object_element(parts, i);
    if (g_str_equal(json_object_get_string_member(part, "name"), f->part))
      return part;
  }
  return NULL;
}

static void wait_degraded(Fixture *f, const char *why) {
  g_autoptr(JsonNode) readiness = station_wait_for(&f->station, "degraded");
  JsonObject *part = llm_part(f, readiness);
  const char *reason = json_object_get_string_member_with_default(part, "reason", NULL);
  g_assert_cmpstr(json_object_get_string_member(part, "state"), ==, "degraded");
  assert_contains(reason, why);
  assert_contains(reason, f->part + strlen("llm "));
  g_assert_null(strstr(reason, "hidden-word"));
}

/* It may be ready before it is known whether the server is there. */
static void wait_ready(Fixture *f) {
  for (;;) {
    g_autoptr(JsonNode) readiness = station_wait_for(&f->station, "ready");
    const char *state = json_object_get_string_member(llm_part(f, readiness), "state");
    if (g_str_equal(state, "ready"))
      return;
    g_assert_cmpstr(state, ==, "starting");
    g_usleep(10000);
  }
}

/* ---- what was sent ---- */

/* The text and the images of a question. */
static void assert_sent(JsonNode *prompt, JsonNode *question) {
  JsonArray *messages = json_object_get_array_member(json_node_get_object(question), "messages");
  g_assert_cmpuint(json_array_get_length(messages), ==, 1);
  JsonArray *content =
      json_object_get_array_member(json_array_get_object_element(messages, 0), "content");
  JsonArray *images = json_object_get_array_member(json_node_get_object(prompt), "images");
  g_assert_cmpstr(text_of(prompt, "text"), ==,
                  json_object_get_string_member(json_array_get_object_element(content, 0), "text"));
  g_assert_cmpuint(json_array_get_length(images), ==, json_array_get_length(content) - 1);
  g_assert_cmpuint(json_array_get_length(images), >=, 2);
  g_assert_cmpstr(json_array_get_string_element(images, json_array_get_length(images) - 1), ==,
                  "outlined");
}

static void test_prompt(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_setenv("OPENAI_API_KEY", KEY, TRUE);
  g_autoptr(ScriptedServer) server = server_new(0, ANSWER_WITH_KEY);
  start(f, "mllm", port_of(server));
  gint64 id = add(f, 0);
  g_unsetenv("OPENAI_API_KEY");
  g_autoptr(JsonNode) prompt = get(f, "/prompt", id), question = last_question(server);
  assert_sent(prompt, question);
  g_assert_cmpstr(text_of(prompt, "model"), ==, "scripted");
  assert_contains(text_of(prompt, "answer"), "\"key\":\"[key]\"");
  g_assert_cmpstr(text_of(prompt, "failure"), ==, NULL);
  g_assert_false(json_object_get_boolean_member(json_node_get_object(prompt), "cached"));
  g_autoptr(JsonNode) record = get(f, "", id);
  g_assert_cmpstr(json_object_get_string_member(inspection_of(record), "reason"), ==, "a line");
}

/* An answer out of the cache says so. */
static void test_cached(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) server = server_new(0, NULL);
  f->cache = g_build_filename(f->station.folder, "answers.sqlite", NULL);
  f->station.inspector.llm.cache = f->cache;
  start(f, "mllm", port_of(server));
  gint64 first = add(f, 0), second = add(f, 0);
  g_assert_cmpuint(count_questions(server), ==, 1);
  g_autoptr(JsonNode) asked = get(f, "/prompt", first), cached = get(f, "/prompt", second);
  JsonObject *object = json_node_get_object(cached);
  g_assert_true(json_object_get_boolean_member(object, "cached"));
  g_assert_cmpint(json_object_get_int_member(object, "requests"), ==, 0);
  g_assert_cmpstr(text_of(cached, "text"), ==, text_of(asked, "text"));
  g_assert_cmpstr(text_of(cached, "answer"), ==, ANSWER);
  g_assert_cmpstr(text_of(asked, "answer"), ==, ANSWER);
}

/* An answer that cannot be used is kept with why. */
static void test_no_such_class(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) server = server_new(0, "{\"class\":\"moon\"}");
  start(f, "mllm", port_of(server));
  gint64 id = add(f, 0);
  g_autoptr(JsonNode) prompt = get(f, "/prompt", id), question = last_question(server),
                      record = get(f, "", id);
  assert_sent(prompt, question);
  g_assert_cmpint(json_object_get_int_member(json_node_get_object(prompt), "requests"), ==, 2);
  g_assert_cmpstr(text_of(prompt, "answer"), ==, "{\"class\":\"moon\"}");
  assert_contains(text_of(prompt, "failure"), "the spec does not have: \"moon\"");
  g_assert_cmpstr(text_of(record, "class"), ==, "unclassified");
  g_assert_cmpstr(text_of(record, "decision"), ==, "review");
}

/* ---- what it cost ---- */

static void assert_use(JsonObject *owner, gint64 requests, gint64 tokens, double usd) {
  JsonObject *use = json_object_get_object_member(owner, "llm");
  g_assert_cmpint(json_object_get_int_member(use, "requests"), ==, requests);
  g_assert_cmpint(json_object_get_int_member(use, "tokens"), ==, tokens);
  g_assert_true(json_object_get_null_member(use, "usd") == (usd < 0));
  if (usd >= 0)
    g_assert_cmpfloat_with_epsilon(json_object_get_double_member(use, "usd"), usd, 1e-9);
}

static void assert_stats(Fixture *f, gint64 requests, double usd) {
  g_autoptr(HttpReply) reply = http_get(f->station.url, "/v1/stats");
  g_autoptr(JsonNode) stats = http_reply_json(reply);
  JsonArray *series = json_object_get_array_member(json_node_get_object(stats), "series");
  gint64 sum = 0;
  assert_use(json_node_get_object(stats), requests, 1010 * requests, usd);
  for (guint i = 0; i < json_array_get_length(series); i++) {
    JsonObject *use =
        json_object_get_object_member(json_array_get_object_element(series, i), "llm");
    sum += json_object_get_int_member(use, "tokens");
  }
  g_assert_cmpint(sum, ==, 1010 * requests);
}

static void test_cost(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char prices[] = "scripted: {prompt: 2, completion: 10}\n";
  g_autoptr(ScriptedServer) server = server_new(0, NULL);
  f->prices = scratch_write(f->station.folder, "prices.yaml", prices, strlen(prices));
  f->station.inspector.llm.prices = f->prices;
  start(f, "mllm", port_of(server));
  for (guint i = 0; i < 3; i++)
    add(f, i);
  assert_stats(f, 3, 3 * 0.0021);
}

static void test_cost_without_prices(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) server = server_new(0, NULL);
  start(f, "mllm", port_of(server));
  add(f, 0);
  assert_stats(f, 1, -1);
}

/* ---- a server that is away ---- */

static void assert_unclassified(Fixture *f, gint64 id, const char *why) {
  g_autoptr(JsonNode) record = get(f, "", id);
  g_assert_cmpstr(text_of(record, "class"), ==, "unclassified");
  g_assert_cmpstr(text_of(record, "decision"), ==, "review");
  assert_contains(json_object_get_string_member(inspection_of(record), "error"), why);
}

static void assert_answered(Fixture *f, gint64 id) {
  g_autoptr(JsonNode) record = get(f, "", id);
  g_assert_cmpstr(text_of(record, "class"), ==, "scratch");
  g_assert_cmpstr(json_object_get_string_member(inspection_of(record), "stage"), ==, "mllm");
}

/* From the start: nobody waits, and it is seen when it is there though no image comes. */
static void test_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  ScriptedServer *before = scripted_server_new();
  guint16 port = port_of(before);
  scripted_server_free(before);
  start(f, "mllm", port);
  gint64 begun = g_get_monotonic_time();
  for (guint i = 0; i < 4; i++)
    assert_unclassified(f, add(f, i), "as it is away: ");
  g_assert_cmpint(g_get_monotonic_time() - begun, <, SOON_US);
  wait_degraded(f, "/v1/models");
  g_autoptr(HttpReply) none = http_get(f->station.url, "/v1/records/1/prompt");
  g_assert_cmpuint(none->status, ==, 404);
  assert_contains(http_reply_text(none), "no language model was asked");
  assert_stats(f, 0, -1);
  g_autoptr(ScriptedServer) server = server_new(port, NULL);
  wait_ready(f);
  assert_answered(f, add(f, 9));
}

/* It takes questions and says nothing: only the part that it was just asked about waits. */
static void test_stalled(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) server = server_new(0, NULL);
  f->station.inspector.llm.timeout_s = 2;
  start(f, "mllm", port_of(server));
  wait_ready(f);
  assert_answered(f, add(f, 0));
  behave(server, STALLED);
  gint64 id = add(f, 1);
  assert_unclassified(f, id, "");
  guint asked = count_questions(server);
  for (guint i = 2; i < 8; i++)
    assert_unclassified(f, add(f, i), "as it is away: ");
  g_assert_cmpuint(count_questions(server), ==, asked);
  wait_degraded(f, "");
  g_autoptr(JsonNode) prompt = get(f, "/prompt", id);
  g_assert_nonnull(text_of(prompt, "failure"));
  g_assert_cmpstr(text_of(prompt, "answer"), ==, NULL);
}

static void test_failing(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) server = server_new(0, NULL);
  start(f, "mllm", port_of(server));
  wait_ready(f);
  behave(server, FAILING);
  assert_unclassified(f, add(f, 0), "HTTP 500: out of memory");
  assert_unclassified(f, add(f, 1), "as it is away: ");
  wait_degraded(f, "HTTP 500: out of memory");
}

static void assert_fallback(Fixture *f, gint64 id) {
  g_autoptr(JsonNode) record = get(f, "", id);
  JsonObject *inspection = inspection_of(record);
  g_assert_cmpstr(json_object_get_string_member(inspection, "stage"), ==, "fewshot");
  g_assert_true(json_object_get_boolean_member(inspection, "fallback"));
  assert_contains(json_object_get_string_member(inspection, "stage_reason"), "gave no answer: ");
  g_assert_cmpstr(text_of(record, "class"), !=, "unclassified");
}

/* It goes away in the middle, and comes back. */
static void test_cascade(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  ScriptedServer *server = server_new(0, NULL);
  guint16 port = port_of(server);
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  use_taught(f);
  start(f, "cascade", port);
  wait_ready(f);
  assert_answered(f, station_add(&f->station, NULL, image));
  scripted_server_free(server);
  gint64 begun = g_get_monotonic_time();
  for (guint i = 0; i < 4; i++)
    assert_fallback(f, station_add(&f->station, NULL, image));
  g_assert_cmpint(g_get_monotonic_time() - begun, <, SOON_US);
  wait_degraded(f, "http://127.0.0.1:");
  g_autoptr(ScriptedServer) again = server_new(port, NULL);
  wait_ready(f);
  assert_answered(f, station_add(&f->station, NULL, image));
}

#define ADD(path, test) g_test_add("/station_llm/" path, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv) {
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_unsetenv("OPENAI_BASE_URL");
  g_unsetenv("OPENAI_API_KEY");
  g_test_init(&argc, &argv, NULL);
  small_product_set_up();
  ADD("prompt/sent", test_prompt);
  ADD("prompt/cached", test_cached);
  ADD("prompt/no_such_class", test_no_such_class);
  ADD("cost/prices", test_cost);
  ADD("cost/requests", test_cost_without_prices);
  ADD("away/refused", test_refused);
  ADD("away/stalled", test_stalled);
  ADD("away/failing", test_failing);
  ADD("away/cascade", test_cascade);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
