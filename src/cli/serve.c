/* velm serve: the station. */
#include "cli/cli.h"
#include "core/file.h"
#include "core/http_prefix.h"
#include "core/secret_file.h"
#include "plant/presence.h"
#include "serve/api.h"
#include "serve/callback_link.h"
#include "serve/camera_link.h"
#include "serve/folder_link.h"
#include "serve/key.h"
#include "serve/modbus_link.h"
#include "serve/mqtt_link.h"
#include "serve/upkeep_link.h"
#include "serve/webhook_link.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MOST_PEM (1024 * 1024)
#define MOST_KEY 4096
#define MOST_DAYS 100000
#define MOST_GB 1000000
/* Files besides those of connections: the store's, the models', the networks'. */
#define OTHER_FILES 256
/* What a front that ends leaves to images whose records are to come. */
#define GRACE_S 10

typedef struct {
  char *database, *name; /* of the shared store, of the station in it */
  char *listen, *backup, *modbus, *webhook, *webhook_key_file, *data, *tokens, *tls;
  char *shared, *mqtt, *mqtt_topic, *mqtt_ca, *mqtt_password_file, *mqtt_client, *mqtt_images;
  char **folders, **cameras, **callbacks;
  int max_mb;
  double rate, keep_days, keep_gb;
  VelmCliProducts products;
  VelmCliBroker broker;
  VelmCliLlm llm;
} Options;

static void options_clear(Options *options) {
  g_free(options->database);
  g_free(options->name);
  g_free(options->listen);
  g_free(options->backup);
  g_free(options->modbus);
  g_free(options->webhook);
  g_free(options->webhook_key_file);
  g_free(options->data);
  g_free(options->tokens);
  g_free(options->tls);
  g_free(options->shared);
  g_free(options->mqtt);
  g_free(options->mqtt_topic);
  g_free(options->mqtt_ca);
  g_free(options->mqtt_password_file);
  g_free(options->mqtt_client);
  g_free(options->mqtt_images);
  g_strfreev(options->folders);
  g_strfreev(options->cameras);
  g_strfreev(options->callbacks);
  velm_cli_products_clear(&options->products);
  velm_cli_broker_clear(&options->broker);
  velm_cli_llm_clear(&options->llm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"watch", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->folders,
       "A folder whose images are taken once each, and then moved to \"taken\" there; NAME may be "
       "left out where there is one product",
       "[NAME=]DIR"},
      {"camera", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->cameras,
       "A GenICam camera (GigE Vision, USB3 Vision), by its id or address, whose frames are taken; "
       "may be given several times. Settings: trigger=free (the default), software or hardware "
       "(source=Line1), rate=FRAMES_PER_SECOND, exposure=MICROSECONDS, gain=, format= (default: "
       "Mono8, else the best that can be used), packet=BYTES, queue=IMAGES that may wait (default "
       "1000)",
       "[NAME=]ID[,key=value...]"},
      {"modbus", 0, 0, G_OPTION_ARG_STRING, &options->modbus,
       "Give a PLC the verdicts by Modbus TCP at this address", "ADDRESS:PORT"},
      {"mqtt", 0, 0, G_OPTION_ARG_STRING, &options->mqtt,
       "Take images from this MQTT broker, and send it each record; mqtts://HOST[:8883] for TLS",
       "mqtt://[USER@]HOST[:1883]"},
      {"mqtt-topic", 0, 0, G_OPTION_ARG_STRING, &options->mqtt_topic,
       "What its topics begin with: PREFIX/PRODUCT/inspect, /record and /rejected, PREFIX/status "
       "(default velm)",
       "PREFIX"},
      {"mqtt-ca", 0, 0, G_OPTION_ARG_FILENAME, &options->mqtt_ca,
       "Certificate of the broker's authority, a PEM file (default: the system's)", "FILE"},
      {"mqtt-password-file", 0, 0, G_OPTION_ARG_FILENAME, &options->mqtt_password_file,
       "The user's password is in this file (default: the environment's VELM_MQTT_PASSWORD, where "
       "there is one)",
       "FILE"},
      {"mqtt-client", 0, 0, G_OPTION_ARG_STRING, &options->mqtt_client,
       "The station's name at the broker, which no other may have (default: made up once)", "ID"},
      {"mqtt-images", 0, 0, G_OPTION_ARG_FILENAME, &options->mqtt_images,
       "Messages may name images by their path in this folder (default: none)", "DIR"},
      {"webhook", 0, 0, G_OPTION_ARG_STRING, &options->webhook,
       "Send each record, in order, to this address", "URL"},
      {"callbacks", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->callbacks,
       "Who hands an image in may have its record sent to this address and those below it; may be "
       "given several times",
       "URL"},
      {"webhook-key-file", 0, 0, G_OPTION_ARG_FILENAME, &options->webhook_key_file,
       "Sign what is sent with the key in this file (default: the environment's VELM_WEBHOOK_KEY, "
       "where there is one)",
       "FILE"},
      {"shared", 0, 0, G_OPTION_ARG_FILENAME, &options->shared,
       "Of a front: folder that the plant's workers share, for images that are larger than the "
       "broker takes",
       "DIR"},
      {"data", 0, 0, G_OPTION_ARG_FILENAME, &options->data,
       "Folder of the records and images; made where there is none", "DIR"},
      {"database", 0, 0, G_OPTION_ARG_STRING, &options->database,
       "Share the store with other stations: records are in this PostgreSQL database, and --data "
       "is "
       "a folder of images that all of them see. The password may be in PGPASSWORD or a passfile",
       "postgresql://[USER@]HOST[:PORT]/NAME"},
      {"station", 0, 0, G_OPTION_ARG_STRING, &options->name,
       "What records call this station; in a shared store no other has its name (default there: "
       "this machine's)",
       "NAME"},
      {"keep-days", 0, 0, G_OPTION_ARG_DOUBLE, &options->keep_days,
       "Remove records that are older, but for those that a person has reviewed (default: keep "
       "all)",
       "N"},
      {"keep-gigabytes", 0, 0, G_OPTION_ARG_DOUBLE, &options->keep_gb,
       "Remove the oldest records where they take more, but for those that a person has reviewed "
       "(default: keep all)",
       "N"},
      {"backup", 0, 0, G_OPTION_ARG_FILENAME, &options->backup,
       "Copy records and images to this folder each day, and when the station starts", "DIR"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &options->listen,
       "Address and port (default 127.0.0.1:8080)", "ADDRESS:PORT"},
      {"tls", 0, 0, G_OPTION_ARG_FILENAME, &options->tls,
       "Serve HTTPS with this certificate and its key, PEM files", "CERT,KEY"},
      {"tokens", 0, 0, G_OPTION_ARG_FILENAME, &options->tokens,
       "Who may do what: a file of lines ROLE NAME TOKEN, with the roles line, operator and "
       "engineer. Without one only this machine is listened to",
       "FILE"},
      {"max-megabytes", 0, 0, G_OPTION_ARG_INT, &options->max_mb,
       "Refuse image files of more megabytes (default 64)", "N"},
      {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &options->rate,
       "Requests a second of one address, on average (default 500)", "N"},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "-m MODEL.velm --data DIR",
      "Runs a station: images come in over HTTP, are inspected, and are kept with their records; a "
      "page shows them\n"
      "and takes reviews. GET /openapi.yaml describes the API. SIGTERM ends it when what was "
      "handed "
      "in is done;\n"
      "SIGHUP has models and specs read again. With --nats the station is a front of the plant: "
      "its "
      "images become\n"
      "the workers' jobs, and --product NAME[,SPEC.yaml] names what they show.",
      entries,
      (GOptionGroup *[]){velm_cli_product_options(&options->products),
                         velm_cli_broker_options(&options->broker),
                         velm_cli_llm_options(&options->llm), NULL},
      0, 0, code);
}

