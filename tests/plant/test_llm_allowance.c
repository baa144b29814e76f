/* What a plant may ask of a language model: all who share it keep to it together, whoever is
 * killed, and whether the broker is there or not. */
#include "plant/llm_allowance.h"

#include "core/scratch.h"
#include "plant/llm_ledger.h"
#include "plant/nats_fixture.h"
#include "serve/line_fixture.h"

#include <math.h>
#include <string.h>

#define MINUTE_US (60 * G_TIME_SPAN_SECOND)
#define USD G_GINT64_CONSTANT(1000000000000)
#define N_HOLDERS 4
/* In the middle of a minute of 2026-11-26. */
#define NOON (G_GINT64_CONSTANT(1795694400) * G_USEC_PER_SEC + 30 * G_TIME_SPAN_SECOND)

static const char *own_path;

/* ---- the clock ---- */

static gint64 clock_us; /* with the lock */
static GMutex clock_lock;

static gint64 tell_time(G_GNUC_UNUSED gpointer data) {
  g_mutex_lock(&clock_lock);
  gint64 time = clock_us;
  g_mutex_unlock(&clock_lock);
  return time;
}

static void set_time(gint64 time) {
  g_mutex_lock(&clock_lock);
  clock_us = time;
  g_mutex_unlock(&clock_lock);
}

/* ---- the plant ---- */

