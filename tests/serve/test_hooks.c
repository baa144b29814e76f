/* What goes out by HTTP: each record by a webhook, those that were asked for by callbacks; and the
 * queue, whose images get the records. */
#include "serve/webhook_link.h"

#include "classify/scripted_server.h"
#include "core/json.h"
#include "core/postgres_server.h"
#include "core/scratch.h"
#include "serve/callback_link.h"
#include "serve/line_fixture.h"
#include "serve/readiness.h"
#include "serve/webhook.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "a key that nobody is to see"

typedef struct {
  LineFixture station;
  ScriptedServer *server;
  VelmLink *link;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  line_set_up(&f->station, data);
  f->server = scripted_server_new();
}

static void tear_down(Fixture *f, gconstpointer data) {
  line_tear_down(&f->station, data);
  scripted_server_free(f->server);
}

/* A station that sends records to @url. */
static void open_webhook(Fixture *f, const char *url, const char *key) {
  line_make(&f->station);
  f->link = line_add_link(&f->station,
                          velm_webhook_link_new(f->station.station, url, key, &f->station.error));
  line_start(&f->station);
}

/* One that sends those that were asked for. */
static void open_callbacks(Fixture *f) {
  line_make(&f->station);
  f->link = line_add_link(&f->station,
                          velm_callback_link_new(f->station.station, KEY, &f->station.error));
  line_start(&f->station);
}

static gint64 inspect(Fixture *f, guint number) {
  g_autofree char *key = g_strdup_printf("key %u", number);
  return line_inspect(&f->station, key, number);
}

static void wait_for_requests(Fixture *f, guint n) {
  line_wait_for(scripted_server_n_requests(f->server) >= n);
}

/* The number of the record that request @index tells of. */
static gint64 told(Fixture *f, guint index) {
  g_autoptr(GError) error = NULL;
  const ScriptedRequest *request = scripted_server_request(f->server, index);
  g_assert_cmpstr(request->method, ==, "POST");
  g_autoptr(JsonNode) json = json_from_string(request->body, &error);
  g_assert_no_error(error);
  return json_object_get_int_member(json_node_get_object(json), "id");
}

/* ---- webhooks ---- */

/* As who gets it checks it. */
static void assert_signed(const ScriptedRequest *request, const char *key) {
  const char *header = strstr(request->headers, "Velm-Signature: t=");
  g_assert_nonnull(header);
  g_auto(GStrv) lines = g_strsplit(header + strlen("Velm-Signature: t="), "\r\n", 2);
  g_auto(GStrv) parts = g_strsplit(lines[0], ",v1=", 2);
  gint64 age = g_get_real_time() / G_USEC_PER_SEC - g_ascii_strtoll(parts[0], NULL, 10);
  g_assert_true(age >= 0 && age < 100);
  g_autofree char *text = g_strconcat(parts[0], ".", request->body, NULL);
  g_autofree char *mac =
      g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)key, strlen(key), text, -1);
  g_assert_cmpstr(parts[1], ==, mac);
}

static void test_signed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  gint64 id = inspect(f, 0);
  wait_for_requests(f, 1);
  const ScriptedRequest *request = scripted_server_request(f->server, 0);
  assert_signed(request, KEY);
  g_assert_nonnull(strstr(request->headers, "Content-Type: application/json\r\n"));
  g_assert_cmpstr(request->path, ==, "/v1");
  g_assert_cmpint(told(f, 0), ==, id);
}

static void test_unsigned(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 204, NULL, "");
  open_webhook(f, scripted_server_endpoint(f->server), NULL);
  inspect(f, 0);
  wait_for_requests(f, 1);
  g_assert_null(strstr(scripted_server_request(f->server, 0)->headers, "Velm-Signature"));
}

static void test_order(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  gint64 first = inspect(f, 0);
  for (guint i = 1; i < 10; i++)
    g_assert_cmpint(inspect(f, i), ==, first + i);
  wait_for_requests(f, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpint(told(f, i), ==, first + i);
  line_end(&f->station);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 10);
}

/* Where stations share a store, each tells of its own images. */
static void test_own_records(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!postgres_server_is_installed()) {
    g_test_skip("there is no PostgreSQL");
    return;
  }
  f->station.database = postgres_server_new_database();
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  line_add_record_of(&f->station, "line-2", 1);
  gint64 submitted = line_add_record_of(&f->station, LINE_STATION, 2);
  line_add_record_of(&f->station, "line-2", 3);
  gint64 own = inspect(f, 0);
  wait_for_requests(f, 2);
  g_assert_cmpint(told(f, 0), ==, submitted);
  g_assert_cmpint(told(f, 1), ==, own);
  line_end(&f->station);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

