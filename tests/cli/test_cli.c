/* The command from fit to inspect, as a user would type it. */
#include "classify/scripted_server.h"
#include "cli/command.h"
#include "core/file.h"

#include <string.h>

/* Before and after what a language model took, where one was asked. */
#define FIRST_KEYS                                                                                 \
  "image width height score threshold anomalous regions class confidence probabilities "           \
  "classifier stage "                                                                              \
  "stage_reason "
#define LAST_KEYS "severity decision action rule timings_ms made_by"
#define RECORD_KEYS FIRST_KEYS LAST_KEYS
#define REGION_KEYS "x y width height area centroid_x centroid_y elongation score"

/* ---- fit, info, teach ---- */

static void test_info(void) {
  g_autoptr(Outcome) fitted = velm("info", FITTED);
  assert_success(fitted);
  assert_contains(fitted->out, "fitted to: 20 images of 10 parts\n");
  assert_contains(fitted->out, "backbone: lite2, ");
  assert_contains(fitted->out, "images at 128 px\n");
  assert_contains(fitted->out, "taught: nothing yet");
  g_autoptr(Outcome) taught = velm("info", TAUGHT);
  assert_success(taught);
  assert_contains(taught->out, "taught: scratch, dent, stain, chip, missing_hole, dust\n");
}

static void test_fit_again(void) {
  g_autoptr(Outcome) fit =
      velm("fit", PARTS, "-o", "again.velm", "--backbone", "lite2", "--size", "128");
  assert_success(fit);
  g_autoptr(GBytes) first = command_read(FITTED), second = command_read("again.velm");
  g_assert_true(g_bytes_equal(first, second));
}

static void test_fit_plain_folder(void) {
  g_autoptr(Outcome) fit = velm("fit", PARTS "/train/good", "-o", "plain.velm", "--backbone",
                                "lite2", "--size", "64", "--coreset", "0.1", "--seed", "7");
  assert_success(fit);
  g_autoptr(Outcome) info = velm("info", "plain.velm");
  assert_success(info);
  assert_contains(info->out, "images at 64 px\n");
}

/* What was taught stays, and without -o the model is the one that grows. */
static void test_fit_tune(void) {
  g_autoptr(Outcome) fit = velm("fit", PARTS, "-o", "tuned.velm", "--backbone", "lite2", "--size",
                                "96", "--layers", "stage3@3,stage4@3", "--tune", "synthetic");
  assert_success(fit);
  assert_contains(fit->out, "made-up defects and ");
  assert_contains(fit->out, "\n  96 px, stage");
  assert_contains(fit->out, "chosen: 96 px, by the mean of the three figures");
  assert_contains(fit->out, "tuned.velm: fitted in ");
  g_autoptr(Outcome) refused =
      velm("fit", PARTS, "-o", "tuned.velm", "--backbone", "lite2", "--tune", PARTS "/train/good");
  g_assert_cmpint(refused->code, !=, 0);
  assert_contains(refused->err, "has no image of a defect");
}

static void test_fit_add(void) {
  g_autoptr(Outcome) add = velm("fit", "--add", TAUGHT, PARTS "/test/good", "-o", "grown.velm");
  assert_success(add);
  assert_contains(add->out, "grown.velm: added to in ");
  assert_contains(add->out, "\n6 images added\n");
  assert_contains(add->out, "patches added, by layer: ");
  assert_contains(add->out, "threshold: ");
  g_autoptr(Outcome) info = velm("info", "grown.velm");
  assert_contains(info->out, "fitted to: 26 images of ");
  assert_contains(info->out, "taught: scratch, dent, stain, chip, missing_hole, dust\n");
  g_autoptr(GBytes) before = command_read("grown.velm");
  g_autoptr(Outcome) again = velm("fit", "--add", "grown.velm", PARTS "/test/good");
  assert_success(again);
  assert_contains(again->out, "0 images added, 6 that the model had already left out\n");
  g_autoptr(GBytes) after = command_read("grown.velm");
  g_assert_true(g_bytes_equal(before, after));
  g_autoptr(Outcome) refused = velm("fit", "--add", TAUGHT, PARTS "/test/good", "--seed", "3");
  assert_refused(refused, 2, "--add keeps");
}

