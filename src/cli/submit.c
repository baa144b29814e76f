/* velm submit: hands images in to a plant. */
#include "cli/cli.h"
#include "core/file.h"
#include "core/log.h"
#include "dataset/dataset.h"
#include "plant/submitter.h"

#include <stdio.h>

#define MOST_LINE 4096

typedef struct {
  char *product, *station, *shared;
  gboolean from_stdin, json;
  VelmCliBroker broker;
} Options;

typedef struct {
  const Options *options;
  VelmSubmitter *submitter;
  VelmImageSource *source; /* NULL where no folder is shared */
  gsize most;              /* bytes of an image that is sent by value */
  guint64 n, failed;
  gsize total; /* 0 where it is not known */
} Run;

static void options_clear(Options *options) {
  g_free(options->product);
  g_free(options->station);
  g_free(options->shared);
  velm_cli_broker_clear(&options->broker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"product", 0, 0, G_OPTION_ARG_STRING, &options->product,
       "What the images show, as the workers call it", "NAME"},
      {"station", 0, 0, G_OPTION_ARG_STRING, &options->station,
       "The station whose images they are: their records say so, and its links tell of them",
       "NAME"},
      {"shared", 0, 0, G_OPTION_ARG_FILENAME, &options->shared,
       "Folder that the workers share: images in it are sent by reference, and others that are too "
       "large to be sent are put into its folder inbox",
       "DIR"},
      {"stdin", 0, 0, G_OPTION_ARG_NONE, &options->from_stdin,
       "Read the paths of images from standard input, a line each, as they come", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print what was handed in as JSON", NULL},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL --product NAME PATH...",
      "Hands images, and those of folders, in to a plant, whose workers inspect them. It waits "
      "where the plant\n"
      "has as many jobs as it may. An image that is handed in again is the same job.",
      entries, (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL}, 0, -1, code);
}

/* ---- jobs ---- */

/* The same for the same image of the same name. Returns: (transfer full). */
static char *key_of(const VelmPlantJob *job) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize size = 0;
  const guchar *bytes = g_bytes_get_data(job->image, &size);
  g_checksum_update(checksum, (const guchar *)job->product, -1);
  g_checksum_update(checksum, (const guchar *)"\n", 1);
  g_checksum_update(checksum, (const guchar *)job->name, -1);
  g_checksum_update(checksum, (const guchar *)"\n", 1);
  g_checksum_update(checksum, bytes, (gssize)size);
  return g_strdup(g_checksum_get_string(checksum));
}

/* Whether @path lies below the shared folder. */
static char *refer(const Run *run, const char *path) {
  return run->source ? velm_image_source_refer(run->source, path, NULL) : NULL;
}

/* By reference where that can be and is of use. */
static gboolean place_image(const Run *run, VelmPlantJob *job, const char *path, GError **error) {
  job->reference = refer(run, path);
  if (!job->reference && run->source && g_bytes_get_size(job->image) > run->most) {
    job->reference = velm_image_source_share(run->source, job->image, error);
    if (!job->reference)
      return FALSE;
  }
  if (job->reference)
    g_clear_pointer(&job->image, g_bytes_unref);
  return TRUE;
}

static gboolean hand_in(Run *run, const char *path, GError **error) {
  g_autoptr(VelmPlantJob) job = g_new0(VelmPlantJob, 1);
  char *contents = NULL;
  gsize length = 0;
  if (!g_file_get_contents(path, &contents, &length, error))
    return FALSE;
  job->image = g_bytes_new_take(contents, length);
  job->product = g_strdup(run->options->product);
  job->station = g_strdup(run->options->station);
  job->name = g_filename_display_name(path);
  job->time = g_get_real_time();
  job->key = key_of(job);
  return place_image(run, job, path, error) && velm_submitter_add(run->submitter, job, error);
}

/* A file that cannot be handed in keeps no other from it. */
static void hand_in_path(Run *run, const char *path) {
  g_autoptr(GError) error = NULL;
  run->n++;
  if (hand_in(run, path, &error)) {
    velm_log_progress("submit", run->n, MAX(run->total, run->n), NULL);
    return;
  }
  run->failed++;
  velm_log_line("velm: %s", error->message);
}

static void hand_in_lines(Run *run) {
  char line[MOST_LINE];
  while (fgets(line, sizeof line, stdin)) {
    g_strchomp(line);
    if (line[0])
      hand_in_path(run, line);
  }
}

static gboolean hand_in_all(Run *run, char **paths, GError **error) {
  if (run->options->from_stdin) {
    hand_in_lines(run);
    return TRUE;
  }
  g_autoptr(GPtrArray) samples = velm_dataset_expand((const char *const *)paths, error);
  if (!samples)
    return FALSE;
  run->total = samples->len;
  for (guint i = 0; i < samples->len; i++)
    hand_in_path(run, ((VelmSample *)samples->pdata[i])->path);
  return TRUE;
}

/* ---- the run ---- */

static void print_result(const Run *run) {
  g_auto(VelmSubmitted) done = velm_submitter_get(run->submitter);
  if (run->options->json)
    printf("{\"product\":\"%s\",\"images\":%" G_GUINT64_FORMAT ",\"submitted\":%" G_GUINT64_FORMAT
           ",\"known\":%" G_GUINT64_FORMAT ",\"failed\":%" G_GUINT64_FORMAT "}\n",
           run->options->product, run->n, done.taken - done.known, done.known, run->failed);
  else
    printf("%" G_GUINT64_FORMAT " handed in, %" G_GUINT64_FORMAT
           " there already, %" G_GUINT64_FORMAT " failed\n",
           done.taken - done.known, done.known, run->failed);
}

static gboolean open_shared(const Options *options, VelmImageSource **source, GError **error) {
  const VelmCliReferences references = {.shared = options->shared};
  return !options->shared || (*source = velm_cli_open_references(&references, error));
}

static gboolean submit(Run *run, char **paths, GError **error) {
  g_autoptr(VelmImageSource) source = NULL;
  if (!open_shared(run->options, &source, error))
    return FALSE;
  g_autoptr(VelmBroker) broker =
      velm_cli_connect_broker(&run->options->broker, "velm submit", FALSE, error);
  if (!broker || !velm_streams_ensure(broker, NULL, error))
    return FALSE;
  g_autoptr(VelmSubmitter) submitter = velm_submitter_new(broker, error);
  if (!submitter)
    return FALSE;
  run->submitter = submitter;
  run->source = source;
  run->most = velm_plant_job_most(broker);
  if (!hand_in_all(run, paths, error) || !velm_submitter_finish(submitter, error))
    return FALSE;
  print_result(run);
  return TRUE;
}

int velm_cli_submit(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  if (!options.product || (!arguments[0]) == !options.from_stdin) {
    fprintf(stderr, "velm submit: name %s\n",
            options.product ? "images, or --stdin" : "the product with --product");
    return VELM_CLI_USAGE;
  }
  Run run = {.options = &options};
  g_autoptr(GError) error = NULL;
  if (!submit(&run, arguments, &error))
    return velm_cli_fail(error);
  return run.failed ? VELM_CLI_FAILED : VELM_CLI_OK;
}
