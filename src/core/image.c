#include "core/image.h"

#include "core/error.h"
#include "core/file.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

#include <vips/vector.h> /* needs vips.h before it */

/* ---- libvips ---- */

static void vips_start(void) {
  static gsize started = 0;
  if (g_once_init_enter(&started)) {
    if (vips_init("velm") == 0) {
      /* Every image passes once: caching operations would only hold on to pixels. */
      vips_cache_set_max(0);
#if VIPS_MAJOR_VERSION == 8 && VIPS_MINOR_VERSION < 15
      /* Up to there libvips compiles its loops by liborc, which now and then crashes when several
       * threads do so. */
      vips_vector_set_enabled(FALSE);
#endif
    }
    g_once_init_leave(&started, 1);
  }
}

/* The first line of what libvips says: the rest repeats it. */
static void set_vips_error(GError **error, const char *name) {
  g_autofree char *text = g_strdup(vips_error_buffer());
  vips_error_clear();
  g_strstrip(text);
  text[strcspn(text, "\n")] = '\0';
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: %s", name,
              text[0] ? text : "the image cannot be read");
}

static void unref_vips(VipsImage *image) { g_object_unref(image); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsImage, unref_vips)

static void unref_source(VipsSource *source) { g_object_unref(source); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsSource, unref_source)

static void unref_interpolate(VipsInterpolate *interpolate) { g_object_unref(interpolate); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsInterpolate, unref_interpolate)

static void unref_array(VipsArrayInt *array) { vips_area_unref(VIPS_AREA(array)); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsArrayInt, unref_array)

static VipsImage *wrap(const void *pixels, int width, int height, int bands,
                       VipsBandFormat format) {
  vips_start();
  gsize size = (gsize)width * (gsize)height * (gsize)bands * vips_format_sizeof(format);
  VipsImage *image = vips_image_new_from_memory(pixels, size, width, height, bands, format);
  if (image)
    image->Type = bands == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
  return image;
}

/* Copies the pixels of @image, which must be of @bands and @format, to a fresh block. */
static gpointer unwrap(VipsImage *image, int bands, VipsBandFormat format) {
  if (vips_image_get_bands(image) != bands || vips_image_get_format(image) != format) {
    vips_error("velm", "unexpected pixel format");
    return NULL;
  }
  gsize size = 0;
  return vips_image_write_to_memory(image, &size); /* by g_malloc() */
}

/* ---- colour images ---- */

static gboolean check_pixels(VipsImage *image, gint64 max_pixels, const char *name,
                             GError **error) {
  gint64 limit = max_pixels > 0 ? max_pixels : VELM_IMAGE_MAX_PIXELS;
  gint64 n = (gint64)vips_image_get_width(image) * vips_image_get_height(image);
  if (n <= limit)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE,
              "%s: %d x %d pixels are more than the limit of %.1f megapixels", name,
              vips_image_get_width(image), vips_image_get_height(image), (double)limit / 1e6);
  return FALSE;
}

/*
 * Opens the image in @source (by a source, since names given to libvips may end in "[...]", which
 * it takes for options). Its pixels can be read once, from the top. They are read by one thread: of
 * several that wait for the decoder, some miss that it failed, and the image comes out whole with a
 * black part (libvips 8.14).
 */
static VipsImage *open_source(VipsSource *source) {
  VipsImage *image = vips_image_new_from_source(source, "", "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                                VIPS_ACCESS_SEQUENTIAL, NULL);
  if (image)
    vips_image_set_int(image, "concurrency", 1);
  return image;
}

static gboolean is_known(VipsSource *source) {
  vips_error_freeze();
  gboolean known = vips_foreign_find_load_source(source) != NULL;
  vips_error_thaw();
  return known;
}

gboolean velm_image_is_known(GBytes *bytes) {
  vips_start();
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(bytes, &size);
  g_autoptr(VipsSource) source = size > 0 ? vips_source_new_from_memory(data, size) : NULL;
  return source && is_known(source);
}

/* Why @source could not be opened: of an unknown format, or damaged. */
static void set_open_error(GError **error, const char *name, VipsSource *source) {
  if (!source || is_known(source)) {
    set_vips_error(error, name);
    return;
  }
  vips_error_clear();
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: not an image of a known format", name);
}

static VipsImage *open_checked(const char *path, gint64 max_pixels, GError **error) {
  vips_start();
  if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: is a folder, not an image", path);
    return NULL;
  }
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such file", path);
    return NULL;
  }
  g_autoptr(VipsSource) source = vips_source_new_from_file(path);
  g_autoptr(VipsImage) image = source ? open_source(source) : NULL;
  if (!image) {
    set_open_error(error, path, source);
    return NULL;
  }
  return check_pixels(image, max_pixels, path, error) ? g_steal_pointer(&image) : NULL;
}

