#include "evaluate/answerer.h"

#include "classify/cascade.h"
#include "classify/fewshot.h"
#include "classify/llm_calibration.h"

#include <math.h>
#include <string.h>

/* "mllm-RI-VP": all parts but those. FALSE where one is none. */
static gboolean read_parts(const char *name, VelmPromptParts *parts, GError **error) {
  g_auto(GStrv) words = g_strsplit(name, "-", -1);
  *parts = VELM_PROMPT_ALL;
  for (gsize i = 1; words[i]; i++) {
    VelmPromptParts part = 0;
    if (!velm_prompt_part_parse(words[i], &part, error)) {
      g_prefix_error(error, "classifier %s: ", name);
      return FALSE;
    }
    *parts &= ~part;
  }
  return TRUE;
}

gboolean velm_answerer_is_llm(const char *name) {
  return g_str_equal(name, "mllm") || g_str_has_prefix(name, "mllm-");
}

static VelmClassifier *open_mllm(const char *name, VelmModel *model, const VelmClasses *classes,
                                 const VelmClassifierParams *params, VelmLlmSession **session,
                                 GError **error) {
  VelmMllmParams mllm = velm_mllm_params_default();
  mllm.session = *session;
  if (!read_parts(name, &mllm.parts, error))
    return NULL;
  VelmClassifier *classifier = velm_mllm_open(model, classes, params, &mllm, error);
  if (classifier && !*session)
    *session = velm_llm_session_ref(velm_mllm_get_session(classifier));
  return classifier;
}

static VelmClassifier *open_cascade(VelmModel *model, const VelmClasses *classes,
                                    const VelmClassifierParams *params, VelmLlmSession **session,
                                    GError **error) {
  VelmMllmParams mllm = velm_mllm_params_default();
  mllm.session = *session;
  VelmClassifier *classifier = velm_cascade_open(model, classes, params, &mllm, error);
  if (classifier && !*session)
    *session = velm_llm_session_ref(velm_cascade_get_session(classifier));
  return classifier;
}

static VelmClassifier *open_classifier(const char *name, VelmModel *model,
                                       const VelmClasses *classes,
                                       const VelmClassifierParams *params, VelmLlmSession **session,
                                       GError **error) {
  if (velm_answerer_is_llm(name))
    return open_mllm(name, model, classes, params, session, error);
  if (g_str_equal(name, velm_classifier_cascade.name))
    return open_cascade(model, classes, params, session, error);
  return velm_classifier_open(name, model, classes, params, error);
}

/* Whether its answers rest on the parts that the model was taught: a language model may have been
 * shown them beside the part, or its probabilities fitted to them. */
static gboolean rests_on_taught(const char *name, VelmModel *model,
                                const VelmClassifierParams *params) {
  if (velm_answerer_is_llm(name))
    return params->examples > 0 || (model && velm_llm_calibration_has_temperature(model));
  return TRUE;
}

VelmAnswerer *velm_answerer_open(const char *name, VelmModel *model, const VelmSpec *spec,
                                 const VelmClassifierParams *params, VelmLlmSession **session,
                                 GError **error) {
  const VelmClasses *classes = spec ? velm_spec_get_classes(spec) : NULL;
  VelmClassifier *classifier = open_classifier(name, model, classes, params, session, error);
  if (!classifier)
    return NULL;
  VelmAnswerer *answerer = g_new0(VelmAnswerer, 1);
  answerer->name = g_strdup(name);
  answerer->classifier = classifier;
  if (rests_on_taught(name, model, params))
    answerer->taught = velm_model_get_strv(model, "taught.parts", NULL);
  answerer->trust = g_str_equal(name, velm_classifier_fewshot.name)
                        ? velm_fewshot_classifier_get_trust(classifier)
                        : NAN;
  return answerer;
}

void velm_answerer_free(VelmAnswerer *answerer) {
  if (!answerer)
    return;
  velm_classifier_free(answerer->classifier);
  g_free(answerer->taught);
  g_free(answerer->name);
  g_free(answerer);
}
