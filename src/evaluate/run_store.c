#include "evaluate/run_json.h"

#include "core/file.h"
#include "evaluate/call_curve.h"

#include <math.h>
#include <string.h>

#define FORMAT "velm-run"
#define VERSION 1

/* ---- writing ---- */

static void build_images(JsonBuilder *builder, const VelmRun *run) {
  json_builder_set_member_name(builder, "images");
  json_builder_begin_array(builder);
  for (guint i = 0; i < run->images->len; i++) {
    const VelmRunImage *image = run->images->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "path", image->path);
    velm_json_set_string(builder, "label", image->label);
    velm_json_set_string(builder, "group", image->group);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void add_double(JsonBuilder *builder, double value) {
  if (isfinite(value))
    json_builder_add_double_value(builder, value);
  else
    json_builder_add_null_value(builder);
}

static void build_doubles(JsonBuilder *builder, const char *name, const double *values, gsize n) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_array(builder);
  for (gsize i = 0; i < n; i++)
    add_double(builder, values[i]);
  json_builder_end_array(builder);
}

static void build_curve(JsonBuilder *builder, const char *name, const VelmCurvePoints *points) {
  if (!points)
    return;
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  build_doubles(builder, "x", points->x, points->n);
  build_doubles(builder, "y", points->y, points->n);
  json_builder_end_object(builder);
}

static void build_detectors(JsonBuilder *builder, const VelmRun *run) {
  json_builder_set_member_name(builder, "detectors");
  json_builder_begin_array(builder);
  for (guint d = 0; d < run->detectors->len; d++) {
    const VelmDetectorRun *detector = run->detectors->pdata[d];
    json_builder_begin_object(builder);
    velm_run_build_detection(builder, detector);
    velm_json_set_double(builder, "threshold", detector->threshold);
    json_builder_set_member_name(builder, "curves");
    json_builder_begin_object(builder);
    build_curve(builder, "image_roc", detector->figures.image_roc);
    build_curve(builder, "pixel_roc", detector->figures.pixel_roc);
    build_curve(builder, "pixel_precision_recall", detector->figures.pixel_precision_recall);
    build_curve(builder, "pro", detector->figures.pro);
    json_builder_end_object(builder);
    build_doubles(builder, "scores", detector->scores, run->images->len);
    json_builder_set_member_name(builder, "anomalous");
    json_builder_begin_array(builder);
    for (guint i = 0; i < run->images->len; i++)
      json_builder_add_boolean_value(builder, detector->anomalous[i]);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_answers(JsonBuilder *builder, const VelmClassifierRun *classifier) {
  json_builder_set_member_name(builder, "answers");
  json_builder_begin_array(builder);
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    json_builder_begin_array(builder);
    json_builder_add_int_value(builder, answer->image);
    json_builder_add_int_value(builder, answer->trial);
    json_builder_add_int_value(builder, answer->answer);
    add_double(builder, answer->confidence);
    json_builder_end_array(builder);
  }
  json_builder_end_array(builder);
}

static void build_classifiers(JsonBuilder *builder, const VelmRun *run) {
  json_builder_set_member_name(builder, "classifiers");
  json_builder_begin_array(builder);
  for (guint i = 0; i < run->classifiers->len; i++) {
    const VelmClassifierRun *classifier = run->classifiers->pdata[i];
    json_builder_begin_object(builder);
    velm_run_build_classification(builder, classifier);
    velm_json_set_int(builder, "detector_index", classifier->detector);
    velm_json_set_int(builder, "trials", classifier->trials);
    velm_json_set_int(builder, "excluded", classifier->excluded);
    velm_json_set_int(builder, "failed", classifier->failed);
    velm_json_set_strings(builder, "classes", (const char *const *)classifier->classes);
    velm_run_build_trusts(builder, classifier);
    build_answers(builder, classifier);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_settings(JsonBuilder *builder, const VelmRun *run) {
  velm_json_set_string(builder, "format", FORMAT);
  velm_json_set_int(builder, "format_version", VERSION);
  velm_json_set_string(builder, "velm", run->version);
  velm_json_set_string(builder, "made", run->made);
  velm_json_set_string(builder, "directory", run->directory);
  velm_json_set_boolean(builder, "has_groups", run->has_groups);
  velm_json_set_string(builder, "model", run->model);
  velm_json_set_string(builder, "model_sha256", run->model_sha256);
  velm_json_set_string(builder, "spec", run->spec);
  velm_json_set_string(builder, "spec_path", run->spec_path);
  velm_json_set_string(builder, "endpoint", run->endpoint);
  velm_json_set_string(builder, "llm", run->llm);
  velm_json_set_int(builder, "shots", run->shots);
  velm_json_set_int(builder, "draws", run->trials);
  velm_json_set_int(builder, "seed", run->seed);
  velm_json_set_int(builder, "n_classes", run->n_classes);
  if (!run->severities)
    return;
  json_builder_set_member_name(builder, "severities");
  json_builder_begin_array(builder);
  for (guint i = 0; i < run->n_classes; i++)
    json_builder_add_string_value(builder, velm_decision_name(run->severities[i]));
  json_builder_end_array(builder);
}

gboolean velm_run_save(const VelmRun *run, const char *path, GError **error) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  build_settings(builder, run);
  build_images(builder, run);
  build_detectors(builder, run);
  build_classifiers(builder, run);
  velm_call_curves_build(builder, run);
  velm_run_build_spending(builder, run);
  velm_run_build_failures(builder, run);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  return velm_file_write(path, text, strlen(text), error);
}
