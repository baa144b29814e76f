#include "dataset/draw.h"

#include <string.h>

/* Fisher-Yates. */
static void shuffle(GPtrArray *array, GRand *random) {
  for (guint i = array->len; i > 1; i--) {
    guint j = (guint)g_rand_int_range(random, 0, (gint32)i);
    gpointer swap = array->pdata[i - 1];
    array->pdata[i - 1] = array->pdata[j];
    array->pdata[j] = swap;
  }
}

/* The parts that show @label, in order of first appearance. */
static GPtrArray *parts_of(const VelmDataset *dataset, const char *label) {
  GPtrArray *parts = g_ptr_array_new();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < dataset->test->len; i++) {
    const VelmSample *sample = g_ptr_array_index(dataset->test, i);
    if (g_str_equal(sample->label, label) && g_hash_table_add(seen, sample->group))
      g_ptr_array_add(parts, sample->group);
  }
  return parts;
}

static int compare_sizes(gconstpointer a, gconstpointer b) {
  const GPtrArray *x = *(GPtrArray *const *)a, *y = *(GPtrArray *const *)b;
  return x->len < y->len ? -1 : x->len > y->len;
}

/* Each part's side: it lends where the table says TRUE. */
static GHashTable *split_parts(const VelmDataset *dataset, GRand *random) {
  GHashTable *lends = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) classes = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  for (guint i = 0; i < dataset->classes->len; i++)
    g_ptr_array_add(classes, parts_of(dataset, dataset->classes->pdata[i]));
  g_ptr_array_sort(classes, compare_sizes);
  for (guint i = 0; i < classes->len; i++) {
    GPtrArray *parts = classes->pdata[i];
    guint wanted = MAX(1, parts->len / 2), lending = 0;
    shuffle(parts, random);
    for (guint k = 0; k < parts->len; k++)
      lending += GPOINTER_TO_INT(g_hash_table_lookup(lends, parts->pdata[k])) != 0;
    for (guint k = 0; k < parts->len; k++) {
      if (g_hash_table_contains(lends, parts->pdata[k]))
        continue;
      gboolean lend = lending < wanted;
      lending += lend ? 1 : 0;
      g_hash_table_insert(lends, parts->pdata[k], GINT_TO_POINTER(lend));
    }
    /* Others have set all its parts aside for testing: one comes back, for it needs an example. */
    if (lending == 0)
      g_hash_table_insert(lends, parts->pdata[0], GINT_TO_POINTER(TRUE));
  }
  return lends;
}

static void draw_examples(const VelmDataset *dataset, const char *label, int shots, GRand *random,
                          GHashTable *lends, GPtrArray *examples) {
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = dataset->test->pdata[i];
    if (g_str_equal(sample->label, label) && g_hash_table_lookup(lends, sample->group))
      g_ptr_array_add(candidates, sample);
  }
  shuffle(candidates, random);
  guint n = shots > 0 ? MIN((guint)shots, candidates->len) : candidates->len;
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(examples, candidates->pdata[i]);
}

void velm_dataset_draw(const VelmDataset *dataset, int shots, GRand *random, GPtrArray **examples,
                       GPtrArray **tests) {
  *examples = g_ptr_array_new();
  *tests = g_ptr_array_new();
  g_autoptr(GHashTable) lends = split_parts(dataset, random);
  for (guint i = 0; i < dataset->classes->len; i++)
    draw_examples(dataset, dataset->classes->pdata[i], shots, random, lends, *examples);
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = dataset->test->pdata[i];
    if (!g_str_equal(sample->label, VELM_LABEL_GOOD) && !g_hash_table_lookup(lends, sample->group))
      g_ptr_array_add(*tests, sample);
  }
}
