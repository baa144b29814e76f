#include "detect/synthetic_defect.h"

#include <math.h>
#include <string.h>

/* Lengths are shares of the image's shorter side. */
#define LINE_STEPS 24
#define N_HARMONICS 5

/* A defect's edge runs from nothing to full strength over this many pixels of a wide field's and of
 * every other's radius. */
#define SOFT_EDGE 0.5
#define HARD_EDGE 0.12

/* A change of tone that is lost in the texture would be a defect that nobody can see. */
#define LEAST_CONTRAST 0.12
#define MOST_CONTRAST 0.6

typedef enum { LINE, BLOB, FIELD, N_SHAPES } Shape;
typedef enum { TONE, SMEAR, TEXTURE, N_LOOKS } Look;

typedef struct {
  double x, y;
} Point;

typedef struct {
  Shape shape;
  Look look;
  Point centre, path[LINE_STEPS];
  double radius, edge, stretch, angle;
  double amplitude[N_HARMONICS], phase[N_HARMONICS];
  double tone;        /* -1 to 1: towards black or white */
  int from_x, from_y; /* where foreign texture is taken from */
} Defect;

static double between(GRand *random, double low, double high) {
  return g_rand_double_range(random, low, high);
}

/* A path that turns a little at each step, through the centre's neighbourhood. */
static void place_line(Defect *defect, GRand *random, double side) {
  double length = side * exp(between(random, log(0.08), log(0.6)));
  double heading = between(random, 0, 2 * G_PI), bend = between(random, 0, 0.35);
  Point at = {defect->centre.x - length / 2 * cos(heading),
              defect->centre.y - length / 2 * sin(heading)};
  for (int i = 0; i < LINE_STEPS; i++) {
    defect->path[i] = at;
    heading += between(random, -bend, bend);
    at.x += length / LINE_STEPS * cos(heading);
    at.y += length / LINE_STEPS * sin(heading);
  }
  defect->radius = MAX(0.8, side * exp(between(random, log(0.003), log(0.015))));
  defect->edge = 0.5;
}

/* A circle, stretched, whose radius waves with the angle. */
static void place_blob(Defect *defect, GRand *random, double side) {
  gboolean wide = defect->shape == FIELD;
  double low = wide ? 0.1 : 0.012, high = wide ? 0.3 : 0.08;
  defect->radius = MAX(1.5, side * exp(between(random, log(low), log(high))));
  defect->edge = wide ? SOFT_EDGE : HARD_EDGE;
  defect->stretch = exp(between(random, 0, log(2.5)));
  defect->angle = between(random, 0, G_PI);
  for (int k = 0; k < N_HARMONICS; k++) {
    defect->amplitude[k] = between(random, 0, 0.3) / (1 + k);
    defect->phase[k] = between(random, 0, 2 * G_PI);
  }
}

static Defect defect_new(const VelmImage *image, const VelmImage *other, GRand *random) {
  double side = MIN(image->width, image->height);
  Defect defect = {.shape = (Shape)g_rand_int_range(random, 0, N_SHAPES),
                   .look = (Look)g_rand_int_range(random, 0, N_LOOKS)};
  /* A thin line of foreign texture, or smeared, can hardly be seen. */
  if (defect.shape == LINE)
    defect.look = TONE;
  defect.centre = (Point){between(random, 0.08, 0.92) * image->width,
                          between(random, 0.08, 0.92) * image->height};
  defect.tone = between(random, LEAST_CONTRAST, MOST_CONTRAST);
  if (defect.shape == FIELD)
    defect.tone *= 0.6;
  if (g_rand_boolean(random))
    defect.tone = -defect.tone;
  defect.from_x = g_rand_int_range(random, 0, other->width);
  defect.from_y = g_rand_int_range(random, 0, other->height);
  if (defect.shape == LINE)
    place_line(&defect, random, side);
  else
    place_blob(&defect, random, side);
  return defect;
}

/* ---- shape ---- */

