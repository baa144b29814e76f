/*
 * Circuit breaker (M. Nygard, Release It!): a service that failed several times in a row is left
 * alone for a while, so that nobody waits for it and it can recover. Then one trial is let through;
 * the trial's result decides. Knows nothing of what is asked; times are monotonic, in microseconds.
 */
#pragma once

#include <glib.h>

typedef struct _VelmCircuitBreaker VelmCircuitBreaker;

/** How what was admitted ended. */
typedef enum {
  VELM_BREAKER_SUCCESS,   /* the service is there */
  VELM_BREAKER_FAILURE,   /* it is not */
  VELM_BREAKER_NO_RESULT, /* cancelled, or never sent: tells nothing */
} VelmBreakerResult;

/**
 * @failures: in a row, that open it; 0 for a breaker that never opens
 * @wait_us: how long it stays open before the trial
 */
VelmCircuitBreaker *velm_circuit_breaker_new(guint failures, gint64 wait_us);

/** Whether velm_circuit_breaker_admit() would refuse at @now; changes nothing. */
gboolean velm_circuit_breaker_refuses(const VelmCircuitBreaker *breaker, gint64 now);

/**
 * Asks for leave to call the service. After the wait it is given once, for the trial.
 * Returns: a ticket, to be given back by velm_circuit_breaker_report(); 0 where it is refused
 */
guint64 velm_circuit_breaker_admit(VelmCircuitBreaker *breaker, gint64 now);

/** Whether @ticket is of the breaker's present state: it neither opened nor closed since. */
gboolean velm_circuit_breaker_is_current(const VelmCircuitBreaker *breaker, guint64 ticket);

/** The result of what was admitted by @ticket. A ticket from before the last change is ignored: it
 * tells of a service as it was. */
void velm_circuit_breaker_report(VelmCircuitBreaker *breaker, guint64 ticket,
                                 VelmBreakerResult result, gint64 now);

/** Microseconds from @now until the trial; 0 where none is waited for. */
gint64 velm_circuit_breaker_time_left(const VelmCircuitBreaker *breaker, gint64 now);

void velm_circuit_breaker_free(VelmCircuitBreaker *breaker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCircuitBreaker, velm_circuit_breaker_free)
