#include "core/engine.h"

#include "core/networks.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define LAYERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *folder;

/* ---- networks on floats ---- */

static VelmNet *compile(const char *xml, const VelmNetParams *params) {
  g_autoptr(GError) error = NULL;
  VelmNet *net = velm_net_compile(xml, network_weights, sizeof network_weights, params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(net);
  return net;
}

static void check_square(VelmNet *net, const float *input, float tolerance) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_net_run_floats(net, input, 4, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  const VelmTensor *output = velm_net_output(net, 0);
  g_assert_cmpuint(output->n, ==, 4);
  g_assert_cmpuint(output->rank, ==, 2);
  g_assert_cmpint(output->dims[0], ==, 1);
  g_assert_cmpint(output->dims[1], ==, 4);
  for (int i = 0; i < 4; i++) {
    float sum = input[i] + 10 * (float)(i + 1);
    g_assert_cmpfloat_with_epsilon(output->data[i], sum * sum, tolerance * (1 + sum * sum));
  }
}

static void test_known_numbers(void) {
  static const float first[4] = {0.5f, -3, 1000, -40}, second[4] = {0, 0, 0, 0};
  VelmNetParams params = {.exact = TRUE};
  g_autoptr(VelmNet) net = compile(network_ir, &params);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 1);
  g_assert_null(velm_net_output(net, 1));
  g_assert_null(velm_net_output(net, G_MAXSIZE));
  check_square(net, first, 1e-6f);
  const float *data = velm_net_output(net, 0)->data;
  check_square(net, second, 1e-6f);
  g_assert_true(velm_net_output(net, 0)->data == data);
  check_square(net, first, 1e-6f);
}

/* Two inputs of a batch; the second is taken for floats, and both keep to their shapes. */
static void test_inputs(void) {
  static const float images[2 * 3 * 2 * 4] = {0.5f, -3, 1000, -40, [47] = 7}, steps[2] = {3, 4};
  const VelmNetShape shapes[] = {{4, {2, 3, 2, 4}}, {1, {2}}};
  VelmNetParams params = {.inputs = shapes, .n_inputs = 2, .exact = TRUE};
  g_autoptr(GBytes) onnx = network_denoiser_onnx(FALSE);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  g_autofree char *path = scratch_write(folder, "inputs.onnx", data, size);
  GError *error = NULL;
  g_autoptr(VelmNet) net = velm_net_open(path, &params, &error);
  g_assert_no_error(error);
  g_autoptr(VelmNet) other = velm_net_share(net, &error);
  g_assert_no_error(error);
  VelmNet *const both[] = {net, other};
  for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
    g_assert_true(velm_net_run_inputs(both[i], (const float *const[]){images, steps}, &error));
    const VelmTensor *output = velm_net_output(both[i], 0);
    g_assert_cmpuint(output->n, ==, G_N_ELEMENTS(images));
    g_assert_cmpmem(output->data, sizeof images, images, sizeof images);
  }
  params.n_inputs = 1;
  g_assert_null(velm_net_open(path, &params, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "inputs.onnx: has 2 inputs; 1 are needed");
}

/* Where the processor has bf16, eight bits of a number remain. */
static void test_fast(void) {
  static const float input[4] = {0.5f, -3, 1000, -40};
  VelmNetParams params = {0};
  g_autoptr(VelmNet) net = compile(network_ir, &params);
  check_square(net, input, 0.02f);
}

static void test_layers(void) {
  static const float input[4] = {1, 2, 3, 4};
  VelmNetParams params = {.layers = LAYERS("right", "sum"), .exact = TRUE};
  g_autoptr(VelmNet) net = compile(network_ir, &params);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 2);
  g_assert_true(velm_net_run_floats(net, input, 4, NULL));
  g_assert_cmpfloat_with_epsilon(velm_net_output(net, 0)->data[1], 44, 1e-4f);
  g_assert_cmpfloat_with_epsilon(velm_net_output(net, 1)->data[0], 11, 1e-4f);
}

