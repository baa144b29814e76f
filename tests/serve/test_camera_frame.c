/* A camera's settings, and its frames: pixels of each format to a PNG, and what is refused. */
#include "serve/camera_settings.h"

#include "core/image.h"
#include "core/scratch.h"

#include <string.h>

/* ---- frames ---- */

static VelmImage *convert(const char *format, int width, int height, gsize padding,
                          const guint8 *pixels, gsize size) {
  GError *error = NULL;
  const VelmCameraFrame frame = {.format = velm_camera_format_find(format),
                                 .width = width,
                                 .height = height,
                                 .padding = padding,
                                 .size = size,
                                 .pixels = pixels};
  g_assert_nonnull(frame.format);
  g_assert_cmpstr(velm_camera_format_name(frame.format), ==, format);
  g_autoptr(GBytes) png = velm_camera_frame_to_png(&frame, &error);
  g_assert_no_error(error);
  VelmImage *image = velm_image_parse(png, "frame", &error);
  g_assert_no_error(error);
  g_assert_cmpint(image->width, ==, width);
  g_assert_cmpint(image->height, ==, height);
  return image;
}

static void assert_pixel(const VelmImage *image, int x, int y, guint red, guint green, guint blue) {
  const guint8 *pixel = image->pixels + 3 * (y * image->width + x);
  g_assert_cmpuint(pixel[0], ==, red);
  g_assert_cmpuint(pixel[1], ==, green);
  g_assert_cmpuint(pixel[2], ==, blue);
}

static void test_grey(void) {
  static const guint8 padded[] = {0, 128, 255, 99, 1, 2, 3};
  g_autoptr(VelmImage) image = convert("Mono8", 3, 2, 1, padded, sizeof padded);
  assert_pixel(image, 0, 0, 0, 0, 0);
  assert_pixel(image, 1, 0, 128, 128, 128);
  assert_pixel(image, 2, 0, 255, 255, 255);
  assert_pixel(image, 2, 1, 3, 3, 3);
}

/* The highest eight bits, and white where a camera fills more bits than it says. */
static void test_deep_grey(void) {
  static const struct {
    const char *format;
    guint8 pixels[6];
  } cases[] = {{"Mono10", {0xff, 0x03, 0x04, 0x00, 0x00, 0x02}},
               {"Mono12", {0xff, 0x0f, 0x10, 0x00, 0x00, 0x08}},
               {"Mono14", {0xff, 0x3f, 0x40, 0x00, 0x00, 0x20}},
               {"Mono16", {0xff, 0xff, 0x00, 0x01, 0x00, 0x80}}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmImage) image = convert(cases[i].format, 3, 1, 0, cases[i].pixels, 6);
    assert_pixel(image, 0, 0, 255, 255, 255);
    assert_pixel(image, 1, 0, 1, 1, 1);
    assert_pixel(image, 2, 0, 128, 128, 128);
  }
  static const guint8 over[] = {0xff, 0xff};
  g_autoptr(VelmImage) image = convert("Mono10", 1, 1, 0, over, 2);
  assert_pixel(image, 0, 0, 255, 255, 255);
}

static void test_colour(void) {
  static const guint8 pixels[] = {10, 20, 30, 40, 50, 60};
  g_autoptr(VelmImage) rgb = convert("RGB8", 2, 1, 0, pixels, 6);
  g_autoptr(VelmImage) bgr = convert("BGR8", 2, 1, 0, pixels, 6);
  assert_pixel(rgb, 1, 0, 40, 50, 60);
  assert_pixel(bgr, 1, 0, 60, 50, 40);
}

/* A part of one colour, as a sensor behind each of the patterns sees it. */
static void test_bayer(void) {
  static const struct {
    const char *format, *pattern;
  } cases[] = {
      {"BayerRG8", "RGGB"}, {"BayerGR8", "GRBG"}, {"BayerGB8", "GBRG"}, {"BayerBG8", "BGGR"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    guint8 pixels[5 * 6];
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 5; x++) {
        char colour = cases[i].pattern[2 * (y % 2) + x % 2];
        pixels[5 * y + x] = colour == 'R' ? 200 : colour == 'G' ? 100 : 50;
      }
    g_autoptr(VelmImage) image = convert(cases[i].format, 5, 6, 0, pixels, sizeof pixels);
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 5; x++)
        assert_pixel(image, x, y, 200, 100, 50);
  }
}

