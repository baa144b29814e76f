#include "dataset/procedural.h"

#include "act/spec.h"
#include "core/file.h"
#include "dataset/dataset.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 256
#define N_PIXELS (SIDE * SIDE)

static char *temp;

/* ---- pictures ---- */

static VelmImage *draw(guint32 seed, guint part, guint view, const char *defect, VelmMask **mask) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.seed = seed;
  VelmImage *image = velm_procedural_draw(&params, part, view, defect, mask);
  g_assert_nonnull(image);
  return image;
}

static VelmMask *draw_mask(guint part, guint view, const char *defect) {
  VelmMask *mask = NULL;
  velm_image_free(draw(1, part, view, defect, &mask));
  g_assert_nonnull(mask);
  return mask;
}

/* The largest difference of a channel at pixel @at. */
static int difference_at(const VelmImage *a, const VelmImage *b, gsize at) {
  int largest = 0;
  for (gsize c = 0; c < 3; c++)
    largest = MAX(largest, abs(a->pixels[3 * at + c] - b->pixels[3 * at + c]));
  return largest;
}

static double mean_difference(const VelmImage *a, const VelmImage *b) {
  double sum = 0;
  for (gsize i = 0; i < N_PIXELS; i++)
    sum += difference_at(a, b, i);
  return sum / N_PIXELS;
}

static void test_defaults(void) {
  VelmProceduralParams params = velm_procedural_params_default();
  g_assert_cmpint(params.size, ==, SIDE);
  g_assert_cmpint(params.views, >=, 2);
  g_assert_cmpint(params.n_train, >=, 20);
  g_assert_cmpint(params.n_per_class / params.views, >=, 2);
  g_autoptr(VelmImage) image = draw(1, 0, 0, NULL, NULL);
  g_assert_cmpint(image->width, ==, SIDE);
  g_assert_cmpint(image->height, ==, SIDE);
}

static void test_same_again(void) {
  const char *const *classes = velm_procedural_classes();
  for (int i = -1; i < 0 || classes[i]; i++) {
    g_autoptr(VelmMask) mask = NULL, mask_again = NULL;
    g_autoptr(VelmImage) image = draw(7, 3, 1, i < 0 ? NULL : classes[i], &mask);
    g_autoptr(VelmImage) again = draw(7, 3, 1, i < 0 ? NULL : classes[i], &mask_again);
    g_assert_cmpmem(image->pixels, 3 * N_PIXELS, again->pixels, 3 * N_PIXELS);
    g_assert_cmpmem(mask->values, N_PIXELS, mask_again->values, N_PIXELS);
  }
}

/* The bytes themselves: no compiler, optimisation or machine may change them. */
static void test_same_everywhere(void) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  const char *const *classes = velm_procedural_classes();
  for (guint i = 0; classes[i]; i++) {
    g_autoptr(VelmMask) mask = NULL;
    g_autoptr(VelmImage) image = draw(1, i, i % 2, classes[i], &mask);
    g_checksum_update(checksum, image->pixels, 3 * N_PIXELS);
    g_checksum_update(checksum, mask->values, N_PIXELS);
  }
  g_assert_cmpstr(g_checksum_get_string(checksum), ==,
                  "df9b34dca26e4be2fd448841a151ef5cd12b72bde41599d760fd0771048b9d56");
}

static void test_every_number_counts(void) {
  g_autoptr(VelmImage) image = draw(1, 0, 0, NULL, NULL);
  g_autoptr(VelmImage) other_seed = draw(2, 0, 0, NULL, NULL);
  g_autoptr(VelmImage) other_part = draw(1, 1, 0, NULL, NULL);
  g_autoptr(VelmImage) other_view = draw(1, 0, 1, NULL, NULL);
  g_assert_cmpfloat(mean_difference(image, other_seed), >, 3);
  g_assert_cmpfloat(mean_difference(image, other_part), >, 3);
  g_assert_cmpfloat(mean_difference(image, other_view), >, 1);
}

/* Parts look alike, or no detector could learn them, and use the range that a camera has. */
static void test_good_parts_look_alike(void) {
  for (guint part = 0; part < 20; part += 2) {
    g_autoptr(VelmImage) image = draw(1, part, 0, NULL, NULL);
    g_autoptr(VelmImage) other = draw(1, part + 1, 1, NULL, NULL);
    g_assert_cmpfloat(mean_difference(image, other), <, 40);
    g_autoptr(VelmPlane) grey = velm_image_grey(image);
    double sum = 0;
    gsize clipped = 0;
    for (gsize i = 0; i < N_PIXELS; i++) {
      sum += grey->values[i];
      clipped += grey->values[i] > 253;
    }
    g_assert_cmpfloat(sum / N_PIXELS, >, 60);
    g_assert_cmpfloat(sum / N_PIXELS, <, 160);
    g_assert_cmpuint(clipped, <, N_PIXELS / 100);
  }
}

