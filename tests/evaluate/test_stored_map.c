/* Score maps on disk come back as they were, whoever is freed first. */
#include "evaluate/scan.h"

#include <math.h>

static VelmPlane *plane_of(int width, int height, float first) {
  VelmPlane *plane = velm_plane_new(width, height);
  for (int i = 0; i < width * height; i++)
    plane->values[i] = first + (float)i;
  return plane;
}

static void assert_same(const VelmPlane *a, const VelmPlane *b) {
  gsize size = (gsize)a->width * (gsize)a->height * sizeof(float);
  g_assert_cmpint(a->width, ==, b->width);
  g_assert_cmpint(a->height, ==, b->height);
  g_assert_cmpmem(a->values, size, b->values, size);
}

static void test_round_trip(void) {
  VelmMapStore *store = velm_map_store_new();
  g_autoptr(VelmPlane) wide = plane_of(7, 3, 0.5f), tall = plane_of(2, 9, -4);
  wide->values[3] = NAN;
  GError *error = NULL;
  g_autoptr(VelmStoredMap) first = velm_map_store_add(store, wide, &error);
  g_assert_no_error(error);
  g_autoptr(VelmStoredMap) second = velm_map_store_add(store, tall, &error);
  g_assert_no_error(error);
  velm_map_store_free(store);
  g_autoptr(VelmPlane) second_back = velm_stored_map_read(second, &error);
  g_assert_no_error(error);
  g_autoptr(VelmPlane) first_back = velm_stored_map_read(first, &error);
  g_assert_no_error(error);
  assert_same(first_back, wide);
  assert_same(second_back, tall);
}

/* A scan gives its map from wherever it lies, and none without an error where it has none. */
static void test_scan(void) {
  g_autoptr(VelmMapStore) store = velm_map_store_new();
  g_autoptr(VelmPlane) plane = plane_of(4, 4, 1);
  g_autoptr(VelmStoredMap) stored = velm_map_store_add(store, plane, NULL);
  VelmScan scans[] = {{.map = plane}, {.stored = stored}, {0}};
  GError *error = NULL;
  for (int i = 0; i < 2; i++) {
    g_autoptr(VelmPlane) map = velm_scan_map(&scans[i], &error);
    g_assert_no_error(error);
    assert_same(map, plane);
  }
  g_assert_null(velm_scan_map(&scans[2], &error));
  g_assert_no_error(error);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/evaluate/stored_map/round_trip", test_round_trip);
  g_test_add_func("/evaluate/stored_map/scan", test_scan);
  return g_test_run();
}
