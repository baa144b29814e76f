#include "classify/mllm.h"

#include "classify/answer.h"
#include "classify/context_examples.h"
#include "classify/llm_calibration.h"
#include "classify/llm_gate.h"
#include "classify/prompt_template.h"
#include "classify/temperature.h"

#include <math.h>
#include <string.h>

#define SHOWN_BYTES 200 /* of a server's words */
#define REASON_BYTES 500
#define ANSWER_BYTES 4000

/* Records that are worth having submitted, for each that is with the server: the detector is not to
 * wait for one slow answer. */
#define QUEUED_PER_FLIGHT 3

/* Requests that are built ahead of the server, for each that is with it: so many places may become
 * free at once. They are what takes memory. */
#define AHEAD_PER_FLIGHT 1

/* Behind a gate: before the second try. It doubles with each further one. */
#define TRY_AGAIN_US (500 * 1000)

/* How long to wait for what the gate holds back before asking it again. */
#define LEAST_GATE_MS 5
#define MOST_GATE_MS 1000

typedef struct {
  VelmClassifier head;
  const VelmClasses *classes;
  VelmPromptParts parts;
  VelmPromptRegions regions;
  VelmPromptTemplate *wording; /* or NULL */
  VelmReferenceImages *references;
  VelmImage *normal_image; /* the user's; NULL for the nearest of the references */
  VelmContextExamples *examples;
  VelmLlmCalibration *calibration; /* NULL where the model has no temperature */
  GHashTable *reference_jpegs;     /* GBytes by VelmImage of the references: as they are sent */
  VelmLlmSession *session;
  guint n_open; /* questions that are not done */
} Mllm;

/* One record on its way. */
typedef struct {
  Mllm *mllm;
  VelmInspection *inspection;
  VelmClassified done;
  gpointer user_data;
  const VelmImage *reference;         /* borrowed; chosen once */
  GArray *examples;                   /* of VelmPromptExample; chosen once */
  VelmBuiltPrompt *built;             /* NULL before it was */
  gboolean again;                     /* it was asked once already */
  gboolean schema, log_probabilities; /* as it was asked */
  gboolean resent;                    /* to another server of velm's own, after one died */
  gint64 reserved_prompt;             /* tokens */
  VelmLlmGrant grant;                 /* of the gate, where there is one */
  int tries;                          /* that the gate granted */
  gint64 first_try, next_try;         /* monotonic; behind a gate */
  guint start;                        /* of a server of velm's own, that it was asked of */
} Question;

VelmMllmParams velm_mllm_params_default(void) {
  return (VelmMllmParams){.parts = VELM_PROMPT_ALL, .http = velm_http_params_default()};
}

/* ---- the end of a question ---- */

static void question_free(Question *question) {
  velm_built_prompt_free(question->built);
  g_array_unref(question->examples);
  g_free(question);
}

static void end(Question *question, const GError *error) {
  VelmLlmTranscript *transcript = &question->inspection->transcript;
  Mllm *mllm = question->mllm;
  mllm->n_open--;
  if (error) {
    velm_inspection_clear_class(question->inspection);
    question->inspection->llm_away =
        g_error_matches(error, VELM_ERROR, VELM_ERROR_LLM) &&
        velm_llm_health_get_state(mllm->session->health) == VELM_LLM_DOWN;
  }
  if (error && transcript->text && !transcript->failure)
    transcript->failure = g_strdup(error->message);
  question->done(question->inspection, error, question->user_data);
  question_free(question);
}

/* Scales the probabilities recorded as the examples taught, if they were put to the same model. Its
 * name was known before it was asked. */
static void scale(const Mllm *mllm, VelmInspection *inspection, int index) {
  const VelmLlmCalibration *calibration = mllm->calibration;
  g_autofree char *llm =
      calibration ? velm_llm_calibration_name(mllm->session->server, NULL) : NULL;
  if (!llm || !g_str_equal(llm, calibration->llm))
    return;
  velm_temperature_apply(calibration->temperature, inspection->probabilities,
                         g_strv_length(inspection->class_names));
  inspection->confidence = inspection->probabilities[index];
}

/*
 * Where the server gives no probabilities, they are recorded as 1 for the class answered and 0 for
 * the others, and as 0 for all where no class fits.
 */
