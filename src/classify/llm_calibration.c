#include "classify/llm_calibration.h"

#include "classify/temperature.h"

#include <math.h>

#define PREFIX "mllm."
#define LLM_NAME PREFIX "llm"
#define ANSWERED_NAME PREFIX "answered"
#define RIGHT_NAME PREFIX "right"
#define FAILED_NAME PREFIX "failed"
#define TEMPERATURE_NAME PREFIX "temperature"
#define LOSS_NAME PREFIX "loss"
#define SCALED_LOSS_NAME PREFIX "scaled_loss"

#define NAME_BYTES 200 /* of the language model's name */

void velm_llm_calibration_free(VelmLlmCalibration *calibration) {
  if (!calibration)
    return;
  g_free(calibration->llm);
  g_free(calibration);
}

char *velm_llm_calibration_name(VelmLlmServer *server, GError **error) {
  const char *llm = velm_llm_server_get_llm(server, error);
  return llm ? velm_llm_server_shown(server, llm, NAME_BYTES) : NULL;
}

/* ---- fitting ---- */

static double mean_loss(const double *probabilities, const int *truths, gsize n, guint n_answers) {
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum -= log(MAX(probabilities[i * n_answers + (gsize)truths[i]], VELM_TEMPERATURE_FLOOR));
  return sum / (double)n;
}

void velm_llm_calibration_fit(VelmLlmCalibration *calibration, const double *probabilities,
                              const int *truths, gsize n, guint n_answers) {
  g_autofree double *scaled = g_memdup2(probabilities, n * n_answers * sizeof *probabilities);
  calibration->temperature = velm_temperature_fit(probabilities, truths, n, n_answers);
  for (gsize i = 0; i < n; i++)
    velm_temperature_apply(calibration->temperature, scaled + i * n_answers, n_answers);
  calibration->loss = mean_loss(probabilities, truths, n, n_answers);
  calibration->scaled_loss = mean_loss(scaled, truths, n, n_answers);
}

/* ---- in the model ---- */

void velm_llm_calibration_store(const VelmLlmCalibration *calibration, VelmModel *model) {
  velm_model_remove_prefix(model, PREFIX);
  if (!calibration)
    return;
  velm_model_set_string(model, LLM_NAME, calibration->llm);
  velm_model_set_int(model, ANSWERED_NAME, calibration->n_answered);
  velm_model_set_int(model, RIGHT_NAME, calibration->n_right);
  velm_model_set_int(model, FAILED_NAME, calibration->n_failed);
  if (isnan(calibration->temperature))
    return;
  velm_model_set_double(model, TEMPERATURE_NAME, calibration->temperature);
  velm_model_set_double(model, LOSS_NAME, calibration->loss);
  velm_model_set_double(model, SCALED_LOSS_NAME, calibration->scaled_loss);
}

gboolean velm_llm_calibration_is_stored(VelmModel *model) {
  return velm_model_has(model, LLM_NAME);
}

gboolean velm_llm_calibration_has_temperature(VelmModel *model) {
  return velm_model_has(model, TEMPERATURE_NAME);
}

static gboolean fail(GError **error, const char *name) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's \"%s\" cannot be used; teach it again", name);
  return FALSE;
}

static gboolean read_count(VelmModel *model, const char *name, guint *count, GError **error) {
  gint64 value = 0;
  if (!velm_model_get_int(model, name, &value, error))
    return FALSE;
  *count = (guint)value;
  return (value >= 0 && value <= G_MAXINT) || fail(error, name);
}

static gboolean read_temperature(VelmLlmCalibration *calibration, VelmModel *model,
                                 GError **error) {
  if (!velm_model_get_double(model, TEMPERATURE_NAME, &calibration->temperature, error) ||
      !velm_model_get_double(model, LOSS_NAME, &calibration->loss, error) ||
      !velm_model_get_double(model, SCALED_LOSS_NAME, &calibration->scaled_loss, error))
    return FALSE;
  /* Not a number is in no range. */
  return (calibration->temperature >= VELM_TEMPERATURE_MIN &&
          calibration->temperature <= VELM_TEMPERATURE_MAX) ||
         fail(error, TEMPERATURE_NAME);
}

VelmLlmCalibration *velm_llm_calibration_restore(VelmModel *model, GError **error) {
  const char *llm = velm_model_get_string(model, LLM_NAME, error);
  if (!llm)
    return NULL;
  g_autoptr(VelmLlmCalibration) calibration = g_new0(VelmLlmCalibration, 1);
  calibration->llm = g_strdup(llm);
  calibration->temperature = calibration->loss = calibration->scaled_loss = NAN;
  if (!read_count(model, ANSWERED_NAME, &calibration->n_answered, error) ||
      !read_count(model, RIGHT_NAME, &calibration->n_right, error) ||
      !read_count(model, FAILED_NAME, &calibration->n_failed, error))
    return NULL;
  if (velm_llm_calibration_has_temperature(model) && !read_temperature(calibration, model, error))
    return NULL;
  return g_steal_pointer(&calibration);
}

/* ---- for a person ---- */

void velm_llm_calibration_describe(const VelmLlmCalibration *calibration, GString *text) {
  g_string_append_printf(text, "language model %s: %u of %u examples right", calibration->llm,
                         calibration->n_right, calibration->n_answered);
  if (calibration->n_failed > 0)
    g_string_append_printf(text, ", %u not answered", calibration->n_failed);
  if (isnan(calibration->temperature)) {
    g_string_append(text, "; it gives no probabilities, so there is no temperature\n");
    return;
  }
  g_string_append_printf(text,
                         ", temperature %.2f\n"
                         "  negative log-likelihood of these labels: %.3f, scaled %.3f\n",
                         calibration->temperature, calibration->loss, calibration->scaled_loss);
}
