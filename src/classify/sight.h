/*
 * What the few-shot classifier sees of one image and one marked region: measures that a person
 * would take (geometry, appearance, difference to the reference), and what a pretrained network
 * says of the region.
 */
#pragma once

#include "core/model.h"
#include "detect/backbone.h"
#include "detect/inspection.h"

#define VELM_N_GEOMETRY 38
#define VELM_N_APPEARANCE 15
#define VELM_N_DIFFERENCE 16

/* Flips of the crop, each its own row of the crop's features: none, horizontal, vertical, both. */
#define VELM_N_FLIPS 4

typedef struct {
  float geometry[VELM_N_GEOMETRY];
  float appearance[VELM_N_APPEARANCE];
  gboolean has_difference; /* there was an aligned reference */
  float difference[VELM_N_DIFFERENCE];
  int n_patch, n_crop;
  float *patch;   /* n_patch: the detector's own features, pooled over the region; NULL where it has
                     none */
  int n_views;    /* 1, or VELM_N_FLIPS */
  float *crop[2]; /* n_views rows of n_crop each: an earlier and a later layer, of the crop about
                     the region */
} VelmSight;

void velm_sight_free(VelmSight *sight);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSight, velm_sight_free)

/* The network that looks at crops. */
typedef struct _VelmSightNet VelmSightNet;
VelmSightNet *velm_sight_net_open(GError **error);
void velm_sight_net_free(VelmSightNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSightNet, velm_sight_net_free)

/**
 * Measures the inspection's focus. Its image and focus are set; features, map and reference where
 * there are any. An image of more than a megapixel is measured on a copy of 1024 x 1024 pixels'
 * area, in its own proportions; an empty focus (or none) is the whole image; a reference of another
 * size is resized.
 * @detected: the focus is the detector's region, which is vague, not a mask that follows the
 * defect: the patch features are then those of the patches whose score is near the map's largest,
 * and the difference to the reference is looked for in the whole image
 * @flips: also look at the mirrored crops (for teaching)
 */
VelmSight *velm_sight_take(VelmSightNet *net, const VelmInspection *inspection, gboolean detected,
                           gboolean flips, GError **error);

/* The measures, each in a file of its name. @mask and @image (or @grey) are of one size. */
void velm_measure_geometry(const VelmMask *mask, float geometry[VELM_N_GEOMETRY]);
gboolean velm_measure_appearance(const VelmPlane *grey, const VelmMask *mask,
                                 float appearance[VELM_N_APPEARANCE], GError **error);
/** @mask: where to look; @whole: take the whole image instead. */
gboolean velm_measure_difference(const VelmPlane *grey, const VelmPlane *reference,
                                 const VelmMask *mask, gboolean whole,
                                 float difference[VELM_N_DIFFERENCE], GError **error);
