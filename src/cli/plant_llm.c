/* velm plant llm: shows or sets what a plant may ask of a language model. */
#include "cli/cli.h"
#include "core/json.h"
#include "plant/llm_ledger.h"

#include <math.h>
#include <stdio.h>

typedef struct {
  char *name, *per_minute, *usd_per_day, *usd;
  gboolean json;
  VelmCliBroker broker;
} Options;

static void options_clear(Options *options) {
  g_free(options->name);
  g_free(options->per_minute);
  g_free(options->usd_per_day);
  g_free(options->usd);
  velm_cli_broker_clear(&options->broker);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"name", 0, 0, G_OPTION_ARG_STRING, &options->name,
       "Which allowance (default: " VELM_LLM_DEFAULT ")", "NAME"},
      {"per-minute", 0, 0, G_OPTION_ARG_STRING, &options->per_minute,
       "Requests that all workers together may send in a minute; none for any number", "N"},
      {"usd-per-day", 0, 0, G_OPTION_ARG_STRING, &options->usd_per_day,
       "What they may cost in a day of UTC; none for any sum", "USD"},
      {"usd", 0, 0, G_OPTION_ARG_STRING, &options->usd,
       "What they may cost in all; none for any sum", "USD"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL",
      "Sets what a plant's workers together may ask of a language model, where limits are given, "
      "and shows the limits\n"
      "and what is used of them. The workers keep to new limits within seconds.",
      entries, (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL}, 0, 0, code);
}

/* ---- limits ---- */

/* @text: (nullable): a number, or "none"; @limit is set where there is one. */
static gboolean read_limit(const char *text, const char *option, gboolean whole, double *limit) {
  char *end = NULL;
  if (!text)
    return TRUE;
  if (g_str_equal(text, "none")) {
    *limit = NAN;
    return TRUE;
  }
  *limit = g_ascii_strtod(text, &end);
  if (end != text && !*end && *limit >= 0 && *limit <= 1e9 && (!whole || *limit == floor(*limit)))
    return TRUE;
  fprintf(stderr, "velm plant llm: %s %s: it is to be a %s from 0 to 1000000000, or none\n", option,
          text, whole ? "whole number" : "number");
  return FALSE;
}

/* Sets those that were given. Returns: FALSE after saying what is wrong. */
static gboolean set_limits(const Options *options, VelmLlmLedger *ledger) {
  double per_minute = ledger->per_minute < 0 ? NAN : (double)ledger->per_minute;
  if (!read_limit(options->per_minute, "--per-minute", TRUE, &per_minute) ||
      !read_limit(options->usd_per_day, "--usd-per-day", FALSE, &ledger->usd_per_day) ||
      !read_limit(options->usd, "--usd", FALSE, &ledger->usd))
    return FALSE;
  ledger->per_minute = isnan(per_minute) ? -1 : (gint64)per_minute;
  return TRUE;
}

static gboolean gives_limits(const Options *options) {
  return options->per_minute || options->usd_per_day || options->usd;
}

static gboolean change(VelmLlmLedger *ledger, G_GNUC_UNUSED gboolean there, gpointer user_data) {
  return set_limits(user_data, ledger);
}

/* ---- what is shown ---- */

/* @limit: NaN for none */
static void print_line(const char *what, double limit, double used, const char *format,
                       const char *when) {
  char shown[G_ASCII_DTOSTR_BUF_SIZE], count[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(count, sizeof count, format, used);
  g_ascii_formatd(shown, sizeof shown, format, limit);
  printf("  %-17s %s, %s used%s\n", what, isnan(limit) ? "no limit" : shown, count, when);
}

static void print_text(const char *name, const VelmLlmLedger *ledger) {
  g_autofree char *day = velm_llm_day_to_text(ledger->day);
  g_autofree char *when = g_strdup_printf(" on %s (UTC)", day);
  double per_minute = ledger->per_minute < 0 ? NAN : (double)ledger->per_minute;
  printf("allowance %s\n", name);
  print_line("requests a minute", per_minute, (double)ledger->requests, "%.0f", " in this minute");
  print_line("USD a day", ledger->usd_per_day, (double)ledger->day_picodollars / 1e12, "%.4f",
             when);
  print_line("USD in all", ledger->usd, (double)ledger->picodollars / 1e12, "%.4f", "");
}

static void print_json(const char *name, const VelmLlmLedger *ledger) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  g_autofree char *day = velm_llm_day_to_text(ledger->day);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "name", name);
  if (ledger->per_minute < 0)
    velm_json_set_double(builder, "per_minute", NAN);
  else
    velm_json_set_int(builder, "per_minute", ledger->per_minute);
  velm_json_set_double(builder, "usd_per_day", ledger->usd_per_day);
  velm_json_set_double(builder, "usd", ledger->usd);
  velm_json_set_int(builder, "requests_in_minute", ledger->requests);
  velm_json_set_string(builder, "day", day);
  velm_json_set_double(builder, "usd_in_day", (double)ledger->day_picodollars / 1e12);
  velm_json_set_double(builder, "usd_in_all", (double)ledger->picodollars / 1e12);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  puts(text);
}

/* ---- the command ---- */

static gboolean show(const Options *options, const char *name, GError **error) {
  VelmLlmLedger ledger;
  gboolean there = FALSE;
  g_autoptr(VelmBroker) broker = velm_cli_connect_broker(&options->broker, "plant", FALSE, error);
  g_autoptr(kvStore) store = broker ? velm_llm_ledger_open(broker, error) : NULL;
  if (!store)
    return FALSE;
  if (gives_limits(options) &&
      !velm_llm_ledger_change(broker, store, name, change, (gpointer)options, NULL, error))
    return FALSE;
  if (!velm_llm_ledger_read(broker, store, name, &ledger, &there, error))
    return FALSE;
  if (!there) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "the plant has no allowance %s: nothing limits what is asked under that name",
                name);
    return FALSE;
  }
  velm_llm_ledger_begin(&ledger, g_get_real_time());
  (options->json ? print_json : print_text)(name, &ledger);
  return TRUE;
}

int velm_cli_plant_llm(int argc, char **argv) {
  g_auto(Options) options = {0};
  int code = VELM_CLI_USAGE;
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  const char *name = options.name ? options.name : VELM_LLM_DEFAULT;
  VelmLlmLedger tried = velm_llm_ledger_new();
  if (!set_limits(&options, &tried))
    return VELM_CLI_USAGE;
  return velm_llm_ledger_check_name(name, &error) && show(&options, name, &error)
             ? VELM_CLI_OK
             : velm_cli_fail(error);
}
