/* The classifier mllm under load: a server that goes wrong in every way, and requests built ahead.
 */
#include "classify/mllm.h"
#include "classify/scripted_server.h"
#include "core/scratch.h"

#include <string.h>

#define N_CLASSES 4
#define IN_FLIGHT 32

typedef struct {
  ScriptedServer *server;
  VelmClasses *classes;
  VelmMllmParams params;
  VelmClassifier *mllm;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_unsetenv("OPENAI_API_KEY");
  f->server = scripted_server_new();
  scripted_server_set_keep_alive(f->server, TRUE);
  f->classes = velm_classes_new();
  for (int i = 0; i < N_CLASSES; i++) {
    g_autofree char *key = g_strdup_printf("kind_%d", i);
    velm_classes_add(f->classes, key, NULL, "a kind of defect");
  }
  f->params = velm_mllm_params_default();
  f->params.http.first_wait_ms = 1;
  f->params.http.seed = 1;
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_classifier_free(f->mllm);
  velm_classes_free(f->classes);
  scripted_server_free(f->server);
}

static void open_with(Fixture *f, VelmClassifierParams params) {
  g_autoptr(GError) error = NULL;
  params.endpoint = scripted_server_endpoint(f->server);
  params.llm = "scripted";
  f->mllm = velm_mllm_open(NULL, f->classes, &params, &f->params, &error);
  g_assert_no_error(error);
}

/* Blocks of the picture that is sent tell the bits of @number. */
static void draw_number(VelmImage *image, guint number) {
  const gsize block = 8, row = (gsize)image->width * 3;
  for (gsize bit = 0; bit < 16; bit++)
    for (gsize y = 0; number >> bit & 1 && y < block; y++)
      memset(image->pixels + y * row + bit * block * 3, 255, block * 3);
}

/* The part @number, which its pixels tell. */
static VelmInspection *make_part(guint number) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = velm_image_new(VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE);
  inspection->focus = velm_mask_new(VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE);
  memset(inspection->focus->values + 100 * VELM_PROMPT_IMAGE_SIZE + 100, 255, 50);
  draw_number(inspection->image, number);
  return inspection;
}

/* What `velm prompt` would print of it. */
static char *expected_request(const Fixture *f, const VelmInspection *part, gboolean again) {
  g_autoptr(GError) error = NULL;
  VelmPromptParams params = velm_prompt_params_default();
  params.parts = f->params.parts;
  params.again = again;
  g_autoptr(VelmPrompt) prompt = velm_prompt_new(part, f->classes, &params, &error);
  g_assert_no_error(error);
  return velm_prompt_request(prompt, "scripted");
}

/* ---- a server that goes wrong ---- */

#define N_RECORDS 1000

/* A tenth of the records each; the others are answered at once. */
typedef enum {
  TOO_MANY,      /* 429 with Retry-After */
  BROKEN,        /* 500 */
  STALLED,       /* before or within the answer */
  RESET,         /* the connection */
  TRUNCATED,     /* the answer */
  WRONG_JSON,    /* what the model wrote */
  FOREIGN_CLASS, /* one that the spec does not have */
  WRONG_ANSWER,  /* the server's answer is no JSON at all, which is final */
  N_FAULTS
} Fault;

/* Replies of the script; the classes' are before them. */
enum {
  REPLY_429 = N_CLASSES,
  REPLY_500,
  REPLY_STALLED,
  REPLY_STALLED_BODY,
  REPLY_RESET,
  REPLY_TRUNCATED,
  REPLY_WRONG_JSON,
  REPLY_FOREIGN_CLASS,
  REPLY_WRONG_ANSWER,
};

typedef struct {
  struct _Load *load;
  VelmInspection *part;
  guint number, n_done;
  guint n_answers; /* that named a class of the spec, as the server sent them; under the lock */
  char *class_name;
  GError *error;
} Record;

typedef struct _Load {
  Fixture *f;
  Record records[N_RECORDS];
  guint n_done, n_submitted;
  GMutex lock;
  GHashTable *first, *again; /* Record by the hash of its request */
  guint n_unknown;           /* requests that are no record's */
} Load;

static Fault fault_of(guint number) { return (Fault)(number % 10); }

