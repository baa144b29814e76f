#include "act/rules.h"
#include "act/spec_read.h"
#include "classify/classifier.h"
#include "core/findings.h"
#include "core/yaml_read.h"
#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

static void condition_clear(gpointer data) {
  VelmCondition *condition = data;
  g_free(condition->text);
}

/* Splits "2 mm2" into its number and the unit of @condition. */
static gboolean parse_area(const VelmNode *node, const char *key, double scale, double *number,
                           VelmCondition *condition, GPtrArray *findings) {
  gsize digits = strspn(node->text, "0123456789.+-");
  g_autofree char *value = g_strndup(node->text, digits);
  g_autofree char *name = g_strstrip(g_strdup(node->text + digits));
  gboolean millimetres = g_str_equal(name, "mm2") || g_str_equal(name, "mm²");
  if (!velm_spec_parse_number(value, number))
    velm_findings_error(findings, node->line, node->column,
                        "`%s` must be a number with its unit, `2.5 mm2` or `120 px`, not `%s`", key,
                        node->text);
  else if (!millimetres && !g_str_equal(name, "px"))
    velm_findings_error(findings, node->line, node->column,
                        "`%s` must have the unit px (pixels) or mm2, as in `120 px`, not `%s`", key,
                        node->text);
  else if (millimetres && scale <= 0)
    velm_findings_error(findings, node->line, node->column,
                        "mm2 needs `scale`, the millimetres a pixel, beside `object`");
  else {
    condition->millimetres = millimetres;
    condition->unit = millimetres ? 1 / (scale * scale) : 1;
    return TRUE;
  }
  return FALSE;
}

static gboolean parse_number(const VelmNode *node, const char *key, VelmMeasure measure,
                             double *number, GPtrArray *findings) {
  gboolean ok = velm_spec_parse_number(node->text, number);
  if (ok && measure == VELM_MEASURE_COUNT)
    ok = floor(*number) == *number;
  if (!ok)
    velm_findings_error(findings, node->line, node->column, "`%s` must be a %snumber, not `%s`",
                        key, measure == VELM_MEASURE_COUNT ? "whole " : "", node->text);
  return ok;
}

/* Reads the value of the condition @key. */
static gboolean read_condition(const VelmNode *node, const char *key, double scale,
                               VelmCondition *condition, GPtrArray *findings) {
  VelmMeasure measure = condition->measure;
  double number = 0;
  condition->unit = 1;
  if (node->kind != VELM_NODE_TEXT) {
    velm_findings_error(findings, node->line, node->column, "`%s` must be a number, not %s", key,
                        velm_node_kind_name(node->kind));
    return FALSE;
  }
  if (velm_measure_is_area(measure) ? !parse_area(node, key, scale, &number, condition, findings)
                                    : !parse_number(node, key, measure, &number, findings))
    return FALSE;
  if (number < velm_measures[measure].least || number > velm_measures[measure].most) {
    velm_findings_error(findings, node->line, node->column, "`%s` must be %s, not %s", key,
                        velm_measures[measure].range, node->text);
    return FALSE;
  }
  if (condition->below && number <= velm_measures[measure].least) {
    velm_findings_error(findings, node->line, node->column, "`%s: %s` can never hold", key,
                        node->text);
    return FALSE;
  }
  condition->value = number * condition->unit;
  condition->text = g_strdup(node->text);
  return TRUE;
}

/* The measure and side of the condition @key. FALSE where there is no such condition. */
static gboolean find_condition(const char *key, VelmCondition *condition) {
  for (int i = 0; i < VELM_N_MEASURES; i++) {
    condition->below = g_str_equal(key, velm_measures[i].below);
    condition->measure = (VelmMeasure)i;
    if (condition->below || g_str_equal(key, velm_measures[i].at_least))
      return TRUE;
  }
  return FALSE;
}

