/*
 * One rule of a spec: conditions, all of which must hold, and the severity or action they lead to.
 */
#pragma once

#include "act/spec.h"
#include "core/yaml_node.h"
#include "detect/inspection.h"

/* What a rule may ask of an inspection besides its class. */
typedef enum {
  VELM_MEASURE_CONFIDENCE,
  VELM_MEASURE_AREA, /* of the largest region, as is the elongation */
  VELM_MEASURE_TOTAL_AREA,
  VELM_MEASURE_COUNT,
  VELM_MEASURE_ELONGATION,
  VELM_MEASURE_SCORE_RATIO, /* the score as a multiple of the threshold */
  VELM_N_MEASURES
} VelmMeasure;

typedef struct {
  const char *name, *below, *at_least; /* the keys of its two conditions */
  double least, most;                  /* the values that it can take */
  const char *range;                   /* them in words */
} VelmMeasureInfo;

extern const VelmMeasureInfo velm_measures[VELM_N_MEASURES];

gboolean velm_measure_is_area(VelmMeasure measure);

/* One bound of one measure. */
typedef struct {
  VelmMeasure measure;
  gboolean below; /* else at least */
  double value;   /* areas in pixels */
  double unit;    /* pixels in the unit that the rule is written in */
  gboolean millimetres;
  char *text; /* as written: "2 mm2" */
} VelmCondition;

/* Made by velm_rule_read(). */
typedef struct {
  int line;           /* where it stands in the spec, from 1 */
  GPtrArray *classes; /* of char *: any of these; NULL for whatever class */
  GArray *conditions; /* of VelmCondition */
  gboolean changes_severity;
  VelmDecision severity; /* where it changes */
  char *action;          /* NULL for the one that goes with the severity */
} VelmRule;

/**
 * Reads one item of the spec's `rules`.
 * @classes: those of the spec, which a rule may name
 * @scale: millimetres a pixel, or 0 where the spec does not say
 * @findings: what is wrong is added here
 * Returns: (transfer full): NULL where the rule cannot be used
 */
VelmRule *velm_rule_read(const VelmNode *node, const VelmClasses *classes, double scale,
                         GPtrArray *findings);

/**
 * Whether all conditions hold for @inspection.
 * @believed: the class in the light of its confidence: its key, "good", "unknown" or "unclassified"
 * @why: (out) (optional) (transfer full): the conditions in words with what was measured; NULL
 *   where they do not hold
 */
gboolean velm_rule_match(const VelmRule *rule, const VelmInspection *inspection,
                         const char *believed, char **why);

void velm_rule_free(VelmRule *rule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRule, velm_rule_free)
