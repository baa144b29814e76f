/*
 * A made-up product: a turned metal disc on a dark mat, with a central bore, three drilled holes
 * and a printed mark.
 *
 * Every pixel is computed on its own from distances to the outlines, so edges are antialiased and
 * masks are exact. Lengths are in design units: the image is 256 of them wide, whatever its size in
 * pixels. Chance comes from integer hashes, and beyond + - * / only sqrt is used, which IEEE 754
 * fixes to the last bit: a seed gives the same picture on every machine.
 */
#include "dataset/procedural.h"

#include "core/file.h"

#include <math.h>
#include <string.h>

/* A fused multiply-add rounds once where others round twice. GCC fuses none under -std=c17. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define DESIGN 256.0
#define RADIUS 101.0
#define BORE 27.0
#define STEP 47.0 /* a turned groove around the bore */
#define HOLE 10.5
#define HOLE_CIRCLE 71.0 /* the radius on which the holes lie */
#define N_HOLES 3
#define CHAMFER 4.0
#define MARK_Y 68.0

typedef struct {
  double x, y;
} Point;

/* ---- chance ---- */

/* The sequence of SplitMix64 (Steele et al., 2014). */
typedef struct {
  guint64 state;
} Chance;

/* What a sequence decides. Each has its own, so that a defect does not change the texture of its
 * part. */
typedef enum { STREAM_PART, STREAM_LIGHT, STREAM_DEFECT } Stream;

