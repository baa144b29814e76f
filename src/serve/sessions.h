/* Browsers that have signed in: a cookie stands for a token, so that no page has to hold one. */
#pragma once

#include "serve/access.h"

#define VELM_SESSION_COOKIE "velm_session"

/* How long one lasts. */
#define VELM_SESSION_S (12 * 60 * 60)

typedef struct _VelmSessions VelmSessions;

VelmSessions *velm_sessions_new(void);
void velm_sessions_free(VelmSessions *sessions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSessions, velm_sessions_free)

/** Begins one. Returns: (transfer full): the cookie's value, that nobody can guess; NULL where
 * there is no randomness to be had, with VELM_ERROR_FILE. */
char *velm_sessions_begin(VelmSessions *sessions, VelmRole role, const char *name, GError **error);
/** Whose it is. @name: (out) (transfer full). Returns: VELM_ROLE_NOBODY where it is nobody's, or
 * has ended. */
VelmRole velm_sessions_check(VelmSessions *sessions, const char *cookie, char **name);
void velm_sessions_end(VelmSessions *sessions, const char *cookie);
