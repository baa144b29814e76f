/* Accuracy against calls, counted by hand. */
#include "evaluate/call_curve.h"

#include "classify/classifier.h"
#include "core/scratch.h"
#include "evaluate/call_curve_svg.h"
#include "evaluate/run_json.h"
#include "evaluate/run_page.h"
#include "evaluate/run_tables.h"
#include "evaluate/run_text.h"

#include <math.h>
#include <string.h>

enum { GOOD, CRACK, HOLE, UNKNOWN };

/* ---- making runs ---- */

/* A run with one detector and images of the given labels, "c" crack, "h" hole, "g" good; each is a
 * part of its own. */
static VelmRun *run_new(const char *labels) {
  VelmRun *run = velm_run_new();
  run->n_classes = 2;
  run->directory = g_strdup("/data/parts");
  for (guint i = 0; labels[i]; i++) {
    VelmRunImage *image = g_new0(VelmRunImage, 1);
    image->label = g_strdup(labels[i] == 'c' ? "crack" : labels[i] == 'h' ? "hole" : "good");
    image->path = g_strdup_printf("test/%s/%03u.png", image->label, i);
    image->group = g_strdup_printf("p%u", i);
    g_ptr_array_add(run->images, image);
  }
  VelmDetectorRun *detector = g_new0(VelmDetectorRun, 1);
  detector->name = g_strdup("patchcore");
  detector->scores = g_new0(double, run->images->len + 1);
  detector->anomalous = g_new0(guint8, run->images->len + 1);
  detector->figures.by_class = velm_class_detections_new();
  g_ptr_array_add(run->detectors, detector);
  return run;
}

static VelmClassifierRun *add(VelmRun *run, const char *name, const VelmAnswer *answers, guint n) {
  static const char *const keys[] = {"crack", "hole", NULL};
  VelmClassifierRun *classifier = velm_run_add_classifier(run, name, 0, keys);
  for (guint i = 0; i < n; i++)
    classifier->trials = MAX(classifier->trials, answers[i].trial + 1);
  g_array_append_vals(classifier->answers, answers, n);
  velm_run_measure(run, classifier);
  return classifier;
}

#define ADD(run, name, answers) add(run, name, answers, G_N_ELEMENTS(answers))

static void set_trusts(VelmClassifierRun *classifier, double first, double second) {
  const double trusts[] = {first, second};
  g_assert_cmpuint(classifier->trials, <=, G_N_ELEMENTS(trusts));
  classifier->trusts = g_memdup2(trusts, sizeof trusts);
}

/* What the language model says where it is always right. */
static void add_perfect(VelmRun *run) {
  g_autoptr(GArray) answers = g_array_new(FALSE, TRUE, sizeof(VelmAnswer));
  for (guint i = 0; i < run->images->len; i++) {
    const char *label = ((const VelmRunImage *)run->images->pdata[i])->label;
    VelmAnswer answer = {i, 0, *label == 'c' ? CRACK : *label == 'h' ? HOLE : GOOD, NAN};
    g_array_append_val(answers, answer);
  }
  add(run, "mllm", (const VelmAnswer *)(void *)answers->data, answers->len);
}

static const VelmCallCurve *measure(VelmRun *run) {
  velm_run_measure_calls(run);
  g_assert_cmpuint(run->call_curves->len, ==, 1);
  return run->call_curves->pdata[0];
}

/* ---- checking curves ---- */

#define assert_near(a, b) g_assert_cmpfloat_with_epsilon(a, b, 1e-12)

static void assert_point(const VelmCallCurve *curve, guint percent, double accuracy,
                         double macro_accuracy) {
  assert_near(curve->points[percent].share, percent / 100.0);
  assert_near(curve->points[percent].accuracy, accuracy);
  assert_near(curve->points[percent].macro_accuracy, macro_accuracy);
}

/* Both ends are the classifiers' own figures, where both answered the same images. */
static void assert_ends(const VelmCallCurve *curve) {
  const VelmClassificationFigures *first = &curve->fewshot->classification;
  const VelmClassificationFigures *last = &curve->llm->classification;
  assert_point(curve, 0, first->accuracy, first->macro_accuracy);
  assert_point(curve, 100, last->accuracy, last->macro_accuracy);
}

/* ---- one trial ---- */