/* Turned as EXIF says, in @space, transparency over black. */
static VipsImage *to_opaque(VipsImage *in, VipsInterpretation space) {
  g_autoptr(VipsImage) whole = NULL, turned = NULL, colour = NULL;
  VipsImage *flat = NULL;
  /* Turning reads pixels out of order, which a file read in sequence does not allow. */
  whole = vips_image_get_orientation(in) > 1 ? vips_image_copy_memory(in) : g_object_ref(in);
  if (!whole || vips_autorot(whole, &turned, NULL) != 0)
    return NULL;
  if (vips_colourspace(turned, &colour, space, NULL) != 0)
    return NULL;
  if (vips_image_hasalpha(colour) ? vips_flatten(colour, &flat, NULL) != 0
                                  : vips_copy(colour, &flat, NULL) != 0)
    return NULL;
  return flat;
}

/* Any colour space, depth and alpha to 8-bit sRGB. */
static VipsImage *to_srgb(VipsImage *in) {
  g_autoptr(VipsImage) flat = to_opaque(in, VIPS_INTERPRETATION_sRGB);
  g_autoptr(VipsImage) bytes = NULL, rgb = NULL;
  if (!flat || vips_cast(flat, &bytes, VIPS_FORMAT_UCHAR, NULL) != 0)
    return NULL;
  if (vips_image_get_bands(bytes) >= 3)
    return vips_extract_band(bytes, &rgb, 0, "n", 3, NULL) == 0 ? g_steal_pointer(&rgb) : NULL;
  VipsImage *same[3] = {bytes, bytes, bytes};
  return vips_bandjoin(same, &rgb, 3, NULL) == 0 ? g_steal_pointer(&rgb) : NULL;
}

/* Every pixel of @grey three times. */
static VelmImage *image_from_grey(const guint8 *grey, int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  gsize n = (gsize)width * (gsize)height;
  for (gsize i = 0; i < n; i++)
    image->pixels[3 * i] = image->pixels[3 * i + 1] = image->pixels[3 * i + 2] = grey[i];
  return image;
}

static VelmImage *image_from_vips(VipsImage *rgb) {
  guint8 *pixels = unwrap(rgb, 3, VIPS_FORMAT_UCHAR);
  if (!pixels)
    return NULL;
  VelmImage *image = g_new0(VelmImage, 1);
  image->width = vips_image_get_width(rgb);
  image->height = vips_image_get_height(rgb);
  image->pixels = pixels;
  return image;
}

/* Whether nothing but the number of channels may keep @file from being 8-bit sRGB. */
static gboolean is_plain(VipsImage *file, VipsInterpretation space, int bands) {
  return vips_image_get_format(file) == VIPS_FORMAT_UCHAR &&
         vips_image_get_coding(file) == VIPS_CODING_NONE &&
         vips_image_get_interpretation(file) == space && vips_image_get_bands(file) == bands &&
         vips_image_get_orientation(file) <= 1;
}

/* What most cameras' files hold needs no conversion, which would take as long as decoding. */
static VelmImage *decode(VipsImage *file) {
  if (is_plain(file, VIPS_INTERPRETATION_sRGB, 3))
    return image_from_vips(file);
  if (is_plain(file, VIPS_INTERPRETATION_B_W, 1)) {
    g_autofree guint8 *grey = unwrap(file, 1, VIPS_FORMAT_UCHAR);
    return grey ? image_from_grey(grey, vips_image_get_width(file), vips_image_get_height(file))
                : NULL;
  }
  g_autoptr(VipsImage) rgb = to_srgb(file);
  return rgb ? image_from_vips(rgb) : NULL;
}

VelmImage *velm_image_load(const char *path, gint64 max_pixels, GError **error) {
  g_autoptr(VipsImage) file = open_checked(path, max_pixels, error);
  if (!file)
    return NULL;
  VelmImage *image = decode(file);
  if (!image)
    set_vips_error(error, path);
  return image;
}

