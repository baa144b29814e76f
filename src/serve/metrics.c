#include "serve/metrics.h"

#include <math.h>

/* Upper ends of the histograms' bins, in seconds. */
static const double bins[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                              0.25,  0.5,    1,     2.5,  5,     10,   30};
#define N_BINS G_N_ELEMENTS(bins)

typedef enum { COUNTER, GAUGE, HISTOGRAM } Kind;

static const struct {
  const char *name, *help;
  const char *labels[2];
  Kind kind;
} families[VELM_N_METRICS] = {
    {"velm_inspections_total", "Images inspected, by decision", {"product", "decision"}, COUNTER},
    {"velm_stage_seconds", "Time of a stage of the inspection", {"stage"}, HISTOGRAM},
    {"velm_keep_seconds", "Time until image and record are on the disk", {NULL}, HISTOGRAM},
    {"velm_http_requests_total", "Requests answered", {"method", "status"}, COUNTER},
    {"velm_llm_requests_total", "Requests to a language model", {"product"}, COUNTER},
    {"velm_llm_tokens_total", "Tokens sent to and got from it", {"product"}, COUNTER},
    {"velm_llm_usd_total", "What it cost, where prices are known", {"product"}, COUNTER},
    {"velm_camera_frames_total", "Frames of a camera that are on the disk", {"camera"}, COUNTER},
    {"velm_camera_frames_lost_total",
     "Frames of a camera that are not",
     {"camera", "reason"},
     COUNTER},
    {"velm_jobs_total",
     "Jobs of the plant that were taken, by what became of them",
     {"product", "outcome"},
     COUNTER},
    {"velm_jobs_in_hand", "Jobs of the plant that are here", {"product"}, GAUGE},
    {"velm_queue_waiting", "Jobs that wait at the broker", {"stage", "product"}, GAUGE},
    {"velm_broker_up", "Whether the broker is connected", {NULL}, GAUGE},
    {"velm_broker_reconnects_total", "How often the broker came back", {NULL}, COUNTER},
};

typedef struct {
  double value; /* a histogram's sum */
  guint64 counts[N_BINS + 1];
} Series;

struct _VelmMetrics {
  GMutex lock;
  GTree *series[VELM_N_METRICS]; /* labels as they are printed -> Series */
};

static gint compare(gconstpointer a, gconstpointer b, gpointer data) { return g_strcmp0(a, b); }

VelmMetrics *velm_metrics_new(void) {
  VelmMetrics *metrics = g_new0(VelmMetrics, 1);
  g_mutex_init(&metrics->lock);
  for (gsize i = 0; i < VELM_N_METRICS; i++)
    metrics->series[i] = g_tree_new_full(compare, NULL, g_free, g_free);
  return metrics;
}

void velm_metrics_free(VelmMetrics *metrics) {
  if (!metrics)
    return;
  for (gsize i = 0; i < VELM_N_METRICS; i++)
    g_tree_unref(metrics->series[i]);
  g_mutex_clear(&metrics->lock);
  g_free(metrics);
}

static void append_label(GString *text, const char *label, const char *value) {
  g_string_append_printf(text, "%s%s=\"", text->len > 0 ? "," : "", label);
  for (; *value; value++) {
    if (*value == '\\' || *value == '"')
      g_string_append_c(text, '\\');
    if (*value == '\n')
      g_string_append(text, "\\n");
    else
      g_string_append_c(text, *value);
  }
  g_string_append_c(text, '"');
}

/* Under the lock. */
static Series *series_of(VelmMetrics *metrics, VelmMetric metric, const char *first,
                         const char *second) {
  g_autoptr(GString) labels = g_string_new(NULL);
  if (first)
    append_label(labels, families[metric].labels[0], first);
  if (second)
    append_label(labels, families[metric].labels[1], second);
  Series *series = g_tree_lookup(metrics->series[metric], labels->str);
  if (!series) {
    series = g_new0(Series, 1);
    g_tree_insert(metrics->series[metric], g_strdup(labels->str), series);
  }
  return series;
}

