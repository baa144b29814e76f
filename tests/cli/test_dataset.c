/* velm dataset: audit and curate, as a user would type them. */
#include "cli/command.h"
#include "core/file.h"
#include "dataset/dataset.h"

#include <glib/gstdio.h>
#include <string.h>

static void put(const char *name, const char *text) {
  g_autofree char *path = command_path(name);
  g_autofree char *parent = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  velm_file_make_folder(parent, &error);
  g_assert_no_error(error);
  velm_file_write(path, text, strlen(text), &error);
  g_assert_no_error(error);
}

static gboolean exists(const char *name) {
  g_autofree char *path = command_path(name);
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* The path below PARTS of image number @index of class @label. */
static char *image_of(const char *label, guint index) {
  g_autofree char *folder = command_path(PARTS);
  g_autofree char *class = g_build_filename(folder, "test", label, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(class, NULL);
  g_assert_cmpuint(index, <, names->len);
  return g_build_filename("test", label, g_ptr_array_index(names, index), NULL);
}

/* A copy of two classes of PARTS at @name, with two images that are the same and one that cannot be
 * read. */
static void make_doubtful(const char *name) {
  put("copy.yaml", "drop:\n"
                   "  - {class: dust, reason: r}\n  - {class: missing_hole, reason: r}\n"
                   "  - {class: scratch, reason: r}\n  - {class: stain, reason: r}\n");
  g_autoptr(Outcome) copy = velm("dataset", "curate", PARTS, "--manifest", "copy.yaml", "-o", name);
  assert_success(copy);
  g_autofree char *dent = image_of("dent", 0);
  g_autofree char *first = g_build_filename(PARTS, dent, NULL);
  g_autoptr(GBytes) image = command_read(first);
  g_autofree char *twin = g_build_filename(name, "test/chip/twin.png", NULL);
  g_autofree char *twin_path = command_path(twin);
  g_assert_true(
      velm_file_write(twin_path, g_bytes_get_data(image, NULL), g_bytes_get_size(image), NULL));
  g_autofree char *bad = g_build_filename(name, "test/chip/bad.png", NULL);
  put(bad, "no image");
  g_autofree char *groups = g_build_filename(name, "groups.csv", NULL);
  g_autoptr(GBytes) csv = command_read(groups);
  g_autofree char *more =
      g_strdup_printf("%.*stest/chip/twin.png,twin\ntest/chip/bad.png,bad\n",
                      (int)g_bytes_get_size(csv), (const char *)g_bytes_get_data(csv, NULL));
  put(groups, more);
}

/* ---- audit ---- */

static void test_audit_text(void) {
  g_autoptr(Outcome) clean =
      velm("dataset", "audit", PARTS, "--no-features", "--min-samples", "6", "--strict");
  assert_success(clean);
  assert_contains(clean->out, "with groups.csv; nothing found\n");
  g_autoptr(Outcome) few = velm("dataset", "audit", PARTS, "--no-features", "--strict");
  g_assert_cmpint(few->code, ==, 1);
  g_assert_cmpstr(few->err, ==, "");
  assert_contains(few->out, "\nfew samples, 7\n");
  assert_contains(few->out, "6 images; at least 10 are wanted\n");
  g_autoptr(Outcome) lenient = velm("dataset", "audit", PARTS, "--no-features");
  assert_success(lenient);
  g_assert_cmpstr(lenient->out, ==, few->out);
}

static void test_audit_json(void) {
  g_autoptr(Outcome) outcome =
      velm("dataset", "audit", "doubtful", "--json", "--no-features", "--min-samples", "0");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 1);
  JsonObject *audit = record_at(records, 0);
  assert_keys(audit, "directory train_images test_images classes has_groups counts findings "
                     "label_ranking");
  JsonObject *counts = json_object_get_object_member(audit, "counts");
  assert_keys(counts, "unreadable leak suspect_label inseparable few_samples duplicate "
                      "near_duplicate group mask");
  g_assert_cmpint(json_object_get_int_member(counts, "unreadable"), ==, 1);
  g_assert_cmpint(json_object_get_int_member(counts, "duplicate"), ==, 1);
  JsonArray *findings = json_object_get_array_member(audit, "findings");
  assert_keys(json_array_get_object_element(findings, 0), "kind score label other paths message");
}

/* All checks, with the model: what is written is all there, and the proposal is one that curate
 * takes. */
static void test_audit_writes(void) {
  g_autoptr(Outcome) outcome = velm("dataset", "audit", "doubtful", "-m", FITTED, "--out", "pages",
                                    "--propose", "proposal.yaml");
  assert_success(outcome);
  assert_contains(outcome->out, "pages: every finding with its pictures\n");
  assert_contains(outcome->out, "proposal.yaml: proposals; review it");
  g_assert_true(exists("pages/audit.html"));
  g_assert_true(exists("pages/audit.json"));
  g_autoptr(GBytes) proposal = command_read("proposal.yaml");
  g_autofree char *text = g_strndup(g_bytes_get_data(proposal, NULL), g_bytes_get_size(proposal));
  assert_contains(text, "  - image: \"test/chip/bad.png\"\n    reason: \"the image cannot be read");
  assert_contains(text, "  - image: \"test/chip/twin.png\"\n");
  g_autoptr(Outcome) curated =
      velm("dataset", "curate", "doubtful", "--manifest", "proposal.yaml", "-o", "as-proposed");
  assert_success(curated);
  assert_contains(curated->out, "\n0 of ");
  g_assert_true(exists("as-proposed/test/chip/bad.png")); /* nothing happens unseen */
}

static void test_audit_one_page(void) {
  g_autoptr(Outcome) outcome =
      velm("dataset", "audit", "doubtful", "--no-features", "--out", "one.html");
  assert_success(outcome);
  g_autoptr(GBytes) page = command_read("one.html");
  g_assert_cmpuint(g_bytes_get_size(page), >, 10000);
  g_assert_false(exists("audit.json"));
}

static void test_audit_refuses(void) {
  g_autoptr(Outcome) none = velm("dataset", "audit");
  assert_refused(none, 2, "usage: velm dataset audit DIR");
  g_autoptr(Outcome) gone = velm("dataset", "audit", "gone");
  assert_refused(gone, 1, "gone: no such folder");
  g_autoptr(Outcome) model = velm("dataset", "audit", PARTS, "-m", "gone.velm");
  assert_refused(model, 1, "gone.velm: no such file");
  g_autoptr(Outcome) negative = velm("dataset", "audit", PARTS, "--min-samples", "-1");
  assert_refused(negative, 2, "are 0 or more");
}

/* ---- curate ---- */

static void test_curate(void) {
  g_autofree char *dent = image_of("dent", 1), *chip = image_of("chip", 2);
  g_autofree char *manifest = g_strdup_printf(
      "relabel:\n  - {image: %s, to: scratch, reason: a scratch}\n"
      "merge:\n  - {classes: [dust, stain], into: dirt, reason: both are wiped off}\n"
      "drop:\n  - {image: %s, reason: out of focus}\n"
      "  - {class: missing_hole, reason: seen elsewhere}\n",
      dent, chip);
  put("review.yaml", manifest);
  g_autoptr(Outcome) outcome =
      velm("dataset", "curate", PARTS, "--manifest", "review.yaml", "-o", "curated", "--link");
  assert_success(outcome);
  assert_contains(outcome->out, "\ntest/dirt                              0      12\n");
  assert_contains(outcome->out, "\nimages relabelled 1, merged 12, renamed 0, dropped 7\n");
  assert_contains(outcome->out, "\n4 of 4 entries applied\n");
  assert_contains(outcome->out, "\n1 file left behind, no part of the set: spec.yaml\n");
  assert_contains(outcome->out, "\ncurated: written\n");
  g_autofree char *path = command_path("curated");
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(path, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(dataset->classes->len, ==, 4);
  for (guint i = 0; i < dataset->test->len; i++) {
    const VelmSample *sample = g_ptr_array_index(dataset->test, i);
    g_assert_cmpint(sample->mask != NULL, ==, !g_str_equal(sample->label, VELM_LABEL_GOOD));
  }
}

static void test_curate_json(void) {
  put("review.yaml", "drop:\n  - {class: dust, reason: r}\n");
  g_autoptr(Outcome) outcome =
      velm("dataset", "curate", PARTS, "--manifest", "review.yaml", "-o", "curated-json", "--json");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  JsonObject *record = record_at(records, 0);
  assert_keys(record, "velm source linked before after changes entries images left_behind "
                      "manifest manifest_text");
  JsonObject *changes = json_object_get_object_member(record, "changes");
  assert_keys(changes, "kept relabelled merged renamed dropped masks_not_taken");
  g_assert_cmpint(json_object_get_int_member(changes, "dropped"), ==, N_PER_CLASS);
}

static void test_curate_refuses(void) {
  put("wrong.yaml", "drop:\n  - {class: dust, reason: r}\n  - {class: rust, reason: r}\n");
  g_autoptr(Outcome) wrong =
      velm("dataset", "curate", PARTS, "--manifest", "wrong.yaml", "-o", "wrong");
  assert_refused(wrong, 1,
                 "velm: wrong.yaml:3: " PARTS " has no class `rust`; did you mean `dust`?\n");
  g_assert_false(exists("wrong"));
  put("malformed.yaml", "drop:\n  - {class: dust}\n");
  g_autoptr(Outcome) malformed =
      velm("dataset", "curate", PARTS, "--manifest", "malformed.yaml", "-o", "wrong");
  assert_refused(malformed, 1, "velm: malformed.yaml:2: `reason` is missing");
  g_autoptr(Outcome) gone =
      velm("dataset", "curate", PARTS, "--manifest", "gone.yaml", "-o", "wrong");
  assert_refused(gone, 1, "gone.yaml: no such file");
  g_autoptr(Outcome) without = velm("dataset", "curate", PARTS, "--manifest", "wrong.yaml");
  assert_refused(without, 2, "needs --manifest FILE.yaml and -o OUT");
}

/* Each mistake on a line of its own. */
static void test_curate_names_all(void) {
  put("wrong.yaml", "drop:\n  - {class: a, reason: r}\n  - {class: b, reason: r}\n");
  g_autoptr(Outcome) outcome =
      velm("dataset", "curate", PARTS, "--manifest", "wrong.yaml", "-o", "wrong");
  g_assert_cmpint(outcome->code, ==, 1);
  g_assert_cmpstr(outcome->err, ==,
                  "velm: wrong.yaml:2: " PARTS " has no class `a`\n"
                  "velm: wrong.yaml:3: " PARTS " has no class `b`\n");
}

/* ---- which ---- */

static void test_usage(void) {
  g_autoptr(Outcome) none = velm("dataset");
  g_assert_cmpint(none->code, ==, 2);
  g_assert_true(g_str_has_prefix(none->err, "usage: velm dataset audit DIR"));
  g_autoptr(Outcome) help = velm("dataset", "--help");
  assert_success(help);
  g_assert_cmpstr(help->out, ==, none->err);
  g_autoptr(Outcome) unknown = velm("dataset", "adit");
  g_assert_cmpint(unknown->code, ==, 2);
  assert_contains(unknown->err, "velm dataset: no command \"adit\"\n");
  g_autoptr(Outcome) curate = velm("dataset", "curate", "--help");
  assert_success(curate);
  assert_contains(curate->out, "velm dataset curate [OPTION");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  make_doubtful("doubtful");
  g_test_add_func("/dataset/audit/text", test_audit_text);
  g_test_add_func("/dataset/audit/json", test_audit_json);
  g_test_add_func("/dataset/audit/writes", test_audit_writes);
  g_test_add_func("/dataset/audit/one-page", test_audit_one_page);
  g_test_add_func("/dataset/audit/refuses", test_audit_refuses);
  g_test_add_func("/dataset/curate", test_curate);
  g_test_add_func("/dataset/curate/json", test_curate_json);
  g_test_add_func("/dataset/curate/refuses", test_curate_refuses);
  g_test_add_func("/dataset/curate/names-all", test_curate_names_all);
  g_test_add_func("/dataset/usage", test_usage);
  int code = g_test_run();
  command_tear_down();
  return code;
}
