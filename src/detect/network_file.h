/* The files of a network that stays where it is: a model keeps their paths, and what tells other
 * files from them. */
#pragma once

#include "core/model.h"

/**
 * The file that holds the weights of the network at @path: the .bin of an OpenVINO IR, which must
 * be there, or the NAME.onnx.data that PyTorch writes beside a NAME.onnx. Returns: (transfer full):
 * NULL where they are in it
 */
char *velm_network_weights_path(const char *path);

/** Tells files at @path from others. Returns: (transfer full): NULL with VELM_ERROR_FILE. */
typedef char *(*VelmDigest)(const char *path, GError **error);

/** Whether what is at @path has the @digest that @model keeps as @name; else VELM_ERROR_MODEL,
 * which says that it is @other. */
gboolean velm_network_check_digest(VelmModel *model, const char *name, const char *path,
                                   VelmDigest digest, const char *other, GError **error);
