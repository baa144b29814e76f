#include "evaluate/run_text.h"

#include "evaluate/call_curve.h"
#include "evaluate/compare.h"

#include <math.h>

static void append_number(GString *text, double value) {
  if (isnan(value))
    g_string_append_printf(text, "%10s", "-");
  else
    g_string_append_printf(text, "%10.3f", value);
}

/* "name 0.921 [0.900, 0.941]". */
static void append_figure(GString *text, const char *name, double value,
                          const VelmInterval *interval) {
  if (isnan(value)) {
    g_string_append_printf(text, "  %-16s    -\n", name);
    return;
  }
  g_string_append_printf(text, "  %-16s%8.3f", name, value);
  if (isfinite(interval->low))
    g_string_append_printf(text, "   [%.3f, %.3f]", interval->low, interval->high);
  g_string_append_c(text, '\n');
}

/* ---- detection ---- */

static void append_class(GString *text, const VelmClassDetection *class) {
  g_string_append_printf(text, "  %-16.16s%8u", class->name, class->images);
  append_number(text, class->image_auroc);
  append_number(text, class->image_average_precision);
  append_number(text, class->pixel_auroc);
  append_number(text, class->pixel_average_precision);
  append_number(text, class->aupro);
  append_number(text, class->pointing);
  append_number(text, class->region_iou);
  g_string_append_c(text, '\n');
}

static void append_detection(GString *text, const VelmDetectorRun *detector) {
  const VelmDetectionFigures *figures = &detector->figures;
  const VelmDetectionIntervals *intervals = &figures->intervals;
  g_string_append_printf(text, "detection by %s, %u images, %.0f ms an image\n", detector->name,
                         figures->images, figures->ms_per_image);
  append_figure(text, "image AUROC", figures->image_auroc, &intervals->image_auroc);
  append_figure(text, "image AP", figures->image_average_precision,
                &intervals->image_average_precision);
  append_figure(text, "image F1-max", figures->image_f1_max, &intervals->image_f1_max);
  append_figure(text, "pixel AUROC", figures->pixel_auroc, &intervals->pixel_auroc);
  append_figure(text, "pixel AP", figures->pixel_average_precision,
                &intervals->pixel_average_precision);
  append_figure(text, "AUPRO", figures->aupro, &intervals->aupro);
  append_figure(text, "pointing", figures->pointing, &intervals->pointing);
  append_figure(text, "region IoU", figures->region_iou, &intervals->region_iou);
  if (figures->by_class->len == 0)
    return;
  g_string_append_printf(text, "  %-16s%8s%10s%10s%10s%10s%10s%10s%10s\n", "class", "images",
                         "AUROC", "AP", "px AUROC", "px AP", "AUPRO", "pointing", "IoU");
  for (guint i = 0; i < figures->by_class->len; i++)
    append_class(text, &g_array_index(figures->by_class, VelmClassDetection, i));
}

/* ---- classification ---- */

static void append_confusion(GString *text, const VelmClassificationFigures *figures) {
  gsize n = figures->n_classes;
  g_string_append_printf(text, "  %-16s", "truth \\ answer");
  for (gsize k = 0; k < n; k++)
    g_string_append_printf(text, " %11.11s", figures->classes[k]);
  g_string_append_c(text, '\n');
  for (gsize i = 0; i < n; i++) {
    if (figures->by_class[i].support == 0)
      continue;
    g_string_append_printf(text, "  %-16.16s", figures->classes[i]);
    for (gsize k = 0; k < n; k++)
      g_string_append_printf(text, " %11" G_GUINT64_FORMAT, figures->confusion[i * n + k]);
    g_string_append_c(text, '\n');
  }
}

static void append_classification(GString *text, const char *title,
                                  const VelmClassificationFigures *figures,
                                  const VelmClassifierRun *classifier) {
  if (!figures->measured)
    return;
  g_string_append_printf(text, "\n%s, %u answers in %u trial%s", title, figures->images,
                         figures->trials, figures->trials == 1 ? "" : "s");
  if (figures->missed)
    g_string_append_printf(text, ", %u of them under the threshold", figures->missed);
  if (classifier->excluded)
    g_string_append_printf(text, ", %u images of taught parts left out", classifier->excluded);
  if (classifier->failed)
    g_string_append_printf(text, ", %u failed", classifier->failed);
  g_string_append_c(text, '\n');
  const VelmInterval *intervals = figures->intervals;
  append_figure(text, "accuracy", figures->accuracy, &intervals[VELM_FIGURE_ACCURACY]);
  append_figure(text, "macro accuracy", figures->macro_accuracy,
                &intervals[VELM_FIGURE_MACRO_ACCURACY]);
  if (figures->trials > 1)
    g_string_append_printf(text, "  %-16s%8.3f\n", "  sd of trials", figures->macro_accuracy_std);
  append_figure(text, "macro F1", figures->macro_f1, &intervals[VELM_FIGURE_MACRO_F1]);
  append_figure(text, "kappa", figures->cohen_kappa, &intervals[VELM_FIGURE_COHEN_KAPPA]);
  append_confusion(text, figures);
}