static void fill_record(const Question *question, const VelmLlmAnswer *answer) {
  const Mllm *mllm = question->mllm;
  VelmInspection *inspection = question->inspection;
  char *const *answers = question->built->answers;
  guint n = 0;
  gboolean none = velm_classes_find(mllm->classes, answers[answer->index]) < 0 &&
                  g_str_equal(answers[answer->index], VELM_PROMPT_NONE);
  velm_inspection_clear_class(inspection);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  inspection->probabilities = g_new0(double, g_strv_length((char **)answers));
  for (int i = 0; answers[i]; i++) {
    gboolean unknown = velm_classes_find(mllm->classes, answers[i]) < 0 &&
                       g_str_equal(answers[i], VELM_PROMPT_NONE);
    if (unknown && !answer->probabilities)
      continue;
    g_strv_builder_add(names, unknown ? VELM_CLASS_UNKNOWN : answers[i]);
    inspection->probabilities[n++] =
        answer->probabilities ? answer->probabilities[i] : (i == answer->index ? 1 : 0);
  }
  inspection->class_names = g_strv_builder_end(names);
  inspection->class_name = g_strdup(none ? VELM_CLASS_UNKNOWN : answers[answer->index]);
  inspection->confidence = none && !answer->probabilities ? 0 : answer->confidence;
  inspection->classifier = g_strdup(velm_classifier_mllm.name);
  inspection->reason = g_strdup(answer->reason);
  inspection->bare = !answer->probabilities;
  if (answer->probabilities)
    scale(mllm, inspection, answer->index);
}

/* Takes what the server wrote out of @answer, and puts in what may be shown and stored. */
static void clean(const VelmLlmServer *server, VelmLlmAnswer *answer) {
  char *reason = answer->reason, *words = answer->words, *text = answer->text;
  answer->reason = reason ? velm_llm_server_shown(server, reason, REASON_BYTES) : NULL;
  answer->words = words ? velm_llm_server_shown(server, words, SHOWN_BYTES) : NULL;
  answer->text = text ? velm_llm_server_shown(server, text, ANSWER_BYTES) : NULL;
  g_free(reason);
  g_free(words);
  g_free(text);
}

/* Keeps what is asked, for people. */
static void write_down(Question *question) {
  VelmLlmTranscript *transcript = &question->inspection->transcript;
  velm_llm_transcript_clear(transcript);
  transcript->text = g_strdup(question->built->text);
  transcript->images = g_strdupv(question->built->image_names);
}

/* ---- asking ---- */

/* The reference as it is sent: there are few, and each goes with many parts. */
static gboolean find_reference_jpeg(Mllm *mllm, const VelmImage *reference, GBytes **jpeg,
                                    GError **error) {
  *jpeg = reference ? g_hash_table_lookup(mllm->reference_jpegs, reference) : NULL;
  if (*jpeg || !reference)
    return TRUE;
  *jpeg = velm_prompt_draw_reference(reference, error);
  if (*jpeg)
    g_hash_table_insert(mllm->reference_jpegs, (gpointer)reference, *jpeg);
  return *jpeg != NULL;
}

/* Begins to make the prompt and the request. */
static gboolean build(Question *question, GError **error) {
  Mllm *mllm = question->mllm;
  VelmLlmSession *session = mllm->session;
  VelmPromptOrder order = {.inspection = question->inspection, .classes = mllm->classes};
  const char *llm = velm_llm_server_get_llm(session->server, error);
  if (!llm)
    return FALSE;
  if (!question->inspection->llm.llm)
    question->inspection->llm.llm = g_strdup(llm);
  order.prompt = velm_prompt_params_default();
  order.prompt.parts = mllm->parts;
  order.prompt.regions = mllm->regions;
  order.prompt.wording = mllm->wording;
  order.prompt.reference = question->reference;
  order.prompt.again = question->again;
  order.prompt.examples = (const VelmPromptExample *)(void *)question->examples->data;
  order.prompt.n_examples = question->examples->len;
  if (!find_reference_jpeg(mllm, question->reference, &order.prompt.reference_jpeg, error))
    return FALSE;
  order.request = velm_prompt_request_params_default(llm);
  order.request.schema = question->schema = session->schema;
  order.request.max_reason = session->max_reason;
  question->log_probabilities = session->log_probabilities;
  order.request.top_logprobs = session->log_probabilities ? order.request.top_logprobs : 0;
  order.keyed = session->cache != NULL;
  g_clear_pointer(&question->built, velm_built_prompt_free);
  velm_prompt_queue_push(session->prompts, &order, question);
  return TRUE;
}

