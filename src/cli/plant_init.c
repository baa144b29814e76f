/* velm plant init: makes a plant's streams and buckets, or changes what they are set to. */
#include "cli/cli.h"
#include "plant/set_up.h"

#include <stdio.h>

typedef struct {
  int replicas;
  gint64 max_jobs;
  VelmCliBroker broker;
} Options;

static void options_clear(Options *options) { velm_cli_broker_clear(&options->broker); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"replicas", 0, 0, G_OPTION_ARG_INT, &options->replicas,
       "Copies that a cluster of brokers keeps of everything: 1, 3 or 5 (default: as it is; 1 of "
       "what is made)",
       "N"},
      {"max-jobs", 0, 0, G_OPTION_ARG_INT64, &options->max_jobs,
       "Jobs that may wait in a stage; more are refused until some are done (default: as it is; "
       "2000000 of what is made)",
       "N"},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL",
      "Makes the streams and buckets of a plant that its broker does not have, and changes all of "
      "them to what is given.\n"
      "It prints what there is then. Without it whoever comes first makes them.",
      entries, (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL}, 0, 0, code);
}

static gboolean check(const Options *options) {
  int n = options->replicas;
  if (n != 0 && n != 1 && n != 3 && n != 5)
    fprintf(stderr, "velm plant init: --replicas is to be 1, 3 or 5\n");
  else if (options->max_jobs < 0)
    fprintf(stderr, "velm plant init: --max-jobs cannot be negative\n");
  else
    return TRUE;
  return FALSE;
}

static void print_all(const GPtrArray *streams) {
  printf("%-18s  %8s  %9s  %9s\n", "STREAM", "REPLICAS", "MOST", "MESSAGES");
  for (guint i = 0; i < streams->len; i++) {
    const VelmPlantStream *stream = streams->pdata[i];
    g_autofree char *most =
        stream->most >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, stream->most) : g_strdup("any");
    printf("%-18s  %8" G_GINT64_FORMAT "  %9s  %9" G_GUINT64_FORMAT "\n", stream->name,
           stream->replicas, most, stream->messages);
  }
}

int velm_cli_plant_init(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  if (!check(&options))
    return VELM_CLI_USAGE;
  const VelmPlantSettings settings = {options.replicas, options.max_jobs};
  g_autoptr(VelmBroker) broker =
      velm_cli_connect_broker(&options.broker, "velm plant", FALSE, &error);
  g_autoptr(GPtrArray) streams = broker ? velm_plant_set_up(broker, &settings, &error) : NULL;
  if (!streams)
    return velm_cli_fail(error);
  print_all(streams);
  return VELM_CLI_OK;
}
