#include "detect/backbone.h"

#include "core/networks.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static char *folder, *network;
/* Where the real ones are, or NULL. */
static char *models;

#define SIDE 32

/* ---- pictures ---- */

static VelmImage *noise(int width, int height, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  VelmImage *image = velm_image_new(width, height);
  for (gsize i = 0; i < (gsize)width * (gsize)height * 3; i++)
    image->pixels[i] = (guint8)g_rand_int_range(random, 0, 256);
  return image;
}

static VelmBackboneSpec *spec_of(const char *name, const char *layers, int size) {
  g_autoptr(GError) error = NULL;
  VelmBackboneSpec *spec = velm_backbone_spec_new(name, layers, size, &error);
  g_assert_no_error(error);
  g_assert_nonnull(spec);
  return spec;
}

static VelmBackbone *open(const char *name, const char *layers, int size) {
  g_autoptr(VelmBackboneSpec) spec = spec_of(name, layers, size);
  g_autoptr(GError) error = NULL;
  VelmBackbone *backbone = velm_backbone_open(spec, &error);
  g_assert_no_error(error);
  g_assert_nonnull(backbone);
  return backbone;
}

static VelmFeatures *extract(VelmBackbone *backbone, const VelmImage *image) {
  g_autoptr(GError) error = NULL;
  VelmFeatures *features = velm_backbone_extract(backbone, image, &error);
  g_assert_no_error(error);
  g_assert_nonnull(features);
  for (int i = 0; i < features->rows * features->columns * features->channels; i++)
    g_assert_true(isfinite(features->values[i]));
  return features;
}

/* ---- choices ---- */

static void refuse_spec(const char *name, const char *layers, int size, VelmError code,
                        const char *text) {
  GError *error = NULL;
  g_assert_null(velm_backbone_spec_new(name, layers, size, &error));
  assert_failure(&error, code, text);
}

static void test_sizes(void) {
  static const int wrong[] = {-256, 1, 31, 100, 257, 4128, G_MAXINT};
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    refuse_spec("lite2", NULL, wrong[i], VELM_ERROR_USAGE, "multiple of 32");
    refuse_spec("dinov2s", NULL, wrong[i], VELM_ERROR_USAGE, "multiple of 14");
  }
  refuse_spec("dinov2s", NULL, 256, VELM_ERROR_USAGE, "image size 256: dinov2s");
  g_autoptr(VelmBackboneSpec) lite = spec_of("lite2", NULL, 0);
  g_autoptr(VelmBackboneSpec) dino = spec_of("dinov2s", NULL, 0);
  g_assert_cmpint(lite->size, ==, 256);
  g_assert_cmpint(dino->size, ==, 448);
  g_assert_cmpuint(g_strv_length(lite->layers), >, 0);
  g_assert_cmpuint(g_strv_length(dino->layers), >, 0);
}

static void test_missing_file(void) {
  g_autofree char *missing = g_build_filename(folder, "missing.onnx", NULL);
  refuse_spec(missing, "a", 0, VELM_ERROR_FILE, "missing.onnx: no such backbone");
  refuse_spec(folder, "a", 0, VELM_ERROR_FILE, "no such backbone");
  refuse_spec("lite3", "a", 0, VELM_ERROR_FILE, "lite3: no such backbone");
}

static void test_no_models(void) {
  g_autofree char *empty = g_build_filename(folder, "empty", NULL);
  g_autofree char *was = g_strdup(g_getenv("VELM_MODELS"));
  g_setenv("VELM_MODELS", empty, TRUE);
  refuse_spec("lite2", NULL, 0, VELM_ERROR_FILE, "empty/lite2.onnx: no such backbone");
  refuse_spec("dinov2s", NULL, 0, VELM_ERROR_FILE, "empty/dinov2s.onnx: no such backbone");
  if (was)
    g_setenv("VELM_MODELS", was, TRUE);
  else
    g_unsetenv("VELM_MODELS");
}

static void test_layers_are_needed(void) {
  refuse_spec(network, NULL, SIDE, VELM_ERROR_USAGE, "--layers");
  refuse_spec(network, "", SIDE, VELM_ERROR_USAGE, "--layers");
}

static void refuse_layers(const char *layers, VelmError code, const char *text) {
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, layers, SIDE);
  GError *error = NULL;
  g_assert_null(velm_backbone_open(spec, &error));
  assert_failure(&error, code, text);
}