static void test_refusals(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "{}");
  scripted_server_fault(f->server, SCRIPTED_RESET);
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  gint64 first = inspect(f, 0), second = inspect(f, 1);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "/v1: it answered with status 500"));
  wait_for_requests(f, 4);
  g_assert_cmpint(told(f, 0), ==, first);
  g_assert_cmpint(told(f, 1), ==, first);
  g_assert_cmpint(told(f, 2), ==, first);
  g_assert_cmpint(told(f, 3), ==, second);
  assert_signed(scripted_server_request(f->server, 2), KEY);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
}

static void test_redirection(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *location =
      g_strdup_printf("Location: %s/elsewhere\r\n", scripted_server_endpoint(f->server));
  scripted_server_reply(f->server, 307, location, "{}");
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  inspect(f, 0);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "status 307"));
  line_end(&f->station);
  for (guint i = 0; i < scripted_server_n_requests(f->server); i++)
    g_assert_cmpstr(scripted_server_request(f->server, i)->path, ==, "/v1");
}

/* The other end is there later than the station. */
static void test_not_there(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *address = line_free_address();
  g_autofree char *url = g_strdup_printf("http://%s/v1", address);
  open_webhook(f, url, KEY);
  gint64 id = inspect(f, 0);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, address));
  scripted_server_free(f->server);
  f->server = scripted_server_new_at((guint16)atoi(strchr(address, ':') + 1));
  scripted_server_reply(f->server, 200, NULL, "{}");
  wait_for_requests(f, 1);
  g_assert_cmpint(told(f, 0), ==, id);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
}

/* The first reply of the script, from when it lets; else the second, which refuses. */
static guint choose(const ScriptedRequest *request, guint number, guint seen, gpointer from) {
  return number >= (guint)g_atomic_int_get((gint *)from) ? 0 : 1;
}

static void reply_from(Fixture *f, gint *from) {
  scripted_server_reply(f->server, 200, NULL, "{}");
  scripted_server_reply(f->server, 503, NULL, "{}");
  scripted_server_set_plan(f->server, choose, from);
}

static void test_webhook_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint from = 0;
  reply_from(f, &from);
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  gint64 first = inspect(f, 0);
  wait_for_requests(f, 1);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  g_atomic_int_set(&from, G_MAXINT);
  for (guint i = 1; i < 4; i++)
    inspect(f, i);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "status 503"));
  line_end(&f->station);
  guint before = scripted_server_n_requests(f->server);
  g_assert_cmpint(told(f, before - 1), ==, first + 1);
  g_atomic_int_set(&from, 0);
  open_webhook(f, scripted_server_endpoint(f->server), KEY);
  wait_for_requests(f, before + 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint(told(f, before + i), ==, first + 1 + i);
  line_end(&f->station);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, before + 3);
}

/* What is told of a webhook that fails has neither its key nor what its address may hold. */
static void test_secrets(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url =
      g_strconcat(scripted_server_endpoint(f->server), "/in?token=hidden#hidden", NULL);
  scripted_server_reply(f->server, 403, NULL, KEY);
  open_webhook(f, url, KEY);
  inspect(f, 0);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "/v1/in: it answered"));
  g_autofree char *all = velm_readiness_to_json(f->station.station);
  g_assert_nonnull(strstr(all, "/v1/in: it answered"));
  g_assert_null(strstr(all, "hidden"));
  g_assert_null(strstr(all, KEY));
  const ScriptedRequest *request = scripted_server_request(f->server, 0);
  g_assert_cmpstr(request->path, ==, "/v1/in?token=hidden"); /* but it is sent */
  g_assert_null(strstr(request->headers, KEY));
  g_assert_null(strstr(request->body, KEY));
}

static void test_urls(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const good[] = {"http://line.example", "https://line.example:8443/a?b=c",
                                     "HTTP://[::1]:80/", "http://127.0.0.1/"};
  static const char *const bad[] = {"",
                                    "line.example/told",
                                    "ftp://line.example/",
                                    "file:///etc/passwd",
                                    "http://",
                                    "http:///path",
                                    "http://user:secret@line.example/",
                                    "https://user@line.example/",
                                    "javascript:alert(1)"};
  GError *error = NULL;
  line_make(&f->station);
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    g_assert_true(velm_webhook_check_url(good[i], &error));
    g_assert_no_error(error);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_assert_null(velm_webhook_link_new(f->station.station, bad[i], NULL, &error));
    g_assert_null(strstr(error->message, "secret"));
    assert_failure(&error, VELM_ERROR_USAGE, "an address of http or https, without user");
  }
}

/* ---- callbacks ---- */

