/* Close views of what was marked: a square about each region, with the region outlined. */
#pragma once

#include "classify/prompt_template.h"

/* How many crops @inspection gives: its regions, VELM_PROMPT_MAX_CROPS at most; 0 where nothing was
 * marked. */
guint velm_prompt_crops_count(const VelmInspection *inspection);

/** Where the centre of the region of crop @index is. */
VelmPromptPlace velm_prompt_crop_place(const VelmInspection *inspection, guint index);

/**
 * Crop number @index, VELM_PROMPT_IMAGE_SIZE pixels wide and high. All that was marked in it is
 * outlined.
 * Returns: (transfer full): NULL with VELM_ERROR_IMAGE
 */
VelmImage *velm_prompt_crop_draw(const VelmInspection *inspection, guint index, GError **error);
