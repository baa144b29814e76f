/* Evaluating, comparing and ablating, as a user would type it. */
#include "classify/scripted_server.h"
#include "cli/command.h"
#include "core/file.h"
#include "core/image.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define FIGURE_KEYS                                                                                \
  "accuracy macro_accuracy macro_accuracy_std macro_f1 micro_f1 cohen_kappa intervals classes "    \
  "confusion by_class trials images missed excluded failed"

static void assert_share(JsonObject *object, const char *name) {
  double value = json_object_get_double_member(object, name);
  g_assert_cmpfloat(value, >=, 0);
  g_assert_cmpfloat(value, <=, 1);
}

/* Two ends in order, and the figure between or beside them: of few parts an interval is wide. */
static void assert_interval(JsonObject *object, const char *name, double figure) {
  JsonArray *ends = json_object_get_array_member(object, name);
  g_assert_cmpuint(json_array_get_length(ends), ==, 2);
  double low = json_array_get_double_element(ends, 0),
         high = json_array_get_double_element(ends, 1);
  g_assert_cmpfloat(low, <=, high);
  g_assert_cmpfloat(low, <=, figure + 0.1);
  g_assert_cmpfloat(high, >=, figure - 0.1);
}

/* ---- evaluate ---- */

static void assert_detection(JsonObject *root) {
  JsonObject *detection = json_object_get_object_member(root, "detection");
  assert_keys(detection, "image_auroc image_average_precision image_f1_max pixel_auroc "
                         "pixel_average_precision aupro pointing region_iou intervals by_class "
                         "images ms_per_image");
  const char *const shares[] = {"image_auroc",
                                "image_average_precision",
                                "image_f1_max",
                                "pixel_auroc",
                                "pixel_average_precision",
                                "aupro",
                                "pointing",
                                "region_iou"};
  JsonObject *intervals = json_object_get_object_member(detection, "intervals");
  for (gsize i = 0; i < G_N_ELEMENTS(shares); i++) {
    assert_share(detection, shares[i]);
    assert_interval(intervals, shares[i], json_object_get_double_member(detection, shares[i]));
  }
  g_assert_cmpfloat(json_object_get_double_member(detection, "image_auroc"), >, 0.65);
  g_assert_cmpint(json_object_get_int_member(detection, "images"), ==,
                  (N_CLASSES + 1) * N_PER_CLASS);
  g_assert_cmpfloat(json_object_get_double_member(detection, "ms_per_image"), >, 0);
  JsonObject *by_class = json_object_get_object_member(detection, "by_class");
  assert_keys(by_class, "chip dent dust missing_hole scratch stain");
  JsonObject *stain = json_object_get_object_member(by_class, "stain");
  assert_keys(stain, "images image_auroc image_average_precision pixel_auroc "
                     "pixel_average_precision aupro pointing region_iou");
  g_assert_cmpint(json_object_get_int_member(stain, "images"), ==, N_PER_CLASS);
  assert_share(stain, "image_auroc");
  assert_share(stain, "pixel_auroc");
  assert_share(stain, "pointing");
  assert_share(stain, "region_iou");
}

/* The sum of the confusion matrix, which has a row and a column for each of @classes. */
static gint64 sum_confusion(JsonObject *figures, const char *classes) {
  g_autoptr(GString) names = g_string_new(NULL);
  JsonArray *array = json_object_get_array_member(figures, "classes");
  for (guint i = 0; i < json_array_get_length(array); i++)
    g_string_append_printf(names, "%s%s", i ? " " : "", json_array_get_string_element(array, i));
  g_assert_cmpstr(names->str, ==, classes);
  JsonArray *rows = json_object_get_array_member(figures, "confusion");
  g_assert_cmpuint(json_array_get_length(rows), ==, json_array_get_length(array));
  gint64 sum = 0;
  for (guint i = 0; i < json_array_get_length(rows); i++) {
    JsonArray *row = json_array_get_array_element(rows, i);
    g_assert_cmpuint(json_array_get_length(row), ==, json_array_get_length(array));
    for (guint k = 0; k < json_array_get_length(row); k++)
      sum += json_array_get_int_element(row, k);
  }
  return sum;
}

