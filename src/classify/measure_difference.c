#include "classify/components.h"
#include "classify/measure.h"
#include "classify/morphology.h"
#include "classify/percentile.h"

#include <math.h>
#include <string.h>

/* A pixel may lie this far from where the reference has it; less is tried where nothing is found.
 */
#define TOLERANCE 3

/* What is no difference: a share of the reference's range of grey levels. */
#define LEVEL 0.25

/* The range is at least this: a flat reference is not all noise. */
#define MIN_RANGE 8.0

#define CORE_MIN_PIXELS 3
#define ARC_MIN_PIXELS 3
#define TOUCH_MIN_PIXELS 6
#define MAX_CONTACTS 4
#define MAX_CHANGE 3

/* Half the width of the arcs' ring about the blob. */
#define RING 2

/* The window about the blob in which components are counted: this share of the scale. */
#define WINDOW 0.04

/* ---- the two images ---- */

typedef struct {
  const VelmPlane *grey, *reference;
  const VelmMask *mask; /* where to look */
  double range;         /* of grey levels */
} Pair;

static gsize n_pixels(const VelmPlane *plane) { return (gsize)plane->width * (gsize)plane->height; }

static double range_of(const VelmPlane *grey, const VelmPlane *reference) {
  gsize n = n_pixels(grey);
  double range =
      velm_percentile(reference->values, n, 99) - velm_percentile(reference->values, n, 1);
  if (range >= MIN_RANGE)
    return range;
  float low = grey->values[0], high = low;
  for (gsize i = 1; i < n; i++) {
    low = MIN(low, grey->values[i]);
    high = MAX(high, grey->values[i]);
  }
  return MAX(MAX(range, (double)(high - low)), MIN_RANGE);
}

static void measure_means(const Pair *pair, float *out) {
  double sum = 0, magnitude = 0, count = 0;
  for (gsize i = 0; i < n_pixels(pair->grey); i++)
    if (pair->mask->values[i]) {
      double d = (double)pair->grey->values[i] - (double)pair->reference->values[i];
      sum += d;
      magnitude += fabs(d);
      count++;
    }
  out[VELM_DIFFERENCE_SIGNED] = (float)(sum / count / pair->range);
  out[VELM_DIFFERENCE_ABSOLUTE] = (float)(magnitude / count / pair->range);
}

/* ---- the core: what no shift within the tolerance explains ---- */

typedef struct {
  VelmMask *bright, *dark; /* pixels beyond all of the reference's within the tolerance */
} Hits;

static void hits_clear(Hits *hits) {
  velm_mask_free(hits->bright);
  velm_mask_free(hits->dark);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hits, hits_clear)

static Hits find_hits(const Pair *pair, int tolerance) {
  int width = pair->grey->width, height = pair->grey->height;
  g_autoptr(VelmPlane) high = velm_morphology_max(pair->reference, tolerance);
  g_autoptr(VelmPlane) low = velm_morphology_min(pair->reference, tolerance);
  g_autoptr(VelmMask) near = velm_morphology_dilate(pair->mask, tolerance);
  Hits hits = {velm_mask_new(width, height), velm_mask_new(width, height)};
  float level = (float)(LEVEL * pair->range);
  for (gsize i = 0; i < n_pixels(pair->grey); i++) {
    float grey = pair->grey->values[i];
    hits.bright->values[i] = near->values[i] && grey - high->values[i] > level ? 255 : 0;
    hits.dark->values[i] = near->values[i] && low->values[i] - grey > level ? 255 : 0;
  }
  return hits;
}

/* The largest component of @mask if it has more than @size pixels, and then its size in @size. */
static VelmMask *larger_component(const VelmMask *mask, gsize *size) {
  g_autoptr(VelmComponents) components = velm_components_find(mask, TRUE);
  gint32 label = velm_components_largest(components);
  if (!label || components->sizes[label - 1] <= *size)
    return NULL;
  *size = components->sizes[label - 1];
  return velm_components_extract(components, mask, label);
}

/* Returns NULL where there is none. @sign, @size: (out). Fills the balance. */
static VelmMask *find_core(const Pair *pair, int tolerance, int *sign, gsize *size, float *out) {
  g_auto(Hits) hits = find_hits(pair, tolerance);
  double bright = (double)velm_mask_count(hits.bright), dark = (double)velm_mask_count(hits.dark);
  out[VELM_DIFFERENCE_BALANCE] = (float)((bright - dark) / MAX(bright + dark, 1));
  *size = CORE_MIN_PIXELS - 1;
  *sign = 1;
  VelmMask *core = bright > 0 ? larger_component(hits.bright, size) : NULL;
  VelmMask *darker = dark > 0 ? larger_component(hits.dark, size) : NULL;
  if (!darker)
    return core;
  velm_mask_free(core);
  *sign = -1;
  return darker;
}

