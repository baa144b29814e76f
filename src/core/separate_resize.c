#include "core/separate_resize.h"

#include <string.h>

typedef Velm__Onnx__GraphProto Graph;
typedef Velm__Onnx__NodeProto Node;
typedef Velm__Onnx__AttributeProto Attribute;
typedef Velm__Onnx__TensorProto Tensor;

/* ONNX's numbers for types of elements and of attributes. */
enum { FLOAT = 1, INT64 = 7, FLOAT16 = 10, DOUBLE = 11, BFLOAT16 = 16 };
enum { ATTRIBUTE_INT = 2, ATTRIBUTE_TENSOR = 4 };
/* A Resize's inputs: what to resize, a region of interest, scales or sizes. */
enum { RESIZE_X, RESIZE_ROI, RESIZE_SCALES, RESIZE_SIZES, RESIZE_N };

/* ---- which ---- */

static gboolean is_string(const Attribute *attribute, const char *text) {
  return attribute->has_s && attribute->s.len == strlen(text) &&
         memcmp(attribute->s.data, text, attribute->s.len) == 0;
}

static gboolean is_cubic_resize(const Node *node) {
  static const char *const usual[] = {"coordinate_transformation_mode",
                                      "cubic_coeff_a",
                                      "mode",
                                      "nearest_mode",
                                      "exclude_outside",
                                      NULL};
  if (!node->op_type || !g_str_equal(node->op_type, "Resize") || node->n_input != RESIZE_N ||
      node->n_output != 1 || *node->input[RESIZE_SCALES] || *node->input[RESIZE_ROI] ||
      !*node->input[RESIZE_SIZES])
    return FALSE;
  gboolean cubic = FALSE;
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Attribute *attribute = node->attribute[i];
    if (!attribute->name || !g_strv_contains(usual, attribute->name))
      return FALSE;
    cubic = cubic || (g_str_equal(attribute->name, "mode") && is_string(attribute, "cubic"));
  }
  return cubic;
}

static gboolean is_other_float(const Tensor *tensor) {
  return tensor->data_type == FLOAT16 || tensor->data_type == DOUBLE ||
         tensor->data_type == BFLOAT16;
}

/* The factors are of 32 bits, as what they are multiplied by must be. */
static gboolean has_other_floats(const Graph *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (is_other_float(graph->initializer[i]))
      return TRUE;
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_attribute; k++)
      if (graph->node[i]->attribute[k]->t && is_other_float(graph->node[i]->attribute[k]->t))
        return TRUE;
  return FALSE;
}

/* ---- making nodes ----
 * The messages are freed as protobuf-c frees them, by free(), which g_malloc() goes with. */

static Node *add_node(GPtrArray *nodes, const char *type, const char *output, ...) {
  Node *node = g_new(Node, 1);
  velm__onnx__node_proto__init(node);
  node->op_type = g_strdup(type);
  node->n_output = 1;
  node->output = g_new(char *, 1);
  node->output[0] = g_strdup(output);
  g_autoptr(GPtrArray) inputs = g_ptr_array_new();
  va_list list;
  va_start(list, output);
  for (const char *input = va_arg(list, const char *); input; input = va_arg(list, const char *))
    g_ptr_array_add(inputs, g_strdup(input));
  va_end(list);
  node->input = (char **)g_ptr_array_steal(inputs, &node->n_input);
  g_ptr_array_add(nodes, node);
  return node;
}

static Attribute *add_attribute(Node *node, const char *name, int type) {
  Attribute *attribute = g_new(Attribute, 1);
  velm__onnx__attribute_proto__init(attribute);
  attribute->name = g_strdup(name);
  attribute->has_type = TRUE;
  attribute->type = type;
  node->attribute = g_renew(Attribute *, node->attribute, node->n_attribute + 1);
  node->attribute[node->n_attribute++] = attribute;
  return attribute;
}

static void add_integer(Node *node, const char *name, gint64 value) {
  Attribute *attribute = add_attribute(node, name, ATTRIBUTE_INT);
  attribute->has_i = TRUE;
  attribute->i = value;
}

