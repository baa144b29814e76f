#include "classify/cascade.h"

#include "classify/fewshot.h"

#include <math.h>

typedef struct {
  VelmClassifier head;
  VelmClassifier *fewshot, *mllm;
  VelmLlmSession *session; /* mllm's */
  double trust;
} Cascade;

/* The classify part of a record. */
typedef struct {
  char *class_name;
  double confidence;
  char **class_names;
  double *probabilities;
  char *classifier;
} Opinion;

/* A record that the language model is asked about. */
typedef struct {
  VelmClassified done;
  gpointer user_data;
  Opinion fewshot;
  char *doubt; /* why few-shot's answer does not stand alone */
} Passage;

/* ---- opinions ---- */

static Opinion opinion_take(VelmInspection *inspection) {
  return (Opinion){.class_name = g_steal_pointer(&inspection->class_name),
                   .confidence = inspection->confidence,
                   .class_names = g_steal_pointer(&inspection->class_names),
                   .probabilities = g_steal_pointer(&inspection->probabilities),
                   .classifier = g_steal_pointer(&inspection->classifier)};
}

static void opinion_give(Opinion *opinion, VelmInspection *inspection) {
  velm_inspection_clear_class(inspection);
  inspection->class_name = g_steal_pointer(&opinion->class_name);
  inspection->confidence = opinion->confidence;
  inspection->class_names = g_steal_pointer(&opinion->class_names);
  inspection->probabilities = g_steal_pointer(&opinion->probabilities);
  inspection->classifier = g_steal_pointer(&opinion->classifier);
}

static void opinion_clear(Opinion *opinion) {
  g_free(opinion->class_name);
  g_strfreev(opinion->class_names);
  g_free(opinion->probabilities);
  g_free(opinion->classifier);
}

/* ---- whom to believe ---- */

static char *number(double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return g_strdup(g_ascii_formatd(text, sizeof text, "%.3g", value));
}

/*
 * Why few-shot's answer does not stand alone; NULL where it does, and @why says so.
 * @why: (out) (transfer full)
 */
static char *doubt(const Cascade *cascade, const VelmInspection *inspection, char **why) {
  g_autofree char *confidence = number(inspection->confidence);
  g_autofree char *trust = number(cascade->trust);
  if (!inspection->class_name)
    return g_strdup("fewshot had nothing to name");
  if (g_str_equal(inspection->class_name, VELM_CLASS_UNKNOWN))
    return g_strdup("fewshot knows no class that fits");
  if (!isfinite(cascade->trust))
    return g_strdup_printf("fewshot's confidence is %s, and none was found to be enough when it "
                           "was taught",
                           confidence);
  if (inspection->confidence < cascade->trust)
    return g_strdup_printf("fewshot's confidence %s is below %s", confidence, trust);
  *why = g_strdup_printf("fewshot's confidence %s is at least %s", confidence, trust);
  return NULL;
}

static void fall_back(VelmInspection *inspection, const char *doubted, const char *failure) {
  inspection->stage_reason =
      g_strdup_printf("%s, but the language model gave no answer: %s", doubted, failure);
  inspection->fallback = TRUE;
}

static void passage_free(Passage *passage) {
  opinion_clear(&passage->fewshot);
  g_free(passage->doubt);
  g_free(passage);
}

static void answered(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Passage *passage = user_data;
  gboolean cancelled = error && g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED);
  gboolean falls_back = error && !cancelled && passage->fewshot.class_name;
  if (falls_back) {
    opinion_give(&passage->fewshot, inspection);
    fall_back(inspection, passage->doubt, error->message);
  } else if (!error) {
    inspection->stage_reason = g_steal_pointer(&passage->doubt);
  }
  passage->done(inspection, falls_back ? NULL : error, passage->user_data);
  passage_free(passage);
}

