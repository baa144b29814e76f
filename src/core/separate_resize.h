/*
 * Cubic resizes of an ONNX graph, made products of matrices. The engine computes what is constant
 * once, when it compiles a network, by code that is meant to be right and not to be fast: a vision
 * transformer's position embeddings, resized to the image's grid over all four axes, take it ten
 * seconds, and as products of matrices none.
 */
#pragma once

#include "core/onnx.pb-c.h"

#include <glib.h>

/**
 * Replaces each cubic Resize of @graph to given sizes that has nothing unusual about it by
 * rows x X x columns: a resize is linear and separable, so that resizing an identity matrix gives
 * each factor. Only the last two axes are taken to change, as everywhere where images are resized.
 * A graph with numbers of 16 or 64 bits stays as it is.
 * Returns: how many were replaced
 */
guint velm_separate_resizes(Velm__Onnx__GraphProto *graph);
