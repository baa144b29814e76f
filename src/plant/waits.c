#include "plant/waits.h"

struct _VelmWaits {
  GMutex lock;
  GCond changed;
  GHashTable *waiting; /* subject -> GPtrArray of VelmWait */
};

static void wait_clear(gpointer data) {
  VelmWait *wait = data;
  g_free(wait->subject);
  g_free(wait->key);
  g_free(wait->product);
  g_free(wait->name);
  g_free(wait->part);
  g_free(wait->station);
  g_free(wait->image);
}

static void wait_unref(gpointer wait) { g_atomic_rc_box_release_full(wait, wait_clear); }

static GPtrArray *new_list(void) { return g_ptr_array_new_with_free_func(wait_unref); }

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
  VelmWait *wait = g_atomic_rc_box_new(VelmWait);
  *wait = (VelmWait){.subject = g_strdup(subject),
                     .key = g_strdup(image->key),
                     .product = g_strdup(image->product),
                     .name = g_strdup(image->name),
                     .part = g_strdup(image->part),
                     .station = g_strdup(image->station),
                     .image = g_strdup(image->sha256),
                     .time = image->time,
                     .since = g_get_monotonic_time(),
                     .done = done,
                     .user_data = user_data};
  g_mutex_lock(&waits->lock);
  GPtrArray *same = g_hash_table_lookup(waits->waiting, subject);
  if (!same) {
    same = new_list();
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
  return same ? same : new_list();
}

GPtrArray *velm_waits_take_all(VelmWaits *waits) {
  GPtrArray *all = new_list();
  g_autoptr(GPtrArray) firsts = velm_waits_list(waits, G_MAXINT64);
  for (guint i = 0; i < firsts->len; i++) {
    const VelmWait *first = firsts->pdata[i];
    g_ptr_array_extend_and_steal(all, velm_waits_take(waits, first->subject));
  }
  return all;
}

GPtrArray *velm_waits_list(VelmWaits *waits, gint64 until) {
  GHashTableIter iter;
  gpointer same;
  GPtrArray *firsts = new_list();
  g_mutex_lock(&waits->lock);
  g_hash_table_iter_init(&iter, waits->waiting);
  while (g_hash_table_iter_next(&iter, NULL, &same)) {
    VelmWait *first = ((GPtrArray *)same)->pdata[0];
    if (first->since <= until)
      g_ptr_array_add(firsts, g_atomic_rc_box_acquire(first));
  }
  g_mutex_unlock(&waits->lock);
  return firsts;
}

void velm_waits_settle(VelmWaits *waits, gint64 end) {
  g_mutex_lock(&waits->lock);
  while (g_hash_table_size(waits->waiting) > 0 &&
         g_cond_wait_until(&waits->changed, &waits->lock, end))
    continue;
  g_mutex_unlock(&waits->lock);
}
