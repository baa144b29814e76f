/* A worker's link to the plant's jobs: each ends as one record or as a dead letter, whatever
 * happens. */
#include "plant/job_link.h"

#include "core/scratch.h"
#include "plant/dead_letter.h"
#include "plant/nats_fixture.h"
#include "serve/station.h"
#include "serve/station_fixture.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define LONGEST_WAIT_US (30 * G_TIME_SPAN_SECOND)
#define LOOK_US 10000
#define SUBJECT "velm.detect." PRODUCT

/* A broker and a worker: a station whose only link is to its jobs. */
typedef struct {
  char *folder;
  NatsServer server;
  VelmBroker *broker; /* the test's own */
  VelmBroker *workers;
  VelmStation *station;
  VelmStage stage;
  gboolean pass_on;
  const char *line; /* (nullable): the station of jobs that are submitted */
} Plant;

static void set_up(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  plant->folder = scratch_new();
  nats_server_set_up(&plant->server, plant->folder);
  nats_server_start(&plant->server);
  plant->broker = nats_server_connect(&plant->server, "test");
  plant->workers = nats_server_connect(&plant->server, "worker");
  velm_streams_ensure(plant->broker, NULL, &error);
  g_assert_no_error(error);
}

static void stop_worker(Plant *plant) { g_clear_pointer(&plant->station, velm_station_free); }

static void tear_down(Plant *plant, gconstpointer data) {
  stop_worker(plant);
  velm_broker_free(plant->workers);
  velm_broker_free(plant->broker);
  nats_server_tear_down(&plant->server);
  scratch_remove(plant->folder);
}

static void start_worker(Plant *plant) {
  g_autoptr(GError) error = NULL;
  g_autofree char *data = g_build_filename(plant->folder, "data", NULL);
  const VelmProductParams product = {.name = PRODUCT,
                                     .model = small_product_model(),
                                     .spec = small_product_spec(),
                                     .inspector = velm_inspector_params_default(),
                                     .most_queued = 64};
  const VelmJobLinkParams params = {.broker = plant->workers,
                                    .worker = "worker",
                                    .stage = plant->stage,
                                    .pass_on = plant->pass_on,
                                    .most = 8,
                                    .most_bytes = 1000 * 1000};
  plant->station = velm_station_new(data, &error);
  g_assert_no_error(error);
  velm_station_add_product(plant->station, &product, &error);
  g_assert_no_error(error);
  velm_station_add_link(plant->station,
                        velm_job_link_new(plant->station,
                                          velm_station_find_product(plant->station, PRODUCT),
                                          &params));
  velm_station_start(plant->station);
}

/* ---- jobs ---- */

static gboolean submit(Plant *plant, const char *key, GBytes *image) {
  g_autoptr(GError) error = NULL;
  VelmPlantReceipt receipt;
  const VelmPlantJob job = {.key = (char *)key,
                            .product = (char *)PRODUCT,
                            .name = (char *)"image.png",
                            .station = (char *)plant->line,
                            .image = image,
                            .time = 1700000000000000};
  velm_plant_job_submit(plant->broker, &job, VELM_STAGE_DETECT, &receipt, &error);
  g_assert_no_error(error);
  return !receipt.known;
}

static void submit_good(Plant *plant, guint n) {
  for (guint i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("good-%u", i);
    g_autoptr(GBytes) image = small_product_image("good", i % 4);
    g_assert_true(submit(plant, key, image));
  }
}

static void wait_for_messages(Plant *plant, const char *stream, guint64 n) {
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  while (nats_count_messages(plant->broker, stream) != n) {
    if (g_get_monotonic_time() > end)
      g_error("%s has %" G_GUINT64_FORMAT " messages, not %" G_GUINT64_FORMAT, stream,
              nats_count_messages(plant->broker, stream), n);
    g_usleep(LOOK_US);
  }
}

static void wait_until_done(Plant *plant) {
  wait_for_messages(plant, velm_stage_stream(VELM_STAGE_DETECT), 0);
}

static gint64 count_records(Plant *plant) {
  g_autoptr(GError) error = NULL;
  const VelmStoreQuery query = velm_store_query_default();
  gint64 n = 0;
  velm_store_count(velm_station_get_store(plant->station), &query, &n, &error);
  g_assert_no_error(error);
  return n;
}