/* Three in ten go wrong every time. */
static gboolean is_unlucky(guint number) { return number / 10 % 10 < 3; }

static guint true_class(guint number) { return number * 7919 % 101 % N_CLASSES; }

static gboolean must_fail(guint number) {
  return fault_of(number) == WRONG_ANSWER || (fault_of(number) < N_FAULTS && is_unlucky(number));
}

static guint faulty_reply(guint number) {
  switch (fault_of(number)) {
  case TOO_MANY:
    return REPLY_429;
  case BROKEN:
    return REPLY_500;
  case STALLED:
    return number / 10 % 10 == 0 || number / 10 % 10 == 9 ? REPLY_STALLED : REPLY_STALLED_BODY;
  case RESET:
    return REPLY_RESET;
  case TRUNCATED:
    return REPLY_TRUNCATED;
  case WRONG_JSON:
    return REPLY_WRONG_JSON;
  case FOREIGN_CLASS:
    return REPLY_FOREIGN_CLASS;
  case WRONG_ANSWER:
  case N_FAULTS:
  default:
    return REPLY_WRONG_ANSWER;
  }
}

/* @again: the model was told that its answer could not be used. */
static gboolean goes_wrong(guint number, gboolean again, guint seen) {
  Fault fault = fault_of(number);
  if (fault >= N_FAULTS)
    return FALSE;
  if (is_unlucky(number) || fault == WRONG_ANSWER)
    return TRUE;
  return fault == WRONG_JSON || fault == FOREIGN_CLASS ? !again : seen == 0;
}

static guint plan(const ScriptedRequest *request, G_GNUC_UNUSED guint number, guint seen,
                  gpointer data) {
  Load *load = data;
  guint reply = REPLY_WRONG_ANSWER;
  gpointer hash = GUINT_TO_POINTER(g_str_hash(request->body));
  g_mutex_lock(&load->lock);
  Record *first = g_hash_table_lookup(load->first, hash);
  Record *record = first ? first : g_hash_table_lookup(load->again, hash);
  if (!record) {
    load->n_unknown++;
  } else if (goes_wrong(record->number, !first, seen)) {
    reply = faulty_reply(record->number);
  } else {
    reply = true_class(record->number);
    record->n_answers++;
  }
  g_mutex_unlock(&load->lock);
  return reply;
}

static void write_script(ScriptedServer *server) {
  for (int i = 0; i < N_CLASSES; i++) {
    g_autofree char *answer = g_strdup_printf("{\"class\":\"kind_%d\",\"reason\":\"x\"}", i);
    scripted_server_answer(server, answer);
  }
  scripted_server_reply(server, 429, "Retry-After: 1\r\n", "{}");
  scripted_server_reply(server, 500, NULL, "{}");
  scripted_server_fault(server, SCRIPTED_STALLED);
  scripted_server_fault(server, SCRIPTED_STALLED_BODY);
  scripted_server_fault(server, SCRIPTED_RESET);
  scripted_server_fault(server, SCRIPTED_TRUNCATED);
  scripted_server_answer(server, "{\"class\": kind");
  scripted_server_answer(server, "{\"class\":\"kind_9\",\"reason\":\"x\"}");
  scripted_server_reply(server, 200, NULL, "<html>{\"class\":\"kind_0\"}</html>");
}

/* ---- the caller ---- */

static void take(VelmInspection *inspection, const GError *error, gpointer data) {
  Record *record = data;
  g_assert_true(record->n_done > 0 || inspection == record->part);
  if (record->n_done++ > 0)
    return;
  record->load->n_done++;
  record->class_name = g_strdup(inspection->class_name);
  record->error = error ? g_error_copy(error) : NULL;
  g_clear_pointer(&record->part, velm_inspection_free);
}

static void note_request(GHashTable *table, const char *body, Record *record) {
  g_assert_true(g_hash_table_insert(table, GUINT_TO_POINTER(g_str_hash(body)), record));
}

static void submit(Load *load) {
  guint number = load->n_submitted++;
  Record *record = &load->records[number];
  *record = (Record){.load = load, .number = number, .part = make_part(number)};
  g_autofree char *first = expected_request(load->f, record->part, FALSE);
  g_autofree char *again = expected_request(load->f, record->part, TRUE);
  g_mutex_lock(&load->lock);
  note_request(load->first, first, record);
  note_request(load->again, again, record);
  g_mutex_unlock(&load->lock);
  velm_classifier_submit(load->f->mllm, record->part, take, record);
}

