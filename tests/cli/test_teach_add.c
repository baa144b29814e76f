/* Teaching a model more, without the images that it was taught first. */
#include "act/spec.h"
#include "act/teach.h"
#include "classify/example_store.h"
#include "cli/command.h"
#include "core/file.h"
#include "core/model.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <string.h>

/* Two models: all images at once, and in two portions. */
#define AT_ONCE "at-once.velm"
#define IN_TWO "in-two.velm"

static void copy(const char *from, const char *to) {
  g_autoptr(GBytes) bytes = command_read(from);
  g_autofree char *path = command_path(to), *folder = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  velm_file_write(path, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  g_assert_no_error(error);
}

static void write_text(const char *name, const char *text) {
  g_autofree char *path = command_path(name);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* The images of @key in the folder of parts, by number. */
static char *image_name(const char *key, guint index) {
  g_autofree char *folder = g_build_filename(PARTS "/test", key, NULL);
  g_autofree char *path = command_path(folder);
  g_autoptr(GPtrArray) names = velm_file_list(path, NULL);
  g_assert_cmpuint(names->len, >, index);
  return g_strdup(names->pdata[index]);
}

/* Puts one of the images, with its mask, in @folder. */
static void put(const char *folder, const char *key, guint index) {
  g_autofree char *name = image_name(key, index);
  g_autofree char *from = g_build_filename(PARTS "/test", key, name, NULL);
  g_autofree char *to = g_build_filename(folder, "test", key, name, NULL);
  g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".png"));
  g_autofree char *mask = g_strconcat(stem, "_mask.png", NULL);
  g_autofree char *mask_from = g_build_filename(PARTS "/ground_truth", key, mask, NULL);
  g_autofree char *mask_to = g_build_filename(folder, "ground_truth", key, mask, NULL);
  copy(from, to);
  copy(mask_from, mask_to);
}

static VelmModel *load(const char *name) {
  g_autofree char *path = command_path(name);
  g_autoptr(GError) error = NULL;
  VelmModel *model = velm_model_load(path, &error);
  g_assert_no_error(error);
  return model;
}

/* All that was learnt, and what from; not the images for a language model, which keep their order.
 */
static GBytes *what_was_learnt(const char *name) {
  g_autoptr(VelmModel) model = load(name);
  velm_model_remove_prefix(model, "context.");
  return velm_model_serialise(model);
}

#define SPEC_TWO "two.yaml"
#define SPEC_THREE "three.yaml"
#define TWO_CLASSES                                                                                \
  "object: disc\nclasses:\n  dent: {description: a hollow}\n  dust: {description: specks}\n"

