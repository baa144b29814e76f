#include "core/image.h"

#include "core/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <vips/vips.h>

static char *folder;

static void unref_vips(VipsImage *image) { g_object_unref(image); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsImage, unref_vips)

/* ---- pictures ---- */

#define WIDTH 40
#define HEIGHT 30

/* A smooth picture, which lossy formats keep well: red grows to the right, green downwards. */
static void picture_at(int x, int y, guint8 *pixel) {
  pixel[0] = (guint8)(6 * x);
  pixel[1] = (guint8)(8 * y);
  pixel[2] = 100;
}

static VelmImage *picture(int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      picture_at(x, y, image->pixels + 3 * ((gsize)y * (gsize)width + (gsize)x));
  return image;
}

static VelmImage *noise(int width, int height, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  VelmImage *image = velm_image_new(width, height);
  for (gsize i = 0; i < (gsize)width * (gsize)height * 3; i++)
    image->pixels[i] = (guint8)g_rand_int_range(random, 0, 256);
  return image;
}

static VipsImage *to_vips(const VelmImage *image) {
  gsize size = (gsize)image->width * (gsize)image->height * 3;
  VipsImage *out = vips_image_new_from_memory_copy(image->pixels, size, image->width, image->height,
                                                   3, VIPS_FORMAT_UCHAR);
  g_assert_nonnull(out);
  out->Type = VIPS_INTERPRETATION_sRGB;
  return out;
}

static const guint8 *pixel_of(const VelmImage *image, int x, int y) {
  return image->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x);
}

static int largest_difference(const VelmImage *a, const VelmImage *b) {
  int largest = 0;
  g_assert_cmpint(a->width, ==, b->width);
  g_assert_cmpint(a->height, ==, b->height);
  for (gsize i = 0; i < (gsize)a->width * (gsize)a->height * 3; i++)
    largest = MAX(largest, abs(a->pixels[i] - b->pixels[i]));
  return largest;
}

static VelmImage *load(const char *path) {
  g_autoptr(GError) error = NULL;
  VelmImage *image = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_assert_nonnull(image);
  return image;
}

static void refuse(const char *path, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_image_load(path, 0, &error));
  assert_failure(&error, code, text);
}

static void check_vips(int status) {
  if (status != 0)
    g_error("libvips: %s", vips_error_buffer());
}

/* ---- formats ---- */

typedef enum { GREY8, GREY16, GREY_FLOAT, GREY_ALPHA, RGB8, RGB16, RGBA8, RGBA16, LAB, CMYK } Depth;

/* Opacity of a column: opaque to the left, half in the middle, none to the right. */
static int alpha_at(int x) { return x < WIDTH / 3 ? 255 : x < 2 * WIDTH / 3 ? 128 : 0; }

static VipsImage *alpha_plane(void) {
  guint8 values[WIDTH * HEIGHT];
  for (int i = 0; i < WIDTH * HEIGHT; i++)
    values[i] = (guint8)alpha_at(i % WIDTH);
  VipsImage *plane =
      vips_image_new_from_memory_copy(values, sizeof values, WIDTH, HEIGHT, 1, VIPS_FORMAT_UCHAR);
  g_assert_nonnull(plane);
  return plane;
}

static VipsImage *with_alpha(VipsImage *in) {
  g_autoptr(VipsImage) alpha = alpha_plane();
  VipsImage *out = NULL;
  check_vips(vips_bandjoin2(in, alpha, &out, NULL));
  return out;
}

/* Times 257, so that the 16-bit value is the 8-bit one's exact like. */
static VipsImage *deepen(VipsImage *in, VipsInterpretation kind) {
  g_autoptr(VipsImage) product = NULL, words = NULL;
  VipsImage *out = NULL;
  check_vips(vips_linear1(in, &product, 257, 0, NULL));
  check_vips(vips_cast(product, &words, VIPS_FORMAT_USHORT, NULL));
  check_vips(vips_copy(words, &out, "interpretation", kind, NULL));
  return out;
}

static VipsImage *green(VipsImage *in) {
  g_autoptr(VipsImage) band = NULL;
  VipsImage *out = NULL;
  check_vips(vips_extract_band(in, &band, 1, NULL));
  check_vips(vips_copy(band, &out, "interpretation", VIPS_INTERPRETATION_B_W, NULL));
  return out;
}

/* Ink has no bright colours: a picture of muted ones is the same in CMYK. */
static VelmImage *picture_for(Depth depth) {
  VelmImage *image = picture(WIDTH, HEIGHT);
  for (int i = 0; depth == CMYK && i < WIDTH * HEIGHT * 3; i++)
    image->pixels[i] = (guint8)(96 + image->pixels[i] / 4);
  return image;
}

