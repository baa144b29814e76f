#include "evaluate/confusion_svg.h"
#include "evaluate/curve_svg.h"
#include "evaluate/reliability_svg.h"
#include "evaluate/svg.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <string.h>

/* ---- reading ---- */

typedef struct {
  xmlDoc *document;
  xmlXPathContext *context;
} Picture;

static void clear_picture(Picture *picture) {
  xmlXPathFreeContext(picture->context);
  xmlFreeDoc(picture->document);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Picture, clear_picture)

static xmlXPathObject *evaluate(const Picture *picture, const char *path) {
  xmlXPathObject *object = xmlXPathEvalExpression((const xmlChar *)path, picture->context);
  g_assert_nonnull(object);
  return object;
}

/* A number, such as "count(//s:rect)". */
static double number(const Picture *picture, const char *path) {
  xmlXPathObject *object = evaluate(picture, path);
  double value = xmlXPathCastToNumber(object);
  xmlXPathFreeObject(object);
  return value;
}

static char *string(const Picture *picture, const char *path) {
  xmlXPathObject *object = evaluate(picture, path);
  xmlChar *value = xmlXPathCastToString(object);
  char *copy = g_strdup((const char *)value);
  xmlFree(value);
  xmlXPathFreeObject(object);
  return copy;
}

/* Whether some text element, hover text aside, says just @text. */
static gboolean says(const Picture *picture, const char *text) {
  g_autofree char *path = g_strdup_printf("boolean(//s:text[normalize-space(text())='%s'])", text);
  xmlXPathObject *object = evaluate(picture, path);
  gboolean found = object->boolval != 0;
  xmlXPathFreeObject(object);
  return found;
}

/* Every attribute of geometry is a number, and what is not turned lies in the picture. */
static void check_geometry(const Picture *picture) {
  static const char *const NAMES[] = {"x",  "x1", "x2", "cx",     "width", "y",
                                      "y1", "y2", "cy", "height", "r"};
  double sides[] = {number(picture, "number(/s:svg/@width)"),
                    number(picture, "number(/s:svg/@height)")};
  for (gsize i = 0; i < G_N_ELEMENTS(NAMES); i++) {
    g_autofree char *path = g_strdup_printf("//@%s", NAMES[i]);
    xmlXPathObject *object = evaluate(picture, path);
    int n = object->nodesetval ? object->nodesetval->nodeNr : 0;
    for (int k = 0; k < n; k++) {
      xmlChar *content = xmlNodeGetContent(object->nodesetval->nodeTab[k]);
      char *end;
      double value = g_ascii_strtod((const char *)content, &end);
      g_assert_true(end != (const char *)content && *end == '\0');
      g_assert_cmpfloat(value, >=, 0);
      g_assert_cmpfloat(value, <=, sides[i >= 5]);
      xmlFree(content);
    }
    xmlXPathFreeObject(object);
  }
}

/* Nothing runs, nothing is fetched, and the style is the picture's own. */
static void check_style(const Picture *picture) {
  g_assert_cmpfloat(number(picture, "count(//s:script|//s:image|//@href|//@onload)"), ==, 0);
  g_assert_cmpfloat(number(picture, "count(/s:svg/s:style)"), ==, 1);
  g_autofree char *style = string(picture, "string(/s:svg/s:style)");
  g_autofree char *class_name = string(picture, "string(/s:svg/@class)");
  g_autofree char *prefix = g_strdup_printf("svg.%s", class_name);
  g_auto(GStrv) rules = g_strsplit(style, "}", -1);
  for (gsize i = 0; rules[i + 1]; i++)
    g_assert_true(g_str_has_prefix(rules[i], prefix));
  g_assert_null(strstr(style, "url("));
}

static Picture read_picture(const char *svg) {
  g_assert_true(g_utf8_validate(svg, -1, NULL));
  Picture picture = {.document =
                         xmlReadMemory(svg, (int)strlen(svg), "picture.svg", NULL,
                                       XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET)};
  g_assert_nonnull(picture.document);
  picture.context = xmlXPathNewContext(picture.document);
  g_assert_nonnull(picture.context);
  xmlXPathRegisterNs(picture.context, (const xmlChar *)"s",
                     (const xmlChar *)"http://www.w3.org/2000/svg");
  g_assert_cmpfloat(number(&picture, "count(/s:svg)"), ==, 1);
  check_geometry(&picture);
  check_style(&picture);
  g_autofree char *text = string(&picture, "string(/)");
  g_autofree char *points = string(&picture, "string(//@points)");
  g_assert_null(strstr(text, "nan"));
  g_assert_null(strstr(text, "inf"));
  g_assert_null(strchr(points, '-'));
  return picture;
}