static void make_folders(void) {
  write_text(SPEC_TWO, TWO_CLASSES);
  write_text(SPEC_THREE, TWO_CLASSES "  chip: {description: a corner that is off}\n");
  static const struct {
    const char *folder, *key;
    guint index;
  } images[] = {{"first", "dent", 0}, {"first", "dent", 1},  {"first", "dust", 0},
                {"first", "dust", 2}, {"second", "dent", 3}, {"second", "chip", 0},
                {"second", "chip", 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(images); i++) {
    put(images[i].folder, images[i].key, images[i].index);
    put("all", images[i].key, images[i].index);
  }
  copy(PARTS "/groups.csv", "first/groups.csv");
  copy(PARTS "/groups.csv", "second/groups.csv");
  copy(PARTS "/groups.csv", "all/groups.csv");
}

/* "second" has a class of its own, and lacks one of those taught. */
static void teach_both(void) {
  copy(FITTED, AT_ONCE);
  copy(FITTED, IN_TWO);
  g_autoptr(Outcome) all = velm("teach", "all", "-m", AT_ONCE, "-s", SPEC_THREE);
  assert_success(all);
  assert_contains(all->out, "examples: 7 kept");
  g_autoptr(Outcome) first = velm("teach", "first", "-m", IN_TWO, "-s", SPEC_TWO);
  assert_success(first);
  assert_contains(first->out, "examples: 4 kept");
  g_autoptr(Outcome) second = velm("teach", "second", "--add", "-m", IN_TWO, "-s", SPEC_THREE);
  assert_success(second);
  assert_contains(second->out, IN_TWO ": taught, with 7 examples where it had 4\n");
  assert_contains(second->out, "taught: dent, dust, chip\n");
}

static void test_same_as_at_once(void) {
  g_autoptr(GBytes) at_once = what_was_learnt(AT_ONCE);
  g_autoptr(GBytes) in_two = what_was_learnt(IN_TWO);
  g_assert_true(g_bytes_equal(at_once, in_two));
}

/* The images for a language model are of all classes too. */
static void test_context(void) {
  g_autoptr(VelmModel) model = load(IN_TWO);
  g_autofree const char **keys = velm_model_get_strv(model, "context.classes", NULL);
  static const char *const expected[] = {"dent", "dust", "chip", "dent",
                                         "dust", "chip", "dent", NULL};
  g_assert_cmpstrv(keys, expected);
}

/* What it was taught already, it is not taught twice: the file stays the same. */
static void test_again(void) {
  copy(IN_TWO, "again.velm");
  g_autoptr(Outcome) again = velm("teach", "all", "--add", "-m", "again.velm", "-s", SPEC_THREE);
  assert_success(again);
  assert_contains(again->out, "with 7 examples where it had 7\n");
  g_autoptr(GBytes) before = command_read(IN_TWO);
  g_autoptr(GBytes) after = command_read("again.velm");
  g_assert_true(g_bytes_equal(before, after));
}

/* ---- the spec ---- */

static void test_class_gone(void) {
  copy(IN_TWO, "gone.velm");
  g_autoptr(Outcome) gone = velm("teach", "first", "--add", "-m", "gone.velm", "-s", SPEC_TWO);
  g_assert_cmpint(gone->code, ==, 0);
  g_assert_cmpstr(gone->err, ==,
                  "velm: 2 examples of \"chip\" that the model was taught are left out: the spec "
                  "has no such class\n");
  assert_contains(gone->out, "with 5 examples where it had 7\n");
  assert_contains(gone->out, "taught: dent, dust\n");
  g_autoptr(VelmModel) model = load("gone.velm");
  g_autofree const char **keys = velm_model_get_strv(model, "context.classes", NULL);
  g_assert_false(g_strv_contains(keys, "chip"));
}

static void test_refused(void) {
  g_autoptr(VelmModel) model = load(TAUGHT);
  g_autofree char *path = command_path("earlier.velm");
  velm_model_remove_prefix(model, "examples.");
  g_assert_true(velm_model_save(model, path, NULL));
  g_autoptr(Outcome) earlier = velm("teach", PARTS, "--add", "-m", "earlier.velm", "-s", SPEC);
  assert_refused(earlier, 1, "teach it again without --add");
  g_autoptr(Outcome) info = velm("info", "earlier.velm");
  assert_contains(info->out, "examples: none kept");
  g_autoptr(Outcome) class = velm("teach", "first", "--add", "-m", FITTED, "-s", SPEC_THREE);
  assert_refused(class, 1, "there is no image in test/chip, and the model carries none");
  g_autoptr(Outcome) llm = velm("teach", PARTS, "--add", "--ask-llm", "-m", TAUGHT, "-s", SPEC);
  assert_refused(llm, 2, "--add and --ask-llm exclude each other");
}

/* ---- from images that lie anywhere ---- */

/* A station keeps images by their content: the path has no extension. */
static VelmSample *sample_of(const char *label, const char *key, guint index) {
  g_autofree char *name = image_name(key, index);
  g_autofree char *from = g_build_filename(PARTS "/test", key, name, NULL);
  g_autofree char *kept = g_strdup_printf("kept-%s-%u", key, index);
  g_autofree char *path = command_path(kept);
  g_autofree char *group = g_strdup_printf("part of %s", kept);
  copy(from, kept);
  return velm_sample_new(path, label, group);
}

static gboolean teach_samples(VelmModel *model, const GPtrArray *samples, gboolean add,
                              GError **error) {
  g_autofree char *path = command_path(SPEC_THREE);
  g_autoptr(VelmSpec) spec = velm_spec_load(path, NULL);
  VelmTeachParams params = velm_teach_params_default();
  params.add = add;
  return velm_model_teach_samples(model, samples, spec, &params, error);
}

static guint count_label(VelmModel *model, const char *label) {
  g_autoptr(GHashTable) counts = velm_examples_count_classes(model);
  return GPOINTER_TO_UINT(g_hash_table_lookup(counts, label));
}

/* "chip" has no example: it is not taught. Whose class is not of the spec is left out. An image
 * that was another class's is so no more. */
static void test_samples(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = load(FITTED);
  g_autoptr(GPtrArray) samples = g_ptr_array_new_with_free_func((GDestroyNotify)velm_sample_free);
  g_ptr_array_add(samples, sample_of("dent", "dent", 0));
  g_ptr_array_add(samples, sample_of("stain", "stain", 0));
  g_assert_false(teach_samples(model, samples, TRUE, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "there are not two classes of the spec");
  g_assert_cmpuint(velm_model_count_examples(model), ==, 0);
  g_ptr_array_add(samples, sample_of("dust", "dust", 0));
  g_ptr_array_add(samples, sample_of("dust", "dent", 1));
  g_assert_true(teach_samples(model, samples, TRUE, &error));
  g_assert_cmpuint(velm_model_count_examples(model), ==, 3);
  g_assert_cmpuint(count_label(model, "dust"), ==, 2);
  g_ptr_array_set_size(samples, 0);
  g_ptr_array_add(samples, sample_of("dent", "dent", 1));
  g_assert_true(teach_samples(model, samples, TRUE, &error));
  g_assert_cmpuint(velm_model_count_examples(model), ==, 3);
  g_assert_cmpuint(count_label(model, "dust"), ==, 1);
  g_assert_cmpuint(count_label(model, "dent"), ==, 2);
}

/* A file that is no image, and whoever stops it, leave the model as it was. */
static gboolean stop(G_GNUC_UNUSED const char *stage, G_GNUC_UNUSED gsize done,
                     G_GNUC_UNUSED gsize total, G_GNUC_UNUSED gpointer data) {
  return FALSE;
}

static void test_samples_fail(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = load(IN_TWO);
  g_autoptr(GBytes) before = velm_model_serialise(model);
  g_autoptr(GPtrArray) samples = g_ptr_array_new_with_free_func((GDestroyNotify)velm_sample_free);
  g_autofree char *path = command_path(SPEC_THREE);
  g_autoptr(VelmSpec) spec = velm_spec_load(path, NULL);
  VelmTeachParams params = velm_teach_params_default();
  g_ptr_array_add(samples, sample_of("dent", "dent", 4));
  params.add = TRUE;
  params.progress = stop;
  g_assert_false(velm_model_teach_samples(model, samples, spec, &params, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "stopped");
  write_text("kept-dent-4", "no image");
  g_assert_false(teach_samples(model, samples, TRUE, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "kept-dent-4");
  g_autoptr(GBytes) after = velm_model_serialise(model);
  g_assert_true(g_bytes_equal(before, after));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  make_folders();
  teach_both();
  g_test_add_func("/cli/teach-add/same-as-at-once", test_same_as_at_once);
  g_test_add_func("/cli/teach-add/context", test_context);
  g_test_add_func("/cli/teach-add/again", test_again);
  g_test_add_func("/cli/teach-add/class-gone", test_class_gone);
  g_test_add_func("/cli/teach-add/refused", test_refused);
  g_test_add_func("/cli/teach-add/samples", test_samples);
  g_test_add_func("/cli/teach-add/samples-fail", test_samples_fail);
  int code = g_test_run();
  command_tear_down();
  return code;
}
