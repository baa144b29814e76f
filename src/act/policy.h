/* From class to decision: severity, action and the spec's rules. */
#pragma once

#include "act/spec.h"
#include "detect/inspection.h"

/**
 * Fills the act part of @inspection: decision, severity (the decision's word), action, and the rule
 * in words.
 * @spec: NULL: normal where not anomalous, else defect where nothing was classified
 *
 * Not anomalous is normal, whatever else. Then the spec's rules are tried in the file's order, the
 * first that matches decides; a condition on the class holds only where the class is certain. Then
 * a class leads to its severity and action; a class "good" of a classifier to normal; unknown,
 * unclassified, nothing classified, a class that the spec lacks, or a confidence under the spec's
 * least, to review.
 */
void velm_policy_decide(const VelmSpec *spec, VelmInspection *inspection);
