/* velm serve as it runs at a line: started, ended, killed under load, and started again. */
#include "act/store.h"
#include "cli/command.h"
#include "core/postgres_server.h"
#include "core/scratch.h"
#include "serve/station_fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define N_CLIENTS 3
#define LONGEST_WAIT_US (60 * G_TIME_SPAN_SECOND)

/* A folder with what a station needs. @model: its own copy. */
typedef struct {
  StationFixture station; /* never started: its folder, model and pipe */
  char *data, *database;  /* the latter: of a shared store; or NULL */
  GSubprocess *process;
  GDataInputStream *err;
  char *url;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  station_set_up(&f->station, data);
  f->data = g_build_filename(f->station.folder, "data", NULL);
}

static void tear_down(Fixture *f, gconstpointer data) {
  g_assert_null(f->process);
  g_free(f->data);
  g_free(f->database);
  station_tear_down(&f->station, data);
}

/* ---- the process ---- */

/* Reads lines until one begins with @start. Returns: (transfer full): what follows that. */
static char *read_line(Fixture *f, const char *start) {
  for (;;) {
    g_autoptr(GError) error = NULL;
    g_autofree char *line = g_data_input_stream_read_line(f->err, NULL, NULL, &error);
    if (!line)
      g_error("the station has ended, and has not said \"%s\"", start);
    g_test_message("%s", line);
    if (g_str_has_prefix(line, start))
      return g_strdup(line + strlen(start));
  }
}

/* Starts the station of the product @product, NAME=MODEL[,SPEC], and waits until it listens. */
static void serve(Fixture *f, const char *product) {
  g_autoptr(GError) error = NULL;
  f->process =
      g_subprocess_new(G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, g_getenv("VELM_BIN"), "serve",
                       "--product", product, "--data", f->data, "--listen", "127.0.0.1:0",
                       "--parallel", "1", f->database ? "--database" : NULL, f->database, NULL);
  g_assert_no_error(error);
  f->err = g_data_input_stream_new(g_subprocess_get_stderr_pipe(f->process));
  f->url = read_line(f, "velm: listening at ");
  f->station.url = f->url;
}

static void serve_model(Fixture *f) {
  g_autofree char *product = g_strdup_printf(PRODUCT "=%s", f->station.model);
  serve(f, product);
}

/* Waits for its end. */
static void wait_for_end(Fixture *f) {
  g_autoptr(GError) error = NULL;
  g_subprocess_wait(f->process, NULL, &error);
  g_assert_no_error(error);
  g_clear_object(&f->err);
  g_clear_pointer(&f->url, g_free);
}

static void end_well(Fixture *f) {
  g_subprocess_send_signal(f->process, SIGTERM);
  wait_for_end(f);
  g_assert_true(g_subprocess_get_if_exited(f->process));
  g_assert_cmpint(g_subprocess_get_exit_status(f->process), ==, 0);
  g_clear_object(&f->process);
}

static void kill_it(Fixture *f) {
  g_subprocess_send_signal(f->process, SIGKILL);
  wait_for_end(f);
  g_assert_true(g_subprocess_get_if_signaled(f->process));
  g_clear_object(&f->process);
}

/* ---- starting and ending ---- */

static void test_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  serve_model(f);
  g_autofree char *ready = read_line(f, "velm: " PRODUCT " is ready");
  g_assert_cmpstr(ready, ==, "");
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_assert_cmpint(station_add(&f->station, "k", image), ==, 1);
  end_well(f);
  serve_model(f);
  g_autoptr(HttpReply) again = station_inspect(&f->station, "k", image);
  g_assert_cmpuint(again->status, ==, 200);
  g_autoptr(HttpReply) kept = http_get(f->url, "/v1/records/1/image");
  g_assert_cmpmem(kept->body->data, kept->body->len, g_bytes_get_data(image, NULL),
                  g_bytes_get_size(image));
  end_well(f);
}

/* The name of the product is that of its model's file. */
static void test_default_name(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *model = g_build_filename(f->station.folder, "left side.velm", NULL);
  g_assert_cmpint(g_rename(f->station.model, model), ==, 0);
  f->process =
      g_subprocess_new(G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, g_getenv("VELM_BIN"), "serve", "-m",
                       model, "--data", f->data, "--listen", "localhost:0", NULL);
  g_assert_no_error(error);
  f->err = g_data_input_stream_new(g_subprocess_get_stderr_pipe(f->process));
  g_autofree char *url = read_line(f, "velm: listening at ");
  g_autofree char *ready = read_line(f, "velm: left_side is ready");
  end_well(f);
}

