#include "classify/sight.h"

#include "classify/components.h"
#include "classify/measure.h"
#include "classify/morphology.h"

#include <math.h>
#include <string.h>

/* Larger images are measured on a copy of this many pixels: lengths are relative all the same. */
#define MAX_PIXELS (1024.0 * 1024.0)

/* The crop: a square of this many times the region's longer side, at least this share of the scale.
 * A detector's region may miss some of the defect. */
#define CROP_SIDE(detected) ((detected) ? 2.5 : 1.5)
#define CROP_MIN_SIDE(detected) ((detected) ? 0.35 : 0.2)

/* What the network takes, and its layers: one that knows forms, one that knows more of things. */
#define CROP_SIZE 224
#define CROP_LAYERS "block7,block9"
#define N_LAYERS 2

/* A crop that is shrunk more than twice takes the mean of several samples a pixel, at most this
   many in a row. */
#define MAX_SAMPLES 4

/* The detector's region is where the score is at least this share of the largest. */
#define REGION_LEVEL 0.8

/* ---- the network ---- */

struct _VelmSightNet {
  VelmBackbone *backbone;
};

VelmSightNet *velm_sight_net_open(GError **error) {
  g_autoptr(VelmBackboneSpec) spec =
      velm_backbone_spec_new("dinov2s", CROP_LAYERS, CROP_SIZE, error);
  VelmBackbone *backbone = spec ? velm_backbone_open(spec, error) : NULL;
  if (!backbone)
    return NULL;
  VelmSightNet *net = g_new0(VelmSightNet, 1);
  net->backbone = backbone;
  return net;
}

void velm_sight_net_free(VelmSightNet *net) {
  if (!net)
    return;
  velm_backbone_free(net->backbone);
  g_free(net);
}

void velm_sight_free(VelmSight *sight) {
  if (!sight)
    return;
  g_free(sight->patch);
  for (int i = 0; i < N_LAYERS; i++)
    g_free(sight->crop[i]);
  g_free(sight);
}

/* ---- what is measured: the image and mask at one size, that size bounded ---- */

typedef struct {
  const VelmImage *image;
  VelmImage *reduced; /* owns @image where it is a copy */
  VelmPlane *grey, *reference;
  VelmMask *mask; /* never empty */
} Scene;

static void scene_clear(Scene *scene) {
  velm_image_free(scene->reduced);
  velm_plane_free(scene->grey);
  velm_plane_free(scene->reference);
  velm_mask_free(scene->mask);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

/* Whole grey levels: JPEG's traces of colour must not order pixels that look the same. */
static VelmPlane *whole_grey(const VelmImage *image) {
  VelmPlane *grey = velm_image_grey(image);
  gsize n = (gsize)grey->width * (gsize)grey->height;
  for (gsize i = 0; i < n; i++)
    grey->values[i] = rintf(grey->values[i]);
  return grey;
}

static VelmPlane *fitted_grey(const VelmImage *image, int width, int height, GError **error) {
  g_autoptr(VelmImage) fitted = velm_image_resize(image, width, height, error);
  return fitted ? whole_grey(fitted) : NULL;
}

/* Where index @i of @n falls among @m. */
static int rescale(int i, int n, int m) { return MIN(m - 1, (int)((i + 0.5) * m / n)); }

/* Every pixel of the result that holds one of @mask's. */
static VelmMask *covered(const VelmMask *mask, int width, int height) {
  VelmMask *out = velm_mask_new(width, height);
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++)
      if (mask->values[(gsize)y * (gsize)mask->width + (gsize)x])
        out->values[(gsize)rescale(y, mask->height, height) * (gsize)width +
                    (gsize)rescale(x, mask->width, width)] = 255;
  return out;
}

