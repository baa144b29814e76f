#include "act/rules.h"

#include "classify/classifier.h"

const VelmMeasureInfo velm_measures[VELM_N_MEASURES] = {
    [VELM_MEASURE_CONFIDENCE] = {"confidence", "confidence below", "confidence at least", 0, 1,
                                 "from 0 to 1"},
    [VELM_MEASURE_AREA] = {"area", "area below", "area at least", 0, G_MAXDOUBLE, "0 or more"},
    [VELM_MEASURE_TOTAL_AREA] = {"total area", "total area below", "total area at least", 0,
                                 G_MAXDOUBLE, "0 or more"},
    [VELM_MEASURE_COUNT] = {"count", "count below", "count at least", 0, G_MAXINT, "0 or more"},
    [VELM_MEASURE_ELONGATION] = {"elongation", "elongation below", "elongation at least", 1,
                                 G_MAXDOUBLE, "1 (a disc) or more"},
    [VELM_MEASURE_SCORE_RATIO] = {"score ratio", "score ratio below", "score ratio at least", 0,
                                  G_MAXDOUBLE, "0 or more"},
};

gboolean velm_measure_is_area(VelmMeasure measure) {
  return measure == VELM_MEASURE_AREA || measure == VELM_MEASURE_TOTAL_AREA;
}

void velm_rule_free(VelmRule *rule) {
  if (!rule)
    return;
  g_clear_pointer(&rule->classes, g_ptr_array_unref);
  g_array_unref(rule->conditions);
  g_free(rule->action);
  g_free(rule);
}

static const VelmRegion *largest_region(const VelmInspection *inspection) {
  const VelmRegion *largest = NULL;
  for (guint i = 0; inspection->regions && i < inspection->regions->len; i++) {
    const VelmRegion *region = &g_array_index(inspection->regions, VelmRegion, i);
    if (!largest || region->area > largest->area)
      largest = region;
  }
  return largest;
}

static double total_area(const VelmInspection *inspection) {
  double area = 0;
  for (guint i = 0; i < inspection->regions->len; i++)
    area += g_array_index(inspection->regions, VelmRegion, i).area;
  return area;
}

/* FALSE where the record does not hold the measure: no region is not a small region. */
static gboolean measure(const VelmInspection *inspection, VelmMeasure what, double *value) {
  const VelmRegion *largest = largest_region(inspection);
  switch (what) {
  case VELM_MEASURE_CONFIDENCE:
    *value = inspection->class_name ? inspection->confidence : 0;
    return TRUE;
  case VELM_MEASURE_AREA:
    *value = largest ? largest->area : 0;
    return largest != NULL;
  case VELM_MEASURE_TOTAL_AREA:
    *value = largest ? total_area(inspection) : 0;
    return largest != NULL;
  case VELM_MEASURE_COUNT:
    *value = inspection->regions ? inspection->regions->len : 0;
    return inspection->regions != NULL;
  case VELM_MEASURE_ELONGATION:
    *value = largest ? largest->elongation : 0;
    return largest != NULL;
  case VELM_MEASURE_SCORE_RATIO:
    *value = inspection->threshold > 0 ? inspection->score / inspection->threshold : 0;
    return inspection->threshold > 0;
  default:
    return FALSE;
  }
}

/* Appends "area 1.3 mm2 (below 2 mm2)". */
static void explain(GString *why, const VelmCondition *condition, double value) {
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  gboolean whole = condition->measure == VELM_MEASURE_COUNT ||
                   (velm_measure_is_area(condition->measure) && !condition->millimetres);
  g_ascii_formatd(number, sizeof number, whole ? "%.0f" : "%.4g", value / condition->unit);
  const char *unit = !velm_measure_is_area(condition->measure) ? ""
                     : condition->millimetres                  ? " mm2"
                                                               : " px";
  g_string_append_printf(why, "%s%s %s%s (%s %s)", why->len ? ", " : "",
                         velm_measures[condition->measure].name, number, unit,
                         condition->below ? "below" : "at least", condition->text);
}

static gboolean condition_holds(const VelmCondition *condition, const VelmInspection *inspection,
                                GString *why) {
  double value;
  if (!measure(inspection, condition->measure, &value))
    return FALSE;
  /* A value that is no number satisfies neither. */
  if (condition->below ? !(value < condition->value) : !(value >= condition->value))
    return FALSE;
  explain(why, condition, value);
  return TRUE;
}

/*
 * A rule that speaks of the confidence itself means the class as it was answered; every other rule
 * means the class only where it is believed.
 */
static const char *class_for(const VelmRule *rule, const VelmInspection *inspection,
                             const char *believed) {
  for (guint i = 0; i < rule->conditions->len; i++)
    if (g_array_index(rule->conditions, VelmCondition, i).measure == VELM_MEASURE_CONFIDENCE)
      return inspection->class_name ? inspection->class_name : VELM_CLASS_UNKNOWN;
  return believed;
}

gboolean velm_rule_match(const VelmRule *rule, const VelmInspection *inspection,
                         const char *believed, char **why) {
  g_autoptr(GString) text = g_string_new(NULL);
  if (why)
    *why = NULL;
  if (rule->classes) {
    const char *key = class_for(rule, inspection, believed);
    if (!g_ptr_array_find_with_equal_func(rule->classes, key, g_str_equal, NULL))
      return FALSE;
    g_string_append_printf(text, "class %s", key);
  }
  for (guint i = 0; i < rule->conditions->len; i++)
    if (!condition_holds(&g_array_index(rule->conditions, VelmCondition, i), inspection, text))
      return FALSE;
  if (why)
    *why = g_string_free(g_steal_pointer(&text), FALSE);
  return TRUE;
}