static void assert_figures(JsonObject *root, const char *name, const char *classes, gint64 trials) {
  JsonObject *figures = json_object_get_object_member(root, name);
  assert_keys(figures, FIGURE_KEYS);
  const char *const shares[] = {"accuracy", "macro_accuracy", "macro_accuracy_std", "macro_f1",
                                "micro_f1"};
  for (gsize i = 0; i < G_N_ELEMENTS(shares); i++)
    assert_share(figures, shares[i]);
  g_assert_cmpfloat(json_object_get_double_member(figures, "cohen_kappa"), <=, 1);
  JsonObject *intervals = json_object_get_object_member(figures, "intervals");
  assert_keys(intervals, "accuracy macro_accuracy macro_f1 cohen_kappa");
  assert_interval(intervals, "accuracy", json_object_get_double_member(figures, "accuracy"));
  gint64 images = json_object_get_int_member(figures, "images");
  g_assert_cmpint(images, >, 0);
  g_assert_cmpint(sum_confusion(figures, classes), ==, images);
  g_assert_cmpint(json_object_get_int_member(figures, "trials"), ==, trials);
}

#define SORTED "chip dent dust missing_hole scratch stain"
#define AS_IN_SPEC "scratch dent stain chip missing_hole dust"

/* The model's own classifier, on the parts that it was not taught. */
static void test_evaluate_json(void) {
  g_autoptr(Outcome) outcome = velm("evaluate", PARTS, "-m", TAUGHT, "--json");
  assert_success(outcome);
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  g_assert_cmpuint(lines->len, ==, 1);
  JsonObject *root = record_at(lines, 0);
  assert_keys(root, "detector detection classifier classification end_to_end calibration failures");
  assert_detection(root);
  assert_figures(root, "classification", SORTED " unknown", 1);
  assert_figures(root, "end_to_end", "good " SORTED " unknown", 1);
  JsonObject *classification = json_object_get_object_member(root, "classification");
  gint64 excluded = json_object_get_int_member(classification, "excluded");
  g_assert_cmpint(excluded, >=, 3 * N_CLASSES);
  g_assert_cmpint(json_object_get_int_member(classification, "images") + excluded, ==,
                  N_CLASSES * N_PER_CLASS);
}

static void test_evaluate_trials(void) {
  g_autoptr(Outcome) outcome = velm("evaluate", PARTS, "-m", FITTED, "-s", SPEC, "--json",
                                    "--shots", "2", "--trials", "3", "--detector", "oracle");
  assert_success(outcome);
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  JsonObject *root = record_at(lines, 0);
  assert_keys(root, "detector detection classifier classification end_to_end decisions calibration "
                    "failures");
  g_assert_cmpstr(json_object_get_string_member(root, "detector"), ==, "oracle");
  g_assert_cmpstr(json_object_get_string_member(root, "classifier"), ==, "fewshot (2 shots)");
  assert_figures(root, "classification", AS_IN_SPEC " unknown", 3);
  assert_figures(root, "end_to_end", "good " AS_IN_SPEC " unknown", 3);
  assert_figures(root, "decisions", "normal negligible defect review", 3);
  JsonObject *classification = json_object_get_object_member(root, "classification");
  /* Chance is a sixth. */
  g_assert_cmpfloat(json_object_get_double_member(classification, "accuracy"), >, 0.4);
}

/* A model that was taught nothing has no classification to measure. */
static void test_evaluate_detection_alone(void) {
  g_autoptr(Outcome) outcome = velm("evaluate", PARTS, "-m", FITTED, "--json");
  assert_success(outcome);
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  assert_keys(record_at(lines, 0), "detector detection failures");
  assert_detection(record_at(lines, 0));
}

static void test_evaluate_text(void) {
  g_autoptr(Outcome) outcome = velm("evaluate", PARTS, "-m", FITTED);
  assert_success(outcome);
  assert_contains(outcome->out, "detection by patchcore, 42 images");
  assert_contains(outcome->out, "missing_hole");
  assert_contains(outcome->out, "AUPRO");
}

/* ---- detectors and classifiers side by side ---- */

