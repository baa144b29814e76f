/* velm worker: takes a plant's jobs. */
#include "cli/cli.h"
#include "plant/job_link.h"
#include "plant/streams.h"
#include "serve/api.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *data, *database, *role, *name, *listen, *tokens;
  int jobs, max_mb;
  VelmCliBroker broker;
  VelmCliProducts products;
  VelmCliReferences references;
  VelmCliLlm llm;
} Options;

static void options_clear(Options *options) {
  g_free(options->data);
  g_free(options->database);
  g_free(options->role);
  g_free(options->name);
  g_free(options->listen);
  g_free(options->tokens);
  velm_cli_broker_clear(&options->broker);
  velm_cli_products_clear(&options->products);
  velm_cli_references_clear(&options->references);
  velm_cli_llm_clear(&options->llm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"data", 0, 0, G_OPTION_ARG_FILENAME, &options->data,
       "Folder of the images, and of the records where there is no --database; made where there is "
       "none",
       "DIR"},
      {"database", 0, 0, G_OPTION_ARG_STRING, &options->database,
       "The plant's records are in this PostgreSQL database, and --data is a folder of images that "
       "all who use it see. The password may be in PGPASSWORD or a passfile",
       "postgresql://[USER@]HOST[:PORT]/NAME"},
      {"role", 0, 0, G_OPTION_ARG_STRING, &options->role,
       "all (the default): detect and classify; detect: detect, and leave what is suspect to who "
       "classifies; classify: only that",
       "ROLE"},
      {"name", 0, 0, G_OPTION_ARG_STRING, &options->name,
       "What records call this worker (default: the host's name and the process's number)", "NAME"},
      {"jobs", 0, 0, G_OPTION_ARG_INT, &options->jobs,
       "Jobs of a product that are here at once (default: as many as keep it busy)", "N"},
      {"max-megabytes", 0, 0, G_OPTION_ARG_INT, &options->max_mb,
       "Refuse image files of more megabytes (default 64)", "N"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &options->listen,
       "Serve /metrics, /readyz and the page at this address (default: nowhere)", "ADDRESS:PORT"},
      {"tokens", 0, 0, G_OPTION_ARG_FILENAME, &options->tokens, "As for velm serve", "FILE"},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL --product NAME=MODEL.velm --data DIR",
      "Takes a plant's jobs, inspects their images, keeps the records and tells them. A job is "
      "done when its record\n"
      "is on the disk; what this worker leaves undone, another gets. SIGTERM ends it when what it "
      "has is done;\n"
      "SIGHUP has models and specs read again.",
      entries,
      (GOptionGroup *[]){velm_cli_product_options(&options->products),
                         velm_cli_broker_options(&options->broker),
                         velm_cli_reference_options(&options->references),
                         velm_cli_llm_options(&options->llm), NULL},
      0, 0, code);
}

/* ---- roles ---- */

/* What the word of --role means. */
typedef struct {
  const char *name;
  VelmStage stage;
  gboolean pass_on;
} Role;

static const Role roles[] = {{"all", VELM_STAGE_DETECT, FALSE},
                             {"detect", VELM_STAGE_DETECT, TRUE},
                             {"classify", VELM_STAGE_CLASSIFY, FALSE}};

static const Role *find_role(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(roles); i++)
    if (g_str_equal(roles[i].name, name ? name : "all"))
      return &roles[i];
  return NULL;
}

/* ---- the worker ---- */

static gboolean check(const Options *options) {
  if (!options->data)
    fprintf(stderr, "velm worker: name a folder with --data\n");
  else if (!find_role(options->role))
    fprintf(stderr, "velm worker: --role %s: it is to be all, detect or classify\n", options->role);
  else if (options->jobs < 0 || options->max_mb < 0)
    fprintf(stderr, "velm worker: numbers cannot be negative\n");
  else
    return TRUE;
  return FALSE;
}

static char *name_of(const Options *options) {
  return options->name ? g_strdup(options->name)
                       : g_strdup_printf("%s-%d", g_get_host_name(), (int)getpid());
}

/* Enough that the next image is there when one is done; a language model's answers take long. */
static guint most_jobs(const Options *options, const Role *role) {
  if (options->jobs > 0)
    return (guint)options->jobs;
  guint parallel = options->products.parallel > 0 ? (guint)options->products.parallel
                                                  : (guint)g_get_num_processors();
  return role->stage == VELM_STAGE_CLASSIFY ? 16 : 2 * parallel + 4;
}

static void add_links(VelmStation *station, const Options *options, VelmBroker *broker,
                      VelmImageSource *source, const char *name) {
  const Role *role = find_role(options->role);
  const GPtrArray *products = velm_station_get_products(station);
  const VelmJobLinkParams params = {
      .broker = broker,
      .source = source,
      .worker = name,
      .stage = role->stage,
      .pass_on = role->pass_on,
      .most = most_jobs(options, role),
      .most_bytes = (gsize)(options->max_mb > 0 ? options->max_mb : 64) * 1000 * 1000};
  for (guint i = 0; i < products->len; i++)
    velm_station_add_link(station, velm_job_link_new(station, products->pdata[i], &params));
}

/* Returns: FALSE with the error; @api is NULL where none is wanted. */
static gboolean add_api(VelmStation *station, const Options *options, VelmAccess **access,
                        VelmApi **api, GError **error) {
  VelmApiParams params = velm_api_params_default();
  if (!options->listen)
    return TRUE;
  if (options->tokens && !(*access = velm_access_load(options->tokens, error)))
    return FALSE;
  params.access = *access;
  params.http.listen = options->listen;
  return (*api = velm_api_new(station, &params, error)) != NULL;
}

/* Its role decides what is asked of it: who only detects asks nobody for a class. */
static VelmInspectorParams inspector_params(const Options *options,
                                            const VelmInspectorParams *base) {
  VelmInspectorParams params = *base;
  if (find_role(options->role)->pass_on)
    params.classifier = "none";
  return params;
}

static gboolean work(const Options *options, const VelmInspectorParams *base, GError **error) {
  g_autofree char *name = name_of(options);
  g_autofree char *ready = NULL;
  const VelmInspectorParams inspector = inspector_params(options, base);
  g_autoptr(VelmImageSource) source = velm_cli_open_references(&options->references, error);
  g_autoptr(VelmBroker) broker =
      source ? velm_cli_connect_broker(&options->broker, name, TRUE, error) : NULL;
  g_autoptr(VelmAccess) access = NULL;
  g_autoptr(VelmStation) station =
      broker ? velm_cli_open_station(options->data, options->database, name, error) : NULL;
  g_autoptr(VelmApi) api = NULL;
  if (!station || !velm_cli_add_products(station, &options->products, &inspector, error))
    return FALSE;
  add_links(station, options, broker, source, name);
  if (!add_api(station, options, &access, &api, error))
    return FALSE;
  velm_station_start(station);
  ready =
      api ? g_strdup_printf("worker %s takes jobs from %s, and is seen at %s", name,
                            velm_broker_get_shown(broker), velm_api_get_url(api))
          : g_strdup_printf("worker %s takes jobs from %s", name, velm_broker_get_shown(broker));
  velm_cli_run_station(station, ready);
  return TRUE;
}

int velm_cli_worker(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  VelmInspectorParams inspector = velm_inspector_params_default();
  if (!check(&options) || !velm_cli_check_products(&options.products) ||
      !velm_cli_llm_params(&options.llm, &inspector.llm))
    return VELM_CLI_USAGE;
  velm_cli_ignore_write_signals();
  g_autoptr(GError) error = NULL;
  return work(&options, &inspector, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}
