/*
 * What the multimodal language model is given (section 3.2): a structured text and images, and the
 * request that carries them.
 */
#pragma once

#include "classify/classes.h"
#include "classify/reference_images.h"
#include "detect/inspection.h"

/* Side of the images sent, in pixels. Images are squeezed to the square, as in the paper. */
#define VELM_PROMPT_IMAGE_SIZE 448

/* The answers that every prompt offers beside the spec's classes. */
#define VELM_PROMPT_GOOD "good"
#define VELM_PROMPT_NONE "none of these"

/* Crops of one part, at most: the regions with the highest scores. */
#define VELM_PROMPT_MAX_CROPS 4

/* The parts of the paper's prompt; its ablation leaves them out one by one. */
typedef enum {
  VELM_PROMPT_REFERENCE = 1 << 0, /* RI: a normal reference image */
  VELM_PROMPT_VISUAL = 1 << 1,    /* VP: the image with the region outlined in red */
  VELM_PROMPT_NORMAL = 1 << 2,    /* ND: description of the normal object */
  VELM_PROMPT_ANOMALIES = 1 << 3, /* AD: descriptions of the classes, which are always named */
  VELM_PROMPT_STRATEGY = 1 << 4,  /* CS: how to decide between the classes */
  VELM_PROMPT_ALL = (1 << 5) - 1
} VelmPromptParts;

/** @image as the file that is sent: JPEG, of a quality at which no difference shows. Returns:
 * (transfer full). */
GBytes *velm_prompt_encode(const VelmImage *image, GError **error);

/** The part with the paper's @code ("RI", in any case); 0 where there is none. */
VelmPromptParts velm_prompt_part_find(const char *code);
/** The same; FALSE with VELM_ERROR_USAGE and the codes that there are. */
gboolean velm_prompt_part_parse(const char *code, VelmPromptParts *part, GError **error);
/** The code of one part, and its name in words. */
const char *velm_prompt_part_code(VelmPromptParts part);
const char *velm_prompt_part_name(VelmPromptParts part);

/* Tokens that an answer may have: a budget is held against them. */
#define VELM_PROMPT_MAX_TOKENS 1024

/* How VP shows what was marked. */
typedef enum {
  VELM_PROMPT_OVERVIEW, /* all regions outlined in one image of the whole part */
  VELM_PROMPT_CROPS,    /* one close view a region */
} VelmPromptRegions;

/** The way called @name, "overview" or "crops". Returns: FALSE where there is none. */
gboolean velm_prompt_regions_find(const char *name, VelmPromptRegions *regions);

/* The wording: classify/prompt_template.h. */
typedef struct _VelmPromptTemplate VelmPromptTemplate;

/* A labelled image, shown in context. @class_key: a class of the spec, or "good". @jpeg: the file
 * that is sent, of VELM_PROMPT_IMAGE_SIZE squared: to encode it anew for each prompt takes long. */
typedef struct {
  const char *class_key;
  GBytes *jpeg;
} VelmPromptExample;

/**
 * VelmPromptParams: start from velm_prompt_params_default(). All is borrowed.
 * @parts: those wanted; one without content (no reference, no description, ...) is left out
 * @wording: NULL for velm's own
 * @reference: a normal image of another part, given by the user; or NULL
 * @reference_jpeg: @reference as velm_prompt_draw_reference() draws it, for it to be drawn only
 * once; or NULL
 * @normal_images: the model's; the nearest is the reference where no other is given; or NULL
 * @examples: shown in this order; one of a class that the prompt does not offer is left out
 * @examples_per_class: the first so many of a class; 0 for all
 * @again: says that an earlier answer could not be used
 *
 * The reference is the inspection's own, aligned one; else @reference; else of @normal_images.
 */
typedef struct {
  VelmPromptParts parts;
  VelmPromptRegions regions;
  const VelmPromptTemplate *wording;
  const VelmImage *reference;
  GBytes *reference_jpeg;
  const VelmReferenceImages *normal_images;
  const VelmPromptExample *examples;
  gsize n_examples;
  guint examples_per_class;
  gboolean again;
} VelmPromptParams;

VelmPromptParams velm_prompt_params_default(void);

/**
 * VelmPrompt:
 * @text: the instructions
 * @images: (element-type GBytes): JPEG files in the order in which @text first names them
 * @image_names: (element-type utf8): what each is: "reference", "part", "outlined", "crop",
 *   "example"
 * @answers: NULL-terminated: the keys of the classes, "good", "none of these"
 */
typedef struct {
  char *text;
  GPtrArray *images;
  GPtrArray *image_names;
  char **answers;
} VelmPrompt;

/** The reference as it is sent. Returns: (transfer full): JPEG; NULL with VELM_ERROR_IMAGE. */
GBytes *velm_prompt_draw_reference(const VelmImage *reference, GError **error);

/**
 * Builds the prompt; the same input gives the same bytes.
 * @inspection: with its image and, for VP, what was marked: its mask (crops: its regions besides),
 *   else its focus
 * Returns: (transfer full): NULL with VELM_ERROR_IMAGE; VELM_ERROR_SPEC where crops are wanted and
 *   the wording has no place for them
 */
VelmPrompt *velm_prompt_new(const VelmInspection *inspection, const VelmClasses *classes,
                            const VelmPromptParams *params, GError **error);

/**
 * VelmPromptRequestParams: start from velm_prompt_request_params_default().
 * @llm: the model's name
 * @schema: holds the answer to a JSON schema {class, reason}; some servers have no such thing
 * @max_reason: characters that the schema lets the reason have; 0 for any number, as some services
 *   refuse a schema with a limit
 * @top_logprobs: asks for the log-probabilities of the answer's tokens and of so many alternatives
 *   each; 0 for none
 */
typedef struct {
  const char *llm;
  gboolean schema;
  int max_reason;
  int top_logprobs;
} VelmPromptRequestParams;

/** With the schema, and the log-probabilities of twenty alternatives. */
VelmPromptRequestParams velm_prompt_request_params_default(const char *llm);

/**
 * The body of an OpenAI chat completion request, temperature 0: the bytes that are sent.
 * Returns: (transfer full)
 */
char *velm_prompt_request_new(const VelmPrompt *prompt, const VelmPromptRequestParams *params);

/** velm_prompt_request_new() with the default parameters. Returns: (transfer full). */
char *velm_prompt_request(const VelmPrompt *prompt, const char *llm);

void velm_prompt_free(VelmPrompt *prompt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPrompt, velm_prompt_free)

/** Whether @text is more than white space; NULL is not. */
gboolean velm_prompt_has_text(const char *text);
