#include "detect/ddad_reconstruct.h"

gboolean velm_ddad_reconstruct(VelmDenoiser *denoiser, const VelmDiffusion *diffusion,
                               const VelmReconstruction *how, const float *targets,
                               VelmNoiseSource noise, gpointer noise_data, float *images,
                               GError **error) {
  gsize n = velm_denoiser_n_values(denoiser);
  g_autofree float *drawn = g_new(float, n);
  g_autofree int *path = velm_diffusion_path(how->start, how->n_steps);
  noise(drawn, n, noise_data);
  velm_diffusion_add_noise(diffusion, path[0], targets, drawn, n, images);
  for (int i = 0; i < how->n_steps; i++) {
    VelmReverseStep step = {path[i], path[i + 1], how->guidance, how->eta};
    const float *predicted = velm_denoiser_predict(denoiser, images, step.from, error);
    if (!predicted)
      return FALSE;
    gboolean fresh = velm_diffusion_fresh_noise(diffusion, &step) > 0;
    if (fresh)
      noise(drawn, n, noise_data);
    velm_diffusion_step_back(diffusion, &step, predicted, targets, fresh ? drawn : NULL, images, n);
  }
  return TRUE;
}