/* Score maps for all test images: white where the mask is, for one in @worse black all over. */
static void write_maps(const char *name, gboolean worse) {
  g_autofree char *root = command_path(PARTS "/test");
  g_autoptr(GPtrArray) labels = velm_file_list_folders(root, NULL);
  for (guint i = 0; i < labels->len; i++) {
    const char *label = labels->pdata[i];
    g_autofree char *images = g_build_filename(root, label, NULL);
    g_autofree char *relative = g_build_filename(name, "test", label, NULL);
    g_autofree char *folder = command_path(relative);
    velm_file_make_folder(folder, NULL);
    g_autoptr(GPtrArray) names = velm_file_list(images, NULL);
    for (guint k = 0; k < names->len; k++) {
      g_autofree char *stem = g_strndup(names->pdata[k], strlen(names->pdata[k]) - 4);
      g_autofree char *file = g_strconcat(stem, "_mask.png", NULL);
      g_autofree char *mask_path = g_build_filename(root, "..", "ground_truth", label, file, NULL);
      g_autoptr(VelmMask) mask = velm_mask_load(mask_path, NULL);
      if (!mask || (worse && k == 0))
        mask = mask ? (velm_mask_free(mask), velm_mask_new(8, 8)) : velm_mask_new(8, 8);
      GString *pgm = g_string_new(NULL);
      g_string_append_printf(pgm, "P5\n%d %d\n255\n", mask->width, mask->height);
      g_string_append_len(pgm, (const char *)mask->values, (gssize)mask->width * mask->height);
      g_autofree char *map = g_strconcat(folder, "/", stem, ".pgm", NULL);
      g_assert_true(velm_file_write(map, pgm->str, pgm->len, NULL));
      g_string_free(pgm, TRUE);
    }
  }
}

static JsonObject *member(JsonArray *array, guint index) {
  return json_array_get_object_element(array, index);
}

static void test_side_by_side(void) {
  write_maps("maps", FALSE);
  write_maps("worse", TRUE);
  g_autoptr(Outcome) outcome =
      velm("evaluate", PARTS, "-m", TAUGHT, "--json", "--detector",
           "heatmaps:maps@128,heatmaps:worse@128,patchcore,oracle", "--classifier", "fewshot");
  assert_success(outcome);
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  JsonArray *results = json_object_get_array_member(record_at(lines, 0), "results");
  g_assert_cmpuint(json_array_get_length(results), ==, 4);
  const char *const names[] = {"heatmaps:maps@128", "heatmaps:worse@128", "patchcore", "oracle"};
  for (guint i = 0; i < 4; i++)
    g_assert_cmpstr(json_object_get_string_member(member(results, i), "detector"), ==, names[i]);
  JsonObject *maps = json_object_get_object_member(member(results, 0), "detection");
  JsonObject *worse = json_object_get_object_member(member(results, 1), "detection");
  JsonObject *oracle = json_object_get_object_member(member(results, 3), "detection");
  const char *const shares[] = {"image_auroc", "pixel_auroc", "aupro", "pointing"};
  for (gsize i = 0; i < G_N_ELEMENTS(shares); i++) {
    g_assert_cmpfloat(json_object_get_double_member(maps, shares[i]), >, 1 - 1e-9);
    g_assert_cmpfloat(json_object_get_double_member(oracle, shares[i]), >, 1 - 1e-9);
  }
  /* One image in six of each class has no score: half of the pairs with it are ties. */
  g_assert_cmpfloat(fabs(json_object_get_double_member(worse, "image_auroc") - (1 - 0.5 / 6)), <,
                    1e-9);
  JsonArray *differences = json_object_get_array_member(record_at(lines, 0), "differences");
  g_assert_cmpuint(json_array_get_length(differences), ==, 3);
  JsonObject *against = json_object_get_object_member(
      json_object_get_object_member(member(differences, 0), "detection"), "image_auroc");
  g_assert_cmpfloat(fabs(json_object_get_double_member(against, "difference") + 0.5 / 6), <, 1e-9);
}

