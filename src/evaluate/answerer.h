/* Classifiers by name, so that they can be measured side by side. */
#pragma once

#include "act/spec.h"
#include "classify/classifier.h"
#include "classify/llm_session.h"

/**
 * VelmAnswerer:
 * @name: as in tables
 * @taught: the parts that it was taught with and is not asked about; NULL-terminated, or NULL
 * @trust: as velm_fewshot_get_trust(), of the model's few-shot classifier; NaN of any other
 */
typedef struct {
  char *name;
  VelmClassifier *classifier;
  const char **taught;
  double trust;
} VelmAnswerer;

/**
 * @name: "fewshot", "cascade", "mllm", or "mllm" without parts of its prompt: "mllm-RI",
 * "mllm-ND-CS" (section 4, ablation)
 * @model, @spec (may be NULL), @params: outlive the answerer
 * @session: (inout): that all language models ask through: they share the server, the cache and
 * the budget; NULL before the first of them, which opens it
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE for an unknown name
 */
VelmAnswerer *velm_answerer_open(const char *name, VelmModel *model, const VelmSpec *spec,
                                 const VelmClassifierParams *params, VelmLlmSession **session,
                                 GError **error);
void velm_answerer_free(VelmAnswerer *answerer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmAnswerer, velm_answerer_free)

/** Whether @name is a language model's. */
gboolean velm_answerer_is_llm(const char *name);
