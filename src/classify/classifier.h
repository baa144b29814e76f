/*
 * The classifier's interface: names what was marked (section 3.2). A classifier is one file and one
 * row in the table of classifier.c.
 */
#pragma once

#include "classify/classes.h"
#include "core/model.h"
#include "detect/inspection.h"

/* Where no class fits. */
#define VELM_CLASS_UNKNOWN "unknown"

typedef struct _VelmClassifier VelmClassifier;

/**
 * What a classifier may need besides the model and the classes.
 * @endpoint: base URL of an OpenAI-compatible server; NULL for the environment's OPENAI_BASE_URL
 * @llm: its model's name; NULL for the server's first
 */
typedef struct {
  const char *endpoint;
  const char *llm;
} VelmClassifierParams;

typedef struct {
  const char *name;
  /** @model, @classes (may be NULL) and the strings of @params outlive the classifier. */
  VelmClassifier *(*open)(VelmModel *model, const VelmClasses *classes,
                          const VelmClassifierParams *params, GError **error);
  /** Fills the classify part of @inspection, whose focus is set. */
  gboolean (*classify)(VelmClassifier *classifier, VelmInspection *inspection, GError **error);
  void (*free)(VelmClassifier *classifier);
} VelmClassifierClass;

/* The head of every classifier's own struct. */
struct _VelmClassifier {
  const VelmClassifierClass *klass;
};

/** The classifier named @name, or NULL. */
const VelmClassifierClass *velm_classifier_find(const char *name);

/** Opens the classifier @name; an unknown name is VELM_ERROR_USAGE and says which there are. */
VelmClassifier *velm_classifier_open(const char *name, VelmModel *model, const VelmClasses *classes,
                                     const VelmClassifierParams *params, GError **error);
gboolean velm_classifier_classify(VelmClassifier *classifier, VelmInspection *inspection,
                                  GError **error);
void velm_classifier_free(VelmClassifier *classifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmClassifier, velm_classifier_free)
