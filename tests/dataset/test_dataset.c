#include "dataset/dataset.h"

#include "core/file.h"
#include "dataset/draw.h"

#include <glib/gstdio.h>
#include <string.h>

/* ---- folders ---- */

/* A folder of its own for each test. */
typedef struct {
  char *path;
} Folder;

static void set_up(Folder *folder, gconstpointer data) {
  folder->path = g_dir_make_tmp("velm-dataset-XXXXXX", NULL);
  g_assert_nonnull(folder->path);
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_tree(below);
  }
  g_remove(path);
}

static void tear_down(Folder *folder, gconstpointer data) {
  remove_tree(folder->path);
  g_free(folder->path);
}

static void put_text(const Folder *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(folder->path, name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Files of these names, separated by spaces. Opening a data set reads no image. */
static void put(const Folder *folder, const char *names) {
  g_auto(GStrv) each = g_strsplit(names, " ", -1);
  for (guint i = 0; each[i]; i++)
    put_text(folder, each[i], "x");
}

static void put_folder(const Folder *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder->path, name, NULL);
  g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

static VelmDataset *open_folder(const Folder *folder) {
  g_autoptr(GError) error = NULL;
  VelmDataset *dataset = velm_dataset_open(folder->path, &error);
  g_assert_no_error(error);
  g_assert_nonnull(dataset);
  g_assert_cmpstr(dataset->directory, ==, folder->path);
  return dataset;
}

static void check_error(const GError *error, int code, const char *pattern) {
  g_assert_error(error, VELM_ERROR, code);
  g_test_message("%s", error->message);
  g_assert_null(strchr(error->message, '\n'));
  if (!g_pattern_match_simple(pattern, error->message))
    g_error("\"%s\" does not match \"%s\"", error->message, pattern);
}

static void check_refused(const Folder *folder, int code, const char *pattern) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(folder->path, &error);
  g_assert_null(dataset);
  check_error(error, code, pattern);
}

/* ---- samples ---- */

static const VelmSample *sample_at(const GPtrArray *samples, guint i) {
  g_assert_cmpuint(i, <, samples->len);
  return g_ptr_array_index(samples, i);
}

/* @path without the folder, or NULL. */
static const char *below(const Folder *folder, const char *path) {
  if (!path)
    return NULL;
  g_assert_true(g_str_has_prefix(path, folder->path));
  return path + strlen(folder->path) + 1;
}

/* Holds the paths against names separated by spaces. */
static void check_paths(const Folder *folder, const GPtrArray *samples, const char *expected) {
  g_autoptr(GString) joined = g_string_new(NULL);
  for (guint i = 0; i < samples->len; i++) {
    const char *path = below(folder, sample_at(samples, i)->path);
    g_string_append_printf(joined, "%s%s", i ? " " : "", path);
  }
  g_assert_cmpstr(joined->str, ==, expected);
}

static void check_groups(const GPtrArray *samples, const char *expected) {
  g_autoptr(GString) joined = g_string_new(NULL);
  for (guint i = 0; i < samples->len; i++)
    g_string_append_printf(joined, "%s%s", i ? "|" : "", sample_at(samples, i)->group);
  g_assert_cmpstr(joined->str, ==, expected);
}

/* ---- layouts ---- */

static void test_mvtec(Folder *folder, gconstpointer data) {
  put(folder, "train/good/b.png train/good/a.jpg test/good/1.png test/scratch/10.png "
              "test/scratch/2.png test/dent/z.bmp ground_truth/scratch/10_mask.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->train, "train/good/a.jpg train/good/b.png");
  check_paths(folder, dataset->test,
              "test/dent/z.bmp test/good/1.png test/scratch/10.png test/scratch/2.png");
  g_assert_false(dataset->has_groups);
  g_assert_cmpuint(dataset->classes->len, ==, 2);
  g_assert_cmpstr(dataset->classes->pdata[0], ==, "dent");
  g_assert_cmpstr(dataset->classes->pdata[1], ==, "scratch");
  g_assert_cmpstr(sample_at(dataset->train, 0)->label, ==, VELM_LABEL_GOOD);
  g_assert_cmpstr(sample_at(dataset->test, 0)->label, ==, "dent");
  g_assert_cmpstr(sample_at(dataset->test, 1)->label, ==, VELM_LABEL_GOOD);
  check_groups(dataset->train, "train/good/a.jpg|train/good/b.png");
}

static void test_class_index(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/good/a.png test/scratch/a.png test/dent/a.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_cmpint(velm_dataset_class_index(dataset, "dent"), ==, 0);
  g_assert_cmpint(velm_dataset_class_index(dataset, "scratch"), ==, 1);
  g_assert_cmpint(velm_dataset_class_index(dataset, VELM_LABEL_GOOD), ==, -1);
  g_assert_cmpint(velm_dataset_class_index(dataset, "crack"), ==, -1);
}

/* '-' comes before '/': sorting folders is not sorting paths. */
static void test_sorted_by_path(Folder *folder, gconstpointer data) {
  put(folder, "test/a/1.png test/a-b/1.png test/a.b/1.png train/good/1.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->test, "test/a-b/1.png test/a.b/1.png test/a/1.png");
  g_assert_cmpstr(dataset->classes->pdata[0], ==, "a");
  g_assert_cmpstr(dataset->classes->pdata[1], ==, "a-b");
}

static void test_only_train(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->train, "train/good/a.png");
  g_assert_cmpuint(dataset->test->len, ==, 0);
  g_assert_cmpuint(dataset->classes->len, ==, 0);
}

static void test_only_test(Folder *folder, gconstpointer data) {
  put(folder, "test/crack/a.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_cmpuint(dataset->train->len, ==, 0);
  check_paths(folder, dataset->test, "test/crack/a.png");
}

static void test_train_without_good(Folder *folder, gconstpointer data) {
  put(folder, "train/fine/a.png test/good/a.png");
  check_refused(folder, VELM_ERROR_DATASET, "*train*good*");
}

static void test_plain_folder(Folder *folder, gconstpointer data) {
  put(folder, "b.png a.png deep/er/c.JPG deep/d.tiff");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->train, "a.png b.png deep/d.tiff deep/er/c.JPG");
  check_groups(dataset->train, "a.png|b.png|deep/d.tiff|deep/er/c.JPG");
  g_assert_cmpuint(dataset->test->len, ==, 0);
  g_assert_cmpuint(dataset->classes->len, ==, 0);
  for (guint i = 0; i < dataset->train->len; i++)
    g_assert_cmpstr(sample_at(dataset->train, i)->label, ==, VELM_LABEL_GOOD);
}

static void test_trailing_slash(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png groups.csv");
  put_text(folder, "groups.csv", "path,group\ntrain/good/a.png,one\n");
  g_autofree char *slashed = g_strconcat(folder->path, "/", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(slashed, &error);
  g_assert_no_error(error);
  check_groups(dataset->train, "one");
}

static void test_hidden_and_foreign_files(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png train/good/.a.png train/good/._a.png train/good/notes.txt "
              "train/good/noending train/good/Thumbs.db readme.txt license.txt "
              "test/.hidden/a.png test/dent/.DS_Store test/dent/b.png test/dent/sub/c.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->train, "train/good/a.png");
  check_paths(folder, dataset->test, "test/dent/b.png");
  g_assert_cmpuint(dataset->classes->len, ==, 1);
}

static void test_hidden_in_plain_folder(Folder *folder, gconstpointer data) {
  put(folder, "a.png .b.png .cache/c.png notes.txt");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->train, "a.png");
}

/* A folder without an image of it is no class. */
static void test_empty_class(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/dent/a.png");
  put_folder(folder, "test/crack");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_cmpuint(dataset->classes->len, ==, 1);
  g_assert_cmpint(velm_dataset_class_index(dataset, "dent"), ==, 0);
}

static void test_no_image(Folder *folder, gconstpointer data) {
  check_refused(folder, VELM_ERROR_DATASET, "*velm-dataset-*no image*");
  put(folder, "notes.txt");
  check_refused(folder, VELM_ERROR_DATASET, "*no image*");
  put_folder(folder, "train/good");
  check_refused(folder, VELM_ERROR_DATASET, "*no image*");
}

static void test_no_folder(Folder *folder, gconstpointer data) {
  g_autofree char *missing = g_build_filename(folder->path, "missing", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_dataset_open(missing, &error));
  check_error(error, VELM_ERROR_FILE, "*missing*no such*");
}

static void test_file_for_folder(Folder *folder, gconstpointer data) {
  put(folder, "a.png");
  g_autofree char *file = g_build_filename(folder->path, "a.png", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_dataset_open(file, &error));
  check_error(error, VELM_ERROR_DATASET, "*a.png*not a folder*");
}

/* ---- masks and references ---- */

static void test_masks(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/good/a.png test/dent/a.png test/dent/b.c.jpg test/dent/d.png "
              "ground_truth/dent/a_mask.png ground_truth/dent/b.c_mask.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->test,
              "test/dent/a.png test/dent/b.c.jpg test/dent/d.png test/good/a.png");
  g_assert_cmpstr(below(folder, sample_at(dataset->test, 0)->mask), ==,
                  "ground_truth/dent/a_mask.png");
  g_assert_cmpstr(below(folder, sample_at(dataset->test, 1)->mask), ==,
                  "ground_truth/dent/b.c_mask.png");
  g_assert_null(sample_at(dataset->test, 2)->mask);
  g_assert_null(sample_at(dataset->test, 3)->mask);
  g_assert_null(sample_at(dataset->train, 0)->mask);
}

/* What is left of images that were taken away does no harm. */
static void test_mask_without_image(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/dent/a.png ground_truth/dent/a_mask.png "
              "ground_truth/dent/lost_mask.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_cmpuint(dataset->test->len, ==, 1);
  g_assert_true(g_str_has_suffix(sample_at(dataset->test, 0)->mask, "dent/a_mask.png"));
}

static void test_mask_of_no_class(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/dent/a.png ground_truth/dnet/a_mask.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_null(sample_at(dataset->test, 0)->mask);
}

static void test_references(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/good/a.png test/dent/a.png test/dent/b.png "
              "reference/dent/a.png reference/good/a.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_paths(folder, dataset->test, "test/dent/a.png test/dent/b.png test/good/a.png");
  g_assert_cmpstr(below(folder, sample_at(dataset->test, 0)->reference), ==,
                  "reference/dent/a.png");
  g_assert_null(sample_at(dataset->test, 1)->reference);
  g_assert_cmpstr(below(folder, sample_at(dataset->test, 2)->reference), ==,
                  "reference/good/a.png");
}

/* The reference is that of a test image, even where a training image has the same name. */
static void test_training_has_no_reference(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png test/good/a.png reference/good/a.png");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_null(sample_at(dataset->train, 0)->reference);
}

/* ---- groups.csv ---- */

static void put_three(const Folder *folder, const char *groups) {
  put(folder, "train/good/a.png train/good/b.png test/dent/c.png");
  put_text(folder, "groups.csv", groups);
}

static void test_groups(Folder *folder, gconstpointer data) {
  put_three(folder, "path,group\n"
                    "test/dent/c.png,7\n"
                    "train/good/a.png,part one\n"
                    "train/good/b.png,part one\n");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_true(dataset->has_groups);
  check_groups(dataset->train, "part one|part one");
  check_groups(dataset->test, "7");
}

static void test_groups_crlf(Folder *folder, gconstpointer data) {
  put_three(folder, "path,group\r\ntrain/good/a.png,x\r\n\r\ntrain/good/b.png,y\r\n"
                    "test/dent/c.png,z");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_groups(dataset->train, "x|y");
  check_groups(dataset->test, "z");
}

/* A spreadsheet may write a byte order mark and quote everything, the header too. */
static void test_groups_of_a_spreadsheet(Folder *folder, gconstpointer data) {
  put_three(folder, "\xEF\xBB\xBF\"path\",\"group\"\r\n\"train/good/a.png\",\"x\"\r\n"
                    "\"train/good/b.png\",\"y\"\r\n\"test/dent/c.png\",\"z\"\r\n");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_groups(dataset->train, "x|y");
  check_groups(dataset->test, "z");
}

static void test_groups_quoted(Folder *folder, gconstpointer data) {
  put_text(folder, "train/good/a,\"b\".png", "x");
  put_text(folder, "train/good/c d.png", "x");
  put_text(folder, "groups.csv",
           "path,group\n\"train/good/a,\"\"b\"\".png\",\"lot 3, part \"\"5\"\"\"\n"
           "train/good/c d.png,\"plain\"\n");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  check_groups(dataset->train, "lot 3, part \"5\"|plain");
}

static void test_groups_of_a_plain_folder(Folder *folder, gconstpointer data) {
  put(folder, "a.png deep/b.png");
  put_text(folder, "groups.csv", "path,group\na.png,1\ndeep/b.png,1\n");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_true(dataset->has_groups);
  check_groups(dataset->train, "1|1");
}

static void test_groups_name_what_is_not_there(Folder *folder, gconstpointer data) {
  put_three(folder, "path,group\ntrain/good/a.png,1\ntrain/good/b.png,1\n"
                    "test/dent/c.png,2\ntest/dent/gone.png,2\n");
  g_autoptr(VelmDataset) dataset = open_folder(folder);
  g_assert_cmpuint(dataset->test->len, ==, 1);
  g_assert_cmpstr(sample_at(dataset->test, 0)->group, ==, "2");
}

static void test_groups_leave_one_out(Folder *folder, gconstpointer data) {
  put_three(folder, "path,group\ntrain/good/a.png,1\ntest/dent/c.png,2\n");
  check_refused(folder, VELM_ERROR_DATASET, "*groups.csv*");
}

static void test_groups_malformed(Folder *folder, gconstpointer data) {
  static const char *const third_lines[] = {
      "train/good/b.png",     /* no comma */
      "train/good/b.png,1,2", /* one too many */
      "train/good/b.png,",    /* no group */
      ",1",                   /* no path */
      "\"train/good/b.png,1", /* a quote that does not end */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(third_lines); i++) {
    g_autofree char *text = g_strconcat("path,group\ntrain/good/a.png,1\n", third_lines[i],
                                        "\ntest/dent/c.png,2\n", NULL);
    put_three(folder, text);
    check_refused(folder, VELM_ERROR_DATASET, "*groups.csv:3:*");
  }
}

static void test_groups_twice(Folder *folder, gconstpointer data) {
  put_three(folder, "path,group\ntrain/good/a.png,1\ntrain/good/b.png,1\n"
                    "test/dent/c.png,2\ntrain/good/a.png,3\n");
  check_refused(folder, VELM_ERROR_DATASET, "*groups.csv:5:*train/good/a.png*");
}

static void test_groups_is_a_folder(Folder *folder, gconstpointer data) {
  put(folder, "train/good/a.png groups.csv/x");
  check_refused(folder, VELM_ERROR_FILE, "*groups.csv*");
}

/* ---- expand ---- */

static GPtrArray *expand(const Folder *folder, const char *names, GError **error) {
  g_auto(GStrv) paths = g_strsplit(names, " ", -1);
  for (guint i = 0; paths[i]; i++) {
    char *path = g_build_filename(folder->path, paths[i], NULL);
    g_free(paths[i]);
    paths[i] = path;
  }
  return velm_dataset_expand((const char *const *)paths, error);
}

static void check_expand(const Folder *folder, const char *names, const char *expected) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) samples = expand(folder, names, &error);
  g_assert_no_error(error);
  check_paths(folder, samples, expected);
  for (guint i = 0; i < samples->len; i++)
    g_assert_nonnull(sample_at(samples, i)->group);
}

