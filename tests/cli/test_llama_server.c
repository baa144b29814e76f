/*
 * --serve-llm with a real llama-server, a small real language model, and a vision projector of
 * random weights: what the model says means nothing, how it says it is real. "make test-llm"
 * installs them; where they are not, all of this is skipped.
 *
 * The server is started through a script, which notes each start's process and then becomes the
 * server. The server's own log counts the questions that it was given.
 */
#include "cli/command.h"
#include "core/file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#define FOLDER "velm/llama-server-11434.0.0"
#define MODEL "SmolLM2-135M-Instruct.Q4_1.gguf"
#define N_TILES 20
#define TILE_CLASSES "blowhole", "break", "crack", "fray", "uneven"

static char *cache, *model, *mmproj, *pids, *log_file;

#define SERVED                                                                                     \
  "--classifier", "mllm", "--serve-llm", model, "--mmproj", mmproj, "--json", "--in-flight", "2"
#define PARTS_SERVED "inspect", "-m", FITTED, "-s", SPEC, SERVED

/* ---- the server ---- */

static gboolean is_absent(void) {
  if (cache)
    return FALSE;
  g_test_skip("no llama-server here: run make test-llm");
  return TRUE;
}

static void find_cache(void) {
  const char *named = g_getenv("VELM_TEST_LLM");
  g_autofree char *folder =
      named ? g_strdup(named) : g_build_filename(g_get_user_cache_dir(), FOLDER, NULL);
  g_autofree char *stamp = g_build_filename(folder, ".stamp", NULL);
  if (g_file_test(stamp, G_FILE_TEST_EXISTS))
    cache = g_steal_pointer(&folder);
}

static void write_script(const char *path, const char *text) {
  g_autoptr(GError) error = NULL;
  velm_file_write(path, text, strlen(text), &error);
  g_assert_no_error(error);
  g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static void set_up_server(void) {
  model = g_build_filename(cache, MODEL, NULL);
  mmproj = g_build_filename(cache, "mmproj.gguf", NULL);
  pids = command_path("pids");
  log_file = command_path("server.log");
  g_autofree char *wrapper = command_path("llama-server.sh");
  g_autofree char *text = g_strdup_printf(
      "#!/bin/sh\necho $$ >>'%s'\nexec '%s/bin/llama-server' \"$@\"\n", pids, cache);
  write_script(wrapper, text);
  g_setenv("VELM_LLAMA_SERVER", wrapper, TRUE);
  g_setenv("LLAMA_ARG_LOG_FILE", log_file, TRUE);
}

static void forget_starts(void) {
  g_unlink(pids);
  g_unlink(log_file);
}

/* Of the servers started since forget_starts(). Returns: (transfer full) (element-type int). */
static GArray *read_pids(void) {
  GArray *found = g_array_new(FALSE, FALSE, sizeof(int));
  g_autofree char *text = NULL;
  if (!g_file_get_contents(pids, &text, NULL, NULL))
    return found;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  /* The last line may be half written. */
  for (gsize i = 0; lines[i] && lines[i + 1]; i++) {
    int pid = (int)g_ascii_strtoll(lines[i], NULL, 10);
    g_array_append_val(found, pid);
  }
  return found;
}

/* How many questions the server was given: each try is one, and so is each second asking. */
static guint count_questions(void) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(log_file, &text, NULL, NULL))
    return 0;
  guint n = 0;
  for (const char *at = text; (at = strstr(at, "| processing task, ")); at++)
    n++;
  return n;
}

/* 0 where there is no such process; else "R", "S", "Z" and so on. */
static char state_of(int pid) {
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  const char *end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
  return end && end[1] ? end[2] : 0;
}

/* Waits up to 10 s. What is left of an orphan is its new parent's to collect. */
static void assert_gone(int pid) {
  char state = state_of(pid);
  for (int i = 0; i < 1000 && state && state != 'Z'; i++, state = state_of(pid))
    g_usleep(10 * 1000);
  g_assert_true(state == 0 || state == 'Z');
}

/* ---- velm beside the test ---- */

