#include "classify/prompt_crops.h"

#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* Side of a crop: so many times the region's longer side, for a defect shows against what is
 * about it; and at least this share of the image's longer side, for a few enlarged pixels show
 * nothing. */
#define CROP_SIDE 2.0
#define CROP_MIN_SIDE 0.2

typedef struct {
  int x, y, width, height;
} Box;

guint velm_prompt_crops_count(const VelmInspection *inspection) {
  return inspection->mask ? MIN(inspection->regions->len, VELM_PROMPT_MAX_CROPS) : 0;
}

static const VelmRegion *region_at(const VelmInspection *inspection, guint index) {
  return &g_array_index(inspection->regions, VelmRegion, index);
}

static int percent(double at, int size) { return CLAMP((int)lround(100 * at / size), 0, 100); }

VelmPromptPlace velm_prompt_crop_place(const VelmInspection *inspection, guint index) {
  const VelmRegion *region = region_at(inspection, index);
  return (VelmPromptPlace){percent(region->x + region->width / 2.0, inspection->image->width),
                           percent(region->y + region->height / 2.0, inspection->image->height)};
}

/* The start of @length pixels about @middle that stay within @size. */
static int start_about(double middle, int length, int size) {
  return CLAMP((int)lround(middle - length / 2.0), 0, size - length);
}

/* A square where the image is large enough for it. */
static Box box_about(const VelmRegion *region, const VelmImage *image) {
  double side = CROP_SIDE * MAX(region->width, region->height);
  double least = CROP_MIN_SIDE * MAX(image->width, image->height);
  int length = MAX(1, (int)lround(MAX(side, least)));
  Box box = {.width = MIN(length, image->width), .height = MIN(length, image->height)};
  box.x = start_about(region->x + region->width / 2.0, box.width, image->width);
  box.y = start_about(region->y + region->height / 2.0, box.height, image->height);
  return box;
}

static VelmMask *crop_mask(const VelmMask *mask, const Box *box) {
  VelmMask *out = velm_mask_new(box->width, box->height);
  for (int y = 0; y < box->height; y++)
    memcpy(out->values + (gsize)y * (gsize)box->width,
           mask->values + (gsize)(box->y + y) * (gsize)mask->width + (gsize)box->x,
           (gsize)box->width);
  return out;
}

VelmImage *velm_prompt_crop_draw(const VelmInspection *inspection, guint index, GError **error) {
  Box box = box_about(region_at(inspection, index), inspection->image);
  g_autoptr(VelmImage) image =
      velm_image_crop(inspection->image, box.x, box.y, box.width, box.height);
  g_autoptr(VelmMask) mask = crop_mask(inspection->mask, &box);
  return velm_mark_outline(image, mask, VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, error);
}
