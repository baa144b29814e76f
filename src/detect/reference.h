/*
 * Comparison with an aligned defect-free image of the same part, in place of the memory bank.
 */
#pragma once

#include "detect/backbone.h"

/**
 * The anomaly map against a reference, on the features' grid: the mean over layers of the distance
 * to the nearest of the reference's patches within one patch of the same place, over what is
 * typical of the layer; and the difference of the grey values that no shift by a few pixels
 * explains.
 * @typical: one a layer of @backbone
 * @reference: may differ in size from @image
 */
VelmPlane *velm_reference_map(const VelmBackbone *backbone, const float *typical,
                              const VelmFeatures *features, const VelmFeatures *reference_features,
                              const VelmImage *image, const VelmImage *reference, GError **error);

/** The score of an image against its reference: the map's maximum. One patch that differs from
 * the same part's is no chance. */
double velm_reference_score(const VelmPlane *map);

/** A copy of @image as another shot of the same part would be: moved by up to two pixels, lit a
 * little otherwise, with noise. */
VelmImage *velm_reference_disturb(const VelmImage *image, guint32 seed);
