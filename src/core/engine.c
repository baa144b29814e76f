#include "core/engine.h"

#include "core/cut.h"
#include "core/error.h"
#include "core/file.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <openvino/c/openvino.h>
#include <string.h>

/* What nets that share a network have in common. */
typedef struct {
  ov_tensor_t *weights; /* that the model's constants point into */
  ov_compiled_model_t *compiled;
} Compiled;

struct _VelmNet {
  char *name;         /* what messages call it */
  Compiled *compiled; /* of g_atomic_rc_box */
  ov_infer_request_t *request;
  ov_tensor_t *input;
  gsize n_input;  /* bytes */
  gsize n_others; /* inputs after the first */
  ov_tensor_t **others;
  int width, height; /* of the image; 0 where the input is none */
  gboolean any_size; /* the compiled network takes images of any */
  gboolean any_type; /* an output of another type is let be */
  gsize n_outputs;
  ov_tensor_t **tensors;
  VelmTensor *outputs;
};

/* ---- OpenVINO's errors and core ---- */

/* Reading and compiling take several times a network's size for a moment, which the allocator would
 * keep. */
static void give_back_memory(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

static gboolean check(ov_status_e status, const char *name, GError **error) {
  if (status == OK)
    return TRUE;
  const char *detail = ov_get_last_err_msg();
  g_autoptr(GError) cause = g_error_new(VELM_ERROR, VELM_ERROR_ENGINE, "%s: %s", name,
                                        detail && detail[0] ? detail : ov_get_error_info(status));
  if (detail)
    ov_free(detail);
  velm_error_one_line(cause);
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

static ov_core_t *core_get(GError **error) {
  static GMutex mutex;
  static ov_core_t *core;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&mutex);
  if (!core && !check(ov_core_create(&core), "OpenVINO", error))
    core = NULL;
  return core;
}

/* ---- reading ---- */

static ov_model_t *read_text(const char *text, gsize length, const ov_tensor_t *weights,
                             const char *name, GError **error) {
  ov_core_t *core = core_get(error);
  ov_model_t *model = NULL;
  if (!core || !check(ov_core_read_model_from_memory_buffer(core, text, length, weights, &model),
                      name, error))
    return NULL;
  return model;
}

static ov_tensor_t *copy_weights(gconstpointer data, gsize size, const char *name, GError **error) {
  ov_tensor_t *tensor = NULL;
  ov_shape_t shape;
  int64_t dims[1] = {(int64_t)size};
  if (!check(ov_shape_create(1, dims, &shape), name, error))
    return NULL;
  gboolean ok = check(ov_tensor_create(U8, shape, &tensor), name, error);
  ov_shape_free(&shape);
  void *bytes = NULL;
  if (!ok || !check(ov_tensor_data(tensor, &bytes), name, error))
    return NULL;
  memcpy(bytes, data, size);
  return tensor;
}

/* The IR at @path, cut at @layers; its .bin is read into @weights. */
static ov_model_t *read_ir(const char *path, const char *const *layers, ov_tensor_t **weights,
                           GError **error) {
  g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".xml"));
  g_autofree char *bin = g_strconcat(stem, ".bin", NULL);
  g_autoptr(GBytes) xml = velm_file_read(path, error);
  g_autoptr(GBytes) data = xml ? velm_file_read(bin, error) : NULL;
  if (!data)
    return NULL;
  gsize length = 0, size = 0;
  const char *text = g_bytes_get_data(xml, &length);
  g_autofree char *cut = velm_cut_ir(text, length, layers, path, error);
  gconstpointer bytes = g_bytes_get_data(data, &size);
  if (!cut || !(*weights = copy_weights(bytes, size, path, error)))
    return NULL;
  return read_text(cut, strlen(cut), *weights, path, error);
}

static ov_model_t *read_onnx(const char *path, const char *const *layers, GError **error) {
  g_autoptr(GBytes) onnx = velm_file_read(path, error);
  g_autoptr(GBytes) cut = onnx ? velm_cut_onnx(onnx, layers, path, error) : NULL;
  g_clear_pointer(&onnx, g_bytes_unref);
  if (!cut)
    return NULL;
  give_back_memory();
  gsize length = 0;
  const char *text = g_bytes_get_data(cut, &length);
  return read_text(text, length, NULL, path, error);
}

