/* The checks of a data set that need no network. */
#include "core/image.h"
#include "core/scratch.h"
#include "dataset/audit.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct {
  char *folder;
  guint8 next; /* the grey of the next image, so that no two are the same by chance */
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = scratch_new();
  fixture->next = 1;
}

static void tear_down(Fixture *fixture, gconstpointer data) { scratch_remove(fixture->folder); }

static void put_bytes(Fixture *fixture, const char *name, gconstpointer data, gsize size) {
  g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, data, (gssize)size, &error);
  g_assert_no_error(error);
}

static void put_text(Fixture *fixture, const char *name, const char *text) {
  put_bytes(fixture, name, text, strlen(text));
}

/* A PNG of @width x @height pixels, all @grey. */
static void put_image(Fixture *fixture, const char *name, int width, int height, guint8 grey) {
  g_autoptr(VelmImage) image = velm_image_new(width, height);
  memset(image->pixels, grey, (gsize)width * (gsize)height * 3);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  put_bytes(fixture, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png));
}

/* Images of 8 x 8 pixels of a grey of their own at each of the paths, which blanks separate. */
static void put(Fixture *fixture, const char *paths) {
  g_auto(GStrv) names = g_strsplit(paths, " ", -1);
  for (gsize i = 0; names[i]; i++)
    put_image(fixture, names[i], 8, 8, fixture->next++);
}

/* A black mask with a white pixel. */
static void put_mask(Fixture *fixture, const char *name, int width, int height) {
  g_autoptr(VelmImage) image = velm_image_new(width, height);
  memset(image->pixels, 255, 3);
  g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
  put_bytes(fixture, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png));
}

/* ---- findings as text ---- */

static char *describe(const VelmFinding *finding) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s %s", velm_audit_kind_name(finding->kind),
                         finding->label ? finding->label : "-");
  if (finding->other)
    g_string_append_printf(text, ">%s", finding->other);
  for (guint i = 0; i < finding->paths->len; i++)
    g_string_append_printf(text, " %s", (char *)g_ptr_array_index(finding->paths, i));
  g_string_append_printf(text, ": %s", finding->message);
  return g_string_free(text, FALSE);
}

static const VelmFinding *finding_at(const VelmAudit *audit, guint index) {
  g_assert_cmpuint(index, <, audit->findings->len);
  return g_ptr_array_index(audit->findings, index);
}

/* Checks for exactly these findings, in this order; each given whole, or by its beginning where it
 * ends in "*". */
static void check_findings(VelmAudit *audit, const char *const *expected) {
  velm_audit_sort(audit);
  for (guint i = 0; i < audit->findings->len; i++) {
    g_autofree char *text = describe(finding_at(audit, i));
    g_test_message("%s", text);
    if (!expected[i])
      g_error("one too many: %s", text);
    gsize length = strlen(expected[i]);
    gboolean same = expected[i][length - 1] == '*' ? !strncmp(text, expected[i], length - 1)
                                                   : !strcmp(text, expected[i]);
    if (!same)
      g_error("\"%s\" instead of \"%s\"", text, expected[i]);
  }
  if (expected[audit->findings->len])
    g_error("missing: %s", expected[audit->findings->len]);
}
#define CHECK_FINDINGS(audit, ...) check_findings(audit, (const char *const[]){__VA_ARGS__, NULL})

static VelmDataset *open_dataset(const Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  VelmDataset *dataset = velm_dataset_open(fixture->folder, &error);
  g_assert_no_error(error);
  return dataset;
}

static VelmAudit *audit_files(const VelmDataset *dataset) {
  g_autoptr(GError) error = NULL;
  VelmAudit *audit = velm_audit_new(dataset);
  g_assert_true(velm_audit_files(audit, NULL, NULL, &error));
  g_assert_no_error(error);
  return audit;
}

/* ---- findings ---- */

static void test_kind_names(void) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (int kind = 0; kind < VELM_N_AUDIT_KINDS; kind++)
    g_assert_true(g_hash_table_add(names, (gpointer)velm_audit_kind_name((VelmAuditKind)kind)));
  g_assert_true(g_hash_table_contains(names, "suspect_label"));
  g_assert_cmpstr(velm_audit_kind_name(VELM_N_AUDIT_KINDS), ==, "unknown");
}

