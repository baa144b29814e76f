/*
 * The order of the measures in a VelmSight, and what they share. Lengths are relative to the
 * image's scale s, the square root of its area. The logarithms are natural. Every measure is finite
 * for every image and mask; an empty mask stands for the whole image.
 */
#pragma once

#include "classify/sight.h"

/* Shape and place of one set of pixels: A of them, with a bounding box of w x h, in an image of W x
 * H. */
typedef enum {
  VELM_SHAPE_AREA,           /* log(A / WH) */
  VELM_SHAPE_WIDTH,          /* log(w / W) */
  VELM_SHAPE_HEIGHT,         /* log(h / H) */
  VELM_SHAPE_EXTENT,         /* A / wh */
  VELM_SHAPE_ELONGATION,     /* log of the ratio of the principal axes */
  VELM_SHAPE_AXIS,           /* 1 lies along the rows, -1 along the columns */
  VELM_SHAPE_DIAGONAL,       /* 1 lies along the falling diagonal, -1 along the rising */
  VELM_SHAPE_THICKNESS,      /* log(2 * largest distance to the outside / s) */
  VELM_SHAPE_MEAN_THICKNESS, /* log(2 * mean distance to the outside / s) */
  VELM_SHAPE_COMPACTNESS,    /* log(4 pi A / P^2), P being the number of boundary pixels */
  VELM_SHAPE_SOLIDITY,       /* A / area of the convex hull */
  VELM_SHAPE_FILL,           /* A / area with holes filled */
  VELM_SHAPE_CENTRE_X,       /* distance of the centroid to the image's centre: 0 to 1 */
  VELM_SHAPE_CENTRE_Y,
  VELM_SHAPE_SIDE_X, /* share of the left and right side that is touched */
  VELM_SHAPE_SIDE_Y, /* of top and bottom */
  VELM_SHAPE_SIDES,  /* number of sides touched */
  VELM_SHAPE_BORDER, /* log((distance of the bounding box to the nearest side + 1) / s) */
  VELM_N_SHAPE
} VelmShapeMeasure;

/* Shape of the largest component, then of the whole mask. */
enum {
  VELM_GEOMETRY_LARGEST = 0,
  VELM_GEOMETRY_UNION = VELM_N_SHAPE,
  VELM_GEOMETRY_COMPONENTS = 2 * VELM_N_SHAPE, /* log of their number, crumbs not counted */
  VELM_GEOMETRY_SHARE                          /* of the largest in the mask */
};
G_STATIC_ASSERT(VELM_GEOMETRY_SHARE + 1 == VELM_N_GEOMETRY);

/* Grey levels inside the mask against those of a ring about it; "contrast" is in units of the
   image's standard deviation. */
typedef enum {
  VELM_APPEARANCE_MEAN,      /* contrast of the means */
  VELM_APPEARANCE_MEDIAN,    /* contrast of the medians */
  VELM_APPEARANCE_GLOBAL,    /* contrast of the mean to the image's */
  VELM_APPEARANCE_LOW,       /* contrast of the 10th percentile to the ring's median */
  VELM_APPEARANCE_HIGH,      /* of the 90th */
  VELM_APPEARANCE_SPREAD,    /* log ratio of the standard deviations */
  VELM_APPEARANCE_RANK,      /* share of the image that is darker than the median */
  VELM_APPEARANCE_DARK,      /* share of the inside that is darker than nearly all of the ring */
  VELM_APPEARANCE_BRIGHT,    /* or brighter */
  VELM_APPEARANCE_EDGE,      /* log gradient at the mask's boundary, relative to the image's mean */
  VELM_APPEARANCE_INSIDE,    /* log gradient inside */
  VELM_APPEARANCE_RING,      /* log gradient in the ring */
  VELM_APPEARANCE_DIRECTION, /* log ratio of the gradients along rows and along columns, inside */
  VELM_APPEARANCE_RING_DIRECTION, /* in the ring */
  VELM_APPEARANCE_GRAIN           /* log ratio of fine texture, inside to ring */
} VelmAppearanceMeasure;
G_STATIC_ASSERT(VELM_APPEARANCE_GRAIN + 1 == VELM_N_APPEARANCE);

/* The change against the reference: the largest blob that is brighter or darker than anything near
   it there. A phase is what has the grey level that the blob has now (pattern or background). */
typedef enum {
  VELM_DIFFERENCE_ARCS,    /* where the blob touches its phase: 0 hole or island, 1 spur or bite, 2
                              bridge or break */
  VELM_DIFFERENCE_SAME,    /* share of its surroundings that has its phase */
  VELM_DIFFERENCE_CONTACT, /* 0, 1, or 2 for two or more arcs */
  VELM_DIFFERENCE_SIGN,    /* 1 brighter than the reference, -1 darker */
  VELM_DIFFERENCE_TOUCH,   /* components of its phase that it touches */
  VELM_DIFFERENCE_PHASE,   /* components of its phase more than in the reference */
  VELM_DIFFERENCE_OTHER,   /* components of the other phase more than in the reference */
  VELM_DIFFERENCE_AREA,    /* shape of the blob, as in VelmShapeMeasure */
  VELM_DIFFERENCE_ELONGATION,
  VELM_DIFFERENCE_THICKNESS,
  VELM_DIFFERENCE_EXTENT,
  VELM_DIFFERENCE_LENGTH,  /* log area less log thickness */
  VELM_DIFFERENCE_FOUND,   /* 1, or 0 and all above are 0 */
  VELM_DIFFERENCE_BALANCE, /* (brighter - darker) / both, of the pixels that differ */
  VELM_DIFFERENCE_SIGNED,  /* mean difference, in units of the reference's range */
  VELM_DIFFERENCE_ABSOLUTE /* mean of its magnitude */
} VelmDifferenceMeasure;
G_STATIC_ASSERT(VELM_DIFFERENCE_ABSOLUTE + 1 == VELM_N_DIFFERENCE);

/** Measures the pixels of @mask as one shape; zeros where there are none. */
void velm_measure_shape(const VelmMask *mask, float shape[VELM_N_SHAPE]);

/** Whether the planes and the mask that are compared have one size. @what: names the second */
gboolean velm_measure_check(const VelmPlane *grey, const char *what, int width, int height,
                            GError **error);
