/* The points of a curve that is drawn, thinned; areas are always of the whole curve. */
#pragma once

#include <glib.h>

/* A curve keeps about as many points: one where x + y has moved on by a 250th or more. */
#define VELM_CURVE_POINTS 500

/* By rising x, and by rising y where x is the same. */
typedef struct {
  gsize n;
  double *x, *y; /* n */
} VelmCurvePoints;

VelmCurvePoints *velm_curve_points_new(void);
void velm_curve_points_append(VelmCurvePoints *points, double x, double y);
/** Puts the points in order, whatever order they came in. */
void velm_curve_points_sort(VelmCurvePoints *points);
/** Whether a curve that came from @before, a sum of x and y, to @after is due a point. */
gboolean velm_curve_points_due(double before, double after);
void velm_curve_points_free(VelmCurvePoints *points);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCurvePoints, velm_curve_points_free)