/* The picture in @depth; grey ones are its green. */
static VipsImage *source(Depth depth) {
  g_autoptr(VelmImage) image = picture_for(depth);
  g_autoptr(VipsImage) rgb = to_vips(image);
  g_autoptr(VipsImage) grey = green(rgb);
  g_autoptr(VipsImage) rgba = with_alpha(rgb);
  VipsImage *out = NULL;
  switch (depth) {
  case GREY8:
    return g_object_ref(grey);
  case GREY16:
    return deepen(grey, VIPS_INTERPRETATION_GREY16);
  case GREY_FLOAT:
    check_vips(vips_cast(grey, &out, VIPS_FORMAT_FLOAT, NULL));
    return out;
  case GREY_ALPHA:
    return with_alpha(grey);
  case RGB8:
    return g_object_ref(rgb);
  case RGB16:
    return deepen(rgb, VIPS_INTERPRETATION_RGB16);
  case RGBA8:
    return g_object_ref(rgba);
  case RGBA16:
    return deepen(rgba, VIPS_INTERPRETATION_RGB16);
  case LAB:
    check_vips(vips_colourspace(rgb, &out, VIPS_INTERPRETATION_LAB, NULL));
    return out;
  case CMYK:
    check_vips(vips_colourspace(rgb, &out, VIPS_INTERPRETATION_CMYK, NULL));
    return out;
  }
  g_assert_not_reached();
}

static VelmImage *expected(Depth depth) {
  VelmImage *image = picture_for(depth);
  gboolean is_grey =
      depth == GREY8 || depth == GREY16 || depth == GREY_FLOAT || depth == GREY_ALPHA;
  gboolean has_alpha = depth == GREY_ALPHA || depth == RGBA8 || depth == RGBA16;
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    guint8 *pixel = image->pixels + 3 * i;
    if (is_grey)
      pixel[0] = pixel[2] = pixel[1];
    for (int c = 0; c < 3 && has_alpha; c++)
      pixel[c] = (guint8)(pixel[c] * alpha_at(i % WIDTH) / 255);
  }
  return image;
}

/* @name: of the file, whose ending is the format, then options of libvips's saver in [brackets]. */
typedef struct {
  const char *test, *name;
  Depth depth;
  int tolerance;
} Format;

static const Format formats[] = {
    {"png-rgb8", "a.png", RGB8, 0},
    {"png-rgb16", "a.png", RGB16, 0},
    {"png-grey8", "a.png", GREY8, 0},
    {"png-grey16", "a.png", GREY16, 0},
    {"png-grey-alpha", "a.png", GREY_ALPHA, 1},
    {"png-rgba8", "a.png", RGBA8, 1},
    {"png-rgba16", "a.png", RGBA16, 1},
    {"png-interlaced", "a.png[interlace]", RGB8, 0},
    {"png-palette", "a.png[palette,dither=0]", RGB8, 24},
    {"png-palette-alpha", "a.png[palette,dither=0]", RGBA8, 24},
    {"jpeg", "a.jpg[Q=95]", RGB8, 6},
    {"jpeg-progressive", "a.jpg[Q=95,interlace]", RGB8, 6},
    {"jpeg-subsampled", "a.JPEG[Q=95,subsample_mode=on]", RGB8, 8},
    {"jpeg-grey", "a.jpg[Q=95]", GREY8, 4},
    {"jpeg-cmyk", "a.jpg[Q=95]", CMYK, 14},
    {"tiff-rgb8", "a.tif", RGB8, 0},
    {"tiff-rgb16", "a.tif", RGB16, 0},
    {"tiff-rgba16", "a.tif", RGBA16, 1},
    {"tiff-grey8", "a.tif", GREY8, 0},
    {"tiff-grey16", "a.tiff[compression=lzw]", GREY16, 0},
    {"tiff-grey-float", "a.tif", GREY_FLOAT, 0},
    {"tiff-lab", "a.tif", LAB, 2},
    {"tiff-cmyk", "a.tif", CMYK, 14},
    {"webp", "a.webp[lossless]", RGB8, 0},
    {"webp-alpha", "a.webp[lossless]", RGBA8, 1},
    {"gif", "a.gif[dither=0]", RGB8, 24},
    {"ppm", "a.ppm", RGB8, 0},
    {"ppm-16", "a.ppm", RGB16, 0},
    {"pgm", "a.pgm", GREY8, 0},
    {"bmp", "a.bmp", RGB8, 0},
    {"jpeg2000", "a.jp2[lossless]", RGB8, 0},
    {"avif", "a.avif[lossless]", RGB8, 10},
    {"jpeg-xl", "a.jxl[lossless]", RGB8, 0},
};

static char *encoded(const Format *format, GError **error) {
  g_autoptr(VipsImage) image = source(format->depth);
  g_autofree char *target = g_build_filename(folder, format->name, NULL);
  char *path = g_strndup(target, strcspn(target, "["));
  if (vips_image_write_to_file(image, target, NULL) == 0)
    return path;
  g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, vips_error_buffer());
  vips_error_clear();
  g_free(path);
  return NULL;
}

static void test_format(gconstpointer data) {
  const Format *format = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = encoded(format, &error);
  if (!path) {
    g_test_skip("this libvips does not write it");
    return;
  }
  g_autoptr(VelmImage) image = load(path);
  g_autoptr(VelmImage) right = expected(format->depth);
  g_assert_cmpint(largest_difference(image, right), <=, format->tolerance);
}