/* ---- links ---- */

/* The product whose images come from @source, the value of @option: [NAME=]REST. @rest: (out):
 * within @source. */
static VelmProduct *product_of(const VelmStation *station, const char *option, const char *source,
                               const char **rest, GError **error) {
  const GPtrArray *products = velm_station_get_products(station);
  const char *equals = strchr(source, '=');
  g_autofree char *name = equals ? g_strndup(source, (gsize)(equals - source)) : NULL;
  VelmProduct *product = name ? velm_station_find_product(station, name) : NULL;
  *rest = product ? equals + 1 : source;
  if (product || products->len == 1)
    return product ? product : products->pdata[0];
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s %s: it is to begin with NAME=, the name of a product", option, source);
  return NULL;
}

/* Returns: FALSE where a link is wanted and there is none. @link: (transfer full) (nullable). */
static gboolean add_link(VelmStation *station, VelmLink *link) {
  if (link)
    velm_station_add_link(station, link);
  return link != NULL;
}

static gboolean add_modbus(VelmStation *station, const Options *options, GError **error) {
  if (!options->modbus)
    return TRUE;
  return add_link(station, velm_modbus_link_new(station, options->modbus, error));
}

/* @most: bytes of an image's file. */
static gboolean add_mqtt(VelmStation *station, const Options *options, gsize most, GError **error) {
  if (!options->mqtt)
    return TRUE;
  char *password = options->mqtt_password_file
                       ? velm_secret_file_read_key(options->mqtt_password_file, MOST_KEY, error)
                       : g_strdup(g_getenv("VELM_MQTT_PASSWORD"));
  const VelmMqttParams params = {.url = options->mqtt,
                                 .prefix = options->mqtt_topic ? options->mqtt_topic : "velm",
                                 .ca = options->mqtt_ca,
                                 .password = password,
                                 .client = options->mqtt_client,
                                 .images = options->mqtt_images,
                                 .most = most};
  gboolean ok = (password || !options->mqtt_password_file) &&
                add_link(station, velm_mqtt_link_new(station, &params, error));
  velm_secret_free(password);
  return ok;
}