/* @mask by nearest neighbour; one too small for that does not vanish, an empty one is the whole. */
static VelmMask *fitted_mask(const VelmMask *mask, int width, int height) {
  g_autoptr(VelmMask) out = velm_mask_new(width, height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      out->values[(gsize)y * (gsize)width + (gsize)x] =
          mask->values[(gsize)rescale(y, height, mask->height) * (gsize)mask->width +
                       (gsize)rescale(x, width, mask->width)];
  if (velm_mask_count(out) > 0)
    return g_steal_pointer(&out);
  g_autoptr(VelmMask) traces = covered(mask, width, height);
  return velm_mask_or_whole(traces);
}

static gboolean scene_open(Scene *scene, const VelmInspection *inspection, GError **error) {
  const VelmImage *image = inspection->image;
  double shrink = MAX(1, sqrt((double)image->width * image->height / MAX_PIXELS));
  int width = MAX(1, (int)lround(image->width / shrink));
  int height = MAX(1, (int)lround(image->height / shrink));
  if (shrink > 1)
    scene->reduced = velm_image_resize(image, width, height, error);
  if (shrink > 1 && !scene->reduced)
    return FALSE;
  scene->image = scene->reduced ? scene->reduced : image;
  scene->grey = whole_grey(scene->image);
  g_autoptr(VelmMask) nothing = velm_mask_new(1, 1);
  scene->mask = fitted_mask(inspection->focus ? inspection->focus : nothing, width, height);
  if (inspection->reference)
    scene->reference = fitted_grey(inspection->reference, width, height, error);
  return !inspection->reference || scene->reference;
}

static gboolean measure(VelmSight *sight, const Scene *scene, gboolean detected, GError **error) {
  velm_measure_geometry(scene->mask, sight->geometry);
  sight->has_difference = scene->reference != NULL;
  return velm_measure_appearance(scene->grey, scene->mask, sight->appearance, error) &&
         (!scene->reference || velm_measure_difference(scene->grey, scene->reference, scene->mask,
                                                       detected, sight->difference, error));
}

/* ---- pooling of patch features ---- */

/* The pixels whose centres lie in cell @i of @cells, of @n; the nearest one where none does. */
static void cell_range(int i, int cells, int n, int *from, int *to) {
  *from = (int)ceil((double)i * n / cells - 0.5);
  *to = (int)ceil((double)(i + 1) * n / cells - 0.5);
  if (*from < *to)
    return;
  *from = rescale(i, cells, n);
  *to = *from + 1;
}

/* Mean of @plane over each cell of a grid. */
static float *cell_means(const VelmPlane *plane, int rows, int columns) {
  float *means = g_new(float, (gsize)rows *(gsize)columns);
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++) {
      int x0, x1, y0, y1;
      cell_range(row, rows, plane->height, &y0, &y1);
      cell_range(column, columns, plane->width, &x0, &x1);
      double sum = 0;
      for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
          sum += (double)plane->values[(gsize)y * (gsize)plane->width + (gsize)x];
      means[row * columns + column] = (float)(sum / ((double)(y1 - y0) * (x1 - x0)));
    }
  return means;
}

/* Squared share of each cell in @mask: cells at its border hold less of what is inside. */
static float *mask_weights(const VelmMask *mask, int rows, int columns) {
  g_autoptr(VelmPlane) plane = velm_plane_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    plane->values[i] = mask->values[i] ? 1 : 0;
  float *weights = cell_means(plane, rows, columns);
  for (int i = 0; i < rows * columns; i++)
    weights[i] *= weights[i];
  return weights;
}

/* 1 where the score is near its largest, else 0. */
static float *score_weights(const VelmPlane *map, int rows, int columns) {
  float *weights = cell_means(map, rows, columns);
  float top = -INFINITY;
  for (int i = 0; i < rows * columns; i++)
    top = weights[i] > top ? weights[i] : top;
  for (int i = 0; i < rows * columns; i++)
    weights[i] = weights[i] >= (float)REGION_LEVEL * top ? 1 : 0;
  return weights;
}

