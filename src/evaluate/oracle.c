#include "evaluate/oracle.h"

typedef struct {
  VelmDetector base;
  GHashTable *samples; /* path -> VelmSample, borrowed */
} Oracle;

static VelmPlane *plane_of_mask(const char *path, GError **error) {
  g_autoptr(VelmMask) mask = velm_mask_load(path, error);
  if (!mask)
    return NULL;
  VelmPlane *plane = velm_plane_new(mask->width, mask->height);
  for (gsize i = 0; i < (gsize)mask->width * (gsize)mask->height; i++)
    plane->values[i] = mask->values[i] ? 1 : 0;
  return plane;
}

static gboolean oracle_detect(VelmDetector *detector, VelmInspection *inspection, GError **error) {
  const VelmSample *sample = g_hash_table_lookup(((Oracle *)detector)->samples, inspection->path);
  if (!sample) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: the oracle knows no label for it",
                inspection->path);
    return FALSE;
  }
  gboolean defect = !g_str_equal(sample->label, VELM_LABEL_GOOD);
  inspection->map =
      defect && sample->mask ? plane_of_mask(sample->mask, error) : velm_plane_new(1, 1);
  if (!inspection->map)
    return FALSE;
  if (defect && !sample->mask)
    inspection->map->values[0] = 1;
  inspection->score = defect ? 1 : 0;
  inspection->threshold = inspection->region_threshold = 0.5;
  inspection->anomalous = defect;
  return TRUE;
}

static void oracle_free(VelmDetector *detector) {
  g_hash_table_unref(((Oracle *)detector)->samples);
  g_free(detector);
}

static const VelmDetectorClass oracle_class = {
    .name = "oracle", .detect = oracle_detect, .free = oracle_free};

VelmDetector *velm_oracle_open(const VelmDataset *dataset) {
  Oracle *self = g_new0(Oracle, 1);
  self->base.klass = &oracle_class;
  self->samples = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = dataset->test->pdata[i];
    g_hash_table_insert(self->samples, sample->path, sample);
  }
  return &self->base;
}
