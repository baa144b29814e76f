#include "serve/access.h"

#include "core/secret_file.h"

#include <string.h>

#define MOST_BYTES (1024 * 1024)
/* A token that can be guessed protects nothing. */
#define LEAST_TOKEN 16
#define MOST_TOKEN 200
#define MOST_NAME 100
#define DIGEST 32

typedef struct {
  VelmRole role;
  char *name;
  guint8 digest[DIGEST];
} Token;

struct _VelmAccess {
  GArray *tokens; /* of Token */
};

const char *velm_role_name(VelmRole role) {
  static const char *const names[] = {NULL, "line", "operator", "engineer"};
  return names[role];
}

static VelmRole role_of(const char *name) {
  for (VelmRole role = VELM_ROLE_LINE; role <= VELM_ROLE_ENGINEER; role++)
    if (g_str_equal(velm_role_name(role), name))
      return role;
  return VELM_ROLE_NOBODY;
}

static void digest_of(const char *token, guint8 *digest) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize length = DIGEST;
  g_checksum_update(checksum, (const guchar *)token, -1);
  g_checksum_get_digest(checksum, digest, &length);
}

static void clear_token(gpointer data) { g_free(((Token *)data)->name); }

/* ---- the file ---- */

/* Why the line is no token; NULL where it is one. */
static const char *parse_line(char *line, Token *token) {
  const char *words[3] = {NULL};
  char *rest = line;
  for (gsize i = 0; i < 3; i++) {
    rest += strspn(rest, " \t");
    words[i] = rest;
    rest += strcspn(rest, " \t");
    if (*rest)
      *rest++ = '\0';
  }
  token->role = role_of(words[0]);
  if (token->role == VELM_ROLE_NOBODY)
    return "the role is to be line, operator or engineer";
  if (!words[1][0] || strlen(words[1]) > MOST_NAME || !g_utf8_validate(words[1], -1, NULL))
    return "the name is missing, too long or no UTF-8";
  if (strlen(words[2]) < LEAST_TOKEN || strlen(words[2]) > MOST_TOKEN)
    return "the token is to have 16 to 200 characters";
  if (rest[strspn(rest, " \t")])
    return "it is to be ROLE NAME TOKEN";
  token->name = g_strdup(words[1]);
  digest_of(words[2], token->digest);
  return NULL;
}

static gboolean parse(VelmAccess *access, const char *path, const char *text, GError **error) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *line = g_strstrip(lines[i]);
    Token token = {0};
    if (!line[0] || line[0] == '#')
      continue;
    const char *why = parse_line(line, &token);
    if (why) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: line %u: %s", path, i + 1, why);
      return FALSE;
    }
    g_array_append_val(access->tokens, token);
  }
  if (access->tokens->len > 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: has no token: nobody could sign in", path);
  return FALSE;
}

VelmAccess *velm_access_load(const char *path, GError **error) {
  char *text = velm_secret_file_read(path, MOST_BYTES, error);
  if (!text)
    return NULL;
  g_autoptr(VelmAccess) access = g_new0(VelmAccess, 1);
  access->tokens = g_array_new(FALSE, TRUE, sizeof(Token));
  g_array_set_clear_func(access->tokens, clear_token);
  gboolean ok = parse(access, path, text, error);
  velm_secret_free(text);
  return ok ? g_steal_pointer(&access) : NULL;
}

void velm_access_free(VelmAccess *access) {
  if (!access)
    return;
  g_array_unref(access->tokens);
  g_free(access);
}

/* ---- asking ---- */

static gboolean are_equal(const guint8 *a, const guint8 *b) {
  volatile guint8 differences = 0;
  for (gsize i = 0; i < DIGEST; i++)
    differences = (guint8)(differences | (a[i] ^ b[i]));
  return differences == 0;
}

VelmRole velm_access_check(const VelmAccess *access, const char *token, const char **name) {
  guint8 digest[DIGEST];
  const Token *found = NULL;
  digest_of(token, digest);
  /* All of them, whichever it is. */
  for (guint i = 0; i < access->tokens->len; i++) {
    const Token *one = &g_array_index(access->tokens, Token, i);
    if (are_equal(one->digest, digest))
      found = one;
  }
  *name = found ? found->name : NULL;
  return found ? found->role : VELM_ROLE_NOBODY;
}
