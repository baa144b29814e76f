/*
 * The inspection spec: a YAML file in which the user names the classes and says what each leads to.
 * docs/spec.md describes its keys.
 */
#pragma once

#include "classify/classes.h"
#include "core/findings.h"
#include "velm.h"

/* A spec file that is larger is refused. */
#define VELM_SPEC_MAX_BYTES (1024 * 1024)

/* A class answered with less confidence is held for review, where the spec does not say otherwise.
 */
#define VELM_SPEC_CONFIDENCE 0.4

/* What a class leads to. */
typedef struct {
  VelmDecision severity;
  char *action;
} VelmOutcome;

/**
 * Parses the spec text @yaml.
 * @name: what messages call it
 * @findings: (out) (optional) (transfer full): array of VelmTextFinding, every mistake and warning
 *   in order of line, whether it fails or not
 * Returns: NULL with VELM_ERROR_SPEC, "NAME:LINE: message" of the first mistake
 */
VelmSpec *velm_spec_parse(const char *yaml, gsize length, const char *name, GPtrArray **findings,
                          GError **error);

/** velm_spec_parse() of the file @path; VELM_ERROR_FILE, and @findings empty, where it cannot be
 * read. */
VelmSpec *velm_spec_read(const char *path, GPtrArray **findings, GError **error);

/** The words of the spec, for classifiers. Borrowed. */
const VelmClasses *velm_spec_get_classes(const VelmSpec *spec);

/** The text that the spec was read from, to store with a model. Borrowed. */
const char *velm_spec_get_text(const VelmSpec *spec);

/** What class number @index of velm_spec_get_classes() leads to. Borrowed. */
const VelmOutcome *velm_spec_get_outcome(const VelmSpec *spec, guint index);

/** The least confidence with which a class is believed, 0 to 1. */
double velm_spec_get_confidence(const VelmSpec *spec);

/** The action where a person must look: no class fits, or none for sure. Borrowed. */
const char *velm_spec_get_review_action(const VelmSpec *spec);

/** The action where the classifier gave no answer that can be used. Borrowed. */
const char *velm_spec_get_unclassified_action(const VelmSpec *spec);

/** The rules, in the order in which they are tried: VelmRule of act/rules.h. Borrowed. */
const GPtrArray *velm_spec_get_rules(const VelmSpec *spec);

/* What a person says of a class that is to be added. */
typedef struct {
  const char *key;
  const char *name;        /* (nullable): the key then */
  const char *description; /* (nullable) */
  const char *action;      /* (nullable): the one that goes with the severity */
  VelmDecision severity;
} VelmNewClass;

/**
 * The text of @spec with one class more, at the end of its classes; everything else, comments too,
 * stays as it was.
 * Returns: (transfer full): NULL with VELM_ERROR_SPEC where the key is taken, where a text will not
 *   do, or where the spec is written in a way that this cannot extend, such as in braces
 */
char *velm_spec_add_class(const VelmSpec *spec, const VelmNewClass *class, GError **error);

/**
 * Converts the paper's description JSON (object -> class -> [display name, description ...]; key
 * "good" or "normal" is the normal description, which has no display name) to spec text, one
 * object.
 * @object: which of the file's objects; NULL where there is only one
 * Returns: (transfer full): YAML that velm_spec_parse() takes; NULL with VELM_ERROR_SPEC or, where
 *   @json is no JSON, VELM_ERROR_FILE
 */
char *velm_spec_import(const char *json, gsize length, const char *name, const char *object,
                       GError **error);

/** The objects of such a JSON text, in its order. Returns: (transfer full): NULL-terminated. */
char **velm_spec_import_objects(const char *json, gsize length, const char *name, GError **error);
