/* velm plant: what concerns a plant as a whole. */
#include "cli/cli.h"

#include <stdio.h>

static const VelmCommand verbs[] = {
    {"llm", "--nats URL", "show or set what a plant may ask of a language model",
     velm_cli_plant_llm},
};

static void print_help(FILE *to) {
  fputs("usage: velm plant VERB [OPTION...]\n\n", to);
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
  fputs("\nvelm plant VERB --help explains one.\n", to);
}

/* With its whole name for argv[0]: messages begin with it. */
static int run(const VelmCommand *verb, int argc, char **argv) {
  g_autofree char *full = g_strconcat("plant ", verb->name, NULL);
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, full);
  for (int i = 1; i < argc; i++)
    g_ptr_array_add(vector, argv[i]);
  g_ptr_array_add(vector, NULL);
  return verb->run(argc, (char **)vector->pdata);
}

int velm_cli_plant(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (g_str_equal(name, "--help") || g_str_equal(name, "-h")) {
    print_help(stdout);
    return VELM_CLI_OK;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (g_str_equal(name, verbs[i].name))
      return run(&verbs[i], argc - 1, argv + 1);
  print_help(stderr);
  return VELM_CLI_USAGE;
}
