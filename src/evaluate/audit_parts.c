#include "evaluate/audit_parts.h"

#include "evaluate/same_part.h"

#include <string.h>

/* Training images that a leak names. */
#define MAX_WITNESSES 3

/* All images, training first. */
typedef struct {
  VelmAudit *audit;
  GPtrArray *samples; /* of borrowed VelmSample */
  guint n_train;
  gboolean has_groups;
} Images;

static const VelmSample *sample_at(const Images *images, guint i) {
  return g_ptr_array_index(images->samples, i);
}

static gboolean same_group(const Images *images, guint a, guint b) {
  return images->has_groups &&
         g_str_equal(sample_at(images, a)->group, sample_at(images, b)->group);
}

static gboolean crosses(const Images *images, VelmSamePair pair) {
  return pair.a < images->n_train && pair.b >= images->n_train;
}

static const VelmSamePair *pair_at(const GArray *pairs, guint i) {
  return &g_array_index(pairs, VelmSamePair, i);
}

/* ---- sets of images that are one ---- */

/*
 * Images that pairs join, the strongest pair first. Two sets become one only where at least half of
 * the pairs between them are joined: one wrong pair does not chain two parts together.
 */
typedef struct {
  guint n;
  GArray **members; /* of guint; an image's set is members[of[image]] */
  guint *of;
  double *weakest; /* of the pairs that joined the set */
  GHashTable *joined;
} Sets;

static gpointer key_of(guint n, guint a, guint b) {
  return GSIZE_TO_POINTER((gsize)MIN(a, b) * n + MAX(a, b) + 1);
}

static Sets sets_new(guint n, const GArray *pairs) {
  Sets sets = {.n = n, .members = g_new(GArray *, n + 1), .of = g_new(guint, n + 1)};
  sets.weakest = g_new0(double, n + 1);
  sets.joined = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < n; i++) {
    sets.members[i] = g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(sets.members[i], i);
    sets.of[i] = i;
  }
  for (guint i = 0; i < pairs->len; i++)
    g_hash_table_add(sets.joined, key_of(n, pair_at(pairs, i)->a, pair_at(pairs, i)->b));
  return sets;
}

static void sets_clear(Sets *sets) {
  for (guint i = 0; i < sets->n; i++)
    g_array_unref(sets->members[i]);
  g_free(sets->members);
  g_free(sets->of);
  g_free(sets->weakest);
  g_hash_table_unref(sets->joined);
}

static gboolean mostly_joined(const Sets *sets, const GArray *a, const GArray *b) {
  gsize count = 0;
  for (guint i = 0; i < a->len; i++)
    for (guint j = 0; j < b->len; j++)
      count += g_hash_table_contains(
          sets->joined, key_of(sets->n, g_array_index(a, guint, i), g_array_index(b, guint, j)));
  return 2 * count >= (gsize)a->len * b->len;
}

static void sets_join(Sets *sets, VelmSamePair pair) {
  guint into = sets->of[pair.a], from = sets->of[pair.b];
  GArray *a = sets->members[into], *b = sets->members[from];
  if (into == from || !mostly_joined(sets, a, b))
    return;
  sets->weakest[into] = pair.strength; /* pairs come in falling order */
  for (guint i = 0; i < b->len; i++)
    sets->of[g_array_index(b, guint, i)] = into;
  g_array_append_vals(a, b->data, b->len);
  g_array_set_size(b, 0);
}

static int compare_places(gconstpointer a, gconstpointer b) {
  guint x = *(const guint *)a, y = *(const guint *)b;
  return x < y ? -1 : x > y;
}

/* The paths of images @places, in order, for velm_audit_add(). Borrows. */
static GPtrArray *paths_of(const Images *images, GArray *places) {
  GPtrArray *paths = g_ptr_array_new();
  g_array_sort(places, compare_places);
  for (guint i = 0; i < places->len; i++)
    g_ptr_array_add(paths, sample_at(images, g_array_index(places, guint, i))->path);
  g_ptr_array_add(paths, NULL);
  return paths;
}

static void add_set(const Images *images, VelmAuditKind kind, double score, GArray *places,
                    const char *format) {
  g_autoptr(GPtrArray) paths = paths_of(images, places);
  const VelmSample *first = sample_at(images, g_array_index(places, guint, 0));
  g_autofree char *message = g_strdup_printf("%u images %s", places->len, format);
  velm_audit_add(images->audit, kind, score, first->label, NULL, (const char *const *)paths->pdata,
                 "%s", message);
}

