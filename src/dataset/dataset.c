#include "dataset/dataset.h"

#include "core/file.h"

#include <string.h>

void velm_sample_free(VelmSample *sample) {
  g_free(sample->path);
  g_free(sample->label);
  g_free(sample->mask);
  g_free(sample->reference);
  g_free(sample->group);
  g_free(sample);
}

VelmSample *velm_sample_new(const char *path, const char *label, const char *group) {
  VelmSample *sample = g_new0(VelmSample, 1);
  sample->path = g_strdup(path);
  sample->label = g_strdup(label);
  sample->group = g_strdup(group);
  return sample;
}

gboolean velm_sample_is_good(const VelmSample *sample) {
  return g_str_equal(sample->label, VELM_LABEL_GOOD);
}

static int compare_paths(gconstpointer a, gconstpointer b) {
  return strcmp((*(VelmSample *const *)a)->path, (*(VelmSample *const *)b)->path);
}

static GPtrArray *samples_new(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)velm_sample_free);
}

VelmDataset *velm_dataset_new(const char *directory) {
  VelmDataset *dataset = g_new0(VelmDataset, 1);
  dataset->directory = g_strdup(directory);
  dataset->train = samples_new();
  dataset->test = samples_new();
  dataset->classes = g_ptr_array_new_with_free_func(g_free);
  return dataset;
}

void velm_dataset_free(VelmDataset *dataset) {
  if (!dataset)
    return;
  g_free(dataset->directory);
  g_clear_pointer(&dataset->train, g_ptr_array_unref);
  g_clear_pointer(&dataset->test, g_ptr_array_unref);
  g_clear_pointer(&dataset->classes, g_ptr_array_unref);
  g_free(dataset);
}

/* A path that exists, or NULL. Takes @path. */
static char *take_existing(char *path) {
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return path;
  g_free(path);
  return NULL;
}

static char *mask_of(const char *directory, const char *label, const char *name) {
  g_autofree char *stem = g_strdup(name);
  char *dot = strrchr(stem, '.');
  if (dot)
    *dot = '\0';
  g_autofree char *file = g_strconcat(stem, "_mask.png", NULL);
  return take_existing(g_build_filename(directory, "ground_truth", label, file, NULL));
}

/* Adds the images of DIR/PART/LABEL. The group is the path below DIR until groups.csv says
 * otherwise. */
static gboolean add_folder(VelmDataset *dataset, GPtrArray *samples, const char *part,
                           const char *label, GError **error) {
  g_autofree char *folder = g_build_filename(dataset->directory, part, label, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(folder, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index(names, i);
    if (!velm_file_is_image_name(name))
      continue;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *below = g_build_filename(part, label, name, NULL);
    VelmSample *sample = velm_sample_new(path, label, below);
    sample->mask = mask_of(dataset->directory, label, name);
    if (samples == dataset->test)
      sample->reference =
          take_existing(g_build_filename(dataset->directory, "reference", label, name, NULL));
    g_ptr_array_add(samples, sample);
  }
  return TRUE;
}

/* ---- groups.csv ---- */

/* Splits a line of two fields, either of which may be quoted with "" for a quote; FALSE where it is
 * not that. */
static gboolean split_line(const char *line, char **first, char **second) {
  GString *fields[2] = {g_string_new(NULL), g_string_new(NULL)};
  int field = 0;
  gboolean quoted = FALSE;
  for (const char *p = line; *p; p++) {
    if (*p == '"' && quoted && p[1] == '"')
      g_string_append_c(fields[field], *p++);
    else if (*p == '"')
      quoted = !quoted;
    else if (*p == ',' && !quoted && ++field > 1)
      break;
    else if (*p != ',' || quoted)
      g_string_append_c(fields[field], *p);
  }
  gboolean ok = field == 1 && !quoted && fields[0]->len > 0 && fields[1]->len > 0;
  *first = g_string_free(fields[0], !ok);
  *second = g_string_free(fields[1], !ok);
  return ok;
}

static GHashTable *parse_groups(const char *text, const char *path, GError **error) {
  g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  if (g_str_has_prefix(text, "\xEF\xBB\xBF")) /* a spreadsheet's byte order mark */
    text += 3;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *line = g_strchomp(lines[i]);
    char *image = NULL, *group = NULL;
    if (line[0] == '\0')
      continue;
    if (!split_line(line, &image, &group)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s:%u: not of the form path,group", path,
                  i + 1);
      return NULL;
    }
    gboolean header = i == 0 && g_str_equal(image, "path") && g_str_equal(group, "group");
    gboolean twice = !header && !g_hash_table_insert(groups, g_strdup(image), g_strdup(group));
    if (twice)
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s:%u: names %s once more", path, i + 1,
                  image);
    g_free(image);
    g_free(group);
    if (twice)
      return NULL;
  }
  return g_steal_pointer(&groups);
}