static void test_expand_order(Folder *folder, gconstpointer data) {
  put(folder, "z.png a.png many/2.png many/1.png many/deep/0.png many/.hidden.png many/n.txt");
  check_expand(folder, "z.png", "z.png");
  check_expand(folder, "z.png many a.png", "z.png many/1.png many/2.png many/deep/0.png a.png");
  check_expand(folder, "a.png a.png", "a.png a.png");
}

/* Sorted by path: a file after a folder's files where its name says so. */
static void test_expand_sorted(Folder *folder, gconstpointer data) {
  put(folder, "many/a/1.png many/b.png many/a-b/1.png many/c/1.png");
  check_expand(folder, "many", "many/a-b/1.png many/a/1.png many/b.png many/c/1.png");
}

static void test_expand_keeps_what_is_missing(Folder *folder, gconstpointer data) {
  put(folder, "a.png notes.txt");
  check_expand(folder, "gone.png a.png gone/too.png", "gone.png a.png gone/too.png");
  /* A file that was named is not judged by its ending. */
  check_expand(folder, "notes.txt", "notes.txt");
}

static void test_expand_empty_folder(Folder *folder, gconstpointer data) {
  put(folder, "a.png empty/notes.txt");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) samples = expand(folder, "a.png empty", &error);
  g_assert_null(samples);
  check_error(error, VELM_ERROR_DATASET, "*empty*no image*");
}