static void test_paths_below_folder(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/a.png");
  g_autofree char *slashed = g_strconcat(fixture->folder, "/", NULL);
  const char *const spellings[] = {fixture->folder, slashed};
  for (gsize i = 0; i < G_N_ELEMENTS(spellings); i++) {
    g_autoptr(VelmDataset) dataset = velm_dataset_open(spellings[i], NULL);
    g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
    const VelmSample *sample = g_ptr_array_index(dataset->test, 0);
    g_autofree char *absolute = g_canonicalize_filename(sample->path, NULL);
    g_autofree char *beside = g_strconcat(fixture->folder, "beside/x.png", NULL);
    const char *const paths[] = {sample->path, absolute, beside, NULL};
    velm_audit_add(audit, VELM_AUDIT_LEAK, 1, NULL, NULL, paths, "%d %%", 5);
    g_autofree char *expected =
        g_strdup_printf("leak - test/dent/a.png test/dent/a.png %s: 5 %%", beside);
    CHECK_FINDINGS(audit, expected);
  }
}

static void test_order(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/a.png");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  const char *const a[] = {"a", NULL}, *const b[] = {"b", NULL};
  velm_audit_add(audit, VELM_AUDIT_MASK, 9, NULL, NULL, a, "6");
  velm_audit_add(audit, VELM_AUDIT_LEAK, NAN, NULL, NULL, a, "5");
  velm_audit_add(audit, VELM_AUDIT_LEAK, .2, NULL, NULL, b, "4");
  velm_audit_add(audit, VELM_AUDIT_LEAK, .2, NULL, NULL, a, "3");
  velm_audit_add(audit, VELM_AUDIT_LEAK, .7, NULL, NULL, b, "2");
  velm_audit_add(audit, VELM_AUDIT_UNREADABLE, 0, NULL, NULL, b, "1");
  CHECK_FINDINGS(audit, "unreadable - b: 1", "leak - b: 2", "leak - a: 3", "leak - b: 4",
                 "leak - a: 5", "mask - a: 6");
}

/* ---- files ---- */

static void test_clean(Fixture *fixture, gconstpointer data) {
  put(fixture, "train/good/a.png train/good/b.png test/good/a.png test/dent/a.png "
               "reference/dent/a.png");
  put_mask(fixture, "ground_truth/dent/a_mask.png", 8, 8);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  velm_audit_duplicates(audit);
  velm_audit_counts(audit, 1, 1);
  CHECK_FINDINGS(audit, NULL);
  g_assert_cmpuint(g_hash_table_size(audit->digests), ==, 4);
}

static void test_unreadable(Fixture *fixture, gconstpointer data) {
  put(fixture, "train/good/a.png test/dent/b.png");
  put_text(fixture, "test/dent/a.png", "no image");
  put_text(fixture, "ground_truth/dent/b_mask.png", "no image");
  put_text(fixture, "reference/dent/b.png", "no image");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(
      audit,
      "unreadable dent test/dent/a.png: the image cannot be read: not an image of a known format",
      "unreadable dent ground_truth/dent/b_mask.png test/dent/b.png: the mask cannot be read: *",
      "unreadable dent reference/dent/b.png test/dent/b.png: the reference cannot be read: *",
      "mask dent test/dent/a.png: 1 of 2 images have no mask");
  g_assert_cmpuint(g_hash_table_size(audit->digests), ==, 2);
}

static void test_mask_sizes(Fixture *fixture, gconstpointer data) {
  put_image(fixture, "test/dent/half.png", 31, 20, 1);
  put_image(fixture, "test/dent/same.png", 31, 20, 2);
  put_image(fixture, "test/dent/tall.png", 31, 20, 3);
  put_image(fixture, "test/dent/twice.png", 31, 20, 4);
  put_mask(fixture, "ground_truth/dent/half_mask.png", 16, 10); /* 15.5 x 10, rounded */
  put_mask(fixture, "ground_truth/dent/same_mask.png", 31, 20);
  put_mask(fixture, "ground_truth/dent/tall_mask.png", 20, 31);
  put_mask(fixture, "ground_truth/dent/twice_mask.png", 62, 41);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(audit,
                 "mask dent ground_truth/dent/tall_mask.png test/dent/tall.png: the mask has 20 x "
                 "31 pixels, its image 31 x 20: its proportions differ, *",
                 "mask dent ground_truth/dent/half_mask.png test/dent/half.png: the mask has 16 x "
                 "10 pixels, its image 31 x 20: it is fitted to that size",
                 "mask dent ground_truth/dent/twice_mask.png test/dent/twice.png: *");
}

