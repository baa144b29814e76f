/* How the station does, in one word and part by part. */
#pragma once

#include "serve/station.h"

/**
 * FAILED where the station can keep or inspect nothing, STARTING while a product is opened,
 * DEGRADED where something is not as it is to be: a product of several, a language model, a link,
 * an earlier model that had to stay.
 */
VelmState velm_readiness(VelmStation *station);

/** Adds "state" and "parts", the store, each product, language model and link, to the current
 * object. Returns: the state. */
VelmState velm_readiness_build(VelmStation *station, JsonBuilder *builder);

/** These as an object, on one line. Returns: (transfer full). */
char *velm_readiness_to_json(VelmStation *station);
