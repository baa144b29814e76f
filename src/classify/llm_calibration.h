/*
 * How far a language model's probabilities hold, as the labelled examples showed it when the model
 * was taught: a temperature (temperature.h), and what it was learnt from.
 */
#pragma once

#include "classify/llm_server.h"
#include "core/model.h"

/**
 * VelmLlmCalibration:
 * @llm: the language model for which alone it holds, by velm_llm_calibration_name()
 * @n_answered, @n_right, @n_failed: examples that it classified; as they are labelled; not at all
 * @temperature: NAN where it gave no probabilities
 * @loss, @scaled_loss: mean negative log-likelihood of the labels, in nats, with its own
 *   probabilities and with those scaled, over the examples that the temperature was fitted to; NAN
 *   without one
 */
typedef struct {
  char *llm;
  guint n_answered, n_right, n_failed;
  double temperature;
  double loss, scaled_loss;
} VelmLlmCalibration;

void velm_llm_calibration_free(VelmLlmCalibration *calibration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmCalibration, velm_llm_calibration_free)

/** The name of @server's model as it may be kept and shown. Returns: (transfer full): NULL with
 * VELM_ERROR_LLM. As velm_llm_server_get_llm(). */
char *velm_llm_calibration_name(VelmLlmServer *server, GError **error);

/**
 * Fits the temperature and measures what it does.
 * @probabilities: @n rows of @n_answers numbers
 * @truths: @n indices
 */
void velm_llm_calibration_fit(VelmLlmCalibration *calibration, const double *probabilities,
                              const int *truths, gsize n, guint n_answers);

/** Writes to @model under "mllm.", in place of what was there; NULL removes that. */
void velm_llm_calibration_store(const VelmLlmCalibration *calibration, VelmModel *model);

/** Whether @model has a temperature. */
gboolean velm_llm_calibration_has_temperature(VelmModel *model);

/** Returns: (transfer full): NULL with VELM_ERROR_MODEL where @model has none or it is damaged. */
VelmLlmCalibration *velm_llm_calibration_restore(VelmModel *model, GError **error);

/** Whether @model has one, without a temperature perhaps. */
gboolean velm_llm_calibration_is_stored(VelmModel *model);

/** Appends the figures for a person, one line or two. */
void velm_llm_calibration_describe(const VelmLlmCalibration *calibration, GString *text);