static void test_version(void) {
  g_autoptr(Outcome) outcome = velm("--version");
  assert_success(outcome);
  g_assert_true(g_str_has_prefix(outcome->out, "velm 0."));
}

/* ---- inspect ---- */

static void test_inspect_text(void) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", TAUGHT, PARTS "/test/missing_hole");
  assert_success(outcome);
  g_auto(GStrv) lines = g_strsplit(outcome->out, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, N_PER_CLASS + 1);
  guint n_right = 0;
  for (guint i = 0; i < N_PER_CLASS; i++) {
    g_assert_true(g_str_has_prefix(lines[i], PARTS "/test/missing_hole/part"));
    assert_contains(lines[i], "[score ");
    n_right += strstr(lines[i], ": defect, missing_hole (") && strstr(lines[i], " -> scrap ");
  }
  g_assert_cmpuint(n_right, >=, N_PER_CLASS / 2); /* as many were taught */
}

static void assert_share(JsonObject *object, const char *name) {
  double value = json_object_get_double_member(object, name);
  g_assert_cmpfloat(value, >=, 0);
  g_assert_cmpfloat(value, <=, 1);
}

static void assert_regions(JsonObject *record) {
  JsonArray *regions = json_object_get_array_member(record, "regions");
  gboolean anomalous = json_object_get_boolean_member(record, "anomalous");
  g_assert_cmpint(json_array_get_length(regions) > 0, ==, anomalous);
  for (guint i = 0; i < json_array_get_length(regions); i++) {
    JsonObject *region = json_array_get_object_element(regions, i);
    assert_keys(region, REGION_KEYS);
    gint64 x = json_object_get_int_member(region, "x"), y = json_object_get_int_member(region, "y");
    gint64 width = json_object_get_int_member(region, "width");
    gint64 height = json_object_get_int_member(region, "height");
    double area = json_object_get_double_member(region, "area");
    g_assert_true(x >= 0 && y >= 0 && width > 0 && height > 0);
    g_assert_true(x + width <= 128 && y + height <= 128);
    g_assert_true(area > 0 && area <= (double)(width * height));
  }
}

static void assert_timings(JsonObject *record) {
  JsonObject *timings = json_object_get_object_member(record, "timings_ms");
  assert_keys(timings, "decode features search mark classify total");
  double sum = 0;
  const char *const stages[] = {"decode", "features", "search", "mark", "classify"};
  for (gsize i = 0; i < G_N_ELEMENTS(stages); i++)
    sum += json_object_get_double_member(timings, stages[i]);
  g_assert_cmpfloat(sum, >, 0);
  g_assert_cmpfloat(sum, <=, json_object_get_double_member(timings, "total") + 0.01);
}

static void assert_class(JsonObject *record) {
  static const char *const classes[] = {CLASSES};
  JsonObject *probabilities = json_object_get_object_member(record, "probabilities");
  double sum = 0;
  assert_keys(probabilities, "scratch dent stain chip missing_hole dust");
  for (guint i = 0; i < N_CLASSES; i++)
    sum += json_object_get_double_member(probabilities, classes[i]);
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
  g_assert_cmpstr(json_object_get_string_member(record, "classifier"), ==, "fewshot");
  assert_share(record, "confidence");
}

static char *sha256_of(const char *name) {
  g_autoptr(GBytes) bytes = command_read(name);
  return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
}

