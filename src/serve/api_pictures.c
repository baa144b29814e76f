/* The image of a record, as it came and as a browser can show it. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/score_map.h"

#include "mark/mark.h"

#include <math.h>

#define JPEG_QUALITY 90
/* Pictures of a record never change, but for who may see them. */
#define KEPT "private, max-age=86400, immutable"

typedef enum { PLAIN, OUTLINE, HEATMAP } View;

VelmResponse *velm_api_get_image(VelmCall *call, GError **error) {
  VelmResponse *missing = NULL;
  g_autoptr(VelmStoredRecord) record = velm_call_record(call, &missing, error);
  if (!record)
    return missing;
  GBytes *bytes =
      velm_store_read_image(velm_station_get_store(call->context->station), record->image, error);
  if (!bytes)
    return NULL;
  VelmResponse *response = velm_response_new(200, record->media_type, bytes);
  velm_response_set_header(response, "Cache-Control", KEPT);
  return response;
}

static void fit(const VelmImage *image, gint64 side, int *width, int *height) {
  double factor = MIN(1, (double)side / MAX(image->width, image->height));
  *width = MAX(1, (int)lround(image->width * factor));
  *height = MAX(1, (int)lround(image->height * factor));
}

/* The record's detect part, with @image, which is taken. @inspection: (out): NULL where the record
 * has no score map. */
static gboolean read_map(const VelmCall *call, const VelmStoredRecord *record, VelmImage *image,
                         VelmInspection **inspection, GError **error) {
  g_autoptr(GBytes) packed = NULL;
  g_autoptr(VelmImage) owned = image;
  if (!velm_store_get_map(velm_station_get_store(call->context->station), record->id, &packed,
                          error))
    return FALSE;
  if (!packed)
    return TRUE;
  *inspection = velm_score_map_unpack(packed, g_steal_pointer(&owned), error);
  return *inspection != NULL;
}

static VelmImage *outline(VelmInspection *inspection, int width, int height, GError **error) {
  if (!inspection->anomalous)
    return velm_image_resize(inspection->image, width, height, error);
  if (!velm_mark_regions(inspection, TRUE, error))
    return NULL;
  return velm_mark_outline(inspection->image, inspection->mask, width, height, error);
}

/* The scale goes from nothing to twice the threshold, so that colours mean the same in all records
 * of a product. */
static VelmImage *heatmap(const VelmInspection *inspection, const VelmStoredRecord *record,
                          int width, int height, GError **error) {
  double high = isfinite(record->threshold) && record->threshold > 0
                    ? 2 * record->threshold
                    : velm_plane_largest(inspection->map);
  return velm_mark_heatmap(inspection->image, inspection->map, 0, high, width, height, error);
}

static VelmImage *draw(const VelmCall *call, const VelmStoredRecord *record, VelmImage *image,
                       View view, gint64 side, GError **error) {
  int width = 0, height = 0;
  fit(image, side, &width, &height);
  if (view == PLAIN) {
    g_autoptr(VelmImage) owned = image;
    return velm_image_resize(image, width, height, error);
  }
  g_autoptr(VelmInspection) inspection = NULL;
  g_autoptr(VelmImage) plain = velm_image_copy(image);
  if (!read_map(call, record, image, &inspection, error))
    return NULL;
  if (!inspection)
    return velm_image_resize(plain, width, height, error);
  return view == OUTLINE ? outline(inspection, width, height, error)
                         : heatmap(inspection, record, width, height, error);
}

static VelmImage *decode(const VelmCall *call, const VelmStoredRecord *record, GError **error) {
  g_autofree char *path =
      velm_store_image_path(velm_station_get_store(call->context->station), record->image);
  g_autoptr(GError) cause = NULL;
  VelmImage *image = velm_image_load(path, 0, &cause);
  /* The path is the station's own affair. */
  if (!image)
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "the image cannot be shown: it is damaged");
  return image;
}

VelmResponse *velm_api_get_picture(VelmCall *call, GError **error) {
  static const char *const names[] = {"view", "size", NULL};
  static const char *const views[] = {"plain", "outline", "heatmap", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  guint view = PLAIN;
  gint64 side = 1024;
  VelmResponse *missing = NULL;
  if (!velm_query_only(query, names, FALSE, error) ||
      !velm_query_word(query, "view", views, &view, error) ||
      !velm_query_int(query, "size", 16, 4096, &side, error))
    return NULL;
  g_autoptr(VelmStoredRecord) record = velm_call_record(call, &missing, error);
  if (!record)
    return missing;
  VelmImage *image = decode(call, record, error);
  g_autoptr(VelmImage) picture = image ? draw(call, record, image, (View)view, side, error) : NULL;
  GBytes *jpeg = picture ? velm_image_to_jpeg(picture, JPEG_QUALITY, error) : NULL;
  if (!jpeg)
    return NULL;
  VelmResponse *response = velm_response_new(200, "image/jpeg", jpeg);
  velm_response_set_header(response, "Cache-Control", KEPT);
  return response;
}