/* ---- text ---- */

static char *elide(const char *text, gsize columns) {
  GString *svg = g_string_new(NULL);
  velm_svg_elided(svg, text, columns);
  return g_string_free(svg, FALSE);
}

static void test_elided(void) {
  static const struct {
    const char *text, *elided;
    gsize columns;
  } CASES[] = {{"scratch", "scratch", 7},
               {"scratch", "scrat\u2026", 6},
               {"scratch", "\u2026", 1},
               {"", "", 4},
               {NULL, "", 4},
               /* Two columns a letter. */
               {"漆の傷", "漆の傷", 6},
               {"漆の傷", "漆の\u2026", 5},
               {"漆の傷", "漆\u2026", 4},
               /* The accent has no width of its own. */
               {"e\u0301e\u0301", "e\u0301e\u0301", 2},
               {"a<b&c", "a&lt;\u2026", 3}};
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autofree char *elided = elide(CASES[i].text, CASES[i].columns);
    g_assert_cmpstr(elided, ==, CASES[i].elided);
  }
  g_assert_cmpuint(velm_svg_columns("漆の傷 x"), ==, 8);
  g_assert_cmpuint(velm_svg_columns(NULL), ==, 0);
}

static void test_escaped(void) {
  /* A broken byte, what XML forbids, and markup. */
  g_autoptr(GString) svg = g_string_new(NULL);
  velm_svg_escaped(svg, "a\xff\x01\n\x7f\uFFFE<'\"&>");
  g_assert_cmpstr(svg->str, ==, "a\uFFFD  \uFFFD\uFFFD&lt;&apos;&quot;&amp;&gt;");
}

static void test_numbers(void) {
  g_autoptr(GString) svg = g_string_new(NULL);
  velm_svg_number(svg, "%.2f", 1.005e3);
  velm_svg_number(svg, "%.0f", NAN);
  velm_svg_number(svg, "%.0f", INFINITY);
  g_assert_cmpstr(svg->str, ==, "1005.00--");
}

/* ---- confusion ---- */

static Picture draw_confusion(const char *const *names, const guint64 *counts, gsize n) {
  g_autofree char *svg = velm_confusion_svg(names, counts, n);
  g_autofree char *again = velm_confusion_svg(names, counts, n);
  g_assert_cmpstr(svg, ==, again);
  return read_picture(svg);
}

static void test_confusion(void) {
  const char *const names[] = {"good", "scratch", "unknown"};
  const guint64 counts[] = {30, 8, 2, 0, 0, 4, 0, 0, 0};
  g_auto(Picture) picture = draw_confusion(names, counts, 3);
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='cell'])"), ==, 9);
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='right'])"), ==, 1);
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='wrong'])"), ==, 3);
  /* 0 is told of the class that is never named right, and of no other cell. */
  g_assert_cmpfloat(number(&picture, "count(//s:text[text()='0'])"), ==, 1);
  g_assert_true(says(&picture, "30"));
  g_assert_true(says(&picture, "75 %"));  /* recall of good */
  g_assert_true(says(&picture, "100 %")); /* its precision */
  g_assert_true(says(&picture, "accuracy 68 %"));
  g_assert_true(says(&picture, "-")); /* recall of unknown */
  g_assert_cmpfloat(number(&picture, "count(//s:title[.='truth good, answer scratch: 8 of 40 "
                                     "(20 %)'])"),
                    ==, 1);
}

/* The class of the count in the cell of @row and @column, and how strong its colour is. */
static double cell_strength(const Picture *picture, int row, int column, gsize n) {
  g_autofree char *path = g_strdup_printf(
      "number((//s:g[s:rect[@class='cell']])[%d]/s:g/@fill-opacity)", row * (int)n + column + 1);
  return number(picture, path);
}