static void test_unknown_layer(void) {
  refuse_layers("nowhere", VELM_ERROR_ENGINE, "has no layer \"nowhere\"; it has");
  refuse_layers("doubled,nowhere@3", VELM_ERROR_ENGINE, "has no layer \"nowhere\"");
  refuse_layers("doubled,", VELM_ERROR_ENGINE, "has no layer \"\"");
}

static void test_wrong_pool(void) {
  static const char *const wrong[] = {"doubled@",    "doubled@0",  "doubled@x",
                                      "doubled@100", "doubled@-1", "doubled@3x"};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
    refuse_layers(wrong[i], VELM_ERROR_USAGE, wrong[i]);
}

static void test_no_grid(void) {
  refuse_layers("doubled,mean", VELM_ERROR_ENGINE,
                "layer 2 gives neither a feature map nor tokens");
}

/* ---- features of a network whose layers are known ---- */

static float pixel_feature(const VelmImage *image, int row, int column, int c) {
  static const float mean[3] = {123.675f, 116.28f, 103.53f}, scale[3] = {58.395f, 57.12f, 57.375f};
  return 2 * ((float)image->pixels[3 * (row * image->width + column) + c] - mean[c]) / scale[c];
}

static float feature(const VelmFeatures *features, int row, int column, int channel) {
  return features->values[(row * features->columns + column) * features->channels + channel];
}

static void check_size(const VelmFeatures *features, int side, int channels) {
  g_assert_cmpint(features->rows, ==, side);
  g_assert_cmpint(features->columns, ==, side);
  g_assert_cmpint(features->channels, ==, channels);
}

/* The engine may compute in bf16. */
static void assert_near(float value, float right) {
  g_assert_cmpfloat_with_epsilon(value, right, 0.01f * (1 + fabsf(right)));
}

static void test_maps_and_tokens(void) {
  g_autoptr(VelmImage) image = noise(SIDE, SIDE, 1);
  g_autoptr(VelmBackbone) backbone = open(network, "tokens,doubled", SIDE);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  check_size(features, SIDE, 6);
  g_assert_cmpuint(velm_backbone_n_layers(backbone), ==, 2);
  g_assert_cmpint(velm_backbone_layer_channels(backbone, 0), ==, 3);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 6; c++)
        assert_near(feature(features, y, x, c), pixel_feature(image, y, x, c % 3));
}

static void test_pooled(void) {
  g_autoptr(VelmImage) image = noise(SIDE, SIDE, 2);
  g_autoptr(VelmBackbone) backbone = open(network, "doubled@5,doubled,tokens@3", SIDE);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  check_size(features, SIDE, 9);
  g_assert_true(velm_backbone_layer_is_coarse(backbone, 0));
  g_assert_false(velm_backbone_layer_is_coarse(backbone, 1));
  static const int halves[] = {2, 0, 1};
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 9; c++) {
        int half = halves[c / 3], n = 0;
        float sum = 0;
        for (int v = MAX(0, y - half); v <= MIN(SIDE - 1, y + half); v++)
          for (int u = MAX(0, x - half); u <= MIN(SIDE - 1, x + half); u++, n++)
            sum += pixel_feature(image, v, u, c % 3);
        assert_near(feature(features, y, x, c), sum / (float)n);
      }
}

/* A layer of the image at half the size: the same colours, on a grid of half as many cells. */
static void test_half(void) {
  g_autoptr(VelmImage) image = velm_image_new(SIDE, SIDE);
  for (int i = 0; i < SIDE * SIDE; i++)
    memset(image->pixels + 3 * i, i % SIDE < SIDE / 2 ? 40 : 200, 3);
  g_autoptr(VelmBackbone) backbone = open(network, "doubled,tokens@half", SIDE);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  check_size(features, SIDE, 6);
  g_assert_false(velm_backbone_layer_is_coarse(backbone, 0));
  g_assert_true(velm_backbone_layer_is_coarse(backbone, 1));
  g_assert_false(velm_backbone_has_contrast(backbone));
  for (int y = 0; y < SIDE; y++)
    for (int c = 0; c < 3; c++) {
      assert_near(feature(features, y, 0, 3 + c), pixel_feature(image, y, 0, c));
      assert_near(feature(features, y, SIDE - 1, 3 + c), pixel_feature(image, y, SIDE - 1, c));
      /* The edge is there in full at full size, and between the two colours at half. */
      assert_near(feature(features, y, SIDE / 2, c), pixel_feature(image, y, SIDE / 2, c));
      float half = feature(features, y, SIDE / 2, 3 + c);
      g_assert_cmpfloat(half, >, pixel_feature(image, y, 0, c));
      g_assert_cmpfloat(half, <, pixel_feature(image, y, SIDE / 2, c) - 0.1f);
    }
  /* What is only there at half the size is on the finest grid that there is. */
  g_autoptr(VelmBackbone) alone = open(network, "doubled@half@3", SIDE);
  g_autoptr(VelmFeatures) coarse = extract(alone, image);
  check_size(coarse, SIDE / 2, 3);
}

