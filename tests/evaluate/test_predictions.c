/* Recorded answers: how the files are read, and their figures, on made-up files and the paper's. */
#include "cli/cli.h"
#include "cli/command.h"
#include "core/file.h"
#include "core/scratch.h"
#include "evaluate/predictions.h"

#include <math.h>
#include <string.h>

/* One category's name begins like another's, classes and categories have underscores, and names
 * differ from keys. */
static const char descriptions[] =
    "{\"cup\": {\"normal\": [\"a smooth cup\"], \"crack\": [\"crack\", \"a thin line\"],"
    "  \"chip\": [\"edge chip\"], \"stain\": [\"stain\"], \"hole\": [\"bore\"],"
    "  \"deep_dent\": [\"Dent\", \"a hollow\"]},"
    " \"jar\": {\"normal\": [\"a jar\"], \"crack\": [\"split\"]},"
    " \"cup_lid\": {\"good\": [\"a flat lid\"], \"bent\": [\"bent rim\"], \"stain\": [\"spot\"]}}";

static const char answers[] =
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

/* A folder with answers.json and classes.json. */
typedef struct {
  char *folder, *answers, *classes;
} Files;

static void files_init(Files *files, const char *answers_text, const char *classes_text) {
  files->folder = scratch_new();
  files->answers = scratch_write(files->folder, "answers.json", answers_text, strlen(answers_text));
  files->classes = scratch_write(files->folder, "classes.json", classes_text, strlen(classes_text));
}

static void files_clear(Files *files) {
  scratch_remove(files->folder);
  g_free(files->answers);
  g_free(files->classes);
}

static VelmRecorded *read_texts(const char *answers_text, const char *classes_text,
                                GError **error) {
  Files files;
  files_init(&files, answers_text, classes_text);
  VelmRecorded *recorded = velm_recorded_read(files.answers, files.classes, error);
  files_clear(&files);
  return recorded;
}

/* ---- reading ---- */

static void assert_answer(const VelmRecorded *recorded, guint index, const char *category_name,
                          const char *truth, const char *said) {
  const VelmRecordedAnswer *answer = g_ptr_array_index(recorded->answers, index);
  const VelmRecordedCategory *category = g_ptr_array_index(recorded->categories, answer->category);
  g_assert_cmpstr(category->name, ==, category_name);
  g_assert_cmpstr(velm_recorded_label_name(category, answer->truth), ==, truth);
  g_assert_cmpstr(velm_recorded_label_name(category, answer->answer), ==, said);
}

