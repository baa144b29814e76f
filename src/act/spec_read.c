#include "act/spec_read.h"

#include "act/decision.h"
#include "classify/classifier.h"
#include "core/findings.h"
#include "core/yaml_read.h"
#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

/* Far over what a person can tell apart; bounds the work that a hostile file can cause. */
#define MAX_CLASSES 1000
#define MAX_RULES 1000

static const VelmDecision severities[] = {VELM_DECISION_DEFECT, VELM_DECISION_NEGLIGIBLE,
                                          VELM_DECISION_REVIEW, VELM_DECISION_NORMAL};

gboolean velm_spec_parse_number(const char *text, double *value) {
  if (!*text || strspn(text, "0123456789.+-eE") != strlen(text))
    return FALSE;
  char *end;
  *value = g_ascii_strtod(text, &end);
  return !*end && isfinite(*value);
}

/* A number over or at @least and up to @most. FALSE where absent or wrong. */
static gboolean read_number(const VelmNode *node, const char *what, double least, double most,
                            const char *range, double *value, GPtrArray *findings) {
  if (!velm_node_expect(node, VELM_NODE_TEXT, what, findings))
    return FALSE;
  double number;
  if (!velm_spec_parse_number(node->text, &number))
    velm_findings_error(findings, node->line, node->column, "%s must be a number%s, not `%s`", what,
                        strchr(node->text, ',') ? " (with a point for decimals)" : "", node->text);
  else if (number < least || number > most)
    velm_findings_error(findings, node->line, node->column, "%s must be %s, not %s", what, range,
                        node->text);
  else {
    *value = number;
    return TRUE;
  }
  return FALSE;
}

gboolean velm_spec_read_severity(const VelmNode *node, VelmDecision *severity,
                                 GPtrArray *findings) {
  g_autofree char *word = velm_node_read_text(node, "`severity`", FALSE, findings);
  if (!word)
    return FALSE;
  const char *names[G_N_ELEMENTS(severities)];
  for (gsize i = 0; i < G_N_ELEMENTS(severities); i++) {
    names[i] = velm_decision_name(severities[i]);
    if (g_str_equal(word, names[i])) {
      *severity = severities[i];
      return TRUE;
    }
  }
  const char *meant = velm_findings_suggest(word, names, G_N_ELEMENTS(names));
  g_autofree char *suggestion = meant ? g_strdup_printf("; did you mean `%s`?", meant) : NULL;
  velm_findings_error(findings, node->line, node->column,
                      "unknown severity `%s`%s (allowed: defect, negligible, review, normal)", word,
                      suggestion ? suggestion : "");
  return FALSE;
}

/* Whether @word means something that no class of a spec is. */
static gboolean is_reserved(const char *word) {
  return g_ascii_strcasecmp(word, VELM_LABEL_GOOD) == 0 ||
         g_ascii_strcasecmp(word, VELM_CLASS_UNKNOWN) == 0 ||
         g_ascii_strcasecmp(word, VELM_CLASS_UNCLASSIFIED) == 0;
}

/* The key of a class is a folder's name. */
static gboolean check_class_key(const VelmNode *key, GPtrArray *findings) {
  const char *text = key->text;
  gboolean control = FALSE;
  for (const char *at = text; *at; at++)
    control = control || g_ascii_iscntrl(*at);
  if (key->items)
    return FALSE; /* no text, which has been said */
  if (g_ascii_strcasecmp(text, "good") == 0)
    velm_findings_error(findings, key->line, key->column,
                        "the class `%s` is reserved for normal parts; describe them with `normal`, "
                        "beside `object`",
                        text);
  else if (is_reserved(text))
    velm_findings_error(findings, key->line, key->column,
                        "the class `%s` is reserved for what no class fits; its action is set with "
                        "`unknown`, beside `object`",
                        text);
  else if (!*text || *text == '.' || strpbrk(text, "/\\") || control)
    velm_findings_error(findings, key->line, key->column,
                        "`%s` cannot be a class: a class is a folder's name, without slashes and "
                        "not beginning with a point",
                        control ? "" : text);
  else
    return TRUE;
  return FALSE;
}