static void test_confusion_colours(void) {
  const char *const names[] = {"a", "b"};
  const guint64 counts[] = {9, 1, 60, 40};
  g_auto(Picture) picture = draw_confusion(names, counts, 2);
  /* By the row's share, not by the count. */
  g_assert_cmpfloat_with_epsilon(cell_strength(&picture, 0, 0, 2), 0.1 + 0.9 * 0.9, 1e-3);
  g_assert_cmpfloat_with_epsilon(cell_strength(&picture, 0, 1, 2), 0.1 + 0.9 * 0.1, 1e-3);
  g_assert_cmpfloat_with_epsilon(cell_strength(&picture, 1, 0, 2), 0.1 + 0.9 * 0.6, 1e-3);
  g_assert_cmpfloat(number(&picture, "count(//s:text[@class='on-right' and text()='9'])"), ==, 1);
  g_assert_cmpfloat(number(&picture, "count(//s:text[@class='on-wrong' and text()='60'])"), ==, 1);
  g_assert_cmpfloat(number(&picture, "count(//s:text[@class='count'])"), ==, 2);
}

static void test_confusion_shares(void) {
  const char *const names[] = {"a", "b"};
  const guint64 counts[] = {999999, 1, 999, 1};
  g_auto(Picture) picture = draw_confusion(names, counts, 2);
  g_assert_true(says(&picture, ">99 %"));
  g_assert_true(says(&picture, "<1 %"));
  g_assert_false(says(&picture, "100 %"));
  g_assert_false(says(&picture, "0 %"));
}

static void test_confusion_names(void) {
  const char *const names[] = {"a very long name of a class <that> never ends", NULL, "b\x02\xfe"};
  const guint64 counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  g_auto(Picture) picture = draw_confusion(names, counts, 3);
  g_assert_true(says(&picture, "a very long name of a\u2026"));
  g_assert_cmpfloat(
      number(&picture,
             "count(//s:text/s:title[.='a very long name of a class <that> never ends'])"),
      ==, 2);
}

static void test_confusion_sizes(void) {
  for (gsize n = 1; n <= 20; n++) {
    g_auto(GStrv) names = g_new0(char *, n + 1);
    g_autofree guint64 *counts = g_new0(guint64, n * n);
    for (gsize i = 0; i < n; i++) {
      names[i] = g_strdup_printf("class number %" G_GSIZE_FORMAT, i);
      counts[i * n + i] = G_MAXUINT32;
    }
    g_auto(Picture) picture = draw_confusion((const char *const *)names, counts, n);
    g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='right'])"), ==, (double)n);
    /* Read on a screen of a laptop. */
    g_assert_cmpfloat(number(&picture, "number(/s:svg/@width)"), <=, 1300);
  }
}

static void test_confusion_empty(void) {
  const char *const names[] = {"a", "b"};
  const guint64 counts[4] = {0}, huge[] = {G_MAXUINT64, G_MAXUINT64, 0, 1};
  g_autofree char *none = velm_confusion_svg(names, counts, 0);
  g_assert_cmpstr(none, ==, "");
  g_auto(Picture) empty = draw_confusion(names, counts, 2);
  g_assert_true(says(&empty, "accuracy -"));
  g_assert_cmpfloat(number(&empty, "count(//s:rect[@class='right' or @class='wrong'])"), ==, 0);
  g_auto(Picture) largest = draw_confusion(names, huge, 2);
  g_assert_true(says(&largest, "50 %"));
}

/* ---- curves ---- */

static Picture draw_curves(const VelmCurveAxes *axes, const VelmCurve *curves, gsize n) {
  g_autofree char *svg = velm_curve_svg(axes, curves, n);
  g_autofree char *again = velm_curve_svg(axes, curves, n);
  g_assert_cmpstr(svg, ==, again);
  return read_picture(svg);
}

/* The points of the first curve that is drawn: the last one given. */
static GArray *read_points(const Picture *picture) {
  g_autofree char *text = string(picture, "string(//s:polyline/@points)");
  GArray *values = g_array_new(FALSE, FALSE, sizeof(double));
  g_auto(GStrv) points = g_strsplit_set(text, " ,", -1);
  for (gsize i = 0; points[i]; i++) {
    double value = g_ascii_strtod(points[i], NULL);
    g_array_append_val(values, value);
  }
  g_assert_cmpuint(values->len % 2, ==, 0);
  return values;
}