/* Whether another request is worth being built: not more than can be sent before long. */
static gboolean wants_request(const VelmLlmSession *session) {
  guint sent = session->fail_fast ? velm_llm_server_pending(session->server)
                                  : velm_llm_server_queued(session->server);
  guint ahead = velm_prompt_queue_length(session->prompts) + session->held->length + sent;
  return ahead < session->in_flight * AHEAD_PER_FLIGHT;
}

/* FALSE where nobody is to wait for a server that is away. */
static gboolean may_ask(VelmLlmSession *session, GError **error) {
  if (!session->fail_fast || session->offline ||
      velm_llm_health_check(session->health) != VELM_LLM_DOWN)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, "not asked, as it is away: %s",
              velm_llm_health_why(session->health));
  return FALSE;
}

/* A request is also what the cache is looked through by. */
static gboolean may_build(VelmLlmSession *session, GError **error) {
  return (session->cache && velm_llm_server_has_llm(session->server)) || may_ask(session, error);
}

static void build_ahead(VelmLlmSession *session) {
  while (session->unbuilt->length > 0 && wants_request(session)) {
    g_autoptr(GError) error = NULL;
    Question *question = g_queue_pop_head(session->unbuilt);
    if (!may_build(session, &error) || !build(question, &error))
      end(question, error);
  }
}

/* @found: (out): whether the cache has the answer; the question is then done. */
static gboolean look_up(Question *question, gboolean *found, GError **error) {
  VelmLlmSession *session = question->mllm->session;
  g_autoptr(VelmCachedAnswer) cached = NULL;
  *found = FALSE;
  if (!session->cache)
    return TRUE;
  if (!velm_answer_cache_get(session->cache, question->built->key, &cached, error))
    return FALSE;
  g_autoptr(VelmLlmAnswer) answer =
      cached ? velm_llm_answer_from_json(cached->answer, question->built->answers) : NULL;
  if (!answer || answer->outcome != VELM_ANSWER_OK)
    return TRUE;
  velm_spending_count_cached(session->spending, cached->prompt_tokens, cached->completion_tokens);
  write_down(question);
  question->inspection->transcript.cached = TRUE;
  question->inspection->transcript.answer = g_strdup(answer->text ? answer->text : answer->reason);
  fill_record(question, answer);
  end(question, NULL);
  *found = TRUE;
  return TRUE;
}

static void replied(JsonObject *reply, int status, const GError *error, gpointer user_data);

static void post(Question *question) {
  VelmLlmSession *session = question->mllm->session;
  question->start = session->served ? velm_served_llm_get_starts(session->served) : 0;
  write_down(question);
  velm_llm_server_post(session->server, "/chat/completions", question->built->body, replied,
                       question);
  g_clear_pointer(&question->built->body, g_bytes_unref); /* the server has it */
}

/* ---- leave to send ---- */

/* What has no place with the server does not leave now, which is what the gate grants. */
static VelmLlmGateVerdict ask_gate(Question *question, char **why) {
  VelmLlmSession *session = question->mllm->session;
  gint64 now = g_get_monotonic_time();
  if (!session->gate)
    return VELM_LLM_GATE_GRANTED;
  if (now < MAX(session->gate_at, question->next_try) ||
      velm_llm_server_pending(session->server) >= session->in_flight)
    return VELM_LLM_GATE_WAIT;
  gint64 cost = session->price ? velm_price_cost(session->price, question->reserved_prompt,
                                                 VELM_PROMPT_MAX_TOKENS)
                               : -1;
  VelmLlmGateVerdict verdict = session->gate->acquire(session->gate->user_data, cost,
                                                      &question->grant, &session->gate_at, why);
  if (verdict != VELM_LLM_GATE_GRANTED)
    return verdict;
  question->first_try = question->tries++ ? question->first_try : now;
  return verdict;
}