static void report_condition(const VelmNode *key, GPtrArray *findings) {
  const char *keys[2 * VELM_N_MEASURES + 1] = {"class"};
  for (int i = 0; i < VELM_N_MEASURES; i++) {
    keys[2 * i + 1] = velm_measures[i].below;
    keys[2 * i + 2] = velm_measures[i].at_least;
    if (g_str_equal(key->text, velm_measures[i].name)) {
      velm_findings_error(findings, key->line, key->column,
                          "unknown condition `%s`: write `%s` or `%s`", key->text,
                          velm_measures[i].below, velm_measures[i].at_least);
      return;
    }
  }
  const char *meant = velm_findings_suggest(key->text, keys, G_N_ELEMENTS(keys));
  if (meant)
    velm_findings_error(findings, key->line, key->column,
                        "unknown condition `%s`: did you mean `%s`?", key->text, meant);
  else
    velm_findings_error(findings, key->line, key->column,
                        "unknown condition `%s` (there are class, and confidence, area, total "
                        "area, count, elongation and score ratio with `below` or `at least`)",
                        key->text);
}

/* Adds one class that the rule names. */
static void add_class(VelmRule *rule, const VelmNode *node, const VelmClasses *classes,
                      GPtrArray *findings) {
  if (node->kind != VELM_NODE_TEXT) {
    velm_findings_error(findings, node->line, node->column,
                        "`class` must be a class or a list of classes, not %s",
                        velm_node_kind_name(node->kind));
    return;
  }
  const char *key = node->text;
  gboolean special = g_str_equal(key, VELM_CLASS_UNKNOWN) ||
                     g_str_equal(key, VELM_CLASS_UNCLASSIFIED) || g_str_equal(key, VELM_LABEL_GOOD);
  if (!special && velm_classes_find(classes, key) < 0) {
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    for (guint i = 0; i < classes->classes->len; i++)
      g_ptr_array_add(keys, ((const VelmClass *)g_ptr_array_index(classes->classes, i))->key);
    const char *meant = NULL;
    if (keys->len && !velm_findings_full(findings))
      meant = velm_findings_suggest(key, (const char *const *)keys->pdata, keys->len);
    g_autofree char *suggestion = meant ? g_strdup_printf(": did you mean `%s`?", meant) : NULL;
    velm_findings_error(findings, node->line, node->column, "`classes` has no `%s`%s", key,
                        suggestion ? suggestion : "");
  } else if (g_ptr_array_find_with_equal_func(rule->classes, key, g_str_equal, NULL)) {
    velm_findings_error(findings, node->line, node->column, "the rule names `%s` twice", key);
  } else {
    g_ptr_array_add(rule->classes, g_strdup(key));
  }
}

static void read_class_condition(VelmRule *rule, const VelmNode *node, const VelmClasses *classes,
                                 GPtrArray *findings) {
  if (rule->classes)
    return; /* a duplicate key, which has been said */
  rule->classes = g_ptr_array_new_with_free_func(g_free);
  if (node->kind != VELM_NODE_LIST) {
    add_class(rule, node, classes, findings);
    return;
  }
  if (node->items->len == 0)
    velm_findings_error(findings, node->line, node->column, "`class` names no class");
  for (guint i = 0; i < node->items->len; i++)
    add_class(rule, g_ptr_array_index(node->items, i), classes, findings);
}

/* A lower bound that is not under the upper one leaves no value over. */
static void check_bounds(const VelmRule *rule, const VelmNode *when, GPtrArray *findings) {
  for (guint i = 0; i < rule->conditions->len; i++) {
    const VelmCondition *low = &g_array_index(rule->conditions, VelmCondition, i);
    for (guint j = 0; j < rule->conditions->len && !low->below; j++) {
      const VelmCondition *high = &g_array_index(rule->conditions, VelmCondition, j);
      if (high->below && high->measure == low->measure && high->value <= low->value)
        velm_findings_error(findings, when->line, when->column,
                            "`%s: %s` and `%s: %s` can never hold together",
                            velm_measures[low->measure].at_least, low->text,
                            velm_measures[high->measure].below, high->text);
    }
  }
}