VelmImage *velm_image_parse(GBytes *bytes, const char *name, GError **error) {
  vips_start();
  gsize size = 0;
  const void *data = g_bytes_get_data(bytes, &size);
  g_autoptr(VipsSource) source = vips_source_new_from_memory(data, size);
  g_autoptr(VipsImage) file = source ? open_source(source) : NULL;
  if (!file)
    set_open_error(error, name, source);
  if (!file || !check_pixels(file, 0, name, error))
    return NULL;
  VelmImage *image = decode(file);
  if (!image)
    set_vips_error(error, name);
  return image;
}

VelmImage *velm_image_new(int width, int height) {
  VelmImage *image = g_new0(VelmImage, 1);
  image->width = width;
  image->height = height;
  image->pixels = g_malloc0_n((gsize)width * (gsize)height, 3);
  return image;
}

VelmImage *velm_image_copy(const VelmImage *image) {
  VelmImage *copy = velm_image_new(image->width, image->height);
  memcpy(copy->pixels, image->pixels, (gsize)image->width * (gsize)image->height * 3);
  return copy;
}

void velm_image_free(VelmImage *image) {
  if (!image)
    return;
  g_free(image->pixels);
  g_free(image);
}

/*
 * Enlarges bilinearly with the centres of the corner pixels' areas aligned. vips_resize() would lay
 * the result half a pixel off.
 */
static VipsImage *enlarge(VipsImage *in, int width, int height) {
  double h = (double)width / vips_image_get_width(in);
  double v = (double)height / vips_image_get_height(in);
  g_autoptr(VipsInterpolate) bilinear = vips_interpolate_new("bilinear");
  g_autoptr(VipsArrayInt) area = vips_array_int_newv(4, 0, 0, width, height);
  VipsImage *out = NULL;
  if (!bilinear ||
      vips_affine(in, &out, h, 0, 0, v, "interpolate", bilinear, "oarea", area, "idx", 0.5, "idy",
                  0.5, "odx", -0.5, "ody", -0.5, "extend", VIPS_EXTEND_COPY, NULL) != 0)
    return NULL;
  return out;
}

/* Resizes each axis: shrinks with the kernel stretched over the pixels that become one, then
 * enlarges. */
static VipsImage *resize(VipsImage *in, int width, int height) {
  int between_width = MIN(width, vips_image_get_width(in));
  int between_height = MIN(height, vips_image_get_height(in));
  double h = (double)between_width / vips_image_get_width(in);
  double v = (double)between_height / vips_image_get_height(in);
  g_autoptr(VipsImage) between = NULL;
  if (vips_resize(in, &between, h, "vscale", v, "kernel", VIPS_KERNEL_LINEAR, NULL) != 0)
    return NULL;
  if (between_width == width && between_height == height)
    return g_steal_pointer(&between);
  return enlarge(between, width, height);
}

/* The one channel of a grey image; NULL where a pixel has colour. */
static guint8 *grey_channel(const VelmImage *image) {
  gsize n = (gsize)image->width * (gsize)image->height;
  g_autofree guint8 *grey = g_malloc(n);
  for (gsize from = 0; from < n; from += (gsize)image->width) {
    guint8 differs = 0;
    for (gsize i = from; i < from + (gsize)image->width; i++) {
      const guint8 *pixel = image->pixels + 3 * i;
      grey[i] = pixel[0];
      differs |= (guint8)((pixel[0] ^ pixel[1]) | (pixel[0] ^ pixel[2]));
    }
    if (differs)
      return NULL;
  }
  return g_steal_pointer(&grey);
}

static VelmImage *resize_grey(const VelmImage *image, const guint8 *grey, int width, int height) {
  g_autoptr(VipsImage) in = wrap(grey, image->width, image->height, 1, VIPS_FORMAT_UCHAR);
  g_autoptr(VipsImage) out = in ? resize(in, width, height) : NULL;
  g_autofree guint8 *values = out ? unwrap(out, 1, VIPS_FORMAT_UCHAR) : NULL;
  return values ? image_from_grey(values, width, height) : NULL;
}

static VelmImage *resize_colour(const VelmImage *image, int width, int height) {
  g_autoptr(VipsImage) in = wrap(image->pixels, image->width, image->height, 3, VIPS_FORMAT_UCHAR);
  g_autoptr(VipsImage) out = in ? resize(in, width, height) : NULL;
  return out ? image_from_vips(out) : NULL;
}

