/* Looks after the store: removes what is not to be kept, copies it elsewhere each day, and finds
 * out when a disk that failed has recovered. */
#pragma once

#include "serve/station.h"

/**
 * @retention: all zero keeps everything
 * @backup: (nullable): the folder that the store is copied to (velm_store_backup()), at first when
 * the station starts
 * Returns: (transfer full)
 */
VelmLink *velm_upkeep_link_new(VelmStation *station, const VelmRetention *retention,
                               const char *backup);
