/* Signing in and out. */
#include "serve/call.h"

#define MOST_TOKEN 200

static VelmResponse *respond(const VelmCall *call, VelmRole role, const char *name) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "role", velm_role_name(role));
  velm_json_set_string(builder, "name", name);
  velm_json_set_boolean(builder, "tokens", call->context->access != NULL);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_get_session(VelmCall *call, GError **error) {
  return respond(call, call->role, call->who);
}

/* Scripts of the page cannot read it, and pages of others do not send it. */
static void set_cookie(const VelmCall *call, VelmResponse *response, const char *value, int age) {
  g_autofree char *cookie =
      g_strdup_printf("%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", VELM_SESSION_COOKIE,
                      value, age, velm_exchange_is_secure(call->exchange) ? "; Secure" : "");
  velm_response_set_header(response, "Set-Cookie", cookie);
}

VelmResponse *velm_api_sign_in(VelmCall *call, GError **error) {
  static const char *const names[] = {"token", NULL};
  const char *token = NULL, *name = NULL;
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  if (!body || !velm_call_text(body, "token", MOST_TOKEN, &token, error))
    return NULL;
  if (!token || !token[0]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "token: it is missing");
    return NULL;
  }
  if (!call->context->access)
    return respond(call, VELM_ROLE_ENGINEER, NULL);
  if (!velm_call_may_try(call))
    return velm_response_new_problem(429, "too many wrong tokens from this address; wait a little");
  VelmRole role = velm_access_check(call->context->access, token, &name);
  if (role == VELM_ROLE_NOBODY) {
    velm_call_note_failure(call);
    return velm_response_new_problem(401, "the token is not known");
  }
  g_autofree char *cookie = velm_sessions_begin(call->context->sessions, role, name, error);
  if (!cookie)
    return NULL;
  VelmResponse *response = respond(call, role, name);
  set_cookie(call, response, cookie, VELM_SESSION_S);
  return response;
}

VelmResponse *velm_api_sign_out(VelmCall *call, GError **error) {
  const char *cookie = velm_exchange_get_cookie(call->exchange, VELM_SESSION_COOKIE);
  if (cookie)
    velm_sessions_end(call->context->sessions, cookie);
  VelmResponse *response = velm_response_new(204, NULL, NULL);
  set_cookie(call, response, "", 0);
  return response;
}
