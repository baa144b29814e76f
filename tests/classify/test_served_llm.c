/* Starting, watching and stopping a llama-server, with scripts in its place: those that end, that
 * never get ready, and one that is a server. */
#include "classify/served_llm.h"
#include "core/file.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

typedef struct {
  char *folder, *program, *model, *mmproj, *pids;
  VelmServedLlmParams params;
  GError *error;
} Fixture;

/* The least that is a server: says that it is ready, to whoever asks. $port is set. */
#define SERVER                                                                                     \
  "exec python3 -c '\n"                                                                            \
  "import http.server, sys\n"                                                                      \
  "class Handler(http.server.BaseHTTPRequestHandler):\n"                                           \
  "    def do_GET(self):\n"                                                                        \
  "        self.send_response(200)\n"                                                              \
  "        self.end_headers()\n"                                                                   \
  "    def log_message(self, *arguments):\n"                                                       \
  "        pass\n"                                                                                 \
  "http.server.HTTPServer((\"127.0.0.1\", int(sys.argv[1])), Handler).serve_forever()\n"           \
  "' \"$port\"\n"

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = scratch_new();
  f->program = g_build_filename(f->folder, "llama-server", NULL);
  f->pids = g_build_filename(f->folder, "pids", NULL);
  f->model = scratch_write(f->folder, "model.gguf", "GGUF....", 8);
  f->mmproj = scratch_write(f->folder, "mmproj.gguf", "GGUF....", 8);
  g_setenv("VELM_LLAMA_SERVER", f->program, TRUE);
  f->params = velm_served_llm_params_default();
  f->params.model = f->model;
  f->params.mmproj = f->mmproj;
  f->params.name = "small";
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&f->error);
  scratch_remove(f->folder);
  g_free(f->program);
  g_free(f->model);
  g_free(f->mmproj);
  g_free(f->pids);
}

/* The program: notes its process and its arguments, then does as @body says. */
static void write_program(Fixture *f, const char *body) {
  g_autofree char *text = g_strdup_printf("#!/bin/sh\n"
                                          "cd '%s'\n"
                                          "echo $$ >>pids\n"
                                          "echo \"$@\" >arguments\n"
                                          "env >environment\n"
                                          "while [ \"$1\" != --port ]; do shift; done\n"
                                          "port=$2\n"
                                          "%s",
                                          f->folder, body);
  velm_file_write(f->program, text, strlen(text), &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpint(g_chmod(f->program, 0755), ==, 0);
}

static char *read_text(const Fixture *f, const char *name) {
  g_autofree char *path = g_build_filename(f->folder, name, NULL);
  char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

/* The process that was started last, and how often one was. */
static int last_pid(const Fixture *f, guint *n) {
  g_autofree char *text = read_text(f, "pids");
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  *n = g_strv_length(lines);
  return (int)g_ascii_strtoll(lines[*n - 1], NULL, 10);
}

static void assert_fails(Fixture *f, VelmError code, const char *text) {
  g_assert_null(velm_served_llm_new(&f->params, &f->error));
  assert_failure(&f->error, code, text);
}

static void assert_no_process(int pid) {
  g_assert_cmpint(kill(pid, 0), ==, -1); /* a zombie would be one */
}

/* ---- refused ---- */

static void test_no_program(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  assert_fails(f, VELM_ERROR_FILE, "llama-server: no such program; VELM_LLAMA_SERVER must name");
  g_autofree char *path = g_strdup(g_getenv("PATH"));
  g_unsetenv("VELM_LLAMA_SERVER");
  g_setenv("PATH", f->folder, TRUE);
  assert_fails(f, VELM_ERROR_FILE, "llama-server is not on PATH; install llama.cpp");
  g_setenv("PATH", path, TRUE);
}

static void test_no_files(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  write_program(f, SERVER);
  g_autofree char *text = scratch_write(f->folder, "text.gguf", "GGML....", 8);
  g_autofree char *stub = scratch_write(f->folder, "stub.gguf", "GGU", 3);
  const char *const wrong[] = {text, stub};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    f->params.mmproj = wrong[i];
    assert_fails(f, VELM_ERROR_FILE, ".gguf: is no GGUF file");
  }
  f->params.mmproj = f->mmproj;
  f->params.model = "/nowhere/model.gguf";
  assert_fails(f, VELM_ERROR_FILE, "/nowhere/model.gguf: no such file");
  g_assert_false(g_file_test(f->pids, G_FILE_TEST_EXISTS));
}

static void test_ends_at_once(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  write_program(f, "seq 2000\necho 'E  failed to load \033[31mmodel' >&2\necho bye\nexit 3\n");
  assert_fails(f, VELM_ERROR_LLM, "llama-server ended with exit code 3 while it loaded ");
  write_program(f, "seq 2000\necho 'E  failed to load \033[31mmodel' >&2\necho bye\nexit 3\n");
  assert_fails(f, VELM_ERROR_LLM, ": E  failed to load  [31mmodel");
  write_program(f, "kill -9 $$\n");
  assert_fails(f, VELM_ERROR_LLM, "was ended by signal 9 (Killed) while it loaded ");
  write_program(f, "echo of no import\nexit 0\n");
  assert_fails(f, VELM_ERROR_LLM, ": of no import");
  write_program(f, "echo \"the key is $LLAMA_API_KEY\"\nexit 1\n");
  assert_fails(f, VELM_ERROR_LLM, "the key is [key]");
}

/* A dead grandchild is its new parent's to collect, and stays as a zombie until then. */
static gboolean is_running(int pid) {
  g_autofree char *stat = g_strdup_printf("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  return g_file_get_contents(stat, &text, NULL, NULL) && !strstr(text, ") Z ");
}

static void test_never_ready(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint n = 0;
  /* It does not even heed SIGTERM, and has a child. */
  write_program(f, "trap '' TERM\nsleep 1000 &\necho $! >>pids\nwait\nsleep 1000\n");
  f->params.ready_ms = 1500;
  assert_fails(f, VELM_ERROR_LLM, "llama-server is not ready after 1.5 s, and said nothing");
  int child = last_pid(f, &n);
  g_assert_cmpuint(n, ==, 2);
  /* It was killed as well; a busy machine takes its time to carry that out. */
  for (int i = 0; i < 500 && is_running(child); i++)
    g_usleep(10000);
  g_assert_false(is_running(child));
}

static gboolean count_calls(const char *stage, gsize done, gsize total, gpointer user_data) {
  guint *n = user_data;
  g_assert_nonnull(stage);
  g_assert_cmpuint(done, <=, total);
  return ++*n < 3;
}

static void test_given_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint n = 0, n_starts = 0;
  write_program(f, "exec sleep 1000\n");
  f->params.progress = count_calls;
  f->params.progress_data = &n;
  assert_fails(f, VELM_ERROR_CANCELLED, "given up");
  g_assert_cmpuint(n, >=, 3);
  assert_no_process(last_pid(f, &n_starts));
}