/* Names as a reader compares them. */
static char *fold_name(const char *name) {
  g_autofree char *folded = g_utf8_casefold(name, -1);
  g_strdelimit(folded, "_-", ' ');
  return g_utf8_normalize(folded, -1, G_NORMALIZE_ALL);
}

/* A name that two classes share cannot be an answer. @names: folded name -> key of its class. */
static void check_name(const VelmNode *key, const VelmNode *node, const char *name,
                       GHashTable *names, GPtrArray *findings) {
  const VelmNode *place = node ? node : key;
  g_autofree char *folded = fold_name(name);
  const char *other = g_hash_table_lookup(names, folded);
  if (is_reserved(name))
    velm_findings_error(findings, place->line, place->column,
                        "no class may be named `%s`: the word is reserved", name);
  else if (other)
    velm_findings_error(findings, place->line, place->column,
                        "the classes `%s` and `%s` have the same name, `%s`", other, key->text,
                        name);
  else
    g_hash_table_insert(names, g_steal_pointer(&folded), key->text);
}

static const VelmNode *field(const VelmNode *mapping, const char *key) {
  return mapping ? velm_node_get(mapping, key) : NULL;
}

/* One class; @value may be a mapping or nothing at all. */
static void read_class(VelmSpec *spec, const VelmNode *key, const VelmNode *value,
                       GHashTable *names, GPtrArray *findings) {
  static const char *const keys[] = {"name", "description", "severity", "action"};
  if (value->kind != VELM_NODE_MAPPING && value->kind != VELM_NODE_NULL) {
    velm_findings_error(findings, value->line, value->column,
                        "the class `%s` must be a mapping such as {description: TEXT}, not %s",
                        key->text, velm_node_kind_name(value->kind));
  }
  const VelmNode *mapping = value->kind == VELM_NODE_MAPPING ? value : NULL;
  if (mapping)
    velm_node_check_keys(mapping, "a class", keys, G_N_ELEMENTS(keys), findings);
  g_autofree char *name = velm_node_read_text(field(mapping, "name"), "`name`", FALSE, findings);
  g_autofree char *description =
      velm_node_read_text(field(mapping, "description"), "`description`", TRUE, findings);
  check_name(key, field(mapping, "name"), name ? name : key->text, names, findings);
  if (!description && (mapping || value->kind == VELM_NODE_NULL))
    velm_findings_warning(findings, key->line, key->column,
                          "the class `%s` has no description; a language model needs one",
                          key->text);
  VelmOutcome outcome = {.severity = VELM_DECISION_DEFECT};
  velm_spec_read_severity(field(mapping, "severity"), &outcome.severity, findings);
  outcome.action = velm_node_read_text(field(mapping, "action"), "`action`", FALSE, findings);
  if (!outcome.action)
    outcome.action = g_strdup(outcome.severity == VELM_DECISION_REVIEW
                                  ? spec->review_action
                                  : velm_decision_default_action(outcome.severity));
  velm_classes_add(spec->classes, key->text, name, description);
  g_array_append_val(spec->outcomes, outcome);
}

static void read_classes(VelmSpec *spec, const VelmNode *root, GPtrArray *findings) {
  const VelmNode *node = velm_node_get(root, "classes");
  const VelmNode *place = node ? node : root;
  if (!node || node->kind == VELM_NODE_NULL || (node->items && node->items->len == 0)) {
    velm_findings_error(findings, place->line, place->column,
                        node ? "`classes` is empty: a spec has at least one class"
                             : "`classes` is missing: a spec has at least one class");
    return;
  }
  if (node->kind != VELM_NODE_MAPPING) {
    velm_findings_error(findings, node->line, node->column,
                        "`classes` must be a mapping of folder names such as `crack: "
                        "{description: TEXT}`, not %s",
                        velm_node_kind_name(node->kind));
    return;
  }
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < node->keys->len; i++) {
    const VelmNode *key = g_ptr_array_index(node->keys, i);
    if (i == MAX_CLASSES) {
      velm_findings_error(findings, key->line, key->column, "over %d classes", MAX_CLASSES);
      return;
    }
    gboolean duplicate = velm_classes_find(spec->classes, key->text) >= 0; /* has been said */
    if (check_class_key(key, findings) && !duplicate)
      read_class(spec, key, g_ptr_array_index(node->items, i), names, findings);
  }
}

