/*
 * Where the figures of a query are gathered, whichever engine has the records. For store_stats*.c
 * alone.
 */
#pragma once

#include "act/store_private.h"

/* In a sum, a number counts as no further from 0 than this: so the sum is a number too. */
#define VELM_STORE_MOST_SUMMED 1e300

/**
 * VelmStoreTally: figures, and what is gathered beside them.
 * @stats: with its spans and bins laid out before anything is counted; their means are sums so far
 * @span_us: the length of a span
 * @decisions, @classes: name -> gint64, how many; @unclassed: without a class
 * @n_scores, @n_ms: of the means
 */
typedef struct {
  VelmStoreStats *stats;
  gint64 span_us;
  GHashTable *decisions, *classes;
  gint64 unclassed;
  gint64 n_scores[VELM_STORE_MAX_SPANS], n_ms[VELM_STORE_MAX_SPANS];
} VelmStoreTally;

/**
 * VelmStoreGroup: @n records that have all but their numbers in common; borrowed.
 * @span: theirs
 * @bin: (nullable): theirs; NULL where they have no score, or none that is finite
 * @scores, @ms: sums, of their scores, and of the @n_ms that are finite
 */
typedef struct {
  gsize span;
  VelmStoreBin *bin;
  const char *decision, *class_name;
  gboolean reviewed;
  gint64 n, n_ms;
  double scores, ms;
} VelmStoreGroup;

void velm_store_tally_group(VelmStoreTally *tally, const VelmStoreGroup *group);
/** @usd: NaN where no price is known. */
void velm_store_tally_llm(VelmStoreTally *tally, gsize span, gint64 requests, gint64 tokens,
                          double usd);

/** Counts the records of @query: one after another in the file's pages, or by the server. */
gboolean velm_store_tally_rows(VelmDatabase *database, const VelmStoreQuery *query,
                               VelmStoreTally *tally, GError **error);
gboolean velm_store_tally_on_server(VelmDatabase *database, const VelmStoreQuery *query,
                                    VelmStoreTally *tally, GError **error);