/* @spec: NULL for the model's own. */
static void assert_made_by(JsonObject *record, const char *model, const char *spec) {
  JsonObject *made_by = json_object_get_object_member(record, "made_by");
  g_autofree char *of_model = sha256_of(model);
  g_autofree char *of_spec = spec ? sha256_of(spec) : NULL;
  assert_keys(made_by, "model spec version worker");
  g_assert_cmpstr(json_object_get_string_member(made_by, "model"), ==, of_model);
  g_assert_cmpstr(json_object_get_string_member_with_default(made_by, "spec", NULL), ==, of_spec);
  g_assert_true(json_object_get_null_member(made_by, "version"));
  g_assert_true(json_object_get_null_member(made_by, "worker"));
}

static void test_inspect_json(void) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", TAUGHT, "--json", PARTS "/test");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, (N_CLASSES + 1) * N_PER_CLASS);
  guint n_anomalous = 0;
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    assert_keys(record, RECORD_KEYS);
    assert_regions(record);
    assert_timings(record);
    assert_made_by(record, TAUGHT, NULL);
    gboolean anomalous = json_object_get_boolean_member(record, "anomalous");
    g_assert_cmpint(anomalous, ==,
                    json_object_get_double_member(record, "score") >
                        json_object_get_double_member(record, "threshold"));
    if (anomalous)
      assert_class(record);
    else
      g_assert_cmpstr(json_object_get_string_member(record, "decision"), ==, "normal");
    n_anomalous += anomalous;
  }
  g_assert_cmpuint(n_anomalous, >, records->len / 2);
  g_assert_cmpuint(n_anomalous, <, records->len);
}

/* The records without what they took. */
static char *untimed_records(const char *parallel) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", TAUGHT, "--json", "--parallel", parallel,
                                    PARTS "/test/chip", PARTS "/test/good", SPEC);
  g_assert_cmpint(outcome->code, ==, 1);
  g_auto(GStrv) lines = g_strsplit(outcome->out, "\n", -1);
  for (char **line = lines; *line; line++) {
    char *timings = strstr(*line, "\"timings_ms\"");
    if (timings)
      *timings = '\0';
  }
  return g_strjoinv("\n", lines);
}

/* Many images at a time give the records of one at a time, in the order of the images. */
static void test_inspect_parallel(void) {
  g_autofree char *alone = untimed_records("1");
  g_autofree char *pairs = untimed_records("2");
  g_autofree char *five = untimed_records("5");
  assert_contains(alone, "\"decision\"");
  assert_contains(alone, SPEC);
  g_assert_cmpstr(pairs, ==, alone);
  g_assert_cmpstr(five, ==, alone);
}

/* Without a classifier the members are there all the same. */
static void test_inspect_unclassified(void) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "--json", PARTS "/test/missing_hole");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, N_PER_CLASS);
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    assert_keys(record, RECORD_KEYS);
    g_assert_true(json_object_get_null_member(record, "class"));
    g_assert_true(json_object_get_null_member(record, "confidence"));
    g_assert_true(json_object_get_null_member(record, "probabilities"));
    g_assert_true(json_object_get_null_member(record, "classifier"));
    g_assert_cmpstr(json_object_get_string_member(record, "decision"), ==,
                    json_object_get_boolean_member(record, "anomalous") ? "defect" : "normal");
  }
}

static void assert_file(const char *name, const char *magic) {
  g_autoptr(GBytes) bytes = command_read(name);
  gsize size = 0;
  const char *data = g_bytes_get_data(bytes, &size);
  g_assert_cmpuint(size, >, strlen(magic));
  g_assert_cmpmem(data, strlen(magic), magic, strlen(magic));
}

static void test_inspect_out(void) {
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", FITTED, "--out", "new/pages", PARTS "/test/stain", PARTS "/test/good");
  assert_success(outcome);
  g_autofree char *folder = command_path("new/pages");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = velm_file_list(folder, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(names->len, ==, 2 * N_PER_CLASS + 1);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *name = g_build_filename("new/pages", names->pdata[i], NULL);
    if (g_str_has_suffix(name, "_overlay.png"))
      assert_file(name, "\x89PNG");
    else
      assert_file(name, "<!");
  }
  g_autoptr(GBytes) page = command_read("new/pages/report.html");
  g_autofree char *text = g_strndup(g_bytes_get_data(page, NULL), g_bytes_get_size(page));
  assert_contains(text, PARTS "/test/stain/part");
}