static guint64 mix(guint64 z) {
  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static Chance chance_new(guint32 seed, guint part, Stream stream, guint index) {
  guint64 state = mix(((guint64)seed << 32) | part);
  return (Chance){mix(state ^ (((guint64)stream << 32) | index))};
}

static guint32 chance_bits(Chance *chance) {
  chance->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
  return (guint32)(mix(chance->state) >> 32);
}

static double between(Chance *chance, double low, double high) {
  return low + (high - low) * (chance_bits(chance) / 4294967296.0);
}

static gboolean maybe(Chance *chance, double probability) {
  return between(chance, 0, 1) < probability;
}

/* One call at a time: C leaves open which of two in one expression comes first. */
static Point in_square(Chance *chance, double half) {
  Point p;
  p.x = between(chance, -half, half);
  p.y = between(chance, -half, half);
  return p;
}

/* A unit vector of any direction, by rejection: no sine that machines might round apart. */
static Point any_direction(Chance *chance) {
  for (;;) {
    Point p = in_square(chance, 1);
    double length = sqrt(p.x * p.x + p.y * p.y);
    if (length > 0.1 && length < 1)
      return (Point){p.x / length, p.y / length};
  }
}

/* The unit vector at an angle whose half has tangent @t. */
static Point small_turn(double t) {
  double scale = 1 / (1 + t * t);
  return (Point){(1 - t * t) * scale, 2 * t * scale};
}

/* ---- noise ---- */

static guint32 hash(guint32 seed, gint32 x, gint32 y) {
  guint32 h = seed ^ ((guint32)x * 0x85ebca6bu) ^ ((guint32)y * 0xc2b2ae35u);
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

static double signed_hash(guint32 seed, gint32 x, gint32 y) {
  return hash(seed, x, y) / 2147483648.0 - 1;
}

/* floor() is a call into libm where the processor's own is not assumed. */
static gint32 floor_of(double v) {
  gint32 whole = (gint32)v;
  return whole - (v < whole);
}

static double smooth(double t) { return t * t * (3 - 2 * t); }

static double lerp(double a, double b, double t) { return a + (b - a) * t; }

/* Value noise from -1 to 1 with one cell a unit. Along y it repeats after @period cells, where that
 * is not 0. */
static double noise(guint32 seed, double x, double y, gint32 period) {
  gint32 x0 = floor_of(x), y0 = floor_of(y);
  gint32 y1 = period && y0 + 1 >= period ? 0 : y0 + 1;
  double u = smooth(x - x0), v = smooth(y - y0);
  return lerp(lerp(signed_hash(seed, x0, y0), signed_hash(seed, x0 + 1, y0), u),
              lerp(signed_hash(seed, x0, y1), signed_hash(seed, x0 + 1, y1), u), v);
}

/* ---- shapes ---- */

static double clamp(double v, double low, double high) {
  return v < low ? low : v > high ? high : v;
}

/* From 0 at @low to 1 at @high, smoothly. */
static double ramp(double v, double low, double high) {
  return smooth(clamp((v - low) / (high - low), 0, 1));
}

static double length(double x, double y) { return sqrt(x * x + y * y); }

static double distance_to_segment(Point p, Point a, Point b) {
  double dx = b.x - a.x, dy = b.y - a.y;
  double square = dx * dx + dy * dy;
  double t = square > 0 ? clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / square, 0, 1) : 0;
  return length(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/* Where @p lies around the centre, 0 to 4 for a full turn: an angle without arctangent. */
static double turn_of(Point p) {
  double sum = fabs(p.x) + fabs(p.y);
  if (sum == 0)
    return 0;
  double t = p.y / sum;
  return p.x >= 0 ? (t >= 0 ? t : 4 + t) : 2 - t;
}

/* Where three holes lie on their circle: at the top, and a third of a turn to either side. */
static Point hole_centre(int i) {
  static const Point directions[N_HOLES] = {
      {0, -1}, {0.8660254037844386, 0.5}, {-0.8660254037844386, 0.5}};
  return (Point){directions[i].x * HOLE_CIRCLE, directions[i].y * HOLE_CIRCLE};
}

/* ---- the good part ---- */

typedef struct {
  Point centre;     /* in the image */
  Point axis;       /* the part's x direction in the image */
  guint32 grain;    /* seeds of the turned grooves */
  double roughness; /* strength of the grooves */
  double tone;      /* brightness of the metal */
  double eccentric; /* how far the print is off its place */
  double ink;       /* how dark the print is */
  guint32 ink_seed;
  guint32 mat; /* seed of the mat's texture */
} Part;

/* Light in the part's own frame: directions turn against the part, for its pose does not move the
 * lamp. */
typedef struct {
  Point from; /* towards the lamp */
  double exposure;
  double sheen; /* strength of the highlight that turned metal shows */
  double fall;  /* how much darker the far side is */
  double vignette;
  double warmth;  /* -1 cool, 1 warm */
  guint32 sensor; /* seed of the sensor's noise */
} Light;

/* One point of the part before light falls on it. */
typedef struct {
  double metal;   /* coverage, 0 to 1 */
  double tone;    /* factor on the metal's brightness */
  double tint[3]; /* factor a channel */
  Point slope;    /* of the surface, along x and y */
  double gloss;   /* factor on the highlight */
  double ink;     /* coverage of the print */
  double dust;    /* coverage of what lies on top */
  double defect;  /* how much of the defect is here; the mask begins at a half */
} Surface;

static Part part_new(guint32 seed, guint number) {
  Chance chance = chance_new(seed, number, STREAM_PART, 0);
  Part part;
  part.centre.x = DESIGN / 2 + between(&chance, -5, 5);
  part.centre.y = DESIGN / 2 + between(&chance, -5, 5);
  part.axis = small_turn(between(&chance, -0.06, 0.06));
  part.grain = chance_bits(&chance);
  part.roughness = between(&chance, 0.75, 1.25);
  part.tone = between(&chance, 0.95, 1.05);
  part.eccentric = between(&chance, -1.5, 1.5);
  part.ink = between(&chance, 0.8, 0.95);
  part.ink_seed = chance_bits(&chance);
  part.mat = chance_bits(&chance);
  return part;
}

static Point to_part(const Part *part, Point p) {
  return (Point){p.x * part->axis.x + p.y * part->axis.y, p.y * part->axis.x - p.x * part->axis.y};
}

static Light light_new(guint32 seed, guint number, guint view, const Part *part) {
  Chance chance = chance_new(seed, number, STREAM_LIGHT, view);
  Point turn = small_turn(between(&chance, -0.22, 0.22));
  const Point upper_left = {-0.7071067811865476, -0.7071067811865476};
  Light light;
  light.from = to_part(part, (Point){upper_left.x * turn.x - upper_left.y * turn.y,
                                     upper_left.x * turn.y + upper_left.y * turn.x});
  light.exposure = between(&chance, 0.9, 1.08);
  light.sheen = between(&chance, 0.16, 0.26);
  light.fall = between(&chance, 0.06, 0.16);
  light.vignette = between(&chance, 0.12, 0.3);
  light.warmth = between(&chance, -1, 1);
  light.sensor = chance_bits(&chance);
  return light;
}

/* Distance to the part's outline, negative inside. @holes: of which holes there are */
static double outline(Point p, const gboolean *holes) {
  double r = length(p.x, p.y);
  double d = MAX(r - RADIUS, BORE - r);
  for (int i = 0; i < N_HOLES; i++) {
    Point c = hole_centre(i);
    if (holes[i])
      d = MAX(d, HOLE - length(p.x - c.x, p.y - c.y));
  }
  return d;
}

/* Turned metal: fine streaks that follow the tool around the centre, and slow rings of feed. */
static double groove_tone(const Part *part, Point p, double r) {
  double turn = turn_of(p);
  double fine = noise(part->grain, r * 1.1, turn * 6, 24);
  double middle = noise(part->grain + 1, r * 0.42, turn * 4, 16);
  double slow = noise(part->grain + 2, r * 0.11, turn, 4);
  return part->roughness * (0.055 * fine + 0.035 * middle + 0.025 * slow);
}

/* Adds the bevel of a round edge at distance @d inside the metal, whose outward direction is (@x,
 * @y). */
static void add_bevel(Surface *s, double d, double x, double y, double width) {
  double steep = 1 - ramp(d, width * 0.55, width);
  s->slope.x += x * steep;
  s->slope.y += y * steep;
  s->gloss *= 1 - 0.6 * steep;
}

/* The letters VELM as strokes, in a box 1 high. */
static double distance_to_mark(Point p) {
  static const double strokes[][4] = {
      {0, 0, 0.36, 1},    {0.36, 1, 0.72, 0},                                            /* V */
      {1.1, 0, 1.1, 1},   {1.1, 0, 1.68, 0},    {1.1, 0.5, 1.6, 0.5}, {1.1, 1, 1.68, 1}, /* E */
      {2.05, 0, 2.05, 1}, {2.05, 1, 2.6, 1},                                             /* L */
      {2.95, 1, 2.95, 0}, {2.95, 0, 3.35, 0.7}, {3.35, 0.7, 3.75, 0}, {3.75, 0, 3.75, 1} /* M */
  };
  double nearest = G_MAXDOUBLE;
  for (gsize i = 0; i < G_N_ELEMENTS(strokes); i++) {
    Point a = {strokes[i][0], strokes[i][1]}, b = {strokes[i][2], strokes[i][3]};
    nearest = MIN(nearest, distance_to_segment(p, a, b));
  }
  return nearest;
}

/* The print: ink takes unevenly on the grooves. */
static double ink_at(const Part *part, Point p, double pixel) {
  const double height = 15.5, width = 3.75 * 15.5;
  double x = p.x + width / 2 - part->eccentric,
         y = p.y - MARK_Y + height / 2 + part->eccentric * 0.5;
  if (x < -4 || x > width + 4 || y < -4 || y > height + 4)
    return 0;
  double d = distance_to_mark((Point){x / height, y / height}) * height - 1.35;
  double coverage = clamp(0.5 - d / pixel, 0, 1);
  return coverage * (part->ink + 0.12 * noise(part->ink_seed, p.x * 0.5, p.y * 0.5, 0));
}

/* @pixel: side of a pixel in design units; edges are blended over one */
static Surface surface_at(const Part *part, Point p, const gboolean *holes, double pixel) {
  Surface s = {.tone = 1, .tint = {1, 1, 1}, .gloss = 1};
  double r = length(p.x, p.y);
  s.metal = clamp(0.5 - outline(p, holes) / pixel, 0, 1);
  if (s.metal == 0 || r == 0)
    return s;
  double x = p.x / r, y = p.y / r;
  s.tone += groove_tone(part, p, r);
  add_bevel(&s, RADIUS - r, x, y, CHAMFER);
  add_bevel(&s, r - BORE, -x, -y, CHAMFER);
  for (int i = 0; i < N_HOLES; i++) {
    Point c = hole_centre(i);
    double d = length(p.x - c.x, p.y - c.y);
    if (holes[i] && d > 0 && d < HOLE + 3)
      add_bevel(&s, d - HOLE, (c.x - p.x) / d, (c.y - p.y) / d, 2.6);
  }
  double off = clamp((r - STEP) / 2.6, -1, 1);
  double steep = -2.1 * off * (1 - off * off) * (1 - off * off);
  s.slope.x += x * steep;
  s.slope.y += y * steep;
  s.tone *= 1.05 - 0.05 * ramp(r, STEP - 1, STEP + 1);
  s.ink = ink_at(part, p, pixel);
  return s;
}

/* ---- defects ---- */

#define MAX_MARKS 16

/* One defect: what of this applies depends on the kind. */
typedef struct {
  const struct Kind *kind;
  Point at;
  double size;     /* radius, or half the width of a line */
  double strength; /* its sign may say bright or dark */
  guint32 seed;
  gboolean holes[N_HOLES];
  double tint[3];
  int n_marks;
  Point marks[MAX_MARKS]; /* points of a line, or specks */
  double sizes[MAX_MARKS];
} Defect;

typedef struct Kind {
  const char *key;
  const char *name;
  const char *description;
  const char *severity;
  const char *action;
  void (*place)(Defect *defect, Chance *chance);
  void (*apply)(const Defect *defect, Point p, double pixel, Surface *s);
} Kind;

/* A point on the flat of the disc whose surroundings of @margin lie clear of the rim, the bore, the
 * holes and, if need be, the print. */
static Point place_on_flat(Chance *chance, double margin, gboolean off_print) {
  static const gboolean all[N_HOLES] = {TRUE, TRUE, TRUE};
  Point p = {0, -HOLE_CIRCLE + HOLE + 12};
  for (int tries = 0; tries < 200; tries++) {
    Point q = in_square(chance, RADIUS);
    gboolean on_print = fabs(q.x) < 32 + margin && fabs(q.y - MARK_Y) < 10 + margin;
    if (outline(q, all) < -CHAMFER - margin && !(off_print && on_print))
      return q;
  }
  return p;
}

/* A bent line through @at. */
static void place_line(Defect *defect, Chance *chance, double reach, double bend) {
  Point along = any_direction(chance);
  double sag = reach * between(chance, -bend, bend);
  defect->n_marks = MAX_MARKS;
  for (int i = 0; i < MAX_MARKS; i++) {
    double t = 2.0 * i / (MAX_MARKS - 1) - 1;
    double off = sag * (1 - t * t) + between(chance, -0.35, 0.35);
    defect->marks[i].x = defect->at.x + along.x * t * reach - along.y * off;
    defect->marks[i].y = defect->at.y + along.y * t * reach + along.x * off;
  }
}

static void place_scratch(Defect *defect, Chance *chance) {
  defect->at = place_on_flat(chance, 8, FALSE);
  defect->size = between(chance, 0.75, 1.5);
  defect->strength = between(chance, 0.34, 0.6);
  if (maybe(chance, 0.35))
    defect->strength *= -0.8;
  place_line(defect, chance, between(chance, 17, 46), 0.3);
}

/* How near @p is to the defect's line: the distance, less where the line thins out, and how far
 * along it, 0 to 1. */
static double distance_to_line(const Defect *defect, Point p, double *along) {
  double nearest = G_MAXDOUBLE;
  for (int i = 0; i + 1 < defect->n_marks; i++) {
    double d = distance_to_segment(p, defect->marks[i], defect->marks[i + 1]);
    if (d < nearest) {
      nearest = d;
      *along = (i + 0.5) / (defect->n_marks - 1);
    }
  }
  return nearest;
}

/* The tool that scratched lifted the metal: a bright groove with a dark wall, or a dark one. */
static void apply_scratch(const Defect *defect, Point p, double pixel, Surface *s) {
  double reach = length(p.x - defect->at.x, p.y - defect->at.y);
  if (reach > 62)
    return;
  double along = 0;
  double d = distance_to_line(defect, p, &along);
  double taper = 0.45 + 0.55 * ramp(2 * MIN(along, 1 - along), 0, 0.5);
  double half = defect->size * taper;
  double core = clamp(0.5 - (d - half) / MAX(pixel, 1), 0, 1);
  double wall = clamp(0.5 - (d - half - 1) / MAX(pixel, 1), 0, 1) - core;
  s->tone *= 1 + defect->strength * (core - 0.5 * wall);
  s->ink *= 1 - 0.9 * core;
  s->gloss *= 1 - 0.8 * core;
  s->defect = MAX(core, wall);
}

static void place_dent(Defect *defect, Chance *chance) {
  defect->size = between(chance, 8, 15);
  defect->at = place_on_flat(chance, defect->size * 0.6, TRUE);
  defect->strength = between(chance, 0.75, 1.25);
}

/* A round hollow: its near wall lies in shade, its far wall in the light, and the sheen breaks. */
static void apply_dent(const Defect *defect, Point p, double pixel, Surface *s) {
  (void)pixel;
  double x = (p.x - defect->at.x) / defect->size, y = (p.y - defect->at.y) / defect->size;
  double wobble = 1 + 0.13 * noise(defect->seed, p.x * 0.16, p.y * 0.16, 0);
  double t = length(x, y) * wobble;
  if (t >= 1)
    return;
  double depth = (1 - t * t) * (1 - t * t);
  double steep = 3.1 * t * (1 - t * t);
  if (t > 0) {
    s->slope.x -= defect->strength * steep * x / t;
    s->slope.y -= defect->strength * steep * y / t;
  }
  s->tone *= 1 - 0.16 * defect->strength * depth;
  s->gloss *= 1 - 0.75 * ramp(1 - t, 0, 0.4);
  s->defect = ramp(1 - t, 0, 0.14);
}

static void place_stain(Defect *defect, Chance *chance) {
  static const double tints[][3] = {
      {0.62, 0.43, 0.24}, /* rust */
      {0.42, 0.36, 0.30}, /* old oil */
      {0.50, 0.52, 0.78}, /* heat tint */
      {0.66, 0.60, 0.34}, /* flux */
  };
  memcpy(defect->tint, tints[chance_bits(chance) % G_N_ELEMENTS(tints)], sizeof defect->tint);
  defect->size = between(chance, 12, 25);
  defect->at = place_on_flat(chance, 6, FALSE);
  defect->strength = between(chance, 0.5, 0.9);
}

/* A dried drop: ragged outline, denser at its edge. */
static void apply_stain(const Defect *defect, Point p, double pixel, Surface *s) {
  (void)pixel;
  double x = p.x - defect->at.x, y = p.y - defect->at.y;
  double ragged = 0.36 * noise(defect->seed, p.x * 0.06, p.y * 0.06, 0) +
                  0.08 * noise(defect->seed + 1, p.x * 0.17, p.y * 0.17, 0);
  double t = length(x, y) / defect->size + ragged;
  if (t >= 1)
    return;
  double inside = ramp(1 - t, 0, 0.2);
  double rim = 1 - ramp(fabs(t - 0.8), 0.02, 0.18);
  double cloud = 0.12 * noise(defect->seed + 2, p.x * 0.13, p.y * 0.13, 0);
  double density = clamp(inside * defect->strength * (0.78 + 0.3 * rim + cloud), 0, 1);
  for (int c = 0; c < 3; c++)
    s->tint[c] = lerp(1, defect->tint[c], density);
  s->gloss *= 1 - 0.5 * density;
  s->defect = clamp(2 * inside, 0, 1); /* its thin edge is seen already */
}

static void place_chip(Defect *defect, Chance *chance) {
  Point out = any_direction(chance);
  defect->size = between(chance, 7, 17);
  double bite = RADIUS + defect->size * between(chance, -0.05, 0.45);
  defect->at = (Point){out.x * bite, out.y * bite};
}

/* A piece broken out of the rim: the mat shows, and the break is rough and dull. */
static void apply_chip(const Defect *defect, Point p, double pixel, Surface *s) {
  double x = p.x - defect->at.x, y = p.y - defect->at.y;
  if (length(x, y) > defect->size * 1.6 + 6)
    return;
  double jag = 0.22 * noise(defect->seed, p.x * 0.15, p.y * 0.15, 0) +
               0.05 * noise(defect->seed + 1, p.x * 0.5, p.y * 0.5, 0);
  double d = length(x, y) - defect->size * (1 + jag);
  double band = 2.8 + 1.2 * noise(defect->seed + 2, p.x * 0.3, p.y * 0.3, 0);
  double before = s->metal;
  double broken = clamp(0.5 - (d - band) / pixel, 0, 1);
  double rough = 0.24 * noise(defect->seed + 3, p.x * 0.8, p.y * 0.8, 0);
  s->metal *= clamp(0.5 + d / pixel, 0, 1);
  s->tone = lerp(s->tone, 0.72 + rough, broken);
  s->gloss *= 1 - broken;
  s->slope.x = lerp(s->slope.x, -0.8 * x / defect->size, broken);
  s->slope.y = lerp(s->slope.y, -0.8 * y / defect->size, broken);
  s->defect = before * broken;
}

static void place_missing_hole(Defect *defect, Chance *chance) {
  int i = (int)(chance_bits(chance) % N_HOLES);
  defect->holes[i] = FALSE;
  defect->at = hole_centre(i);
  defect->size = HOLE + 2;
  /* Some were centre-punched before the drill failed to come. */
  defect->strength = maybe(chance, 0.5) ? between(chance, 0.5, 1) : 0;
}

static void apply_missing_hole(const Defect *defect, Point p, double pixel, Surface *s) {
  double x = p.x - defect->at.x, y = p.y - defect->at.y, d = length(x, y);
  if (d > 0 && d < 3 && defect->strength > 0) {
    double steep = defect->strength * ramp(3 - d, 0, 1.5);
    s->slope.x -= steep * x / d;
    s->slope.y -= steep * y / d;
    s->tone *= 1 - 0.35 * steep;
  }
  s->defect = clamp(0.5 - (d - defect->size) / pixel, 0, 1);
}

static void place_dust(Defect *defect, Chance *chance) {
  double reach = between(chance, 7, 17);
  defect->at = place_on_flat(chance, 10, FALSE);
  defect->strength = between(chance, 0.7, 0.95);
  defect->size = reach;
  defect->n_marks = 5 + (int)(chance_bits(chance) % (MAX_MARKS - 5));
  for (int i = 0; i < defect->n_marks; i++) {
    Point out = any_direction(chance);
    double far = reach * between(chance, 0, 1);
    defect->marks[i] = (Point){defect->at.x + out.x * far, defect->at.y + out.y * far};
    defect->sizes[i] = between(chance, 0.7, 1.5);
  }
}

/* Pale grains that lie on top of metal and print. */
static void apply_dust(const Defect *defect, Point p, double pixel, Surface *s) {
  if (length(p.x - defect->at.x, p.y - defect->at.y) > defect->size + 4)
    return;
  double cover = 0;
  for (int i = 0; i < defect->n_marks; i++) {
    double d = length(p.x - defect->marks[i].x, p.y - defect->marks[i].y) - defect->sizes[i];
    cover = MAX(cover, clamp(0.5 - d / MAX(pixel, 1), 0, 1));
  }
  s->dust = cover * defect->strength;
  s->defect = clamp(cover * 1.6, 0, 1);
}

/* velm_procedural_classes() names them in the same order. */
static const Kind kinds[] = {
    {"scratch", "scratch", "a thin line, bright or dark, that crosses the turned grooves", "defect",
     "rework", place_scratch, apply_scratch},
    {"dent", "dent", "a round hollow, light on one side and dark on the other, without colour",
     "defect", "rework", place_dent, apply_dent},
    {"stain", "stain", "a soft blotch in brown, yellow or blue through which the grooves show",
     "defect", "clean", place_stain, apply_stain},
    {"chip", "chipped rim", "a piece broken out of the outer rim, with a rough edge", "defect",
     "rework", place_chip, apply_chip},
    {"missing_hole", "missing hole", "plain metal where one of the three small holes should be",
     "defect", "scrap", place_missing_hole, apply_missing_hole},
    {"dust", "dust", "a few loose pale specks on the surface, which a cloth takes off",
     "negligible", "pass", place_dust, apply_dust},
};

static const Kind *find_kind(const char *key) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(kinds[i].key, key))
      return &kinds[i];
  return NULL;
}

static Defect defect_new(const VelmProceduralParams *params, guint part, const Kind *kind) {
  Defect defect = {.kind = kind, .holes = {TRUE, TRUE, TRUE}};
  if (!kind)
    return defect;
  Chance chance = chance_new(params->seed, part, STREAM_DEFECT, (guint)(kind - kinds));
  defect.seed = chance_bits(&chance);
  kind->place(&defect, &chance);
  return defect;
}

/* ---- light and picture ---- */

/* The mat: dark, woven, and in the shadow of the part where the lamp does not reach it. */
static void shade_mat(const Part *part, const Light *light, Point p, double rgb[3]) {
  static const gboolean all[N_HOLES] = {TRUE, TRUE, TRUE};
  Point towards = {p.x + light->from.x * 5, p.y + light->from.y * 5};
  double lit = ramp(outline(towards, all), -2.5, 4);
  double weave = 0.6 * noise(part->mat, p.x * 0.9, p.y * 0.3, 0) +
                 0.6 * noise(part->mat + 1, p.x * 0.3, p.y * 0.9, 0);
  double value = (0.155 + 0.022 * weave) * lerp(0.35, 1, lit);
  rgb[0] = value * 0.93;
  rgb[1] = value;
  rgb[2] = value * 1.13;
}

static void shade_metal(const Part *part, const Light *light, const Surface *s, Point p,
                        double rgb[3]) {
  static const double ink[3] = {0.10, 0.11, 0.16};
  static const double dust[3] = {0.93, 0.92, 0.88};
  double r = length(p.x, p.y);
  double facing = r > 0 ? (p.x * light->from.x + p.y * light->from.y) / r : 0;
  /* Grooves that run across the light throw it back: the bow-tie of light on turned metal. */
  double bow = facing * facing * facing * facing;
  double lean = s->slope.x * light->from.x + s->slope.y * light->from.y;
  double value =
      part->tone * s->tone * (0.50 + light->sheen * bow * s->gloss) + 0.24 * clamp(lean, -1.3, 1.3);
  value = clamp(value, 0.03, 1.2);
  for (int c = 0; c < 3; c++) {
    double v = lerp(value * s->tint[c], ink[c] * (0.7 + 0.6 * value), s->ink);
    rgb[c] = lerp(v, dust[c], s->dust);
  }
}

/* A camera's share: exposure, fall of light over the field, vignette, white balance, a soft
 * shoulder for what is bright. */
static void expose(const Light *light, Point p, double rgb[3]) {
  double along = (p.x * light->from.x + p.y * light->from.y) / (DESIGN / 2);
  double square = (p.x * p.x + p.y * p.y) / (DESIGN * DESIGN / 2);
  double gain = light->exposure * (1 + light->fall * along) * (1 - light->vignette * square);
  const double balance[3] = {1 + 0.025 * light->warmth, 1, 1 - 0.03 * light->warmth};
  for (int c = 0; c < 3; c++) {
    double v = rgb[c] * gain * balance[c];
    rgb[c] = v > 0.75 ? 0.75 + (v - 0.75) / (1 + 1.6 * (v - 0.75)) : v;
  }
}

/* A byte a channel, with the sensor's noise: the same on the good and on the defective picture of a
 * view. */
static void to_bytes(const double rgb[3], guint32 noise_bits, guint8 bytes[3]) {
  for (int c = 0; c < 3; c++) {
    guint32 bits = noise_bits >> (10 * c);
    double grain = (int)(bits & 31) - (int)(bits >> 5 & 31);
    bytes[c] = (guint8)clamp(255 * rgb[c] + 0.1 * grain + 0.5, 0, 255);
  }
}

/* Everything that a pixel's colour follows from. */
typedef struct {
  Part part;
  Light light;
  Defect defect;
  double pixel; /* side of one, in design units */
} Scene;

static Scene scene_new(const VelmProceduralParams *params, guint number, guint view,
                       const Kind *kind) {
  Scene scene = {.part = part_new(params->seed, number), .pixel = DESIGN / params->size};
  scene.light = light_new(params->seed, number, view, &scene.part);
  scene.defect = defect_new(params, number, kind);
  return scene;
}

/* Returns: whether the pixel belongs to the defect. */
static gboolean draw_pixel(const Scene *scene, int x, int y, guint8 bytes[3]) {
  const Part *part = &scene->part;
  const Defect *defect = &scene->defect;
  Point p = to_part(part, (Point){(x + 0.5) * scene->pixel - part->centre.x,
                                  (y + 0.5) * scene->pixel - part->centre.y});
  Surface s = surface_at(part, p, defect->holes, scene->pixel);
  if (defect->kind && s.metal > 0)
    defect->kind->apply(defect, p, scene->pixel, &s);
  double rgb[3] = {0, 0, 0}, metal[3];
  if (s.metal < 1)
    shade_mat(part, &scene->light, p, rgb);
  if (s.metal > 0) {
    shade_metal(part, &scene->light, &s, p, metal);
    for (int c = 0; c < 3; c++)
      rgb[c] = lerp(rgb[c], metal[c], s.metal);
  }
  expose(&scene->light, p, rgb);
  to_bytes(rgb, hash(scene->light.sensor, x, y), bytes);
  return s.defect >= 0.5;
}

static gboolean size_is_possible(int size) {
  return size >= VELM_PROCEDURAL_MIN_SIZE && size <= VELM_PROCEDURAL_MAX_SIZE;
}

VelmImage *velm_procedural_draw(const VelmProceduralParams *params, guint part, guint view,
                                const char *defect, VelmMask **mask) {
  if (mask)
    *mask = NULL;
  const Kind *kind = defect ? find_kind(defect) : NULL;
  int size = params->size;
  if ((defect && !kind) || !size_is_possible(size))
    return NULL;
  const Scene scene = scene_new(params, part, view, kind);
  VelmImage *image = velm_image_new(size, size);
  g_autoptr(VelmMask) where = velm_mask_new(size, size);
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++) {
      gsize at = (gsize)y * (gsize)size + (gsize)x;
      where->values[at] = draw_pixel(&scene, x, y, image->pixels + 3 * at) ? 255 : 0;
    }
  }
  if (mask)
    *mask = g_steal_pointer(&where);
  return image;
}

