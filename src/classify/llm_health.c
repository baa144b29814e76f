#include "classify/llm_health.h"

#define MOST_DOUBLINGS 5

struct _VelmLlmHealth {
  VelmLlmServer *server;
  VelmLlmHealthParams params;
  VelmLlmState state;
  gint64 heard;   /* when the last reply came; monotonic, in microseconds */
  gint64 looked;  /* when the last look began */
  gint64 look_at; /* when the next one is due, while it is away */
  gboolean looking;
  guint failures; /* of requests, in a row */
  guint falls;    /* how often these made it count as away */
  char *why;
};

VelmLlmHealthParams velm_llm_health_params_default(void) {
  return (VelmLlmHealthParams){.patience_ms = 3000, .again_ms = 30000, .failures = 5};
}

VelmLlmHealth *velm_llm_health_new(VelmLlmServer *server, const VelmLlmHealthParams *params) {
  VelmLlmHealth *health = g_new0(VelmLlmHealth, 1);
  health->server = server;
  health->params = *params;
  return health;
}

static void go_down(VelmLlmHealth *health, const char *why, guint doublings) {
  gint64 wait = (gint64)health->params.again_ms << MIN(doublings, MOST_DOUBLINGS);
  health->state = VELM_LLM_DOWN;
  health->look_at = g_get_monotonic_time() + wait * 1000;
  g_free(health->why);
  health->why = g_strdup(why);
}

static void go_up(VelmLlmHealth *health) {
  health->state = VELM_LLM_UP;
  health->heard = g_get_monotonic_time();
}

static void take_look(JsonObject *reply, int status, const GError *error, gpointer user_data) {
  VelmLlmHealth *health = user_data;
  health->looking = FALSE;
  if (error && g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED))
    return;
  if (reply || (status > 0 && status < 500))
    go_up(health);
  else
    go_down(health, error->message, 0);
}

static void look(VelmLlmHealth *health) {
  health->looking = TRUE;
  health->looked = g_get_monotonic_time();
  velm_llm_server_look(health->server, take_look, health);
}

static gboolean is_due(const VelmLlmHealth *health, gint64 now) {
  gint64 quiet_us = (gint64)health->params.quiet_ms * 1000;
  switch (health->state) {
  case VELM_LLM_UP:
    return quiet_us > 0 && now - health->heard >= quiet_us;
  case VELM_LLM_DOWN:
    return now >= health->look_at;
  default:
    return TRUE;
  }
}

static void lose_patience(VelmLlmHealth *health) {
  g_autoptr(GError) error = NULL;
  velm_llm_server_fail(health->server, &error, "it has not answered yet");
  go_down(health, error->message, 0);
}

VelmLlmState velm_llm_health_check(VelmLlmHealth *health) {
  gint64 now = g_get_monotonic_time();
  if (!health->looking && is_due(health, now))
    look(health);
  if (health->looking && health->state != VELM_LLM_DOWN &&
      now - MAX(health->looked, health->heard) >= (gint64)health->params.patience_ms * 1000)
    lose_patience(health);
  return health->state;
}

void velm_llm_health_note(VelmLlmHealth *health, gboolean there, const char *why) {
  health->failures = there ? 0 : health->failures + 1;
  if (there) {
    health->falls = 0;
    go_up(health);
  } else if (health->failures >= health->params.failures && health->state != VELM_LLM_DOWN) {
    go_down(health, why, health->falls++);
  }
}

VelmLlmState velm_llm_health_get_state(const VelmLlmHealth *health) { return health->state; }

const char *velm_llm_health_why(const VelmLlmHealth *health) { return health->why; }

void velm_llm_health_free(VelmLlmHealth *health) {
  if (!health)
    return;
  g_free(health->why);
  g_free(health);
}
