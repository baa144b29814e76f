/* The three-way experiment: on a made-up file, by what its Python gave, and on the paper's. */
#include "core/file.h"
#include "core/scratch.h"
#include "evaluate/severity_trials.h"

#include <math.h>
#include <string.h>

/*
 * "jar" has no answers, but draws. "crack" and "stain" are named like their keys, so only they are
 * counted; "bore" and "spot" stand for classes of other categories.
 */
static const char descriptions[] =
    "{\"cup\": {\"normal\": [\"a smooth cup\"], \"crack\": [\"crack\", \"a thin line\"],"
    "  \"chip\": [\"edge chip\"], \"stain\": [\"stain\"], \"hole\": [\"bore\"],"
    "  \"deep_dent\": [\"Dent\", \"a hollow\"]},"
    " \"jar\": {\"normal\": [\"a jar\"], \"crack\": [\"split\"], \"chip\": [\"flake\"],"
    "  \"cut\": [\"gash\"]},"
    " \"cup_lid\": {\"good\": [\"a flat lid\"], \"bent\": [\"bent rim\"], \"stain\": [\"spot\"]}}";

static const char predictions[] =
    "{\"cup_good_000\": \"good\", \"cup_good_001\": \"Good\", \"cup_good_002\": \"crack\","
    " \"cup_crack_000\": \"crack\", \"cup_crack_001\": \"stain\", \"cup_crack_002\": \"bore\","
    " \"cup_chip_000\": \"Edge Chip\", \"cup_chip_001\": \"dent\","
    " \"cup_stain_000\": \"STAIN\", \"cup_stain_001\": \"stain\", \"cup_stain_002\": \"spot\","
    " \"cup_stain_003\": \"no idea\", \"cup_hole_000\": \"bore\","
    " \"cup_deep_dent_000\": \"dent\", \"cup_deep_dent_001\": \"good\","
    " \"cup_deep_dent_002\": \"a hollow\","
    " \"cup_lid_good_0\": \"bent rim\", \"cup_lid_normal_1\": \"good\","
    " \"cup_lid_bent_2\": \"bent rim\", \"cup_lid_bent_10\": \"spot\","
    " \"cup_lid_stain_11\": \"spot\", \"cup_lid_stain_12\": \"bent rim\","
    " \"cup_lid_stain_13\": \"bore\"}";

static VelmRecorded *read_texts(const char *answers, const char *classes) {
  char *folder = scratch_new();
  g_autofree char *answers_path = scratch_write(folder, "answers.json", answers, strlen(answers));
  g_autofree char *classes_path = scratch_write(folder, "classes.json", classes, strlen(classes));
  g_autoptr(GError) error = NULL;
  VelmRecorded *recorded = velm_recorded_read(answers_path, classes_path, &error);
  g_assert_no_error(error);
  scratch_remove(folder);
  return recorded;
}

static void assert_figure(const VelmSeverityFigure *figure, double accuracy, double std) {
  g_assert_cmpfloat_with_epsilon(figure->accuracy, accuracy, 1e-9);
  g_assert_cmpfloat_with_epsilon(figure->std, std, 1e-9);
}

/* By a program of the same rules in CPython 3.11.7: random.seed(s), then random.shuffle() of every
 * object's sorted classes, for s from 0 to 6. */
static void test_made_up(void) {
  static const VelmSeverityFigure expected[][VELM_N_SEVERITIES] = {
      {{2.0 / 3, 0},
       {0.6091836734693877, 0.13538525917563807},
       {0.8107709750566893, 0.05263049051291788}},
      {{0.5, 0},
       {0.42857142857142855, 0.08247860988423227},
       {0.5952380952380951, 0.08247860988423222}},
  };
  g_autoptr(VelmRecorded) recorded = read_texts(predictions, descriptions);
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 7);
  g_assert_cmpuint(trials->n_trials, ==, 7);
  g_assert_cmpuint(trials->categories->len, ==, 2);
  for (guint i = 0; i < 2; i++) {
    const VelmCategorySeverity *category =
        &g_array_index(trials->categories, VelmCategorySeverity, i);
    g_assert_cmpstr(category->category->name, ==, i ? "cup_lid" : "cup");
    for (guint g = 0; g < VELM_N_SEVERITIES; g++)
      assert_figure(&category->groups[g], expected[i][g].accuracy, expected[i][g].std);
  }
  for (guint g = 0; g < VELM_N_SEVERITIES; g++)
    assert_figure(&trials->overall[g], (expected[0][g].accuracy + expected[1][g].accuracy) / 2,
                  (expected[0][g].std + expected[1][g].std) / 2);
}

/* In the first trial the negligible classes of "cup" are chip and crack. */
static void test_one_trial(void) {
  g_autoptr(VelmRecorded) recorded = read_texts(predictions, descriptions);
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 1);
  const VelmCategorySeverity *cup = &g_array_index(trials->categories, VelmCategorySeverity, 0);
  assert_figure(&cup->groups[VELM_DECISION_NORMAL], 2.0 / 3, 0);
  assert_figure(&cup->groups[VELM_DECISION_NEGLIGIBLE], 2.0 / 5, 0);
  assert_figure(&cup->groups[VELM_DECISION_DEFECT], 7.0 / 8, 0);
}

