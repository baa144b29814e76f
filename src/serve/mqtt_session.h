/*
 * What a station is to its broker over restarts: the client's name, under which the broker keeps
 * what comes meanwhile, and the keys of messages that bring none.
 *
 * A message that the broker sends again, as it missed that the station had it, has the packet
 * identifier that it had before. It comes in a later connection, and in the same session. So the
 * key is made of session, identifier and image: then it has the key that it had before. Another
 * message of the same image has another identifier; or it comes in the same connection, and is
 * counted. Only one that comes in a later connection, after the identifiers have gone round
 * (65,535), with the same image to the byte, would be taken for the first.
 */
#pragma once

#include <glib.h>

typedef struct _VelmMqttSession VelmMqttSession;

/** Reads the file of the session in @folder, and makes it where there is none. @client: (nullable):
 * the client's name, in place of one that is made up. Returns: (transfer full): NULL with
 * VELM_ERROR_FILE. */
VelmMqttSession *velm_mqtt_session_load(const char *folder, const char *client, GError **error);
void velm_mqtt_session_free(VelmMqttSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMqttSession, velm_mqtt_session_free)

const char *velm_mqtt_session_get_client(const VelmMqttSession *session);

/** A connection begins. @resumed: the broker knows the session; a new one is noted on the disk.
 * Returns: FALSE with VELM_ERROR_FILE. */
gboolean velm_mqtt_session_begin(VelmMqttSession *session, gboolean resumed, GError **error);

/** The key of a message that brings none. @packet: its identifier; 0 where it has none, as it is
 * not sent again. Returns: (transfer full). */
char *velm_mqtt_session_make_key(VelmMqttSession *session, guint16 packet, GBytes *image);