static void test_expand_nothing(Folder *folder, gconstpointer data) {
  const char *const none[] = {NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) samples = velm_dataset_expand(none, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(samples->len, ==, 0);
}

static void test_expand_references(Folder *folder, gconstpointer data) {
  put(folder, "test/dent/a.png test/dent/b.png reference/dent/a.png train/good/a.png "
              "reference/good/a.png other/dent/a.png");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) samples =
      expand(folder, "test/dent train/good/a.png other/dent/a.png", &error);
  g_assert_no_error(error);
  check_paths(folder, samples, "test/dent/a.png test/dent/b.png train/good/a.png other/dent/a.png");
  g_assert_cmpstr(below(folder, sample_at(samples, 0)->reference), ==, "reference/dent/a.png");
  for (guint i = 1; i < samples->len; i++)
    g_assert_null(sample_at(samples, i)->reference);
}

/* ---- draw ---- */

/* A data set in memory: no file is read for a draw. */
typedef struct {
  GStringChunk *strings;
  VelmDataset dataset;
} Made;

static Made *made_new(void) {
  Made *made = g_new0(Made, 1);
  made->strings = g_string_chunk_new(256);
  made->dataset.directory = g_string_chunk_insert(made->strings, "made");
  made->dataset.train = g_ptr_array_new();
  made->dataset.test = g_ptr_array_new_with_free_func(g_free);
  made->dataset.classes = g_ptr_array_new();
  made->dataset.has_groups = TRUE;
  return made;
}