static VelmStoredRecord *find_record(Plant *plant, const char *key) {
  g_autoptr(GError) error = NULL;
  VelmStoredRecord *record = NULL;
  velm_store_find(velm_station_get_store(plant->station), key, &record, &error);
  g_assert_no_error(error);
  return record;
}

/* The message of the record with @key. Returns: (transfer full). */
static JsonNode *get_told(Plant *plant, const char *key) {
  g_autofree char *subject = velm_record_subject(PRODUCT, key);
  g_autoptr(natsMsg) message = NULL;
  natsStatus status = js_GetLastMsg(&message, velm_broker_get_jetstream(plant->broker),
                                    VELM_STREAM_RECORDS, subject, NULL, NULL);
  g_assert_cmpint(status, ==, NATS_OK);
  g_autofree char *text =
      g_strndup(natsMsg_GetData(message), (gsize)natsMsg_GetDataLength(message));
  return json_from_string(text, NULL);
}

/* ---- what becomes of jobs ---- */

static void test_done(Plant *plant, gconstpointer data) {
  submit_good(plant, 5);
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 5);
  g_autoptr(VelmStoredRecord) record = find_record(plant, "good-3");
  g_assert_cmpint(record->time, ==, 1700000000000000);
  wait_for_messages(plant, VELM_STREAM_RECORDS, 5);
  g_autoptr(JsonNode) told = get_told(plant, "good-3");
  JsonObject *object = json_node_get_object(told);
  g_assert_cmpstr(json_object_get_string_member(object, "key"), ==, "good-3");
  g_assert_cmpstr(json_object_get_string_member(object, "decision"), ==, record->decision);
  g_assert_cmpint(json_object_get_int_member(object, "id"), ==, record->id);
  g_assert_cmpuint(nats_count_messages(plant->broker, VELM_STREAM_DEAD), ==, 0);
}

/* The record is of the station that the job names; a worker is none. */
static void test_station(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  submit(plant, "nobodys", image);
  plant->line = "line 1";
  submit(plant, "own", image);
  start_worker(plant);
  wait_until_done(plant);
  g_autoptr(VelmStoredRecord) nobodys = find_record(plant, "nobodys");
  g_autoptr(VelmStoredRecord) own = find_record(plant, "own");
  g_autoptr(JsonNode) told = get_told(plant, "own");
  g_assert_cmpstr(nobodys->station, ==, NULL);
  g_assert_cmpstr(own->station, ==, "line 1");
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(told), "station"), ==,
                  "line 1");
}

/* The broker drops what it was given lately; what it lets through is known by its record. */
static void test_repeated(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  const VelmPlantJob job = {.key = (char *)"again",
                            .product = (char *)PRODUCT,
                            .name = (char *)"image.png",
                            .image = image};
  start_worker(plant);
  g_assert_true(submit(plant, "again", image));
  g_assert_false(submit(plant, "again", image));
  wait_until_done(plant);
  for (int i = 0; i < 3; i++) {
    g_autoptr(natsMsg) message =
        velm_plant_job_to_message(plant->broker, &job, VELM_STAGE_DETECT, &error);
    natsStatus status =
        js_PublishMsg(NULL, velm_broker_get_jetstream(plant->broker), message, NULL, NULL);
    g_assert_cmpint(status, ==, NATS_OK);
  }
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 1);
  g_assert_cmpuint(nats_count_messages(plant->broker, VELM_STREAM_DEAD), ==, 0);
}

/* Workers with stores of their own number their records alike. */
static void test_own_stores(Plant *plant, gconstpointer data) {
  static const char *const keys[] = {"one", "other"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(GBytes) image = small_product_image("good", i);
    start_worker(plant);
    submit(plant, keys[i], image);
    wait_until_done(plant);
    g_autoptr(VelmStoredRecord) record = find_record(plant, keys[i]);
    g_assert_cmpint(record->id, ==, 1);
    stop_worker(plant);
    scratch_remove(g_build_filename(plant->folder, "data", NULL));
  }
  wait_for_messages(plant, VELM_STREAM_RECORDS, G_N_ELEMENTS(keys));
}

static VelmDeadLetter *find_letter(GPtrArray *letters, const char *reason) {
  for (guint i = 0; i < letters->len; i++) {
    VelmDeadLetter *letter = letters->pdata[i];
    if (strstr(letter->reason, reason))
      return letter;
  }
  g_error("no dead letter says: %s", reason);
}

