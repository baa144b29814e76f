#include "classify/reference_images.h"

#include "core/scratch.h"
#include "detect/normal_images.h"

#include <string.h>

#define CHANNELS 2

/* What a picture of one level of grey is like: a made-up mean of its features. */
typedef struct {
  guint8 level;
  const char *part;
  float mean[CHANNELS];
  double score;
} Good;

static VelmImage *flat_image(int side, guint8 level) {
  VelmImage *image = velm_image_new(side, side);
  memset(image->pixels, level, (gsize)side * (gsize)side * 3);
  return image;
}

static GPtrArray *write_samples(const char *folder, const Good *good, gsize n) {
  GPtrArray *samples = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < n; i++) {
    g_autoptr(VelmImage) image = flat_image(100, good[i].level);
    g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
    g_autofree char *name = g_strdup_printf("%" G_GSIZE_FORMAT ".png", i);
    VelmSample *sample = g_new0(VelmSample, 1);
    sample->path = scratch_write(folder, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png));
    sample->group = (char *)good[i].part;
    g_ptr_array_add(samples, sample);
  }
  return samples;
}

static void free_samples(GPtrArray *samples) {
  for (guint i = 0; i < samples->len; i++)
    g_free(((VelmSample *)samples->pdata[i])->path);
  g_ptr_array_unref(samples);
}

/* A model that has what is kept of @good. */
static VelmModel *store(const Good *good, gsize n) {
  char *folder = scratch_new();
  g_autoptr(GError) error = NULL;
  GPtrArray *samples = write_samples(folder, good, n);
  g_autofree VelmNormalCandidate *candidates = g_new(VelmNormalCandidate, n);
  for (gsize i = 0; i < n; i++)
    candidates[i] = (VelmNormalCandidate){samples->pdata[i], good[i].mean, good[i].score};
  VelmModel *model = velm_model_new();
  velm_normal_images_store(model, candidates, n, CHANNELS, &error);
  g_assert_no_error(error);
  free_samples(samples);
  scratch_remove(folder);
  return model;
}

static VelmNormalImages *read_back(VelmModel *model) {
  g_autoptr(GError) error = NULL;
  VelmNormalImages *normal = velm_normal_images_open(model, &error);
  g_assert_no_error(error);
  return normal;
}

/* JPEG moves a level by little. */
static void check_level(const VelmImage *image, int level) {
  g_assert_nonnull(image);
  g_assert_cmpint(image->width, ==, VELM_NORMAL_IMAGES_SIZE);
  g_assert_cmpint(image->height, ==, VELM_NORMAL_IMAGES_SIZE);
  g_assert_cmpint(ABS(image->pixels[0] - level), <=, 2);
}

/* ---- what is kept ---- */

static const Good products[] = {
    {10, "a", {0, 0}, 1.0},    {20, "a", {9, 9}, 1.0},     {30, "b", {1, 0}, 0.5},
    {40, "c", {50, 0}, 0.9},   {50, "d", {500, 500}, 9.0}, {60, "e", {0, 20}, 1.1},
    {70, "f", {1, 0.1f}, 0.9}, {80, "g", {0, 0.2f}, 1.2},
};

/* The most typical first, then by distance; the suspicious one ("d") and second views never. */
static void test_choice(void) {
  g_autoptr(VelmModel) model = store(products, G_N_ELEMENTS(products));
  g_autoptr(VelmNormalImages) normal = read_back(model);
  static const int levels[] = {30, 40, 60, 20, 70};
  g_assert_cmpuint(normal->channels, ==, CHANNELS);
  g_assert_cmpuint(normal->images->len, ==, G_N_ELEMENTS(levels));
  for (guint i = 0; i < normal->images->len; i++)
    check_level(normal->images->pdata[i], levels[i]);
  g_assert_cmpfloat(normal->means[0], ==, 1);
  g_assert_cmpfloat(normal->means[2 * CHANNELS + 1], ==, 20);
}

static void test_most(void) {
  Good many[40];
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < G_N_ELEMENTS(many); i++) {
    g_ptr_array_add(names, g_strdup_printf("part %" G_GSIZE_FORMAT, i));
    many[i] = (Good){(guint8)(5 * i), names->pdata[i], {(float)i, 0}, (double)i};
  }
  g_autoptr(VelmModel) model = store(many, G_N_ELEMENTS(many));
  g_autoptr(VelmNormalImages) normal = read_back(model);
  g_assert_cmpuint(normal->images->len, ==, VELM_NORMAL_IMAGES_MAX);
  check_level(normal->images->pdata[0], 0);
  check_level(normal->images->pdata[1], 5 * 29); /* the farthest of the usual three quarters */
}

static void test_one(void) {
  g_autoptr(VelmModel) model = store(products, 1);
  g_autoptr(VelmNormalImages) normal = read_back(model);
  g_assert_cmpuint(normal->images->len, ==, 1);
}

