/* The latest time that each connection has for what it is at. libmicrohttpd's own timeout starts
 * again with every byte, so that one byte now and then would hold a connection forever. */
#pragma once

#include <glib.h>

typedef struct _VelmDeadlines VelmDeadlines;

VelmDeadlines *velm_deadlines_new(void);
/** All connections must have been removed. */
void velm_deadlines_free(VelmDeadlines *deadlines);

/** @connection: its name; @fd: its socket, which is shut down @seconds from now. */
void velm_deadlines_add(VelmDeadlines *deadlines, gconstpointer connection, int fd, guint seconds);
/** Another time, counted from now; 0 for none. */
void velm_deadlines_set(VelmDeadlines *deadlines, gconstpointer connection, guint seconds);
/** Before the socket is closed. */
void velm_deadlines_remove(VelmDeadlines *deadlines, gconstpointer connection);
guint velm_deadlines_count(VelmDeadlines *deadlines);