VelmImage *velm_image_resize(const VelmImage *image, int width, int height, GError **error) {
  if (image->width == width && image->height == height)
    return velm_image_copy(image);
  /* A third of the work, with the same result. */
  g_autofree guint8 *grey = grey_channel(image);
  VelmImage *resized =
      grey ? resize_grey(image, grey, width, height) : resize_colour(image, width, height);
  if (!resized)
    set_vips_error(error, "resizing");
  return resized;
}

VelmImage *velm_image_crop(const VelmImage *image, int x, int y, int width, int height) {
  int x0 = CLAMP(x, 0, image->width - 1), y0 = CLAMP(y, 0, image->height - 1);
  int x1 = CLAMP(x + width, x0 + 1, image->width), y1 = CLAMP(y + height, y0 + 1, image->height);
  VelmImage *crop = velm_image_new(x1 - x0, y1 - y0);
  gsize row = (gsize)crop->width * 3;
  for (int i = 0; i < crop->height; i++)
    memcpy(crop->pixels + (gsize)i * row,
           image->pixels + ((gsize)(y0 + i) * (gsize)image->width + (gsize)x0) * 3, row);
  return crop;
}

static GBytes *encode(const guint8 *pixels, int width, int height, int bands, const char *suffix,
                      GError **error) {
  g_autoptr(VipsImage) in = wrap(pixels, width, height, bands, VIPS_FORMAT_UCHAR);
  void *buffer = NULL;
  gsize size = 0;
  if (!in || vips_image_write_to_buffer(in, suffix, &buffer, &size, NULL) != 0) {
    set_vips_error(error, "encoding");
    return NULL;
  }
  return g_bytes_new_take(buffer, size);
}

GBytes *velm_image_to_png(const VelmImage *image, GError **error) {
  return encode(image->pixels, image->width, image->height, 3, ".png[strip]", error);
}

GBytes *velm_pixels_to_png(const guint8 *pixels, int width, int height, int bands, GError **error) {
  return encode(pixels, width, height, bands, ".png[strip,compression=1]", error);
}

GBytes *velm_image_to_jpeg(const VelmImage *image, int quality, GError **error) {
  g_autofree char *suffix = g_strdup_printf(".jpg[strip,Q=%d]", CLAMP(quality, 1, 100));
  return encode(image->pixels, image->width, image->height, 3, suffix, error);
}

VelmPlane *velm_image_grey(const VelmImage *image) {
  VelmPlane *grey = velm_plane_new(image->width, image->height);
  gsize n = (gsize)image->width * (gsize)image->height;
  for (gsize i = 0; i < n; i++) {
    const guint8 *p = image->pixels + 3 * i;
    grey->values[i] = 0.299f * (float)p[0] + 0.587f * (float)p[1] + 0.114f * (float)p[2];
  }
  return grey;
}

/* ---- planes ---- */

VelmPlane *velm_plane_new(int width, int height) {
  VelmPlane *plane = g_new0(VelmPlane, 1);
  plane->width = width;
  plane->height = height;
  plane->values = g_new0(float, (gsize)width *(gsize)height);
  return plane;
}

VelmPlane *velm_plane_copy(const VelmPlane *plane) {
  VelmPlane *copy = velm_plane_new(plane->width, plane->height);
  memcpy(copy->values, plane->values, sizeof(float) * (gsize)plane->width * (gsize)plane->height);
  return copy;
}

void velm_plane_free(VelmPlane *plane) {
  if (!plane)
    return;
  g_free(plane->values);
  g_free(plane);
}

static VelmPlane *plane_from_vips(VipsImage *image, const char *name, GError **error) {
  float *values = image ? unwrap(image, 1, VIPS_FORMAT_FLOAT) : NULL;
  if (!values) {
    set_vips_error(error, name);
    return NULL;
  }
  VelmPlane *plane = g_new0(VelmPlane, 1);
  plane->width = vips_image_get_width(image);
  plane->height = vips_image_get_height(image);
  plane->values = values;
  return plane;
}

/* A square rank filter, as two passes: the largest (or smallest) of a row, then of a column. */
static VipsImage *rank(VipsImage *in, int radius, gboolean largest, VipsExtend extend) {
  int width = vips_image_get_width(in), height = vips_image_get_height(in);
  int side = 2 * radius + 1, index = largest ? side - 1 : 0;
  g_autoptr(VipsImage) framed = NULL, row = NULL, both = NULL, out = NULL;
  if (vips_embed(in, &framed, radius, radius, width + 2 * radius, height + 2 * radius, "extend",
                 extend, NULL) != 0 ||
      vips_rank(framed, &row, side, 1, index, NULL) != 0 ||
      vips_rank(row, &both, 1, side, index, NULL) != 0 ||
      vips_extract_area(both, &out, radius, radius, width, height, NULL) != 0)
    return NULL;
  return g_steal_pointer(&out);
}