/* One bit a pixel: black and white, and nothing between. */
static void test_one_bit(void) {
  g_autoptr(VelmImage) image = velm_image_new(37, 11);
  for (gsize i = 0; i < 37 * 11; i++)
    memset(image->pixels + 3 * i, i % 3 ? 255 : 0, 3);
  g_autoptr(VipsImage) rgb = to_vips(image);
  g_autoptr(VipsImage) grey = green(rgb);
  static const char *const names[] = {"one-bit.png", "one-bit.tif"};
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    check_vips(i ? vips_tiffsave(grey, path, "bitdepth", 1, NULL)
                 : vips_pngsave(grey, path, "bitdepth", 1, NULL));
    g_autoptr(VelmImage) loaded = load(path);
    g_assert_cmpint(largest_difference(loaded, image), ==, 0);
  }
}

/* Where the displayed pixel (@x, @y) of a @width x @height picture is stored (EXIF, "Orientation").
 */
static void stored_at(int orientation, int x, int y, int width, int height, int *u, int *v) {
  int right = width - 1 - x, bottom = height - 1 - y;
  const int places[8][2] = {{x, y}, {right, y}, {right, bottom}, {x, bottom},
                            {y, x}, {y, right}, {bottom, right}, {bottom, x}};
  *u = places[orientation - 1][0];
  *v = places[orientation - 1][1];
}

static void write_turned(const VelmImage *image, int orientation, const char *path) {
  gboolean lies = orientation > 4;
  g_autoptr(VelmImage) stored =
      velm_image_new(lies ? image->height : image->width, lies ? image->width : image->height);
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      int u, v;
      stored_at(orientation, x, y, image->width, image->height, &u, &v);
      memcpy(stored->pixels + 3 * (v * stored->width + u), pixel_of(image, x, y), 3);
    }
  g_autoptr(VipsImage) vips = to_vips(stored);
  vips_image_set_int(vips, VIPS_META_ORIENTATION, orientation);
  check_vips(vips_image_write_to_file(vips, path, "Q", 95, NULL));
}

static void test_orientation(void) {
  g_autoptr(VelmImage) image = picture(WIDTH, HEIGHT);
  g_autofree char *path = g_build_filename(folder, "turned.jpg", NULL);
  for (int orientation = 1; orientation <= 8; orientation++) {
    write_turned(image, orientation, path);
    g_autoptr(VelmImage) loaded = load(path);
    g_assert_cmpint(loaded->width, ==, WIDTH);
    g_assert_cmpint(largest_difference(loaded, image), <=, 8);
  }
}

/* ---- what is refused ---- */

static GBytes *encode(const VelmImage *image, const char *suffix) {
  g_autoptr(VipsImage) vips = to_vips(image);
  void *data = NULL;
  gsize size = 0;
  check_vips(vips_image_write_to_buffer(vips, suffix, &data, &size, NULL));
  return g_bytes_new_take(data, size);
}

/* Both ways of reading refuse it. */
static void refuse_bytes(const char *name, gconstpointer data, gsize size) {
  g_autofree char *path = scratch_write(folder, name, data, size);
  refuse(path, VELM_ERROR_IMAGE, path);
  g_autoptr(GBytes) bytes = g_bytes_new(data, size);
  GError *error = NULL;
  g_assert_null(velm_image_parse(bytes, "the picture", &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "the picture");
}

/* @tail: bytes at the end that hold no pixels, only the mark of the end. */
static void check_truncated_bytes(GBytes *bytes, const char *name, gsize tail) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  gsize step = MAX(1, size / 60);
  for (gsize cut = 0; cut < size - tail; cut += cut < 40 ? 1 : step)
    refuse_bytes(name, data, cut);
  for (gsize cut = size - tail - 30; cut < size - tail; cut++)
    refuse_bytes(name, data, cut);
}

static void check_truncated(const char *suffix, const char *name, gsize tail) {
  g_autoptr(VelmImage) image = noise(64, 48, 1);
  g_autoptr(GBytes) bytes = encode(image, suffix);
  check_truncated_bytes(bytes, name, tail);
}

static void test_truncated_png(void) { check_truncated(".png", "cut.png", 12); }
static void test_truncated_interlaced_png(void) {
  check_truncated(".png[interlace]", "cut.png", 12);
}
static void test_truncated_jpeg(void) { check_truncated(".jpg", "cut.jpg", 2); }
static void test_truncated_progressive_jpeg(void) {
  check_truncated(".jpg[interlace]", "cut.jpg", 2);
}
static void test_truncated_tiff(void) { check_truncated(".tif", "cut.tif", 0); }
static void test_truncated_webp(void) { check_truncated(".webp[lossless]", "cut.webp", 0); }

static void test_truncated_turned_jpeg(void) {
  g_autoptr(VelmImage) image = noise(64, 48, 1);
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, "turned.jpg", NULL);
  write_turned(image, 6, path);
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) bytes = g_mapped_file_get_bytes(file);
  check_truncated_bytes(bytes, "cut.jpg", 2);
}

/*
 * A wide picture that several threads read at once must not hide that the decoder failed in one of
 * them: where libvips lets it, one of many tries comes out with a black part.
 */
