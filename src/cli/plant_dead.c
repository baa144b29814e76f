/* velm plant dead: the jobs that nothing came of. */
#include "cli/cli.h"
#include "core/file.h"
#include "core/json.h"
#include "plant/dead_letter.h"
#include "serve/record_json.h"

#include <stdio.h>

typedef struct {
  char *product, *save;
  gboolean json, again, remove, all;
  VelmCliBroker broker;
} Options;

static void options_clear(Options *options) {
  g_free(options->product);
  g_free(options->save);
  velm_cli_broker_clear(&options->broker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"product", 0, 0, G_OPTION_ARG_STRING, &options->product, "Only those of this product",
       "NAME"},
      {"all", 0, 0, G_OPTION_ARG_NONE, &options->all, "Those that are listed, in place of NUMBERs",
       NULL},
      {"again", 0, 0, G_OPTION_ARG_NONE, &options->again,
       "Hand them in again, and remove them here", NULL},
      {"remove", 0, 0, G_OPTION_ARG_NONE, &options->remove, "Remove them", NULL},
      {"save", 0, 0, G_OPTION_ARG_FILENAME, &options->save,
       "Write the images that they carry to this folder", "DIR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print them as JSON, one a line", NULL},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL [NUMBER...]",
      "Lists the jobs that nothing came of, with the reasons; or hands those that are named in "
      "again, under a\n"
      "new key, once what was wrong is mended.",
      entries, (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL}, 0, -1, code);
}

/* ---- showing ---- */

static void print_json(const VelmDeadLetter *letter) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "number", (gint64)letter->number);
  velm_json_set_time(builder, "time", letter->time);
  velm_json_set_string(builder, "stage", velm_stage_name(letter->stage));
  velm_json_set_string(builder, "product", letter->product);
  velm_json_set_string(builder, "key", letter->key);
  velm_json_set_string(builder, "name", letter->name);
  velm_json_set_string(builder, "reason", letter->reason);
  velm_json_set_string(builder, "worker", letter->worker);
  velm_json_set_int(builder, "tries", (gint64)letter->tries);
  velm_json_set_int(builder, "bytes", (gint64)letter->bytes);
  json_builder_end_object(builder);
  g_autofree char *line = velm_json_print(builder, FALSE);
  puts(line);
}

static void print_text(const VelmDeadLetter *letter) {
  g_autofree char *time = velm_time_text(letter->time);
  printf("%" G_GUINT64_FORMAT "  %s  %s of %s  %s\n    %s\n", letter->number, time,
         velm_stage_name(letter->stage), letter->product, letter->name ? letter->name : "(no name)",
         letter->reason ? letter->reason : "no reason");
}

/* ---- doing ---- */

static gboolean save(VelmBroker *broker, guint64 number, const char *folder, GError **error) {
  g_autoptr(VelmPlantJob) job = NULL;
  g_autoptr(VelmDeadLetter) letter = velm_dead_letter_get(broker, number, &job, error);
  if (!letter)
    return FALSE;
  if (!job || !job->image)
    return TRUE;
  g_autofree char *name = g_path_get_basename(job->name);
  g_autofree char *file = g_strdup_printf("%" G_GUINT64_FORMAT "-%s", number, name);
  g_autofree char *path = g_build_filename(folder, file, NULL);
  return velm_file_write(path, g_bytes_get_data(job->image, NULL), g_bytes_get_size(job->image),
                         error);
}

static gboolean treat(const Options *options, VelmBroker *broker, guint64 number, GError **error) {
  if (options->save && !save(broker, number, options->save, error))
    return FALSE;
  if (options->again) {
    g_autofree char *key = NULL;
    if (!velm_dead_letter_revive(broker, number, &key, error))
      return FALSE;
    printf("%" G_GUINT64_FORMAT " is handed in again as %s\n", number, key);
  }
  return !options->remove || velm_dead_letter_remove(broker, number, error);
}

/* One that cannot be treated keeps no other from it. Returns: whether all were. */
static gboolean treat_one(const Options *options, VelmBroker *broker, guint64 number) {
  g_autoptr(GError) error = NULL;
  if (treat(options, broker, number, &error))
    return TRUE;
  velm_cli_fail(error);
  return FALSE;
}

static gboolean treat_listed(const Options *options, VelmBroker *broker, GPtrArray *letters) {
  gboolean all = TRUE;
  for (guint i = 0; i < letters->len; i++)
    all = treat_one(options, broker, ((VelmDeadLetter *)letters->pdata[i])->number) && all;
  return all;
}

static gboolean treat_named(const Options *options, VelmBroker *broker, char **numbers) {
  gboolean all = TRUE;
  for (char **text = numbers; *text; text++) {
    guint64 number = 0;
    g_autoptr(GError) error = NULL;
    if (g_ascii_string_to_unsigned(*text, 10, 1, G_MAXUINT64, &number, &error)) {
      all = treat_one(options, broker, number) && all;
      continue;
    }
    fprintf(stderr, "velm plant dead: %s: a dead letter has a number\n", *text);
    all = FALSE;
  }
  return all;
}

static void print_all(const Options *options, const GPtrArray *letters) {
  for (guint i = 0; i < letters->len; i++)
    (options->json ? print_json : print_text)(letters->pdata[i]);
  if (!options->json && letters->len == 0)
    puts("there are no dead letters");
}

static int run(const Options *options, char **numbers, GError **error) {
  g_autoptr(VelmBroker) broker =
      velm_cli_connect_broker(&options->broker, "velm plant", FALSE, error);
  if (!broker || !velm_streams_ensure(broker, NULL, error))
    return velm_cli_fail(*error);
  if (numbers[0])
    return treat_named(options, broker, numbers) ? VELM_CLI_OK : VELM_CLI_FAILED;
  g_autoptr(GPtrArray) letters = velm_dead_letters_list(broker, options->product, error);
  if (!letters)
    return velm_cli_fail(*error);
  if (options->all)
    return treat_listed(options, broker, letters) ? VELM_CLI_OK : VELM_CLI_FAILED;
  print_all(options, letters);
  return VELM_CLI_OK;
}

int velm_cli_plant_dead(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) numbers = parse(argc, argv, &options, &code);
  if (!numbers)
    return code;
  gboolean does = options.again || options.remove || options.save;
  if (does != (options.all || numbers[0]) || (options.all && numbers[0]) ||
      (options.again && options.remove)) {
    fprintf(stderr, "velm plant dead: %s\n",
            does ? "name dead letters by their numbers, or --all of them; --again removes them too"
                 : "say what is to be done with them: --again, --remove or --save DIR");
    return VELM_CLI_USAGE;
  }
  g_autoptr(GError) error = NULL;
  return run(&options, numbers, &error);
}
