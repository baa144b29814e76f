#include "evaluate/ablation.h"

#include "classify/prompt.h"
#include "evaluate/compare.h"

#include <math.h>
#include <string.h>

/* "without RI, the reference image" for "mllm-RI". */
static char *title_of(const char *classifier) {
  const char *dash = strchr(classifier, '-');
  if (!dash)
    return g_strdup("full prompt");
  VelmPromptParts part = velm_prompt_part_find(dash + 1);
  return part ? g_strdup_printf("- %s %s", dash + 1, velm_prompt_part_name(part))
              : g_strdup(classifier);
}

static void append_row(GString *text, const VelmClassifierRun *classifier,
                       const VelmComparison *comparison) {
  const VelmClassificationFigures *figures = &classifier->classification;
  g_autofree char *title = title_of(classifier->name);
  g_string_append_printf(text, "  %-28s%10.3f%11.3f%10.3f%8.3f", title, figures->accuracy,
                         figures->macro_accuracy, figures->macro_f1, figures->cohen_kappa);
  if (comparison && comparison->answers) {
    int f = VELM_FIGURE_MACRO_ACCURACY;
    const VelmInterval *interval = &comparison->intervals[f];
    g_string_append_printf(text, "%+9.3f", comparison->figures_b[f] - comparison->figures_a[f]);
    if (isfinite(interval->low))
      g_string_append_printf(text, "  [%+.3f, %+.3f]", interval->low, interval->high);
    g_string_append_printf(text, "  %.2g", comparison->paired.clustered_p);
  }
  g_string_append_c(text, '\n');
}

char *velm_ablation_to_text(const VelmRun *run) {
  GString *text = g_string_new(NULL);
  g_autoptr(GPtrArray) comparisons = velm_compare_within(run);
  const VelmClassifierRun *full = run->classifiers->len ? run->classifiers->pdata[0] : NULL;
  if (!full)
    return g_string_free(text, FALSE);
  g_string_append_printf(
      text,
      "ablation of the prompt, %u answers to marked regions of %s\n  %-28s%10s%11s%10s%8s%9s  "
      "95 %% interval    p by parts\n",
      full->classification.images, run->directory, "", "accuracy", "macro acc.", "macro F1",
      "kappa", "change");
  for (guint i = 0; i < run->classifiers->len; i++)
    append_row(text, run->classifiers->pdata[i], i > 0 ? comparisons->pdata[i - 1] : NULL);
  return g_string_free(text, FALSE);
}
