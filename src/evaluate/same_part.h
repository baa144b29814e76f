/*
 * Which images show the same part, by its texture (part_texture.h): photographs of one part under
 * another light, moved by up to a quarter of the image, turned by up to some degrees, or a little
 * nearer.
 *
 * Two images are held against each other by their phase-only correlation (Kuglin and Hines, 1975):
 * the height of its peak over the root mean square of its surface, 64 for an image and itself, 3 to
 * 4 for images that have nothing in common, whatever they show. How high it gets by chance and by
 * what parts of this product share is read off the images themselves: most pairs show different
 * parts, so the median, the upper quarter and the upper tenth of an image's peaks against all
 * others are those of different parts, and the wider of the exponential tails through them, after
 * Fisher's transformation, says which height not one pair of the whole set is expected to reach. A
 * pair is the same part where it lies over this bound of both its images and of the set. An image
 * that resembles many others so has a high bound of its own. It takes about ten parts: where a
 * tenth of an image's pairs show its own part, that is taken for what different parts share.
 */
#pragma once

#include "dataset/dataset.h"

/**
 * Two images.
 * @a, @b: places in the array of samples, @a before @b
 * @strength: of a part: 1 - bound / peak, both transformed, from 0 for one at the bound to under 1;
 *   of near duplicates: the correlation of their grey levels, up to 1
 */
typedef struct {
  guint a, b;
  double strength;
} VelmSamePair;

/**
 * @same: of VelmSamePair, the strongest first
 * @near_duplicates: likewise: images of the same proportions whose pixels are almost the same;
 *   those with exactly the same pixels are among them. They may be among @same or not.
 * @n_plain: images with too little in them to tell a part by (blank, one edge): none of them is in
 *   @same
 * @n_compared: images that were compared; fewer than VELM_SAME_PART_MIN_IMAGES give no pair
 */
typedef struct {
  GArray *same;
  GArray *near_duplicates;
  guint n_plain, n_compared;
} VelmSameParts;

/* With fewer, nothing is known of what different parts have in common. */
#define VELM_SAME_PART_MIN_IMAGES 12

/**
 * Compares every image with every other: about a minute for 1,000 images on two cores, four times
 * as long for twice as many. Images that cannot be decoded are passed over.
 * @samples: of VelmSample
 * @has_groups: images of one group are known to show one part: what different parts have in common
 *   is then read off the other pairs alone
 * @progress: may be NULL; its stages are "reading images" and "comparing images"
 * Returns: (transfer full): NULL with VELM_ERROR_CANCELLED, or VELM_ERROR_USAGE where there are
 *   more images than memory allows
 */
VelmSameParts *velm_same_part_find(const GPtrArray *samples, gboolean has_groups,
                                   VelmProgress progress, gpointer progress_data, GError **error);

void velm_same_parts_free(VelmSameParts *parts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSameParts, velm_same_parts_free)
