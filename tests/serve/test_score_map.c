/* Score maps as the store keeps them. */
#include "core/scratch.h"
#include "serve/score_map.h"

#include <math.h>
#include <string.h>

static VelmInspection *inspection_new(int width, int height) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->map = velm_plane_new(width, height);
  inspection->region_threshold = 1.25;
  inspection->anomalous = TRUE;
  for (int i = 0; i < width * height; i++)
    inspection->map->values[i] = (float)(3 * sin(i * 0.37) + 0.001 * i);
  return inspection;
}

static void range_of(const VelmPlane *map, double *low, double *high) {
  *low = INFINITY;
  *high = -INFINITY;
  for (int i = 0; i < map->width * map->height; i++) {
    *low = MIN(*low, (double)map->values[i]);
    *high = MAX(*high, (double)map->values[i]);
  }
}

static VelmInspection *unpack(GBytes *packed) {
  g_autoptr(GError) error = NULL;
  VelmInspection *inspection = velm_score_map_unpack(packed, velm_image_new(4, 3), &error);
  g_assert_no_error(error);
  g_assert_cmpint(inspection->image->width, ==, 4);
  return inspection;
}

static void assert_round_trip(int width, int height) {
  g_autoptr(VelmInspection) before = inspection_new(width, height);
  g_autoptr(GBytes) packed = velm_score_map_pack(before);
  g_autoptr(VelmInspection) after = unpack(packed);
  double low, high;
  range_of(before->map, &low, &high);
  g_assert_cmpint(after->map->width, ==, width);
  g_assert_cmpint(after->map->height, ==, height);
  g_assert_cmpfloat(after->region_threshold, ==, 1.25);
  g_assert_true(after->anomalous);
  for (int i = 0; i < width * height; i++)
    g_assert_cmpfloat_with_epsilon((double)after->map->values[i], (double)before->map->values[i],
                                   (high - low) / 65535 + 1e-6);
}

static void test_round_trip(void) {
  assert_round_trip(32, 32);
  assert_round_trip(1, 1);
  assert_round_trip(256, 7);
  assert_round_trip(1, 256);
}

static void test_flat(void) {
  g_autoptr(VelmInspection) before = inspection_new(5, 4);
  before->anomalous = FALSE;
  for (int i = 0; i < 20; i++)
    before->map->values[i] = 0.5f;
  g_autoptr(GBytes) packed = velm_score_map_pack(before);
  g_autoptr(VelmInspection) after = unpack(packed);
  g_assert_false(after->anomalous);
  for (int i = 0; i < 20; i++)
    g_assert_cmpfloat(after->map->values[i], ==, 0.5f);
}

/* It shrinks, keeps its shape, and stays within its range. */
static void test_large(void) {
  static const int sizes[][4] = {
      {512, 512, 256, 256}, {1000, 10, 256, 2}, {257, 300, 219, 256}, {4000, 1, 256, 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(VelmInspection) before = inspection_new(sizes[i][0], sizes[i][1]);
    g_autoptr(GBytes) packed = velm_score_map_pack(before);
    g_assert_nonnull(packed);
    g_assert_cmpuint(g_bytes_get_size(packed), <, 256 * 256 * 2 + 100);
    g_autoptr(VelmInspection) after = unpack(packed);
    double low, high, least, most;
    range_of(before->map, &low, &high);
    range_of(after->map, &least, &most);
    g_assert_cmpint(after->map->width, ==, sizes[i][2]);
    g_assert_cmpint(after->map->height, ==, sizes[i][3]);
    g_assert_cmpfloat(least, >=, low - 0.2 * (high - low));
    g_assert_cmpfloat(most, <=, high + 0.2 * (high - low));
  }
}

static void test_none(void) {
  g_autoptr(VelmInspection) without = velm_inspection_new("part.png");
  g_assert_null(velm_score_map_pack(without));
  g_autoptr(VelmInspection) endless = inspection_new(4, 4);
  endless->map->values[3] = INFINITY;
  g_assert_null(velm_score_map_pack(endless));
  endless->map->values[3] = -INFINITY;
  g_assert_null(velm_score_map_pack(endless));
}

static void test_not_a_number(void) {
  g_autoptr(VelmInspection) inspection = inspection_new(4, 4);
  inspection->map->values[3] = NAN;
  g_assert_null(velm_score_map_pack(inspection));
}

static void assert_refused(gconstpointer data, gsize size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = g_bytes_new(data, size);
  g_autoptr(VelmInspection) inspection = velm_score_map_unpack(bytes, velm_image_new(4, 3), &error);
  g_assert_null(inspection);
  assert_failure(&error, VELM_ERROR_FILE, "score map is damaged");
}

/* Whatever the bytes are, a map comes of them, or an error. */
static void test_damaged(void) {
  g_autoptr(VelmInspection) before = inspection_new(16, 16);
  g_autoptr(GBytes) packed = velm_score_map_pack(before);
  gsize size = g_bytes_get_size(packed);
  g_autofree guint8 *data = g_malloc0(size + 2);
  memcpy(data, g_bytes_get_data(packed, NULL), size);
  for (gsize length = 0; length < size; length += 7)
    assert_refused(data, length);
  assert_refused(data, size + 2);
  assert_refused("garbage", 7);
  /* The head: sizes that do not fit, and a range that is none. */
  static const struct {
    gsize place;
    guint8 byte;
  } changes[] = {{0, 15}, {0, 17}, {3, 0xff}, {4, 0}, {4, 17}};
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    guint8 before_it = data[changes[i].place];
    data[changes[i].place] = changes[i].byte;
    assert_refused(data, size);
    data[changes[i].place] = before_it;
  }
  memset(data + 8, 0xff, 8); /* the lowest value: not a number */
  assert_refused(data, size);
}

static void test_any_byte(void) {
  g_autoptr(VelmInspection) before = inspection_new(8, 8);
  g_autoptr(GBytes) packed = velm_score_map_pack(before);
  gsize size = g_bytes_get_size(packed);
  g_autofree guint8 *data = g_memdup2(g_bytes_get_data(packed, NULL), size);
  for (gsize i = 0; i < size; i++) {
    g_autoptr(GError) error = NULL;
    data[i] ^= 0xff;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(VelmInspection) inspection =
        velm_score_map_unpack(bytes, velm_image_new(4, 3), &error);
    g_assert_true((inspection != NULL) == (error == NULL));
    data[i] ^= 0xff;
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/score_map/round_trip", test_round_trip);
  g_test_add_func("/score_map/flat", test_flat);
  g_test_add_func("/score_map/large", test_large);
  g_test_add_func("/score_map/none", test_none);
  g_test_add_func("/score_map/not_a_number", test_not_a_number);
  g_test_add_func("/score_map/damaged", test_damaged);
  g_test_add_func("/score_map/any_byte", test_any_byte);
  return g_test_run();
}
