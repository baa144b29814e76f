#include "classify/example_store.h"

#include "classify/parameters.h"

/* Names in the model: of each example its label, part and digest; the shapes of its two sights; and
 * the values of all sights in a row. */
#define PREFIX "examples"
#define LABELS_NAME PREFIX ".labels"
#define PARTS_NAME PREFIX ".parts"
#define DIGESTS_NAME PREFIX ".digests"
#define SHAPES "shapes"
#define VALUES "values"

/* Far over what a network gives, and small enough for sizes that follow from them. */
#define MAX_CHANNELS (1 << 20)

/* ---- a sight as numbers ---- */

/* What the number of a sight's values follows from; all 0 where there is no sight. */
enum { IS_THERE, HAS_DIFFERENCE, N_PATCH, N_CROP, N_VIEWS, N_SHAPE };

/* A run of a sight's values. */
typedef struct {
  float *values;
  gsize n;
} Run;

#define N_RUNS 6

static void runs_of(VelmSight *sight, Run runs[N_RUNS]) {
  gsize n_crop = (gsize)sight->n_crop * (gsize)sight->n_views;
  runs[0] = (Run){sight->geometry, VELM_N_GEOMETRY};
  runs[1] = (Run){sight->appearance, VELM_N_APPEARANCE};
  runs[2] = (Run){sight->difference, sight->has_difference ? VELM_N_DIFFERENCE : 0};
  runs[3] = (Run){sight->patch, (gsize)sight->n_patch};
  runs[4] = (Run){sight->crop[0], n_crop};
  runs[5] = (Run){sight->crop[1], n_crop};
}

/* ---- writing ---- */

static void write_sight(const VelmSight *sight, GArray *shapes, GArray *values) {
  float shape[N_SHAPE] = {0};
  if (sight) {
    Run runs[N_RUNS];
    shape[IS_THERE] = 1;
    shape[HAS_DIFFERENCE] = sight->has_difference ? 1 : 0;
    shape[N_PATCH] = (float)sight->n_patch;
    shape[N_CROP] = (float)sight->n_crop;
    shape[N_VIEWS] = (float)sight->n_views;
    runs_of((VelmSight *)sight, runs);
    for (guint i = 0; i < N_RUNS; i++)
      if (runs[i].n > 0)
        g_array_append_vals(values, runs[i].values, (guint)runs[i].n);
  }
  g_array_append_vals(shapes, shape, N_SHAPE);
}

static void write_names(const GPtrArray *seen, VelmModel *model) {
  g_autofree const char **labels = g_new0(const char *, seen->len + 1);
  g_autofree const char **parts = g_new0(const char *, seen->len + 1);
  g_autofree const char **digests = g_new0(const char *, seen->len + 1);
  for (guint i = 0; i < seen->len; i++) {
    const VelmSeen *one = seen->pdata[i];
    labels[i] = one->label;
    parts[i] = one->part;
    digests[i] = one->digest;
  }
  velm_model_set_strv(model, LABELS_NAME, labels);
  velm_model_set_strv(model, PARTS_NAME, parts);
  velm_model_set_strv(model, DIGESTS_NAME, digests);
}

void velm_examples_store(const GPtrArray *seen, VelmModel *model) {
  g_autoptr(GArray) shapes = g_array_new(FALSE, FALSE, sizeof(float));
  g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(float));
  for (guint i = 0; i < seen->len; i++) {
    const VelmSeen *one = seen->pdata[i];
    write_sight(one->given, shapes, values);
    write_sight(one->detected, shapes, values);
  }
  velm_model_remove_prefix(model, PREFIX ".");
  write_names(seen, model);
  velm_parameters_store(model, PREFIX, SHAPES, (const float *)(void *)shapes->data, shapes->len);
  velm_parameters_store(model, PREFIX, VALUES, (const float *)(void *)values->data, values->len);
}

/* ---- reading ---- */

/* What is left to read: of each example the names, then the numbers in a row. */
typedef struct {
  const char **labels, **parts, **digests;
  float *shapes, *values;
  gsize n, n_values, at;
} Reading;

static void reading_clear(Reading *reading) {
  g_free(reading->labels);
  g_free(reading->parts);
  g_free(reading->digests);
  g_free(reading->shapes);
  g_free(reading->values);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)

static gboolean fail(GError **error, const char *name, const char *why) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s", name,
              why);
  return FALSE;
}

static const char **read_names(VelmModel *model, const char *name, gsize n, GError **error) {
  g_autofree const char **names = velm_model_get_strv(model, name, error);
  if (!names)
    return NULL;
  if (g_strv_length((char **)names) == n)
    return g_steal_pointer(&names);
  fail(error, name, "there is not one for each example");
  return NULL;
}