/* A constant list of one integer. */
static void add_constant(GPtrArray *nodes, const char *output, gint64 value) {
  Node *node = add_node(nodes, "Constant", output, NULL);
  Tensor *tensor = g_new(Tensor, 1);
  velm__onnx__tensor_proto__init(tensor);
  tensor->dims = g_new(int64_t, 1);
  tensor->dims[0] = 1;
  tensor->n_dims = 1;
  tensor->has_data_type = TRUE;
  tensor->data_type = INT64;
  tensor->int64_data = g_new(int64_t, 1);
  tensor->int64_data[0] = value;
  tensor->n_int64_data = 1;
  add_attribute(node, "value", ATTRIBUTE_TENSOR)->t = tensor;
}

/* ---- the factors ---- */

typedef enum { ROWS = 2, COLUMNS = 3 } Axis;

static char *name_of(const char *base, const char *what, Axis axis) {
  return g_strdup_printf("%s/velm_%s_%s", base, axis == ROWS ? "rows" : "columns", what);
}

/* Moves @resize behind the nodes that make an identity matrix of X's @axis and the size that it is
 * to have. @shape: names X's shape. Returns: (transfer full): the factor's name */
static char *add_factor(GPtrArray *nodes, Node *resize, const char *base, const char *shape,
                        const char *sizes, Axis axis) {
  g_autofree char *index = name_of(base, "axis", axis), *before = name_of(base, "before", axis),
                  *after = name_of(base, "after", axis), *square = name_of(base, "square", axis),
                  *zeros = name_of(base, "zeros", axis), *ones = name_of(base, "identity", axis),
                  *size = name_of(base, "size", axis);
  add_constant(nodes, index, axis);
  add_integer(add_node(nodes, "Gather", before, shape, index, NULL), "axis", 0);
  add_integer(add_node(nodes, "Gather", after, sizes, index, NULL), "axis", 0);
  add_integer(add_node(nodes, "Concat", square, before, before, NULL), "axis", 0);
  add_node(nodes, "ConstantOfShape", zeros, square, NULL); /* of 32-bit floats */
  add_integer(add_node(nodes, "EyeLike", ones, zeros, NULL), "dtype", FLOAT);
  add_integer(add_node(nodes, "Concat", size, axis == ROWS ? after : before,
                       axis == ROWS ? before : after, NULL),
              "axis", 0);
  char *factor = name_of(base, "factor", axis);
  const char *const changed[] = {ones, size, factor};
  char **const places[] = {&resize->input[RESIZE_X], &resize->input[RESIZE_SIZES],
                           &resize->output[0]};
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    g_free(*places[i]);
    *places[i] = g_strdup(changed[i]);
  }
  g_ptr_array_add(nodes, resize);
  return factor;
}

static Node *copy_node(const Node *node) {
  gsize size = velm__onnx__node_proto__get_packed_size(node);
  g_autofree guint8 *packed = g_malloc(size);
  velm__onnx__node_proto__pack(node, packed);
  return velm__onnx__node_proto__unpack(NULL, size, packed);
}

/* Appends to @nodes what does as @resize does, which it takes. */
static void separate(GPtrArray *nodes, Node *resize) {
  g_autofree char *x = g_strdup(resize->input[RESIZE_X]),
                  *sizes = g_strdup(resize->input[RESIZE_SIZES]),
                  *output = g_strdup(resize->output[0]),
                  *shape = g_strconcat(output, "/velm_shape", NULL),
                  *half = g_strconcat(output, "/velm_rows_resized", NULL);
  Node *other = copy_node(resize);
  add_node(nodes, "Shape", shape, x, NULL);
  g_autofree char *rows = add_factor(nodes, resize, output, shape, sizes, ROWS);
  g_autofree char *columns = add_factor(nodes, other, output, shape, sizes, COLUMNS);
  add_node(nodes, "MatMul", half, rows, x, NULL);
  add_node(nodes, "MatMul", output, half, columns, NULL);
}

guint velm_separate_resizes(Graph *graph) {
  if (has_other_floats(graph))
    return 0;
  guint n = 0;
  g_autoptr(GPtrArray) nodes = g_ptr_array_new();
  for (size_t i = 0; i < graph->n_node; i++) {
    Node *node = graph->node[i];
    if (is_cubic_resize(node)) {
      separate(nodes, node);
      n++;
    } else {
      g_ptr_array_add(nodes, node);
    }
  }
  g_free(graph->node);
  graph->node = (Node **)g_ptr_array_steal(nodes, &graph->n_node);
  return n;
}