static void made_free(Made *made) {
  g_ptr_array_unref(made->dataset.train);
  g_ptr_array_unref(made->dataset.test);
  g_ptr_array_unref(made->dataset.classes);
  g_string_chunk_free(made->strings);
  g_free(made);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Made, made_free)

static void made_add(Made *made, const char *label, const char *group) {
  VelmSample *sample = g_new0(VelmSample, 1);
  g_autofree char *path = g_strdup_printf("test/%s/%04u.png", label, made->dataset.test->len);
  sample->path = g_string_chunk_insert(made->strings, path);
  sample->label = g_string_chunk_insert(made->strings, label);
  /* A copy each: equal groups are equal strings, not equal pointers. */
  sample->group = g_string_chunk_insert(made->strings, group);
  g_ptr_array_add(made->dataset.test, sample);
  if (!g_str_equal(label, VELM_LABEL_GOOD) && velm_dataset_class_index(&made->dataset, label) < 0)
    g_ptr_array_add(made->dataset.classes, sample->label);
}

/* Classes a, b, ... of 1 to 8 parts with 1 to 4 images each. @shared: parts show other classes too
 */
static Made *made_random(GRand *random, gboolean shared) {
  Made *made = made_new();
  int n_classes = g_rand_int_range(random, 1, 6);
  for (int i = 0; i < n_classes; i++) {
    char label[] = {(char)('a' + i), '\0'};
    int n_parts = g_rand_int_range(random, 1, 9);
    for (int part = 0; part < n_parts; part++) {
      g_autofree char *own = g_strdup_printf("%s%d", label, part);
      g_autofree char *common = g_strdup_printf("part%d", g_rand_int_range(random, 0, 12));
      int n = g_rand_int_range(random, 1, 5);
      for (int k = 0; k < n; k++)
        made_add(made, label, shared ? common : own);
    }
  }
  for (int i = 0; i < 3; i++)
    made_add(made, VELM_LABEL_GOOD, shared ? "part1" : "good part");
  return made;
}

