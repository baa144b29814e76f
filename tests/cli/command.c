#include "cli/command.h"

#include "core/file.h"
#include "core/scratch.h"
#include "dataset/procedural.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static char *folder;

void outcome_free(Outcome *outcome) {
  g_free(outcome->out);
  g_free(outcome->err);
  g_free(outcome);
}

char *command_path(const char *name) { return g_build_filename(folder, name, NULL); }

GBytes *command_read(const char *name) {
  g_autofree char *path = command_path(name);
  g_autoptr(GError) error = NULL;
  GBytes *bytes = velm_file_read(path, &error);
  g_assert_no_error(error);
  return bytes;
}

/* ---- running ---- */

static GSubprocessLauncher *launcher_new(const CommandSettings *settings) {
  GSubprocessLauncher *launcher =
      g_subprocess_launcher_new((settings && settings->out ? 0 : G_SUBPROCESS_FLAGS_STDOUT_PIPE) |
                                G_SUBPROCESS_FLAGS_STDERR_PIPE);
  /* What the machine's user has set must not reach the tests. */
  static const char *const foreign[] = {"OPENAI_BASE_URL", "OPENAI_API_KEY", "http_proxy",
                                        "HTTP_PROXY",      "all_proxy",      "ALL_PROXY",
                                        "VELM_NATS"};
  for (gsize i = 0; i < G_N_ELEMENTS(foreign); i++)
    g_subprocess_launcher_unsetenv(launcher, foreign[i]);
  g_subprocess_launcher_setenv(launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_subprocess_launcher_set_cwd(launcher, folder);
  if (settings && settings->models)
    g_subprocess_launcher_setenv(launcher, "VELM_MODELS", settings->models, TRUE);
  if (settings && settings->out)
    g_subprocess_launcher_set_stdout_file_path(launcher, settings->out);
  return launcher;
}

Outcome *command_run(const CommandSettings *settings, const char *const *arguments) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocessLauncher) launcher = launcher_new(settings);
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)g_getenv("VELM_BIN"));
  for (gsize i = 0; arguments[i]; i++)
    g_ptr_array_add(vector, (gpointer)arguments[i]);
  g_ptr_array_add(vector, NULL);
  g_autofree char *line = g_strjoinv(" ", (char **)vector->pdata);
  g_test_message("%s", line);
  g_autoptr(GSubprocess) process =
      g_subprocess_launcher_spawnv(launcher, (const char *const *)vector->pdata, &error);
  g_assert_no_error(error);
  Outcome *outcome = g_new0(Outcome, 1);
  g_subprocess_communicate_utf8(process, NULL, NULL, &outcome->out, &outcome->err, &error);
  g_assert_no_error(error);
  if (!g_subprocess_get_if_exited(process))
    g_error("%s: killed by signal %d: %s", line, g_subprocess_get_term_sig(process), outcome->err);
  outcome->code = g_subprocess_get_exit_status(process);
  return outcome;
}

/* ---- the folder ---- */

static void make_models(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Outcome) fit = velm("fit", PARTS, "-o", FITTED, "--backbone", "lite2", "--size", "128");
  assert_success(fit);
  assert_contains(fit->out, "fitted.velm: fitted in");
  g_autofree char *taught = command_path(TAUGHT);
  g_autoptr(GBytes) model = command_read(FITTED);
  velm_file_write(taught, g_bytes_get_data(model, NULL), g_bytes_get_size(model), &error);
  g_assert_no_error(error);
  g_autoptr(Outcome) teach = velm("teach", PARTS, "-m", TAUGHT, "-s", SPEC, "--shots", "3");
  assert_success(teach);
  assert_contains(teach->out, "taught.velm: taught");
}

static gboolean copy(const char *from, const char *to) {
  g_autofree char *content = NULL;
  gsize size = 0;
  return g_file_get_contents(from, &content, &size, NULL) &&
         g_file_set_contents(to, content, (gssize)size, NULL);
}

/* The models are the same for all programs that use this command, and take half a minute: the first
 * one makes them and the others, which wait for it, copy them. */
static void share_models(const char *kept) {
  static const char *const names[] = {FITTED, TAUGHT};
  GStatBuf command;
  g_autofree char *lock_path = g_build_filename(kept, "lock", NULL);
  g_assert_cmpint(g_mkdir_with_parents(kept, 0755), ==, 0);
  g_assert_cmpint(g_stat(g_getenv("VELM_BIN"), &command), ==, 0);
  int lock = g_open(lock_path, O_CREAT | O_RDWR, 0644);
  g_assert_cmpint(flock(lock, LOCK_EX), ==, 0);
  g_autofree char *key =
      g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, (gint64)command.st_mtim.tv_sec,
                      (gint64)command.st_mtim.tv_nsec);
  g_autofree char *key_path = g_build_filename(kept, "made-by", NULL), *known = NULL;
  gboolean made = g_file_get_contents(key_path, &known, NULL, NULL) && g_str_equal(known, key);
  if (!made) {
    g_remove(key_path);
    make_models();
  }
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *there = g_build_filename(kept, names[i], NULL);
    g_autofree char *here = command_path(names[i]);
    g_assert_true(made ? copy(there, here) : copy(here, there));
  }
  g_assert_true(made || g_file_set_contents(key_path, key, -1, NULL));
  close(lock);
}

void command_set_up(void) {
  if (!g_getenv("VELM_BIN"))
    g_error("VELM_BIN does not name the command");
  folder = scratch_new();
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 128;
  params.n_train = 20;
  params.n_test_good = 6;
  params.n_per_class = N_PER_CLASS;
  g_autofree char *parts = command_path(PARTS);
  g_autoptr(GError) error = NULL;
  velm_procedural_write(&params, parts, NULL, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *kept = g_build_filename(g_test_get_dir(G_TEST_BUILT), "command-models", NULL);
  share_models(kept);
}

void command_tear_down(void) { scratch_remove(g_steal_pointer(&folder)); }

/* ---- checks ---- */

void assert_success(const Outcome *outcome) {
  g_assert_cmpstr(outcome->err, ==, "");
  g_assert_cmpint(outcome->code, ==, 0);
}

void assert_refused(const Outcome *outcome, int code, const char *text) {
  assert_contains(outcome->err, text);
  g_assert_cmpint(outcome->code, ==, code);
  g_assert_true(g_str_has_prefix(outcome->err, "velm") ||
                g_str_has_prefix(outcome->err, "usage: velm"));
  const char *end = strchr(outcome->err, '\n');
  if (!end || end[1] || strpbrk(outcome->err, "\r\033"))
    g_error("not one line: \"%s\"", outcome->err);
}

void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part))
    g_error("\"%s\" is not in \"%s\"", part, text);
}

GPtrArray *parse_records(const char *text) {
  GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line && **line; line++) {
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(*line, &error);
    g_assert_no_error(error);
    g_assert_true(JSON_NODE_HOLDS_OBJECT(node));
    g_ptr_array_add(records, node);
  }
  return records;
}

JsonObject *record_at(const GPtrArray *records, guint index) {
  g_assert_cmpuint(index, <, records->len);
  return json_node_get_object(records->pdata[index]);
}

void assert_keys(JsonObject *object, const char *keys) {
  g_autoptr(GString) found = g_string_new(NULL);
  g_autoptr(GList) members = json_object_get_members(object);
  for (GList *member = members; member; member = member->next)
    g_string_append_printf(found, "%s%s", found->len ? " " : "", (const char *)member->data);
  g_assert_cmpstr(found->str, ==, keys);
}
