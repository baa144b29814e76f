/* velm info: what a model holds. */
#include "cli/cli.h"

#include <stdio.h>

int velm_cli_info(int argc, char **argv) {
  const GOptionEntry entries[] = {G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(argc, argv, "MODEL.velm", "Says what a model file holds.",
                                       entries, 1, 1, &code);
  if (!paths)
    return code;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(paths[0], &error);
  if (!model)
    return velm_cli_fail(error);
  g_autofree char *description = velm_model_describe(model);
  printf("%s", description);
  return VELM_CLI_OK;
}
