/* Counters, gauges and histograms in Prometheus's text format. */
#pragma once

#include <glib.h>

typedef enum {
  VELM_METRIC_INSPECTIONS,       /* counter: product, decision */
  VELM_METRIC_STAGE_SECONDS,     /* histogram: stage */
  VELM_METRIC_KEEP_SECONDS,      /* histogram: until image and record are on the disk */
  VELM_METRIC_REQUESTS,          /* counter: method, status */
  VELM_METRIC_LLM_REQUESTS,      /* counter: product */
  VELM_METRIC_LLM_TOKENS,        /* counter: product */
  VELM_METRIC_LLM_USD,           /* counter: product */
  VELM_METRIC_CAMERA_FRAMES,     /* counter: camera */
  VELM_METRIC_CAMERA_LOST,       /* counter: camera, reason */
  VELM_METRIC_JOBS,              /* counter: product, outcome */
  VELM_METRIC_JOBS_IN_HAND,      /* gauge: product */
  VELM_METRIC_QUEUE_WAITING,     /* gauge: stage, product */
  VELM_METRIC_BROKER_UP,         /* gauge */
  VELM_METRIC_BROKER_RECONNECTS, /* counter */
  VELM_N_METRICS
} VelmMetric;

typedef struct _VelmMetrics VelmMetrics;

VelmMetrics *velm_metrics_new(void);
void velm_metrics_free(VelmMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMetrics, velm_metrics_free)

/** @first, @second: (nullable): the values of the metric's labels, in the order above */
void velm_metrics_add(VelmMetrics *metrics, VelmMetric metric, const char *first,
                      const char *second, double value);
/** Sets a gauge, or a counter that the caller counts himself. @value: NAN where it is not known
 * now.
 */
void velm_metrics_set(VelmMetrics *metrics, VelmMetric metric, const char *first,
                      const char *second, double value);
void velm_metrics_observe(VelmMetrics *metrics, VelmMetric metric, const char *first,
                          double seconds);

/** Appends all of them. */
void velm_metrics_print(VelmMetrics *metrics, GString *text);
/** Appends a gauge, whose value the caller has. */
void velm_metrics_print_gauge(GString *text, const char *name, const char *help, double value);
/** Appends one labelled value of a gauge; its head first where @help is not NULL. */
void velm_metrics_print_labelled(GString *text, const char *name, const char *help,
                                 const char *label, const char *value_of_label, double value);
