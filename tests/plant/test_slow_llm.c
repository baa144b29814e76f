/* A slow language model keeps nobody waiting but those parts that it is to be asked about: they
 * stay with the broker, and none is lost. */
#include "classify/scripted_server.h"
#include "core/scratch.h"
#include "plant/job.h"
#include "plant/job_link.h"
#include "plant/llm_allowance.h"
#include "plant/llm_ledger.h"
#include "plant/nats_fixture.h"
#include "serve/line_fixture.h"
#include "serve/station_fixture.h"

#include <math.h>
#include <string.h>

#define N_NORMAL 10
#define N_SUSPECT 5
#define PER_MINUTE 2
/* Classification jobs that a worker has at once. */
#define MOST 3
#define MINUTE_US (60 * G_TIME_SPAN_SECOND)
#define ANSWER                                                                                     \
  "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"scratch\\\"}\"}}],"                \
  "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":10}}"

typedef struct {
  char *folder;
  NatsServer nats;
  VelmBroker *broker;
  ScriptedServer *llm;
  char *endpoint; /* its, which outlives it */
  VelmLlmAllowance *allowance;
  VelmStation *detecting, *classifying;
  gboolean unlimited; /* without the allowance */
  GMutex lock;
  gint64 time; /* with the lock */
} Fixture;

/* ---- the clock ---- */

static gint64 tell_time(gpointer data) {
  Fixture *f = data;
  g_mutex_lock(&f->lock);
  gint64 time = f->time;
  g_mutex_unlock(&f->lock);
  return time;
}

static void next_minute(Fixture *f) {
  g_mutex_lock(&f->lock);
  f->time += MINUTE_US;
  g_mutex_unlock(&f->lock);
}

/* ---- the plant ---- */

static gboolean set_rate(VelmLlmLedger *ledger, G_GNUC_UNUSED gboolean there,
                         G_GNUC_UNUSED gpointer data) {
  ledger->per_minute = PER_MINUTE;
  return TRUE;
}

static void open_allowance(Fixture *f) {
  g_autoptr(GError) error = NULL;
  VelmLlmAllowanceParams params = velm_llm_allowance_params_default();
  g_autoptr(kvStore) store = velm_llm_ledger_open(f->broker, &error);
  velm_llm_ledger_change(f->broker, store, VELM_LLM_DEFAULT, set_rate, NULL, NULL, &error);
  g_assert_no_error(error);
  params.broker = f->broker;
  params.now = tell_time;
  params.user_data = f;
  f->allowance = velm_llm_allowance_new(&params, &error);
  g_assert_no_error(error);
}

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  f->folder = scratch_new();
  f->time = g_get_real_time();
  g_mutex_init(&f->lock);
  nats_server_set_up(&f->nats, f->folder);
  nats_server_start(&f->nats);
  f->broker = nats_server_connect(&f->nats, "test");
  velm_streams_ensure(f->broker, NULL, &error);
  g_assert_no_error(error);
  f->llm = scripted_server_new();
  scripted_server_reply(f->llm, 200, NULL, ANSWER);
  scripted_server_set_latency(f->llm, 1000);
  f->endpoint = g_strdup(scripted_server_endpoint(f->llm));
  open_allowance(f);
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_station_free(f->detecting);
  velm_station_free(f->classifying);
  velm_llm_allowance_free(f->allowance);
  scripted_server_free(f->llm);
  velm_broker_free(f->broker);
  nats_server_tear_down(&f->nats);
  g_free(f->endpoint);
  g_mutex_clear(&f->lock);
  scratch_remove(f->folder);
}

/* ---- its workers ---- */

static VelmStation *start_worker(Fixture *f, VelmStage stage) {
  g_autoptr(GError) error = NULL;
  g_autofree char *data = g_build_filename(f->folder, velm_stage_name(stage), NULL);
  gboolean detects = stage == VELM_STAGE_DETECT;
  VelmProductParams product = {.name = PRODUCT,
                               .model = small_product_model(),
                               .spec = small_product_spec(),
                               .inspector = velm_inspector_params_default(),
                               .most_queued = 64};
  const VelmJobLinkParams link = {.broker = f->broker,
                                  .worker = velm_stage_name(stage),
                                  .stage = stage,
                                  .pass_on = detects,
                                  .most = MOST,
                                  .most_bytes = 1000 * 1000};
  product.inspector.classifier = detects ? "none" : "mllm";
  product.inspector.parallel = 1;
  if (!detects)
    product.inspector.llm =
        (VelmLlmParams){.endpoint = f->endpoint,
                        .llm = "scripted",
                        .timeout_s = 2,
                        .fail_fast = f->unlimited,
                        .gate = f->unlimited ? NULL : velm_llm_allowance_get_gate(f->allowance)};
  VelmStation *station = velm_station_new(data, &error);
  g_assert_no_error(error);
  velm_station_add_product(station, &product, &error);
  g_assert_no_error(error);
  velm_station_add_link(
      station, velm_job_link_new(station, velm_station_find_product(station, PRODUCT), &link));
  velm_station_start(station);
  return station;
}

static gint64 count_records(VelmStation *station) {
  g_autoptr(GError) error = NULL;
  const VelmStoreQuery all = velm_store_query_default();
  gint64 n = -1;
  velm_store_count(velm_station_get_store(station), &all, &n, &error);
  g_assert_no_error(error);
  return n;
}

