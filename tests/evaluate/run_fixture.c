#include "evaluate/run_fixture.h"

#include <math.h>

enum { GOOD, CRACK, HOLE, UNKNOWN };

static void add_image(VelmRun *run, const char *path, const char *label, const char *group) {
  VelmRunImage *image = g_new0(VelmRunImage, 1);
  image->path = g_strdup(path);
  image->label = g_strdup(label);
  image->group = g_strdup(group);
  g_ptr_array_add(run->images, image);
}

static void add_images(VelmRun *run) {
  add_image(run, "test/good/001.png", "good", "p1");
  add_image(run, "test/good/002.png", "good", "p1");
  add_image(run, "test/good/003.png", "good", "p2");
  add_image(run, "test/good/004.png", "good", "p3");
  add_image(run, "test/crack/001.png", "crack", "p4");
  add_image(run, "test/crack/002.png", "crack", "p4");
  add_image(run, "test/crack/003.png", "crack", "p5");
  add_image(run, "test/hole/001.png", "hole", "p6");
  add_image(run, "test/hole/002.png", "hole", "p7");
  add_image(run, "test/hole/003.png", "hole", "p7");
}

/* ---- detectors ---- */

static VelmCurvePoints *make_curve(double end) {
  VelmCurvePoints *points = velm_curve_points_new();
  velm_curve_points_append(points, 0, 0);
  velm_curve_points_append(points, 0, 0.5);
  velm_curve_points_append(points, end / 2, 0.75);
  velm_curve_points_append(points, end, 1);
  return points;
}

static void set_scores(VelmDetectorRun *detector, const double *scores, guint n) {
  detector->scores = g_memdup2(scores, n * sizeof *scores);
  detector->anomalous = g_new0(guint8, n);
  for (guint i = 0; i < n; i++)
    detector->anomalous[i] = scores[i] > detector->threshold;
}

static void add_class(VelmDetectorRun *detector, const char *name, double auroc, double pixels) {
  VelmClassDetection class = {g_strdup(name), 3,      auroc,  auroc, pixels,
                              pixels,         pixels, pixels, pixels};
  g_array_append_val(detector->figures.by_class, class);
}

static VelmDetectorRun *add_detector(VelmRun *run, const char *name, double threshold) {
  VelmDetectorRun *detector = g_new0(VelmDetectorRun, 1);
  VelmDetectionFigures *figures = &detector->figures;
  const VelmInterval none = {NAN, NAN};
  detector->name = g_strdup(name);
  detector->threshold = threshold;
  figures->images = run->images->len;
  figures->by_class = velm_class_detections_new();
  figures->pixel_auroc = figures->pixel_average_precision = NAN;
  figures->aupro = figures->pointing = figures->region_iou = figures->ms_per_image = NAN;
  figures->intervals = (VelmDetectionIntervals){none, none, none, none, none, none, none, none};
  figures->image_roc = make_curve(1);
  g_ptr_array_add(run->detectors, detector);
  return detector;
}

static void add_patchcore(VelmRun *run) {
  const double scores[] = {1, 1.5, 2.5, 3.25, 4, 1.25, 6, 0.5, 5, NAN};
  VelmDetectorRun *detector = add_detector(run, "patchcore", 2);
  VelmDetectionFigures *figures = &detector->figures;
  set_scores(detector, scores, G_N_ELEMENTS(scores));
  figures->image_auroc = 0.9123456789012345;
  figures->image_average_precision = 0.875;
  figures->image_f1_max = 2.0 / 3;
  figures->pixel_auroc = 0.9375;
  figures->pixel_average_precision = 0.1;
  figures->aupro = 0.8125;
  figures->pointing = 0.75;
  figures->region_iou = 0.3125;
  figures->ms_per_image = 12.34;
  figures->intervals.image_auroc = (VelmInterval){0.85, 0.9625};
  figures->intervals.aupro = (VelmInterval){0.7, 0.9};
  figures->pro = make_curve(0.3);
  add_class(detector, "crack", 1, 0.5);
  add_class(detector, "hole", 0.625, NAN);
}

static void add_oracle(VelmRun *run) {
  const double scores[] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
  VelmDetectorRun *detector = add_detector(run, "oracle", 0.5);
  VelmDetectionFigures *figures = &detector->figures;
  set_scores(detector, scores, G_N_ELEMENTS(scores));
  figures->image_auroc = figures->image_average_precision = figures->image_f1_max = 1;
  add_class(detector, "crack", 1, NAN);
  add_class(detector, "hole", 1, NAN);
}

/* ---- classifiers ---- */

static const char *const KEYS[] = {"crack", "hole", NULL};

static void add_fewshot(VelmRun *run) {
  const VelmAnswer answers[] = {
      {2, 0, CRACK, 0.9}, {3, 0, HOLE, 0.4},   {4, 0, CRACK, 0.8},   {5, 0, HOLE, 0.7},
      {6, 0, CRACK, 0.6}, {7, 0, CRACK, 0.95}, {8, 0, HOLE, 0.6},    {2, 1, CRACK, 0.5},
      {3, 1, HOLE, 0.8},  {4, 1, CRACK, 0.55}, {5, 1, UNKNOWN, 0.3}, {7, 1, CRACK, 0.97},
      {8, 1, HOLE, 0.9},
  };
  VelmClassifierRun *classifier = velm_run_add_classifier(run, "fewshot", 0, KEYS);
  classifier->trials = 2;
  classifier->excluded = 1;
  classifier->failed = 1;
  g_array_append_vals(classifier->answers, answers, G_N_ELEMENTS(answers));
  velm_run_measure(run, classifier);
}

static void add_mllm(VelmRun *run) {
  const VelmAnswer answers[] = {{4, 0, CRACK, NAN}, {5, 0, CRACK, NAN}, {6, 0, HOLE, NAN},
                                {7, 0, HOLE, NAN},  {8, 0, HOLE, NAN},  {9, 0, GOOD, NAN}};
  VelmClassifierRun *classifier = velm_run_add_classifier(run, "mllm", 1, KEYS);
  g_array_append_vals(classifier->answers, answers, G_N_ELEMENTS(answers));
  velm_run_measure(run, classifier);
}

static void set_facts(VelmRun *run) {
  run->directory = g_strdup("/data/a & b");
  run->has_groups = TRUE;
  run->model = g_strdup("parts.velm");
  run->model_sha256 = g_strdup("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
  run->spec = g_strdup("classes:\n  crack: <b>long & thin</b>\n");
  run->spec_path = g_strdup("parts.yaml");
  run->endpoint = g_strdup("http://127.0.0.1:8080/v1");
  run->llm = g_strdup("llava");
  run->n_classes = 2;
  run->severities = g_new0(VelmDecision, 2);
  run->severities[0] = VELM_DECISION_DEFECT;
  run->severities[1] = VELM_DECISION_NEGLIGIBLE;
  run->shots = 10;
  run->trials = 2;
  run->seed = 7;
  run->made = g_strdup("2026-01-02T03:04:05Z");
  run->version = g_strdup("1.2.3");
}

VelmRun *run_fixture_new(void) {
  VelmRun *run = velm_run_new();
  set_facts(run);
  add_images(run);
  add_patchcore(run);
  add_oracle(run);
  add_fewshot(run);
  add_mllm(run);
  velm_run_add_failure(run, "test/hole/003.png", "test/hole/003.png: the file is truncated");
  return run;
}
