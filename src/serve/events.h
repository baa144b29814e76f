/* What happens at the station, to those who follow it: server-sent events (HTML, section 9.2). */
#pragma once

#include "serve/http_server.h"

typedef struct _VelmEvents VelmEvents;

VelmEvents *velm_events_new(void);
/** Nobody may be following any more. */
void velm_events_free(VelmEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmEvents, velm_events_free)

/** @type: the event's name; @json: one line. */
void velm_events_publish(VelmEvents *events, const char *type, const char *json);

/**
 * The answer to who follows @exchange.
 * @last: (nullable): the number of the last event that it has: what came since, of the last few,
 * comes first
 * Returns: (transfer full): a stream without end, or the problem that there are too many who follow
 */
VelmResponse *velm_events_follow(VelmEvents *events, VelmExchange *exchange, const char *last);