/* Waits until the part "store" of the station is in @state. */
static void wait_for_store(Fixture *f, const char *state) {
  g_autofree char *wanted = g_strdup_printf("{\"name\":\"store\",\"state\":\"%s\"", state);
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (;;) {
    g_autoptr(HttpReply) reply = http_get(f->url, "/readyz");
    g_autofree char *text = g_strndup((const char *)reply->body->data, reply->body->len);
    if (strstr(text, wanted))
      return;
    if (g_get_monotonic_time() > end)
      g_error("the store is not %s: %s", state, text);
    g_usleep(50000);
  }
}

/* Its database goes, and comes back; nobody has to do anything. */
static void test_shared(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_autoptr(GBytes) other = small_product_image("dent", 0);
  if (!postgres_server_is_installed()) {
    g_test_skip("PostgreSQL is not installed");
    return;
  }
  f->database = postgres_server_new_database();
  serve_model(f);
  g_autofree char *ready = read_line(f, "velm: " PRODUCT " is ready");
  g_assert_cmpint(station_add(&f->station, "k", image), ==, 1);
  g_autoptr(JsonNode) record = station_get_json(&f->station, "/v1/records/1");
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(record), "station"), ==,
                  g_get_host_name());
  postgres_server_stop();
  g_autoptr(HttpReply) refused = station_inspect(&f->station, "l", other);
  g_assert_cmpuint(refused->status, ==, 503);
  wait_for_store(f, "failed");
  postgres_server_start();
  wait_for_store(f, "ready");
  g_assert_cmpint(station_add(&f->station, "l", other), ==, 2);
  end_well(f);
}

static void test_garbage_model(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_file_set_contents(f->station.model, "garbage", -1, &error);
  g_assert_no_error(error);
  serve_model(f);
  g_autofree char *why = read_line(f, "velm: " PRODUCT " is failed: ");
  assert_contains(why, "not a velm model file");
  end_well(f);
}

static void test_reload(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  serve_model(f);
  json_node_unref(station_wait_for(&f->station, "ready"));
  g_file_set_contents(f->station.model, "garbage", -1, &error);
  g_assert_no_error(error);
  g_subprocess_send_signal(f->process, SIGHUP);
  json_node_unref(station_wait_for(&f->station, "degraded"));
  end_well(f);
}

static guint queued(const Fixture *f) {
  g_autoptr(HttpReply) reply = http_get(f->url, "/v1/products/" PRODUCT);
  g_autoptr(JsonNode) product = http_reply_json(reply);
  return (guint)json_object_get_int_member(json_node_get_object(product), "queued");
}

/* A station that is told to end answers all that it has taken; here that waits for the model. */
static void test_end_with_images(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  HttpClient *clients[8];
  station_use_pipe(&f->station);
  g_autofree char *product = g_strdup_printf(PRODUCT "=%s,%s", f->station.model, f->station.spec);
  serve(f, product);
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(GBytes) image = small_product_black(50 + (int)i, 50);
    g_autofree char *headers =
        g_strdup_printf("Content-Type: image/png\r\nIdempotency-Key: k%u\r\n", i);
    clients[i] = http_client_new(f->url);
    http_client_ask(clients[i], "POST", INSPECTIONS, headers, image);
  }
  while (queued(f) < G_N_ELEMENTS(clients))
    g_assert_cmpint(g_get_monotonic_time(), <, end);
  g_subprocess_send_signal(f->process, SIGTERM);
  g_autofree char *stopping = read_line(f, "velm: stopping");
  station_write_pipe(&f->station, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(HttpClient) client = clients[i];
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    g_assert_true(reply && reply->whole);
    g_assert_cmpuint(reply->status, ==, 201);
  }
  end_well(f);
  serve_model(f);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(GBytes) image = small_product_black(50 + (int)i, 50);
    g_autofree char *key = g_strdup_printf("k%u", i);
    g_autoptr(HttpReply) reply = station_inspect(&f->station, key, image);
    g_assert_cmpuint(reply->status, ==, 200);
  }
  end_well(f);
}

/* ---- killing ---- */

/* Someone who hands images in, one after another, each under a key of its own that is kept until
 * there is an answer. */
typedef struct {
  guint number;
  HttpClient *client;
  guint next; /* the image that has no answer yet */
  gint *n_acknowledged;
} Sender;

static GBytes *image_of(const Sender *sender, guint i) {
  return small_product_black(40 + (int)sender->number, 40 + (int)i);
}