/* Wrong are the answers of .2 and .6. */
static const VelmAnswer four[] = {
    {0, 0, CRACK, 0.4}, {1, 0, HOLE, 0.6}, {2, 0, CRACK, 0.2}, {3, 0, HOLE, 0.9}};

static void test_always_right(void) {
  g_autoptr(VelmRun) run = run_new("cchh");
  set_trusts(ADD(run, "fewshot", four), 0.5, NAN);
  add_perfect(run);
  const VelmCallCurve *curve = measure(run);
  g_assert_cmpuint(curve->answers, ==, 4);
  g_assert_cmpuint(curve->trials, ==, 1);
  assert_ends(curve);
  assert_point(curve, 0, 0.5, 0.5);
  assert_point(curve, 25, 0.75, 0.75);
  assert_point(curve, 50, 0.75, 0.75);
  assert_point(curve, 75, 1, 1);
  assert_point(curve, 100, 1, 1);
  /* Between two steps an image is asked about by chance. */
  assert_point(curve, 5, 0.55, 0.55);
  assert_point(curve, 70, 0.95, 0.95);
  g_assert_cmpfloat(velm_call_curve_calls_at(curve, 0.75), ==, 0.25);
  g_assert_cmpfloat(velm_call_curve_calls_at(curve, 1), ==, 0.75);
  g_assert_cmpfloat(velm_call_curve_calls_at(curve, 0.3), ==, 0);
  g_assert_true(isnan(velm_call_curve_calls_at(curve, 1.1)));
  /* Below .5 lie two of the four. */
  g_assert_cmpfloat(curve->trusted.share, ==, 0.5);
  assert_near(curve->trusted.accuracy, 0.75);
  assert_near(curve->trusted.macro_accuracy, 0.75);
  g_assert_cmpfloat(curve->trusted_accuracy.low, <, 0.75);
  g_assert_cmpfloat(curve->trusted_accuracy.high, ==, 1);
}

/* An answer at the level itself stands; at one that none reaches, all are asked about. */
static void test_trust(void) {
  const struct {
    double trust, share, accuracy;
  } cases[] = {{0.6, 0.5, 0.75}, {0.61, 0.75, 1}, {0.1, 0, 0.5}, {INFINITY, 1, 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmRun) run = run_new("cchh");
    set_trusts(ADD(run, "fewshot", four), cases[i].trust, NAN);
    add_perfect(run);
    const VelmCallCurve *curve = measure(run);
    assert_near(curve->trusted.share, cases[i].share);
    assert_near(curve->trusted.accuracy, cases[i].accuracy);
  }
  g_autoptr(VelmRun) run = run_new("cchh");
  ADD(run, "fewshot", four);
  add_perfect(run);
  const VelmCallCurve *unknown = measure(run);
  g_assert_true(isnan(unknown->trusted.share));
  g_assert_true(isnan(unknown->trusted_accuracy.low));
}

/* Three of one confidence are asked about at once: in between lies the line. */
static void test_ties(void) {
  const VelmAnswer answers[] = {{0, 0, CRACK, 0.5},
                                {1, 0, HOLE, 0.5},
                                {2, 0, HOLE, 0.9},
                                {3, 0, CRACK, 0.5},
                                {4, 0, CRACK, 0.9}};
  g_autoptr(VelmRun) run = run_new("cchhh");
  set_trusts(ADD(run, "fewshot", answers), 0.5, NAN);
  add_perfect(run);
  const VelmCallCurve *curve = measure(run);
  assert_ends(curve);
  assert_point(curve, 0, 0.4, (1.0 / 2 + 1.0 / 3) / 2);
  assert_point(curve, 30, 0.6, (3.0 / 4 + 1.0 / 2) / 2);
  assert_point(curve, 60, 0.8, (1 + 2.0 / 3) / 2);
  assert_point(curve, 80, 0.9, (1 + 5.0 / 6) / 2);
  g_assert_cmpfloat(curve->trusted.share, ==, 0);
}

/* Unknown, or without a confidence, goes first, and never stands. */
static void test_unknown(void) {
  const VelmAnswer answers[] = {
      {0, 0, UNKNOWN, 0.99}, {1, 0, CRACK, 0.3}, {2, 0, CRACK, 0.2}, {3, 0, HOLE, NAN}};
  g_autoptr(VelmRun) run = run_new("cchh");
  set_trusts(ADD(run, "fewshot", answers), 0, NAN);
  add_perfect(run);
  const VelmCallCurve *curve = measure(run);
  assert_ends(curve);
  assert_point(curve, 0, 0.5, 0.5);
  assert_point(curve, 50, 0.75, 0.75);
  assert_point(curve, 75, 1, 1);
  g_assert_cmpfloat(curve->trusted.share, ==, 0.5);
  assert_near(curve->trusted.accuracy, 0.75);
}

