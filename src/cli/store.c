/* velm store: what a store holds, and its way to a database that many machines share. */
#include "act/store.h"
#include "cli/cli.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: velm store info DIR|postgresql://...\n"
    "       velm store migrate --from DIR --to postgresql://... --images DIR\n"
    "\n"
    "Says what a station's store holds, or copies it into a database that many machines share.\n";

/* ---- info ---- */

static void print_weeks(JsonBuilder *builder, const GArray *weeks) {
  json_builder_set_member_name(builder, "partitions");
  json_builder_begin_array(builder);
  for (guint i = 0; i < weeks->len; i++) {
    const VelmStoreCount *week = &g_array_index(weeks, VelmStoreCount, i);
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "week", week->name);
    velm_json_set_int(builder, "records", week->count);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void print_json(const VelmStoreInfo *info) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "store", info->name);
  velm_json_set_int(builder, "records", info->size.records);
  velm_json_set_int(builder, "images", info->images);
  velm_json_set_int(builder, "image_bytes", info->size.image_bytes);
  velm_json_set_int(builder, "database_bytes", info->size.database_bytes);
  velm_json_set_int(builder, "schema", info->version);
  if (info->weeks)
    print_weeks(builder, info->weeks);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  printf("%s\n", json);
}

static void print_text(const VelmStoreInfo *info) {
  printf("store       %s\n", info->name);
  printf("records     %" G_GINT64_FORMAT "\n", info->size.records);
  printf("images      %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT " bytes\n", info->images,
         info->size.image_bytes);
  printf("database    %" G_GINT64_FORMAT " bytes\n", info->size.database_bytes);
  printf("schema      version %" G_GINT64_FORMAT "\n", info->version);
  for (guint i = 0; info->weeks && i < info->weeks->len; i++) {
    const VelmStoreCount *week = &g_array_index(info->weeks, VelmStoreCount, i);
    printf("partition   %s, %" G_GINT64_FORMAT " records\n", week->name, week->count);
  }
}

static int info_command(int argc, char **argv) {
  gboolean json = FALSE;
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object", NULL}, G_OPTION_ENTRY_NULL};
  g_auto(GStrv) places = velm_cli_parse(
      argc, argv, "DIR|postgresql://...",
      "Says what a store holds, also while it is in use: the one in a folder (velm serve --data), "
      "or "
      "the one that\nmany machines share (velm serve --database). Nothing is changed.",
      entries, 1, 1, &code);
  if (!places)
    return code;
  g_autoptr(GError) error = NULL;
  g_auto(VelmStoreInfo) info = {0};
  if (!velm_store_read_info(places[0], &info, &error))
    return velm_cli_fail(error);
  (json ? print_json : print_text)(&info);
  return VELM_CLI_OK;
}

/* ---- migrate ---- */

typedef struct {
  char *from, *to, *images, *station;
} MigrateOptions;

static void migrate_options_clear(MigrateOptions *options) {
  g_free(options->from);
  g_free(options->to);
  g_free(options->images);
  g_free(options->station);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateOptions, migrate_options_clear)

static gboolean check(const MigrateOptions *options) {
  if (options->from && options->to && options->images)
    return TRUE;
  fprintf(stderr, "velm store migrate: name the station's folder with --from, the database with "
                  "--to, and the folder of images with --images\n");
  return FALSE;
}

/* Models that were made at the station, and specs that were changed there, which lie beside the
 * images. What is there stays. */