/* Classification jobs that a worker has. */
static gint64 count_in_hand(Fixture *f) {
  g_autoptr(jsConsumerInfo) info = NULL;
  natsStatus status =
      js_GetConsumerInfo(&info, velm_broker_get_jetstream(f->broker),
                         velm_stage_stream(VELM_STAGE_CLASSIFY), PRODUCT, NULL, NULL);
  if (status == NATS_NOT_FOUND)
    return -1; /* no worker has come yet */
  g_assert_cmpint(status, ==, NATS_OK);
  g_assert_cmpint(info->NumRedelivered, ==, 0);
  return info->NumAckPending;
}

/* ---- its jobs ---- */

/* A black image is suspect; another width makes it another. */
static void submit(Fixture *f, guint number, gboolean suspect) {
  g_autoptr(GError) error = NULL;
  g_autofree char *key = g_strdup_printf("%s-%u", suspect ? "suspect" : "normal", number);
  g_autoptr(GBytes) image =
      suspect ? small_product_black(64 + (int)number, 64) : small_product_image("good", 1);
  const VelmPlantJob job = {.key = key, .product = (char *)PRODUCT, .name = key, .image = image};
  velm_plant_job_submit(f->broker, &job, VELM_STAGE_DETECT, NULL, &error);
  g_assert_no_error(error);
}

static void assert_answered(VelmStation *station, guint n) {
  for (guint i = 0; i < n; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmStoredRecord) record = NULL;
    g_autofree char *key = g_strdup_printf("suspect-%u", i);
    velm_store_find(velm_station_get_store(station), key, &record, &error);
    g_assert_no_error(error);
    g_assert_nonnull(record);
    g_assert_nonnull(strstr(record->json, "\"class\":\"scratch\""));
  }
}

/* Looks at its list of models are none. */
static guint count_questions(ScriptedServer *llm) {
  guint n = 0;
  for (guint i = 0; i < scripted_server_n_requests(llm); i++)
    n += g_str_has_suffix(scripted_server_request(llm, i)->path, "/completions");
  return n;
}

/* ---- tests ---- */

static void test_slow(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char *waiting = velm_stage_stream(VELM_STAGE_CLASSIFY);
  for (guint i = 0; i < N_SUSPECT; i++)
    submit(f, i, TRUE);
  for (guint i = 0; i < N_NORMAL; i++)
    submit(f, i, FALSE);
  f->classifying = start_worker(f, VELM_STAGE_CLASSIFY);
  f->detecting = start_worker(f, VELM_STAGE_DETECT);
  /* The clock stands: the model is asked twice, and never again in this minute. */
  line_wait_for(count_records(f->detecting) == N_NORMAL);
  line_wait_for(nats_count_messages(f->broker, velm_stage_stream(VELM_STAGE_DETECT)) == 0);
  line_wait_for(count_records(f->classifying) == PER_MINUTE);
  line_wait_for(nats_count_messages(f->broker, waiting) == N_SUSPECT - PER_MINUTE);
  /* More than an answer may take; none gives up meanwhile. */
  g_usleep(2500 * 1000);
  g_assert_cmpint(count_in_hand(f), ==, MOST);
  g_assert_cmpuint(nats_count_messages(f->broker, waiting), ==, N_SUSPECT - PER_MINUTE);
  g_assert_cmpuint(count_questions(f->llm), ==, PER_MINUTE);
  for (guint done = 2 * PER_MINUTE; done < N_SUSPECT + PER_MINUTE; done += PER_MINUTE) {
    next_minute(f);
    line_wait_for(count_records(f->classifying) == MIN(done, N_SUSPECT));
  }
  line_wait_for(nats_count_messages(f->broker, waiting) == 0);
  assert_answered(f->classifying, N_SUSPECT);
  g_assert_cmpuint(count_questions(f->llm), ==, N_SUSPECT);
  g_assert_cmpint(count_in_hand(f), ==, 0);
  g_assert_cmpint(count_records(f->detecting), ==, N_NORMAL);
  g_assert_cmpuint(nats_count_messages(f->broker, VELM_STREAM_DEAD), ==, 0);
}

/* Nobody to ask: the jobs are held, without records that say so, until there is. */
static void test_away(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char *waiting = velm_stage_stream(VELM_STAGE_CLASSIFY);
  g_autoptr(GUri) uri = g_uri_parse(f->endpoint, G_URI_FLAGS_NONE, NULL);
  f->unlimited = TRUE;
  for (guint i = 0; i < MOST; i++)
    submit(f, i, TRUE);
  f->classifying = start_worker(f, VELM_STAGE_CLASSIFY);
  scripted_server_free(g_steal_pointer(&f->llm));
  f->detecting = start_worker(f, VELM_STAGE_DETECT);
  line_wait_for(nats_count_messages(f->broker, velm_stage_stream(VELM_STAGE_DETECT)) == 0);
  line_wait_for(count_in_hand(f) >= 1);
  g_usleep(1500 * 1000); /* they are tried again at least once */
  g_assert_cmpint(count_records(f->classifying), ==, 0);
  g_assert_cmpuint(nats_count_messages(f->broker, waiting), ==, MOST);
  f->llm = scripted_server_new_at((guint16)g_uri_get_port(uri));
  scripted_server_reply(f->llm, 200, NULL, ANSWER);
  line_wait_for(nats_count_messages(f->broker, waiting) == 0);
  assert_answered(f->classifying, MOST);
  g_assert_cmpuint(nats_count_messages(f->broker, VELM_STREAM_DEAD), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  g_test_add("/slow-llm/slow", Fixture, NULL, set_up, test_slow, tear_down);
  g_test_add("/slow-llm/away", Fixture, NULL, set_up, test_away, tear_down);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