static GSubprocess *begin(const char *const *arguments) {
  g_autofree char *folder = command_path("");
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)g_getenv("VELM_BIN"));
  for (gsize i = 0; arguments[i]; i++)
    g_ptr_array_add(vector, (gpointer)arguments[i]);
  g_ptr_array_add(vector, NULL);
  g_autoptr(GSubprocessLauncher) launcher =
      g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_subprocess_launcher_set_cwd(launcher, folder);
  /* A company's proxy is not asked for what is on this machine, nor its cloud service's key sent.
   */
  g_subprocess_launcher_setenv(launcher, "http_proxy", "http://127.0.0.1:9", TRUE);
  g_subprocess_launcher_unsetenv(launcher, "no_proxy");
  g_subprocess_launcher_setenv(launcher, "OPENAI_BASE_URL", "http://127.0.0.1:9/v1", TRUE);
  g_subprocess_launcher_setenv(launcher, "OPENAI_API_KEY", "of-another-server", TRUE);
  g_autoptr(GError) error = NULL;
  GSubprocess *velm =
      g_subprocess_launcher_spawnv(launcher, (const char *const *)vector->pdata, &error);
  g_assert_no_error(error);
  return velm;
}

static Outcome *end(GSubprocess *velm) {
  g_autoptr(GError) error = NULL;
  Outcome *outcome = g_new0(Outcome, 1);
  g_subprocess_communicate_utf8(velm, NULL, NULL, &outcome->out, &outcome->err, &error);
  g_assert_no_error(error);
  outcome->code = g_subprocess_get_if_exited(velm) ? g_subprocess_get_exit_status(velm) : -1;
  return outcome;
}

/* The process of the server; waits until it was started, or until it has a question. */
static int wait_for_server(GSubprocess *velm, gboolean asked) {
  for (;;) {
    g_autoptr(GArray) started = read_pids();
    if (started->len > 0 && (!asked || count_questions() > 0))
      return g_array_index(started, int, started->len - 1);
    if (!g_subprocess_get_identifier(velm)) {
      g_autoptr(Outcome) outcome = end(velm);
      g_error("velm ended: %s", outcome->err);
    }
    g_usleep(5000);
  }
}

/* ---- records ---- */

/* Of an anomalous part: named by the model, and sure of it in figures that are probabilities.
 * Returns: their sum. */
static double check_answer(JsonObject *record, const char *const *classes) {
  const char *name = json_object_get_string_member_with_default(record, "class", "none at all");
  g_assert_true(g_strv_contains(classes, name) || g_str_equal(name, "good") ||
                g_str_equal(name, "unknown"));
  g_assert_cmpstr(json_object_get_string_member(record, "classifier"), ==, "mllm");
  g_assert_false(json_object_has_member(record, "error"));
  JsonObject *probabilities = json_object_get_object_member(record, "probabilities");
  g_autoptr(GList) names = json_object_get_members(probabilities);
  g_assert_cmpuint(g_list_length(names), ==, g_strv_length((char **)classes) + 2);
  double sum = 0;
  for (GList *member = names; member; member = member->next) {
    double p = json_object_get_double_member(probabilities, member->data);
    g_assert_cmpfloat(p, >=, 0);
    sum += p;
  }
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
  double confidence = json_object_get_double_member(record, "confidence");
  g_assert_cmpfloat_with_epsilon(json_object_get_double_member(probabilities, name), confidence,
                                 1e-9);
  return sum;
}

/* Checks the records of all anomalous parts. Returns: how many these are. */
static guint check_answers(const GPtrArray *records, const char *const *classes) {
  guint n = 0;
  double least = INFINITY, most = -INFINITY;
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    if (!json_object_get_boolean_member(record, "anomalous"))
      continue;
    double sum = check_answer(record, classes);
    least = MIN(least, sum);
    most = MAX(most, sum);
    n++;
  }
  g_test_message("%u answers; probabilities sum to 1%+.1e at least and 1%+.1e at most", n,
                 least - 1, most - 1);
  return n;
}

/* ---- made-up parts ---- */

