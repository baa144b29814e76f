#include "evaluate/run_json.h"

#include "evaluate/call_curve.h"
#include "evaluate/compare.h"

#include <math.h>

void velm_run_build_interval(JsonBuilder *builder, const char *name, const VelmInterval *interval) {
  json_builder_set_member_name(builder, name);
  if (!isfinite(interval->low) || !isfinite(interval->high)) {
    json_builder_add_null_value(builder);
    return;
  }
  json_builder_begin_array(builder);
  json_builder_add_double_value(builder, interval->low);
  json_builder_add_double_value(builder, interval->high);
  json_builder_end_array(builder);
}

/* ---- detection ---- */

static void build_detection_classes(JsonBuilder *builder, const GArray *classes) {
  json_builder_set_member_name(builder, "by_class");
  json_builder_begin_object(builder);
  for (guint i = 0; classes && i < classes->len; i++) {
    const VelmClassDetection *class = &g_array_index(classes, VelmClassDetection, i);
    json_builder_set_member_name(builder, class->name);
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "images", class->images);
    velm_json_set_double(builder, "image_auroc", class->image_auroc);
    velm_json_set_double(builder, "image_average_precision", class->image_average_precision);
    velm_json_set_double(builder, "pixel_auroc", class->pixel_auroc);
    velm_json_set_double(builder, "pixel_average_precision", class->pixel_average_precision);
    velm_json_set_double(builder, "aupro", class->aupro);
    velm_json_set_double(builder, "pointing", class->pointing);
    velm_json_set_double(builder, "region_iou", class->region_iou);
    json_builder_end_object(builder);
  }
  json_builder_end_object(builder);
}

static void build_detection_intervals(JsonBuilder *builder,
                                      const VelmDetectionIntervals *intervals) {
  json_builder_set_member_name(builder, "intervals");
  json_builder_begin_object(builder);
  velm_run_build_interval(builder, "image_auroc", &intervals->image_auroc);
  velm_run_build_interval(builder, "image_average_precision", &intervals->image_average_precision);
  velm_run_build_interval(builder, "image_f1_max", &intervals->image_f1_max);
  velm_run_build_interval(builder, "pixel_auroc", &intervals->pixel_auroc);
  velm_run_build_interval(builder, "pixel_average_precision", &intervals->pixel_average_precision);
  velm_run_build_interval(builder, "aupro", &intervals->aupro);
  velm_run_build_interval(builder, "pointing", &intervals->pointing);
  velm_run_build_interval(builder, "region_iou", &intervals->region_iou);
  json_builder_end_object(builder);
}

void velm_run_build_detection(JsonBuilder *builder, const VelmDetectorRun *detector) {
  const VelmDetectionFigures *figures = &detector->figures;
  velm_json_set_string(builder, "detector", detector->name);
  json_builder_set_member_name(builder, "detection");
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "image_auroc", figures->image_auroc);
  velm_json_set_double(builder, "image_average_precision", figures->image_average_precision);
  velm_json_set_double(builder, "image_f1_max", figures->image_f1_max);
  velm_json_set_double(builder, "pixel_auroc", figures->pixel_auroc);
  velm_json_set_double(builder, "pixel_average_precision", figures->pixel_average_precision);
  velm_json_set_double(builder, "aupro", figures->aupro);
  velm_json_set_double(builder, "pointing", figures->pointing);
  velm_json_set_double(builder, "region_iou", figures->region_iou);
  build_detection_intervals(builder, &figures->intervals);
  build_detection_classes(builder, figures->by_class);
  velm_json_set_int(builder, "images", figures->images);
  velm_json_set_double(builder, "ms_per_image", figures->ms_per_image);
  json_builder_end_object(builder);
}

/* ---- classification ---- */

static void build_confusion(JsonBuilder *builder, const VelmClassificationFigures *figures) {
  gsize n = figures->n_classes;
  velm_json_set_strings(builder, "classes", (const char *const *)figures->classes);
  json_builder_set_member_name(builder, "confusion");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < n; i++) {
    json_builder_begin_array(builder);
    for (gsize k = 0; k < n; k++)
      json_builder_add_int_value(builder, (gint64)figures->confusion[i * n + k]);
    json_builder_end_array(builder);
  }
  json_builder_end_array(builder);
}

static void build_class_figures(JsonBuilder *builder, const VelmClassificationFigures *figures) {
  json_builder_set_member_name(builder, "by_class");
  json_builder_begin_object(builder);
  for (gsize i = 0; i < figures->n_classes; i++) {
    json_builder_set_member_name(builder, figures->classes[i]);
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "support", (gint64)figures->by_class[i].support);
    velm_json_set_double(builder, "recall", figures->by_class[i].recall);
    velm_json_set_double(builder, "precision", figures->by_class[i].precision);
    velm_json_set_double(builder, "f1", figures->by_class[i].f1);
    json_builder_end_object(builder);
  }
  json_builder_end_object(builder);
}

