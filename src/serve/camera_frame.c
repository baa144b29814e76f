#include "serve/camera_frame.h"

#include "core/image.h"

#include <arv.h>
#include <string.h>

typedef enum { GREY, RGB, BGR, BAYER } Layout;

/* @bits: of a sample, in two bytes where they are more than 8
 * @red_x, @red_y: where the first red is, in a Bayer pattern */
struct _VelmCameraFormat {
  guint32 number;
  const char *name;
  Layout layout;
  int bits, red_x, red_y;
};

/* The best first. */
static const VelmCameraFormat formats[] = {
    {ARV_PIXEL_FORMAT_MONO_8, "Mono8", GREY, 8, 0, 0},
    {ARV_PIXEL_FORMAT_RGB_8_PACKED, "RGB8", RGB, 8, 0, 0},
    {ARV_PIXEL_FORMAT_BGR_8_PACKED, "BGR8", BGR, 8, 0, 0},
    {ARV_PIXEL_FORMAT_BAYER_RG_8, "BayerRG8", BAYER, 8, 0, 0},
    {ARV_PIXEL_FORMAT_BAYER_GR_8, "BayerGR8", BAYER, 8, 1, 0},
    {ARV_PIXEL_FORMAT_BAYER_GB_8, "BayerGB8", BAYER, 8, 0, 1},
    {ARV_PIXEL_FORMAT_BAYER_BG_8, "BayerBG8", BAYER, 8, 1, 1},
    {ARV_PIXEL_FORMAT_MONO_10, "Mono10", GREY, 10, 0, 0},
    {ARV_PIXEL_FORMAT_MONO_12, "Mono12", GREY, 12, 0, 0},
    {ARV_PIXEL_FORMAT_MONO_14, "Mono14", GREY, 14, 0, 0},
    {ARV_PIXEL_FORMAT_MONO_16, "Mono16", GREY, 16, 0, 0},
};

const VelmCameraFormat *velm_camera_format_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    if (g_str_equal(formats[i].name, name))
      return &formats[i];
  return NULL;
}

const VelmCameraFormat *velm_camera_format_of(guint32 number) {
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    if (formats[i].number == number)
      return &formats[i];
  return NULL;
}

const VelmCameraFormat *velm_camera_format_best(const gint64 *numbers, guint n_numbers) {
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    for (guint j = 0; j < n_numbers; j++)
      if (numbers[j] == (gint64)formats[i].number)
        return &formats[i];
  return NULL;
}

const char *velm_camera_format_name(const VelmCameraFormat *format) { return format->name; }
guint32 velm_camera_format_number(const VelmCameraFormat *format) { return format->number; }

char *velm_camera_format_names(void) {
  GString *names = g_string_new(NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", formats[i].name);
  return g_string_free(names, FALSE);
}

/* ---- to 8 bits, grey or RGB ---- */

static gsize bytes_of_pixel(const VelmCameraFormat *format) {
  return (format->layout == RGB || format->layout == BGR ? 3u : 1u) * (format->bits > 8 ? 2u : 1u);
}

static void convert_grey(const VelmCameraFormat *format, const guint8 *row, int width,
                         guint8 *out) {
  if (format->bits == 8)
    memcpy(out, row, (gsize)width);
  for (int x = 0; x < width && format->bits > 8; x++) {
    guint sample = row[2 * x] | (guint)row[2 * x + 1] << 8; /* the low byte comes first */
    out[x] = (guint8)MIN(sample >> (format->bits - 8), 255u);
  }
}

static void convert_bgr(const guint8 *row, int width, guint8 *out) {
  for (int x = 0; x < width; x++)
    for (int c = 0; c < 3; c++)
      out[3 * x + c] = row[3 * x + 2 - c];
}

/* Which colour the pixel sees: 0 red, 1 green, 2 blue. */
static int bayer_colour(const VelmCameraFormat *format, int x, int y) {
  return ((x - format->red_x) & 1) + ((y - format->red_y) & 1);
}

/* Its own colour is as it was seen, the others are the mean of those next to it. */
static void convert_bayer_pixel(const VelmCameraFrame *frame, gsize stride, int x, int y,
                                guint8 *out) {
  guint sums[3] = {0}, counts[3] = {0};
  int own = bayer_colour(frame->format, x, y);
  for (int v = MAX(y - 1, 0); v <= MIN(y + 1, frame->height - 1); v++)
    for (int u = MAX(x - 1, 0); u <= MIN(x + 1, frame->width - 1); u++) {
      int colour = bayer_colour(frame->format, u, v);
      sums[colour] += frame->pixels[(gsize)v * stride + (gsize)u];
      counts[colour]++;
    }
  for (int c = 0; c < 3; c++)
    out[c] = (guint8)(counts[c] > 0 ? (sums[c] + counts[c] / 2) / counts[c] : 0);
  out[own] = frame->pixels[(gsize)y * stride + (gsize)x];
}

static void convert_row(const VelmCameraFrame *frame, gsize stride, int y, guint8 *out) {
  const guint8 *row = frame->pixels + (gsize)y * stride;
  switch (frame->format->layout) {
  case GREY:
    convert_grey(frame->format, row, frame->width, out);
    break;
  case RGB:
    memcpy(out, row, (gsize)frame->width * 3);
    break;
  case BGR:
    convert_bgr(row, frame->width, out);
    break;
  case BAYER:
    for (int x = 0; x < frame->width; x++)
      convert_bayer_pixel(frame, stride, x, y, out + 3 * x);
    break;
  }
}

GBytes *velm_camera_frame_to_png(const VelmCameraFrame *frame, GError **error) {
  gint64 n_pixels = (gint64)frame->width * frame->height;
  if (frame->width < 1 || frame->height < 1 || n_pixels > VELM_IMAGE_MAX_PIXELS) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "a frame of %d x %d pixels cannot be used",
                frame->width, frame->height);
    return NULL;
  }
  gsize row = bytes_of_pixel(frame->format) * (gsize)frame->width, stride = row + frame->padding;
  if (frame->size < stride * ((gsize)frame->height - 1) + row) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "a frame has fewer bytes than pixels");
    return NULL;
  }
  int bands = frame->format->layout == GREY ? 1 : 3;
  g_autofree guint8 *pixels = g_malloc((gsize)n_pixels * (gsize)bands);
  for (int y = 0; y < frame->height; y++)
    convert_row(frame, stride, y, pixels + (gsize)y * (gsize)frame->width * (gsize)bands);
  return velm_pixels_to_png(pixels, frame->width, frame->height, bands, error);
}
