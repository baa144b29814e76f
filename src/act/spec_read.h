/* From YAML to the spec: the keys and their types, with every mistake named. Private to the spec.
 */
#pragma once

#include "act/rules.h"
#include "act/spec.h"
#include "act/yaml_node.h"

struct _VelmSpec {
  char *text;
  VelmClasses *classes;
  GArray *outcomes;  /* of VelmOutcome, beside classes */
  double confidence; /* 0 to 1 */
  double scale;      /* millimetres a pixel; 0 where the spec does not say */
  char *review_action;
  GPtrArray *rules; /* of VelmRule */
};

/** Fills @spec, which is empty, from @root; what is wrong is added to @findings. */
void velm_spec_read_tree(VelmSpec *spec, const VelmNode *root, GPtrArray *findings);

/*
 * The readers of single values, shared with the rules. @node may be NULL (the key is not there);
 * @what names the value in messages.
 */

/** Text of one line or, where @lines, of several. Returns: (transfer full): NULL where absent or
 * wrong. */
char *velm_spec_read_text(const VelmNode *node, const char *what, gboolean lines,
                          GPtrArray *findings);

/** A severity's word. FALSE where absent or wrong. */
gboolean velm_spec_read_severity(const VelmNode *node, VelmDecision *severity, GPtrArray *findings);

/** Parses all of @text as a decimal number, in every locale with a point. */
gboolean velm_spec_parse_number(const char *text, double *value);

/**
 * Reports the key number @index of @mapping where it is not among @keys, with a suggestion.
 * @what: what the mapping describes, with its article: "a class"
 */
void velm_spec_check_key(const VelmNode *mapping, guint index, const char *what,
                         const char *const *keys, gsize n, GPtrArray *findings);
