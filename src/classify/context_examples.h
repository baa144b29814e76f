/*
 * A handful of labelled images that the model carries, for a language model to be shown beside the
 * part (examples in context): up to three of each class, with what is of the class outlined in red.
 */
#pragma once

#include "classify/examples.h"
#include "classify/prompt.h"
#include "dataset/dataset.h"
#include "detect/detector.h"

/* Images kept of a class at most, and the bytes that those of all classes may take. */
#define VELM_CONTEXT_EXAMPLES_MAX 3
#define VELM_CONTEXT_EXAMPLES_MAX_BYTES (4 * 1000 * 1000)

/* As read from a model. Nothing changes it, so any number of threads may use it. */
typedef struct _VelmContextExamples VelmContextExamples;

/**
 * Writes examples of the classes @keys (NULL-terminated) to @model, in place of those that it has
 * and that do not stay: the first of every class, then the second ones, while there is room. A
 * class has different parts before it has a part's second view. The outline is that of the mask,
 * or, where there is none or it is empty, of what @detector marks.
 * @samples: (element-type VelmSample): those of a class are taken in their order
 * @staying: (nullable) (element-type VelmSeen): examples that the model's are of which stay: those
 * of the same class and part; they come before @samples. NULL: none
 */
gboolean velm_context_examples_store(VelmModel *model, VelmDetector *detector,
                                     const GPtrArray *samples, const char *const *keys,
                                     const GPtrArray *staying, GError **error);

/**
 * @model: need not outlive the result; may be NULL where @per_class is 0
 * @per_class: examples of each class that a prompt shows at most; 0 for none
 * Returns: (transfer full): NULL with VELM_ERROR_MODEL where examples are wanted and @model has
 * none, or they cannot be read
 */
VelmContextExamples *velm_context_examples_open(VelmModel *model, guint per_class, GError **error);

/**
 * The examples to show beside @part, as many of each class as were asked for.
 * @part: the part that is asked about, no example of which is among them; NULL where it is not
 * known
 * Returns: (transfer full): of VelmPromptExample, which @examples must outlive
 */
GArray *velm_context_examples_list(const VelmContextExamples *examples, const char *part);

void velm_context_examples_free(VelmContextExamples *examples);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmContextExamples, velm_context_examples_free)
