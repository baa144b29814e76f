/* Curation: what a manifest makes of a data set, and what it refuses. */
#include "core/file.h"
#include "core/findings.h"
#include "core/json.h"
#include "core/scratch.h"
#include "dataset/curate.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *folder, *in, *out;
} Fixture;

/* Every file holds its own path, so that a copy tells where it is from. */
static void put(const Fixture *fixture, const char *names) {
  g_auto(GStrv) paths = g_strsplit(names, " ", -1);
  for (gsize i = 0; paths[i]; i++) {
    g_autofree char *path = g_build_filename(fixture->in, paths[i], NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;
    velm_file_make_folder(parent, &error);
    g_assert_no_error(error);
    velm_file_write(path, paths[i], strlen(paths[i]), &error);
    g_assert_no_error(error);
  }
}

static void put_text(const Fixture *fixture, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(fixture->in, name, NULL);
  g_assert_true(velm_file_write(path, text, strlen(text), NULL));
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = scratch_new();
  fixture->in = g_build_filename(fixture->folder, "in", NULL);
  fixture->out = g_build_filename(fixture->folder, "new", "out", NULL);
  put(fixture, "train/good/1.png train/good/2.png test/good/1.png test/good/3.png "
               "test/crack/1.png test/crack/2.jpg test/crack/5.png test/break/1.png "
               "test/break/3.png test/combined/1.png test/blow/1.png");
  put(fixture, "ground_truth/crack/1_mask.png ground_truth/crack/2_mask.png "
               "ground_truth/break/1_mask.png ground_truth/combined/1_mask.png "
               "ground_truth/good/1_mask.png");
  put(fixture, "reference/crack/1.png reference/break/1.png reference/good/1.png");
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  scratch_remove(fixture->folder);
  g_free(fixture->in);
  g_free(fixture->out);
}

/* ---- running ---- */

static VelmManifest *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  VelmManifest *manifest = velm_manifest_parse(text, strlen(text), "m.yaml", NULL, &error);
  g_assert_no_error(error);
  return manifest;
}

typedef struct {
  VelmDataset *dataset;
  VelmManifest *manifest;
  VelmCuration *curation;
} Curated;

static void curated_clear(Curated *curated) {
  velm_curation_free(curated->curation);
  velm_manifest_free(curated->manifest);
  velm_dataset_free(curated->dataset);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Curated, curated_clear)

static void plan(const Fixture *fixture, const char *manifest, Curated *curated) {
  g_autoptr(GError) error = NULL;
  curated->dataset = velm_dataset_open(fixture->in, &error);
  g_assert_no_error(error);
  curated->manifest = parse(manifest);
  curated->curation = velm_curation_plan(curated->dataset, curated->manifest, NULL, &error);
  g_assert_no_error(error);
}

static void curate(const Fixture *fixture, const char *manifest, gboolean link, Curated *curated) {
  g_autoptr(GError) error = NULL;
  plan(fixture, manifest, curated);
  g_assert_true(velm_curation_write(curated->curation, fixture->out, link, NULL, NULL, &error));
  g_assert_no_error(error);
}

/* ---- looking ---- */

static void list_tree(const char *folder, const char *below, GPtrArray *found) {
  g_autofree char *full = g_build_filename(folder, below, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(full, NULL);
  g_autoptr(GPtrArray) folders = velm_file_list_folders(full, NULL);
  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add(found, g_build_filename(below, g_ptr_array_index(names, i), NULL));
  for (guint i = 0; i < folders->len; i++) {
    g_autofree char *deeper = g_build_filename(below, g_ptr_array_index(folders, i), NULL);
    list_tree(folder, deeper, found);
  }
}

static char *read_text(const char *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GError) error = NULL;
  char *text = NULL;
  g_file_get_contents(path, &text, NULL, &error);
  g_assert_no_error(error);
  return text;
}

