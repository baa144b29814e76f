/* The inspector warns once where parts no longer score as in training. */
#include "core/file.h"
#include "core/model.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"

#include <string.h>

#define N_PARTS 20

static char *folder;
static VelmModel *model;

static char *part_path(guint part) {
  g_autofree char *name = g_strdup_printf("part%u.png", part);
  return g_build_filename(folder, "parts", name, NULL);
}

static void fit(void) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams drawing = velm_procedural_params_default();
  drawing.size = 64;
  g_autofree char *parts = g_build_filename(folder, "parts", NULL);
  g_autofree char *network =
      scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  g_assert_true(velm_file_make_folder(parts, &error));
  for (guint i = 0; i < N_PARTS; i++) {
    g_autofree char *path = part_path(i);
    g_autoptr(VelmImage) image = velm_procedural_draw(&drawing, i, 0, NULL, NULL);
    g_autoptr(GBytes) png = velm_image_to_png(image, &error);
    g_assert_true(
        velm_file_write(path, g_bytes_get_data(png, NULL), g_bytes_get_size(png), &error));
  }
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth";
  params.size = 32;
  model = velm_model_fit(parts, &params, &error);
  g_assert_no_error(error);
}

/* Inspects @n images; returns how many records have a warning, and the number of the last. */
static guint count_warnings(VelmModel *changed, guint n, guint *last) {
  g_autoptr(GError) error = NULL;
  VelmInspectorParams params = velm_inspector_params_default();
  g_autoptr(VelmInspector) inspector = velm_inspector_new(changed, NULL, &params, &error);
  guint found = 0;
  g_assert_no_error(error);
  for (guint i = 0; i < n; i++) {
    g_autofree char *path = part_path(i % N_PARTS);
    g_autoptr(VelmInspection) inspection = velm_inspector_inspect(inspector, path, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *json = velm_inspection_to_json(inspection);
    if (strstr(json, "\"warning\":\"drift: ")) {
      found++;
      *last = i + 1;
    }
  }
  return found;
}

/* As if training had had other parts; all pass. */
static void test_warning(void) {
  g_autoptr(VelmModel) changed = velm_model_copy(model);
  float scores[N_PARTS];
  guint last = 0;
  for (guint i = 0; i < N_PARTS; i++)
    scores[i] = 500 + (float)i;
  velm_model_set_floats(changed, "patchcore.good_scores", scores, N_PARTS);
  velm_model_set_double(changed, "patchcore.threshold", 1000);
  g_assert_cmpuint(count_warnings(changed, 120, &last), ==, 1);
  g_assert_cmpuint(last, ==, 50);
}

/* A model that does not say what good parts score is inspected with all the same. */
static void test_no_scores(void) {
  g_autoptr(VelmModel) changed = velm_model_copy(model);
  guint last = 0;
  velm_model_remove_prefix(changed, "patchcore.good_scores");
  g_assert_cmpuint(count_warnings(changed, 60, &last), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  fit();
  g_test_add_func("/watch/warning", test_warning);
  g_test_add_func("/watch/no-scores", test_no_scores);
  int result = g_test_run();
  velm_model_free(model);
  scratch_remove(folder);
  return result;
}