static double distance_to_segment(Point p, Point a, Point b) {
  double dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy;
  double t = square > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / square : 0;
  t = CLAMP(t, 0, 1);
  return hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/* From 0 in the middle to 1 at the rim, and on. */
static double depth_in_line(const Defect *defect, Point p) {
  double least = INFINITY;
  for (int i = 0; i + 1 < LINE_STEPS; i++)
    least = MIN(least, distance_to_segment(p, defect->path[i], defect->path[i + 1]));
  return least / defect->radius;
}

static double depth_in_blob(const Defect *defect, Point p) {
  double dx = p.x - defect->centre.x, dy = p.y - defect->centre.y;
  double c = cos(defect->angle), s = sin(defect->angle);
  double u = (c * dx + s * dy) / defect->stretch, v = c * dy - s * dx;
  double turn = atan2(v, u), radius = defect->radius;
  for (int k = 0; k < N_HARMONICS; k++)
    radius *= 1 + defect->amplitude[k] * sin((k + 1) * turn + defect->phase[k]);
  return hypot(u, v) / radius;
}

/* How strong the defect is at a point: 0 to 1, a half at the rim. */
static double strength(const Defect *defect, Point p) {
  double depth = defect->shape == LINE ? depth_in_line(defect, p) : depth_in_blob(defect, p);
  double t = CLAMP((1 + defect->edge - depth) / (2 * defect->edge), 0, 1);
  return t * t * (3 - 2 * t);
}

/* ---- look ---- */

/* Mean colour of the square of side 2 * @radius + 1. */
static void mean_about(const VelmImage *image, int x, int y, int radius, double rgb[3]) {
  int n = 0;
  rgb[0] = rgb[1] = rgb[2] = 0;
  for (int v = MAX(0, y - radius); v <= MIN(image->height - 1, y + radius); v++)
    for (int u = MAX(0, x - radius); u <= MIN(image->width - 1, x + radius); u++, n++)
      for (int c = 0; c < 3; c++)
        rgb[c] += image->pixels[3 * ((gsize)v * (gsize)image->width + (gsize)u) + (gsize)c];
  for (int c = 0; c < 3; c++)
    rgb[c] /= n;
}

/* What the defect shows at a pixel in full strength. */
static void look_at(const Defect *defect, const VelmImage *image, const VelmImage *other, int x,
                    int y, double rgb[3]) {
  const guint8 *own = image->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x);
  if (defect->look == SMEAR) {
    mean_about(image, x, y, MAX(2, MIN(image->width, image->height) / 64), rgb);
    for (int c = 0; c < 3; c++)
      rgb[c] += 255 * defect->tone / 4;
    return;
  }
  if (defect->look == TEXTURE) {
    /* Turned by a quarter: the same texture in the same direction would be no defect. */
    gsize u = (gsize)((defect->from_x + y) % other->width);
    gsize v = (gsize)((defect->from_y + x) % other->height);
    for (gsize c = 0; c < 3; c++)
      rgb[c] = other->pixels[3 * (v * (gsize)other->width + u) + c] + 255 * defect->tone / 4;
    return;
  }
  for (int c = 0; c < 3; c++)
    rgb[c] = own[c] + 255 * defect->tone;
}

static void draw_pixel(const Defect *defect, const VelmImage *image, const VelmImage *other, int x,
                       int y, VelmImage *out, VelmMask *mask) {
  double weight = strength(defect, (Point){x + 0.5, y + 0.5});
  gsize i = (gsize)y * (gsize)image->width + (gsize)x;
  if (weight <= 0)
    return;
  double rgb[3];
  look_at(defect, image, other, x, y, rgb);
  for (gsize c = 0; c < 3; c++) {
    double value = (1 - weight) * image->pixels[3 * i + c] + weight * rgb[c];
    out->pixels[3 * i + c] = (guint8)lround(CLAMP(value, 0, 255));
  }
  mask->values[i] = weight >= 0.5 ? 255 : 0;
}

/* Beyond this from the centre nothing is drawn. */
static double reach(const Defect *defect) {
  if (defect->shape != LINE)
    return 3 * defect->stretch * defect->radius;
  double most = 0;
  for (int i = 0; i < LINE_STEPS; i++)
    most = MAX(most,
               hypot(defect->path[i].x - defect->centre.x, defect->path[i].y - defect->centre.y));
  return most + 3 * defect->radius;
}

VelmImage *velm_synthetic_defect_draw(const VelmImage *image, const VelmImage *other, guint32 seed,
                                      VelmMask **mask) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  Defect defect = defect_new(image, other, random);
  VelmImage *out = velm_image_copy(image);
  *mask = velm_mask_new(image->width, image->height);
  double far = reach(&defect);
  int left = MAX(0, (int)(defect.centre.x - far)), top = MAX(0, (int)(defect.centre.y - far));
  int right = MIN(image->width, (int)(defect.centre.x + far) + 1);
  int bottom = MIN(image->height, (int)(defect.centre.y + far) + 1);
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++)
      draw_pixel(&defect, image, other, x, y, out, *mask);
  return out;
}