static int compare_lines(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "PATH" for a file that kept its path, "PATH<FROM" for one that did not; one a line, sorted;
 * without curation.json and groups.csv. */
static char *describe_out(const Fixture *fixture) {
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  list_tree(fixture->out, "", found);
  for (guint i = 0; i < found->len; i++) {
    const char *name = g_ptr_array_index(found, i);
    if (g_str_equal(name, "curation.json") || g_str_equal(name, "groups.csv"))
      continue;
    g_autofree char *from = read_text(fixture->out, name);
    g_ptr_array_add(lines, g_str_equal(from, name) ? g_strdup(name)
                                                   : g_strdup_printf("%s<%s", name, from));
  }
  g_ptr_array_sort(lines, compare_lines);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}

#define ASSERT_OUT(fixture, expected)                                                              \
  do {                                                                                             \
    g_autofree char *found_ = describe_out(fixture);                                               \
    g_assert_cmpstr(found_, ==, expected);                                                         \
  } while (0)

/* Nothing was written: neither OUT nor anything beside it. */
static void assert_nothing_written(const Fixture *fixture) {
  g_autofree char *parent = g_path_get_dirname(fixture->out);
  g_autoptr(GDir) folder = g_dir_open(parent, 0, NULL);
  g_assert_true(!folder || !g_dir_read_name(folder));
}

#define UNCHANGED_GOOD "test/good/1.png\ntest/good/3.png\ntrain/good/1.png\ntrain/good/2.png"

/* ---- what it does ---- */

static void test_copy(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture, "drop: []\n", FALSE, &curated);
  ASSERT_OUT(fixture, "ground_truth/break/1_mask.png\nground_truth/combined/1_mask.png\n"
                      "ground_truth/crack/1_mask.png\nground_truth/crack/2_mask.png\n"
                      "ground_truth/good/1_mask.png\nreference/break/1.png\n"
                      "reference/crack/1.png\nreference/good/1.png\ntest/blow/1.png\n"
                      "test/break/1.png\ntest/break/3.png\ntest/combined/1.png\n"
                      "test/crack/1.png\ntest/crack/2.jpg\ntest/crack/5.png\n" UNCHANGED_GOOD);
  g_autofree char *groups = g_build_filename(fixture->out, "groups.csv", NULL);
  g_assert_false(g_file_test(groups, G_FILE_TEST_EXISTS));
  g_autofree char *image = g_build_filename(fixture->out, "test/good/1.png", NULL);
  g_assert_false(g_file_test(image, G_FILE_TEST_IS_SYMLINK));
}

static void test_relabel(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture,
         "relabel:\n"
         "  - {image: test/crack/1.png, to: break, reason: r}\n"
         "  - {image: test/crack/2.jpg, to: good, reason: r}\n"
         "  - {image: train/good/1.png, to: blow, reason: r}\n"
         "  - {image: test/good/1.png, to: crack, reason: r}\n"
         "  - {image: test/break/3.png, to: crack, reason: r, apply: no}\n",
         FALSE, &curated);
  /* The mask of test/crack/2.jpg stays behind, as it is good now; so does that of test/good/1.png,
   * which is none now. Train and test share the masks of good, so 2.jpg may not be called 2 there.
   */
  ASSERT_OUT(fixture, "ground_truth/break/1_mask.png\n"
                      "ground_truth/break/crack_1_mask.png<ground_truth/crack/1_mask.png\n"
                      "ground_truth/combined/1_mask.png\n"
                      "reference/break/1.png\nreference/break/crack_1.png<reference/crack/1.png\n"
                      "reference/crack/1.png<reference/good/1.png\n"
                      "test/blow/1.png\ntest/blow/good_1.png<train/good/1.png\n"
                      "test/break/1.png\ntest/break/3.png\n"
                      "test/break/crack_1.png<test/crack/1.png\n"
                      "test/combined/1.png\ntest/crack/1.png<test/good/1.png\ntest/crack/5.png\n"
                      "test/good/3.png\ntest/good/crack_2.jpg<test/crack/2.jpg\ntrain/good/2.png");
  g_autofree char *text = velm_curation_to_text(curated.curation);
  g_assert_nonnull(strstr(text, "images relabelled 4, merged 0, renamed 0, dropped 0\n"));
  g_assert_nonnull(strstr(text, "4 of 5 entries applied; 1 has apply: no\n"));
  g_assert_nonnull(strstr(text, "2 masks not taken along"));
}

