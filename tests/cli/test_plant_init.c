/* velm plant init: what a plant's broker keeps is made and changed by an operator. */
#include "cli/command.h"
#include "core/scratch.h"
#include "plant/nats_fixture.h"
#include "plant/streams.h"

static char *folder;
static NatsServer server;
static VelmBroker *broker;

static void set_up(void) {
  folder = scratch_new();
  nats_server_set_up(&server, folder);
  nats_server_start(&server);
  broker = nats_server_connect(&server, "test");
}

static void tear_down(void) {
  velm_broker_free(broker);
  nats_server_tear_down(&server);
  scratch_remove(folder);
}

/* Returns: (transfer full). */
static jsStreamInfo *look_at(const char *stream) {
  jsStreamInfo *info = NULL;
  natsStatus status =
      js_GetStreamInfo(&info, velm_broker_get_jetstream(broker), stream, NULL, NULL);
  g_assert_cmpint(status, ==, NATS_OK);
  return info;
}

static void test_makes(void) {
  static const char *const streams[] = {"VELM_DETECT",     "VELM_CLASSIFY",    "VELM_RECORDS",
                                        "VELM_DEAD",       "KV_velm_products", "KV_velm_files",
                                        "KV_velm_workers", "KV_velm_llm"};
  g_autoptr(Outcome) outcome = velm("plant", "init", "--nats", server.url, "--replicas", "1");
  assert_success(outcome);
  for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
    g_autoptr(jsStreamInfo) info = look_at(streams[i]);
    g_assert_cmpint(info->Config->Replicas, ==, 1);
    assert_contains(outcome->out, streams[i]);
  }
  g_autoptr(jsStreamInfo) products = look_at("KV_velm_products");
  g_assert_cmpint(products->Config->MaxMsgsPerSubject, ==, 20);
}

/* Jobs and all other settings stay. */
static void test_changes(void) {
  g_autoptr(GError) error = NULL;
  velm_streams_ensure(broker, NULL, &error);
  g_assert_no_error(error);
  js_Publish(NULL, velm_broker_get_jetstream(broker), "velm.detect.disc", "image", 5, NULL, NULL);
  g_autoptr(jsStreamInfo) before = look_at("VELM_DETECT");
  g_autoptr(Outcome) outcome = velm("plant", "init", "--nats", server.url, "--max-jobs", "50");
  assert_success(outcome);
  assert_contains(outcome->out, "VELM_DETECT                1         50          1\n");
  g_autoptr(jsStreamInfo) after = look_at("VELM_DETECT");
  g_assert_cmpint(after->Config->MaxMsgs, ==, 50);
  g_assert_cmpint(after->State.Msgs, ==, 1);
  g_assert_cmpint(after->Created, ==, before->Created);
  g_assert_cmpint(after->Config->Retention, ==, before->Config->Retention);
  g_assert_cmpint(after->Config->Discard, ==, before->Config->Discard);
  g_assert_cmpint(after->Config->Duplicates, ==, before->Config->Duplicates);
  g_assert_true(after->Config->AllowDirect);
  g_autoptr(jsStreamInfo) classify = look_at("VELM_CLASSIFY");
  g_assert_cmpint(classify->Config->MaxMsgs, ==, 50);
  g_autoptr(jsStreamInfo) records = look_at("VELM_RECORDS");
  g_assert_cmpint(records->Config->MaxMsgs, ==, 200000);
  g_autoptr(Outcome) again = velm("plant", "init", "--nats", server.url);
  assert_success(again);
  g_assert_cmpstr(again->out, ==, outcome->out);
}

static void test_refused(void) {
  g_autoptr(Outcome) alone = velm("plant", "init", "--nats", server.url, "--replicas", "3");
  assert_refused(alone, 1, "is one server alone: 3 copies take a cluster");
  g_autoptr(jsStreamInfo) detect = look_at("VELM_DETECT");
  g_assert_cmpint(detect->Config->Replicas, ==, 1);
  g_autoptr(Outcome) even = velm("plant", "init", "--nats", server.url, "--replicas", "2");
  assert_refused(even, 2, "--replicas is to be 1, 3 or 5");
  g_autoptr(Outcome) negative = velm("plant", "init", "--nats", server.url, "--max-jobs=-1");
  assert_refused(negative, 2, "--max-jobs cannot be negative");
}

/* One of several that is away keeps nobody from the others. */
static void test_servers(void) {
  g_autofree char *urls = g_strdup_printf("nats://127.0.0.1:1,%s", server.url);
  g_autoptr(Outcome) outcome = velm("plant", "init", "--nats", urls);
  assert_success(outcome);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  command_set_up();
  set_up();
  g_test_add_func("/cli/plant-init/makes", test_makes);
  g_test_add_func("/cli/plant-init/changes", test_changes);
  g_test_add_func("/cli/plant-init/refused", test_refused);
  g_test_add_func("/cli/plant-init/servers", test_servers);
  int code = g_test_run();
  tear_down();
  command_tear_down();
  return code;
}
