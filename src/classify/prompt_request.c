/* The request that carries a prompt: OpenAI's chat completions. */
#include "classify/prompt.h"

#include "core/json.h"

#include <string.h>

/* As many alternatives as the services that limit them give. */
#define TOP_LOGPROBS 20

VelmPromptRequestParams velm_prompt_request_params_default(const char *llm) {
  return (VelmPromptRequestParams){.llm = llm, .schema = TRUE, .top_logprobs = TOP_LOGPROBS};
}

static void open_object(JsonBuilder *builder, const char *name) {
  if (name)
    json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
}

static void open_array(JsonBuilder *builder, const char *name) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_array(builder);
}

/* Its picture is put in after URL_START, by insert_images(). */
static void add_image_part(JsonBuilder *builder) {
  open_object(builder, NULL);
  velm_json_set_string(builder, "type", "image_url");
  open_object(builder, "image_url");
  velm_json_set_string(builder, "url", "data:image/jpeg;base64,");
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

static void add_messages(JsonBuilder *builder, const VelmPrompt *prompt) {
  open_array(builder, "messages");
  open_object(builder, NULL);
  velm_json_set_string(builder, "role", "user");
  open_array(builder, "content");
  open_object(builder, NULL);
  velm_json_set_string(builder, "type", "text");
  velm_json_set_string(builder, "text", prompt->text);
  json_builder_end_object(builder);
  for (guint i = 0; i < prompt->images->len; i++)
    add_image_part(builder);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  json_builder_end_array(builder);
}

static void add_properties(JsonBuilder *builder, char *const *answers, int max_reason) {
  open_object(builder, "properties");
  open_object(builder, "class");
  velm_json_set_string(builder, "type", "string");
  open_array(builder, "enum");
  for (; *answers; answers++)
    json_builder_add_string_value(builder, *answers);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  open_object(builder, "reason");
  velm_json_set_string(builder, "type", "string");
  if (max_reason > 0)
    velm_json_set_int(builder, "maxLength", max_reason);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

static void add_response_format(JsonBuilder *builder, const VelmPrompt *prompt, int max_reason) {
  open_object(builder, "response_format");
  velm_json_set_string(builder, "type", "json_schema");
  open_object(builder, "json_schema");
  velm_json_set_string(builder, "name", "classification");
  velm_json_set_boolean(builder, "strict", TRUE);
  open_object(builder, "schema");
  velm_json_set_string(builder, "type", "object");
  add_properties(builder, prompt->answers, max_reason);
  open_array(builder, "required");
  json_builder_add_string_value(builder, "class");
  json_builder_add_string_value(builder, "reason");
  json_builder_end_array(builder);
  velm_json_set_boolean(builder, "additionalProperties", FALSE);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
}

static void add_log_probabilities(JsonBuilder *builder, int n) {
  velm_json_set_boolean(builder, "logprobs", TRUE);
  velm_json_set_int(builder, "top_logprobs", n);
}

/* ---- pictures ---- */

/* How the address of a picture begins in the request. A string of the JSON cannot have it: within
 * one, quotes have a backslash before them. */
#define URL_START "\"url\":\"data:image/jpeg;base64,"

static void append_base64(GString *out, GBytes *bytes) {
  int state = 0, save = 0;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  gsize start = out->len;
  g_string_set_size(out, start + (size / 3 + 1) * 4 + 4);
  gsize length = g_base64_encode_step(data, size, FALSE, out->str + start, &state, &save);
  length += g_base64_encode_close(FALSE, out->str + start + length, &state, &save);
  g_string_truncate(out, start + length);
}

static gsize base64_bytes(const GPtrArray *images) {
  gsize sum = 0;
  for (guint i = 0; i < images->len; i++)
    sum += (g_bytes_get_size(images->pdata[i]) / 3 + 2) * 4;
  return sum;
}

/* Pictures are most of a request, and json-glib would go through them letter by letter, copying. */
static char *insert_images(const char *json, const GPtrArray *images) {
  GString *out = g_string_sized_new(strlen(json) + base64_bytes(images) + 1);
  for (guint i = 0; i < images->len; i++) {
    const char *end = strstr(json, URL_START) + strlen(URL_START);
    g_string_append_len(out, json, end - json);
    append_base64(out, images->pdata[i]);
    json = end;
  }
  g_string_append(out, json);
  return g_string_free(out, FALSE);
}

/* ---- the request ---- */

char *velm_prompt_request_new(const VelmPrompt *prompt, const VelmPromptRequestParams *params) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  open_object(builder, NULL);
  velm_json_set_string(builder, "model", params->llm);
  velm_json_set_int(builder, "temperature", 0);
  velm_json_set_int(builder, "max_completion_tokens", VELM_PROMPT_MAX_TOKENS);
  if (params->top_logprobs > 0)
    add_log_probabilities(builder, params->top_logprobs);
  add_messages(builder, prompt);
  if (params->schema)
    add_response_format(builder, prompt, params->max_reason);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  return insert_images(json, prompt->images);
}

char *velm_prompt_request(const VelmPrompt *prompt, const char *llm) {
  VelmPromptRequestParams params = velm_prompt_request_params_default(llm);
  return velm_prompt_request_new(prompt, &params);
}
