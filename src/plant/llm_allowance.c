#include "plant/llm_allowance.h"

#include "plant/llm_ledger.h"
#include "serve/worker.h"

#include <math.h>

/* What is not used goes back so often. */
#define ROUND_S 2
#define LEAST_KEPT_US (1 * G_TIME_SPAN_SECOND)
/* Between two questions to a gate that is asking the plant. */
#define ASKING_US (10 * 1000)
/* What was refused is asked for again after so long: others may have given something back. */
#define REFUSED_US (1 * G_TIME_SPAN_SECOND)
#define PATIENCE_MS 10000
/* Requests that are leased at once: more and more, while each lease is used up soon, but not so
 * many that others go without. */
#define MOST_BATCH 32
#define SHARE_OF_MINUTE 8
#define SOON_US (1 * G_TIME_SPAN_SECOND)

/* Of the plant's, and not used. @earlier: money of days before @day, which is left in all. */
typedef struct {
  gint64 minute, requests;
  gint64 day, picodollars, earlier;
} Lease;

struct _VelmLlmAllowance {
  VelmLlmGate gate;
  VelmLlmAllowanceParams params;
  char *name;
  VelmWorker worker;
  kvStore *store;   /* the thread's own: NULL until it is open */
  gboolean failing; /* the thread's own: since it was told */

  GMutex lock;
  gboolean known, there; /* whether there is such an allowance, and whether that is known */
  VelmLlmLedger ledger;  /* as it was last seen */
  Lease lease;
  gboolean wanted; /* something that costs wanted_picodollars at most */
  gint64 wanted_picodollars;
  guint open; /* granted, and not settled */
  gint64 batch, leased_at;
  gint64 again;      /* monotonic: it was refused, and is not asked for before */
  gint64 refused_at; /* monotonic: since when there is too little money; 0 where there is enough */
  char *stop;        /* why a request that costs stop_picodollars is not worth waiting for */
  gint64 stop_picodollars;
};

VelmLlmAllowanceParams velm_llm_allowance_params_default(void) {
  return (VelmLlmAllowanceParams){.name = VELM_LLM_DEFAULT, .patience_ms = PATIENCE_MS};
}

static gint64 now_of(const VelmLlmAllowance *allowance) {
  return allowance->params.now ? allowance->params.now(allowance->params.user_data)
                               : g_get_real_time();
}

/* ---- what is leased: with the lock ---- */

static gboolean has_any(const Lease *lease) {
  return lease->requests != 0 || lease->picodollars != 0 || lease->earlier != 0;
}

static void add_requests(Lease *lease, gint64 minute, gint64 requests) {
  if (minute > lease->minute)
    *lease = (Lease){minute, 0, lease->day, lease->picodollars, lease->earlier};
  if (minute == lease->minute)
    lease->requests += requests;
}

static void add_money(Lease *lease, gint64 day, gint64 picodollars) {
  if (day > lease->day) {
    lease->earlier += lease->picodollars;
    lease->picodollars = 0;
    lease->day = day;
  }
  if (day == lease->day)
    lease->picodollars += picodollars;
  else
    lease->earlier += picodollars;
}

/* ---- the gate ---- */

/* Takes what is leased. */
static gboolean take(VelmLlmAllowance *allowance, gint64 picodollars, VelmLlmGrant *grant) {
  Lease *lease = &allowance->lease;
  gint64 now = now_of(allowance);
  add_requests(lease, velm_llm_minute_of(now), 0); /* what is of an earlier one is gone */
  add_money(lease, velm_llm_day_of(now), 0);
  if (lease->requests < 1 || lease->picodollars < picodollars)
    return FALSE;
  lease->requests--;
  lease->picodollars -= picodollars;
  allowance->open++;
  *grant = (VelmLlmGrant){picodollars, lease->minute, lease->day};
  return TRUE;
}