static GHashTable *groups_of(const GPtrArray *samples, const char *label) {
  GHashTable *groups = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < samples->len; i++)
    if (!label || g_str_equal(sample_at(samples, i)->label, label))
      g_hash_table_add(groups, sample_at(samples, i)->group);
  return groups;
}

static guint count(const GPtrArray *samples, const char *label) {
  guint n = 0;
  for (guint i = 0; i < samples->len; i++)
    n += g_str_equal(sample_at(samples, i)->label, label);
  return n;
}

/* Nothing twice, nothing good, nothing that is not the data set's, no part on both sides. */
static void check_apart(const Made *made, const GPtrArray *examples, const GPtrArray *tests) {
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  const GPtrArray *const sides[] = {examples, tests};
  for (gsize side = 0; side < 2; side++) {
    for (guint i = 0; i < sides[side]->len; i++) {
      const VelmSample *sample = sample_at(sides[side], i);
      g_assert_true(g_hash_table_add(seen, (gpointer)sample));
      g_assert_cmpstr(sample->label, !=, VELM_LABEL_GOOD);
      g_assert_true(g_ptr_array_find(made->dataset.test, sample, NULL));
    }
  }
  g_autoptr(GHashTable) lending = groups_of(examples, NULL);
  for (guint i = 0; i < tests->len; i++)
    g_assert_false(g_hash_table_contains(lending, sample_at(tests, i)->group));
}

