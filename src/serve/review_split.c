#include "serve/review_split.h"

/* One of so many is held back. */
#define SHARE 4
/* Reviewed records that are looked at; the latest. */
#define MOST 20000

typedef struct {
  VelmStore *store;
  const VelmClasses *classes;
  const char *const *known;
  GHashTable *known_parts; /* also those of the known images */
  GHashTable *counts;      /* label -> how many parts there were */
  GHashTable *fates;       /* part -> whether it is held back */
  GStrvBuilder *good_images, *class_images;
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
  g_strfreev(split->good_images);
  g_strfreev(split->class_images);
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

/* What the images of one part have in common. */
static char *part_of(const VelmStoredRecord *record) {
  return g_strdup(record->part ? record->part : record->image);
}

/* Decides of a part when its first image comes. Known ones count too: what is held back stays so.
 */
static gboolean is_held_back(Splitting *splitting, const char *part, const char *label) {
  gpointer fate = NULL;
  if (g_hash_table_lookup_extended(splitting->fates, part, NULL, &fate))
    return GPOINTER_TO_INT(fate);
  guint n = GPOINTER_TO_UINT(g_hash_table_lookup(splitting->counts, label)) + 1;
  g_hash_table_insert(splitting->counts, g_strdup(label), GUINT_TO_POINTER(n));
  gboolean held_back = n % SHARE == 0 && !g_hash_table_contains(splitting->known_parts, part);
  g_hash_table_insert(splitting->fates, g_strdup(part), GINT_TO_POINTER(held_back));
  return held_back;
}

static void add_record(Splitting *splitting, const VelmStoredRecord *record) {
  VelmReviewSplit *split = splitting->split;
  const char *label = label_of(record, splitting->classes);
  if (!label)
    return;
  g_autofree char *part = part_of(record);
  g_autofree char *path = velm_store_image_path(splitting->store, record->image);
  if (is_held_back(splitting, part, label)) {
    VelmHeldOut *one = g_new(VelmHeldOut, 1);
    *one = (VelmHeldOut){record->id, g_strdup(label), g_steal_pointer(&path)};
    g_ptr_array_add(split->held_out, one);
  } else if (!g_strv_contains(splitting->known, record->image)) {
    gboolean good = g_str_equal(label, VELM_LABEL_GOOD);
    g_ptr_array_add(good ? split->taught->train : split->taught->test,
                    velm_sample_new(path, label, part));
    g_strv_builder_add(good ? splitting->good_images : splitting->class_images, record->image);
  }
}

static void note_known(const Splitting *splitting, const VelmKnown *known,
                       const GPtrArray *records) {
  for (const char *const *name = known->parts; name && *name; name++)
    g_hash_table_add(splitting->known_parts, g_strdup(*name));
  for (guint i = 0; i < records->len; i++)
    if (g_strv_contains(known->images, ((const VelmStoredRecord *)records->pdata[i])->image))
      g_hash_table_add(splitting->known_parts, part_of(records->pdata[i]));
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
      if (g_hash_table_contains(seen, record->image)) {
        velm_stored_record_free(record);
        continue;
      }
      g_hash_table_add(seen, record->image);
      g_ptr_array_add(all, record);
    }
    g_free(cursor);
    cursor = g_steal_pointer(&next);
  } while (cursor && all->len < MOST);
  return g_steal_pointer(&all);
}

VelmReviewSplit *velm_review_split_new(VelmStore *store, const char *product, const VelmSpec *spec,
                                       const VelmKnown *known, GError **error) {
  g_autoptr(GPtrArray) records = list_reviewed(store, product, error);
  if (!records)
    return NULL;
  g_autoptr(GHashTable) known_parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) fates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GStrvBuilder) good_images = g_strv_builder_new(), class_images = g_strv_builder_new();
  VelmReviewSplit *split = g_new0(VelmReviewSplit, 1);
  split->taught = velm_dataset_new("the reviews");
  split->held_out = g_ptr_array_new_with_free_func(held_out_free);
  Splitting splitting = {store,         velm_spec_get_classes(spec),
                         known->images, known_parts,
                         counts,        fates,
                         good_images,   class_images,
                         split};
  note_known(&splitting, known, records);
  for (guint i = records->len; i > 0; i--)
    add_record(&splitting, records->pdata[i - 1]);
  split->good_images = g_strv_builder_end(good_images);
  split->class_images = g_strv_builder_end(class_images);
  return split;
}