/* A language model that is worse, and calls a hole good: more calls, more mistakes. */
static void test_worse(void) {
  const VelmAnswer answers[] = {
      {0, 0, HOLE, 0.8}, {1, 0, CRACK, 0.8}, {2, 0, GOOD, 0.8}, {3, 0, UNKNOWN, 0.8}};
  g_autoptr(VelmRun) run = run_new("cchh");
  ADD(run, "fewshot", four);
  ADD(run, "mllm-RI", answers);
  const VelmCallCurve *curve = measure(run);
  assert_ends(curve);
  assert_point(curve, 25, 0.5, 0.5);
  assert_point(curve, 50, 0.25, 0.25);
  assert_point(curve, 75, 0.5, 0.5);
  assert_point(curve, 100, 0.25, 0.25);
  /* The smallest share that reaches it, though a larger one falls below. */
  g_assert_cmpfloat(velm_call_curve_calls_at(curve, 0.5), ==, 0);
  g_assert_true(isnan(velm_call_curve_calls_at(curve, 0.75)));
}

/* What only one of them answered, and good images, are no part of it. */
static void test_answered_by_one(void) {
  const VelmAnswer first[] = {
      {0, 0, HOLE, 0.1}, {1, 0, CRACK, 0.2}, {2, 0, CRACK, 0.3}, {4, 0, HOLE, 0.4}};
  const VelmAnswer second[] = {
      {0, 0, CRACK, NAN}, {2, 0, HOLE, NAN}, {3, 0, CRACK, NAN}, {4, 0, CRACK, NAN}};
  g_autoptr(VelmRun) run = run_new("cchhg");
  ADD(run, "fewshot", first);
  ADD(run, "mllm", second);
  const VelmCallCurve *curve = measure(run);
  g_assert_cmpuint(curve->answers, ==, 2);
  assert_point(curve, 0, 0, 0);
  assert_point(curve, 50, 0.5, 0.5);
  assert_point(curve, 100, 1, 1);
}

/* ---- trials ---- */

/* The second trial has two images, and a level of its own; the means are of trials, not images. */
static void test_trials(void) {
  const VelmAnswer answers[] = {{0, 0, CRACK, 0.4}, {1, 0, HOLE, 0.6}, {2, 0, CRACK, 0.2},
                                {3, 0, HOLE, 0.9},  {0, 1, HOLE, 0.7}, {3, 1, HOLE, 0.3}};
  g_autoptr(VelmRun) run = run_new("cchh");
  set_trusts(ADD(run, "fewshot (2 shots)", answers), 0.5, 0.4);
  add_perfect(run);
  const VelmCallCurve *curve = measure(run);
  g_assert_cmpuint(curve->trials, ==, 2);
  g_assert_cmpuint(curve->answers, ==, 6);
  assert_ends(curve);
  assert_point(curve, 25, (0.75 + 0.5) / 2, (0.75 + 0.5) / 2);
  assert_point(curve, 50, (0.75 + 0.5) / 2, (0.75 + 0.5) / 2);
  assert_point(curve, 75, (1 + 0.75) / 2, (1 + 0.75) / 2);
  g_assert_cmpfloat(velm_call_curve_calls_at(curve, 1), ==, 1);
  assert_near(curve->trusted.share, (0.5 + 0.5) / 2);
  assert_near(curve->trusted.accuracy, (0.75 + 0.5) / 2);
}

/* A trial none of whose images both answered does not count. */
static void test_empty_trial(void) {
  const VelmAnswer first[] = {{0, 0, CRACK, 0.4}, {1, 1, HOLE, 0.6}};
  const VelmAnswer second[] = {{1, 0, CRACK, NAN}};
  g_autoptr(VelmRun) run = run_new("cc");
  set_trusts(ADD(run, "fewshot (1 shots)", first), 0.5, 0.7);
  ADD(run, "mllm", second);
  const VelmCallCurve *curve = measure(run);
  g_assert_cmpuint(curve->trials, ==, 1);
  assert_point(curve, 0, 0, 0);
  assert_point(curve, 100, 1, 1);
  g_assert_cmpfloat(curve->trusted.share, ==, 1);
  assert_near(curve->trusted.accuracy, 1);
}