static void test_contrast_layer(void) {
  g_autoptr(VelmBackbone) backbone = open(network, "doubled,doubled@3@contrast", SIDE);
  g_assert_true(velm_backbone_has_contrast(backbone));
  refuse_layers("doubled@contrast,doubled", VELM_ERROR_USAGE, "comes last");
  refuse_layers("doubled@contrast", VELM_ERROR_USAGE, "comes last");
}

static float halved_at(const VelmImage *image, int row, int column, int c) {
  float sum = 0;
  for (int i = 0; i < 4; i++)
    sum += pixel_feature(image, 2 * row + i / 2, 2 * column + i % 2, c);
  return sum / 4;
}

/* Bilinear between the centres of the coarse grid's cells, which repeat beyond the border. */
static float between_cells(const VelmImage *image, int row, int column, int c) {
  int n = SIDE / 2;
  float sum = 0;
  for (int i = 0; i < 4; i++) {
    /* A fine cell's centre is a quarter of a coarse cell off that of its own, toward the next. */
    int y = row / 2 + (i / 2 ? (row % 2 ? 1 : -1) : 0);
    int x = column / 2 + (i % 2 ? (column % 2 ? 1 : -1) : 0);
    float weight = (i / 2 ? 0.25f : 0.75f) * (i % 2 ? 0.25f : 0.75f);
    sum += weight * halved_at(image, CLAMP(y, 0, n - 1), CLAMP(x, 0, n - 1), c);
  }
  return sum;
}

/* Layers of different grids meet on the finest. */
static void test_grids(void) {
  g_autoptr(VelmImage) image = noise(SIDE, SIDE, 3);
  g_autoptr(VelmBackbone) backbone = open(network, "halved,doubled", SIDE);
  g_autoptr(VelmBackbone) alone = open(network, "halved", SIDE);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  g_autoptr(VelmFeatures) coarse = extract(alone, image);
  check_size(features, SIDE, 6);
  check_size(coarse, SIDE / 2, 3);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++) {
        assert_near(feature(features, y, x, c), between_cells(image, y, x, c));
        assert_near(feature(features, y, x, 3 + c), pixel_feature(image, y, x, c));
        assert_near(feature(coarse, y / 2, x / 2, c), halved_at(image, y / 2, x / 2, c));
      }
}

/* An image of any shape is squeezed to the square. */
static void test_any_size(void) {
  static const int sizes[][2] = {{1, 1}, {64, 16}, {31, 333}, {1000, 700}};
  g_autoptr(VelmBackbone) backbone = open(network, "doubled", SIDE);
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(VelmImage) image = velm_image_new(sizes[i][0], sizes[i][1]);
    memset(image->pixels, 200, (gsize)sizes[i][0] * (gsize)sizes[i][1] * 3);
    g_autoptr(VelmFeatures) features = extract(backbone, image);
    check_size(features, SIDE, 3);
    for (int k = 0; k < SIDE * SIDE; k++)
      assert_near(features->values[3 * k], 2 * (200 - 123.675f) / 58.395f);
  }
}

/* ---- in a model ---- */

static VelmModel *stored(const VelmBackboneSpec *spec) {
  g_autoptr(VelmModel) model = velm_model_new();
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_backbone_spec_store(spec, model, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  VelmModel *back = velm_model_parse(bytes, "part.velm", &error);
  g_assert_no_error(error);
  return back;
}

static void refuse_model(VelmModel *model, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_backbone_spec_restore(model, &error));
  assert_failure(&error, code, text);
}

