#include "serve/model_trial.h"

#define ANOMALOUS "anomalous"

/* ---- trying ---- */

static char *answer_of(const VelmInspection *inspection) {
  if (!inspection->anomalous)
    return g_strdup(VELM_LABEL_GOOD);
  return g_strdup(inspection->class_name ? inspection->class_name : ANOMALOUS);
}

GPtrArray *velm_model_trial_run(VelmModel *model, VelmSpec *spec, gint64 max_pixels,
                                const GPtrArray *held_out, VelmProgress progress,
                                gpointer progress_data, GError **error) {
  VelmInspectorParams params = velm_inspector_params_default();
  params.max_pixels = max_pixels;
  g_autoptr(VelmInspector) inspector = velm_inspector_new(model, spec, &params, error);
  if (!inspector)
    return NULL;
  g_autoptr(GPtrArray) answers = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < held_out->len; i++) {
    const VelmHeldOut *one = held_out->pdata[i];
    g_autoptr(VelmInspection) inspection = velm_inspector_inspect(inspector, one->path, NULL, NULL);
    g_ptr_array_add(answers, inspection ? answer_of(inspection) : NULL);
    if (progress && !progress("testing", i + 1, held_out->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while the model was tested");
      return NULL;
    }
  }
  return g_steal_pointer(&answers);
}

/* ---- comparing ---- */

static gboolean is_right(const char *label, const char *answer, VelmTrialKind kind) {
  if (!answer || kind == VELM_TRIAL_CLASSES)
    return g_strcmp0(label, answer) == 0;
  return g_str_equal(label, VELM_LABEL_GOOD) == g_str_equal(answer, VELM_LABEL_GOOD);
}

static VelmTrialClass *find_class(GArray *classes, const char *label) {
  for (guint i = 0; i < classes->len; i++)
    if (g_str_equal(g_array_index(classes, VelmTrialClass, i).label, label))
      return &g_array_index(classes, VelmTrialClass, i);
  const VelmTrialClass one = {.label = label};
  g_array_append_val(classes, one);
  return &g_array_index(classes, VelmTrialClass, classes->len - 1);
}

GArray *velm_model_trial_compare(const GPtrArray *held_out, const GPtrArray *before,
                                 const GPtrArray *after, VelmTrialKind kind) {
  GArray *classes = g_array_new(FALSE, FALSE, sizeof(VelmTrialClass));
  for (guint i = 0; i < held_out->len; i++) {
    const VelmHeldOut *one = held_out->pdata[i];
    if (kind == VELM_TRIAL_CLASSES && g_str_equal(one->label, VELM_LABEL_GOOD))
      continue;
    VelmTrialClass *class = find_class(classes, one->label);
    class->held_out++;
    class->right_before += is_right(one->label, before->pdata[i], kind);
    class->right_after += is_right(one->label, after->pdata[i], kind);
  }
  return classes;
}