void velm_metrics_add(VelmMetrics *metrics, VelmMetric metric, const char *first,
                      const char *second, double value) {
  g_mutex_lock(&metrics->lock);
  series_of(metrics, metric, first, second)->value += value;
  g_mutex_unlock(&metrics->lock);
}

void velm_metrics_set(VelmMetrics *metrics, VelmMetric metric, const char *first,
                      const char *second, double value) {
  g_mutex_lock(&metrics->lock);
  series_of(metrics, metric, first, second)->value = value;
  g_mutex_unlock(&metrics->lock);
}

void velm_metrics_observe(VelmMetrics *metrics, VelmMetric metric, const char *first,
                          double seconds) {
  gsize bin = 0;
  while (bin < N_BINS && seconds > bins[bin])
    bin++;
  g_mutex_lock(&metrics->lock);
  Series *series = series_of(metrics, metric, first, NULL);
  series->value += seconds;
  series->counts[bin]++;
  g_mutex_unlock(&metrics->lock);
}

/* ---- printing ---- */

/* Whatever the locale is. */
static const char *number(char *buffer, double value) {
  return isnan(value) ? "NaN" : g_ascii_dtostr(buffer, G_ASCII_DTOSTR_BUF_SIZE, value);
}

static void print_value(GString *text, const char *name, const char *labels, double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(text, name);
  if (labels[0])
    g_string_append_printf(text, "{%s}", labels);
  g_string_append_printf(text, " %s\n", number(buffer, value));
}

static void print_histogram(GString *text, const char *name, const char *labels,
                            const Series *series) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  const char *comma = labels[0] ? "," : "";
  guint64 count = 0;
  for (gsize i = 0; i < N_BINS; i++) {
    count += series->counts[i];
    g_string_append_printf(text, "%s_bucket{%s%sle=\"%s\"} %" G_GUINT64_FORMAT "\n", name, labels,
                           comma, g_ascii_formatd(buffer, sizeof buffer, "%g", bins[i]), count);
  }
  count += series->counts[N_BINS];
  g_string_append_printf(text, "%s_bucket{%s%sle=\"+Inf\"} %" G_GUINT64_FORMAT "\n", name, labels,
                         comma, count);
  g_autofree char *sum = g_strconcat(name, "_sum", NULL);
  g_autofree char *n = g_strconcat(name, "_count", NULL);
  print_value(text, sum, labels, series->value);
  print_value(text, n, labels, (double)count);
}

typedef struct {
  VelmMetric metric;
  GString *text;
} Printing;

static gboolean print_series(gpointer labels, gpointer series, gpointer data) {
  const Printing *printing = data;
  const char *name = families[printing->metric].name;
  if (families[printing->metric].kind == HISTOGRAM)
    print_histogram(printing->text, name, labels, series);
  else
    print_value(printing->text, name, labels, ((Series *)series)->value);
  return FALSE;
}

static void print_head(GString *text, const char *name, const char *help, const char *type) {
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void velm_metrics_print(VelmMetrics *metrics, GString *text) {
  static const char *const kinds[] = {"counter", "gauge", "histogram"};
  g_mutex_lock(&metrics->lock);
  for (VelmMetric i = 0; i < VELM_N_METRICS; i++) {
    Printing printing = {i, text};
    print_head(text, families[i].name, families[i].help, kinds[families[i].kind]);
    g_tree_foreach(metrics->series[i], print_series, &printing);
  }
  g_mutex_unlock(&metrics->lock);
}

void velm_metrics_print_gauge(GString *text, const char *name, const char *help, double value) {
  print_head(text, name, help, "gauge");
  print_value(text, name, "", value);
}

void velm_metrics_print_labelled(GString *text, const char *name, const char *help,
                                 const char *label, const char *value_of_label, double value) {
  g_autoptr(GString) labels = g_string_new(NULL);
  if (help)
    print_head(text, name, help, "gauge");
  append_label(labels, label, value_of_label);
  print_value(text, name, labels->str, value);
}