static void test_store(void) {
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, "doubled@3,halved", 64);
  g_autoptr(VelmModel) model = stored(spec);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) back = velm_backbone_spec_restore(model, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(back->name, ==, spec->name);
  g_assert_cmpstr(back->path, ==, spec->path);
  g_assert_cmpstrv(back->layers, spec->layers);
  g_assert_cmpint(back->size, ==, 64);
  g_assert_cmpmem(back->mean, sizeof back->mean, spec->mean, sizeof spec->mean);
  g_assert_cmpmem(back->scale, sizeof back->scale, spec->scale, sizeof spec->scale);
}

/* A model goes with the network that it was fitted with, to the byte. */
static void test_other_network(void) {
  g_autofree char *path = scratch_write(folder, "own.onnx", "one network", 11);
  g_autoptr(VelmBackboneSpec) spec = spec_of(path, "a", SIDE);
  g_autoptr(VelmModel) model = stored(spec);
  g_free(scratch_write(folder, "own.onnx", "One network", 11));
  refuse_model(model, VELM_ERROR_MODEL, "own.onnx: is another network");
  g_assert_cmpint(g_remove(path), ==, 0);
  refuse_model(model, VELM_ERROR_FILE, "own.onnx: no such backbone");
}

/* A known backbone is where this installation has it. */
static void test_moved(void) {
  g_autofree char *here = g_build_filename(folder, "here", NULL);
  g_autofree char *there = g_build_filename(folder, "there", NULL);
  g_autofree char *was = g_strdup(g_getenv("VELM_MODELS"));
  g_mkdir(here, 0700);
  g_mkdir(there, 0700);
  g_free(scratch_write(here, "lite2.onnx", "weights", 7));
  g_free(scratch_write(there, "lite2.onnx", "weights", 7));
  g_setenv("VELM_MODELS", here, TRUE);
  g_autoptr(VelmBackboneSpec) spec = spec_of("lite2", NULL, 0);
  g_autoptr(VelmModel) model = stored(spec);
  g_setenv("VELM_MODELS", there, TRUE);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) back = velm_backbone_spec_restore(model, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_prefix(back->path, there));
  if (was)
    g_setenv("VELM_MODELS", was, TRUE);
  else
    g_unsetenv("VELM_MODELS");
}

static void test_damaged_model(void) {
  static const char *const names[] = {"name", "path", "layers", "size", "mean", "scale", "sha256"};
  static const float two[2] = {1, 1};
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, "doubled", SIDE);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *name = g_strconcat("backbone.", names[i], NULL);
    g_autoptr(VelmModel) model = stored(spec);
    velm_model_remove_prefix(model, name);
    refuse_model(model, VELM_ERROR_MODEL, name);
  }
  g_autoptr(VelmModel) model = stored(spec);
  velm_model_set_floats(model, "backbone.mean", two, 2);
  refuse_model(model, VELM_ERROR_MODEL, "backbone.mean");
  g_autoptr(VelmModel) large = stored(spec);
  velm_model_set_int(large, "backbone.size", G_MAXINT64);
  refuse_model(large, VELM_ERROR_USAGE, "image size");
}

/* ---- the real ones ---- */

static double distance(const VelmFeatures *a, const VelmFeatures *b, int row, int column) {
  double sum = 0;
  for (int c = 0; c < a->channels; c++) {
    double difference = (double)(feature(a, row, column, c) - feature(b, row, column, c));
    sum += difference * difference;
  }
  return sqrt(sum);
}

/* A change in one corner shows there, and less elsewhere: rows and columns are not mixed up. */
static void check_places(VelmBackbone *backbone) {
  int rows, columns, channels;
  velm_backbone_grid(backbone, &rows, &columns, &channels);
  g_autoptr(VelmImage) plain = velm_image_new(128, 128);
  memset(plain->pixels, 120, 128 * 128 * 3);
  g_autoptr(VelmFeatures) without = extract(backbone, plain);
  for (int corner = 0; corner < 4; corner++) {
    g_autoptr(VelmImage) marked = velm_image_copy(plain);
    int x0 = corner % 2 ? 104 : 8, y0 = corner / 2 ? 104 : 8;
    for (int y = y0; y < y0 + 16; y++)
      memset(marked->pixels + 3 * (y * 128 + x0), 255, 3 * 16);
    g_autoptr(VelmFeatures) with = extract(backbone, marked);
    double own = distance(with, without, corner / 2 ? rows - 1 : 0, corner % 2 ? columns - 1 : 0);
    for (int other = 0; other < 4; other++)
      if (other != corner)
        g_assert_cmpfloat(
            distance(with, without, other / 2 ? rows - 1 : 0, other % 2 ? columns - 1 : 0), <, own);
  }
}