/* An image that is queued, and who is to be told of it, at a path of its own. */
static void enqueue(Fixture *f, guint number, gboolean tell) {
  g_autofree char *key = g_strdup_printf("later %u", number);
  g_autofree char *url =
      g_strdup_printf("%s/told/%u?token=hidden", scripted_server_endpoint(f->server), number);
  line_enqueue(&f->station, LINE_PRODUCT, key, number, tell ? url : NULL);
}

static GPtrArray *list_callbacks(Fixture *f) {
  GPtrArray *callbacks = velm_store_list_callbacks(velm_station_get_store(f->station.station),
                                                   G_MAXINT64, 100, &f->station.error);
  g_assert_no_error(f->station.error);
  return callbacks;
}

static guint count_callbacks(Fixture *f) {
  g_autoptr(GPtrArray) callbacks = list_callbacks(f);
  return callbacks->len;
}

/* That request @index tells of the image @number, whose record is there. */
static void assert_told_of(Fixture *f, guint index, guint number) {
  g_autofree char *key = g_strdup_printf("later %u", number);
  g_autofree char *path = g_strdup_printf("/v1/told/%u?token=hidden", number);
  g_autoptr(VelmStoredRecord) record = NULL;
  velm_store_get(velm_station_get_store(f->station.station), told(f, index), &record,
                 &f->station.error);
  g_assert_no_error(f->station.error);
  g_assert_cmpstr(record->key, ==, key);
  g_assert_cmpstr(scripted_server_request(f->server, index)->path, ==, path);
  assert_signed(scripted_server_request(f->server, index), KEY);
}

/* Where the paths of requests end: "told/NUMBER". */
static guint number_of(Fixture *f, guint index) {
  const char *path = scripted_server_request(f->server, index)->path;
  return (guint)strtoul(path + strlen("/v1/told/"), NULL, 10);
}

static void test_callbacks(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean seen[6] = {FALSE};
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_callbacks(f);
  for (guint i = 0; i < 6; i++)
    enqueue(f, i, i % 2 == 0);
  line_wait_for(line_count(&f->station) == 6 && count_callbacks(f) == 0);
  g_assert_cmpuint(line_count_queued(&f->station), ==, 0);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
  for (guint i = 0; i < 3; i++) {
    guint number = number_of(f, i);
    g_assert_true(number < 6 && number % 2 == 0 && !seen[number]);
    seen[number] = TRUE;
    assert_told_of(f, i, number);
  }
}

/* One that failed is tried again, one that nobody was there to deliver is delivered: also over a
 * restart. */
static void test_callbacks_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint from = G_MAXINT;
  reply_from(f, &from);
  open_callbacks(f);
  enqueue(f, 0, TRUE);
  wait_for_requests(f, 1);
  line_end(&f->station);
  line_make(&f->station);
  line_start(&f->station);
  enqueue(f, 1, TRUE);
  line_wait_for(line_count(&f->station) == 2);
  g_autoptr(GPtrArray) callbacks = list_callbacks(f);
  g_assert_cmpuint(callbacks->len, ==, 2);
  for (guint i = 0; i < 2; i++) {
    const VelmCallback *callback = callbacks->pdata[i];
    g_assert_cmpint(callback->attempts > 0, ==, callback->message != NULL);
    g_assert_true(!callback->message || strstr(callback->message, "answered with status 503"));
    g_assert_true(!callback->message || !strstr(callback->message, "hidden"));
  }
  line_end(&f->station);
  guint before = scripted_server_n_requests(f->server);
  g_atomic_int_set(&from, 0);
  open_callbacks(f);
  wait_for_requests(f, before + 2);
  line_wait_for(count_callbacks(f) == 0);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, before + 2);
  guint first = number_of(f, before);
  assert_told_of(f, before, first);
  assert_told_of(f, before + 1, 1 - first);
}

/* Two callbacks that failed so often that the next failure ends the one, and not the other. */
static void test_given_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "{}");
  line_make(&f->station);
  line_start(&f->station);
  enqueue(f, 0, TRUE);
  line_wait_for(count_callbacks(f) == 1);
  enqueue(f, 1, TRUE);
  line_wait_for(count_callbacks(f) == 2);
  line_run_sql(&f->station, "UPDATE callbacks SET attempts = 102 + record"); /* 1 and 2 */
  line_end(&f->station);
  open_callbacks(f);
  wait_for_requests(f, 2);
  line_wait_for(count_callbacks(f) == 1);
  g_autoptr(GPtrArray) callbacks = list_callbacks(f);
  const VelmCallback *left = callbacks->pdata[0];
  g_assert_cmpint(left->record, ==, 1);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  g_autoptr(GPtrArray) entries =
      velm_store_list_audit(velm_station_get_store(f->station.station), 0, 10, &f->station.error);
  g_assert_cmpuint(entries->len, ==, 1);
  const VelmAuditEntry *entry = entries->pdata[0];
  g_assert_cmpstr(entry->who, ==, "station");
  g_assert_cmpstr(entry->action, ==, "callback given up");
  g_assert_cmpstr(entry->target, ==, "record 2");
  g_assert_nonnull(strstr(entry->detail, "answered with status 500"));
  g_assert_null(strstr(entry->detail, "hidden"));
}

