/*
 * The classifier's interface: names what was marked (section 3.2). A classifier is one file and one
 * row in the table of classifier.c.
 */
#pragma once

#include "classify/classes.h"
#include "classify/llm_health.h"
#include "classify/spending.h"
#include "core/model.h"
#include "detect/inspection.h"

/* Where no class fits. */
#define VELM_CLASS_UNKNOWN "unknown"

/* Where a classifier was to answer and gave no answer that can be used. No classifier answers it.
 */
#define VELM_CLASS_UNCLASSIFIED "unclassified"

typedef struct _VelmClassifier VelmClassifier;

/* What a classifier may need besides the model and the classes. */
typedef VelmLlmParams VelmClassifierParams;

/**
 * VelmClassified: called once for a submitted record, in the caller's thread.
 * @error: (nullable): borrowed; why there is no answer. NULL: the classify part of @inspection is
 * filled
 */
typedef void (*VelmClassified)(VelmInspection *inspection, const GError *error, gpointer user_data);

/**
 * VelmClassifierServer: the server that a classifier asks, and how it is.
 * @name: "HOST:PORT"
 * @why: why it is not asked now; NULL where it is
 */
typedef struct {
  const char *name, *why;
  VelmLlmState state;
} VelmClassifierServer;

typedef struct {
  const char *name;
  /** @model, @classes (may be NULL) and the strings of @params outlive the classifier. */
  VelmClassifier *(*open)(VelmModel *model, const VelmClasses *classes,
                          const VelmClassifierParams *params, GError **error);
  /** Fills the classify part of @inspection, whose focus is set. NULL of one that has submit. */
  gboolean (*classify)(VelmClassifier *classifier, VelmInspection *inspection, GError **error);
  void (*free)(VelmClassifier *classifier);
  /* Of a classifier that waits for others, such as a server; NULL of all others. As the functions
   * below that have their names. */
  void (*submit)(VelmClassifier *classifier, VelmInspection *inspection, VelmClassified done,
                 gpointer user_data);
  gboolean (*iterate)(VelmClassifier *classifier, int wait_ms);
  void (*cancel)(VelmClassifier *classifier);
  guint (*capacity)(const VelmClassifier *classifier);
  /* Of one that spends. */
  const VelmSpending *(*spending)(const VelmClassifier *classifier);
  /* Of one that asks a server. */
  gboolean (*watch)(VelmClassifier *classifier, VelmClassifierServer *server);
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

/**
 * Starts to classify @inspection, which stays as it is, but for its features, until @done is
 * called: by this function, or by velm_classifier_iterate(). All that is needed of the features is
 * taken before this function returns.
 */
void velm_classifier_submit(VelmClassifier *classifier, VelmInspection *inspection,
                            VelmClassified done, gpointer user_data);
/** Goes on with what was submitted, for @wait_ms at the longest where nothing happens. Returns:
 * whether anything is not done yet. */
gboolean velm_classifier_iterate(VelmClassifier *classifier, int wait_ms);
/** Gives up what was submitted and is not done: @done is told VELM_ERROR_CANCELLED. */
void velm_classifier_cancel(VelmClassifier *classifier);
/** How many records are worth having submitted at a time; 1 for one that answers at once. */
guint velm_classifier_capacity(const VelmClassifier *classifier);
/** The account of what was asked of language models; NULL where none was asked. Borrowed. */
const VelmSpending *velm_classifier_get_spending(const VelmClassifier *classifier);
/** Looks for the server that the classifier asks, where that is due, without waiting; to be called
 * every so often. @server: (out): what is in it is borrowed until the next call. Returns: FALSE
 * where it asks none. */
gboolean velm_classifier_watch(VelmClassifier *classifier, VelmClassifierServer *server);
/** Cancels first. */
void velm_classifier_free(VelmClassifier *classifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmClassifier, velm_classifier_free)