static void test_lite2(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) backbone = open("lite2", "stage2,stage3@3,stage4", 96);
  g_autoptr(VelmImage) image = noise(200, 150, 4);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  g_autoptr(VelmFeatures) again = extract(backbone, image);
  check_size(features, 96 / 8, 48 + 88 + 120);
  g_assert_cmpint(velm_backbone_layer_channels(backbone, 0), ==, 48);
  g_assert_cmpint(velm_backbone_layer_channels(backbone, 1), ==, 88);
  gsize size = sizeof(float) * 12 * 12 * 256;
  g_assert_cmpmem(features->values, size, again->values, size);
  check_places(backbone);
}

static void test_dinov2s(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) backbone = open("dinov2s", "block1,block2@3", 56);
  g_autoptr(VelmImage) image = noise(200, 150, 5);
  g_autoptr(VelmFeatures) features = extract(backbone, image);
  check_size(features, 56 / 14, 2 * 384);
  check_places(backbone);
}

/* Whether the channels from @from of @a and from @other of @b on, @n of them, are alike. */
static void check_same(const VelmFeatures *a, int from, const VelmFeatures *b, int other, int n) {
  g_assert_cmpint(a->rows * a->columns, ==, b->rows * b->columns);
  for (int cell = 0; cell < a->rows * a->columns; cell++)
    for (int c = 0; c < n; c++) {
      float x = a->values[cell * a->channels + from + c];
      float y = b->values[cell * b->channels + other + c];
      g_assert_cmpfloat_with_epsilon(x, y, 1e-2f * (1 + fabsf(y)));
    }
}

/* Whether half the size goes through the network of the full size or through one of its own. */
static void test_half_of_one_network(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) one = open("dinov2s", "block1,block2,block2@half", 112);
  g_autoptr(VelmBackbone) two = open("dinov2s", "block1,block2@half", 112);
  for (int i = 0; i < 2; i++) {
    g_autoptr(VelmImage) image = noise(200, 150, (guint32)i);
    g_autoptr(VelmFeatures) a = extract(one, image), b = extract(two, image);
    check_same(a, 0, b, 0, 384);
    check_same(a, 2 * 384, b, 384, 384);
  }
}

/* The network beside it looks at the image in its own way. */
static void test_beside(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) both = open("dinov2s", "block1,stage4@3@lite2", 224);
  g_autoptr(VelmBackbone) lite2 = open("lite2", "stage4@3", 256);
  g_autoptr(VelmImage) image = noise(300, 200, 6);
  g_autoptr(VelmFeatures) a = extract(both, image), b = extract(lite2, image);
  g_assert_false(velm_backbone_layer_is_coarse(both, 0));
  g_assert_true(velm_backbone_layer_is_coarse(both, 1));
  check_size(a, 16, 384 + 120);
  check_same(a, 384, b, 0, 120);
}

static VelmBackbone *open_keeping(const char *layers, int size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) spec = spec_of("dinov2s", layers, size);
  spec->keeps_shape = TRUE;
  VelmBackbone *backbone = velm_backbone_open(spec, &error);
  g_assert_no_error(error);
  return backbone;
}

/* Images keep their shape, with as many patches as a square has at most; a square's features stay
 * what they are. */
static void test_keeps_shape(void) {
  static const int sizes[][4] = {/* image, then grid */
                                 {300, 300, 16, 16},
                                 {400, 200, 11, 23},
                                 {200, 400, 23, 11},
                                 {1000, 10, 5, 45},
                                 {301, 299, 16, 16}};
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) keeping = open_keeping("block1,block1@half,stage4@lite2", 224);
  g_autoptr(VelmBackbone) square = open("dinov2s", "block1,block1@half,stage4@lite2", 224);
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(VelmImage) image = noise(sizes[i][0], sizes[i][1], 3);
    g_autoptr(VelmFeatures) a = extract(keeping, image), b = extract(square, image);
    g_assert_cmpint(a->rows, ==, sizes[i][2]);
    g_assert_cmpint(a->columns, ==, sizes[i][3]);
    g_assert_cmpint(a->rows * a->columns, <=, b->rows * b->columns);
    for (gsize k = 0; k < (gsize)a->rows * (gsize)a->columns * (gsize)a->channels; k++)
      g_assert_true(isfinite(a->values[k]));
    if (a->rows == 16 && a->columns == 16)
      check_same(a, 0, b, 0, a->channels);
  }
}