/* Weighted mean over the cells of the channels from @first on. Without any weight, all weigh alike.
 */
static void pool(const VelmFeatures *features, const float *weights, int first, int n, float *out) {
  int cells = features->rows * features->columns;
  double total = 0;
  for (int i = 0; i < cells; i++)
    total += (double)weights[i];
  memset(out, 0, (gsize)n * sizeof(float));
  for (int i = 0; i < cells; i++) {
    float share = (float)(total > 0 ? (double)weights[i] / total : 1.0 / cells);
    const float *from = features->values + (gsize)i * (gsize)features->channels + first;
    for (int k = 0; share > 0 && k < n; k++)
      out[k] += share * from[k];
  }
}

static void take_patches(VelmSight *sight, const VelmInspection *inspection, const Scene *scene,
                         gboolean detected) {
  const VelmFeatures *features = inspection->features;
  if (!features)
    return;
  int rows = features->rows, columns = features->columns;
  g_autofree float *weights = detected && inspection->map
                                  ? score_weights(inspection->map, rows, columns)
                                  : mask_weights(scene->mask, rows, columns);
  sight->n_patch = features->channels;
  sight->patch = g_new(float, (gsize)sight->n_patch);
  pool(features, weights, 0, sight->n_patch, sight->patch);
}

/* ---- the crop ---- */

/* A square of the image, in pixels: its corner and side. */
typedef struct {
  double x, y, side;
} Square;

/* Where a square of @side about @centre begins: within the image where it fits, else centred. */
static double slide(double centre, double side, int length) {
  if (side > length)
    return (length - side) / 2;
  return CLAMP(centre - side / 2, 0, length - side);
}

/* The square about the largest component of @mask. */
static Square place_crop(const VelmMask *mask, gboolean detected) {
  g_autoptr(VelmComponents) components = velm_components_find(mask, TRUE);
  g_autoptr(VelmMask) region =
      velm_components_extract(components, mask, velm_components_largest(components));
  VelmBox box;
  velm_box_bound(region, &box);
  double scale = sqrt((double)mask->width * mask->height);
  double side =
      MAX(CROP_SIDE(detected) * MAX(box.width, box.height), CROP_MIN_SIDE(detected) * scale);
  side = MIN(side, MAX(mask->width, mask->height));
  return (Square){slide(box.x + box.width / 2.0, side, mask->width),
                  slide(box.y + box.height / 2.0, side, mask->height), side};
}

/* Adds the colour at a point, bilinear between pixel centres; it is black outside the image. */
static void add_sample(const VelmImage *image, double x, double y, float sum[3]) {
  if (x < 0 || y < 0 || x >= image->width || y >= image->height)
    return;
  x = CLAMP(x - 0.5, 0, image->width - 1);
  y = CLAMP(y - 0.5, 0, image->height - 1);
  int x0 = (int)x, y0 = (int)y, x1 = MIN(x0 + 1, image->width - 1);
  int y1 = MIN(y0 + 1, image->height - 1);
  float u = (float)(x - x0), v = (float)(y - y0);
  const guint8 *top = image->pixels + 3 * (gsize)y0 * (gsize)image->width;
  const guint8 *bottom = image->pixels + 3 * (gsize)y1 * (gsize)image->width;
  for (int c = 0; c < 3; c++)
    sum[c] += (1 - v) * ((1 - u) * (float)top[3 * x0 + c] + u * (float)top[3 * x1 + c]) +
              v * ((1 - u) * (float)bottom[3 * x0 + c] + u * (float)bottom[3 * x1 + c]);
}