static void test_merge(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture, "merge:\n  - {classes: [break, crack], into: fracture, reason: alike}\n", FALSE,
         &curated);
  ASSERT_OUT(fixture, "ground_truth/combined/1_mask.png\n"
                      "ground_truth/fracture/1_mask.png<ground_truth/break/1_mask.png\n"
                      "ground_truth/fracture/2_mask.png<ground_truth/crack/2_mask.png\n"
                      "ground_truth/fracture/crack_1_mask.png<ground_truth/crack/1_mask.png\n"
                      "ground_truth/good/1_mask.png\n"
                      "reference/fracture/1.png<reference/break/1.png\n"
                      "reference/fracture/crack_1.png<reference/crack/1.png\n"
                      "reference/good/1.png\n"
                      "test/blow/1.png\ntest/combined/1.png\n"
                      "test/fracture/1.png<test/break/1.png\ntest/fracture/2.jpg<test/crack/2.jpg\n"
                      "test/fracture/3.png<test/break/3.png\ntest/fracture/5.png<test/crack/5.png\n"
                      "test/fracture/crack_1.png<test/crack/1.png\n" UNCHANGED_GOOD);
  g_autofree char *text = velm_curation_to_text(curated.curation);
  g_assert_nonnull(strstr(text, "images relabelled 0, merged 5, renamed 0, dropped 0\n"));
}

/* Those of the class that takes the others keep their names, whatever the order. */
static void test_merge_into_one_of_them(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  put(fixture, "test/crack/break_1.png"); /* the name that is tried first is taken too */
  curate(fixture,
         "merge:\n  - {classes: [break], into: crack, reason: alike}\n"
         "drop:\n  - {class: combined, reason: r}\n  - {class: blow, reason: r}\n",
         FALSE, &curated);
  ASSERT_OUT(fixture, "ground_truth/crack/1_mask.png\nground_truth/crack/2_mask.png\n"
                      "ground_truth/crack/break_2_1_mask.png<ground_truth/break/1_mask.png\n"
                      "ground_truth/good/1_mask.png\n"
                      "reference/crack/1.png\n"
                      "reference/crack/break_2_1.png<reference/break/1.png\n"
                      "reference/good/1.png\n"
                      "test/crack/1.png\ntest/crack/2.jpg\n"
                      "test/crack/3.png<test/break/3.png\n"
                      "test/crack/5.png\ntest/crack/break_1.png\n"
                      "test/crack/break_2_1.png<test/break/1.png\n" UNCHANGED_GOOD);
}

/* A mask is found by the stem, so images of other endings collide too. */
static void test_stems_collide(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  put(fixture, "test/break/2.png ground_truth/break/2_mask.png");
  curate(fixture,
         "relabel:\n  - {image: test/break/2.png, to: crack, reason: r}\n"
         "drop:\n  - {class: combined, reason: r}\n  - {class: blow, reason: r}\n"
         "  - {class: break, reason: r}\n",
         FALSE, &curated);
  ASSERT_OUT(fixture, "ground_truth/crack/1_mask.png\nground_truth/crack/2_mask.png\n"
                      "ground_truth/crack/break_2_mask.png<ground_truth/break/2_mask.png\n"
                      "ground_truth/good/1_mask.png\n"
                      "reference/crack/1.png\nreference/good/1.png\n"
                      "test/crack/1.png\ntest/crack/2.jpg\ntest/crack/5.png\n"
                      "test/crack/break_2.png<test/break/2.png\n" UNCHANGED_GOOD);
}

static void test_rename_and_drop(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture,
         "rename:\n  - {class: blow, to: blowhole, reason: the usual word}\n"
         "drop:\n"
         "  - {class: combined, reason: two defects}\n"
         "  - {class: break, reason: few}\n"
         "  - {image: test/crack/1.png, reason: blurred}\n"
         "  - {image: train/good/2.png, reason: blurred}\n"
         "  - {image: test/break/3.png, reason: its class goes too}\n",
         FALSE, &curated);
  ASSERT_OUT(fixture, "ground_truth/crack/2_mask.png\nground_truth/good/1_mask.png\n"
                      "reference/good/1.png\n"
                      "test/blowhole/1.png<test/blow/1.png\n"
                      "test/crack/2.jpg\ntest/crack/5.png\n"
                      "test/good/1.png\ntest/good/3.png\ntrain/good/1.png");
  g_autofree char *text = velm_curation_to_text(curated.curation);
  g_assert_nonnull(strstr(text, "images relabelled 0, merged 0, renamed 1, dropped 5\n"));
  g_assert_cmpuint(curated.curation->left_behind->len, ==, 0); /* what is dropped is not left */
}

