#include "cli/cli.h"

#include "core/log.h"

#include <stdio.h>
#include <string.h>

char **velm_cli_parse(int argc, char **argv, const char *usage, const char *summary,
                      const GOptionEntry *entries, int min, int max, int *exit_code) {
  return velm_cli_parse_with(argc, argv, usage, summary, entries, NULL, min, max, exit_code);
}

char **velm_cli_parse_with(int argc, char **argv, const char *usage, const char *summary,
                           const GOptionEntry *entries, GOptionGroup *const *groups, int min,
                           int max, int *exit_code) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  for (int i = 0; i < argc; i++)
    g_strv_builder_add(builder, argv[i]);
  g_auto(GStrv) arguments = g_strv_builder_end(builder);
  g_autofree char *name = g_strconcat("velm ", argv[0], NULL);
  g_set_prgname(name);
  g_autoptr(GOptionContext) context = g_option_context_new(usage);
  g_option_context_set_summary(context, summary);
  g_option_context_add_main_entries(context, entries, NULL);
  for (gsize i = 0; groups && groups[i]; i++)
    g_option_context_add_group(context, groups[i]);
  g_option_context_set_help_enabled(context, FALSE);
  for (int i = 1; i < argc && !g_str_equal(argv[i], "--"); i++)
    if (g_str_equal(argv[i], "--help") || g_str_equal(argv[i], "-h")) {
      g_autofree char *help = g_option_context_get_help(context, FALSE, NULL);
      fputs(help, stdout);
      *exit_code = VELM_CLI_OK;
      return NULL;
    }
  g_autoptr(GError) error = NULL;
  *exit_code = VELM_CLI_USAGE;
  if (!g_option_context_parse_strv(context, &arguments, &error)) {
    fprintf(stderr, "velm %s: %s (see velm %s --help)\n", argv[0], error->message, argv[0]);
    return NULL;
  }
  /* GOption leaves "--" in place. */
  gsize first = arguments[0] && arguments[1] && g_str_equal(arguments[1], "--") ? 2 : 1;
  char **left = arguments[0] ? g_strdupv(arguments + first) : g_new0(char *, 1);
  int n = (int)g_strv_length(left);
  if (n >= min && (max < 0 || n <= max))
    return left;
  g_strfreev(left);
  fprintf(stderr, "usage: velm %s %s [OPTION...]\n", argv[0], usage);
  return NULL;
}

int velm_cli_fail(const GError *error) {
  velm_log_line("velm: %s", error->message);
  return error->domain == VELM_ERROR && error->code == VELM_ERROR_USAGE ? VELM_CLI_USAGE
                                                                        : VELM_CLI_FAILED;
}