/* The patches lie where they lie in the image: on their side as upright. */
static void test_turned(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) keeping = open_keeping("block0", 112);
  g_autoptr(VelmImage) image = velm_image_new(400, 200);
  memset(image->pixels, 60, 400 * 200 * 3);
  for (int y = 20; y < 60; y++)
    memset(image->pixels + 3 * (400 * y + 320), 250, 40 * 3);
  g_autoptr(VelmFeatures) features = extract(keeping, image);
  gsize n = (gsize)features->channels, best = 0;
  double most = 0;
  for (gsize i = 0; i < (gsize)(features->rows * features->columns); i++) {
    double sum = 0;
    for (gsize c = 0; c < n; c++) {
      /* Against the patch in the other half, at the same height. */
      double difference = (double)(features->values[i * n + c] - features->values[n * 33 + c]);
      sum += difference * difference;
    }
    if (sum > most) {
      most = sum;
      best = i;
    }
  }
  g_assert_cmpuint(best / (gsize)features->columns, <=, 1);
  g_assert_cmpuint(best % (gsize)features->columns, >=, 8);
  g_assert_cmpuint(best % (gsize)features->columns, <=, 9);
}

static VelmBackbone *open_tiles(const char *name, const char *layers, int size, int tiles) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) spec = spec_of(name, layers, size);
  spec->tiles = tiles;
  spec->keeps_shape = velm_backbone_may_keep_shape(spec);
  VelmBackbone *backbone = velm_backbone_open(spec, &error);
  g_assert_no_error(error);
  return backbone;
}

/* A network that looks at each pixel by itself sees the same in tiles as in one piece, and each
 * cell once: nothing is lost, doubled or moved where tiles meet. */
static void test_tiles(void) {
  for (int tiles = 2; tiles <= 4; tiles++) {
    int rows = 0, columns = 0, channels = 0;
    g_autoptr(VelmBackbone) backbone = open_tiles(network, "doubled", SIDE, tiles);
    velm_backbone_grid(backbone, &rows, &columns, &channels);
    g_assert_cmpint(rows, ==, tiles * SIDE - 2 * 2 * (tiles - 1));
    g_assert_cmpint(columns, ==, rows);
    g_autoptr(VelmImage) image = noise(rows, columns, 5);
    g_autoptr(VelmFeatures) features = extract(backbone, image);
    check_size(features, rows, channels);
    for (int y = 0; y < rows; y++)
      for (int x = 0; x < columns; x++)
        for (int c = 0; c < 3; c++)
          assert_near(features->values[(y * columns + x) * 3 + c], pixel_feature(image, y, x, c));
  }
}

/* In their own shape, and with other networks: as many cells as a square has, at most. */
static void test_tiles_of_shapes(void) {
  static const int sizes[][2] = {{300, 300}, {400, 200}, {200, 400}, {1000, 10}, {301, 299}};
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackbone) backbone =
      open_tiles("dinov2s", "block0,block0@half,stage4@lite2", 112, 2);
  int rows = 0, columns = 0, channels = 0;
  velm_backbone_grid(backbone, &rows, &columns, &channels);
  g_assert_cmpint(rows, ==, 2 * 8 - 2);
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmImage) image = noise(sizes[i][0], sizes[i][1], 6);
    g_autoptr(VelmFeatures) all = extract(backbone, image);
    g_assert_cmpint(all->rows * all->columns, <=, rows * columns);
    /* The looks one after another give what both at once do. */
    g_autoptr(VelmFeatures) parts = velm_backbone_extract_early(backbone, image, &error);
    g_assert_no_error(error);
    g_assert_true(velm_backbone_extract_rest(backbone, image, parts, &error));
    g_assert_no_error(error);
    g_assert_cmpint(parts->rows, ==, all->rows);
    gsize n = (gsize)all->rows * (gsize)all->columns * (gsize)all->channels;
    g_assert_cmpmem(parts->values, n * sizeof(float), all->values, n * sizeof(float));
  }
}

