/* velm top: a plant at a glance, printed once and at a terminal. */
#include "cli/command.h"
#include "core/scratch.h"
#include "plant/bucket.h"
#include "plant/job.h"
#include "plant/nats_fixture.h"
#include "plant/presence.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define LONGEST_WAIT_MS 30000
#define ENTER "\033[?1049h"
#define LEAVE "\033[?1049l"

static char *folder;
static NatsServer server;
static VelmBroker *broker;

static void set_up(void) {
  g_autoptr(GError) error = NULL;
  folder = scratch_new();
  nats_server_set_up(&server, folder);
  nats_server_start(&server);
  broker = nats_server_connect(&server, "test");
  velm_streams_ensure(broker, NULL, &error);
  g_assert_no_error(error);
}

static void tear_down(void) {
  velm_broker_free(broker);
  nats_server_tear_down(&server);
  scratch_remove(folder);
}

static void submit(const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = g_bytes_new_static("image", 5);
  const VelmPlantJob job = {
      .key = (char *)key, .product = (char *)"disc", .name = (char *)"image.png", .image = image};
  velm_plant_job_submit(broker, &job, VELM_STAGE_DETECT, NULL, &error);
  g_assert_no_error(error);
}

static void put_worker(const char *json) {
  g_autoptr(GError) error = NULL;
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = VELM_WORKERS_BUCKET;
  g_autoptr(kvStore) store = velm_bucket_open(broker, &config, &error);
  g_assert_no_error(error);
  g_assert_cmpint(kvStore_PutString(NULL, store, "a", json), ==, NATS_OK);
}

/* ---- printed ---- */

static JsonObject *first_of(JsonObject *object, const char *name) {
  JsonArray *array = json_object_get_array_member(object, name);
  g_assert_cmpuint(json_array_get_length(array), >, 0);
  return json_array_get_object_element(array, 0);
}

static JsonNode *look(const char *interval) {
  g_autoptr(Outcome) outcome =
      velm("top", "--nats", server.url, "--once", "--json", "--interval", interval);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 1);
  return json_node_ref(records->pdata[0]);
}

/* The names and their order are promised. */
static void test_json(void) {
  submit("json");
  put_worker("{\"name\":\"a\",\"role\":\"all\",\"products\":[{\"name\":\"disc\"}]}");
  g_autoptr(JsonNode) node = look("0");
  JsonObject *root = json_node_get_object(node);
  JsonObject *queue = first_of(root, "queues");
  assert_keys(root, "time interval_s broker stages queues dead_letters workers llm");
  assert_keys(json_object_get_object_member(root, "broker"), "url version streams bytes");
  assert_keys(first_of(json_object_get_object_member(root, "broker"), "streams"),
              "name messages bytes");
  assert_keys(first_of(root, "stages"), "stage jobs handed_in_per_second done_per_second");
  assert_keys(queue, "stage product workers waiting in_hand redelivered oldest_s "
                     "handed_in_per_second done_per_second dead_letters last_reason");
  assert_keys(first_of(root, "workers"), "name role products seen_s");
  g_assert_cmpstr(json_object_get_string_member(queue, "product"), ==, "disc");
  g_assert_cmpint(json_object_get_int_member(queue, "waiting"), ==, 1);
  g_assert_cmpint(json_object_get_int_member(queue, "workers"), ==, 1);
  g_assert_true(json_object_get_null_member(queue, "done_per_second"));
  g_assert_true(json_object_get_null_member(root, "interval_s"));
}

static void test_rates(void) {
  g_autoptr(JsonNode) node = look("1");
  JsonObject *root = json_node_get_object(node);
  g_assert_cmpfloat(json_object_get_double_member(root, "interval_s"), >=, 1);
  g_assert_cmpfloat(json_object_get_double_member(first_of(root, "queues"), "done_per_second"), ==,
                    0);
}

/* What a worker calls itself does nothing to the terminal. */
static void test_text(void) {
  put_worker("{\"name\":\"e\\u001b[2Jvil\\n\",\"state\":\"degraded\",\"role\":\"all\","
             "\"products\":[{\"name\":\"disc\",\"state\":\"failed\",\"reason\":\"no model\"}]}");
  g_autoptr(Outcome) outcome = velm("top", "--nats", server.url, "--interval", "0");
  assert_success(outcome);
  assert_contains(outcome->out, "STAGE   PRODUCT  WORKERS  WAITING");
  assert_contains(outcome->out, "\ndetect  disc           1        1");
  assert_contains(outcome->out, "\ne?[2Jvil?  all   degraded");
  assert_contains(outcome->out, "disc (failed: no model)\n");
  assert_contains(outcome->out, "\nVELM_DETECT ");
  g_assert_null(strchr(outcome->out, '\033'));
}

static void test_refused(void) {
  g_autoptr(Outcome) nowhere = velm("top");
  assert_refused(nowhere, 2, "name the broker with --nats");
  g_autoptr(Outcome) away = velm("top", "--nats", "nats://127.0.0.1:1");
  assert_refused(away, 1, "it cannot be reached");
  g_autoptr(Outcome) negative = velm("top", "--nats", server.url, "--interval", "-5");
  assert_refused(negative, 2, "--interval");
  g_autoptr(Outcome) more = velm("top", "--nats", server.url, "disc");
  assert_refused(more, 2, "usage: velm top");
}