static void want(VelmLlmAllowance *allowance, gint64 picodollars) {
  if (g_get_monotonic_time() < allowance->again)
    return;
  allowance->wanted_picodollars =
      allowance->wanted ? MAX(allowance->wanted_picodollars, picodollars) : picodollars;
  if (!allowance->wanted)
    velm_worker_wake(&allowance->worker);
  allowance->wanted = TRUE;
}

static VelmLlmGateVerdict stop(char **why, char *text) {
  *why = text;
  return VELM_LLM_GATE_STOP;
}

static VelmLlmGateVerdict decide(VelmLlmAllowance *allowance, gint64 picodollars,
                                 VelmLlmGrant *grant, char **why) {
  if (!allowance->known)
    return VELM_LLM_GATE_WAIT;
  if (!allowance->there && allowance->params.required)
    return stop(why, g_strdup_printf("the plant has no allowance %s: set its limits by velm plant "
                                     "llm --name %s",
                                     allowance->name, allowance->name));
  if (!allowance->there) {
    *grant = (VelmLlmGrant){.minute = -1, .day = -1};
    return VELM_LLM_GATE_GRANTED;
  }
  if (picodollars < 0 && velm_llm_ledger_has_budget(&allowance->ledger))
    return stop(why, g_strdup_printf("the plant's allowance %s has a budget, and no price of the "
                                     "model is known: give --prices",
                                     allowance->name));
  if (take(allowance, MAX(picodollars, 0), grant))
    return VELM_LLM_GATE_GRANTED;
  if (allowance->stop && picodollars >= allowance->stop_picodollars)
    return stop(why, g_strdup(allowance->stop));
  want(allowance, MAX(picodollars, 0));
  return VELM_LLM_GATE_WAIT;
}

static VelmLlmGateVerdict acquire(gpointer user_data, gint64 picodollars, VelmLlmGrant *grant,
                                  gint64 *again, char **why) {
  VelmLlmAllowance *allowance = user_data;
  g_mutex_lock(&allowance->lock);
  VelmLlmGateVerdict verdict = decide(allowance, picodollars, grant, why);
  if (verdict == VELM_LLM_GATE_WAIT)
    *again = MAX(allowance->again, g_get_monotonic_time() + ASKING_US);
  g_mutex_unlock(&allowance->lock);
  return verdict;
}

static void settle(gpointer user_data, const VelmLlmGrant *grant, gint64 picodollars) {
  VelmLlmAllowance *allowance = user_data;
  if (grant->minute < 0)
    return;
  g_mutex_lock(&allowance->lock);
  allowance->open--;
  if (picodollars >= 0)
    add_money(&allowance->lease, grant->day, grant->picodollars - picodollars);
  g_mutex_unlock(&allowance->lock);
}

static void release(gpointer user_data, const VelmLlmGrant *grant) {
  VelmLlmAllowance *allowance = user_data;
  if (grant->minute < 0)
    return;
  g_mutex_lock(&allowance->lock);
  allowance->open--;
  add_requests(&allowance->lease, grant->minute, 1);
  add_money(&allowance->lease, grant->day, grant->picodollars);
  g_mutex_unlock(&allowance->lock);
}

/* ---- the thread: it gives back, and takes ---- */

/* One change of the ledger. */
typedef struct {
  VelmLlmAllowance *allowance;
  Lease back;
  gboolean wanted;
  gint64 most, picodollars; /* of what is wanted */
  gint64 taken;
  gboolean there;
  VelmLlmLedger ledger;
} Trade;

static gboolean is_worthwhile(VelmLlmAllowance *allowance) {
  gint64 age = g_get_monotonic_time() - allowance->leased_at;
  gboolean gives_back = has_any(&allowance->lease) &&
                        (age >= LEAST_KEPT_US || velm_worker_is_ending(&allowance->worker));
  return allowance->wanted || gives_back || !allowance->known || !allowance->there ||
         allowance->stop;
}