static gboolean add_upkeep(VelmStation *station, const Options *options) {
  const VelmRetention retention = {.max_age =
                                       (gint64)(options->keep_days * (double)G_TIME_SPAN_DAY),
                                   .max_bytes = (gint64)(options->keep_gb * 1e9)};
  return add_link(station, velm_upkeep_link_new(station, &retention, options->backup));
}

static gboolean check_callbacks(char **prefixes, GError **error) {
  for (; prefixes && *prefixes; prefixes++)
    if (!velm_http_prefix_check(*prefixes, error)) {
      g_prefix_error(error, "--callbacks ");
      return FALSE;
    }
  return TRUE;
}

static gboolean add_hooks(VelmStation *station, const Options *options, GError **error) {
  char *key = options->webhook_key_file
                  ? velm_secret_file_read_key(options->webhook_key_file, MOST_KEY, error)
                  : g_strdup(g_getenv("VELM_WEBHOOK_KEY"));
  gboolean ok = (key || !options->webhook_key_file) && check_callbacks(options->callbacks, error);
  if (ok && options->webhook)
    ok = add_link(station, velm_webhook_link_new(station, options->webhook, key, error));
  if (ok && options->callbacks)
    ok = add_link(station, velm_callback_link_new(station, key, error));
  velm_secret_free(key);
  return ok;
}