/* Of another image's shape, though its own is another. */
static void test_like(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackbone) keeping = open_keeping("block0", 112);
  g_autoptr(VelmImage) wide = noise(400, 200, 7), square = noise(300, 300, 8);
  g_autoptr(VelmFeatures) of_wide = extract(keeping, wide);
  g_autoptr(VelmFeatures) like = velm_backbone_extract_like(keeping, square, wide, &error);
  g_assert_no_error(error);
  g_assert_cmpint(like->rows, ==, of_wide->rows);
  g_assert_cmpint(like->columns, ==, of_wide->columns);
}

static void test_tiles_stored(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, "doubled", 64);
  spec->tiles = 3;
  g_autoptr(VelmModel) model = stored(spec);
  g_autoptr(VelmBackboneSpec) back = velm_backbone_spec_restore(model, &error);
  g_assert_no_error(error);
  g_assert_cmpint(back->tiles, ==, 3);
  for (gint64 odd = -1; odd < 10; odd += 10) {
    velm_model_set_int(model, "backbone.tiles", odd);
    refuse_model(model, VELM_ERROR_MODEL, "tiles");
  }
}

static void test_shape_stored(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, "doubled", 64);
  g_assert_false(velm_backbone_may_keep_shape(spec));
  g_autoptr(VelmModel) model = stored(spec);
  g_autoptr(VelmBackboneSpec) back = velm_backbone_spec_restore(model, &error);
  g_assert_no_error(error);
  g_assert_false(back->keeps_shape);
  for (gint64 odd = 1; odd < 3; odd++) {
    velm_model_set_int(model, "backbone.keeps_shape", odd);
    refuse_model(model, VELM_ERROR_MODEL, "resizing");
  }
}

static void test_other_network_beside(void) {
  if (!models) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(VelmBackboneSpec) spec = spec_of(network, "doubled,stage4@lite2", 64);
  g_autoptr(VelmModel) model = stored(spec);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) back = velm_backbone_spec_restore(model, &error);
  g_assert_no_error(error);
  velm_model_set_string(model, "backbone.beside.sha256", "0123");
  refuse_model(model, VELM_ERROR_MODEL, "lite2.onnx: is another network");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  g_autofree char *lite2 =
      g_build_filename(g_getenv("VELM_MODELS") ? g_getenv("VELM_MODELS") : "", "lite2.onnx", NULL);
  models = g_file_test(lite2, G_FILE_TEST_EXISTS) ? g_path_get_dirname(lite2) : NULL;
  g_test_add_func("/backbone/sizes", test_sizes);
  g_test_add_func("/backbone/missing-file", test_missing_file);
  g_test_add_func("/backbone/no-models", test_no_models);
  g_test_add_func("/backbone/layers-are-needed", test_layers_are_needed);
  g_test_add_func("/backbone/unknown-layer", test_unknown_layer);
  g_test_add_func("/backbone/wrong-pool", test_wrong_pool);
  g_test_add_func("/backbone/no-grid", test_no_grid);
  g_test_add_func("/backbone/maps-and-tokens", test_maps_and_tokens);
  g_test_add_func("/backbone/pooled", test_pooled);
  g_test_add_func("/backbone/half", test_half);
  g_test_add_func("/backbone/contrast_layer", test_contrast_layer);
  g_test_add_func("/backbone/keeps-shape", test_keeps_shape);
  g_test_add_func("/backbone/tiles", test_tiles);
  g_test_add_func("/backbone/tiles-of-shapes", test_tiles_of_shapes);
  g_test_add_func("/backbone/like", test_like);
  g_test_add_func("/backbone/tiles-stored", test_tiles_stored);
  g_test_add_func("/backbone/turned", test_turned);
  g_test_add_func("/backbone/shape-stored", test_shape_stored);
  g_test_add_func("/backbone/grids", test_grids);
  g_test_add_func("/backbone/any-size", test_any_size);
  g_test_add_func("/backbone/store", test_store);
  g_test_add_func("/backbone/other-network", test_other_network);
  g_test_add_func("/backbone/moved", test_moved);
  g_test_add_func("/backbone/damaged-model", test_damaged_model);
  g_test_add_func("/backbone/lite2", test_lite2);
  g_test_add_func("/backbone/dinov2s", test_dinov2s);
  g_test_add_func("/backbone/half-of-one-network", test_half_of_one_network);
  g_test_add_func("/backbone/beside", test_beside);
  g_test_add_func("/backbone/other-network-beside", test_other_network_beside);
  int result = g_test_run();
  g_free(models);
  g_free(network);
  scratch_remove(folder);
  return result;
}