/* Of a class whose parts show no other: half of them lend, the others' images are all tested. */
static void check_half(const Made *made, const char *label, int shots, const GPtrArray *examples,
                       const GPtrArray *tests) {
  g_autoptr(GHashTable) all = groups_of(made->dataset.test, label);
  g_autoptr(GHashTable) lending = groups_of(examples, label);
  g_autoptr(GHashTable) tested = groups_of(tests, label);
  guint half = MAX(1, g_hash_table_size(all) / 2);
  g_assert_cmpuint(g_hash_table_size(tested), ==, g_hash_table_size(all) - half);
  g_assert_cmpuint(g_hash_table_size(lending), >=, 1);
  g_assert_cmpuint(g_hash_table_size(lending), <=, half);
  guint images = count(made->dataset.test, label), lent = 0;
  for (guint i = 0; i < made->dataset.test->len; i++) {
    const VelmSample *sample = sample_at(made->dataset.test, i);
    lent += g_str_equal(sample->label, label) && !g_hash_table_contains(tested, sample->group);
  }
  guint wanted = shots > 0 ? MIN((guint)shots, lent) : lent;
  g_assert_cmpuint(count(examples, label), ==, wanted);
  g_assert_cmpuint(count(tests, label), ==, images - lent);
}

static void test_draw_own_parts(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (int round = 0; round < 200; round++) {
    g_autoptr(Made) made = made_random(random, FALSE);
    g_autoptr(GPtrArray) examples = NULL, tests = NULL;
    int shots = g_rand_int_range(random, 0, 6);
    velm_dataset_draw(&made->dataset, shots, random, &examples, &tests);
    check_apart(made, examples, tests);
    for (guint i = 0; i < made->dataset.classes->len; i++)
      check_half(made, made->dataset.classes->pdata[i], shots, examples, tests);
  }
}

