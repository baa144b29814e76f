/* A look at a plant. */
#include "plant/overview.h"

#include "core/json_member.h"
#include "core/scratch.h"
#include "plant/dead_letter.h"
#include "plant/job.h"
#include "plant/llm_ledger.h"
#include "plant/nats_fixture.h"
#include "plant/presence.h"

#include <math.h>
#include <string.h>

typedef struct {
  char *folder;
  NatsServer server;
  VelmBroker *broker;
} Plant;

static void set_up(Plant *plant, gconstpointer data) {
  plant->folder = scratch_new();
  nats_server_set_up(&plant->server, plant->folder);
  nats_server_start(&plant->server);
  plant->broker = nats_server_connect(&plant->server, "test");
}

static void tear_down(Plant *plant, gconstpointer data) {
  velm_broker_free(plant->broker);
  nats_server_tear_down(&plant->server);
  scratch_remove(plant->folder);
}

static VelmOverview *look(Plant *plant, const VelmOverview *before) {
  g_autoptr(GError) error = NULL;
  VelmOverview *overview = velm_overview_look(plant->broker, before, &error);
  g_assert_no_error(error);
  return overview;
}

static VelmQueueFigures *queue_at(const VelmOverview *overview, guint i, VelmStage stage,
                                  const char *product) {
  g_assert_cmpuint(i, <, overview->queues->len);
  VelmQueueFigures *queue = overview->queues->pdata[i];
  g_assert_cmpint(queue->stage, ==, stage);
  g_assert_cmpstr(queue->product, ==, product);
  return queue;
}

static void make_streams(Plant *plant) {
  g_autoptr(GError) error = NULL;
  velm_streams_ensure(plant->broker, NULL, &error);
  g_assert_no_error(error);
}

/* Hands in @n jobs, of which no two in all tests are the same. */
static void submit(Plant *plant, VelmStage stage, const char *product, guint n) {
  static guint number;
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = g_bytes_new_static("image", 5);
  for (guint i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("job-%u", number++);
    const VelmPlantJob job = {
        .key = key, .product = (char *)product, .name = (char *)"image.png", .image = image};
    velm_plant_job_submit(plant->broker, &job, stage, NULL, &error);
    g_assert_no_error(error);
  }
}

static natsSubscription *join(Plant *plant, VelmStage stage, const char *product) {
  g_autoptr(GError) error = NULL;
  natsSubscription *subscription = NULL;
  velm_stage_subscribe(plant->broker, stage, product, &subscription, &error);
  g_assert_no_error(error);
  return subscription;
}

/* Takes one job. Returns: (transfer full). */
static natsMsg *take(natsSubscription *subscription) {
  natsMsgList list = {0};
  g_assert_cmpint(natsSubscription_Fetch(&list, subscription, 1, 5000, NULL), ==, NATS_OK);
  natsMsg *message = g_steal_pointer(&list.Msgs[0]);
  natsMsgList_Destroy(&list);
  return message;
}

/* Takes jobs until one comes that somebody had before. */
static void take_again(natsSubscription *subscription) {
  for (;;) {
    g_autoptr(natsMsg) message = take(subscription);
    if (velm_message_place(message).tries > 1)
      return;
  }
}

static void put(Plant *plant, const char *bucket, const char *key, const char *value) {
  g_autoptr(GError) error = NULL;
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = bucket;
  g_autoptr(kvStore) store = velm_bucket_open(plant->broker, &config, &error);
  g_assert_no_error(error);
  g_assert_cmpint(kvStore_PutString(NULL, store, key, value), ==, NATS_OK);
}

/* ---- the jobs ---- */

static void test_empty(Plant *plant, gconstpointer data) {
  g_autoptr(VelmOverview) overview = look(plant, NULL);
  g_assert_cmpuint(overview->queues->len, ==, 0);
  g_assert_cmpuint(overview->workers->len, ==, 0);
  g_assert_cmpuint(overview->allowances->len, ==, 0);
  g_assert_cmpuint(overview->streams->len, ==, 0);
  g_assert_cmpstr(overview->shown, ==, plant->server.url);
  g_assert_nonnull(overview->version);
  g_assert_true(g_ascii_isdigit(overview->version[0]));
  g_assert_cmpfloat(overview->seconds, ==, 0);
}