/* Returns: FALSE where there is nothing to do. */
static gboolean begin_trade(VelmLlmAllowance *allowance, Trade *trade) {
  g_mutex_lock(&allowance->lock);
  gboolean worthwhile = is_worthwhile(allowance);
  *trade = (Trade){.allowance = allowance,
                   .back = allowance->lease,
                   .wanted = allowance->wanted,
                   .most = allowance->batch,
                   .picodollars = allowance->wanted_picodollars};
  if (worthwhile)
    allowance->lease = (Lease){.minute = trade->back.minute, .day = trade->back.day};
  g_mutex_unlock(&allowance->lock);
  return worthwhile;
}

static gboolean apply(VelmLlmLedger *ledger, gboolean there, gpointer user_data) {
  Trade *trade = user_data;
  const Lease *back = &trade->back;
  trade->there = there;
  trade->taken = 0;
  if (there) {
    velm_llm_ledger_begin(ledger, now_of(trade->allowance));
    velm_llm_ledger_give_back(ledger, back->minute, back->requests, back->day, back->picodollars);
    velm_llm_ledger_give_back(ledger, -1, 0, -1, back->earlier);
  }
  if (there && trade->wanted)
    trade->taken = velm_llm_ledger_take(ledger, trade->most, trade->picodollars);
  trade->ledger = *ledger;
  return there && (trade->taken > 0 || has_any(back));
}

static void note_lease(VelmLlmAllowance *allowance, const Trade *trade) {
  gint64 now = g_get_monotonic_time(), per_minute = trade->ledger.per_minute;
  gint64 most = per_minute < 0 ? MOST_BATCH : MIN(MOST_BATCH, per_minute / SHARE_OF_MINUTE);
  allowance->batch = now - allowance->leased_at < SOON_US ? allowance->batch * 2 : 1;
  allowance->batch = CLAMP(allowance->batch, 1, MAX(most, 1));
  allowance->leased_at = now;
  allowance->refused_at = 0;
  add_requests(&allowance->lease, trade->ledger.minute, trade->taken);
  add_money(&allowance->lease, trade->ledger.day, trade->taken * trade->picodollars);
}

static char *explain(const VelmLlmAllowance *allowance, const VelmLlmLedger *ledger) {
  VelmLlmLedger of_day = *ledger;
  of_day.usd = NAN;
  gboolean day = velm_llm_ledger_left(&of_day) == velm_llm_ledger_left(ledger);
  return g_strdup_printf("one more answer might exceed the plant's budget of %.2f USD %s "
                         "(allowance %s)",
                         day ? ledger->usd_per_day : ledger->usd, day ? "a day" : "in all",
                         allowance->name);
}

static void note_refusal(VelmLlmAllowance *allowance, const Trade *trade) {
  gint64 now = g_get_monotonic_time();
  gint64 next_minute = (trade->ledger.minute + 1) * 60 * G_TIME_SPAN_SECOND - now_of(allowance);
  allowance->again = now + CLAMP(next_minute, ASKING_US, REFUSED_US);
  if (velm_llm_ledger_left(&trade->ledger) >= trade->picodollars) {
    allowance->refused_at = 0;
    return;
  }
  allowance->refused_at = allowance->refused_at ? allowance->refused_at : now;
  if (allowance->open > 0 ||
      now - allowance->refused_at < allowance->params.patience_ms * G_GINT64_CONSTANT(1000))
    return;
  g_free(allowance->stop);
  allowance->stop = explain(allowance, &trade->ledger);
  allowance->stop_picodollars = trade->picodollars;
}

static void end_trade(VelmLlmAllowance *allowance, const Trade *trade) {
  g_mutex_lock(&allowance->lock);
  allowance->known = TRUE;
  allowance->there = trade->there;
  allowance->ledger = trade->ledger;
  if (trade->wanted)
    allowance->wanted = FALSE;
  if (!trade->there || velm_llm_ledger_left(&trade->ledger) >= allowance->stop_picodollars)
    g_clear_pointer(&allowance->stop, g_free);
  if (trade->taken > 0)
    note_lease(allowance, trade);
  else if (trade->wanted && trade->there)
    note_refusal(allowance, trade);
  g_mutex_unlock(&allowance->lock);
}

