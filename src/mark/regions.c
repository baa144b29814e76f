#include "mark/label.h"
#include "mark/mark.h"
#include "mark/refine.h"

#include <math.h>
#include <string.h>

/* Marking happens at the image's size, but no finer than this: a score map has no more detail. */
#define MAX_SIDE 1024

/* A region smaller than this share of the image is noise of the interpolation. */
#define MIN_AREA 2e-4

/* A forced region reaches down to this share of the map's maximum. */
#define FORCED_LEVEL 0.7

/* ---- connected components ---- */

/* Sums over a component's pixels, from which its measures follow. */
typedef struct {
  gint32 label;
  int x0, y0, x1, y1;
  double n, sx, sy, sxx, syy, sxy, score;
} Component;

static void component_add(Component *component, int x, int y, double score) {
  if (component->n == 0) {
    component->x0 = component->x1 = x;
    component->y0 = component->y1 = y;
    component->score = score;
  }
  component->x0 = MIN(component->x0, x);
  component->x1 = MAX(component->x1, x);
  component->y0 = MIN(component->y0, y);
  component->y1 = MAX(component->y1, y);
  component->n++;
  component->sx += x;
  component->sy += y;
  component->sxx += (double)x * x;
  component->syy += (double)y * y;
  component->sxy += (double)x * y;
  component->score = MAX(component->score, score);
}

/* Ratio of the principal axes' lengths; a pixel itself has the variance 1/12 along each. */
static double elongation(const Component *component) {
  double n = component->n, mx = component->sx / n, my = component->sy / n;
  double xx = component->sxx / n - mx * mx + 1.0 / 12, yy = component->syy / n - my * my + 1.0 / 12;
  double xy = component->sxy / n - mx * my;
  double root = sqrt((xx - yy) * (xx - yy) + 4 * xy * xy);
  double large = (xx + yy + root) / 2, small = MAX((xx + yy - root) / 2, 1.0 / 12);
  return sqrt(MAX(large, small) / small);
}

/* To pixels of the image, @fx and @fy of which make a pixel of the mask. */
static VelmRegion region_of(const Component *component, double fx, double fy) {
  double n = component->n;
  int x = (int)floor(component->x0 * fx), y = (int)floor(component->y0 * fy);
  return (VelmRegion){
      .x = x,
      .y = y,
      .width = (int)ceil((component->x1 + 1) * fx) - x,
      .height = (int)ceil((component->y1 + 1) * fy) - y,
      .area = n * fx * fy,
      .centroid_x = (component->sx / n + 0.5) * fx,
      .centroid_y = (component->sy / n + 0.5) * fy,
      .elongation = elongation(component),
      .score = component->score,
  };
}

static int compare_components(gconstpointer a, gconstpointer b) {
  const Component *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return x->label < y->label ? -1 : x->label > y->label;
}

/* The components of @mask with at least @min_pixels, the highest score first. @labels: (out). */
static GArray *find_components(const VelmMask *mask, const VelmPlane *map, double min_pixels,
                               gint32 **labels_out, GError **error) {
  int n_labels = 0;
  gint32 *labels = velm_mark_label(mask, &n_labels, error);
  if (!labels)
    return NULL;
  g_autofree Component *all = g_new0(Component, (gsize)n_labels + 1);
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++) {
      gsize i = (gsize)y * (gsize)mask->width + (gsize)x;
      if (!mask->values[i])
        continue;
      all[labels[i]].label = labels[i];
      component_add(&all[labels[i]], x, y, map ? (double)map->values[i] : 0);
    }
  GArray *components = g_array_new(FALSE, FALSE, sizeof(Component));
  for (int i = 0; i <= n_labels; i++)
    if (all[i].n > 0)
      g_array_append_val(components, all[i]);
  g_array_sort(components, compare_components);
  /* The best one stays, however small. */
  for (guint i = components->len; i > 1; i--)
    if (g_array_index(components, Component, i - 1).n < min_pixels)
      g_array_remove_index(components, i - 1);
  *labels_out = labels;
  return components;
}

/* ---- the record's part ---- */

static void clear_mark(VelmInspection *inspection) {
  g_array_set_size(inspection->regions, 0);
  g_clear_pointer(&inspection->mask, velm_mask_free);
  g_clear_pointer(&inspection->focus, velm_mask_free);
}

/* Keeps of @mask only the pixels of the kept components (only the first for @best). */
static VelmMask *keep_components(const VelmMask *mask, const gint32 *labels, GArray *components,
                                 gboolean best) {
  g_autoptr(GHashTable) kept = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < (best ? MIN(1, components->len) : components->len); i++)
    g_hash_table_add(kept, GINT_TO_POINTER(g_array_index(components, Component, i).label + 1));
  VelmMask *out = velm_mask_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    if (mask->values[i] && g_hash_table_contains(kept, GINT_TO_POINTER(labels[i] + 1)))
      out->values[i] = 255;
  return out;
}