/* By its path, for weights may lie in files beside it. */
static ov_model_t *read_whole(const char *path, GError **error) {
  if (!g_str_has_suffix(path, ".xml")) {
    /* OpenVINO would ask all that read other formats, some of which write to the terminal. */
    g_autoptr(GBytes) onnx = velm_file_read(path, error);
    if (!onnx || !velm_cut_check_onnx(onnx, path, error))
      return NULL;
  }
  ov_core_t *core = core_get(error);
  ov_model_t *model = NULL;
  if (!core || !check(ov_core_read_model(core, path, NULL, &model), path, error))
    return NULL;
  return model;
}

static ov_model_t *read_model(const char *path, const char *const *layers, ov_tensor_t **weights,
                              GError **error) {
  if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such network file", path);
    return NULL;
  }
  if (layers)
    return g_str_has_suffix(path, ".xml") ? read_ir(path, layers, weights, error)
                                          : read_onnx(path, layers, error);
  return read_whole(path, error);
}

/* ---- image input: bytes in, normalised in the graph ---- */

/* The shape of the only input, to be freed by ov_partial_shape_free(). */
static gboolean read_input_shape(const ov_model_t *model, ov_partial_shape_t *shape,
                                 const char *name, GError **error) {
  ov_output_const_port_t *port = NULL;
  if (!check(ov_model_const_input(model, &port), name, error))
    return FALSE;
  gboolean ok = check(ov_port_get_partial_shape(port, shape), name, error);
  ov_output_const_port_free(port);
  return ok;
}

/* Whether a dimension may be @size. */
static gboolean admits(ov_dimension_t dimension, gint64 size) {
  return dimension.min <= size && (dimension.max < 0 || size <= dimension.max);
}

static gboolean is_fixed(ov_dimension_t dimension) {
  return dimension.min == dimension.max && dimension.min > 0;
}

/* One colour image, whose size may be open. */
static gboolean check_image_shape(const ov_partial_shape_t *shape, const char *name,
                                  GError **error) {
  gint64 rank = shape->rank.min == shape->rank.max ? shape->rank.min : -1;
  if (rank != 4 || !admits(shape->dims[1], 3)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: its input is no colour image, 1 x 3 x height x width", name);
    return FALSE;
  }
  if (!admits(shape->dims[0], 1)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: takes %" G_GINT64_FORMAT " images at once: export it for a batch of one", name,
                shape->dims[0].min);
    return FALSE;
  }
  return TRUE;
}

/* Puts the network's own size into @params. */
static gboolean take_own_size(const ov_model_t *model, VelmNetParams *params, const char *name,
                              GError **error) {
  ov_partial_shape_t shape;
  if (!read_input_shape(model, &shape, name, error))
    return FALSE;
  gboolean ok = check_image_shape(&shape, name, error);
  if (ok && is_fixed(shape.dims[2]) && is_fixed(shape.dims[3])) {
    params->height = (int)MIN(shape.dims[2].min, G_MAXINT);
    params->width = (int)MIN(shape.dims[3].min, G_MAXINT);
  } else if (ok && (params->width <= 0 || params->height <= 0)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "%s: takes images of any size: name the one that they are to be given in (--size)",
                name);
    ok = FALSE;
  }
  ov_partial_shape_free(&shape);
  return ok;
}

static gboolean set_input_shape(ov_model_t *model, const VelmNetParams *params, const char *name,
                                GError **error) {
  const ov_dimension_t any = {-1, -1}, height = {params->height, params->height},
                       width = {params->width, params->width};
  const ov_dimension_t dims[4] = {
      {1, 1}, {3, 3}, params->any_size ? any : height, params->any_size ? any : width};
  ov_partial_shape_t partial;
  if (!check(ov_partial_shape_create(4, dims, &partial), name, error))
    return FALSE;
  gboolean ok = check(ov_model_reshape_single_input(model, partial), name, error);
  ov_partial_shape_free(&partial);
  return ok;
}

typedef struct {
  ov_preprocess_prepostprocessor_t *all;
  ov_preprocess_input_info_t *input;
  ov_preprocess_input_tensor_info_t *tensor;
  ov_preprocess_preprocess_steps_t *steps;
  ov_preprocess_input_model_info_t *inner;
  ov_layout_t *nhwc, *nchw;
} Preprocess;