VelmProceduralParams velm_procedural_params_default(void) {
  return (VelmProceduralParams){
      .size = 256, .n_train = 60, .n_test_good = 20, .n_per_class = 12, .views = 2, .seed = 1};
}

const char *const *velm_procedural_classes(void) {
  static const char *const keys[] = {"scratch",      "dent", "stain", "chip",
                                     "missing_hole", "dust", NULL};
  return keys;
}

/* ---- data set ---- */

/* One image to be written. */
typedef struct {
  char *path; /* below the data set's folder */
  char *mask; /* likewise; NULL for a good part */
  guint part, view;
  const Kind *kind;
} Job;

static void job_free(gpointer data) {
  Job *job = data;
  g_free(job->path);
  g_free(job->mask);
  g_free(job);
}

/* Adds @n images in DIR/@split/LABEL of new parts, the first of which is number *@part. */
static void add_jobs(GPtrArray *jobs, const char *split, const Kind *kind, int n, int views,
                     guint *part) {
  const char *label = kind ? kind->key : "good";
  for (int i = 0; i < n; i++) {
    Job *job = g_new0(Job, 1);
    job->part = *part + (guint)(i / views);
    job->view = (guint)(i % views);
    job->kind = kind;
    job->path = g_strdup_printf("%s/%s/part%03u_view%u.png", split, label, job->part, job->view);
    if (kind)
      job->mask =
          g_strdup_printf("ground_truth/%s/part%03u_view%u_mask.png", label, job->part, job->view);
    g_ptr_array_add(jobs, job);
  }
  *part += (guint)((n + views - 1) / views);
}

