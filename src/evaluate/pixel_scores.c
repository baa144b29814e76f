#include "evaluate/pixel_scores.h"

#include "detect/spool.h"
#include "evaluate/score_key.h"

#include <math.h>

enum {
  CHUNK_BYTES = 1024,
  CHUNK_UNITS = 504, /* of 16 bits: one a normal pixel, three an anomalous one */
  UNITS_ANOMALOUS = 3,
  OUTBOX_CHUNKS = 8192, /* that are written at once; fewer never touch the disk */
  NO_CHUNK = -1,
};

/* @units: of a normal pixel the low half of its key; of an anomalous one that, and its region's
 * area, low half first. */
typedef struct {
  gint64 previous; /* number of the chunk before, or NO_CHUNK */
  guint32 n;       /* units */
  guint16 units[CHUNK_UNITS];
  guint32 unused;
} Chunk;

G_STATIC_ASSERT(sizeof(Chunk) == CHUNK_BYTES);
G_STATIC_ASSERT(CHUNK_UNITS % UNITS_ANOMALOUS == 0);

typedef struct {
  Chunk *normal, *anomalous; /* that are being filled; NULL where there is no pixel */
  VelmPixelCount count;
} Partition;

struct _VelmPixelScores {
  Partition *partitions;
  Chunk *outbox; /* full chunks */
  gsize n_outbox, capacity;
  VelmSpool *spool; /* those before; NULL until the outbox runs over */
  gsize n_spooled;
  guint64 n_regions;
  gboolean broken;
};

VelmPixelScores *velm_pixel_scores_new(void) {
  VelmPixelScores *scores = g_new0(VelmPixelScores, 1);
  scores->partitions = g_new0(Partition, VELM_SCORE_PARTITIONS);
  return scores;
}

void velm_pixel_scores_free(VelmPixelScores *scores) {
  if (!scores)
    return;
  for (gsize i = 0; i < VELM_SCORE_PARTITIONS; i++) {
    g_free(scores->partitions[i].normal);
    g_free(scores->partitions[i].anomalous);
  }
  g_free(scores->partitions);
  g_free(scores->outbox);
  velm_spool_free(scores->spool);
  g_free(scores);
}

/* ---- writing ---- */

static gboolean empty_outbox(VelmPixelScores *scores, GError **error) {
  if (!scores->spool)
    scores->spool = velm_spool_new(CHUNK_BYTES / sizeof(float), error);
  if (!scores->spool ||
      !velm_spool_append(scores->spool, (const float *)(const void *)scores->outbox,
                         scores->n_outbox, error))
    return FALSE;
  scores->n_spooled += scores->n_outbox;
  scores->n_outbox = 0;
  return TRUE;
}

/* Puts the full @chunk away and begins it anew. */
static gboolean turn_over(VelmPixelScores *scores, Chunk *chunk, GError **error) {
  if (scores->n_outbox == OUTBOX_CHUNKS && !empty_outbox(scores, error))
    return FALSE;
  if (scores->n_outbox == scores->capacity) {
    scores->capacity = CLAMP(2 * scores->capacity, 16, OUTBOX_CHUNKS);
    scores->outbox = g_renew(Chunk, scores->outbox, scores->capacity);
  }
  scores->outbox[scores->n_outbox++] = *chunk;
  chunk->previous = (gint64)(scores->n_spooled + scores->n_outbox - 1);
  chunk->n = 0;
  return TRUE;
}

/* Makes sure that *chunk has room for one more pixel. */
static gboolean make_room(VelmPixelScores *scores, Chunk **chunk, GError **error) {
  if (!*chunk) {
    *chunk = g_new0(Chunk, 1);
    (*chunk)->previous = NO_CHUNK;
  }
  return (*chunk)->n < CHUNK_UNITS || turn_over(scores, *chunk, error);
}

/* Neighbours mostly share a partition, so they are written in runs. */
static gboolean add_normal(VelmPixelScores *scores, const float *values, gsize n, GError **error) {
  for (gsize i = 0; i < n;) {
    guint32 key = velm_score_key(values[i]);
    const guint32 high = key >> 16;
    Partition *partition = &scores->partitions[high];
    if (!make_room(scores, &partition->normal, error))
      return FALSE;
    Chunk *chunk = partition->normal;
    guint32 at = chunk->n;
    do {
      chunk->units[at++] = (guint16)key;
      key = ++i < n ? velm_score_key(values[i]) : 0;
    } while (i < n && at < CHUNK_UNITS && key >> 16 == high);
    partition->count.normal += at - chunk->n;
    chunk->n = at;
  }
  return TRUE;
}

