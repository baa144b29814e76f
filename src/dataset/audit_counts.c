/* Classes of which there are too few images, or images of too few parts. */
#include "dataset/audit.h"

typedef struct {
  GPtrArray *paths;  /* of borrowed char *, NULL-terminated once counted */
  GHashTable *parts; /* borrowed names */
} Count;

static void count_clear(Count *count) {
  g_clear_pointer(&count->paths, g_ptr_array_unref);
  g_clear_pointer(&count->parts, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Count, count_clear)

static void count_label(Count *count, const GPtrArray *samples, const char *label) {
  count->paths = g_ptr_array_new();
  count->parts = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    if (!g_str_equal(sample->label, label))
      continue;
    g_ptr_array_add(count->paths, sample->path);
    g_hash_table_add(count->parts, sample->group);
  }
}

/* How much of @wanted is missing, 0 to 1. */
static double missing(guint n, guint wanted) {
  return n < wanted ? 1 - (double)n / (double)wanted : 0;
}

static const char *plural(guint n) { return n == 1 ? "" : "s"; }

/* @where: what the images are, for the message */
static void check(VelmAudit *audit, const GPtrArray *samples, const char *label, const char *where,
                  guint min_images, guint min_parts) {
  g_auto(Count) count = {0};
  count_label(&count, samples, label);
  guint images = count.paths->len, parts = g_hash_table_size(count.parts);
  double images_missing = missing(images, min_images);
  double parts_missing = audit->dataset->has_groups ? missing(parts, min_parts) : 0;
  if (images == 0 || MAX(images_missing, parts_missing) <= 0)
    return;
  g_ptr_array_add(count.paths, NULL);
  const char *const *paths = (const char *const *)count.paths->pdata;
  double score = MAX(images_missing, parts_missing);
  if (parts_missing > 0)
    velm_audit_add(audit, VELM_AUDIT_FEW_SAMPLES, score, label, NULL, paths,
                   "%u %s%s of %u part%s; at least %u images of %u parts are wanted", images, where,
                   plural(images), parts, plural(parts), min_images, min_parts);
  else
    velm_audit_add(audit, VELM_AUDIT_FEW_SAMPLES, score, label, NULL, paths,
                   "%u %s%s; at least %u are wanted", images, where, plural(images), min_images);
}

void velm_audit_counts(VelmAudit *audit, guint min_images, guint min_parts) {
  const VelmDataset *dataset = audit->dataset;
  check(audit, dataset->train, VELM_LABEL_GOOD, "good training image", min_images, min_parts);
  check(audit, dataset->test, VELM_LABEL_GOOD, "good test image", min_images, min_parts);
  for (guint i = 0; i < dataset->classes->len; i++)
    check(audit, dataset->test, g_ptr_array_index(dataset->classes, i), "image", min_images,
          min_parts);
}
