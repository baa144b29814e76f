/* The record as JSON: one shape for JSON Lines, stores and pages. */
#pragma once

#include "core/json.h"
#include "detect/inspection.h"

/** Adds the record's members to the builder's current object. */
void velm_record_build(JsonBuilder *builder, const VelmInspection *inspection);

/**
 * What a language model was asked about the part, and what it said: {"model", "requests", "cached",
 * "text", "images", "answer", "failure"}.
 * Returns: (transfer full): NULL where none was asked
 */
char *velm_record_prompt_json(const VelmInspection *inspection);

/**
 * Reads back of a record's JSON what its decision hangs on: score, threshold, regions, class,
 * confidence; so it can be seen what another spec would have decided. And what was decided, how
 * long it took, and what asking a language model did.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where it is no record of an inspection
 */
VelmInspection *velm_record_read(const char *json, GError **error);

/** Reads back of velm_record_prompt_json() what a language model was asked and said. Returns: FALSE
 * with VELM_ERROR_FILE where it is no such thing. */
gboolean velm_record_read_prompt(VelmInspection *inspection, const char *json, GError **error);

/** The record of an image that could not be inspected: {"image": ..., "error": ...}. Returns:
 * (transfer full). */
char *velm_record_error_json(const char *path, const char *message);
