/*
 * A station as a front of the plant: its images become jobs, and their records come back.
 *
 * No answer is lost: who waits for a record is told of it as it is published, or, after the
 * connection was cut, when it is looked for again. A job that nothing can come of ends the wait
 * with the reason. What a broker that lost its data had taken is handed in again. While the broker
 * is away, or has as many jobs as it may, images are refused, as by a station that is full.
 */
#pragma once

#include "plant/broker.h"
#include "plant/image_source.h"
#include "serve/link.h"

/**
 * VelmFrontParams: @broker, @source: borrowed, and must outlive the link
 * @source: (nullable): with a shared folder, where images go that are larger than the broker takes
 * @shared: the station and the plant's workers have one store: records are looked up there, and
 * those of images that others handed in are told to who follows the station. Else each record is
 * told whole, and the station keeps it in its own
 */
typedef struct {
  VelmBroker *broker;
  VelmImageSource *source;
  gboolean shared;
} VelmFrontParams;

/** Has @station's products, which are inspected elsewhere, inspected by the plant. Returns:
 * (transfer full): to be added to @station, before it is started. */
VelmLink *velm_front_new(VelmStation *station, const VelmFrontParams *params);

/** Takes no more images, gives those that wait for their records @seconds to get them, and then
 * ends their waits. Who waits for the station's answers to end calls it first. */
void velm_front_end(VelmLink *front, guint seconds);
