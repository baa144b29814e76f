#include "classify/components.h"
#include "classify/measure.h"
#include "classify/morphology.h"

#include <math.h>
#include <string.h>

/* A component of less than this share of the largest is a crumb. */
#define CRUMB 0.02

/* A pixel nearer to a side than this share of the scale touches it. */
#define SIDE_BAND 0.01

/* ---- moments ---- */

/* Variance of a pixel along each axis: it is a square, not a point. */
#define PIXEL_VARIANCE (1.0 / 12)

typedef struct {
  double n, x, y, xx, yy, xy; /* number, means, covariances of the squares' area */
} Moments;

/* The coordinates are those of @cut. */
static Moments moments_of(const VelmMask *cut) {
  double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (int y = 0; y < cut->height; y++) {
    const guint8 *row = cut->values + (gsize)y * (gsize)cut->width;
    double row_n = 0, row_x = 0, row_xx = 0;
    for (int x = 0; x < cut->width; x++)
      if (row[x]) {
        row_n++;
        row_x += x;
        row_xx += (double)x * x;
      }
    n += row_n;
    sx += row_x;
    sxx += row_xx;
    sy += row_n * y;
    syy += row_n * y * y;
    sxy += row_x * y;
  }
  double x = sx / n, y = sy / n;
  return (Moments){
      n, x, y, sxx / n - x * x + PIXEL_VARIANCE, syy / n - y * y + PIXEL_VARIANCE, sxy / n - x * y};
}

static void measure_axes(const Moments *m, float *shape) {
  double sum = m->xx + m->yy, difference = m->xx - m->yy;
  double root = sqrt(difference * difference + 4 * m->xy * m->xy);
  double large = (sum + root) / 2, small = MAX((sum - root) / 2, PIXEL_VARIANCE);
  shape[VELM_SHAPE_ELONGATION] = (float)(0.5 * log(large / small));
  shape[VELM_SHAPE_AXIS] = (float)(difference / sum);
  shape[VELM_SHAPE_DIAGONAL] = (float)(2 * m->xy / sum);
}

/* ---- boundary and inside ---- */

/* @padded: the shape with a frame of one pixel that is not set. */
static double count_boundary(const VelmMask *padded) {
  gsize width = (gsize)padded->width;
  double count = 0;
  for (gsize y = 1; y + 1 < (gsize)padded->height; y++)
    for (gsize x = 1; x + 1 < width; x++) {
      const guint8 *at = padded->values + y * width + x;
      count += at[0] && !(at[-1] && at[1] && at[-(gssize)width] && at[width]);
    }
  return count;
}

static void measure_thickness(const VelmMask *padded, double scale, float *shape) {
  g_autoptr(VelmMask) outside = velm_mask_invert(padded);
  g_autoptr(VelmPlane) distance = velm_morphology_distance(outside);
  gsize n = (gsize)padded->width * (gsize)padded->height;
  double largest = 0, sum = 0, count = 0;
  for (gsize i = 0; i < n; i++)
    if (padded->values[i]) {
      largest = MAX(largest, (double)distance->values[i]);
      sum += (double)distance->values[i];
      count++;
    }
  shape[VELM_SHAPE_THICKNESS] = (float)log(2 * largest / scale);
  shape[VELM_SHAPE_MEAN_THICKNESS] = (float)log(2 * sum / count / scale);
}

/* Pixels of the shape and of its holes: what the frame is not connected to. */
static double filled_area(const VelmMask *padded) {
  g_autoptr(VelmMask) outside = velm_mask_invert(padded);
  g_autoptr(VelmComponents) components = velm_components_find(outside, FALSE);
  return (double)padded->width * padded->height - (double)components->sizes[0];
}

/* ---- convex hull ---- */

typedef struct {
  double x, y;
} Point;

