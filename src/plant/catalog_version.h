/* A version of a product in the plant's catalog, and its JSON. */
#pragma once

#include "core/json.h"

/* No file of a version may have more bytes. */
#define VELM_CATALOG_MOST_BYTES (G_GINT64_CONSTANT(2) * 1000 * 1000 * 1000)

/** @sha256: NULL where there is none. */
typedef struct {
  char *sha256;
  gint64 bytes;
} VelmCatalogFile;

/**
 * VelmCatalogVersion: what a product has, or had.
 * @revision: the broker's number of this value, larger for later ones
 * @version: the product's own number, from 1 on
 * @spec: without a SHA-256 where it is the model's own
 * @time: when it was published, ISO 8601; @who: by whom; @note: (nullable)
 */
typedef struct {
  char *product;
  guint64 revision;
  gint64 version;
  VelmCatalogFile model, spec;
  char *time, *who, *note;
} VelmCatalogVersion;

void velm_catalog_version_free(VelmCatalogVersion *version);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCatalogVersion, velm_catalog_version_free)

/** Adds {"version", "model": {"sha256", "bytes"}, "spec", "time", "who", "note"} to the builder's
 * current object. */
void velm_catalog_version_build(JsonBuilder *builder, const VelmCatalogVersion *version);
/** Returns: (transfer full): that, as an object's text. */
char *velm_catalog_version_to_json(const VelmCatalogVersion *version);
/** @object: (nullable). Returns: (transfer full): NULL with VELM_ERROR_FILE where it is none. */
VelmCatalogVersion *velm_catalog_version_read(JsonObject *object, const char *product,
                                              GError **error);

/** Whether two have the same files. */
gboolean velm_catalog_version_has_same(const VelmCatalogVersion *a, const VelmCatalogVersion *b);
/** Whether they are one, with the same files. @a, @b: (nullable): none is like no other. */
gboolean velm_catalog_version_is_same(const VelmCatalogVersion *a, const VelmCatalogVersion *b);