/* A larger picture shows the same part more finely. */
static void test_sizes(void) {
  VelmProceduralParams params = velm_procedural_params_default();
  for (int size = 128; size <= 512; size *= 4) {
    params.size = size;
    g_autoptr(VelmMask) mask = NULL;
    g_autoptr(VelmImage) image = velm_procedural_draw(&params, 4, 0, "stain", &mask);
    g_assert_nonnull(image);
    g_autoptr(VelmMask) expected = NULL;
    g_autoptr(VelmImage) reference = draw(params.seed, 4, 0, "stain", &expected);
    double scale = (double)size / SIDE;
    double area = (double)velm_mask_count(mask) / (scale * scale);
    g_assert_cmpfloat_with_epsilon(area / (double)velm_mask_count(expected), 1, 0.05);
    g_autoptr(VelmImage) resized = velm_image_resize(image, SIDE, SIDE, NULL);
    g_assert_nonnull(resized);
    g_assert_cmpfloat(mean_difference(resized, reference), <, 6);
  }
}

static void test_what_cannot_be_drawn(void) {
  VelmProceduralParams params = velm_procedural_params_default();
  VelmMask *mask = (VelmMask *)&params;
  g_assert_null(velm_procedural_draw(&params, 0, 0, "no such defect", &mask));
  g_assert_null(mask);
  static const int sizes[] = {-1, 0, VELM_PROCEDURAL_MIN_SIZE - 1, VELM_PROCEDURAL_MAX_SIZE + 1,
                              G_MAXINT};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    params.size = sizes[i];
    g_assert_null(velm_procedural_draw(&params, 0, 0, NULL, NULL));
  }
  params.size = VELM_PROCEDURAL_MIN_SIZE;
  g_autoptr(VelmImage) smallest = velm_procedural_draw(&params, G_MAXUINT, G_MAXUINT, "chip", NULL);
  g_assert_nonnull(smallest);
}

/* ---- defects ---- */

static void test_classes(void) {
  const char *const *classes = velm_procedural_classes();
  g_assert_cmpuint(g_strv_length((char **)classes), >=, 5);
  for (guint i = 0; classes[i]; i++) {
    g_assert_cmpstr(classes[i], !=, VELM_LABEL_GOOD);
    for (guint j = 0; j < i; j++)
      g_assert_cmpstr(classes[i], !=, classes[j]);
  }
}

static void test_good_has_no_mask(void) {
  for (guint part = 0; part < 5; part++) {
    g_autoptr(VelmMask) mask = draw_mask(part, 0, NULL);
    g_assert_cmpuint(velm_mask_count(mask), ==, 0);
  }
}

/* The mask holds what the defect changes: much inside, hardly anything out of it. */
static void check_mask(const char *defect, guint part, guint view) {
  g_autoptr(VelmMask) mask = NULL;
  g_autoptr(VelmImage) good = draw(1, part, view, NULL, NULL);
  g_autoptr(VelmImage) image = draw(1, part, view, defect, &mask);
  g_autoptr(VelmMask) near = velm_mask_dilate(mask, 2, NULL);
  double inside = 0, outside = 0;
  gsize n_inside = velm_mask_count(mask);
  int strongest = 0, stray = 0;
  for (gsize i = 0; i < N_PIXELS; i++) {
    g_assert_true(mask->values[i] == 0 || mask->values[i] == 255);
    int difference = difference_at(good, image, i);
    if (mask->values[i]) {
      inside += difference;
      strongest = MAX(strongest, difference);
    } else if (!near->values[i]) {
      outside += difference;
      stray = MAX(stray, difference);
    }
  }
  g_test_message("%s %u.%u: %u px, inside %.1f, strongest %d, stray %d", defect, part, view,
                 (guint)n_inside, inside / (double)n_inside, strongest, stray);
  g_assert_cmpuint(n_inside, >=, 12);
  g_assert_cmpuint(n_inside, <, N_PIXELS / 16);
  g_assert_cmpfloat(inside / (double)n_inside, >, 9);
  g_assert_cmpint(strongest, >, 25);
  g_assert_cmpint(stray, <=, 15);
  g_assert_cmpfloat(outside, <, 0.05 * inside);
}

