/*
 * What was seen of the examples, kept in the model: whoever teaches it more learns from these too,
 * without their images.
 */
#pragma once

#include "classify/examples.h"
#include "core/model.h"

/** Writes @seen (of VelmSeen, each with its digest) to @model, in place of what it has. */
void velm_examples_store(const GPtrArray *seen, VelmModel *model);

/**
 * Reads them back, to the last bit.
 * Returns: (transfer full) (element-type VelmSeen): NULL with VELM_ERROR_MODEL where @model has
 * none or is damaged
 */
GPtrArray *velm_examples_restore(VelmModel *model, GError **error);

/** How many examples @model has. */
guint velm_examples_count(VelmModel *model);

/** Returns: (transfer full) (element-type utf8 guint): how many it has of each label. */
GHashTable *velm_examples_count_classes(VelmModel *model);
