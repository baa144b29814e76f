#include "evaluate/audit.h"

#include "evaluate/audit_labels.h"
#include "evaluate/audit_parts.h"

/* Below these a class is neither taught nor measured well: the method's paper dropped classes under
 * ten images, and with three parts one can be taught, one held back and one tested. */
enum { MIN_IMAGES = 10, MIN_PARTS = 3 };

VelmAuditParams velm_audit_params_default(void) {
  return (VelmAuditParams){.min_images = MIN_IMAGES, .min_parts = MIN_PARTS, .features = TRUE};
}

/* ---- the part of the dataset that can be read ---- */

static void sample_copy_free(gpointer data) { g_free(data); }

/* Masks and references that were found unreadable. */
static GHashTable *unreadable_paths(const VelmAudit *audit) {
  GHashTable *paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < audit->findings->len; i++) {
    const VelmFinding *finding = g_ptr_array_index(audit->findings, i);
    if (finding->kind == VELM_AUDIT_UNREADABLE)
      g_hash_table_add(paths, g_build_filename(audit->dataset->directory,
                                               g_ptr_array_index(finding->paths, 0), NULL));
  }
  return paths;
}

static GPtrArray *readable(const GPtrArray *samples, GHashTable *unreadable) {
  GPtrArray *kept = g_ptr_array_new_with_free_func(sample_copy_free);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    if (g_hash_table_contains(unreadable, sample->path))
      continue;
    VelmSample *copy = g_new(VelmSample, 1);
    *copy = *sample;
    if (copy->mask && g_hash_table_contains(unreadable, copy->mask))
      copy->mask = NULL;
    if (copy->reference && g_hash_table_contains(unreadable, copy->reference))
      copy->reference = NULL;
    g_ptr_array_add(kept, copy);
  }
  return kept;
}

/* The classes that still have an image. */
static GPtrArray *classes_of(const VelmDataset *dataset, const GPtrArray *test) {
  GPtrArray *classes = g_ptr_array_new();
  for (guint i = 0; i < dataset->classes->len; i++) {
    char *class = g_ptr_array_index(dataset->classes, i);
    for (guint k = 0; k < test->len; k++)
      if (g_str_equal(((const VelmSample *)g_ptr_array_index(test, k))->label, class)) {
        g_ptr_array_add(classes, class);
        break;
      }
  }
  return classes;
}

/* A shallow copy whose strings are the dataset's. */
static VelmDataset *readable_part(const VelmAudit *audit) {
  g_autoptr(GHashTable) unreadable = unreadable_paths(audit);
  VelmDataset *part = g_new0(VelmDataset, 1);
  part->directory = g_strdup(audit->dataset->directory);
  part->train = readable(audit->dataset->train, unreadable);
  part->test = readable(audit->dataset->test, unreadable);
  part->classes = classes_of(audit->dataset, part->test);
  part->has_groups = audit->dataset->has_groups;
  return part;
}

/* ---- all checks ---- */

static gboolean check_features(VelmAudit *audit, const VelmAuditParams *params, GError **error) {
  g_autoptr(VelmDataset) part = readable_part(audit);
  return velm_audit_parts(part, audit, params->progress, params->progress_data, error) &&
         velm_audit_labels(part, params->model, audit, params->progress, params->progress_data,
                           error);
}

VelmAudit *velm_audit_run(const VelmDataset *dataset, const VelmAuditParams *params,
                          GError **error) {
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  if (!velm_audit_files(audit, params->progress, params->progress_data, error))
    return NULL;
  velm_audit_duplicates(audit);
  velm_audit_counts(audit, params->min_images, params->min_parts);
  if (params->features && !check_features(audit, params, error))
    return NULL;
  velm_audit_sort(audit);
  return g_steal_pointer(&audit);
}
