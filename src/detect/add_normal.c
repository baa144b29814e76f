/* Adding good images to a fitted model: the detector does it, this keeps the model whole. */
#include "detect/detector.h"

void velm_addition_clear(VelmAddition *addition) {
  g_free(addition->patches);
  *addition = (VelmAddition){0};
}

static const VelmDetectorClass *find_class(VelmModel *model, GError **error) {
  const char *name = velm_model_get_string(model, "detector", error);
  const VelmDetectorClass *klass = name ? velm_detector_find(name) : NULL;
  if (klass && klass->add_normal)
    return klass;
  if (name)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the detector \"%s\" cannot take further images; fit it again with all of them",
                name);
  return NULL;
}

/* The model that grows is a copy, until all has gone well. */
gboolean velm_model_add_dataset(VelmModel *model, const VelmDataset *dataset, VelmProgress progress,
                                gpointer progress_data, VelmAddition *addition, GError **error) {
  *addition = (VelmAddition){0};
  const VelmDetectorClass *klass = find_class(model, error);
  if (!klass)
    return FALSE;
  if (dataset->train->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: has no good image in train/good",
                dataset->directory);
    return FALSE;
  }
  g_autoptr(VelmModel) copy = velm_model_copy(model);
  if (!klass->add_normal(copy, dataset, progress, progress_data, addition, error)) {
    velm_addition_clear(addition);
    return FALSE;
  }
  velm_model_take(model, g_steal_pointer(&copy));
  return TRUE;
}

gboolean velm_model_add_normal(VelmModel *model, const char *directory, VelmProgress progress,
                               gpointer progress_data, VelmAddition *addition, GError **error) {
  *addition = (VelmAddition){0};
  g_autoptr(VelmDataset) dataset =
      find_class(model, error) ? velm_dataset_open(directory, error) : NULL;
  return dataset &&
         velm_model_add_dataset(model, dataset, progress, progress_data, addition, error);
}
