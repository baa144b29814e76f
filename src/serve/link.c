#include "serve/link.h"

#include "serve/station.h"

void velm_link_init(VelmLink *link, const VelmLinkClass *klass, VelmStation *station, char *name) {
  link->klass = klass;
  link->station = station;
  link->name = name;
  velm_status_cell_init(&link->status, VELM_STATE_STARTING);
}

void velm_link_clear(VelmLink *link) {
  velm_status_cell_clear(&link->status);
  g_free(link->name);
}

void velm_link_set_status(VelmLink *link, VelmState state, const char *reason) {
  if (velm_status_set(&link->status, state, reason))
    velm_station_tell_state(link->station);
}