static void publish_garbage(Plant *plant) {
  natsStatus status =
      js_Publish(NULL, velm_broker_get_jetstream(plant->broker), SUBJECT, "what?", 5, NULL, NULL);
  g_assert_cmpint(status, ==, NATS_OK);
}

/* Five kinds of poison between good jobs, which it does not harm. */
static void test_poison(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) good = small_product_image("good", 0);
  g_autoptr(GBytes) other = small_product_image("good", 1);
  g_autoptr(GBytes) broken = g_bytes_new("no image at all", 15);
  const VelmPlantJob reference = {.key = (char *)"far",
                                  .product = (char *)PRODUCT,
                                  .name = (char *)"far.png",
                                  .reference = (char *)"file:../far.png"};
  publish_garbage(plant);
  submit(plant, "first", good);
  submit(plant, "broken", broken);
  velm_plant_job_submit(plant->broker, &reference, VELM_STAGE_DETECT, NULL, &error);
  g_assert_no_error(error);
  start_worker(plant);
  wait_until_done(plant);
  const VelmPlantJob clash = {.key = (char *)"first",
                              .product = (char *)PRODUCT,
                              .name = (char *)"clash.png",
                              .image = other};
  g_autoptr(natsMsg) message =
      velm_plant_job_to_message(plant->broker, &clash, VELM_STAGE_DETECT, &error);
  js_PublishMsg(NULL, velm_broker_get_jetstream(plant->broker), message, NULL, NULL);
  submit(plant, "second", other);
  wait_until_done(plant);

  g_autoptr(GPtrArray) letters = velm_dead_letters_list(plant->broker, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(letters->len, ==, 4);
  g_assert_null(find_letter(letters, "key (Velm-Key) is missing")->key);
  g_assert_cmpstr(find_letter(letters, "far.png")->key, ==, "far");
  g_assert_cmpstr(find_letter(letters, "used for another image")->name, ==, "clash.png");
  const VelmDeadLetter *image = find_letter(letters, "image.png");
  g_assert_cmpstr(image->key, ==, "broken");
  g_assert_cmpstr(image->worker, ==, "worker");
  g_assert_cmpuint(image->bytes, ==, g_bytes_get_size(broken));
  g_autoptr(VelmStoredRecord) failed = find_record(plant, "broken");
  g_assert_cmpstr(failed->decision, ==, VELM_STORE_FAILED);
  g_assert_cmpint(count_records(plant), ==, 3);
}

static void test_revived(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *key = NULL;
  g_autoptr(GBytes) broken = g_bytes_new("no image", 8);
  submit(plant, "broken", broken);
  publish_garbage(plant);
  start_worker(plant);
  wait_until_done(plant);
  g_autoptr(GPtrArray) letters = velm_dead_letters_list(plant->broker, PRODUCT, &error);
  g_assert_cmpuint(letters->len, ==, 2);
  const VelmDeadLetter *garbage = find_letter(letters, "is missing");
  const VelmDeadLetter *image = find_letter(letters, "image.png");
  g_assert_false(velm_dead_letter_revive(plant->broker, garbage->number, NULL, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  g_clear_error(&error);
  g_assert_true(velm_dead_letter_revive(plant->broker, image->number, &key, &error));
  g_assert_no_error(error);
  g_assert_true(g_str_has_prefix(key, "broken~"));
  wait_until_done(plant); /* it is as broken as before */
  g_autoptr(VelmStoredRecord) again = find_record(plant, key);
  g_assert_cmpstr(again->decision, ==, VELM_STORE_FAILED);
  g_assert_true(velm_dead_letter_remove(plant->broker, garbage->number, &error));
  wait_for_messages(plant, VELM_STREAM_DEAD, 1);
  g_autoptr(VelmDeadLetter) gone =
      velm_dead_letter_get(plant->broker, garbage->number, NULL, &error);
  g_assert_null(gone);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
}

/* Takes each job so often, and gives it back: as workers that are lost over them. */
static void lose(Plant *plant, guint times) {
  g_autoptr(GError) error = NULL;
  g_autoptr(natsSubscription) subscription = NULL;
  velm_stage_subscribe(plant->broker, VELM_STAGE_DETECT, PRODUCT, &subscription, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < times; i++) {
    natsMsgList list = {0};
    g_assert_cmpint(natsSubscription_Fetch(&list, subscription, 1, 5000, NULL), ==, NATS_OK);
    natsMsg_Nak(list.Msgs[0], NULL);
    natsMsgList_Destroy(&list);
    natsConnection_Flush(velm_broker_get_connection(plant->broker));
  }
}

static void test_suspect(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  submit(plant, "suspect", image);
  lose(plant, 6);
  submit_good(plant, 3);
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 4);
}

static void test_deadly(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  submit(plant, "deadly", image);
  lose(plant, 10);
  submit_good(plant, 3);
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 3);
  g_autoptr(GPtrArray) letters = velm_dead_letters_list(plant->broker, NULL, &error);
  g_assert_cmpuint(letters->len, ==, 1);
  g_assert_cmpuint(find_letter(letters, "10 workers had the job")->tries, ==, 11);
}

