/*
 * The unknown rule: a sight is of no class taught where it is farther from all examples than these
 * are from other parts of their own class.
 */
#pragma once

#include "classify/shots.h"
#include "classify/standardise.h"

/* Kinds of evidence that one rule looks at, at most. */
#define VELM_NOVELTY_BLOCKS 2

typedef struct _VelmNovelty VelmNovelty;

/**
 * @blocks: n_blocks arrays of one view an example, in the order of @shots; @d: numbers in each
 * Returns: (transfer full) (nullable): NULL where too few examples have another part of their class
 *   beside them to say how far those lie apart: nothing is then unknown
 */
VelmNovelty *velm_novelty_learn(const VelmView *const *blocks, const guint *d, guint n_blocks,
                                const VelmShots *shots);

/** @blocks: one array of numbers a block. */
gboolean velm_novelty_is_unknown(const VelmNovelty *novelty, const float *const *blocks);

guint velm_novelty_get_n_blocks(const VelmNovelty *novelty);
guint velm_novelty_get_size(const VelmNovelty *novelty, guint block);

void velm_novelty_store(const VelmNovelty *novelty, VelmModel *model, const char *prefix);
/** Returns: (transfer full): NULL with VELM_ERROR_MODEL. */
VelmNovelty *velm_novelty_restore(VelmModel *model, const char *prefix, guint n_blocks,
                                  GError **error);
void velm_novelty_free(VelmNovelty *novelty);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNovelty, velm_novelty_free)
