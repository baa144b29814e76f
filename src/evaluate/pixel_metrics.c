#include "evaluate/pixel_metrics.h"

#include "evaluate/pixel_sweep.h"

#include <math.h>
#include <string.h>

/* A partition of the scores of all stores. Its sweep needs of those above only their counts, so
 * that partitions are swept in any order, on all cores, to the same result. */
typedef struct {
  guint number;
  VelmPixelSweep sweep;
} Partition;

typedef struct {
  const VelmPixelScores *const *stores;
  gsize n_stores;
  VelmPixelTotals totals;
  GArray *partitions; /* of Partition, the highest scores first */
  VelmPixelCurves *curves;
} Measurement;

static gboolean any_broken(const VelmPixelScores *const *stores, gsize n) {
  for (gsize i = 0; i < n; i++)
    if (velm_pixel_scores_broken(stores[i]))
      return TRUE;
  return FALSE;
}

static VelmPixelCount count_partition(const Measurement *measurement, guint number) {
  VelmPixelCount sum = {0};
  for (gsize i = 0; i < measurement->n_stores; i++) {
    VelmPixelCount count = velm_pixel_scores_count(measurement->stores[i], number);
    sum.normal += count.normal;
    sum.anomalous += count.anomalous;
    sum.overlap += count.overlap;
  }
  return sum;
}

/* Lists the partitions that hold pixels, each with what lies above it, and counts all pixels. */
static void list_partitions(Measurement *measurement) {
  VelmPixelCount above = {0};
  for (guint number = VELM_SCORE_PARTITIONS; number-- > 0;) {
    VelmPixelCount count = count_partition(measurement, number);
    if (!count.normal && !count.anomalous)
      continue;
    Partition partition = {number,
                           {.totals = &measurement->totals,
                            .normal = (double)above.normal,
                            .anomalous = (double)above.anomalous,
                            .overlap = above.overlap}};
    g_array_append_val(measurement->partitions, partition);
    above.normal += count.normal;
    above.anomalous += count.anomalous;
    above.overlap += count.overlap;
  }
  measurement->totals.n_normal = (double)above.normal;
  measurement->totals.n_anomalous = (double)above.anomalous;
  for (gsize i = 0; i < measurement->n_stores; i++)
    measurement->totals.n_regions += (double)velm_pixel_scores_n_regions(measurement->stores[i]);
}

/* Sweeps over the scores of a block of @table from the highest on, and empties it. */
static void sweep_block(VelmPixelSweep *sweep, VelmPixelTable *table, gsize first) {
  const gsize size = VELM_TABLE_BLOCK;
  for (gsize i = first + size; i-- > first;)
    if (table->normal[i] || table->anomalous[i])
      velm_pixel_sweep_step(sweep, (double)table->normal[i], (double)table->anomalous[i],
                            table->overlap[i]);
  memset(table->normal + first, 0, size * sizeof *table->normal);
  memset(table->anomalous + first, 0, size * sizeof *table->anomalous);
  memset(table->overlap + first, 0, size * sizeof *table->overlap);
}

static void sweep_table(VelmPixelSweep *sweep, VelmPixelTable *table) {
  for (gsize block = G_N_ELEMENTS(table->touched); block-- > 0;) {
    if (table->touched[block])
      sweep_block(sweep, table, block * VELM_TABLE_BLOCK);
    table->touched[block] = 0;
  }
}

static VelmPixelCurves curves_new(void) {
  return (VelmPixelCurves){velm_curve_points_new(), velm_curve_points_new(),
                           velm_curve_points_new()};
}

static void append_points(VelmCurvePoints *to, const VelmCurvePoints *from) {
  for (gsize i = 0; i < from->n; i++)
    velm_curve_points_append(to, from->x[i], from->y[i]);
}