static gboolean add_folders(VelmStation *station, const Options *options, GError **error) {
  for (char **folder = options->folders; folder && *folder; folder++) {
    const char *path = NULL;
    VelmProduct *product = product_of(station, "--watch", *folder, &path, error);
    if (!product || !add_link(station, velm_folder_link_new(station, product, path, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean add_cameras(VelmStation *station, const Options *options, GError **error) {
  for (char **camera = options->cameras; camera && *camera; camera++) {
    const char *settings = NULL;
    VelmProduct *product = product_of(station, "--camera", *camera, &settings, error);
    if (!product || !add_link(station, velm_camera_link_new(station, product, settings, error)))
      return FALSE;
  }
  return TRUE;
}

/* ---- settings ---- */

/* Each connection is a file. */
static guint raise_file_limit(guint connections) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return connections;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur <= OTHER_FILES + 1)
    return 1;
  return (guint)MIN((rlim_t)connections, limit.rlim_cur - OTHER_FILES);
}

static gboolean read_pem(const char *path, char **text, GError **error) {
  gsize length = 0;
  g_autofree char *contents = velm_file_read_limited(path, MOST_PEM, &length, error);
  *text = contents ? g_strndup(contents, MIN(length, MOST_PEM)) : NULL;
  return *text != NULL;
}

static gboolean read_tls(const Options *options, char **certificate, char **key, GError **error) {
  if (!options->tls)
    return TRUE;
  g_auto(GStrv) paths = g_strsplit(options->tls, ",", 2);
  if (!paths[0] || !paths[1]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "--tls %s: it is to be CERT,KEY, two PEM files", options->tls);
    return FALSE;
  }
  return read_pem(paths[0], certificate, error) && read_pem(paths[1], key, error);
}

/* Each record has it. */
static gboolean is_name(const char *name) {
  return name[0] && strlen(name) <= VELM_STORE_MAX_NAME && velm_text_is_plain(name);
}

static gboolean check(const Options *options) {
  if (!options->data)
    fprintf(stderr, "velm serve: name the folder of the records with --data\n");
  else if (options->backup && options->database)
    fprintf(stderr, "velm serve: a shared store is backed up by pg_dump, not by --backup\n");
  else if (options->name && !is_name(options->name))
    fprintf(stderr, "velm serve: --station is to be a name, of %d bytes at most\n",
            VELM_STORE_MAX_NAME);
  else if (options->max_mb < 0 || options->rate < 0)
    fprintf(stderr, "velm serve: numbers cannot be negative\n");
  else if (!(options->keep_days >= 0 && options->keep_days <= MOST_DAYS) ||
           !(options->keep_gb >= 0 && options->keep_gb <= MOST_GB))
    fprintf(stderr, "velm serve: --keep-days goes up to %d, --keep-gigabytes to %d\n", MOST_DAYS,
            MOST_GB);
  else if (!options->mqtt &&
           (options->mqtt_topic || options->mqtt_ca || options->mqtt_password_file ||
            options->mqtt_client || options->mqtt_images))
    fprintf(stderr, "velm serve: the options --mqtt-... go with --mqtt\n");
  else if (!options->broker.url &&
           (options->broker.credentials || options->broker.ca || options->shared))
    fprintf(stderr, "velm serve: --shared and the options --nats-... go with --nats\n");
  else
    return TRUE;
  return FALSE;
}

static VelmApiParams api_params(const Options *options, const VelmAccess *access) {
  VelmApiParams params = velm_api_params_default();
  params.access = access;
  if (options->listen)
    params.http.listen = options->listen;
  if (options->callbacks)
    params.callbacks = (const char *const *)options->callbacks;
  if (options->max_mb > 0)
    params.max_body = (gsize)options->max_mb * 1000 * 1000;
  if (options->rate > 0)
    params.per_second = options->rate;
  params.http.max_body_memory = MAX(params.http.max_body_memory, 2 * params.max_body);
  params.http.max_connections = raise_file_limit(params.http.max_connections);
  return params;
}

/* A station inspects, or is a front of the plant, if it is told so: an address in the environment
 * alone makes it none. */
static gboolean is_front(const Options *options) { return options->broker.url != NULL; }

static gboolean check_products(const Options *options) {
  return is_front(options) ? velm_cli_check_front(&options->products, &options->llm)
                           : velm_cli_check_products(&options->products);
}

/* What a front needs; all NULL where it is none. @link: borrowed. */
typedef struct {
  VelmBroker *broker;
  VelmImageSource *source;
  VelmLink *link;
} Front;

static void front_clear(Front *front) {
  g_clear_pointer(&front->source, velm_image_source_free);
  g_clear_pointer(&front->broker, velm_broker_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Front, front_clear)

static gboolean open_front(const Options *options, Front *front, GError **error) {
  const VelmCliReferences references = {.shared = options->shared};
  if (!is_front(options))
    return TRUE;
  if (options->shared && !(front->source = velm_cli_open_references(&references, error)))
    return FALSE;
  front->broker = velm_cli_connect_broker(&options->broker, "velm serve", TRUE, error);
  return front->broker != NULL;
}

static gboolean add_products(VelmStation *station, const Options *options,
                             const VelmInspectorParams *base, Front *front, GError **error) {
  if (!front->broker)
    return velm_cli_add_products(station, &options->products, base, error);
  const VelmFrontParams params = {
      .broker = front->broker, .source = front->source, .shared = options->database != NULL};
  front->link = velm_cli_add_front(station, &options->products, &params, error);
  return front->link != NULL;
}

/* The last link: it tells the plant of a front until all others have ended. */
static void add_presence(VelmStation *station, const Options *options, const Front *front) {
  const VelmPresenceParams self = {.broker = front->broker,
                                   .name = options->name ? options->name : g_get_host_name(),
                                   .role = "front"};
  if (front->broker)
    velm_station_add_link(station, velm_presence_link_new(station, &self));
}

static gboolean serve(const Options *options, const VelmInspectorParams *base, GError **error) {
  g_autofree char *certificate = NULL, *key = NULL;
  g_autoptr(VelmAccess) access = NULL;
  if (!read_tls(options, &certificate, &key, error) ||
      (options->tokens && !(access = velm_access_load(options->tokens, error))))
    return FALSE;
  VelmApiParams params = api_params(options, access);
  params.http.certificate = certificate;
  params.http.key = key;
  g_auto(Front) front = {0};
  if (!open_front(options, &front, error))
    return FALSE;
  g_autoptr(VelmStation) station =
      velm_cli_open_station(options->data, options->database, options->name, error);
  if (station && options->name)
    velm_station_set_name(station, options->name);
  if (station)
    velm_station_own_records(station);
  if (!station || !add_products(station, options, base, &front, error) ||
      !add_folders(station, options, error) || !add_cameras(station, options, error) ||
      !add_modbus(station, options, error) || !add_mqtt(station, options, params.max_body, error) ||
      !add_hooks(station, options, error) || !add_upkeep(station, options))
    return FALSE;
  add_presence(station, options, &front);
  g_autoptr(VelmApi) api = velm_api_new(station, &params, error);
  if (!api)
    return FALSE;
  velm_station_start(station);
  g_autofree char *ready = g_strconcat("listening at ", velm_api_get_url(api), NULL);
  velm_cli_run_station(station, ready);
  if (front.link)
    velm_front_end(front.link, GRACE_S);
  return TRUE;
}

int velm_cli_serve(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  VelmInspectorParams inspector = velm_inspector_params_default();
  if (!check(&options) || !check_products(&options) ||
      !velm_cli_llm_params(&options.llm, &inspector.llm))
    return VELM_CLI_USAGE;
  velm_cli_ignore_write_signals();
  g_autoptr(GError) error = NULL;
  return serve(&options, &inspector, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}