static GPtrArray *plan(const VelmProceduralParams *params) {
  GPtrArray *jobs = g_ptr_array_new_with_free_func(job_free);
  guint part = 0;
  add_jobs(jobs, "train", NULL, params->n_train, params->views, &part);
  add_jobs(jobs, "test", NULL, params->n_test_good, params->views, &part);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    add_jobs(jobs, "test", &kinds[i], params->n_per_class, params->views, &part);
  return jobs;
}

static gboolean write_text(const char *directory, const char *name, const GString *text,
                           GError **error) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return velm_file_write(path, text->str, text->len, error);
}

static gboolean write_groups(const char *directory, const GPtrArray *jobs, GError **error) {
  g_autoptr(GString) csv = g_string_new("path,group\n");
  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = g_ptr_array_index(jobs, i);
    g_string_append_printf(csv, "%s,part%03u\n", job->path, job->part);
  }
  return write_text(directory, "groups.csv", csv, error);
}

/* The disc is 50 mm wide, so that areas can be said in mm2 whatever the pictures' size. */
static gboolean write_spec(const char *directory, int size, GError **error) {
  char scale[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(scale, sizeof scale, "%.6f", 50 / (2 * RADIUS) * DESIGN / size);
  g_autoptr(GString) yaml = g_string_new(NULL);
  g_string_append_printf(
      yaml,
      "object: flange disc\n"
      "normal: >\n"
      "  a turned metal disc with a bore in the middle, three small drilled holes around it\n"
      "  and the word VELM printed in dark ink; fine circular grooves, bright edges\n"
      "strategy: >\n"
      "  first count the three small holes and look along the outer rim; then tell a line from a\n"
      "  blotch, and a colour of its own from mere light and shade\n"
      "scale: %s # millimetres a pixel\n"
      "classes:\n",
      scale);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    g_string_append_printf(
        yaml, "  %s:\n    name: %s\n    description: %s\n    severity: %s\n    action: %s\n",
        kinds[i].key, kinds[i].name, kinds[i].description, kinds[i].severity, kinds[i].action);
  g_string_append(yaml, "rules:\n"
                        "  - when: {class: chip, area at least: 20 mm2} # too deep to turn off\n"
                        "    action: scrap\n");
  return write_text(directory, "spec.yaml", yaml, error);
}

static gboolean write_image(const VelmImage *image, const char *directory, const char *name,
                            GError **error) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  if (!velm_file_make_folder(folder, error))
    return FALSE;
  g_autoptr(GBytes) png = velm_image_to_png(image, error);
  if (!png)
    return FALSE;
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(png, &size);
  return velm_file_write(path, data, size, error);
}

