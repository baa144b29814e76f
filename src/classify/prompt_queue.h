/*
 * Requests to a language model that are built ahead, in threads of their own, while the caller's
 * thread sends and receives. They come out in the order in which they went in.
 *
 * Memory: a request that is built holds about a megabyte; how many there are is for the caller to
 * limit, by velm_prompt_queue_length().
 */
#pragma once

#include "classify/prompt.h"

/**
 * VelmPromptOrder: what a request is made of. All is borrowed, and stays as it is until the request
 * came out.
 * @keyed: whether the cache's key is wanted
 */
typedef struct {
  const VelmInspection *inspection;
  const VelmClasses *classes;
  VelmPromptParams prompt;
  VelmPromptRequestParams request;
  gboolean keyed;
} VelmPromptOrder;

/**
 * VelmBuiltPrompt: a request, and of its prompt what its answer is read by.
 * @answers, @text: as VelmPrompt's
 * @image_names: NULL-terminated, as VelmPrompt's
 * @body: what is sent
 * @key: in the cache; NULL where it was not wanted
 */
typedef struct {
  char **answers;
  char *text;
  char **image_names;
  GBytes *body;
  char *key;
} VelmBuiltPrompt;

void velm_built_prompt_free(VelmBuiltPrompt *built);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBuiltPrompt, velm_built_prompt_free)

typedef struct _VelmPromptQueue VelmPromptQueue;

/**
 * @built: called in a thread of the queue whenever a request was built; may be NULL
 * Returns: (transfer full): NULL with VELM_ERROR_LLM where no thread can be had
 */
VelmPromptQueue *velm_prompt_queue_new(void (*built)(gpointer data), gpointer data, GError **error);

/** Starts to build. @owner: handed back with the request; not NULL. */
void velm_prompt_queue_push(VelmPromptQueue *queue, const VelmPromptOrder *order, gpointer owner);

/**
 * Takes the first request out, where it is built.
 * @built: (out) (transfer full): NULL where it could not be built
 * @error: why
 * Returns: its owner; NULL where the first is not built yet, or there is none
 */
gpointer velm_prompt_queue_pop(VelmPromptQueue *queue, VelmBuiltPrompt **built, GError **error);

/** Requests that were not taken out. */
guint velm_prompt_queue_length(const VelmPromptQueue *queue);

/** Waits until the first request is built, if there is one, for @wait_ms at the longest; negative:
 * without end. */
void velm_prompt_queue_wait(VelmPromptQueue *queue, int wait_ms);

/** Gives up the requests that no thread has begun, with VELM_ERROR_CANCELLED, and waits for the
 * others: all can be taken out then. */
void velm_prompt_queue_cancel(VelmPromptQueue *queue);

/** Cancels, and forgets what was not taken out. */
void velm_prompt_queue_free(VelmPromptQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPromptQueue, velm_prompt_queue_free)