/* Jobs of a product that nobody takes are seen all the same. */
static void test_nobody(Plant *plant, gconstpointer data) {
  gint64 start = g_get_real_time();
  make_streams(plant);
  submit(plant, VELM_STAGE_DETECT, "lid", 3);
  g_autoptr(VelmOverview) overview = look(plant, NULL);
  VelmQueueFigures *lid = queue_at(overview, 0, VELM_STAGE_DETECT, "lid");
  g_assert_cmpuint(overview->queues->len, ==, 1);
  g_assert_cmpuint(lid->waiting, ==, 3);
  g_assert_cmpuint(lid->in_hand, ==, 0);
  g_assert_cmpuint(lid->workers, ==, 0);
  g_assert_cmpint(lid->oldest, >=, start);
  g_assert_cmpint(lid->oldest, <=, g_get_real_time());
  g_assert_true(isnan(lid->done_per_second));
  g_assert_cmpuint(overview->stages[VELM_STAGE_DETECT].jobs, ==, 3);
  g_assert_true(isnan(overview->stages[VELM_STAGE_DETECT].done_per_second));
}

static void test_in_hand(Plant *plant, gconstpointer data) {
  make_streams(plant);
  g_autoptr(natsSubscription) subscription = join(plant, VELM_STAGE_DETECT, "disc");
  submit(plant, VELM_STAGE_DETECT, "disc", 5);
  g_autoptr(natsMsg) first = take(subscription);
  g_autoptr(natsMsg) second = take(subscription);
  g_autoptr(VelmOverview) before = look(plant, NULL);
  VelmQueueFigures *disc = queue_at(before, 0, VELM_STAGE_DETECT, "disc");
  g_assert_cmpuint(disc->waiting, ==, 3);
  g_assert_cmpuint(disc->in_hand, ==, 2);
  g_assert_cmpuint(disc->again, ==, 0);
  g_assert_cmpint(natsMsg_NakWithDelay(first, 0, NULL), ==, NATS_OK);
  take_again(subscription);
  g_autoptr(VelmOverview) overview = look(plant, before);
  disc = queue_at(overview, 0, VELM_STAGE_DETECT, "disc");
  g_assert_cmpuint(disc->again, ==, 1);
  g_assert_cmpuint(disc->waiting + disc->in_hand, ==, 5);
}

/* Of each product the oldest of its own, and not one that is done. */
static void test_oldest(Plant *plant, gconstpointer data) {
  make_streams(plant);
  g_autoptr(natsSubscription) subscription = join(plant, VELM_STAGE_DETECT, "disc");
  submit(plant, VELM_STAGE_DETECT, "disc", 1);
  g_usleep(20000);
  gint64 between = g_get_real_time();
  submit(plant, VELM_STAGE_DETECT, "lid", 1);
  submit(plant, VELM_STAGE_DETECT, "disc", 1);
  g_autoptr(VelmOverview) before = look(plant, NULL);
  g_assert_cmpint(queue_at(before, 0, VELM_STAGE_DETECT, "disc")->oldest, <, between);
  g_assert_cmpint(queue_at(before, 1, VELM_STAGE_DETECT, "lid")->oldest, >=, between);
  g_autoptr(natsMsg) first = take(subscription);
  g_assert_cmpint(natsMsg_AckSync(first, NULL, NULL), ==, NATS_OK);
  g_autoptr(VelmOverview) overview = look(plant, before);
  g_assert_cmpint(queue_at(overview, 0, VELM_STAGE_DETECT, "disc")->oldest, >=, between);
  g_autoptr(natsMsg) second = take(subscription);
  g_assert_cmpint(natsMsg_AckSync(second, NULL, NULL), ==, NATS_OK);
  g_autoptr(VelmOverview) done = look(plant, overview);
  g_assert_cmpint(queue_at(done, 0, VELM_STAGE_DETECT, "disc")->oldest, ==, 0);
}

/* ---- rates ---- */

static void assert_rate(double rate, const VelmOverview *overview, double n) {
  g_assert_cmpfloat_with_epsilon(rate * overview->seconds, n, 1e-6);
}