static VelmImage *picture_of_mask(const VelmMask *mask) {
  VelmImage *image = velm_image_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    memset(image->pixels + 3 * i, mask->values[i], 3);
  return image;
}

static gboolean write_job(const VelmProceduralParams *params, const char *directory, const Job *job,
                          GError **error) {
  g_autoptr(VelmMask) mask = NULL;
  g_autoptr(VelmImage) image =
      velm_procedural_draw(params, job->part, job->view, job->kind ? job->kind->key : NULL, &mask);
  if (!write_image(image, directory, job->path, error))
    return FALSE;
  if (!job->mask)
    return TRUE;
  g_autoptr(VelmImage) picture = picture_of_mask(mask);
  return write_image(picture, directory, job->mask, error);
}

static gboolean check_params(const VelmProceduralParams *params, GError **error) {
  if (!size_is_possible(params->size)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "images of %d pixels a side: must be %d to %d",
                params->size, VELM_PROCEDURAL_MIN_SIZE, VELM_PROCEDURAL_MAX_SIZE);
    return FALSE;
  }
  if (params->n_train < 0 || params->n_test_good < 0 || params->n_per_class < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a number of images is negative");
    return FALSE;
  }
  if (params->views < 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%d views of a part: must be at least 1",
                params->views);
    return FALSE;
  }
  return TRUE;
}

