/*
 * The connection to NATS, and its JetStream: what carries jobs and records between machines.
 *
 * It comes back by itself after the broker or the network was away. Any number of threads may use
 * it. Every failure is VELM_ERROR_FILE, unless a function says otherwise.
 */
#pragma once

#include "velm.h"

#include <nats/nats.h>

typedef struct _VelmBroker VelmBroker;

/**
 * VelmBrokerParams: all borrowed.
 * @url: nats://HOST[:4222], or tls://; several of one cluster are separated by commas
 * @credentials: (nullable): file with the user's JWT and key. Without one, the environment's
 * VELM_NATS_TOKEN is given where there is one, else VELM_NATS_USER and VELM_NATS_PASSWORD
 * @ca: (nullable): certificates of the broker's authority, a PEM file
 * @name: what the broker calls this connection
 * @patient: a broker that is away is waited for, in the background
 */
typedef struct {
  const char *url, *credentials, *ca, *name;
  gboolean patient;
} VelmBrokerParams;

/** Returns: (transfer full): NULL with VELM_ERROR_USAGE where the URL will not do, or
 * VELM_ERROR_FILE where the broker cannot be reached, or has no JetStream. */
VelmBroker *velm_broker_connect(const VelmBrokerParams *params, GError **error);
/** Nothing may be using it any more. */
void velm_broker_free(VelmBroker *broker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBroker, velm_broker_free)

/** Whether it is connected now. */
gboolean velm_broker_is_connected(VelmBroker *broker);
/** How often it came back. */
guint64 velm_broker_count_reconnects(VelmBroker *broker);
/** What messages call it: its hosts. */
const char *velm_broker_get_shown(const VelmBroker *broker);
/** The bytes that a message may have. */
gsize velm_broker_get_most(VelmBroker *broker);

/** Returns: borrowed. */
natsConnection *velm_broker_get_connection(VelmBroker *broker);
jsCtx *velm_broker_get_jetstream(VelmBroker *broker);

/** Sets @error for @status, of doing @what; @code: JetStream's own, or 0. Returns: FALSE. */
gboolean velm_broker_fail(const VelmBroker *broker, natsStatus status, jsErrCode code,
                          const char *what, GError **error);
/** As that, where @status is not NATS_OK. Returns: whether it is. */
gboolean velm_broker_check(const VelmBroker *broker, natsStatus status, jsErrCode code,
                           const char *what, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(natsMsg, natsMsg_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(natsSubscription, natsSubscription_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(natsOptions, natsOptions_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(jsStreamInfo, jsStreamInfo_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(jsConsumerInfo, jsConsumerInfo_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(jsMsgMetaData, jsMsgMetaData_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(jsPubAck, jsPubAck_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(kvStore, kvStore_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(kvEntry, kvEntry_Destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(kvWatcher, kvWatcher_Destroy)
