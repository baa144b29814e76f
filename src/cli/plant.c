/* velm plant: what the workers of a plant share. Its commands are in files of their own. */
#include "cli/cli.h"

#include <stdio.h>

/* @name: argv[0] of the command, as messages begin with it */
static const VelmCommand commands[] = {
    {"plant init", "", "make what the broker keeps, or change what it is set to",
     velm_cli_plant_init},
    {"plant publish", "--product NAME MODEL.velm [SPEC.yaml]",
     "give a product's workers a model and a spec", velm_cli_plant_publish},
    {"plant products", "", "list what the products have", velm_cli_plant_products},
    {"plant versions", "--product NAME", "list what a product had", velm_cli_plant_versions},
    {"plant use", "--product NAME --version N", "go back to what a product had",
     velm_cli_plant_use},
    {"plant prune", "", "remove models and specs that no product has any more",
     velm_cli_plant_prune},
    {"plant llm", "", "show or set what all may ask of a language model", velm_cli_plant_llm},
    {"plant dead", "[NUMBER...]", "list the jobs that nothing came of, or hand them in again",
     velm_cli_plant_dead},
};

static void print_usage(FILE *to) {
  fputs("usage: velm plant COMMAND --nats URL [OPTION...]\n"
        "\n"
        "What the workers of a plant share, over its broker.\n"
        "\n",
        to);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(to, "  velm %-15s %s\n", commands[i].name, commands[i].summary);
  fputs("\nvelm plant COMMAND --help explains a command.\n", to);
}

/* Runs a command with its whole name for argv[0]. */
static int run(const VelmCommand *command, int argc, char **argv) {
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)command->name);
  for (int i = 1; i < argc; i++)
    g_ptr_array_add(vector, argv[i]);
  g_ptr_array_add(vector, NULL);
  return command->run(argc, (char **)vector->pdata);
}

int velm_cli_plant(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  g_autofree char *full = g_strconcat("plant ", name, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (g_str_equal(full, commands[i].name))
      return run(&commands[i], argc - 1, argv + 1);
  gboolean help = g_str_equal(name, "--help") || g_str_equal(name, "-h");
  if (!help && *name)
    fprintf(stderr, "velm plant: no command \"%s\"\n", name);
  print_usage(help ? stdout : stderr);
  return help ? VELM_CLI_OK : VELM_CLI_USAGE;
}
