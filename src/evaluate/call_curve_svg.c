#include "evaluate/call_curve_svg.h"

#include "evaluate/svg.h"

#include <math.h>

enum { LEFT = 68, TOP = 20, SIDE = 340, BOTTOM = 52, GAP = 28 };
enum { ROW = 22, KEY = 26, LEGEND = 236 };
enum { WIDTH = LEFT + SIDE + GAP + LEGEND, HEIGHT = TOP + SIDE + BOTTOM };

/* As the first two of curve_svg.c. */
#define ACCURACY "#1a7fc4"
#define MACRO "#d55e00"

/* ---- lines ---- */

static void append_line(GString *svg, const VelmSvgAxes *axes, const VelmCallCurve *curve,
                        gboolean macro) {
  g_string_append_printf(svg, "<polyline class=\"curve\" stroke=\"%s\"%s points=\"",
                         macro ? MACRO : ACCURACY, macro ? " stroke-dasharray=\"7 3\"" : "");
  for (guint p = 0; p < VELM_CALL_POINTS; p++) {
    const VelmCallPoint *point = &curve->points[p];
    g_string_append(svg, p ? " " : "");
    velm_svg_number(svg, "%.1f", velm_svg_x(axes, point->share));
    g_string_append_c(svg, ',');
    velm_svg_number(svg, "%.1f", velm_svg_y(axes, macro ? point->macro_accuracy : point->accuracy));
  }
  g_string_append(svg, "\"/>");
}

/* ---- marks ---- */

/* A point of the picture. @letter: what names it there. */
typedef struct {
  const char *letter, *name;
  VelmCallPoint at;
} Mark;

static void append_dot(GString *svg, double x, double y) {
  g_string_append(svg, "<circle class=\"right\" r=\"4.5\"");
  velm_svg_attribute(svg, "cx", x);
  velm_svg_attribute(svg, "cy", y);
  g_string_append(svg, "/>");
}

/* "35 % of the calls, accuracy 0.912". */
static void append_words(GString *svg, const VelmCallPoint *at) {
  velm_svg_number(svg, "%.0f", at->share * 100);
  g_string_append(svg, " % of the calls, accuracy ");
  velm_svg_number(svg, "%.3f", at->accuracy);
}

/* The curve rises: there is room below it to the right, and above it to the left. */
static void append_mark(GString *svg, const VelmSvgAxes *axes, const Mark *mark, gboolean above) {
  double x = velm_svg_x(axes, mark->at.share), y = velm_svg_y(axes, mark->at.accuracy);
  if (mark->at.share > 0 && mark->at.share < 1) /* else it lies on the frame */
    velm_svg_line(svg, "axis dashed", x, y, x, axes->top + axes->height);
  g_string_append(svg, "<g><title>");
  velm_svg_escaped(svg, mark->name);
  g_string_append(svg, ": ");
  append_words(svg, &mark->at);
  g_string_append(svg, "</title>");
  append_dot(svg, x, y);
  g_string_append(svg, "</g>");
  gboolean left = above || mark->at.share > 0.95; /* to stay within the frame */
  velm_svg_text(svg, "strong", left ? x - 8 : x + 8, above ? y - 7 : y + 17, left ? "end" : "start",
                mark->letter);
}

/* ---- legend ---- */

static void append_key(GString *svg, const char *stroke, const char *dashes, double x, double y,
                       const char *name) {
  g_string_append_printf(svg, "<polyline class=\"curve\" stroke=\"%s\"%s points=\"", stroke,
                         dashes);
  velm_svg_number(svg, "%.1f", x);
  g_string_append_c(svg, ',');
  velm_svg_number(svg, "%.1f", y - 4);
  g_string_append_c(svg, ' ');
  velm_svg_number(svg, "%.1f", x + KEY - 8);
  g_string_append_c(svg, ',');
  velm_svg_number(svg, "%.1f", y - 4);
  g_string_append(svg, "\"/>");
  velm_svg_text(svg, "name", x + KEY, y, "start", name);
}

/* Two lines: what it is, and where. */
static void append_entry(GString *svg, const Mark *mark, double x, double y) {
  velm_svg_text(svg, "strong", x, y, "start", mark->letter);
  velm_svg_text(svg, "name", x + KEY, y, "start", mark->name);
  velm_svg_text_begin(svg, "soft", x + KEY, y + 16, "start");
  append_words(svg, &mark->at);
  g_string_append(svg, "</text>");
}

/* ---- the picture ---- */

/* Fills @marks; returns how many there are. */
static guint collect_marks(const VelmCallCurve *curve, Mark marks[4]) {
  guint n = 0;
  double calls = velm_call_curve_calls_at(curve, VELM_CALL_TARGET);
  marks[n++] = (Mark){"A", "few-shot alone", curve->points[0]};
  if (!isnan(curve->trusted.share))
    marks[n++] = (Mark){"B", "at the trust level", curve->trusted};
  if (!isnan(calls))
    marks[n++] =
        (Mark){"C", "0.95 reached", curve->points[(guint)lround(calls * (VELM_CALL_POINTS - 1))]};
  marks[n++] = (Mark){"D", "language model alone", curve->points[VELM_CALL_POINTS - 1]};
  return n;
}

static void append_legend(GString *svg, const Mark *marks, guint n) {
  double x = LEFT + SIDE + GAP, y = TOP + 12;
  append_key(svg, ACCURACY, "", x, y, "accuracy");
  append_key(svg, MACRO, " stroke-dasharray=\"7 3\"", x, y + ROW, "macro accuracy");
  for (guint i = 0; i < n; i++)
    append_entry(svg, &marks[i], x, y + ROW * (3 + 2 * i));
}

char *velm_call_curve_svg(const VelmCallCurve *curve) {
  const VelmSvgAxes axes = {.left = LEFT,
                            .top = TOP,
                            .width = SIDE,
                            .height = SIDE,
                            .x_end = 1,
                            .y_end = 1,
                            .x_label = "share of the images that the language model is asked about",
                            .y_label = "share of right answers"};
  Mark marks[4];
  guint n = collect_marks(curve, marks);
  GString *svg = velm_svg_begin("calls", WIDTH, HEIGHT,
                                "Accuracy against the share of calls to the language model");
  velm_svg_axes(svg, &axes);
  append_line(svg, &axes, curve, TRUE);
  append_line(svg, &axes, curve, FALSE);
  for (guint i = 0; i < n; i++)
    append_mark(svg, &axes, &marks[i], i > 1);
  append_legend(svg, marks, n);
  return velm_svg_end(svg);
}