/* One finding for each set of more than one image that @pairs join. */
static void add_sets(const Images *images, VelmAuditKind kind, const GArray *pairs,
                     const char *what) {
  Sets sets = sets_new(images->samples->len, pairs);
  for (guint i = 0; i < pairs->len; i++)
    sets_join(&sets, *pair_at(pairs, i));
  for (guint i = 0; i < sets.n; i++)
    if (sets.members[i]->len > 1)
      add_set(images, kind, sets.weakest[i], sets.members[i], what);
  sets_clear(&sets);
}

/* ---- near duplicates ---- */

static gboolean has_same_pixels(const Images *images, VelmSamePair pair) {
  const char *a = g_hash_table_lookup(images->audit->digests, sample_at(images, pair.a)->path);
  const char *b = g_hash_table_lookup(images->audit->digests, sample_at(images, pair.b)->path);
  return a && g_strcmp0(a, b) == 0;
}

static void add_near_duplicates(const Images *images, const VelmSameParts *parts) {
  g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(VelmSamePair));
  for (guint i = 0; i < parts->near_duplicates->len; i++) {
    VelmSamePair pair = *pair_at(parts->near_duplicates, i);
    if (!has_same_pixels(images, pair))
      g_array_append_val(pairs, pair);
  }
  add_sets(images, VELM_AUDIT_NEAR_DUPLICATE, pairs, "whose pixels are almost the same");
}

/* ---- leaks ---- */

/* What training images say of one test image. */
typedef struct {
  GArray *pairs;            /* of VelmSamePair with training images by texture, strongest first */
  const GArray *same_group; /* of guint: training images of its group, or NULL */
} Leak;

static gboolean contains_group(const Images *images, const GArray *pairs, const char *group,
                               gboolean wanted) {
  for (guint i = 0; i < pairs->len; i++) {
    const VelmSample *train = sample_at(images, pair_at(pairs, i)->a);
    if (g_str_equal(train->group, group) == wanted)
      return TRUE;
  }
  return FALSE;
}

/* Adds the training images of @leak to @paths: those that resemble it most, then those that
 * groups.csv alone names. Returns: how many there are in all. */
static guint add_witnesses(const Images *images, const Leak *leak, GPtrArray *paths) {
  guint n = leak->pairs->len;
  for (guint i = 0; i < leak->pairs->len; i++)
    g_ptr_array_add(paths, sample_at(images, pair_at(leak->pairs, i)->a)->path);
  for (guint i = 0; leak->same_group && i < leak->same_group->len; i++) {
    char *path = sample_at(images, g_array_index(leak->same_group, guint, i))->path;
    if (g_ptr_array_find(paths, path, NULL))
      continue;
    g_ptr_array_add(paths, path);
    n++;
  }
  g_ptr_array_set_size(paths, (gint)MIN(n, MAX_WITNESSES) + 1);
  g_ptr_array_add(paths, NULL);
  return n;
}

static void add_leak(const Images *images, guint test, const Leak *leak) {
  const VelmSample *sample = sample_at(images, test);
  g_autoptr(GPtrArray) paths = g_ptr_array_new();
  g_ptr_array_add(paths, sample->path);
  guint n = add_witnesses(images, leak, paths);
  gboolean certain = leak->same_group != NULL;
  gboolean contradicts =
      images->has_groups && contains_group(images, leak->pairs, sample->group, FALSE);
  const char *says = certain ? ", as groups.csv says" : "";
  if (contradicts)
    says = certain ? ", as groups.csv says of some" : "; groups.csv calls them different parts";
  double score = certain ? 1 : pair_at(leak->pairs, 0)->strength;
  velm_audit_add(images->audit, VELM_AUDIT_LEAK, score, sample->label, NULL,
                 (const char *const *)paths->pdata, "shows the same part as %u training image%s%s",
                 n, n == 1 ? "" : "s", says);
}

static void unref_array(gpointer array) { g_array_unref(array); }