/* As `velm inspect` does: no more at a time than are worth it. */
static void classify_all(Load *load) {
  guint most = velm_classifier_capacity(load->f->mllm);
  while (load->n_done < N_RECORDS) {
    while (load->n_submitted < N_RECORDS && load->n_submitted - load->n_done < most)
      submit(load);
    velm_classifier_iterate(load->f->mllm, 1000);
  }
}

static void check(const Record *record) {
  g_assert_cmpuint(record->n_done, ==, 1);
  if (must_fail(record->number)) {
    g_assert_error(record->error, VELM_ERROR, VELM_ERROR_LLM);
    g_assert_null(record->class_name);
    g_assert_cmpuint(record->n_answers, ==, 0);
    return;
  }
  g_autofree char *class_name = g_strdup_printf("kind_%u", true_class(record->number));
  g_assert_no_error(record->error);
  g_assert_cmpstr(record->class_name, ==, class_name);
  g_assert_cmpuint(record->n_answers, ==, 1);
}

/* None is lost, none is answered twice, none gets another's class or one that does not exist. */
static void test_faults(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree Load *load = g_new0(Load, 1);
  load->f = f;
  load->first = g_hash_table_new(NULL, NULL);
  load->again = g_hash_table_new(NULL, NULL);
  g_mutex_init(&load->lock);
  write_script(f->server);
  scripted_server_drop_bodies(f->server);
  scripted_server_set_plan(f->server, plan, load);
  f->params.parts = VELM_PROMPT_NORMAL; /* one picture: the prompts are built three times here */
  /* What stalls before its answer. Shorter, a busy machine would be too slow for whole answers. */
  f->params.http.timeout_ms = 5000;
  f->params.http.stall_timeout_ms = 300;
  f->params.http.max_wait_ms = 10;
  f->params.http.breaker_failures = 0; /* with one, records would fail that are fine */
  open_with(f, (VelmClassifierParams){.in_flight = IN_FLIGHT});
  classify_all(load);
  guint n_failed = 0;
  for (guint i = 0; i < N_RECORDS; i++) {
    check(&load->records[i]);
    n_failed += load->records[i].error != NULL;
    g_clear_error(&load->records[i].error);
    g_free(load->records[i].class_name);
  }
  g_test_message("%u records, %u requests, %u errors", N_RECORDS,
                 scripted_server_n_requests(f->server), n_failed);
  g_assert_cmpuint(n_failed, ==, 7 * 30 + 100);
  g_assert_cmpuint(load->n_unknown, ==, 0);
  g_assert_cmpuint(scripted_server_peak(f->server), <=, IN_FLIGHT);
  g_assert_false(velm_classifier_iterate(f->mllm, 0));
  g_hash_table_unref(load->first);
  g_hash_table_unref(load->again);
  g_mutex_clear(&load->lock);
}

/* ---- building ahead ---- */

typedef struct {
  guint n_done, n_failed;
  GError *last;
} Outcome;

static void count(G_GNUC_UNUSED VelmInspection *inspection, const GError *error, gpointer data) {
  Outcome *outcome = data;
  outcome->n_done++;
  if (!error)
    return;
  outcome->n_failed++;
  g_clear_error(&outcome->last);
  outcome->last = g_error_copy(error);
}

static GPtrArray *submit_parts(Fixture *f, guint n, Outcome *outcome) {
  GPtrArray *parts = g_ptr_array_new_with_free_func((GDestroyNotify)velm_inspection_free);
  for (guint i = 0; i < n; i++) {
    g_ptr_array_add(parts, make_part(i));
    velm_classifier_submit(f->mllm, parts->pdata[i], count, outcome);
  }
  return parts;
}

