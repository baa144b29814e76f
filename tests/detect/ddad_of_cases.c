/*
 * Reads cases, one JSON object a line, and prints what velm's diffusion makes of each, as an object
 * with "values": for test_ddad_against_numpy.py. A case has "what" to do, and
 *
 *   "kept"           "schedule", "steps"
 *   "path"           "start", "count"
 *   "add_noise"      "schedule", "step", "image", "noise"
 *   "step_back"      "schedule", "from", "to", "guidance", "eta", "image", "predicted", "target",
 * "noise" "pixels"         "width", "height", "target", "image" "cosine"         "channels",
 * "rows", "columns", "target", "image" "map"            "width", "height", "pixels", "rows",
 * "columns", "features", "weight", "balance", "smoothing" "reconstruct"    "schedule", "denoiser",
 * "width", "height", "batch", "start", "count", "guidance", "eta", "target", "noise": that of every
 * step, one after another
 *
 * In place of an array, "target" and "noise" may be the path of a file of floats; with "out", the
 * values go to the file of that path.
 */
#include "core/file.h"
#include "core/json.h"
#include "detect/ddad_distance.h"
#include "detect/ddad_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int whole(JsonObject *object, const char *name) {
  return (int)json_object_get_int_member(object, name);
}

static double number(JsonObject *object, const char *name) {
  return json_object_get_double_member(object, name);
}

/* Returns: (transfer full): NULL where it is a file that cannot be read. */
static float *floats(JsonObject *object, const char *name, gsize *n, GError **error) {
  JsonNode *node = json_object_get_member(object, name);
  if (JSON_NODE_HOLDS_VALUE(node)) {
    g_autoptr(GBytes) bytes = velm_file_read(json_node_get_string(node), error);
    if (!bytes)
      return NULL;
    *n = g_bytes_get_size(bytes) / sizeof(float);
    return g_memdup2(g_bytes_get_data(bytes, NULL), *n * sizeof(float));
  }
  JsonArray *array = json_node_get_array(node);
  *n = json_array_get_length(array);
  float *values = g_new(float, *n + 1);
  for (guint i = 0; i < *n; i++)
    values[i] = (float)json_array_get_double_element(array, i);
  return values;
}

static VelmDiffusion *diffusion_of(JsonObject *object) {
  JsonArray *said = json_object_get_array_member(object, "schedule");
  VelmNoiseSchedule schedule = {(int)json_array_get_int_element(said, 0),
                                json_array_get_double_element(said, 1),
                                json_array_get_double_element(said, 2)};
  return velm_diffusion_new(&schedule);
}

static VelmPlane *plane_of(JsonObject *object, const char *name, int width, int height) {
  VelmPlane *plane = velm_plane_new(width, height);
  gsize n = 0;
  g_autofree float *values = floats(object, name, &n, NULL);
  g_assert(n == (gsize)width * (gsize)height);
  memcpy(plane->values, values, n * sizeof(float));
  return plane;
}

static GArray *array_of(const float *values, gsize n) {
  GArray *array = g_array_new(FALSE, FALSE, sizeof(float));
  return g_array_append_vals(array, values, (guint)n);
}

static GArray *array_of_plane(VelmPlane *plane) {
  GArray *array = array_of(plane->values, (gsize)plane->width * (gsize)plane->height);
  velm_plane_free(plane);
  return array;
}

/* ---- what a case may ask for ---- */

static GArray *kept(JsonObject *object, GError **error) {
  g_autoptr(VelmDiffusion) diffusion = diffusion_of(object);
  gsize n = 0;
  g_autofree float *steps = floats(object, "steps", &n, error);
  for (gsize i = 0; i < n; i++)
    steps[i] = (float)velm_diffusion_kept(diffusion, (int)steps[i]);
  return array_of(steps, n);
}

static GArray *path(JsonObject *object, GError **error G_GNUC_UNUSED) {
  int count = whole(object, "count");
  g_autofree int *steps = velm_diffusion_path(whole(object, "start"), count);
  GArray *array = g_array_new(FALSE, FALSE, sizeof(float));
  for (int i = 0; i <= count; i++) {
    float step = (float)steps[i];
    g_array_append_val(array, step);
  }
  return array;
}

static GArray *add_noise(JsonObject *object, GError **error) {
  g_autoptr(VelmDiffusion) diffusion = diffusion_of(object);
  gsize n = 0;
  g_autofree float *image = floats(object, "image", &n, error);
  g_autofree float *noise = floats(object, "noise", &n, error);
  velm_diffusion_add_noise(diffusion, whole(object, "step"), image, noise, n, image);
  return array_of(image, n);
}

