#include "plant/follow.h"

#define FLUSH_MS 5000

struct _VelmFollow {
  natsSubscription *subscription;
  VelmFollowed followed;
  gpointer user_data;

  GMutex lock;
  GCond ended;
  gboolean complete; /* no more comes */
};

static void take_message(natsConnection *connection, natsSubscription *subscription,
                         natsMsg *message, void *closure) {
  VelmFollow *follow = closure;
  follow->followed(message, follow->user_data);
}

static void note_complete(void *closure) {
  VelmFollow *follow = closure;
  g_mutex_lock(&follow->lock);
  follow->complete = TRUE;
  g_cond_signal(&follow->ended);
  g_mutex_unlock(&follow->lock);
}

static natsStatus subscribe(VelmFollow *follow, natsConnection *connection, const char *subject) {
  natsStatus status =
      natsConnection_Subscribe(&follow->subscription, connection, subject, take_message, follow);
  if (status == NATS_OK)
    status = natsSubscription_SetOnCompleteCB(follow->subscription, note_complete, follow);
  return status == NATS_OK ? natsConnection_FlushTimeout(connection, FLUSH_MS) : status;
}

VelmFollow *velm_follow_new(VelmBroker *broker, const char *subject, VelmFollowed followed,
                            gpointer user_data, GError **error) {
  g_autoptr(VelmFollow) follow = g_new0(VelmFollow, 1);
  follow->followed = followed;
  follow->user_data = user_data;
  g_mutex_init(&follow->lock);
  g_cond_init(&follow->ended);
  natsStatus status = subscribe(follow, velm_broker_get_connection(broker), subject);
  g_autofree char *what = g_strdup_printf("%s cannot be followed", subject);
  return velm_broker_check(broker, status, 0, what, error) ? g_steal_pointer(&follow) : NULL;
}

void velm_follow_free(VelmFollow *follow) {
  if (!follow)
    return;
  if (follow->subscription && natsSubscription_Unsubscribe(follow->subscription) == NATS_OK) {
    g_mutex_lock(&follow->lock);
    while (!follow->complete)
      g_cond_wait(&follow->ended, &follow->lock);
    g_mutex_unlock(&follow->lock);
  }
  natsSubscription_Destroy(follow->subscription);
  g_mutex_clear(&follow->lock);
  g_cond_clear(&follow->ended);
  g_free(follow);
}
