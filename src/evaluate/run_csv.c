/* The tables of a run as CSV files. */
#include "evaluate/run_tables.h"

#include "core/file.h"
#include "evaluate/csv_field.h"

#include <math.h>
#include <string.h>

/* ---- fields ---- */

/* Ends the line: its last field has a comma behind it, as all have. */
static void end_line(GString *csv) { csv->str[csv->len - 1] = '\n'; }

/* Any bytes; those that are not UTF-8 are replaced. NULL is an empty field. */
static void put_text(GString *csv, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  velm_csv_append_field(csv, valid);
  g_string_append_c(csv, ',');
}

static void put_count(GString *csv, guint64 count) {
  g_string_append_printf(csv, "%" G_GUINT64_FORMAT ",", count);
}

/* With as few digits as give the same double again. */
static void put_number(GString *csv, double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE] = "";
  static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};
  for (gsize i = 0; isfinite(value) && i < G_N_ELEMENTS(formats); i++) {
    g_ascii_formatd(buffer, sizeof buffer, formats[i], value);
    if (g_ascii_strtod(buffer, NULL) == value)
      break;
  }
  g_string_append_printf(csv, "%s,", buffer);
}

static void put_figure(GString *csv, double value, VelmInterval interval) {
  put_number(csv, value);
  put_number(csv, interval.low);
  put_number(csv, interval.high);
}

static void put_empty(GString *csv, guint n) {
  for (guint i = 0; i < n; i++)
    g_string_append_c(csv, ',');
}

/* Names the detector and the classifier of a row. */
static void put_names(GString *csv, const VelmRun *run, const VelmClassifierRun *classifier) {
  put_text(csv, ((const VelmDetectorRun *)run->detectors->pdata[classifier->detector])->name);
  put_text(csv, classifier->name);
}

/* ---- detection.csv ---- */

static void put_detector(GString *csv, const VelmDetectorRun *detector) {
  const VelmDetectionFigures *figures = &detector->figures;
  const VelmDetectionIntervals *intervals = &figures->intervals;
  put_text(csv, detector->name);
  put_number(csv, detector->threshold);
  put_count(csv, figures->images);
  put_figure(csv, figures->image_auroc, intervals->image_auroc);
  put_figure(csv, figures->image_average_precision, intervals->image_average_precision);
  put_figure(csv, figures->image_f1_max, intervals->image_f1_max);
  put_figure(csv, figures->pixel_auroc, intervals->pixel_auroc);
  put_figure(csv, figures->pixel_average_precision, intervals->pixel_average_precision);
  put_figure(csv, figures->aupro, intervals->aupro);
  put_figure(csv, figures->pointing, intervals->pointing);
  put_figure(csv, figures->region_iou, intervals->region_iou);
  put_number(csv, figures->ms_per_image);
  end_line(csv);
}

static void fill_detection(GString *csv, const VelmRun *run) {
  static const char *const names[] = {"image_auroc",
                                      "image_average_precision",
                                      "image_f1_max",
                                      "pixel_auroc",
                                      "pixel_average_precision",
                                      "aupro",
                                      "pointing",
                                      "region_iou"};
  g_string_append(csv, "detector,threshold,images,");
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    g_string_append_printf(csv, "%s,%s_low,%s_high,", names[i], names[i], names[i]);
  g_string_append(csv, "ms_per_image\n");
  for (guint i = 0; i < run->detectors->len; i++)
    put_detector(csv, run->detectors->pdata[i]);
}

/* ---- classes.csv ---- */

static void put_detector_classes(GString *csv, const VelmDetectorRun *detector) {
  const GArray *classes = detector->figures.by_class;
  for (guint i = 0; classes && i < classes->len; i++) {
    const VelmClassDetection *class = &g_array_index(classes, VelmClassDetection, i);
    put_text(csv, detector->name);
    g_string_append(csv, ",detection,");
    put_text(csv, class->name);
    put_count(csv, class->images);
    put_number(csv, class->image_auroc);
    put_number(csv, class->image_average_precision);
    put_number(csv, class->pixel_auroc);
    put_number(csv, class->pixel_average_precision);
    put_number(csv, class->aupro);
    put_number(csv, class->pointing);
    put_number(csv, class->region_iou);
    put_empty(csv, 3);
    end_line(csv);
  }
}

