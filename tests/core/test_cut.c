#include "core/cut.h"

#include "core/engine.h"
#include "core/networks.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

#define LAYERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *folder;

/* ---- running what was cut ---- */

static const float input[4] = {1, -2, 3, -40};

static void run(VelmNet *net) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_net_run_floats(net, input, 4, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

static void check_output(VelmNet *net, gsize index, const float *right, gsize n) {
  const VelmTensor *output = velm_net_output(net, index);
  g_assert_nonnull(output);
  g_assert_cmpuint(output->n, ==, n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon(output->data[i], right[i], 1e-3f * (1 + fabsf(right[i])));
}

static const float sum[4] = {11, 18, 33, 0}, square[4] = {121, 324, 1089, 0};

/* ---- OpenVINO IR ---- */

static char *cut_ir(const char *const *layers) {
  g_autoptr(GError) error = NULL;
  char *xml = velm_cut_ir(network_ir, strlen(network_ir), layers, "net.xml", &error);
  g_assert_no_error(error);
  g_assert_nonnull(xml);
  return xml;
}

static VelmNet *compile(const char *xml) {
  g_autoptr(GError) error = NULL;
  VelmNetParams params = {.exact = TRUE};
  VelmNet *net = velm_net_compile(xml, network_weights, sizeof network_weights, &params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(net);
  run(net);
  return net;
}

/* By the layer's name, and by each name of its port's tensor. */
static void test_ir_names(void) {
  static const char *const names[] = {"sum", "sum:0", "total"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *xml = cut_ir(LAYERS(names[i]));
    g_autoptr(VelmNet) net = compile(xml);
    g_assert_cmpuint(velm_net_n_outputs(net), ==, 1);
    check_output(net, 0, sum, 4);
  }
}

static void test_ir_ports(void) {
  g_autofree char *xml = cut_ir(LAYERS("right", "square", "left", "halves"));
  g_autoptr(VelmNet) net = compile(xml);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 4);
  check_output(net, 0, sum + 2, 2);
  check_output(net, 1, square, 4);
  check_output(net, 2, sum, 2);
  check_output(net, 3, sum, 2);
}

/* A tensor's name is all between the commas. */
static void check_ir_missing(const char *layer) {
  GError *error = NULL;
  g_assert_null(
      velm_cut_ir(network_ir, strlen(network_ir), LAYERS("sum", layer), "net.xml", &error));
  g_autofree char *text = g_strdup_printf("net.xml: has no layer \"%s\"", layer);
  g_assert_nonnull(strstr(error->message, "sum"));
  g_assert_nonnull(strstr(error->message, "square"));
  g_assert_null(strstr(error->message, "offset")); /* no constants */
  assert_failure(&error, VELM_ERROR_ENGINE, text);
}

static void test_ir_missing(void) {
  check_ir_missing("nowhere");
  check_ir_missing("su");
  check_ir_missing("sum:0,total");
  check_ir_missing("result");
  check_ir_missing("");
}

static void refuse_ir(const char *xml, gsize length) {
  GError *error = NULL;
  g_assert_null(velm_cut_ir(xml, length, LAYERS("sum"), "net.xml", &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "net.xml: ");
}

static void test_ir_garbage(void) {
  static const char *const texts[] = {
      "",
      " ",
      "no xml",
      "<net/>",
      "<net><layers/></net>",
      "<net><edges/></net>",
      "<html><layers/><edges/></html",
      "<net><layers/><edges/></net>",
      "<net><layers><layer/></layers><edges/></net>",
      "<net><layers><layer name=\"sum\"/></layers><edges/></net>",
      "<net><layers><layer name=\"sum\"><output/></layer></layers><edges><edge/></edges></net>",
      "<net>\x01</net>",
      "\xff\xfe<\0n\0",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    refuse_ir(texts[i], strlen(texts[i]));
  for (gsize cut = 0; cut + 10 < strlen(network_ir); cut += 7) {
    g_autofree char *block = g_memdup2(network_ir, MAX(cut, 1)); /* ends where it ends */
    refuse_ir(block, cut);
  }
}

/* Entities that grow tenfold nine times over: no network has any. */
static void test_ir_bomb(void) {
  GString *xml = g_string_new("<!DOCTYPE net [<!ENTITY a0 \"0123456789\">");
  for (int i = 1; i < 10; i++) {
    g_string_append_printf(xml, "<!ENTITY a%d \"", i);
    for (int k = 0; k < 10; k++)
      g_string_append_printf(xml, "&a%d;", i - 1);
    g_string_append(xml, "\">");
  }
  g_string_append(xml, "]><net><layers><layer name=\"&a9;\"><output><port names=\"&a9;\"/></output>"
                       "</layer></layers><edges/></net>");
  gint64 start = g_get_monotonic_time();
  refuse_ir(xml->str, xml->len);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
  g_string_free(xml, TRUE);
}

/* No file but the network's own is read. */
static void test_ir_outside(void) {
  g_autofree char *secret = scratch_write(folder, "secret", "<layer/>", 8);
  g_autofree char *xml =
      g_strdup_printf("<!DOCTYPE net [<!ENTITY out SYSTEM \"file://%s\">]><net><layers>&out;<layer "
                      "name=\"sum\" id=\"0\"><output><port id=\"0\"/></output></layer></layers>"
                      "<edges/></net>",
                      secret);
  g_autoptr(GError) error = NULL;
  g_autofree char *cut = velm_cut_ir(xml, strlen(xml), LAYERS("sum"), "net.xml", &error);
  g_assert_true(cut || error);
  g_assert_true(!cut || !strstr(cut, "<layer/>"));
}

/* ---- ONNX ---- */

static GBytes *cut_onnx(const char *const *layers) {
  g_autoptr(GBytes) onnx = network_onnx();
  g_autoptr(GError) error = NULL;
  GBytes *cut = velm_cut_onnx(onnx, layers, "net.onnx", &error);
  g_assert_no_error(error);
  g_assert_nonnull(cut);
  return cut;
}

static VelmNet *open_onnx(GBytes *onnx) {
  g_autofree char *path =
      scratch_write(folder, "cut.onnx", g_bytes_get_data(onnx, NULL), g_bytes_get_size(onnx));
  g_autoptr(GError) error = NULL;
  VelmNetParams params = {.exact = TRUE};
  VelmNet *net = velm_net_open(path, &params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(net);
  run(net);
  return net;
}

static void test_onnx(void) {
  static const float a[4] = {1, 0, 3, 0}, b[4] = {-1, 0, -3, 0};
  g_autoptr(GBytes) cut = cut_onnx(LAYERS("b", "a"));
  g_autoptr(VelmNet) net = open_onnx(cut);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 2);
  check_output(net, 0, b, 4);
  check_output(net, 1, a, 4);
}

/* Cut at its own output, the network is the same. */
static void test_onnx_whole(void) {
  static const float c[4] = {1, 0, 3, 0};
  g_autoptr(GBytes) cut = cut_onnx(LAYERS("c"));
  g_autoptr(VelmNet) net = open_onnx(cut);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 1);
  check_output(net, 0, c, 4);
}

/* What comes after the last layer is gone. */
static void test_onnx_less(void) {
  g_autoptr(GBytes) short_cut = cut_onnx(LAYERS("a")), whole = cut_onnx(LAYERS("c"));
  gsize size = 0;
  const char *data = g_bytes_get_data(short_cut, &size);
  g_assert_cmpuint(size, <, g_bytes_get_size(whole));
  g_assert_nonnull(memmem(data, size, "Relu", 4));
  g_assert_null(memmem(data, size, "Neg", 3));
}

static void check_onnx_missing(const char *layer) {
  g_autoptr(GBytes) onnx = network_onnx();
  GError *error = NULL;
  g_assert_null(velm_cut_onnx(onnx, LAYERS("a", layer), "net.onnx", &error));
  g_autofree char *text =
      g_strdup_printf("net.onnx: has no layer \"%s\"; it has 3, among them: a, b, c", layer);
  assert_failure(&error, VELM_ERROR_ENGINE, text);
}

static void test_onnx_missing(void) {
  check_onnx_missing("d");
  check_onnx_missing("x");
  check_onnx_missing("");
}

static void test_onnx_garbage(void) {
  g_autoptr(GBytes) onnx = network_onnx();
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(onnx, &size);
  GError *error = NULL;
  /* Cut before the end of the graph, which the last six bytes do not belong to. */
  for (gsize cut = 0; cut < size - 6; cut++) {
    g_autoptr(GBytes) part = g_bytes_new(data, cut);
    g_assert_null(velm_cut_onnx(part, LAYERS("a"), "net.onnx", &error));
    assert_failure(&error, VELM_ERROR_ENGINE, "net.onnx: not an ONNX model");
  }
  g_autoptr(GBytes) text = g_bytes_new_static("This is a text.", 15);
  g_assert_null(velm_cut_onnx(text, LAYERS("a"), "net.onnx", &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "net.onnx: not an ONNX model");
}

/* Damaged at any one byte, it is refused or cut, and nothing else. */
static void test_onnx_damaged(void) {
  g_autoptr(GBytes) onnx = network_onnx();
  gsize size = 0;
  g_autofree guint8 *data = g_memdup2(g_bytes_get_data(onnx, NULL), g_bytes_get_size(onnx));
  g_bytes_get_data(onnx, &size);
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  guint n_refused = 0;
  for (gsize at = 0; at < size; at++)
    for (int i = 0; i < 8; i++) {
      guint8 was = data[at];
      data[at] = (guint8)g_rand_int_range(random, 0, 256);
      g_autoptr(GBytes) damaged = g_bytes_new(data, size);
      g_autoptr(GError) error = NULL;
      g_autoptr(GBytes) cut = velm_cut_onnx(damaged, LAYERS("b"), "net.onnx", &error);
      if (!cut)
        g_assert_error(error, VELM_ERROR, VELM_ERROR_ENGINE);
      n_refused += !cut;
      data[at] = was;
    }
  g_assert_cmpuint(n_refused, >, size);
}

/* ---- the backbones ---- */

/* A deep network's message names a handful of layers, from all its depth. */
static void test_backbone_missing(void) {
  const char *models = g_getenv("VELM_MODELS");
  g_autofree char *path = g_build_filename(models ? models : "", "lite2.onnx", NULL);
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
  if (!file) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(GBytes) onnx = g_mapped_file_get_bytes(file);
  GError *error = NULL;
  g_assert_null(velm_cut_onnx(onnx, LAYERS("stage99"), "lite2.onnx", &error));
  g_auto(GStrv) named = g_strsplit(strstr(error->message, "among them: "), ", ", -1);
  g_assert_cmpuint(g_strv_length(named), >, 4);
  g_assert_cmpuint(g_strv_length(named), <=, 8);
  assert_failure(&error, VELM_ERROR_ENGINE, "lite2.onnx: has no layer \"stage99\"");
}

static void test_backbone_smaller(void) {
  const char *models = g_getenv("VELM_MODELS");
  g_autofree char *path = g_build_filename(models ? models : "", "lite2.onnx", NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_test_skip("no backbones");
    return;
  }
  g_autoptr(GError) error = NULL;
  VelmNetParams params = {
      .layers = LAYERS("stage2", "stage1"), .width = 64, .height = 32, .scale = {1, 1, 1}};
  g_autoptr(VelmNet) net = velm_net_open(path, &params, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(velm_net_n_outputs(net), ==, 2);
  const VelmTensor *deep = velm_net_output(net, 0), *shallow = velm_net_output(net, 1);
  g_assert_cmpuint(deep->rank, ==, 4);
  g_assert_cmpint(deep->dims[2] * 2, ==, shallow->dims[2]);
  g_assert_cmpint(deep->dims[3], ==, 2 * deep->dims[2]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/cut/ir/names", test_ir_names);
  g_test_add_func("/cut/ir/ports", test_ir_ports);
  g_test_add_func("/cut/ir/missing", test_ir_missing);
  g_test_add_func("/cut/ir/garbage", test_ir_garbage);
  g_test_add_func("/cut/ir/bomb", test_ir_bomb);
  g_test_add_func("/cut/ir/outside", test_ir_outside);
  g_test_add_func("/cut/onnx/outputs", test_onnx);
  g_test_add_func("/cut/onnx/whole", test_onnx_whole);
  g_test_add_func("/cut/onnx/less", test_onnx_less);
  g_test_add_func("/cut/onnx/missing", test_onnx_missing);
  g_test_add_func("/cut/onnx/garbage", test_onnx_garbage);
  g_test_add_func("/cut/onnx/damaged", test_onnx_damaged);
  g_test_add_func("/cut/backbone/missing", test_backbone_missing);
  g_test_add_func("/cut/backbone/smaller", test_backbone_smaller);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