/* Once there is money for it. */
static gboolean pass_gate(Question *question, GError **error) {
  VelmLlmSession *session = question->mllm->session;
  g_autofree char *why = NULL;
  VelmLlmGateVerdict verdict = ask_gate(question, &why);
  if (verdict == VELM_LLM_GATE_GRANTED) {
    post(question);
    return TRUE;
  }
  velm_spending_release(session->spending, question->reserved_prompt, VELM_PROMPT_MAX_TOKENS);
  if (verdict == VELM_LLM_GATE_STOP) {
    velm_llm_server_fail(session->server, error, "not asked: %s", why);
    return FALSE;
  }
  g_queue_push_tail(session->held, question);
  return TRUE;
}

/* Asks for money and the gate's leave, and sends; or holds the question back until there is both.
 */
static gboolean spend_and_post(Question *question, GError **error) {
  VelmLlmSession *session = question->mllm->session;
  question->reserved_prompt = velm_price_most_prompt_tokens(
      session->price, strlen(question->built->text), g_strv_length(question->built->image_names));
  switch (velm_spending_may_send(session->spending, question->reserved_prompt,
                                 VELM_PROMPT_MAX_TOKENS)) {
  case VELM_SPENDING_GRANTED:
    return pass_gate(question, error);
  case VELM_SPENDING_WAIT:
    g_queue_push_tail(session->held, question);
    return TRUE;
  default:
    velm_llm_server_fail(session->server, error,
                         "not asked: one more answer might exceed the budget of %.2f USD",
                         session->budget);
    return FALSE;
  }
}

/* Once its request is built. FALSE where it cannot be asked; else it was sent, is held, or is done.
 */
static gboolean send_question(Question *question, GError **error) {
  VelmLlmSession *session = question->mllm->session;
  gboolean found = FALSE;
  if (!velm_llm_session_open_spending(session, error) || !look_up(question, &found, error))
    return FALSE;
  if (found)
    return TRUE;
  if (session->offline) {
    velm_llm_server_fail(session->server, error,
                         "not asked: --offline, and the cache has no answer");
    return FALSE;
  }
  if (!may_ask(session, error) ||
      (session->served && !velm_served_llm_check(session->served, error)))
    return FALSE;
  if (session->gate && session->held->length > 0) { /* who came first leaves first */
    g_queue_push_tail(session->held, question);
    return TRUE;
  }
  return spend_and_post(question, error);
}

static void send_built(VelmLlmSession *session) {
  for (;;) {
    g_autoptr(GError) error = NULL;
    VelmBuiltPrompt *built = NULL;
    Question *question = velm_prompt_queue_pop(session->prompts, &built, &error);
    if (!question)
      return;
    question->built = built;
    if (!built || !send_question(question, &error))
      end(question, error);
  }
}

/* Sends what was held back, as far as the budget and the gate let it. */
static void release_held(VelmLlmSession *session) {
  for (guint n = session->held->length; n > 0; n--) {
    g_autoptr(GError) error = NULL;
    Question *question = g_queue_pop_head(session->held);
    if (!spend_and_post(question, &error))
      end(question, error);
  }
}

static void go_on(VelmLlmSession *session) {
  if (session->gate)
    release_held(session);
  send_built(session);
  build_ahead(session);
}

/* ---- answers ---- */

static gboolean mentions(const GError *error, const char *const *words) {
  g_autofree char *message = g_ascii_strdown(error->message, -1);
  for (; *words; words++)
    if (strstr(message, *words))
      return TRUE;
  return FALSE;
}

/* Whether the server refuses a part of the request that it can do without. Goes without it from
 * then on. */
static gboolean do_without(Question *question, int status, const GError *error) {
  static const char *const probabilities[] = {"logprob", NULL};
  static const char *const schemas[] = {"response_format",   "json_schema", "json schema",
                                        "structured output", "grammar",     NULL};
  if (status < 400 || status >= 500)
    return FALSE;
  if (question->log_probabilities && mentions(error, probabilities)) {
    question->mllm->session->log_probabilities = FALSE;
    return TRUE;
  }
  if (question->schema && mentions(error, schemas)) {
    question->mllm->session->schema = FALSE;
    return TRUE;
  }
  return FALSE;
}

static gint64 add_tokens(gint64 sum, gint64 tokens) {
  return sum < 0 || tokens < 0 ? -1 : sum + tokens;
}

