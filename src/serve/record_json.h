/* Stored records in JSON, as the API shows them. */
#pragma once

#include "act/store.h"
#include "core/json.h"

/** A time of the store as RFC 3339, in UTC. Returns: (transfer full). */
char *velm_time_text(gint64 time);
/** Adds the member @name with that; null where @time is 0. */
void velm_json_set_time(JsonBuilder *builder, const char *name, gint64 time);

/** Adds the members of a record's summary to the current object. */
void velm_summary_build(JsonBuilder *builder, const VelmStoredRecord *record);
/** The summary alone, on one line. Returns: (transfer full). */
char *velm_summary_to_json(const VelmStoredRecord *record);
/** All there is: the summary, what the inspection said, and the reviews that @store has. Returns:
 * (transfer full): NULL with VELM_ERROR_FILE. */
char *velm_stored_record_to_json(VelmStore *store, const VelmStoredRecord *record, GError **error);