/* ---- served ---- */

static void test_served(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint n = 0;
  write_program(f, SERVER);
  g_setenv("OPENAI_API_KEY", "of-another-server", TRUE);
  f->params.n_slots = 3;
  VelmServedLlm *served = velm_served_llm_new(&f->params, &f->error);
  g_assert_no_error(f->error);
  g_unsetenv("OPENAI_API_KEY");
  g_autofree char *arguments = read_text(f, "arguments"),
                  *environment = read_text(f, "environment");
  g_autofree char *endpoint = g_strdup(velm_served_llm_get_endpoint(served));
  const char *key = velm_served_llm_get_key(served);
  g_assert_true(g_str_has_prefix(endpoint, "http://127.0.0.1:"));
  g_assert_nonnull(strstr(arguments, "--alias small --host 127.0.0.1 --port "));
  g_assert_nonnull(strstr(arguments, "--parallel 3\n"));
  g_assert_nonnull(strstr(environment, "LLAMA_ARG_CTX_SIZE=24576\n"));
  g_assert_cmpuint(strlen(key), ==, 32);
  g_assert_null(strstr(arguments, key));
  g_assert_nonnull(strstr(environment, key));
  g_assert_null(strstr(environment, "of-another-server"));
  g_assert_true(velm_served_llm_check(served, &f->error));
  int pid = last_pid(f, &n);
  g_assert_cmpuint(n, ==, 1);
  velm_served_llm_free(served);
  assert_no_process(pid);
}

/* It is started again at the same address; a server that keeps dying is given up. */
static void test_restarts(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint n = 0;
  gboolean renewed = FALSE;
  write_program(f, SERVER);
  g_autoptr(VelmServedLlm) served = velm_served_llm_new(&f->params, &f->error);
  g_assert_no_error(f->error);
  g_autofree char *endpoint = g_strdup(velm_served_llm_get_endpoint(served));
  g_assert_true(velm_served_llm_check_after(served, 1, &renewed, &f->error));
  g_assert_false(renewed);
  int first = last_pid(f, &n);
  g_assert_cmpint(kill(first, SIGKILL), ==, 0);
  g_assert_true(velm_served_llm_check_after(served, 1, &renewed, &f->error));
  g_assert_no_error(f->error);
  g_assert_true(renewed);
  g_assert_cmpuint(velm_served_llm_get_starts(served), ==, 2);
  g_assert_cmpstr(velm_served_llm_get_endpoint(served), ==, endpoint);
  int second = last_pid(f, &n);
  g_assert_cmpuint(n, ==, 2);
  assert_no_process(first);
  write_program(f, "echo no more memory, failed\nexit 1\n");
  g_assert_cmpint(kill(second, SIGKILL), ==, 0);
  for (int i = 0; i < 2; i++) {
    g_assert_false(velm_served_llm_check_after(served, 2, &renewed, &f->error));
    g_assert_false(renewed);
    assert_failure(&f->error, VELM_ERROR_LLM,
                   "after 3 restarts: llama-server ended with exit code 1");
  }
  last_pid(f, &n);
  g_assert_cmpuint(n, ==, 4);
}

#define ADD(name, function)                                                                        \
  g_test_add("/served_llm/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("no_program", test_no_program);
  ADD("no_files", test_no_files);
  ADD("ends_at_once", test_ends_at_once);
  ADD("never_ready", test_never_ready);
  ADD("given_up", test_given_up);
  ADD("served", test_served);
  ADD("restarts", test_restarts);
  return g_test_run();
}