/* What may have been given back is not used any more. */
static void fail_trade(VelmLlmAllowance *allowance, const Trade *trade, gboolean unknown) {
  g_mutex_lock(&allowance->lock);
  allowance->wanted = FALSE;
  allowance->again = g_get_monotonic_time() + REFUSED_US;
  if (!unknown) {
    add_requests(&allowance->lease, trade->back.minute, trade->back.requests);
    add_money(&allowance->lease, trade->back.day, trade->back.picodollars);
    allowance->lease.earlier += trade->back.earlier;
  }
  g_mutex_unlock(&allowance->lock);
}

static void note_failure(VelmLlmAllowance *allowance, const GError *error) {
  if (error && !allowance->failing && allowance->params.failed)
    allowance->params.failed(error, allowance->params.user_data);
  allowance->failing = error != NULL;
}

/* Limits that were there, and are not, were not lifted: that is said otherwise. */
static gboolean change_ledger(VelmLlmAllowance *allowance, Trade *trade, gboolean *unknown,
                              GError **error) {
  VelmBroker *broker = allowance->params.broker;
  if (!allowance->store && !(allowance->store = velm_llm_ledger_open(broker, error)))
    return FALSE;
  if (!velm_llm_ledger_change(broker, allowance->store, allowance->name, apply, trade, unknown,
                              error))
    return FALSE;
  if (trade->there || !allowance->there)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "the broker %s: the allowance %s of the language model has gone",
              velm_broker_get_shown(broker), allowance->name);
  return FALSE;
}

static void exchange(VelmLlmAllowance *allowance) {
  g_autoptr(GError) error = NULL;
  gboolean unknown = FALSE;
  Trade trade;
  if (!begin_trade(allowance, &trade))
    return;
  if (change_ledger(allowance, &trade, &unknown, &error))
    end_trade(allowance, &trade);
  else
    fail_trade(allowance, &trade, unknown);
  note_failure(allowance, error);
}

static gpointer exchange_in_thread(gpointer data) {
  VelmLlmAllowance *allowance = data;
  do
    exchange(allowance);
  while (velm_worker_wait(&allowance->worker, ROUND_S));
  g_mutex_lock(&allowance->lock);
  allowance->wanted = FALSE;
  g_mutex_unlock(&allowance->lock);
  exchange(allowance);
  return NULL;
}

/* ---- the allowance ---- */

VelmLlmAllowance *velm_llm_allowance_new(const VelmLlmAllowanceParams *params, GError **error) {
  if (!velm_llm_ledger_check_name(params->name, error))
    return NULL;
  VelmLlmAllowance *allowance = g_new0(VelmLlmAllowance, 1);
  allowance->gate = (VelmLlmGate){acquire, settle, release, allowance};
  allowance->params = *params;
  allowance->name = g_strdup(params->name);
  allowance->batch = 1;
  allowance->lease = (Lease){.minute = -1, .day = -1};
  g_mutex_init(&allowance->lock);
  velm_worker_init(&allowance->worker);
  velm_worker_start(&allowance->worker, "allowance", exchange_in_thread, allowance);
  return allowance;
}

VelmLlmGate *velm_llm_allowance_get_gate(VelmLlmAllowance *allowance) { return &allowance->gate; }

void velm_llm_allowance_free(VelmLlmAllowance *allowance) {
  if (!allowance)
    return;
  velm_worker_end(&allowance->worker);
  velm_worker_clear(&allowance->worker);
  kvStore_Destroy(allowance->store);
  g_mutex_clear(&allowance->lock);
  g_free(allowance->stop);
  g_free(allowance->name);
  g_free(allowance);
}
