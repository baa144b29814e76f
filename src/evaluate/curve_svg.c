#include "evaluate/curve_svg.h"

#include "evaluate/svg.h"

#include <math.h>

enum { LEFT = 68, SIDE = 340, BOTTOM = 52, GAP = 28, MARGIN = 14 };
enum { ROW = 22, KEY = 26, MAX_COLUMNS = 26, AREA = 62 }; /* of the legend */
#define LETTER 7.0

/* Points closer than this, in units of the picture, are one. */
#define FINEST 0.5

/* After Okabe and Ito, told apart by the colour-blind too; without black and yellow, which not
 * every ground shows. When all are used, the lines are dashed. */
static const char *const COLOURS[] = {"#1a7fc4", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#8a6fc4", "#808891"};

/* ---- lines ---- */

static void append_stroke(GString *svg, gsize i) {
  g_string_append_printf(svg, " stroke=\"%s\"", COLOURS[i % G_N_ELEMENTS(COLOURS)]);
  gsize round = i / G_N_ELEMENTS(COLOURS);
  if (round)
    g_string_append_printf(svg, " stroke-dasharray=\"%d 3\"", round % 2 ? 7 : 2);
}

/* A line that is being drawn. */
typedef struct {
  GString *svg;
  double x, y; /* of the last point */
  gboolean is_begun;
} Pen;

static void move(Pen *pen, double x, double y, gboolean is_last) {
  if (pen->is_begun && !is_last && fabs(x - pen->x) < FINEST && fabs(y - pen->y) < FINEST)
    return;
  if (pen->is_begun)
    g_string_append_c(pen->svg, ' ');
  velm_svg_number(pen->svg, "%.1f", x);
  g_string_append_c(pen->svg, ',');
  velm_svg_number(pen->svg, "%.1f", y);
  *pen = (Pen){pen->svg, x, y, TRUE};
}

/* The points up to the end of the x axis, where the line is cut. */
static void append_points(GString *svg, const VelmSvgAxes *axes, const VelmCurve *curve) {
  Pen pen = {.svg = svg};
  double last_x = NAN, last_y = NAN;
  for (gsize i = 0; i < curve->n; i++) {
    double x = fmax(curve->x[i], 0), y = CLAMP(curve->y[i], 0, 1);
    if (!isfinite(curve->x[i]) || !isfinite(curve->y[i]))
      continue;
    if (x > axes->x_end) {
      double share = (axes->x_end - last_x) / (x - last_x);
      last_y = last_y + share * (y - last_y);
      last_x = axes->x_end;
      break;
    }
    move(&pen, velm_svg_x(axes, x), velm_svg_y(axes, y), FALSE);
    last_x = x;
    last_y = y;
  }
  if (isfinite(last_y))
    move(&pen, velm_svg_x(axes, last_x), velm_svg_y(axes, last_y), TRUE);
}

static void append_curve(GString *svg, const VelmSvgAxes *axes, const VelmCurve *curve, gsize i) {
  g_string_append(svg, "<polyline class=\"curve\"");
  append_stroke(svg, i);
  g_string_append(svg, " points=\"");
  append_points(svg, axes, curve);
  g_string_append(svg, "\"><title>");
  velm_svg_escaped(svg, curve->name);
  g_string_append(svg, "</title></polyline>");
}

/* ---- legend ---- */

static gsize widest_name(const VelmCurve *curves, gsize n_curves) {
  gsize widest = 0;
  for (gsize i = 0; i < n_curves; i++)
    widest = MAX(widest, velm_svg_columns(curves[i].name));
  return MIN(widest, MAX_COLUMNS);
}

static void append_entry(GString *svg, const VelmCurve *curve, gsize i, double x, double right,
                         double y) {
  g_string_append(svg, "<polyline class=\"curve\"");
  append_stroke(svg, i);
  g_string_append(svg, " points=\"");
  Pen pen = {.svg = svg};
  move(&pen, x, y - 4, TRUE);
  move(&pen, x + KEY - 8, y - 4, TRUE);
  g_string_append(svg, "\"/>");
  velm_svg_text_begin(svg, "name", x + KEY, y, "start");
  g_string_append(svg, "<title>");
  velm_svg_escaped(svg, curve->name);
  g_string_append(svg, "</title>");
  velm_svg_elided(svg, curve->name, MAX_COLUMNS);
  g_string_append(svg, "</text>");
  velm_svg_text_begin(svg, "area", right, y, "end");
  velm_svg_number(svg, "%.3f", curve->area);
  g_string_append(svg, "</text>");
}

static void append_legend(GString *svg, const VelmCurveAxes *axes, const VelmCurve *curves,
                          gsize n_curves, double x, double right, double y) {
  if (n_curves)
    velm_svg_text(svg, "soft", right, y + 10, "end", axes->area_label ? axes->area_label : "area");
  for (gsize i = 0; i < n_curves; i++)
    append_entry(svg, &curves[i], i, x, right, y + 10 + (double)(i + 1) * ROW);
}

/* ---- the picture ---- */

static void append_limit(GString *svg, const VelmSvgAxes *axes, double limit) {
  double x = velm_svg_x(axes, limit), bottom = axes->top + axes->height;
  velm_svg_rect(svg, "shade", axes->left, axes->top, x - axes->left, axes->height);
  velm_svg_line(svg, "axis dashed", x, axes->top, x, bottom);
  gboolean is_left = limit > axes->x_end / 2;
  velm_svg_text_begin(svg, "soft", is_left ? x - 6 : x + 6, bottom - 8, is_left ? "end" : "start");
  g_string_append(svg, "area up to ");
  velm_svg_number(svg, "%.3g", limit);
  g_string_append(svg, "</text>");
}

static void append_diagonal(GString *svg, const VelmSvgAxes *axes) {
  double end = fmin(axes->x_end, 1);
  velm_svg_line(svg, "axis dashed", velm_svg_x(axes, 0), velm_svg_y(axes, 0), velm_svg_x(axes, end),
                velm_svg_y(axes, end));
}

char *velm_curve_svg(const VelmCurveAxes *axes, const VelmCurve *curves, gsize n_curves) {
  double top = axes->title ? 44 : 20;
  gboolean has_end = axes->x_end > 1e-6 && axes->x_end < 1;
  VelmSvgAxes plot = {.left = LEFT,
                      .top = top,
                      .width = SIDE,
                      .height = SIDE,
                      .x_end = has_end ? axes->x_end : 1,
                      .y_end = 1,
                      .x_label = axes->x_label,
                      .y_label = axes->y_label};
  double legend = LEFT + SIDE + GAP;
  double right = legend + KEY + (double)widest_name(curves, n_curves) * LETTER + AREA;
  double width = n_curves ? right + MARGIN : legend;
  double height = top + fmax(SIDE, (double)(n_curves + 1) * ROW) + BOTTOM;
  GString *svg = velm_svg_begin("curves", width, height, axes->title);
  if (axes->title)
    velm_svg_text(svg, "title", LEFT, 24, "start", axes->title);
  velm_svg_axes(svg, &plot);
  if (axes->limit > 0 && axes->limit < plot.x_end)
    append_limit(svg, &plot, axes->limit);
  if (axes->diagonal)
    append_diagonal(svg, &plot);
  /* The first curve lies on top. */
  for (gsize i = n_curves; i-- > 0;)
    append_curve(svg, &plot, &curves[i], i);
  append_legend(svg, axes, curves, n_curves, legend, right, top);
  return velm_svg_end(svg);
}
