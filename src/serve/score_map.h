/* A record's score map as the store keeps it, and the pictures that it makes. */
#pragma once

#include "detect/inspection.h"

/** The map of @inspection with the level of its regions, in 16 bits a value, at most 256 a side.
 * Returns: (transfer full) (nullable): NULL where the record has no map, or one with a
 * value that is no number. */
GBytes *velm_score_map_pack(const VelmInspection *inspection);

/**
 * A record with the detect part that @packed holds, and @image.
 * @image: (transfer full)
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where @packed is damaged; @image is then
 * freed
 */
VelmInspection *velm_score_map_unpack(GBytes *packed, VelmImage *image, GError **error);