static void test_draw_shared_parts(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  for (int round = 0; round < 200; round++) {
    g_autoptr(Made) made = made_random(random, TRUE);
    g_autoptr(GPtrArray) examples = NULL, tests = NULL;
    int shots = g_rand_int_range(random, 0, 6);
    velm_dataset_draw(&made->dataset, shots, random, &examples, &tests);
    check_apart(made, examples, tests);
    for (guint i = 0; i < made->dataset.classes->len; i++) {
      guint n = count(examples, made->dataset.classes->pdata[i]);
      g_assert_cmpuint(n, >=, 1);
      if (shots > 0)
        g_assert_cmpuint(n, <=, (guint)shots);
    }
  }
}

/* However the classes before it were drawn, a class whose parts they have keeps an example. */
static void test_draw_leaves_no_class_without(void) {
  for (guint32 seed = 0; seed < 50; seed++) {
    g_autoptr(Made) made = made_new();
    made_add(made, "a", "1");
    made_add(made, "a", "2");
    made_add(made, "b", "3");
    made_add(made, "b", "4");
    made_add(made, "c", "2");
    made_add(made, "c", "4");
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    g_autoptr(GPtrArray) examples = NULL, tests = NULL;
    velm_dataset_draw(&made->dataset, 0, random, &examples, &tests);
    check_apart(made, examples, tests);
    g_assert_cmpuint(count(examples, "a"), >=, 1);
    g_assert_cmpuint(count(examples, "b"), >=, 1);
    g_assert_cmpuint(count(examples, "c"), >=, 1);
  }
}

static char *describe(const GPtrArray *samples) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < samples->len; i++)
    g_string_append_printf(text, "%s ", sample_at(samples, i)->path);
  return g_string_free(text, FALSE);
}

static char *draw_and_describe(const Made *made, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  g_autoptr(GPtrArray) examples = NULL, tests = NULL;
  velm_dataset_draw(&made->dataset, 2, random, &examples, &tests);
  g_autofree char *first = describe(examples), *second = describe(tests);
  return g_strconcat(first, "| ", second, NULL);
}

static Made *made_regular(void) {
  Made *made = made_new();
  for (int part = 0; part < 8; part++) {
    g_autofree char *a = g_strdup_printf("a%d", part), *b = g_strdup_printf("b%d", part);
    for (int view = 0; view < 2; view++) {
      made_add(made, "a", a);
      made_add(made, "b", b);
    }
  }
  return made;
}

static void test_draw_repeats(void) {
  g_autoptr(Made) made = made_regular();
  g_autoptr(GHashTable) different = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint32 seed = 0; seed < 20; seed++) {
    char *once = draw_and_describe(made, seed);
    g_autofree char *again = draw_and_describe(made, seed);
    g_assert_cmpstr(once, ==, again);
    g_hash_table_add(different, once);
  }
  g_assert_cmpuint(g_hash_table_size(different), >, 15);
}

