/* velm plant publish, products, versions, use, prune: the catalog of models and specs. */
#include "act/spec.h"
#include "cli/cli.h"
#include "core/json.h"
#include "plant/catalog.h"

#include <stdio.h>

#define SHOWN_DIGITS 12

typedef struct {
  char *product, *note;
  int version;
  gboolean json;
  VelmCliBroker broker;
} Options;

static void options_clear(Options *options) {
  g_free(options->product);
  g_free(options->note);
  velm_cli_broker_clear(&options->broker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* @entries: NULL-terminated. Returns: as velm_cli_parse(). */
static char **parse(int argc, char **argv, const char *usage, const char *summary, Options *options,
                    const GOptionEntry *entries, int min, int max, int *code) {
  return velm_cli_parse_with(argc, argv, usage, summary, entries,
                             (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL},
                             min, max, code);
}

static GOptionEntry product_option(Options *options) {
  return (GOptionEntry){"product",       0,     0, G_OPTION_ARG_STRING, &options->product,
                        "Which product", "NAME"};
}

static GOptionEntry json_option(Options *options) {
  return (GOptionEntry){"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL};
}

static gboolean has_product(const Options *options, const char *command) {
  if (options->product)
    return TRUE;
  fprintf(stderr, "velm %s: name the product with --product\n", command);
  return FALSE;
}

/* Both (transfer full); the broker outlives the catalog. */
typedef struct {
  VelmBroker *broker;
  VelmCatalog *catalog;
} Opened;

static void opened_clear(Opened *opened) {
  velm_catalog_free(opened->catalog);
  velm_broker_free(opened->broker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Opened, opened_clear)

static gboolean open_catalog(const Options *options, Opened *opened, GError **error) {
  opened->broker = velm_cli_connect_broker(&options->broker, "velm plant", FALSE, error);
  opened->catalog = opened->broker ? velm_catalog_open(opened->broker, error) : NULL;
  return opened->catalog != NULL;
}

static char *who(void) { return g_strdup_printf("%s@%s", g_get_user_name(), g_get_host_name()); }

/* ---- printing ---- */

static char *short_sha256(const VelmCatalogFile *file) {
  return file->sha256 ? g_strndup(file->sha256, SHOWN_DIGITS) : g_strdup("the model's");
}

static void print_version(const VelmCatalogVersion *version) {
  g_autofree char *model = short_sha256(&version->model), *spec = short_sha256(&version->spec);
  printf("%s  version %" G_GINT64_FORMAT "  model %s  spec %s  %s  %s%s%s\n", version->product,
         version->version, model, spec, version->time ? version->time : "-",
         version->who ? version->who : "-", version->note ? "  " : "",
         version->note ? version->note : "");
}

static void print_json(const GPtrArray *versions) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_array(builder);
  for (guint i = 0; i < versions->len; i++) {
    const VelmCatalogVersion *version = versions->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "product", version->product);
    velm_catalog_version_build(builder, version);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  g_autofree char *json = velm_json_print(builder, TRUE);
  printf("%s\n", json);
}

static int print_versions(const GPtrArray *versions, gboolean json) {
  if (json)
    print_json(versions);
  for (guint i = 0; !json && i < versions->len; i++)
    print_version(versions->pdata[i]);
  return VELM_CLI_OK;
}

static int print_published(const VelmCatalogVersion *version, gboolean known) {
  printf("%s: version %" G_GINT64_FORMAT " %s\n", version->product, version->version,
         known ? "has just these already" : "is published");
  return VELM_CLI_OK;
}

/* ---- publish ---- */

/* Workers would refuse it one after the other. @spec: (nullable). */
static gboolean check_files(const char *model_path, const char *spec_path, GError **error) {
  VelmInspectorParams params = velm_inspector_params_default();
  g_autoptr(VelmModel) model = velm_model_load(model_path, error);
  g_autoptr(VelmSpec) spec = model && spec_path ? velm_spec_load(spec_path, error) : NULL;
  if (!model || (spec_path && !spec))
    return FALSE;
  g_autoptr(VelmInspector) inspector = velm_inspector_new(model, spec, &params, error);
  return inspector != NULL;
}

static gboolean publish(const Options *options, char **paths, GError **error) {
  g_auto(Opened) opened = {0};
  g_autofree char *by = who();
  const VelmCatalogFiles files = {paths[0], paths[1], by, options->note};
  gboolean known = FALSE;
  if (!velm_product_check_name(options->product, error) ||
      !check_files(files.model, files.spec, error) || !open_catalog(options, &opened, error))
    return FALSE;
  g_autoptr(VelmCatalogVersion) version =
      velm_catalog_publish(opened.catalog, options->product, &files, &known, error);
  return version && print_published(version, known) == VELM_CLI_OK;
}

int velm_cli_plant_publish(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {product_option(&options),
                                  {"note", 0, 0, G_OPTION_ARG_STRING, &options.note,
                                   "What it is for, kept with the version", "TEXT"},
                                  G_OPTION_ENTRY_NULL};
  g_auto(GStrv) paths =
      parse(argc, argv, "--nats URL --product NAME MODEL.velm [SPEC.yaml]",
            "Gives the workers of a product a model, and a spec where it is not the model's own: "
            "the next version of the\n"
            "product. They inspect with what they have until they have fetched and opened it.",
            &options, entries, 1, 2, &code);
  if (!paths || !has_product(&options, argv[0]))
    return code;
  g_autoptr(GError) error = NULL;
  return publish(&options, paths, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}

/* ---- products, versions ---- */

/* @product: NULL for each product's current version. */
static int list(const Options *options, const char *product) {
  g_auto(Opened) opened = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) versions = NULL;
  if (open_catalog(options, &opened, &error))
    versions = product ? velm_catalog_list_versions(opened.catalog, product, &error)
                       : velm_catalog_list(opened.catalog, &error);
  return versions ? print_versions(versions, options->json) : velm_cli_fail(error);
}

int velm_cli_plant_products(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {json_option(&options), G_OPTION_ENTRY_NULL};
  g_auto(GStrv) left = parse(argc, argv, "--nats URL",
                             "Lists what the workers of each product have: version, model and "
                             "spec by their SHA-256, who published it and\n"
                             "when.",
                             &options, entries, 0, 0, &code);
  return left ? list(&options, NULL) : code;
}

int velm_cli_plant_versions(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {product_option(&options), json_option(&options),
                                  G_OPTION_ENTRY_NULL};
  g_auto(GStrv) left = parse(argc, argv, "--nats URL --product NAME",
                             "Lists the last 20 versions of a product, the current one first.",
                             &options, entries, 0, 0, &code);
  return left && has_product(&options, argv[0]) ? list(&options, options.product) : code;
}

/* ---- use ---- */

static gboolean use(const Options *options, GError **error) {
  g_auto(Opened) opened = {0};
  g_autofree char *by = who();
  gboolean known = FALSE;
  if (!open_catalog(options, &opened, error))
    return FALSE;
  g_autoptr(VelmCatalogVersion) version =
      velm_catalog_use(opened.catalog, options->product, options->version, by, &known, error);
  return version && print_published(version, known) == VELM_CLI_OK;
}

int velm_cli_plant_use(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  const GOptionEntry entries[] = {
      product_option(&options),
      {"version", 0, 0, G_OPTION_ARG_INT, &options.version, "Which of its last 20 versions", "N"},
      G_OPTION_ENTRY_NULL};
  g_auto(GStrv) left = parse(argc, argv, "--nats URL --product NAME --version N",
                             "Goes back: publishes what a product had as its next version.",
                             &options, entries, 0, 0, &code);
  if (!left || !has_product(&options, argv[0]))
    return code;
  if (options.version <= 0) {
    fprintf(stderr, "velm %s: name the version with --version\n", argv[0]);
    return VELM_CLI_USAGE;
  }
  g_autoptr(GError) error = NULL;
  return use(&options, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}

/* ---- prune ---- */

int velm_cli_plant_prune(int argc, char **argv) {
  g_auto(Options) options = {0};
  g_auto(Opened) opened = {0};
  g_autoptr(GError) error = NULL;
  int code = VELM_CLI_USAGE;
  guint removed = 0;
  const GOptionEntry entries[] = {G_OPTION_ENTRY_NULL};
  g_auto(GStrv) left = parse(argc, argv, "--nats URL",
                             "Removes the models and specs that are not among the last 20 versions "
                             "of any product, but for those\n"
                             "that were sent within the last hour.",
                             &options, entries, 0, 0, &code);
  if (!left)
    return code;
  if (!open_catalog(&options, &opened, &error) ||
      !velm_catalog_prune(opened.catalog, &removed, &error))
    return velm_cli_fail(error);
  printf("%u files removed\n", removed);
  return VELM_CLI_OK;
}
