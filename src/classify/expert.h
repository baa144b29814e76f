/*
 * One kind of evidence and who judges by it. A new kind is a row in the table of expert.c.
 */
#pragma once

#include "classify/logistic.h"
#include "classify/part_gaussian.h"
#include "classify/sight.h"

typedef enum {
  VELM_EXPERT_GEOMETRY,
  VELM_EXPERT_APPEARANCE,
  VELM_EXPERT_PATCH,
  VELM_EXPERT_CROP_EARLY,
  VELM_EXPERT_CROP_LATE,
  VELM_EXPERT_DIFFERENCE,
  VELM_N_EXPERTS
} VelmExpertKind;

/** Its name in the model. */
const char *velm_expert_name(VelmExpertKind kind);

/** Its weight before anything is learnt; @detected: regions are the detector's. */
double velm_expert_prior(VelmExpertKind kind, gboolean detected);

/**
 * What it takes of @sight.
 * @view: 0 for the sight as it is, more for its flips
 * @d: (out): how many numbers
 * Returns: (borrowed) (nullable): NULL where @sight has no such evidence, or not so many views
 */
const float *velm_expert_input(VelmExpertKind kind, const VelmSight *sight, int view, guint *d);

/* The views of all examples by one kind of evidence. */
typedef struct {
  VelmExpertKind kind;
  guint d;
  GArray *taught;  /* of VelmView: all that is learnt from */
  VelmView *shown; /* one an example, as sights will be shown */
} VelmLesson;

typedef struct {
  VelmExpertKind kind;
  VelmLogistic *logistic;     /* one of the two */
  VelmPartGaussian *gaussian; /* is not NULL */
} VelmExpert;

VelmExpert *velm_expert_learn(const VelmLesson *lesson, const VelmShots *shots);

/** @log_p: (out): one a class. Returns: FALSE where @sight lacks the evidence. */
gboolean velm_expert_predict(const VelmExpert *expert, const VelmSight *sight, double *log_p);

/**
 * What experts that learnt without a fold's examples say of these.
 * Returns: (transfer full): a row an example of one number a class
 */
double *velm_expert_hold_out(const VelmLesson *lesson, const VelmShots *shots,
                             const GPtrArray *folds);

/** Under "PREFIX.NAME". */
void velm_expert_store(const VelmExpert *expert, VelmModel *model, const char *prefix);
gboolean velm_expert_is_stored(VelmExpertKind kind, VelmModel *model, const char *prefix);
VelmExpert *velm_expert_restore(VelmExpertKind kind, VelmModel *model, const char *prefix,
                                guint n_classes, GError **error);
void velm_expert_free(VelmExpert *expert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmExpert, velm_expert_free)