static double at(const GArray *values, gsize index) {
  g_assert_cmpuint(index, <, values->len);
  return g_array_index(values, double, index);
}

/* The left, right, top and bottom of the plot, by its axes. */
static void read_frame(const Picture *picture, double frame[4]) {
  frame[0] = number(picture, "number((//s:line[@class='axis'])[1]/@x1)");
  frame[1] = number(picture, "number((//s:line[@class='axis'])[2]/@x2)");
  frame[2] = number(picture, "number((//s:line[@class='axis'])[1]/@y1)");
  frame[3] = number(picture, "number((//s:line[@class='axis'])[1]/@y2)");
}

static void test_curve(void) {
  const double x[] = {0, 0, 0.5, 1}, y[] = {0, 0.6, 0.9, 1};
  const VelmCurve curve = {"all <parts>", x, y, 4, 0.85};
  const VelmCurveAxes axes = {.title = "ROC & more",
                              .x_label = "false-positive rate",
                              .y_label = "true-positive rate",
                              .area_label = "AUROC",
                              .diagonal = TRUE};
  g_auto(Picture) picture = draw_curves(&axes, &curve, 1);
  double frame[4];
  read_frame(&picture, frame);
  g_autoptr(GArray) points = read_points(&picture);
  double width = frame[1] - frame[0], height = frame[3] - frame[2];
  g_assert_cmpuint(points->len, ==, 10); /* the last one twice */
  for (gsize i = 0; i < 4; i++) {
    g_assert_cmpfloat_with_epsilon(at(points, 2 * i), frame[0] + x[i] * width, 0.06);
    g_assert_cmpfloat_with_epsilon(at(points, 2 * i + 1), frame[3] - y[i] * height, 0.06);
  }
  g_assert_true(says(&picture, "ROC & more"));
  g_assert_true(says(&picture, "AUROC"));
  g_assert_true(says(&picture, "0.850"));
  g_assert_true(says(&picture, "all <parts>"));
  g_assert_true(says(&picture, "false-positive rate"));
  g_assert_cmpfloat(number(&picture, "count(//s:line[@class='axis dashed'])"), ==, 1);
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='shade'])"), ==, 0);
}

static void test_curve_limit(void) {
  const double x[] = {0, 1}, y[] = {0, 1};
  const VelmCurve curve = {"all", x, y, 2, NAN};
  VelmCurveAxes axes = {.limit = 0.3};
  g_auto(Picture) whole = draw_curves(&axes, &curve, 1);
  double frame[4];
  read_frame(&whole, frame);
  g_assert_cmpfloat_with_epsilon(number(&whole, "number(//s:rect[@class='shade']/@width)"),
                                 0.3 * (frame[1] - frame[0]), 0.01);
  g_assert_true(says(&whole, "area up to 0.3"));
  g_assert_true(says(&whole, "-")); /* the area */
  /* With an axis that ends there the curve is cut, in the middle of its line. */
  axes.x_end = 0.3;
  g_auto(Picture) cut = draw_curves(&axes, &curve, 1);
  g_autoptr(GArray) points = read_points(&cut);
  g_assert_cmpuint(points->len, ==, 4);
  g_assert_cmpfloat_with_epsilon(at(points, 2), frame[1], 0.06);
  g_assert_cmpfloat_with_epsilon(at(points, 3), frame[3] - 0.3 * (frame[3] - frame[2]), 0.06);
  g_assert_cmpfloat(number(&cut, "count(//s:rect[@class='shade'])"), ==, 0);
}

