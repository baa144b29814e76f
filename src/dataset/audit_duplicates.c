/* Images with the same pixels, whatever their names, formats, folders and labels. */
#include "dataset/audit.h"

#include <string.h>

/* What is found out about images that are the same. */
typedef struct {
  GPtrArray *samples; /* of borrowed VelmSample: training images first, then by path */
  GString *labels;    /* "crack, dent" */
  guint n_labels, n_train, n_test;
  const char *other; /* a label that is not the first's, or NULL */
} Same;

static gpointer same_new(void) {
  Same *same = g_new0(Same, 1);
  same->samples = g_ptr_array_new();
  same->labels = g_string_new(NULL);
  return same;
}

static void same_free(gpointer data) {
  Same *same = data;
  g_ptr_array_unref(same->samples);
  g_string_free(same->labels, TRUE);
  g_free(same);
}

/* Whether @sample is the first of its label. */
static gboolean is_new_label(const Same *same, const VelmSample *sample) {
  for (guint i = 0; i < same->samples->len; i++) {
    const VelmSample *before = g_ptr_array_index(same->samples, i);
    if (g_str_equal(before->label, sample->label))
      return FALSE;
  }
  return TRUE;
}

static void same_add(Same *same, VelmSample *sample, gboolean train) {
  if (is_new_label(same, sample)) {
    g_string_append_printf(same->labels, "%s%s", same->n_labels ? ", " : "", sample->label);
    if (same->n_labels == 1)
      same->other = sample->label;
    same->n_labels++;
  }
  *(train ? &same->n_train : &same->n_test) += 1;
  g_ptr_array_add(same->samples, sample);
}

/* Adds @samples to @order, of Same by their first image, and @by_digest, which borrows the keys. */
static void gather(const VelmAudit *audit, const GPtrArray *samples, GPtrArray *order,
                   GHashTable *by_digest) {
  for (guint i = 0; i < samples->len; i++) {
    VelmSample *sample = g_ptr_array_index(samples, i);
    char *digest = g_hash_table_lookup(audit->digests, sample->path);
    if (!digest) /* it cannot be decoded */
      continue;
    Same *same = g_hash_table_lookup(by_digest, digest);
    if (!same) {
      same = same_new();
      g_ptr_array_add(order, same);
      g_hash_table_insert(by_digest, digest, same);
    }
    same_add(same, sample, samples == audit->dataset->train);
  }
}

static void add_finding(VelmAudit *audit, const Same *same) {
  gboolean both_sides = same->n_train > 0 && same->n_test > 0;
  double score = 1 + (same->n_labels > 1) + both_sides;
  g_autoptr(GPtrArray) paths = g_ptr_array_new();
  for (guint i = 0; i < same->samples->len; i++)
    g_ptr_array_add(paths, ((const VelmSample *)g_ptr_array_index(same->samples, i))->path);
  g_ptr_array_add(paths, NULL);
  g_autofree char *labels =
      same->n_labels > 1 ? g_strdup_printf(", labelled %s", same->labels->str) : g_strdup("");
  const VelmSample *first = g_ptr_array_index(same->samples, 0);
  velm_audit_add(audit, VELM_AUDIT_DUPLICATE, score, first->label, same->other,
                 (const char *const *)paths->pdata, "%u images with the same pixels%s%s",
                 same->samples->len, labels, both_sides ? ", in train and in test" : "");
}

void velm_audit_duplicates(VelmAudit *audit) {
  g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(same_free);
  g_autoptr(GHashTable) by_digest = g_hash_table_new(g_str_hash, g_str_equal);
  gather(audit, audit->dataset->train, order, by_digest);
  gather(audit, audit->dataset->test, order, by_digest);
  for (guint i = 0; i < order->len; i++) {
    const Same *same = g_ptr_array_index(order, i);
    if (same->samples->len > 1)
      add_finding(audit, same);
  }
}
