/*
 * An OpenAI-compatible server for tests, on 127.0.0.1 in a thread: it gives the replies that the
 * test wrote down, in their order, and keeps the requests. Connections are served one after
 * another, each with one request.
 */
#pragma once

#include <glib.h>

typedef struct _ScriptedServer ScriptedServer;

/* How a reply goes wrong. */
typedef enum {
  SCRIPTED_WHOLE,     /* not at all */
  SCRIPTED_TRUNCATED, /* the connection closes in the middle of the body */
  SCRIPTED_RESET,     /* the connection is reset before the reply */
  SCRIPTED_STALLED,   /* nothing comes until the server is freed or the client gives up */
} ScriptedFault;

/* A request as it came. */
typedef struct {
  char *method, *path;
  char *headers; /* all lines after the first */
  char *body;
} ScriptedRequest;

ScriptedServer *scripted_server_new(void);

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

guint scripted_server_n_requests(ScriptedServer *server);
/** The request @index, from 0. Borrowed. */
const ScriptedRequest *scripted_server_request(ScriptedServer *server, guint index);

void scripted_server_free(ScriptedServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScriptedServer, scripted_server_free)
