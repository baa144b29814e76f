#include "core/networks.h"

#include <string.h>

/* ---- OpenVINO IR ---- */

#define DIMS(a, b) "<dim>" #a "</dim><dim>" #b "</dim>"
#define LAYER(id, name, type, rest)                                                                \
  "<layer id=\"" #id "\" name=\"" name "\" type=\"" type "\" version=\"opset1\">" rest "</"        \
  "layer>\n"
#define IN(id, dims) "<port id=\"" #id "\">" dims "</port>"
#define OUT(id, names, dims)                                                                       \
  "<port id=\"" #id "\" precision=\"FP32\" names=\"" names "\">" dims "</port>"
#define EDGE(from, from_port, to, to_port)                                                         \
  "<edge from-layer=\"" #from "\" from-port=\"" #from_port "\" to-layer=\"" #to                    \
  "\" to-port=\"" #to_port "\"/>\n"

const char network_ir[] = "<?xml version=\"1.0\"?>\n<net name=\"small\" version=\"11\">\n<layers>\n"
    /* */
    LAYER(0, "x", "Parameter",
          "<data shape=\"1,4\" element_type=\"f32\"/><output>" OUT(0, "x", DIMS(1, 4)) "</output>")
    /* */
    LAYER(1, "offset", "Const",
          "<data element_type=\"f32\" shape=\"1,4\" offset=\"0\" size=\"16\"/>"
          "<output>" OUT(0, "offset", DIMS(1, 4)) "</output>")
    /* */
    LAYER(2, "sum", "Add",
          "<data auto_broadcast=\"numpy\"/><input>" IN(0, DIMS(1, 4))
              IN(1, DIMS(1, 4)) "</input><output>" OUT(2, "sum:0,total", DIMS(1, 4)) "</output>")
    /* */
    LAYER(3, "square", "Multiply",
          "<data auto_broadcast=\"numpy\"/><input>" IN(0, DIMS(1, 4))
              IN(1, DIMS(1, 4)) "</input><output>" OUT(2, "square", DIMS(1, 4)) "</output>")
    /* */
    LAYER(4, "axis", "Const",
          "<data element_type=\"i64\" shape=\"\" offset=\"16\" size=\"8\"/>"
          "<output><port id=\"0\" precision=\"I64\"/></output>")
    /* */
    LAYER(5, "halves", "Split",
          "<data num_splits=\"2\"/><input>" IN(
              0, DIMS(1, 4)) "<port id=\"1\" precision=\"I64\"/></input><output>" OUT(2, "left",
                                                                                      DIMS(1, 2))
              OUT(3, "right", DIMS(1, 2)) "</output>")
    /* */
    LAYER(6, "result", "Result", "<input>" IN(0, DIMS(1, 4)) "</input>")
    /* */
    "</layers>\n<edges>\n" EDGE(0, 0, 2, 0) EDGE(1, 0, 2, 1) EDGE(2, 2, 3, 0) EDGE(2, 2, 3, 1)
        EDGE(2, 2, 5, 0) EDGE(4, 0, 5, 1) EDGE(3, 2, 6, 0) "</edges>\n</net>\n";

/* 10, 20, 30, 40 as 32-bit floats; the axis 1 as a 64-bit number. */
const guint8 network_weights[32] = {0, 0, 0x20, 0x41, 0, 0, 0xa0, 0x41, 0, 0, 0xf0, 0x41,
                                    0, 0, 0x20, 0x42, 1, 0, 0,    0,    0, 0, 0,    0};

#define ANY "<dim>-1</dim><dim>3</dim><dim>-1</dim><dim>-1</dim>"