/* Names the images' groups. Returns: the first image that has none, or NULL. */
static const VelmSample *apply_groups(GPtrArray *samples, GHashTable *groups) {
  const VelmSample *without = NULL;
  for (guint i = 0; i < samples->len; i++) {
    VelmSample *sample = g_ptr_array_index(samples, i);
    const char *group = g_hash_table_lookup(groups, sample->group);
    if (group) {
      g_free(sample->group);
      sample->group = g_strdup(group);
    } else if (!without) {
      without = sample;
    }
  }
  return without;
}

static gboolean read_groups(VelmDataset *dataset, GError **error) {
  g_autofree char *path = g_build_filename(dataset->directory, "groups.csv", NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr(GBytes) bytes = velm_file_read(path, error);
  if (!bytes)
    return FALSE;
  gsize size = 0;
  const char *data = g_bytes_get_data(bytes, &size);
  g_autofree char *text = g_strndup(data, size);
  g_autoptr(GHashTable) groups = parse_groups(text, path, error);
  if (!groups)
    return FALSE;
  dataset->has_groups = TRUE;
  const VelmSample *in_train = apply_groups(dataset->train, groups);
  const VelmSample *in_test = apply_groups(dataset->test, groups);
  const VelmSample *without = in_train ? in_train : in_test;
  if (!without)
    return TRUE;
  /* Its part could stand on both sides unseen. */
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: has no line for %s", path,
              without->group);
  return FALSE;
}

/* ---- folders ---- */

static gboolean has_folder(const char *directory, const char *name) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return g_file_test(path, G_FILE_TEST_IS_DIR);
}

static gboolean add_test(VelmDataset *dataset, GError **error) {
  g_autofree char *folder = g_build_filename(dataset->directory, "test", NULL);
  g_autoptr(GPtrArray) labels = velm_file_list_folders(folder, error);
  if (!labels)
    return FALSE;
  for (guint i = 0; i < labels->len; i++) {
    const char *label = g_ptr_array_index(labels, i);
    guint before = dataset->test->len;
    if (!add_folder(dataset, dataset->test, "test", label, error))
      return FALSE;
    if (dataset->test->len > before && !g_str_equal(label, VELM_LABEL_GOOD))
      g_ptr_array_add(dataset->classes, g_strdup(label));
  }
  return TRUE;
}