static gboolean add_anomalous(VelmPixelScores *scores, float value, guint32 area, GError **error) {
  guint32 key = velm_score_key(value);
  Partition *partition = &scores->partitions[key >> 16];
  if (!make_room(scores, &partition->anomalous, error))
    return FALSE;
  Chunk *chunk = partition->anomalous;
  guint16 *units = chunk->units + chunk->n;
  units[0] = (guint16)key;
  units[1] = (guint16)area;
  units[2] = (guint16)(area >> 16);
  chunk->n += UNITS_ANOMALOUS;
  partition->count.anomalous++;
  partition->count.overlap += 1.0 / area;
  return TRUE;
}

/* @areas: of @n pixels in a row that lie in the truth's box */
static gboolean add_mixed(VelmPixelScores *scores, const float *values, const guint32 *areas,
                          gsize n, GError **error) {
  for (gsize i = 0; i < n;) {
    gsize first = i;
    while (i < n && !areas[i])
      i++;
    if (!add_normal(scores, values + first, i - first, error))
      return FALSE;
    for (; i < n && areas[i]; i++)
      if (!add_anomalous(scores, values[i], areas[i], error))
        return FALSE;
  }
  return TRUE;
}

static gboolean has_nan(const float *map, gsize n) {
  int found = 0;
  for (gsize i = 0; i < n; i++)
    found |= isnan(map[i]) != 0;
  return found != 0;
}

gboolean velm_pixel_scores_add(VelmPixelScores *scores, const float *map,
                               const VelmTruthRegions *truth, int width, int height,
                               GError **error) {
  if (width <= 0 || height <= 0)
    return TRUE;
  const gsize row = (gsize)width, n = row * (gsize)height;
  scores->broken = scores->broken || has_nan(map, n);
  if (scores->broken)
    return TRUE;
  if (!truth || !truth->n)
    return add_normal(scores, map, n, error);
  scores->n_regions += truth->n;
  const gsize box = (gsize)truth->width, left = (gsize)truth->left;
  gsize done = 0; /* all before it is added */
  for (gsize y = 0; y < (gsize)truth->height; y++) {
    gsize start = (y + (gsize)truth->top) * row + left;
    if (!add_normal(scores, map + done, start - done, error) ||
        !add_mixed(scores, map + start, truth->areas + y * box, box, error))
      return FALSE;
    done = start + box;
  }
  return add_normal(scores, map + done, n - done, error);
}

/* ---- reading ---- */

guint64 velm_pixel_scores_n_regions(const VelmPixelScores *scores) { return scores->n_regions; }

gboolean velm_pixel_scores_broken(const VelmPixelScores *scores) { return scores->broken; }

VelmPixelCount velm_pixel_scores_count(const VelmPixelScores *scores, guint partition) {
  return scores->partitions[partition].count;
}

static void count_normal(const Chunk *chunk, VelmPixelTable *table) {
  for (guint32 i = 0; i < chunk->n; i++) {
    guint16 low = chunk->units[i];
    table->normal[low]++;
    table->touched[low / VELM_TABLE_BLOCK] = 1;
  }
}

static void count_anomalous(const Chunk *chunk, VelmPixelTable *table) {
  for (guint32 i = 0; i < chunk->n; i += UNITS_ANOMALOUS) {
    const guint16 *units = chunk->units + i;
    guint32 area = units[1] | (guint32)units[2] << 16;
    table->anomalous[units[0]]++;
    table->overlap[units[0]] += 1.0 / area;
    table->touched[units[0] / VELM_TABLE_BLOCK] = 1;
  }
}

/* Counts a partition's chunks, the last first. */
static gboolean read_chunks(const VelmPixelScores *scores, const Chunk *last,
                            void (*count)(const Chunk *, VelmPixelTable *), VelmPixelTable *table,
                            GError **error) {
  Chunk read;
  const Chunk *chunk = last;
  while (chunk) {
    count(chunk, table);
    gint64 previous = chunk->previous;
    if (previous == NO_CHUNK)
      return TRUE;
    if ((gsize)previous >= scores->n_spooled) {
      chunk = &scores->outbox[(gsize)previous - scores->n_spooled];
      continue;
    }
    if (!velm_spool_read(scores->spool, (gsize)previous, 1, (float *)(void *)&read, error))
      return FALSE;
    chunk = &read;
  }
  return TRUE;
}

gboolean velm_pixel_scores_read(const VelmPixelScores *scores, guint partition,
                                VelmPixelTable *table, GError **error) {
  const Partition *wanted = &scores->partitions[partition];
  return read_chunks(scores, wanted->normal, count_normal, table, error) &&
         read_chunks(scores, wanted->anomalous, count_anomalous, table, error);
}
