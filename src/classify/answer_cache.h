/*
 * Answers of language models that were paid for once, in one SQLite file: what was asked is not
 * asked again, by no process that shares the file, and a killed run goes on where it was.
 *
 * An answer is on disk when velm_answer_cache_put() returns: a killed process loses none; after a
 * power cut the last ones may be missing, but the file is whole. Several processes may use one file
 * at once (not over a network drive: SQLite's write-ahead log needs shared memory). A cache serves
 * one thread at a time.
 *
 * The file holds answers and hashes of requests, no request, address, user, password or key. What
 * an answer repeats of a key the caller takes out before it puts it. Only the user can read the
 * file.
 */
#pragma once

#include "velm.h"

typedef struct _VelmAnswerCache VelmAnswerCache;

/**
 * VelmCachedAnswer:
 * @answer: as it was put (velm_llm_answer_to_json())
 * @prompt_tokens, @completion_tokens: that it cost; -1 where the server did not tell
 * @time: when it was put, in microseconds of g_get_real_time()
 */
typedef struct {
  char *answer;
  gint64 prompt_tokens, completion_tokens;
  gint64 time;
} VelmCachedAnswer;

void velm_cached_answer_free(VelmCachedAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCachedAnswer, velm_cached_answer_free)

/**
 * Opens the file @path, or makes it in a folder that is there.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where @path cannot be used; above all where
 * it is something else than an answer cache, damaged, or of a newer velm: it is then left as it is
 */
VelmAnswerCache *velm_answer_cache_open(const char *path, GError **error);

/**
 * The key of a request: SHA-256, in hexadecimal, of all that makes its answer what it is. It is the
 * same on every server, as the address is no part of it.
 * @llm: the model's name
 * @parameters: what else the answer hangs on beside the body; may be NULL
 * @body: the whole request, texts and images; @length bytes
 * Returns: (transfer full)
 */
char *velm_answer_cache_key(const char *llm, const char *parameters, gconstpointer body,
                            gsize length);

/**
 * Looks @key up. An answer that was found counts as used now.
 * @answer: (out) (transfer full): NULL where there is none
 * Returns: FALSE with VELM_ERROR_FILE where the file is damaged or stays locked
 */
gboolean velm_answer_cache_get(VelmAnswerCache *cache, const char *key, VelmCachedAnswer **answer,
                               GError **error);

/**
 * Keeps an answer. Where @key has one already, that one stays.
 * @answer: UTF-8, without keys
 * @prompt_tokens, @completion_tokens: -1 where they are not known
 * Returns: FALSE with VELM_ERROR_FILE
 */
gboolean velm_answer_cache_put(VelmAnswerCache *cache, const char *key, const char *answer,
                               gint64 prompt_tokens, gint64 completion_tokens, GError **error);

/** How many answers there are, and the bytes of their texts. Both may be NULL. */
gboolean velm_answer_cache_measure(VelmAnswerCache *cache, gint64 *answers, gint64 *bytes,
                                   GError **error);

/**
 * Drops the answers that were not used for the longest time until no more than @max_answers are
 * left and their texts have no more than @max_bytes, and gives the space back to the file system.
 */
gboolean velm_answer_cache_prune(VelmAnswerCache *cache, gint64 max_answers, gint64 max_bytes,
                                 GError **error);

void velm_answer_cache_free(VelmAnswerCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmAnswerCache, velm_answer_cache_free)