/* The weights are copied: the caller's may go. */
static void test_weights_are_copied(void) {
  static const float input[4] = {1, 2, 3, 4};
  g_autoptr(GError) error = NULL;
  guint8 *weights = g_memdup2(network_weights, sizeof network_weights);
  char *xml = g_strdup(network_ir);
  VelmNetParams params = {.exact = TRUE};
  g_autoptr(VelmNet) net = velm_net_compile(xml, weights, sizeof network_weights, &params, &error);
  g_assert_no_error(error);
  memset(weights, 0xff, sizeof network_weights);
  g_free(weights);
  g_free(xml);
  check_square(net, input, 1e-6f);
}

static void test_wrong_size(void) {
  static const float input[5] = {0};
  VelmNetParams params = {.exact = TRUE};
  g_autoptr(VelmNet) net = compile(network_ir, &params);
  GError *error = NULL;
  g_assert_false(velm_net_run_floats(net, input, 3, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "takes 16 bytes of input, not 12");
  g_assert_false(velm_net_run_floats(net, input, 5, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "takes 16 bytes of input, not 20");
  g_assert_false(velm_net_run_floats(net, input, 0, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "takes 16 bytes of input, not 0");
  check_square(net, input, 1e-6f);
}

/* ---- networks on images ---- */

static void write_image_network(const char *name) {
  g_autofree char *xml = g_strconcat(name, ".xml", NULL);
  g_autofree char *bin = g_strconcat(name, ".bin", NULL);
  g_free(scratch_write(folder, xml, network_image_ir, strlen(network_image_ir)));
  g_free(scratch_write(folder, bin, network_image_weights, sizeof network_image_weights));
}

static VelmNet *open_image_network(const VelmNetParams *params) {
  write_image_network("image");
  g_autofree char *path = g_build_filename(folder, "image.xml", NULL);
  g_autoptr(GError) error = NULL;
  VelmNet *net = velm_net_open(path, params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(net);
  return net;
}

/* Bytes in rows of RGB come in as planes, less the mean, over the scale. */
static void check_image_net(VelmNet *net, const VelmNetParams *params, gsize index) {
  int width = params->width, height = params->height;
  g_autofree guint8 *pixels = g_malloc((gsize)width * (gsize)height * 3);
  for (int i = 0; i < width * height * 3; i++)
    pixels[i] = (guint8)(i * 37);
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_net_run_image(net, pixels, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  const VelmTensor *output = velm_net_output(net, index);
  const gint64 dims[] = {1, 3, height, width};
  g_assert_cmpuint(output->rank, ==, 4);
  g_assert_cmpmem(output->dims, sizeof dims, dims, sizeof dims);
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < width * height; i++) {
      float right = 2 * ((float)pixels[3 * i + c] - params->mean[c]) / params->scale[c];
      g_assert_cmpfloat_with_epsilon(output->data[c * width * height + i], right,
                                     1e-5f * (1 + fabsf(right)));
    }
}

static void test_image(void) {
  VelmNetParams params = {
      .width = 7, .height = 5, .mean = {10, 20.5f, 127}, .scale = {1, 2, 58.4f}, .exact = TRUE};
  g_autoptr(VelmNet) net = open_image_network(&params);
  check_image_net(net, &params, 0);
}

static void test_image_layers(void) {
  VelmNetParams params = {.layers = LAYERS("mean", "doubled"),
                          .width = 32,
                          .height = 64,
                          .mean = {127, 127, 127},
                          .scale = {128, 128, 128},
                          .exact = TRUE};
  g_autoptr(VelmNet) net = open_image_network(&params);
  check_image_net(net, &params, 1);
  const VelmTensor *mean = velm_net_output(net, 0), *doubled = velm_net_output(net, 1);
  g_assert_cmpuint(mean->n, ==, 3);
  for (int c = 0; c < 3; c++) {
    double sum = 0;
    for (int i = 0; i < 32 * 64; i++)
      sum += (double)doubled->data[c * 32 * 64 + i];
    g_assert_cmpfloat_with_epsilon((double)mean->data[c], sum / (32 * 64), 1e-4);
  }
}

/* One compiled network takes images of several sizes, each net its own, in any order. */
static void test_any_size(void) {
  VelmNetParams params = {.layers = LAYERS("mean", "doubled"),
                          .width = 16,
                          .height = 24,
                          .any_size = TRUE,
                          .mean = {10, 20.5f, 127},
                          .scale = {1, 2, 58.4f},
                          .exact = TRUE};
  g_autoptr(VelmNet) net = open_image_network(&params);
  VelmNetParams small = params;
  small.width = 8;
  small.height = 7;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmNet) other = velm_net_share_at(net, small.width, small.height, &error);
  g_assert_no_error(error);
  g_autoptr(VelmNet) twin = velm_net_share(other, &error);
  g_assert_no_error(error);
  for (int i = 0; i < 3; i++) {
    check_image_net(net, &params, 1);
    check_image_net(other, &small, 1);
    check_image_net(twin, &small, 1);
  }
  g_assert_cmpuint(velm_net_output(net, 0)->n, ==, 3);
  int width = 0, height = 0;
  velm_net_image_size(twin, &width, &height);
  g_assert_cmpint(width, ==, 8);
  g_assert_cmpint(height, ==, 7);
}

/* A network whose input cannot be an image is refused, not reshaped to nonsense. */
static void test_not_for_images(void) {
  VelmNetParams params = {.width = 8, .height = 8, .scale = {1, 1, 1}};
  GError *error = NULL;
  g_assert_null(
      velm_net_compile(network_ir, network_weights, sizeof network_weights, &params, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "network: ");
}

/* Without a size given, a network of any size cannot be run. */
static void test_no_size(void) {
  static const float input[12] = {0};
  VelmNetParams params = {0};
  GError *error = NULL;
  g_autoptr(VelmNet) net = velm_net_compile(network_image_ir, network_image_weights,
                                            sizeof network_image_weights, &params, &error);
  if (net)
    g_assert_false(velm_net_run_floats(net, input, 12, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "network: ");
}

/* ---- what is refused ---- */

static void refuse_xml(const char *xml, gsize n_weights) {
  g_autofree guint8 *weights = g_memdup2(network_weights, MAX(n_weights, 1));
  VelmNetParams params = {0};
  GError *error = NULL;
  g_assert_null(velm_net_compile(xml, weights, n_weights, &params, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "network: ");
}

static void test_garbage(void) {
  static const char *const texts[] = {
      "",          "no network", "<net", "<net/>", "<net version=\"11\"><layers/><edges/></net>",
      "{\"a\": 1}"};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    refuse_xml(texts[i], sizeof network_weights);
  for (gsize cut = 40; cut < strlen(network_ir) - 10; cut += 97) {
    g_autofree char *part = g_strndup(network_ir, cut);
    refuse_xml(part, sizeof network_weights);
  }
}

static char *replaced(const char *text, const char *old, const char *new) {
  g_auto(GStrv) parts = g_strsplit(text, old, -1);
  g_assert_cmpuint(g_strv_length(parts), >, 1);
  return g_strjoinv(new, parts);
}

/* Constants must lie in the weights. */
static void test_few_weights(void) {
  refuse_xml(network_ir, 8);
  refuse_xml(network_ir, 0);
  g_autofree char *beyond =
      replaced(network_ir, "offset=\"0\" size=\"16\"", "offset=\"1000000\" size=\"16\"");
  refuse_xml(beyond, sizeof network_weights);
  g_autofree char *larger = replaced(network_ir, "shape=\"1,4\" offset=\"0\" size=\"16\"",
                                     "shape=\"1,4000\" offset=\"0\" size=\"16000\"");
  refuse_xml(larger, sizeof network_weights);
}

static void test_unknown_operation(void) {
  g_autofree char *xml = replaced(network_ir, "\"Multiply\"", "\"Frobnicate\"");
  refuse_xml(xml, sizeof network_weights);
}

/* Outputs are floats of 32 bits; those of Equal are none. */
static void test_boolean_output(void) {
  g_autofree char *xml = replaced(network_ir, "\"Multiply\"", "\"Equal\"");
  VelmNetParams params = {0};
  GError *error = NULL;
  g_assert_null(velm_net_compile(xml, network_weights, sizeof network_weights, &params, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "output 0 is no tensor of 32-bit floats");
}

/* A constant is no layer to cut at: nothing of the input would be left. */
static void test_constant_output(void) {
  VelmNetParams params = {.layers = LAYERS("axis")};
  GError *error = NULL;
  g_assert_null(
      velm_net_compile(network_ir, network_weights, sizeof network_weights, &params, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "network: ");
}

static void refuse_file(const char *name, const char *const *layers, VelmError code,
                        const char *text) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  VelmNetParams params = {.layers = layers, .width = 8, .height = 8, .scale = {1, 1, 1}};
  GError *error = NULL;
  g_assert_null(velm_net_open(path, &params, &error));
  g_assert_nonnull(strstr(error->message, text));
  assert_failure(&error, code, name);
}

static void test_files(void) {
  static const char text[] = "This is a text, whatever its name says.\n";
  refuse_file("missing.onnx", NULL, VELM_ERROR_FILE, "no such network file");
  refuse_file("missing.xml", LAYERS("sum"), VELM_ERROR_FILE, "no such network file");
  refuse_file(".", LAYERS("sum"), VELM_ERROR_FILE, "no such network file");
  static const char *const names[] = {"text.onnx", "text.bin", "text.xml", "text"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_free(scratch_write(folder, names[i], text, sizeof text - 1));
    refuse_file(names[i], LAYERS("sum"), VELM_ERROR_ENGINE, "");
    g_free(scratch_write(folder, names[i], "", 0));
    refuse_file(names[i], LAYERS("sum"), VELM_ERROR_ENGINE, "");
  }
}

static void test_no_bin(void) {
  write_image_network("alone");
  g_autofree char *bin = g_build_filename(folder, "alone.bin", NULL);
  refuse_file("alone.xml", LAYERS("nowhere"), VELM_ERROR_ENGINE, "has no layer \"nowhere\"");
  g_assert_cmpint(g_remove(bin), ==, 0);
  GError *error = NULL;
  g_autofree char *path = g_build_filename(folder, "alone.xml", NULL);
  VelmNetParams params = {.layers = LAYERS("doubled"), .width = 8, .height = 8, .scale = {1, 1, 1}};
  g_assert_null(velm_net_open(path, &params, &error));
  assert_failure(&error, VELM_ERROR_FILE, "alone.bin: no such file");
}

static void test_truncated_onnx(void) {
  g_autoptr(GBytes) onnx = network_onnx();
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(onnx, &size);
  /* The last six bytes name the version of the operations; some engines do without. */
  for (gsize cut = 0; cut < size - 6; cut += 3) {
    g_free(scratch_write(folder, "cut.onnx", data, cut));
    refuse_file("cut.onnx", LAYERS("a"), VELM_ERROR_ENGINE, "not an ONNX model");
  }
}

/* ---- threads ---- */

static gpointer run_many(gpointer data) {
  VelmNetParams params = {.exact = TRUE};
  for (int i = 0; i < 3; i++) {
    g_autoptr(VelmNet) net = compile(network_ir, &params);
    for (int k = 0; k < 20; k++) {
      const float input[4] = {(float)k, GPOINTER_TO_INT(data), 1, (float)i};
      check_square(net, input, 1e-6f);
    }
  }
  return NULL;
}

static void test_threads(void) {
  GThread *threads[4];
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new("run", run_many, GINT_TO_POINTER(i));
  for (int i = 0; i < 4; i++)
    g_thread_join(threads[i]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/engine/threads", test_threads); /* first: they make the core */
  g_test_add_func("/engine/known-numbers", test_known_numbers);
  g_test_add_func("/engine/fast", test_fast);
  g_test_add_func("/engine/layers", test_layers);
  g_test_add_func("/engine/weights-are-copied", test_weights_are_copied);
  g_test_add_func("/engine/wrong-size", test_wrong_size);
  g_test_add_func("/engine/image", test_image);
  g_test_add_func("/engine/image-layers", test_image_layers);
  g_test_add_func("/engine/any-size", test_any_size);
  g_test_add_func("/engine/not-for-images", test_not_for_images);
  g_test_add_func("/engine/no-size", test_no_size);
  g_test_add_func("/engine/inputs", test_inputs);
  g_test_add_func("/engine/garbage", test_garbage);
  g_test_add_func("/engine/few-weights", test_few_weights);
  g_test_add_func("/engine/unknown-operation", test_unknown_operation);
  g_test_add_func("/engine/boolean-output", test_boolean_output);
  g_test_add_func("/engine/constant-output", test_constant_output);
  g_test_add_func("/engine/files", test_files);
  g_test_add_func("/engine/no-bin", test_no_bin);
  g_test_add_func("/engine/truncated-onnx", test_truncated_onnx);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
