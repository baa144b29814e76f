/*
 * The wording and order of the prompt: a text file that the user may replace. Its syntax is in
 * docs/prompt.md; velm's own is data/prompt.txt.
 */
#pragma once

#include "classify/prompt.h"

/* A larger template is refused: it is sent with every part. */
#define VELM_PROMPT_TEMPLATE_MAX_BYTES (256 * 1024)

/* What a block may need beside the parts of VelmPromptParts. */
enum {
  VELM_PROMPT_ALIGNED = 1 << 8,     /* the reference shows the same part */
  VELM_PROMPT_ANOTHER = 1 << 9,     /* the reference shows another part */
  VELM_PROMPT_OUTLINED = 1 << 10,   /* what was marked is shown in the whole image, not in crops */
  VELM_PROMPT_LACKS_GOOD = 1 << 11, /* the spec has no class of its own with the key "good" */
  VELM_PROMPT_LACKS_NONE = 1 << 12, /* likewise "none of these" */
  VELM_PROMPT_AGAIN = 1 << 13,      /* the model is asked once more */
};

/* The images that a prompt may have. */
typedef enum {
  VELM_PROMPT_IMAGE_REFERENCE,
  VELM_PROMPT_IMAGE_PART,
  VELM_PROMPT_IMAGE_OUTLINED,
  VELM_PROMPT_IMAGE_CROP,
  VELM_PROMPT_IMAGE_EXAMPLE,
} VelmPromptImageKind;

/* One image of a prompt. @index: among the crops or the examples, else 0. */
typedef struct {
  VelmPromptImageKind kind;
  guint index;
} VelmPromptImage;

/* Where the centre of a crop's region is, in percent of the part's width and height. */
typedef struct {
  int across, down;
} VelmPromptPlace;

/**
 * What a template is filled with.
 * @conditions: bits of VelmPromptParts and of the above
 * @places: of the crops
 * @examples: the classes of the examples
 */
typedef struct {
  int conditions;
  const VelmClasses *classes;
  const VelmPromptPlace *places;
  guint n_places;
  const VelmClass *const *examples;
  guint n_examples;
} VelmPromptContent;

/**
 * Parses the template @text, UTF-8.
 * @name: what messages call it
 * Returns: (transfer full): NULL with VELM_ERROR_SPEC, "NAME:LINE: reason"
 */
VelmPromptTemplate *velm_prompt_template_parse(const char *text, gsize length, const char *name,
                                               GError **error);

/** velm_prompt_template_parse() of the file @path; VELM_ERROR_FILE where it cannot be read. */
VelmPromptTemplate *velm_prompt_template_load(const char *path, GError **error);

/** velm's own. Returns: (transfer full). */
VelmPromptTemplate *velm_prompt_template_default(GError **error);

/** Whether it has the block "crops". */
gboolean velm_prompt_template_has_crops(const VelmPromptTemplate *wording);

/**
 * Fills the template; the user's own words are taken as they are, braces included.
 * @images: array of VelmPromptImage, to which the images are appended in the order in which the
 * text first names them
 * Returns: (transfer full): the text
 */
char *velm_prompt_template_fill(const VelmPromptTemplate *wording, const VelmPromptContent *content,
                                GArray *images);

void velm_prompt_template_free(VelmPromptTemplate *wording);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPromptTemplate, velm_prompt_template_free)
