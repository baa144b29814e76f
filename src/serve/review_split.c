#include "serve/review_split.h"

/* One of so many is held back. */
#define SHARE 4
/* Reviewed records that are looked at; the latest. */
#define MOST 20000

typedef struct {
  VelmStore *store;
  const VelmClasses *classes;
  const char *const *known;
  GHashTable *counts; /* label -> how many images there were */
  VelmReviewSplit *split;
} Splitting;

static void held_out_free(gpointer data) {
  VelmHeldOut *one = data;
  g_free(one->label);
  g_free(one->path);
  g_free(one);
}

void velm_review_split_free(VelmReviewSplit *split) {
  if (!split)
    return;
  velm_dataset_free(split->taught);
  g_ptr_array_unref(split->held_out);
  g_free(split);
}

/* What the person says the image shows; NULL where that teaches nothing. */
static const char *label_of(const VelmStoredRecord *record, const VelmClasses *classes) {
  gboolean normal = record->verdict == VELM_VERDICT_CONFIRM &&
                    g_str_equal(record->decision, velm_decision_name(VELM_DECISION_NORMAL));
  if (g_str_equal(record->decision, VELM_STORE_FAILED))
    return NULL;
  if (record->verdict == VELM_VERDICT_GOOD || normal)
    return VELM_LABEL_GOOD;
  gboolean has = record->class_name && velm_classes_find(classes, record->class_name) >= 0;
  return has ? record->class_name : NULL;
}

/* Counts the image among those of its label. Returns: whether it is one that is held back. */
static gboolean is_fourth(Splitting *splitting, const char *label) {
  guint n = GPOINTER_TO_UINT(g_hash_table_lookup(splitting->counts, label)) + 1;
  g_hash_table_insert(splitting->counts, g_strdup(label), GUINT_TO_POINTER(n));
  return n % SHARE == 0;
}

static void add_record(Splitting *splitting, const VelmStoredRecord *record) {
  VelmReviewSplit *split = splitting->split;
  const char *label = label_of(record, splitting->classes);
  if (!label)
    return;
  gboolean held_back = is_fourth(splitting, label);
  if (g_strv_contains(splitting->known, record->image))
    return;
  g_autofree char *path = velm_store_image_path(splitting->store, record->image);
  if (held_back) {
    VelmHeldOut *one = g_new(VelmHeldOut, 1);
    *one = (VelmHeldOut){record->id, g_strdup(label), g_steal_pointer(&path)};
    g_ptr_array_add(split->held_out, one);
    return;
  }
  gboolean good = g_str_equal(label, VELM_LABEL_GOOD);
  g_ptr_array_add(good ? split->taught->train : split->taught->test,
                  velm_sample_new(path, label, record->image));
}

/* The latest reviewed record of each image. Returns: (transfer full) (element-type
 * VelmStoredRecord): the latest first. */
static GPtrArray *list_reviewed(VelmStore *store, const char *product, GError **error) {
  g_autoptr(GPtrArray) all =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_record_free);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  VelmStoreQuery query = velm_store_query_default();
  g_autofree char *cursor = NULL;
  query.product = product;
  query.reviewed = VELM_STORE_REVIEWED;
  do {
    g_autofree char *next = NULL;
    g_autoptr(GPtrArray) page =
        velm_store_list(store, &query, cursor, VELM_STORE_MAX_PAGE, &next, error);
    if (!page)
      return NULL;
    g_ptr_array_set_free_func(page, NULL);
    for (guint i = 0; i < page->len; i++) {
      VelmStoredRecord *record = page->pdata[i];
      if (g_hash_table_add(seen, record->image))
        g_ptr_array_add(all, record);
      else
        velm_stored_record_free(record);
    }
    g_free(cursor);
    cursor = g_steal_pointer(&next);
  } while (cursor && all->len < MOST);
  return g_steal_pointer(&all);
}

VelmReviewSplit *velm_review_split_new(VelmStore *store, const char *product, const VelmSpec *spec,
                                       const char *const *known, GError **error) {
  g_autoptr(GPtrArray) records = list_reviewed(store, product, error);
  if (!records)
    return NULL;
  g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  VelmReviewSplit *split = g_new0(VelmReviewSplit, 1);
  split->taught = velm_dataset_new("the reviews");
  split->held_out = g_ptr_array_new_with_free_func(held_out_free);
  Splitting splitting = {store, velm_spec_get_classes(spec), known, counts, split};
  for (guint i = records->len; i > 0; i--)
    add_record(&splitting, records->pdata[i - 1]);
  return split;
}
