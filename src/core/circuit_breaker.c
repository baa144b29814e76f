#include "core/circuit_breaker.h"

typedef enum { CLOSED, OPEN, TRIAL } State;

struct _VelmCircuitBreaker {
  guint failures;
  gint64 wait_us;
  State state;
  guint64 generation; /* counts the changes of state, from 1; a ticket is the one it was given in */
  guint in_a_row;
  gint64 open_until;
};

VelmCircuitBreaker *velm_circuit_breaker_new(guint failures, gint64 wait_us) {
  VelmCircuitBreaker *breaker = g_new0(VelmCircuitBreaker, 1);
  breaker->failures = failures;
  breaker->wait_us = wait_us;
  breaker->generation = 1;
  return breaker;
}

void velm_circuit_breaker_free(VelmCircuitBreaker *breaker) { g_free(breaker); }

static void change(VelmCircuitBreaker *breaker, State state) {
  breaker->state = state;
  breaker->generation++;
  breaker->in_a_row = 0;
}

static void open_at(VelmCircuitBreaker *breaker, gint64 now) {
  change(breaker, OPEN);
  breaker->open_until = now + breaker->wait_us;
}

gboolean velm_circuit_breaker_refuses(const VelmCircuitBreaker *breaker, gint64 now) {
  return breaker->state == TRIAL || (breaker->state == OPEN && now < breaker->open_until);
}

guint64 velm_circuit_breaker_admit(VelmCircuitBreaker *breaker, gint64 now) {
  if (velm_circuit_breaker_refuses(breaker, now))
    return 0;
  if (breaker->state == OPEN)
    change(breaker, TRIAL);
  return breaker->generation;
}

gboolean velm_circuit_breaker_is_current(const VelmCircuitBreaker *breaker, guint64 ticket) {
  return ticket == breaker->generation;
}

static void report_trial(VelmCircuitBreaker *breaker, VelmBreakerResult result, gint64 now) {
  if (result == VELM_BREAKER_SUCCESS)
    change(breaker, CLOSED);
  else if (result == VELM_BREAKER_FAILURE)
    open_at(breaker, now);
  else
    change(breaker, OPEN); /* the wait is over: the next that asks is the trial */
}

void velm_circuit_breaker_report(VelmCircuitBreaker *breaker, guint64 ticket,
                                 VelmBreakerResult result, gint64 now) {
  if (!velm_circuit_breaker_is_current(breaker, ticket))
    return;
  if (breaker->state == TRIAL) {
    report_trial(breaker, result, now);
    return;
  }
  if (result == VELM_BREAKER_SUCCESS)
    breaker->in_a_row = 0;
  else if (result == VELM_BREAKER_FAILURE && ++breaker->in_a_row == breaker->failures)
    open_at(breaker, now);
}

gint64 velm_circuit_breaker_time_left(const VelmCircuitBreaker *breaker, gint64 now) {
  return breaker->state == OPEN ? MAX(breaker->open_until - now, 0) : 0;
}