const char network_image_ir[] = "<net name=\"image\" version=\"11\">\n<layers>\n"
    /* */
    LAYER(0, "image", "Parameter",
          "<data shape=\"?,3,?,?\" element_type=\"f32\"/><output>" OUT(0, "image", ANY) "</output>")
    /* */
    LAYER(1, "two", "Const",
          "<data element_type=\"f32\" shape=\"1\" offset=\"0\" size=\"4\"/>"
          "<output>" OUT(0, "two", "<dim>1</dim>") "</output>")
    /* */
    LAYER(2, "doubled", "Multiply",
          "<data auto_broadcast=\"numpy\"/><input>" IN(0, ANY)
              IN(1, "<dim>1</dim>") "</input><output>" OUT(2, "doubled", ANY) "</output>")
    /* */
    LAYER(3, "axes", "Const",
          "<data element_type=\"i64\" shape=\"2\" offset=\"4\" size=\"16\"/>"
          "<output><port id=\"0\" precision=\"I64\"><dim>2</dim></port></output>")
    /* */
    LAYER(4, "mean", "ReduceMean",
          "<data keep_dims=\"false\"/><input>" IN(0, ANY) "<port id=\"1\" "
                                                          "precision=\"I64\"><dim>2</dim></port></"
                                                          "input><output>" OUT(
                                                              2, "mean", DIMS(-1, 3)) "</output>")
    /* */
    LAYER(5, "halved", "AvgPool",
          "<data kernel=\"2,2\" strides=\"2,2\" pads_begin=\"0,0\" pads_end=\"0,0\" "
          "exclude-pad=\"true\" rounding_type=\"floor\"/><input>" IN(0, ANY) "</input><output>" OUT(
              1, "halved", ANY) "</output>")
    /* */
    LAYER(6, "order", "Const",
          "<data element_type=\"i64\" shape=\"4\" offset=\"20\" size=\"32\"/>"
          "<output><port id=\"0\" precision=\"I64\"><dim>4</dim></port></output>")
    /* */
    LAYER(
        7, "last", "Transpose",
        "<input>" IN(0, ANY) "<port id=\"1\" "
                             "precision=\"I64\"><dim>4</dim></port></input><output>" OUT(
                                 2, "last",
                                 "<dim>-1</dim><dim>-1</dim><dim>-1</dim><dim>3</dim>") "</output>")
    /* */
    LAYER(8, "shape", "Const",
          "<data element_type=\"i64\" shape=\"3\" offset=\"52\" size=\"24\"/>"
          "<output><port id=\"0\" precision=\"I64\"><dim>3</dim></port></output>")
    /* */
    LAYER(9, "tokens", "Reshape",
          "<data special_zero=\"false\"/><input>" IN(
              0, "<dim>-1</dim><dim>-1</dim><dim>-1</"
                 "dim><dim>3</dim>") "<port id=\"1\" "
                                     "precision=\"I64\"><dim>"
                                     "3</dim></port></"
                                     "input><output>" OUT(2, "tokens",
                                                          "<dim>1</"
                                                          "dim><dim>-1</"
                                                          "dim><dim>3</dim>") "</output>")
    /* */
    LAYER(10, "eighth", "AvgPool",
          "<data kernel=\"8,8\" strides=\"8,8\" pads_begin=\"0,0\" pads_end=\"0,0\" "
          "exclude-pad=\"true\" rounding_type=\"floor\"/><input>" IN(0, ANY) "</input><output>" OUT(
              1, "eighth", ANY) "</output>")
    /* */
    LAYER(11, "result", "Result", "<input>" IN(0, ANY) "</input>")
    /* */
    "</layers>\n<edges>\n" EDGE(0, 0, 2, 0) EDGE(1, 0, 2, 1) EDGE(2, 2, 4, 0) EDGE(3, 0, 4, 1)
        EDGE(2, 2, 5, 0) EDGE(2, 2, 7, 0) EDGE(6, 0, 7, 1) EDGE(7, 2, 9, 0) EDGE(8, 0, 9, 1)
            EDGE(2, 2, 10, 0) EDGE(2, 2, 11, 0) "</edges>\n</net>\n";

/* 2 as a 32-bit float, then 64-bit numbers: the axes 2, 3; the order 0, 2, 3, 1; the shape 1,
 * -1, 3. */
const guint8 network_image_weights[76] = {
    0, 0, 0, 0x40, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0,    0,    0,    0,    0,    0,    0,    0,    0,
    0, 0, 0, 0,    0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0,    0,    0,    0,    0,    0,    0,    1,    0,
    0, 0, 0, 0,    0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3};

