#include "dataset/audit.h"

#include <math.h>
#include <string.h>

static void finding_free(gpointer data) {
  VelmFinding *finding = data;
  g_free(finding->label);
  g_free(finding->other);
  g_free(finding->message);
  g_ptr_array_unref(finding->paths);
  g_free(finding);
}

static void rank_free(gpointer data) {
  VelmLabelRank *rank = data;
  g_free(rank->path);
  g_free(rank->label);
  g_free(rank->other);
  g_free(rank);
}

const char *velm_audit_kind_name(VelmAuditKind kind) {
  static const char *const names[VELM_N_AUDIT_KINDS] = {
      [VELM_AUDIT_UNREADABLE] = "unreadable",
      [VELM_AUDIT_LEAK] = "leak",
      [VELM_AUDIT_SUSPECT_LABEL] = "suspect_label",
      [VELM_AUDIT_INSEPARABLE] = "inseparable",
      [VELM_AUDIT_FEW_SAMPLES] = "few_samples",
      [VELM_AUDIT_DUPLICATE] = "duplicate",
      [VELM_AUDIT_NEAR_DUPLICATE] = "near_duplicate",
      [VELM_AUDIT_GROUP] = "group",
      [VELM_AUDIT_MASK] = "mask",
  };
  return (unsigned)kind < VELM_N_AUDIT_KINDS ? names[kind] : "unknown";
}

VelmAudit *velm_audit_new(const VelmDataset *dataset) {
  VelmAudit *audit = g_new0(VelmAudit, 1);
  audit->dataset = dataset;
  audit->findings = g_ptr_array_new_with_free_func(finding_free);
  audit->labels = g_ptr_array_new_with_free_func(rank_free);
  audit->digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return audit;
}

void velm_audit_free(VelmAudit *audit) {
  if (!audit)
    return;
  g_ptr_array_unref(audit->findings);
  g_ptr_array_unref(audit->labels);
  g_hash_table_unref(audit->digests);
  g_free(audit);
}

void velm_audit_add(VelmAudit *audit, VelmAuditKind kind, double score, const char *label,
                    const char *other, const char *const *paths, const char *format, ...) {
  VelmFinding *finding = g_new0(VelmFinding, 1);
  finding->kind = kind;
  finding->score = score;
  finding->label = g_strdup(label);
  finding->other = g_strdup(other);
  finding->paths = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; paths && paths[i]; i++)
    g_ptr_array_add(finding->paths, velm_dataset_path_below(audit->dataset, paths[i]));
  va_list arguments;
  va_start(arguments, format);
  finding->message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_ptr_array_add(audit->findings, finding);
}

void velm_audit_rank_label(VelmAudit *audit, const char *path, const char *label, const char *other,
                           double score) {
  VelmLabelRank *rank = g_new0(VelmLabelRank, 1);
  rank->path = velm_dataset_path_below(audit->dataset, path);
  rank->label = g_strdup(label);
  rank->other = g_strdup(other);
  rank->score = score;
  g_ptr_array_add(audit->labels, rank);
}

static int compare(gconstpointer a, gconstpointer b) {
  const VelmFinding *x = *(VelmFinding *const *)a, *y = *(VelmFinding *const *)b;
  if (x->kind != y->kind)
    return x->kind < y->kind ? -1 : 1;
  if (x->score > y->score || x->score < y->score)
    return x->score > y->score ? -1 : 1;
  if (isnan(x->score) != isnan(y->score)) /* no figure comes last */
    return isnan(x->score) ? 1 : -1;
  for (guint i = 0; i < x->paths->len && i < y->paths->len; i++) {
    int order = strcmp(g_ptr_array_index(x->paths, i), g_ptr_array_index(y->paths, i));
    if (order != 0)
      return order;
  }
  if (x->paths->len != y->paths->len)
    return x->paths->len < y->paths->len ? -1 : 1;
  int order = g_strcmp0(x->label, y->label);
  return order != 0 ? order : g_strcmp0(x->other, y->other);
}

void velm_audit_sort(VelmAudit *audit) { g_ptr_array_sort(audit->findings, compare); }