static void test_truncated_often(void) {
  g_autoptr(VelmImage) image = noise(1200, 160, 12);
  static const char *const suffixes[] = {".jpg", ".png[compression=1]"};
  for (int i = 0; i < 2; i++) {
    g_autoptr(GBytes) bytes = encode(image, suffixes[i]);
    for (int cut = 0; cut < 60; cut++)
      refuse_bytes("cut often", g_bytes_get_data(bytes, NULL),
                   g_bytes_get_size(bytes) / 100 * (gsize)(39 + cut));
  }
}

/* A PNG's chunks have checksums: a flipped bit in the pixels is noticed. */
static void test_damaged_png(void) {
  g_autoptr(VelmImage) image = noise(64, 48, 2);
  g_autoptr(GBytes) bytes = encode(image, ".png[strip]");
  gsize size = 0;
  g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_bytes_get_data(bytes, &size);
  const guint8 *idat = memmem(data, size, "IDAT", 4);
  g_assert_nonnull(idat);
  for (gsize at = (gsize)(idat - data) + 4; at < size - 12; at += size / 40) {
    data[at] ^= 4;
    refuse_bytes("damaged.png", data, size);
    data[at] ^= 4;
  }
}

static void test_no_image(void) {
  static const char text[] = "This is a text, whatever its name says.\n";
  g_autofree char *missing = g_build_filename(folder, "missing.png", NULL);
  refuse(missing, VELM_ERROR_FILE, "missing.png: no such file");
  refuse(folder, VELM_ERROR_IMAGE, "is a folder, not an image");
  refuse("", VELM_ERROR_FILE, "no such file");
  refuse_bytes("text.png", text, sizeof text - 1);
  g_autofree char *foreign = g_build_filename(folder, "text.png", NULL);
  refuse(foreign, VELM_ERROR_IMAGE, "text.png: not an image of a known format");
  refuse_bytes("empty.png", "", 0);
  refuse_bytes("signature.png", "\x89PNG\r\n\x1a\n", 8);
  refuse_bytes("signature.jpg", "\xff\xd8\xff", 3);
}

static void test_names(void) {
  static const char *const names[] = {"part[1].png", "[x].png",       "a.png[page=1]",
                                      "b.png[0]",    "two words.png", "\xc3\xa4\xe2\x82\xac.png",
                                      "-q.png",      "no ending",     "wrong.jpg"};
  g_autoptr(VelmImage) image = noise(9, 7, 3);
  g_autoptr(GBytes) png = encode(image, ".png");
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path =
        scratch_write(folder, names[i], g_bytes_get_data(png, NULL), g_bytes_get_size(png));
    g_autoptr(VelmImage) loaded = load(path);
    g_assert_cmpint(largest_difference(loaded, image), ==, 0);
  }
}

static gint64 peak_memory(void) {
  struct rusage usage;
  g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
  return (gint64)usage.ru_maxrss * 1024;
}

/* 400 megapixels in a file of some kilobytes. */
static void test_bomb(void) {
  g_autoptr(VipsImage) black = NULL;
  g_autofree char *path = g_build_filename(folder, "bomb.png", NULL);
  check_vips(vips_black(&black, 20000, 20000, NULL));
  check_vips(vips_pngsave(black, path, "bitdepth", 1, "compression", 9, NULL));
  gint64 memory = peak_memory(), start = g_get_monotonic_time();
  refuse(path, VELM_ERROR_IMAGE, "20000 x 20000 pixels are more than the limit of 64.0 megapixels");
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
  g_assert_nonnull(file);
  g_assert_cmpuint(g_mapped_file_get_length(file), <, 1000 * 1000);
  g_autoptr(GBytes) bytes = g_mapped_file_get_bytes(file);
  GError *error = NULL;
  g_assert_null(velm_image_parse(bytes, "the bomb", &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "the bomb: 20000 x 20000 pixels");
  g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
  g_assert_cmpint(peak_memory() - memory, <, 40 * 1000 * 1000);
}

static void test_limit(void) {
  g_autoptr(VelmImage) image = noise(20, 10, 4);
  g_autoptr(GBytes) png = encode(image, ".png");
  g_autofree char *path =
      scratch_write(folder, "limit.png", g_bytes_get_data(png, NULL), g_bytes_get_size(png));
  GError *error = NULL;
  g_autoptr(VelmImage) loaded = velm_image_load(path, 200, &error);
  g_assert_no_error(error);
  g_assert_null(velm_image_load(path, 199, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "20 x 10 pixels");
}

static void test_one_pixel(void) {
  g_autoptr(VelmImage) image = velm_image_new(1, 1);
  memcpy(image->pixels, "\x10\x80\xf0", 3);
  g_autoptr(GBytes) png = encode(image, ".png");
  g_autofree char *path =
      scratch_write(folder, "one.png", g_bytes_get_data(png, NULL), g_bytes_get_size(png));
  g_autoptr(VelmImage) loaded = load(path);
  g_assert_cmpint(largest_difference(loaded, image), ==, 0);
  GError *error = NULL;
  g_autoptr(VelmImage) large = velm_image_resize(image, 448, 31, &error);
  g_assert_no_error(error);
  for (int y = 0; y < 31; y++)
    for (int x = 0; x < 448; x++)
      g_assert_cmpmem(pixel_of(large, x, y), 3, image->pixels, 3);
}

/* ---- colour images ---- */

static const int sizes[] = {1, 2, 3, 7, 31, 64, 100, 333, 448, 1000};

static void test_resize_is_exact(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (gsize k = 0; k < G_N_ELEMENTS(sizes); k++) {
      g_autoptr(GError) error = NULL;
      g_autoptr(VelmImage) image = velm_image_new(sizes[i], 13);
      memset(image->pixels, 77, (gsize)sizes[i] * 13 * 3);
      g_autoptr(VelmImage) out = velm_image_resize(image, sizes[k], 29, &error);
      g_assert_no_error(error);
      g_assert_cmpint(out->width, ==, sizes[k]);
      g_assert_cmpint(out->height, ==, 29);
      for (gsize n = 0; n < (gsize)sizes[k] * 29 * 3; n++)
        g_assert_cmpint(out->pixels[n], ==, 77);
    }
}

static double mean(const VelmImage *image) {
  double sum = 0;
  gsize n = (gsize)image->width * (gsize)image->height * 3;
  for (gsize i = 0; i < n; i++)
    sum += image->pixels[i];
  return sum / (double)n;
}

static void test_resize_keeps_the_mean(void) {
  static const int targets[][2] = {{150, 100}, {97, 61}, {30, 20}, {299, 3}, {448, 448}};
  g_autoptr(VelmImage) image = noise(300, 200, 5);
  /* Brighter to one side, so that a shifted or cropped picture has another mean. */
  for (int i = 0; i < 300 * 200; i++)
    for (int c = 0; c < 3; c++)
      image->pixels[3 * i + c] =
          (guint8)(image->pixels[3 * i + c] / 4 + (i % 300) / 3 + (i / 300) / 3);
  for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmImage) out = velm_image_resize(image, targets[i][0], targets[i][1], &error);
    g_assert_no_error(error);
    g_assert_cmpfloat_with_epsilon(mean(out), mean(image), 1.0);
  }
}

