/* Reading JSON that a stranger wrote: what is missing or of another type is NULL, never an error.
 */
#pragma once

#include "core/json.h"

/** The object that @text is. Returns: (transfer full): NULL where it is none, or is not UTF-8. */
JsonNode *velm_json_parse_object(const char *text, gsize length);

/** The member @name of @object, which may be NULL. Borrowed. */
const char *velm_json_string_member(JsonObject *object, const char *name);
JsonObject *velm_json_object_member(JsonObject *object, const char *name);
JsonArray *velm_json_array_member(JsonObject *object, const char *name);

/** The whole number @name; @otherwise where there is none. */
gint64 velm_json_int_member(JsonObject *object, const char *name, gint64 otherwise);
/** The number @name, whole or not; @otherwise where there is none. */
double velm_json_double_member(JsonObject *object, const char *name, double otherwise);

/** The object at @index of @array, which may be NULL. Borrowed. */
JsonObject *velm_json_object_at(JsonArray *array, guint index);