/* Of random answers: the ends are the classifiers' own, and at any level the mean curve of one
 * trial without ties is the mix counted one by one. */
static void test_random(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  for (guint round = 0; round < 50; round++) {
    g_autoptr(VelmRun) run = run_new("cccccchhhhcccccchhhh");
    VelmAnswer first[20], second[20];
    for (guint i = 0; i < 20; i++) {
      first[i] = (VelmAnswer){i, 0, (guint)g_rand_int_range(random, CRACK, UNKNOWN),
                              g_rand_double(random)};
      second[i] = (VelmAnswer){i, 0, (guint)g_rand_int_range(random, GOOD, UNKNOWN + 1), NAN};
    }
    double trust = first[g_rand_int_range(random, 0, 20)].confidence;
    set_trusts(ADD(run, "fewshot", first), trust, NAN);
    ADD(run, "mllm", second);
    const VelmCallCurve *curve = measure(run);
    assert_ends(curve);
    guint asked = 0, right = 0;
    for (guint i = 0; i < 20; i++) {
      guint truth = ((VelmRunImage *)run->images->pdata[i])->label[0] == 'c' ? CRACK : HOLE;
      gboolean is_asked = first[i].confidence < trust;
      asked += is_asked ? 1 : 0;
      right += (is_asked ? second : first)[i].answer == truth ? 1 : 0;
    }
    assert_near(curve->trusted.share, asked / 20.0);
    assert_near(curve->trusted.accuracy, right / 20.0);
    assert_near(curve->points[asked * 5].accuracy, right / 20.0);
    assert_near(curve->points[asked * 5].macro_accuracy, curve->trusted.macro_accuracy);
  }
}

/* ---- which runs have curves ---- */

static void test_none(void) {
  g_autoptr(VelmRun) empty = velm_run_new(), alone = run_new("cchh"), apart = run_new("ch");
  velm_run_measure_calls(empty);
  g_assert_cmpuint(empty->call_curves->len, ==, 0);
  ADD(alone, "fewshot", four);
  velm_run_measure_calls(alone);
  g_assert_cmpuint(alone->call_curves->len, ==, 0);
  /* No image of both; and a good one alone. */
  const VelmAnswer first[] = {{0, 0, CRACK, 0.4}}, second[] = {{1, 0, HOLE, NAN}};
  ADD(apart, "fewshot", first);
  ADD(apart, "mllm", second);
  velm_run_measure_calls(apart);
  g_assert_cmpuint(apart->call_curves->len, ==, 0);
  g_autofree char *json = velm_run_to_json(apart), *text = velm_run_to_text(apart);
  g_assert_null(strstr(json, "call_curves"));
  g_assert_null(strstr(text, "calls to the language model"));
  g_autoptr(VelmRunTable) table = velm_run_table_calls(apart);
  g_assert_cmpuint(velm_run_table_n_rows(table), ==, 0);
}

/* Each language model with each few-shot classifier of its detector, and no other. */
static void test_pairs(void) {
  g_autoptr(VelmRun) run = run_new("cchh");
  VelmDetectorRun *other = g_new0(VelmDetectorRun, 1);
  other->name = g_strdup("oracle");
  other->scores = g_new0(double, 4);
  other->anomalous = g_new0(guint8, 4);
  other->figures.by_class = velm_class_detections_new();
  g_ptr_array_add(run->detectors, other);
  ADD(run, "fewshot", four);
  add_perfect(run);
  ADD(run, "mllm-RI", four);
  ADD(run, "cascade", four);
  ADD(run, "mllm", four)->detector = 1;
  velm_run_measure_calls(run);
  g_assert_cmpuint(run->call_curves->len, ==, 2);
  g_autofree char *first = velm_call_curve_title(run, run->call_curves->pdata[0]);
  g_autofree char *second = velm_call_curve_title(run, run->call_curves->pdata[1]);
  g_assert_cmpstr(first, ==, "patchcore / fewshot, then mllm");
  g_assert_cmpstr(second, ==, "patchcore / fewshot, then mllm-RI");
}

/* ---- output ---- */

static VelmRun *run_with_curve(void) {
  VelmRun *run = run_new("cchh");
  set_trusts(ADD(run, "fewshot", four), 0.5, NAN);
  add_perfect(run);
  velm_run_measure_calls(run);
  return run;
}

