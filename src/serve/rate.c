#include "serve/rate.h"

/* Addresses that are remembered; those whose bucket is full again are forgotten first. */
#define MOST_BUCKETS 10000

typedef struct {
  double permits;
  gint64 time; /* when they were counted */
} Bucket;

struct _VelmRate {
  double per_second, burst;
  GMutex lock;
  GHashTable *buckets; /* who -> Bucket; who is not there has a full one */
};

VelmRate *velm_rate_new(double per_second, double burst) {
  VelmRate *rate = g_new0(VelmRate, 1);
  rate->per_second = per_second;
  rate->burst = burst;
  g_mutex_init(&rate->lock);
  rate->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return rate;
}

void velm_rate_free(VelmRate *rate) {
  if (!rate)
    return;
  g_hash_table_unref(rate->buckets);
  g_mutex_clear(&rate->lock);
  g_free(rate);
}

static double permits_at(const VelmRate *rate, const Bucket *bucket, gint64 now) {
  if (!bucket)
    return rate->burst;
  double seconds = (double)(now - bucket->time) / G_TIME_SPAN_SECOND;
  return MIN(rate->burst, bucket->permits + seconds * rate->per_second);
}

gboolean velm_rate_has(VelmRate *rate, const char *who, gint64 now) {
  g_mutex_lock(&rate->lock);
  gboolean has = permits_at(rate, g_hash_table_lookup(rate->buckets, who), now) >= 1;
  g_mutex_unlock(&rate->lock);
  return has;
}

static void forget_full(VelmRate *rate, gint64 now) {
  GHashTableIter iter;
  gpointer bucket;
  g_hash_table_iter_init(&iter, rate->buckets);
  while (g_hash_table_iter_next(&iter, NULL, &bucket))
    if (permits_at(rate, bucket, now) >= rate->burst)
      g_hash_table_iter_remove(&iter);
  /* So many that ask at once are an attack; the next second starts them anew. */
  if (g_hash_table_size(rate->buckets) >= MOST_BUCKETS)
    g_hash_table_remove_all(rate->buckets);
}

gboolean velm_rate_take(VelmRate *rate, const char *who, gint64 now) {
  g_mutex_lock(&rate->lock);
  Bucket *bucket = g_hash_table_lookup(rate->buckets, who);
  double permits = permits_at(rate, bucket, now);
  if (!bucket && g_hash_table_size(rate->buckets) >= MOST_BUCKETS)
    forget_full(rate, now);
  if (!bucket) {
    bucket = g_new0(Bucket, 1);
    g_hash_table_insert(rate->buckets, g_strdup(who), bucket);
  }
  gboolean has = permits >= 1;
  *bucket = (Bucket){has ? permits - 1 : permits, now};
  g_mutex_unlock(&rate->lock);
  return has;
}
