#include "classify/temperature.h"

#include <math.h>

#define N_CLASSES 4

static void test_apply(void) {
  double p[] = {0.8, 0.2};
  velm_temperature_apply(2, p, 2); /* square roots, 2 to 1 */
  g_assert_cmpfloat_with_epsilon(p[0], 2.0 / 3, 1e-12);
  g_assert_cmpfloat_with_epsilon(p[1], 1.0 / 3, 1e-12);
  velm_temperature_apply(0.5, p, 2); /* squares, 4 to 1 */
  g_assert_cmpfloat_with_epsilon(p[0], 0.8, 1e-12);
  velm_temperature_apply(1, p, 2);
  g_assert_cmpfloat_with_epsilon(p[0], 0.8, 1e-12);
  g_assert_cmpfloat_with_epsilon(p[1], 0.2, 1e-12);
}

/* 0 counts as the floor, so certainty can be taken back. */
static void test_floor(void) {
  double p[] = {1, 0, 0};
  velm_temperature_apply(2, p, 3);
  g_assert_cmpfloat_with_epsilon(p[0], 1 / 1.002, 1e-12);
  g_assert_cmpfloat_with_epsilon(p[1], 0.001 / 1.002, 1e-12);
  velm_temperature_apply(VELM_TEMPERATURE_MAX, p, 3);
  g_assert_cmpfloat_with_epsilon(p[0] + p[1] + p[2], 1, 1e-12);
  g_assert_cmpfloat(p[0], >, p[1]);
}

static void softmax(const double *scores, double factor, double *p) {
  double sum = 0;
  for (int c = 0; c < N_CLASSES; c++)
    sum += p[c] = exp(scores[c] * factor);
  for (int c = 0; c < N_CLASSES; c++)
    p[c] /= sum;
}

static int draw(GRand *random, const double *p) {
  double at = g_rand_double(random);
  for (int c = 0; c < N_CLASSES - 1; c++)
    if ((at -= p[c]) < 0)
      return c;
  return N_CLASSES - 1;
}

/* Truths drawn by the softmax of scores, and the softmax of @factor times these claimed. */
static void make_answers(double factor, gsize n, double *p, int *truths) {
  g_autoptr(GRand) random = g_rand_new_with_seed(7);
  for (gsize i = 0; i < n; i++) {
    double scores[N_CLASSES], right[N_CLASSES];
    for (int c = 0; c < N_CLASSES; c++)
      scores[c] = g_rand_double_range(random, -2, 2);
    softmax(scores, 1, right);
    truths[i] = draw(random, right);
    softmax(scores, factor, p + i * N_CLASSES);
  }
}

static void test_recovers(void) {
  static const double factors[] = {0.4, 1, 2.5};
  enum { N = 4000 };
  g_autofree double *p = g_new(double, N *N_CLASSES);
  g_autofree int *truths = g_new(int, N);
  for (gsize i = 0; i < G_N_ELEMENTS(factors); i++) {
    make_answers(factors[i], N, p, truths);
    double temperature = velm_temperature_fit(p, truths, N, N_CLASSES);
    g_assert_cmpfloat_with_epsilon(temperature / factors[i], 1, 0.08);
  }
}

static double loss_of(const double *p, const int *truths, gsize n, double temperature) {
  double loss = log(temperature) * log(temperature);
  for (gsize i = 0; i < n; i++) {
    double row[N_CLASSES];
    for (int c = 0; c < N_CLASSES; c++)
      row[c] = p[i * N_CLASSES + (gsize)c];
    velm_temperature_apply(temperature, row, N_CLASSES);
    loss -= log(row[truths[i]]);
  }
  return loss;
}

static void test_is_least(void) {
  enum { N = 60 };
  double p[N * N_CLASSES];
  int truths[N];
  make_answers(3, N, p, truths);
  double temperature = velm_temperature_fit(p, truths, N, N_CLASSES);
  double least = loss_of(p, truths, N, temperature);
  for (double other = VELM_TEMPERATURE_MIN; other < VELM_TEMPERATURE_MAX; other *= 1.05)
    g_assert_cmpfloat(least, <=, loss_of(p, truths, N, other) + 1e-9);
}

/* Answers without probabilities become as sure as they are right: 1 / (1 + 4 * 10^(-6/T)) = 0.8. */
static void test_one_hot(void) {
  enum { N = 2000, N_ANSWERS = 5 };
  g_autofree double *p = g_new0(double, N *N_ANSWERS);
  int truths[N];
  for (int i = 0; i < N; i++) {
    p[i * N_ANSWERS] = 1;
    truths[i] = i % 5 == 4 ? 1 + i / 5 % 4 : 0;
  }
  double temperature = velm_temperature_fit(p, truths, N, N_ANSWERS);
  g_assert_cmpfloat_with_epsilon(temperature, -6 / log10(0.0625), 0.02);
  velm_temperature_apply(temperature, p, N_ANSWERS);
  g_assert_cmpfloat_with_epsilon(p[0], 0.8, 0.002);
}

static void test_few_and_right(void) {
  double p[10 * 2], next[] = {0.9, 0.1};
  int truths[10] = {0};
  for (int i = 0; i < 10; i++) {
    p[2 * i] = 0.9;
    p[2 * i + 1] = 0.1;
  }
  double temperature = velm_temperature_fit(p, truths, 10, 2);
  g_assert_cmpfloat(temperature, <, 1);
  velm_temperature_apply(temperature, next, 2);
  g_assert_cmpfloat(next[0], >, 0.9);
  g_assert_cmpfloat(next[0], <, 0.995);
}

static void test_nothing_to_learn(void) {
  double p[] = {0.9, 0.1, 0.5, 0.5};
  int truths[] = {-1, 2};
  g_assert_cmpfloat(velm_temperature_fit(NULL, NULL, 0, 2), ==, 1);
  g_assert_cmpfloat(velm_temperature_fit(p, truths, 2, 2), ==, 1);
}

static void test_strangers_are_left_out(void) {
  double p[] = {0.7, 0.3, 0.99, 0.01, 0.6, 0.4}, without[] = {0.7, 0.3, 0.6, 0.4};
  int truths[] = {0, -1, 1}, truths_without[] = {0, 1};
  g_assert_cmpfloat(velm_temperature_fit(p, truths, 3, 2), ==,
                    velm_temperature_fit(without, truths_without, 2, 2));
}

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/temperature/apply", test_apply);
  g_test_add_func("/temperature/floor", test_floor);
  g_test_add_func("/temperature/recovers", test_recovers);
  g_test_add_func("/temperature/is-least", test_is_least);
  g_test_add_func("/temperature/one-hot", test_one_hot);
  g_test_add_func("/temperature/few-and-right", test_few_and_right);
  g_test_add_func("/temperature/nothing-to-learn", test_nothing_to_learn);
  g_test_add_func("/temperature/strangers-are-left-out", test_strangers_are_left_out);
  return g_test_run();
}