static void test_parts(void) {
  static const char *const classes[] = {CLASSES, NULL};
  if (is_absent())
    return;
  forget_starts();
  g_autoptr(Outcome) outcome = velm(PARTS_SERVED, PARTS "/test/missing_hole");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, N_PER_CLASS);
  guint n = check_answers(records, classes);
  g_assert_cmpuint(n, >, 0);
  g_assert_cmpuint(count_questions(), ==, n);
  g_autoptr(GArray) started = read_pids();
  g_assert_cmpuint(started->len, ==, 1);
  g_assert_cmpint(state_of(g_array_index(started, int, 0)), ==, 0);
}

/* ---- magnetic tiles ---- */

static const char tile_spec[] =
    "object: magnetic tile\n"
    "normal: a flat, evenly grey ferrite surface with straight, unbroken edges\n"
    "classes:\n"
    "  blowhole: {description: a small dark round pit in the surface}\n"
    "  break: {description: a piece that is broken away at an edge}\n"
    "  crack: {description: a thin dark line that branches}\n"
    "  fray: {description: a rough and worn patch}\n"
    "  uneven: {description: brightness that changes over a wide area}\n";

/* Where the real images are; NULL where they are not. */
static char *find_tiles(void) {
  const char *named = g_getenv("VELM_SHARED");
  g_autofree char *shared =
      named ? g_strdup(named) : g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *tiles = g_build_filename(shared, "data", "magnetic_tile", NULL);
  return g_file_test(tiles, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&tiles) : NULL;
}

/* A model of every eighth good tile. */
static void fit_tiles(const char *tiles) {
  g_autofree char *from = g_build_filename(tiles, "train", "good", NULL);
  g_autofree char *to = command_path("tiles/train/good");
  g_autofree char *spec = command_path("tile.yaml");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = velm_file_list(from, &error);
  g_assert_no_error(error);
  velm_file_make_folder(to, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < names->len; i += 8) {
    g_autofree char *image = g_build_filename(from, names->pdata[i], NULL);
    g_autofree char *link = g_build_filename(to, names->pdata[i], NULL);
    g_assert_cmpint(symlink(image, link), ==, 0);
  }
  velm_file_write(spec, tile_spec, strlen(tile_spec), &error);
  g_assert_no_error(error);
  g_autoptr(Outcome) fit =
      velm("fit", "tiles", "-o", "tile.velm", "--backbone", "lite2", "--size", "128");
  assert_success(fit);
}

/* The first of a class's images that the detector marks, @most of them. */
static void add_marked(const char *tiles, const char *class, guint most, GPtrArray *paths) {
  g_autofree char *folder = g_build_filename(tiles, "test", class, NULL);
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", "tile.velm", "--classifier", "none", "--json", folder);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  for (guint i = 0; i < records->len && most > 0; i++) {
    JsonObject *record = record_at(records, i);
    if (!json_object_get_boolean_member(record, "anomalous"))
      continue;
    g_ptr_array_add(paths, g_strdup(json_object_get_string_member(record, "image")));
    most--;
  }
}

static void test_tiles(void) {
  static const char *const classes[] = {TILE_CLASSES, NULL};
  if (is_absent())
    return;
  g_autofree char *tiles = find_tiles();
  if (!tiles) {
    g_test_skip("no images of magnetic tiles");
    return;
  }
  fit_tiles(tiles);
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; classes[i]; i++)
    add_marked(tiles, classes[i], N_TILES / (G_N_ELEMENTS(classes) - 1), paths);
  g_assert_cmpuint(paths->len, ==, N_TILES);
  const char *const options[] = {"inspect", "-m", "tile.velm", "-s", "tile.yaml", SERVED};
  g_autoptr(GPtrArray) arguments = g_ptr_array_new();
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
    g_ptr_array_add(arguments, (gpointer)options[i]);
  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add(arguments, paths->pdata[i]);
  g_ptr_array_add(arguments, NULL);
  forget_starts();
  gint64 start = g_get_monotonic_time();
  g_autoptr(Outcome) outcome = command_run(NULL, (const char *const *)arguments->pdata);
  double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, N_TILES);
  g_assert_cmpuint(check_answers(records, classes), ==, N_TILES);
  g_test_message("%u questions, %.1f s in all, %.2f s an answer", count_questions(), seconds,
                 seconds / N_TILES);
  /* None sent twice, none asked a second time. */
  g_assert_cmpuint(count_questions(), ==, N_TILES);
}