static VelmImage *crop_image(const VelmImage *image, Square square) {
  VelmImage *crop = velm_image_new(CROP_SIZE, CROP_SIZE);
  double step = square.side / CROP_SIZE;
  int n = CLAMP((int)lround(step / 2), 1, MAX_SAMPLES);
  for (int y = 0; y < CROP_SIZE; y++)
    for (int x = 0; x < CROP_SIZE; x++) {
      float sum[3] = {0};
      for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
          add_sample(image, square.x + (x + (j + 0.5) / n) * step,
                     square.y + (y + (i + 0.5) / n) * step, sum);
      for (int c = 0; c < 3; c++)
        crop->pixels[3 * (y * CROP_SIZE + x) + c] = (guint8)(sum[c] / (float)(n * n) + 0.5f);
    }
  return crop;
}

static VelmMask *crop_mask(const VelmMask *mask, Square square) {
  VelmMask *crop = velm_mask_new(CROP_SIZE, CROP_SIZE);
  for (int y = 0; y < CROP_SIZE; y++)
    for (int x = 0; x < CROP_SIZE; x++) {
      double u = square.x + (x + 0.5) / CROP_SIZE * square.side;
      double v = square.y + (y + 0.5) / CROP_SIZE * square.side;
      if (u >= 0 && v >= 0 && u < mask->width && v < mask->height)
        crop->values[y * CROP_SIZE + x] = mask->values[(gsize)v * (gsize)mask->width + (gsize)u];
    }
  return crop;
}

/* ---- the views of the crop ---- */

/* Copies a square of @side x @side elements of @size bytes, mirrored. */
static void mirror(guint8 *to, const guint8 *from, int side, gsize size, gboolean across,
                   gboolean down) {
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      int u = across ? side - 1 - x : x, v = down ? side - 1 - y : y;
      memcpy(to + (gsize)(y * side + x) * size, from + (gsize)(v * side + u) * size, size);
    }
}

static gboolean take_view(VelmSight *sight, VelmSightNet *net, const VelmImage *image,
                          const VelmMask *mask, int view, GError **error) {
  g_autoptr(VelmImage) turned = velm_image_new(CROP_SIZE, CROP_SIZE);
  g_autoptr(VelmMask) region = velm_mask_new(CROP_SIZE, CROP_SIZE);
  mirror(turned->pixels, image->pixels, CROP_SIZE, 3, view & 1, view & 2);
  mirror(region->values, mask->values, CROP_SIZE, 1, view & 1, view & 2);
  g_autoptr(VelmFeatures) features = velm_backbone_extract(net->backbone, turned, error);
  if (!features)
    return FALSE;
  int n = features->channels / N_LAYERS;
  g_autofree float *weights = mask_weights(region, features->rows, features->columns);
  for (int i = 0; i < N_LAYERS; i++) {
    if (!sight->crop[i])
      sight->crop[i] = g_new0(float, (gsize)n *(gsize)sight->n_views);
    pool(features, weights, i * n, n, sight->crop[i] + (gsize)view * (gsize)n);
  }
  sight->n_crop = n;
  return TRUE;
}

static gboolean take_crops(VelmSight *sight, VelmSightNet *net, const Scene *scene,
                           gboolean detected, gboolean flips, GError **error) {
  Square square = place_crop(scene->mask, detected);
  g_autoptr(VelmImage) image = crop_image(scene->image, square);
  g_autoptr(VelmMask) mask = crop_mask(scene->mask, square);
  sight->n_views = flips ? VELM_N_FLIPS : 1;
  for (int view = 0; view < sight->n_views; view++)
    if (!take_view(sight, net, image, mask, view, error))
      return FALSE;
  return TRUE;
}

VelmSight *velm_sight_take(VelmSightNet *net, const VelmInspection *inspection, gboolean detected,
                           gboolean flips, GError **error) {
  g_auto(Scene) scene = {0};
  if (!scene_open(&scene, inspection, error))
    return NULL;
  g_autoptr(VelmSight) sight = g_new0(VelmSight, 1);
  take_patches(sight, inspection, &scene, detected);
  if (!measure(sight, &scene, detected, error) ||
      !take_crops(sight, net, &scene, detected, flips, error))
    return NULL;
  return g_steal_pointer(&sight);
}