/* Whether the rule has the condition already: a duplicate key, which has been said. */
static gboolean has_condition(const VelmRule *rule, const VelmCondition *condition) {
  for (guint i = 0; i < rule->conditions->len; i++) {
    const VelmCondition *other = &g_array_index(rule->conditions, VelmCondition, i);
    if (other->measure == condition->measure && other->below == condition->below)
      return TRUE;
  }
  return FALSE;
}

static void read_when(VelmRule *rule, const VelmNode *when, const VelmClasses *classes,
                      double scale, GPtrArray *findings) {
  for (guint i = 0; i < when->keys->len && !velm_findings_full(findings); i++) {
    const VelmNode *key = g_ptr_array_index(when->keys, i);
    const VelmNode *value = g_ptr_array_index(when->items, i);
    VelmCondition condition = {0};
    if (key->items)
      continue; /* no text, which has been said */
    if (g_str_equal(key->text, "class"))
      read_class_condition(rule, value, classes, findings);
    else if (!find_condition(key->text, &condition))
      report_condition(key, findings);
    else if (!has_condition(rule, &condition) &&
             read_condition(value, key->text, scale, &condition, findings))
      g_array_append_val(rule->conditions, condition);
  }
  check_bounds(rule, when, findings);
}

/*
 * A condition beside `when` instead of in it is the likeliest slip: it gets its own words.
 * Returns: whether there is one
 */
static gboolean check_rule_keys(const VelmNode *node, GPtrArray *findings) {
  static const char *const keys[] = {"when", "severity", "action"};
  gboolean misplaced = FALSE;
  for (guint i = 0; i < node->keys->len && !velm_findings_full(findings); i++) {
    const VelmNode *key = g_ptr_array_index(node->keys, i);
    VelmCondition condition;
    if (!g_str_equal(key->text, "class") && !find_condition(key->text, &condition)) {
      velm_node_check_key(node, i, "a rule", keys, G_N_ELEMENTS(keys), findings);
      continue;
    }
    misplaced = TRUE;
    velm_findings_error(findings, key->line, key->column,
                        "`%s` is a condition: it belongs below `when`", key->text);
  }
  return misplaced;
}

static void read_outcome(VelmRule *rule, const VelmNode *node, GPtrArray *findings) {
  const VelmNode *severity = velm_node_get(node, "severity");
  const VelmNode *action = velm_node_get(node, "action");
  rule->changes_severity = velm_spec_read_severity(severity, &rule->severity, findings);
  rule->action = velm_node_read_text(action, "`action`", FALSE, findings);
  gboolean nothing = (!severity || severity->kind == VELM_NODE_NULL) &&
                     (!action || action->kind == VELM_NODE_NULL);
  if (nothing)
    velm_findings_error(findings, node->line, node->column,
                        "the rule changes nothing: it needs `severity` or `action`");
}

VelmRule *velm_rule_read(const VelmNode *node, const VelmClasses *classes, double scale,
                         GPtrArray *findings) {
  if (node->kind != VELM_NODE_MAPPING) {
    velm_findings_error(findings, node->line, node->column,
                        "a rule must be a mapping such as {when: {count at least: 5}, severity: "
                        "defect}, not %s",
                        velm_node_kind_name(node->kind));
    return NULL;
  }
  VelmRule *rule = g_new0(VelmRule, 1);
  rule->line = node->line;
  rule->conditions = g_array_new(FALSE, TRUE, sizeof(VelmCondition));
  g_array_set_clear_func(rule->conditions, condition_clear);
  gboolean misplaced = check_rule_keys(node, findings);
  read_outcome(rule, node, findings);
  const VelmNode *when = velm_node_get(node, "when");
  if (when && when->kind == VELM_NODE_MAPPING && when->keys->len > 0)
    read_when(rule, when, classes, scale, findings);
  else if (!misplaced)
    velm_findings_error(findings, when ? when->line : node->line,
                        when ? when->column : node->column,
                        "the rule needs conditions: `when: {class: KEY, area below: 100 px}`");
  return rule;
}