/* Group -> its training images. Empty without groups.csv. */
static GHashTable *training_groups(const Images *images) {
  GHashTable *groups = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_array);
  for (guint i = 0; images->has_groups && i < images->n_train; i++) {
    char *group = sample_at(images, i)->group;
    GArray *members = g_hash_table_lookup(groups, group);
    if (!members) {
      members = g_array_new(FALSE, FALSE, sizeof(guint));
      g_hash_table_insert(groups, group, members);
    }
    g_array_append_val(members, i);
  }
  return groups;
}

static void add_leaks(const Images *images, const GArray *same) {
  g_autoptr(GHashTable) groups = training_groups(images);
  const guint n_test = images->samples->len - images->n_train;
  g_autoptr(GPtrArray) by_test = g_ptr_array_new_with_free_func(unref_array);
  for (guint i = 0; i < n_test; i++)
    g_ptr_array_add(by_test, g_array_new(FALSE, FALSE, sizeof(VelmSamePair)));
  for (guint i = 0; i < same->len; i++) {
    VelmSamePair pair = *pair_at(same, i);
    if (crosses(images, pair))
      g_array_append_val((GArray *)g_ptr_array_index(by_test, pair.b - images->n_train), pair);
  }
  for (guint i = 0; i < n_test; i++) {
    const char *group = sample_at(images, images->n_train + i)->group;
    Leak leak = {g_ptr_array_index(by_test, i), g_hash_table_lookup(groups, group)};
    if (leak.pairs->len > 0 || leak.same_group)
      add_leak(images, images->n_train + i, &leak);
  }
}

/* ---- groups ---- */

static void add_place(GArray *places, guint place) {
  for (guint i = 0; i < places->len; i++)
    if (g_array_index(places, guint, i) == place)
      return;
  g_array_append_val(places, place);
}

/* "A and B", whichever comes first. */
static char *name_of_two(const Images *images, VelmSamePair pair) {
  const char *a = sample_at(images, pair.a)->group, *b = sample_at(images, pair.b)->group;
  gboolean in_order = strcmp(a, b) < 0;
  return g_strdup_printf("%s and %s", in_order ? a : b, in_order ? b : a);
}

/* Pairs on one side that groups.csv takes apart, by the two groups. */
static void add_contradictions(const Images *images, const GArray *same) {
  g_autoptr(GHashTable) places =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_array);
  g_autoptr(GPtrArray) order = g_ptr_array_new(); /* of names, the strongest pair first */
  g_autoptr(GArray) scores = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < same->len; i++) {
    VelmSamePair pair = *pair_at(same, i);
    if (crosses(images, pair) || same_group(images, pair.a, pair.b))
      continue;
    char *name = name_of_two(images, pair);
    GArray *members = g_hash_table_lookup(places, name);
    if (members) {
      g_free(name);
    } else {
      members = g_array_new(FALSE, FALSE, sizeof(guint));
      g_hash_table_insert(places, name, members);
      g_ptr_array_add(order, name);
      g_array_append_val(scores, pair.strength);
    }
    add_place(members, pair.a);
    add_place(members, pair.b);
  }
  for (guint i = 0; i < order->len; i++) {
    char *name = g_ptr_array_index(order, i);
    g_autofree char *what =
        g_strdup_printf("seem to show one part; groups.csv calls them different parts, %s", name);
    add_set(images, VELM_AUDIT_GROUP, g_array_index(scores, double, i),
            g_hash_table_lookup(places, name), what);
  }
}

/* ---- all ---- */

static void add_samples(GPtrArray *all, const GPtrArray *samples) {
  for (guint i = 0; i < samples->len; i++)
    g_ptr_array_add(all, g_ptr_array_index(samples, i));
}

gboolean velm_audit_parts(const VelmDataset *dataset, VelmAudit *audit, VelmProgress progress,
                          gpointer progress_data, GError **error) {
  g_autoptr(GPtrArray) samples = g_ptr_array_new();
  add_samples(samples, dataset->train);
  add_samples(samples, dataset->test);
  Images images = {audit, samples, dataset->train->len, dataset->has_groups};
  g_autoptr(VelmSameParts) parts =
      velm_same_part_find(samples, dataset->has_groups, progress, progress_data, error);
  if (!parts)
    return FALSE;
  add_leaks(&images, parts->same);
  add_near_duplicates(&images, parts);
  if (dataset->has_groups)
    add_contradictions(&images, parts->same);
  else
    add_sets(&images, VELM_AUDIT_GROUP, parts->same, "seem to show one part");
  return TRUE;
}
