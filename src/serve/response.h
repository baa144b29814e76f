/* What the server answers: a status, headers, and a body that is there or is made as it is sent. */
#pragma once

#include "core/json.h"

/* What a body that is made as it is sent says. */
typedef enum {
  VELM_BODY_MORE, /* there is a piece */
  VELM_BODY_WAIT, /* not yet: velm_exchange_wake() asks again */
  VELM_BODY_END,
  VELM_BODY_BROKEN, /* it cannot go on: the connection is closed, so that it is not taken for whole
                     */
} VelmBodyState;

/**
 * VelmBody: a body that is made as it is sent.
 * @next: appends a piece to @piece, which is empty; any thread of the server may call it
 * @free: frees @state
 */
typedef struct {
  VelmBodyState (*next)(gpointer state, GString *piece);
  GDestroyNotify free;
  gpointer state;
} VelmBody;

typedef struct {
  guint status;
  GPtrArray *headers; /* of char *: name, value, name, value */
  GBytes *bytes;      /* NULL where the body is made as it is sent, or there is none */
  VelmBody body;      /* where its next is set */
} VelmResponse;

/** @type: (nullable): the media type. @bytes: (transfer full) (nullable). */
VelmResponse *velm_response_new(guint status, const char *type, GBytes *bytes);
/** The builder's root as JSON. Consumes the builder's state. */
VelmResponse *velm_response_new_json(guint status, JsonBuilder *builder);
/** A body that is made as it is sent; @body is taken over. */
VelmResponse *velm_response_new_made(const char *type, VelmBody body);

/**
 * A problem document (RFC 9457), with the status's phrase as its title.
 * @detail: (nullable): one line for a person
 */
VelmResponse *velm_response_new_problem(guint status, const char *detail);
/** The problem of one more member, a number. */
VelmResponse *velm_response_new_problem_with(guint status, const char *detail, const char *member,
                                             gint64 value);
/** The problem that @error is: VELM_ERROR_USAGE is the asker's, what the store cannot do is 503. */
VelmResponse *velm_response_new_error(const GError *error);

void velm_response_set_header(VelmResponse *response, const char *name, const char *value);
/** Returns: (nullable): borrowed. */
const char *velm_response_get_header(const VelmResponse *response, const char *name);

void velm_response_free(VelmResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmResponse, velm_response_free)