/* Shrinking averages, else fine texture turns into false patterns. */
static void test_resize_antialiases(void) {
  g_autoptr(VelmImage) image = velm_image_new(512, 512);
  for (int i = 0; i < 512 * 512; i++)
    memset(image->pixels + 3 * i, (i % 512 + i / 512) % 2 ? 255 : 0, 3);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) out = velm_image_resize(image, 100, 100, &error);
  g_assert_no_error(error);
  for (int i = 0; i < 100 * 100 * 3; i++)
    g_assert_cmpint(abs(out->pixels[i] - 127), <, 40);
}

static void check_crop(const VelmImage *image, int x, int y, int width, int height, int x0, int y0,
                       int x1, int y1) {
  g_autoptr(VelmImage) crop = velm_image_crop(image, x, y, width, height);
  g_assert_cmpint(crop->width, ==, x1 - x0);
  g_assert_cmpint(crop->height, ==, y1 - y0);
  for (int v = 0; v < crop->height; v++)
    for (int u = 0; u < crop->width; u++)
      g_assert_cmpmem(pixel_of(crop, u, v), 3, pixel_of(image, x0 + u, y0 + v), 3);
}

static void test_crop(void) {
  g_autoptr(VelmImage) image = noise(20, 10, 6);
  check_crop(image, 3, 2, 5, 4, 3, 2, 8, 6);
  check_crop(image, -3, -2, 5, 4, 0, 0, 2, 2);
  check_crop(image, 18, 9, 50, 50, 18, 9, 20, 10);
  check_crop(image, 0, 0, 20, 10, 0, 0, 20, 10);
}

static void test_grey(void) {
  g_autoptr(VelmImage) image = velm_image_new(2, 2);
  memcpy(image->pixels, "\xff\x00\x00\x00\xff\x00\x00\x00\xff\xff\xff\xff", 12);
  g_autoptr(VelmPlane) grey = velm_image_grey(image);
  const float right[] = {0.299f * 255, 0.587f * 255, 0.114f * 255, 255};
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat_with_epsilon(grey->values[i], right[i], 1e-3f);
}

static void test_round_trips(void) {
  g_autoptr(VelmImage) rough = noise(31, 17, 7);
  g_autoptr(VelmImage) smooth = picture(WIDTH, HEIGHT);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) png = velm_image_to_png(rough, &error);
  g_assert_no_error(error);
  g_autoptr(VelmImage) same = velm_image_parse(png, "png", &error);
  g_assert_no_error(error);
  g_assert_cmpint(largest_difference(same, rough), ==, 0);
  g_autoptr(GBytes) jpeg = velm_image_to_jpeg(smooth, 95, &error);
  g_assert_no_error(error);
  g_autoptr(VelmImage) alike = velm_image_parse(jpeg, "jpeg", &error);
  g_assert_no_error(error);
  g_assert_cmpint(largest_difference(alike, smooth), <=, 6);
  g_autoptr(GBytes) worst = velm_image_to_jpeg(smooth, -5, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(g_bytes_get_size(worst), <, g_bytes_get_size(jpeg));
  g_autoptr(VelmImage) copy = velm_image_copy(rough);
  g_assert_true(copy->pixels != rough->pixels);
  g_assert_cmpint(largest_difference(copy, rough), ==, 0);
}

