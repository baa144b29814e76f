#include "evaluate/histogram.h"

#include "evaluate/svg.h"

#include <math.h>

enum { WIDTH = 760, HEIGHT = 230, LEFT = 46, RIGHT = 14, TOP = 22, BOTTOM = 36 };
enum { N_DECISIONS = VELM_DECISION_REVIEW + 1, MAX_BINS = 50 };

typedef struct {
  double low, high; /* of the axis */
  int n_bins;
  gsize counts[MAX_BINS][N_DECISIONS];
  gsize tallest; /* all decisions of the fullest bin */
} Histogram;

static void widen(Histogram *histogram, double value) {
  if (!isfinite(value))
    return;
  histogram->low = MIN(histogram->low, value);
  histogram->high = MAX(histogram->high, value);
}

/* The axis holds all scores and thresholds; FALSE where there is no score to draw. */
static gboolean find_range(Histogram *histogram, const VelmScored *scored, gsize n,
                           const double *thresholds, gsize n_thresholds) {
  histogram->low = INFINITY;
  histogram->high = -INFINITY;
  for (gsize i = 0; i < n; i++)
    widen(histogram, scored[i].score);
  if (histogram->low > histogram->high)
    return FALSE;
  for (gsize i = 0; i < n_thresholds; i++)
    widen(histogram, thresholds[i]);
  double span = histogram->high - histogram->low;
  if (!isfinite(span * 2))
    return FALSE;
  double margin = span > 0 ? span * 0.03 : MAX(fabs(histogram->low) * 0.1, 1e-6);
  histogram->low -= margin;
  histogram->high += margin;
  return TRUE;
}

/* Cuts the axis so that @threshold, where it is finite, lies between two bins: no bar stands
 * astride it. */
static void cut_axis(Histogram *histogram, gsize n, double threshold) {
  histogram->n_bins = (int)CLAMP(2 * sqrt((double)n), 12, MAX_BINS - 1);
  double width = (histogram->high - histogram->low) / histogram->n_bins;
  double below = (threshold - histogram->low) / width;
  if (!isfinite(below))
    return;
  histogram->low -= (ceil(below) - below) * width;
  histogram->high = histogram->low + ++histogram->n_bins * width;
}

static int bin_of(const Histogram *histogram, double score) {
  double share = (score - histogram->low) / (histogram->high - histogram->low);
  /* Rounding must not put a score that is the threshold under it. */
  return CLAMP((int)(share * histogram->n_bins + 1e-9), 0, histogram->n_bins - 1);
}

static void count_scores(Histogram *histogram, const VelmScored *scored, gsize n) {
  for (gsize i = 0; i < n; i++) {
    if (!isfinite(scored[i].score) || (int)scored[i].decision >= N_DECISIONS)
      continue;
    histogram->counts[bin_of(histogram, scored[i].score)][scored[i].decision]++;
  }
  for (int bin = 0; bin < histogram->n_bins; bin++) {
    gsize sum = 0;
    for (int d = 0; d < N_DECISIONS; d++)
      sum += histogram->counts[bin][d];
    histogram->tallest = MAX(histogram->tallest, sum);
  }
}

static double x_of(const Histogram *histogram, double score) {
  return LEFT +
         (score - histogram->low) / (histogram->high - histogram->low) * (WIDTH - LEFT - RIGHT);
}