/* ---- the site: the core and what is about it, cut out of the images ---- */

typedef struct {
  VelmBox box;
  VelmPlane *grey, *reference;
  VelmMask *core, *blob;           /* the blob is the core grown to the change's visible extent */
  VelmMask *same, *reference_same; /* pixels of the blob's phase, in the image and the reference */
} Site;

static void site_clear(Site *site) {
  velm_plane_free(site->grey);
  velm_plane_free(site->reference);
  velm_mask_free(site->core);
  velm_mask_free(site->blob);
  velm_mask_free(site->same);
  velm_mask_free(site->reference_same);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Site, site_clear)

/* Adds a layer of one pixel to the blob, where the images differ. */
static void grow_blob(Site *site, int sign, double range) {
  g_autoptr(VelmMask) grown = velm_morphology_dilate(site->blob, 1);
  for (gsize i = 0; i < n_pixels(site->grey); i++) {
    double d = (double)site->grey->values[i] - (double)site->reference->values[i];
    if (grown->values[i] && sign * d / range > LEVEL)
      site->blob->values[i] = 255;
  }
}

static double median_in(const VelmPlane *plane, const VelmMask *mask) {
  g_autofree float *values = g_new(float, n_pixels(plane));
  gsize n = 0;
  for (gsize i = 0; i < n_pixels(plane); i++)
    if (mask->values[i])
      values[n++] = plane->values[i];
  return velm_percentile(values, n, 50);
}

/* The pixels whose level is nearer to @level than to @other. */
static VelmMask *phase_of(const VelmPlane *plane, double level, double other) {
  VelmMask *phase = velm_mask_new(plane->width, plane->height);
  for (gsize i = 0; i < n_pixels(plane); i++) {
    double value = (double)plane->values[i];
    phase->values[i] = fabs(value - level) < fabs(value - other) ? 255 : 0;
  }
  return phase;
}

static int window_margin(const Pair *pair, int tolerance) {
  double scale = sqrt((double)pair->grey->width * pair->grey->height);
  return MAX(tolerance + 3, (int)(WINDOW * scale));
}

static Site site_open(const Pair *pair, const VelmMask *core, int tolerance, int sign) {
  Site site = {0};
  velm_box_bound(core, &site.box);
  /* The blob's growth, and about that the window or the ring, of which the window is wider. */
  site.box = velm_box_grow(site.box, tolerance + 1 + window_margin(pair, tolerance), core->width,
                           core->height);
  site.grey = velm_plane_cut(pair->grey, site.box);
  site.reference = velm_plane_cut(pair->reference, site.box);
  site.core = velm_mask_cut(core, site.box);
  site.blob = velm_mask_copy(site.core);
  for (int i = 0; i <= tolerance; i++)
    grow_blob(&site, sign, pair->range);
  double now = median_in(site.grey, site.core), before = median_in(site.reference, site.core);
  site.same = phase_of(site.grey, now, before);
  site.reference_same = phase_of(site.reference, now, before);
  return site;
}

/* ---- how the blob is connected ---- */

/* The pixels of @mask that are, or are not, in @by. */
static VelmMask *masked(const VelmMask *mask, const VelmMask *by, gboolean in) {
  VelmMask *out = velm_mask_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    out->values[i] = mask->values[i] && (by->values[i] != 0) == (in != 0) ? 255 : 0;
  return out;
}

static void measure_arcs(const Site *site, float *out) {
  g_autoptr(VelmMask) grown = velm_morphology_dilate(site->blob, RING);
  g_autoptr(VelmMask) ring = masked(grown, site->blob, FALSE);
  g_autoptr(VelmMask) arcs = masked(ring, site->same, TRUE);
  g_autoptr(VelmComponents) components = velm_components_find(arcs, TRUE);
  int n = MIN(velm_components_count(components, ARC_MIN_PIXELS), MAX_CONTACTS);
  gsize n_ring = velm_mask_count(ring);
  out[VELM_DIFFERENCE_ARCS] = (float)n;
  out[VELM_DIFFERENCE_SAME] = (float)((double)velm_mask_count(arcs) / (double)MAX(n_ring, 1));
  out[VELM_DIFFERENCE_CONTACT] = (float)MIN(n, 2);
}

