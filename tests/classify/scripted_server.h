/*
 * An OpenAI-compatible server for tests, on 127.0.0.1: it gives the replies that the test wrote
 * down, in their order or by a plan, and keeps the requests. Each connection has a thread of its
 * own; requests are numbered as they arrive. Settings may change at any time, and hold for the
 * requests after it.
 */
#pragma once

#include <glib.h>

typedef struct _ScriptedServer ScriptedServer;

/* How a reply goes wrong. */
typedef enum {
  SCRIPTED_WHOLE,        /* not at all */
  SCRIPTED_TRUNCATED,    /* the connection closes in the middle of the body */
  SCRIPTED_RESET,        /* the connection is reset before the reply */
  SCRIPTED_STALLED,      /* nothing comes until the server is freed or the client gives up */
  SCRIPTED_STALLED_BODY, /* the same, from the middle of the body on */
} ScriptedFault;

/* A request as it came. */
typedef struct {
  char *method, *path;
  char *headers; /* all lines after the first */
  char *body;    /* NULL after scripted_server_drop_bodies() */
} ScriptedRequest;

/**
 * Chooses the reply by its index in the script, for faults by number or, with g_str_hash() of the
 * body, by content. Called with the server locked: it must not call the server.
 * @number: of the request, from 0
 * @seen: how often the same body came before: 0 for a first try
 */
typedef guint (*ScriptedPlan)(const ScriptedRequest *request, guint number, guint seen,
                              gpointer data);

ScriptedServer *scripted_server_new(void);
/** Likewise, at a port of 127.0.0.1; 0 for any that is free. */
ScriptedServer *scripted_server_new_at(guint16 port);

/** The base URL, "http://127.0.0.1:PORT/v1". */
const char *scripted_server_endpoint(const ScriptedServer *server);

/**
 * Adds a reply to the script. The last one repeats when the script is at its end; an empty script
 * answers 404.
 * @headers: further header lines, each with "\r\n" at its end; or NULL
 */
void scripted_server_reply(ScriptedServer *server, int status, const char *headers,
                           const char *body);

/** Adds a chat completion whose message has the text @content. */
void scripted_server_answer(ScriptedServer *server, const char *content);

/** Adds a reply that goes wrong. */
void scripted_server_fault(ScriptedServer *server, ScriptedFault fault);

/** Each reply, and each fault, comes so long after its request has arrived. Default 0. */
void scripted_server_set_latency(ScriptedServer *server, guint latency_ms);

/** Whether connections stay open for further requests. Default FALSE. */
void scripted_server_set_keep_alive(ScriptedServer *server, gboolean keep_alive);

/** Forgets the bodies of further requests once they are answered, to keep little memory. */
void scripted_server_drop_bodies(ScriptedServer *server);

/** Replies come by @plan, and no more in their order. */
void scripted_server_set_plan(ScriptedServer *server, ScriptedPlan plan, gpointer data);

/** The most requests that were being answered at once: arrived, and their latency not over. */
guint scripted_server_peak(ScriptedServer *server);

guint scripted_server_n_requests(ScriptedServer *server);
/** The request @index, from 0. Borrowed. */
const ScriptedRequest *scripted_server_request(ScriptedServer *server, guint index);

void scripted_server_free(ScriptedServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScriptedServer, scripted_server_free)