static void test_read(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded = read_texts(answers, descriptions, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(recorded->categories->len, ==, 3);
  g_assert_cmpuint(recorded->answers->len, ==, 23);
  assert_answer(recorded, 1, "cup", "good", "good");
  assert_answer(recorded, 2, "cup", "good", "crack");
  assert_answer(recorded, 5, "cup", "crack", "hole");
  assert_answer(recorded, 6, "cup", "chip", "chip");
  assert_answer(recorded, 7, "cup", "chip", "deep_dent");
  assert_answer(recorded, 10, "cup", "stain", "Unknown class"); /* another category's name */
  assert_answer(recorded, 11, "cup", "stain", "Unknown class");
  assert_answer(recorded, 15, "cup", "deep_dent", "Unknown class"); /* its description */
  assert_answer(recorded, 16, "cup_lid", "good", "bent");
  assert_answer(recorded, 17, "cup_lid", "good", "good"); /* `normal` is another word for it */
  assert_answer(recorded, 22, "cup_lid", "stain", "Unknown class");
}

/* A key is of the longest category that has its class. */
static void test_longest_category(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded =
      read_texts("{\"nut_hex_cut_1\": \"a\", \"nut_hex_dent_2\": \"b\", \"nut_hex_3_4\": \"c\","
                 " \"nut_hex_good_5\": \"good\"}",
                 "{\"nut_hex\": {\"cut\": [\"a\"], \"3\": [\"c\"]},"
                 " \"nut\": {\"hex_cut\": [\"a\"], \"hex_dent\": [\"b\"]}}",
                 &error);
  g_assert_no_error(error);
  assert_answer(recorded, 0, "nut_hex", "cut", "cut");
  assert_answer(recorded, 1, "nut", "hex_dent", "hex_dent");
  assert_answer(recorded, 2, "nut_hex", "3", "3");
  assert_answer(recorded, 3, "nut_hex", "good", "good");
}

/* Case is Unicode's. */
static void test_case(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded = read_texts(
      "{\"glas_riss_0\": \"GROSSER SPRUNG\", \"glas_\303\266l_1\": \"\303\226LFLECK\","
      " \"glas_\303\266l_2\": \"\303\266lfleck \"}",
      "{\"glas\": {\"riss\": [\"gro\303\237er Sprung\"], \"\303\266l\": [\"\303\226lfleck\"]}}",
      &error);
  g_assert_no_error(error);
  assert_answer(recorded, 0, "glas", "riss", "riss");
  assert_answer(recorded, 1, "glas", "\303\266l", "\303\266l");
  assert_answer(recorded, 2, "glas", "\303\266l", "Unknown class"); /* a space too many */
}

static void test_malformed(void) {
  static const struct {
    const char *answers, *classes, *message;
  } cases[] = {
      {"{", "{\"a\": {\"b\": [\"c\"]}}", "answers.json: not valid JSON"},
      {"", "{\"a\": {\"b\": [\"c\"]}}", "answers.json: not valid JSON: it is empty"},
      {"[]", "{\"a\": {\"b\": [\"c\"]}}", "answers.json: a JSON object of the form {CATEGORY_CL"},
      {"{}", "{\"a\": {\"b\": [\"c\"]}}", "answers.json: a JSON object of the form {CATEGORY_CL"},
      {"7", "{\"a\": {\"b\": [\"c\"]}}", "answers.json: a JSON object of the form {CATEGORY_CL"},
      {"{\"a_b_0\": 1}", "{\"a\": {\"b\": [\"c\"]}}",
       "answers.json: a_b_0: the answer is not text"},
      {"{\"a_b_0\": null}", "{\"a\": {\"b\": [\"c\"]}}", "a_b_0: the answer is not text"},
      {"{\"a_b_0\": [\"c\"]}", "{\"a\": {\"b\": [\"c\"]}}", "a_b_0: the answer is not text"},
      {"{\"a_b\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "a_b: is not CATEGORY_CLASS_INDEX with a"},
      {"{\"a_b_\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "a_b_: is not CATEGORY_CLASS_INDEX"},
      {"{\"a_b_x1\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "a_b_x1: is not CATEGORY_CLASS_INDEX"},
      {"{\"a_b_1x\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "a_b_1x: is not CATEGORY_CLASS_INDEX"},
      {"{\"a_x_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "a_x_0: is not CATEGORY_CLASS_INDEX"},
      {"{\"x_b_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "x_b_0: is not CATEGORY_CLASS_INDEX"},
      {"{\"ab_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "ab_0: is not CATEGORY_CLASS_INDEX"},
      {"{\"\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", ": is not CATEGORY_CLASS_INDEX"},
      {"{\"x\\ny_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}", "x y_0: is not CATEGORY_CLASS_INDEX"},
      {"{\"a_b_0\": \"c\"}", "{", "classes.json: not valid JSON"},
      {"{\"a_b_0\": \"c\"}", "[1]", "classes.json: a JSON object of the form {CATEGORY: {CLASS"},
      {"{\"a_b_0\": \"c\"}", "{}", "classes.json: a JSON object of the form {CATEGORY: {CLASS"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": [\"b\"]}", "classes.json: category a: classes are needed"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": \"c\"}}", "category a, class b: an array of texts"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": []}}", "category a, class b: an array of texts"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": [1]}}", "category a, class b: an array of texts"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": [\"c\", {}]}}", "class b: an array of texts"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"good\": [null]}}", "class good: an array of texts"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"], \"d\": [\"C\"]}}",
       "category a, class d: another class has the same name, C"},
      {"{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": [\"GOOD\"]}}",
       "category a, class b: another class has the same name, GOOD"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(read_texts(cases[i].answers, cases[i].classes, &error));
    assert_failure(&error, VELM_ERROR_FILE, cases[i].message);
  }
}

static void test_no_file(void) {
  Files files;
  files_init(&files, "{\"a_b_0\": \"c\"}", "{\"a\": {\"b\": [\"c\"]}}");
  g_autofree char *missing = g_build_filename(files.folder, "missing.json", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_recorded_read(missing, files.classes, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing.json: no such file");
  g_assert_null(velm_recorded_read(files.answers, missing, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing.json: no such file");
  g_assert_null(velm_recorded_read(files.folder, files.classes, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is a folder");
  files_clear(&files);
}

/* ---- figures ---- */

static VelmPredictions *measure(VelmRecorded **recorded, const char *answers_text) {
  g_autoptr(GError) error = NULL;
  *recorded = read_texts(answers_text, descriptions, &error);
  g_assert_no_error(error);
  return velm_predictions_measure(*recorded, 200);
}

static void assert_headlines(const VelmPredictionFigures *figures, const double *expected) {
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++)
    g_assert_cmpfloat_with_epsilon(figures->headlines[h], expected[h], 1e-12);
}

static const double expected_headlines[][VELM_N_CLASS_HEADLINES] = {
    {0.5, 0.5555555555555556, 0.48163265306122444, 0.4155251141552512},
    {0.42857142857142855, 0.4444444444444444, 0.3666666666666667, 0.19999999999999996},
};

/* As scikit-learn 1.7 gives them: accuracy_score, the mean of recall_score over the true classes,
 * f1_score(average="macro"), cohen_kappa_score. */
static void test_figures(void) {
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions = measure(&recorded, answers);
  g_assert_cmpuint(predictions->categories->len, ==, 2); /* nothing was asked of "jar" */
  const VelmCategoryPredictions *cup = g_ptr_array_index(predictions->categories, 0);
  const VelmCategoryPredictions *lid = g_ptr_array_index(predictions->categories, 1);
  g_assert_cmpstr(cup->category->name, ==, "cup");
  g_assert_cmpstr(lid->category->name, ==, "cup_lid");
  g_assert_cmpuint(cup->figures.answers, ==, 16);
  g_assert_cmpuint(cup->figures.unknown, ==, 3);
  g_assert_cmpuint(lid->figures.answers, ==, 7);
  g_assert_cmpuint(lid->figures.unknown, ==, 1);
  assert_headlines(&cup->figures, expected_headlines[0]);
  assert_headlines(&lid->figures, expected_headlines[1]);
  g_assert_cmpuint(predictions->overall.answers, ==, 23);
  g_assert_cmpuint(predictions->overall.unknown, ==, 4);
  double means[VELM_N_CLASS_HEADLINES];
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++)
    means[h] = (expected_headlines[0][h] + expected_headlines[1][h]) / 2;
  assert_headlines(&predictions->overall, means);
}

static void test_matrix(void) {
  static const guint64 expected[] = {1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0};
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions = measure(&recorded, answers);
  const VelmCategoryPredictions *lid = g_ptr_array_index(predictions->categories, 1);
  g_assert_cmpuint(lid->labels->len, ==, 4);
  g_assert_cmpmem(lid->confusion, 16 * sizeof(guint64), expected, sizeof expected);
}

/* Labels that neither occur nor are answered are no classes: chip is left out, and no F1 of 0. */
static void test_labels_that_occur(void) {
  static const double expected[] = {1, 1, 1, 1};
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions =
      measure(&recorded, "{\"cup_good_0\": \"good\", \"cup_crack_0\": \"crack\"}");
  const VelmCategoryPredictions *cup = g_ptr_array_index(predictions->categories, 0);
  g_assert_cmpuint(cup->labels->len, ==, 2);
  assert_headlines(&cup->figures, expected);
}

/* Kappa is not defined where all is one class; such a category takes no part in the mean. */
static void test_undefined(void) {
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions =
      measure(&recorded, "{\"jar_good_0\": \"good\", \"jar_good_1\": \"good\","
                         " \"cup_good_0\": \"good\", \"cup_crack_0\": \"good\"}");
  const VelmCategoryPredictions *jar = g_ptr_array_index(predictions->categories, 1);
  g_assert_cmpstr(jar->category->name, ==, "jar");
  g_assert_cmpfloat(jar->figures.headlines[VELM_FIGURE_ACCURACY], ==, 1);
  g_assert_true(isnan(jar->figures.headlines[VELM_FIGURE_COHEN_KAPPA]));
  g_assert_cmpfloat(predictions->overall.headlines[VELM_FIGURE_COHEN_KAPPA], ==, 0);
  g_assert_cmpfloat(predictions->overall.headlines[VELM_FIGURE_ACCURACY], ==, 0.75);
  g_autofree char *json = velm_predictions_to_json(predictions, NULL);
  assert_contains(json, "\"cohen_kappa\":null");
  g_autofree char *text = velm_predictions_to_text(predictions, NULL, FALSE);
  assert_contains(text, "1.000             -\n");
}

/* 95 % of draws of 400 answers of which half are right lie within 0.049 of a half. */
static void test_intervals(void) {
  g_autoptr(GString) text = g_string_new("{");
  for (guint i = 0; i < 400; i++)
    g_string_append_printf(text, "%s\"jar_%s_%u\": \"%s\"", i ? ", " : "",
                           i % 4 < 2 ? "good" : "crack", i, i % 2 ? "good" : "split");
  g_string_append(text, "}");
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded = read_texts(text->str, descriptions, &error);
  g_assert_no_error(error);
  g_autoptr(VelmPredictions) predictions = velm_predictions_measure(recorded, 2000);
  const VelmCategoryPredictions *jar = g_ptr_array_index(predictions->categories, 0);
  const VelmPredictionFigures *both[] = {&jar->figures, &predictions->overall};
  for (guint i = 0; i < 2; i++) {
    const VelmInterval *interval = &both[i]->intervals[VELM_FIGURE_ACCURACY];
    g_assert_cmpfloat_with_epsilon(interval->low, 0.5 - 0.049, 0.006);
    g_assert_cmpfloat_with_epsilon(interval->high, 0.5 + 0.049, 0.006);
  }
  g_autoptr(VelmPredictions) none = velm_predictions_measure(recorded, 0);
  g_assert_cmpfloat(none->overall.headlines[VELM_FIGURE_ACCURACY], ==, 0.5);
  g_assert_true(isnan(none->overall.intervals[VELM_FIGURE_ACCURACY].low));
}

/* ---- what is printed ---- */

#define FIGURE_KEYS                                                                                \
  "answers unknown accuracy macro_accuracy macro_f1 micro_f1 cohen_kappa intervals"

static void test_json(void) {
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions = measure(&recorded, answers);
  g_autofree char *text = velm_predictions_to_json(predictions, NULL);
  g_assert_null(strchr(text, '\n'));
  g_autoptr(GPtrArray) records = parse_records(text);
  JsonObject *root = record_at(records, 0);
  assert_keys(root, "categories overall");
  JsonObject *categories = json_object_get_object_member(root, "categories");
  assert_keys(categories, "cup cup_lid");
  JsonObject *cup = json_object_get_object_member(categories, "cup");
  assert_keys(cup, FIGURE_KEYS " classes support confusion");
  g_assert_cmpfloat(json_object_get_double_member(cup, "micro_f1"), ==, 0.5);
  JsonObject *intervals = json_object_get_object_member(cup, "intervals");
  assert_keys(intervals, "accuracy macro_accuracy macro_f1 cohen_kappa");
  JsonArray *interval = json_object_get_array_member(intervals, "accuracy");
  g_assert_cmpuint(json_array_get_length(interval), ==, 2);
  g_assert_cmpfloat(json_array_get_double_element(interval, 0), <, 0.5);
  g_assert_cmpfloat(json_array_get_double_element(interval, 1), >, 0.5);
  assert_contains(text, "\"classes\":[\"good\",\"bent\",\"stain\",\"Unknown class\"],"
                        "\"support\":[2,2,3,0],"
                        "\"confusion\":[[1,1,0,0],[0,1,1,0],[0,1,1,1],[0,0,0,0]]}}");
  JsonObject *overall = json_object_get_object_member(root, "overall");
  assert_keys(overall, FIGURE_KEYS);
  g_assert_cmpint(json_object_get_int_member(overall, "unknown"), ==, 4);
}

static void test_text(void) {
  g_autoptr(VelmRecorded) recorded = NULL;
  g_autoptr(VelmPredictions) predictions = measure(&recorded, answers);
  g_autoptr(VelmSeverityTrials) trials = velm_severity_trials_run(recorded, 1);
  g_autofree char *brief = velm_predictions_to_text(predictions, NULL, FALSE);
  assert_contains(brief, "cup                    16         0.500         0.556         0.482"
                         "         0.500         0.416\n");
  assert_contains(brief, "\nmean                   23         0.464");
  assert_contains(brief, "\n4 answers are no class and count as wrong\n");
  g_assert_null(strstr(brief, "truth"));
  g_assert_null(strstr(brief, "trial"));
  g_autofree char *full = velm_predictions_to_text(predictions, trials, TRUE);
  g_assert_true(g_str_has_prefix(full, brief));
  assert_contains(full,
                  "\ncup_lid\n"
                  "truth \\ answer            good          bent         stain Unknown class\n"
                  "good                         1             1             0             0\n"
                  "bent                         0             1             1             0\n"
                  "stain                        0             1             1             1\n"
                  "\nright of each group (sd), 1 trial\n");
}

static void test_csv(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded = read_texts("{\"a \\\"b\\\", c_d_0\": \"e\"}",
                                                "{\"a \\\"b\\\", c\": {\"d\": [\"e\"]}}", &error);
  g_assert_no_error(error);
  g_autoptr(VelmPredictions) predictions = velm_predictions_measure(recorded, 10);
  g_autofree char *csv = velm_predictions_to_csv(predictions);
  g_assert_cmpstr(csv, ==,
                  "category,answers,unknown,accuracy,accuracy_low,accuracy_high,macro_accuracy,"
                  "macro_accuracy_low,macro_accuracy_high,macro_f1,macro_f1_low,macro_f1_high,"
                  "cohen_kappa,cohen_kappa_low,cohen_kappa_high\n"
                  "\"a \"\"b\"\", c\",1,0,1,,,1,,,1,,,,,\n"
                  "overall,1,0,1,,,1,,,1,,,,,\n");
}

/* ---- the command ---- */

static void test_command(void) {
  Files files;
  files_init(&files, answers, descriptions);
  g_autofree char *csv = g_build_filename(files.folder, "figures.csv", NULL);
  g_autoptr(Outcome) text = velm("evaluate", "predictions", files.answers, "--classes",
                                 files.classes, "--csv", csv, "--severity-trials", "5");
  assert_success(text);
  assert_contains(text->out, "\nright of each group (sd), 5 trials\n");
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) written = velm_file_read(csv, &error);
  g_assert_no_error(error);
  g_assert_cmpint(memcmp(g_bytes_get_data(written, NULL), "category,answers,", 17), ==, 0);
  g_autoptr(Outcome) json = velm("evaluate", "predictions", "--json", "--severity-trials=5",
                                 "--classes", files.classes, files.answers);
  assert_success(json);
  g_autoptr(GPtrArray) records = parse_records(json->out);
  g_assert_cmpuint(records->len, ==, 1);
  assert_keys(record_at(records, 0), "categories overall severity_trials");
  g_autoptr(Outcome) help = velm("evaluate", "predictions", "--help");
  assert_success(help);
  assert_contains(help->out, "velm evaluate predictions [OPTION");
  files_clear(&files);
}

static void test_command_refuses(void) {
  Files files;
  files_init(&files, "{\"cup_dent_0\": \"Dent\"}", descriptions);
  const char *const evaluate = "evaluate", *const predictions = "predictions";
  g_autofree char *nowhere = g_build_filename(files.folder, "no", "figures.csv", NULL);
  g_autoptr(Outcome) none = velm(evaluate, predictions);
  assert_refused(none, VELM_CLI_USAGE, "usage: velm evaluate predictions PREDICTIONS.json");
  g_autoptr(Outcome) lacks = velm(evaluate, predictions, files.answers);
  assert_refused(lacks, VELM_CLI_USAGE, "needs --classes");
  g_autoptr(Outcome) negative = velm(evaluate, predictions, files.answers, "--classes",
                                     files.classes, "--severity-trials", "-1");
  assert_refused(negative, VELM_CLI_USAGE, "--severity-trials from 0 to 100000");
  g_autoptr(Outcome) wrong = velm(evaluate, predictions, files.answers, "--classes", files.classes);
  assert_refused(wrong, VELM_CLI_FAILED, "answers.json: cup_dent_0: is not CATEGORY_CLASS_INDEX");
  g_autofree char *right = scratch_write(files.folder, "right.json", answers, strlen(answers));
  g_autoptr(Outcome) unwritable =
      velm(evaluate, predictions, right, "--classes", files.classes, "--csv", nowhere);
  assert_refused(unwritable, VELM_CLI_FAILED, "figures.csv: cannot be written");
  g_assert_cmpstr(unwritable->out, ==, "");
  files_clear(&files);
}

/* ---- the paper's ---- */

/* The path of the paper's file @name; NULL where it is not at hand. */
static char *published(const char *name) {
  const char *folder = g_getenv("VELM_SHARED");
  g_autofree char *beside = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *path = g_build_filename(folder ? folder : beside, "velm-paper", name, NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

/* Whether class @mine of @confusion fits in at @place of @theirs, whose places before it are taken
 * by the classes in @taken. */
static gboolean fits(const guint64 *confusion, JsonArray *theirs, guint n, const guint *taken,
                     guint place, guint mine) {
  for (guint i = 0; i <= place; i++) {
    guint other = i == place ? mine : taken[i];
    JsonArray *row = json_array_get_array_element(theirs, place);
    JsonArray *other_row = json_array_get_array_element(theirs, i);
    if (json_array_get_int_element(row, i) != (gint64)confusion[mine * n + other] ||
        json_array_get_int_element(other_row, place) != (gint64)confusion[other * n + mine])
      return FALSE;
  }
  return TRUE;
}

/* Whether some order of the classes turns one matrix into the other: the paper's order is chance.
 */
static gboolean same_matrix(const guint64 *confusion, JsonArray *theirs, guint n, guint *taken,
                            guint place) {
  if (place == n)
    return TRUE;
  for (guint mine = 0; mine < n; mine++) {
    gboolean used = FALSE;
    for (guint i = 0; i < place; i++)
      used |= taken[i] == mine;
    taken[place] = mine;
    if (!used && fits(confusion, theirs, n, taken, place, mine) &&
        same_matrix(confusion, theirs, n, taken, place + 1))
      return TRUE;
  }
  return FALSE;
}

static void assert_published(const VelmPredictionFigures *figures, JsonObject *results) {
  static const char *const names[] = {"accuracy", NULL, "macro_f1", "cohen_kappa"};
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++)
    if (names[h])
      g_assert_cmpfloat_with_epsilon(figures->headlines[h],
                                     json_object_get_double_member(results, names[h]), 1e-9);
  g_assert_cmpfloat_with_epsilon(figures->headlines[VELM_FIGURE_ACCURACY],
                                 json_object_get_double_member(results, "micro_f1"), 1e-9);
}

/* Every number and every matrix of the results of data set @user_data. */
static void test_published(gconstpointer user_data) {
  const char *set = user_data;
  g_autofree char *answers_name = g_strconcat(set, "_preds_gpt_4o.json", NULL);
  g_autofree char *classes_name = g_strconcat(set, "_des.json", NULL);
  g_autofree char *results_name = g_strconcat(set, "_results.json", NULL);
  g_autofree char *answers_path = published(answers_name);
  g_autofree char *classes_path = published(classes_name);
  g_autofree char *results_path = published(results_name);
  if (!answers_path || !classes_path || !results_path) {
    g_test_skip("the paper's answers are not here");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_file_read(results_path, &error);
  g_assert_no_error(error);
  g_autoptr(JsonNode) root = velm_json_parse(g_bytes_get_data(bytes, NULL),
                                             (gssize)g_bytes_get_size(bytes), results_path, &error);
  g_assert_no_error(error);
  JsonObject *results = json_node_get_object(root);
  g_autoptr(VelmRecorded) recorded = velm_recorded_read(answers_path, classes_path, &error);
  g_assert_no_error(error);
  g_autoptr(VelmPredictions) predictions = velm_predictions_measure(recorded, 0);
  g_assert_cmpuint(predictions->categories->len + 1, ==, json_object_get_size(results));
  for (guint i = 0; i < predictions->categories->len; i++) {
    const VelmCategoryPredictions *category = g_ptr_array_index(predictions->categories, i);
    g_assert_true(json_object_has_member(results, category->category->name));
    JsonObject *theirs = json_object_get_object_member(results, category->category->name);
    JsonArray *matrix = json_object_get_array_member(theirs, "confusion_matrix");
    guint n = category->labels->len;
    g_autofree guint *taken = g_new(guint, n);
    assert_published(&category->figures, theirs);
    g_assert_cmpuint(json_array_get_length(matrix), ==, n);
    g_assert_true(same_matrix(category->confusion, matrix, n, taken, 0));
  }
  assert_published(&predictions->overall, json_object_get_object_member(results, "overall"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/predictions/read", test_read);
  g_test_add_func("/predictions/longest-category", test_longest_category);
  g_test_add_func("/predictions/case", test_case);
  g_test_add_func("/predictions/malformed", test_malformed);
  g_test_add_func("/predictions/no-file", test_no_file);
  g_test_add_func("/predictions/figures", test_figures);
  g_test_add_func("/predictions/matrix", test_matrix);
  g_test_add_func("/predictions/labels-that-occur", test_labels_that_occur);
  g_test_add_func("/predictions/undefined", test_undefined);
  g_test_add_func("/predictions/intervals", test_intervals);
  g_test_add_func("/predictions/json", test_json);
  g_test_add_func("/predictions/text", test_text);
  g_test_add_func("/predictions/csv", test_csv);
  g_test_add_func("/predictions/command", test_command);
  g_test_add_func("/predictions/command/refuses", test_command_refuses);
  g_test_add_data_func("/predictions/published/ac", "mvtec_ac", test_published);
  g_test_add_data_func("/predictions/published/ad", "mvtec_ad", test_published);
  return g_test_run();
}