static void cascade_submit(VelmClassifier *classifier, VelmInspection *inspection,
                           VelmClassified done, gpointer user_data) {
  Cascade *cascade = (Cascade *)classifier;
  g_autoptr(GError) error = NULL;
  g_autofree char *why = NULL;
  if (!velm_classifier_classify(cascade->fewshot, inspection, &error)) {
    done(inspection, error, user_data);
    return;
  }
  g_autofree char *doubted = doubt(cascade, inspection, &why);
  if (!doubted) {
    inspection->stage_reason = g_steal_pointer(&why);
    done(inspection, NULL, user_data);
    return;
  }
  /* The first part that is in doubt waits until it is known whether the server is there. */
  if (!velm_llm_session_is_there(cascade->session)) {
    fall_back(inspection, doubted, velm_llm_health_why(cascade->session->health));
    done(inspection, NULL, user_data);
    return;
  }
  Passage *passage = g_new(Passage, 1);
  *passage = (Passage){done, user_data, opinion_take(inspection), g_steal_pointer(&doubted)};
  velm_classifier_submit(cascade->mllm, inspection, answered, passage);
}

/* ---- the classifier ---- */

static gboolean cascade_iterate(VelmClassifier *classifier, int wait_ms) {
  return velm_classifier_iterate(((Cascade *)classifier)->mllm, wait_ms);
}

static void cascade_cancel(VelmClassifier *classifier) {
  velm_classifier_cancel(((Cascade *)classifier)->mllm);
}

static guint cascade_capacity(const VelmClassifier *classifier) {
  return velm_classifier_capacity(((const Cascade *)classifier)->mllm);
}

static const VelmSpending *cascade_spending(const VelmClassifier *classifier) {
  return velm_classifier_get_spending(((const Cascade *)classifier)->mllm);
}

static gboolean cascade_watch(VelmClassifier *classifier, VelmClassifierServer *server) {
  return velm_classifier_watch(((Cascade *)classifier)->mllm, server);
}

static void cascade_free(VelmClassifier *classifier) {
  Cascade *cascade = (Cascade *)classifier;
  velm_classifier_free(cascade->mllm);
  velm_classifier_free(cascade->fewshot);
  g_free(cascade);
}

VelmClassifier *velm_cascade_open(VelmModel *model, const VelmClasses *classes,
                                  const VelmClassifierParams *params, const VelmMllmParams *mllm,
                                  GError **error) {
  Cascade *cascade = g_new0(Cascade, 1);
  cascade->head.klass = &velm_classifier_cascade;
  cascade->fewshot = velm_classifier_fewshot.open(model, classes, params, error);
  if (cascade->fewshot)
    cascade->mllm = velm_mllm_open(model, classes, params, mllm, error);
  if (!cascade->mllm) {
    cascade_free(&cascade->head);
    return NULL;
  }
  cascade->trust = velm_fewshot_classifier_get_trust(cascade->fewshot);
  cascade->session = velm_mllm_get_session(cascade->mllm);
  if (!cascade->session->offline)
    velm_llm_health_check(cascade->session->health); /* goes on while parts are looked at */
  return &cascade->head;
}

VelmLlmSession *velm_cascade_get_session(VelmClassifier *classifier) {
  return ((Cascade *)classifier)->session;
}

static VelmClassifier *cascade_open(VelmModel *model, const VelmClasses *classes,
                                    const VelmClassifierParams *params, GError **error) {
  VelmMllmParams mllm = velm_mllm_params_default();
  return velm_cascade_open(model, classes, params, &mllm, error);
}

const VelmClassifierClass velm_classifier_cascade = {.name = "cascade",
                                                     .open = cascade_open,
                                                     .free = cascade_free,
                                                     .submit = cascade_submit,
                                                     .iterate = cascade_iterate,
                                                     .cancel = cascade_cancel,
                                                     .capacity = cascade_capacity,
                                                     .spending = cascade_spending,
                                                     .watch = cascade_watch};
