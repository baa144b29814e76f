/* JSON on json-glib: one object a line out, files and answers in. */
#pragma once

#include "velm.h"

#include <json-glib/json-glib.h>

/** The builder's root as text, on one line or indented. Consumes the builder's state, not the
 * builder. Returns: (transfer full). */
char *velm_json_print(JsonBuilder *builder, gboolean indented);

/** Sets member @name of the current object. A double that JSON cannot hold (NaN, infinite) becomes
 * null. */
void velm_json_set_double(JsonBuilder *builder, const char *name, double value);
void velm_json_set_int(JsonBuilder *builder, const char *name, gint64 value);
void velm_json_set_boolean(JsonBuilder *builder, const char *name, gboolean value);
/** @values: NULL-terminated */
void velm_json_set_strings(JsonBuilder *builder, const char *name, const char *const *values);
/** A NULL @value becomes null; bytes that are not UTF-8 are replaced. */
void velm_json_set_string(JsonBuilder *builder, const char *name, const char *value);

/** Parses @text. @name: what messages call it. Returns: (transfer full). */
JsonNode *velm_json_parse(const char *text, gssize length, const char *name, GError **error);
