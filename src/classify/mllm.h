/*
 * Classification by a multimodal language model behind an OpenAI-compatible server (section 3.2),
 * many records at a time. A row of classifier.c's table; the rest of this header is for ablations
 * and tests.
 *
 * What a server lacks is found out by asking: where it refuses log-probabilities or a JSON schema,
 * it is asked without from then on. An answer that cannot be used is asked for once more, with a
 * word on it; then there is none, and the part is held. An answer that the cache has is not asked
 * for again.
 */
#pragma once

#include "classify/classifier.h"
#include "classify/llm_session.h"
#include "classify/prompt.h"

extern const VelmClassifierClass velm_classifier_mllm;

/**
 * VelmMllmParams: start from velm_mllm_params_default().
 * @parts: of the prompt
 * @http: limits of the transport; its bearer and error_code are set by the classifier, in_flight
 * and ca_file where VelmClassifierParams name them
 * @session: shared with other prompts; NULL for one of its own, by the VelmClassifierParams and
 * @http
 */
typedef struct {
  VelmPromptParts parts;
  VelmLlmSession *session;
  VelmHttpParams http;
} VelmMllmParams;

VelmMllmParams velm_mllm_params_default(void);

/**
 * As velm_classifier_mllm.open, with @mllm besides.
 * @model: may be NULL: the prompt then has no reference of the model's
 * Returns: (transfer full): free by its class; NULL with VELM_ERROR_USAGE, VELM_ERROR_MODEL,
 * VELM_ERROR_FILE or VELM_ERROR_SPEC
 */
VelmClassifier *velm_mllm_open(VelmModel *model, const VelmClasses *classes,
                               const VelmClassifierParams *params, const VelmMllmParams *mllm,
                               GError **error);

/** The session of one that velm_mllm_open() opened, for others to share. Borrowed. */
VelmLlmSession *velm_mllm_get_session(VelmClassifier *classifier);