static void test_maps_missing(void) {
  write_maps("holes", FALSE);
  g_autofree char *gone = command_path("holes/test/stain");
  g_autoptr(GPtrArray) names = velm_file_list(gone, NULL);
  g_autofree char *map = g_build_filename(gone, names->pdata[0], NULL);
  g_assert_cmpint(g_unlink(map), ==, 0);
  g_autoptr(Outcome) outcome =
      velm("evaluate", PARTS, "-m", FITTED, "--json", "--detector", "heatmaps:holes@128");
  assert_refused(outcome, 1, "has no score map stain/");
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  JsonObject *root = record_at(lines, 0);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(root, "failures")), ==, 1);
  JsonObject *detection = json_object_get_object_member(root, "detection");
  g_assert_cmpint(json_object_get_int_member(detection, "images"), ==,
                  (N_CLASSES + 1) * N_PER_CLASS - 1);
  g_autoptr(Outcome) no_threshold =
      velm("evaluate", PARTS, "-m", FITTED, "--detector", "heatmaps:holes");
  assert_refused(no_threshold, 1, "has no train/good maps to take the threshold from");
  g_autoptr(Outcome) no_folder =
      velm("evaluate", PARTS, "-m", FITTED, "--detector", "heatmaps:nowhere");
  assert_refused(no_folder, 1, "nowhere: no such folder of score maps");
}

/* ---- stored runs ---- */

static void test_stored(void) {
  g_autoptr(Outcome) first = velm("evaluate", PARTS, "-m", TAUGHT, "--json", "-o", "first");
  assert_success(first);
  const char *const files[] = {"first/run.json",      "first/report.html",   "first/tables.md",
                               "first/detection.csv", "first/confusion.csv", "first/answers.csv"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autoptr(GBytes) bytes = command_read(files[i]);
    g_assert_cmpuint(g_bytes_get_size(bytes), >, 100);
  }
  g_autoptr(Outcome) second =
      velm("evaluate", PARTS, "-m", TAUGHT, "--detector", "oracle", "-o", "second");
  assert_success(second);
  g_autoptr(Outcome) compared = velm("evaluate", "compare", "first", "second/run.json", "--json");
  assert_success(compared);
  g_autoptr(GPtrArray) lines = parse_records(compared->out);
  JsonArray *differences = json_object_get_array_member(record_at(lines, 0), "differences");
  g_assert_cmpuint(json_array_get_length(differences), ==, 1);
  JsonObject *difference = member(differences, 0);
  g_assert_cmpstr(json_object_get_string_member(difference, "a"), ==, "first: patchcore / fewshot");
  g_assert_cmpstr(json_object_get_string_member(difference, "b"), ==,
                  "second/run.json: oracle / fewshot");
  JsonObject *detection = json_object_get_object_member(difference, "detection");
  JsonObject *auroc = json_object_get_object_member(detection, "image_auroc");
  g_assert_cmpfloat(json_object_get_double_member(auroc, "b"), ==, 1);
  g_autoptr(GPtrArray) measured = parse_records(first->out);
  JsonObject *then = json_object_get_object_member(record_at(measured, 0), "detection");
  g_assert_cmpfloat(json_object_get_double_member(auroc, "a"), ==,
                    json_object_get_double_member(then, "image_auroc"));
  g_autoptr(Outcome) same = velm("evaluate", "compare", "first", "first");
  assert_success(same);
  assert_contains(same->out, "0 right only before, 0 right only now");
  g_autoptr(Outcome) absent = velm("evaluate", "compare", "first", "nowhere");
  assert_refused(absent, 1, "nowhere");
  g_autoptr(Outcome) foreign = velm("evaluate", "compare", "first", FITTED);
  assert_refused(foreign, 1, FITTED);
}

/* ---- ablation ---- */

/* How many requests of each prompt came: those of one prompt come in the order of the images. */
typedef struct {
  guint n[3];
} Asked;

/* The script has a reply for each image and prompt. */
static guint reply_of(const ScriptedRequest *request, G_GNUC_UNUSED guint number,
                      G_GNUC_UNUSED guint seen, gpointer data) {
  Asked *asked = data;
  gboolean reference = strstr(request->body, "is the reference") != NULL;
  gboolean outlined = strstr(request->body, "outlined in red") != NULL;
  guint prompt = reference && outlined ? 0 : outlined ? 1 : 2;
  return asked->n[prompt]++ * 3 + prompt;
}

/* The full prompt is always right; without the reference image all is dust; without the strategy
 * too, but for the stains. The images come class by class, the prompts of one image together. */
static void script_ablation(ScriptedServer *server) {
  const char *const labels[] = {"chip", "dent", "dust", "missing_hole", "scratch", "stain"};
  for (guint i = 0; i < N_CLASSES * N_PER_CLASS; i++) {
    const char *label = labels[i / N_PER_CLASS];
    g_autofree char *right = g_strdup_printf("{\"class\":\"%s\",\"reason\":\"so\"}", label);
    scripted_server_answer(server, right);
    scripted_server_answer(server, "{\"class\":\"dust\",\"reason\":\"so\"}");
    scripted_server_answer(
        server, g_str_equal(label, "stain") ? right : "{\"class\":\"dust\",\"reason\":\"so\"}");
  }
}

