/* The command: main.c picks the subcommand, each of which is a file of its own. */
#pragma once

#include "classify/classifier.h"
#include "evaluate/run.h"
#include "plant/broker.h"
#include "plant/front.h"
#include "plant/image_source.h"
#include "serve/station.h"
#include "velm.h"

/* Exit codes of every subcommand. */
enum {
  VELM_CLI_OK = 0,
  VELM_CLI_FAILED = 1, /* what was asked for failed, in whole or for some of the images */
  VELM_CLI_USAGE = 2,  /* it was asked for wrongly */
};

/* One row of the command's table. @run: argv[0] is the subcommand's name. */
typedef struct {
  const char *name, *synopsis, *summary;
  int (*run)(int argc, char **argv);
} VelmCommand;

extern const VelmCommand velm_cli_commands[];
extern const gsize velm_cli_n_commands;

int velm_cli_fit(int argc, char **argv);
int velm_cli_teach(int argc, char **argv);
int velm_cli_inspect(int argc, char **argv);
int velm_cli_evaluate(int argc, char **argv);
int velm_cli_evaluate_predictions(int argc, char **argv);
int velm_cli_evaluate_compare(int argc, char **argv);
int velm_cli_ablate(int argc, char **argv);
int velm_cli_prompt(int argc, char **argv);
int velm_cli_dataset(int argc, char **argv);
int velm_cli_demo(int argc, char **argv);
int velm_cli_info(int argc, char **argv);
int velm_cli_spec(int argc, char **argv);
int velm_cli_serve(int argc, char **argv);
int velm_cli_worker(int argc, char **argv);
int velm_cli_plant(int argc, char **argv);
int velm_cli_plant_init(int argc, char **argv);
int velm_cli_plant_publish(int argc, char **argv);
int velm_cli_plant_products(int argc, char **argv);
int velm_cli_plant_versions(int argc, char **argv);
int velm_cli_plant_use(int argc, char **argv);
int velm_cli_plant_prune(int argc, char **argv);
int velm_cli_submit(int argc, char **argv);
int velm_cli_plant(int argc, char **argv);
int velm_cli_plant_llm(int argc, char **argv);
int velm_cli_plant_dead(int argc, char **argv);
int velm_cli_store(int argc, char **argv);
int velm_cli_top(int argc, char **argv);

/* What the command line says of the language model. */
typedef struct {
  char *endpoint, *llm, *key_file, *ca_file, *wording, *regions, *normal_image, *cache, *prices,
      *serve_llm, *mmproj;
  double budget;
  int in_flight, timeout_s, examples;
  gboolean offline;
} VelmCliLlm;

/** The option group that fills @llm, with the heading "Language model". Returns: (transfer full).
 */
GOptionGroup *velm_cli_llm_options(VelmCliLlm *llm);
/** Checks the numbers, and hands the options over; strings are borrowed. Returns: FALSE after
 * saying what is wrong. */
gboolean velm_cli_llm_params(const VelmCliLlm *llm, VelmClassifierParams *params);
void velm_cli_llm_clear(VelmCliLlm *llm);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCliLlm, velm_cli_llm_clear)

/**
 * Parses the options of a subcommand; help and mistakes are printed. @usage: what follows the
 * subcommand's name.
 * @entries: NULL-terminated
 * @groups: (element-type GOptionGroup) (transfer full) (nullable): further options, each group
 * under a heading of its own; NULL-terminated
 * @min, @max: number of arguments that may be left; @max under 0 for any
 * @exit_code: (out): set where the caller is to return at once
 * Returns: (transfer full): the arguments that are left, or NULL to return @exit_code
 */
char **velm_cli_parse(int argc, char **argv, const char *usage, const char *summary,
                      const GOptionEntry *entries, int min, int max, int *exit_code);
char **velm_cli_parse_with(int argc, char **argv, const char *usage, const char *summary,
                           const GOptionEntry *entries, GOptionGroup *const *groups, int min,
                           int max, int *exit_code);

/* What the command line says of the detector ddad. */
typedef struct {
  char *denoiser;
  int steps, samples, start;
  double budget_ms, guidance;
} VelmCliDdad;

