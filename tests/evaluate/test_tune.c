/* Choosing layers, size and score for a product. */
#include "evaluate/tune.h"

#include "core/scratch.h"
#include "dataset/procedural.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* ---- the choice, on maps that are made up ---- */

enum { SIDE = 16, CELLS = SIDE * SIDE, IMAGES = 24, LAYERS = 4 };

/*
 * Layer 0 is noise. Layer 1 sees the defects of even images, layer 2 those of odd ones, layer 3 as
 * layer 1 but less well.
 */
static VelmTuneMaps *make_maps(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  VelmTuneMaps *maps = g_new0(VelmTuneMaps, 1);
  *maps = (VelmTuneMaps){.size = 64,
                         .rows = SIDE,
                         .columns = SIDE,
                         .n_images = IMAGES,
                         .n_layers = LAYERS,
                         .n_cells = CELLS};
  maps->maps = g_new0(float, IMAGES *LAYERS *CELLS);
  maps->cells = g_new0(guint8, IMAGES * CELLS);
  maps->masked = g_new0(guint8, IMAGES);
  maps->defect = g_new0(guint8, IMAGES);
  for (gsize i = 0; i < IMAGES; i++) {
    maps->defect[i] = i >= IMAGES / 2;
    maps->masked[i] = 1;
    gsize at = 17 * (1 + i % 6);
    if (maps->defect[i])
      maps->cells[i * CELLS + at] = VELM_CELL_DEFECT;
    for (gsize k = 0; k < LAYERS; k++)
      for (gsize c = 0; c < CELLS; c++) {
        gboolean sees = maps->defect[i] && c == at && (k == 2 ? i % 2 == 1 : k > 0 && i % 2 == 0);
        maps->maps[(i * LAYERS + k) * CELLS + c] =
            (float)g_rand_double_range(random, 0.5, 1.5) + (sees ? (k == 3 ? 1.2f : 6) : 0);
      }
  }
  return maps;
}

static void test_choice(void) {
  g_autoptr(VelmTuneMaps) maps = make_maps();
  VelmTuneChoice choice = velm_tune_choose(maps);
  g_assert_cmpuint(choice.n, ==, 2);
  g_assert_cmpuint(choice.layers[0] + choice.layers[1], ==, 3);
  g_assert_cmpuint(choice.layers[0] * choice.layers[1], ==, 2);
  g_assert_cmpfloat(choice.figures.image_auroc, >, 0.99);
  g_assert_cmpfloat(choice.figures.pointing, ==, 1);
  g_assert_cmpfloat(choice.figures.pixel_auroc, >, 0.99);
}

/* Without masks the images alone decide. */
static void test_without_masks(void) {
  g_autoptr(VelmTuneMaps) maps = make_maps();
  for (gsize i = 0; i < IMAGES; i++)
    if (maps->defect[i]) {
      maps->masked[i] = 0;
      memset(maps->cells + i * CELLS, 0, CELLS);
    }
  VelmTuneChoice choice = velm_tune_choose(maps);
  g_assert_true(isnan(choice.figures.pointing));
  g_assert_true(isnan(choice.figures.pixel_auroc));
  g_assert_cmpfloat(choice.figures.image_auroc, >, 0.99);
  g_assert_cmpuint(choice.n, ==, 2);
}

/* A defect that is many cells a little higher is told by their mean, not by the maximum. */
static void test_top_share(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  g_autoptr(VelmTuneMaps) maps = make_maps();
  maps->n_layers = 1;
  for (gsize i = 0; i < IMAGES * CELLS; i++)
    maps->maps[i] = (float)g_rand_double(random);
  for (gsize i = 0; i < IMAGES; i++) {
    maps->maps[i * CELLS + 20] = (float)g_rand_double_range(random, 3, 5); /* chance, anywhere */
    for (gsize c = 40; maps->defect[i] && c < 45; c++)
      maps->maps[i * CELLS + c] = (float)g_rand_double_range(random, 2.5, 3);
  }
  VelmTuneChoice choice = velm_tune_choose(maps);
  g_assert_cmpfloat(choice.top_share, >, 0.01);
}

/* ---- all, on drawn parts ---- */

static char *scratch, *parts;

static void draw_parts(void) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 96;
  params.n_train = 16;
  params.n_test_good = 4;
  params.n_per_class = 2;
  parts = g_build_filename(scratch, "parts", NULL);
  g_assert_true(velm_procedural_write(&params, parts, NULL, NULL, &error));
  g_assert_no_error(error);
}

static VelmFitParams small(void) {
  VelmFitParams params = velm_fit_params_default();
  params.backbone = "lite2";
  params.layers = "stage3@3,stage4@3,stage4@half";
  params.size = 128;
  return params;
}

static void check_tuning(const char *labelled, const char *words) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = small();
  g_autoptr(VelmTuning) tuning = velm_tune(parts, labelled, &params, &error);
  g_assert_no_error(error);
  g_auto(GStrv) layers = g_strsplit(tuning->layers, ",", -1);
  g_auto(GStrv) candidates = g_strsplit(params.layers, ",", -1);
  g_assert_cmpuint(g_strv_length(layers), >, 0);
  for (guint i = 0; layers[i]; i++)
    g_assert_true(g_strv_contains((const char *const *)candidates, layers[i]));
  g_assert_cmpint(tuning->size, ==, 128);
  g_assert_nonnull(strstr(tuning->report, words));
  g_assert_nonnull(strstr(tuning->report, "chosen: 128 px"));
  g_autoptr(VelmTuning) again = velm_tune(parts, labelled, &params, &error);
  g_assert_cmpstr(again->report, ==, tuning->report);
  /* What is chosen can be fitted. */
  params.layers = tuning->layers;
  params.top_share = tuning->top_share;
  g_autoptr(VelmModel) model = velm_model_fit(parts, &params, &error);
  g_assert_no_error(error);
}

static void test_made_up(void) { check_tuning(NULL, "made-up defects and 4 good images"); }
static void test_labelled(void) { check_tuning(parts, "tuned by 12 labelled defects"); }

/* No part is in a bank and measured, nor are two images of one. */
static void test_parts_apart(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmTuneImages) images = velm_tune_images_new(parts, parts, 1, &error);
  g_assert_no_error(error);
  g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < images->bank->len; i++)
    g_hash_table_add(known, ((VelmSample *)images->bank->pdata[i])->group);
  for (guint i = 0; i < images->images->len; i++)
    g_assert_false(g_hash_table_contains(
        known, g_array_index(images->images, VelmTuneImage, i).sample->group));
  g_assert_cmpuint(images->bank->len, ==, 12);
  g_assert_cmpuint(images->n_good, ==, 8);
}

static void test_refused(void) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = small();
  g_autofree char *good = g_build_filename(parts, "train", NULL);
  g_assert_null(velm_tune(parts, good, &params, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_DATASET);
  g_assert_nonnull(strstr(error->message, "no image of a defect"));
  g_clear_error(&error);
  params.backbone = "/nowhere.onnx";
  params.layers = NULL;
  g_assert_null(velm_tune(parts, NULL, &params, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  scratch = scratch_new();
  draw_parts();
  g_test_add_func("/tune/choice", test_choice);
  g_test_add_func("/tune/without_masks", test_without_masks);
  g_test_add_func("/tune/top_share", test_top_share);
  g_test_add_func("/tune/made_up", test_made_up);
  g_test_add_func("/tune/labelled", test_labelled);
  g_test_add_func("/tune/parts_apart", test_parts_apart);
  g_test_add_func("/tune/refused", test_refused);
  int status = g_test_run();
  scratch_remove(scratch);
  g_free(parts);
  return status;
}
