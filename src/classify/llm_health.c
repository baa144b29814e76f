#include "classify/llm_health.h"

struct _VelmLlmHealth {
  VelmLlmServer *server;
  VelmLlmHealthParams params;
  VelmLlmState state;
  gint64 since;   /* when the first look began; monotonic, in microseconds */
  gint64 look_at; /* when the next one is due */
  gboolean looking;
  guint failures; /* in a row */
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

static void go_down(VelmLlmHealth *health, const char *why) {
  health->state = VELM_LLM_DOWN;
  health->look_at = g_get_monotonic_time() + (gint64)health->params.again_ms * 1000;
  g_free(health->why);
  health->why = g_strdup(why);
}

static void take_look(JsonObject *reply, int status, const GError *error, gpointer user_data) {
  VelmLlmHealth *health = user_data;
  health->looking = FALSE;
  if (error && g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED))
    return;
  health->failures = 0;
  if (reply || (status > 0 && status < 500))
    health->state = VELM_LLM_UP;
  else
    go_down(health, error->message);
}

static void look(VelmLlmHealth *health) {
  health->looking = TRUE;
  if (!health->since)
    health->since = g_get_monotonic_time();
  velm_llm_server_look(health->server, take_look, health);
}

VelmLlmState velm_llm_health_check(VelmLlmHealth *health) {
  gint64 now = g_get_monotonic_time();
  gboolean due = health->state == VELM_LLM_UNTRIED ||
                 (health->state == VELM_LLM_DOWN && now >= health->look_at);
  if (due && !health->looking)
    look(health);
  if (health->state == VELM_LLM_UNTRIED &&
      now - health->since >= (gint64)health->params.patience_ms * 1000)
    go_down(health, "it has not answered yet");
  return health->state;
}

void velm_llm_health_note(VelmLlmHealth *health, gboolean there, const char *why) {
  health->failures = there ? 0 : health->failures + 1;
  if (there)
    health->state = VELM_LLM_UP;
  else if (health->failures >= health->params.failures)
    go_down(health, why);
}

const char *velm_llm_health_why(const VelmLlmHealth *health) { return health->why; }

void velm_llm_health_free(VelmLlmHealth *health) {
  if (!health)
    return;
  g_free(health->why);
  g_free(health);
}
