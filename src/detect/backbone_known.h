/* The backbones that come with velm, and what is usual for others. */
#pragma once

#include <glib.h>

/* What may look at the image beside any of these. */
#define VELM_BACKBONE_BESIDE "lite2"

/**
 * VelmKnownBackbone:
 * @file: under the models' folder; NULL for a network from elsewhere
 * @layers: those that are used where the user names none; NULL where there is no choice to make
 * @size: side of the images, likewise
 * @multiple: what the side must divide by
 * @any_shape: a patch is a square of that side, and images need not be square
 * @mean, @scale: as in VelmBackboneSpec
 */
typedef struct {
  const char *name, *file, *layers;
  int size, multiple;
  gboolean any_shape;
  float mean[3], scale[3];
} VelmKnownBackbone;

/** The one named @name, or NULL. */
const VelmKnownBackbone *velm_backbone_known(const char *name);

/** A network by file is taken to expect what most were trained with: ImageNet's mean and deviation.
 */
extern const VelmKnownBackbone velm_backbone_by_file;

/** Where this installation has it. Returns: (transfer full). */
char *velm_backbone_known_path(const VelmKnownBackbone *backbone);
