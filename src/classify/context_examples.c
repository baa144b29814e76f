#include "classify/context_examples.h"

#include "mark/mark.h"

/* Names in the model: the images, numbered from 0, and the class and the part of each. */
#define PREFIX "context."
#define IMAGE_NAME PREFIX "jpeg.%u"
#define CLASSES_NAME PREFIX "classes"
#define PARTS_NAME PREFIX "parts"

struct _VelmContextExamples {
  guint per_class;
  char **classes, **parts; /* one an example */
  GPtrArray *jpegs;        /* of GBytes */
};

/* ---- choosing ---- */

/* One to keep: an image of the model, or a new one. */
typedef struct {
  const char *part;
  GBytes *jpeg;             /* borrowed; NULL for a new one */
  const VelmSample *sample; /* NULL for one of the model */
} Pick;

/* What is chosen from. */
typedef struct {
  const GPtrArray *samples;
  const GPtrArray *staying;            /* or NULL */
  const VelmContextExamples *examples; /* the model's; or NULL */
} Choice;

static gboolean stays(const GPtrArray *staying, const char *key, const char *part) {
  for (guint i = 0; i < staying->len; i++) {
    const VelmSeen *seen = staying->pdata[i];
    if (g_str_equal(seen->label, key) && g_str_equal(seen->part, part))
      return TRUE;
  }
  return FALSE;
}

static void pick_staying(const Choice *choice, const char *key, GArray *picks) {
  const VelmContextExamples *examples = choice->examples;
  for (guint i = 0; examples && i < examples->jpegs->len; i++) {
    Pick pick = {.part = examples->parts[i], .jpeg = examples->jpegs->pdata[i]};
    if (picks->len < VELM_CONTEXT_EXAMPLES_MAX && g_str_equal(examples->classes[i], key) &&
        stays(choice->staying, key, pick.part))
      g_array_append_val(picks, pick);
  }
}

/* Adds samples of class @key to @picks; @second: of parts that are among them already, else of
 * others. */
static void pick(const GPtrArray *samples, const char *key, gboolean second, GArray *picks) {
  for (guint i = 0; i < samples->len && picks->len < VELM_CONTEXT_EXAMPLES_MAX; i++) {
    const VelmSample *sample = samples->pdata[i];
    Pick new_one = {.part = sample->group, .sample = sample};
    gboolean taken = FALSE, shown = FALSE;
    for (guint k = 0; k < picks->len; k++) {
      const Pick *other = &g_array_index(picks, Pick, k);
      taken |= other->sample == sample;
      shown |= g_str_equal(other->part, sample->group);
    }
    if (g_str_equal(sample->label, key) && !taken && shown == second)
      g_array_append_val(picks, new_one);
  }
}

/* Returns: (element-type GArray): of each class: its Picks, the first one first. */
static GPtrArray *choose(const Choice *choice, const char *const *keys) {
  GPtrArray *classes = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
  for (; *keys; keys++) {
    GArray *picks = g_array_new(FALSE, FALSE, sizeof(Pick));
    pick_staying(choice, *keys, picks);
    pick(choice->samples, *keys, FALSE, picks);
    pick(choice->samples, *keys, TRUE, picks);
    g_ptr_array_add(classes, picks);
  }
  return classes;
}

/* ---- writing ---- */

/* What is of the class: the mask, or, without one, what the detector marks. */
static VelmMask *find_area(VelmDetector *detector, const VelmSample *sample,
                           VelmInspection *inspection, GError **error) {
  if (sample->mask) {
    g_autoptr(VelmMask) mask = velm_mask_load(sample->mask, error);
    if (!mask || velm_mask_count(mask) > 0)
      return g_steal_pointer(&mask);
  }
  if (!velm_detector_detect(detector, inspection, error) ||
      !velm_detector_examine(detector, inspection, error) ||
      !velm_mark_regions(inspection, TRUE, error))
    return NULL;
  return velm_mask_copy(inspection->mask);
}

static GBytes *encode(VelmDetector *detector, const VelmSample *sample, GError **error) {
  int size = VELM_PROMPT_IMAGE_SIZE;
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  if (!velm_inspection_load(inspection, sample->reference, 0, error))
    return NULL;
  g_autoptr(VelmMask) area = find_area(detector, sample, inspection, error);
  g_autoptr(VelmImage) drawn =
      area ? velm_mark_outline(inspection->image, area, size, size, error) : NULL;
  return drawn ? velm_prompt_encode(drawn, error) : NULL;
}

/* What is being written. */
typedef struct {
  VelmModel *model;
  VelmDetector *detector;
  GStrvBuilder *classes, *parts;
  guint n;
  gsize bytes;
} Writing;

/* @full: (out): there is no room for it. */
static gboolean write_one(Writing *writing, const Pick *pick, const char *key, gboolean *full,
                          GError **error) {
  g_autoptr(GBytes) jpeg =
      pick->jpeg ? g_bytes_ref(pick->jpeg) : encode(writing->detector, pick->sample, error);
  g_autofree char *name = g_strdup_printf(IMAGE_NAME, writing->n);
  if (!jpeg)
    return FALSE;
  writing->bytes += g_bytes_get_size(jpeg);
  *full = writing->n > 0 && writing->bytes > VELM_CONTEXT_EXAMPLES_MAX_BYTES;
  if (*full)
    return TRUE;
  velm_model_set_bytes(writing->model, name, jpeg);
  g_strv_builder_add(writing->classes, key);
  g_strv_builder_add(writing->parts, pick->part);
  writing->n++;
  return TRUE;
}