static void read_rules(VelmSpec *spec, const VelmNode *node, GPtrArray *findings) {
  if (!velm_node_expect(node, VELM_NODE_LIST, "`rules`", findings))
    return;
  for (guint i = 0; i < node->items->len; i++) {
    const VelmNode *item = g_ptr_array_index(node->items, i);
    if (i == MAX_RULES) {
      velm_findings_error(findings, item->line, item->column, "over %d rules", MAX_RULES);
      return;
    }
    VelmRule *rule = velm_rule_read(item, spec->classes, spec->scale, findings);
    if (rule)
      g_ptr_array_add(spec->rules, rule);
  }
}

/* Sets *@action where {action: TEXT} is there. */
static void read_review(const VelmNode *node, const char *name, char **action,
                        GPtrArray *findings) {
  static const char *const keys[] = {"action"};
  g_autofree char *quoted = g_strdup_printf("`%s`", name);
  g_autofree char *owner = g_strdup_printf("`%s`, which is always reviewed,", name);
  if (!velm_node_expect(node, VELM_NODE_MAPPING, quoted, findings))
    return;
  velm_node_check_keys(node, owner, keys, G_N_ELEMENTS(keys), findings);
  char *text = velm_node_read_text(velm_node_get(node, "action"), "`action`", FALSE, findings);
  if (!text)
    return;
  g_free(*action);
  *action = text;
}

static void read_words(VelmClasses *classes, const VelmNode *root, GPtrArray *findings) {
  const VelmNode *object = velm_node_get(root, "object");
  const VelmNode *normal = velm_node_get(root, "normal");
  classes->object = velm_node_read_text(object, "`object`", FALSE, findings);
  if (velm_node_is_absent(object))
    velm_findings_error(findings, object ? object->line : root->line,
                        object ? object->column : root->column,
                        "`object` is missing: it says what the part is");
  classes->normal = velm_node_read_text(normal, "`normal`", TRUE, findings);
  classes->strategy =
      velm_node_read_text(velm_node_get(root, "strategy"), "`strategy`", TRUE, findings);
  if (velm_node_is_absent(normal))
    velm_findings_warning(findings, normal ? normal->line : root->line,
                          normal ? normal->column : root->column,
                          "`normal` is missing: a language model needs to know what a good part "
                          "looks like");
}

static void read_scale(VelmSpec *spec, const VelmNode *node, GPtrArray *findings) {
  /* One that is wrong has been said; the rules' mm2 are checked as if it were right. */
  if (!velm_node_is_absent(node) && !read_number(node, "`scale` (mm a pixel)", 1e-6, 1e3,
                                                 "from 0.000001 to 1000", &spec->scale, findings))
    spec->scale = 1;
}

void velm_spec_read_tree(VelmSpec *spec, const VelmNode *root, GPtrArray *findings) {
  static const char *const keys[] = {"object",  "normal",       "strategy", "scale", "confidence",
                                     "unknown", "unclassified", "classes",  "rules"};
  if (root->kind != VELM_NODE_MAPPING) {
    velm_findings_error(findings, root->line, root->column,
                        "a spec is a mapping of keys that begins such as `object: NAME`, not %s",
                        velm_node_kind_name(root->kind));
    return;
  }
  velm_node_check_keys(root, "a spec", keys, G_N_ELEMENTS(keys), findings);
  read_words(spec->classes, root, findings);
  read_scale(spec, velm_node_get(root, "scale"), findings);
  read_number(velm_node_get(root, "confidence"), "`confidence`", 0, 1, "from 0 to 1",
              &spec->confidence, findings);
  read_review(velm_node_get(root, "unknown"), "unknown", &spec->review_action, findings);
  read_review(velm_node_get(root, "unclassified"), "unclassified", &spec->unclassified_action,
              findings);
  read_classes(spec, root, findings);
  read_rules(spec, velm_node_get(root, "rules"), findings);
}