static guint count_images(const char *body) {
  g_auto(GStrv) parts = g_strsplit(body, "data:image/jpeg;base64,", -1);
  return g_strv_length(parts) - 1;
}

static void test_ablate(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  Asked asked = {{0}};
  script_ablation(server);
  scripted_server_set_plan(server, reply_of, &asked);
  g_autoptr(Outcome) outcome =
      velm("ablate", PARTS, "-m", FITTED, "-s", SPEC, "--drop", "RI,VP", "--detector", "oracle",
           "--endpoint", scripted_server_endpoint(server), "--llm", "scripted", "--in-flight", "1",
           "-o", "ablation");
  assert_success(outcome);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, 3 * N_CLASSES * N_PER_CLASS);
  guint n_images = 0;
  for (guint i = 0; i < scripted_server_n_requests(server); i++)
    n_images += count_images(scripted_server_request(server, i)->body);
  g_assert_cmpuint(n_images, ==, (3 + 2 + 2) * N_CLASSES * N_PER_CLASS);
  for (int prompt = 0; prompt < 3; prompt++)
    g_assert_cmpuint(asked.n[prompt], ==, N_CLASSES * N_PER_CLASS);
  assert_contains(outcome->out, "full prompt                      1.000      1.000");
  assert_contains(outcome->out, "- RI reference image             0.167      0.167");
  assert_contains(outcome->out, "- VP visual prompt               0.333      0.333");
  assert_contains(outcome->out, "-0.833  [");
  g_autoptr(GBytes) stored = command_read("ablation/run.json");
  const char *text = g_bytes_get_data(stored, NULL);
  g_assert_nonnull(g_strstr_len(text, (gssize)g_bytes_get_size(stored), "\"mllm-VP\""));
}

/* A server that is gone is not asked a thousand times. */
static void test_ablate_server_down(void) {
  ScriptedServer *server = scripted_server_new();
  g_autofree char *endpoint = g_strdup(scripted_server_endpoint(server));
  scripted_server_free(server);
  g_autoptr(Outcome) outcome = velm("ablate", PARTS, "-m", FITTED, "-s", SPEC, "--drop", "RI",
                                    "--endpoint", endpoint, "--llm", "scripted");
  assert_refused(outcome, 1, " failed 5 times in a row, the last time: ");
}

/* ---- calls to the language model ---- */

/* One request an image and in their order: good images are not anomalous to the oracle. */
static void script_right(ScriptedServer *server) {
  const char *const labels[] = {"chip", "dent", "dust", "missing_hole", "scratch", "stain"};
  for (guint i = 0; i < N_CLASSES * N_PER_CLASS; i++) {
    g_autofree char *right =
        g_strdup_printf("{\"class\":\"%s\",\"reason\":\"so\"}", labels[i / N_PER_CLASS]);
    scripted_server_answer(server, right);
  }
}

static double accuracy_of(JsonArray *results, guint index) {
  JsonObject *figures = json_object_get_object_member(member(results, index), "classification");
  return json_object_get_double_member(figures, "accuracy");
}