/* A PNG has the pixels, whatever the size, and no more bytes than it needs. */
static void test_png(void) {
  static const int shapes[][2] = {{1, 1}, {1, 300}, {300, 1}, {7, 5}, {256, 255}, {448, 448}};
  for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmImage) rough = noise(shapes[i][0], shapes[i][1], 3);
    g_autoptr(GBytes) png = velm_image_to_png(rough, &error);
    g_assert_no_error(error);
    g_autoptr(VelmImage) same = velm_image_parse(png, "png", &error);
    g_assert_no_error(error);
    g_assert_cmpint(largest_difference(same, rough), ==, 0);
  }
  g_autoptr(VelmImage) black = velm_image_new(448, 448);
  g_autoptr(GBytes) small = velm_image_to_png(black, NULL);
  g_assert_cmpuint(g_bytes_get_size(small), <, 5000);
}

/* ---- planes ---- */

/* How far values of a ramp may lie off, in pixels: libvips places its kernels to a 64th and rounds
 * their weights. */
#define RAMP_TOLERANCE 0.12
#define RAMP_MEAN_TOLERANCE 0.01

static VelmPlane *ramp(int width, int height, gboolean down) {
  VelmPlane *plane = velm_plane_new(width, height);
  for (int i = 0; i < width * height; i++)
    plane->values[i] = (float)(down ? i / width : i % width);
  return plane;
}

/* Where pixel @i of @m lies on an axis of @n pixels, and whether that is away from the ends, where
 * a ramp flattens. */
static gboolean place(int i, int m, int n, double *at) {
  double edge = MAX(1, (double)n / m) * 2;
  *at = (i + 0.5) * n / m - 0.5;
  return *at >= edge && *at <= n - 1 - edge;
}

/* A ramp stays a ramp, centre for centre. */
static void check_plane_resize(int width, int height, int to_width, int to_height, gboolean down) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmPlane) plane = ramp(width, height, down);
  g_autoptr(VelmPlane) out = velm_plane_resize(plane, to_width, to_height, &error);
  g_assert_no_error(error);
  g_assert_cmpint(out->width, ==, to_width);
  g_assert_cmpint(out->height, ==, to_height);
  double sum = 0, n = 0;
  for (int y = 0; y < to_height; y++)
    for (int x = 0; x < to_width; x++) {
      double u, v;
      if (!place(x, to_width, width, &u) | !place(y, to_height, height, &v))
        continue;
      double difference = (double)out->values[y * to_width + x] - (down ? v : u);
      g_assert_cmpfloat_with_epsilon(difference, 0, RAMP_TOLERANCE);
      sum += difference;
      n++;
    }
  g_assert_cmpfloat(n, >, 0);
  g_assert_cmpfloat_with_epsilon(sum / n, 0, RAMP_MEAN_TOLERANCE);
}

static void test_plane_resize(void) {
  static const int cases[][4] = {{16, 16, 256, 256}, {32, 32, 448, 448},   {37, 21, 100, 99},
                                 {64, 64, 64, 64},   {64, 48, 32, 24},     {100, 80, 33, 61},
                                 {448, 448, 32, 32}, {40, 300, 90, 70},    {300, 300, 256, 256},
                                 {500, 50, 499, 49}, {1200, 90, 1024, 77}, {100, 30, 50, 90}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    for (int down = 0; down < 2; down++)
      check_plane_resize(cases[i][0], cases[i][1], cases[i][2], cases[i][3], down);
}

static void test_plane_resize_is_exact(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (gsize k = 0; k < G_N_ELEMENTS(sizes); k++) {
      g_autoptr(GError) error = NULL;
      g_autoptr(VelmPlane) plane = velm_plane_new(sizes[i], 13);
      for (int n = 0; n < sizes[i] * 13; n++)
        plane->values[n] = 2.5f;
      g_autoptr(VelmPlane) out = velm_plane_resize(plane, sizes[k], 29, &error);
      g_assert_no_error(error);
      g_assert_cmpint(out->width, ==, sizes[k]);
      g_assert_cmpint(out->height, ==, 29);
      for (int n = 0; n < sizes[k] * 29; n++)
        g_assert_cmpfloat_with_epsilon(out->values[n], 2.5f, 1e-5f);
    }
}

static void test_plane_blur(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmPlane) plane = velm_plane_new(41, 41);
  plane->values[20 * 41 + 20] = 1;
  g_autoptr(VelmPlane) none = velm_plane_blur(plane, 0, &error);
  g_assert_cmpmem(none->values, 41 * 41 * sizeof(float), plane->values, 41 * 41 * sizeof(float));
  g_autoptr(VelmPlane) out = velm_plane_blur(plane, 2, &error);
  g_assert_no_error(error);
  double sum = 0;
  for (int i = 0; i < 41 * 41; i++) {
    sum += (double)out->values[i];
    g_assert_cmpfloat_with_epsilon(out->values[i], out->values[41 * 41 - 1 - i], 1e-6f);
  }
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-3);
  double middle = (double)out->values[20 * 41 + 20], aside = (double)out->values[20 * 41 + 22];
  g_assert_cmpfloat_with_epsilon(middle, 1 / (2 * G_PI * 4), 2e-3);
  g_assert_cmpfloat_with_epsilon(aside / middle, exp(-0.5), 1e-2);
  /* The border repeats: nothing darkens there. */
  for (int i = 0; i < 41 * 41; i++)
    plane->values[i] = 3;
  g_autoptr(VelmPlane) flat = velm_plane_blur(plane, 0.6, &error);
  g_assert_no_error(error);
  for (int i = 0; i < 41 * 41; i++)
    g_assert_cmpfloat_with_epsilon(flat->values[i], 3, 1e-5f);
}

