/* From YAML to the spec: the keys and their types, with every mistake named. Private to the spec.
 */
#pragma once

#include "act/rules.h"
#include "act/spec.h"
#include "core/yaml_node.h"

struct _VelmSpec {
  char *text;
  VelmClasses *classes;
  GArray *outcomes;  /* of VelmOutcome, beside classes */
  double confidence; /* 0 to 1 */
  double scale;      /* millimetres a pixel; 0 where the spec does not say */
  char *review_action;
  char *unclassified_action; /* NULL where the spec does not say */
  GPtrArray *rules;          /* of VelmRule */
};

/** Fills @spec, which is empty, from @root; what is wrong is added to @findings. */
void velm_spec_read_tree(VelmSpec *spec, const VelmNode *root, GPtrArray *findings);

/*
 * The readers of single values, shared with the rules. @node may be NULL (the key is not there);
 * @what names the value in messages.
 */

/** A severity's word. FALSE where absent or wrong. */
gboolean velm_spec_read_severity(const VelmNode *node, VelmDecision *severity, GPtrArray *findings);

/** Parses all of @text as a decimal number, in every locale with a point. */
gboolean velm_spec_parse_number(const char *text, double *value);
