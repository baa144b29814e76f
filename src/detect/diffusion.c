#include "detect/diffusion.h"

#include <math.h>

struct _VelmDiffusion {
  double kept[VELM_DIFFUSION_MAX_STEPS + 1]; /* after step i - 1 */
};

VelmDiffusion *velm_diffusion_new(const VelmNoiseSchedule *schedule) {
  VelmDiffusion *diffusion = g_new0(VelmDiffusion, 1);
  double width = MAX(schedule->n_steps - 1, 1);
  diffusion->kept[0] = 1;
  for (int i = 0; i < schedule->n_steps; i++) {
    double added = schedule->first + (schedule->last - schedule->first) * i / width;
    diffusion->kept[i + 1] = diffusion->kept[i] * (1 - added);
  }
  return diffusion;
}

void velm_diffusion_free(VelmDiffusion *diffusion) { g_free(diffusion); }

double velm_diffusion_kept(const VelmDiffusion *diffusion, int step) {
  return diffusion->kept[step + 1];
}

void velm_diffusion_add_noise(const VelmDiffusion *diffusion, int step, const float *image,
                              const float *noise, gsize n, float *noisy) {
  double kept = velm_diffusion_kept(diffusion, step);
  float signal = (float)sqrt(kept), level = (float)sqrt(1 - kept);
  for (gsize i = 0; i < n; i++)
    noisy[i] = signal * image[i] + level * noise[i];
}

int *velm_diffusion_path(int start, int count) {
  int *path = g_new(int, (gsize)count + 1);
  for (int i = 0; i <= count; i++)
    path[i] = (int)((gint64)start * (count - i) / count) - 1;
  return path;
}

double velm_diffusion_fresh_noise(const VelmDiffusion *diffusion, const VelmReverseStep *step) {
  double before = velm_diffusion_kept(diffusion, step->from);
  double after = velm_diffusion_kept(diffusion, step->to);
  return step->eta * sqrt((1 - after) / (1 - before) * (1 - before / after));
}

void velm_diffusion_step_back(const VelmDiffusion *diffusion, const VelmReverseStep *step,
                              const float *predicted, const float *target, const float *noise,
                              float *image, gsize n) {
  double kept = velm_diffusion_kept(diffusion, step->from);
  double after = velm_diffusion_kept(diffusion, step->to);
  double fresh = velm_diffusion_fresh_noise(diffusion, step);
  float signal = (float)sqrt(kept), level = (float)sqrt(1 - kept);
  float pull = (float)step->guidance * level, sigma = noise ? (float)fresh : 0;
  float signal_after = (float)sqrt(after);
  float level_after = (float)sqrt(MAX(0, 1 - after - fresh * fresh));
  for (gsize i = 0; i < n; i++) {
    float noisy_target = signal * target[i] + level * predicted[i];
    float corrected = predicted[i] - pull * (noisy_target - image[i]);
    float clean = (image[i] - level * corrected) / signal;
    image[i] = signal_after * clean + level_after * corrected + (sigma > 0 ? sigma * noise[i] : 0);
  }
}
