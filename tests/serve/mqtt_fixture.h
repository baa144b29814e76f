/* An MQTT broker in a process of its own, and a client of it in this one. */
#pragma once

#include <gio/gio.h>

#define BROKER_USER "line"

typedef struct {
  char *folder, *address; /* of the broker: 127.0.0.1:PORT */
  char *url;              /* mqtt://ADDRESS */
  const char *password;   /* that BROKER_USER is to have; NULL where anyone may come */
  GSubprocess *process;
} Broker;

/** Whether there is a broker to be had; else the test is skipped. */
gboolean broker_is_there(void);
/** Starts it; it keeps everything in @folder, over restarts. */
void broker_set_up(Broker *broker, const char *folder);
void broker_tear_down(Broker *broker);
void broker_start(Broker *broker);
/** Ends it, as a service manager does. */
void broker_stop(Broker *broker);

/* Somebody at the line, who hands in and reads all that there is. */
typedef struct _Peer Peer;

Peer *peer_new(const Broker *broker);
void peer_free(Peer *peer);

/** What comes with a message; all nullable. */
typedef struct {
  const char *key, *name;
  const void *correlation;
  guint16 n_correlation;
} PeerWords;

/** Publishes at PREFIX/@product/inspect with QoS 1; it goes out when the broker is there. */
void peer_send(Peer *peer, const char *product, GBytes *payload, const PeerWords *words);
void peer_send_text(Peer *peer, const char *product, const char *text);
/** Waits until the broker has all of that. */
void peer_flush(Peer *peer);

/** How many messages came under @topic. */
guint peer_count(Peer *peer, const char *topic);
/** The message @index under @topic, which there must be within a minute. Returns: (transfer full).
 */
char *peer_get(Peer *peer, const char *topic, guint index);