/* ---- roles ---- */

/* Suspect images go to who classifies, and have their record from there. */
static void test_pass_on(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) black = small_product_black(64, 64);
  g_autoptr(GBytes) good = small_product_image("good", 1);
  submit(plant, "normal", good);
  submit(plant, "normal-too", good);
  plant->line = "line 1";
  submit(plant, "suspect", black);
  plant->pass_on = TRUE;
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 2);
  wait_for_messages(plant, velm_stage_stream(VELM_STAGE_CLASSIFY), 1);
  stop_worker(plant);
  plant->pass_on = FALSE;
  plant->stage = VELM_STAGE_CLASSIFY;
  start_worker(plant);
  wait_for_messages(plant, velm_stage_stream(VELM_STAGE_CLASSIFY), 0);
  g_autoptr(VelmStoredRecord) record = find_record(plant, "suspect");
  g_assert_nonnull(record);
  g_assert_cmpstr(record->decision, !=, "normal");
  g_assert_cmpstr(record->station, ==, "line 1");
  g_assert_cmpint(count_records(plant), ==, 3);
}

/* ---- the broker ---- */

static void test_broker_restarts(Plant *plant, gconstpointer data) {
  start_worker(plant);
  submit_good(plant, 2);
  wait_until_done(plant);
  nats_server_kill(&plant->server);
  nats_server_start(&plant->server);
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  while (!velm_broker_is_connected(plant->broker) && g_get_monotonic_time() < end)
    g_usleep(LOOK_US);
  g_autoptr(GBytes) image = small_product_image("good", 3);
  g_assert_true(submit(plant, "after", image));
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 3);
}

static void restart_with(Plant *plant, const char *noted) {
  nats_server_kill(&plant->server);
  nats_server_put_back(&plant->server, noted);
  nats_server_start(&plant->server);
}

/* The worker alone makes again what the broker lost. */
static void test_data_lost(Plant *plant, gconstpointer data) {
  start_worker(plant);
  submit_good(plant, 2);
  wait_until_done(plant);
  restart_with(plant, NULL);
  wait_until_done(plant);
  g_autoptr(GBytes) image = small_product_image("good", 3);
  wait_for_messages(plant, VELM_STREAM_DEAD, 0);
  g_assert_true(submit(plant, "after", image));
  wait_until_done(plant);
  wait_for_messages(plant, VELM_STREAM_RECORDS, 1);
  g_assert_cmpint(count_records(plant), ==, 3);
}

/* A job that is in hand when the broker loses its data has the number of another afterwards, which
 * its acknowledgement does not remove. */
static void test_number_given_anew(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  submit(plant, "first", image);
  submit(plant, "second", image);
  velm_stage_ensure_consumer(plant->broker, VELM_STAGE_DETECT, PRODUCT, &error);
  g_assert_no_error(error);
  nats_server_stop(&plant->server);
  nats_server_note(&plant->server, "others");
  restart_with(plant, NULL);
  start_worker(plant);
  wait_for_messages(plant, VELM_STREAM_DEAD, 0);
  submit(plant, "done", image);
  wait_until_done(plant);
  js_DeleteStream(velm_broker_get_jetstream(plant->broker), VELM_STREAM_RECORDS, NULL, NULL);
  submit(plant, "in-hand", image); /* as its record cannot be told */
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  while (count_records(plant) < 2 && g_get_monotonic_time() < end)
    g_usleep(LOOK_US);
  restart_with(plant, "others");
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 4);
  wait_for_messages(plant, VELM_STREAM_RECORDS, 3);
}

