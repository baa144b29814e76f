/* The queue in the store: images that were accepted and are inspected when there is time, also over
 * a restart. */
#pragma once

#include "serve/station.h"

/** Returns: (transfer full). */
VelmLink *velm_backlog_link_new(VelmStation *station);
/** There is something new in the queue. */
void velm_backlog_link_wake(VelmLink *link);
