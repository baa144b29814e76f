/*
 * The reviewed list of what is to change in a folder of labelled images: YAML, each entry with its
 * reason. docs/audit.md describes its keys.
 *
 *   relabel:
 *     - {image: test/crack/7.png, to: break, reason: TEXT}
 *   merge:
 *     - {classes: [crack, break], into: fracture, reason: TEXT}
 *   rename:
 *     - {class: blow, to: blowhole, reason: TEXT}
 *   drop:
 *     - {class: combined, reason: TEXT}
 *     - {image: test/crack/9.png, reason: TEXT}
 *   groups:
 *     - {part: tile-17, images: [train/good/1.png, test/crack/1.png], reason: TEXT}
 *
 * An entry may have `evidence`, what was measured, and `apply: no`, which leaves it without effect.
 */
#pragma once

#include "dataset/audit.h"

/* A manifest that is larger is refused. */
#define VELM_MANIFEST_MAX_BYTES (8 * 1024 * 1024)

/* In the order in which a manifest has them. */
typedef enum {
  VELM_MANIFEST_RELABEL,
  VELM_MANIFEST_MERGE,
  VELM_MANIFEST_RENAME,
  VELM_MANIFEST_DROP_CLASS,
  VELM_MANIFEST_DROP_IMAGE,
  VELM_MANIFEST_GROUP,
} VelmManifestAction;

/* "relabel", "merge", "rename", "drop_class", "drop_image", "group", as in JSON. */
const char *velm_manifest_action_name(VelmManifestAction action);

/* A path or a class, and where the manifest has it. */
typedef struct {
  char *text;
  int line, column;
} VelmManifestName;

/**
 * VelmManifestEntry:
 * @names: of VelmManifestName: the classes (merge, rename, drop), else images by their path below
 * the folder, with '/'; not empty
 * @target: the new class, or the part; text is NULL where something is dropped
 * @evidence: may be NULL
 */
typedef struct {
  VelmManifestAction action;
  gboolean apply;
  GPtrArray *names;
  VelmManifestName target;
  char *reason, *evidence;
} VelmManifestEntry;

typedef struct {
  char *path;         /* what messages call it */
  char *text;         /* as it was read */
  GPtrArray *entries; /* of VelmManifestEntry, in order of action, then of the file */
} VelmManifest;

/**
 * Parses manifest text.
 * @path: what messages call it
 * @findings: (out) (optional) (transfer full): of VelmTextFinding, every mistake in order of line
 * Returns: (transfer full): NULL with VELM_ERROR_DATASET, "PATH:LINE: message" of the first mistake
 */
VelmManifest *velm_manifest_parse(const char *text, gsize length, const char *path,
                                  GPtrArray **findings, GError **error);

/** velm_manifest_parse() of a file; VELM_ERROR_FILE where it cannot be read. */
VelmManifest *velm_manifest_load(const char *path, GPtrArray **findings, GError **error);

void velm_manifest_free(VelmManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmManifest, velm_manifest_free)

/**
 * Sets @error to the first mistake among @findings, which are sorted, as "PATH:LINE: message".
 * Returns: TRUE where there is none
 */
gboolean velm_manifest_refuse(const VelmManifest *manifest, GPtrArray *findings, GError **error);

/**
 * Proposes what follows from the findings of @audit, one entry each, with its evidence: suspect
 * labels are relabelled, inseparable classes merged, small classes dropped, unreadable images,
 * duplicates and leaking test images dropped, images of one part grouped. Every entry has
 * `apply: no`: a person decides. Masks are not proposed for, as no entry mends one.
 * Returns: (transfer full): YAML that velm_manifest_parse() takes
 */
char *velm_manifest_propose(const VelmAudit *audit);