/* A round step that cuts @span into about @parts: 1, 2 or 5 times a power of ten. */
static double round_step(double span, int parts) {
  double raw = span / parts, power = pow(10, floor(log10(raw))), share = raw / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

static void append_text(GString *svg, double x, double y, const char *anchor, const char *format,
                        double value) {
  velm_svg_text_begin(svg, "axis", x, y, anchor);
  velm_svg_number(svg, format, value);
  g_string_append(svg, "</text>");
}

static void append_axes(GString *svg, const Histogram *histogram) {
  double floor_y = HEIGHT - BOTTOM, room = floor_y - TOP;
  double count_step = MAX(round_step((double)histogram->tallest, 4), 1);
  for (double count = 0; count <= (double)histogram->tallest; count += count_step) {
    double y = floor_y - count / (double)histogram->tallest * room;
    velm_svg_line(svg, "grid", LEFT, y, WIDTH - RIGHT, y);
    append_text(svg, LEFT - 8, y + 4, "end", "%.0f", count);
  }
  double step = round_step(histogram->high - histogram->low, 7);
  gint64 first = (gint64)ceil(histogram->low / step), last = (gint64)floor(histogram->high / step);
  for (gint64 i = first; i <= last && i - first < 20; i++) {
    double x = x_of(histogram, (double)i * step);
    velm_svg_line(svg, "axis", x, floor_y, x, floor_y + 4);
    append_text(svg, x, floor_y + 17, "middle", "%.4g", (double)i * step);
  }
  g_string_append_printf(svg,
                         "<text class=\"axis\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">"
                         "anomaly score</text>",
                         (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4);
}

/* The hover text of a bar: its range and counts. */
static void append_bar_title(GString *svg, const Histogram *histogram, int bin) {
  double width = (histogram->high - histogram->low) / histogram->n_bins;
  g_string_append(svg, "<title>");
  velm_svg_number(svg, "%.4g", histogram->low + bin * width);
  g_string_append(svg, " to ");
  velm_svg_number(svg, "%.4g", histogram->low + (bin + 1) * width);
  for (int d = 0; d < N_DECISIONS; d++)
    if (histogram->counts[bin][d])
      g_string_append_printf(svg, "\n%s: %" G_GSIZE_FORMAT, velm_decision_name((VelmDecision)d),
                             histogram->counts[bin][d]);
  g_string_append(svg, "</title>");
}

static void append_bar(GString *svg, const Histogram *histogram, int bin) {
  double y = HEIGHT - BOTTOM, room = y - TOP;
  double width = (double)(WIDTH - LEFT - RIGHT) / histogram->n_bins;
  g_string_append(svg, "<g>");
  append_bar_title(svg, histogram, bin);
  for (int d = 0; d < N_DECISIONS; d++) {
    if (!histogram->counts[bin][d])
      continue;
    double height = (double)histogram->counts[bin][d] / (double)histogram->tallest * room;
    height = MAX(height, 2);
    y -= height;
    velm_svg_rect(svg, velm_decision_name((VelmDecision)d), LEFT + bin * width + 0.5, y,
                  MAX(width - 1, 1), height);
  }
  g_string_append(svg, "</g>");
}

static void append_threshold(GString *svg, const Histogram *histogram, double threshold) {
  double x = x_of(histogram, threshold);
  velm_svg_line(svg, "threshold", x, TOP - 6, x, HEIGHT - BOTTOM);
  /* The label stands on the side that has room. */
  gboolean left = x > WIDTH * 0.75;
  velm_svg_text_begin(svg, "threshold", left ? x - 6 : x + 6, TOP - 8, left ? "end" : "start");
  g_string_append(svg, "threshold ");
  velm_svg_number(svg, "%.4g", threshold);
  g_string_append(svg, "</text>");
}

char *velm_histogram_svg(const VelmScored *scored, gsize n, const double *thresholds,
                         gsize n_thresholds) {
  g_autofree Histogram *histogram = g_new0(Histogram, 1);
  if (!find_range(histogram, scored, n, thresholds, n_thresholds))
    return g_strdup("");
  cut_axis(histogram, n, n_thresholds ? thresholds[0] : NAN);
  count_scores(histogram, scored, n);
  if (histogram->tallest == 0)
    return g_strdup("");
  GString *svg = g_string_new(NULL);
  g_string_append_printf(svg,
                         "<svg class=\"histogram\" viewBox=\"0 0 %d %d\" role=\"img\" "
                         "aria-label=\"Histogram of the anomaly scores\">",
                         WIDTH, HEIGHT);
  append_axes(svg, histogram);
  for (int bin = 0; bin < histogram->n_bins; bin++)
    append_bar(svg, histogram, bin);
  velm_svg_line(svg, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
  for (gsize i = 0; i < n_thresholds; i++)
    if (isfinite(thresholds[i]))
      append_threshold(svg, histogram, thresholds[i]);
  g_string_append(svg, "</svg>");
  return g_string_free(svg, FALSE);
}