static void test_text(void) {
  g_autoptr(VelmRun) run = run_with_curve();
  g_autofree char *text = velm_run_to_text(run);
  g_assert_nonnull(strstr(text, "patchcore / fewshot, then mllm\n\n"
                                "calls to the language model, 4 answers in 1 trial\n"));
  g_assert_nonnull(strstr(text, "  accuracy          0.500  0.600  0.700  0.750  0.750  0.750  "
                                "0.850  0.950  1.000  1.000  1.000\n"));
  g_assert_nonnull(strstr(text, "an accuracy of 0.950: 70 % of the calls, 30 % are saved\n"));
  g_assert_nonnull(strstr(text, "an accuracy of 1.000, the language model's own: 75 % of"));
  g_assert_nonnull(strstr(text, "at the trust level: 50.0 % of the calls, accuracy 0.750 ["));
}

static void test_json(void) {
  g_autoptr(VelmRun) run = run_with_curve();
  g_autofree char *json = velm_run_to_json(run);
  g_autoptr(JsonNode) root = velm_json_parse(json, -1, "json", NULL);
  JsonArray *curves = json_object_get_array_member(json_node_get_object(root), "call_curves");
  g_assert_cmpuint(json_array_get_length(curves), ==, 1);
  JsonObject *curve = json_array_get_object_element(curves, 0);
  g_assert_cmpstr(json_object_get_string_member(curve, "llm"), ==, "mllm");
  g_assert_cmpint(json_object_get_int_member(curve, "images"), ==, 4);
  JsonArray *points = json_object_get_array_member(curve, "points");
  g_assert_cmpuint(json_array_get_length(points), ==, VELM_CALL_POINTS);
  JsonObject *point = json_array_get_object_element(points, 25);
  assert_near(json_object_get_double_member(point, "calls"), 0.25);
  assert_near(json_object_get_double_member(point, "accuracy"), 0.75);
  JsonObject *target = json_object_get_object_member(curve, "at_0_95");
  assert_near(json_object_get_double_member(target, "calls"), 0.7);
  assert_near(json_object_get_double_member(target, "saved"), 0.3);
  JsonObject *trusted = json_object_get_object_member(curve, "operating_point");
  assert_near(json_object_get_double_member(trusted, "calls"), 0.5);
  JsonArray *trusts = json_object_get_array_member(trusted, "trusts");
  assert_near(json_array_get_double_element(trusts, 0), 0.5);
}

/* What no share reaches is a null, a dash, and no mark. */
static void test_not_reached(void) {
  g_autoptr(VelmRun) run = run_new("cchh");
  ADD(run, "fewshot", four);
  ADD(run, "mllm", four);
  const VelmCallCurve *curve = measure(run);
  g_autofree char *text = velm_run_to_text(run), *json = velm_run_to_json(run);
  g_autofree char *svg = velm_call_curve_svg(curve);
  g_assert_nonnull(strstr(text, "an accuracy of 0.950: not reached\n"));
  g_assert_nonnull(strstr(json, ",\"calls\":null,\"saved\":null},\"at_llm\""));
  g_assert_null(strstr(json, "operating_point"));
  g_assert_nonnull(strstr(svg, ">few-shot alone<"));
  g_assert_null(strstr(svg, "0.95 reached"));
  g_assert_null(strstr(svg, "trust level"));
}

/* A stored run has the same curve again; a level that no answer reaches is not lost. */
static void test_stored(void) {
  char *folder = scratch_new();
  const double levels[] = {0.5, INFINITY};
  for (gsize i = 0; i < G_N_ELEMENTS(levels); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmRun) run = run_with_curve();
    ((VelmClassifierRun *)run->classifiers->pdata[0])->trusts[0] = levels[i];
    velm_run_measure_calls(run);
    g_autofree char *path = g_build_filename(folder, "run.json", NULL);
    g_assert_true(velm_run_save(run, path, &error));
    g_autoptr(VelmRun) back = velm_run_load(path, &error);
    g_assert_no_error(error);
    g_autofree char *json = velm_run_to_json(run), *again = velm_run_to_json(back);
    g_assert_cmpstr(json, ==, again);
    const VelmClassifierRun *fewshot = back->classifiers->pdata[0],
                            *llm = back->classifiers->pdata[1];
    g_assert_cmpfloat(fewshot->trusts[0], ==, levels[i]);
    g_assert_null(llm->trusts);
  }
  scratch_remove(folder);
}