static void test_curve_thinned(void) {
  enum { N = 200000 };
  g_autofree double *x = g_new(double, N);
  g_autofree double *y = g_new(double, N);
  for (int i = 0; i < N; i++) {
    x[i] = i / (N - 1.0);
    y[i] = pow(x[i], 0.1);
  }
  const VelmCurve curve = {"all", x, y, N, 0.9};
  const VelmCurveAxes axes = {.title = NULL};
  g_auto(Picture) picture = draw_curves(&axes, &curve, 1);
  g_autoptr(GArray) points = read_points(&picture);
  double frame[4];
  read_frame(&picture, frame);
  g_assert_cmpuint(points->len, <, 2 * 1500);
  g_assert_cmpuint(points->len, >, 2 * 300);
  g_assert_cmpfloat_with_epsilon(at(points, points->len - 2), frame[1], 0.06);
  /* What is left lies on the curve. */
  for (gsize i = 0; i < points->len; i += 2) {
    double share = (at(points, i) - frame[0]) / (frame[1] - frame[0]);
    double low = pow(fmax(share - 2e-4, 0), 0.1), high = pow(share + 2e-4, 0.1);
    double value = (frame[3] - at(points, i + 1)) / (frame[3] - frame[2]);
    g_assert_cmpfloat(value, >=, low - 1e-3);
    g_assert_cmpfloat(value, <=, high + 1e-3);
  }
}

static void test_curve_broken(void) {
  const double x[] = {NAN, -1, 0.2, INFINITY, 0.4, 7}, y[] = {0.5, -3, NAN, 1, 9, 9};
  const double beyond[] = {0.5, 0.6};
  const VelmCurve curves[] = {
      {NULL, x, y, 6, INFINITY}, {"none", NULL, NULL, 0, 0.5}, {"beyond", beyond, beyond, 2, 0.5}};
  const double ends[] = {NAN, INFINITY, -1, 1e-320, 0.1, 1e9};
  for (gsize e = 0; e < G_N_ELEMENTS(ends); e++) {
    const VelmCurveAxes axes = {.x_end = ends[e], .limit = ends[e], .diagonal = TRUE};
    g_auto(Picture) picture = draw_curves(&axes, curves, 3);
    g_assert_cmpfloat(number(&picture, "count(//s:polyline)"), ==, 6);
    g_assert_cmpfloat(number(&picture, "count(//@points[contains(., 'n')])"), ==, 0);
    /* The first curve lies on the others. Of its points two are left, and where it is cut. */
    g_autofree char *points = string(&picture, "string((//s:polyline)[3]/@points)");
    g_auto(GStrv) pairs = g_strsplit(points, " ", -1);
    g_assert_cmpuint(g_strv_length(pairs), ==, ends[e] == 0.1 ? 2 : 3);
  }
}

static void test_curves_legend(void) {
  enum { N = 20 };
  const double x[] = {0, 1}, y[] = {0, 1};
  VelmCurve curves[N];
  char names[N][16];
  for (int i = 0; i < N; i++) {
    g_snprintf(names[i], sizeof names[i], "class %d", i);
    curves[i] = (VelmCurve){names[i], x, y, 2, i / 100.0};
  }
  const VelmCurveAxes axes = {.title = "t"};
  g_auto(Picture) picture = draw_curves(&axes, curves, N);
  g_assert_cmpfloat(number(&picture, "count(//s:polyline)"), ==, 2 * N);
  g_assert_cmpfloat(number(&picture, "count(//s:text[@class='area'])"), ==, N);
  /* No two look the same. */
  for (int i = 0; i < N; i++) {
    g_autofree char *path =
        g_strdup_printf("count(//s:polyline[@stroke=(//s:polyline)[%d]/@stroke and "
                        "string(@stroke-dasharray)=string((//s:polyline)[%d]/@stroke-dasharray)])",
                        i + 1, i + 1);
    g_assert_cmpfloat(number(&picture, path), ==, 2); /* itself and its key */
  }
  g_auto(Picture) none = draw_curves(&axes, NULL, 0);
  g_assert_cmpfloat(number(&none, "count(//s:polyline)"), ==, 0);
  g_assert_cmpfloat(number(&none, "count(//s:line[@class='grid'])"), >, 8);
}

/* ---- reliability ---- */

static Picture draw_reliability(const double *confidence, const guint8 *right, gsize n) {
  g_autoptr(VelmCalibration) calibration =
      velm_calibration_measure(confidence, right, NULL, n, 10, 1);
  g_autofree char *svg = velm_reliability_svg(calibration);
  g_autofree char *again = velm_reliability_svg(calibration);
  g_assert_cmpstr(svg, ==, again);
  return read_picture(svg);
}

