#include "evaluate/reliability_svg.h"

#include "evaluate/svg.h"

#include <math.h>

enum { LEFT = 68, SIDE = 340, TOP = 66, BETWEEN = 66, COUNTS = 90, BOTTOM = 52, MARGIN = 24 };
enum { WIDTH = LEFT + SIDE + MARGIN, HEIGHT = TOP + SIDE + BETWEEN + COUNTS + BOTTOM };

/* ---- head ---- */

static void append_head(GString *svg, const VelmCalibration *calibration) {
  velm_svg_text_begin(svg, "title", LEFT, 24, "start");
  g_string_append(svg, "ECE ");
  velm_svg_number(svg, "%.3f", calibration->ece);
  if (isfinite(calibration->ece_interval.low)) {
    g_string_append(svg, " (95 %: ");
    velm_svg_number(svg, "%.3f", calibration->ece_interval.low);
    g_string_append(svg, " to ");
    velm_svg_number(svg, "%.3f", calibration->ece_interval.high);
    g_string_append_c(svg, ')');
  }
  g_string_append(svg, "</text>");
  velm_svg_text_begin(svg, "soft", LEFT, 44, "start");
  g_string_append_printf(svg, "%" G_GSIZE_FORMAT " answers, accuracy ", calibration->n);
  velm_svg_number(svg, "%.2f", calibration->accuracy);
  g_string_append(svg, ", confidence ");
  velm_svg_number(svg, "%.2f", calibration->confidence);
  g_string_append(svg, "</text>");
}

/* ---- accuracy ---- */

static void append_bin_title(GString *svg, const VelmCalibrationBin *bin) {
  g_string_append(svg, "<title>confidence ");
  velm_svg_number(svg, "%.3f", bin->low);
  g_string_append(svg, " to ");
  velm_svg_number(svg, "%.3f", bin->high);
  g_string_append(svg, ", mean ");
  velm_svg_number(svg, "%.3f", bin->confidence);
  g_string_append(svg, "\naccuracy ");
  velm_svg_number(svg, "%.3f", bin->accuracy);
  g_string_append(svg, " (");
  velm_svg_number(svg, "%.3f", bin->accuracy_interval.low);
  g_string_append(svg, " to ");
  velm_svg_number(svg, "%.3f", bin->accuracy_interval.high);
  g_string_append_printf(svg, ") of %" G_GSIZE_FORMAT " answers</title>", bin->n);
}

static void append_bin(GString *svg, const VelmSvgAxes *axes, const VelmCalibrationBin *bin) {
  double x = velm_svg_x(axes, bin->confidence), y = velm_svg_y(axes, bin->accuracy);
  double low = velm_svg_y(axes, bin->accuracy_interval.low);
  double high = velm_svg_y(axes, bin->accuracy_interval.high);
  g_string_append(svg, "<g>");
  append_bin_title(svg, bin);
  velm_svg_line(svg, "gap", x, velm_svg_y(axes, bin->confidence), x, y);
  velm_svg_line(svg, "whisker", x, low, x, high);
  velm_svg_line(svg, "whisker", x - 4, low, x + 4, low);
  velm_svg_line(svg, "whisker", x - 4, high, x + 4, high);
  g_string_append(svg, "<circle class=\"right\" r=\"4\"");
  velm_svg_attribute(svg, "cx", x);
  velm_svg_attribute(svg, "cy", y);
  g_string_append(svg, "/></g>");
}

static void append_accuracy(GString *svg, const VelmCalibration *calibration) {
  const VelmSvgAxes axes = {.left = LEFT,
                            .top = TOP,
                            .width = SIDE,
                            .height = SIDE,
                            .x_end = 1,
                            .y_end = 1,
                            .x_label = "confidence",
                            .y_label = "accuracy"};
  velm_svg_axes(svg, &axes);
  velm_svg_line(svg, "axis dashed", velm_svg_x(&axes, 0), velm_svg_y(&axes, 0),
                velm_svg_x(&axes, 1), velm_svg_y(&axes, 1));
  velm_svg_text(svg, "soft", LEFT + 10, TOP + 18, "start", "too modest");
  velm_svg_text(svg, "soft", LEFT + SIDE - 10, TOP + SIDE - 10, "end", "too confident");
  for (gsize b = 0; b < calibration->n_bins; b++)
    append_bin(svg, &axes, &calibration->bins[b]);
}

/* ---- counts ---- */

static void append_column_title(GString *svg, const VelmCalibration *calibration, gsize column) {
  g_string_append(svg, "<title>confidence ");
  velm_svg_number(svg, "%.2f", (double)column / VELM_CALIBRATION_COLUMNS);
  g_string_append(svg, " to ");
  velm_svg_number(svg, "%.2f", (double)(column + 1) / VELM_CALIBRATION_COLUMNS);
  g_string_append_printf(svg, "\nright: %" G_GSIZE_FORMAT "\nwrong: %" G_GSIZE_FORMAT "</title>",
                         calibration->right[column], calibration->wrong[column]);
}

/* Stacks @count on what reaches up to @y; 2 units high at least, so that one answer is seen.
 * Returns: the new top. */
static double append_part(GString *svg, const VelmSvgAxes *axes, const char *class_name, double x,
                          double y, gsize count) {
  if (count == 0)
    return y;
  double height = fmax((double)count / axes->y_end * axes->height, 2);
  velm_svg_rect(svg, class_name, x + 1, y - height, axes->width / VELM_CALIBRATION_COLUMNS - 2,
                height);
  return y - height;
}

static void append_key(GString *svg, const char *class_name, double x, double y, const char *text) {
  velm_svg_rect(svg, class_name, x, y - 9, 10, 10);
  velm_svg_text(svg, "key", x + 15, y, "start", text);
}

static void append_counts(GString *svg, const VelmCalibration *calibration) {
  gsize tallest = 1;
  for (gsize c = 0; c < VELM_CALIBRATION_COLUMNS; c++)
    tallest = MAX(tallest, calibration->right[c] + calibration->wrong[c]);
  const VelmSvgAxes axes = {.left = LEFT,
                            .top = TOP + SIDE + BETWEEN,
                            .width = SIDE,
                            .height = COUNTS,
                            .x_end = 1,
                            .y_end = (double)tallest,
                            .y_is_count = TRUE,
                            .x_label = "confidence",
                            .y_label = "answers"};
  velm_svg_axes(svg, &axes);
  for (gsize c = 0; c < VELM_CALIBRATION_COLUMNS; c++) {
    double x = velm_svg_x(&axes, (double)c / VELM_CALIBRATION_COLUMNS);
    g_string_append(svg, "<g>");
    append_column_title(svg, calibration, c);
    double y = append_part(svg, &axes, "right", x, axes.top + axes.height, calibration->right[c]);
    append_part(svg, &axes, "wrong", x, y, calibration->wrong[c]);
    g_string_append(svg, "</g>");
  }
  append_key(svg, "right", LEFT + 10, axes.top - 8, "right");
  append_key(svg, "wrong", LEFT + 64, axes.top - 8, "wrong");
}

char *velm_reliability_svg(const VelmCalibration *calibration) {
  if (calibration->n == 0)
    return g_strdup("");
  GString *svg = velm_svg_begin("reliability", WIDTH, HEIGHT,
                                "Reliability: accuracy against confidence, and how many answers");
  append_head(svg, calibration);
  append_accuracy(svg, calibration);
  append_counts(svg, calibration);
  return velm_svg_end(svg);
}