/* However many threads build, and whoever of them is done first. */
static void test_order(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const guint n = 40;
  Outcome outcome = {0};
  scripted_server_answer(f->server, "{\"class\":\"kind_1\"}");
  open_with(f, (VelmClassifierParams){.in_flight = 1});
  g_autoptr(GPtrArray) parts = submit_parts(f, n, &outcome);
  while (velm_classifier_iterate(f->mllm, -1))
    continue;
  g_assert_cmpuint(outcome.n_done, ==, n);
  g_assert_cmpuint(outcome.n_failed, ==, 0);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, n);
  for (guint i = 0; i < n; i++) {
    g_autofree char *expected = expected_request(f, parts->pdata[i], FALSE);
    g_assert_cmpstr(scripted_server_request(f->server, i)->body, ==, expected);
  }
}

/* Whether its request is being built, is with the server, or neither, each is told once. */
static void test_cancel(Fixture *f, gconstpointer data) {
  const guint n = 200;
  Outcome outcome = {0};
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  open_with(f, (VelmClassifierParams){.in_flight = 8});
  g_autoptr(GPtrArray) parts = submit_parts(f, n, &outcome);
  for (int i = 0; i < GPOINTER_TO_INT(data); i++)
    velm_classifier_iterate(f->mllm, 20);
  g_assert_cmpuint(outcome.n_done, ==, 0);
  velm_classifier_cancel(f->mllm);
  g_assert_cmpuint(outcome.n_done, ==, n);
  g_assert_cmpuint(outcome.n_failed, ==, n);
  g_assert_error(outcome.last, VELM_ERROR, VELM_ERROR_CANCELLED);
  g_assert_false(velm_classifier_iterate(f->mllm, -1));
  g_clear_error(&outcome.last);
}

/* No more requests are built than can be sent before long: a queue is no heap of pictures. */
static void test_few_are_built(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Outcome outcome = {0};
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  open_with(f, (VelmClassifierParams){.in_flight = 4});
  g_autoptr(GPtrArray) parts = submit_parts(f, 100, &outcome);
  const VelmLlmSession *session = velm_mllm_get_session(f->mllm);
  for (int i = 0; i < 100 && velm_llm_server_pending(session->server) < 8; i++)
    velm_classifier_iterate(f->mllm, 100);
  for (int i = 0; i < 5; i++)
    velm_classifier_iterate(f->mllm, 20);
  g_assert_cmpuint(velm_llm_server_pending(session->server), ==, 8);
  g_assert_cmpuint(velm_prompt_queue_length(session->prompts), ==, 0);
  g_assert_cmpuint(session->unbuilt->length, ==, 92);
  velm_classifier_cancel(f->mllm);
  g_assert_cmpuint(outcome.n_done, ==, 100);
  g_clear_error(&outcome.last);
}

/* What cannot be built is that record's error, and no other's. */
static void test_build_fails(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char wording[] = "What is wrong with {image part}? {classes}\n";
  Outcome outcome = {0};
  char *folder = scratch_new();
  g_autofree char *path = scratch_write(folder, "prompt.txt", wording, strlen(wording));
  scripted_server_answer(f->server, "{\"class\":\"kind_1\"}");
  open_with(f, (VelmClassifierParams){.wording = path, .regions = "crops"});
  g_autoptr(GPtrArray) parts = submit_parts(f, 50, &outcome);
  while (velm_classifier_iterate(f->mllm, -1))
    continue;
  g_assert_cmpuint(outcome.n_done, ==, 50);
  g_assert_cmpuint(outcome.n_failed, ==, 50);
  g_assert_error(outcome.last, VELM_ERROR, VELM_ERROR_SPEC);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
  g_clear_error(&outcome.last);
  scratch_remove(folder);
}

#define ADD_WITH(name, data, function)                                                             \
  g_test_add("/mllm-faults/" name, Fixture, GINT_TO_POINTER(data), set_up, function, tear_down)
#define ADD(name, function) ADD_WITH(name, 0, function)

int main(int argc, char **argv) {
  /* The scripted server is on this machine, whatever the machine's proxy. */
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_test_init(&argc, &argv, NULL);
  ADD("faults", test_faults);
  ADD("order", test_order);
  ADD_WITH("cancel-at-once", 0, test_cancel);
  ADD_WITH("cancel", 5, test_cancel);
  ADD("few-are-built", test_few_are_built);
  ADD("build-fails", test_build_fails);
  return g_test_run();
}