typedef struct {
  char *folder;
  NatsServer nats;
  VelmBroker *broker;
  kvStore *store;
  gint failed; /* atomic: how often an allowance was told to have failed */
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  f->folder = scratch_new();
  set_time(NOON);
  nats_server_set_up(&f->nats, f->folder);
  nats_server_start(&f->nats);
  f->broker = nats_server_connect(&f->nats, "test");
  f->store = velm_llm_ledger_open(f->broker, &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  kvStore_Destroy(f->store);
  velm_broker_free(f->broker);
  nats_server_tear_down(&f->nats);
  scratch_remove(f->folder);
}

static gboolean replace(VelmLlmLedger *ledger, G_GNUC_UNUSED gboolean there, gpointer limits) {
  const VelmLlmLedger *wished = limits;
  ledger->per_minute = wished->per_minute;
  ledger->usd_per_day = wished->usd_per_day;
  ledger->usd = wished->usd;
  return TRUE;
}

static void limit(Fixture *f, gint64 per_minute, double usd_per_day, double usd) {
  g_autoptr(GError) error = NULL;
  VelmLlmLedger limits = {.per_minute = per_minute, .usd_per_day = usd_per_day, .usd = usd};
  velm_llm_ledger_change(f->broker, f->store, VELM_LLM_DEFAULT, replace, &limits, NULL, &error);
  g_assert_no_error(error);
}

static VelmLlmLedger read_ledger(Fixture *f) {
  g_autoptr(GError) error = NULL;
  VelmLlmLedger ledger;
  gboolean there = FALSE;
  velm_llm_ledger_read(f->broker, f->store, VELM_LLM_DEFAULT, &ledger, &there, &error);
  g_assert_no_error(error);
  g_assert_true(there);
  return ledger;
}

static void note_failure(const GError *error, gpointer user_data) {
  g_assert_nonnull(error);
  g_atomic_int_inc(&((Fixture *)user_data)->failed);
}

static VelmLlmAllowance *open_with(Fixture *f, const char *name, gboolean required) {
  g_autoptr(GError) error = NULL;
  VelmLlmAllowanceParams params = velm_llm_allowance_params_default();
  params.broker = f->broker;
  params.name = name;
  params.required = required;
  params.patience_ms = 300;
  params.failed = note_failure;
  params.now = tell_time;
  params.user_data = f;
  VelmLlmAllowance *allowance = velm_llm_allowance_new(&params, &error);
  g_assert_no_error(error);
  return allowance;
}

static VelmLlmAllowance *open_allowance(Fixture *f) {
  return open_with(f, VELM_LLM_DEFAULT, FALSE);
}

/* ---- asking ---- */

/* Asks until it is granted, stopped, or @ms are over. */
static VelmLlmGateVerdict ask(VelmLlmAllowance *allowance, gint64 picodollars, guint ms,
                              VelmLlmGrant *grant, char **why) {
  VelmLlmGate *gate = velm_llm_allowance_get_gate(allowance);
  gint64 end = g_get_monotonic_time() + ms * 1000;
  for (;;) {
    gint64 again = 0, begun = g_get_monotonic_time();
    g_autofree char *reason = NULL;
    VelmLlmGateVerdict verdict =
        gate->acquire(gate->user_data, picodollars, grant, &again, &reason);
    g_assert_cmpint(g_get_monotonic_time() - begun, <, 2 * G_TIME_SPAN_SECOND);
    if (verdict == VELM_LLM_GATE_STOP)
      g_assert_nonnull(reason);
    if (verdict == VELM_LLM_GATE_STOP && why)
      *why = g_steal_pointer(&reason);
    if (verdict != VELM_LLM_GATE_WAIT || g_get_monotonic_time() >= end)
      return verdict;
    g_assert_cmpint(again, >, begun);
    g_usleep((gulong)CLAMP(again - g_get_monotonic_time(), 0, 5000));
  }
}

static void settle(VelmLlmAllowance *allowance, const VelmLlmGrant *grant, gint64 picodollars) {
  VelmLlmGate *gate = velm_llm_allowance_get_gate(allowance);
  gate->settle(gate->user_data, grant, picodollars);
}

static void release(VelmLlmAllowance *allowance, const VelmLlmGrant *grant) {
  VelmLlmGate *gate = velm_llm_allowance_get_gate(allowance);
  gate->release(gate->user_data, grant);
}

/* Asks for requests that cost nothing, until there are none for @ms. Returns: how many. */
static guint drain(VelmLlmAllowance *allowance, guint most, guint ms) {
  VelmLlmGrant grant;
  guint n = 0;
  while (n < most && ask(allowance, 0, ms, &grant, NULL) == VELM_LLM_GATE_GRANTED) {
    settle(allowance, &grant, 0);
    n++;
  }
  return n;
}

/* Several at once, with a connection each. */
typedef struct {
  Fixture own; /* with the holder's connection */
  GThread *thread;
  gint64 cost; /* at most; a part of it is used */
  guint ms;
  guint granted;
  gint64 used;
  gboolean stopped;
} Holder;

static gpointer hold(gpointer data) {
  Holder *holder = data;
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(&holder->own);
  g_autoptr(GRand) random = g_rand_new_with_seed((guint32)holder->cost);
  VelmLlmGrant grant;
  VelmLlmGateVerdict verdict;
  while ((verdict = ask(allowance, holder->cost, holder->ms, &grant, NULL)) ==
         VELM_LLM_GATE_GRANTED) {
    gint64 used = (gint64)(g_rand_double(random) * (double)holder->cost);
    settle(allowance, &grant, used);
    holder->granted++;
    holder->used += used;
  }
  holder->stopped = verdict == VELM_LLM_GATE_STOP;
  return NULL;
}

static void hold_all(Fixture *f, Holder *holders, guint ms) {
  for (guint i = 0; i < N_HOLDERS; i++) {
    holders[i].ms = ms;
    holders[i].own.broker = nats_server_connect(&f->nats, "holder");
    holders[i].thread = g_thread_new("holder", hold, &holders[i]);
  }
  for (guint i = 0; i < N_HOLDERS; i++) {
    g_thread_join(holders[i].thread);
    velm_broker_free(holders[i].own.broker);
    g_assert_cmpint(holders[i].own.failed, ==, 0);
  }
}

/* ---- the ledger ---- */

static void test_ledger(void) {
  VelmLlmLedger ledger = velm_llm_ledger_new();
  ledger.per_minute = 10;
  ledger.usd_per_day = 1;
  ledger.usd = 1.5;
  velm_llm_ledger_begin(&ledger, NOON);
  g_assert_cmpint(velm_llm_ledger_take(&ledger, 3, USD / 5), ==, 3);
  g_assert_cmpint(velm_llm_ledger_take(&ledger, 3, USD / 5), ==, 2); /* the day's money */
  g_assert_cmpint(velm_llm_ledger_take(&ledger, 20, 0), ==, 5);      /* the minute's requests */
  g_assert_cmpint(velm_llm_ledger_left(&ledger), ==, 0);
  gint64 minute = ledger.minute, day = ledger.day;
  velm_llm_ledger_give_back(&ledger, minute, 1, day, USD / 10);
  g_assert_cmpint(ledger.requests, ==, 9);
  g_assert_cmpint(velm_llm_ledger_left(&ledger), ==, USD / 10);
  velm_llm_ledger_begin(&ledger, NOON + MINUTE_US);
  g_assert_cmpint(ledger.requests, ==, 0);
  velm_llm_ledger_give_back(&ledger, minute, 5, day, 0); /* that minute is over */
  g_assert_cmpint(ledger.requests, ==, 0);
  velm_llm_ledger_begin(&ledger, NOON); /* a clock that is behind */
  g_assert_cmpint(ledger.minute, ==, minute + 1);
  velm_llm_ledger_begin(&ledger, NOON + G_TIME_SPAN_DAY);
  g_assert_cmpint(velm_llm_ledger_left(&ledger), ==, 6 * (USD / 10)); /* in all */
  velm_llm_ledger_give_back(&ledger, 0, 0, day, USD / 10);
  g_assert_cmpint(ledger.day_picodollars, ==, 0);
  g_assert_cmpint(velm_llm_ledger_left(&ledger), ==, 7 * (USD / 10));
}

static void test_names(void) {
  static const char *const names[] = {"", "none", "a b", "a.b", "*", "\303\244"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(velm_llm_ledger_check_name(names[i], &error));
    g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  }
  g_assert_true(velm_llm_ledger_check_name("cloud-2_B", NULL));
}

/* ---- limits ---- */

static void test_rate(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Holder holders[N_HOLDERS] = {0};
  guint granted = 0;
  limit(f, 50, NAN, NAN);
  hold_all(f, holders, 1500);
  for (guint i = 0; i < N_HOLDERS; i++)
    granted += holders[i].granted;
  g_assert_cmpuint(granted, ==, 50);
  g_assert_cmpint(read_ledger(f).requests, ==, 50);
}

static void test_budget(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Holder holders[N_HOLDERS] = {0};
  gint64 used = 0;
  limit(f, -1, 1, NAN);
  for (guint i = 0; i < N_HOLDERS; i++)
    holders[i].cost = USD / 20 + i;
  hold_all(f, holders, 20000);
  for (guint i = 0; i < N_HOLDERS; i++) {
    g_assert_true(holders[i].stopped);
    used += holders[i].used;
  }
  g_assert_cmpint(used, <=, USD);
  g_assert_cmpint(used, >, USD - USD / 20 - N_HOLDERS); /* nothing is lost */
  VelmLlmLedger ledger = read_ledger(f);
  g_assert_cmpint(ledger.day_picodollars, ==, used);
  g_assert_cmpint(ledger.picodollars, ==, used);
}

static void test_stop(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmLlmGrant grant;
  g_autofree char *of_day = NULL, *in_all = NULL, *no_price = NULL;
  limit(f, -1, 2, 3);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_assert_cmpint(ask(allowance, 2 * USD, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  g_assert_cmpint(ask(allowance, USD, 500, &grant, NULL), ==, VELM_LLM_GATE_WAIT); /* one is out */
  settle(allowance, &grant, -1);
  g_assert_cmpint(ask(allowance, USD, 20000, &grant, &of_day), ==, VELM_LLM_GATE_STOP);
  g_assert_nonnull(strstr(of_day, "budget of 2.00 USD a day (allowance default)"));
  set_time(NOON + G_TIME_SPAN_DAY);
  line_wait_for(ask(allowance, USD, 0, &grant, NULL) == VELM_LLM_GATE_GRANTED);
  settle(allowance, &grant, USD);
  g_assert_cmpint(ask(allowance, USD, 20000, &grant, &in_all), ==, VELM_LLM_GATE_STOP);
  g_assert_nonnull(strstr(in_all, "budget of 3.00 USD in all"));
  g_assert_cmpint(ask(allowance, -1, 0, &grant, &no_price), ==, VELM_LLM_GATE_STOP);
  g_assert_nonnull(strstr(no_price, "--prices"));
  limit(f, -1, 2, NAN); /* it is seen */
  line_wait_for(ask(allowance, USD, 0, &grant, NULL) == VELM_LLM_GATE_GRANTED);
}

/* What was not used goes back while the process goes on. */
static void test_give_back(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmLlmGrant first, second;
  limit(f, 100, 10, NAN);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_assert_cmpint(ask(allowance, USD, 5000, &first, NULL), ==, VELM_LLM_GATE_GRANTED);
  g_assert_cmpint(ask(allowance, USD, 5000, &second, NULL), ==, VELM_LLM_GATE_GRANTED);
  g_assert_cmpint(read_ledger(f).day_picodollars, >=, 2 * USD);
  settle(allowance, &first, USD / 4);
  release(allowance, &second);
  line_wait_for(read_ledger(f).day_picodollars == USD / 4);
  g_assert_cmpint(read_ledger(f).requests, ==, 1);
  g_assert_cmpint(read_ledger(f).picodollars, ==, USD / 4);
}

/* An answer that cost more than was thought possible counts. */
static void test_more(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmLlmGrant grant;
  limit(f, -1, 10, NAN);
  VelmLlmAllowance *allowance = open_allowance(f);
  g_assert_cmpint(ask(allowance, USD, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  settle(allowance, &grant, 3 * USD);
  velm_llm_allowance_free(allowance);
  g_assert_cmpint(read_ledger(f).day_picodollars, ==, 3 * USD);
}

static void test_minute(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  limit(f, 4, NAN, NAN);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  for (guint i = 0; i < 3; i++) {
    set_time(NOON + i * MINUTE_US);
    g_assert_cmpuint(drain(allowance, 4, 5000), ==, 4);
    g_assert_cmpuint(drain(allowance, 1, 200), ==, 0);
  }
}

/* What is settled after midnight was spent the day before. */
static void test_day(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmLlmGrant before, after;
  limit(f, -1, 2, NAN);
  VelmLlmAllowance *allowance = open_allowance(f);
  g_assert_cmpint(ask(allowance, 2 * USD, 5000, &before, NULL), ==, VELM_LLM_GATE_GRANTED);
  set_time(NOON + G_TIME_SPAN_DAY);
  g_assert_cmpint(ask(allowance, 2 * USD, 5000, &after, NULL), ==, VELM_LLM_GATE_GRANTED);
  settle(allowance, &before, USD / 2);
  settle(allowance, &after, USD);
  velm_llm_allowance_free(allowance);
  VelmLlmLedger ledger = read_ledger(f);
  g_assert_cmpint(ledger.day_picodollars, ==, USD);
  g_assert_cmpint(ledger.picodollars, ==, USD + USD / 2);
  g_autofree char *day = velm_llm_day_to_text(ledger.day);
  g_assert_cmpstr(day, ==, "2026-11-27");
}

/* ---- without ---- */

static void test_none(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmLlmGrant grant;
  g_autofree char *why = NULL;
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_autoptr(VelmLlmAllowance) named = open_with(f, "cloud", TRUE);
  g_assert_cmpint(ask(allowance, -1, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  g_assert_cmpint(ask(named, -1, 5000, &grant, &why), ==, VELM_LLM_GATE_STOP);
  g_assert_nonnull(strstr(why, "the plant has no allowance cloud"));
  limit(f, 0, NAN, NAN); /* from now on there is one */
  line_wait_for(ask(allowance, -1, 0, &grant, NULL) == VELM_LLM_GATE_WAIT);
  settle(allowance, &grant, -1); /* was granted before */
  g_assert_cmpint(read_ledger(f).picodollars, ==, 0);
}

/* A value that is none lets nothing through. */
static void test_damaged(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const values[] = {
      "", "{", "[]", "{\"per_minute\":\"many\"}", "{\"usd\":-1}", "{\"requests\":-5}"};
  VelmLlmGrant grant;
  g_autoptr(GError) error = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    VelmLlmLedger ledger;
    gboolean there = FALSE;
    g_clear_error(&error);
    g_assert_cmpint(kvStore_PutString(NULL, f->store, VELM_LLM_DEFAULT, values[i]), ==, NATS_OK);
    g_assert_false(
        velm_llm_ledger_read(f->broker, f->store, VELM_LLM_DEFAULT, &ledger, &there, &error));
    g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  }
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  line_wait_for(g_atomic_int_get(&f->failed) == 1);
  g_assert_cmpint(ask(allowance, 0, 0, &grant, NULL), ==, VELM_LLM_GATE_WAIT);
}

/* Limits that have gone are not taken to be lifted. */
static void test_gone(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  limit(f, 10, NAN, NAN);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_assert_cmpuint(drain(allowance, 1, 5000), ==, 1);
  g_assert_cmpint(kvStore_Delete(f->store, VELM_LLM_DEFAULT), ==, NATS_OK);
  g_assert_cmpuint(drain(allowance, 20, 500), <=, 9);
  line_wait_for(g_atomic_int_get(&f->failed) >= 1);
  limit(f, 10, NAN, NAN);
  g_assert_cmpuint(drain(allowance, 1, 5000), ==, 1);
}

/* ---- failures ---- */

/* This program, started again: takes what it can, and waits to be killed. */
static int be_killed(const char *url) {
  g_autoptr(GError) error = NULL;
  const VelmBrokerParams params = {.url = url, .name = "killed"};
  Fixture f = {.broker = velm_broker_connect(&params, &error)};
  g_assert_no_error(error);
  set_time(NOON);
  VelmLlmAllowance *allowance = open_allowance(&f);
  VelmLlmGrant grant;
  for (int i = 0; i < 3; i++)
    g_assert_cmpint(ask(allowance, USD, 10000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  puts("taken");
  fflush(stdout);
  g_usleep(1000UL * G_USEC_PER_SEC);
  return 1;
}

static void test_killed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  VelmLlmGrant grant;
  limit(f, 5, 10, NAN);
  g_autoptr(GSubprocess) process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                                                    own_path, "--take", f->nats.url, NULL);
  g_assert_no_error(error);
  char line[6] = "";
  gsize n = 0;
  g_input_stream_read_all(g_subprocess_get_stdout_pipe(process), line, 5, &n, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(line, ==, "taken");
  g_subprocess_force_exit(process);
  g_subprocess_wait(process, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(read_ledger(f).day_picodollars, ==, 3 * USD);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_assert_cmpuint(drain(allowance, 5, 400), ==, 2);
  set_time(NOON + MINUTE_US);
  for (guint i = 0; i < 5; i++)
    g_assert_cmpint(ask(allowance, USD, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  set_time(NOON + 2 * MINUTE_US);
  g_assert_cmpint(ask(allowance, USD * 2, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  g_assert_cmpint(ask(allowance, 1, 400, &grant, NULL), ==, VELM_LLM_GATE_WAIT);
}

/* Nothing is granted beyond what was leased, and all is as before when it is back. */
static void test_away(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  limit(f, 12, NAN, NAN);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  guint granted = drain(allowance, 5, 5000);
  nats_server_stop(&f->nats);
  granted += drain(allowance, 20, 300);
  g_assert_cmpuint(granted, <, 12);
  g_assert_cmpuint(drain(allowance, 1, 500), ==, 0);
  nats_server_start(&f->nats);
  granted += drain(allowance, 12 - granted, 20000);
  g_assert_cmpuint(granted, ==, 12);
  g_assert_cmpuint(drain(allowance, 1, 300), ==, 0);
  line_wait_for(velm_broker_is_connected(f->broker));
  g_assert_cmpint(read_ledger(f).requests, ==, 12);
}

/* It is not there when the process starts. */
static void test_away_at_first(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  limit(f, 3, NAN, NAN);
  nats_server_stop(&f->nats);
  g_autoptr(VelmLlmAllowance) allowance = open_allowance(f);
  g_assert_cmpuint(drain(allowance, 1, 300), ==, 0);
  nats_server_start(&f->nats);
  g_assert_cmpuint(drain(allowance, 3, 20000), ==, 3);
}

/* ---- the command ---- */

static int run_command(Fixture *f, char **out, ...) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  va_list arguments;
  int status = 0;
  g_ptr_array_add(vector, (gpointer)g_getenv("VELM_BIN"));
  g_ptr_array_add(vector, (gpointer) "plant");
  g_ptr_array_add(vector, (gpointer) "llm");
  g_ptr_array_add(vector, (gpointer) "--nats");
  g_ptr_array_add(vector, f->nats.url);
  va_start(arguments, out);
  for (const char *argument; (argument = va_arg(arguments, const char *));)
    g_ptr_array_add(vector, (gpointer)argument);
  va_end(arguments);
  g_ptr_array_add(vector, NULL);
  g_autofree char *err = NULL;
  g_free(*out);
  g_spawn_sync(NULL, (char **)vector->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, &err, &status,
               &error);
  g_assert_no_error(error);
  if (!WIFEXITED(status))
    g_error("velm was killed: %s", err);
  if (WEXITSTATUS(status) != 0) { /* one line */
    g_assert_true(g_str_has_prefix(err, "velm"));
    g_assert_true(strchr(err, '\n') == err + strlen(err) - 1);
  }
  return WEXITSTATUS(status);
}

static void test_command(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *out = NULL;
  set_time(g_get_real_time());
  g_assert_cmpint(run_command(f, &out, NULL), ==, 1); /* there is none */
  g_assert_cmpint(
      run_command(f, &out, "--per-minute", "1000", "--usd-per-day", "2.5", "--json", NULL), ==, 0);
  VelmLlmLedger ledger = read_ledger(f);
  g_assert_cmpint(ledger.per_minute, ==, 1000);
  g_assert_cmpfloat(ledger.usd_per_day, ==, 2.5);
  g_assert_true(isnan(ledger.usd));
  VelmLlmAllowance *allowance = open_allowance(f);
  VelmLlmGrant grant;
  g_assert_cmpint(ask(allowance, USD, 5000, &grant, NULL), ==, VELM_LLM_GATE_GRANTED);
  settle(allowance, &grant, USD / 4);
  velm_llm_allowance_free(allowance);
  g_assert_cmpint(run_command(f, &out, "--usd-per-day", "none", "--usd", "7", "--json", NULL), ==,
                  0);
  g_assert_nonnull(strstr(out, "\"per_minute\":1000"));
  g_assert_nonnull(strstr(out, "\"usd_per_day\":null"));
  g_assert_nonnull(strstr(out, "\"usd\":7"));
  g_assert_nonnull(strstr(out, "\"usd_in_all\":0.25"));
  g_assert_cmpint(run_command(f, &out, NULL), ==, 0);
  g_assert_nonnull(strstr(out, "USD in all        7.0000, 0.2500 used"));
  g_assert_cmpint(run_command(f, &out, "--per-minute", "1.5", NULL), ==, 2);
  g_assert_cmpint(run_command(f, &out, "--usd", "-1", NULL), ==, 2);
  g_assert_cmpint(run_command(f, &out, "--usd", "lots", NULL), ==, 2);
  g_assert_cmpint(run_command(f, &out, "--usd", "nan", NULL), ==, 2);
  g_assert_cmpint(run_command(f, &out, "--name", "a b", NULL), ==, 2);
  g_assert_cmpint(read_ledger(f).per_minute, ==, 1000);
}

#define ADD(name, function)                                                                        \
  g_test_add("/llm-allowance/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--take"))
    return be_killed(argv[2]);
  own_path = argv[0];
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/llm-allowance/ledger", test_ledger);
  g_test_add_func("/llm-allowance/names", test_names);
  if (!nats_server_is_there())
    return g_test_run();
  ADD("rate", test_rate);
  ADD("budget", test_budget);
  ADD("stop", test_stop);
  ADD("give-back", test_give_back);
  ADD("more", test_more);
  ADD("minute", test_minute);
  ADD("day", test_day);
  ADD("none", test_none);
  ADD("damaged", test_damaged);
  ADD("gone", test_gone);
  ADD("killed", test_killed);
  ADD("away", test_away);
  ADD("away-at-first", test_away_at_first);
  ADD("command", test_command);
  return g_test_run();
}