/* What the record says a request took. */
static void count_usage(const Question *question, gint64 prompt_tokens, gint64 completion_tokens) {
  const VelmLlmPrice *price = question->mllm->session->price;
  VelmLlmUsage *usage = &question->inspection->llm;
  usage->requests++;
  usage->prompt_tokens = add_tokens(usage->prompt_tokens, prompt_tokens);
  usage->completion_tokens = add_tokens(usage->completion_tokens, completion_tokens);
  if (prompt_tokens < 0)
    prompt_tokens = question->reserved_prompt;
  if (completion_tokens < 0)
    completion_tokens = VELM_PROMPT_MAX_TOKENS;
  usage->usd +=
      price ? velm_price_to_usd(velm_price_cost(price, prompt_tokens, completion_tokens)) : NAN;
}

/* @picodollars: -1 where it is not known. */
static void settle_grant(const Question *question, gboolean reached, gint64 picodollars) {
  VelmLlmGate *gate = question->mllm->session->gate;
  if (gate && reached)
    gate->settle(gate->user_data, &question->grant, picodollars);
  else if (gate)
    gate->release(gate->user_data, &question->grant);
}

static gint64 cost_of(const Question *question, const VelmLlmAnswer *answer) {
  gboolean known = answer && answer->prompt_tokens >= 0 && answer->completion_tokens >= 0;
  return known ? velm_price_cost(question->mllm->session->price, answer->prompt_tokens,
                                 answer->completion_tokens)
               : -1;
}

/* Settles what a request cost: nothing where the server certainly did no work. */
static void settle(const Question *question, const VelmLlmAnswer *answer, int status) {
  const VelmLlmSession *session = question->mllm->session;
  VelmSpending *spending = session->spending;
  gboolean reached = velm_llm_server_get_outcome(session->server).reached;
  gboolean free = !reached || (status >= 400 && status < 500);
  gint64 unknown = free ? 0 : -1;
  settle_grant(question, reached, free ? 0 : cost_of(question, answer));
  count_usage(question, answer ? answer->prompt_tokens : unknown,
              answer ? answer->completion_tokens : unknown);
  if (free)
    velm_spending_release(spending, question->reserved_prompt, VELM_PROMPT_MAX_TOKENS);
  else
    velm_spending_settle(spending, question->reserved_prompt, VELM_PROMPT_MAX_TOKENS,
                         answer ? answer->prompt_tokens : -1,
                         answer ? answer->completion_tokens : -1);
}

/* It was first. */
static void be_next(Question *question) {
  g_queue_push_head(question->mllm->session->unbuilt, question);
}

/* Another question, of the same part. */
static void ask_once_more(Question *question) {
  question->tries = 0;
  be_next(question);
}

/* Behind a gate, which counts tries, they are begun here and not by the transport. What went to a
 * server of velm's own is asked once more where that died. */
static gboolean may_try_again(Question *question, int status) {
  VelmLlmSession *session = question->mllm->session;
  gint64 now = g_get_monotonic_time();
  if (!session->gate || question->tries >= session->tries ||
      !velm_llm_server_get_outcome(session->server).passing || (session->served && status == 0))
    return FALSE;
  question->next_try = now + (TRY_AGAIN_US << (question->tries - 1));
  return question->next_try < question->first_try + session->total_ms * G_GINT64_CONSTANT(1000);
}

static void take_answer(Question *question, VelmLlmAnswer *answer) {
  VelmLlmSession *session = question->mllm->session;
  g_autoptr(GError) error = NULL;
  gboolean may_ask_again = velm_llm_answer_may_ask_again(answer);
  clean(session->server, answer);
  /* Of an inspection that several classifiers are asked about at once, the last answer stays. */
  g_free(question->inspection->transcript.answer);
  question->inspection->transcript.answer = g_strdup(answer->text);
  if (answer->outcome == VELM_ANSWER_OK) {
    g_autofree char *json = velm_llm_answer_to_json(answer, question->built->answers);
    /* An answer that cannot be kept is an answer all the same. */
    if (session->cache)
      velm_answer_cache_put(session->cache, question->built->key, json, answer->prompt_tokens,
                            answer->completion_tokens, NULL);
    fill_record(question, answer);
    end(question, NULL);
    return;
  }
  if (may_ask_again && !question->again) {
    question->again = TRUE;
    ask_once_more(question);
    return;
  }
  g_autofree char *why = velm_llm_answer_explain(answer, answer->words);
  velm_llm_server_fail(session->server, &error, "%s", why);
  end(question, error);
}