/** The option group that fills @ddad, with the heading "Diffusion". Returns: (transfer full). */
GOptionGroup *velm_cli_ddad_options(VelmCliDdad *ddad);
/** Hands the options over to @params, whose detector is set; strings are borrowed. Returns: FALSE
 * with VELM_ERROR_USAGE where the detector is another. */
gboolean velm_cli_ddad_params(const VelmCliDdad *ddad, VelmFitParams *params, GError **error);
void velm_cli_ddad_clear(VelmCliDdad *ddad);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCliDdad, velm_cli_ddad_clear)

/* What the command line says of the products of a station or a worker. @by_name: set by the
 * subcommand: a product may be named alone, and its model is to come. */
typedef struct {
  char *model, *spec, *classifier;
  char **products;
  int parallel, queue;
  gint64 megapixels;
  gboolean by_name;
} VelmCliProducts;

/** The option group that fills @products, with the heading "Products". Returns: (transfer full). */
GOptionGroup *velm_cli_product_options(VelmCliProducts *products);
/** Returns: FALSE after saying what is wrong. */
gboolean velm_cli_check_products(const VelmCliProducts *products);
/** Adds them to @station. @base: how they inspect, where the options do not say otherwise; its
 * strings must outlive the station. */
gboolean velm_cli_add_products(VelmStation *station, const VelmCliProducts *products,
                               const VelmInspectorParams *base, GError **error);
void velm_cli_products_clear(VelmCliProducts *products);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCliProducts, velm_cli_products_clear)

/** Opens the station of @data, or, where @database is not NULL, of the store that is shared there,
 * as
 * @name (default: this machine's). Returns: (transfer full): NULL as velm_station_new(). */
VelmStation *velm_cli_open_station(const char *data, const char *database, const char *name,
                                   GError **error);
/** A write to who has gone, or past a limit of file size, fails like any other from here on. */
void velm_cli_ignore_write_signals(void);
/** Says @ready and when each product is, and returns at SIGTERM or SIGINT; SIGHUP has models and
 * specs read again. @station: started */
void velm_cli_run_station(VelmStation *station, const char *ready);

/* What the command line says of the broker. */
typedef struct {
  char *url, *credentials, *ca;
} VelmCliBroker;

/** The option group that fills @broker, with the heading "Broker". Returns: (transfer full). */
GOptionGroup *velm_cli_broker_options(VelmCliBroker *broker);
/** Connects to it. @name: what it calls this connection; @patient: as in VelmBrokerParams. Returns:
 * (transfer full): NULL with VELM_ERROR_USAGE where none is named, else as velm_broker_connect().
 */
VelmBroker *velm_cli_connect_broker(const VelmCliBroker *broker, const char *name, gboolean patient,
                                    GError **error);
void velm_cli_broker_clear(VelmCliBroker *broker);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCliBroker, velm_cli_broker_clear)

/* What the command line says of images by reference. */
typedef struct {
  char *shared, *s3_endpoint;
  char **allowed, **s3_buckets;
} VelmCliReferences;

/** The option group that fills @references, with the heading "Images by reference". Returns:
 * (transfer full). */
GOptionGroup *velm_cli_reference_options(VelmCliReferences *references);
/** Returns: (transfer full): NULL as velm_image_source_new(). */
VelmImageSource *velm_cli_open_references(const VelmCliReferences *references, GError **error);
void velm_cli_references_clear(VelmCliReferences *references);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCliReferences, velm_cli_references_clear)

/** Whether these go with a station that is a front of the plant. Returns: FALSE after saying what
 * is wrong. */
gboolean velm_cli_check_front(const VelmCliProducts *products, const VelmCliLlm *llm);
/** Makes @station, without products yet, a front of the plant. Returns: borrowed: the link; NULL
 * with the error. */
VelmLink *velm_cli_add_front(VelmStation *station, const VelmCliProducts *products,
                             const VelmFrontParams *params, GError **error);

/** Prints "velm: message" on stderr, clear of the progress line. Returns: the exit code for it. */
int velm_cli_fail(const GError *error);

/** `velm fit --add`: adds the good images of @directory to the model at @model_path, and writes it
 * to
 * @output, or in place where that is NULL. Returns: the exit code. */
int velm_cli_fit_add(const char *model_path, const char *directory, const char *output);

/** Reports what a run could not inspect, and prints its figures as text or JSON. Returns: the exit
 * code. */
int velm_cli_print_run(const VelmRun *run, gboolean json);
