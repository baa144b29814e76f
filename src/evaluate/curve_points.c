#include "evaluate/curve_points.h"

#include <math.h>

VelmCurvePoints *velm_curve_points_new(void) { return g_new0(VelmCurvePoints, 1); }

void velm_curve_points_append(VelmCurvePoints *points, double x, double y) {
  if ((points->n & (points->n - 1)) == 0) { /* at the powers of two */
    points->x = g_renew(double, points->x, MAX(1, 2 * points->n));
    points->y = g_renew(double, points->y, MAX(1, 2 * points->n));
  }
  points->x[points->n] = x;
  points->y[points->n++] = y;
}

typedef struct {
  double x, y;
} Point;

static int compare_points(const void *a, const void *b) {
  const Point *p = a, *q = b;
  int by_x = (p->x > q->x) - (p->x < q->x);
  return by_x ? by_x : (p->y > q->y) - (p->y < q->y);
}

void velm_curve_points_sort(VelmCurvePoints *points) {
  g_autofree Point *sorted = g_new(Point, points->n + 1);
  for (gsize i = 0; i < points->n; i++)
    sorted[i] = (Point){points->x[i], points->y[i]};
  qsort(sorted, points->n, sizeof *sorted, compare_points);
  for (gsize i = 0; i < points->n; i++) {
    points->x[i] = sorted[i].x;
    points->y[i] = sorted[i].y;
  }
}

gboolean velm_curve_points_due(double before, double after) {
  const double steps = VELM_CURVE_POINTS / 2.0;
  return floor(after * steps) > floor(before * steps);
}

void velm_curve_points_free(VelmCurvePoints *points) {
  if (!points)
    return;
  g_free(points->x);
  g_free(points->y);
  g_free(points);
}