/* ---- ONNX ---- */

/* Protocol buffers: a field is a key (number and kind) and a number, or a key, a length and bytes.
 */
static void put_number(GByteArray *out, guint field, guint8 number) {
  const guint8 bytes[] = {(guint8)(field << 3), number};
  const guint8 wide[] = {(guint8)(field << 3) | 128, (guint8)(field >> 4), number};
  g_byte_array_append(out, field < 16 ? bytes : wide, field < 16 ? sizeof bytes : sizeof wide);
}

static void put_bytes(GByteArray *out, guint field, gconstpointer data, gsize size) {
  const guint8 head[] = {(guint8)(field << 3 | 2), (guint8)(size & 127) | (size > 127 ? 128 : 0),
                         (guint8)(size >> 7)};
  g_assert_cmpuint(size, <, 1 << 14);
  g_byte_array_append(out, head, size > 127 ? 3 : 2);
  g_byte_array_append(out, data, (guint)size);
}

static void put_string(GByteArray *out, guint field, const char *text) {
  put_bytes(out, field, text, strlen(text));
}

static void put_message(GByteArray *out, guint field, GByteArray *message) {
  put_bytes(out, field, message->data, message->len);
  g_byte_array_unref(message);
}

static GByteArray *node(const char *op, const char *input, const char *output) {
  GByteArray *out = g_byte_array_new();
  put_string(out, 1, input);
  put_string(out, 2, output);
  put_string(out, 4, op);
  return out;
}

/* A tensor of 1 x 4 floats. */
static GByteArray *value(const char *name) {
  GByteArray *one = g_byte_array_new(), *four = g_byte_array_new(), *shape = g_byte_array_new();
  put_number(one, 1, 1);
  put_number(four, 1, 4);
  put_message(shape, 1, one);
  put_message(shape, 1, four);
  GByteArray *tensor = g_byte_array_new(), *type = g_byte_array_new(), *out = g_byte_array_new();
  put_number(tensor, 1, 1);
  put_message(tensor, 2, shape);
  put_message(type, 1, tensor);
  put_string(out, 1, name);
  put_message(out, 2, type);
  return out;
}

/* The model of @graph, which it takes. */
static GBytes *model_of(GByteArray *graph) {
  GByteArray *opset = g_byte_array_new(), *model = g_byte_array_new();
  put_string(opset, 1, "");
  put_number(opset, 2, 13);
  put_number(model, 1, 8);
  put_message(model, 7, graph);
  put_message(model, 8, opset);
  return g_byte_array_free_to_bytes(model);
}

GBytes *network_onnx(void) {
  GByteArray *graph = g_byte_array_new();
  put_message(graph, 1, node("Relu", "x", "a"));
  put_message(graph, 1, node("Neg", "a", "b"));
  put_message(graph, 1, node("Abs", "b", "c"));
  put_string(graph, 2, "small");
  put_message(graph, 11, value("x"));
  put_message(graph, 12, value("c"));
  return model_of(graph);
}

/* ---- an anomaly model ---- */

#define AXIS_BIN "<data element_type=\"i64\" shape=\"1\" offset=\"0\" size=\"8\"/>"
#define IMAGE "<dim>1</dim><dim>3</dim><dim>8</dim><dim>8</dim>"
#define MAP "<dim>1</dim><dim>1</dim><dim>8</dim><dim>8</dim>"

const char network_map_ir[] = "<net name=\"map\" version=\"11\">\n<layers>\n"
    /* */
    LAYER(
        0, "image", "Parameter",
        "<data shape=\"1,3,8,8\" element_type=\"f32\"/><output>" OUT(0, "image", IMAGE) "</output>")
    /* */
    LAYER(1, "axis", "Const",
          AXIS_BIN "<output><port id=\"0\" precision=\"I64\"><dim>1</dim></port></output>")
    /* */
    LAYER(
        2, "mean", "ReduceMean",
        "<data keep_dims=\"true\"/><input>" IN(0, IMAGE) "<port id=\"1\" precision=\"I64\">"
                                                         "<dim>1</dim></port></input><output>" OUT(
                                                             2, "anomaly_map", MAP) "</output>")
    /* */
    LAYER(3, "result", "Result", "<input>" IN(0, MAP) "</input>")
    /* */
    "</layers>\n<edges>\n" EDGE(0, 0, 2, 0) EDGE(1, 0, 2, 1) EDGE(2, 2, 3, 0) "</edges>\n</net>\n";

