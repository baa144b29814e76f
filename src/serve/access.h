/* Who may do what: tokens with roles, from a file. */
#pragma once

#include "velm.h"

/* Each may do what those before it may. */
typedef enum {
  VELM_ROLE_NOBODY,
  VELM_ROLE_LINE,     /* hands images in, and reads the records of these */
  VELM_ROLE_OPERATOR, /* sees all, and reviews */
  VELM_ROLE_ENGINEER, /* everything */
} VelmRole;

/** "line", "operator", "engineer"; NULL for nobody. */
const char *velm_role_name(VelmRole role);

typedef struct _VelmAccess VelmAccess;

/**
 * Reads a file of tokens: a line each, "ROLE NAME TOKEN", with # before what is only said. It must
 * be the user's own to read. Of the tokens only their SHA-256 is kept.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE or VELM_ERROR_USAGE, which never holds a
 * token
 */
VelmAccess *velm_access_load(const char *path, GError **error);
void velm_access_free(VelmAccess *access);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmAccess, velm_access_free)

/**
 * Whose @token it is, in a time that tells nothing of any token.
 * @name: (out): borrowed; NULL for nobody's
 */
VelmRole velm_access_check(const VelmAccess *access, const char *token, const char **name);
