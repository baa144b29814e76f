/*
 * An MQTT broker: images come in by it, and each record goes out.
 *
 * A message is acknowledged when its image is in the store's queue, on the disk. So the broker has
 * it until the station has, whatever happens in between; who sends again what got no
 * acknowledgement finds the record by the key. Records go out in order, each until the broker has
 * it.
 */
#pragma once

#include "serve/station.h"

/**
 * VelmMqttParams: all borrowed, and copied where they are kept.
 * @url: of the broker; @prefix: of the topics
 * @ca: (nullable): PEM file of the broker's authority, else the system's count
 * @password: (nullable): of the user in @url
 * @client: (nullable): the station's name at the broker, in place of one that is made up
 * @images: (nullable): folder whose files messages may name
 * @most: bytes of an image's file
 */
typedef struct {
  const char *url, *prefix, *ca, *password, *client, *images;
  gsize most;
} VelmMqttParams;

/** Returns: (transfer full): NULL with VELM_ERROR_USAGE or VELM_ERROR_FILE. A broker that is not
 * there is no failure: the link goes on trying. */
VelmLink *velm_mqtt_link_new(VelmStation *station, const VelmMqttParams *params, GError **error);