/* All images below DIR/@below, in depth, in no order. */
static gboolean add_tree(const char *directory, const char *below, GPtrArray *samples,
                         GError **error) {
  g_autofree char *folder = g_build_filename(directory, below, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(folder, error);
  g_autoptr(GPtrArray) folders = names ? velm_file_list_folders(folder, error) : NULL;
  if (!folders)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index(names, i);
    if (!velm_file_is_image_name(name))
      continue;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *group = below[0] ? g_build_filename(below, name, NULL) : g_strdup(name);
    g_ptr_array_add(samples, velm_sample_new(path, NULL, group));
  }
  for (guint i = 0; i < folders->len; i++) {
    const char *name = g_ptr_array_index(folders, i);
    g_autofree char *deeper = below[0] ? g_build_filename(below, name, NULL) : g_strdup(name);
    if (!add_tree(directory, deeper, samples, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean fill(VelmDataset *dataset, GError **error) {
  gboolean train = has_folder(dataset->directory, "train");
  gboolean test = has_folder(dataset->directory, "test");
  if (!train && !test) {
    if (!add_tree(dataset->directory, "", dataset->train, error))
      return FALSE;
    for (guint i = 0; i < dataset->train->len; i++) {
      VelmSample *sample = g_ptr_array_index(dataset->train, i);
      sample->label = g_strdup(VELM_LABEL_GOOD);
    }
  }
  if (train) {
    g_autofree char *folder = g_build_filename(dataset->directory, "train", NULL);
    if (!has_folder(folder, VELM_LABEL_GOOD)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                  "%s: has no folder \"good\" with the good images", folder);
      return FALSE;
    }
    if (!add_folder(dataset, dataset->train, "train", VELM_LABEL_GOOD, error))
      return FALSE;
  }
  return !test || add_test(dataset, error);
}

VelmDataset *velm_dataset_open(const char *directory, GError **error) {
  g_autoptr(VelmDataset) dataset = velm_dataset_new(directory);
  if (g_file_test(directory, G_FILE_TEST_IS_REGULAR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: is a file, not a folder", directory);
    return NULL;
  }
  if (!fill(dataset, error))
    return NULL;
  if (dataset->train->len + dataset->test->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: holds no image", directory);
    return NULL;
  }
  g_ptr_array_sort(dataset->train, compare_paths);
  g_ptr_array_sort(dataset->test, compare_paths);
  if (!read_groups(dataset, error))
    return NULL;
  return g_steal_pointer(&dataset);
}

char *velm_dataset_path_below(const VelmDataset *dataset, const char *path) {
  g_autofree char *folder = g_canonicalize_filename(dataset->directory, NULL);
  g_autofree char *full = g_canonicalize_filename(path, NULL);
  gsize length = strlen(folder);
  if (length > 0 && folder[length - 1] == G_DIR_SEPARATOR) /* the root */
    length--;
  gboolean below = strncmp(full, folder, length) == 0 && full[length] == G_DIR_SEPARATOR;
  char *kept = g_strdup(below ? full + length + 1 : path);
  if (G_DIR_SEPARATOR != '/')
    g_strdelimit(kept, G_DIR_SEPARATOR_S, '/');
  return kept;
}

int velm_dataset_class_index(const VelmDataset *dataset, const char *label) {
  for (guint i = 0; i < dataset->classes->len; i++)
    if (g_str_equal(g_ptr_array_index(dataset->classes, i), label))
      return (int)i;
  return -1;
}

/* ---- images by path ---- */

/* DIR/reference/CLASS/NAME for DIR/test/CLASS/NAME, or NULL. */
static char *reference_of(const char *path) {
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  g_autofree char *name = g_path_get_basename(absolute);
  g_autofree char *class_folder = g_path_get_dirname(absolute);
  g_autofree char *class = g_path_get_basename(class_folder);
  g_autofree char *test_folder = g_path_get_dirname(class_folder);
  g_autofree char *test = g_path_get_basename(test_folder);
  g_autofree char *directory = g_path_get_dirname(test_folder);
  if (!g_str_equal(test, "test"))
    return NULL;
  return take_existing(g_build_filename(directory, "reference", class, name, NULL));
}

static void add_path(GPtrArray *samples, const char *path) {
  g_ptr_array_add(samples, velm_sample_new(path, NULL, path));
}

GPtrArray *velm_dataset_expand(const char *const *paths, GError **error) {
  g_autoptr(GPtrArray) samples = samples_new();
  for (gsize i = 0; paths[i]; i++) {
    if (!g_file_test(paths[i], G_FILE_TEST_IS_DIR)) {
      add_path(samples, paths[i]);
      continue;
    }
    g_autoptr(GPtrArray) found = samples_new();
    if (!add_tree(paths[i], "", found, error))
      return NULL;
    if (found->len == 0) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: holds no image", paths[i]);
      return NULL;
    }
    g_ptr_array_sort(found, compare_paths);
    g_ptr_array_extend_and_steal(samples, g_steal_pointer(&found));
  }
  for (guint i = 0; i < samples->len; i++) {
    VelmSample *sample = g_ptr_array_index(samples, i);
    sample->reference = reference_of(sample->path);
  }
  return g_steal_pointer(&samples);
}
