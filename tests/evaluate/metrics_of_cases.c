/*
 * Reads cases, one JSON object a line, and prints what velm's metrics say of each, one JSON object
 * a line: for test_against_sklearn.py. A case has one of
 *
 *   "scores", "positive"            image scores
 *   "maps", "limit"                 each map with "width", "height", "map", "mask" (or null)
 *   "n_classes", "truths", "answers"
 */
#include "core/json.h"
#include "evaluate/classification.h"
#include "evaluate/metrics.h"
#include "evaluate/pixel_metrics.h"

#include <stdio.h>
#include <stdlib.h>

static double *read_doubles(JsonArray *array) {
  guint n = json_array_get_length(array);
  double *values = g_new(double, n + 1);
  for (guint i = 0; i < n; i++)
    values[i] = json_array_get_double_element(array, i);
  return values;
}

static guint8 *read_bytes(JsonArray *array) {
  guint n = json_array_get_length(array);
  guint8 *values = g_new(guint8, n + 1);
  for (guint i = 0; i < n; i++)
    values[i] = (guint8)json_array_get_int_element(array, i);
  return values;
}

static void measure_images(JsonObject *object, JsonBuilder *builder) {
  JsonArray *array = json_object_get_array_member(object, "scores");
  g_autofree double *scores = read_doubles(array);
  g_autofree guint8 *positive = read_bytes(json_object_get_array_member(object, "positive"));
  gsize n = json_array_get_length(array);
  double threshold;
  velm_json_set_double(builder, "auroc", velm_metrics_auroc(scores, positive, n));
  velm_json_set_double(builder, "average_precision",
                       velm_metrics_average_precision(scores, positive, n));
  velm_json_set_double(builder, "f1_max", velm_metrics_f1_max(scores, positive, n, &threshold));
  velm_json_set_double(builder, "f1_threshold", threshold);
}

static gboolean add_map(VelmPixelScores *pixels, JsonObject *object, GError **error) {
  int width = (int)json_object_get_int_member(object, "width");
  int height = (int)json_object_get_int_member(object, "height");
  JsonArray *array = json_object_get_array_member(object, "map");
  guint n = json_array_get_length(array);
  g_autofree float *map = g_new(float, n + 1);
  for (guint i = 0; i < n; i++)
    map[i] = (float)json_array_get_double_element(array, i);
  g_autoptr(VelmTruthRegions) truth = NULL;
  if (!json_object_get_null_member(object, "mask")) {
    g_autofree guint8 *mask = read_bytes(json_object_get_array_member(object, "mask"));
    truth = velm_truth_regions_find(mask, width, height);
  }
  return velm_pixel_scores_add(pixels, map, truth, width, height, error);
}

static gboolean measure_pixels(JsonObject *object, JsonBuilder *builder, GError **error) {
  g_autoptr(VelmPixelScores) pixels = velm_pixel_scores_new();
  JsonArray *maps = json_object_get_array_member(object, "maps");
  for (guint i = 0; i < json_array_get_length(maps); i++)
    if (!add_map(pixels, json_array_get_object_element(maps, i), error))
      return FALSE;
  const VelmPixelScores *stores[] = {pixels};
  VelmPixelFigures figures;
  if (!velm_pixel_metrics_measure(stores, 1, json_object_get_double_member(object, "limit"),
                                  &figures, NULL, error))
    return FALSE;
  velm_json_set_double(builder, "auroc", figures.auroc);
  velm_json_set_double(builder, "average_precision", figures.average_precision);
  velm_json_set_double(builder, "aupro", figures.aupro);
  return TRUE;
}

/* All of one group, so that there is no interval to wait for. */
static GArray *read_verdicts(JsonObject *object) {
  GArray *verdicts = g_array_new(FALSE, FALSE, sizeof(VelmVerdict));
  JsonArray *truths = json_object_get_array_member(object, "truths");
  JsonArray *answers = json_object_get_array_member(object, "answers");
  for (guint i = 0; i < json_array_get_length(truths); i++) {
    VelmVerdict verdict = {(guint)json_array_get_int_element(truths, i),
                           (guint)json_array_get_int_element(answers, i), 0, "one"};
    g_array_append_val(verdicts, verdict);
  }
  return verdicts;
}

static void build_by_class(JsonBuilder *builder, const VelmClassificationFigures *figures) {
  json_builder_set_member_name(builder, "confusion");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < figures->n_classes * figures->n_classes; i++)
    json_builder_add_int_value(builder, (gint64)figures->confusion[i]);
  json_builder_end_array(builder);
  json_builder_set_member_name(builder, "by_class");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < figures->n_classes; i++) {
    json_builder_begin_object(builder);
    velm_json_set_double(builder, "recall", figures->by_class[i].recall);
    velm_json_set_double(builder, "precision", figures->by_class[i].precision);
    velm_json_set_double(builder, "f1", figures->by_class[i].f1);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void measure_classes(JsonObject *object, JsonBuilder *builder) {
  g_autoptr(GArray) verdicts = read_verdicts(object);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (gint64 i = 0; i < json_object_get_int_member(object, "n_classes"); i++)
    g_ptr_array_add(names, g_strdup_printf("class %d", (int)i));
  g_ptr_array_add(names, NULL);
  VelmClassificationFigures figures = {0};
  velm_classification_measure(verdicts, (const char *const *)names->pdata, 1, &figures);
  velm_json_set_double(builder, "accuracy", figures.accuracy);
  velm_json_set_double(builder, "macro_accuracy", figures.macro_accuracy);
  velm_json_set_double(builder, "macro_f1", figures.macro_f1);
  velm_json_set_double(builder, "micro_f1", figures.micro_f1);
  velm_json_set_double(builder, "cohen_kappa", figures.cohen_kappa);
  build_by_class(builder, &figures);
  velm_classification_clear(&figures);
}

static gboolean measure(const char *line, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse(line, -1, "case", error);
  if (!node)
    return FALSE;
  JsonObject *object = json_node_get_object(node);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  if (json_object_has_member(object, "scores"))
    measure_images(object, builder);
  else if (json_object_has_member(object, "truths"))
    measure_classes(object, builder);
  else if (!measure_pixels(object, builder, error))
    return FALSE;
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  puts(text);
  return TRUE;
}

int main(void) {
  g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
  g_autoptr(GError) error = NULL;
  gboolean ok = TRUE;
  while (ok) {
    g_autofree char *line = NULL;
    if (g_io_channel_read_line(input, &line, NULL, NULL, &error) != G_IO_STATUS_NORMAL)
      break;
    ok = measure(line, &error);
  }
  if (error)
    fprintf(stderr, "%s\n", error->message);
  return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
