/* velm top: how a plant does, at a glance. */
#include "cli/cli.h"
#include "cli/top_picture.h"
#include "cli/top_screen.h"
#include "serve/worker.h"

#include <glib-unix.h>
#include <stdio.h>
#include <unistd.h>

/* In seconds: between two looks, and between the two of one picture. */
#define INTERVAL_S 2
#define ONCE_S 1
#define MOST_INTERVAL_S 3600

typedef struct {
  gboolean once, json;
  int interval;
  VelmCliBroker broker;
} Options;

static void options_clear(Options *options) { velm_cli_broker_clear(&options->broker); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static char **parse(int argc, char **argv, Options *options, int *code) {
  const GOptionEntry entries[] = {
      {"once", 0, 0, G_OPTION_ARG_NONE, &options->once,
       "Print one picture and end, as where standard output is no terminal", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print it as JSON", NULL},
      {"interval", 0, 0, G_OPTION_ARG_INT, &options->interval,
       "Seconds from one look to the next (default 2); of one picture, which has two for its rates "
       "(default 1; 0: one look, and no rates)",
       "S"},
      G_OPTION_ENTRY_NULL};
  return velm_cli_parse_with(
      argc, argv, "--nats URL",
      "Shows a plant: the jobs of each stage and product, the workers, what language models may "
      "still be asked, and\n"
      "what the broker holds. q ends it.",
      entries, (GOptionGroup *[]){velm_cli_broker_options(&options->broker), NULL}, 0, 0, code);
}

/* ---- one picture ---- */

static void print_look(const Options *options, const VelmOverview *overview) {
  const VelmTopPaper paper = {0};
  g_autofree char *text =
      options->json ? velm_overview_to_json(overview) : velm_top_picture(overview, NULL, &paper);
  printf("%s%s", text, options->json ? "\n" : "");
}

static gboolean show_once(const Options *options, VelmBroker *broker, GError **error) {
  guint interval = options->interval < 0 ? ONCE_S : (guint)options->interval;
  g_autoptr(VelmOverview) first = velm_overview_look(broker, NULL, error);
  if (!first)
    return FALSE;
  if (interval == 0) {
    print_look(options, first);
    return TRUE;
  }
  g_usleep(interval * G_USEC_PER_SEC);
  g_autoptr(VelmOverview) second = velm_overview_look(broker, first, error);
  if (second)
    print_look(options, second);
  return second != NULL;
}

/* ---- a terminal ---- */

/* A thread looks, as the broker may take long to answer, and the main loop draws. */
typedef struct {
  VelmBroker *broker;
  guint interval;
  GMainLoop *loop;
  VelmTopScreen *screen;
  VelmWorker looker;
  GMutex lock;
  VelmOverview *look; /* NULL until there is one; replaced by the looker */
  char *trouble;      /* why the last look failed, or NULL */
} Top;

static gboolean draw(gpointer data) {
  Top *top = data;
  VelmTopPaper paper = {.styled = TRUE};
  velm_top_screen_get_size(&paper.width, &paper.height);
  g_mutex_lock(&top->lock);
  g_autofree char *text = velm_top_picture(top->look, top->trouble, &paper);
  g_mutex_unlock(&top->lock);
  velm_top_screen_draw(top->screen, text);
  return G_SOURCE_CONTINUE;
}

static gboolean draw_once(gpointer top) {
  draw(top);
  return G_SOURCE_REMOVE;
}

static gpointer look_in_thread(gpointer data) {
  Top *top = data;
  do {
    g_autoptr(GError) error = NULL;
    VelmOverview *look = velm_overview_look(top->broker, top->look, &error);
    g_mutex_lock(&top->lock);
    g_free(top->trouble);
    top->trouble = look ? NULL : g_strdup(error->message);
    VelmOverview *before = look ? top->look : NULL;
    top->look = look ? look : top->look;
    g_mutex_unlock(&top->lock);
    velm_overview_free(before);
    g_idle_add(draw_once, top);
  } while (velm_worker_wait(&top->looker, top->interval));
  return NULL;
}

static gboolean quit(gpointer top) {
  g_main_loop_quit(((Top *)top)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean take_key(int fd, GIOCondition condition, gpointer top) {
  char key = 0;
  if (read(fd, &key, 1) != 1 || key == 'q' || key == 'Q')
    quit(top);
  return G_SOURCE_CONTINUE;
}

static void run_loop(Top *top) {
  g_unix_signal_add(SIGINT, quit, top);
  g_unix_signal_add(SIGTERM, quit, top);
  g_unix_signal_add(SIGHUP, quit, top);
  g_unix_signal_add(SIGWINCH, draw, top);
  if (isatty(STDIN_FILENO))
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, take_key, top);
  g_main_loop_run(top->loop);
}

/* The screen is given back before the last look is waited for. */
static void show_on(VelmBroker *broker, guint interval) {
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  Top top = {.broker = broker, .interval = interval, .loop = loop};
  g_mutex_init(&top.lock);
  velm_worker_init(&top.looker);
  top.screen = velm_top_screen_open();
  velm_worker_start(&top.looker, "looker", look_in_thread, &top);
  run_loop(&top);
  velm_top_screen_free(top.screen);
  velm_worker_end(&top.looker);
  velm_worker_clear(&top.looker);
  g_mutex_clear(&top.lock);
  velm_overview_free(top.look);
  g_free(top.trouble);
}

/* ---- the command ---- */

static gboolean show(const Options *options, GError **error) {
  g_autoptr(VelmBroker) broker =
      velm_cli_connect_broker(&options->broker, "velm top", FALSE, error);
  if (!broker)
    return FALSE;
  if (options->once || options->json || !velm_top_screen_is_there())
    return show_once(options, broker, error);
  show_on(broker, options->interval > 0 ? (guint)options->interval : INTERVAL_S);
  return TRUE;
}

int velm_cli_top(int argc, char **argv) {
  g_auto(Options) options = {.interval = -1};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) arguments = parse(argc, argv, &options, &code);
  if (!arguments)
    return code;
  if (options.interval < -1 || options.interval > MOST_INTERVAL_S) {
    fprintf(stderr, "velm top: --interval is to be of 0 to %d seconds\n", MOST_INTERVAL_S);
    return VELM_CLI_USAGE;
  }
  g_autoptr(GError) error = NULL;
  return show(&options, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}
