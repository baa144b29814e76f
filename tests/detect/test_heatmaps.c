/* Given score maps: found by the image's name, scored by their largest value, held against a
 * threshold that is given or comes from the training images' maps. */
#include "core/file.h"
#include "core/scratch.h"
#include "detect/heatmaps.h"

#include <math.h>
#include <string.h>

static char *folder;

/* An 8-bit map of 2 x 1. */
static void put_map(const char *directory, const char *name, guint8 left, guint8 right) {
  g_autofree char *path = g_build_filename(folder, directory, NULL);
  g_assert_true(velm_file_make_folder(path, NULL));
  guint8 pgm[] = "P5 2 1 255\n..";
  pgm[sizeof pgm - 3] = left;
  pgm[sizeof pgm - 2] = right;
  g_autofree char *file = g_build_filename(path, name, NULL);
  g_assert_true(velm_file_write(file, pgm, sizeof pgm - 1, NULL));
}

static VelmDetector *open_maps(const char *name, double threshold) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  GError *error = NULL;
  VelmDetector *detector = velm_heatmaps_open(path, threshold, 0.05, &error);
  g_assert_no_error(error);
  return detector;
}

static void test_scores(void) {
  put_map("maps/test/crack", "a.pgm", 10, 90);
  put_map("maps/hole", "b.c.pgm", 200, 3); /* without test/, and with a dot in its name */
  g_autoptr(VelmDetector) detector = open_maps("maps", 100);
  g_autoptr(VelmInspection) crack = velm_inspection_new("/anywhere/test/crack/a.png");
  GError *error = NULL;
  g_assert_true(velm_detector_detect(detector, crack, &error));
  g_assert_no_error(error);
  g_assert_cmpfloat(crack->score, ==, 90);
  g_assert_cmpfloat(crack->threshold, ==, 100);
  g_assert_false(crack->anomalous);
  g_assert_cmpint(crack->map->width, ==, 2);
  g_assert_cmpfloat(crack->map->values[0], ==, 10);
  g_autoptr(VelmInspection) hole = velm_inspection_new("test/hole/b.c.jpg");
  g_assert_true(velm_detector_detect(detector, hole, &error));
  g_assert_true(hole->anomalous);
  g_autoptr(VelmInspection) absent = velm_inspection_new("test/hole/none.jpg");
  g_assert_false(velm_detector_detect(detector, absent, &error));
  assert_failure(&error, VELM_ERROR_FILE, "has no score map hole/none.*");
}

/* Of 20 good maps one may lie over the threshold: the second highest is at it. */
static void test_threshold_from_training(void) {
  for (guint8 i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("%02d.pgm", i);
    put_map("trained/train/good", name, (guint8)(10 + i), 0);
  }
  put_map("trained/test/good", "a.pgm", 28, 0);
  put_map("trained/test/good", "b.pgm", 27, 0);
  g_autoptr(VelmDetector) detector = open_maps("trained", NAN);
  g_autoptr(VelmInspection) over = velm_inspection_new("test/good/a.png");
  g_autoptr(VelmInspection) under = velm_inspection_new("test/good/b.png");
  g_assert_true(velm_detector_detect(detector, over, NULL));
  g_assert_true(velm_detector_detect(detector, under, NULL));
  g_assert_cmpfloat(over->threshold, ==, 28);
  g_assert_true(over->anomalous);
  g_assert_false(under->anomalous);
}

static void test_refused(void) {
  put_map("bare/test/good", "a.pgm", 1, 2);
  GError *error = NULL;
  g_autofree char *bare = g_build_filename(folder, "bare", NULL);
  g_assert_null(velm_heatmaps_open(bare, NAN, 0.05, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "has no train/good maps to take the threshold from");
  g_assert_null(velm_heatmaps_open("/nowhere/maps", 1, 0.05, &error));
  assert_failure(&error, VELM_ERROR_FILE, "/nowhere/maps: no such folder of score maps");
  g_autofree char *colour = g_build_filename(folder, "bare", "test", "good", "b.ppm", NULL);
  g_assert_true(velm_file_write(colour, "P6 1 1 255\n...", 14, NULL));
  g_autoptr(VelmDetector) detector = open_maps("bare", 1);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("test/good/b.png");
  g_assert_false(velm_detector_detect(detector, inspection, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "has 3 channels; a map of one number a pixel has one");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/detect/heatmaps/scores", test_scores);
  g_test_add_func("/detect/heatmaps/threshold_from_training", test_threshold_from_training);
  g_test_add_func("/detect/heatmaps/refused", test_refused);
  int code = g_test_run();
  scratch_remove(folder);
  return code;
}
