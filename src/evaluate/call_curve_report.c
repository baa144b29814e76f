/* Call curves as JSON and in words. */
#include "evaluate/call_curve.h"

#include "evaluate/run_json.h"

#include <math.h>

/* ---- JSON ---- */

/* Adds the members of @point to the current object. */
static void build_figures(JsonBuilder *builder, const VelmCallPoint *point) {
  velm_json_set_double(builder, "calls", point->share);
  velm_json_set_double(builder, "accuracy", point->accuracy);
  velm_json_set_double(builder, "macro_accuracy", point->macro_accuracy);
}

static void build_points(JsonBuilder *builder, const VelmCallCurve *curve) {
  json_builder_set_member_name(builder, "points");
  json_builder_begin_array(builder);
  for (guint p = 0; p < VELM_CALL_POINTS; p++) {
    json_builder_begin_object(builder);
    build_figures(builder, &curve->points[p]);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_target(JsonBuilder *builder, const char *name, const VelmCallCurve *curve,
                         double target) {
  double calls = velm_call_curve_calls_at(curve, target);
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "accuracy", target);
  velm_json_set_double(builder, "calls", calls);
  velm_json_set_double(builder, "saved", 1 - calls);
  json_builder_end_object(builder);
}

static void build_operating_point(JsonBuilder *builder, const VelmCallCurve *curve) {
  if (isnan(curve->trusted.share))
    return;
  json_builder_set_member_name(builder, "operating_point");
  json_builder_begin_object(builder);
  build_figures(builder, &curve->trusted);
  json_builder_set_member_name(builder, "intervals");
  json_builder_begin_object(builder);
  velm_run_build_interval(builder, "accuracy", &curve->trusted_accuracy);
  velm_run_build_interval(builder, "macro_accuracy", &curve->trusted_macro_accuracy);
  json_builder_end_object(builder);
  velm_run_build_trusts(builder, curve->fewshot);
  json_builder_end_object(builder);
}

static void build_curve(JsonBuilder *builder, const VelmRun *run, const VelmCallCurve *curve) {
  const VelmDetectorRun *detector = run->detectors->pdata[curve->fewshot->detector];
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "detector", detector->name);
  velm_json_set_string(builder, "classifier", curve->fewshot->name);
  velm_json_set_string(builder, "llm", curve->llm->name);
  velm_json_set_int(builder, "images", curve->answers);
  velm_json_set_int(builder, "trials", curve->trials);
  build_points(builder, curve);
  build_target(builder, "at_0_95", curve, VELM_CALL_TARGET);
  build_target(builder, "at_llm", curve, curve->points[VELM_CALL_POINTS - 1].accuracy);
  build_operating_point(builder, curve);
  json_builder_end_object(builder);
}

void velm_call_curves_build(JsonBuilder *builder, const VelmRun *run) {
  if (run->call_curves->len == 0)
    return;
  json_builder_set_member_name(builder, "call_curves");
  json_builder_begin_array(builder);
  for (guint i = 0; i < run->call_curves->len; i++)
    build_curve(builder, run, run->call_curves->pdata[i]);
  json_builder_end_array(builder);
}

/* ---- text ---- */

/* Every tenth percent of calls. */
enum { STEP = (VELM_CALL_POINTS - 1) / 10 };

static void append_points(GString *text, const VelmCallCurve *curve) {
  g_string_append_printf(text, "  %-16s", "asked");
  for (guint p = 0; p < VELM_CALL_POINTS; p += STEP)
    g_string_append_printf(text, "%5.0f %%", curve->points[p].share * 100);
  g_string_append_printf(text, "\n  %-16s", "accuracy");
  for (guint p = 0; p < VELM_CALL_POINTS; p += STEP)
    g_string_append_printf(text, "%7.3f", curve->points[p].accuracy);
  g_string_append_printf(text, "\n  %-16s", "macro accuracy");
  for (guint p = 0; p < VELM_CALL_POINTS; p += STEP)
    g_string_append_printf(text, "%7.3f", curve->points[p].macro_accuracy);
  g_string_append_c(text, '\n');
}

static void append_target(GString *text, const VelmCallCurve *curve, double target,
                          const char *whose) {
  double calls = velm_call_curve_calls_at(curve, target);
  g_string_append_printf(text, "  an accuracy of %.3f%s: ", target, whose);
  if (isnan(calls))
    g_string_append(text, "not reached\n");
  else
    g_string_append_printf(text, "%.0f %% of the calls, %.0f %% are saved\n", calls * 100,
                           (1 - calls) * 100);
}

static void append_interval(GString *text, const VelmInterval *interval) {
  if (isfinite(interval->low))
    g_string_append_printf(text, " [%.3f, %.3f]", interval->low, interval->high);
}

static void append_operating_point(GString *text, const VelmCallCurve *curve) {
  const VelmCallPoint *trusted = &curve->trusted;
  if (isnan(trusted->share))
    return;
  g_string_append_printf(text, "  at the trust level: %.1f %% of the calls, accuracy %.3f",
                         trusted->share * 100, trusted->accuracy);
  append_interval(text, &curve->trusted_accuracy);
  g_string_append_printf(text, ", macro accuracy %.3f", trusted->macro_accuracy);
  append_interval(text, &curve->trusted_macro_accuracy);
  g_string_append_c(text, '\n');
}

static void append_curve(GString *text, const VelmRun *run, const VelmCallCurve *curve,
                         const char *name) {
  g_autofree char *title = velm_call_curve_title(run, curve);
  g_string_append_printf(
      text, "\n%s%s%s\n\ncalls to the language model, %u answers in %u trial%s\n", name ? name : "",
      name ? ": " : "", title, curve->answers, curve->trials, curve->trials == 1 ? "" : "s");
  append_points(text, curve);
  append_target(text, curve, VELM_CALL_TARGET, "");
  append_target(text, curve, curve->points[VELM_CALL_POINTS - 1].accuracy,
                ", the language model's own");
  append_operating_point(text, curve);
}

void velm_call_curves_append(GString *text, const VelmRun *run, guint detector, const char *name) {
  for (guint i = 0; i < run->call_curves->len; i++) {
    const VelmCallCurve *curve = run->call_curves->pdata[i];
    if (curve->fewshot->detector == detector)
      append_curve(text, run, curve, name);
  }
}
