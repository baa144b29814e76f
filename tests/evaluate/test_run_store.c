/* A run, stored and read back; and files that are none. */
#include "core/scratch.h"
#include "evaluate/run_fixture.h"
#include "evaluate/run_json.h"

#include <math.h>
#include <string.h>

static char *save(const char *folder, const VelmRun *run) {
  char *path = g_build_filename(folder, "run.json", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(velm_run_save(run, path, &error));
  g_assert_no_error(error);
  return path;
}

static char *contents(const char *path) {
  char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

/* What was stored is what is read, to the last digit: it is stored the same again. */
static void test_round_trip(void) {
  char *folder = scratch_new();
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *path = save(folder, run);
  g_autofree char *first = contents(path);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRun) back = velm_run_load(folder, &error);
  g_assert_no_error(error);
  g_autofree char *again = save(folder, back);
  g_autofree char *second = contents(again);
  g_assert_cmpstr(first, ==, second);
  g_autofree char *figures = velm_run_to_json(run), *figures_back = velm_run_to_json(back);
  g_assert_cmpstr(figures, ==, figures_back);
  g_assert_true(isnan(((VelmDetectorRun *)back->detectors->pdata[0])->scores[9]));
  scratch_remove(folder);
}

/* @from must be in the file; what then cannot be used is refused with @message. */
static void assert_damaged(const char *from, const char *to, const char *message) {
  char *folder = scratch_new();
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *path = save(folder, run);
  g_autofree char *text = contents(path);
  g_auto(GStrv) parts = g_strsplit(text, from, 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  g_autofree char *damaged = g_strconcat(parts[0], to, parts[1], NULL);
  g_autofree char *other = scratch_write(folder, "other.json", damaged, strlen(damaged));
  GError *error = NULL;
  g_assert_null(velm_run_load(other, &error));
  assert_failure(&error, VELM_ERROR_FILE, message);
  scratch_remove(folder);
}

static void test_damaged(void) {
  assert_damaged("\"velm-run\"", "\"other\"", "is no run that velm evaluate stored");
  assert_damaged("\"format_version\":1", "\"format_version\":2",
                 "is of format 2, which this velm does not read");
  assert_damaged("\"label\":\"good\"", "\"label\":null", "its parts do not fit together");
  assert_damaged("\"detector_index\":1", "\"detector_index\":7", "its parts do not fit together");
  assert_damaged("\"detector_index\":0,\"trials\":2", "\"detector_index\":0,\"trials\":-1",
                 "its parts do not fit together");
  assert_damaged("\"answers\":[[", "\"answers\":[[99,0,0,null],[", "its parts do not fit together");
  assert_damaged("\"scores\":[", "\"scores\":[{},", "the stored run is damaged");
}

static void test_not_json(void) {
  char *folder = scratch_new();
  g_autofree char *path = scratch_write(folder, "x.json", "[1", 2);
  GError *error = NULL;
  g_assert_null(velm_run_load(path, &error));
  assert_failure(&error, VELM_ERROR_FILE, "x.json");
  g_autofree char *array = scratch_write(folder, "y.json", "[1]", 3);
  g_assert_null(velm_run_load(array, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is no run that velm evaluate stored");
  scratch_remove(folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/evaluate/run_store/round_trip", test_round_trip);
  g_test_add_func("/evaluate/run_store/damaged", test_damaged);
  g_test_add_func("/evaluate/run_store/not_json", test_not_json);
  return g_test_run();
}
