/*
 * The key comes from the environment's OPENAI_API_KEY only, and nothing that leaves this file
 * (messages, reason) has it: whatever the server wrote passes shown().
 */
#include "classify/mllm.h"

#include "classify/answer.h"
#include "core/json_member.h"

#include <string.h>

#define SHOWN_BYTES 200 /* of a server's message */
#define REASON_BYTES 500
#define ENDPOINT_FLAGS (G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD)

/* Name in the model of the PNG of a normal image, bytes, that serves as reference. */
#define NORMAL_NAME "detector.normal_png"

typedef struct {
  VelmClassifier head;
  const VelmClasses *classes;
  VelmPromptParts parts;
  VelmHttp *http;
  gboolean has_key;
  GUri *endpoint;
  char *llm;         /* NULL until the server was asked */
  VelmImage *normal; /* or NULL */
} Mllm;

VelmMllmParams velm_mllm_params_default(void) {
  return (VelmMllmParams){.parts = VELM_PROMPT_ALL, .http = velm_http_params_default()};
}

/* ---- messages ---- */

/* @text, which the server wrote, as it may be shown: without the key, on one line, without control
 * characters, not long. */
static char *shown(const Mllm *mllm, const char *text, gssize length, gsize limit) {
  /* A body may have megabytes, and looking for the key is slow. */
  gsize size = MIN(length < 0 ? strlen(text) : (gsize)length, 4 * limit);
  g_autofree char *valid = g_utf8_make_valid(text, (gssize)size);
  char *safe = velm_http_redact(mllm->http, valid);
  gsize end = MIN(strlen(safe), limit);
  while (end > 0 && ((guchar)safe[end] & 0xC0) == 0x80)
    end--;
  safe[end] = '\0';
  for (char *c = safe; *c; c = g_utf8_next_char(c))
    if (g_unichar_iscntrl(g_utf8_get_char(c)))
      memset(c, ' ', (gsize)(g_utf8_next_char(c) - c));
  return g_strstrip(safe);
}

static char *url_of(const Mllm *mllm, const char *path) {
  g_autofree char *base = g_strdup(g_uri_get_path(mllm->endpoint));
  while (g_str_has_suffix(base, "/"))
    base[strlen(base) - 1] = '\0';
  g_autofree char *full = g_strconcat(base, path, NULL);
  g_autoptr(GUri) uri = g_uri_build_with_user(
      ENDPOINT_FLAGS, g_uri_get_scheme(mllm->endpoint), g_uri_get_user(mllm->endpoint),
      g_uri_get_password(mllm->endpoint), NULL, g_uri_get_host(mllm->endpoint),
      g_uri_get_port(mllm->endpoint), full, g_uri_get_query(mllm->endpoint), NULL);
  return g_uri_to_string(uri);
}

static void fail(const Mllm *mllm, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* "ENDPOINT: reason". */
static void fail(const Mllm *mllm, GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *why = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *url = g_uri_to_string(mllm->endpoint);
  g_autofree char *where = velm_http_display_url(url);
  g_autofree char *safe = velm_http_redact(mllm->http, where);
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, "%s: %s", safe, why);
}

/* ---- asking the server ---- */

/* The server's own words: {"error": {"message": ...}}, {"error": "..."}, {"message": ...}, else the
 * body's beginning. */
static char *server_message(const Mllm *mllm, const char *body, gsize length) {
  g_autoptr(JsonNode) root = velm_json_parse_object(body, length);
  JsonObject *object = root ? json_node_get_object(root) : NULL;
  const char *message =
      velm_json_string_member(velm_json_object_member(object, "error"), "message");
  if (!message)
    message = velm_json_string_member(object, "error");
  if (!message)
    message = velm_json_string_member(object, "message");
  return message ? shown(mllm, message, -1, SHOWN_BYTES)
                 : shown(mllm, body, (gssize)length, SHOWN_BYTES);
}

static void fail_by_status(const Mllm *mllm, const VelmHttpResponse *response, const char *body,
                           gsize length, GError **error) {
  if (response->status == 401) {
    /* Not the server's words: they show parts of the key. */
    fail(mllm, error, "HTTP 401: %s",
         mllm->has_key ? "the server refuses the key in OPENAI_API_KEY"
                       : "the server wants a key; set OPENAI_API_KEY");
    return;
  }
  if (response->status >= 300 && response->status < 400) {
    fail(mllm, error,
         "HTTP %d: the server redirects, which is not followed; give its final address",
         response->status);
    return;
  }
  g_autofree char *message = server_message(mllm, body, length);
  g_autofree char *often =
      response->tries > 1 ? g_strdup_printf(" (%d tries)", response->tries) : g_strdup("");
  fail(mllm, error, "HTTP %d%s%s%s", response->status, message[0] ? ": " : "", message, often);
}

