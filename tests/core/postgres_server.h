/*
 * A PostgreSQL of the test program's own, in a temporary folder: it is started once, when it is
 * first asked for, and stopped with the program. It listens on a socket and on a port of the
 * loopback that nobody else has.
 */
#pragma once

#include "velm.h"

/** Whether the server's programs are installed. */
gboolean postgres_server_is_installed(void);

/** Makes an empty database. Returns: (transfer full): its address, by the loopback. */
char *postgres_server_new_database(void);

/** The server's process ends at once, as a power cut would end it. */
void postgres_server_stop(void);
/** Starts it again, with the same data at the same port. */
void postgres_server_start(void);
