/* The figures of an evaluation in words and as JSON. */
#include "evaluate/evaluate.h"

#include <math.h>

/* ---- JSON ---- */

static void build_detection(JsonBuilder *builder, const VelmDetectionFigures *figures) {
  json_builder_set_member_name(builder, "detection");
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "image_auroc", figures->image_auroc);
  velm_json_set_double(builder, "image_f1_max", figures->image_f1_max);
  velm_json_set_double(builder, "pixel_auroc", figures->pixel_auroc);
  velm_json_set_double(builder, "aupro", figures->aupro);
  velm_json_set_double(builder, "pointing", figures->pointing);
  json_builder_set_member_name(builder, "by_class");
  json_builder_begin_object(builder);
  for (guint i = 0; i < figures->by_class->len; i++) {
    const VelmClassDetection *class = &g_array_index(figures->by_class, VelmClassDetection, i);
    json_builder_set_member_name(builder, class->name);
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "images", class->images);
    velm_json_set_double(builder, "image_auroc", class->image_auroc);
    velm_json_set_double(builder, "pixel_auroc", class->pixel_auroc);
    velm_json_set_double(builder, "pointing", class->pointing);
    json_builder_end_object(builder);
  }
  json_builder_end_object(builder);
  velm_json_set_int(builder, "images", figures->images);
  velm_json_set_double(builder, "ms_per_image", figures->ms_per_image);
  json_builder_end_object(builder);
}

static void build_confusion(JsonBuilder *builder, const VelmClassificationFigures *figures) {
  gsize n = g_strv_length(figures->classes);
  json_builder_set_member_name(builder, "classes");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < n; i++)
    json_builder_add_string_value(builder, figures->classes[i]);
  json_builder_end_array(builder);
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

static void build_classification(JsonBuilder *builder, const char *name,
                                 const VelmClassificationFigures *figures) {
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
  build_confusion(builder, figures);
  velm_json_set_int(builder, "trials", figures->trials);
  velm_json_set_int(builder, "images", figures->images);
  velm_json_set_int(builder, "missed", figures->missed);
  velm_json_set_int(builder, "excluded", figures->excluded);
  json_builder_end_object(builder);
}

char *velm_evaluation_to_json(const VelmEvaluation *evaluation) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  build_detection(builder, &evaluation->detection);
  build_classification(builder, "classification", &evaluation->classification);
  build_classification(builder, "end_to_end", &evaluation->end_to_end);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* ---- text ---- */

static void append_number(GString *text, double value) {
  if (isnan(value))
    g_string_append_printf(text, "%10s", "-");
  else
    g_string_append_printf(text, "%10.3f", value);
}

static void append_detection(GString *text, const VelmDetectionFigures *figures) {
  g_string_append_printf(text, "detection, %u images, %.0f ms an image\n", figures->images,
                         figures->ms_per_image);
  g_string_append_printf(text, "%-16s%10s%10s%10s%10s\n", "", "images", "AUROC", "pixels",
                         "pointing");
  for (guint i = 0; i < figures->by_class->len; i++) {
    const VelmClassDetection *class = &g_array_index(figures->by_class, VelmClassDetection, i);
    g_string_append_printf(text, "%-16s%10u", class->name, class->images);
    append_number(text, class->image_auroc);
    append_number(text, class->pixel_auroc);
    append_number(text, class->pointing);
    g_string_append_c(text, '\n');
  }
  g_string_append_printf(text, "%-16s%10u", "all", figures->images);
  append_number(text, figures->image_auroc);
  append_number(text, figures->pixel_auroc);
  append_number(text, figures->pointing);
  g_string_append_printf(text, "\nF1-max %.3f, AUPRO (30 %% FPR) %.3f\n", figures->image_f1_max,
                         figures->aupro);
}

static void append_classification(GString *text, const char *title,
                                  const VelmClassificationFigures *figures) {
  if (!figures->measured)
    return;
  gsize n = g_strv_length(figures->classes);
  g_string_append_printf(text, "\n%s, %u answers in %u trial%s", title, figures->images,
                         figures->trials, figures->trials == 1 ? "" : "s");
  if (figures->missed)
    g_string_append_printf(text, ", %u of them under the threshold", figures->missed);
  if (figures->excluded)
    g_string_append_printf(text, ", %u images of taught parts left out", figures->excluded);
  g_string_append_printf(
      text, "\naccuracy %.3f, macro accuracy %.3f (sd %.3f), macro F1 %.3f, kappa %.3f\n",
      figures->accuracy, figures->macro_accuracy, figures->macro_accuracy_std, figures->macro_f1,
      figures->cohen_kappa);
  g_string_append_printf(text, "%-16s", "truth \\ answer");
  for (gsize k = 0; k < n; k++)
    g_string_append_printf(text, " %11.11s", figures->classes[k]);
  g_string_append_c(text, '\n');
  for (gsize i = 0; i + 1 < n; i++) { /* nothing is truly unknown */
    g_string_append_printf(text, "%-16.16s", figures->classes[i]);
    for (gsize k = 0; k < n; k++)
      g_string_append_printf(text, " %11" G_GUINT64_FORMAT, figures->confusion[i * n + k]);
    g_string_append_c(text, '\n');
  }
}

char *velm_evaluation_to_text(const VelmEvaluation *evaluation) {
  GString *text = g_string_new(NULL);
  append_detection(text, &evaluation->detection);
  append_classification(text, "classification of the marked regions", &evaluation->classification);
  append_classification(text, "end to end, good among the classes", &evaluation->end_to_end);
  return g_string_free(text, FALSE);
}