/* Sends and parses. @json: NULL for a GET. Returns: (transfer full): an object's node. */
static JsonNode *ask(const Mllm *mllm, const char *path, const char *json, GError **error) {
  g_autofree char *url = url_of(mllm, path);
  g_autoptr(VelmHttpResponse) response = velm_http_send(mllm->http, url, json, error);
  if (!response)
    return NULL;
  gsize length = 0;
  const char *body = g_bytes_get_data(response->body, &length);
  body = body ? body : "";
  if (response->status != 200) {
    fail_by_status(mllm, response, body, length, error);
    return NULL;
  }
  g_autoptr(JsonNode) root = velm_json_parse_object(body, length);
  if (!root) {
    g_autofree char *start = shown(mllm, body, (gssize)length, SHOWN_BYTES);
    fail(mllm, error, "the server's answer is not a JSON object: \"%s\"", start);
    return NULL;
  }
  if (json_object_has_member(json_node_get_object(root), "error") &&
      !json_object_get_null_member(json_node_get_object(root), "error")) {
    g_autofree char *message = server_message(mllm, body, length);
    fail(mllm, error, "the server reports an error: %s", message);
    return NULL;
  }
  return g_steal_pointer(&root);
}

/* Takes the server's first model where none was named. */
static gboolean choose_llm(Mllm *mllm, GError **error) {
  if (mllm->llm)
    return TRUE;
  g_autoptr(JsonNode) root = ask(mllm, "/models", NULL, error);
  if (!root)
    return FALSE;
  const char *id = velm_json_string_member(
      velm_json_object_at(velm_json_array_member(json_node_get_object(root), "data"), 0), "id");
  if (!id || !id[0]) {
    fail(mllm, error, "the server lists no model; name one");
    return FALSE;
  }
  mllm->llm = g_strdup(id);
  return TRUE;
}

/* ---- the record ---- */

/*
 * A model's answer has no probability. It is recorded as 1 for the class answered and 0 for the
 * others, and as 0 for all where no class fits.
 */
static void fill_record(const Mllm *mllm, VelmInspection *inspection, char *const *answers,
                        int index, const char *reason) {
  guint n = 0;
  gboolean own = velm_classes_find(mllm->classes, answers[index]) >= 0;
  gboolean none = !own && g_str_equal(answers[index], VELM_PROMPT_NONE);
  velm_inspection_clear_class(inspection);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  inspection->probabilities = g_new0(double, g_strv_length((char **)answers));
  for (int i = 0; answers[i]; i++) {
    if (velm_classes_find(mllm->classes, answers[i]) < 0 &&
        g_str_equal(answers[i], VELM_PROMPT_NONE))
      continue;
    g_strv_builder_add(names, answers[i]);
    inspection->probabilities[n++] = i == index ? 1 : 0;
  }
  inspection->class_names = g_strv_builder_end(names);
  inspection->class_name = g_strdup(none ? VELM_CLASS_UNKNOWN : answers[index]);
  inspection->confidence = none ? 0 : 1;
  inspection->classifier = g_strdup(velm_classifier_mllm.name);
  inspection->reason = reason ? shown(mllm, reason, -1, REASON_BYTES) : NULL;
}

static gboolean take_answer(const Mllm *mllm, VelmInspection *inspection, char *const *answers,
                            JsonObject *completion, GError **error) {
  g_autoptr(VelmLlmAnswer) answer = velm_llm_answer_read(completion, mllm->classes, answers);
  if (answer->outcome != VELM_ANSWER_OK) {
    g_autofree char *words = answer->words ? shown(mllm, answer->words, -1, SHOWN_BYTES) : NULL;
    g_autofree char *why = velm_llm_answer_explain(answer, words);
    fail(mllm, error, "%s", why);
    return FALSE;
  }
  fill_record(mllm, inspection, answers, answer->index, answer->reason);
  return TRUE;
}

