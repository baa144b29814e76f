/* A station, or a worker, from its start to the signal that ends it. */
#include "cli/cli.h"
#include "core/log.h"
#include "serve/station.h"

#include <glib-unix.h>
#include <signal.h>

VelmStation *velm_cli_open_station(const char *data, const char *database, const char *name,
                                   GError **error) {
  return database ? velm_station_new_shared(data, database, name ? name : g_get_host_name(), error)
                  : velm_station_new(data, error);
}

static gboolean stop(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_CONTINUE;
}

/* The plant's state is that of a front's product: what came of its spec is said here. */
static void reload(VelmStation *station, VelmProduct *product) {
  g_autofree char *why = NULL;
  velm_station_reload(station, product);
  if (velm_product_is_elsewhere(product) &&
      velm_product_get_opening(product, &why) == VELM_OPENING_FAILED)
    velm_log_line("velm: %s: %s; the spec in use stays", velm_product_get_name(product), why);
}

static gboolean reload_all(gpointer data) {
  const GPtrArray *products = velm_station_get_products(data);
  for (guint i = 0; i < products->len; i++)
    reload(data, products->pdata[i]);
  return G_SOURCE_CONTINUE;
}

/* Says when a product is ready, or will not be; once each. */
typedef struct {
  VelmStation *station;
  gboolean *told;
} Announcing;

static gboolean announce(gpointer data) {
  Announcing *announcing = data;
  const GPtrArray *products = velm_station_get_products(announcing->station);
  gboolean all = TRUE;
  for (guint i = 0; i < products->len; i++) {
    g_auto(VelmStatus) status = velm_product_get_status(products->pdata[i]);
    all = all && status.state != VELM_STATE_STARTING;
    if (announcing->told[i] || status.state == VELM_STATE_STARTING)
      continue;
    announcing->told[i] = TRUE;
    velm_log_line("velm: %s is %s%s%s", velm_product_get_name(products->pdata[i]),
                  velm_state_name(status.state), status.reason ? ": " : "",
                  status.reason ? status.reason : "");
  }
  return all ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

void velm_cli_ignore_write_signals(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

void velm_cli_run_station(VelmStation *station, const char *ready) {
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  g_autofree gboolean *told = g_new0(gboolean, velm_station_get_products(station)->len);
  Announcing announcing = {station, told};
  g_unix_signal_add(SIGTERM, stop, loop);
  g_unix_signal_add(SIGINT, stop, loop);
  g_unix_signal_add(SIGHUP, reload_all, station);
  g_timeout_add(100, announce, &announcing);
  velm_log_line("velm: %s", ready);
  g_main_loop_run(loop);
  velm_log_line("velm: stopping when what was handed in is done");
}