/* Its stream keeps what is acknowledged, as that of a broker that was killed may. */
static void make_keeping_stream(Plant *plant) {
  const char *stream = velm_stage_stream(VELM_STAGE_DETECT);
  jsCtx *jetstream = velm_broker_get_jetstream(plant->broker);
  jsStreamConfig config;
  js_DeleteStream(jetstream, stream, NULL, NULL);
  jsStreamConfig_Init(&config);
  config.Name = stream;
  config.Subjects = (const char *[]){"velm.detect.*"};
  config.SubjectsLen = 1;
  config.AllowDirect = true;
  g_assert_cmpint(js_AddStream(NULL, jetstream, &config, NULL, NULL), ==, NATS_OK);
}

/* A consumer that begins behind what is in the stream, likewise. */
static void forget_jobs(Plant *plant) {
  const char *stream = velm_stage_stream(VELM_STAGE_DETECT);
  jsCtx *jetstream = velm_broker_get_jetstream(plant->broker);
  jsConsumerConfig config;
  js_DeleteConsumer(jetstream, stream, PRODUCT, NULL, NULL);
  jsConsumerConfig_Init(&config);
  config.Durable = PRODUCT;
  config.AckPolicy = js_AckExplicit;
  config.FilterSubject = SUBJECT;
  config.DeliverPolicy = js_DeliverByStartSequence;
  config.OptStartSeq = 1000;
  g_assert_cmpint(js_AddConsumer(NULL, jetstream, stream, &config, NULL, NULL), ==, NATS_OK);
}

static gboolean find_forgotten(Plant *plant, gboolean *busy) {
  g_autoptr(GError) error = NULL;
  g_autoptr(natsMsg) message = NULL;
  velm_stage_find_forgotten(plant->broker, VELM_STAGE_DETECT, PRODUCT, 0, &message, busy, &error);
  g_assert_no_error(error);
  return message != NULL;
}

/* What was done is only removed, what was not is done, and poison is a dead letter. */
static void test_forgotten(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 1);
  gboolean busy = FALSE;
  make_keeping_stream(plant);
  velm_stage_ensure_consumer(plant->broker, VELM_STAGE_DETECT, PRODUCT, &error);
  submit(plant, "done", image);
  g_assert_false(find_forgotten(plant, &busy));
  g_assert_true(busy); /* it only waits */
  start_worker(plant);
  wait_until_done(plant);
  stop_worker(plant);
  const VelmPlantJob done = {.key = (char *)"done",
                             .product = (char *)PRODUCT,
                             .name = (char *)"image.png",
                             .image = image};
  g_autoptr(natsMsg) message =
      velm_plant_job_to_message(plant->broker, &done, VELM_STAGE_DETECT, &error);
  js_PublishMsg(NULL, velm_broker_get_jetstream(plant->broker), message, NULL, NULL);
  submit(plant, "undone", image);
  publish_garbage(plant);
  forget_jobs(plant);
  g_assert_true(find_forgotten(plant, &busy));
  g_assert_false(busy);
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 2);
  g_autoptr(VelmStoredRecord) record = find_record(plant, "undone");
  g_assert_nonnull(record);
  wait_for_messages(plant, VELM_STREAM_DEAD, 1);
  g_assert_false(find_forgotten(plant, &busy));
}

/* What a worker leaves when it stops, the next one does at once. */
static void test_stopped(Plant *plant, gconstpointer data) {
  submit_good(plant, 20);
  start_worker(plant);
  while (count_records(plant) == 0)
    g_usleep(LOOK_US);
  stop_worker(plant);
  gint64 start = g_get_monotonic_time();
  start_worker(plant);
  wait_until_done(plant);
  g_assert_cmpint(count_records(plant), ==, 20);
  g_assert_cmpint(g_get_monotonic_time() - start, <, VELM_JOB_WAIT_S * G_TIME_SPAN_SECOND / 2);
}

/* ---- the end ---- */

#define ADD(name, run) g_test_add("/plant/job-link/" name, Plant, NULL, set_up, run, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  ADD("done", test_done);
  ADD("station", test_station);
  ADD("repeated", test_repeated);
  ADD("own-stores", test_own_stores);
  ADD("poison", test_poison);
  ADD("revived", test_revived);
  ADD("suspect", test_suspect);
  ADD("deadly", test_deadly);
  ADD("pass-on", test_pass_on);
  ADD("broker-restarts", test_broker_restarts);
  ADD("data-lost", test_data_lost);
  ADD("number-given-anew", test_number_given_anew);
  ADD("forgotten", test_forgotten);
  ADD("stopped", test_stopped);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