static void test_masks_fit(void) {
  const char *const *classes = velm_procedural_classes();
  for (guint i = 0; classes[i]; i++)
    for (guint part = 0; part < 20; part++)
      for (guint view = 0; view < 2; view++)
        check_mask(classes[i], part, view);
}

static void test_views_share_the_defect(void) {
  const char *const *classes = velm_procedural_classes();
  for (guint i = 0; classes[i]; i++) {
    g_autoptr(VelmMask) first = draw_mask(5, 0, classes[i]);
    g_autoptr(VelmMask) second = draw_mask(5, 1, classes[i]);
    g_assert_cmpmem(first->values, N_PIXELS, second->values, N_PIXELS);
  }
}

static void test_kinds_differ(void) {
  const char *const *classes = velm_procedural_classes();
  for (guint i = 0; classes[i]; i++) {
    for (guint j = 0; j < i; j++) {
      g_autoptr(VelmMask) a = NULL, b = NULL;
      g_autoptr(VelmImage) one = draw(1, 2, 0, classes[i], &a);
      g_autoptr(VelmImage) two = draw(1, 2, 0, classes[j], &b);
      g_assert_cmpint(memcmp(a->values, b->values, N_PIXELS), !=, 0);
      g_assert_cmpint(memcmp(one->pixels, two->pixels, 3 * N_PIXELS), !=, 0);
    }
  }
}

/* No two parts have the same defect, and a class's sizes vary where it has sizes. */
static void test_kinds_vary(void) {
  const char *const *classes = velm_procedural_classes();
  for (guint i = 0; classes[i]; i++) {
    gsize least = G_MAXSIZE, most = 0;
    g_autoptr(VelmMask) before = NULL;
    for (guint part = 0; part < 12; part++) {
      VelmMask *mask = draw_mask(part, 0, classes[i]);
      if (before)
        g_assert_cmpint(memcmp(before->values, mask->values, N_PIXELS), !=, 0);
      g_clear_pointer(&before, velm_mask_free);
      before = mask;
      least = MIN(least, velm_mask_count(mask));
      most = MAX(most, velm_mask_count(mask));
    }
    if (!g_str_equal(classes[i], "missing_hole"))
      g_assert_cmpfloat((double)most / (double)least, >, 1.5);
  }
}

/* ---- data set ---- */

static void remove_tree(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_tree(below);
  }
  g_remove(path);
}

static VelmProceduralParams few(void) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 64;
  params.n_train = 6;
  params.n_test_good = 3;
  params.n_per_class = 4;
  return params;
}