static gboolean reading_open(Reading *reading, VelmModel *model, GError **error) {
  reading->labels = velm_model_get_strv(model, LABELS_NAME, error);
  if (!reading->labels)
    return FALSE;
  reading->n = g_strv_length((char **)reading->labels);
  if (reading->n == 0)
    return fail(error, LABELS_NAME, "it is empty");
  reading->parts = read_names(model, PARTS_NAME, reading->n, error);
  reading->digests = reading->parts ? read_names(model, DIGESTS_NAME, reading->n, error) : NULL;
  if (!reading->digests)
    return FALSE;
  reading->shapes =
      velm_parameters_restore(model, PREFIX, SHAPES, reading->n, 2 * N_SHAPE, NULL, error);
  reading->values = reading->shapes ? velm_parameters_restore(model, PREFIX, VALUES, 1, 0,
                                                              &reading->n_values, error)
                                    : NULL;
  return reading->values != NULL;
}

/* Whether @shape is one that a sight can have, or none. */
static gboolean is_possible(const float shape[N_SHAPE]) {
  static const float largest[N_SHAPE] = {1, 1, MAX_CHANNELS, MAX_CHANNELS, VELM_N_FLIPS};
  for (guint i = 0; i < N_SHAPE; i++) {
    float most = i == IS_THERE || shape[IS_THERE] > 0 ? largest[i] : 0;
    if (!(shape[i] >= 0 && shape[i] <= most) || (float)(int)shape[i] < shape[i])
      return FALSE;
  }
  return TRUE;
}

/* Room for the crop and the patches, once the model is known to have as many values. */
static gboolean take_runs(Reading *reading, VelmSight *sight) {
  Run runs[N_RUNS];
  gsize n = 0;
  runs_of(sight, runs);
  for (guint i = 0; i < N_RUNS; i++)
    n += runs[i].n;
  if (n > reading->n_values - reading->at)
    return FALSE;
  sight->patch = runs[3].n > 0 ? g_new(float, runs[3].n) : NULL;
  sight->crop[0] = runs[4].n > 0 ? g_new(float, runs[4].n) : NULL;
  sight->crop[1] = runs[5].n > 0 ? g_new(float, runs[5].n) : NULL;
  runs_of(sight, runs);
  for (guint i = 0; i < N_RUNS; i++)
    for (gsize k = 0; k < runs[i].n; k++)
      runs[i].values[k] = reading->values[reading->at++];
  return TRUE;
}

/* @sight: (out): stays NULL where there is none, which is no failure */
static gboolean read_sight(Reading *reading, gsize index, VelmSight **sight, GError **error) {
  const float *shape = reading->shapes + index * N_SHAPE;
  if (!is_possible(shape))
    return fail(error, PREFIX "." SHAPES, "no image can have such a shape");
  if (!(shape[IS_THERE] > 0))
    return TRUE;
  *sight = g_new0(VelmSight, 1);
  (*sight)->has_difference = shape[HAS_DIFFERENCE] > 0;
  (*sight)->n_patch = (int)shape[N_PATCH];
  (*sight)->n_crop = (int)shape[N_CROP];
  (*sight)->n_views = (int)shape[N_VIEWS];
  return take_runs(reading, *sight) || fail(error, PREFIX "." VALUES, "it is too short");
}

static VelmSeen *read_one(Reading *reading, gsize i, GError **error) {
  g_autoptr(VelmSeen) seen = velm_seen_new(reading->labels[i], reading->parts[i]);
  seen->digest = g_strdup(reading->digests[i]);
  if (!read_sight(reading, 2 * i, &seen->given, error) ||
      !read_sight(reading, 2 * i + 1, &seen->detected, error))
    return NULL;
  if (seen->given || seen->detected)
    return g_steal_pointer(&seen);
  fail(error, PREFIX "." SHAPES, "nothing is seen of an example");
  return NULL;
}

GPtrArray *velm_examples_restore(VelmModel *model, GError **error) {
  g_auto(Reading) reading = {0};
  if (!velm_model_has(model, LABELS_NAME)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model does not carry the examples that it was taught with");
    return NULL;
  }
  if (!reading_open(&reading, model, error))
    return NULL;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)velm_seen_free);
  for (gsize i = 0; i < reading.n; i++) {
    VelmSeen *seen = read_one(&reading, i, error);
    if (!seen)
      return NULL;
    g_ptr_array_add(all, seen);
  }
  if (reading.at < reading.n_values) {
    fail(error, PREFIX "." VALUES, "it is too long");
    return NULL;
  }
  return g_steal_pointer(&all);
}

static const char **labels_of(VelmModel *model) {
  return velm_model_has(model, LABELS_NAME) ? velm_model_get_strv(model, LABELS_NAME, NULL) : NULL;
}

guint velm_examples_count(VelmModel *model) {
  g_autofree const char **labels = labels_of(model);
  return labels ? g_strv_length((char **)labels) : 0;
}

GHashTable *velm_examples_count_classes(VelmModel *model) {
  GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autofree const char **labels = labels_of(model);
  for (gsize i = 0; labels && labels[i]; i++) {
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, labels[i]));
    g_hash_table_replace(counts, g_strdup(labels[i]), GUINT_TO_POINTER(n + 1));
  }
  return counts;
}