static char *key_of(const Sender *sender, guint i) {
  return g_strdup_printf("sender-%u-%u", sender->number, i);
}

/* Sends until the station is gone. */
static gpointer send_images(gpointer data) {
  Sender *sender = data;
  for (;;) {
    g_autoptr(GBytes) image = image_of(sender, sender->next);
    g_autofree char *key = key_of(sender, sender->next);
    g_autofree char *headers =
        g_strdup_printf("Content-Type: image/png\r\nIdempotency-Key: %s\r\n", key);
    http_client_ask(sender->client, "POST", INSPECTIONS, headers, image);
    g_autoptr(HttpReply) reply = http_client_receive(sender->client, FALSE);
    if (!reply || !reply->whole)
      return NULL;
    g_assert_true(reply->status == 200 || reply->status == 201);
    sender->next++;
    g_atomic_int_inc(sender->n_acknowledged);
  }
}

/* Lets the senders send, and kills the station in the middle of it. */
static void kill_under_load(Fixture *f, Sender *senders) {
  GThread *threads[N_CLIENTS];
  gint n_acknowledged = 0;
  for (guint i = 0; i < N_CLIENTS; i++) {
    senders[i].client = http_client_new(f->url);
    senders[i].n_acknowledged = &n_acknowledged;
    threads[i] = g_thread_new("sender", send_images, &senders[i]);
  }
  while (g_atomic_int_get(&n_acknowledged) < N_CLIENTS)
    g_usleep(1000);
  g_usleep((gulong)g_test_rand_int_range(0, 300 * 1000));
  kill_it(f);
  for (guint i = 0; i < N_CLIENTS; i++) {
    g_thread_join(threads[i]);
    g_clear_pointer(&senders[i].client, http_client_free);
  }
}

/* All records' numbers by their keys, each of which there is once. */
static GHashTable *list_keys(const Fixture *f) {
  GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(HttpReply) reply = http_get(f->url, "/v1/records/export?format=jsonl");
  g_autoptr(GPtrArray) records = parse_records(http_reply_text(reply));
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    g_assert_cmpstr(json_object_get_string_member(record, "decision"), !=, "failed");
    g_assert_true(g_hash_table_insert(keys, g_strdup(json_object_get_string_member(record, "key")),
                                      GUINT_TO_POINTER(json_object_get_int_member(record, "id"))));
  }
  return keys;
}

static void assert_kept(const Fixture *f, GHashTable *keys, const Sender *sender, guint i) {
  g_autofree char *key = key_of(sender, i);
  guint id = GPOINTER_TO_UINT(g_hash_table_lookup(keys, key));
  g_assert_cmpuint(id, >, 0);
  g_autoptr(GBytes) image = image_of(sender, i);
  g_autofree char *path = g_strdup_printf("/v1/records/%u/image", id);
  g_autoptr(HttpReply) reply = http_get(f->url, path);
  g_assert_cmpuint(reply->status, ==, 200);
  g_assert_cmpmem(reply->body->data, reply->body->len, g_bytes_get_data(image, NULL),
                  g_bytes_get_size(image));
}

static void assert_all_kept(const Fixture *f, const Sender *senders) {
  g_autoptr(GHashTable) keys = list_keys(f);
  guint n = 0;
  for (guint s = 0; s < N_CLIENTS; s++) {
    for (guint i = 0; i < senders[s].next; i++)
      assert_kept(f, keys, &senders[s], i);
    n += senders[s].next;
  }
  /* Those on their way when it was killed may have a record too. */
  g_assert_cmpuint(g_hash_table_size(keys), >=, n);
  g_assert_cmpuint(g_hash_table_size(keys), <=, n + N_CLIENTS);
}

static void assert_store_whole(const Fixture *f) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmStore) store = velm_store_open(f->data, &error);
  g_assert_no_error(error);
  g_autoptr(VelmStoreCheck) check = velm_store_check(store, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(check->n_faults, ==, 0);
}

static void test_kill(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Sender senders[N_CLIENTS] = {{.number = 0}, {.number = 1}, {.number = 2}};
  guint rounds = g_test_slow() ? 10 : 5;
  serve_model(f);
  for (guint round = 0; round < rounds; round++) {
    kill_under_load(f, senders);
    serve_model(f);
    assert_all_kept(f, senders);
  }
  end_well(f);
  assert_store_whole(f);
}

/* ---- options ---- */