static double turn(Point a, Point b, Point c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/* Adds to the chain from @base on what keeps it convex (Andrew's monotone chain). */
static void chain_push(GArray *chain, guint base, Point point) {
  while (chain->len >= base + 2 && turn(g_array_index(chain, Point, chain->len - 2),
                                        g_array_index(chain, Point, chain->len - 1), point) <= 0)
    g_array_set_size(chain, chain->len - 1);
  g_array_append_val(chain, point);
}

/* The outermost corners of the pixels, by the lines between rows: left and right of each line. */
static GArray *outer_corners(const VelmMask *cut) {
  GArray *corners = g_array_new(FALSE, FALSE, sizeof(Point));
  int left_above = G_MAXINT, right_above = -1;
  for (int y = 0; y <= cut->height; y++) {
    int left = G_MAXINT, right = -1;
    for (int x = 0; y < cut->height && x < cut->width; x++)
      if (cut->values[(gsize)y * (gsize)cut->width + (gsize)x]) {
        left = MIN(left, x);
        right = x + 1;
      }
    Point ends[2] = {{MIN(left, left_above), y}, {MAX(right, right_above), y}};
    if (ends[1].x >= 0)
      g_array_append_vals(corners, ends, 2);
    left_above = left;
    right_above = right;
  }
  return corners;
}

static double hull_area(const VelmMask *cut) {
  g_autoptr(GArray) corners = outer_corners(cut);
  g_autoptr(GArray) hull = g_array_new(FALSE, FALSE, sizeof(Point));
  for (guint i = 0; i < corners->len; i++)
    chain_push(hull, 0, g_array_index(corners, Point, i));
  guint base = hull->len - 1;
  for (guint i = corners->len - 1; i-- > 0;)
    chain_push(hull, base, g_array_index(corners, Point, i));
  double area = 0;
  for (guint i = 0; i + 1 < hull->len; i++) {
    Point a = g_array_index(hull, Point, i), b = g_array_index(hull, Point, i + 1);
    area += a.x * b.y - a.y * b.x;
  }
  return fabs(area) / 2;
}

/* ---- place ---- */

static gboolean row_touches(const VelmMask *mask, int y, int from, int to) {
  for (int x = from; x < to; x++)
    if (mask->values[(gsize)y * (gsize)mask->width + (gsize)x])
      return TRUE;
  return FALSE;
}

static gboolean column_touches(const VelmMask *mask, int x, int from, int to) {
  for (int y = from; y < to; y++)
    if (mask->values[(gsize)y * (gsize)mask->width + (gsize)x])
      return TRUE;
  return FALSE;
}

static void measure_sides(const VelmMask *mask, double scale, float *shape) {
  int width = mask->width, height = mask->height, band = MAX(1, (int)rint(SIDE_BAND * scale));
  int across = MIN(band, width), down = MIN(band, height);
  int left = 0, right = 0, top = 0, bottom = 0;
  for (int y = 0; y < height; y++) {
    left += row_touches(mask, y, 0, across);
    right += row_touches(mask, y, width - across, width);
  }
  for (int x = 0; x < width; x++) {
    top += column_touches(mask, x, 0, down);
    bottom += column_touches(mask, x, height - down, height);
  }
  shape[VELM_SHAPE_SIDE_X] = (float)((left + right) / (2.0 * height));
  shape[VELM_SHAPE_SIDE_Y] = (float)((top + bottom) / (2.0 * width));
  shape[VELM_SHAPE_SIDES] = (float)((left > 0) + (right > 0) + (top > 0) + (bottom > 0));
}

static void measure_place(const VelmMask *mask, VelmBox box, const Moments *m, double scale,
                          float *shape) {
  int width = mask->width, height = mask->height;
  int right = width - box.x - box.width, bottom = height - box.y - box.height;
  int nearest = MIN(MIN(box.x, right), MIN(box.y, bottom));
  shape[VELM_SHAPE_CENTRE_X] = (float)fabs(2 * (box.x + m->x + 0.5) / width - 1);
  shape[VELM_SHAPE_CENTRE_Y] = (float)fabs(2 * (box.y + m->y + 0.5) / height - 1);
  shape[VELM_SHAPE_BORDER] = (float)log((nearest + 1) / scale);
  measure_sides(mask, scale, shape);
}

/* ---- all ---- */

void velm_measure_shape(const VelmMask *mask, float shape[VELM_N_SHAPE]) {
  VelmBox box;
  memset(shape, 0, VELM_N_SHAPE * sizeof(float));
  if (!velm_box_bound(mask, &box))
    return;
  double total = (double)mask->width * mask->height, scale = sqrt(total);
  VelmBox frame = {box.x - 1, box.y - 1, box.width + 2, box.height + 2};
  g_autoptr(VelmMask) cut = velm_mask_cut(mask, box);
  g_autoptr(VelmMask) padded = velm_mask_cut(mask, frame);
  Moments m = moments_of(cut);
  double boundary = count_boundary(padded);
  shape[VELM_SHAPE_AREA] = (float)log(m.n / total);
  shape[VELM_SHAPE_WIDTH] = (float)log((double)box.width / mask->width);
  shape[VELM_SHAPE_HEIGHT] = (float)log((double)box.height / mask->height);
  shape[VELM_SHAPE_EXTENT] = (float)(m.n / ((double)box.width * box.height));
  shape[VELM_SHAPE_COMPACTNESS] = (float)log(4 * G_PI * m.n / (boundary * boundary));
  shape[VELM_SHAPE_SOLIDITY] = (float)(m.n / hull_area(cut));
  shape[VELM_SHAPE_FILL] = (float)(m.n / filled_area(padded));
  measure_axes(&m, shape);
  measure_thickness(padded, scale, shape);
  measure_place(mask, box, &m, scale, shape);
}

void velm_measure_geometry(const VelmMask *mask, float geometry[VELM_N_GEOMETRY]) {
  g_autoptr(VelmMask) all = velm_mask_or_whole(mask);
  g_autoptr(VelmComponents) components = velm_components_find(all, TRUE);
  gint32 label = velm_components_largest(components);
  double size = (double)components->sizes[label - 1];
  float *largest = geometry + VELM_GEOMETRY_LARGEST, *whole = geometry + VELM_GEOMETRY_UNION;
  velm_measure_shape(all, whole);
  if (components->n > 1) {
    g_autoptr(VelmMask) one = velm_components_extract(components, all, label);
    velm_measure_shape(one, largest);
  } else {
    memcpy(largest, whole, VELM_N_SHAPE * sizeof(float));
  }
  geometry[VELM_GEOMETRY_COMPONENTS] = (float)log(velm_components_count(components, CRUMB * size));
  geometry[VELM_GEOMETRY_SHARE] = (float)(size / (double)velm_mask_count(all));
}
