#include "act/spec.h"

#include "act/decision.h"
#include "act/spec_read.h"
#include "core/file.h"
#include "core/findings.h"

static void outcome_clear(gpointer data) {
  VelmOutcome *outcome = data;
  g_free(outcome->action);
}

static void rule_free(gpointer data) { velm_rule_free(data); }

static VelmSpec *spec_new(const char *yaml, gsize length) {
  VelmSpec *spec = g_new0(VelmSpec, 1);
  spec->text = g_strndup(yaml, length);
  spec->classes = velm_classes_new();
  spec->outcomes = g_array_new(FALSE, TRUE, sizeof(VelmOutcome));
  g_array_set_clear_func(spec->outcomes, outcome_clear);
  spec->confidence = VELM_SPEC_CONFIDENCE;
  spec->review_action = g_strdup(velm_decision_default_action(VELM_DECISION_REVIEW));
  spec->rules = g_ptr_array_new_with_free_func(rule_free);
  return spec;
}

void velm_spec_free(VelmSpec *spec) {
  if (!spec)
    return;
  g_free(spec->text);
  velm_classes_free(spec->classes);
  g_array_unref(spec->outcomes);
  g_free(spec->review_action);
  g_free(spec->unclassified_action);
  g_ptr_array_unref(spec->rules);
  g_free(spec);
}

VelmSpec *velm_spec_parse(const char *yaml, gsize length, const char *name, GPtrArray **findings,
                          GError **error) {
  g_autoptr(GPtrArray) found = velm_findings_new();
  g_autoptr(VelmSpec) spec = NULL;
  if (length > VELM_SPEC_MAX_BYTES) {
    velm_findings_error(found, 1, 1, "larger than a spec may be (1 MiB)");
  } else {
    spec = spec_new(yaml, length);
    g_autoptr(VelmNode) root = velm_node_parse(yaml, length, found);
    if (root)
      velm_spec_read_tree(spec, root, found);
  }
  velm_findings_sort(found);
  const VelmTextFinding *mistake = velm_findings_first_error(found);
  if (mistake)
    g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s:%d: %s", name, mistake->line,
                mistake->message);
  gboolean failed = mistake != NULL;
  if (findings)
    *findings = g_steal_pointer(&found);
  return failed ? NULL : g_steal_pointer(&spec);
}

VelmSpec *velm_spec_read(const char *path, GPtrArray **findings, GError **error) {
  gsize length = 0;
  g_autofree char *text = velm_file_read_limited(path, VELM_SPEC_MAX_BYTES, &length, error);
  if (text)
    return velm_spec_parse(text, length, path, findings, error);
  if (findings)
    *findings = velm_findings_new();
  return NULL;
}

VelmSpec *velm_spec_load(const char *path, GError **error) {
  return velm_spec_read(path, NULL, error);
}

const VelmClasses *velm_spec_get_classes(const VelmSpec *spec) { return spec->classes; }

const char *velm_spec_get_text(const VelmSpec *spec) { return spec->text; }

const VelmOutcome *velm_spec_get_outcome(const VelmSpec *spec, guint index) {
  return index < spec->outcomes->len ? &g_array_index(spec->outcomes, VelmOutcome, index) : NULL;
}

double velm_spec_get_confidence(const VelmSpec *spec) { return spec->confidence; }

const char *velm_spec_get_review_action(const VelmSpec *spec) { return spec->review_action; }

const char *velm_spec_get_unclassified_action(const VelmSpec *spec) {
  return spec->unclassified_action ? spec->unclassified_action : spec->review_action;
}

const GPtrArray *velm_spec_get_rules(const VelmSpec *spec) { return spec->rules; }