/* A single class is always negligible: there are no defects, and one category less has them. */
static void test_no_defects(void) {
  g_autoptr(VelmRecorded) recorded =
      read_texts("{\"brush_bad_0\": \"bad\", \"brush_bad_1\": \"good\", \"cup_a_0\": \"a\","
                 " \"cup_b_0\": \"b\"}",
                 "{\"brush\": {\"bad\": [\"bad\"]}, \"cup\": {\"a\": [\"a\"], \"b\": [\"b\"]}}");
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 5);
  const VelmCategorySeverity *brush = &g_array_index(trials->categories, VelmCategorySeverity, 0);
  assert_figure(&brush->groups[VELM_DECISION_NEGLIGIBLE], 0.5, 0);
  g_assert_true(isnan(brush->groups[VELM_DECISION_DEFECT].accuracy));
  g_assert_true(isnan(brush->groups[VELM_DECISION_DEFECT].std));
  assert_figure(&trials->overall[VELM_DECISION_NEGLIGIBLE], 0.75, 0);
  assert_figure(&trials->overall[VELM_DECISION_DEFECT], 1, 0);
  g_assert_true(isnan(trials->overall[VELM_DECISION_NORMAL].accuracy));
  g_autoptr(GString) text = g_string_new(NULL);
  velm_severity_trials_append(trials, text);
  g_assert_nonnull(strstr(text->str, "normal        negligible            defect\n"));
  g_assert_nonnull(strstr(
      text->str, "brush                            -     0.500 (0.000)                 -\n"));
}

/* What is not defined is null. */
static void test_json(void) {
  g_autoptr(VelmRecorded) recorded =
      read_texts("{\"brush_bad_0\": \"bad\"}", "{\"brush\": {\"bad\": [\"bad\"]}}");
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 2);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_severity_trials_build(trials, builder);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
#define GROUPS                                                                                     \
  "{\"normal\":{\"accuracy\":null,\"std\":null},\"negligible\":{\"accuracy\":1.0,\"std\":0.0},"    \
  "\"defect\":{\"accuracy\":null,\"std\":null}}"
  g_assert_cmpstr(json, ==,
                  "{\"severity_trials\":{\"trials\":2,\"categories\":{\"brush\":" GROUPS
                  "},\"overall\":" GROUPS "}}");
}

/* ---- the paper's ---- */

/* The path of the paper's file @name; NULL where it is not at hand. */
static char *published(const char *name) {
  const char *folder = g_getenv("VELM_SHARED");
  g_autofree char *beside = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *path = g_build_filename(folder ? folder : beside, "velm-paper", name, NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

static double get_number(JsonNode *results, const char *path) {
  JsonObject *at = json_node_get_object(results);
  g_auto(GStrv) names = g_strsplit(path, "/", -1);
  guint i = 0;
  for (; names[i + 1]; i++)
    at = json_object_get_object_member(at, names[i]);
  g_assert_true(json_object_has_member(at, names[i]));
  return json_object_get_double_member(at, names[i]);
}

/* Every number of the paper's results. */
static void test_published(void) {
  static const char *const names[] = {"normal", "anomaly", "defect"};
  g_autofree char *answers = published("mvtec_ac_preds_gpt_4o.json");
  g_autofree char *classes = published("mvtec_ac_des.json");
  g_autofree char *results_path = published("anom_def_results.json");
  if (!answers || !classes || !results_path) {
    g_test_skip("the paper's answers are not here");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_file_read(results_path, &error);
  g_assert_no_error(error);
  g_autoptr(JsonNode) results = velm_json_parse(
      g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes), results_path, &error);
  g_assert_no_error(error);
  g_autoptr(VelmRecorded) recorded = velm_recorded_read(answers, classes, &error);
  g_assert_no_error(error);
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 5);
  g_assert_cmpuint(trials->categories->len, ==, 14);
  for (guint g = 0; g < VELM_N_SEVERITIES; g++) {
    for (guint i = 0; i < trials->categories->len; i++) {
      const VelmCategorySeverity *category =
          &g_array_index(trials->categories, VelmCategorySeverity, i);
      const char *name = category->category->name;
      g_autofree char *accuracy = g_strjoin("/", "accuracy_per_object", name, names[g], NULL);
      g_autofree char *std = g_strjoin("/", "std_per_object", name, names[g], NULL);
      assert_figure(&category->groups[g], get_number(results, accuracy), get_number(results, std));
    }
    g_autofree char *accuracy = g_strjoin("/", "overall_accuracy", names[g], NULL);
    g_autofree char *std = g_strjoin("/", "overall_std", names[g], NULL);
    assert_figure(&trials->overall[g], get_number(results, accuracy), get_number(results, std));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/severity-trials/made-up", test_made_up);
  g_test_add_func("/severity-trials/one-trial", test_one_trial);
  g_test_add_func("/severity-trials/no-defects", test_no_defects);
  g_test_add_func("/severity-trials/json", test_json);
  g_test_add_func("/severity-trials/published", test_published);
  return g_test_run();
}