/* Nothing came back. A server of velm's own may have died of it, or over it: the next is asked. */
static void take_silence(Question *question, const GError *error) {
  VelmServedLlm *served = question->mllm->session->served;
  g_autoptr(GError) gone = NULL;
  gboolean renewed = FALSE;
  if (served && !velm_served_llm_check_after(served, question->start, &renewed, &gone))
    end(question, gone);
  else if (renewed && !question->resent) {
    question->resent = TRUE;
    ask_once_more(question);
  } else {
    end(question, error);
  }
}

static void replied(JsonObject *reply, int status, const GError *error, gpointer user_data) {
  Question *question = user_data;
  Mllm *mllm = question->mllm;
  g_autoptr(VelmLlmAnswer) answer =
      reply ? velm_llm_answer_read(reply, mllm->classes, question->built->answers) : NULL;
  settle(question, answer, status);
  gboolean cancelled = error && g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED);
  if (!cancelled)
    velm_llm_health_note(mllm->session->health, status > 0 && status < 500,
                         error ? error->message : NULL);
  if (answer)
    take_answer(question, answer);
  else if (do_without(question, status, error))
    ask_once_more(question);
  else if (!cancelled && may_try_again(question, status))
    be_next(question);
  else if (status == 0 && !cancelled)
    take_silence(question, error);
  else
    end(question, error);
  if (!cancelled)
    release_held(mllm->session);
}

/* ---- the classifier ---- */

static void mllm_submit(VelmClassifier *classifier, VelmInspection *inspection, VelmClassified done,
                        gpointer user_data) {
  Mllm *mllm = (Mllm *)classifier;
  Question *question = g_new0(Question, 1);
  question->mllm = mllm;
  question->inspection = inspection;
  question->done = done;
  question->user_data = user_data;
  g_free(inspection->llm.llm);
  inspection->llm = (VelmLlmUsage){0};
  velm_llm_transcript_clear(&inspection->transcript);
  if (mllm->session->fail_fast)
    velm_llm_session_is_there(mllm->session); /* waits while it is first looked for */
  question->reference = mllm->normal_image
                            ? mllm->normal_image
                            : velm_reference_images_nearest(mllm->references, inspection->features);
  question->examples = velm_context_examples_list(mllm->examples, inspection->part);
  mllm->n_open++;
  g_queue_push_tail(mllm->session->unbuilt, question);
  build_ahead(mllm->session);
}

/* What the gate holds back is not waited for longer than it says. */
static int limit_wait(const VelmLlmSession *session, int wait_ms) {
  if (!session->gate || session->held->length == 0 ||
      velm_llm_server_pending(session->server) >= session->in_flight)
    return wait_ms;
  gint64 left = (session->gate_at - g_get_monotonic_time()) / 1000;
  int most = (int)CLAMP(left, LEAST_GATE_MS, MOST_GATE_MS);
  return wait_ms < 0 ? most : MIN(wait_ms, most);
}

static gboolean mllm_iterate(VelmClassifier *classifier, int wait_ms) {
  Mllm *mllm = (Mllm *)classifier;
  VelmLlmSession *session = mllm->session;
  guint n_open = mllm->n_open;
  go_on(session);
  int wait = mllm->n_open < n_open ? 0 : limit_wait(session, wait_ms);
  if (velm_llm_server_pending(session->server) > 0)
    velm_llm_session_iterate(session, wait);
  else if (session->gate && session->held->length > 0 &&
           velm_prompt_queue_length(session->prompts) == 0)
    g_usleep((gulong)wait * 1000); /* only the gate's time has to come */
  else
    velm_prompt_queue_wait(session->prompts, wait);
  go_on(session);
  return mllm->n_open > 0;
}

static guint mllm_capacity(const VelmClassifier *classifier) {
  return ((const Mllm *)classifier)->session->in_flight * QUEUED_PER_FLIGHT;
}

static const VelmSpending *mllm_spending(const VelmClassifier *classifier) {
  return ((const Mllm *)classifier)->session->spending;
}