static void put_classifier_classes(GString *csv, const VelmRun *run,
                                   const VelmClassifierRun *classifier, VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  for (gsize k = 0; figures && k < figures->n_classes; k++) {
    put_names(csv, run, classifier);
    put_text(csv, velm_run_kind_name(kind));
    put_text(csv, figures->classes[k]);
    put_count(csv, figures->by_class[k].support);
    put_empty(csv, 7);
    put_number(csv, figures->by_class[k].recall);
    put_number(csv, figures->by_class[k].precision);
    put_number(csv, figures->by_class[k].f1);
    end_line(csv);
  }
}

static void fill_classes(GString *csv, const VelmRun *run) {
  g_string_append(
      csv, "detector,classifier,kind,class,images,image_auroc,image_average_precision,"
           "pixel_auroc,pixel_average_precision,aupro,pointing,region_iou,recall,precision,f1\n");
  for (guint i = 0; i < run->detectors->len; i++)
    put_detector_classes(csv, run->detectors->pdata[i]);
  for (guint i = 0; i < run->classifiers->len; i++)
    for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
      put_classifier_classes(csv, run, run->classifiers->pdata[i], (VelmRunKind)kind);
}

/* ---- classification.csv ---- */

static void put_calibration(GString *csv, const VelmCalibration *calibration) {
  if (!calibration) {
    put_empty(csv, 7);
    return;
  }
  put_figure(csv, calibration->ece, calibration->ece_interval);
  put_number(csv, calibration->ece_equal_width);
  put_number(csv, calibration->mce);
  put_number(csv, calibration->brier);
  put_number(csv, calibration->negative_log_likelihood);
}

static void put_classification(GString *csv, const VelmRun *run,
                               const VelmClassifierRun *classifier, VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  if (!figures)
    return;
  put_names(csv, run, classifier);
  put_text(csv, velm_run_kind_name(kind));
  put_count(csv, figures->trials);
  put_count(csv, figures->images);
  put_count(csv, figures->missed);
  put_count(csv, classifier->excluded);
  put_count(csv, classifier->failed);
  put_figure(csv, figures->accuracy, figures->intervals[VELM_FIGURE_ACCURACY]);
  put_figure(csv, figures->macro_accuracy, figures->intervals[VELM_FIGURE_MACRO_ACCURACY]);
  put_number(csv, figures->macro_accuracy_std);
  put_figure(csv, figures->macro_f1, figures->intervals[VELM_FIGURE_MACRO_F1]);
  put_number(csv, figures->micro_f1);
  put_figure(csv, figures->cohen_kappa, figures->intervals[VELM_FIGURE_COHEN_KAPPA]);
  put_calibration(csv, kind == VELM_RUN_CLASSIFICATION ? classifier->calibration : NULL);
  end_line(csv);
}

static void fill_classification(GString *csv, const VelmRun *run) {
  g_string_append(csv, "detector,classifier,kind,trials,images,missed,excluded,failed,"
                       "accuracy,accuracy_low,accuracy_high,"
                       "macro_accuracy,macro_accuracy_low,macro_accuracy_high,macro_accuracy_std,"
                       "macro_f1,macro_f1_low,macro_f1_high,micro_f1,"
                       "cohen_kappa,cohen_kappa_low,cohen_kappa_high,"
                       "ece,ece_low,ece_high,ece_equal_width,mce,brier,negative_log_likelihood\n");
  for (guint i = 0; i < run->classifiers->len; i++)
    for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
      put_classification(csv, run, run->classifiers->pdata[i], (VelmRunKind)kind);
}

/* ---- confusion.csv ---- */

static void put_confusion(GString *csv, const VelmRun *run, const VelmClassifierRun *classifier,
                          VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  for (gsize i = 0; figures && i < figures->n_classes * figures->n_classes; i++) {
    put_names(csv, run, classifier);
    put_text(csv, velm_run_kind_name(kind));
    put_text(csv, figures->classes[i / figures->n_classes]);
    put_text(csv, figures->classes[i % figures->n_classes]);
    put_count(csv, figures->confusion[i]);
    end_line(csv);
  }
}

