#include "core/separate_resize.h"

#include "core/engine.h"
#include "core/networks.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

typedef Velm__Onnx__ModelProto Model;

static char *folder;

static Model *unpack(GBytes *onnx) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(onnx, &size);
  Model *model = velm__onnx__model_proto__unpack(NULL, size, data);
  g_assert_nonnull(model);
  return model;
}

static void free_model(Model *model) { velm__onnx__model_proto__free_unpacked(model, NULL); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Model, free_model)

static Model *new_model(const char *mode) {
  g_autoptr(GBytes) onnx = network_resize_onnx(9, 4, mode);
  return unpack(onnx);
}

static guint count(const Model *model, const char *type) {
  guint n = 0;
  for (size_t i = 0; i < model->graph->n_node; i++)
    n += g_str_equal(model->graph->node[i]->op_type, type);
  return n;
}

/* ---- what it gives ---- */

#define WIDTH 7
#define HEIGHT 5

/* The network's output "resized" of made-up pixels; @model: saved first. */
static VelmNet *run(const Model *model) {
  gsize size = velm__onnx__model_proto__get_packed_size(model);
  g_autofree guint8 *packed = g_malloc(size);
  velm__onnx__model_proto__pack(model, packed);
  g_autofree char *path = scratch_write(folder, "resize.onnx", packed, size);
  g_autoptr(GError) error = NULL;
  VelmNetParams params = {.width = WIDTH, .height = HEIGHT, .scale = {1, 1, 1}, .exact = TRUE};
  VelmNet *net = velm_net_open(path, &params, &error);
  g_assert_no_error(error);
  guint8 pixels[WIDTH * HEIGHT * 3];
  for (gsize i = 0; i < sizeof pixels; i++)
    pixels[i] = (guint8)(i * i * 37);
  g_assert_true(velm_net_run_image(net, pixels, &error));
  return net;
}

/* As the engine's own: larger in rows and smaller in columns. */
static void test_same(void) {
  g_autoptr(Model) model = new_model("cubic");
  g_autoptr(VelmNet) whole = run(model);
  g_assert_cmpuint(velm_separate_resizes(model->graph), ==, 1);
  g_assert_cmpuint(count(model, "MatMul"), ==, 2);
  g_autoptr(VelmNet) separate = run(model);
  const VelmTensor *right = velm_net_output(whole, 0), *output = velm_net_output(separate, 0);
  g_assert_cmpuint(right->n, ==, 3 * 9 * 4);
  g_assert_cmpmem(output->dims, sizeof output->dims, right->dims, sizeof right->dims);
  float largest = 0;
  for (gsize i = 0; i < right->n; i++) {
    g_assert_cmpfloat_with_epsilon(output->data[i], right->data[i], 1e-3f);
    largest = MAX(largest, fabsf(right->data[i]));
  }
  g_assert_cmpfloat(largest, >, 100);
}

/* Cutting separates what it leaves. */
static void test_cut(void) {
  g_autoptr(GBytes) onnx = network_resize_onnx(9, 4, "cubic");
  g_autofree char *path =
      scratch_write(folder, "cut.onnx", g_bytes_get_data(onnx, NULL), g_bytes_get_size(onnx));
  g_autoptr(GError) error = NULL;
  VelmNetParams params = {.layers = (const char *const[]){"resized", NULL},
                          .width = WIDTH,
                          .height = HEIGHT,
                          .scale = {1, 1, 1}};
  g_autoptr(VelmNet) net = velm_net_open(path, &params, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(velm_net_output(net, 0)->n, ==, 3 * 9 * 4);
}

/* ---- what is left alone ---- */

static void check_left(Model *model) {
  size_t n = model->graph->n_node;
  g_assert_cmpuint(velm_separate_resizes(model->graph), ==, 0);
  g_assert_cmpuint(model->graph->n_node, ==, n);
  g_assert_cmpuint(count(model, "Resize"), ==, 1);
}

static void test_linear(void) {
  g_autoptr(Model) model = new_model("linear");
  check_left(model);
}

static void rename_string(char **text, const char *to) {
  free(*text);
  *text = strdup(to);
}

static void test_unusual_attribute(void) {
  g_autoptr(Model) model = new_model("cubic");
  rename_string(&model->graph->node[1]->attribute[1]->name, "axes");
  check_left(model);
}

/* By scales or with a region of interest. */
static void test_other_inputs(void) {
  for (gsize i = 1; i < 3; i++) {
    g_autoptr(Model) model = new_model("cubic");
    rename_string(&model->graph->node[1]->input[i], "sizes");
    check_left(model);
  }
}

static void test_other_types(void) {
  static const int types[] = {10, 11, 16};
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    g_autoptr(Model) model = new_model("cubic");
    model->graph->initializer[0]->data_type = types[i];
    check_left(model);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/separate-resize/same", test_same);
  g_test_add_func("/separate-resize/cut", test_cut);
  g_test_add_func("/separate-resize/linear", test_linear);
  g_test_add_func("/separate-resize/unusual-attribute", test_unusual_attribute);
  g_test_add_func("/separate-resize/other-inputs", test_other_inputs);
  g_test_add_func("/separate-resize/other-types", test_other_types);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