/* ---- the end ---- */

static void test_ends_with_velm(void) {
  static const struct {
    int signal;
    gboolean asked; /* else it loads its model */
  } cases[] = {{SIGTERM, TRUE}, {SIGINT, FALSE}, {SIGKILL, TRUE}, {SIGKILL, FALSE}};
  if (is_absent())
    return;
  const char *const arguments[] = {PARTS_SERVED, PARTS "/test/missing_hole", NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    forget_starts();
    g_autoptr(GSubprocess) velm = begin(arguments);
    int server = wait_for_server(velm, cases[i].asked);
    g_assert_true(state_of(server) != 0);
    g_subprocess_send_signal(velm, cases[i].signal);
    g_subprocess_wait(velm, NULL, NULL);
    g_assert_true(g_subprocess_get_if_signaled(velm));
    assert_gone(server);
  }
}

/* It dies over its first question: velm starts another, and no record is lost. */
static void test_killed(void) {
  static const char *const classes[] = {CLASSES, NULL};
  if (is_absent())
    return;
  forget_starts();
  const char *const arguments[] = {PARTS_SERVED, PARTS "/test/missing_hole", NULL};
  g_autoptr(GSubprocess) velm = begin(arguments);
  int first = wait_for_server(velm, TRUE);
  g_assert_cmpint(kill(first, SIGKILL), ==, 0);
  for (int i = 0; i < 1000 && state_of(first); i++)
    g_usleep(10 * 1000);
  g_assert_cmpint(state_of(first), ==, 0); /* not even a zombie, while velm goes on */
  g_assert_nonnull(g_subprocess_get_identifier(velm));
  g_autoptr(Outcome) outcome = end(velm);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, N_PER_CLASS);
  g_assert_cmpuint(check_answers(records, classes), >, 0);
  g_autoptr(GArray) started = read_pids();
  g_assert_cmpuint(started->len, ==, 2);
}

/* ---- refused ---- */

static void assert_refused_soon(const char *given_model, const char *given_mmproj,
                                const char *text) {
  gint64 begin = g_get_monotonic_time();
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--serve-llm", given_model,
           "--mmproj", given_mmproj, PARTS "/test/dent");
  assert_refused(outcome, 1, text);
  g_assert_cmpstr(outcome->out, ==, "");
  g_assert_cmpint(g_get_monotonic_time() - begin, <, 20 * G_USEC_PER_SEC);
}

static void test_refused(void) {
  if (is_absent())
    return;
  g_autofree char *garbage = command_path("garbage.gguf"), *cut = command_path("cut.gguf");
  g_autoptr(GError) error = NULL;
  velm_file_write(garbage, "GGUF and then nonsense", 22, &error);
  g_assert_no_error(error);
  gsize length = 0;
  g_autofree char *start = velm_file_read_limited(model, 1000 * 1000, &length, &error);
  g_assert_no_error(error);
  velm_file_write(cut, start, length, &error);
  g_assert_no_error(error);
  assert_refused_soon("garbage.gguf", mmproj, "failed to load model, 'garbage.gguf'");
  assert_refused_soon("cut.gguf", mmproj, "failed to load model, 'cut.gguf'");
  assert_refused_soon(model, "garbage.gguf", "failed to load multimodal model, 'garbage.gguf'");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  find_cache();
  if (cache) {
    command_set_up();
    set_up_server();
  }
  g_test_add_func("/cli/llama_server/parts", test_parts);
  g_test_add_func("/cli/llama_server/tiles", test_tiles);
  g_test_add_func("/cli/llama_server/ends_with_velm", test_ends_with_velm);
  g_test_add_func("/cli/llama_server/killed", test_killed);
  g_test_add_func("/cli/llama_server/refused", test_refused);
  int code = g_test_run();
  if (cache)
    command_tear_down();
  char *strings[] = {cache, model, mmproj, pids, log_file};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(strings[i]);
  return code;
}
