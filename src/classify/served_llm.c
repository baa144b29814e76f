#include "classify/served_llm.h"

#include "core/file.h"
#include "core/http_pool.h"
#include "core/http_redact.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "llama-server"
#define PROGRAM_VARIABLE "VELM_LLAMA_SERVER"
#define KEY_VARIABLE "LLAMA_API_KEY"

/* Tokens for one question: four images of 448 px (256 to 576 each, by the model), the spec's words,
 * and the answer's 1,024. */
#define SLOT_TOKENS 8192

#define KEY_BYTES 16
#define TAIL_BYTES 4096 /* of the server's output */
#define SHOWN_BYTES 200
#define LOOK_MS 50           /* between two looks at whether it is ready */
#define HEALTH_MS 2000       /* for one answer to that */
#define STOP_MS 3000         /* from asking it to end to ending it */
#define END_SHOWS_MS 200     /* from a connection that breaks to the process that is gone */
#define MAX_RESTARTS 3       /* in a row */
#define FIRST_RESTART_MS 500 /* before the first restart; doubles */
#define LONG_RUN_US (60 * G_USEC_PER_SEC)

struct _VelmServedLlm {
  VelmServedLlmParams params;
  char *model, *mmproj, *name;
  char *program;
  int port;
  char *endpoint, *health, *key;
  GPid pid;   /* 0 where it does not run */
  int output; /* end of the pipe to read; -1 where it does not run */
  GString *tail;
  guint n_starts, n_restarts;
  gint64 ready_at;
  GError *gone; /* why it is not started again */
};

VelmServedLlmParams velm_served_llm_params_default(void) {
  return (VelmServedLlmParams){.n_slots = 2, .ready_ms = 10 * 60 * 1000};
}

const char *velm_served_llm_get_endpoint(const VelmServedLlm *served) { return served->endpoint; }

const char *velm_served_llm_get_key(const VelmServedLlm *served) { return served->key; }

guint velm_served_llm_get_starts(const VelmServedLlm *served) { return served->n_starts; }

/* ---- what is given ---- */

static gboolean check_gguf(const char *path, GError **error) {
  static const char magic[] = {'G', 'G', 'U', 'F'};
  gsize length = 0;
  g_autofree char *start = velm_file_read_limited(path, sizeof magic, &length, error);
  if (!start)
    return FALSE;
  if (length > sizeof magic && memcmp(start, magic, sizeof magic) == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is no GGUF file", path);
  return FALSE;
}

static char *find_program(GError **error) {
  const char *named = g_getenv(PROGRAM_VARIABLE);
  gboolean is_named = named && named[0];
  char *program = g_find_program_in_path(is_named ? named : PROGRAM);
  if (program)
    return program;
  if (is_named)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "%s: no such program; " PROGRAM_VARIABLE " must name llama.cpp's " PROGRAM, named);
  else
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                PROGRAM " is not on PATH; install llama.cpp, or name it in " PROGRAM_VARIABLE);
  return NULL;
}

static char *draw_key(GError **error) {
  guint8 bytes[KEY_BYTES];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, PROGRAM ": no key can be drawn: %s",
                g_strerror(errno));
    return NULL;
  }
  GString *key = g_string_new(NULL);
  for (gsize i = 0; i < sizeof bytes; i++)
    g_string_append_printf(key, "%02x", bytes[i]);
  return g_string_free(key, FALSE);
}

/* A port that nobody listens on: the one that the kernel gives. 0 with an error. */
static int find_port(GError **error) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int port = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
      getsockname(fd, (struct sockaddr *)&address, &length) == 0)
    port = ntohs(address.sin_port);
  if (port == 0)
    g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, PROGRAM ": no free port on 127.0.0.1: %s",
                g_strerror(errno));
  if (fd >= 0)
    close(fd);
  return port;
}

/* ---- its output ---- */

static void read_output(VelmServedLlm *served) {
  char buffer[4096];
  gssize n = 0;
  while (served->output >= 0 && (n = read(served->output, buffer, sizeof buffer)) > 0) {
    g_string_append_len(served->tail, buffer, n);
    if (served->tail->len > TAIL_BYTES)
      g_string_erase(served->tail, 0, (gssize)(served->tail->len - TAIL_BYTES));
  }
}

