/*
 * A llama-server of velm's own: started on this machine, waited for, watched, and stopped with the
 * one who started it. It listens on 127.0.0.1 alone, and wants a key that is drawn for each start.
 *
 * Not thread-safe. The server lives no longer than the thread that started it: the kernel ends it
 * with that thread, however it ends.
 */
#pragma once

#include "velm.h"

typedef struct _VelmServedLlm VelmServedLlm;

/**
 * VelmServedLlmParams: start from velm_served_llm_params_default().
 * @model, @mmproj: the GGUF files of the language model and of its vision projector
 * @name: that the server lists the model by
 * @n_slots: questions that it works on at once
 * @ready_ms: the longest that it may take to load the model
 * @progress: (nullable): called with the seconds waited, of those that may be waited
 */
typedef struct {
  const char *model, *mmproj;
  const char *name;
  guint n_slots;
  int ready_ms;
  VelmProgress progress;
  gpointer progress_data;
} VelmServedLlmParams;

/** 2 slots; ten minutes to load. */
VelmServedLlmParams velm_served_llm_params_default(void);

/**
 * Starts llama-server, the one that VELM_LLAMA_SERVER names or else that on PATH, and waits until
 * it is ready. Its settings LLAMA_ARG_... hold, but for its address, its files, its slots and its
 * key.
 * @params: copied
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where there is no such program or file or one
 * is no GGUF file, VELM_ERROR_LLM where it ends or takes too long, VELM_ERROR_CANCELLED
 */
VelmServedLlm *velm_served_llm_new(const VelmServedLlmParams *params, GError **error);

/** "http://127.0.0.1:PORT/v1"; the same for as long as it lives. Borrowed. */
const char *velm_served_llm_get_endpoint(const VelmServedLlm *served);
/** What it wants as a bearer. Borrowed. */
const char *velm_served_llm_get_key(const VelmServedLlm *served);
/** How often it was started. */
guint velm_served_llm_get_starts(const VelmServedLlm *served);

/**
 * Starts it again where it has ended, and waits until it is ready; three times at most, counted
 * anew where it has run for a minute.
 * Returns: whether it runs; FALSE with VELM_ERROR_LLM, from then on at once
 */
gboolean velm_served_llm_check(VelmServedLlm *served, GError **error);

/**
 * After a connection broke: as velm_served_llm_check(), and waits a moment for an end that does not
 * show yet.
 * @start: velm_served_llm_get_starts() when it was asked
 * @renewed: (out): whether another server is there than the one that was asked
 */
gboolean velm_served_llm_check_after(VelmServedLlm *served, guint start, gboolean *renewed,
                                     GError **error);

/** Stops it, and waits for its end. */
void velm_served_llm_free(VelmServedLlm *served);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmServedLlm, velm_served_llm_free)
