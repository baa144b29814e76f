#include "classify/prompt.h"

#include "classify/prompt_crops.h"
#include "classify/prompt_template.h"
#include "mark/mark.h"

#include <string.h>

/* No colour is halved from 90 on, so that a thin red line stays one. */
#define JPEG_QUALITY 95

VelmPromptParams velm_prompt_params_default(void) {
  return (VelmPromptParams){.parts = VELM_PROMPT_ALL};
}

gboolean velm_prompt_regions_find(const char *name, VelmPromptRegions *regions) {
  static const char *const names[] = {
      [VELM_PROMPT_OVERVIEW] = "overview",
      [VELM_PROMPT_CROPS] = "crops",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], name)) {
      *regions = (VelmPromptRegions)i;
      return TRUE;
    }
  return FALSE;
}

gboolean velm_prompt_has_text(const char *text) { return text && text[strspn(text, " \t\r\n")]; }

/* ---- what there is to show ---- */

typedef struct {
  const VelmInspection *inspection;
  const VelmImage *reference;
  GBytes *reference_jpeg; /* or NULL */
  VelmImage *part;        /* at the size sent; NULL before it is drawn */
  const VelmMask *marked;
  VelmPromptPlace places[VELM_PROMPT_MAX_CROPS];
  GPtrArray *example_classes; /* of VelmClass, one an example */
  GPtrArray *example_images;  /* of GBytes, JPEG, likewise */
  VelmPromptContent content;
} Scene;

