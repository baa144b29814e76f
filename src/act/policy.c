#include "act/policy.h"

#include "act/decision.h"
#include "act/rules.h"
#include "classify/classifier.h"
#include "dataset/dataset.h"

/* Sets the act part; takes over @rule. */
static void decide(VelmInspection *inspection, VelmDecision decision, const char *action,
                   char *rule) {
  char *copy = g_strdup(action); /* @action may be the one that is replaced */
  g_free(inspection->severity);
  g_free(inspection->action);
  g_free(inspection->rule);
  inspection->decision = decision;
  inspection->severity = g_strdup(velm_decision_name(decision));
  inspection->action = copy;
  inspection->rule = rule;
}

static char *number(double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return g_strdup(g_ascii_formatd(text, sizeof text, "%.4g", value));
}

/* The action of @decision where neither class nor rule names one. */
static const char *default_action(const VelmSpec *spec, VelmDecision decision) {
  return spec && decision == VELM_DECISION_REVIEW ? velm_spec_get_review_action(spec)
                                                  : velm_decision_default_action(decision);
}

/*
 * Why the class that was answered is not believed; NULL where it is.
 * Returns: (transfer full)
 */
static char *doubt(const VelmSpec *spec, const VelmInspection *inspection) {
  const char *key = inspection->class_name;
  if (!key)
    return g_strdup("the anomaly was not classified");
  if (g_str_equal(key, VELM_CLASS_UNCLASSIFIED))
    return g_strdup("the anomaly could not be classified");
  if (g_str_equal(key, VELM_CLASS_UNKNOWN))
    return g_strdup("no class fits the anomaly");
  if (!spec)
    return NULL;
  if (!g_str_equal(key, VELM_LABEL_GOOD) && velm_classes_find(velm_spec_get_classes(spec), key) < 0)
    return g_strdup_printf("the spec has no class %s", key);
  double least = velm_spec_get_confidence(spec);
  if (inspection->confidence >= least) /* never where it is no number */
    return NULL;
  g_autofree char *value = number(inspection->confidence);
  g_autofree char *limit = number(least);
  return g_strdup_printf("class %s, confidence %s (below %s, the least)", key, value, limit);
}

static void decide_normal(VelmInspection *inspection) {
  g_autofree char *score = number(inspection->score);
  g_autofree char *threshold = number(inspection->threshold);
  decide(inspection, VELM_DECISION_NORMAL, velm_decision_default_action(VELM_DECISION_NORMAL),
         g_strdup_printf("not anomalous: score %s, threshold %s", score, threshold));
}

static gboolean is_unclassified(const VelmInspection *inspection) {
  return g_strcmp0(inspection->class_name, VELM_CLASS_UNCLASSIFIED) == 0;
}

/* The action of a part that a person must look at. */
static const char *review_action(const VelmSpec *spec, const VelmInspection *inspection) {
  return spec && is_unclassified(inspection) ? velm_spec_get_unclassified_action(spec)
                                             : default_action(spec, VELM_DECISION_REVIEW);
}

/* What the class alone leads to. @doubted: taken over; why the class is not believed, or NULL. */
static void decide_by_class(const VelmSpec *spec, VelmInspection *inspection, char *doubted) {
  const char *key = inspection->class_name;
  int index = spec && key ? velm_classes_find(velm_spec_get_classes(spec), key) : -1;
  const VelmOutcome *outcome = index >= 0 ? velm_spec_get_outcome(spec, (guint)index) : NULL;
  /* Without a spec and a classifier the detector's word is all there is to be had. */
  gboolean detector_alone = !spec && !key;
  VelmDecision decision = VELM_DECISION_DEFECT;
  if (doubted)
    decision = detector_alone ? VELM_DECISION_DEFECT : VELM_DECISION_REVIEW;
  else if (g_str_equal(key, VELM_LABEL_GOOD))
    decision = VELM_DECISION_NORMAL;
  else if (outcome)
    decision = outcome->severity;
  const char *action = outcome && !doubted ? outcome->action : default_action(spec, decision);
  if (decision == VELM_DECISION_REVIEW && doubted)
    action = review_action(spec, inspection);
  decide(inspection, decision, action,
         doubted ? doubted : g_strdup_printf("class %s: %s", key, velm_decision_name(decision)));
}

/* What rule number @n (from 1), which matched because of @why, makes of the decision by class. */
static void apply_rule(const VelmSpec *spec, VelmInspection *inspection, const VelmRule *rule,
                       guint n, const char *why) {
  VelmDecision decision = rule->changes_severity ? rule->severity : inspection->decision;
  const char *action = rule->action;
  if (!action && decision == inspection->decision)
    action = inspection->action;
  if (!action)
    action = default_action(spec, decision);
  decide(inspection, decision, action,
         g_strdup_printf("rule %u (line %d): %s", n, rule->line, why));
}

void velm_policy_decide(const VelmSpec *spec, VelmInspection *inspection) {
  if (!inspection->anomalous) {
    decide_normal(inspection);
    return;
  }
  char *doubted = doubt(spec, inspection);
  const char *believed = inspection->class_name;
  if (doubted && !is_unclassified(inspection))
    believed = VELM_CLASS_UNKNOWN;
  decide_by_class(spec, inspection, doubted);
  const GPtrArray *rules = spec ? velm_spec_get_rules(spec) : NULL;
  for (guint i = 0; rules && i < rules->len; i++) {
    const VelmRule *rule = g_ptr_array_index(rules, i);
    g_autofree char *why = NULL;
    if (velm_rule_match(rule, inspection, believed, &why)) {
      apply_rule(spec, inspection, rule, i + 1, why);
      return;
    }
  }
}
