#include "evaluate/answerer.h"

#include "classify/mllm.h"

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

/* A model that was taught before there was such a level has none: no answer stands alone. */
static double trust_of(VelmModel *model) {
  double trust = INFINITY;
  if (velm_model_has(model, "fewshot.trust"))
    velm_model_get_double(model, "fewshot.trust", &trust, NULL);
  return trust;
}

VelmAnswerer *velm_answerer_open(const char *name, VelmModel *model, const VelmSpec *spec,
                                 const VelmClassifierParams *params, VelmLlmSession **session,
                                 GError **error) {
  const VelmClasses *classes = spec ? velm_spec_get_classes(spec) : NULL;
  VelmClassifier *classifier = velm_answerer_is_llm(name)
                                   ? open_mllm(name, model, classes, params, session, error)
                                   : velm_classifier_open(name, model, classes, params, error);
  if (!classifier)
    return NULL;
  VelmAnswerer *answerer = g_new0(VelmAnswerer, 1);
  answerer->name = g_strdup(name);
  answerer->classifier = classifier;
  answerer->trust = NAN;
  if (g_str_equal(name, "fewshot")) {
    answerer->taught = velm_model_get_strv(model, "taught.parts", NULL);
    answerer->trust = trust_of(model);
  }
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
