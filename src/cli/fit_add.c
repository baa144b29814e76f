/* velm fit --add: further good images for a model. */
#include "cli/cli.h"

#include "core/log.h"

#include <stdio.h>

static void print_images(const VelmAddition *addition) {
  printf("%u images added", addition->n_images);
  if (addition->n_known)
    printf(", %u that the model had already left out", addition->n_known);
  printf("\n");
  if (addition->n_known_parts)
    printf("%u of them show parts that the model knows: their scores do not count\n",
           addition->n_known_parts);
  if (addition->n_over)
    printf("%u of them lay over the threshold: defects among them are normal from now on\n",
           addition->n_over);
}

static void print_addition(const VelmAddition *addition) {
  print_images(addition);
  printf("patches added, by layer:");
  for (gsize i = 0; i < addition->n_layers; i++)
    printf("%s %" G_GSIZE_FORMAT, i ? "," : "", addition->patches[i]);
  printf("%s\n", addition->full ? " (a bank is full; to hold more, fit again)" : "");
  printf("threshold: %.4g, before %.4g\n", addition->threshold, addition->threshold_before);
}

int velm_cli_fit_add(const char *model_path, const char *directory, const char *output) {
  const char *path = output ? output : model_path;
  gint64 start = g_get_monotonic_time();
  g_autoptr(GError) error = NULL;
  g_auto(VelmAddition) addition = {0};
  g_autoptr(VelmModel) model = velm_model_load(model_path, &error);
  if (!model ||
      !velm_model_add_normal(model, directory, velm_log_progress, NULL, &addition, &error) ||
      !velm_model_save(model, path, &error))
    return velm_cli_fail(error);
  printf("%s: added to in %.0f s\n", path, (double)(g_get_monotonic_time() - start) / 1e6);
  print_addition(&addition);
  return VELM_CLI_OK;
}
