#include "detect/synthetic_defect.h"
#include "evaluate/tune.h"

/* Enough to tell settings apart; more cost time in proportion. */
#define MAX_BANK 90
#define MAX_HELD_BACK 24
#define MAX_GOOD 48
#define MAX_DEFECTS 72

/* Made-up defects on each held-back image. */
#define DEFECTS_EACH 2

/* One part in so many is held back. */
#define HELD_BACK_PARTS 4

void velm_tune_images_free(VelmTuneImages *images) {
  if (!images)
    return;
  velm_dataset_free(images->train);
  velm_dataset_free(images->labelled);
  g_clear_pointer(&images->bank, g_ptr_array_unref);
  g_clear_pointer(&images->images, g_array_unref);
  g_free(images);
}

/* ---- parts ---- */

static GHashTable *groups_of(const GPtrArray *samples) {
  GHashTable *groups = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < samples->len; i++)
    g_hash_table_add(groups, ((VelmSample *)samples->pdata[i])->group);
  return groups;
}

/* The samples whose part is among @groups, or is not. */
static GPtrArray *select_samples(const GPtrArray *samples, GHashTable *groups, gboolean among) {
  GPtrArray *selected = g_ptr_array_new();
  for (guint i = 0; i < samples->len; i++) {
    VelmSample *sample = samples->pdata[i];
    if (g_hash_table_contains(groups, sample->group) == among)
      g_ptr_array_add(selected, sample);
  }
  return selected;
}

/* At most @most of them, evenly spread. */
static GPtrArray *thin(GPtrArray *samples, guint most) {
  GPtrArray *thinned = g_ptr_array_new();
  guint n = MIN(samples->len, most);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(thinned, samples->pdata[(guint64)i * samples->len / n]);
  g_ptr_array_unref(samples);
  return thinned;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

/* Of the parts of @samples, one in HELD_BACK_PARTS, by lot; one at least, and never all. */
static GHashTable *hold_back(const GPtrArray *samples, guint32 seed) {
  g_autoptr(GHashTable) groups = groups_of(samples);
  g_autofree gpointer *keys = g_hash_table_get_keys_as_array(groups, NULL);
  guint n = g_hash_table_size(groups), n_held = CLAMP(n / HELD_BACK_PARTS, 1, MAX(n, 1));
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  GHashTable *held = g_hash_table_new(g_str_hash, g_str_equal);
  qsort(keys, n, sizeof *keys, compare_names); /* a hash table has no order of its own */
  for (guint i = 0; i < n_held && i + 1 < n; i++) {
    guint j = (guint)g_rand_int_range(random, (gint32)i, (gint32)n);
    gpointer key = keys[j];
    keys[j] = keys[i];
    g_hash_table_add(held, keys[i] = key);
  }
  return held;
}

/* ---- images ---- */

static void add_image(VelmTuneImages *images, VelmTuneImage image) {
  g_array_append_val(images->images, image);
  if (image.defect)
    images->n_defects++;
  else
    images->n_good++;
}

static void add_samples(VelmTuneImages *images, const GPtrArray *samples, gboolean defect) {
  for (guint i = 0; i < samples->len; i++)
    add_image(images, (VelmTuneImage){.sample = samples->pdata[i], .defect = defect});
}

static void add_made_up(VelmTuneImages *images, const GPtrArray *held, guint32 seed) {
  for (guint i = 0; i < held->len; i++)
    for (guint k = 0; k < DEFECTS_EACH; k++)
      add_image(images, (VelmTuneImage){.sample = held->pdata[i],
                                        .other = held->pdata[(i + 1) % held->len],
                                        .seed = seed + i * DEFECTS_EACH + k,
                                        .defect = TRUE});
}

static void add_labelled(VelmTuneImages *images) {
  g_autoptr(GPtrArray) good = g_ptr_array_new();
  g_autoptr(GPtrArray) defects = g_ptr_array_new();
  const GPtrArray *test = images->labelled->test;
  for (guint i = 0; i < test->len; i++)
    g_ptr_array_add(velm_sample_is_good(test->pdata[i]) ? good : defects, test->pdata[i]);
  good = thin(good, MAX_GOOD - MIN(MAX_GOOD, images->n_good));
  defects = thin(defects, MAX_DEFECTS);
  add_samples(images, good, FALSE);
  add_samples(images, defects, TRUE);
}

/* The training images that are no part of the labelled ones'. */
static GPtrArray *strangers(const VelmTuneImages *images) {
  g_autoptr(GHashTable) known = images->labelled ? groups_of(images->labelled->test)
                                                 : g_hash_table_new(g_str_hash, g_str_equal);
  return select_samples(images->train->train, known, FALSE);
}

static gboolean check(const VelmTuneImages *images, const char *directory, const char *labelled,
                      GError **error) {
  const char *why = images->bank->len == 0 || images->n_good == 0
                        ? "has too few parts in train/good to hold some back"
                    : images->n_defects == 0 ? "has no image of a defect under test/"
                                             : NULL;
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: %s, which tuning needs",
                images->n_defects == 0 && labelled ? labelled : directory, why);
  return why == NULL;
}

VelmTuneImages *velm_tune_images_new(const char *directory, const char *labelled, guint32 seed,
                                     GError **error) {
  g_autoptr(VelmTuneImages) images = g_new0(VelmTuneImages, 1);
  images->images = g_array_new(FALSE, FALSE, sizeof(VelmTuneImage));
  images->train = velm_dataset_open(directory, error);
  if (!images->train || (labelled && !(images->labelled = velm_dataset_open(labelled, error))))
    return NULL;
  g_autoptr(GPtrArray) usable = strangers(images);
  g_autoptr(GHashTable) held_parts = hold_back(usable, seed);
  g_autoptr(GPtrArray) held = thin(select_samples(usable, held_parts, TRUE), MAX_HELD_BACK);
  images->bank = thin(select_samples(usable, held_parts, FALSE), MAX_BANK);
  images->n_parts = g_hash_table_size(held_parts);
  add_samples(images, held, FALSE);
  if (images->labelled)
    add_labelled(images);
  else
    add_made_up(images, held, seed);
  return check(images, directory, labelled, error) ? g_steal_pointer(&images) : NULL;
}

VelmImage *velm_tune_image_load(const VelmTuneImage *image, VelmMask **mask, GError **error) {
  *mask = NULL;
  g_autoptr(VelmImage) loaded = velm_image_load(image->sample->path, 0, error);
  if (!loaded)
    return NULL;
  if (!image->other) {
    if (image->defect && image->sample->mask &&
        !(*mask = velm_mask_load(image->sample->mask, error)))
      return NULL;
    return g_steal_pointer(&loaded);
  }
  g_autoptr(VelmImage) other = velm_image_load(image->other->path, 0, error);
  return other ? velm_synthetic_defect_draw(loaded, other, image->seed, mask) : NULL;
}