/* An image can be saved from a class that is dropped, and follows the class that it is given. */
static void test_relabel_and_classes(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture,
         "relabel:\n"
         "  - {image: test/combined/1.png, to: crack, reason: only a crack}\n"
         "  - {image: test/blow/1.png, to: fracture, reason: r}\n"
         "merge:\n  - {classes: [crack, break], into: fracture, reason: r}\n"
         "drop:\n  - {class: combined, reason: r}\n",
         FALSE, &curated);
  g_autofree char *saved = read_text(fixture->out, "test/fracture/combined_1.png");
  g_assert_cmpstr(saved, ==, "test/combined/1.png");
  g_autofree char *mask = read_text(fixture->out, "ground_truth/fracture/combined_1_mask.png");
  g_assert_cmpstr(mask, ==, "ground_truth/combined/1_mask.png");
  g_autofree char *blow = read_text(fixture->out, "test/fracture/1.png");
  g_assert_cmpstr(blow, ==, "test/blow/1.png");
}

/* ---- parts ---- */

#define GROUPS                                                                                     \
  "train/good/1.png,a\ntrain/good/2.png,b\ntest/good/1.png,c\ntest/good/3.png,\"d, \"\"e\"\"\"\n"  \
  "test/crack/1.png,f\ntest/crack/2.jpg,f\ntest/crack/5.png,g\ntest/break/1.png,h\n"               \
  "test/break/3.png,i\ntest/combined/1.png,j\ntest/blow/1.png,k\n"

static void test_groups_follow(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  put_text(fixture, "groups.csv", GROUPS);
  curate(fixture,
         "merge:\n  - {classes: [crack, break], into: fracture, reason: r}\n"
         "drop:\n  - {class: combined, reason: r}\n  - {image: train/good/2.png, reason: r}\n"
         "groups:\n  - {part: g, images: [test/blow/1.png, test/break/3.png], reason: r}\n",
         FALSE, &curated);
  g_autofree char *csv = read_text(fixture->out, "groups.csv");
  g_assert_cmpstr(csv, ==,
                  "path,group\ntrain/good/1.png,a\ntest/blow/1.png,g\ntest/fracture/1.png,h\n"
                  "test/fracture/3.png,g\ntest/fracture/crack_1.png,f\ntest/fracture/2.jpg,f\n"
                  "test/fracture/5.png,g\ntest/good/1.png,c\n"
                  "test/good/3.png,\"d, \"\"e\"\"\"\n");
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(fixture->out, &error);
  g_assert_no_error(error);
  g_assert_true(dataset->has_groups);
}

static void test_groups_are_made(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture,
         "rename:\n  - {class: blow, to: blowhole, reason: r}\n"
         "drop:\n  - {class: crack, reason: r}\n  - {class: combined, reason: r}\n"
         "groups:\n  - {part: p1, images: [train/good/1.png, test/break/3.png], reason: r}\n",
         FALSE, &curated);
  g_autofree char *csv = read_text(fixture->out, "groups.csv");
  g_assert_cmpstr(csv, ==,
                  "path,group\ntrain/good/1.png,p1\ntrain/good/2.png,train/good/2.png\n"
                  "test/blowhole/1.png,test/blowhole/1.png\ntest/break/1.png,test/break/1.png\n"
                  "test/break/3.png,p1\ntest/good/1.png,test/good/1.png\n"
                  "test/good/3.png,test/good/3.png\n");
}

/* ---- the folder ---- */