static void preprocess_clear(Preprocess *p) {
  if (p->nhwc)
    ov_layout_free(p->nhwc);
  if (p->nchw)
    ov_layout_free(p->nchw);
  if (p->inner)
    ov_preprocess_input_model_info_free(p->inner);
  if (p->steps)
    ov_preprocess_preprocess_steps_free(p->steps);
  if (p->tensor)
    ov_preprocess_input_tensor_info_free(p->tensor);
  if (p->input)
    ov_preprocess_input_info_free(p->input);
  if (p->all)
    ov_preprocess_prepostprocessor_free(p->all);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Preprocess, preprocess_clear)

static ov_status_e preprocess_build(Preprocess *p, const VelmNetParams *params, ov_model_t *model,
                                    ov_model_t **built) {
  ov_status_e s;
  if ((s = ov_preprocess_prepostprocessor_create(model, &p->all)) != OK ||
      (s = ov_preprocess_prepostprocessor_get_input_info_by_index(p->all, 0, &p->input)) != OK ||
      (s = ov_preprocess_input_info_get_tensor_info(p->input, &p->tensor)) != OK ||
      (s = ov_preprocess_input_tensor_info_set_element_type(
           p->tensor, params->float_pixels ? F32 : U8)) != OK ||
      (s = ov_layout_create("NHWC", &p->nhwc)) != OK ||
      (s = ov_preprocess_input_tensor_info_set_layout(p->tensor, p->nhwc)) != OK ||
      (s = ov_preprocess_input_info_get_preprocess_steps(p->input, &p->steps)) != OK ||
      (s = ov_preprocess_preprocess_steps_convert_element_type(p->steps, F32)) != OK ||
      (s = ov_preprocess_preprocess_steps_mean_multi_channels(p->steps, params->mean, 3)) != OK ||
      (s = ov_preprocess_preprocess_steps_scale_multi_channels(p->steps, params->scale, 3)) != OK ||
      (s = ov_preprocess_input_info_get_model_info(p->input, &p->inner)) != OK ||
      (s = ov_layout_create("NCHW", &p->nchw)) != OK ||
      (s = ov_preprocess_input_model_info_set_layout(p->inner, p->nchw)) != OK)
    return s;
  return ov_preprocess_prepostprocessor_build(p->all, built);
}

/* Returns @model with its input made an image of bytes; takes @model. */
static ov_model_t *take_images(ov_model_t *model, const VelmNetParams *params, const char *name,
                               GError **error) {
  g_auto(Preprocess) preprocess = {0};
  ov_model_t *built = NULL;
  if (set_input_shape(model, params, name, error))
    check(preprocess_build(&preprocess, params, model, &built), name, error);
  ov_model_free(model);
  return built;
}

/* ---- inputs that are no images: floats in, converted in the graph ---- */

static gboolean check_n_inputs(const ov_model_t *model, gsize expected, const char *name,
                               GError **error) {
  size_t n = 0;
  if (!check(ov_model_inputs_size(model, &n), name, error))
    return FALSE;
  if (n == expected)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
              "%s: has %" G_GSIZE_FORMAT " inputs; %" G_GSIZE_FORMAT " are needed", name, (gsize)n,
              expected);
  return FALSE;
}

static gboolean set_input_shapes(ov_model_t *model, const VelmNetParams *params, const char *name,
                                 GError **error) {
  g_autofree size_t *indices = g_new(size_t, params->n_inputs);
  g_autofree ov_partial_shape_t *shapes = g_new0(ov_partial_shape_t, params->n_inputs);
  gboolean ok = TRUE;
  for (gsize i = 0; ok && i < params->n_inputs; i++) {
    const VelmNetShape *shape = &params->inputs[i];
    indices[i] = i;
    ok = check(ov_partial_shape_create_static((int64_t)shape->rank, shape->dims, &shapes[i]), name,
               error);
  }
  ok = ok && check(ov_model_reshape_by_port_indexes(model, indices, shapes, params->n_inputs), name,
                   error);
  for (gsize i = 0; i < params->n_inputs; i++)
    ov_partial_shape_free(&shapes[i]);
  return ok;
}

static ov_status_e take_floats(const ov_preprocess_prepostprocessor_t *all, gsize index) {
  ov_preprocess_input_info_t *input = NULL;
  ov_preprocess_input_tensor_info_t *tensor = NULL;
  ov_status_e status = ov_preprocess_prepostprocessor_get_input_info_by_index(all, index, &input);
  if (status == OK)
    status = ov_preprocess_input_info_get_tensor_info(input, &tensor);
  if (status == OK)
    status = ov_preprocess_input_tensor_info_set_element_type(tensor, F32);
  if (tensor)
    ov_preprocess_input_tensor_info_free(tensor);
  if (input)
    ov_preprocess_input_info_free(input);
  return status;
}

