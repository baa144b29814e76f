/* Labelled images as the few-shot classifier's examples: seen through their ground-truth masks and
 * through the detector's regions. */
#pragma once

#include "classify/fewshot.h"
#include "dataset/dataset.h"
#include "detect/detector.h"

/* One labelled image as it was seen; the image itself is not needed any more. */
typedef struct {
  char *label, *part;
  char *digest;        /* of the image (detect/image_digest.h); NULL where nobody will ask */
  VelmSight *given;    /* NULL where there is no mask */
  VelmSight *detected; /* NULL where only the mask was to be looked through */
} VelmSeen;

/** Returns: (transfer full): nothing is seen yet. */
VelmSeen *velm_seen_new(const char *label, const char *part);
void velm_seen_free(VelmSeen *seen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSeen, velm_seen_free)

/**
 * Looks at the image of @inspection, which the detector has scored, in both ways. Marks it as it
 * goes: in the end the record holds the detector's regions.
 * @detected: look through these even where there is a mask; only what learns or answers with
 * @detected (velm_fewshot_learn()) asks for it
 */
VelmSeen *velm_examples_see(VelmSightNet *net, VelmInspection *inspection, const VelmSample *sample,
                            gboolean detected, GError **error);

/**
 * Loads, scores and looks at each of @samples, and takes its digest.
 * Returns: (transfer full) (element-type VelmSeen)
 */
GPtrArray *velm_examples_collect(VelmDetector *detector, const GPtrArray *samples,
                                 VelmProgress progress, gpointer progress_data, GError **error);

/**
 * Learns from @seen (of VelmSeen) the classes @class_names (NULL-terminated); images of other
 * labels are left out.
 * @detected: as for velm_fewshot_learn()
 */
VelmFewshot *velm_examples_learn(const GPtrArray *seen, const char *const *class_names,
                                 gboolean detected, GError **error);

/**
 * Sets the level of trust of @fewshot, which was learnt from @seen, by @accuracy
 * (velm_trust_level()). Takes several times as long as learning.
 */
void velm_examples_set_trust(const GPtrArray *seen, VelmFewshot *fewshot, double accuracy);
