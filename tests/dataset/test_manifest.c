/* Manifests: reading them, and proposing one from an audit. */
#include "core/file.h"
#include "core/findings.h"
#include "core/scratch.h"
#include "dataset/manifest.h"

#include <string.h>

static const char full[] = "relabel:\n"
                           "  - image: test/crack/7.png\n"
                           "    to: break\n"
                           "    reason: the edge is broken off\n"
                           "merge:\n"
                           "  - classes: [crack, break]\n"
                           "    into: fracture\n"
                           "    reason: nobody tells them apart\n"
                           "    evidence: balanced accuracy 0.55\n"
                           "rename:\n"
                           "  - {class: blow, to: blowhole, reason: the usual word, apply: no}\n"
                           "drop:\n"
                           "  - {class: combined, reason: two defects at once}\n"
                           "  - {image: test/crack/9.png, reason: out of focus, apply: Yes}\n"
                           "groups:\n"
                           "  - part: tile-17\n"
                           "    images:\n"
                           "      - train/good/1.png\n"
                           "      - test/crack/1.png\n"
                           "    reason: the same scratch in the corner\n";

static VelmManifest *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  VelmManifest *manifest = velm_manifest_parse(text, strlen(text), "m.yaml", NULL, &error);
  g_assert_no_error(error);
  return manifest;
}

static char *describe(const VelmManifestEntry *entry) {
  GString *text = g_string_new(velm_manifest_action_name(entry->action));
  for (guint i = 0; i < entry->names->len; i++) {
    const VelmManifestName *name = g_ptr_array_index(entry->names, i);
    g_string_append_printf(text, " %s@%d", name->text, name->line);
  }
  if (entry->target.text)
    g_string_append_printf(text, " > %s@%d", entry->target.text, entry->target.line);
  g_string_append_printf(text, ": %s", entry->reason);
  if (entry->evidence)
    g_string_append_printf(text, " (%s)", entry->evidence);
  g_string_append(text, entry->apply ? "" : " no");
  return g_string_free(text, FALSE);
}

static void check_entries(const VelmManifest *manifest, const char *const *expected) {
  for (guint i = 0; i < manifest->entries->len; i++) {
    g_autofree char *text = describe(g_ptr_array_index(manifest->entries, i));
    g_assert_cmpstr(text, ==, expected[i]);
  }
  g_assert_null(expected[manifest->entries->len]);
}
#define CHECK_ENTRIES(manifest, ...)                                                               \
  check_entries(manifest, (const char *const[]){__VA_ARGS__, NULL})

/* ---- reading ---- */

static void test_full(void) {
  g_autoptr(VelmManifest) manifest = parse(full);
  g_assert_cmpstr(manifest->path, ==, "m.yaml");
  g_assert_cmpstr(manifest->text, ==, full);
  CHECK_ENTRIES(manifest, "relabel test/crack/7.png@2 > break@3: the edge is broken off",
                "merge crack@6 break@6 > fracture@7: nobody tells them apart (balanced accuracy "
                "0.55)",
                "rename blow@11 > blowhole@11: the usual word no",
                "drop_class combined@13: two defects at once",
                "drop_image test/crack/9.png@14: out of focus",
                "group train/good/1.png@18 test/crack/1.png@19 > tile-17@16: the same scratch in "
                "the corner");
}

static void test_nothing_to_do(void) {
  g_autoptr(VelmManifest) empty_lists = parse("relabel: []\nmerge:\ndrop: ~\n");
  CHECK_ENTRIES(empty_lists, NULL);
}

/* Checks that @text is refused with the mistakes, each as "LINE: part of the message". */
static void check_mistakes(const char *text, const char *const *expected) {
  g_autoptr(GPtrArray) findings = NULL;
  GError *error = NULL;
  g_assert_null(velm_manifest_parse(text, strlen(text), "m.yaml", &findings, &error));
  for (guint i = 0; i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    g_autofree char *said = g_strdup_printf("%d: %s", finding->line, finding->message);
    g_test_message("%s", said);
    if (!expected[i] || !g_str_has_prefix(said, expected[i]))
      g_error("\"%s\" instead of \"%s\"", said, expected[i] ? expected[i] : "nothing");
  }
  g_assert_null(expected[findings->len]);
  g_autofree char *first = g_strconcat("m.yaml:", expected[0], NULL);
  assert_failure(&error, VELM_ERROR_DATASET, first);
}
#define CHECK_MISTAKES(text, ...) check_mistakes(text, (const char *const[]){__VA_ARGS__, NULL})

