#include "evaluate/paired.h"

#include <math.h>

enum { SEED = 3, MAX_ITEMS = 2400 };

/* Two runs in the making. */
typedef struct {
  guint8 a[MAX_ITEMS], b[MAX_ITEMS];
  const char *groups[MAX_ITEMS];
  char names[MAX_ITEMS][8];
  gsize n;
} Runs;

/* Adds @count items of group @group, -1 for one each. */
static void add(Runs *runs, gsize count, gboolean a, gboolean b, int group) {
  for (gsize i = 0; i < count; i++, runs->n++) {
    g_assert_cmpuint(runs->n, <, MAX_ITEMS);
    runs->a[runs->n] = (guint8)a;
    runs->b[runs->n] = (guint8)b;
    g_snprintf(runs->names[runs->n], sizeof runs->names[0], "%d", group);
    runs->groups[runs->n] = group < 0 ? NULL : runs->names[runs->n];
  }
}

static VelmPaired compare(const Runs *runs) {
  return velm_paired_compare(runs->a, runs->b, runs->groups, runs->n, SEED);
}

/* p-values of scipy 1.x: scipy.stats.binomtest(min(b, c), b + c).pvalue and
 * scipy.stats.chi2.sf((c - b)**2 / (b + c), 1). */
static void test_small(void) {
  Runs runs = {.n = 0};
  add(&runs, 3, TRUE, FALSE, -1);
  add(&runs, 11, FALSE, TRUE, -1);
  add(&runs, 20, TRUE, TRUE, -1);
  add(&runs, 6, FALSE, FALSE, -1);
  VelmPaired paired = compare(&runs);
  g_assert_cmpuint(paired.n, ==, 40);
  g_assert_cmpuint(paired.n_groups, ==, 40);
  g_assert_cmpuint(paired.only_a, ==, 3);
  g_assert_cmpuint(paired.only_b, ==, 11);
  g_assert_cmpuint(paired.groups_differ, ==, 14);
  g_assert_cmpfloat_with_epsilon(paired.accuracy_a, 23 / 40.0, 1e-15);
  g_assert_cmpfloat_with_epsilon(paired.accuracy_b, 31 / 40.0, 1e-15);
  g_assert_cmpfloat_with_epsilon(paired.difference, 0.2, 1e-15);
  g_assert_cmpfloat_with_epsilon(paired.mcnemar_p, 0.057373046875, 1e-12);
  /* Of groups of one the signs tried out are the binomial distribution. */
  g_assert_cmpfloat_with_epsilon(paired.clustered_p, paired.mcnemar_p, 1e-12);
}

static void test_large(void) {
  Runs runs = {.n = 0};
  add(&runs, 20, TRUE, FALSE, -1);
  add(&runs, 41, FALSE, TRUE, -1);
  add(&runs, 100, TRUE, TRUE, -1);
  VelmPaired paired = compare(&runs);
  g_assert_cmpfloat_with_epsilon(paired.mcnemar_p, 0.009853448195259268, 1e-12);
  g_assert_cmpfloat_with_epsilon(paired.clustered_p, 0.007171485075801836, 1e-12);
  Runs many = {.n = 0};
  add(&many, 900, TRUE, FALSE, -1);
  add(&many, 1100, FALSE, TRUE, -1);
  g_assert_cmpfloat_with_epsilon(compare(&many).mcnemar_p, 8.45708953550381e-06, 1e-15);
}

static const int DIFFERENCES[] = {3, -1, 2, 2, -2, 1, 1, 4, -1, 2};

/* A group for each of DIFFERENCES, @times over, with answers that both have right or wrong. */
static void add_groups(Runs *runs, int times) {
  for (int g = 0; g < times * 10; g++) {
    int difference = DIFFERENCES[g % 10];
    add(runs, (gsize)ABS(difference), difference<0, difference> 0, g);
    /* A group that differs both ways differs by the rest. */
    add(runs, 1, TRUE, FALSE, g);
    add(runs, 1, FALSE, TRUE, g);
    add(runs, 1, TRUE, TRUE, g);
  }
  add(runs, 2, TRUE, FALSE, 900);
  add(runs, 2, FALSE, TRUE, 900);
}

/* Counted by itertools.product((1, -1), repeat=10): 144 of 1,024 sign changes give a sum of 11 or
 * more, or of -11 or less. Three times as many groups: chi2.sf(33**2 / 135, 1). */
static void test_groups(void) {
  Runs few = {.n = 0}, many = {.n = 0};
  add_groups(&few, 1);
  VelmPaired paired = compare(&few);
  g_assert_cmpuint(paired.n_groups, ==, 11);
  g_assert_cmpuint(paired.groups_differ, ==, 10);
  g_assert_cmpfloat_with_epsilon(paired.clustered_p, 144 / 1024.0, 1e-12);
  add_groups(&many, 3);
  paired = compare(&many);
  g_assert_cmpuint(paired.groups_differ, ==, 30);
  g_assert_cmpfloat_with_epsilon(paired.clustered_p, 0.004508698364904238, 1e-12);
}

/* Up to 20 groups that differ the test is exact, binomtest(5, 20); from then on it is
 * chi2.sf(11**2 / 21, 1), not binomtest(5, 21), which is 0.0266. */
static void test_turn(void) {
  Runs runs = {.n = 0};
  add(&runs, 5, TRUE, FALSE, -1);
  add(&runs, 15, FALSE, TRUE, -1);
  g_assert_cmpfloat_with_epsilon(compare(&runs).clustered_p, 0.04138946533203125, 1e-12);
  add(&runs, 1, FALSE, TRUE, -1);
  g_assert_cmpfloat_with_epsilon(compare(&runs).clustered_p, 0.016377308341494895, 1e-12);
}

