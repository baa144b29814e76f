/*
 * Which network another tool exported, and how it is fed. The network stays in its file; a velm
 * model keeps the file's path and what tells another file from it.
 */
#pragma once

#include "core/model.h"

/* Largest side of an image that an exported network is given, in pixels. */
#define VELM_EXPORTED_MAX_SIZE 4096

/**
 * VelmExportedSpec:
 * @path: ONNX or OpenVINO IR file
 * @width, @height: of the images that it is given, in pixels
 * @mean, @scale: a byte v of channel c (red, green, blue) goes in as (v - mean[c]) / scale[c]
 */
typedef struct {
  char *path;
  int width, height;
  float mean[3], scale[3];
} VelmExportedSpec;

void velm_exported_spec_free(VelmExportedSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmExportedSpec, velm_exported_spec_free)

/** Whether the files that the network consists of are there; else VELM_ERROR_FILE naming the one
 * that is not. */
gboolean velm_exported_spec_check_files(const VelmExportedSpec *spec, GError **error);

/** Whether the mean and the scale are numbers by which a byte can be normalised; else
 * VELM_ERROR_USAGE. */
gboolean velm_exported_spec_check_normalisation(const VelmExportedSpec *spec, GError **error);

/** Writes @spec and the SHA-256 of its files to @model, under "exported.". */
gboolean velm_exported_spec_store(const VelmExportedSpec *spec, VelmModel *model, GError **error);

/**
 * Reads back what velm_exported_spec_store() wrote.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where a file is gone, with VELM_ERROR_MODEL
 * where it is another one now
 */
VelmExportedSpec *velm_exported_spec_restore(VelmModel *model, GError **error);
