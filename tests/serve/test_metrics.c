/* Metrics in Prometheus's text format. */
#include "serve/metrics.h"

#include <math.h>
#include <string.h>

static char *print(VelmMetrics *metrics) {
  GString *text = g_string_new(NULL);
  velm_metrics_print(metrics, text);
  return g_string_free(text, FALSE);
}

static void assert_contains(const char *text, const char *part) {
  if (!strstr(text, part))
    g_error("\"%s\" is not in \"%s\"", part, text);
}

static void test_counters(void) {
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  velm_metrics_add(metrics, VELM_METRIC_INSPECTIONS, "disc", "normal", 1);
  velm_metrics_add(metrics, VELM_METRIC_INSPECTIONS, "disc", "normal", 1);
  velm_metrics_add(metrics, VELM_METRIC_INSPECTIONS, "disc", "defect", 1);
  velm_metrics_add(metrics, VELM_METRIC_LLM_USD, "disc", NULL, 0.25);
  g_autofree char *text = print(metrics);
  assert_contains(text, "\n# HELP velm_http_requests_total Requests answered\n"
                        "# TYPE velm_http_requests_total counter\n");
  assert_contains(text, "# TYPE velm_inspections_total counter\n"
                        "velm_inspections_total{product=\"disc\",decision=\"defect\"} 1\n"
                        "velm_inspections_total{product=\"disc\",decision=\"normal\"} 2\n");
  assert_contains(text, "\nvelm_llm_usd_total{product=\"disc\"} 0.25\n");
}

/* What is set is not added to; and it may be unknown. */
static void test_set(void) {
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  velm_metrics_set(metrics, VELM_METRIC_QUEUE_WAITING, "detect", "disc", 7);
  velm_metrics_set(metrics, VELM_METRIC_QUEUE_WAITING, "detect", "disc", 5);
  velm_metrics_set(metrics, VELM_METRIC_QUEUE_WAITING, "classify", "disc", NAN);
  velm_metrics_set(metrics, VELM_METRIC_BROKER_UP, NULL, NULL, 1);
  g_autofree char *text = print(metrics);
  assert_contains(text, "# TYPE velm_queue_waiting gauge\n"
                        "velm_queue_waiting{stage=\"classify\",product=\"disc\"} NaN\n"
                        "velm_queue_waiting{stage=\"detect\",product=\"disc\"} 5\n");
  assert_contains(text, "# TYPE velm_broker_up gauge\nvelm_broker_up 1\n");
}

/* A label's value may be any text. */
static void test_escaping(void) {
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  velm_metrics_add(metrics, VELM_METRIC_LLM_TOKENS, "a\"b\\c\nd", NULL, 3);
  g_autofree char *text = print(metrics);
  assert_contains(text, "\nvelm_llm_tokens_total{product=\"a\\\"b\\\\c\\nd\"} 3\n");
}

static guint64 bucket(const char *text, const char *upper) {
  g_autofree char *start =
      g_strdup_printf("velm_stage_seconds_bucket{stage=\"decode\",le=\"%s\"} ", upper);
  const char *found = strstr(text, start);
  g_assert_nonnull(found);
  return g_ascii_strtoull(found + strlen(start), NULL, 10);
}

/* A bin holds what is in those below it. */
static void test_histogram(void) {
  static const double values[] = {0.0005, 0.001, 0.002, 0.3, 30, 31, 1000};
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
    velm_metrics_observe(metrics, VELM_METRIC_STAGE_SECONDS, "decode", values[i]);
  g_autofree char *text = print(metrics);
  assert_contains(text, "# TYPE velm_stage_seconds histogram\n");
  g_assert_cmpuint(bucket(text, "0.001"), ==, 2);
  g_assert_cmpuint(bucket(text, "0.0025"), ==, 3);
  g_assert_cmpuint(bucket(text, "0.25"), ==, 3);
  g_assert_cmpuint(bucket(text, "0.5"), ==, 4);
  g_assert_cmpuint(bucket(text, "10"), ==, 4);
  g_assert_cmpuint(bucket(text, "30"), ==, 5);
  g_assert_cmpuint(bucket(text, "+Inf"), ==, 7);
  assert_contains(text, "\nvelm_stage_seconds_count{stage=\"decode\"} 7\n");
  const char *sum = strstr(text, "\nvelm_stage_seconds_sum{stage=\"decode\"} ");
  g_assert_nonnull(sum);
  g_assert_cmpfloat_with_epsilon(g_ascii_strtod(strchr(sum, '}') + 2, NULL), 1061.3035, 1e-6);
}

static void test_histogram_without_labels(void) {
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  velm_metrics_observe(metrics, VELM_METRIC_KEEP_SECONDS, NULL, 0.25);
  g_autofree char *text = print(metrics);
  assert_contains(text, "\nvelm_keep_seconds_bucket{le=\"0.25\"} 1\n");
  assert_contains(text, "\nvelm_keep_seconds_bucket{le=\"+Inf\"} 1\n"
                        "velm_keep_seconds_sum 0.25\n"
                        "velm_keep_seconds_count 1\n");
}

static void test_gauges(void) {
  g_autoptr(GString) text = g_string_new(NULL);
  velm_metrics_print_gauge(text, "velm_ready", "Whether", 1);
  velm_metrics_print_labelled(text, "velm_queue", "Waiting", "product", "a", 2);
  velm_metrics_print_labelled(text, "velm_queue", NULL, "product", "b", 0.5);
  g_assert_cmpstr(text->str, ==,
                  "# HELP velm_ready Whether\n# TYPE velm_ready gauge\nvelm_ready 1\n"
                  "# HELP velm_queue Waiting\n# TYPE velm_queue gauge\n"
                  "velm_queue{product=\"a\"} 2\nvelm_queue{product=\"b\"} 0.5\n");
}

/* Every line is a comment, or a name with labels and a number. */
static void test_format(void) {
  g_autoptr(VelmMetrics) metrics = velm_metrics_new();
  for (VelmMetric i = 0; i < VELM_N_METRICS; i++)
    if (i == VELM_METRIC_STAGE_SECONDS || i == VELM_METRIC_KEEP_SECONDS)
      velm_metrics_observe(metrics, i, i == VELM_METRIC_KEEP_SECONDS ? NULL : "x", 0.1);
    else
      velm_metrics_add(metrics, i, i < VELM_METRIC_BROKER_UP ? "x" : NULL, NULL, 1);
  g_autofree char *text = print(metrics);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GRegex) format = g_regex_new("^(# (HELP|TYPE) velm_[a-z_]+ .+"
                                         "|velm_[a-z_]+(\\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*"
                                         "\\})? [0-9.e+-]+)$",
                                         0, 0, NULL);
  guint n = g_strv_length(lines);
  g_assert_cmpstr(lines[n - 1], ==, "");
  for (guint i = 0; i + 1 < n; i++)
    if (!g_regex_match(format, lines[i], 0, NULL))
      g_error("\"%s\" is not of the format", lines[i]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/metrics/counters", test_counters);
  g_test_add_func("/metrics/set", test_set);
  g_test_add_func("/metrics/escaping", test_escaping);
  g_test_add_func("/metrics/histogram", test_histogram);
  g_test_add_func("/metrics/histogram_without_labels", test_histogram_without_labels);
  g_test_add_func("/metrics/gauges", test_gauges);
  g_test_add_func("/metrics/format", test_format);
  return g_test_run();
}