static void test_mistakes(void) {
  CHECK_MISTAKES("", "1: the file is empty");
  CHECK_MISTAKES("- a\n", "1: a manifest is a mapping");
  CHECK_MISTAKES("merges: []\n", "1: unknown key `merges`: did you mean `merge`?");
  CHECK_MISTAKES("drop: all\n", "1: `drop` must be a list, not text");
  CHECK_MISTAKES("drop: [a]\n", "1: an entry of `drop` must be a mapping, not text");
  CHECK_MISTAKES("drop:\n  - image: a\n", "2: `reason` is missing: every change needs one");
  CHECK_MISTAKES("drop:\n  - image: a\n    reason:\n", "2: `reason` is missing");
  CHECK_MISTAKES("drop:\n  - {image: a, class: b, reason: c}\n",
                 "2: an entry of `drop` has `class` or `image`, not both");
  CHECK_MISTAKES("drop:\n  - {reason: c}\n", "2: `image` is missing (or `class`)");
  CHECK_MISTAKES("drop:\n  - {image: [a], reason: c}\n", "2: `image` must be text, not a list");
  CHECK_MISTAKES("relabel:\n  - {image: a, reason: c}\n", "2: `to` is missing");
  CHECK_MISTAKES("relabel:\n  - {image: a, label: b, to: c, reason: d}\n",
                 "2: unknown key `label`; an entry of `relabel` has `image`, `to`, `reason`, "
                 "`evidence` and `apply`");
  CHECK_MISTAKES("merge:\n  - {classes: a, into: b, reason: c}\n",
                 "2: `classes` must be a list, not text");
  CHECK_MISTAKES("merge:\n  - {classes: [], into: b, reason: c}\n", "2: `classes` is empty");
  CHECK_MISTAKES("merge:\n  - classes:\n      - a\n      -\n    into: b\n    reason: c\n",
                 "4: an item of `classes` is empty");
  CHECK_MISTAKES("groups:\n  - {images: [a], reason: c}\n", "2: `part` is missing");
  CHECK_MISTAKES("rename:\n  - {class: a, to: b, reason: c, apply: later}\n",
                 "2: `apply` must be yes or no, not `later`");
}

/* All of them are told, in order of line, whatever the order of the sections. */
static void test_every_mistake(void) {
  CHECK_MISTAKES("groups:\n  - {part: p, reason: c}\nrelabel:\n  - {to: x, reason: c}\n",
                 "2: `images` is missing", "4: `image` is missing");
}