/* ---- the language model ---- */

static void test_mllm(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, "{\"class\":\"missing_hole\",\"reason\":\"two holes\"}");
  scripted_server_answer(server, "{\"class\":\"none of these\",\"reason\":\"odd\"}");
  g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "-s", SPEC, "--json", "--classifier",
                                    "mllm", "--endpoint", scripted_server_endpoint(server), "--llm",
                                    "scripted", "--in-flight", "1", PARTS "/test/missing_hole");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  guint n_asked = 0;
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    if (!json_object_get_boolean_member(record, "anomalous"))
      continue;
    gboolean first = n_asked++ == 0;
    assert_made_by(record, FITTED, SPEC);
    g_assert_cmpstr(json_object_get_string_member(record, "classifier"), ==, "mllm");
    g_assert_cmpstr(json_object_get_string_member(record, "class"), ==,
                    first ? "missing_hole" : "unknown");
    g_assert_cmpstr(json_object_get_string_member(record, "reason"), ==,
                    first ? "two holes" : "odd");
    g_assert_cmpstr(json_object_get_string_member(record, "decision"), ==,
                    first ? "defect" : "review");
    g_assert_cmpstr(json_object_get_string_member(record, "action"), ==,
                    first ? "scrap" : "hold for review");
  }
  g_assert_cmpuint(n_asked, >, 1);
  g_assert_cmpuint(n_asked, ==, scripted_server_n_requests(server));
}

/* What was detected stands, and the part is held. */
static void test_server_down(void) {
  ScriptedServer *server = scripted_server_new();
  g_autofree char *endpoint = g_strdup(scripted_server_endpoint(server));
  scripted_server_free(server);
  g_autofree char *folder = command_path(PARTS "/test/missing_hole");
  g_autoptr(GPtrArray) names = velm_file_list(folder, NULL);
  g_autofree char *image = g_build_filename(PARTS "/test/missing_hole", names->pdata[0], NULL);
  g_autoptr(Outcome) outcome = velm("inspect", "-m", TAUGHT, "--json", "--classifier", "mllm",
                                    "--endpoint", endpoint, "--llm", "scripted", image);
  assert_refused(outcome, 1, "127.0.0.1");
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 1);
  JsonObject *record = record_at(records, 0);
  assert_keys(record, FIRST_KEYS "llm " LAST_KEYS " error");
  g_assert_true(json_object_get_boolean_member(record, "anomalous"));
  g_assert_cmpstr(json_object_get_string_member(record, "class"), ==, "unclassified");
  g_assert_cmpstr(json_object_get_string_member(record, "stage"), ==, "detector");
  g_assert_cmpstr(json_object_get_string_member(record, "decision"), ==, "review");
  assert_contains(json_object_get_string_member(record, "error"), "127.0.0.1");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  g_test_add_func("/cli/info", test_info);
  g_test_add_func("/cli/fit/again", test_fit_again);
  g_test_add_func("/cli/fit/plain_folder", test_fit_plain_folder);
  g_test_add_func("/cli/fit/tune", test_fit_tune);
  g_test_add_func("/cli/fit/add", test_fit_add);
  g_test_add_func("/cli/version", test_version);
  g_test_add_func("/cli/inspect/text", test_inspect_text);
  g_test_add_func("/cli/inspect/json", test_inspect_json);
  g_test_add_func("/cli/inspect/parallel", test_inspect_parallel);
  g_test_add_func("/cli/inspect/unclassified", test_inspect_unclassified);
  g_test_add_func("/cli/inspect/out", test_inspect_out);
  g_test_add_func("/cli/mllm/answers", test_mllm);
  g_test_add_func("/cli/mllm/server_down", test_server_down);
  int code = g_test_run();
  command_tear_down();
  return code;
}
