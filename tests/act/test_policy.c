#include "act/policy.h"

#include <math.h>
#include <string.h>

#define CLASSES                                                                                    \
  "object: plate\n"                                                                                \
  "normal: flat\n"                                                                                 \
  "scale: 0.1\n" /* 100 px are 1 mm2 */                                                            \
  "confidence: 0.5\n"                                                                              \
  "unknown: {action: hold it}\n"                                                                   \
  "classes:\n"                                                                                     \
  "  crack: {description: a line, severity: defect, action: scrap}\n"                              \
  "  uneven: {description: shades, severity: negligible}\n"                                        \
  "  dent: {description: a hollow}\n"                                                              \
  "  odd: {description: strange, severity: review, action: call Ann}\n"                            \
  "  label: {description: a sticker, severity: normal, action: peel}\n"

static VelmSpec *parse(const char *yaml) {
  g_autoptr(GError) error = NULL;
  VelmSpec *spec = velm_spec_parse(yaml, strlen(yaml), "spec.yaml", NULL, &error);
  g_assert_no_error(error);
  return spec;
}

/* An anomalous part whose anomaly was given @class_name (or NULL), with one region a given area. */
static VelmInspection *inspect(const char *class_name, double confidence, const double *areas,
                               guint n) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->anomalous = TRUE;
  inspection->score = 3;
  inspection->threshold = 2;
  inspection->class_name = g_strdup(class_name);
  inspection->confidence = confidence;
  if (!inspection->regions)
    inspection->regions = g_array_new(FALSE, TRUE, sizeof(VelmRegion));
  for (guint i = 0; i < n; i++) {
    VelmRegion region = {.area = areas[i], .elongation = 4};
    g_array_append_val(inspection->regions, region);
  }
  return inspection;
}

