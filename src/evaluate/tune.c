#include "evaluate/tune.h"

#include "detect/backbone.h"

#include <math.h>
#include <string.h>

/* A larger size takes more time, in proportion to its pixels at least. */
#define LEAST_GAIN_OF_SIZE 0.005

enum { MAX_SIZES = 3 };

/*
 * What is tried with a backbone.
 * @layers: candidates, separated by commas
 * @contrast: the layer for the contrast within the image, which is not tried; or NULL
 * @sizes: rising; 0 after the last
 */
typedef struct {
  const char *backbone, *layers, *contrast;
  int sizes[MAX_SIZES + 1];
} Plan;

static const Plan plans[] = {
    {"dinov2s",
     "block2,block4,block6,block8,block10,block4@half,block6@half,block8@half,block10@half",
     "block8@half@3@contrast",
     {336, 448, 560}},
    {"lite2",
     "stage2@3,stage3@3,stage4@3,stage5@3,stage4@5,stage3@half,stage4@half,stage5@half",
     NULL,
     {192, 256, 320}},
};

/* The user's own layers and size are the only ones that are tried. */
static gboolean make_plan(const VelmFitParams *params, Plan *plan, GError **error) {
  *plan = (Plan){params->backbone, params->layers, NULL, {params->size}};
  for (gsize i = 0; i < G_N_ELEMENTS(plans); i++)
    if (g_str_equal(plans[i].backbone, params->backbone)) {
      *plan = plans[i];
      plan->layers = params->layers ? params->layers : plans[i].layers;
      if (params->size)
        memset(plan->sizes, 0, sizeof plan->sizes);
    }
  if (params->size)
    plan->sizes[0] = params->size;
  if (plan->layers)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: name the layers that tuning is to choose from (--layers)", params->backbone);
  return FALSE;
}

/* ---- what there is to say ---- */

static char *join_layers(const VelmTuneChoice *choice, const char *const *names,
                         const char *contrast, const char *separator) {
  g_autoptr(GString) joined = g_string_new(NULL);
  for (gsize i = 0; i < choice->n; i++)
    g_string_append_printf(joined, "%s%s", i ? separator : "", names[choice->layers[i]]);
  if (contrast)
    g_string_append_printf(joined, "%s%s", separator, contrast);
  return g_string_free(g_steal_pointer(&joined), FALSE);
}

static void append_figure(GString *text, const char *name, double value) {
  if (isnan(value))
    g_string_append_printf(text, ", %s not measured: no masks", name);
  else
    g_string_append_printf(text, ", %s %.3f", name, value);
}

static void append_choice(GString *text, const VelmTuneChoice *choice, int size,
                          const char *const *names) {
  g_autofree char *layers = join_layers(choice, names, NULL, ", ");
  g_string_append_printf(text, "  %d px, %s: image AUROC %.3f", size, layers,
                         choice->figures.image_auroc);
  append_figure(text, "pixel AUROC", choice->figures.pixel_auroc);
  append_figure(text, "pointing", choice->figures.pointing);
  g_string_append_c(text, '\n');
}

static void append_images(GString *text, const VelmTuneImages *images) {
  g_string_append_printf(text, "tuned by %u %s defects and %u good images", images->n_defects,
                         images->labelled ? "labelled" : "made-up", images->n_good);
  g_string_append_printf(text, ", %u parts held back from the banks:\n", images->n_parts);
}

static void append_reasons(GString *text, const VelmTuneChoice *choice, int size) {
  g_string_append_printf(text,
                         "chosen: %d px, by the mean of the three figures; a further layer must "
                         "gain 0.003, a larger size 0.005\n",
                         size);
  if (choice->top_share > 1e-6)
    g_string_append_printf(text, "score: the mean of the map's highest %.1f %%\n",
                           100 * choice->top_share);
  else
    g_string_append(text, "score: the map's maximum\n");
}

/* ---- all ---- */

typedef struct {
  const Plan *plan;
  const char *const *names;
  VelmTuneChoice best;
  int size;
  GString *text;
} Search;

static void consider(Search *search, const VelmTuneChoice *choice, int size) {
  append_choice(search->text, choice, size, search->names);
  double merit = velm_tune_merit(&choice->figures);
  if (search->best.n > 0 && !(merit > velm_tune_merit(&search->best.figures) + LEAST_GAIN_OF_SIZE))
    return;
  search->best = *choice;
  search->size = size;
}

static gboolean try_sizes(Search *search, const VelmTuneImages *images, const VelmFitParams *params,
                          GError **error) {
  gsize done = 0, n_sizes = 0;
  while (n_sizes < MAX_SIZES && (n_sizes == 0 || search->plan->sizes[n_sizes]))
    n_sizes++;
  gsize total = n_sizes * (images->bank->len + images->images->len);
  for (gsize i = 0; i < n_sizes; i++) {
    g_autoptr(VelmTuneMaps) maps = velm_tune_maps_new(images, params, search->names,
                                                      search->plan->sizes[i], &done, total, error);
    if (!maps)
      return FALSE;
    VelmTuneChoice choice = velm_tune_choose(maps);
    consider(search, &choice, maps->size);
  }
  return TRUE;
}

VelmTuning *velm_tune(const char *directory, const char *labelled, const VelmFitParams *params,
                      GError **error) {
  Plan plan;
  if (!make_plan(params, &plan, error))
    return NULL;
  g_autoptr(VelmTuneImages) images = velm_tune_images_new(directory, labelled, params->seed, error);
  if (!images)
    return NULL;
  g_auto(GStrv) names = g_strsplit(plan.layers, ",", -1);
  g_autoptr(GString) text = g_string_new(NULL);
  Search search = {.plan = &plan, .names = (const char *const *)names, .text = text};
  append_images(text, images);
  if (!try_sizes(&search, images, params, error))
    return NULL;
  append_reasons(text, &search.best, search.size);
  VelmTuning *tuning = g_new0(VelmTuning, 1);
  tuning->layers = join_layers(&search.best, search.names, plan.contrast, ",");
  tuning->size = search.size;
  tuning->top_share = search.best.top_share;
  tuning->report = g_string_free(g_steal_pointer(&text), FALSE);
  return tuning;
}

void velm_tuning_free(VelmTuning *tuning) {
  if (!tuning)
    return;
  g_free(tuning->layers);
  g_free(tuning->report);
  g_free(tuning);
}