static char *write_few(const char *name) {
  VelmProceduralParams params = few();
  g_autoptr(GError) error = NULL;
  char *directory = g_build_filename(temp, name, "below", NULL);
  gboolean ok = velm_procedural_write(&params, directory, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return directory;
}

static void check_names(const char *directory, const char *folder, gboolean folders,
                        const char *expected) {
  g_autofree char *path = g_build_filename(directory, folder, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names =
      folders ? velm_file_list_folders(path, &error) : velm_file_list(path, &error);
  g_assert_no_error(error);
  g_ptr_array_add(names, NULL);
  g_autofree char *joined = g_strjoinv(" ", (char **)names->pdata);
  g_assert_cmpstr(joined, ==, expected);
}

static void test_layout(void) {
  g_autofree char *directory = write_few("layout");
  const char *all = "chip dent dust good missing_hole scratch stain";
  const char *defects = "chip dent dust missing_hole scratch stain";
  check_names(directory, ".", TRUE, "ground_truth test train");
  check_names(directory, ".", FALSE, "groups.csv spec.yaml");
  check_names(directory, "train", TRUE, "good");
  check_names(directory, "test", TRUE, all);
  check_names(directory, "ground_truth", TRUE, defects);
  check_names(directory, "train/good", FALSE,
              "part000_view0.png part000_view1.png part001_view0.png part001_view1.png "
              "part002_view0.png part002_view1.png");
  /* An odd number leaves the last part with one view. */
  check_names(directory, "test/good", FALSE,
              "part003_view0.png part003_view1.png part004_view0.png");
  check_names(directory, "test/scratch", FALSE,
              "part005_view0.png part005_view1.png part006_view0.png part006_view1.png");
  check_names(directory, "ground_truth/scratch", FALSE,
              "part005_view0_mask.png part005_view1_mask.png part006_view0_mask.png "
              "part006_view1_mask.png");
}

static void test_files_hold_what_is_drawn(void) {
  g_autofree char *directory = write_few("files");
  VelmProceduralParams params = few();
  g_autoptr(VelmMask) mask = NULL;
  g_autoptr(VelmImage) image = velm_procedural_draw(&params, 6, 1, "scratch", &mask);
  g_autofree char *path = g_build_filename(directory, "test/scratch/part006_view1.png", NULL);
  g_autofree char *mask_path =
      g_build_filename(directory, "ground_truth/scratch/part006_view1_mask.png", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) stored = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_autoptr(VelmMask) stored_mask = velm_mask_load(mask_path, &error);
  g_assert_no_error(error);
  g_assert_cmpint(stored->width, ==, 64);
  g_assert_cmpmem(stored->pixels, 64 * 64 * 3, image->pixels, 64 * 64 * 3);
  g_assert_cmpmem(stored_mask->values, 64 * 64, mask->values, 64 * 64);
}

/* The images of each group, by where they lie: "train/good", "test/stain", ... */
static void note_groups(const GPtrArray *samples, const char *side, GHashTable *place_of) {
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    g_autofree char *place = g_strconcat(side, "/", sample->label, NULL);
    const char *before = g_hash_table_lookup(place_of, sample->group);
    if (before)
      g_assert_cmpstr(before, ==, place);
    g_assert_nonnull(strstr(sample->path, sample->group));
    g_hash_table_replace(place_of, g_strdup(sample->group), g_strdup(place));
  }
}

static void test_groups(void) {
  g_autofree char *directory = write_few("groups");
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, &error);
  g_assert_no_error(error);
  g_assert_true(dataset->has_groups);
  g_assert_cmpuint(dataset->train->len, ==, 6);
  g_assert_cmpuint(dataset->test->len, ==, 3 + 6 * 4);
  g_assert_cmpuint(dataset->classes->len, ==, 6);
  g_autoptr(GHashTable) place_of = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  note_groups(dataset->train, "train", place_of);
  note_groups(dataset->test, "test", place_of);
  g_assert_cmpuint(g_hash_table_size(place_of), ==, 3 + 2 + 6 * 2);
  for (guint i = 0; i < dataset->test->len; i++) {
    const VelmSample *sample = g_ptr_array_index(dataset->test, i);
    g_assert_cmpint(sample->mask != NULL, ==, !g_str_equal(sample->label, VELM_LABEL_GOOD));
  }
}