static void assert_refused(int width, int height, gsize size, const char *words) {
  static const guint8 pixels[4] = {0};
  GError *error = NULL;
  const VelmCameraFrame frame = {.format = velm_camera_format_find("Mono8"),
                                 .width = width,
                                 .height = height,
                                 .size = size,
                                 .pixels = pixels};
  g_assert_null(velm_camera_frame_to_png(&frame, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, words);
}

static void test_bad_frames(void) {
  assert_refused(0, 2, 4, "0 x 2");
  assert_refused(2, -1, 4, "2 x -1");
  assert_refused(100000, 100000, 4, "100000 x 100000");
  assert_refused(2, 3, 4, "fewer bytes");
}

static void test_best_format(void) {
  const VelmCameraFormat *bayer = velm_camera_format_find("BayerGB8"),
                         *deep = velm_camera_format_find("Mono12"),
                         *grey = velm_camera_format_find("Mono8");
  const gint64 packed = 0x010c0006,
               numbers[] = {velm_camera_format_number(deep), packed,
                            velm_camera_format_number(bayer), velm_camera_format_number(grey)};
  g_assert_true(velm_camera_format_best(numbers, 4) == grey);
  g_assert_true(velm_camera_format_best(numbers, 3) == bayer);
  g_assert_true(velm_camera_format_best(numbers, 2) == deep);
  g_assert_null(velm_camera_format_best(&packed, 1));
  g_assert_null(velm_camera_format_of((guint32)packed));
  g_assert_null(velm_camera_format_find("Mono12Packed"));
}

/* ---- settings ---- */

static void test_settings(void) {
  GError *error = NULL;
  g_auto(VelmCameraSettings) plain = {0}, all = {0};
  g_assert_true(velm_camera_settings_parse("Maker-Model-123", &plain, &error));
  g_assert_cmpstr(plain.id, ==, "Maker-Model-123");
  g_assert_true(plain.trigger == VELM_CAMERA_FREE && !plain.source && !plain.format);
  g_assert_true(plain.rate < 0 && plain.exposure < 0 && plain.gain < 0);
  g_assert_cmpuint(plain.packet, ==, 0);
  g_assert_cmpuint(plain.queue, ==, 1000);
  g_assert_true(velm_camera_settings_parse("10.0.0.7,trigger=hardware,source=Line3,exposure=1500.5,"
                                           "gain=0,format=RGB8,packet=9000,queue=5",
                                           &all, &error));
  g_assert_cmpstr(all.id, ==, "10.0.0.7");
  g_assert_cmpint(all.trigger, ==, VELM_CAMERA_HARDWARE);
  g_assert_cmpstr(all.source, ==, "Line3");
  g_assert_cmpfloat(all.exposure, ==, 1500.5);
  g_assert_cmpfloat(all.gain, ==, 0);
  g_assert_cmpstr(velm_camera_format_name(all.format), ==, "RGB8");
  g_assert_cmpuint(all.packet, ==, 9000);
  g_assert_cmpuint(all.queue, ==, 5);
}

static void test_default_line(void) {
  GError *error = NULL;
  g_auto(VelmCameraSettings) settings = {0};
  g_assert_true(velm_camera_settings_parse("a,trigger=hardware", &settings, &error));
  g_assert_cmpstr(settings.source, ==, "Line1");
}

static void test_bad_settings(void) {
  static const struct {
    const char *text, *words;
  } cases[] = {
      {"", "a camera's id"},
      {",rate=1", "a camera's id"},
      {"absent=Fake_1", "a camera's id"},
      {"a,", "there is no setting \"\""},
      {"a,colour=red", "there is no setting \"colour\""},
      {"a,rate", "rate is to be a number"},
      {"a,rate=", "rate is to be a number"},
      {"a,rate=fast", "rate is to be a number"},
      {"a,rate=10x", "rate is to be a number"},
      {"a,rate=0", "rate is to be a number"},
      {"a,rate=nan", "rate is to be a number"},
      {"a,rate=inf", "rate is to be a number"},
      {"a,exposure=-1", "exposure is to be a number"},
      {"a,gain=-1", "gain is to be a number"},
      {"a,packet=100", "packet is to be a number from 576 to 65535"},
      {"a,queue=0", "queue is to be a number from 1"},
      {"a,trigger=often", "trigger is to be free, software or hardware"},
      {"a,format=JPEG", "format is to be one of Mono8, RGB8"},
      {"a,trigger=hardware,source=", "source is to be a line"},
      {"a,source=Line1", "source goes with trigger=hardware"},
      {"a,trigger=hardware,rate=5", "rate does not go with trigger=hardware"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    VelmCameraSettings settings = {0};
    g_assert_false(velm_camera_settings_parse(cases[i].text, &settings, &error));
    g_autofree char *start = g_strdup_printf("--camera %s: ", cases[i].text);
    g_assert_true(g_str_has_prefix(error->message, start));
    g_assert_null(strchr(error->message, '\n'));
    assert_failure(&error, VELM_ERROR_USAGE, cases[i].words);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/serve/camera_frame/grey", test_grey);
  g_test_add_func("/serve/camera_frame/deep-grey", test_deep_grey);
  g_test_add_func("/serve/camera_frame/colour", test_colour);
  g_test_add_func("/serve/camera_frame/bayer", test_bayer);
  g_test_add_func("/serve/camera_frame/bad-frames", test_bad_frames);
  g_test_add_func("/serve/camera_frame/best-format", test_best_format);
  g_test_add_func("/serve/camera_frame/settings", test_settings);
  g_test_add_func("/serve/camera_frame/default-line", test_default_line);
  g_test_add_func("/serve/camera_frame/bad-settings", test_bad_settings);
  return g_test_run();
}
