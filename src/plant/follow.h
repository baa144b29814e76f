/* Messages of a subject as they are published, without JetStream: what is missed while the
 * connection is cut is not told again. */
#pragma once

#include "plant/broker.h"

typedef struct _VelmFollow VelmFollow;

/** @message: (transfer full). Called in a thread of the connection's, one at a time. */
typedef void (*VelmFollowed)(natsMsg *message, gpointer user_data);

/** Follows @subject, which may have wildcards; the broker knows of it when this returns. Returns:
 * (transfer full): NULL with VELM_ERROR_FILE. */
VelmFollow *velm_follow_new(VelmBroker *broker, const char *subject, VelmFollowed followed,
                            gpointer user_data, GError **error);
/** When it returns, nothing more is told. Not from @followed. */
void velm_follow_free(VelmFollow *follow);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmFollow, velm_follow_free)
