#include "plant/submitter.h"

/* Jobs on their way, and how much they may hold together. */
#define MOST_WAITING 512
#define MOST_BYTES (32 * 1024 * 1024)
#define ANSWER_MS 10000
/* How long before what was refused is sent again. */
#define RETRY_US (250 * 1000)

struct _VelmSubmitter {
  VelmBroker *broker;
  jsCtx *jetstream;
  gboolean sent; /* anything */

  GMutex lock;
  GCond changed;
  guint64 taken, known;
  guint waiting;   /* sent and not acknowledged, or refused */
  gsize bytes;     /* of those */
  GQueue *refused; /* of natsMsg: to be sent again */
  gint64 refused_at;
  char *why;
  gboolean cancelled;
};

/* ---- acknowledged: in a thread of the library ---- */

static void take_receipt(jsCtx *jetstream, natsMsg *message, jsPubAck *receipt,
                         jsPubAckErr *failure, void *closure) {
  VelmSubmitter *submitter = closure;
  g_mutex_lock(&submitter->lock);
  if (receipt) {
    submitter->taken++;
    submitter->known += receipt->Duplicate;
    submitter->waiting--;
    submitter->bytes -= (gsize)natsMsg_GetDataLength(message);
    natsMsg_Destroy(message);
  } else {
    g_free(submitter->why);
    submitter->why =
        g_strdup(failure->ErrText ? failure->ErrText : natsStatus_GetText(failure->Err));
    g_queue_push_tail(submitter->refused, message);
    submitter->refused_at = g_get_monotonic_time();
  }
  g_cond_broadcast(&submitter->changed);
  g_mutex_unlock(&submitter->lock);
}

/* ---- sending ---- */

/* @message: (transfer full). */
static void send_message(VelmSubmitter *submitter, natsMsg *message) {
  jsPubOptions options;
  submitter->sent = TRUE;
  jsPubOptions_Init(&options);
  options.MaxWait = ANSWER_MS;
  natsStatus status = js_PublishMsgAsync(submitter->jetstream, &message, &options);
  if (status == NATS_OK)
    return;
  g_mutex_lock(&submitter->lock);
  g_free(submitter->why);
  submitter->why = g_strdup(natsStatus_GetText(status));
  g_queue_push_tail(submitter->refused, message);
  submitter->refused_at = g_get_monotonic_time();
  g_mutex_unlock(&submitter->lock);
}

/* What was refused, once it has been left alone for a while. Returns: (transfer full) (nullable).
 */
static natsMsg *next_refused(VelmSubmitter *submitter) {
  g_mutex_lock(&submitter->lock);
  natsMsg *message = g_get_monotonic_time() - submitter->refused_at >= RETRY_US
                         ? g_queue_pop_head(submitter->refused)
                         : NULL;
  g_mutex_unlock(&submitter->lock);
  return message;
}

static gboolean is_settled(const VelmSubmitter *submitter, guint most, gsize bytes) {
  return submitter->cancelled || (submitter->waiting <= most && submitter->bytes <= bytes &&
                                  submitter->refused->length == 0);
}

/* Waits until so few jobs are on their way. Returns: FALSE where that was cancelled. */
static gboolean settle(VelmSubmitter *submitter, guint most, gsize bytes) {
  for (;;) {
    natsMsg *again;
    while ((again = next_refused(submitter)))
      send_message(submitter, again);
    g_mutex_lock(&submitter->lock);
    gboolean settled = is_settled(submitter, most, bytes);
    if (!settled)
      g_cond_wait_until(&submitter->changed, &submitter->lock, g_get_monotonic_time() + RETRY_US);
    gboolean cancelled = submitter->cancelled;
    g_mutex_unlock(&submitter->lock);
    if (settled)
      return !cancelled;
  }
}

static gboolean fail_cancelled(GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "handing in was given up");
  return FALSE;
}