static void test_link(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  curate(fixture, "rename:\n  - {class: blow, to: blowhole, reason: r}\n", TRUE, &curated);
  g_autofree char *image = g_build_filename(fixture->out, "test/blowhole/1.png", NULL);
  g_autofree char *target = g_file_read_link(image, NULL);
  g_assert_nonnull(target);
  g_assert_true(g_path_is_absolute(target));
  g_autofree char *from = read_text(fixture->out, "test/blowhole/1.png");
  g_assert_cmpstr(from, ==, "test/blow/1.png");
  g_autofree char *record = read_text(fixture->out, "curation.json");
  g_assert_nonnull(strstr(record, "\"linked\" : true"));
}

/* A read-only original must not make a copy that cannot be removed or changed. */
static void test_copies_are_writable(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  g_autofree char *original = g_build_filename(fixture->in, "test/blow/1.png", NULL);
  g_assert_cmpint(g_chmod(original, 0444), ==, 0);
  curate(fixture, "drop: []\n", FALSE, &curated);
  g_autofree char *copy = g_build_filename(fixture->out, "test/blow/1.png", NULL);
  GStatBuf status;
  g_assert_cmpint(g_stat(copy, &status), ==, 0);
  g_assert_cmpuint(status.st_mode & 0200, ==, 0200);
}

static void test_into_empty_folder(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  g_assert_true(velm_file_make_folder(fixture->out, NULL));
  curate(fixture, "drop: []\n", FALSE, &curated);
  g_autofree char *text = read_text(fixture->out, "test/blow/1.png");
  g_assert_cmpstr(text, ==, "test/blow/1.png");
}

static void test_left_behind(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  put(fixture, "spec.yaml test/notes.txt test/blow/deep/x.png ground_truth/blow/9_mask.png "
               "reference/blow/9.png readme/a.txt readme/b.txt");
  g_autofree char *loop = g_build_filename(fixture->in, "readme", "loop", NULL);
  g_assert_cmpint(symlink("..", loop), ==, 0);
  curate(fixture, "drop: []\n", FALSE, &curated);
  g_autofree char *text = velm_curation_to_text(curated.curation);
  g_assert_nonnull(strstr(text, "7 files left behind, no part of the set: spec.yaml, "
                                "ground_truth/blow/9_mask.png, readme/a.txt, readme/b.txt, "
                                "reference/blow/9.png, ...\n"));
  g_autofree char *spec = g_build_filename(fixture->out, "spec.yaml", NULL);
  g_assert_false(g_file_test(spec, G_FILE_TEST_EXISTS));
}

static void test_table(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  plan(fixture,
       "merge:\n  - {classes: [crack, break], into: fracture, reason: r}\n"
       "drop:\n  - {class: combined, reason: r}\n",
       &curated);
  g_autofree char *text = velm_curation_to_text(curated.curation);
  g_assert_cmpstr(text, ==,
                  "images                            before   after\n"
                  "train/good                             2       2\n"
                  "test/good                              2       2\n"
                  "test/blow                              1       1\n"
                  "test/break                             2       0\n"
                  "test/combined                          1       0\n"
                  "test/crack                             3       0\n"
                  "test/fracture                          0       5\n"
                  "all                                   11      10\n"
                  "\n"
                  "images relabelled 0, merged 5, renamed 0, dropped 1\n"
                  "2 of 2 entries applied\n");
}

