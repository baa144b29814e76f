#include "classify/prompt.h"

#include "core/json.h"
#include "mark/mark.h"

#include <string.h>

/* ---- the wording ---- */

/* What must hold for a block to be in the text: bits beside those of VelmPromptParts. */
enum {
  ALIGNED = 1 << 8,     /* the reference shows the same part */
  ANOTHER = 1 << 9,     /* the reference shows another part */
  LACKS_GOOD = 1 << 10, /* the spec has no class of its own with the key "good" */
  LACKS_NONE = 1 << 11, /* likewise "none of these" */
};

typedef struct {
  int needs; /* all of these bits */
  const char *text;
} Block;

/*
 * The whole wording. {object}, {normal}, {classes} and {strategy} are the user's words; {image}
 * counts the images up.
 */
static const Block blocks[] = {
    {0,
     "You are a visual inspector in a factory. The product is: {object}. An anomaly detector has "
     "marked something on one part as unusual. Say which class of defect it is, by the "
     "descriptions below and by what the images show."},
    {0, "\n\nThe images, in the order in which they are attached:"},
    {VELM_PROMPT_REFERENCE | ALIGNED,
     "\n- Image {image} is the reference: the same part without any defect, in the same position."},
    {VELM_PROMPT_REFERENCE | ANOTHER,
     "\n- Image {image} is the reference: another part of the same product, without any defect."},
    {0, "\n- Image {image} is the part to classify."},
    {VELM_PROMPT_VISUAL,
     "\n- Image {image} is that part again, with what the detector marked outlined in red. The red "
     "line was drawn afterwards and is no defect. It shows where to look; its course may be "
     "inexact."},
    {VELM_PROMPT_NORMAL, "\n\nA normal part:\n{normal}"},
    {0, "\n\nThe classes (key: name - description):{classes}"},
    {LACKS_GOOD,
     "\n- " VELM_PROMPT_GOOD ": nothing is wrong with the part; the detector raised a false alarm"},
    {LACKS_NONE,
     "\n- " VELM_PROMPT_NONE ": there is a defect, but it fits none of the other classes"},
    {VELM_PROMPT_STRATEGY, "\n\nHow to decide:\n{strategy}"},
    {0,
     "\n\nAnswer with one JSON object and nothing else: {\"class\": the key of one class, exactly "
     "as it is written above, \"reason\": one short sentence that says what you see}. Where no "
     "class fits, the class is \"" VELM_PROMPT_NONE "\"; do not guess."},
};

/* ---- the text ---- */

static gboolean has_text(const char *text) { return text && text[strspn(text, " \t\r\n")]; }

static void append_trimmed(GString *out, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  g_string_append(out, g_strstrip(valid));
}

/* "\n- key: name - description" for every class. */
static void append_classes(GString *out, const VelmClasses *classes, gboolean described) {
  for (guint i = 0; i < classes->classes->len; i++) {
    const VelmClass *class = g_ptr_array_index(classes->classes, i);
    g_string_append(out, "\n- ");
    append_trimmed(out, class->key);
    g_string_append(out, ": ");
    append_trimmed(out, class->name);
    if (described && has_text(class->description)) {
      g_string_append(out, " - ");
      append_trimmed(out, class->description);
    }
  }
}

/* In one pass, so that braces in the user's words stay what they are. */
static void append_filled(GString *out, const char *text, const VelmClasses *classes, int parts,
                          int *image) {
  static const char *const fields[] = {"{object}", "{normal}", "{strategy}", "{classes}",
                                       "{image}"};
  while (*text) {
    gsize field = 0;
    while (field < G_N_ELEMENTS(fields) && !g_str_has_prefix(text, fields[field]))
      field++;
    if (field == 0)
      append_trimmed(out, has_text(classes->object) ? classes->object : "a manufactured part");
    else if (field == 1)
      append_trimmed(out, classes->normal);
    else if (field == 2)
      append_trimmed(out, classes->strategy);
    else if (field == 3)
      append_classes(out, classes, parts & VELM_PROMPT_ANOMALIES);
    else if (field == 4)
      g_string_append_printf(out, "%d", ++*image);
    else
      g_string_append_c(out, *text);
    text += field < G_N_ELEMENTS(fields) ? strlen(fields[field]) : 1;
  }
}

static char *make_text(const VelmClasses *classes, int parts) {
  GString *text = g_string_new(NULL);
  int image = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(blocks); i++)
    if ((blocks[i].needs & parts) == blocks[i].needs)
      append_filled(text, blocks[i].text, classes, parts, &image);
  return g_string_free(text, FALSE);
}

/* ---- the images ---- */

static gboolean add_png(GPtrArray *images, const VelmImage *image, GError **error) {
  GBytes *png = image ? velm_image_to_png(image, error) : NULL;
  if (png)
    g_ptr_array_add(images, png);
  return png != NULL;
}

static gboolean add_resized(GPtrArray *images, const VelmImage *image, GError **error) {
  g_autoptr(VelmImage) small =
      velm_image_resize(image, VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, error);
  return add_png(images, small, error);
}

