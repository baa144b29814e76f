#include "serve/response.h"

#include <string.h>

VelmResponse *velm_response_new(guint status, const char *type, GBytes *bytes) {
  VelmResponse *response = g_new0(VelmResponse, 1);
  response->status = status;
  response->bytes = bytes;
  response->headers = g_ptr_array_new_with_free_func(g_free);
  if (type)
    velm_response_set_header(response, "Content-Type", type);
  return response;
}

static VelmResponse *new_text(guint status, const char *type, char *text) {
  gsize length = strlen(text);
  return velm_response_new(status, type, g_bytes_new_take(text, length));
}

VelmResponse *velm_response_new_json(guint status, JsonBuilder *builder) {
  return new_text(status, "application/json", velm_json_print(builder, FALSE));
}

VelmResponse *velm_response_new_made(const char *type, VelmBody body) {
  VelmResponse *response = velm_response_new(200, type, NULL);
  response->body = body;
  return response;
}

/* ---- problems ---- */

static const char *phrase_of(guint status) {
  static const struct {
    guint status;
    const char *phrase;
  } phrases[] = {
      {400, "Bad request"},
      {401, "Not signed in"},
      {403, "Not allowed"},
      {404, "Not found"},
      {405, "No such method here"},
      {409, "In conflict with what is there"},
      {411, "The length is missing"},
      {413, "Too large"},
      {415, "Not a kind of content that is taken"},
      {422, "It cannot be inspected"},
      {429, "Too many requests"},
      {431, "The headers are too large"},
      {500, "The station failed"},
      {503, "Not now"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(phrases); i++)
    if (phrases[i].status == status)
      return phrases[i].phrase;
  return "Failed";
}

static JsonBuilder *begin_problem(guint status, const char *detail) {
  JsonBuilder *builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "type", "about:blank");
  velm_json_set_string(builder, "title", phrase_of(status));
  velm_json_set_int(builder, "status", status);
  if (detail)
    velm_json_set_string(builder, "detail", detail);
  return builder;
}

static VelmResponse *end_problem(guint status, JsonBuilder *builder) {
  json_builder_end_object(builder);
  return new_text(status, "application/problem+json", velm_json_print(builder, FALSE));
}

VelmResponse *velm_response_new_problem(guint status, const char *detail) {
  g_autoptr(JsonBuilder) builder = begin_problem(status, detail);
  return end_problem(status, builder);
}

VelmResponse *velm_response_new_problem_with(guint status, const char *detail, const char *member,
                                             gint64 value) {
  g_autoptr(JsonBuilder) builder = begin_problem(status, detail);
  velm_json_set_int(builder, member, value);
  return end_problem(status, builder);
}

static guint status_of(const GError *error) {
  if (error->domain != VELM_ERROR)
    return 500;
  switch ((VelmError)error->code) {
  case VELM_ERROR_USAGE:
  case VELM_ERROR_SPEC:
    return 400;
  case VELM_ERROR_IMAGE:
    return 422;
  case VELM_ERROR_FILE:
  case VELM_ERROR_CANCELLED:
    return 503;
  default:
    return 500;
  }
}

VelmResponse *velm_response_new_error(const GError *error) {
  guint status = status_of(error);
  VelmResponse *response = velm_response_new_problem(status, error->message);
  if (status == 503)
    velm_response_set_header(response, "Retry-After", "5");
  return response;
}

/* ---- headers ---- */

void velm_response_set_header(VelmResponse *response, const char *name, const char *value) {
  g_ptr_array_add(response->headers, g_strdup(name));
  g_ptr_array_add(response->headers, g_strdup(value));
}

const char *velm_response_get_header(const VelmResponse *response, const char *name) {
  for (guint i = 0; i + 1 < response->headers->len; i += 2)
    if (g_ascii_strcasecmp(response->headers->pdata[i], name) == 0)
      return response->headers->pdata[i + 1];
  return NULL;
}

void velm_response_free(VelmResponse *response) {
  if (!response)
    return;
  if (response->body.next && response->body.free)
    response->body.free(response->body.state);
  g_clear_pointer(&response->bytes, g_bytes_unref);
  g_ptr_array_unref(response->headers);
  g_free(response);
}