static gboolean names_error(const char *line) {
  static const char *const words[] = {"error:", "failed", "couldn't", "cannot", "not found"};
  for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
    if (strstr(line, words[i]))
      return TRUE;
  return FALSE;
}

/* Its last line; but the last that names an error where there is one, as goodbyes come after it.
 * Returns: (transfer full): empty where it said nothing. */
static char *last_words(const VelmServedLlm *served) {
  g_autofree char *valid = g_utf8_make_valid(served->tail->str, (gssize)served->tail->len);
  g_auto(GStrv) lines = g_strsplit_set(valid, "\r\n", -1);
  const char *last = "", *wrong = NULL;
  for (char **line = lines; *line; line++) {
    if (!*g_strstrip(*line))
      continue;
    last = *line;
    wrong = names_error(last) ? last : wrong;
  }
  g_autofree char *redacted = velm_http_redact_key(served->key, wrong ? wrong : last);
  g_autofree char *words = g_utf8_make_valid(redacted, (gssize)MIN(strlen(redacted), SHOWN_BYTES));
  for (char *c = words; *c; c++)
    *c = g_ascii_iscntrl(*c) ? ' ' : *c;
  return g_steal_pointer(&words);
}

/* "llama-server WHAT: its last words" */
static void fail(const VelmServedLlm *served, GError **error, const char *what) {
  g_autofree char *words = last_words(served);
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, PROGRAM " %s%s%s", what,
              words[0] ? ": " : ", and said nothing", words);
}

/* ---- the process ---- */

static char **make_arguments(const VelmServedLlm *served) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autofree char *port = g_strdup_printf("%d", served->port);
  g_autofree char *slots = g_strdup_printf("%u", served->params.n_slots);
  g_strv_builder_add_many(builder, served->program, "--model", served->model, "--mmproj",
                          served->mmproj, "--alias", served->name, "--host", "127.0.0.1", "--port",
                          port, "--parallel", slots, NULL);
  return g_strv_builder_end(builder);
}

/* The user's settings, which win over velm's; without what would make it another server than the
 * one that is asked, and without a key that it need not know. */
static char **make_environment(const VelmServedLlm *served) {
  static const char *const foreign[] = {"OPENAI_API_KEY",         "LLAMA_ARG_API_PREFIX",
                                        "LLAMA_ARG_SSL_KEY_FILE", "LLAMA_ARG_SSL_CERT_FILE",
                                        "LLAMA_ARG_API_KEY_FILE", "LLAMA_ARG_EMBEDDINGS",
                                        "LLAMA_ARG_RERANKING"};
  char **environment = g_get_environ();
  for (gsize i = 0; i < G_N_ELEMENTS(foreign); i++)
    environment = g_environ_unsetenv(environment, foreign[i]);
  g_autofree char *tokens = g_strdup_printf("%u", SLOT_TOKENS * served->params.n_slots);
  environment = g_environ_setenv(environment, "LLAMA_ARG_CTX_SIZE", tokens, FALSE);
  /* Gigabytes of prompts that do not come again: what two have in common is in the slots anyway. */
  environment = g_environ_setenv(environment, "LLAMA_ARG_CACHE_RAM", "0", FALSE);
  return g_environ_setenv(environment, KEY_VARIABLE, served->key, TRUE);
}

/* In the child. A group of its own: a Ctrl-C at the terminal is velm's, and stopping reaches what a
 * wrapper has started. Nothing that allocates may be called. */
static void set_up_child(gpointer parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != GPOINTER_TO_INT(parent))
    _exit(127);
}