static void test_record(Fixture *fixture, gconstpointer data) {
  static const char manifest[] =
      "relabel:\n"
      "  - {image: test/crack/1.png, to: break, reason: \"edge <off>\",\n"
      "     evidence: seen}\n"
      "drop:\n  - {class: combined, reason: two, apply: no}\n";
  g_auto(Curated) curated = {0};
  curate(fixture, manifest, FALSE, &curated);
  g_autofree char *text = read_text(fixture->out, "curation.json");
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) root = velm_json_parse(text, -1, "curation.json", &error);
  g_assert_no_error(error);
  JsonObject *record = json_node_get_object(root);
  g_assert_cmpstr(json_object_get_string_member(record, "manifest_text"), ==, manifest);
  g_assert_cmpstr(json_object_get_string_member(record, "velm"), ==, velm_version());
  JsonObject *before = json_object_get_object_member(record, "before");
  JsonObject *after = json_object_get_object_member(record, "after");
  g_assert_cmpint(json_object_get_int_member(before, "test/crack"), ==, 3);
  g_assert_cmpint(json_object_get_int_member(after, "test/crack"), ==, 2);
  g_assert_cmpint(json_object_get_int_member(after, "test/break"), ==, 3);
  JsonObject *changes = json_object_get_object_member(record, "changes");
  g_assert_cmpint(json_object_get_int_member(changes, "relabelled"), ==, 1);
  g_assert_cmpint(json_object_get_int_member(changes, "kept"), ==, 10);
  JsonArray *images = json_object_get_array_member(record, "images");
  g_assert_cmpuint(json_array_get_length(images), ==, 1);
  JsonObject *image = json_array_get_object_element(images, 0);
  g_assert_cmpstr(json_object_get_string_member(image, "from"), ==, "test/crack/1.png");
  g_assert_cmpstr(json_object_get_string_member(image, "to"), ==, "test/break/crack_1.png");
  g_assert_cmpstr(json_object_get_string_member(image, "reason"), ==, "edge <off>");
  JsonArray *entries = json_object_get_array_member(record, "entries");
  g_assert_cmpuint(json_array_get_length(entries), ==, 2);
  JsonObject *entry = json_array_get_object_element(entries, 1);
  g_assert_cmpstr(json_object_get_string_member(entry, "action"), ==, "drop_class");
  g_assert_false(json_object_get_boolean_member(entry, "applied"));
  g_assert_true(json_object_get_null_member(entry, "target"));
}

/* ---- what it refuses ---- */

/* Each mistake as "LINE: part of the message". */
static void check_refused(const Fixture *fixture, const char *manifest,
                          const char *const *expected) {
  g_autoptr(VelmDataset) dataset = velm_dataset_open(fixture->in, NULL);
  g_autoptr(VelmManifest) parsed = parse(manifest);
  g_autoptr(GPtrArray) findings = NULL;
  GError *error = NULL;
  g_assert_null(velm_curation_plan(dataset, parsed, &findings, &error));
  for (guint i = 0; i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    g_autofree char *said = g_strdup_printf("%d: %s", finding->line, finding->message);
    g_test_message("%s", said);
    if (!expected[i] || strncmp(said, expected[i], 2) || !strstr(said, expected[i] + 2))
      g_error("\"%s\" instead of \"%s\"", said, expected[i] ? expected[i] : "nothing");
  }
  g_assert_null(expected[findings->len]);
  assert_failure(&error, VELM_ERROR_DATASET, expected[0] + 2);
}
#define CHECK_REFUSED(fixture, manifest, ...)                                                      \
  check_refused(fixture, manifest, (const char *const[]){__VA_ARGS__, NULL})

static void test_refuses_what_is_not_there(Fixture *fixture, gconstpointer data) {
  CHECK_REFUSED(fixture, "drop:\n  - {image: test/crack/9.png, reason: r}\n",
                "2:has no image `test/crack/9.png`");
  CHECK_REFUSED(fixture, "drop:\n  - {image: ../in/test/crack/1.png, reason: r}\n",
                "2:has no image `../in/test/crack/1.png`");
  CHECK_REFUSED(fixture, "drop:\n  - {class: crakc, reason: r}\n",
                "2:has no class `crakc`; did you mean `crack`?");
  CHECK_REFUSED(fixture, "relabel:\n  - {image: test/crack/1.png, to: dust, reason: r}\n",
                "2:has no class `dust`");
  CHECK_REFUSED(fixture,
                "groups:\n  - part: p\n    images:\n      - test/crack/1.png\n"
                "      - test/crack/7.png\n    reason: r\n",
                "5:has no image `test/crack/7.png`");
  CHECK_REFUSED(fixture, "merge:\n  - {classes: [crack, hole], into: x, reason: r}\n",
                "2:has no class `hole`");
}