static void test_spec(void) {
  g_autofree char *directory = write_few("spec");
  g_autofree char *path = g_build_filename(directory, "spec.yaml", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_file_read(path, &error);
  g_assert_no_error(error);
  gsize length = 0;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_parse(text, length, path, &findings, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(findings->len, ==, 0);
  const VelmClasses *classes = velm_spec_get_classes(spec);
  const char *const *keys = velm_procedural_classes();
  g_assert_cmpuint(classes->classes->len, ==, g_strv_length((char **)keys));
  for (guint i = 0; keys[i]; i++) {
    const VelmClass *class = g_ptr_array_index(classes->classes, i);
    g_assert_cmpstr(class->key, ==, keys[i]);
    g_assert_nonnull(class->description);
  }
  g_assert_nonnull(strstr(text, "severity: negligible\n    action: pass\n"));
  /* 202 of 256 parts of the picture's width are the disc's 50 mm. */
  g_assert_nonnull(strstr(text, "scale: 0.990099 "));
}

static void test_no_images(void) {
  VelmProceduralParams params = few();
  params.n_train = 1;
  params.n_test_good = params.n_per_class = 0;
  g_autofree char *directory = g_build_filename(temp, "one", NULL);
  g_autoptr(GError) error = NULL;
  velm_procedural_write(&params, directory, NULL, NULL, &error);
  g_assert_no_error(error);
  check_names(directory, ".", TRUE, "train");
  check_names(directory, "train/good", FALSE, "part000_view0.png");
}

/* ---- failures ---- */

static void check_failure(const VelmProceduralParams *params, const char *directory, int code,
                          const char *pattern) {
  g_autoptr(GError) error = NULL;
  g_assert_false(velm_procedural_write(params, directory, NULL, NULL, &error));
  g_assert_error(error, VELM_ERROR, code);
  g_test_message("%s", error->message);
  g_assert_true(g_pattern_match_simple(pattern, error->message));
  g_assert_null(strchr(error->message, '\n'));
}

static void test_below_a_file(void) {
  VelmProceduralParams params = few();
  g_autofree char *file = g_build_filename(temp, "file", NULL);
  g_assert_true(g_file_set_contents(file, "x", 1, NULL));
  g_autofree char *below = g_build_filename(file, "data", NULL);
  check_failure(&params, below, VELM_ERROR_FILE, "*file/data*");
  check_failure(&params, file, VELM_ERROR_FILE, "*file*");
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "x");
}

static void test_folder_in_use(void) {
  VelmProceduralParams params = few();
  g_autofree char *directory = write_few("used");
  check_failure(&params, directory, VELM_ERROR_DATASET, "*used/below/train: is there already*");
}

static void test_bad_params(void) {
  g_autofree char *directory = g_build_filename(temp, "bad", NULL);
  VelmProceduralParams params = few();
  params.size = 0;
  check_failure(&params, directory, VELM_ERROR_USAGE, "*0 pixels*");
  params = few();
  params.views = 0;
  check_failure(&params, directory, VELM_ERROR_USAGE, "*views*");
  params = few();
  params.n_per_class = -1;
  check_failure(&params, directory, VELM_ERROR_USAGE, "*negative*");
  g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
}

typedef struct {
  gsize calls, stop_at, last, total;
} Watch;

static gboolean watch(const char *stage, gsize done, gsize total, gpointer user_data) {
  Watch *seen = user_data;
  g_assert_nonnull(stage);
  g_assert_cmpuint(done, ==, seen->calls);
  seen->calls++;
  seen->last = done;
  seen->total = total;
  return done != seen->stop_at;
}

static void test_progress(void) {
  VelmProceduralParams params = few();
  g_autofree char *directory = g_build_filename(temp, "progress", NULL);
  g_autoptr(GError) error = NULL;
  Watch seen = {.stop_at = G_MAXSIZE};
  g_assert_true(velm_procedural_write(&params, directory, watch, &seen, &error));
  g_assert_cmpuint(seen.total, ==, 6 + 3 + 6 * 4);
  g_assert_cmpuint(seen.last, ==, seen.total);
}

static void test_stopped(void) {
  VelmProceduralParams params = few();
  g_autofree char *directory = g_build_filename(temp, "stopped", NULL);
  g_autoptr(GError) error = NULL;
  Watch seen = {.stop_at = 2};
  g_assert_false(velm_procedural_write(&params, directory, watch, &seen, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_CANCELLED);
  check_names(directory, "train/good", FALSE, "part000_view0.png part000_view1.png");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  temp = g_dir_make_tmp("velm-procedural-XXXXXX", NULL);
  g_assert_nonnull(temp);
  g_test_add_func("/procedural/defaults", test_defaults);
  g_test_add_func("/procedural/same-again", test_same_again);
  g_test_add_func("/procedural/same-everywhere", test_same_everywhere);
  g_test_add_func("/procedural/every-number-counts", test_every_number_counts);
  g_test_add_func("/procedural/good-parts-look-alike", test_good_parts_look_alike);
  g_test_add_func("/procedural/sizes", test_sizes);
  g_test_add_func("/procedural/what-cannot-be-drawn", test_what_cannot_be_drawn);
  g_test_add_func("/procedural/classes", test_classes);
  g_test_add_func("/procedural/good-has-no-mask", test_good_has_no_mask);
  g_test_add_func("/procedural/masks-fit", test_masks_fit);
  g_test_add_func("/procedural/views-share-the-defect", test_views_share_the_defect);
  g_test_add_func("/procedural/kinds-differ", test_kinds_differ);
  g_test_add_func("/procedural/kinds-vary", test_kinds_vary);
  g_test_add_func("/procedural/layout", test_layout);
  g_test_add_func("/procedural/files-hold-what-is-drawn", test_files_hold_what_is_drawn);
  g_test_add_func("/procedural/groups", test_groups);
  g_test_add_func("/procedural/spec", test_spec);
  g_test_add_func("/procedural/no-images", test_no_images);
  g_test_add_func("/procedural/below-a-file", test_below_a_file);
  g_test_add_func("/procedural/folder-in-use", test_folder_in_use);
  g_test_add_func("/procedural/bad-params", test_bad_params);
  g_test_add_func("/procedural/progress", test_progress);
  g_test_add_func("/procedural/stopped", test_stopped);
  int result = g_test_run();
  remove_tree(temp);
  g_free(temp);
  return result;
}