static void test_rates(Plant *plant, gconstpointer data) {
  make_streams(plant);
  g_autoptr(natsSubscription) subscription = join(plant, VELM_STAGE_DETECT, "disc");
  submit(plant, VELM_STAGE_DETECT, "disc", 4);
  g_autoptr(VelmOverview) before = look(plant, NULL);
  for (guint i = 0; i < 3; i++) {
    g_autoptr(natsMsg) message = take(subscription);
    g_assert_cmpint(natsMsg_AckSync(message, NULL, NULL), ==, NATS_OK);
  }
  submit(plant, VELM_STAGE_DETECT, "disc", 5);
  submit(plant, VELM_STAGE_DETECT, "lid", 2);
  g_autoptr(VelmOverview) overview = look(plant, before);
  const VelmQueueFigures *disc = queue_at(overview, 0, VELM_STAGE_DETECT, "disc");
  const VelmQueueFigures *lid = queue_at(overview, 1, VELM_STAGE_DETECT, "lid");
  const VelmStageFigures *stages = overview->stages;
  g_assert_cmpfloat(overview->seconds, >, 0);
  assert_rate(disc->done_per_second, overview, 3);
  assert_rate(disc->in_per_second, overview, 5);
  assert_rate(lid->done_per_second, overview, 0);
  assert_rate(lid->in_per_second, overview, 2);
  assert_rate(stages[VELM_STAGE_DETECT].done_per_second, overview, 3);
  assert_rate(stages[VELM_STAGE_DETECT].in_per_second, overview, 7);
  assert_rate(stages[VELM_STAGE_CLASSIFY].in_per_second, overview, 0);
}

/* ---- dead letters ---- */

static void kill_one(Plant *plant, natsSubscription *subscription, const char *reason) {
  g_autoptr(GError) error = NULL;
  g_autoptr(natsMsg) message = take(subscription);
  velm_dead_letter_send(plant->broker, message, VELM_STAGE_CLASSIFY, "disc", reason, "worker", 0,
                        &error);
  g_assert_no_error(error);
  g_assert_cmpint(natsMsg_AckSync(message, NULL, NULL), ==, NATS_OK);
}

static void test_dead_letters(Plant *plant, gconstpointer data) {
  make_streams(plant);
  g_autoptr(natsSubscription) subscription = join(plant, VELM_STAGE_CLASSIFY, "disc");
  submit(plant, VELM_STAGE_CLASSIFY, "disc", 3);
  kill_one(plant, subscription, "the first");
  kill_one(plant, subscription, "the second");
  g_autoptr(VelmOverview) before = look(plant, NULL);
  const VelmQueueFigures *disc = queue_at(before, 0, VELM_STAGE_CLASSIFY, "disc");
  g_assert_cmpuint(before->dead, ==, 2);
  g_assert_cmpuint(disc->dead, ==, 2);
  g_assert_cmpstr(disc->reason, ==, "the second");
  g_autoptr(VelmOverview) same = look(plant, before);
  g_assert_cmpstr(queue_at(same, 0, VELM_STAGE_CLASSIFY, "disc")->reason, ==, "the second");
  kill_one(plant, subscription, "the third");
  g_autoptr(VelmOverview) after = look(plant, same);
  g_assert_cmpuint(queue_at(after, 0, VELM_STAGE_CLASSIFY, "disc")->dead, ==, 3);
  g_assert_cmpstr(queue_at(after, 0, VELM_STAGE_CLASSIFY, "disc")->reason, ==, "the third");
}

/* ---- workers and allowances ---- */

static void test_workers(Plant *plant, gconstpointer data) {
  make_streams(plant);
  submit(plant, VELM_STAGE_DETECT, "disc", 1);
  put(plant, VELM_WORKERS_BUCKET, "a",
      "{\"name\":\"a\",\"role\":\"all\",\"products\":[{\"name\":\"disc\"},{\"name\":\"lid\"}]}");
  put(plant, VELM_WORKERS_BUCKET, "b",
      "{\"name\":\"b\",\"role\":\"classify\",\"products\":[{\"name\":\"disc\"}]}");
  put(plant, VELM_WORKERS_BUCKET, "c", "{\"role\":3,\"products\":\"disc\"}");
  put(plant, VELM_WORKERS_BUCKET, "d", "no object");
  put(plant, VELM_WORKERS_BUCKET, "e",
      "{\"role\":\"detect\",\"products\":[{\"name\":\"disc\"},7,{}]}");
  g_autoptr(VelmOverview) overview = look(plant, NULL);
  g_assert_cmpuint(overview->workers->len, ==, 4);
  g_assert_cmpstr(((VelmBucketEntry *)overview->workers->pdata[0])->key, ==, "a");
  g_assert_cmpuint(overview->queues->len, ==, 3);
  g_assert_cmpuint(queue_at(overview, 0, VELM_STAGE_DETECT, "disc")->workers, ==, 2);
  g_assert_cmpuint(queue_at(overview, 1, VELM_STAGE_DETECT, "lid")->workers, ==, 1);
  g_assert_cmpuint(queue_at(overview, 2, VELM_STAGE_CLASSIFY, "disc")->workers, ==, 1);
}