static VelmMask *threshold(const VelmPlane *map, double level) {
  VelmMask *mask = velm_mask_new(map->width, map->height);
  gsize n = (gsize)map->width * (gsize)map->height;
  for (gsize i = 0; i < n; i++)
    mask->values[i] = (double)map->values[i] >= level ? 255 : 0;
  return mask;
}

static double largest(const VelmPlane *map) {
  gsize n = (gsize)map->width * (gsize)map->height;
  float value = -INFINITY;
  for (gsize i = 0; i < n; i++)
    value = MAX(value, map->values[i]);
  return (double)value;
}

static VelmPlane *map_for_marking(const VelmInspection *inspection, GError **error) {
  int width = inspection->image->width, height = inspection->image->height;
  double shrink = MAX(1.0, (double)MAX(width, height) / MAX_SIDE);
  return velm_plane_resize(inspection->map, MAX(1, (int)lround(width / shrink)),
                           MAX(1, (int)lround(height / shrink)), error);
}

static gboolean fill(VelmInspection *inspection, const VelmMask *mask, const VelmPlane *map,
                     gboolean focus_on_best, double min_area, GError **error) {
  int width = inspection->image->width, height = inspection->image->height;
  gint32 *labels = NULL;
  double min_pixels = min_area * mask->width * mask->height;
  g_autoptr(GArray) components = find_components(mask, map, min_pixels, &labels, error);
  if (!components)
    return FALSE;
  g_autoptr(VelmMask) kept = keep_components(mask, labels, components, FALSE);
  g_autoptr(VelmMask) focus = keep_components(mask, labels, components, focus_on_best);
  g_free(labels);
  for (guint i = 0; i < components->len; i++) {
    VelmRegion region = region_of(&g_array_index(components, Component, i),
                                  (double)width / mask->width, (double)height / mask->height);
    g_array_append_val(inspection->regions, region);
  }
  inspection->mask = velm_mask_resize(kept, width, height, error);
  if (!inspection->mask)
    return FALSE;
  inspection->focus = velm_mask_resize(focus, width, height, error);
  return inspection->focus != NULL;
}

/* Puts the refined region about the map's maximum into @mask, in place of whatever it touches. In
 * @map it has the maximum's score: it stands for it, even where it does not reach there. */
static gboolean refine_first(const VelmInspection *inspection, VelmMask *mask, VelmPlane *map,
                             GError **error) {
  g_autoptr(VelmMask) small = NULL;
  if (!velm_mark_refine(inspection->image, inspection->map, &small, error))
    return FALSE;
  if (!small)
    return TRUE;
  g_autoptr(VelmMask) refined = velm_mask_resize(small, mask->width, mask->height, error);
  int n_labels = 0;
  g_autofree gint32 *labels = refined ? velm_mark_label(mask, &n_labels, error) : NULL;
  if (!labels)
    return FALSE;
  gsize n = (gsize)mask->width * (gsize)mask->height, peak = 0, first = n;
  g_autofree gboolean *replaced = g_new0(gboolean, (gsize)n_labels + 1);
  for (gsize i = 0; i < n; i++) {
    peak = map->values[i] > map->values[peak] ? i : peak;
    replaced[labels[i]] |= mask->values[i] && refined->values[i];
    if (refined->values[i] && (first == n || map->values[i] > map->values[first]))
      first = i;
  }
  if (first == n) /* so small that resizing lost it */
    return TRUE;
  replaced[labels[peak]] = TRUE;
  for (gsize i = 0; i < n; i++)
    mask->values[i] = refined->values[i] || (mask->values[i] && !replaced[labels[i]]) ? 255 : 0;
  map->values[first] = map->values[peak];
  return TRUE;
}

gboolean velm_mark_regions(VelmInspection *inspection, gboolean force, GError **error) {
  clear_mark(inspection);
  g_autoptr(VelmPlane) map = map_for_marking(inspection, error);
  if (!map)
    return FALSE;
  double top = largest(map), level = inspection->region_threshold;
  if (top < level && !force)
    return TRUE;
  if (top < level)
    level = top * FORCED_LEVEL;
  g_autoptr(VelmMask) mask = threshold(map, level);
  if (velm_mark_is_coarse(inspection->map, inspection->image->width, inspection->image->height) &&
      !refine_first(inspection, mask, map, error))
    return FALSE;
  return fill(inspection, mask, map, TRUE, MIN_AREA, error);
}

gboolean velm_mark_given(VelmInspection *inspection, const VelmMask *mask, GError **error) {
  clear_mark(inspection);
  g_autoptr(VelmMask) fitted =
      velm_mask_resize(mask, inspection->image->width, inspection->image->height, error);
  g_autoptr(VelmPlane) map =
      fitted && inspection->map
          ? velm_plane_resize(inspection->map, fitted->width, fitted->height, error)
          : NULL;
  if (!fitted || (inspection->map && !map))
    return FALSE;
  return fill(inspection, fitted, map, FALSE, 0, error);
}