static void test_swapped(void) {
  Runs runs = {.n = 0}, swapped = {.n = 0};
  add_groups(&runs, 1);
  for (gsize i = 0; i < runs.n; i++)
    add(&swapped, 1, runs.b[i], runs.a[i], atoi(runs.names[i]));
  VelmPaired one = compare(&runs), other = compare(&swapped);
  g_assert_cmpfloat(one.difference, >, 0);
  g_assert_cmpfloat(one.difference, ==, -other.difference);
  g_assert_cmpfloat(one.accuracy_a, ==, other.accuracy_b);
  g_assert_cmpfloat(one.mcnemar_p, ==, other.mcnemar_p);
  g_assert_cmpfloat(one.clustered_p, ==, other.clustered_p);
  g_assert_cmpfloat_with_epsilon(one.difference_interval.low, -other.difference_interval.high,
                                 1e-12);
}

static void test_interval(void) {
  Runs runs = {.n = 0};
  add(&runs, 60, TRUE, FALSE, -1);
  add(&runs, 100, FALSE, TRUE, -1);
  add(&runs, 240, TRUE, TRUE, -1);
  VelmPaired paired = compare(&runs);
  /* The variance of a difference of -1, 0 or 1. */
  double half = 1.959964 * sqrt((160 / 400.0 - 0.1 * 0.1) / 400);
  g_assert_cmpfloat_with_epsilon(paired.difference_interval.low, 0.1 - half, 0.15 * half);
  g_assert_cmpfloat_with_epsilon(paired.difference_interval.high, 0.1 + half, 0.15 * half);
}

static void test_no_difference(void) {
  Runs runs = {.n = 0};
  add(&runs, 7, TRUE, TRUE, -1);
  add(&runs, 3, FALSE, FALSE, -1);
  VelmPaired paired = compare(&runs);
  g_assert_cmpfloat(paired.mcnemar_p, ==, 1);
  g_assert_cmpfloat(paired.clustered_p, ==, 1);
  g_assert_cmpfloat(paired.difference, ==, 0);
  g_assert_cmpfloat(paired.difference_interval.low, ==, 0);
  g_assert_cmpfloat(paired.difference_interval.high, ==, 0);
  Runs even = {.n = 0};
  add(&even, 5, TRUE, FALSE, -1);
  add(&even, 5, FALSE, TRUE, -1);
  g_assert_cmpfloat(compare(&even).mcnemar_p, ==, 1);
  g_assert_cmpfloat(compare(&even).clustered_p, ==, 1);
}

static void test_none(void) {
  VelmPaired paired = velm_paired_compare(NULL, NULL, NULL, 0, SEED);
  g_assert_cmpuint(paired.n, ==, 0);
  g_assert_true(isnan(paired.accuracy_a));
  g_assert_true(isnan(paired.accuracy_b));
  g_assert_true(isnan(paired.difference));
  g_assert_true(isnan(paired.difference_interval.low));
  g_assert_true(isnan(paired.mcnemar_p));
  g_assert_true(isnan(paired.clustered_p));
}

static void test_one_group(void) {
  Runs runs = {.n = 0};
  add(&runs, 9, FALSE, TRUE, 1);
  VelmPaired paired = compare(&runs);
  g_assert_cmpfloat_with_epsilon(paired.mcnemar_p, pow(0.5, 8), 1e-12);
  /* Nine images of one part say nothing. */
  g_assert_cmpfloat(paired.clustered_p, ==, 1);
  g_assert_true(isnan(paired.difference_interval.low));
}

/* Any byte over 0 is right, and groups may be NULL. */
static void test_truth_values(void) {
  const guint8 a[] = {7, 0, 1, 0}, b[] = {1, 255, 0, 0};
  VelmPaired paired = velm_paired_compare(a, b, NULL, 4, SEED);
  g_assert_cmpuint(paired.only_a, ==, 1);
  g_assert_cmpuint(paired.only_b, ==, 1);
  g_assert_cmpuint(paired.groups_differ, ==, 2);
  g_assert_cmpfloat(paired.accuracy_a, ==, 0.5);
  g_assert_cmpfloat(paired.difference, ==, 0);
}

/* Neither is better, but all six images of a part come out alike: by images chance looks like a
 * difference, by parts it does not. */
static void test_level(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
  int by_item = 0, by_group = 0;
  for (int set = 0; set < 200; set++) {
    Runs runs = {.n = 0};
    for (int g = 0; g < 40; g++) {
      gboolean a = g_rand_boolean(random), b = g_rand_boolean(random);
      add(&runs, 6, a, b, g);
    }
    VelmPaired paired = compare(&runs);
    by_item += paired.mcnemar_p < 0.05;
    by_group += paired.clustered_p < 0.05;
  }
  g_assert_cmpint(by_group, <=, 20);
  g_assert_cmpint(by_item, >=, 60);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/paired/small", test_small);
  g_test_add_func("/paired/large", test_large);
  g_test_add_func("/paired/groups", test_groups);
  g_test_add_func("/paired/turn", test_turn);
  g_test_add_func("/paired/swapped", test_swapped);
  g_test_add_func("/paired/interval", test_interval);
  g_test_add_func("/paired/no-difference", test_no_difference);
  g_test_add_func("/paired/none", test_none);
  g_test_add_func("/paired/one-group", test_one_group);
  g_test_add_func("/paired/truth-values", test_truth_values);
  g_test_add_func("/paired/level", test_level);
  return g_test_run();
}