double velm_plane_largest(const VelmPlane *plane) {
  double value = -INFINITY;
  for (gsize i = 0; i < (gsize)plane->width * (gsize)plane->height; i++) {
    if (isnan(plane->values[i]))
      return NAN;
    value = fmax(value, (double)plane->values[i]);
  }
  return value;
}

VelmPlane *velm_plane_resize(const VelmPlane *plane, int width, int height, GError **error) {
  g_autoptr(VipsImage) in = wrap(plane->values, plane->width, plane->height, 1, VIPS_FORMAT_FLOAT);
  g_autoptr(VipsImage) out = in ? resize(in, width, height) : NULL;
  return plane_from_vips(out, "score map", error);
}

VelmPlane *velm_plane_blur(const VelmPlane *plane, double sigma, GError **error) {
  if (sigma <= 0)
    return velm_plane_copy(plane);
  g_autoptr(VipsImage) in = wrap(plane->values, plane->width, plane->height, 1, VIPS_FORMAT_FLOAT);
  g_autoptr(VipsImage) out = NULL;
  if (in && vips_gaussblur(in, &out, sigma, "min_ampl", 0.01, "precision", VIPS_PRECISION_FLOAT,
                           NULL) != 0)
    out = NULL;
  return plane_from_vips(out, "score map", error);
}

VelmPlane *velm_plane_phase_correlation(const VelmPlane *a, const VelmPlane *b, GError **error) {
  g_autoptr(VipsImage) first = wrap(a->values, a->width, a->height, 1, VIPS_FORMAT_FLOAT);
  g_autoptr(VipsImage) second = wrap(b->values, b->width, b->height, 1, VIPS_FORMAT_FLOAT);
  g_autoptr(VipsImage) out = NULL, values = NULL;
  if (!first || !second || vips_phasecor(second, first, &out, NULL) != 0 ||
      vips_cast_float(out, &values, NULL) != 0)
    values = NULL;
  return plane_from_vips(values, "phase correlation", error);
}

VelmPlane *velm_plane_rank(const VelmPlane *plane, int radius, gboolean largest, GError **error) {
  if (radius <= 0)
    return velm_plane_copy(plane);
  g_autoptr(VipsImage) in = wrap(plane->values, plane->width, plane->height, 1, VIPS_FORMAT_FLOAT);
  g_autoptr(VipsImage) out = in ? rank(in, radius, largest, VIPS_EXTEND_COPY) : NULL;
  return plane_from_vips(out, "score map", error);
}

VelmPlane *velm_plane_load(const char *path, gint64 max_pixels, GError **error) {
  g_autoptr(VipsImage) file = open_checked(path, max_pixels, error);
  if (!file)
    return NULL;
  int bands = vips_image_get_bands(file);
  if (bands != 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE,
                "%s: has %d channels; a map of one number a pixel has one", path, bands);
    return NULL;
  }
  g_autoptr(VipsImage) values = NULL;
  if (vips_cast_float(file, &values, NULL) != 0)
    set_vips_error(error, path);
  return values ? plane_from_vips(values, path, error) : NULL;
}

/* ---- masks ---- */

static VelmMask *mask_from_vips(VipsImage *image, const char *name, GError **error) {
  guint8 *values = image ? unwrap(image, 1, VIPS_FORMAT_UCHAR) : NULL;
  if (!values) {
    set_vips_error(error, name);
    return NULL;
  }
  VelmMask *mask = g_new0(VelmMask, 1);
  mask->width = vips_image_get_width(image);
  mask->height = vips_image_get_height(image);
  mask->values = values;
  return mask;
}

/* 255 where some colour is over 0. Not by way of 8 bits, which would lose a 16-bit mask's low
 * values. */
