#include "plant/dead_watch.h"

#include "plant/follow.h"
#include "plant/job.h"

/* How long a job that was given up is remembered: a little longer than the broker takes the same
 * one for known, so that who hands it in anew meanwhile does not wait in vain. */
#define REMEMBER_US (150 * G_TIME_SPAN_SECOND)
#define NS_PER_US 1000
/* Of those that were there before the watch began, the latest are looked at. */
#define FIRST_LOOK 200

/* One that was given up. */
typedef struct {
  char *reason;
  gint64 at;
} Grave;

struct _VelmDeadWatch {
  VelmBroker *broker;
  VelmDeadTold told;
  gpointer user_data;
  VelmFollow *follow;
  guint64 last; /* the last in the stream that was looked at; that thread's own */
  gint64 began; /* of g_get_real_time() */

  GMutex lock;
  GHashTable *graves; /* subject of the record -> Grave */
  GHashTable *known;  /* the letter's identity -> when it was told, gint64 */
};

static void grave_free(gpointer data) {
  Grave *grave = data;
  g_free(grave->reason);
  g_free(grave);
}

/* ---- one letter ---- */

/* Returns: (nullable): borrowed. */
static const char *header(natsMsg *message, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

/* Returns: FALSE where it was noted before. */
static gboolean note(VelmDeadWatch *watch, const char *id, const char *subject,
                     const char *reason) {
  gint64 now = g_get_monotonic_time();
  g_mutex_lock(&watch->lock);
  gboolean fresh = !g_hash_table_contains(watch->known, id);
  if (fresh) {
    Grave *grave = g_new(Grave, 1);
    *grave = (Grave){g_strdup(reason), now};
    g_hash_table_insert(watch->known, g_strdup(id), g_memdup2(&now, sizeof now));
    g_hash_table_replace(watch->graves, g_strdup(subject), grave);
  }
  g_mutex_unlock(&watch->lock);
  return fresh;
}

/* Those that have a record are told by it. */
static void read_letter(VelmDeadWatch *watch, natsMsg *message) {
  const char *id = header(message, "Nats-Msg-Id"), *key = header(message, "Velm-Key");
  const char *reason = header(message, "Velm-Reason");
  if (!id || !key || !reason || header(message, "Velm-Record"))
    return;
  const char *product = velm_plant_job_product(natsMsg_GetSubject(message));
  g_autofree char *subject = velm_record_subject(product, key);
  if (note(watch, id, subject, reason))
    watch->told(subject, reason, watch->user_data);
}

static void take_letter(natsMsg *message, gpointer user_data) {
  g_autoptr(natsMsg) owned = message;
  read_letter(user_data, owned);
}

/* ---- the stream ---- */

static gboolean is_old(gpointer key, gpointer value, gpointer now) {
  return *(gint64 *)now - *(gint64 *)value > 2 * REMEMBER_US;
}

static gboolean is_past(gpointer key, gpointer value, gpointer now) {
  return *(gint64 *)now - ((Grave *)value)->at > REMEMBER_US;
}

/* Not before the stream was looked through: what is told would be told again. */
static void forget(VelmDeadWatch *watch) {
  gint64 now = g_get_monotonic_time();
  g_mutex_lock(&watch->lock);
  g_hash_table_foreach_remove(watch->known, is_old, &now);
  g_hash_table_foreach_remove(watch->graves, is_past, &now);
  g_mutex_unlock(&watch->lock);
}

/* What was there long before the watch is of nobody who waits. */
static gboolean look_at(VelmDeadWatch *watch, guint64 number, GError **error) {
  g_autoptr(natsMsg) message = NULL;
  jsErrCode code = 0;
  natsStatus status = js_GetMsg(&message, velm_broker_get_jetstream(watch->broker),
                                VELM_STREAM_DEAD, number, NULL, &code);
  if (status == NATS_NOT_FOUND)
    return TRUE; /* it was removed */
  if (!velm_broker_check(watch->broker, status, code, "a dead letter cannot be read", error))
    return FALSE;
  if (natsMsg_GetTime(message) / NS_PER_US >= watch->began - REMEMBER_US)
    read_letter(watch, message);
  return TRUE;
}

/* @first, @last: (out): the numbers of those there are. */
static gboolean measure(VelmDeadWatch *watch, guint64 *first, guint64 *last, GError **error) {
  g_autoptr(jsStreamInfo) info = NULL;
  jsErrCode code = 0;
  natsStatus status = js_GetStreamInfo(&info, velm_broker_get_jetstream(watch->broker),
                                       VELM_STREAM_DEAD, NULL, &code);
  if (!velm_broker_check(watch->broker, status, code, "dead letters cannot be read", error))
    return FALSE;
  *first = info->State.FirstSeq;
  *last = info->State.LastSeq;
  return TRUE;
}

gboolean velm_dead_watch_look(VelmDeadWatch *watch, GError **error) {
  guint64 first = 0, last = 0;
  if (!measure(watch, &first, &last, error))
    return FALSE;
  if (watch->last == 0 && last > FIRST_LOOK)
    watch->last = last - FIRST_LOOK;
  if (watch->last > last)
    watch->last = 0; /* the stream is another one */
  for (guint64 number = MAX(watch->last + 1, MAX(first, 1)); number <= last; number++) {
    if (!look_at(watch, number, error))
      return FALSE;
    watch->last = number;
  }
  forget(watch);
  return TRUE;
}

char *velm_dead_watch_find(VelmDeadWatch *watch, const char *subject) {
  g_mutex_lock(&watch->lock);
  const Grave *grave = g_hash_table_lookup(watch->graves, subject);
  char *reason = grave ? g_strdup(grave->reason) : NULL;
  g_mutex_unlock(&watch->lock);
  return reason;
}

void velm_dead_watch_forget(VelmDeadWatch *watch, const char *subject, gint64 time) {
  g_mutex_lock(&watch->lock);
  const Grave *grave = g_hash_table_lookup(watch->graves, subject);
  if (grave && grave->at < time)
    g_hash_table_remove(watch->graves, subject);
  g_mutex_unlock(&watch->lock);
}

/* ---- the watch ---- */

VelmDeadWatch *velm_dead_watch_new(VelmBroker *broker, VelmDeadTold told, gpointer user_data,
                                   GError **error) {
  g_autoptr(VelmDeadWatch) watch = g_new0(VelmDeadWatch, 1);
  watch->broker = broker;
  watch->told = told;
  watch->user_data = user_data;
  watch->began = g_get_real_time();
  watch->graves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, grave_free);
  watch->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&watch->lock);
  watch->follow = velm_follow_new(broker, "velm.dead.>", take_letter, watch, error);
  return watch->follow ? g_steal_pointer(&watch) : NULL;
}

void velm_dead_watch_free(VelmDeadWatch *watch) {
  if (!watch)
    return;
  velm_follow_free(watch->follow);
  g_hash_table_unref(watch->graves);
  g_hash_table_unref(watch->known);
  g_mutex_clear(&watch->lock);
  g_free(watch);
}