/* Returns @model with all its inputs taking floats of the shapes that @params say; takes @model. */
static ov_model_t *take_inputs(ov_model_t *model, const VelmNetParams *params, const char *name,
                               GError **error) {
  ov_preprocess_prepostprocessor_t *all = NULL;
  ov_model_t *built = NULL;
  gboolean ok = check_n_inputs(model, params->n_inputs, name, error) &&
                set_input_shapes(model, params, name, error) &&
                check(ov_preprocess_prepostprocessor_create(model, &all), name, error);
  for (gsize i = 0; ok && i < params->n_inputs; i++)
    ok = check(take_floats(all, i), name, error);
  if (ok)
    check(ov_preprocess_prepostprocessor_build(all, &built), name, error);
  if (all)
    ov_preprocess_prepostprocessor_free(all);
  ov_model_free(model);
  return built;
}

/* ---- compiling ---- */

static void compiled_clear(gpointer data) {
  Compiled *compiled = data;
  if (compiled->compiled)
    ov_compiled_model_free(compiled->compiled);
  if (compiled->weights)
    ov_tensor_free(compiled->weights);
}

static gboolean compile(VelmNet *net, const ov_model_t *model, const VelmNetParams *params,
                        GError **error) {
  ov_core_t *core = core_get(error);
  if (!core)
    return FALSE;
  g_autofree char *streams = g_strdup_printf("%u", MAX(1, params->streams));
  const char *mode = params->streams > 1 ? "THROUGHPUT" : "LATENCY";
  ov_compiled_model_t **compiled = &net->compiled->compiled;
  ov_status_e status = params->exact
                           ? ov_core_compile_model(core, model, "CPU", 6, compiled,
                                                   ov_property_key_hint_performance_mode, mode,
                                                   ov_property_key_num_streams, streams,
                                                   ov_property_key_hint_inference_precision, "f32")
                           : ov_core_compile_model(core, model, "CPU", 4, compiled,
                                                   ov_property_key_hint_performance_mode, mode,
                                                   ov_property_key_num_streams, streams);
  return check(status, net->name, error);
}

/* The C API takes a tensor without dimensions, a single number, for a mistake of the caller. */
static ov_status_e get_shape(const ov_tensor_t *tensor, ov_shape_t *shape) {
  size_t n = 0;
  ov_status_e status = ov_tensor_get_shape(tensor, shape);
  if (status != INVALID_C_PARAM || ov_tensor_get_size(tensor, &n) != OK || n != 1)
    return status;
  *shape = (ov_shape_t){0};
  return OK;
}

static gboolean bind_output(VelmNet *net, gsize index, GError **error) {
  VelmTensor *output = &net->outputs[index];
  ov_shape_t shape;
  ov_element_type_e type;
  void *data = NULL;
  g_clear_pointer(&net->tensors[index], ov_tensor_free);
  if (!check(ov_infer_request_get_output_tensor_by_index(net->request, index, &net->tensors[index]),
             net->name, error) ||
      !check(ov_tensor_get_element_type(net->tensors[index], &type), net->name, error) ||
      !check(get_shape(net->tensors[index], &shape), net->name, error))
    return FALSE;
  gboolean fits = shape.rank >= 0 && shape.rank <= (int64_t)G_N_ELEMENTS(output->dims);
  output->rank = fits ? (gsize)shape.rank : 0;
  output->n = 1;
  for (gsize i = 0; i < output->rank; i++) {
    output->dims[i] = shape.dims[i];
    output->n *= (gsize)shape.dims[i];
  }
  ov_shape_free(&shape);
  if (net->any_type && (!fits || type != F32))
    return TRUE;
  if (!fits || type != F32) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: output %" G_GSIZE_FORMAT " is no tensor of 32-bit floats", net->name, index);
    return FALSE;
  }
  if (!check(ov_tensor_data(net->tensors[index], &data), net->name, error))
    return FALSE;
  output->data = data;
  return TRUE;
}

/* Takes @model. Returns: with its inputs as @params say, or NULL. */
static ov_model_t *fit_input(VelmNet *net, ov_model_t *model, const VelmNetParams *params,
                             GError **error) {
  VelmNetParams sized = *params;
  if (model && params->inputs)
    return take_inputs(model, params, net->name, error);
  if (model && params->own_size && !take_own_size(model, &sized, net->name, error)) {
    ov_model_free(model);
    return NULL;
  }
  net->width = sized.width;
  net->height = sized.height;
  return model && sized.width > 0 ? take_images(model, &sized, net->name, error) : model;
}