static VipsImage *to_mask(VipsImage *in) {
  gboolean deep = vips_image_get_format(in) == VIPS_FORMAT_USHORT;
  g_autoptr(VipsImage) flat =
      to_opaque(in, deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
  g_autoptr(VipsImage) over = NULL;
  VipsImage *mask = NULL;
  if (!flat || vips_more_const1(flat, &over, 0, NULL) != 0 || vips_bandor(over, &mask, NULL) != 0)
    return NULL;
  return mask;
}

VelmMask *velm_mask_load(const char *path, GError **error) {
  g_autoptr(VipsImage) file = open_checked(path, 0, error);
  if (!file)
    return NULL;
  g_autoptr(VipsImage) over = to_mask(file);
  return mask_from_vips(over, path, error);
}

VelmMask *velm_mask_new(int width, int height) {
  VelmMask *mask = g_new0(VelmMask, 1);
  mask->width = width;
  mask->height = height;
  mask->values = g_malloc0((gsize)width * (gsize)height);
  return mask;
}

VelmMask *velm_mask_copy(const VelmMask *mask) {
  VelmMask *copy = velm_mask_new(mask->width, mask->height);
  memcpy(copy->values, mask->values, (gsize)mask->width * (gsize)mask->height);
  return copy;
}

void velm_mask_free(VelmMask *mask) {
  if (!mask)
    return;
  g_free(mask->values);
  g_free(mask);
}

/* Which of @n pixels the centre of pixel @i of @m lies in. */
static int nearest(int i, int m, int n) { return (int)((2 * (gint64)i + 1) * n / (2 * (gint64)m)); }

VelmMask *velm_mask_resize(const VelmMask *mask, int width, int height, GError **error) {
  if (width < 1 || height < 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "mask: cannot be resized to %d x %d", width,
                height);
    return NULL;
  }
  VelmMask *out = velm_mask_new(width, height);
  g_autofree int *columns = g_new(int, (gsize)width);
  for (int x = 0; x < width; x++)
    columns[x] = nearest(x, width, mask->width);
  for (int y = 0; y < height; y++) {
    const guint8 *from =
        mask->values + (gsize)nearest(y, height, mask->height) * (gsize)mask->width;
    guint8 *to = out->values + (gsize)y * (gsize)width;
    for (int x = 0; x < width; x++)
      to[x] = from[columns[x]];
  }
  return out;
}

static void take_extreme(guint8 *restrict to, const guint8 *restrict from, gsize n,
                         gboolean largest) {
  if (largest)
    for (gsize i = 0; i < n; i++)
      to[i] = MAX(to[i], from[i]);
  else
    for (gsize i = 0; i < n; i++)
      to[i] = MIN(to[i], from[i]);
}

/* Each of the @n values, in lines of @step, becomes the extreme of those up to @radius lines before
 * and after it. What is known of nearer lines is used for farther ones: the reach triples with each
 * turn. @before: scratch of @n values */
static void rank_values(guint8 *to, guint8 *before, gsize n, gsize step, gsize radius,
                        gboolean largest) {
  gsize lines = n / step;
  for (gsize reach = 0, further; reach < radius && lines > 1; reach += further) {
    further = MIN(2 * reach + 1, radius - reach);
    gsize shift = MIN(further, lines - 1) * step;
    memcpy(before, to, n);
    take_extreme(to, before + shift, n - shift, largest);
    take_extreme(to + shift, before, n - shift, largest);
    /* From where there is nothing so far away, the outermost line is in reach. */
    for (gsize at = 0; at < shift; at += step) {
      take_extreme(to + at, before, step, largest);
      take_extreme(to + n - step - at, before + n - step, step, largest);
    }
  }
}

/* What lies outside the mask does not count. */
static VelmMask *rank_mask(const VelmMask *mask, int radius, gboolean largest, GError **error) {
  if (radius <= 0)
    return velm_mask_copy(mask);
  gsize width = (gsize)mask->width, n = width * (gsize)mask->height;
  g_autofree guint8 *scratch = g_try_malloc(n);
  if (!scratch) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "mask: no memory for %d x %d pixels",
                mask->width, mask->height);
    return NULL;
  }
  VelmMask *out = velm_mask_copy(mask);
  for (gsize at = 0; at < n; at += width)
    rank_values(out->values + at, scratch, width, 1, (gsize)radius, largest);
  rank_values(out->values, scratch, n, width, (gsize)radius, largest);
  return out;
}

VelmMask *velm_mask_dilate(const VelmMask *mask, int radius, GError **error) {
  return rank_mask(mask, radius, TRUE, error);
}

VelmMask *velm_mask_erode(const VelmMask *mask, int radius, GError **error) {
  return rank_mask(mask, radius, FALSE, error);
}

gsize velm_mask_count(const VelmMask *mask) {
  gsize n = (gsize)mask->width * (gsize)mask->height, count = 0;
  for (gsize i = 0; i < n; i++)
    count += mask->values[i] != 0;
  return count;
}