static void test_calls(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  script_right(server);
  g_autoptr(Outcome) outcome = velm(
      "evaluate", PARTS, "-m", FITTED, "-s", SPEC, "--json", "--shots", "2", "--trials", "3",
      "--detector", "oracle", "--classifier", "fewshot,mllm", "--endpoint",
      scripted_server_endpoint(server), "--llm", "scripted", "--in-flight", "1", "-o", "calls");
  assert_success(outcome);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, N_CLASSES * N_PER_CLASS);
  g_autoptr(GPtrArray) lines = parse_records(outcome->out);
  JsonObject *root = record_at(lines, 0);
  assert_keys(root, "results differences call_curves spending failures");
  JsonArray *results = json_object_get_array_member(root, "results");
  JsonArray *curves = json_object_get_array_member(root, "call_curves");
  g_assert_cmpuint(json_array_get_length(curves), ==, 1);
  JsonObject *curve = member(curves, 0);
  assert_keys(curve, "detector classifier llm images trials points at_0_95 at_llm operating_point");
  g_assert_cmpstr(json_object_get_string_member(curve, "classifier"), ==, "fewshot (2 shots)");
  g_assert_cmpint(json_object_get_int_member(curve, "trials"), ==, 3);
  /* From the few-shot classifier's own accuracy to the language model's. */
  JsonArray *points = json_object_get_array_member(curve, "points");
  g_assert_cmpuint(json_array_get_length(points), ==, 101);
  g_assert_cmpfloat_with_epsilon(json_object_get_double_member(member(points, 0), "accuracy"),
                                 accuracy_of(results, 0), 1e-9);
  g_assert_cmpfloat(json_object_get_double_member(member(points, 100), "accuracy"), ==, 1);
  for (guint i = 1; i <= 100; i++)
    g_assert_cmpfloat(json_object_get_double_member(member(points, i), "accuracy"), >=,
                      json_object_get_double_member(member(points, i - 1), "accuracy") - 1e-9);
  JsonObject *trusted = json_object_get_object_member(curve, "operating_point");
  assert_keys(trusted, "calls accuracy macro_accuracy intervals trusts");
  assert_share(trusted, "calls");
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(trusted, "trusts")), ==, 3);
  g_autoptr(GBytes) csv = command_read("calls/call_curves.csv");
  g_assert_cmpuint(g_bytes_get_size(csv), >, 101 * 30);
  g_autoptr(GBytes) page = command_read("calls/report.html");
  g_assert_nonnull(g_strstr_len(g_bytes_get_data(page, NULL), (gssize)g_bytes_get_size(page),
                                "Calls to the language model"));
}

/* Of the model's own few-shot classifier and a language model, without and with a stored run. */
static void test_calls_of_own(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  script_right(server);
  g_autoptr(Outcome) outcome =
      velm("evaluate", PARTS, "-m", TAUGHT, "-s", SPEC, "--detector", "oracle", "--classifier",
           "fewshot,mllm", "--endpoint", scripted_server_endpoint(server), "--llm", "scripted",
           "--in-flight", "1", "-o", "own");
  assert_success(outcome);
  assert_contains(outcome->out, "oracle / fewshot, then mllm\n\ncalls to the language model, ");
  assert_contains(outcome->out, " answers in 1 trial\n  asked ");
  assert_contains(outcome->out, "  an accuracy of 1.000, the language model's own: ");
  assert_contains(outcome->out, "  at the trust level: ");
  g_autoptr(Outcome) compared = velm("evaluate", "compare", "own", "own", "--json");
  assert_success(compared);
  g_autoptr(GPtrArray) lines = parse_records(compared->out);
  JsonObject *root = record_at(lines, 0);
  assert_keys(root, "differences runs");
  JsonArray *runs = json_object_get_array_member(root, "runs");
  g_assert_cmpuint(json_array_get_length(runs), ==, 2);
  for (guint i = 0; i < 2; i++) {
    assert_keys(member(runs, i), "run call_curves");
    g_assert_cmpstr(json_object_get_string_member(member(runs, i), "run"), ==, "own");
  }
  g_autoptr(Outcome) text = velm("evaluate", "compare", "own", "own");
  assert_success(text);
  assert_contains(text->out, "\nown: oracle / fewshot, then mllm\n");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  g_test_add_func("/cli/evaluate/json", test_evaluate_json);
  g_test_add_func("/cli/evaluate/trials", test_evaluate_trials);
  g_test_add_func("/cli/evaluate/detection_alone", test_evaluate_detection_alone);
  g_test_add_func("/cli/evaluate/text", test_evaluate_text);
  g_test_add_func("/cli/evaluate/side_by_side", test_side_by_side);
  g_test_add_func("/cli/evaluate/maps_missing", test_maps_missing);
  g_test_add_func("/cli/evaluate/stored", test_stored);
  g_test_add_func("/cli/evaluate/calls", test_calls);
  g_test_add_func("/cli/evaluate/calls_of_own", test_calls_of_own);
  g_test_add_func("/cli/ablate/parts", test_ablate);
  g_test_add_func("/cli/ablate/server_down", test_ablate_server_down);
  int code = g_test_run();
  command_tear_down();
  return code;
}