static void test_plane_rank(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(8);
  g_autoptr(VelmPlane) plane = velm_plane_new(19, 13);
  for (int i = 0; i < 19 * 13; i++)
    plane->values[i] = (float)g_rand_double_range(random, -5, 5);
  for (int radius = 0; radius < 4; radius++)
    for (int largest = 0; largest < 2; largest++) {
      g_autoptr(GError) error = NULL;
      g_autoptr(VelmPlane) out = velm_plane_rank(plane, radius, largest, &error);
      g_assert_no_error(error);
      for (int y = 0; y < 13; y++)
        for (int x = 0; x < 19; x++) {
          float best = plane->values[y * 19 + x];
          for (int v = MAX(0, y - radius); v <= MIN(12, y + radius); v++)
            for (int u = MAX(0, x - radius); u <= MIN(18, x + radius); u++)
              best = largest ? MAX(best, plane->values[v * 19 + u])
                             : MIN(best, plane->values[v * 19 + u]);
          g_assert_cmpfloat(out->values[y * 19 + x], ==, best);
        }
    }
}

/* ---- masks ---- */

static VelmMask *random_mask(int width, int height, double share, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  VelmMask *mask = velm_mask_new(width, height);
  for (int i = 0; i < width * height; i++)
    mask->values[i] = g_rand_double(random) < share ? 255 : 0;
  return mask;
}

/* Whether a pixel of the square about (@x, @y) is @value; outside the image there is none. */
static gboolean square_has(const VelmMask *mask, int x, int y, int radius, guint8 value) {
  for (int v = MAX(0, y - radius); v <= MIN(mask->height - 1, y + radius); v++)
    for (int u = MAX(0, x - radius); u <= MIN(mask->width - 1, x + radius); u++)
      if (mask->values[v * mask->width + u] == value)
        return TRUE;
  return FALSE;
}

static void check_morphology(int width, int height, int radius, guint32 seed) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMask) few = random_mask(width, height, 0.08, seed);
  g_autoptr(VelmMask) many = random_mask(width, height, 0.92, seed);
  g_autoptr(VelmMask) dilated = velm_mask_dilate(few, radius, &error);
  g_assert_no_error(error);
  g_autoptr(VelmMask) eroded = velm_mask_erode(many, radius, &error);
  g_assert_no_error(error);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      g_assert_cmpint(dilated->values[y * width + x], ==,
                      square_has(few, x, y, radius, 255) ? 255 : 0);
      g_assert_cmpint(eroded->values[y * width + x], ==,
                      square_has(many, x, y, radius, 0) ? 0 : 255);
    }
}

static void test_morphology(void) {
  static const int shapes[][2] = {{1, 1}, {1, 9}, {9, 1}, {17, 11}, {40, 40}};
  for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++)
    for (int radius = 0; radius <= 5; radius++)
      check_morphology(shapes[i][0], shapes[i][1], radius, (guint32)(10 * i) + (guint32)radius);
  check_morphology(17, 11, 25, 1);
}

static void check_mask_resize(int width, int height, int to_width, int to_height) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMask) mask = random_mask(width, height, 0.4, 9);
  g_autoptr(VelmMask) out = velm_mask_resize(mask, to_width, to_height, &error);
  g_assert_no_error(error);
  g_assert_cmpint(out->width, ==, to_width);
  g_assert_cmpint(out->height, ==, to_height);
  gsize checked = 0;
  for (int y = 0; y < to_height; y++)
    for (int x = 0; x < to_width; x++) {
      double u = (x + 0.5) * width / to_width, v = (y + 0.5) * height / to_height;
      /* A centre on the border of two pixels may take either. */
      if (fabs(u - round(u)) < 0.01 || fabs(v - round(v)) < 0.01)
        continue;
      g_assert_cmpint(out->values[y * to_width + x], ==, mask->values[(int)v * width + (int)u]);
      checked++;
    }
  g_assert_cmpuint(checked, >, 0);
}

static void test_mask_resize(void) {
  check_mask_resize(20, 10, 20, 10);
  check_mask_resize(20, 10, 40, 30);
  check_mask_resize(20, 10, 47, 31);
  check_mask_resize(1024, 768, 2000, 1500);
  check_mask_resize(63, 45, 21, 9);
  check_mask_resize(100, 90, 33, 41);
  check_mask_resize(7, 500, 90, 77);
  check_mask_resize(1, 1, 5, 5);
}

