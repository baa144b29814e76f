/* What a model holds, for a person. */
#include "act/teach.h"
#include "classify/classifier.h"
#include "classify/llm_calibration.h"
#include "detect/detector.h"

static void describe_trust(VelmModel *model, GString *text) {
  double trust = 0;
  if (velm_model_has(model, "fewshot.trust") &&
      velm_model_get_double(model, "fewshot.trust", &trust, NULL))
    g_string_append_printf(text, "trust: its answers stand alone from a confidence of %.3g\n",
                           trust);
  else
    g_string_append(text, "trust: none, none of its answers stands alone in a cascade\n");
}

static void describe_examples(VelmModel *model, GString *text) {
  guint n = velm_model_count_examples(model);
  if (n > 0)
    g_string_append_printf(text, "examples: %u kept, which velm teach --add learns from too\n", n);
  else
    g_string_append(text, "examples: none kept, so that velm teach --add cannot be used\n");
}

static void describe_classes(VelmModel *model, GString *text) {
  g_autofree const char **names = velm_model_get_strv(model, "fewshot.classes", NULL);
  g_autofree char *joined = names ? g_strjoinv(", ", (char **)names) : NULL;
  if (joined) {
    g_string_append_printf(text, "taught: %s\n", joined);
    describe_trust(model, text);
    describe_examples(model, text);
  } else {
    g_string_append(text, "taught: nothing yet (velm teach)\n");
  }
}

static void describe_llm(VelmModel *model, GString *text) {
  g_autoptr(VelmLlmCalibration) calibration = velm_llm_calibration_restore(model, NULL);
  if (calibration)
    velm_llm_calibration_describe(calibration, text);
}

char *velm_model_describe(VelmModel *model) {
  GString *text = g_string_new(NULL);
  const char *name = velm_model_get_string(model, "detector", NULL);
  const VelmDetectorClass *klass = name ? velm_detector_find(name) : NULL;
  g_string_append_printf(text, "detector: %s\n", name ? name : "none");
  if (klass)
    klass->describe(model, text);
  describe_classes(model, text);
  describe_llm(model, text);
  return g_string_free(text, FALSE);
}