static gboolean bind_outputs(VelmNet *net, GError **error) {
  for (gsize i = 0; i < net->n_outputs; i++)
    if (!bind_output(net, i, error))
      return FALSE;
  return TRUE;
}

/* One inference. A static shape gives each the same output memory. */
static gboolean infer(VelmNet *net, GError **error) {
  return check(ov_infer_request_infer(net->request), net->name, error) &&
         (!net->any_size || bind_outputs(net, error));
}

/* Gives @net, whose network takes any size, an input of its own size. */
static gboolean make_input(VelmNet *net, GError **error) {
  ov_shape_t shape;
  if (net->input)
    ov_tensor_free(net->input);
  net->input = NULL;
  if (!check(ov_shape_create(4, (const int64_t[]){1, net->height, net->width, 3}, &shape),
             net->name, error))
    return FALSE;
  gboolean ok = check(ov_tensor_create(U8, shape, &net->input), net->name, error);
  ov_shape_free(&shape);
  net->n_input = (gsize)net->height * (gsize)net->width * 3;
  return ok && check(ov_infer_request_set_input_tensor_by_index(net->request, 0, net->input),
                     net->name, error);
}

/* And tries it, for only then is it known how large the outputs are. */
static gboolean bind_size(VelmNet *net, GError **error) {
  void *data = NULL;
  if (!make_input(net, error) || !check(ov_tensor_data(net->input, &data), net->name, error))
    return FALSE;
  memset(data, 0, net->n_input);
  return infer(net, error);
}

static gboolean bind_others(VelmNet *net, GError **error) {
  net->others = g_new0(ov_tensor_t *, net->n_others);
  for (gsize i = 0; i < net->n_others; i++)
    if (!check(ov_infer_request_get_input_tensor_by_index(net->request, i + 1, &net->others[i]),
               net->name, error))
      return FALSE;
  return TRUE;
}

gboolean velm_net_set_size(VelmNet *net, int width, int height, GError **error) {
  if (net->width == width && net->height == height)
    return TRUE;
  net->width = width;
  net->height = height;
  return make_input(net, error);
}

/* Gives @net, whose network is compiled, an inference with input and outputs. */
static gboolean bind(VelmNet *net, GError **error) {
  ov_compiled_model_t *compiled = net->compiled->compiled;
  if (!check(ov_compiled_model_create_infer_request(compiled, &net->request), net->name, error) ||
      !check(ov_compiled_model_outputs_size(compiled, &net->n_outputs), net->name, error))
    return FALSE;
  net->tensors = g_new0(ov_tensor_t *, net->n_outputs);
  net->outputs = g_new0(VelmTensor, net->n_outputs);
  if (net->any_size)
    return bind_size(net, error);
  return check(ov_infer_request_get_input_tensor_by_index(net->request, 0, &net->input), net->name,
               error) &&
         check(ov_tensor_get_byte_size(net->input, &net->n_input), net->name, error) &&
         bind_others(net, error) && bind_outputs(net, error);
}

/* Takes @model and @weights. */
static VelmNet *net_new(ov_model_t *model, ov_tensor_t *weights, const VelmNetParams *params,
                        const char *name, GError **error) {
  g_autoptr(VelmNet) net = g_new0(VelmNet, 1);
  net->name = g_strdup(name);
  net->any_size = params->any_size;
  net->any_type = params->any_type;
  net->n_others = params->inputs ? params->n_inputs - 1 : 0;
  net->compiled = g_atomic_rc_box_new0(Compiled);
  net->compiled->weights = weights;
  model = fit_input(net, model, params, error);
  gboolean ok = model && compile(net, model, params, error);
  if (model)
    ov_model_free(model);
  give_back_memory();
  return ok && bind(net, error) ? g_steal_pointer(&net) : NULL;
}

VelmNet *velm_net_share_at(VelmNet *net, int width, int height, GError **error) {
  g_autoptr(VelmNet) other = g_new0(VelmNet, 1);
  other->name = g_strdup(net->name);
  other->compiled = g_atomic_rc_box_acquire(net->compiled);
  other->any_size = net->any_size;
  other->any_type = net->any_type;
  other->n_others = net->n_others;
  other->width = width;
  other->height = height;
  return bind(other, error) ? g_steal_pointer(&other) : NULL;
}