/* Images of an earlier run that this one does not replace would belong to parts of another number
 * and side. */
static gboolean check_folder(const char *directory, GError **error) {
  static const char *const taken[] = {"train", "test", "ground_truth"};
  for (gsize i = 0; i < G_N_ELEMENTS(taken); i++) {
    g_autofree char *path = g_build_filename(directory, taken[i], NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                  "%s: is there already; remove it or name another folder", path);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean velm_procedural_write(const VelmProceduralParams *params, const char *directory,
                               VelmProgress progress, gpointer progress_data, GError **error) {
  if (!check_params(params, error) || !check_folder(directory, error) ||
      !velm_file_make_folder(directory, error))
    return FALSE;
  g_autoptr(GPtrArray) jobs = plan(params);
  if (!write_groups(directory, jobs, error) || !write_spec(directory, params->size, error))
    return FALSE;
  for (guint i = 0; i < jobs->len; i++) {
    if (progress && !progress("drawing", i, jobs->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "%s: stopped after %u of %u images",
                  directory, i, jobs->len);
      return FALSE;
    }
    if (!write_job(params, directory, g_ptr_array_index(jobs, i), error))
      return FALSE;
  }
  if (progress)
    progress("drawing", jobs->len, jobs->len, progress_data);
  return TRUE;
}
