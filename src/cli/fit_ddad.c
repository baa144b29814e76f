/* velm fit --detector ddad: its options. */
#include "cli/cli.h"

#include <math.h>

GOptionGroup *velm_cli_ddad_options(VelmCliDdad *ddad) {
  const GOptionEntry entries[] = {
      {"denoiser", 0, 0, G_OPTION_ARG_FILENAME, &ddad->denoiser,
       "The denoiser: an ONNX or OpenVINO IR file that tools/ddad wrote, its settings beside it as "
       "JSON",
       "FILE"},
      {"ddad-steps", 0, 0, G_OPTION_ARG_INT, &ddad->steps,
       "In how many steps the noise is taken away (default: as the settings say)", "N"},
      {"ddad-samples", 0, 0, G_OPTION_ARG_INT, &ddad->samples,
       "How many times each part is made anew, from other noise (default: as the settings say)",
       "N"},
      {"ddad-budget", 0, 0, G_OPTION_ARG_DOUBLE, &ddad->budget_ms,
       "As many steps as this machine takes in so many milliseconds an image, 25 at most", "MS"},
      {"ddad-start", 0, 0, G_OPTION_ARG_INT, &ddad->start,
       "How many steps of noise are added first (default: as the settings say)", "N"},
      {"ddad-guidance", 0, 0, G_OPTION_ARG_DOUBLE, &ddad->guidance,
       "How strongly what is made is held to the part, 0 to 100 (default: as the settings say)",
       "W"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group =
      g_option_group_new("ddad", "Diffusion:", "Show the options of diffusion", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

void velm_cli_ddad_clear(VelmCliDdad *ddad) { g_free(ddad->denoiser); }

gboolean velm_cli_ddad_params(const VelmCliDdad *ddad, VelmFitParams *params, GError **error) {
  gboolean any = ddad->denoiser || ddad->steps || ddad->samples || ddad->start ||
                 ddad->budget_ms != 0 || !isnan(ddad->guidance);
  params->denoiser = ddad->denoiser;
  params->ddad_steps = ddad->steps;
  params->ddad_samples = ddad->samples;
  params->ddad_start = ddad->start;
  params->ddad_guidance = ddad->guidance;
  params->ddad_budget_ms = ddad->budget_ms;
  if (!any || g_strcmp0(params->detector, "ddad") == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "--denoiser, --ddad-steps, --ddad-samples, --ddad-budget, --ddad-start and "
              "--ddad-guidance go with --detector ddad");
  return FALSE;
}