static gboolean start(VelmServedLlm *served, GError **error) {
  int ends[2] = {-1, -1};
  g_autoptr(GError) cause = NULL;
  if (!g_unix_open_pipe(ends, FD_CLOEXEC, &cause)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, PROGRAM ": %s", cause->message);
    return FALSE;
  }
  g_unix_set_fd_nonblocking(ends[0], TRUE, NULL);
  g_auto(GStrv) arguments = make_arguments(served);
  g_auto(GStrv) environment = make_environment(served);
  gboolean started = g_spawn_async_with_pipes_and_fds(
      NULL, (const char *const *)arguments, (const char *const *)environment,
      G_SPAWN_DO_NOT_REAP_CHILD, set_up_child, GINT_TO_POINTER(getpid()), -1, ends[1], ends[1],
      NULL, NULL, 0, &served->pid, NULL, NULL, NULL, &cause);
  close(ends[1]);
  g_string_truncate(served->tail, 0);
  if (started) {
    served->output = ends[0];
    served->n_starts++;
    return TRUE;
  }
  close(ends[0]);
  served->pid = 0;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", served->program, cause->message);
  return FALSE;
}

static void forget(VelmServedLlm *served) {
  read_output(served);
  close(served->output);
  served->output = -1;
  served->pid = 0;
}

/* Takes note of its end. Returns: whether it runs; else @how, "ended with ..." (transfer full). */
static gboolean is_running(VelmServedLlm *served, char **how) {
  int status = 0;
  if (served->pid == 0)
    return FALSE;
  read_output(served);
  pid_t got = waitpid(served->pid, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR))
    return TRUE;
  forget(served);
  if (got > 0 && WIFSIGNALED(status))
    *how = g_strdup_printf("was ended by signal %d (%s)", WTERMSIG(status),
                           g_strsignal(WTERMSIG(status)));
  else
    *how = g_strdup_printf("ended with exit code %d", got > 0 ? WEXITSTATUS(status) : -1);
  return FALSE;
}

