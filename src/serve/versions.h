/*
 * Which model a product uses: the one that it was given, or a version of it that was made at the
 * station and put in use there. The versions' files lie in the folder "models" of the station's
 * data.
 *
 * A version is of the model that it was made from. Where somebody gives the product another model,
 * that one is used.
 */
#pragma once

#include "serve/station.h"

/** Has @product use the version that was put in use, where there is one: from the next time on that
 * its model is read. */
void velm_versions_settle(VelmStation *station, VelmProduct *product);

/** The number of the version that @product uses, or is to when it is read; 0 for the model that it
 * was given. */
gboolean velm_versions_get_used(VelmStation *station, VelmProduct *product, gint64 *id,
                                GError **error);

/** Where the file of @version is. Returns: (transfer full). */
char *velm_versions_path(const VelmStation *station, const VelmStoredVersion *version);

/**
 * VelmNewVersion: @kind, @who, @base, @report: as VelmStoredVersion; all borrowed
 */
typedef struct {
  const char *kind, *who, *base, *report;
  VelmModel *model;
} VelmNewVersion;

/** Keeps a model as a version of @product that can be put in use. Of versions that are not in use
 * the latest ones keep their files. @id: (out). */
gboolean velm_versions_add(VelmStation *station, VelmProduct *product,
                           const VelmNewVersion *version, gint64 *id, GError **error);

/**
 * Puts a version in use, once it is known that it can be opened, which takes a moment: the product
 * reads it, and uses the one before until it is ready.
 * @id: 0 for the model that it was given
 * @found: (out): whether there is such a version, and its file
 * Errors: VELM_ERROR_USAGE where it was made from another model than the product is given now
 */
gboolean velm_versions_use(VelmStation *station, VelmProduct *product, gint64 id, const char *who,
                           gboolean *found, GError **error);