static gboolean copy_files(const MigrateOptions *options, const char *folder, GError **error) {
  g_autofree char *from = g_build_filename(options->from, folder, NULL);
  g_autofree char *to = g_build_filename(options->images, folder, NULL);
  if (!g_file_test(from, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autoptr(GPtrArray) names = velm_file_list(from, error);
  gboolean ok = names && velm_file_make_folder(to, error);
  for (guint i = 0; ok && i < names->len; i++) {
    g_autofree char *original = g_build_filename(from, names->pdata[i], NULL);
    g_autofree char *copy = g_build_filename(to, names->pdata[i], NULL);
    if (g_file_test(copy, G_FILE_TEST_EXISTS))
      continue;
    g_autoptr(GBytes) bytes = velm_file_read(original, error);
    ok = bytes &&
         velm_file_write(copy, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
  }
  return ok;
}

static void report(const VelmStoreCopied *copied) {
  for (guint i = 0; i < copied->faults->len; i++)
    velm_log_line("velm: %s", (const char *)copied->faults->pdata[i]);
  if (copied->n_faults > copied->faults->len)
    velm_log_line("velm: and %" G_GINT64_FORMAT " more", copied->n_faults - copied->faults->len);
  printf("%" G_GINT64_FORMAT " records copied, %" G_GINT64_FORMAT
         " were there already, %" G_GINT64_FORMAT " failed\n",
         copied->copied, copied->existed, copied->n_faults);
}

static gboolean migrate(const MigrateOptions *options, VelmStoreCopied *copied, GError **error) {
  g_auto(VelmStoreInfo) info = {0};
  /* Opening would make one where there is none. */
  if (velm_store_is_address(options->from)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--from is a station's folder");
    return FALSE;
  }
  if (!velm_store_read_info(options->from, &info, error))
    return FALSE;
  g_autoptr(VelmStore) from = velm_store_open(options->from, error);
  g_autoptr(VelmStore) to =
      from ? velm_store_open_shared(options->images, options->to,
                                    options->station ? options->station : g_get_host_name(), error)
           : NULL;
  return to && copy_files(options, "models", error) && copy_files(options, "specs", error) &&
         velm_store_copy(from, to, velm_log_progress, NULL, copied, error);
}

static int migrate_command(int argc, char **argv) {
  g_auto(MigrateOptions) options = {0};
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {
      {"from", 0, 0, G_OPTION_ARG_FILENAME, &options.from,
       "The station's folder, which no station may be using; its records stay as they are", "DIR"},
      {"to", 0, 0, G_OPTION_ARG_STRING, &options.to,
       "The shared database; its tables are made where there are none", "postgresql://..."},
      {"images", 0, 0, G_OPTION_ARG_FILENAME, &options.images,
       "The folder of the shared store's images, which all of its machines see", "DIR"},
      {"station", 0, 0, G_OPTION_ARG_STRING, &options.station,
       "The station that goes on with the queue, and that records are of which name none (default: "
       "this machine's name)",
       "NAME"},
      G_OPTION_ENTRY_NULL};
  g_auto(GStrv) rest = velm_cli_parse(
      argc, argv, "--from DIR --to postgresql://... --images DIR",
      "Copies a station's store into one that many machines share: records with their reviews and "
      "images, specs,\nversions of models, the audit log and the queue. It can be given up and "
      "begun "
      "again: what is there already is\nleft as it is. A record whose image is damaged is named, "
      "and "
      "the others go on; the exit status is 1 then.",
      entries, 0, 0, &code);
  if (!rest)
    return code;
  if (!check(&options))
    return VELM_CLI_USAGE;
  g_autoptr(GError) error = NULL;
  g_auto(VelmStoreCopied) copied = {0};
  gboolean ok = migrate(&options, &copied, &error);
  if (copied.faults)
    report(&copied);
  if (!ok)
    return velm_cli_fail(error);
  return copied.n_faults > 0 ? VELM_CLI_FAILED : VELM_CLI_OK;
}

/* ---- the two ---- */

int velm_cli_store(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  gboolean help = g_str_equal(name, "--help") || g_str_equal(name, "-h");
  g_autofree char *full = g_strconcat("velm store ", name, NULL);
  if (!help)
    g_set_prgname(full); /* for --help */
  if (g_str_equal(name, "info"))
    return info_command(argc - 1, argv + 1);
  if (g_str_equal(name, "migrate"))
    return migrate_command(argc - 1, argv + 1);
  if (!help && *name)
    fprintf(stderr, "velm store: no command \"%s\"\n", name);
  fputs(usage, help ? stdout : stderr);
  return help ? VELM_CLI_OK : VELM_CLI_USAGE;
}