static GArray *step_back(JsonObject *object, GError **error) {
  g_autoptr(VelmDiffusion) diffusion = diffusion_of(object);
  VelmReverseStep step = {whole(object, "from"), whole(object, "to"), number(object, "guidance"),
                          number(object, "eta")};
  gsize n = 0;
  g_autofree float *image = floats(object, "image", &n, error);
  g_autofree float *predicted = floats(object, "predicted", &n, error);
  g_autofree float *target = floats(object, "target", &n, error);
  g_autofree float *noise = floats(object, "noise", &n, error);
  velm_diffusion_step_back(diffusion, &step, predicted, target, noise, image, n);
  return array_of(image, n);
}

static GArray *pixels(JsonObject *object, GError **error) {
  gsize n = 0;
  g_autofree float *target = floats(object, "target", &n, error);
  g_autofree float *image = floats(object, "image", &n, error);
  return array_of_plane(
      velm_ddad_pixel_distance(target, image, whole(object, "width"), whole(object, "height")));
}

static GArray *cosine(JsonObject *object, GError **error) {
  gsize n = 0;
  g_autofree float *target = floats(object, "target", &n, error);
  g_autofree float *image = floats(object, "image", &n, error);
  return array_of_plane(velm_ddad_cosine_distance(target, image, whole(object, "channels"),
                                                  whole(object, "rows"), whole(object, "columns")));
}

/* Of one layer, whose grid may be coarser than the pixels'. */
static GArray *map(JsonObject *object, GError **error) {
  int width = whole(object, "width"), height = whole(object, "height");
  VelmDdadSpec spec = {.pixel_weight = number(object, "weight"),
                       .smoothing = number(object, "smoothing")};
  g_autoptr(VelmPlane) layer =
      plane_of(object, "features", whole(object, "columns"), whole(object, "rows"));
  VelmDdadDistances distances = {plane_of(object, "pixels", width, height),
                                 velm_plane_new(width, height)};
  VelmPlane *made = velm_ddad_distance_add(distances.features, layer, 1, error)
                        ? velm_ddad_map(&spec, &distances, number(object, "balance"), error)
                        : NULL;
  velm_ddad_distances_clear(&distances);
  return made ? array_of_plane(made) : NULL;
}

typedef struct {
  const float *next;
  gsize left;
} Noise;

static void given_noise(float *values, gsize n, gpointer data) {
  Noise *noise = data;
  g_assert(noise->left >= n);
  memcpy(values, noise->next, n * sizeof(float));
  noise->next += n;
  noise->left -= n;
}

static GArray *reconstruct(JsonObject *object, GError **error) {
  g_autoptr(VelmDiffusion) diffusion = diffusion_of(object);
  g_autoptr(VelmDenoiser) denoiser =
      velm_denoiser_open(json_object_get_string_member(object, "denoiser"), whole(object, "width"),
                         whole(object, "height"), whole(object, "batch"), 0, error);
  VelmReconstruction how = {whole(object, "start"), whole(object, "count"),
                            number(object, "guidance"), number(object, "eta")};
  gsize n = 0, n_noise = 0;
  g_autofree float *target = denoiser ? floats(object, "target", &n, error) : NULL;
  g_autofree float *noise = target ? floats(object, "noise", &n_noise, error) : NULL;
  if (!noise)
    return NULL;
  g_assert(n == velm_denoiser_n_values(denoiser));
  g_autofree float *images = g_new(float, n);
  if (!velm_ddad_reconstruct(denoiser, diffusion, &how, target, given_noise,
                             &(Noise){noise, n_noise}, images, error))
    return NULL;
  return array_of(images, n);
}

static const struct {
  const char *name;
  GArray *(*make)(JsonObject *object, GError **error);
} kinds[] = {{"kept", kept},
             {"path", path},
             {"add_noise", add_noise},
             {"step_back", step_back},
             {"pixels", pixels},
             {"cosine", cosine},
             {"map", map},
             {"reconstruct", reconstruct}};

static GArray *make(JsonObject *object, GError **error) {
  const char *what = json_object_get_string_member(object, "what");
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(what, kinds[i].name))
      return kinds[i].make(object, error);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "nothing is known of \"%s\"", what);
  return NULL;
}

/* ---- a line ---- */

static gboolean answer(const char *line, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse(line, -1, "case", error);
  g_autoptr(GArray) values = node ? make(json_node_get_object(node), error) : NULL;
  if (!values)
    return FALSE;
  const char *out =
      json_object_get_string_member_with_default(json_node_get_object(node), "out", NULL);
  if (out)
    return velm_file_write(out, values->data, values->len * sizeof(float), error);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "values");
  json_builder_begin_array(builder);
  for (guint i = 0; i < values->len; i++)
    json_builder_add_double_value(builder, (double)g_array_index(values, float, i));
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  puts(text);
  return TRUE;
}

int main(void) {
  g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
  g_autoptr(GError) error = NULL;
  gboolean ok = TRUE;
  while (ok) {
    g_autofree char *line = NULL;
    if (g_io_channel_read_line(input, &line, NULL, NULL, &error) != G_IO_STATUS_NORMAL)
      break;
    ok = answer(line, &error);
  }
  if (error)
    fprintf(stderr, "%s\n", error->message);
  return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
