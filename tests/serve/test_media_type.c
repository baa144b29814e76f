/* The kind of image that a file's first bytes say it is. */
#include "serve/media_type.h"

#include "serve/line_fixture.h"

#define MOST 12

typedef struct {
  const char bytes[MOST + 1];
  gsize size;
  const char *type;
} Case;

static const char *type_of(const char *bytes, gsize size) {
  g_autoptr(GBytes) file = g_bytes_new(bytes, size);
  return velm_media_type_of(file);
}

static void test_kinds(void) {
  static const Case cases[] = {{"\x89PNG\r\n\x1a\n", 8, "image/png"},
                               {"\xff\xd8\xff\xe0", 4, "image/jpeg"},
                               {"II*\0", 4, "image/tiff"},
                               {"MM\0*", 4, "image/tiff"},
                               {"RIFF\1\2\3\4WEBP", 12, "image/webp"},
                               {"BM", 2, "image/bmp"},
                               {"<svg/>", 6, "application/octet-stream"},
                               {"II\0*", 4, "application/octet-stream"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    g_assert_cmpstr(type_of(cases[i].bytes, cases[i].size), ==, cases[i].type);
}

/* No byte beyond the end is looked at. */
static void test_short(void) {
  static const Case whole[] = {{"\x89PNG\r\n\x1a\n", 8, NULL},
                               {"\xff\xd8\xff", 3, NULL},
                               {"II*\0", 4, NULL},
                               {"RIFF\1\2\3\4WEBP", 12, NULL},
                               {"BM", 2, NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(whole); i++)
    for (gsize size = 0; size < whole[i].size; size++)
      g_assert_cmpstr(type_of(whole[i].bytes, size), ==, "application/octet-stream");
}

static void test_written(void) {
  g_autoptr(GBytes) png = line_image(0);
  g_assert_cmpstr(velm_media_type_of(png), ==, "image/png");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/serve/media-type/kinds", test_kinds);
  g_test_add_func("/serve/media-type/short", test_short);
  g_test_add_func("/serve/media-type/written", test_written);
  return g_test_run();
}