static void test_mask_contents(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/empty.png test/dent/full.png test/good/empty.png test/good/marked.png "
               "train/good/marked.png");
  put_image(fixture, "ground_truth/dent/empty_mask.png", 8, 8, 0);
  put_image(fixture, "ground_truth/dent/full_mask.png", 8, 8, 1);
  put_image(fixture, "ground_truth/good/empty_mask.png", 8, 8, 0);
  put_mask(fixture, "ground_truth/good/marked_mask.png", 8, 8);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(audit,
                 "mask dent ground_truth/dent/empty_mask.png test/dent/empty.png: the mask is "
                 "empty: it marks no defect",
                 "mask good ground_truth/good/marked_mask.png test/good/marked.png: the image is "
                 "labelled good, but a mask marks 1.6 % of it",
                 "mask dent ground_truth/dent/full_mask.png test/dent/full.png: the mask marks the "
                 "whole image");
}

static void test_masks_of_nobody(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/a.png ground_truth/dent/b.png ground_truth/gone/a_mask.png");
  put_mask(fixture, "ground_truth/dent/a_mask.png", 8, 8);
  put_mask(fixture, "ground_truth/dent/c_mask.png", 8, 8);
  put_text(fixture, "ground_truth/dent/notes.txt", "by hand");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(
      audit, "mask dent ground_truth/dent/b.png: not named STEM_mask.png: it is not used",
      "mask dent ground_truth/dent/c_mask.png: the mask of no image of test: it is not used",
      "mask gone ground_truth/gone/a_mask.png: the mask of no image of test: it is not used");
}

/* A pixel of many is a slip; of few it may be a defect. */
static void test_specks(Fixture *fixture, gconstpointer data) {
  put_image(fixture, "test/dent/large.png", 101, 101, 1);
  put_image(fixture, "test/dent/small.png", 99, 99, 2);
  put_mask(fixture, "ground_truth/dent/large_mask.png", 101, 101);
  put_mask(fixture, "ground_truth/dent/small_mask.png", 99, 99);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(audit, "mask dent ground_truth/dent/large_mask.png test/dent/large.png: the mask "
                        "marks 1 pixel");
}

/* A class without any mask is a choice; some images of it without one are an oversight. */
static void test_missing_masks(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/a.png test/dent/b.png test/dent/c.png test/hole/a.png test/good/a.png");
  put_mask(fixture, "ground_truth/dent/b_mask.png", 8, 8);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  CHECK_FINDINGS(audit, "mask dent test/dent/a.png test/dent/c.png: 2 of 3 images have no mask");
}

static gboolean stop_at_second(const char *stage, gsize done, gsize total, gpointer data) {
  g_assert_cmpuint(total, ==, 3);
  *(guint *)data = (guint)done;
  return done < 2;
}

static void test_stopped(Fixture *fixture, gconstpointer data) {
  put(fixture, "train/good/a.png test/dent/a.png test/dent/b.png");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  guint done = 0;
  GError *error = NULL;
  g_assert_false(velm_audit_files(audit, stop_at_second, &done, &error));
  g_assert_cmpuint(done, ==, 2);
  assert_failure(&error, VELM_ERROR_CANCELLED, "stopped");
}

/* ---- counts ---- */

static void test_few_images(Fixture *fixture, gconstpointer data) {
  put(fixture, "train/good/a.png train/good/b.png train/good/c.png test/good/a.png test/dent/a.png "
               "test/dent/b.png test/hole/a.png test/hole/b.png test/hole/c.png");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  velm_audit_counts(audit, 3, 3);
  CHECK_FINDINGS(audit,
                 "few_samples good test/good/a.png: 1 good test image; at least 3 are wanted",
                 "few_samples dent test/dent/a.png test/dent/b.png: 2 images; at least 3 are "
                 "wanted");
  g_assert_cmpfloat_with_epsilon(finding_at(audit, 1)->score, 1 / 3., 1e-9);
}

