#include "plant/waits.h"

struct _VelmWaits {
  GMutex lock;
  GCond changed;
  GHashTable *waiting; /* subject -> GPtrArray of VelmWait */
};

static void wait_free(gpointer data) {
  VelmWait *wait = data;
  g_free(wait->subject);
  g_free(wait->key);
  g_free(wait->image);
  g_free(wait);
}

VelmWaits *velm_waits_new(void) {
  VelmWaits *waits = g_new0(VelmWaits, 1);
  g_mutex_init(&waits->lock);
  g_cond_init(&waits->changed);
  waits->waiting =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  return waits;
}

void velm_waits_free(VelmWaits *waits) {
  if (!waits)
    return;
  g_hash_table_unref(waits->waiting);
  g_mutex_clear(&waits->lock);
  g_cond_clear(&waits->changed);
  g_free(waits);
}

void velm_waits_add(VelmWaits *waits, const char *subject, const VelmPlantImage *image,
                    VelmPlantDone done, gpointer user_data) {
  VelmWait *wait = g_new(VelmWait, 1);
  *wait = (VelmWait){g_strdup(subject),
                     g_strdup(image->key),
                     g_strdup(image->sha256),
                     g_get_monotonic_time(),
                     done,
                     user_data};
  g_mutex_lock(&waits->lock);
  GPtrArray *same = g_hash_table_lookup(waits->waiting, subject);
  if (!same) {
    same = g_ptr_array_new_with_free_func(wait_free);
    g_hash_table_insert(waits->waiting, g_strdup(subject), same);
  }
  g_ptr_array_add(same, wait);
  g_mutex_unlock(&waits->lock);
}

GPtrArray *velm_waits_take(VelmWaits *waits, const char *subject) {
  gpointer key = NULL, same = NULL;
  g_mutex_lock(&waits->lock);
  g_hash_table_steal_extended(waits->waiting, subject, &key, &same);
  g_cond_broadcast(&waits->changed);
  g_mutex_unlock(&waits->lock);
  g_free(key);
  return same ? same : g_ptr_array_new();
}

GPtrArray *velm_waits_take_all(VelmWaits *waits) {
  GPtrArray *all = g_ptr_array_new_with_free_func(wait_free);
  g_auto(GStrv) subjects = velm_waits_list(waits, G_MAXINT64);
  for (char **subject = subjects; *subject; subject++)
    g_ptr_array_extend_and_steal(all, velm_waits_take(waits, *subject));
  return all;
}

static gint64 since_when(const GPtrArray *same) { return ((VelmWait *)same->pdata[0])->since; }

GStrv velm_waits_list(VelmWaits *waits, gint64 until) {
  GHashTableIter iter;
  gpointer subject, same;
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_mutex_lock(&waits->lock);
  g_hash_table_iter_init(&iter, waits->waiting);
  while (g_hash_table_iter_next(&iter, &subject, &same))
    if (since_when(same) <= until)
      g_strv_builder_add(builder, subject);
  g_mutex_unlock(&waits->lock);
  return g_strv_builder_end(builder);
}

void velm_waits_settle(VelmWaits *waits, gint64 end) {
  g_mutex_lock(&waits->lock);
  while (g_hash_table_size(waits->waiting) > 0 &&
         g_cond_wait_until(&waits->changed, &waits->lock, end))
    continue;
  g_mutex_unlock(&waits->lock);
}