static gboolean sweep_partition(const Measurement *measurement, Partition *partition,
                                VelmPixelTable *table, GError **error) {
  for (gsize i = 0; i < measurement->n_stores; i++)
    if (!velm_pixel_scores_read(measurement->stores[i], partition->number, table, error))
      return FALSE;
  VelmPixelCurves curves = curves_new();
  partition->sweep.curves = measurement->curves ? &curves : NULL;
  sweep_table(&partition->sweep, table);
  partition->sweep.curves = NULL;
  if (measurement->curves) {
#pragma omp critical(velm_pixel_curves)
    {
      append_points(measurement->curves->roc, curves.roc);
      append_points(measurement->curves->precision_recall, curves.precision_recall);
      append_points(measurement->curves->pro, curves.pro);
    }
  }
  velm_pixel_curves_clear(&curves);
  return TRUE;
}

static gboolean sweep_all(Measurement *measurement, GError **error) {
  GError *failure = NULL; /* the first */
  int failed = 0;
#pragma omp parallel
  {
    VelmPixelTable *table = g_new0(VelmPixelTable, 1);
#pragma omp for schedule(dynamic)
    for (guint i = 0; i < measurement->partitions->len; i++) {
      int stop;
      GError *cause = NULL;
#pragma omp atomic read
      stop = failed;
      if (stop ||
          sweep_partition(measurement, &g_array_index(measurement->partitions, Partition, i), table,
                          &cause))
        continue;
#pragma omp critical(velm_pixel_failure)
      {
        if (failure)
          g_clear_error(&cause);
        else
          failure = cause;
      }
#pragma omp atomic write
      failed = 1;
    }
    g_free(table);
  }
  if (failure)
    g_propagate_error(error, failure);
  return !failure;
}

/* In the partitions' order, whichever was swept first. */
static VelmPixelFigures sum_up(const Measurement *measurement) {
  double pairs = 0, precisions = 0, pro_area = 0;
  for (guint i = 0; i < measurement->partitions->len; i++) {
    const VelmPixelSweep *sweep = &g_array_index(measurement->partitions, Partition, i).sweep;
    pairs += sweep->pairs;
    precisions += sweep->precisions;
    pro_area += sweep->pro_area;
  }
  return velm_pixel_sweep_figures(&measurement->totals, pairs, precisions, pro_area);
}

static void finish_curve(VelmCurvePoints **points, double figure) {
  if (isnan(figure))
    g_clear_pointer(points, velm_curve_points_free);
  else
    velm_curve_points_sort(*points);
}

static void finish_curves(VelmPixelCurves *curves, const VelmPixelFigures *figures) {
  finish_curve(&curves->roc, figures->auroc);
  finish_curve(&curves->precision_recall, figures->average_precision);
  finish_curve(&curves->pro, figures->aupro);
}

static gboolean measure(Measurement *measurement, VelmPixelFigures *figures, GError **error) {
  VelmPixelCurves *curves = measurement->curves;
  list_partitions(measurement);
  if (curves) {
    *curves = curves_new();
    velm_curve_points_append(curves->roc, 0, 0);
    velm_curve_points_append(curves->pro, 0, 0);
  }
  if (measurement->totals.n_anomalous > 0 && !sweep_all(measurement, error))
    return FALSE;
  *figures = sum_up(measurement);
  if (curves)
    finish_curves(curves, figures);
  return TRUE;
}

gboolean velm_pixel_metrics_measure(const VelmPixelScores *const *stores, gsize n, double limit,
                                    VelmPixelFigures *figures, VelmPixelCurves *curves,
                                    GError **error) {
  *figures = (VelmPixelFigures){NAN, NAN, NAN};
  if (curves)
    *curves = (VelmPixelCurves){0};
  if (any_broken(stores, n))
    return TRUE;
  g_autoptr(GArray) partitions = g_array_new(FALSE, FALSE, sizeof(Partition));
  Measurement measurement = {stores, n, {.limit = limit}, partitions, curves};
  if (measure(&measurement, figures, error))
    return TRUE;
  if (curves)
    velm_pixel_curves_clear(curves);
  return FALSE;
}

void velm_pixel_curves_clear(VelmPixelCurves *curves) {
  velm_curve_points_free(curves->roc);
  velm_curve_points_free(curves->precision_recall);
  velm_curve_points_free(curves->pro);
  *curves = (VelmPixelCurves){0};
}
