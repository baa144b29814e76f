/*
 * Connected components of a mask, by union-find. Not by vips_labelregions(): it knows only the four
 * neighbours, and a thin diagonal scratch is one defect.
 */
#pragma once

#include "core/image.h"

/* @sizes[label - 1] is the number of pixels of a component. */
typedef struct {
  int n;
  gint32 *labels; /* one a pixel: 0 outside the mask, then 1 to @n in the order of first pixels */
  gsize *sizes;   /* n */
} VelmComponents;

/** @diagonal: pixels that touch at a corner are connected (eight neighbours, else four) */
VelmComponents *velm_components_find(const VelmMask *mask, gboolean diagonal);

/** Label of the largest component (the first of equals), or 0 where there is none. */
gint32 velm_components_largest(const VelmComponents *components);

/** Number of components with at least @min_size pixels. */
int velm_components_count(const VelmComponents *components, double min_size);

/** The pixels of one component of @mask, which was labelled as @components. */
VelmMask *velm_components_extract(const VelmComponents *components, const VelmMask *mask,
                                  gint32 label);

void velm_components_free(VelmComponents *components);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmComponents, velm_components_free)
