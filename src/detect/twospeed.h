/*
 * Two-speed detection: PatchCore that stops after its early look, by the layers at half the size
 * and of the network beside the backbone, where that says "clearly normal".
 */
#pragma once

#include "detect/detector.h"
#include "detect/screen.h"

extern const VelmDetectorClass velm_detector_two_speed;

/** The rule by which an open two-speed detector stops, to be measured at other levels; borrowed. */
VelmScreen *velm_two_speed_get_screen(VelmDetector *detector);
