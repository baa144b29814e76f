/* Fitting PatchCore to images among which there are some that do not belong. */
#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "detect/detector.h"

#include <string.h>

#define SIDE 96
#define N_GOOD 38
#define N_BAD 2

static char *folder, *network, *product;

static VelmFitParams robust_params(double share) {
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth";
  params.size = 96;
  params.robust = share;
  return params;
}

/* A square of a colour that no good part has, nor the other one that is spoilt. */
static void spoil(VelmImage *image, int channel) {
  for (int y = 40; y < 64; y++)
    for (int x = 40; x < 64; x++)
      for (int c = 0; c < 3; c++)
        image->pixels[3 * (y * image->width + x) + c] = c == channel ? 255 : 0;
}

static void write_part(const char *name, guint part, int channel) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = SIDE;
  g_autoptr(VelmImage) image = velm_procedural_draw(&params, part, 0, NULL, NULL);
  if (channel >= 0)
    spoil(image, channel);
  g_autoptr(GBytes) png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  g_free(scratch_write(product, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png)));
}

static VelmModel *fit(double share) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = robust_params(share);
  VelmModel *model = velm_model_fit(product, &params, &error);
  g_assert_no_error(error);
  return model;
}

static guint count_bad(VelmModel *model, guint *n) {
  g_autofree const char **names = velm_model_get_strv(model, "patchcore.dropped", NULL);
  guint bad = 0;
  for (*n = 0; names && names[*n]; (*n)++)
    bad += g_str_has_prefix(names[*n], "bad");
  return bad;
}

static void test_dropped(void) {
  g_autoptr(VelmModel) model = fit(0.1);
  guint n = 0;
  g_assert_cmpuint(count_bad(model, &n), ==, N_BAD);
  g_assert_cmpuint(n, <=, 4); /* a tenth of 40 */
  g_autofree char *description = velm_model_describe(model);
  g_assert_nonnull(strstr(description, "does not look good: bad0.png\n"));
  gint64 images = 0;
  g_assert_true(velm_model_get_int(model, "patchcore.images", &images, NULL));
  g_assert_cmpint(images, ==, N_GOOD + N_BAD - n);
  /* Nothing of them is left: they are anomalous now. */
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDetector) detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  g_autofree char *path = g_build_filename(product, "bad0.png", NULL);
  g_autoptr(VelmInspection) inspection = velm_inspection_new(path);
  g_assert_true(velm_inspection_load(inspection, NULL, 0, &error));
  g_assert_true(velm_detector_detect(detector, inspection, &error));
  g_assert_true(inspection->anomalous);
}

static void test_share(void) {
  guint n = 0;
  g_autoptr(VelmModel) one = fit(0.025);
  g_assert_cmpuint(count_bad(one, &n), ==, 1);
  g_assert_cmpuint(n, ==, 1);
  g_autoptr(VelmModel) none = fit(0);
  g_assert_false(velm_model_has(none, "patchcore.dropped"));
}

static void test_params(void) {
  const double shares[] = {-0.1, 0.5, 0.0 / 0.0};
  for (gsize i = 0; i < G_N_ELEMENTS(shares); i++) {
    GError *error = NULL;
    VelmFitParams params = robust_params(shares[i]);
    g_assert_null(velm_model_fit(product, &params, &error));
    assert_failure(&error, VELM_ERROR_USAGE, "share");
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  product = g_build_filename(folder, "product", NULL);
  g_assert_true(velm_file_make_folder(product, NULL));
  for (guint i = 0; i < N_GOOD + N_BAD; i++) {
    g_autofree char *name =
        i < N_GOOD ? g_strdup_printf("good%u.png", i) : g_strdup_printf("bad%u.png", i - N_GOOD);
    write_part(name, i, (int)i - N_GOOD);
  }
  g_test_add_func("/patchcore-robust/dropped", test_dropped);
  g_test_add_func("/patchcore-robust/share", test_share);
  g_test_add_func("/patchcore-robust/params", test_params);
  int result = g_test_run();
  g_free(product);
  g_free(network);
  scratch_remove(folder);
  return result;
}
