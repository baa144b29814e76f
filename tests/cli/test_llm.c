/* Classifying with a language model, as a user would: interrupted, with a key, without a network.
 */
#include "classify/scripted_server.h"
#include "cli/command.h"
#include "core/file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define KEY "sk-test-0123456789abcdefghij"
#define ANSWER "{\"class\":\"dent\",\"reason\":\"as " KEY " says\"}"
#define IN_FLIGHT 2

static guint count_lines(const char *text, const char *part) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint n = 0;
  for (gsize i = 0; lines[i]; i++)
    n += strstr(lines[i], part) ? 1 : 0;
  return n;
}

/* How many of the server's requests had a body that came before. */
static guint count_repeated(ScriptedServer *server) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  guint n = 0;
  for (guint i = 0; i < scripted_server_n_requests(server); i++)
    n += g_hash_table_add(seen, scripted_server_request(server, i)->body) ? 0 : 1;
  return n;
}

/* Starts the command and kills it when the server has had @n requests. */
static void run_and_kill(ScriptedServer *server, const char *const *arguments, guint n) {
  g_autofree char *folder = command_path("");
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)g_getenv("VELM_BIN"));
  for (gsize i = 0; arguments[i]; i++)
    g_ptr_array_add(vector, (gpointer)arguments[i]);
  g_ptr_array_add(vector, NULL);
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_cwd(launcher, folder);
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocess) process =
      g_subprocess_launcher_spawnv(launcher, (const char *const *)vector->pdata, &error);
  g_assert_no_error(error);
  while (scripted_server_n_requests(server) < n)
    g_usleep(1000);
  g_subprocess_send_signal(process, SIGKILL);
  g_subprocess_wait(process, NULL, NULL);
  g_assert_true(g_subprocess_get_if_signaled(process));
}

/* A killed run goes on where it was: only what was on its way is asked for again. */
static void test_killed(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, "{\"class\":\"dent\",\"reason\":\"a hollow\"}");
  scripted_server_set_latency(server, 40);
  const char *const arguments[] = {"inspect",      "-m",
                                   FITTED,         "-s",
                                   SPEC,           "--json",
                                   "--classifier", "mllm",
                                   "--endpoint",   scripted_server_endpoint(server),
                                   "--llm",        "scripted",
                                   "--in-flight",  G_STRINGIFY(IN_FLIGHT),
                                   "--cache",      "answers.sqlite",
                                   PARTS "/test",  NULL};
  run_and_kill(server, arguments, 8);
  g_autoptr(Outcome) outcome = command_run(NULL, arguments);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, (N_CLASSES + 1) * N_PER_CLASS);
  guint n_classified = count_lines(outcome->out, "\"classifier\":\"mllm\"");
  g_assert_cmpuint(n_classified, >, 12);
  guint repeated = count_repeated(server), n = scripted_server_n_requests(server);
  g_assert_cmpuint(repeated, <=, IN_FLIGHT);
  g_assert_cmpuint(n, ==, n_classified + repeated);
  g_autoptr(Outcome) again = command_run(NULL, arguments);
  assert_success(again);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, n);
  g_assert_cmpuint(count_lines(again->out, "\"classifier\":\"mllm\""), ==, n_classified);
}

/* ---- the key ---- */

/* Whether a file below @path holds the key. */
static gboolean holds_key(const char *path) {
  if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    for (const char *name = g_dir_read_name(folder); name; name = g_dir_read_name(folder)) {
      g_autofree char *below = g_build_filename(path, name, NULL);
      if (!g_str_equal(name, "key") && holds_key(below))
        return TRUE;
    }
    return FALSE;
  }
  g_autoptr(GBytes) bytes = velm_file_read(path, NULL);
  return bytes &&
         memmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), KEY, strlen(KEY)) != NULL;
}

/* The server repeats the key in its answers and its errors; nothing that velm writes has it. */
static void test_key_is_nowhere(void) {
  g_autofree char *path = command_path("key");
  g_assert_true(g_file_set_contents(path, KEY "\n", -1, NULL));
  g_assert_cmpint(g_chmod(path, 0600), ==, 0);
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, ANSWER);
  scripted_server_reply(server, 400, NULL, "{\"error\":{\"message\":\"bad key " KEY "\"}}");
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", FITTED, "-s", SPEC, "--json", "--classifier", "mllm", "--endpoint",
           scripted_server_endpoint(server), "--llm", "scripted", "--key-file", "key", "--cache",
           "with_key.sqlite", "--in-flight", "1", "--out", "with_key", PARTS "/test/missing_hole");
  g_assert_cmpint(outcome->code, ==, 1);
  assert_contains(scripted_server_request(server, 0)->headers, "Bearer " KEY "\r\n");
  assert_contains(outcome->out, "as [key] says");
  assert_contains(outcome->err, "bad key [key]");
  g_assert_null(strstr(outcome->out, KEY));
  g_assert_null(strstr(outcome->err, KEY));
  g_autofree char *folder = command_path("");
  g_assert_false(holds_key(folder));
}

static void test_key_file_refused(void) {
  g_autofree char *path = command_path("open_key");
  g_assert_true(g_file_set_contents(path, KEY "\n", -1, NULL));
  g_assert_cmpint(g_chmod(path, 0644), ==, 0);
  g_autoptr(Outcome) open =
      velm("inspect", "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--endpoint",
           "http://127.0.0.1:9/v1", "--key-file", "open_key", PARTS "/test/good");
  assert_refused(open, 1, "open_key: others may read the key in it; chmod 600 it");
  g_autoptr(Outcome) absent =
      velm("inspect", "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--endpoint",
           "http://127.0.0.1:9/v1", "--key-file", "no_key", PARTS "/test/good");
  assert_refused(absent, 1, "no_key: no such file");
  g_assert_cmpint(g_unlink(path), ==, 0);
}

/* ---- refused ---- */

static void test_refused(void) {
  static const struct {
    const char *text, *option, *value;
  } cases[] = {
      {"--in-flight must be 1 to 1024", "--in-flight", "-1"},
      {"a budget needs prices", "--budget", "1"},
      {"regions are shown as overview or crops", "--regions", "all"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Outcome) outcome =
        velm("inspect", "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--endpoint",
             "http://127.0.0.1:9/v1", cases[i].option, cases[i].value, PARTS "/test/good");
    assert_refused(outcome, 2, cases[i].text);
  }
  g_autoptr(Outcome) cache =
      velm("inspect", "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--endpoint",
           "http://127.0.0.1:9/v1", "--cache", SPEC, PARTS "/test/good");
  g_assert_cmpint(cache->code, ==, 1);
  assert_contains(cache->err, "spec.yaml");
}

int main(int argc, char **argv) {
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  g_test_add_func("/cli/llm/killed", test_killed);
  g_test_add_func("/cli/llm/key_is_nowhere", test_key_is_nowhere);
  g_test_add_func("/cli/llm/key_file_refused", test_key_file_refused);
  g_test_add_func("/cli/llm/refused", test_refused);
  int code = g_test_run();
  command_tear_down();
  return code;
}