#define INSPECT(class_name, confidence, ...)                                                       \
  inspect(class_name, confidence, (const double[]){__VA_ARGS__},                                   \
          sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void assert_act(const VelmInspection *inspection, VelmDecision decision, const char *action,
                       const char *rule) {
  g_assert_cmpstr(velm_decision_name(inspection->decision), ==, velm_decision_name(decision));
  g_assert_cmpstr(inspection->severity, ==, velm_decision_name(decision));
  g_assert_cmpstr(inspection->action, ==, action);
  g_assert_cmpstr(inspection->rule, ==, rule);
}

/* Decides with the spec @yaml (NULL for none), checks, and frees @inspection. */
static void decides(const char *yaml, VelmInspection *inspection, VelmDecision decision,
                    const char *action, const char *rule) {
  g_autoptr(VelmSpec) spec = yaml ? parse(yaml) : NULL;
  velm_policy_decide(spec, inspection);
  assert_act(inspection, decision, action, rule);
  velm_inspection_free(inspection);
}

static void test_names(void) {
  g_assert_cmpstr(velm_decision_name(VELM_DECISION_NORMAL), ==, "normal");
  g_assert_cmpstr(velm_decision_name(VELM_DECISION_NEGLIGIBLE), ==, "negligible");
  g_assert_cmpstr(velm_decision_name(VELM_DECISION_DEFECT), ==, "defect");
  g_assert_cmpstr(velm_decision_name(VELM_DECISION_REVIEW), ==, "review");
}

static void test_not_anomalous(void) {
  VelmInspection *inspection = INSPECT("crack", 0.9, 500);
  inspection->anomalous = FALSE;
  inspection->score = 1.25;
  decides(CLASSES "rules:\n- {when: {count at least: 1}, severity: defect}\n", inspection,
          VELM_DECISION_NORMAL, "pass", "not anomalous: score 1.25, threshold 2");
  inspection = INSPECT(NULL, 0, 500);
  inspection->anomalous = FALSE;
  decides(NULL, inspection, VELM_DECISION_NORMAL, "pass", "not anomalous: score 3, threshold 2");
}

static void test_without_spec(void) {
  decides(NULL, INSPECT(NULL, 0, 500), VELM_DECISION_DEFECT, "reject",
          "the anomaly was not classified");
  decides(NULL, INSPECT("crack", 0.1, 500), VELM_DECISION_DEFECT, "reject", "class crack: defect");
  decides(NULL, INSPECT("good", 0.1, 500), VELM_DECISION_NORMAL, "pass", "class good: normal");
  decides(NULL, INSPECT("unknown", 0.9, 500), VELM_DECISION_REVIEW, "hold for review",
          "no class fits the anomaly");
  decides(NULL, INSPECT("unclassified", 0, 500), VELM_DECISION_REVIEW, "hold for review",
          "the anomaly could not be classified");
}

static void test_classes(void) {
  decides(CLASSES, INSPECT("crack", 0.9, 500), VELM_DECISION_DEFECT, "scrap",
          "class crack: defect");
  decides(CLASSES, INSPECT("uneven", 0.9, 500), VELM_DECISION_NEGLIGIBLE, "pass",
          "class uneven: negligible");
  decides(CLASSES, INSPECT("dent", 0.5, 500), VELM_DECISION_DEFECT, "reject", "class dent: defect");
  decides(CLASSES, INSPECT("odd", 0.9, 500), VELM_DECISION_REVIEW, "call Ann", "class odd: review");
  decides(CLASSES, INSPECT("label", 0.9, 500), VELM_DECISION_NORMAL, "peel", "class label: normal");
  decides(CLASSES, INSPECT("good", 0.9, 500), VELM_DECISION_NORMAL, "pass", "class good: normal");
}

static void test_review(void) {
  decides(CLASSES, INSPECT("unknown", 0.9, 500), VELM_DECISION_REVIEW, "hold it",
          "no class fits the anomaly");
  decides(CLASSES, INSPECT("crack", 0.49, 500), VELM_DECISION_REVIEW, "hold it",
          "class crack, confidence 0.49 (below 0.5, the least)");
  decides(CLASSES, INSPECT("uneven", NAN, 500), VELM_DECISION_REVIEW, "hold it",
          "class uneven, confidence nan (below 0.5, the least)");
  decides(CLASSES, INSPECT("good", 0.3, 500), VELM_DECISION_REVIEW, "hold it",
          "class good, confidence 0.3 (below 0.5, the least)");
  decides(CLASSES, INSPECT("hole", 0.9, 500), VELM_DECISION_REVIEW, "hold it",
          "the spec has no class hole");
  decides(CLASSES, INSPECT(NULL, 0, 500), VELM_DECISION_REVIEW, "hold it",
          "the anomaly was not classified");
  /* The spec's own default is neither off nor all. */
  decides("object: a\nclasses: {b: }\n", INSPECT("b", 0.39, 5), VELM_DECISION_REVIEW,
          "hold for review", "class b, confidence 0.39 (below 0.4, the least)");
  decides("object: a\nclasses: {b: }\n", INSPECT("b", 0.4, 5), VELM_DECISION_DEFECT, "reject",
          "class b: defect");
}

/* No answer is held as no class is, where the spec does not tell them apart. */
static void test_unclassified(void) {
  const char *rule = "rules:\n- {when: {class: unclassified, area at least: 400 px}, severity: "
                     "defect, action: look twice}\n";
  g_autofree char *told = g_strconcat(CLASSES "unclassified: {action: ask again}\n", rule, NULL);
  decides(CLASSES, INSPECT("unclassified", 0, 500), VELM_DECISION_REVIEW, "hold it",
          "the anomaly could not be classified");
  decides(told, INSPECT("unclassified", 0, 300), VELM_DECISION_REVIEW, "ask again",
          "the anomaly could not be classified");
  decides(told, INSPECT("unknown", 0.9, 500), VELM_DECISION_REVIEW, "hold it",
          "no class fits the anomaly");
  VelmInspection *large = INSPECT("unclassified", 0, 500);
  g_autoptr(VelmSpec) spec = velm_spec_parse(told, strlen(told), "spec", NULL, NULL);
  velm_policy_decide(spec, large);
  g_assert_cmpint(large->decision, ==, VELM_DECISION_DEFECT);
  g_assert_cmpstr(large->action, ==, "look twice");
  g_assert_true(g_str_has_prefix(large->rule, "rule 1 (line "));
  velm_inspection_free(large);
}

#define SMALL_DENT                                                                                 \
  CLASSES "rules:\n- when: {class: dent, area below: 2 mm2}\n  severity: negligible\n"

static void test_small_dent(void) {
  decides(SMALL_DENT, INSPECT("dent", 0.9, 150, 10), VELM_DECISION_NEGLIGIBLE, "pass",
          "rule 1 (line 13): class dent, area 1.5 mm2 (below 2 mm2)");
  decides(SMALL_DENT, INSPECT("dent", 0.9, 10, 200), VELM_DECISION_DEFECT, "reject",
          "class dent: defect");
  decides(SMALL_DENT, INSPECT("crack", 0.9, 10), VELM_DECISION_DEFECT, "scrap",
          "class crack: defect");
  /* Not sure that it is a dent: the rule must not pass it. */
  decides(SMALL_DENT, INSPECT("dent", 0.4, 10), VELM_DECISION_REVIEW, "hold it",
          "class dent, confidence 0.4 (below 0.5, the least)");
  /* Nothing was marked: that is no small region. */
  VelmInspection *unmarked = INSPECT("dent", 0.9, 1);
  g_array_set_size(unmarked->regions, 0);
  decides(SMALL_DENT, unmarked, VELM_DECISION_DEFECT, "reject", "class dent: defect");
  unmarked = INSPECT("dent", 0.9, 1);
  g_clear_pointer(&unmarked->regions, g_array_unref);
  decides(SMALL_DENT, unmarked, VELM_DECISION_DEFECT, "reject", "class dent: defect");
}

static void test_rule_order(void) {
  static const char yaml[] = CLASSES "rules:\n"
                                     "- {when: {count at least: 3}, severity: defect, action: a}\n"
                                     "- {when: {count at least: 2}, severity: review}\n"
                                     "- {when: {count at least: 2}, severity: normal}\n";
  decides(yaml, INSPECT("uneven", 0.9, 1, 2, 3), VELM_DECISION_DEFECT, "a",
          "rule 1 (line 13): count 3 (at least 3)");
  decides(yaml, INSPECT("uneven", 0.9, 1, 2), VELM_DECISION_REVIEW, "hold it",
          "rule 2 (line 14): count 2 (at least 2)");
  decides(yaml, INSPECT("uneven", 0.9, 1), VELM_DECISION_NEGLIGIBLE, "pass",
          "class uneven: negligible");
  /* A rule that asks for no class holds whatever the classifier says. */
  decides(yaml, INSPECT("good", 0.9, 1, 2, 3), VELM_DECISION_DEFECT, "a",
          "rule 1 (line 13): count 3 (at least 3)");
  decides(yaml, INSPECT("unknown", 0.9, 1, 2, 3), VELM_DECISION_DEFECT, "a",
          "rule 1 (line 13): count 3 (at least 3)");
}

#define RULE(text) CLASSES "rules:\n- {" text "}\n"

static void test_rule_outcome(void) {
  /* Only an action: the severity stays that of the class. */
  decides(RULE("when: {class: [dent, uneven]}, action: grind"), INSPECT("uneven", 0.9, 1),
          VELM_DECISION_NEGLIGIBLE, "grind", "rule 1 (line 13): class uneven");
  /* Only a severity: the class's action goes with the class's severity alone. */
  decides(RULE("when: {class: crack}, severity: defect"), INSPECT("crack", 0.9, 1),
          VELM_DECISION_DEFECT, "scrap", "rule 1 (line 13): class crack");
  decides(RULE("when: {class: crack}, severity: negligible"), INSPECT("crack", 0.9, 1),
          VELM_DECISION_NEGLIGIBLE, "pass", "rule 1 (line 13): class crack");
  decides(RULE("when: {class: crack}, severity: review"), INSPECT("crack", 0.9, 1),
          VELM_DECISION_REVIEW, "hold it", "rule 1 (line 13): class crack");
  decides(RULE("when: {class: crack}, severity: normal"), INSPECT("crack", 0.9, 1),
          VELM_DECISION_NORMAL, "pass", "rule 1 (line 13): class crack");
}

static void test_rule_class(void) {
  decides(RULE("when: {class: unknown}, severity: defect"), INSPECT("unknown", 0.9, 1),
          VELM_DECISION_DEFECT, "reject", "rule 1 (line 13): class unknown");
  decides(RULE("when: {class: unknown}, severity: defect"), INSPECT("crack", 0.2, 1),
          VELM_DECISION_DEFECT, "reject", "rule 1 (line 13): class unknown");
  decides(RULE("when: {class: unknown}, severity: defect"), INSPECT(NULL, 0, 1),
          VELM_DECISION_DEFECT, "reject", "rule 1 (line 13): class unknown");
  decides(RULE("when: {class: good, area at least: 50 px}, severity: review"),
          INSPECT("good", 0.9, 60), VELM_DECISION_REVIEW, "hold it",
          "rule 1 (line 13): class good, area 60 px (at least 50 px)");
}

static void test_rule_confidence(void) {
  /* With a confidence of its own a rule means the class as it was answered. */
  static const char low[] = RULE("when: {class: dent, confidence at least: 0.2}, severity: defect");
  decides(low, INSPECT("dent", 0.2, 1), VELM_DECISION_DEFECT, "reject",
          "rule 1 (line 13): class dent, confidence 0.2 (at least 0.2)");
  decides(low, INSPECT("dent", 0.19, 1), VELM_DECISION_REVIEW, "hold it",
          "class dent, confidence 0.19 (below 0.5, the least)");
  static const char high[] = RULE("when: {class: uneven, confidence below: 0.8}, severity: review");
  decides(high, INSPECT("uneven", 0.79, 1), VELM_DECISION_REVIEW, "hold it",
          "rule 1 (line 13): class uneven, confidence 0.79 (below 0.8)");
  decides(high, INSPECT("uneven", 0.8, 1), VELM_DECISION_NEGLIGIBLE, "pass",
          "class uneven: negligible");
  /* No number is under no bound. */
  decides(RULE("when: {confidence below: 0.8}, severity: negligible"), INSPECT("dent", NAN, 1),
          VELM_DECISION_REVIEW, "hold it", "class dent, confidence nan (below 0.5, the least)");
}

static void test_rule_measures(void) {
  decides(RULE("when: {total area at least: 3 mm2}, severity: review"),
          INSPECT("uneven", 0.9, 100, 200), VELM_DECISION_REVIEW, "hold it",
          "rule 1 (line 13): total area 3 mm2 (at least 3 mm2)");
  decides(RULE("when: {area at least: 201 px}, severity: review"), INSPECT("uneven", 0.9, 100, 200),
          VELM_DECISION_NEGLIGIBLE, "pass", "class uneven: negligible");
  decides(RULE("when: {elongation at least: 4}, severity: review"), INSPECT("uneven", 0.9, 1),
          VELM_DECISION_REVIEW, "hold it", "rule 1 (line 13): elongation 4 (at least 4)");
  decides(RULE("when: {elongation below: 4}, severity: review"), INSPECT("uneven", 0.9, 1),
          VELM_DECISION_NEGLIGIBLE, "pass", "class uneven: negligible");
  decides(RULE("when: {score ratio at least: 1.5}, severity: review"), INSPECT("uneven", 0.9, 1),
          VELM_DECISION_REVIEW, "hold it", "rule 1 (line 13): score ratio 1.5 (at least 1.5)");
  VelmInspection *unbounded = INSPECT("uneven", 0.9, 1);
  unbounded->threshold = 0;
  decides(RULE("when: {score ratio below: 1.5}, severity: review"), unbounded,
          VELM_DECISION_NEGLIGIBLE, "pass", "class uneven: negligible");
}

static void test_decided_again(void) {
  g_autoptr(VelmSpec) spec = parse(SMALL_DENT);
  VelmInspection *inspection = INSPECT("dent", 0.9, 10);
  velm_policy_decide(spec, inspection);
  velm_policy_decide(spec, inspection);
  assert_act(inspection, VELM_DECISION_NEGLIGIBLE, "pass",
             "rule 1 (line 13): class dent, area 0.1 mm2 (below 2 mm2)");
  velm_policy_decide(NULL, inspection);
  assert_act(inspection, VELM_DECISION_DEFECT, "reject", "class dent: defect");
  velm_inspection_free(inspection);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/policy/names", test_names);
  g_test_add_func("/policy/not-anomalous", test_not_anomalous);
  g_test_add_func("/policy/without-spec", test_without_spec);
  g_test_add_func("/policy/classes", test_classes);
  g_test_add_func("/policy/review", test_review);
  g_test_add_func("/policy/unclassified", test_unclassified);
  g_test_add_func("/policy/rule/small-dent", test_small_dent);
  g_test_add_func("/policy/rule/order", test_rule_order);
  g_test_add_func("/policy/rule/outcome", test_rule_outcome);
  g_test_add_func("/policy/rule/class", test_rule_class);
  g_test_add_func("/policy/rule/confidence", test_rule_confidence);
  g_test_add_func("/policy/rule/measures", test_rule_measures);
  g_test_add_func("/policy/decided-again", test_decided_again);
  return g_test_run();
}