static void append_classifier(GString *text, const VelmRun *run,
                              const VelmClassifierRun *classifier) {
  g_autofree char *title = velm_run_title(run, classifier);
  g_string_append_printf(text, "\n%s\n", title);
  append_classification(text, "classification of the marked regions", &classifier->classification,
                        classifier);
  append_classification(text, "end to end, good among the classes", &classifier->end_to_end,
                        classifier);
  append_classification(text, "decisions, by what the spec's classes lead to",
                        &classifier->decisions, classifier);
  const VelmCalibration *calibration = classifier->calibration;
  if (!calibration)
    return;
  g_string_append(text, "\ncalibration of the confidences\n");
  append_figure(text, "calib. error", calibration->ece, &calibration->ece_interval);
  g_string_append_printf(
      text,
      "  %-16s%8.3f\n  %-16s%8.3f\n  confidences that can be believed would show "
      "as large an error with p = %.2g\n",
      "mean confidence", calibration->confidence, "accuracy", calibration->accuracy,
      calibration->calibrated_p);
}

/* ---- all ---- */

char *velm_run_to_text(const VelmRun *run) {
  GString *text = g_string_new("95 % intervals by the bootstrap over parts, in brackets\n\n");
  for (guint d = 0; d < run->detectors->len; d++) {
    append_detection(text, run->detectors->pdata[d]);
    for (guint i = 0; i < run->classifiers->len; i++)
      if (((const VelmClassifierRun *)run->classifiers->pdata[i])->detector == d)
        append_classifier(text, run, run->classifiers->pdata[i]);
    velm_call_curves_append(text, run, d, NULL);
    if (d + 1 < run->detectors->len)
      g_string_append_c(text, '\n');
  }
  g_autofree char *spent = velm_spending_totals_describe(&run->spending);
  if (spent)
    g_string_append_printf(text, "language model %s: %s\n", run->llm, spent);
  if (run->detectors->len == 1 && run->classifiers->len <= 1)
    return g_string_free(text, FALSE);
  g_autofree char *summary = velm_run_summary(run);
  g_autoptr(GPtrArray) comparisons = velm_compare_within(run);
  g_autofree char *differences = velm_compare_to_text(comparisons);
  g_string_append_printf(text, "\n%s%s", summary, differences);
  return g_string_free(text, FALSE);
}

char *velm_run_summary(const VelmRun *run) {
  GString *text = g_string_new(NULL);
  g_autoptr(GArray) results = velm_run_results(run, NULL);
  g_string_append_printf(text, "side by side\n  %-34s%10s%10s%10s%10s%10s%10s\n", "", "img AUROC",
                         "AUPRO", "macro acc", "macro F1", "kappa", "line acc");
  for (guint i = 0; i < results->len; i++) {
    const VelmRunResult *result = &g_array_index(results, VelmRunResult, i);
    const VelmDetectorRun *detector = run->detectors->pdata[result->detector];
    const VelmClassifierRun *classifier = result->classifier;
    g_autofree char *title =
        classifier ? velm_run_title(run, classifier) : g_strdup(detector->name);
    gboolean measured = classifier && classifier->classification.measured;
    g_string_append_printf(text, "  %-34s", title);
    append_number(text, detector->figures.image_auroc);
    append_number(text, detector->figures.aupro);
    append_number(text, measured ? classifier->classification.macro_accuracy : NAN);
    append_number(text, measured ? classifier->classification.macro_f1 : NAN);
    append_number(text, measured ? classifier->classification.cohen_kappa : NAN);
    append_number(text, classifier ? classifier->end_to_end.macro_accuracy : NAN);
    g_string_append_c(text, '\n');
  }
  return g_string_free(text, FALSE);
}
