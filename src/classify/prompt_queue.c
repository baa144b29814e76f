#include "classify/prompt_queue.h"

#include "classify/answer_cache.h"

#include <string.h>

#define MAX_THREADS 4

typedef struct {
  VelmPromptOrder order;
  gpointer owner;
  gboolean done; /* under the lock; the rest is the thread's until then, and the caller's after */
  VelmBuiltPrompt *built;
  GError *error;
} Job;

struct _VelmPromptQueue {
  GThreadPool *threads;
  void (*built)(gpointer data);
  gpointer data;
  GQueue jobs; /* of Job, in the order of pushing; of the caller's thread */
  GMutex lock; /* of what follows and of Job.done */
  GCond changed;
  gboolean cancelled;
};

void velm_built_prompt_free(VelmBuiltPrompt *built) {
  if (!built)
    return;
  g_strfreev(built->answers);
  g_free(built->text);
  g_strfreev(built->image_names);
  g_clear_pointer(&built->body, g_bytes_unref);
  g_free(built->key);
  g_free(built);
}

/* ---- the threads' side ---- */

static char **list_names(const GPtrArray *names) {
  char **list = g_new0(char *, names->len + 1);
  for (guint i = 0; i < names->len; i++)
    list[i] = g_strdup(names->pdata[i]);
  return list;
}

static VelmBuiltPrompt *build(const VelmPromptOrder *order, GError **error) {
  g_autoptr(VelmPrompt) prompt =
      velm_prompt_new(order->inspection, order->classes, &order->prompt, error);
  if (!prompt)
    return NULL;
  char *json = velm_prompt_request_new(prompt, &order->request);
  gsize length = strlen(json);
  VelmBuiltPrompt *built = g_new0(VelmBuiltPrompt, 1);
  built->answers = g_steal_pointer(&prompt->answers);
  built->text = g_steal_pointer(&prompt->text);
  built->image_names = list_names(prompt->image_names);
  built->body = g_bytes_new_take(json, length);
  if (order->keyed)
    built->key = velm_answer_cache_key(order->request.llm, NULL, json, length);
  return built;
}

static gboolean is_cancelled(VelmPromptQueue *queue) {
  g_mutex_lock(&queue->lock);
  gboolean cancelled = queue->cancelled;
  g_mutex_unlock(&queue->lock);
  return cancelled;
}

static void run(gpointer data, gpointer user_data) {
  Job *job = data;
  VelmPromptQueue *queue = user_data;
  if (is_cancelled(queue))
    g_set_error(&job->error, VELM_ERROR, VELM_ERROR_CANCELLED, "given up");
  else
    job->built = build(&job->order, &job->error);
  g_mutex_lock(&queue->lock);
  job->done = TRUE;
  g_cond_signal(&queue->changed);
  g_mutex_unlock(&queue->lock);
  if (queue->built)
    queue->built(queue->data);
}

/* ---- the caller's side ---- */

VelmPromptQueue *velm_prompt_queue_new(void (*built)(gpointer data), gpointer data,
                                       GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmPromptQueue *queue = g_new0(VelmPromptQueue, 1);
  queue->built = built;
  queue->data = data;
  g_queue_init(&queue->jobs);
  g_mutex_init(&queue->lock);
  g_cond_init(&queue->changed);
  queue->threads =
      g_thread_pool_new(run, queue, (gint)MIN(g_get_num_processors(), MAX_THREADS), TRUE, &cause);
  if (!cause)
    return queue;
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, "no thread to build requests in: %s",
              cause->message);
  velm_prompt_queue_free(queue);
  return NULL;
}

void velm_prompt_queue_push(VelmPromptQueue *queue, const VelmPromptOrder *order, gpointer owner) {
  Job *job = g_new0(Job, 1);
  job->order = *order;
  job->owner = owner;
  g_queue_push_tail(&queue->jobs, job);
  g_thread_pool_push(queue->threads, job, NULL);
}

/* Whether the first job is done or there is none. Locked. */
static gboolean is_ready(const VelmPromptQueue *queue) {
  const Job *first = g_queue_peek_head((GQueue *)&queue->jobs);
  return !first || first->done;
}

gpointer velm_prompt_queue_pop(VelmPromptQueue *queue, VelmBuiltPrompt **built, GError **error) {
  *built = NULL;
  g_mutex_lock(&queue->lock);
  Job *job = is_ready(queue) ? g_queue_pop_head(&queue->jobs) : NULL;
  g_mutex_unlock(&queue->lock);
  if (!job)
    return NULL;
  gpointer owner = job->owner;
  *built = job->built;
  if (job->error)
    g_propagate_error(error, job->error);
  g_free(job);
  return owner;
}

guint velm_prompt_queue_length(const VelmPromptQueue *queue) { return queue->jobs.length; }

void velm_prompt_queue_wait(VelmPromptQueue *queue, int wait_ms) {
  gint64 end = g_get_monotonic_time() + (gint64)wait_ms * 1000;
  gboolean in_time = TRUE;
  g_mutex_lock(&queue->lock);
  while (in_time && !is_ready(queue)) {
    if (wait_ms < 0)
      g_cond_wait(&queue->changed, &queue->lock);
    else
      in_time = g_cond_wait_until(&queue->changed, &queue->lock, end);
  }
  g_mutex_unlock(&queue->lock);
}

void velm_prompt_queue_cancel(VelmPromptQueue *queue) {
  g_mutex_lock(&queue->lock);
  queue->cancelled = TRUE;
  for (const GList *at = queue->jobs.head; at; at = at->next)
    while (!((const Job *)at->data)->done)
      g_cond_wait(&queue->changed, &queue->lock);
  queue->cancelled = FALSE;
  g_mutex_unlock(&queue->lock);
}

static void job_free(gpointer data) {
  Job *job = data;
  velm_built_prompt_free(job->built);
  g_clear_error(&job->error);
  g_free(job);
}

void velm_prompt_queue_free(VelmPromptQueue *queue) {
  if (!queue)
    return;
  velm_prompt_queue_cancel(queue);
  g_thread_pool_free(queue->threads, FALSE, TRUE);
  g_queue_clear_full(&queue->jobs, job_free);
  g_mutex_clear(&queue->lock);
  g_cond_clear(&queue->changed);
  g_free(queue);
}
