/* Looks after the store: removes what is not to be kept, and finds out when a disk that failed has
 * recovered. */
#pragma once

#include "serve/station.h"

/** @retention: all zero keeps everything. Returns: (transfer full). */
VelmLink *velm_upkeep_link_new(VelmStation *station, const VelmRetention *retention);