#define MINUTE 29300000 /* of 2025-09-16 */

static void test_allowances(Plant *plant, gconstpointer data) {
  put(plant, VELM_LLM_BUCKET, "default",
      "{\"per_minute\":60,\"usd_per_day\":2.5,\"usd\":null,\"window\":29300000,\"requests\":7,"
      "\"day\":\"2025-09-16\",\"day_picodollars\":\"1250000000000\","
      "\"picodollars\":31000000000000}");
  g_autoptr(VelmOverview) overview = look(plant, NULL);
  g_assert_cmpuint(overview->allowances->len, ==, 1);
  const VelmBucketEntry *entry = overview->allowances->pdata[0];
  gint64 now = MINUTE * G_TIME_SPAN_MINUTE;
  VelmAllowance allowance = velm_allowance_read(entry, now);
  g_assert_cmpstr(entry->key, ==, "default");
  g_assert_cmpfloat(allowance.requests, ==, 7);
  g_assert_cmpfloat(allowance.per_minute, ==, 60);
  g_assert_cmpfloat(allowance.usd_today, ==, 1.25);
  g_assert_cmpfloat(allowance.usd_per_day, ==, 2.5);
  g_assert_cmpfloat(allowance.usd, ==, 31);
  g_assert_true(isnan(allowance.usd_in_all));
  allowance = velm_allowance_read(entry, now + G_TIME_SPAN_DAY);
  g_assert_cmpfloat(allowance.requests, ==, 0);
  g_assert_cmpfloat(allowance.usd_today, ==, 0);
  g_assert_cmpfloat(allowance.usd, ==, 31);
}

/* ---- the broker ---- */

static void test_streams(Plant *plant, gconstpointer data) {
  make_streams(plant);
  submit(plant, VELM_STAGE_DETECT, "disc", 2);
  put(plant, VELM_WORKERS_BUCKET, "a", "{}");
  put(plant, "others", "a", "{}");
  g_autoptr(VelmOverview) overview = look(plant, NULL);
  static const char *const names[] = {"KV_velm_workers", "VELM_CLASSIFY", "VELM_DEAD",
                                      "VELM_DETECT", "VELM_RECORDS"};
  g_assert_cmpuint(overview->streams->len, ==, G_N_ELEMENTS(names));
  for (guint i = 0; i < overview->streams->len; i++)
    g_assert_cmpstr(((VelmStreamFigures *)overview->streams->pdata[i])->name, ==, names[i]);
  const VelmStreamFigures *detect = overview->streams->pdata[3];
  g_assert_cmpuint(detect->messages, ==, 2);
  g_assert_cmpuint(detect->bytes, >, 10);
}

static void test_away(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  nats_server_kill(&plant->server);
  while (velm_broker_is_connected(plant->broker))
    g_usleep(1000);
  g_assert_null(velm_overview_look(plant->broker, NULL, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is away");
}

/* ---- the end ---- */

#define ADD(name, run) g_test_add("/plant/overview/" name, Plant, NULL, set_up, run, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  ADD("empty", test_empty);
  ADD("nobody", test_nobody);
  ADD("in-hand", test_in_hand);
  ADD("oldest", test_oldest);
  ADD("rates", test_rates);
  ADD("dead-letters", test_dead_letters);
  ADD("workers", test_workers);
  ADD("allowances", test_allowances);
  ADD("streams", test_streams);
  ADD("away", test_away);
  return g_test_run();
}