const guint8 network_map_weights[8] = {1};

/* INT or INTS. */
static GByteArray *attribute(const char *name, guint field, guint8 number) {
  GByteArray *out = g_byte_array_new();
  put_string(out, 1, name);
  put_number(out, field, number);
  put_number(out, 20, field == 3 ? 2 : 7);
  return out;
}

/* Over the channels, which stay as one. */
static GByteArray *mean_node(const char *input, const char *output) {
  GByteArray *out = node("ReduceMean", input, output);
  put_message(out, 5, attribute("axes", 8, 1));
  put_message(out, 5, attribute("keepdims", 3, 1));
  return out;
}

static GByteArray *largest_node(const char *input, const char *output) {
  GByteArray *out = node("ReduceMax", input, output);
  put_message(out, 5, attribute("keepdims", 3, 0));
  return out;
}

static GByteArray *equal_node(const char *input, const char *output) {
  GByteArray *out = node("Equal", input, output);
  put_string(out, 1, input);
  return out;
}

static void put_nodes(GByteArray *graph, const NetworkOutput *output) {
  switch (output->kind) {
  case NETWORK_MAP:
    put_message(graph, 1, mean_node("image", output->name));
    break;
  case NETWORK_SCORE:
    put_message(graph, 1, largest_node("image", output->name));
    break;
  case NETWORK_COLOUR:
    put_message(graph, 1, node("Abs", "image", output->name));
    break;
  case NETWORK_MASK:
    put_message(graph, 1, equal_node("image", output->name));
    break;
  case NETWORK_NO_NUMBER:
    put_message(graph, 1, node("Neg", "image", "negative"));
    put_message(graph, 1, node("Log", "negative", "logarithm"));
    put_message(graph, 1, mean_node("logarithm", output->name));
    break;
  }
}

/* A tensor of floats (1) or booleans (9); @shape: may be NULL. */
static GByteArray *typed_value(const char *name, guint8 element, GByteArray *shape) {
  GByteArray *tensor = g_byte_array_new(), *type = g_byte_array_new(), *out = g_byte_array_new();
  put_number(tensor, 1, element);
  if (shape)
    put_message(tensor, 2, shape);
  put_message(type, 1, tensor);
  put_string(out, 1, name);
  put_message(out, 2, type);
  return out;
}

static GByteArray *image_value(guint8 height, guint8 width) {
  const guint8 sizes[] = {1, 3, height, width};
  GByteArray *shape = g_byte_array_new();
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    GByteArray *dimension = g_byte_array_new();
    if (sizes[i])
      put_number(dimension, 1, sizes[i]);
    else
      put_string(dimension, 2, i == 2 ? "height" : "width");
    put_message(shape, 1, dimension);
  }
  return typed_value("image", 1, shape);
}

GBytes *network_anomaly_onnx(guint8 height, guint8 width, const NetworkOutput *outputs, gsize n) {
  GByteArray *graph = g_byte_array_new();
  for (gsize i = 0; i < n; i++)
    put_nodes(graph, &outputs[i]);
  put_string(graph, 2, "anomaly");
  put_message(graph, 11, image_value(height, width));
  for (gsize i = 0; i < n; i++)
    put_message(graph, 12,
                typed_value(outputs[i].name, outputs[i].kind == NETWORK_MASK ? 9 : 1, NULL));
  return model_of(graph);
}

/* ---- a resize ---- */

static GByteArray *text_attribute(const char *name, const char *text) {
  GByteArray *out = g_byte_array_new();
  put_string(out, 1, name);
  put_string(out, 4, text);
  put_number(out, 20, 3);
  return out;
}