static void test_refuses_contradictions(Fixture *fixture, gconstpointer data) {
  CHECK_REFUSED(fixture,
                "relabel:\n  - {image: test/crack/1.png, to: break, reason: r}\n"
                "drop:\n  - {image: test/crack/1.png, reason: r}\n",
                "4:the image `test/crack/1.png` is already in line 2 (relabel)");
  CHECK_REFUSED(fixture,
                "drop:\n  - {image: test/crack/1.png, reason: r}\n"
                "  - {image: test/crack/1.png, reason: r}\n",
                "3:is already in line 2 (drop_image)");
  CHECK_REFUSED(fixture,
                "merge:\n  - {classes: [crack, break], into: x, reason: r}\n"
                "rename:\n  - {class: break, to: y, reason: r}\n",
                "4:the class `break` is already in line 2 (merge)");
  CHECK_REFUSED(fixture,
                "merge:\n  - {classes: [crack], into: break, reason: r}\n"
                "drop:\n  - {class: break, reason: r}\n",
                "2:`break` cannot take other classes: line 4 changes it (drop_class)");
  CHECK_REFUSED(fixture,
                "merge:\n  - {classes: [crack], into: x, reason: r}\n"
                "  - {classes: [break], into: x, reason: r}\n",
                "3:the new class `x` is already in line 2 (merge)");
  CHECK_REFUSED(fixture,
                "relabel:\n  - {image: test/crack/1.png, to: break, reason: r}\n"
                "drop:\n  - {class: break, reason: r}\n",
                "2:the class `break` is dropped in line 4");
  CHECK_REFUSED(fixture, "relabel:\n  - {image: test/crack/1.png, to: crack, reason: r}\n",
                "2:the image is labelled `crack` already");
  CHECK_REFUSED(fixture,
                "groups:\n  - {part: p, images: [test/crack/1.png], reason: r}\n"
                "  - {part: q, images: [test/crack/1.png], reason: r}\n",
                "3:the image `test/crack/1.png` is already in line 2 (group)");
}

static void test_refuses_names(Fixture *fixture, gconstpointer data) {
  CHECK_REFUSED(fixture, "rename:\n  - {class: crack, to: break, reason: r}\n",
                "2:`break` is a class already: merge into it instead");
  CHECK_REFUSED(fixture, "rename:\n  - {class: crack, to: good, reason: r}\n",
                "2:`good` is a class already");
  CHECK_REFUSED(fixture, "rename:\n  - {class: crack, to: ../x, reason: r}\n",
                "2:`../x` cannot be a class");
  CHECK_REFUSED(fixture, "rename:\n  - {class: crack, to: .x, reason: r}\n", "2:cannot be a class");
  CHECK_REFUSED(fixture, "rename:\n  - {class: crack, to: unknown, reason: r}\n",
                "2:`unknown` is reserved");
  CHECK_REFUSED(fixture, "drop:\n  - {class: good, reason: r}\n", "2:`good` is the normal class");
}

/* All of them at once, in order of line. */
static void test_refuses_all(Fixture *fixture, gconstpointer data) {
  CHECK_REFUSED(fixture,
                "drop:\n  - {class: dust, reason: r}\n  - {image: x, reason: r}\n"
                "relabel:\n  - {image: y, to: break, reason: r}\n",
                "2:has no class `dust`", "3:has no image `x`", "5:has no image `y`");
}

/* What is not applied is not held against anything. */
static void test_unapplied_are_not_checked(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  plan(fixture,
       "drop:\n  - {class: dust, reason: r, apply: no}\n  - {class: crack, reason: r, apply: no}\n"
       "  - {class: crack, reason: r}\n",
       &curated);
  g_assert_nonnull(curated.curation);
}