static void stop(VelmServedLlm *served) {
  if (served->pid == 0)
    return;
  gint64 end = g_get_monotonic_time() + STOP_MS * 1000;
  g_autofree char *how = NULL;
  kill(-served->pid, SIGTERM);
  while (is_running(served, &how) && g_get_monotonic_time() < end)
    g_usleep(5000);
  if (served->pid == 0)
    return;
  kill(-served->pid, SIGKILL);
  while (waitpid(served->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  forget(served);
}

/* ---- ready? ---- */

static void take_health(const VelmHttpResponse *response, G_GNUC_UNUSED const GError *error,
                        gpointer data) {
  gboolean *ready = data;
  *ready = response && response->status == 200;
}

static VelmHttpPool *health_pool_new(GError **error) {
  VelmHttpParams http = velm_http_params_default();
  http.direct = TRUE;
  http.in_flight = 1;
  http.tries = 1;
  http.breaker_failures = 0;
  http.timeout_ms = http.total_timeout_ms = http.connect_timeout_ms = HEALTH_MS;
  http.error_code = VELM_ERROR_LLM;
  return velm_http_pool_new(&http, error);
}

static gboolean is_ready(const VelmServedLlm *served, VelmHttpPool *pool) {
  gboolean ready = FALSE;
  velm_http_pool_submit(pool, served->health, NULL, take_health, &ready, NULL);
  while (velm_http_pool_iterate(pool, -1))
    ;
  return ready;
}

static gboolean report(const VelmServedLlm *served, gint64 waited_us, gboolean done) {
  const VelmServedLlmParams *params = &served->params;
  gsize total = (gsize)params->ready_ms / 1000 + 1, seconds = (gsize)(waited_us / G_USEC_PER_SEC);
  return !params->progress ||
         params->progress("seconds for the language model to load",
                          done ? total : MIN(seconds, total - 1), total, params->progress_data);
}

static gboolean wait_until_ready(VelmServedLlm *served, GError **error) {
  g_autoptr(VelmHttpPool) pool = health_pool_new(error);
  gint64 begin = g_get_monotonic_time(), waited = 0;
  while (pool && waited < (gint64)served->params.ready_ms * 1000) {
    g_autofree char *how = NULL;
    gboolean ready = is_ready(served, pool);
    /* In this order: whoever answers in place of one that is gone is not ours. */
    if (!is_running(served, &how)) {
      g_autofree char *what = g_strdup_printf("%s while it loaded %s", how, served->model);
      fail(served, error, what);
      return FALSE;
    }
    waited = g_get_monotonic_time() - begin;
    if (!report(served, waited, ready)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, PROGRAM ": given up");
      return FALSE;
    }
    if (ready)
      return TRUE;
    g_usleep(LOOK_MS * 1000);
  }
  if (pool) {
    g_autofree char *what =
        g_strdup_printf("is not ready after %g s", served->params.ready_ms / 1e3);
    fail(served, error, what);
  }
  return FALSE;
}

static gboolean start_and_wait(VelmServedLlm *served, GError **error) {
  if (!start(served, error))
    return FALSE;
  gboolean ready = wait_until_ready(served, error);
  report(served, 0, TRUE); /* no progress line stays behind */
  if (!ready)
    stop(served);
  served->ready_at = g_get_monotonic_time();
  return ready;
}

/* ---- the watch ---- */

static gboolean may_restart(VelmServedLlm *served) {
  if (g_get_monotonic_time() - served->ready_at >= LONG_RUN_US)
    served->n_restarts = 0;
  return served->n_restarts < MAX_RESTARTS;
}

/* @how: it ended; freed and set anew with each start that fails. */
static gboolean restart(VelmServedLlm *served, GError **why) {
  while (may_restart(served)) {
    g_usleep((gulong)FIRST_RESTART_MS * 1000 << served->n_restarts);
    served->n_restarts++;
    g_clear_error(why);
    if (start_and_wait(served, why))
      return TRUE;
    if (g_error_matches(*why, VELM_ERROR, VELM_ERROR_CANCELLED))
      return FALSE;
  }
  return FALSE;
}

gboolean velm_served_llm_check(VelmServedLlm *served, GError **error) {
  g_autofree char *how = NULL;
  if (!served->gone && !is_running(served, &how)) {
    g_autoptr(GError) why = NULL;
    fail(served, &why, how);
    if (!restart(served, &why)) {
      served->gone = g_steal_pointer(&why);
      g_prefix_error(&served->gone,
                     "no model is served any more, after %u restarts: ", served->n_restarts);
    }
  }
  if (served->gone && error)
    *error = g_error_copy(served->gone);
  return served->gone == NULL;
}

gboolean velm_served_llm_check_after(VelmServedLlm *served, guint start, gboolean *renewed,
                                     GError **error) {
  gint64 end = g_get_monotonic_time() + END_SHOWS_MS * 1000;
  siginfo_t info = {0};
  while (served->pid != 0 && served->n_starts == start && info.si_pid == 0 &&
         g_get_monotonic_time() < end) {
    if (waitid(P_PID, (id_t)served->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
      break;
    g_usleep(5000);
  }
  gboolean runs = velm_served_llm_check(served, error);
  *renewed = runs && served->n_starts != start;
  return runs;
}

/* ---- new and free ---- */

static gboolean prepare(VelmServedLlm *served, GError **error) {
  if (!check_gguf(served->model, error) || !check_gguf(served->mmproj, error) ||
      !(served->program = find_program(error)) || !(served->key = draw_key(error)) ||
      (served->port = find_port(error)) == 0)
    return FALSE;
  served->endpoint = g_strdup_printf("http://127.0.0.1:%d/v1", served->port);
  served->health = g_strdup_printf("http://127.0.0.1:%d/health", served->port);
  return TRUE;
}

VelmServedLlm *velm_served_llm_new(const VelmServedLlmParams *params, GError **error) {
  g_autoptr(VelmServedLlm) served = g_new0(VelmServedLlm, 1);
  served->params = *params;
  served->model = g_strdup(params->model);
  served->mmproj = g_strdup(params->mmproj);
  served->name = g_strdup(params->name);
  served->output = -1;
  served->tail = g_string_new(NULL);
  if (!prepare(served, error) || !start_and_wait(served, error))
    return NULL;
  return g_steal_pointer(&served);
}

void velm_served_llm_free(VelmServedLlm *served) {
  if (!served)
    return;
  stop(served);
  g_string_free(served->tail, TRUE);
  g_clear_error(&served->gone);
  g_free(served->model);
  g_free(served->mmproj);
  g_free(served->name);
  g_free(served->program);
  g_free(served->endpoint);
  g_free(served->health);
  g_free(served->key);
  g_free(served);
}