static void fill_confusion(GString *csv, const VelmRun *run) {
  g_string_append(csv, "detector,classifier,kind,truth,answer,count\n");
  for (guint i = 0; i < run->classifiers->len; i++)
    for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
      put_confusion(csv, run, run->classifiers->pdata[i], (VelmRunKind)kind);
}

/* ---- call_curves.csv ---- */

static void fill_call_curves(GString *csv, const VelmRun *run) {
  g_string_append(csv, "detector,classifier,llm,calls,accuracy,macro_accuracy\n");
  for (guint i = 0; i < run->call_curves->len; i++) {
    const VelmCallCurve *curve = run->call_curves->pdata[i];
    for (guint p = 0; p < VELM_CALL_POINTS; p++) {
      put_names(csv, run, curve->fewshot);
      put_text(csv, curve->llm->name);
      put_number(csv, curve->points[p].share);
      put_number(csv, curve->points[p].accuracy);
      put_number(csv, curve->points[p].macro_accuracy);
      end_line(csv);
    }
  }
}

/* ---- answers.csv ---- */

static void put_image(GString *csv, const VelmRun *run, const VelmDetectorRun *detector,
                      guint index) {
  const VelmRunImage *image = run->images->pdata[index];
  put_text(csv, image->path);
  put_text(csv, image->label);
  put_text(csv, image->group);
  put_text(csv, detector->name);
  put_number(csv, detector->scores[index]);
  put_text(csv, isnan(detector->scores[index]) ? NULL
                : detector->anomalous[index]   ? "true"
                                               : "false");
}

static void put_answers(GString *csv, const VelmRun *run, const VelmClassifierRun *classifier,
                        guint8 *asked) {
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    asked[answer->image] = TRUE;
    put_image(csv, run, run->detectors->pdata[classifier->detector], answer->image);
    put_text(csv, classifier->name);
    put_count(csv, answer->trial);
    put_text(csv, classifier->classes[answer->answer]);
    put_number(csv, answer->confidence);
    end_line(csv);
  }
}

static void put_unasked(GString *csv, const VelmRun *run, guint detector, const guint8 *asked) {
  for (guint i = 0; i < run->images->len; i++) {
    if (asked[i])
      continue;
    put_image(csv, run, run->detectors->pdata[detector], i);
    put_empty(csv, 4);
    end_line(csv);
  }
}

static void fill_answers(GString *csv, const VelmRun *run) {
  g_string_append(csv,
                  "path,label,group,detector,score,anomalous,classifier,trial,answer,confidence\n");
  for (guint detector = 0; detector < run->detectors->len; detector++) {
    g_autofree guint8 *asked = g_new0(guint8, run->images->len + 1);
    for (guint i = 0; i < run->classifiers->len; i++) {
      const VelmClassifierRun *classifier = run->classifiers->pdata[i];
      if (classifier->detector == detector)
        put_answers(csv, run, classifier, asked);
    }
    put_unasked(csv, run, detector, asked);
  }
}

/* ---- files ---- */

static const struct {
  const char *name;
  void (*fill)(GString *csv, const VelmRun *run);
} files[] = {
    {"detection.csv", fill_detection},           {"classes.csv", fill_classes},
    {"classification.csv", fill_classification}, {"confusion.csv", fill_confusion},
    {"call_curves.csv", fill_call_curves},       {"answers.csv", fill_answers},
};

static gboolean write_into(const char *folder, const char *name, const char *text, gsize length,
                           GError **error) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  return velm_file_write(path, text, length, error);
}

gboolean velm_run_write_tables(const VelmRun *run, const char *folder, GError **error) {
  if (!velm_file_make_folder(folder, error))
    return FALSE;
  g_autofree char *markdown = velm_run_to_markdown(run);
  if (!write_into(folder, "tables.md", markdown, strlen(markdown), error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autoptr(GString) csv = g_string_new(NULL);
    files[i].fill(csv, run);
    if (!write_into(folder, files[i].name, csv->str, csv->len, error))
      return FALSE;
  }
  return TRUE;
}