static void test_refuses_to_drop_all(Fixture *fixture, gconstpointer data) {
  g_autofree char *other = g_build_filename(fixture->folder, "other", NULL);
  const Fixture small = {fixture->folder, other, fixture->out};
  put(&small, "test/crack/1.png");
  g_autoptr(VelmDataset) dataset = velm_dataset_open(other, NULL);
  g_autoptr(VelmManifest) manifest = parse("drop:\n  - {class: crack, reason: r}\n");
  GError *error = NULL;
  g_assert_null(velm_curation_plan(dataset, manifest, NULL, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "would leave no image");
}

static void test_refuses_plain_folder(Fixture *fixture, gconstpointer data) {
  g_autofree char *plain = g_build_filename(fixture->in, "test", "good", NULL);
  g_autoptr(VelmDataset) dataset = velm_dataset_open(plain, NULL);
  g_autoptr(VelmManifest) manifest = parse("drop: []\n");
  GError *error = NULL;
  g_assert_null(velm_curation_plan(dataset, manifest, NULL, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "has neither train nor test");
}

static void check_out_refused(Curated *curated, const char *out, const char *text) {
  GError *error = NULL;
  g_assert_false(velm_curation_write(curated->curation, out, FALSE, NULL, NULL, &error));
  assert_failure(&error, VELM_ERROR_DATASET, text);
}

static void test_refuses_out(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  plan(fixture, "drop: []\n", &curated);
  g_autofree char *inside = g_build_filename(fixture->in, "new", "out", NULL);
  g_autofree char *by_dots = g_build_filename(fixture->out, "..", "..", "in", "out", NULL);
  g_autofree char *link = g_build_filename(fixture->folder, "link", NULL);
  g_autofree char *by_link = g_build_filename(link, "out", NULL);
  g_autofree char *file = scratch_write(fixture->folder, "file", "", 0);
  g_assert_cmpint(symlink(fixture->in, link), ==, 0);
  check_out_refused(&curated, fixture->in, "must stay as it is");
  check_out_refused(&curated, inside, "must stay as it is");
  check_out_refused(&curated, by_dots, "must stay as it is");
  check_out_refused(&curated, by_link, "must stay as it is");
  check_out_refused(&curated, fixture->folder, "is no empty folder");
  check_out_refused(&curated, file, "is no empty folder");
  assert_nothing_written(fixture);
}

static gboolean stop(const char *stage, gsize done, gsize total, gpointer data) {
  g_assert_cmpuint(total, ==, 11);
  return done < 5;
}

static void test_stopped(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  plan(fixture, "drop: []\n", &curated);
  GError *error = NULL;
  g_assert_false(velm_curation_write(curated.curation, fixture->out, FALSE, stop, NULL, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "stopped");
  assert_nothing_written(fixture);
}

/* A file that goes away while it is copied. */
static void test_failure_leaves_nothing(Fixture *fixture, gconstpointer data) {
  g_auto(Curated) curated = {0};
  plan(fixture, "drop: []\n", &curated);
  g_autofree char *gone = g_build_filename(fixture->in, "test/good/3.png", NULL);
  g_assert_cmpint(g_remove(gone), ==, 0);
  GError *error = NULL;
  g_assert_false(velm_curation_write(curated.curation, fixture->out, FALSE, NULL, NULL, &error));
  assert_failure(&error, VELM_ERROR_FILE, "test/good/3.png: cannot be copied");
  assert_nothing_written(fixture);
}

#define ADD(path, function) g_test_add("/curate/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("copy", test_copy);
  ADD("relabel", test_relabel);
  ADD("merge", test_merge);
  ADD("merge/into-one-of-them", test_merge_into_one_of_them);
  ADD("stems-collide", test_stems_collide);
  ADD("rename-and-drop", test_rename_and_drop);
  ADD("relabel-and-classes", test_relabel_and_classes);
  ADD("groups/follow", test_groups_follow);
  ADD("groups/are-made", test_groups_are_made);
  ADD("link", test_link);
  ADD("copies-are-writable", test_copies_are_writable);
  ADD("into-empty-folder", test_into_empty_folder);
  ADD("left-behind", test_left_behind);
  ADD("table", test_table);
  ADD("record", test_record);
  ADD("refuses/what-is-not-there", test_refuses_what_is_not_there);
  ADD("refuses/contradictions", test_refuses_contradictions);
  ADD("refuses/names", test_refuses_names);
  ADD("refuses/all", test_refuses_all);
  ADD("refuses/not-what-is-not-applied", test_unapplied_are_not_checked);
  ADD("refuses/to-drop-all", test_refuses_to_drop_all);
  ADD("refuses/plain-folder", test_refuses_plain_folder);
  ADD("refuses/out", test_refuses_out);
  ADD("stopped", test_stopped);
  ADD("failure-leaves-nothing", test_failure_leaves_nothing);
  return g_test_run();
}