/* Images that do not compress are fewer. */
static void test_size(void) {
  char *folder = scratch_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  VelmSample samples[VELM_NORMAL_IMAGES_MAX];
  VelmNormalCandidate candidates[VELM_NORMAL_IMAGES_MAX];
  float means[VELM_NORMAL_IMAGES_MAX][CHANNELS];
  gsize n = 9; /* of 12: three quarters are usual */
  for (gsize i = 0; i < VELM_NORMAL_IMAGES_MAX; i++) {
    g_autoptr(VelmImage) noise = velm_image_new(448, 448);
    for (gsize k = 0; k < 448 * 448 * 3; k++)
      noise->pixels[k] = (guint8)g_rand_int_range(random, 0, 256);
    g_autoptr(GBytes) png = velm_image_to_png(noise, NULL);
    g_autofree char *name = g_strdup_printf("%" G_GSIZE_FORMAT ".png", i);
    samples[i] = (VelmSample){
        .path = scratch_write(folder, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png)),
        .group = g_strdup(name)};
    means[i][0] = means[i][1] = (float)i;
    candidates[i] = (VelmNormalCandidate){&samples[i], means[i], (double)i};
  }
  g_autoptr(VelmModel) model = velm_model_new();
  velm_normal_images_store(model, candidates, VELM_NORMAL_IMAGES_MAX, CHANNELS, &error);
  g_assert_no_error(error);
  g_autoptr(VelmNormalImages) normal = read_back(model);
  g_autoptr(GBytes) file = velm_model_serialise(model);
  g_assert_cmpuint(normal->images->len, >=, 2);
  g_assert_cmpuint(normal->images->len, <, n);
  g_assert_cmpuint(g_bytes_get_size(file), <, 1500 * 1000);
  for (gsize i = 0; i < VELM_NORMAL_IMAGES_MAX; i++) {
    g_free(samples[i].path);
    g_free(samples[i].group);
  }
  scratch_remove(folder);
}

static void test_unreadable_sample(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_new();
  VelmSample sample = {.path = (char *)"/nowhere/good.png", .group = (char *)"a"};
  VelmNormalCandidate candidate = {&sample, products[0].mean, 1};
  g_assert_false(velm_normal_images_store(model, &candidate, 1, CHANNELS, &error));
  assert_failure(&error, VELM_ERROR_FILE, "/nowhere/good.png");
}

/* ---- which is shown ---- */

static VelmReferenceImages *open(VelmModel *model) {
  g_autoptr(GError) error = NULL;
  VelmReferenceImages *references = velm_reference_images_open(model, &error);
  g_assert_no_error(error);
  g_assert_nonnull(references);
  return references;
}

/* Two patches whose mean is @x, @y. */
static VelmFeatures *features_about(float x, float y) {
  VelmFeatures *features = g_new0(VelmFeatures, 1);
  const float values[] = {x - 3, y + 1, x + 3, y - 1};
  *features = (VelmFeatures){1, 2, CHANNELS, g_memdup2(values, sizeof values)};
  return features;
}

static void test_nearest(void) {
  g_autoptr(VelmModel) model = store(products, G_N_ELEMENTS(products));
  g_autoptr(VelmReferenceImages) references = open(model);
  static const struct {
    float x, y;
    int level;
  } cases[] = {{45, 3, 40}, {1, 18, 60}, {0.9f, 0, 30}, {1, 0.2f, 70}, {8, 8, 20}, {400, 1, 40}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmFeatures) features = features_about(cases[i].x, cases[i].y);
    check_level(velm_reference_images_nearest(references, features), cases[i].level);
  }
  check_level(velm_reference_images_nearest(references, NULL), 30);
  g_autoptr(VelmFeatures) other = features_about(45, 3);
  other->columns = 4;
  other->channels = 1;
  check_level(velm_reference_images_nearest(references, other), 30);
}

static void test_older_models(void) {
  g_autoptr(VelmImage) typical = flat_image(64, 99);
  g_autoptr(GBytes) png = velm_image_to_png(typical, NULL);
  g_autoptr(VelmModel) model = velm_model_new();
  g_autoptr(VelmReferenceImages) none = open(model);
  g_assert_null(velm_reference_images_nearest(none, NULL));
  velm_model_set_bytes(model, "detector.normal_png", png);
  g_autoptr(VelmReferenceImages) one = open(model);
  g_autoptr(VelmFeatures) features = features_about(1, 1);
  const VelmImage *image = velm_reference_images_nearest(one, features);
  g_assert_nonnull(image);
  g_assert_cmpuint(image->pixels[0], ==, 99);
  g_autoptr(VelmReferenceImages) no_model = open(NULL);
  g_assert_null(velm_reference_images_nearest(no_model, features));
}

static void refuse(VelmModel *model, const char *text) {
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_reference_images_open(model, &error));
  assert_failure(&error, VELM_ERROR_MODEL, text);
}

static void test_damaged(void) {
  static const float four[4] = {1, 2, 3, 4};
  g_autoptr(GBytes) junk = g_bytes_new_static("no image", 8);
  g_autoptr(VelmModel) model = store(products, 4); /* keeps three */
  velm_model_set_floats(model, "detector.normal_means", four, 4);
  refuse(model, "does not fit its normal images");
  velm_model_set_floats(model, "detector.normal_means", four, 0);
  refuse(model, "detector.normal_means");
  velm_model_remove_prefix(model, "detector.normal_means");
  refuse(model, "detector.normal_means");
  velm_model_set_bytes(model, "detector.normal_jpeg.1", junk);
  refuse(model, "\"detector.normal_jpeg.1\" cannot be used: ");
  velm_model_set_string(model, "detector.normal_jpeg.0", "text");
  refuse(model, "\"detector.normal_jpeg.0\" cannot be used: ");
  g_autoptr(VelmModel) older = velm_model_new();
  velm_model_set_bytes(older, "detector.normal_png", junk);
  refuse(older, "\"detector.normal_png\" cannot be used: ");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/normal-images/choice", test_choice);
  g_test_add_func("/normal-images/most", test_most);
  g_test_add_func("/normal-images/one", test_one);
  g_test_add_func("/normal-images/size", test_size);
  g_test_add_func("/normal-images/unreadable-sample", test_unreadable_sample);
  g_test_add_func("/reference-images/nearest", test_nearest);
  g_test_add_func("/reference-images/older-models", test_older_models);
  g_test_add_func("/reference-images/damaged", test_damaged);
  return g_test_run();
}
