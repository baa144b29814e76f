#include "detect/heatmaps.h"

#include "core/file.h"

#include <math.h>
#include <string.h>

typedef struct {
  VelmDetector base;
  char *folder;
  double threshold;
  GHashTable *listings; /* folder -> (GHashTable of STEM -> file name) */
} Heatmaps;

static char *stem_of(const char *name) {
  char *stem = g_strdup(name);
  char *dot = strrchr(stem, '.');
  if (dot && dot != stem)
    *dot = '\0';
  return stem;
}

/* ---- finding the map of an image ---- */

/* The maps in @folder by their stems; empty where there is no such folder. */
static GHashTable *list_maps(const char *folder) {
  GHashTable *maps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
    return maps;
  g_autoptr(GPtrArray) names = velm_file_list(folder, NULL);
  for (guint i = 0; names && i < names->len; i++)
    g_hash_table_replace(maps, stem_of(names->pdata[i]), g_strdup(names->pdata[i]));
  return maps;
}

static GHashTable *listing_of(Heatmaps *self, const char *folder) {
  GHashTable *maps = g_hash_table_lookup(self->listings, folder);
  if (!maps)
    g_hash_table_insert(self->listings, g_strdup(folder), maps = list_maps(folder));
  return maps;
}

/* The path of the map for @stem in a folder, or NULL. Takes @folder. */
static char *take_folder(Heatmaps *self, char *folder, const char *stem) {
  const char *name = g_hash_table_lookup(listing_of(self, folder), stem);
  char *path = name ? g_build_filename(folder, name, NULL) : NULL;
  g_free(folder);
  return path;
}

static char *find_map(Heatmaps *self, const char *image, GError **error) {
  g_autofree char *directory = g_path_get_dirname(image);
  g_autofree char *label = g_path_get_basename(directory);
  g_autofree char *name = g_path_get_basename(image);
  g_autofree char *stem = stem_of(name);
  char *path = take_folder(self, g_build_filename(self->folder, "test", label, NULL), stem);
  if (!path)
    path = take_folder(self, g_build_filename(self->folder, label, NULL), stem);
  if (!path)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: has no score map %s/%s.* in %s", image,
                label, stem, self->folder);
  return path;
}

/* ---- scoring ---- */

static gboolean heatmaps_detect(VelmDetector *detector, VelmInspection *inspection,
                                GError **error) {
  Heatmaps *self = (Heatmaps *)detector;
  gint64 start = g_get_monotonic_time();
  g_autofree char *path = find_map(self, inspection->path, error);
  inspection->map = path ? velm_plane_load(path, 0, error) : NULL;
  if (!inspection->map)
    return FALSE;
  inspection->score = velm_plane_largest(inspection->map);
  inspection->threshold = inspection->region_threshold = self->threshold;
  inspection->anomalous = inspection->score >= inspection->threshold;
  inspection->timings_ms[VELM_TIMING_SEARCH] = velm_timing_since(start);
  return TRUE;
}

static void heatmaps_free(VelmDetector *detector) {
  Heatmaps *self = (Heatmaps *)detector;
  g_hash_table_unref(self->listings);
  g_free(self->folder);
  g_free(self);
}

static const VelmDetectorClass heatmaps_class = {
    .name = "heatmaps", .detect = heatmaps_detect, .free = heatmaps_free};

/* ---- opening ---- */

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static gboolean add_score(GArray *scores, const char *path, GError **error) {
  g_autoptr(VelmPlane) map = velm_plane_load(path, 0, error);
  if (!map)
    return FALSE;
  double score = velm_plane_largest(map);
  if (isfinite(score)) {
    g_array_append_val(scores, score);
    return TRUE;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: the score map holds what is no number",
              path);
  return FALSE;
}

static gboolean threshold_from_training(Heatmaps *self, double false_alarms, GError **error) {
  g_autofree char *folder = g_build_filename(self->folder, "train", VELM_LABEL_GOOD, NULL);
  g_autoptr(GPtrArray) names =
      g_file_test(folder, G_FILE_TEST_IS_DIR) ? velm_file_list(folder, error) : g_ptr_array_new();
  if (!names)
    return FALSE;
  if (names->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has no train/good maps to take the threshold from; name one: heatmaps:%s@0.5",
                self->folder, self->folder);
    return FALSE;
  }
  g_autoptr(GArray) scores = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
    if (!add_score(scores, path, error))
      return FALSE;
  }
  g_array_sort(scores, compare_doubles);
  guint index = (guint)ceil((1 - false_alarms) * scores->len) - 1;
  self->threshold = g_array_index(scores, double, MIN(index, scores->len - 1));
  return TRUE;
}

VelmDetector *velm_heatmaps_open(const char *folder, double threshold, double false_alarms,
                                 GError **error) {
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such folder of score maps", folder);
    return NULL;
  }
  Heatmaps *self = g_new0(Heatmaps, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &heatmaps_class;
  self->folder = g_strdup(folder);
  self->threshold = threshold;
  self->listings =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
  if (isnan(threshold) && !threshold_from_training(self, false_alarms, error))
    return NULL;
  return g_steal_pointer(&detector);
}