static gboolean check_size(VelmSubmitter *submitter, const VelmPlantJob *job, GError **error) {
  gsize most = velm_plant_job_most(submitter->broker);
  gsize size = job->image ? g_bytes_get_size(job->image) : 0;
  if (size <= most)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: the image has %" G_GSIZE_FORMAT " bytes, more than the %" G_GSIZE_FORMAT
              " that the broker takes: give it by reference",
              job->name, size, most);
  return FALSE;
}

gboolean velm_submitter_add(VelmSubmitter *submitter, const VelmPlantJob *job, GError **error) {
  g_autoptr(natsMsg) message = NULL;
  if (!check_size(submitter, job, error) ||
      !(message = velm_plant_job_to_message(submitter->broker, job, VELM_STAGE_DETECT, error)))
    return FALSE;
  natsStatus status = natsMsgHeader_Set(message, "Nats-Msg-Id", job->key);
  if (!velm_broker_check(submitter->broker, status, 0, "the job cannot be written", error))
    return FALSE;
  if (!settle(submitter, MOST_WAITING - 1, MOST_BYTES))
    return fail_cancelled(error);
  g_mutex_lock(&submitter->lock);
  submitter->waiting++;
  submitter->bytes += (gsize)natsMsg_GetDataLength(message);
  g_mutex_unlock(&submitter->lock);
  send_message(submitter, g_steal_pointer(&message));
  return TRUE;
}

gboolean velm_submitter_finish(VelmSubmitter *submitter, GError **error) {
  return settle(submitter, 0, 0) || fail_cancelled(error);
}

void velm_submitter_cancel(VelmSubmitter *submitter) {
  g_mutex_lock(&submitter->lock);
  submitter->cancelled = TRUE;
  g_cond_broadcast(&submitter->changed);
  g_mutex_unlock(&submitter->lock);
}

VelmSubmitted velm_submitter_get(VelmSubmitter *submitter) {
  g_mutex_lock(&submitter->lock);
  VelmSubmitted submitted = {submitter->taken, submitter->known, submitter->waiting,
                             submitter->refused->length ? g_strdup(submitter->why) : NULL};
  g_mutex_unlock(&submitter->lock);
  return submitted;
}

void velm_submitted_clear(VelmSubmitted *submitted) { g_clear_pointer(&submitted->why, g_free); }

/* ---- the submitter ---- */

VelmSubmitter *velm_submitter_new(VelmBroker *broker, GError **error) {
  g_autoptr(VelmSubmitter) submitter = g_new0(VelmSubmitter, 1);
  jsOptions options;
  submitter->broker = broker;
  submitter->refused = g_queue_new();
  g_mutex_init(&submitter->lock);
  g_cond_init(&submitter->changed);
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = MOST_WAITING;
  options.PublishAsync.AckHandler = take_receipt;
  options.PublishAsync.AckHandlerClosure = submitter;
  natsStatus status =
      natsConnection_JetStream(&submitter->jetstream, velm_broker_get_connection(broker), &options);
  if (!velm_broker_check(broker, status, 0, "JetStream cannot be used", error))
    return NULL;
  return g_steal_pointer(&submitter);
}

/* What is still on its way is told to nobody any more. libnats is not to be asked for it where
 * nothing was ever sent. */
static void forget_pending(VelmSubmitter *submitter) {
  natsMsgList pending = {0};
  if (submitter->sent && js_PublishAsyncGetPendingList(&pending, submitter->jetstream) == NATS_OK)
    natsMsgList_Destroy(&pending);
  jsCtx_Destroy(submitter->jetstream);
}

void velm_submitter_free(VelmSubmitter *submitter) {
  if (!submitter)
    return;
  forget_pending(submitter);
  g_queue_free_full(submitter->refused, (GDestroyNotify)natsMsg_Destroy);
  g_mutex_clear(&submitter->lock);
  g_cond_clear(&submitter->changed);
  g_free(submitter->why);
  g_free(submitter);
}
