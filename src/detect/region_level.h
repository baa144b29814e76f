/* From which level of its score map an image's regions are marked. */
#pragma once

#include "core/image.h"

/**
 * The level that lies at seven tenths of the way from the map's median to its maximum: a region
 * reaches from a peak down to it. It needs no scale of the map's values, and finds a region in
 * every image that is anomalous.
 * @map: without NaN
 */
double velm_region_level(const VelmPlane *map);
