/* Comparisons in words and as JSON. */
#include "evaluate/compare.h"

#include "evaluate/run_json.h"

#include <math.h>

static const char *const detection_names[] = {"image_auroc", "image_average_precision"};
static const char *const detection_titles[] = {"image AUROC", "image AP"};
static const char *const class_titles[] = {"accuracy", "macro accuracy", "macro F1", "kappa"};

/* ---- JSON ---- */

static void build_difference(JsonBuilder *builder, const char *name, double a, double b,
                             const VelmInterval *interval) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "a", a);
  velm_json_set_double(builder, "b", b);
  velm_json_set_double(builder, "difference", b - a);
  velm_run_build_interval(builder, "interval", interval);
  json_builder_end_object(builder);
}

static void build_classification(JsonBuilder *builder, const VelmComparison *comparison) {
  const VelmPaired *paired = &comparison->paired;
  json_builder_set_member_name(builder, "classification");
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "answers", comparison->answers);
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++)
    build_difference(builder, velm_class_headline_name((VelmClassHeadline)f),
                     comparison->figures_a[f], comparison->figures_b[f], &comparison->intervals[f]);
  velm_json_set_int(builder, "right_in_a_only", (gint64)paired->only_a);
  velm_json_set_int(builder, "right_in_b_only", (gint64)paired->only_b);
  velm_json_set_int(builder, "parts", (gint64)paired->n_groups);
  velm_json_set_int(builder, "parts_that_differ", (gint64)paired->groups_differ);
  velm_json_set_double(builder, "mcnemar_p", paired->mcnemar_p);
  velm_json_set_double(builder, "mcnemar_p_by_part", paired->clustered_p);
  json_builder_end_object(builder);
}

void velm_compare_build(JsonBuilder *builder, const GPtrArray *comparisons) {
  json_builder_set_member_name(builder, "differences");
  json_builder_begin_array(builder);
  for (guint i = 0; i < comparisons->len; i++) {
    const VelmComparison *comparison = comparisons->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "a", comparison->title_a);
    velm_json_set_string(builder, "b", comparison->title_b);
    json_builder_set_member_name(builder, "detection");
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "images", comparison->images);
    for (int f = 0; f < VELM_N_DETECTION_DIFFERENCES; f++)
      build_difference(builder, detection_names[f], comparison->detection_a[f],
                       comparison->detection_b[f], &comparison->detection_intervals[f]);
    json_builder_end_object(builder);
    if (comparison->answers)
      build_classification(builder, comparison);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

/* ---- text ---- */

static void append_difference(GString *text, const char *title, double a, double b,
                              const VelmInterval *interval) {
  if (isnan(a) && isnan(b))
    return;
  g_string_append_printf(text, "  %-16s%8.3f%8.3f%+9.3f", title, a, b, b - a);
  if (isfinite(interval->low))
    g_string_append_printf(text, "   [%+.3f, %+.3f]", interval->low, interval->high);
  g_string_append_c(text, '\n');
}

static void append_comparison(GString *text, const VelmComparison *comparison) {
  const VelmPaired *paired = &comparison->paired;
  g_string_append_printf(text, "\n%s  against  %s\n", comparison->title_b, comparison->title_a);
  g_string_append_printf(text, "  %-16s%8s%8s%9s   95 %% interval\n", "", "before", "now",
                         "change");
  for (int f = 0; f < VELM_N_DETECTION_DIFFERENCES; f++)
    append_difference(text, detection_titles[f], comparison->detection_a[f],
                      comparison->detection_b[f], &comparison->detection_intervals[f]);
  if (comparison->answers == 0)
    return;
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++)
    append_difference(text, class_titles[f], comparison->figures_a[f], comparison->figures_b[f],
                      &comparison->intervals[f]);
  g_string_append_printf(
      text,
      "  %u answers to images of %" G_GSIZE_FORMAT " parts: %" G_GSIZE_FORMAT
      " right only before, %" G_GSIZE_FORMAT " right only now; McNemar by parts p = %.2g\n",
      comparison->answers, paired->n_groups, paired->only_a, paired->only_b, paired->clustered_p);
}

char *velm_compare_to_text(const GPtrArray *comparisons) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < comparisons->len; i++)
    append_comparison(text, comparisons->pdata[i]);
  return g_string_free(text, FALSE);
}
