/*
 * What the multimodal language model is given (section 3.2): a structured text and images, and the
 * request that carries them.
 */
#pragma once

#include "classify/classes.h"
#include "detect/inspection.h"

/* Side of the images sent, in pixels. Images are squeezed to the square, as in the paper. */
#define VELM_PROMPT_IMAGE_SIZE 448

/* The answers that every prompt offers beside the spec's classes. */
#define VELM_PROMPT_GOOD "good"
#define VELM_PROMPT_NONE "none of these"

/* The parts of the paper's prompt; its ablation leaves them out one by one. */
typedef enum {
  VELM_PROMPT_REFERENCE = 1 << 0, /* RI: a normal reference image */
  VELM_PROMPT_VISUAL = 1 << 1,    /* VP: the image with the region outlined in red */
  VELM_PROMPT_NORMAL = 1 << 2,    /* ND: description of the normal object */
  VELM_PROMPT_ANOMALIES = 1 << 3, /* AD: descriptions of the classes, which are always named */
  VELM_PROMPT_STRATEGY = 1 << 4,  /* CS: how to decide between the classes */
  VELM_PROMPT_ALL = (1 << 5) - 1
} VelmPromptParts;

/** The part with the paper's @code ("RI", in any case); 0 where there is none. */
VelmPromptParts velm_prompt_part_find(const char *code);
/** The code of one part, and its name in words. */
const char *velm_prompt_part_code(VelmPromptParts part);
const char *velm_prompt_part_name(VelmPromptParts part);

/**
 * VelmPrompt:
 * @text: the instructions
 * @images: (element-type GBytes): PNG files in the order that @text names them: reference (RI),
 * image, outlined image (VP)
 * @answers: NULL-terminated: the keys of the classes, "good", "none of these"
 */
typedef struct {
  char *text;
  GPtrArray *images;
  char **answers;
} VelmPrompt;

/**
 * Builds the prompt; the same input gives the same bytes.
 * @inspection: with its image and, for VP, its focus
 * @normal: a normal image for where @inspection has no reference of its own, or NULL
 * @parts: those wanted; one without content (no reference, no description, ...) is left out
 * Returns: (transfer full): NULL with VELM_ERROR_IMAGE
 */
VelmPrompt *velm_prompt_build(const VelmInspection *inspection, const VelmClasses *classes,
                              const VelmImage *normal, VelmPromptParts parts, GError **error);

/**
 * The body of an OpenAI chat completion request: temperature 0, the answer held to a JSON schema
 * {class, reason}.
 * @llm: the model's name
 * Returns: (transfer full)
 */
char *velm_prompt_request(const VelmPrompt *prompt, const char *llm);

void velm_prompt_free(VelmPrompt *prompt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPrompt, velm_prompt_free)