/* The first example of every class, then the second ones. */
static gboolean write_all(Writing *writing, const GPtrArray *classes, const char *const *keys,
                          GError **error) {
  gboolean full = FALSE;
  for (guint rank = 0; rank < VELM_CONTEXT_EXAMPLES_MAX; rank++)
    for (guint i = 0; i < classes->len && !full; i++) {
      const GArray *picks = classes->pdata[i];
      if (rank < picks->len &&
          !write_one(writing, &g_array_index(picks, Pick, rank), keys[i], &full, error))
        return FALSE;
    }
  return TRUE;
}

gboolean velm_context_examples_store(VelmModel *model, VelmDetector *detector,
                                     const GPtrArray *samples, const char *const *keys,
                                     const GPtrArray *staying, GError **error) {
  g_autoptr(VelmContextExamples) examples = NULL;
  if (staying && velm_model_has(model, CLASSES_NAME)) {
    examples = velm_context_examples_open(model, VELM_CONTEXT_EXAMPLES_MAX, error);
    if (!examples)
      return FALSE;
  }
  const Choice choice = {samples, staying, examples};
  g_autoptr(GStrvBuilder) classes = g_strv_builder_new(), parts = g_strv_builder_new();
  g_autoptr(GPtrArray) chosen = choose(&choice, keys);
  Writing writing = {.model = model, .detector = detector, .classes = classes, .parts = parts};
  velm_model_remove_prefix(model, PREFIX);
  if (!write_all(&writing, chosen, keys, error))
    return FALSE;
  g_auto(GStrv) class_names = g_strv_builder_end(classes);
  g_auto(GStrv) part_names = g_strv_builder_end(parts);
  velm_model_set_strv(model, CLASSES_NAME, (const char *const *)class_names);
  velm_model_set_strv(model, PARTS_NAME, (const char *const *)part_names);
  return TRUE;
}

/* ---- reading ---- */

static gboolean fail(GError **error, const char *name, const char *why) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s", name,
              why);
  return FALSE;
}

static gboolean read_names(VelmContextExamples *examples, VelmModel *model, GError **error) {
  if (!model || !velm_model_has(model, CLASSES_NAME)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model has no labelled examples to show a language model; run velm teach");
    return FALSE;
  }
  g_autofree const char **classes = velm_model_get_strv(model, CLASSES_NAME, error);
  g_autofree const char **parts = classes ? velm_model_get_strv(model, PARTS_NAME, error) : NULL;
  if (!parts)
    return FALSE;
  examples->classes = g_strdupv((char **)classes);
  examples->parts = g_strdupv((char **)parts);
  guint n = g_strv_length(examples->classes);
  return (n > 0 && n == g_strv_length(examples->parts)) ||
         fail(error, PARTS_NAME, "there is not one for each class");
}

/* It is sent as it is kept. Of another size, it is no example of ours. */
static gboolean read_image(VelmContextExamples *examples, VelmModel *model, guint index,
                           GError **error) {
  g_autofree char *name = g_strdup_printf(IMAGE_NAME, index);
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) jpeg = velm_model_get_bytes(model, name, &cause);
  g_autoptr(VelmImage) image = jpeg ? velm_image_parse(jpeg, name, &cause) : NULL;
  if (!image)
    return fail(error, name, cause->message);
  if (image->width != VELM_PROMPT_IMAGE_SIZE || image->height != VELM_PROMPT_IMAGE_SIZE)
    return fail(error, name, "it is not of the size of an example");
  g_ptr_array_add(examples->jpegs, g_steal_pointer(&jpeg));
  return TRUE;
}

VelmContextExamples *velm_context_examples_open(VelmModel *model, guint per_class, GError **error) {
  g_autoptr(VelmContextExamples) examples = g_new0(VelmContextExamples, 1);
  examples->per_class = per_class;
  examples->jpegs = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if (per_class == 0)
    return g_steal_pointer(&examples);
  if (!read_names(examples, model, error))
    return NULL;
  for (guint i = 0; examples->classes[i]; i++)
    if (!read_image(examples, model, i, error))
      return NULL;
  return g_steal_pointer(&examples);
}

static guint count_class(const GArray *list, const char *key) {
  guint n = 0;
  for (guint i = 0; i < list->len; i++)
    n += g_str_equal(g_array_index(list, VelmPromptExample, i).class_key, key) ? 1 : 0;
  return n;
}

GArray *velm_context_examples_list(const VelmContextExamples *examples, const char *part) {
  GArray *list = g_array_new(FALSE, FALSE, sizeof(VelmPromptExample));
  for (guint i = 0; i < examples->jpegs->len; i++) {
    VelmPromptExample example = {examples->classes[i], examples->jpegs->pdata[i]};
    gboolean own = part && g_str_equal(part, examples->parts[i]);
    if (!own && count_class(list, example.class_key) < examples->per_class)
      g_array_append_val(list, example);
  }
  return list;
}

void velm_context_examples_free(VelmContextExamples *examples) {
  if (!examples)
    return;
  g_strfreev(examples->classes);
  g_strfreev(examples->parts);
  g_ptr_array_unref(examples->jpegs);
  g_free(examples);
}