VelmNet *velm_net_share(VelmNet *net, GError **error) {
  return velm_net_share_at(net, net->width, net->height, error);
}

VelmNet *velm_net_open(const char *path, const VelmNetParams *params, GError **error) {
  ov_tensor_t *weights = NULL;
  ov_model_t *model = read_model(path, params->layers, &weights, error);
  return net_new(model, weights, params, path, error);
}

VelmNet *velm_net_compile(const char *xml, gconstpointer data, gsize size,
                          const VelmNetParams *params, GError **error) {
  g_autofree char *cut =
      params->layers ? velm_cut_ir(xml, strlen(xml), params->layers, "network", error) : NULL;
  if (params->layers && !cut)
    return NULL;
  const char *text = cut ? cut : xml;
  ov_tensor_t *weights = copy_weights(data, size, "network", error);
  ov_model_t *model = weights ? read_text(text, strlen(text), weights, "network", error) : NULL;
  return net_new(model, weights, params, "network", error);
}

void velm_net_free(VelmNet *net) {
  if (!net)
    return;
  for (gsize i = 0; net->tensors && i < net->n_outputs; i++)
    if (net->tensors[i])
      ov_tensor_free(net->tensors[i]);
  for (gsize i = 0; net->others && i < net->n_others; i++)
    if (net->others[i])
      ov_tensor_free(net->others[i]);
  if (net->input)
    ov_tensor_free(net->input);
  if (net->request)
    ov_infer_request_free(net->request);
  if (net->compiled)
    g_atomic_rc_box_release_full(net->compiled, compiled_clear);
  g_free(net->others);
  g_free(net->tensors);
  g_free(net->outputs);
  g_free(net->name);
  g_free(net);
}

/* ---- running ---- */

static gboolean run(VelmNet *net, gconstpointer values, gsize size, GError **error) {
  if (size != net->n_input) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: takes %" G_GSIZE_FORMAT " bytes of input, not %" G_GSIZE_FORMAT, net->name,
                net->n_input, size);
    return FALSE;
  }
  void *input = NULL;
  if (!check(ov_tensor_data(net->input, &input), net->name, error))
    return FALSE;
  memcpy(input, values, size);
  return infer(net, error);
}

gboolean velm_net_run_image(VelmNet *net, const guint8 *pixels, GError **error) {
  return run(net, pixels, net->n_input, error);
}

gboolean velm_net_run_floats(VelmNet *net, const float *values, gsize n, GError **error) {
  return run(net, values, n * sizeof(float), error);
}

static gboolean fill(VelmNet *net, ov_tensor_t *tensor, const float *values, GError **error) {
  size_t size = 0;
  void *data = NULL;
  if (!check(ov_tensor_get_byte_size(tensor, &size), net->name, error) ||
      !check(ov_tensor_data(tensor, &data), net->name, error))
    return FALSE;
  memcpy(data, values, size);
  return TRUE;
}

gboolean velm_net_run_inputs(VelmNet *net, const float *const *values, GError **error) {
  for (gsize i = 0; i < net->n_others; i++)
    if (!fill(net, net->others[i], values[i + 1], error))
      return FALSE;
  return run(net, values[0], net->n_input, error);
}

gsize velm_net_n_outputs(const VelmNet *net) { return net->n_outputs; }

const VelmTensor *velm_net_output(const VelmNet *net, gsize index) {
  return index < net->n_outputs ? &net->outputs[index] : NULL;
}

/* The number of the output of that name; an unknown name is no error, for it is asked for. */
static gboolean find_index(const VelmNet *net, const char *name, gsize *index) {
  ov_tensor_t *tensor = NULL;
  void *named = NULL, *data = NULL;
  gboolean found = FALSE;
  if (ov_infer_request_get_tensor(net->request, name, &tensor) != OK)
    return FALSE;
  gboolean ok = ov_tensor_data(tensor, &named) == OK && named;
  for (gsize i = 0; ok && !found && i < net->n_outputs; i++) {
    found = ov_tensor_data(net->tensors[i], &data) == OK && data == named;
    *index = i;
  }
  ov_tensor_free(tensor);
  return found;
}

const VelmTensor *velm_net_find_output(const VelmNet *net, const char *name) {
  gsize index = 0;
  return find_index(net, name, &index) ? &net->outputs[index] : NULL;
}

void velm_net_image_size(const VelmNet *net, int *width, int *height) {
  *width = net->width;
  *height = net->height;
}
