/* A model that another tool exported, through all commands. */
#include "cli/command.h"
#include "core/file.h"
#include "core/networks.h"

#include <string.h>

#define MODEL "exported.velm"

static void put_network(const char *name, const NetworkOutput *outputs, gsize n) {
  g_autofree char *path = command_path(name);
  g_autoptr(GBytes) onnx = network_anomaly_onnx(64, 64, outputs, n);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  g_assert_true(velm_file_write(path, data, size, NULL));
}

static void test_fit_and_info(void) {
  g_autoptr(Outcome) fitted = velm("fit", PARTS, "--detector", "exported", "--model-file",
                                   "anomaly.onnx", "-o", "other.velm", "--threshold", "0.5");
  assert_success(fitted);
  g_autoptr(Outcome) info = velm("info", "other.velm");
  assert_success(info);
  assert_contains(info->out, "detector: exported\n");
  assert_contains(info->out, "anomaly.onnx, images at 64 x 64 px\n");
  assert_contains(info->out, "threshold: 0.5");
}

static void test_inspect(void) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", MODEL, "--json", PARTS "/test/dent");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, N_PER_CLASS);
  JsonObject *record = record_at(records, 0);
  double score = json_object_get_double_member(record, "score");
  g_assert_cmpfloat(score, >, 0);
  g_assert_cmpfloat(score, <=, 1);
}

/* Without patch features few-shot has its other features. */
static void test_teach(void) {
  g_autoptr(Outcome) copy = velm("fit", PARTS, "--detector", "exported", "--model-file",
                                 "anomaly.onnx", "-o", "taught-exported.velm", "--threshold", "0");
  assert_success(copy);
  g_autoptr(Outcome) taught =
      velm("teach", PARTS, "-m", "taught-exported.velm", "-s", SPEC, "--shots", "1");
  assert_success(taught);
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", "taught-exported.velm", "--json", PARTS "/test/chip");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  JsonObject *record = record_at(records, 0);
  g_assert_nonnull(json_object_get_string_member(record, "class"));
}

static void test_evaluate(void) {
  g_autoptr(Outcome) own = velm("evaluate", PARTS, "-m", MODEL);
  assert_success(own);
  assert_contains(own->out, "exported");
  g_autoptr(Outcome) beside = velm("evaluate", PARTS, "-m", FITTED, "--detector", "model," MODEL);
  assert_success(beside);
  assert_contains(beside->out, "patchcore");
  assert_contains(beside->out, MODEL);
}

static void test_score_alone(void) {
  put_network("score.onnx", &(NetworkOutput){"pred_score", NETWORK_SCORE}, 1);
  g_autoptr(Outcome) fitted = velm("fit", PARTS, "--detector", "exported", "--model-file",
                                   "score.onnx", "-o", "score.velm", "--threshold", "0");
  assert_success(fitted);
  assert_contains(fitted->out, "outputs: score alone: it cannot tell where\n");
  g_autoptr(Outcome) outcome = velm("inspect", "-m", "score.velm", "--json", PARTS "/test/dent");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  JsonArray *regions = json_object_get_array_member(record_at(records, 0), "regions");
  g_assert_cmpuint(json_array_get_length(regions), ==, 1);
  JsonObject *region = json_array_get_object_element(regions, 0);
  g_assert_cmpint(json_object_get_int_member(region, "width"), ==, 128);
}

static void test_refused(void) {
  g_autoptr(Outcome) without = velm("fit", PARTS, "--detector", "exported", "-o", "x.velm");
  assert_refused(without, 2, "needs the file of an exported model (--model-file)");
  g_autoptr(Outcome) alone = velm("fit", PARTS, "--model-file", "anomaly.onnx", "-o", "x.velm");
  assert_refused(alone, 2, "go with --detector exported");
  g_autoptr(Outcome) mean = velm("fit", PARTS, "--detector", "exported", "--model-file",
                                 "anomaly.onnx", "--mean", "1,2", "-o", "x.velm");
  assert_refused(mean, 2, "--mean 1,2: three numbers are needed");
  g_autoptr(Outcome) unknown = velm("fit", PARTS, "--detector", "padim", "-o", "x.velm");
  assert_refused(unknown, 2, "no detector \"padim\"; there are: patchcore, exported");
  g_autoptr(Outcome) missing =
      velm("fit", PARTS, "--detector", "exported", "--model-file", "missing.xml", "-o", "x.velm");
  assert_refused(missing, 1, "missing.xml: no such exported model");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  const NetworkOutput usual[] = {{"pred_score", NETWORK_SCORE}, {"anomaly_map", NETWORK_MAP}};
  put_network("anomaly.onnx", usual, G_N_ELEMENTS(usual));
  g_autoptr(Outcome) fitted =
      velm("fit", PARTS, "--detector", "exported", "--model-file", "anomaly.onnx", "-o", MODEL);
  assert_success(fitted);
  g_test_add_func("/cli/exported/fit_and_info", test_fit_and_info);
  g_test_add_func("/cli/exported/inspect", test_inspect);
  g_test_add_func("/cli/exported/teach", test_teach);
  g_test_add_func("/cli/exported/evaluate", test_evaluate);
  g_test_add_func("/cli/exported/score_alone", test_score_alone);
  g_test_add_func("/cli/exported/refused", test_refused);
  int code = g_test_run();
  command_tear_down();
  return code;
}