static gboolean mllm_watch(VelmClassifier *classifier, VelmClassifierServer *server) {
  VelmLlmSession *session = ((Mllm *)classifier)->session;
  if (session->offline)
    return FALSE;
  server->state = velm_llm_session_watch(session);
  server->name = velm_llm_server_get_place(session->server);
  server->why = server->state == VELM_LLM_DOWN ? velm_llm_health_why(session->health) : NULL;
  return TRUE;
}

static void end_all(GQueue *questions, const GError *error) {
  while (questions->length > 0)
    end(g_queue_pop_head(questions), error);
}

static void end_all_being_built(VelmPromptQueue *prompts, const GError *error) {
  velm_prompt_queue_cancel(prompts);
  for (;;) {
    g_autoptr(GError) cause = NULL;
    VelmBuiltPrompt *built = NULL;
    Question *question = velm_prompt_queue_pop(prompts, &built, &cause);
    if (!question)
      return;
    question->built = built;
    end(question, error);
  }
}

static void mllm_cancel(VelmClassifier *classifier) {
  VelmLlmSession *session = ((Mllm *)classifier)->session;
  g_autoptr(GError) error = g_error_new(VELM_ERROR, VELM_ERROR_CANCELLED, "given up");
  end_all(session->held, error);
  velm_llm_server_cancel(session->server);
  end_all_being_built(session->prompts, error);
  end_all(session->unbuilt, error);
}

/* ---- open and free ---- */

static void mllm_free(VelmClassifier *classifier) {
  Mllm *mllm = (Mllm *)classifier;
  if (!mllm)
    return;
  velm_llm_session_unref(mllm->session);
  velm_reference_images_free(mllm->references);
  velm_image_free(mllm->normal_image);
  velm_context_examples_free(mllm->examples);
  velm_llm_calibration_free(mllm->calibration);
  velm_prompt_template_free(mllm->wording);
  g_hash_table_unref(mllm->reference_jpegs);
  g_free(mllm);
}

static gboolean open_prompt(Mllm *mllm, VelmModel *model, const VelmClassifierParams *params,
                            GError **error) {
  if (params->regions && !velm_prompt_regions_find(params->regions, &mllm->regions)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "classifier mllm: regions are shown as overview or crops, not \"%s\"",
                params->regions);
    return FALSE;
  }
  if (params->wording && !(mllm->wording = velm_prompt_template_load(params->wording, error)))
    return FALSE;
  if (params->normal_image &&
      !(mllm->normal_image = velm_image_load(params->normal_image, 0, error)))
    return FALSE;
  mllm->references = velm_reference_images_open(model, error);
  if (!mllm->references)
    return FALSE;
  mllm->examples = velm_context_examples_open(model, params->examples, error);
  return mllm->examples != NULL;
}

static gboolean open_calibration(Mllm *mllm, VelmModel *model, GError **error) {
  if (!model || !velm_llm_calibration_has_temperature(model))
    return TRUE;
  mllm->calibration = velm_llm_calibration_restore(model, error);
  return mllm->calibration != NULL;
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
  mllm->reference_jpegs = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_bytes_unref);
  mllm->session = mllm_params->session ? velm_llm_session_ref(mllm_params->session)
                                       : velm_llm_session_new(params, &mllm_params->http, error);
  if (mllm->session && open_prompt(mllm, model, params, error) &&
      open_calibration(mllm, model, error))
    return &mllm->head;
  mllm_free(&mllm->head);
  return NULL;
}

VelmLlmSession *velm_mllm_get_session(VelmClassifier *classifier) {
  return ((Mllm *)classifier)->session;
}

static VelmClassifier *mllm_open(VelmModel *model, const VelmClasses *classes,
                                 const VelmClassifierParams *params, GError **error) {
  VelmMllmParams mllm_params = velm_mllm_params_default();
  return velm_mllm_open(model, classes, params, &mllm_params, error);
}

const VelmClassifierClass velm_classifier_mllm = {.name = "mllm",
                                                  .open = mllm_open,
                                                  .free = mllm_free,
                                                  .submit = mllm_submit,
                                                  .iterate = mllm_iterate,
                                                  .cancel = mllm_cancel,
                                                  .capacity = mllm_capacity,
                                                  .spending = mllm_spending,
                                                  .watch = mllm_watch};
