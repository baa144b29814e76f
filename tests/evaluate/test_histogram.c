#include "evaluate/histogram.h"

#include <math.h>
#include <string.h>

/* What a reader of the SVG finds in it. */
typedef struct {
  int rects[4]; /* by decision */
  int titles, thresholds;
  double threshold_x, lowest_rect; /* y of the lowest edge */
  double smallest_height;
} Drawn;

static double attribute(const char **names, const char **values, const char *name) {
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0)
      return g_ascii_strtod(values[i], NULL);
  return NAN;
}

static const char *class_of(const char **names, const char **values) {
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], "class") == 0)
      return values[i];
  return "";
}

static void start_element(GMarkupParseContext *context, const char *element, const char **names,
                          const char **values, gpointer user_data, GError **error) {
  Drawn *drawn = user_data;
  const char *class_name = class_of(names, values);
  drawn->titles += strcmp(element, "title") == 0;
  if (strcmp(element, "rect") == 0) {
    for (int d = 0; d < 4; d++)
      drawn->rects[d] += strcmp(class_name, velm_decision_name((VelmDecision)d)) == 0;
    double height = attribute(names, values, "height");
    drawn->smallest_height = MIN(drawn->smallest_height, height);
    drawn->lowest_rect = MAX(drawn->lowest_rect, attribute(names, values, "y") + height);
  }
  if (strcmp(element, "line") == 0 && strcmp(class_name, "threshold") == 0) {
    drawn->thresholds++;
    drawn->threshold_x = attribute(names, values, "x1");
  }
}

static Drawn read_svg(const char *svg) {
  Drawn drawn = {.smallest_height = INFINITY};
  const GMarkupParser parser = {.start_element = start_element};
  g_autoptr(GError) error = NULL;
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &drawn, NULL);
  g_markup_parse_context_parse(context, svg, -1, &error);
  g_assert_no_error(error);
  g_markup_parse_context_end_parse(context, &error);
  g_assert_no_error(error);
  g_assert_null(strstr(svg, "nan"));
  g_assert_null(strstr(svg, "inf"));
  return drawn;
}

static void test_none(void) {
  const double threshold = 2;
  const VelmScored broken[] = {{NAN, VELM_DECISION_NORMAL}, {INFINITY, VELM_DECISION_DEFECT}};
  g_autofree char *empty = velm_histogram_svg(NULL, 0, &threshold, 1);
  g_autofree char *undrawable = velm_histogram_svg(broken, 2, NULL, 0);
  g_assert_cmpstr(empty, ==, "");
  g_assert_cmpstr(undrawable, ==, "");
}

static void test_stack(void) {
  const VelmScored scored[] = {
      {1, VELM_DECISION_NORMAL}, {1, VELM_DECISION_NORMAL},     {1, VELM_DECISION_REVIEW},
      {3, VELM_DECISION_DEFECT}, {3, VELM_DECISION_NEGLIGIBLE}, {NAN, VELM_DECISION_DEFECT},
  };
  const double threshold = 2;
  g_autofree char *svg = velm_histogram_svg(scored, 6, &threshold, 1);
  Drawn drawn = read_svg(svg);
  const int expected[] = {1, 1, 1, 1};
  g_assert_cmpmem(drawn.rects, sizeof drawn.rects, expected, sizeof expected);
  g_assert_cmpint(drawn.thresholds, ==, 1);
  /* Every bar has a hover text with its counts. */
  g_assert_nonnull(strstr(svg, "\nnormal: 2\nreview: 1</title>"));
  g_assert_nonnull(strstr(svg, "\nnegligible: 1\ndefect: 1</title>"));
}

static void test_threshold_between_bars(void) {
  /* What scores the threshold and what is just under it never share a bar. */
  for (int n = 2; n < 400; n += 7) {
    g_autofree VelmScored *scored = g_new(VelmScored, (gsize)n);
    double threshold = 1 / 3.0 + n * 0.37;
    for (int i = 0; i < n; i++)
      scored[i] = i % 2 ? (VelmScored){threshold, VELM_DECISION_DEFECT}
                        : (VelmScored){threshold - 1e-6 - i, VELM_DECISION_NORMAL};
    g_autofree char *svg = velm_histogram_svg(scored, (gsize)n, &threshold, 1);
    Drawn drawn = read_svg(svg);
    g_assert_cmpint(drawn.rects[VELM_DECISION_DEFECT], ==, 1);
    g_assert_null(strstr(svg, "\nnormal: 1\ndefect"));
    g_assert_cmpint(drawn.titles, >, drawn.rects[VELM_DECISION_NORMAL]);
  }
}

static void test_rare_bar_is_seen(void) {
  g_autofree VelmScored *scored = g_new(VelmScored, 20001);
  for (int i = 0; i < 20000; i++)
    scored[i] = (VelmScored){1, VELM_DECISION_NORMAL};
  scored[20000] = (VelmScored){9, VELM_DECISION_DEFECT};
  g_autofree char *svg = velm_histogram_svg(scored, 20001, NULL, 0);
  Drawn drawn = read_svg(svg);
  g_assert_cmpint(drawn.rects[VELM_DECISION_DEFECT], ==, 1);
  g_assert_cmpfloat(drawn.smallest_height, >=, 2);
  g_assert_cmpint(drawn.thresholds, ==, 0);
}

static void test_extremes(void) {
  const double values[] = {0, -5, 1e-300, 1e300, -1e300, 123456789, 5e-324};
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
    for (gsize j = 0; j < G_N_ELEMENTS(values); j++) {
      const VelmScored scored[] = {{values[i], VELM_DECISION_NORMAL},
                                   {values[j], VELM_DECISION_REVIEW}};
      const double thresholds[] = {values[j], NAN};
      g_autofree char *svg = velm_histogram_svg(scored, 2, thresholds, 2);
      Drawn drawn = read_svg(svg);
      g_assert_cmpint(drawn.rects[VELM_DECISION_NORMAL], ==, 1);
      g_assert_cmpint(drawn.rects[VELM_DECISION_REVIEW], ==, 1);
      g_assert_cmpint(drawn.thresholds, ==, 1);
      g_assert_cmpfloat(drawn.threshold_x, >=, 0);
      g_assert_cmpfloat(drawn.threshold_x, <=, 760);
      g_assert_cmpfloat(drawn.lowest_rect, <=, 230);
    }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/histogram/none", test_none);
  g_test_add_func("/histogram/stack", test_stack);
  g_test_add_func("/histogram/threshold-between-bars", test_threshold_between_bars);
  g_test_add_func("/histogram/rare-bar-is-seen", test_rare_bar_is_seen);
  g_test_add_func("/histogram/extremes", test_extremes);
  return g_test_run();
}