static gboolean add_outlined(GPtrArray *images, const VelmImage *image, const VelmMask *focus,
                             GError **error) {
  g_autoptr(VelmImage) outlined =
      velm_mark_outline(image, focus, VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, error);
  return add_png(images, outlined, error);
}

/* ---- the prompt ---- */

/* @parts without those that have nothing to say, with the bits of the wording. */
static int usable_parts(const VelmInspection *inspection, const VelmClasses *classes,
                        const VelmImage *normal, int parts) {
  if (!inspection->reference && !normal)
    parts &= ~VELM_PROMPT_REFERENCE;
  if (!inspection->focus)
    parts &= ~VELM_PROMPT_VISUAL;
  if (!has_text(classes->normal))
    parts &= ~VELM_PROMPT_NORMAL;
  if (!has_text(classes->strategy))
    parts &= ~VELM_PROMPT_STRATEGY;
  if (velm_classes_find(classes, VELM_PROMPT_GOOD) < 0)
    parts |= LACKS_GOOD;
  if (velm_classes_find(classes, VELM_PROMPT_NONE) < 0)
    parts |= LACKS_NONE;
  return parts | (inspection->reference ? ALIGNED : ANOTHER);
}

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

VelmPrompt *velm_prompt_build(const VelmInspection *inspection, const VelmClasses *classes,
                              const VelmImage *normal, VelmPromptParts wanted, GError **error) {
  int parts = usable_parts(inspection, classes, normal, (int)wanted & VELM_PROMPT_ALL);
  const VelmImage *reference = inspection->reference ? inspection->reference : normal;
  g_autoptr(VelmPrompt) prompt = g_new0(VelmPrompt, 1);
  prompt->images = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if ((parts & VELM_PROMPT_REFERENCE) && !add_resized(prompt->images, reference, error))
    return NULL;
  if (!add_resized(prompt->images, inspection->image, error))
    return NULL;
  if ((parts & VELM_PROMPT_VISUAL) &&
      !add_outlined(prompt->images, inspection->image, inspection->focus, error))
    return NULL;
  prompt->text = make_text(classes, parts);
  prompt->answers = make_answers(classes);
  return g_steal_pointer(&prompt);
}

void velm_prompt_free(VelmPrompt *prompt) {
  if (!prompt)
    return;
  g_free(prompt->text);
  if (prompt->images)
    g_ptr_array_unref(prompt->images);
  g_strfreev(prompt->answers);
  g_free(prompt);
}

/* ---- the request ---- */

static void open_object(JsonBuilder *builder, const char *name) {
  if (name)
    json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
}

static void open_array(JsonBuilder *builder, const char *name) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_array(builder);
}

static void add_image_part(JsonBuilder *builder, GBytes *png) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(png, &size);
  g_autofree char *base64 = g_base64_encode(data, size);
  g_autofree char *url = g_strconcat("data:image/png;base64,", base64, NULL);
  open_object(builder, NULL);
  velm_json_set_string(builder, "type", "image_url");
  open_object(builder, "image_url");
  velm_json_set_string(builder, "url", url);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

static void add_messages(JsonBuilder *builder, const VelmPrompt *prompt) {
  open_array(builder, "messages");
  open_object(builder, NULL);
  velm_json_set_string(builder, "role", "user");
  open_array(builder, "content");
  open_object(builder, NULL);
  velm_json_set_string(builder, "type", "text");
  velm_json_set_string(builder, "text", prompt->text);
  json_builder_end_object(builder);
  for (guint i = 0; i < prompt->images->len; i++)
    add_image_part(builder, g_ptr_array_index(prompt->images, i));
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  json_builder_end_array(builder);
}

static void add_properties(JsonBuilder *builder, char *const *answers) {
  open_object(builder, "properties");
  open_object(builder, "class");
  velm_json_set_string(builder, "type", "string");
  open_array(builder, "enum");
  for (; *answers; answers++)
    json_builder_add_string_value(builder, *answers);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  open_object(builder, "reason");
  velm_json_set_string(builder, "type", "string");
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

static void add_response_format(JsonBuilder *builder, const VelmPrompt *prompt) {
  open_object(builder, "response_format");
  velm_json_set_string(builder, "type", "json_schema");
  open_object(builder, "json_schema");
  velm_json_set_string(builder, "name", "classification");
  velm_json_set_boolean(builder, "strict", TRUE);
  open_object(builder, "schema");
  velm_json_set_string(builder, "type", "object");
  add_properties(builder, prompt->answers);
  open_array(builder, "required");
  json_builder_add_string_value(builder, "class");
  json_builder_add_string_value(builder, "reason");
  json_builder_end_array(builder);
  velm_json_set_boolean(builder, "additionalProperties", FALSE);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

char *velm_prompt_request(const VelmPrompt *prompt, const char *llm) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  open_object(builder, NULL);
  velm_json_set_string(builder, "model", llm);
  velm_json_set_int(builder, "temperature", 0);
  add_messages(builder, prompt);
  add_response_format(builder, prompt);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
