/* The diffusion's schedule, noise and steps; test_ddad_against_numpy.py holds their numbers against
 * the equations. */
#include "detect/diffusion.h"
#include "detect/normal_noise.h"

#include <math.h>
#include <string.h>

static const VelmNoiseSchedule usual = {1000, 1e-4, 0.02};

static void test_schedule(void) {
  g_autoptr(VelmDiffusion) diffusion = velm_diffusion_new(&usual);
  g_assert_cmpfloat(velm_diffusion_kept(diffusion, -1), ==, 1);
  g_assert_cmpfloat_with_epsilon(velm_diffusion_kept(diffusion, 0), 1 - 1e-4, 1e-12);
  for (int step = 0; step < 1000; step++)
    g_assert_cmpfloat(velm_diffusion_kept(diffusion, step), <,
                      velm_diffusion_kept(diffusion, step - 1));
  /* After all of it hardly anything is left. */
  g_assert_cmpfloat(velm_diffusion_kept(diffusion, 999), <, 1e-4);
}

static void test_schedule_of_one(void) {
  const VelmNoiseSchedule one = {1, 0.25, 0.02};
  g_autoptr(VelmDiffusion) diffusion = velm_diffusion_new(&one);
  g_assert_cmpfloat(velm_diffusion_kept(diffusion, 0), ==, 0.75);
}

static void test_path(void) {
  static const int even[] = {249, 199, 149, 99, 49, -1}, one[] = {9, -1}, odd[] = {6, 3, 1, -1};
  g_autofree int *a = velm_diffusion_path(250, 5), *b = velm_diffusion_path(10, 1);
  g_autofree int *c = velm_diffusion_path(7, 3);
  g_assert_cmpmem(a, sizeof even, even, sizeof even);
  g_assert_cmpmem(b, sizeof one, one, sizeof one);
  g_assert_cmpmem(c, sizeof odd, odd, sizeof odd);
  g_autofree int *all = velm_diffusion_path(1000, 1000);
  for (int i = 0; i <= 1000; i++)
    g_assert_cmpint(all[i], ==, 999 - i);
}

/* With the very noise that was added, one step leads back to the image, whatever the guidance:
 * the noisy target is the noisy image then. */
static void test_back(void) {
  g_autoptr(VelmDiffusion) diffusion = velm_diffusion_new(&usual);
  const float image[] = {-1, -0.5f, 0, 0.25f, 1}, noise[] = {0.3f, -2, 1, 0.1f, -0.7f};
  float noisy[5];
  for (double guidance = 0; guidance < 10; guidance += 3) {
    VelmReverseStep step = {299, -1, guidance, 1};
    velm_diffusion_add_noise(diffusion, 299, image, noise, 5, noisy);
    g_assert_cmpfloat(velm_diffusion_fresh_noise(diffusion, &step), ==, 0);
    velm_diffusion_step_back(diffusion, &step, noise, image, NULL, noisy, 5);
    for (int i = 0; i < 5; i++)
      g_assert_cmpfloat_with_epsilon(noisy[i], image[i], 1e-5f);
  }
}

/* Guidance moves what is made towards the target. */
static void test_guidance(void) {
  g_autoptr(VelmDiffusion) diffusion = velm_diffusion_new(&usual);
  const float target[] = {1}, predicted[] = {0};
  float before = 0;
  for (double guidance = 0; guidance < 1; guidance += 0.2) {
    VelmReverseStep step = {199, -1, guidance, 0};
    float image[] = {0};
    velm_diffusion_step_back(diffusion, &step, predicted, target, NULL, image, 1);
    if (guidance > 0)
      g_assert_cmpfloat(image[0], >, before);
    before = image[0];
  }
  g_assert_cmpfloat(before, >, 0.1f);
}

/* With eta 1 and without guidance the variance of pure noise stays what it was. */
static void test_fresh_noise(void) {
  g_autoptr(VelmDiffusion) diffusion = velm_diffusion_new(&usual);
  VelmReverseStep step = {499, 449, 0, 1};
  double sigma = velm_diffusion_fresh_noise(diffusion, &step);
  double after = velm_diffusion_kept(diffusion, 449);
  g_assert_cmpfloat(sigma, >, 0);
  g_assert_cmpfloat(sigma * sigma, <, 1 - after);
  step.eta = 0;
  g_assert_cmpfloat(velm_diffusion_fresh_noise(diffusion, &step), ==, 0);
}

static void test_noise(void) {
  enum { N = 20001 };
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autofree float *values = g_new(float, N), *again = g_new(float, N);
  double sum = 0, squares = 0;
  velm_normal_noise(values, N, random);
  for (int i = 0; i < N; i++) {
    g_assert_true(isfinite(values[i]));
    sum += (double)values[i];
    squares += (double)values[i] * (double)values[i];
  }
  g_assert_cmpfloat_with_epsilon(sum / N, 0, 0.03);
  g_assert_cmpfloat_with_epsilon(squares / N, 1, 0.03);
  g_rand_set_seed(random, 3);
  velm_normal_noise(again, N, random);
  g_assert_cmpmem(values, N * sizeof(float), again, N * sizeof(float));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/diffusion/schedule", test_schedule);
  g_test_add_func("/diffusion/schedule_of_one", test_schedule_of_one);
  g_test_add_func("/diffusion/path", test_path);
  g_test_add_func("/diffusion/back", test_back);
  g_test_add_func("/diffusion/guidance", test_guidance);
  g_test_add_func("/diffusion/fresh_noise", test_fresh_noise);
  g_test_add_func("/diffusion/noise", test_noise);
  return g_test_run();
}