static gboolean mllm_classify(VelmClassifier *classifier, VelmInspection *inspection,
                              GError **error) {
  Mllm *mllm = (Mllm *)classifier;
  if (!choose_llm(mllm, error))
    return FALSE;
  g_autoptr(VelmPrompt) prompt =
      velm_prompt_build(inspection, mllm->classes, mllm->normal, mllm->parts, error);
  if (!prompt)
    return FALSE;
  g_autofree char *request = velm_prompt_request(prompt, mllm->llm);
  g_autoptr(JsonNode) completion = ask(mllm, "/chat/completions", request, error);
  return completion &&
         take_answer(mllm, inspection, prompt->answers, json_node_get_object(completion), error);
}

/* ---- open and free ---- */

static void mllm_free(VelmClassifier *classifier) {
  Mllm *mllm = (Mllm *)classifier;
  if (!mllm)
    return;
  velm_http_free(mllm->http);
  g_clear_pointer(&mllm->endpoint, g_uri_unref);
  velm_image_free(mllm->normal);
  g_free(mllm->llm);
  g_free(mllm);
}

static gboolean read_normal(Mllm *mllm, VelmModel *model, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (!model || !velm_model_has(model, NORMAL_NAME))
    return TRUE;
  g_autoptr(GBytes) png = velm_model_get_bytes(model, NORMAL_NAME, &cause);
  mllm->normal = png ? velm_image_parse(png, NORMAL_NAME, &cause) : NULL;
  if (!mllm->normal)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s",
                NORMAL_NAME, cause->message);
  return mllm->normal != NULL;
}

/* Messages do not repeat the endpoint as it was given: it may hold a password. */
static GUri *parse_endpoint(const char *given, GError **error) {
  const char *text = given && given[0] ? given : g_getenv("OPENAI_BASE_URL");
  if (!text || !text[0]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "classifier mllm: no server; give --endpoint URL or set OPENAI_BASE_URL");
    return NULL;
  }
  g_autoptr(GUri) uri = g_uri_parse(text, ENDPOINT_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme(uri) : "";
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  if ((g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) && host && host[0])
    return g_steal_pointer(&uri);
  g_set_error(
      error, VELM_ERROR, VELM_ERROR_USAGE,
      "classifier mllm: the endpoint is no http or https address such as http://127.0.0.1:8080/v1");
  return NULL;
}

static gboolean open_http(Mllm *mllm, const VelmMllmParams *params, GError **error) {
  const char *given = g_getenv("OPENAI_API_KEY");
  g_autofree char *key = given ? g_strstrip(g_strdup(given)) : NULL;
  g_autoptr(GError) cause = NULL;
  VelmHttpParams http_params = params->http;
  http_params.bearer = key && key[0] ? key : NULL;
  http_params.error_code = VELM_ERROR_LLM;
  mllm->has_key = http_params.bearer != NULL;
  mllm->http = velm_http_new(&http_params, &cause);
  if (!mllm->http)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "OPENAI_API_KEY: %s", cause->message);
  return mllm->http != NULL;
}

VelmClassifier *velm_mllm_open(VelmModel *model, const VelmClasses *classes,
                               const VelmClassifierParams *params,
                               const VelmMllmParams *mllm_params, GError **error) {
  if (!classes || classes->classes->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "classifier mllm: needs the classes of an inspection spec");
    return NULL;
  }
  Mllm *mllm = g_new0(Mllm, 1);
  mllm->head.klass = &velm_classifier_mllm;
  mllm->classes = classes;
  mllm->parts = mllm_params->parts;
  mllm->llm = params->llm && params->llm[0] ? g_strdup(params->llm) : NULL;
  if (!(mllm->endpoint = parse_endpoint(params->endpoint, error)) ||
      !open_http(mllm, mllm_params, error) || !read_normal(mllm, model, error)) {
    mllm_free(&mllm->head);
    return NULL;
  }
  return &mllm->head;
}

static VelmClassifier *mllm_open(VelmModel *model, const VelmClasses *classes,
                                 const VelmClassifierParams *params, GError **error) {
  VelmMllmParams mllm_params = velm_mllm_params_default();
  return velm_mllm_open(model, classes, params, &mllm_params, error);
}

const VelmClassifierClass velm_classifier_mllm = {
    .name = "mllm", .open = mllm_open, .classify = mllm_classify, .free = mllm_free};
