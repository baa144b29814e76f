/* The record as JSON: one shape for JSON Lines, stores and pages. */
#pragma once

#include "core/json.h"
#include "detect/inspection.h"

/** Adds the record's members to the builder's current object. */
void velm_record_build(JsonBuilder *builder, const VelmInspection *inspection);

/** The record of an image that could not be inspected: {"image": ..., "error": ...}. Returns:
 * (transfer full). */
char *velm_record_error_json(const char *path, const char *message);
