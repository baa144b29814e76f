/*
 * Inference: a VelmNet is a compiled network on OpenVINO's C API, with a fixed input shape and
 * named outputs.
 *
 * The OpenVINO core is the one global of the library: made at first use, kept for the process's
 * life.
 */
#pragma once

#include "velm.h"

typedef struct _VelmNet VelmNet;

/** The shape of an input that is no image: @dims of @rank. */
typedef struct {
  gsize rank;
  gint64 dims[4];
} VelmNetShape;

/**
 * VelmNetParams:
 * @layers: NULL-terminated tensor names to become the outputs, in this order (the network is cut
 * after the last); NULL for the network's own outputs
 * @width, @height: of the image input; 0 for a network whose input is no image and whose shape is
 * static
 * @own_size: the input is an image, whose size is the network's where it fixes one, else @width and
 * @height, which must then be given
 * @mean, @scale: an image byte v of channel c becomes (v - mean[c]) / scale[c]
 * @any_size: compile the network for images of any size, of which @width x @height is the first
 * net's (velm_net_share_at()): one set of weights in memory for several sizes
 * @float_pixels: images are given as floats (velm_net_run_floats()), height x width x 3 in the
 * range of bytes, in place of bytes
 * @exact: compute in f32 even where the processor has bf16
 * @any_type: an output that is no tensor of 32-bit floats is let be, without data, in place of an
 * error
 * @inputs: the shapes of all @n_inputs inputs, in the network's order, none of them an image: each
 * is given in 32-bit floats, whatever type the network takes (velm_net_run_inputs()); NULL for a
 * network of one input
 * @streams: how many inferences there are to be at the same time (velm_net_share()), each with its
 * part of the processors; 0: one at a time, as fast as can be
 */
typedef struct {
  const char *const *layers;
  int width, height;
  gboolean own_size;
  float mean[3], scale[3];
  gboolean any_size, float_pixels, exact, any_type;
  const VelmNetShape *inputs;
  gsize n_inputs;
  guint streams;
} VelmNetParams;

/** One output of the last inference: @dims of @rank, @data row-major, borrowed until the next
 * inference; NULL where it is of another type (VelmNetParams.any_type). */
typedef struct {
  gsize rank;
  gint64 dims[8];
  gsize n; /* product of dims */
  const float *data;
} VelmTensor;

/** Compiles the ONNX file or OpenVINO IR (.xml, its .bin beside it) at @path. */
VelmNet *velm_net_open(const char *path, const VelmNetParams *params, GError **error);

/**
 * Compiles a network given as OpenVINO IR text and weights, which are copied.
 * @xml: NUL-terminated
 */
VelmNet *velm_net_compile(const char *xml, gconstpointer weights, gsize n_weights,
                          const VelmNetParams *params, GError **error);

/** The same compiled network once more, with inputs and outputs of its own, for another thread.
 * Returns: (transfer full): it may outlive @net. */
VelmNet *velm_net_share(VelmNet *net, GError **error);
/** Likewise, for images of @width x @height; @net must have been opened for any size. */
VelmNet *velm_net_share_at(VelmNet *net, int width, int height, GError **error);

/** From now on @net, which must have been opened for any size, takes images of @width x @height. */
gboolean velm_net_set_size(VelmNet *net, int width, int height, GError **error);

/** Runs on one image: @pixels of width x height x 3 bytes, RGB. */
gboolean velm_net_run_image(VelmNet *net, const guint8 *pixels, GError **error);

/** Runs on the first input's floats, whose number must be the input's. */
gboolean velm_net_run_floats(VelmNet *net, const float *values, gsize n, GError **error);

/** Runs on all inputs of a network opened with VelmNetParams.inputs: @values[i] has as many floats
 * as the shape of input i. */
gboolean velm_net_run_inputs(VelmNet *net, const float *const *values, GError **error);

gsize velm_net_n_outputs(const VelmNet *net);
const VelmTensor *velm_net_output(const VelmNet *net, gsize index);
/** The output of that tensor name, or NULL. */
const VelmTensor *velm_net_find_output(const VelmNet *net, const char *name);

/** The size in pixels of the images that it takes; 0 where its input is no image. */
void velm_net_image_size(const VelmNet *net, int *width, int *height);

void velm_net_free(VelmNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNet, velm_net_free)