static void build_figures(JsonBuilder *builder, const char *name,
                          const VelmClassificationFigures *figures,
                          const VelmClassifierRun *classifier) {
  if (!figures->measured)
    return;
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "accuracy", figures->accuracy);
  velm_json_set_double(builder, "macro_accuracy", figures->macro_accuracy);
  velm_json_set_double(builder, "macro_accuracy_std", figures->macro_accuracy_std);
  velm_json_set_double(builder, "macro_f1", figures->macro_f1);
  velm_json_set_double(builder, "micro_f1", figures->micro_f1);
  velm_json_set_double(builder, "cohen_kappa", figures->cohen_kappa);
  json_builder_set_member_name(builder, "intervals");
  json_builder_begin_object(builder);
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++)
    velm_run_build_interval(builder, velm_class_headline_name((VelmClassHeadline)f),
                            &figures->intervals[f]);
  json_builder_end_object(builder);
  build_confusion(builder, figures);
  build_class_figures(builder, figures);
  velm_json_set_int(builder, "trials", figures->trials);
  velm_json_set_int(builder, "images", figures->images);
  velm_json_set_int(builder, "missed", figures->missed);
  velm_json_set_int(builder, "excluded", classifier->excluded);
  velm_json_set_int(builder, "failed", classifier->failed);
  json_builder_end_object(builder);
}

static void build_calibration(JsonBuilder *builder, const VelmCalibration *calibration) {
  json_builder_set_member_name(builder, "calibration");
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "expected_calibration_error", calibration->ece);
  velm_run_build_interval(builder, "expected_calibration_error_interval",
                          &calibration->ece_interval);
  velm_json_set_double(builder, "expected_calibration_error_equal_width",
                       calibration->ece_equal_width);
  velm_json_set_double(builder, "calibrated_p", calibration->calibrated_p);
  velm_json_set_double(builder, "maximum_calibration_error", calibration->mce);
  velm_json_set_double(builder, "brier_score", calibration->brier);
  velm_json_set_double(builder, "negative_log_likelihood", calibration->negative_log_likelihood);
  velm_json_set_double(builder, "accuracy", calibration->accuracy);
  velm_json_set_double(builder, "confidence", calibration->confidence);
  json_builder_set_member_name(builder, "bins");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < calibration->n_bins; i++) {
    const VelmCalibrationBin *bin = &calibration->bins[i];
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "images", (gint64)bin->n);
    velm_json_set_double(builder, "confidence", bin->confidence);
    velm_json_set_double(builder, "accuracy", bin->accuracy);
    velm_run_build_interval(builder, "interval", &bin->accuracy_interval);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  json_builder_end_object(builder);
}

void velm_run_build_classification(JsonBuilder *builder, const VelmClassifierRun *classifier) {
  velm_json_set_string(builder, "classifier", classifier->name);
  build_figures(builder, "classification", &classifier->classification, classifier);
  build_figures(builder, "end_to_end", &classifier->end_to_end, classifier);
  build_figures(builder, "decisions", &classifier->decisions, classifier);
  if (classifier->calibration)
    build_calibration(builder, classifier->calibration);
}

void velm_run_build_trusts(JsonBuilder *builder, const VelmClassifierRun *classifier) {
  if (!classifier->trusts)
    return;
  json_builder_set_member_name(builder, "trusts");
  json_builder_begin_array(builder);
  for (guint trial = 0; trial < classifier->trials; trial++)
    if (isfinite(classifier->trusts[trial]))
      json_builder_add_double_value(builder, classifier->trusts[trial]);
    else
      json_builder_add_null_value(builder);
  json_builder_end_array(builder);
}

/* ---- all ---- */

/* One result: a detector, and a classifier of what it marked or NULL. */
static void build_result(JsonBuilder *builder, const VelmRun *run, guint detector,
                         const VelmClassifierRun *classifier) {
  velm_run_build_detection(builder, run->detectors->pdata[detector]);
  if (classifier)
    velm_run_build_classification(builder, classifier);
}

static guint count_classifiers(const VelmRun *run, guint detector) {
  guint n = 0;
  for (guint i = 0; i < run->classifiers->len; i++)
    n += ((const VelmClassifierRun *)run->classifiers->pdata[i])->detector == detector ? 1 : 0;
  return n;
}

static void build_results(JsonBuilder *builder, const VelmRun *run) {
  json_builder_set_member_name(builder, "results");
  json_builder_begin_array(builder);
  for (guint d = 0; d < run->detectors->len; d++) {
    if (count_classifiers(run, d) == 0) {
      json_builder_begin_object(builder);
      build_result(builder, run, d, NULL);
      json_builder_end_object(builder);
    }
    for (guint i = 0; i < run->classifiers->len; i++) {
      const VelmClassifierRun *classifier = run->classifiers->pdata[i];
      if (classifier->detector != d)
        continue;
      json_builder_begin_object(builder);
      build_result(builder, run, d, classifier);
      json_builder_end_object(builder);
    }
  }
  json_builder_end_array(builder);
  g_autoptr(GPtrArray) comparisons = velm_compare_within(run);
  velm_compare_build(builder, comparisons);
}

void velm_run_build_spending(JsonBuilder *builder, const VelmRun *run) {
  if (run->spending.requests == 0 && run->spending.cached == 0)
    return;
  json_builder_set_member_name(builder, "spending");
  json_builder_begin_object(builder);
  velm_spending_totals_to_json(&run->spending, builder);
  json_builder_end_object(builder);
}

void velm_run_build_failures(JsonBuilder *builder, const VelmRun *run) {
  json_builder_set_member_name(builder, "failures");
  json_builder_begin_array(builder);
  for (guint i = 0; i < run->failures->len; i++) {
    const VelmRunFailure *failure = run->failures->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "path", failure->path);
    velm_json_set_string(builder, "message", failure->message);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

char *velm_run_to_json(const VelmRun *run) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  if (run->detectors->len == 1 && run->classifiers->len <= 1)
    build_result(builder, run, 0, run->classifiers->len ? run->classifiers->pdata[0] : NULL);
  else
    build_results(builder, run);
  velm_call_curves_build(builder, run);
  velm_run_build_spending(builder, run);
  velm_run_build_failures(builder, run);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
