#include "serve/score_map.h"

#include <math.h>

#define LARGEST_SIDE 256
#define LEVELS 65535

/* width, height, lowest and highest value, level of regions, whether the image is anomalous, the
 * values between lowest and highest; little-endian */
#define FORMAT "(uudddbaq)"

static VelmPlane *shrink(const VelmPlane *map) {
  int side = MAX(map->width, map->height);
  if (side <= LARGEST_SIDE)
    return velm_plane_copy(map);
  double factor = (double)LARGEST_SIDE / side;
  return velm_plane_resize(map, MAX(1, (int)(map->width * factor)),
                           MAX(1, (int)(map->height * factor)), NULL);
}

static GVariant *to_levels(const VelmPlane *map, double low, double high) {
  gsize n = (gsize)map->width * (gsize)map->height;
  g_autofree guint16 *levels = g_new(guint16, n);
  double scale = high > low ? LEVELS / (high - low) : 0;
  for (gsize i = 0; i < n; i++)
    levels[i] = (guint16)lround(((double)map->values[i] - low) * scale);
  return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT16, levels, n, sizeof *levels);
}

GBytes *velm_score_map_pack(const VelmInspection *inspection) {
  if (!inspection->map)
    return NULL;
  g_autoptr(VelmPlane) map = shrink(inspection->map);
  if (!map)
    return NULL;
  double low = INFINITY, high = -INFINITY;
  for (gsize i = 0; i < (gsize)map->width * (gsize)map->height; i++) {
    if (!isfinite(map->values[i]))
      return NULL;
    low = MIN(low, (double)map->values[i]);
    high = MAX(high, (double)map->values[i]);
  }
  g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new(
      "(uudddb@aq)", (guint32)map->width, (guint32)map->height, low, high,
      inspection->region_threshold, inspection->anomalous, to_levels(map, low, high)));
  if (G_BYTE_ORDER == G_BIG_ENDIAN) {
    GVariant *swapped = g_variant_byteswap(value);
    g_variant_unref(value);
    value = swapped;
  }
  return g_variant_get_data_as_bytes(value);
}

static VelmPlane *from_levels(GVariant *array, guint32 width, guint32 height, double low,
                              double high) {
  gsize n = 0;
  const guint16 *levels = g_variant_get_fixed_array(array, &n, sizeof *levels);
  if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE ||
      n != (gsize)width * height || !isfinite(low) || !isfinite(high))
    return NULL;
  VelmPlane *map = velm_plane_new((int)width, (int)height);
  for (gsize i = 0; i < n; i++)
    map->values[i] = (float)(low + (high - low) * levels[i] / LEVELS);
  return map;
}

static GVariant *parse(GBytes *packed) {
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(FORMAT), packed, FALSE));
  if (!g_variant_is_normal_form(value))
    return NULL;
  return G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap(value) : g_steal_pointer(&value);
}

VelmInspection *velm_score_map_unpack(GBytes *packed, VelmImage *image, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new("record");
  g_autoptr(GVariant) value = parse(packed);
  guint32 width = 0, height = 0;
  double low = 0, high = 0;
  g_autoptr(GVariant) array = NULL;
  inspection->image = image;
  if (value) {
    g_variant_get(value, "(uudddb@aq)", &width, &height, &low, &high, &inspection->region_threshold,
                  &inspection->anomalous, &array);
    inspection->map = from_levels(array, width, height, low, high);
  }
  if (inspection->map)
    return g_steal_pointer(&inspection);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the record's score map is damaged");
  return NULL;
}