/* Every image is an example at some time, and tested at another: 8 parts, 100 draws. */
static void test_draw_is_fair(void) {
  g_autoptr(Made) made = made_regular();
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autoptr(GHashTable) lent = g_hash_table_new(NULL, NULL);
  int tested[32] = {0};
  for (int round = 0; round < 100; round++) {
    g_autoptr(GPtrArray) examples = NULL, tests = NULL;
    velm_dataset_draw(&made->dataset, 3, random, &examples, &tests);
    for (guint i = 0; i < examples->len; i++)
      g_hash_table_add(lent, examples->pdata[i]);
    for (guint i = 0; i < tests->len; i++) {
      guint index = 0;
      g_assert_true(g_ptr_array_find(made->dataset.test, tests->pdata[i], &index));
      tested[index]++;
    }
  }
  g_assert_cmpuint(g_hash_table_size(lent), ==, 32);
  /* Half of 100, and five standard deviations to either side. */
  for (int i = 0; i < 32; i++) {
    g_assert_cmpint(tested[i], >, 25);
    g_assert_cmpint(tested[i], <, 75);
  }
}

static void test_draw_nothing(void) {
  g_autoptr(Made) made = made_new();
  made_add(made, VELM_LABEL_GOOD, "1");
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  g_autoptr(GPtrArray) examples = NULL, tests = NULL;
  velm_dataset_draw(&made->dataset, 5, random, &examples, &tests);
  g_assert_cmpuint(examples->len, ==, 0);
  g_assert_cmpuint(tests->len, ==, 0);
}

#define ADD(path, function) g_test_add("/dataset/" path, Folder, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("open/mvtec", test_mvtec);
  ADD("open/class-index", test_class_index);
  ADD("open/sorted-by-path", test_sorted_by_path);
  ADD("open/only-train", test_only_train);
  ADD("open/only-test", test_only_test);
  ADD("open/train-without-good", test_train_without_good);
  ADD("open/plain-folder", test_plain_folder);
  ADD("open/trailing-slash", test_trailing_slash);
  ADD("open/hidden-and-foreign-files", test_hidden_and_foreign_files);
  ADD("open/hidden-in-plain-folder", test_hidden_in_plain_folder);
  ADD("open/empty-class", test_empty_class);
  ADD("open/no-image", test_no_image);
  ADD("open/no-folder", test_no_folder);
  ADD("open/file-for-folder", test_file_for_folder);
  ADD("masks", test_masks);
  ADD("masks/without-image", test_mask_without_image);
  ADD("masks/of-no-class", test_mask_of_no_class);
  ADD("references", test_references);
  ADD("references/not-of-training", test_training_has_no_reference);
  ADD("groups", test_groups);
  ADD("groups/crlf", test_groups_crlf);
  ADD("groups/of-a-spreadsheet", test_groups_of_a_spreadsheet);
  ADD("groups/quoted", test_groups_quoted);
  ADD("groups/of-a-plain-folder", test_groups_of_a_plain_folder);
  ADD("groups/name-what-is-not-there", test_groups_name_what_is_not_there);
  ADD("groups/leave-one-out", test_groups_leave_one_out);
  ADD("groups/malformed", test_groups_malformed);
  ADD("groups/twice", test_groups_twice);
  ADD("groups/is-a-folder", test_groups_is_a_folder);
  ADD("expand/order", test_expand_order);
  ADD("expand/sorted", test_expand_sorted);
  ADD("expand/keeps-what-is-missing", test_expand_keeps_what_is_missing);
  ADD("expand/empty-folder", test_expand_empty_folder);
  ADD("expand/nothing", test_expand_nothing);
  ADD("expand/references", test_expand_references);
  g_test_add_func("/dataset/draw/own-parts", test_draw_own_parts);
  g_test_add_func("/dataset/draw/shared-parts", test_draw_shared_parts);
  g_test_add_func("/dataset/draw/leaves-no-class-without", test_draw_leaves_no_class_without);
  g_test_add_func("/dataset/draw/repeats", test_draw_repeats);
  g_test_add_func("/dataset/draw/is-fair", test_draw_is_fair);
  g_test_add_func("/dataset/draw/nothing", test_draw_nothing);
  return g_test_run();
}