/* ---- at a terminal ---- */

typedef struct {
  int master;
  GSubprocess *process;
  GString *shown;
} Terminal;

static int open_terminal(Terminal *terminal) {
  const struct winsize size = {.ws_col = 60, .ws_row = 10};
  terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint(terminal->master, >=, 0);
  g_assert_cmpint(grantpt(terminal->master), ==, 0);
  g_assert_cmpint(unlockpt(terminal->master), ==, 0);
  g_assert_cmpint(ioctl(terminal->master, TIOCSWINSZ, &size), ==, 0);
  int slave = open(ptsname(terminal->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint(slave, >=, 0);
  return slave;
}

/* Returns: the terminal's other end, which the test keeps open. */
static int run_top(Terminal *terminal) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
  int slave = open_terminal(terminal);
  g_subprocess_launcher_take_stdin_fd(launcher, dup(slave));
  g_subprocess_launcher_take_stdout_fd(launcher, dup(slave));
  g_subprocess_launcher_setenv(launcher, "TERM", "xterm", TRUE);
  terminal->process = g_subprocess_launcher_spawn(launcher, &error, g_getenv("VELM_BIN"), "top",
                                                  "--nats", server.url, "--interval", "1", NULL);
  g_assert_no_error(error);
  terminal->shown = g_string_new(NULL);
  return slave;
}

static void wait_to_see(Terminal *terminal, const char *text) {
  while (!strstr(terminal->shown->str, text)) {
    char buffer[4096];
    struct pollfd poller = {.fd = terminal->master, .events = POLLIN};
    if (poll(&poller, 1, LONGEST_WAIT_MS) != 1)
      g_error("\"%s\" is not in \"%s\"", text, terminal->shown->str);
    gssize n = read(terminal->master, buffer, sizeof buffer);
    g_assert_cmpint(n, >, 0);
    g_string_append_len(terminal->shown, buffer, n);
  }
}

/* It has ended well, and the terminal is as it was. */
static void assert_given_back(Terminal *terminal, int slave, const struct termios *before) {
  g_autoptr(GError) error = NULL;
  struct termios after;
  wait_to_see(terminal, LEAVE);
  g_subprocess_wait_check(terminal->process, NULL, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_suffix(terminal->shown->str, LEAVE));
  g_assert_cmpint(tcgetattr(slave, &after), ==, 0);
  g_assert_cmpint(after.c_lflag & (ICANON | ECHO), ==, before->c_lflag & (ICANON | ECHO));
  close(slave);
  close(terminal->master);
  g_object_unref(terminal->process);
  g_string_free(terminal->shown, TRUE);
}

/* Lines are cut to the width, and those that do not fit are counted. */
static void assert_fits(const char *shown) {
  const char *start = strstr(shown, "STAGE");
  g_assert_nonnull(start);
  const char *end = strstr(start, "\033[0m");
  g_assert_nonnull(end);
  g_autofree char *titles = g_strndup(start, (gsize)(end - start));
  g_assert_cmpint(g_utf8_strlen(titles, -1), ==, 60);
  g_assert_true(g_str_has_suffix(titles, "…"));
  assert_contains(shown, "more lines");
}

static void test_terminal(gconstpointer data) {
  int signal_number = GPOINTER_TO_INT(data);
  Terminal terminal = {0};
  struct termios before, during;
  int slave = run_top(&terminal);
  g_assert_cmpint(tcgetattr(slave, &before), ==, 0);
  wait_to_see(&terminal, "more lines");
  assert_contains(terminal.shown->str, ENTER);
  assert_fits(terminal.shown->str);
  g_assert_cmpint(tcgetattr(slave, &during), ==, 0);
  g_assert_cmpint(during.c_lflag & (ICANON | ECHO), ==, 0);
  before.c_lflag |= ICANON | ECHO; /* as it is made, whenever it was looked at */
  if (signal_number)
    g_subprocess_send_signal(terminal.process, signal_number);
  else
    g_assert_cmpint(write(terminal.master, "q", 1), ==, 1);
  assert_given_back(&terminal, slave, &before);
}

/* ---- the end ---- */

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  command_set_up();
  set_up();
  g_test_add_func("/cli/top/json", test_json);
  g_test_add_func("/cli/top/rates", test_rates);
  g_test_add_func("/cli/top/text", test_text);
  g_test_add_func("/cli/top/refused", test_refused);
  g_test_add_data_func("/cli/top/key", NULL, test_terminal);
  g_test_add_data_func("/cli/top/interrupted", GINT_TO_POINTER(SIGINT), test_terminal);
  g_test_add_data_func("/cli/top/ended", GINT_TO_POINTER(SIGTERM), test_terminal);
  int code = g_test_run();
  tear_down();
  command_tear_down();
  return code;
}