static void test_reliability(void) {
  double confidence[100];
  guint8 right[100];
  for (int i = 0; i < 100; i++) {
    confidence[i] = i < 50 ? 0.5 : 0.92;
    right[i] = i < 50 ? i % 4 == 0 : i % 50 != 0;
  }
  g_auto(Picture) picture = draw_reliability(confidence, right, 100);
  g_assert_cmpfloat(number(&picture, "count(//s:circle)"), ==, 2);
  g_assert_cmpfloat(number(&picture, "count(//s:line[@class='whisker'])"), ==, 6);
  double frame[4];
  read_frame(&picture, frame);
  double side = frame[1] - frame[0];
  g_assert_cmpfloat_with_epsilon(number(&picture, "number((//s:circle)[1]/@cx)"),
                                 frame[0] + 0.5 * side, 0.01);
  g_assert_cmpfloat_with_epsilon(number(&picture, "number((//s:circle)[1]/@cy)"),
                                 frame[3] - 0.26 * side, 0.01);
  g_assert_cmpfloat_with_epsilon(number(&picture, "number((//s:circle)[2]/@cy)"),
                                 frame[3] - 0.98 * side, 0.01);
  /* |0.26 - 0.5| and |0.98 - 0.92|, halves. */
  g_autofree char *title = string(&picture, "string(//s:text[@class='title'])");
  g_assert_true(g_str_has_prefix(title, "ECE 0.150 (95 %: 0."));
  g_assert_true(says(&picture, "100 answers, accuracy 0.62, confidence 0.71"));
  /* Both columns have right and wrong answers; the keys are two more. */
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='right'])"), ==, 3);
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='wrong'])"), ==, 3);
  /* One wrong answer of fifty is still seen. */
  g_assert_cmpfloat(number(&picture, "count(//s:rect[@class='wrong' and @height < 1.9])"), ==, 0);
}

static void test_reliability_few(void) {
  const double one[] = {1};
  const guint8 right[] = {0};
  g_auto(Picture) picture = draw_reliability(one, right, 1);
  /* No interval of one answer, and no half answers on the axis. */
  g_assert_true(says(&picture, "ECE 1.000"));
  g_assert_false(says(&picture, "0.5"));
  g_autoptr(VelmCalibration) none = velm_calibration_measure(one, right, NULL, 0, 10, 1);
  g_autofree char *svg = velm_reliability_svg(none);
  g_assert_cmpstr(svg, ==, "");
}

static void test_reliability_many(void) {
  enum { N = 30000 };
  g_autofree double *confidence = g_new(double, N);
  g_autofree guint8 *right = g_new(guint8, N);
  for (int i = 0; i < N; i++) {
    confidence[i] = i < N - 1 ? 0.99 : 0.01;
    right[i] = i % 100 != 0;
  }
  g_auto(Picture) picture = draw_reliability(confidence, right, N);
  g_assert_true(says(&picture, "20k"));
  g_assert_false(says(&picture, "20000"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pictures/elided", test_elided);
  g_test_add_func("/pictures/escaped", test_escaped);
  g_test_add_func("/pictures/numbers", test_numbers);
  g_test_add_func("/pictures/confusion", test_confusion);
  g_test_add_func("/pictures/confusion/colours", test_confusion_colours);
  g_test_add_func("/pictures/confusion/shares", test_confusion_shares);
  g_test_add_func("/pictures/confusion/names", test_confusion_names);
  g_test_add_func("/pictures/confusion/sizes", test_confusion_sizes);
  g_test_add_func("/pictures/confusion/empty", test_confusion_empty);
  g_test_add_func("/pictures/curve", test_curve);
  g_test_add_func("/pictures/curve/limit", test_curve_limit);
  g_test_add_func("/pictures/curve/thinned", test_curve_thinned);
  g_test_add_func("/pictures/curve/broken", test_curve_broken);
  g_test_add_func("/pictures/curve/legend", test_curves_legend);
  g_test_add_func("/pictures/reliability", test_reliability);
  g_test_add_func("/pictures/reliability/few", test_reliability_few);
  g_test_add_func("/pictures/reliability/many", test_reliability_many);
  return g_test_run();
}
