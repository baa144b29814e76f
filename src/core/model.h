/*
 * The model file: named values, nothing more. What they mean is the business of the stage that
 * wrote them, which prefixes its names
 * ("patchcore.bank", "fewshot.classes").
 *
 * File: 8 bytes of magic, version and flags as 32-bit little-endian numbers, payload length (64
 * bits), SHA-256 of the payload, then the payload, a GVariant of type a{sv} in little-endian normal
 * form, from byte 64 on.
 */
#pragma once

#include "velm.h"

VelmModel *velm_model_new(void);

/** A model that has the values of @model, which both share. Returns: (transfer full). */
VelmModel *velm_model_copy(const VelmModel *model);
/** Gives @model the values of @from in place of its own. @from: (transfer full). */
void velm_model_take(VelmModel *model, VelmModel *from);

/** Sets @name to @value, whose floating reference is taken. */
void velm_model_set(VelmModel *model, const char *name, GVariant *value);
void velm_model_set_string(VelmModel *model, const char *name, const char *value);
void velm_model_set_double(VelmModel *model, const char *name, double value);
void velm_model_set_int(VelmModel *model, const char *name, gint64 value);
/** Copies @n floats. */
void velm_model_set_floats(VelmModel *model, const char *name, const float *values, gsize n);
/** Keeps @bytes as they are (a PNG, say). */
void velm_model_set_bytes(VelmModel *model, const char *name, GBytes *bytes);
void velm_model_set_strv(VelmModel *model, const char *name, const char *const *values);

/** Removes every name that starts with @prefix. */
void velm_model_remove_prefix(VelmModel *model, const char *prefix);

gboolean velm_model_has(VelmModel *model, const char *name);

/* The readers fail with VELM_ERROR_MODEL where the name is missing or of another type. Strings and
 * arrays are borrowed. */
const char *velm_model_get_string(VelmModel *model, const char *name, GError **error);
gboolean velm_model_get_double(VelmModel *model, const char *name, double *value, GError **error);
gboolean velm_model_get_int(VelmModel *model, const char *name, gint64 *value, GError **error);
/** Likewise, but a missing name is no failure and leaves @value as it is. */
gboolean velm_model_get_optional_int(VelmModel *model, const char *name, gint64 *value,
                                     GError **error);
/** @expected: number of floats that there must be, or 0 for any; @n: (out) (optional). */
const float *velm_model_get_floats(VelmModel *model, const char *name, gsize expected, gsize *n,
                                   GError **error);
/** Returns: (transfer full). */
GBytes *velm_model_get_bytes(VelmModel *model, const char *name, GError **error);
/** Returns: (transfer container): free with g_free(). */
const char **velm_model_get_strv(VelmModel *model, const char *name, GError **error);

/** The model as the bytes of a file, and back. @name: what messages call it. */
GBytes *velm_model_serialise(VelmModel *model);
VelmModel *velm_model_parse(GBytes *bytes, const char *name, GError **error);
