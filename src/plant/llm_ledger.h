/*
 * What a plant has used of a language model, and may use: one value of JetStream's key-value bucket
 * velm_llm for each allowance, which whoever shares it changes by compare-and-set.
 *
 *   {"per_minute": 60, "usd_per_day": 5.0, "usd": null,            limits; null for none
 *    "window": 29912345, "requests": 12,                           the minute since 1970
 *    "day": "2026-11-26", "day_picodollars": 1200000000000,        of UTC
 *    "picodollars": 34000000000000}                                in all
 */
#pragma once

#include "plant/broker.h"

#define VELM_LLM_BUCKET "velm_llm"

/* The name of an allowance that nobody has named. */
#define VELM_LLM_DEFAULT "default"

/**
 * VelmLlmLedger: start from velm_llm_ledger_new().
 * @per_minute: requests; -1 for any number
 * @usd_per_day, @usd: NaN for any sum
 * @minute, @day: since 1970; -1 before anything was used
 * @requests: in @minute
 * @day_picodollars: of @day; @picodollars: in all
 */
typedef struct {
  gint64 per_minute;
  double usd_per_day, usd;
  gint64 minute, requests;
  gint64 day, day_picodollars, picodollars;
} VelmLlmLedger;

/** Without limits, with nothing used. */
VelmLlmLedger velm_llm_ledger_new(void);

/** The minute and the day of @time, in microseconds since 1970. */
gint64 velm_llm_minute_of(gint64 time);
gint64 velm_llm_day_of(gint64 time);
/** "2026-11-26". Returns: (transfer full). */
char *velm_llm_day_to_text(gint64 day);

/* ---- using it up ---- */

/** Begins the minute and the day of @time, where they are later than its own: who has a clock that
 * is behind counts in what has begun. */
void velm_llm_ledger_begin(VelmLlmLedger *ledger, gint64 time);
/** Whether there is a limit of money. */
gboolean velm_llm_ledger_has_budget(const VelmLlmLedger *ledger);
/** Picodollars that are left of the day, or in all where that is less; G_MAXINT64 where there is no
 * limit. */
gint64 velm_llm_ledger_left(const VelmLlmLedger *ledger);
/** Takes requests that cost @picodollars each at most. Returns: how many there were, @most at most.
 */
gint64 velm_llm_ledger_take(VelmLlmLedger *ledger, gint64 most, gint64 picodollars);
/** Gives back what was taken in @minute and on @day, and was not used. */
void velm_llm_ledger_give_back(VelmLlmLedger *ledger, gint64 minute, gint64 requests, gint64 day,
                               gint64 picodollars);

/* ---- where it is kept ---- */

/** Returns: FALSE with VELM_ERROR_USAGE where no allowance may have this name. */
gboolean velm_llm_ledger_check_name(const char *name, GError **error);

/** The bucket, which is made where there is none. Returns: (transfer full): NULL with
 * VELM_ERROR_FILE. */
kvStore *velm_llm_ledger_open(VelmBroker *broker, GError **error);

/** @there: (out): whether there is such an allowance; else @ledger is a new one. Returns: FALSE
 * with VELM_ERROR_FILE. */
gboolean velm_llm_ledger_read(VelmBroker *broker, kvStore *store, const char *name,
                              VelmLlmLedger *ledger, gboolean *there, GError **error);

/**
 * Makes a change; called again where another changed the value meanwhile.
 * @there: whether there is such an allowance; else @ledger is a new one
 * Returns: FALSE to leave it as it is
 */
typedef gboolean (*VelmLlmChange)(VelmLlmLedger *ledger, gboolean there, gpointer user_data);

/**
 * Has @change applied to the allowance.
 * @unknown: (out) (nullable): where it fails: it may have been done all the same
 * Returns: FALSE with VELM_ERROR_FILE
 */
gboolean velm_llm_ledger_change(VelmBroker *broker, kvStore *store, const char *name,
                                VelmLlmChange change, gpointer user_data, gboolean *unknown,
                                GError **error);
