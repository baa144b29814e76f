/*
 * Cutting a network at named tensors, before the engine reads it: OpenVINO's C API can only take
 * the outputs that a file declares.
 */
#pragma once

#include "velm.h"

/**
 * The ONNX model @onnx with @layers for its outputs. What they do not need is dropped.
 * Cubic resizes are separated (core/separate_resize.h).
 * @name: what messages call it
 * Returns: (transfer full): NULL with VELM_ERROR_ENGINE, naming the layer that is missing and some
 * that there are
 */
GBytes *velm_cut_onnx(GBytes *onnx, const char *const *layers, const char *name, GError **error);

/** Whether @onnx is an ONNX model; else VELM_ERROR_ENGINE. @name: what messages call it. */
gboolean velm_cut_check_onnx(GBytes *onnx, const char *name, GError **error);

/** The OpenVINO IR text @xml likewise; a layer is named by its "name" attribute or by one of its
 * output ports' "names". */
char *velm_cut_ir(const char *xml, gsize length, const char *const *layers, const char *name,
                  GError **error);
