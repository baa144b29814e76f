/* Principal directions of a set of images. */
#pragma once

#include <glib.h>

/**
 * The directions of the largest second moment (about 0, not about the mean) of @rows, found by
 * power iteration with deflation: the leading eigenvectors of the products of all rows with all
 * rows.
 * @rows: @n rows of @dims floats
 * @max: how many at most
 * @min_share: of the rows: a direction in which a smaller share of them lies is left out. The share
 *   is 1 / (n sum u^4) for the rows' coordinates u of squared length 1: about a third where all
 *   rows differ in it by chance, g / n where g rows alone do.
 * Returns: (transfer full) (element-type float): each of @dims floats, orthonormal; the same for
 *   the same rows
 */
GPtrArray *velm_principal_directions(float *const *rows, gsize n, gsize dims, gsize max,
                                     double min_share);