static void test_too_large(void) {
  g_autofree char *text = g_malloc(VELM_MANIFEST_MAX_BYTES + 1);
  memset(text, '#', VELM_MANIFEST_MAX_BYTES + 1);
  GError *error = NULL;
  g_assert_null(velm_manifest_parse(text, VELM_MANIFEST_MAX_BYTES + 1, "m", NULL, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "m:1: larger than a manifest may be");
}

static void test_load(void) {
  char *folder = scratch_new();
  g_autofree char *path = scratch_write(folder, "m.yaml", full, strlen(full));
  g_autoptr(GError) none = NULL;
  g_autoptr(VelmManifest) manifest = velm_manifest_load(path, NULL, &none);
  g_assert_no_error(none);
  g_assert_cmpuint(manifest->entries->len, ==, 6);
  GError *error = NULL;
  g_autoptr(GPtrArray) findings = NULL;
  g_autofree char *gone = g_build_filename(folder, "gone.yaml", NULL);
  g_assert_null(velm_manifest_load(gone, &findings, &error));
  g_assert_cmpuint(findings->len, ==, 0);
  assert_failure(&error, VELM_ERROR_FILE, "gone.yaml: no such file");
  g_assert_null(velm_manifest_load("/dev/zero", NULL, &error)); /* a file without an end */
  assert_failure(&error, VELM_ERROR_DATASET, "/dev/zero:1: larger than a manifest may be");
  scratch_remove(folder);
}

/* ---- proposing ---- */

static void put(const char *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_assert_true(velm_file_make_folder(parent, NULL));
  g_assert_true(velm_file_write(path, text, strlen(text), NULL));
}

/* A data set of empty files: proposing opens none. */
static VelmDataset *make_dataset(const char *folder, const char *groups) {
  const char *const names[] = {"train/good/a.png",     "train/good/b.png", "test/good/a.png",
                               "test/crack/a.png",     "test/crack/b.png", "test/break/a.png",
                               "test/dent/a \"b\".png"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    put(folder, names[i], "");
  if (groups)
    put(folder, "groups.csv", groups);
  g_autoptr(GError) error = NULL;
  VelmDataset *dataset = velm_dataset_open(folder, &error);
  g_assert_no_error(error);
  return dataset;
}

#define ADD_FINDING(audit, kind, score, label, other, message, ...)                                \
  velm_audit_add(audit, kind, score, label, other, (const char *const[]){__VA_ARGS__, NULL}, "%s", \
                 message)

static VelmManifest *propose(const VelmAudit *audit) {
  g_autofree char *yaml = velm_manifest_propose(audit);
  g_test_message("%s", yaml);
  g_assert_true(g_str_has_prefix(yaml, "# Proposed by velm dataset audit."));
  VelmManifest *manifest = parse(yaml);
  for (guint i = 0; i < manifest->entries->len; i++) {
    VelmManifestEntry *entry = g_ptr_array_index(manifest->entries, i);
    g_assert_false(entry->apply); /* nothing happens unseen */
    for (guint k = 0; k < entry->names->len; k++)
      ((VelmManifestName *)g_ptr_array_index(entry->names, k))->line = 0;
    entry->target.line = 0;
  }
  return manifest;
}

static void test_propose(void) {
  char *folder = scratch_new();
  g_autoptr(VelmDataset) dataset = make_dataset(folder, NULL);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  ADD_FINDING(audit, VELM_AUDIT_UNREADABLE, 1, "dent", NULL, "is cut off", "test/dent/a \"b\".png");
  ADD_FINDING(audit, VELM_AUDIT_UNREADABLE, 1, "dent", NULL, "no image",
              "ground_truth/dent/x_mask.png"); /* a mask: nothing to drop */
  ADD_FINDING(audit, VELM_AUDIT_LEAK, .9, "good", NULL, "shows a training part", "test/good/a.png",
              "train/good/a.png");
  ADD_FINDING(audit, VELM_AUDIT_SUSPECT_LABEL, .93, "crack", "break", "looks like break",
              "test/crack/a.png", "test/break/a.png");
  ADD_FINDING(audit, VELM_AUDIT_INSEPARABLE, .5, "crack", "break", "0.55", "test/crack/a.png");
  ADD_FINDING(audit, VELM_AUDIT_FEW_SAMPLES, .9, "dent", NULL, "1 image", "test/dent/a \"b\".png");
  ADD_FINDING(audit, VELM_AUDIT_FEW_SAMPLES, .9, "good", NULL, "1 image", "test/good/a.png");
  ADD_FINDING(audit, VELM_AUDIT_DUPLICATE, 2, "good", NULL, "same", "train/good/a.png",
              "test/good/a.png"); /* which is dropped already */
  ADD_FINDING(audit, VELM_AUDIT_DUPLICATE, 2, "crack", "break", "same, two labels",
              "test/crack/b.png", "test/break/a.png");
  ADD_FINDING(audit, VELM_AUDIT_NEAR_DUPLICATE, .99, "good", NULL, "nearly the same",
              "train/good/b.png", "train/good/a.png");
  ADD_FINDING(audit, VELM_AUDIT_GROUP, .8, NULL, NULL, "one part", "train/good/a.png",
              "test/crack/a.png");
  ADD_FINDING(audit, VELM_AUDIT_MASK, 1, "crack", NULL, "empty", "test/crack/a.png");
  g_autoptr(VelmManifest) manifest = propose(audit);
  CHECK_ENTRIES(
      manifest,
      "relabel test/crack/a.png@0 > break@0: looks like break (suspect_label, score 0.93; see "
      "test/break/a.png) no",
      "merge crack@0 break@0 > crack_or_break@0: 0.55 (inseparable, score 0.5; see "
      "test/crack/a.png) no",
      "drop_image test/dent/a \"b\".png@0: is cut off (unreadable, score 1) no",
      "drop_image test/good/a.png@0: shows a training part (leak, score 0.9; see "
      "train/good/a.png) no",
      "drop_class dent@0: 1 image (few_samples, score 0.9; see test/dent/a \"b\".png) no",
      "drop_image test/crack/b.png@0: same, two labels (duplicate, score 2; see "
      "test/break/a.png) no",
      "drop_image test/break/a.png@0: same, two labels (duplicate, score 2; see "
      "test/crack/b.png) no",
      "drop_image train/good/b.png@0: nearly the same (near_duplicate, score 0.99; see "
      "train/good/a.png) no",
      "group train/good/a.png@0 test/crack/a.png@0 > part-0001@0: one part (group, score 0.8) no");
  scratch_remove(folder);
}

/* The whole of the other part joins: test/good/a.png is of it, though no finding names it. */
static void test_propose_known_part(void) {
  char *folder = scratch_new();
  g_autoptr(VelmDataset) dataset = make_dataset(
      folder, "train/good/a.png,1\ntrain/good/b.png,2\ntest/good/a.png,4\ntest/crack/a.png,4\n"
              "test/crack/b.png,5\ntest/break/a.png,6\n\"test/dent/a \"\"b\"\".png\",7\n");
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  ADD_FINDING(audit, VELM_AUDIT_GROUP, .8, NULL, NULL, "one part", "test/crack/b.png",
              "test/crack/a.png");
  g_autoptr(VelmManifest) manifest = propose(audit);
  CHECK_ENTRIES(manifest, "group test/crack/a.png@0 test/good/a.png@0 > 5@0: one part (group, "
                          "score 0.8) no");
  scratch_remove(folder);
}

static void test_propose_nothing(void) {
  char *folder = scratch_new();
  g_autoptr(VelmDataset) dataset = make_dataset(folder, NULL);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  g_autoptr(VelmManifest) manifest = propose(audit);
  CHECK_ENTRIES(manifest, NULL);
  scratch_remove(folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/manifest/full", test_full);
  g_test_add_func("/manifest/nothing-to-do", test_nothing_to_do);
  g_test_add_func("/manifest/mistakes", test_mistakes);
  g_test_add_func("/manifest/every-mistake", test_every_mistake);
  g_test_add_func("/manifest/too-large", test_too_large);
  g_test_add_func("/manifest/load", test_load);
  g_test_add_func("/manifest/propose", test_propose);
  g_test_add_func("/manifest/propose/known-part", test_propose_known_part);
  g_test_add_func("/manifest/propose/nothing", test_propose_nothing);
  return g_test_run();
}