/* Every pixel over 0 counts, whatever the depth. */
static void test_mask_load(void) {
  static const double levels[] = {1, 128, 255};
  static const VipsBandFormat depths[] = {VIPS_FORMAT_UCHAR, VIPS_FORMAT_USHORT, VIPS_FORMAT_FLOAT};
  static const char *const names[] = {"mask.png", "mask16.png", "mask.tif"};
  g_autoptr(VelmMask) mask = random_mask(21, 13, 0.3, 11);
  g_autoptr(VipsImage) bytes =
      vips_image_new_from_memory(mask->values, 21 * 13, 21, 13, 1, VIPS_FORMAT_UCHAR);
  for (int depth = 0; depth < 3; depth++)
    for (int level = 0; level < 3; level++) {
      g_autoptr(VipsImage) scaled = NULL, cast = NULL, typed = NULL;
      check_vips(vips_linear1(bytes, &scaled, levels[level] / 255, 0, NULL));
      check_vips(vips_cast(scaled, &cast, depths[depth], NULL));
      check_vips(vips_copy(cast, &typed, "interpretation",
                           depth == 1 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W,
                           NULL));
      g_autofree char *path = g_build_filename(folder, names[depth], NULL);
      check_vips(vips_image_write_to_file(typed, path, NULL));
      g_autoptr(GError) error = NULL;
      g_autoptr(VelmMask) loaded = velm_mask_load(path, &error);
      g_assert_no_error(error);
      g_test_message("depth %d, level %g", depth, levels[level]);
      g_assert_cmpmem(loaded->values, 21 * 13, mask->values, 21 * 13);
      g_assert_cmpuint(velm_mask_count(loaded), ==, velm_mask_count(mask));
    }
  GError *error = NULL;
  g_assert_null(velm_mask_load(folder, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "is a folder");
}

/* A coloured mask counts where it has colour; a transparent one where it is opaque and coloured. */
static void test_mask_load_colours(void) {
  static const guint8 pixels[] = {0, 0, 0, 255, 1, 0, 0, 255, 0, 0, 1, 255, 255, 255, 255, 0};
  g_autoptr(VipsImage) rgba =
      vips_image_new_from_memory(pixels, sizeof pixels, 4, 1, 4, VIPS_FORMAT_UCHAR);
  rgba->Type = VIPS_INTERPRETATION_sRGB;
  g_autofree char *path = g_build_filename(folder, "colours.png", NULL);
  check_vips(vips_image_write_to_file(rgba, path, NULL));
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMask) mask = velm_mask_load(path, &error);
  g_assert_no_error(error);
  g_assert_cmpmem(mask->values, 4, "\x00\xff\xff\x00", 4);
}

static void add_format_tests(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
    g_autofree char *path = g_strconcat("/image/format/", formats[i].test, NULL);
    g_test_add_data_func(path, &formats[i], test_format);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  /* Not warnings: libvips warns of each damaged file. */
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  check_vips(vips_init(argv[0]));
  folder = scratch_new();
  add_format_tests();
  g_test_add_func("/image/one-bit", test_one_bit);
  g_test_add_func("/image/orientation", test_orientation);
  g_test_add_func("/image/truncated/png", test_truncated_png);
  g_test_add_func("/image/truncated/interlaced-png", test_truncated_interlaced_png);
  g_test_add_func("/image/truncated/jpeg", test_truncated_jpeg);
  g_test_add_func("/image/truncated/progressive-jpeg", test_truncated_progressive_jpeg);
  g_test_add_func("/image/truncated/tiff", test_truncated_tiff);
  g_test_add_func("/image/truncated/webp", test_truncated_webp);
  g_test_add_func("/image/truncated/turned-jpeg", test_truncated_turned_jpeg);
  g_test_add_func("/image/truncated/often", test_truncated_often);
  g_test_add_func("/image/damaged-png", test_damaged_png);
  g_test_add_func("/image/no-image", test_no_image);
  g_test_add_func("/image/names", test_names);
  g_test_add_func("/image/bomb", test_bomb);
  g_test_add_func("/image/limit", test_limit);
  g_test_add_func("/image/one-pixel", test_one_pixel);
  g_test_add_func("/image/resize-is-exact", test_resize_is_exact);
  g_test_add_func("/image/resize-keeps-the-mean", test_resize_keeps_the_mean);
  g_test_add_func("/image/resize-antialiases", test_resize_antialiases);
  g_test_add_func("/image/crop", test_crop);
  g_test_add_func("/image/grey", test_grey);
  g_test_add_func("/image/round-trips", test_round_trips);
  g_test_add_func("/image/png", test_png);
  g_test_add_func("/plane/resize", test_plane_resize);
  g_test_add_func("/plane/resize-is-exact", test_plane_resize_is_exact);
  g_test_add_func("/plane/blur", test_plane_blur);
  g_test_add_func("/plane/rank", test_plane_rank);
  g_test_add_func("/mask/morphology", test_morphology);
  g_test_add_func("/mask/resize", test_mask_resize);
  g_test_add_func("/mask/load", test_mask_load);
  g_test_add_func("/mask/load-colours", test_mask_load_colours);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
