/* Small networks for tests, in the formats that velm reads. */
#pragma once

#include <glib.h>

/*
 * x (1 x 4) -> "sum" = x + offset -> "square" = sum * sum, the output; "halves" splits the sum in
 * two ports. Tensor names: "sum:0" and "total" of sum, "left" and "right" of halves.
 */
extern const char network_ir[];
/** Its weights: offset is 10, 20, 30, 40. */
extern const guint8 network_weights[32];

/*
 * image (any size) -> "doubled" = 2 * image, the output; of it "mean" over rows and columns, 1 x 3;
 * "halved" and "eighth", its means over squares of 2 x 2 and 8 x 8, on smaller grids; and "tokens",
 * its pixels one after another, 1 x N x 3.
 */
extern const char network_image_ir[];
extern const guint8 network_image_weights[76];

/** x (1 x 4) -> "a" = max(x, 0) -> "b" = -a -> "c" = |b|, the output. Returns: (transfer full): an
 * ONNX model. */
GBytes *network_onnx(void);

/* image (1 x 3 x 8 x 8) -> "anomaly_map", its mean over the channels, the output. */
extern const char network_map_ir[];
extern const guint8 network_map_weights[8];

/* What an anomaly model may give. */
typedef enum {
  NETWORK_MAP,       /* the image's mean over the channels, 1 x 1 x rows x columns */
  NETWORK_SCORE,     /* the largest of the image's values, one number */
  NETWORK_COLOUR,    /* the image itself: neither score nor map */
  NETWORK_MASK,      /* booleans */
  NETWORK_NO_NUMBER, /* a map of NaN, where the image is not black */
} NetworkOutputKind;

typedef struct {
  const char *name;
  NetworkOutputKind kind;
} NetworkOutput;

/**
 * An anomaly model: image (1 x 3 x @height x @width) -> @n @outputs.
 * @height, @width: under 128; 0 for any
 * Returns: (transfer full): an ONNX model
 */
GBytes *network_anomaly_onnx(guint8 height, guint8 width, const NetworkOutput *outputs, gsize n);

/**
 * image (any size) -> "resized", to @height x @width by @mode ("cubic", "linear") -> "negative",
 * the output.
 * @height, @width: under 128
 * Returns: (transfer full): an ONNX model
 */
GBytes *network_resize_onnx(guint8 height, guint8 width, const char *mode);

/**
 * A denoiser that takes all of an image for noise: image (N x 3 x height x width, any) and "step"
 * (N) -> "noise", the image.
 * @coarse: gives one of half the size, which is none
 * Returns: (transfer full): an ONNX model
 */
GBytes *network_denoiser_onnx(gboolean coarse);