/* As many levels as trials, or the file is damaged. */
static void test_damaged(void) {
  char *folder = scratch_new();
  g_autoptr(VelmRun) run = run_with_curve();
  g_autofree char *path = g_build_filename(folder, "run.json", NULL);
  g_assert_true(velm_run_save(run, path, NULL));
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) parts = g_strsplit(text, "\"trusts\":[0.5],\"answers\"", 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  g_autofree char *more = g_strjoinv("\"trusts\":[0.5,0.5],\"answers\"", parts);
  g_autofree char *other = scratch_write(folder, "other.json", more, strlen(more));
  GError *error = NULL;
  g_assert_null(velm_run_load(other, &error));
  assert_failure(&error, VELM_ERROR_FILE, "its parts do not fit together");
  scratch_remove(folder);
}

static void test_files(void) {
  char *folder = scratch_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRun) run = run_with_curve();
  g_assert_true(velm_run_write_tables(run, folder, &error));
  g_autofree char *csv_path = g_build_filename(folder, "call_curves.csv", NULL), *csv = NULL;
  g_assert_true(g_file_get_contents(csv_path, &csv, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(csv, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 1 + VELM_CALL_POINTS + 1);
  g_assert_cmpstr(lines[0], ==, "detector,classifier,llm,calls,accuracy,macro_accuracy");
  g_assert_cmpstr(lines[1], ==, "patchcore,fewshot,mllm,0,0.5,0.5");
  g_assert_cmpstr(lines[1 + 25], ==, "patchcore,fewshot,mllm,0.25,0.75,0.75");
  g_autofree char *markdown = velm_run_to_markdown(run);
  g_assert_nonnull(strstr(markdown, "## Calls to the language model\n"));
  g_assert_nonnull(strstr(markdown, "| patchcore / fewshot, then mllm | 0.500 | 1.000 | 50.0 % | "
                                    "0.750 ("));
  g_assert_nonnull(strstr(markdown, "\n| 60 % | 0.850 | 0.850 |\n"));
  scratch_remove(folder);
}

static void test_page(void) {
  char *folder = scratch_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRun) run = run_with_curve();
  g_autofree char *path = g_build_filename(folder, "report.html", NULL), *page = NULL;
  g_assert_true(velm_run_page_write(run, NULL, NULL, path, &error));
  g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
  g_assert_nonnull(strstr(page, "<a href=\"#calls-0\">patchcore / fewshot, then mllm</a>"));
  g_assert_nonnull(strstr(page, "id=\"calls-0\""));
  g_assert_nonnull(strstr(page, ">at the trust level<"));
  g_assert_nonnull(strstr(page, ">50 % of the calls, accuracy 0.750<"));
  g_assert_nonnull(strstr(page, ">0.95 reached<"));
  g_assert_nonnull(strstr(page, ">70 % of the calls, accuracy 0.950<"));
  scratch_remove(folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/evaluate/call_curve/always_right", test_always_right);
  g_test_add_func("/evaluate/call_curve/trust", test_trust);
  g_test_add_func("/evaluate/call_curve/ties", test_ties);
  g_test_add_func("/evaluate/call_curve/unknown", test_unknown);
  g_test_add_func("/evaluate/call_curve/worse", test_worse);
  g_test_add_func("/evaluate/call_curve/answered_by_one", test_answered_by_one);
  g_test_add_func("/evaluate/call_curve/trials", test_trials);
  g_test_add_func("/evaluate/call_curve/empty_trial", test_empty_trial);
  g_test_add_func("/evaluate/call_curve/random", test_random);
  g_test_add_func("/evaluate/call_curve/none", test_none);
  g_test_add_func("/evaluate/call_curve/pairs", test_pairs);
  g_test_add_func("/evaluate/call_curve/text", test_text);
  g_test_add_func("/evaluate/call_curve/json", test_json);
  g_test_add_func("/evaluate/call_curve/not_reached", test_not_reached);
  g_test_add_func("/evaluate/call_curve/stored", test_stored);
  g_test_add_func("/evaluate/call_curve/damaged", test_damaged);
  g_test_add_func("/evaluate/call_curve/files", test_files);
  g_test_add_func("/evaluate/call_curve/page", test_page);
  return g_test_run();
}