/* ---- the queue ---- */

static VelmLink *queue_of(Fixture *f) {
  return velm_station_get_links(f->station.station)->pdata[0];
}

/* A station that was not started, with images in its queue, ends. */
static void queue_for_later(Fixture *f, guint n) {
  line_make(&f->station);
  for (guint i = 0; i < n; i++)
    enqueue(f, i, FALSE);
  line_end(&f->station);
}

static void test_queue_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  queue_for_later(f, 20);
  line_make(&f->station);
  g_assert_cmpuint(line_count_queued(&f->station), ==, 20);
  line_start(&f->station);
  line_wait_for(line_count_queued(&f->station) == 0);
  g_autoptr(GPtrArray) records = line_records(&f->station);
  g_assert_cmpuint(records->len, ==, 20);
  for (guint i = 0; i < 20; i++) {
    g_autofree char *key = g_strdup_printf("later %u", i);
    g_assert_cmpstr(((VelmStoredRecord *)records->pdata[i])->key, ==, key);
  }
  line_wait_for(line_link_is(queue_of(f), VELM_STATE_READY, NULL));
}

/* Those of a product that is not there wait for it; the others do not wait for them. */
static void test_queue_without_product(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_make(&f->station);
  line_enqueue(&f->station, "bolt", "bolt 1", 10, NULL);
  enqueue(f, 0, FALSE);
  line_start(&f->station);
  line_wait_for(line_count(&f->station) == 1);
  line_wait_for(line_link_is(queue_of(f), VELM_STATE_DEGRADED,
                             "images of the product bolt wait, which is not here"));
  line_wait_for(velm_readiness(f->station.station) == VELM_STATE_DEGRADED);
  g_assert_cmpuint(line_count_queued(&f->station), ==, 1);
  line_end(&f->station);
  line_make(&f->station);
  line_add_product(&f->station, "bolt");
  line_start(&f->station);
  line_wait_for(line_count_queued(&f->station) == 0);
  g_autoptr(GPtrArray) records = line_records(&f->station);
  g_assert_cmpuint(records->len, ==, 2);
  g_assert_cmpstr(((VelmStoredRecord *)records->pdata[1])->product, ==, "bolt");
}

/* The path of the queued image @index. */
static char *queued_path(Fixture *f, guint index) {
  VelmStore *store = velm_station_get_store(f->station.station);
  g_autoptr(GPtrArray) rows = velm_store_list_queued(store, 0, 100, &f->station.error);
  g_assert_no_error(f->station.error);
  return velm_store_image_path(store, ((VelmQueued *)rows->pdata[index])->image);
}

/* Each has its record, also where the disk has damaged it, or it has gone, while it waited. */
static void test_queue_damaged(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  queue_for_later(f, 3);
  line_make(&f->station);
  g_autofree char *damaged = queued_path(f, 0);
  g_autofree char *gone = queued_path(f, 1);
  g_assert_true(g_file_set_contents(damaged, "damaged", -1, NULL));
  g_assert_cmpint(g_unlink(gone), ==, 0);
  line_start(&f->station);
  line_wait_for(line_count_queued(&f->station) == 0);
  g_autoptr(GPtrArray) records = line_records(&f->station);
  g_assert_cmpuint(records->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    const VelmStoredRecord *record = records->pdata[i];
    g_assert_cmpint(g_str_equal(record->decision, VELM_STORE_FAILED), ==,
                    !g_str_equal(record->key, "later 2"));
    g_assert_null(strstr(record->json, f->station.data));
  }
}

#define ADD(name, function) g_test_add("/serve/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  line_fit_model();
  ADD("webhook/signed", test_signed);
  ADD("webhook/unsigned", test_unsigned);
  ADD("webhook/order", test_order);
  ADD("webhook/own-records", test_own_records);
  ADD("webhook/refusals", test_refusals);
  ADD("webhook/redirection", test_redirection);
  ADD("webhook/not-there", test_not_there);
  ADD("webhook/restart", test_webhook_restart);
  ADD("webhook/secrets", test_secrets);
  ADD("webhook/urls", test_urls);
  ADD("callbacks/each", test_callbacks);
  ADD("callbacks/restart", test_callbacks_restart);
  ADD("callbacks/given-up", test_given_up);
  ADD("queue/restart", test_queue_restart);
  ADD("queue/without-product", test_queue_without_product);
  ADD("queue/damaged", test_queue_damaged);
  int code = g_test_run();
  line_remove_model();
  return code;
}
