/* A NATS server with JetStream, in a process of its own. */
#pragma once

#include "plant/broker.h"

#include <gio/gio.h>

/**
 * NatsServer: @more stands until nats_server_start().
 * @address: 127.0.0.1:PORT, the same over restarts
 * @url: nats://ADDRESS
 * @more: (nullable): further settings of its configuration file; borrowed
 */
typedef struct {
  char *folder, *address, *url;
  const char *more;
  GSubprocess *process;
} NatsServer;

/** Whether there is a server to be had. */
gboolean nats_server_is_there(void);
/** Says that all tests of the program are skipped, as there is none. Returns: its exit status. */
int nats_server_skip(void);
/** It will keep everything in a new folder of @folder, over restarts. */
void nats_server_set_up(NatsServer *server, const char *folder);
/** Ends it, where it runs. */
void nats_server_tear_down(NatsServer *server);

/** Starts it, and waits until it takes connections and has JetStream. */
void nats_server_start(NatsServer *server);
/** Ends it, as a service manager does. */
void nats_server_stop(NatsServer *server);
/** Ends it, as a cut of power does. */
void nats_server_kill(NatsServer *server);
/** Of one that does not run: notes under @name what it keeps now. */
void nats_server_note(const NatsServer *server, const char *name);
/** Of one that does not run: it keeps what was noted under @name, or, with NULL, nothing at all. */
void nats_server_put_back(const NatsServer *server, const char *name);
/** It answers nobody until nats_server_go_on(), as behind a cut network. */
void nats_server_pause(NatsServer *server);
void nats_server_go_on(NatsServer *server);

/** A connection that waits for the server where it is away. Returns: (transfer full). */
VelmBroker *nats_server_connect(const NatsServer *server, const char *name);
/** The messages of a stream; G_MAXUINT64 where the server does not tell. */
guint64 nats_count_messages(VelmBroker *broker, const char *stream);