/* Number of components of the phase about the blob that it touches. */
static int count_touched(const Site *site, VelmBox window) {
  g_autoptr(VelmMask) rest = masked(site->same, site->blob, FALSE);
  g_autoptr(VelmMask) rest_cut = velm_mask_cut(rest, window);
  g_autoptr(VelmMask) grown = velm_morphology_dilate(site->blob, RING);
  g_autoptr(VelmMask) grown_cut = velm_mask_cut(grown, window);
  g_autoptr(VelmComponents) components = velm_components_find(rest_cut, TRUE);
  g_autofree gboolean *touched = g_new0(gboolean, (gsize)components->n + 1);
  gsize n = (gsize)window.width * (gsize)window.height;
  for (gsize i = 0; i < n; i++)
    if (grown_cut->values[i])
      touched[components->labels[i]] = TRUE;
  int count = 0;
  for (int i = 1; i <= components->n; i++)
    count += touched[i] && components->sizes[i - 1] >= TOUCH_MIN_PIXELS;
  return MIN(count, MAX_CONTACTS);
}

static int count_components(const VelmMask *mask, VelmBox window, gboolean diagonal, gsize min) {
  g_autoptr(VelmMask) cut = velm_mask_cut(mask, window);
  g_autoptr(VelmComponents) components = velm_components_find(cut, diagonal);
  return velm_components_count(components, (double)min);
}

/* How many components the change has made, or joined, of either phase. */
static void measure_topology(const Site *site, VelmBox window, gsize min, float *out) {
  g_autoptr(VelmMask) other = velm_mask_invert(site->same);
  g_autoptr(VelmMask) reference_other = velm_mask_invert(site->reference_same);
  int phase = count_components(site->same, window, TRUE, min) -
              count_components(site->reference_same, window, TRUE, min);
  int rest = count_components(other, window, FALSE, min) -
             count_components(reference_other, window, FALSE, min);
  out[VELM_DIFFERENCE_PHASE] = (float)CLAMP(phase, -MAX_CHANGE, MAX_CHANGE);
  out[VELM_DIFFERENCE_OTHER] = (float)CLAMP(rest, -MAX_CHANGE, MAX_CHANGE);
}

/* ---- all ---- */

static void measure_blob(const Pair *pair, const Site *site, gsize core_size, float *out) {
  VelmBox place = {-site->box.x, -site->box.y, pair->grey->width, pair->grey->height};
  g_autoptr(VelmMask) blob = velm_mask_cut(site->blob, place);
  float shape[VELM_N_SHAPE];
  velm_measure_shape(blob, shape);
  out[VELM_DIFFERENCE_AREA] = shape[VELM_SHAPE_AREA];
  out[VELM_DIFFERENCE_ELONGATION] = shape[VELM_SHAPE_ELONGATION];
  out[VELM_DIFFERENCE_THICKNESS] = shape[VELM_SHAPE_THICKNESS];
  out[VELM_DIFFERENCE_EXTENT] = shape[VELM_SHAPE_EXTENT];
  out[VELM_DIFFERENCE_LENGTH] = (float)log((double)core_size + 1) - shape[VELM_SHAPE_THICKNESS];
}

static void measure_site(const Pair *pair, const VelmMask *core, gsize core_size, int tolerance,
                         int sign, float *out) {
  g_auto(Site) site = site_open(pair, core, tolerance, sign);
  VelmBox window;
  velm_box_bound(site.blob, &window);
  window = velm_box_grow(window, window_margin(pair, tolerance), site.box.width, site.box.height);
  out[VELM_DIFFERENCE_FOUND] = 1;
  out[VELM_DIFFERENCE_SIGN] = (float)sign;
  out[VELM_DIFFERENCE_TOUCH] = (float)count_touched(&site, window);
  measure_arcs(&site, out);
  measure_topology(&site, window, MAX(TOUCH_MIN_PIXELS, core_size / 4), out);
  measure_blob(pair, &site, core_size, out);
}

gboolean velm_measure_difference(const VelmPlane *grey, const VelmPlane *reference,
                                 const VelmMask *mask, gboolean whole,
                                 float difference[VELM_N_DIFFERENCE], GError **error) {
  if (!velm_measure_check(grey, "reference", reference->width, reference->height, error) ||
      !velm_measure_check(grey, "mask", mask->width, mask->height, error))
    return FALSE;
  g_autoptr(VelmMask) nothing = velm_mask_new(mask->width, mask->height);
  g_autoptr(VelmMask) all = velm_mask_or_whole(whole ? nothing : mask);
  Pair pair = {grey, reference, all, range_of(grey, reference)};
  memset(difference, 0, VELM_N_DIFFERENCE * sizeof(float));
  measure_means(&pair, difference);
  for (int tolerance = TOLERANCE; tolerance > 0; tolerance--) {
    int sign;
    gsize size;
    g_autoptr(VelmMask) core = find_core(&pair, tolerance, &sign, &size, difference);
    if (!core)
      continue;
    measure_site(&pair, core, size, tolerance, sign, difference);
    break;
  }
  return TRUE;
}
