/* Fitting PatchCore robustly: drops training images that do not belong, and calibrates again. */
#include "detect/contamination.h"
#include "detect/patchcore_fit.h"

/* Defects in the banks hide others of their kind: with the first gone, more come out. Then there
 * is little left to find. */
#define MAX_ROUNDS 4

/* Takes the images that were found out of those in use. */
static void drop(VelmPatchFit *fit, const gboolean *found) {
  gsize n = 0;
  for (gsize i = 0; i < fit->n_images; i++) {
    const VelmSample *sample = velm_patch_fit_sample(fit, i);
    if (found[i])
      g_ptr_array_add(fit->dropped, velm_dataset_path_below(fit->dataset, sample->path));
    else
      fit->images[n++] = fit->images[i];
  }
  fit->n_images = n;
}

gboolean velm_patch_fit_drop(VelmPatchFit *fit, guint round) {
  gsize most = (gsize)(fit->params->robust * (double)fit->dataset->train->len);
  if (most <= fit->dropped->len || round >= MAX_ROUNDS)
    return FALSE;
  g_autofree gboolean *found = g_new(gboolean, fit->n_images);
  if (velm_contamination_find(fit->scores, fit->levels, fit->n_images, most - fit->dropped->len,
                              found) == 0)
    return FALSE;
  drop(fit, found);
  return TRUE;
}