static void test_few_parts(Fixture *fixture, gconstpointer data) {
  put(fixture, "test/dent/a.png test/dent/b.png test/dent/c.png test/hole/a.png test/hole/b.png "
               "test/hole/c.png");
  put_text(fixture, "groups.csv",
           "test/dent/a.png,1\ntest/dent/b.png,1\ntest/dent/c.png,1\n"
           "test/hole/a.png,2\ntest/hole/b.png,3\ntest/hole/c.png,2\n");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  velm_audit_counts(audit, 3, 2);
  CHECK_FINDINGS(audit,
                 "few_samples dent test/dent/a.png test/dent/b.png test/dent/c.png: 3 images "
                 "of 1 part; at least 3 images of 2 parts are wanted");
  g_autoptr(VelmAudit) none = velm_audit_new(dataset);
  velm_audit_counts(none, 0, 0);
  CHECK_FINDINGS(none, NULL);
}

/* ---- duplicates ---- */

static void test_duplicates(Fixture *fixture, gconstpointer data) {
  put(fixture, "train/good/a.png test/good/a.png test/dent/z.png test/hole/z.png");
  put_image(fixture, "test/dent/a.png", 8, 8, 100);
  put_image(fixture, "test/dent/b.png", 8, 8, 100);
  put_image(fixture, "test/dent/m.png", 8, 8, 120);
  put_image(fixture, "test/hole/m.png", 8, 8, 120);
  put_image(fixture, "train/good/x.png", 8, 8, 140);
  put_image(fixture, "test/good/x.png", 8, 8, 140);
  put_image(fixture, "train/good/y.png", 8, 8, 160);
  put_image(fixture, "test/hole/y.png", 8, 8, 160);
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  velm_audit_duplicates(audit);
  CHECK_FINDINGS(audit,
                 "duplicate good>hole train/good/y.png test/hole/y.png: 2 images with the same "
                 "pixels, labelled good, hole, in train and in test",
                 "duplicate dent>hole test/dent/m.png test/hole/m.png: 2 images with the same "
                 "pixels, labelled dent, hole",
                 "duplicate good train/good/x.png test/good/x.png: 2 images with the same pixels, "
                 "in train and in test",
                 "duplicate dent test/dent/a.png test/dent/b.png: 2 images with the same pixels");
}

/* The pixels count, not the file: another format is the same image, another shape is not. */
static void test_duplicates_by_pixels(Fixture *fixture, gconstpointer data) {
  put_image(fixture, "test/dent/a.png", 4, 16, 100);
  put_image(fixture, "test/dent/b.png", 16, 4, 100);
  GString *ppm = g_string_new("P6 4 16 255\n");
  for (int i = 0; i < 4 * 16 * 3; i++)
    g_string_append_c(ppm, 100);
  put_bytes(fixture, "test/hole/c.ppm", ppm->str, ppm->len);
  g_string_free(ppm, TRUE);
  put_text(fixture, "test/hole/d.png", "no image");
  put_text(fixture, "test/hole/e.png", "no image");
  g_autoptr(VelmDataset) dataset = open_dataset(fixture);
  g_autoptr(VelmAudit) audit = audit_files(dataset);
  g_ptr_array_set_size(audit->findings, 0);
  velm_audit_duplicates(audit);
  CHECK_FINDINGS(audit, "duplicate dent>hole test/dent/a.png test/hole/c.ppm: *");
}

#define ADD(path, function) g_test_add("/audit/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL);
  g_test_add_func("/audit/kind-names", test_kind_names);
  ADD("paths-below-folder", test_paths_below_folder);
  ADD("order", test_order);
  ADD("clean", test_clean);
  ADD("unreadable", test_unreadable);
  ADD("masks/sizes", test_mask_sizes);
  ADD("masks/contents", test_mask_contents);
  ADD("masks/specks", test_specks);
  ADD("masks/of-nobody", test_masks_of_nobody);
  ADD("masks/missing", test_missing_masks);
  ADD("stopped", test_stopped);
  ADD("counts/images", test_few_images);
  ADD("counts/parts", test_few_parts);
  ADD("duplicates", test_duplicates);
  ADD("duplicates/by-pixels", test_duplicates_by_pixels);
  return g_test_run();
}