/* Runs the command to its end. @arguments: NULL-terminated. */
static Outcome *run(const char *const *arguments) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)g_getenv("VELM_BIN"));
  for (gsize i = 0; arguments[i]; i++)
    g_ptr_array_add(vector, (gpointer)arguments[i]);
  g_ptr_array_add(vector, NULL);
  g_autoptr(GSubprocess) process =
      g_subprocess_newv((const char *const *)vector->pdata,
                        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  g_assert_no_error(error);
  Outcome *outcome = g_new0(Outcome, 1);
  g_subprocess_communicate_utf8(process, NULL, NULL, &outcome->out, &outcome->err, &error);
  g_assert_no_error(error);
  g_assert_true(g_subprocess_get_if_exited(process));
  outcome->code = g_subprocess_get_exit_status(process);
  return outcome;
}

static void test_options(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char *d = f->data, *m = f->station.model;
  g_autofree char *open = scratch_write(f->station.folder, "open", "x", 1);
  g_autofree char *named = g_strdup_printf("a b=%s", m);
  g_autofree char *one = g_strdup_printf("a=%s", m);
  g_assert_cmpint(g_chmod(open, 0644), ==, 0);
  const struct {
    int code;
    const char *text;
    const char *arguments[10];
  } cases[] = {
      {2, "name the folder of the records with --data", {"serve", "-m", m}},
      {2, "name a model with -m", {"serve", "--data", d}},
      {2, "-s goes with -m", {"serve", "--data", d, "--product", one, "-s", "x.yaml"}},
      {2, "cannot be negative", {"serve", "--data", d, "-m", m, "--queue", "-1"}},
      {2, "--station is to be a name", {"serve", "--data", d, "-m", m, "--station", ""}},
      {2, "usage: velm serve ", {"serve", "--data", d, "-m", m, "more"}},
      {2, "Unknown option --odd", {"serve", "--odd"}},
      {2, "it is to be NAME=MODEL.velm", {"serve", "--data", d, "--product", m}},
      {2, "letters, digits, - and _", {"serve", "--data", d, "--product", named}},
      {2,
       "two products with the name a",
       {"serve", "--data", d, "--product", one, "--product", one}},
      {2, "not an address to listen at", {"serve", "--data", d, "-m", m, "--listen", "nowhere"}},
      {2, "name a file of tokens", {"serve", "--data", d, "-m", m, "--listen", "0.0.0.0:0"}},
      {1, "absent: no such file", {"serve", "--data", d, "-m", m, "--tokens", "absent"}},
      {1, "others may read the key in it", {"serve", "--data", d, "-m", m, "--tokens", open}},
      {2, "it is to be CERT,KEY", {"serve", "--data", d, "-m", m, "--tls", "x"}},
      {1, "absent: no such file", {"serve", "--data", d, "-m", m, "--tls", "absent,absent"}},
      {2,
       "a,rate=x: rate is to be a number",
       {"serve", "--data", d, "-m", m, "--camera", "a,rate=x"}},
      {2,
       "--camera b: it is to begin with NAME=",
       {"serve", "--data", d, "-m", m, "--product", one, "--camera", "b"}},
      {2,
       "--callbacks http://mes/: it is to be the beginning of addresses",
       {"serve", "--data", d, "-m", m, "--callbacks", "http://user:pass@mes/"}},
      {1, m, {"serve", "--data", m, "-m", m}},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Outcome) outcome = run(cases[i].arguments);
    assert_refused(outcome, cases[i].code, cases[i].text);
    g_assert_cmpstr(outcome->out, ==, "");
  }
}

/* Two stations on one folder would each think that they know it all. */
static void test_folder_in_use(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  serve_model(f);
  g_autoptr(Outcome) outcome = run((const char *const[]){
      "serve", "--data", f->data, "-m", f->station.model, "--listen", "127.0.0.1:0", NULL});
  assert_refused(outcome, 1, f->data);
  g_autofree char *other = g_build_filename(f->station.folder, "other", NULL);
  g_autoptr(Outcome) address =
      run((const char *const[]){"serve", "--data", other, "-m", f->station.model, "--listen",
                                f->url + strlen("http://"), NULL});
  assert_refused(address, 1, "cannot be listened at");
  end_well(f);
}

#define ADD(path, test) g_test_add("/serve/" path, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!g_getenv("VELM_BIN"))
    g_error("VELM_BIN does not name the command");
  small_product_set_up();
  ADD("restart", test_restart);
  ADD("default_name", test_default_name);
  ADD("shared", test_shared);
  ADD("garbage_model", test_garbage_model);
  ADD("reload", test_reload);
  ADD("end_with_images", test_end_with_images);
  ADD("kill", test_kill);
  ADD("options", test_options);
  ADD("in_use", test_folder_in_use);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
