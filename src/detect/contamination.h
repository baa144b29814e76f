/* Training images that do not belong: defects among the good ones. */
#pragma once

#include <glib.h>

/**
 * Finds images whose held-back scores stand out, by the median and the median absolute deviation
 * (MAD) of the scores' logarithms, which some defects among the images hardly move.
 * @scores: the score of each image by banks that do not know its part
 * @levels: the median of each image's score map. A defect is a place: its score stands out of the
 * image's own level too, where that of another light does not
 * @most: at most so many are found, those that stand out most
 * @found: (out): TRUE for each of the @n images that was found
 * Returns: how many these are
 */
gsize velm_contamination_find(const float *scores, const float *levels, gsize n, gsize most,
                              gboolean *found);