/* The constant 1, 3, @height, @width. */
static GByteArray *sizes_value(const char *name, guint8 height, guint8 width) {
  const guint8 sizes[] = {1, 3, height, width};
  GByteArray *out = g_byte_array_new();
  put_number(out, 1, G_N_ELEMENTS(sizes));
  put_number(out, 2, 7);
  put_bytes(out, 7, sizes, sizeof sizes);
  put_string(out, 8, name);
  return out;
}

GBytes *network_resize_onnx(guint8 height, guint8 width, const char *mode) {
  GByteArray *graph = g_byte_array_new();
  GByteArray *resize = g_byte_array_new();
  static const char *const inputs[] = {"same", "", "", "sizes"};
  for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
    put_string(resize, 1, inputs[i]);
  put_string(resize, 2, "resized");
  put_string(resize, 4, "Resize");
  put_message(resize, 5, text_attribute("mode", mode));
  put_message(resize, 5, text_attribute("coordinate_transformation_mode", "half_pixel"));
  put_message(graph, 1, node("Abs", "image", "same"));
  put_message(graph, 1, resize);
  put_message(graph, 1, node("Neg", "resized", "negative"));
  put_string(graph, 2, "resize");
  put_message(graph, 5, sizes_value("sizes", height, width));
  put_message(graph, 11, image_value(0, 0));
  put_message(graph, 12, typed_value("negative", 1, NULL));
  return model_of(graph);
}

/* ---- a denoiser ---- */

/* Of @rank dimensions, all open but the second of an image. */
static GByteArray *open_value(const char *name, const char *const *dimensions) {
  GByteArray *shape = g_byte_array_new();
  for (gsize i = 0; dimensions[i]; i++) {
    GByteArray *dimension = g_byte_array_new();
    if (g_str_equal(dimensions[i], "3"))
      put_number(dimension, 1, 3);
    else
      put_string(dimension, 2, dimensions[i]);
    put_message(shape, 1, dimension);
  }
  return typed_value(name, 1, shape);
}

/* The constant 1, 2, 3: the axes of an image but for the batch's. */
static GByteArray *axes_value(const char *name) {
  const guint8 axes[] = {1, 2, 3};
  GByteArray *out = g_byte_array_new();
  put_number(out, 1, G_N_ELEMENTS(axes));
  put_number(out, 2, 7);
  put_bytes(out, 7, axes, sizeof axes);
  put_string(out, 8, name);
  return out;
}

static GByteArray *pair_node(const char *op, const char *first, const char *second,
                             const char *output) {
  GByteArray *out = g_byte_array_new();
  put_string(out, 1, first);
  put_string(out, 1, second);
  put_string(out, 2, output);
  put_string(out, 4, op);
  return out;
}

/* Means over squares of 2 x 2. */
static GByteArray *halving_node(const char *input, const char *output) {
  const guint8 two[] = {2, 2};
  GByteArray *out = node("AveragePool", input, output);
  static const char *const names[] = {"kernel_shape", "strides"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    GByteArray *sizes = g_byte_array_new();
    put_string(sizes, 1, names[i]);
    put_bytes(sizes, 8, two, sizeof two);
    put_number(sizes, 20, 7);
    put_message(out, 5, sizes);
  }
  return out;
}

GBytes *network_denoiser_onnx(gboolean coarse) {
  static const char *const image[] = {"n", "3", "h", "w", NULL}, *const step[] = {"n", NULL};
  GByteArray *graph = g_byte_array_new();
  put_message(graph, 1, pair_node("Unsqueeze", "step", "axes", "level"));
  put_message(graph, 1, pair_node("Sub", "level", "level", "zero"));
  put_message(graph, 1, pair_node("Add", "image", "zero", "whole"));
  put_message(graph, 1,
              coarse ? halving_node("whole", "noise") : node("Identity", "whole", "noise"));
  put_string(graph, 2, "denoiser");
  put_message(graph, 5, axes_value("axes"));
  put_message(graph, 11, open_value("image", image));
  put_message(graph, 11, open_value("step", step));
  put_message(graph, 12, typed_value("noise", 1, NULL));
  return model_of(graph);
}