static void scene_clear(Scene *scene) {
  velm_image_free(scene->part);
  g_ptr_array_unref(scene->example_classes);
  g_ptr_array_unref(scene->example_images);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

/* The class "good" where the spec has none of its own. */
static const VelmClass good = {.key = (char *)VELM_PROMPT_GOOD, .name = (char *)VELM_PROMPT_GOOD};

/* The class that the prompt offers by @key; NULL where there is none. */
static const VelmClass *offered_class(const VelmClasses *classes, const char *key) {
  int index = velm_classes_find(classes, key);
  if (index >= 0)
    return g_ptr_array_index(classes->classes, (guint)index);
  return g_str_equal(key, good.key) ? &good : NULL;
}

static guint count_pointer(const GPtrArray *array, gconstpointer item) {
  guint n = 0;
  for (guint i = 0; i < array->len; i++)
    n += array->pdata[i] == item;
  return n;
}

static void choose_examples(Scene *scene, const VelmClasses *classes,
                            const VelmPromptParams *params) {
  for (gsize i = 0; i < params->n_examples; i++) {
    const VelmPromptExample *example = &params->examples[i];
    const VelmClass *class = offered_class(classes, example->class_key);
    if (!class || (params->examples_per_class > 0 &&
                   count_pointer(scene->example_classes, class) >= params->examples_per_class))
      continue;
    g_ptr_array_add(scene->example_classes, (gpointer) class);
    g_ptr_array_add(scene->example_images, example->jpeg);
  }
  scene->content.examples = (const VelmClass *const *)scene->example_classes->pdata;
  scene->content.n_examples = scene->example_classes->len;
}

static const VelmImage *choose_reference(const VelmInspection *inspection,
                                         const VelmPromptParams *params) {
  if (inspection->reference)
    return inspection->reference;
  if (params->reference || !params->normal_images)
    return params->reference;
  return velm_reference_images_nearest(params->normal_images, inspection->features);
}

/* The parts that have something to say, with the other bits of the wording. */
static int find_conditions(const Scene *scene, const VelmClasses *classes,
                           const VelmPromptParams *params) {
  int conditions = (int)params->parts & VELM_PROMPT_ALL;
  if (!scene->reference)
    conditions &= ~VELM_PROMPT_REFERENCE;
  if (!scene->marked)
    conditions &= ~VELM_PROMPT_VISUAL;
  if (!velm_prompt_has_text(classes->normal))
    conditions &= ~VELM_PROMPT_NORMAL;
  if (!velm_prompt_has_text(classes->strategy))
    conditions &= ~VELM_PROMPT_STRATEGY;
  if (velm_classes_find(classes, VELM_PROMPT_GOOD) < 0)
    conditions |= VELM_PROMPT_LACKS_GOOD;
  if (velm_classes_find(classes, VELM_PROMPT_NONE) < 0)
    conditions |= VELM_PROMPT_LACKS_NONE;
  if (params->again)
    conditions |= VELM_PROMPT_AGAIN;
  return conditions | (scene->inspection->reference ? VELM_PROMPT_ALIGNED : VELM_PROMPT_ANOTHER);
}

/* Where nothing was marked region by region, the overview stands in for the crops. */
static void choose_view(Scene *scene, VelmPromptRegions regions) {
  VelmPromptContent *content = &scene->content;
  guint n = regions == VELM_PROMPT_CROPS ? velm_prompt_crops_count(scene->inspection) : 0;
  if (n == 0)
    content->conditions |= VELM_PROMPT_OUTLINED;
  else if (content->conditions & VELM_PROMPT_VISUAL)
    content->n_places = n;
  for (guint i = 0; i < content->n_places; i++)
    scene->places[i] = velm_prompt_crop_place(scene->inspection, i);
  content->places = scene->places;
}

static void scene_fill(Scene *scene, const VelmInspection *inspection, const VelmClasses *classes,
                       const VelmPromptParams *params) {
  scene->inspection = inspection;
  scene->reference = choose_reference(inspection, params);
  scene->reference_jpeg = scene->reference == params->reference ? params->reference_jpeg : NULL;
  scene->marked = inspection->mask ? inspection->mask : inspection->focus;
  scene->example_classes = g_ptr_array_new();
  scene->example_images = g_ptr_array_new();
  scene->content.classes = classes;
  scene->content.conditions = find_conditions(scene, classes, params);
  choose_view(scene, params->regions);
  choose_examples(scene, classes, params);
}

/* ---- the images ---- */

GBytes *velm_prompt_encode(const VelmImage *image, GError **error) {
  return velm_image_to_jpeg(image, JPEG_QUALITY, error);
}

GBytes *velm_prompt_draw_reference(const VelmImage *reference, GError **error) {
  g_autoptr(VelmImage) small =
      velm_image_resize(reference, VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, error);
  return small ? velm_prompt_encode(small, error) : NULL;
}

/* The part as it is sent, which is also what is outlined. Borrowed. */
static const VelmImage *draw_part(Scene *scene, GError **error) {
  if (!scene->part)
    scene->part = velm_image_resize(scene->inspection->image, VELM_PROMPT_IMAGE_SIZE,
                                    VELM_PROMPT_IMAGE_SIZE, error);
  return scene->part;
}

static GBytes *draw_outlined(Scene *scene, GError **error) {
  const VelmImage *part = draw_part(scene, error);
  g_autoptr(VelmImage) outlined = part ? velm_image_copy(part) : NULL;
  return outlined && velm_mark_draw_outline(outlined, scene->marked, error)
             ? velm_prompt_encode(outlined, error)
             : NULL;
}

static GBytes *draw_crop(const Scene *scene, guint index, GError **error) {
  g_autoptr(VelmImage) crop = velm_prompt_crop_draw(scene->inspection, index, error);
  return crop ? velm_prompt_encode(crop, error) : NULL;
}

static GBytes *draw(Scene *scene, const VelmPromptImage *image, GError **error) {
  switch (image->kind) {
  case VELM_PROMPT_IMAGE_REFERENCE:
    return scene->reference_jpeg ? g_bytes_ref(scene->reference_jpeg)
                                 : velm_prompt_draw_reference(scene->reference, error);
  case VELM_PROMPT_IMAGE_OUTLINED:
    return draw_outlined(scene, error);
  case VELM_PROMPT_IMAGE_CROP:
    return draw_crop(scene, image->index, error);
  case VELM_PROMPT_IMAGE_EXAMPLE:
    return g_bytes_ref(g_ptr_array_index(scene->example_images, image->index));
  case VELM_PROMPT_IMAGE_PART:
  default:
    return draw_part(scene, error) ? velm_prompt_encode(scene->part, error) : NULL;
  }
}

static gboolean add_images(VelmPrompt *prompt, Scene *scene, const GArray *images, GError **error) {
  static const char *const names[] = {
      [VELM_PROMPT_IMAGE_REFERENCE] = "reference", [VELM_PROMPT_IMAGE_PART] = "part",
      [VELM_PROMPT_IMAGE_OUTLINED] = "outlined",   [VELM_PROMPT_IMAGE_CROP] = "crop",
      [VELM_PROMPT_IMAGE_EXAMPLE] = "example",
  };
  for (guint i = 0; i < images->len; i++) {
    const VelmPromptImage *image = &g_array_index(images, VelmPromptImage, i);
    GBytes *jpeg = draw(scene, image, error);
    if (!jpeg)
      return FALSE;
    g_ptr_array_add(prompt->images, jpeg);
    g_ptr_array_add(prompt->image_names, (gpointer)names[image->kind]);
  }
  return TRUE;
}

/* ---- the prompt ---- */

static char **make_answers(const VelmClasses *classes) {
  g_autoptr(GStrvBuilder) answers = g_strv_builder_new();
  for (guint i = 0; i < classes->classes->len; i++)
    g_strv_builder_add(answers, ((const VelmClass *)g_ptr_array_index(classes->classes, i))->key);
  if (velm_classes_find(classes, VELM_PROMPT_GOOD) < 0)
    g_strv_builder_add(answers, VELM_PROMPT_GOOD);
  if (velm_classes_find(classes, VELM_PROMPT_NONE) < 0)
    g_strv_builder_add(answers, VELM_PROMPT_NONE);
  return g_strv_builder_end(answers);
}

static gboolean check_wording(const VelmPromptTemplate *wording, const VelmPromptParams *params,
                              GError **error) {
  if (params->regions != VELM_PROMPT_CROPS || velm_prompt_template_has_crops(wording))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC,
              "the prompt's template has no block [[crops]], so crops cannot be sent");
  return FALSE;
}

VelmPrompt *velm_prompt_new(const VelmInspection *inspection, const VelmClasses *classes,
                            const VelmPromptParams *params, GError **error) {
  g_autoptr(VelmPromptTemplate) own = params->wording ? NULL : velm_prompt_template_default(error);
  const VelmPromptTemplate *wording = params->wording ? params->wording : own;
  if (!wording || !check_wording(wording, params, error))
    return NULL;
  g_auto(Scene) scene = {0};
  scene_fill(&scene, inspection, classes, params);
  g_autoptr(GArray) images = g_array_new(FALSE, FALSE, sizeof(VelmPromptImage));
  g_autoptr(VelmPrompt) prompt = g_new0(VelmPrompt, 1);
  prompt->images = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  prompt->image_names = g_ptr_array_new();
  prompt->text = velm_prompt_template_fill(wording, &scene.content, images);
  prompt->answers = make_answers(classes);
  return add_images(prompt, &scene, images, error) ? g_steal_pointer(&prompt) : NULL;
}

void velm_prompt_free(VelmPrompt *prompt) {
  if (!prompt)
    return;
  g_free(prompt->text);
  if (prompt->images)
    g_ptr_array_unref(prompt->images);
  if (prompt->image_names)
    g_ptr_array_unref(prompt->image_names);
  g_strfreev(prompt->answers);
  g_free(prompt);
}
