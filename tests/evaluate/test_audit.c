/* The audit as a whole: its checks in a row, and what it says in words, as JSON and as a page. */
#include "core/file.h"
#include "core/image.h"
#include "core/json.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "evaluate/audit.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct {
  char *folder, *parts;
  VelmDataset *dataset;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = scratch_new();
  fixture->parts = g_build_filename(fixture->folder, "parts", NULL);
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 64;
  params.n_train = 8;
  params.n_test_good = 6;
  params.n_per_class = 6;
  g_autoptr(GError) error = NULL;
  velm_procedural_write(&params, fixture->parts, NULL, NULL, &error);
  g_assert_no_error(error);
  fixture->dataset = velm_dataset_open(fixture->parts, &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  velm_dataset_free(fixture->dataset);
  g_free(fixture->parts);
  scratch_remove(fixture->folder);
}

static const VelmSample *sample_of(const VelmDataset *dataset, const char *label, guint number) {
  for (guint i = 0; i < dataset->test->len; i++) {
    const VelmSample *sample = g_ptr_array_index(dataset->test, i);
    if (g_str_equal(sample->label, label) && number-- == 0)
      return sample;
  }
  g_error("no image number %u of %s", number, label);
}

static VelmAudit *run(const VelmDataset *dataset, guint min_images) {
  VelmAuditParams params = velm_audit_params_default();
  g_autoptr(GError) error = NULL;
  params.features = FALSE;
  params.min_images = min_images;
  VelmAudit *audit = velm_audit_run(dataset, &params, &error);
  g_assert_no_error(error);
  return audit;
}

/* ---- the checks ---- */

static void test_clean(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = run(fixture->dataset, 6);
  g_assert_cmpuint(audit->findings->len, ==, 0);
  g_autofree char *text = velm_audit_to_text(audit);
  g_autofree char *expected =
      g_strdup_printf("%s: 8 training images, 42 test images, 6 classes, with groups.csv; nothing "
                      "found\n",
                      fixture->parts);
  g_assert_cmpstr(text, ==, expected);
}

static void test_defaults(Fixture *fixture, gconstpointer data) {
  VelmAuditParams params = velm_audit_params_default();
  g_assert_cmpuint(params.min_images, ==, 10);
  g_assert_cmpuint(params.min_parts, ==, 3);
  g_assert_true(params.features);
  g_assert_null(params.model);
}

/* The checks that look at features go on without what cannot be read. Of two classes: to look at a
 * defect takes long. */
static void test_features_without_the_unreadable(Fixture *fixture, gconstpointer data) {
  g_ptr_array_set_size(fixture->dataset->classes, 2);
  g_ptr_array_set_size(fixture->dataset->test, 12);
  const VelmSample *bad = sample_of(fixture->dataset, "dent", 0);
  const VelmSample *masked = sample_of(fixture->dataset, "dent", 1);
  g_assert_true(velm_file_write(bad->path, "no image", 8, NULL));
  g_assert_true(velm_file_write(masked->mask, "no image", 8, NULL));
  VelmAuditParams params = velm_audit_params_default();
  g_autoptr(GError) error = NULL;
  params.min_images = 1;
  g_autoptr(VelmAudit) audit = velm_audit_run(fixture->dataset, &params, &error);
  g_assert_no_error(error);
  guint unreadable = 0;
  for (guint i = 0; i < audit->findings->len; i++) {
    const VelmFinding *finding = g_ptr_array_index(audit->findings, i);
    unreadable += finding->kind == VELM_AUDIT_UNREADABLE;
  }
  g_assert_cmpuint(unreadable, ==, 2);
}

/* ---- what it says ---- */

#define ADD_FINDING(audit, kind, score, label, other, message, ...)                                \
  velm_audit_add(audit, kind, score, label, other, (const char *const[]){__VA_ARGS__, NULL}, "%s", \
                 message)

/* One finding of most kinds. */
static VelmAudit *made_up(const VelmDataset *dataset) {
  VelmAudit *audit = velm_audit_new(dataset);
  const VelmSample *train = g_ptr_array_index(dataset->train, 0);
  const VelmSample *next = g_ptr_array_index(dataset->train, 1);
  const VelmSample *good = sample_of(dataset, "good", 0), *dent = sample_of(dataset, "dent", 0);
  const VelmSample *stain = sample_of(dataset, "stain", 2), *chip = sample_of(dataset, "chip", 1);
  ADD_FINDING(audit, VELM_AUDIT_SUSPECT_LABEL, .93, "dent", "stain",
              "looks like stain (0.93), not dent (0.02)", dent->path);
  ADD_FINDING(audit, VELM_AUDIT_SUSPECT_LABEL, .71, "stain", "chip",
              "looks like chip (0.71) <script>alert(1)</script>", stain->path, chip->path);
  ADD_FINDING(audit, VELM_AUDIT_LEAK, .98, "good", NULL, "shows the same part as 2 training images",
              good->path, train->path, next->path);
  ADD_FINDING(audit, VELM_AUDIT_INSEPARABLE, .5, "dent", "chip", "told apart in 55 % of the cases",
              dent->path, chip->path);
  ADD_FINDING(audit, VELM_AUDIT_MASK, 1, "dent", NULL, "the mask is empty", dent->mask, dent->path);
  velm_audit_sort(audit);
  return audit;
}

static void test_text(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = made_up(fixture->dataset);
  g_autofree char *text = velm_audit_to_text(audit);
  g_test_message("%s", text);
  const char *const parts[] = {
      "with groups.csv; 5 findings\n",    "\nleak, 1\n  test/good/",
      "\nsuspect label, 2\n  test/dent/", "looks like stain (0.93), not dent (0.02)\n",
      "\ninseparable, 1\n  dent, chip ",  "\nmask, 1\n  ground_truth/dent/"};
  const char *at = text;
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    at = strstr(at, parts[i]);
    if (!at)
      g_error("\"%s\" is missing, or not in its place", parts[i]);
  }
}

/* The text is for a screen. */
static void test_text_is_short(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = velm_audit_new(fixture->dataset);
  for (guint i = 0; i < 25; i++)
    ADD_FINDING(audit, VELM_AUDIT_LEAK, 1, NULL, NULL, "x", "test/good/a.png");
  g_autofree char *text = velm_audit_to_text(audit);
  g_assert_nonnull(strstr(text, "\nleak, 25\n"));
  g_assert_nonnull(strstr(text, "  and 5 more: --json or --out has them\n"));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 3 + 20 + 2);
}

static void test_json(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = made_up(fixture->dataset);
  velm_audit_rank_label(audit, "test/dent/a.png", "dent", "stain", .7);
  velm_audit_rank_label(audit, "test/dent/b.png", "dent", NULL, NAN);
  g_autofree char *text = velm_audit_to_json(audit);
  g_assert_null(strchr(text, '\n'));
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) root = velm_json_parse(text, -1, "audit", &error);
  g_assert_no_error(error);
  JsonObject *object = json_node_get_object(root);
  g_assert_cmpint(json_object_get_int_member(object, "test_images"), ==, 42);
  g_assert_true(json_object_get_boolean_member(object, "has_groups"));
  JsonObject *counts = json_object_get_object_member(object, "counts");
  g_assert_cmpuint(json_object_get_size(counts), ==, VELM_N_AUDIT_KINDS);
  g_assert_cmpint(json_object_get_int_member(counts, "suspect_label"), ==, 2);
  g_assert_cmpint(json_object_get_int_member(counts, "duplicate"), ==, 0);
  JsonArray *findings = json_object_get_array_member(object, "findings");
  g_assert_cmpuint(json_array_get_length(findings), ==, 5);
  JsonObject *suspect = json_array_get_object_element(findings, 1);
  g_assert_cmpstr(json_object_get_string_member(suspect, "kind"), ==, "suspect_label");
  g_assert_cmpfloat(json_object_get_double_member(suspect, "score"), ==, .93);
  g_assert_cmpstr(json_object_get_string_member(suspect, "other"), ==, "stain");
  JsonArray *labels = json_object_get_array_member(object, "label_ranking");
  g_assert_cmpuint(json_array_get_length(labels), ==, 2);
  JsonObject *first = json_array_get_object_element(labels, 0);
  g_assert_cmpstr(json_object_get_string_member(first, "path"), ==, "test/dent/a.png");
  g_assert_cmpfloat(json_object_get_double_member(first, "score"), ==, .7);
  JsonObject *last = json_array_get_object_element(labels, 1);
  g_assert_true(json_object_get_null_member(last, "other"));
  g_assert_true(json_object_get_null_member(last, "score"));
  JsonObject *leak = json_array_get_object_element(findings, 0);
  g_assert_true(json_object_get_null_member(leak, "other"));
  JsonArray *paths = json_object_get_array_member(leak, "paths");
  g_assert_cmpuint(json_array_get_length(paths), ==, 3);
  g_assert_true(g_str_has_prefix(json_array_get_string_element(paths, 0), "test/good/"));
}

/* ---- the page ---- */

static char *write_page(const Fixture *fixture, const VelmAudit *audit) {
  g_autofree char *path = g_build_filename(fixture->folder, "audit.html", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(velm_audit_write_page(audit, path, NULL, NULL, &error));
  g_assert_no_error(error);
  char *html = NULL;
  g_assert_true(g_file_get_contents(path, &html, NULL, NULL));
  return html;
}

/* The objects in the page's finding scripts. */
static GPtrArray *page_findings(const char *html) {
  static const char start[] = "<script type=\"application/json\" class=\"finding\">";
  GPtrArray *nodes = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
  for (const char *at = strstr(html, start); at; at = strstr(at, start)) {
    at += strlen(start);
    const char *end = strstr(at, "</script>");
    g_autoptr(GError) error = NULL;
    g_ptr_array_add(nodes, velm_json_parse(at, end - at, "finding", &error));
    g_assert_no_error(error);
  }
  return nodes;
}

static JsonObject *finding_object(const GPtrArray *nodes, guint index) {
  g_assert_cmpuint(index, <, nodes->len);
  return json_node_get_object(g_ptr_array_index(nodes, index));
}

/* "TITLE: PATH PATH", of row number @index. */
static char *describe_row(JsonObject *finding, guint index) {
  JsonArray *rows = json_object_get_array_member(finding, "rows");
  g_assert_cmpuint(index, <, json_array_get_length(rows));
  JsonObject *row = json_array_get_object_element(rows, index);
  JsonArray *images = json_object_get_array_member(row, "images");
  return g_strdup_printf("%s %u", json_object_get_string_member(row, "title"),
                         json_array_get_length(images));
}

static void check_rows(JsonObject *finding, const char *const *expected) {
  guint n = json_array_get_length(json_object_get_array_member(finding, "rows"));
  for (guint i = 0; i < n; i++) {
    g_autofree char *row = describe_row(finding, i);
    g_assert_cmpstr(row, ==, expected[i]);
  }
  g_assert_null(expected[n]);
}
#define CHECK_ROWS(finding, ...) check_rows(finding, (const char *const[]){__VA_ARGS__, NULL})

static guint count_of(const char *text, const char *part) {
  guint n = 0;
  for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
    n++;
  return n;
}

static void test_page(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = made_up(fixture->dataset);
  g_autofree char *html = write_page(fixture, audit);
  g_autoptr(GPtrArray) nodes = page_findings(html);
  g_assert_cmpuint(nodes->len, ==, 5);
  CHECK_ROWS(finding_object(nodes, 0), "test image 1", "training images 2");
  /* Each class has three parts; one of each is doubted. */
  CHECK_ROWS(finding_object(nodes, 1), "this image 1", "others labelled dent 3",
             "others labelled stain 3");
  CHECK_ROWS(finding_object(nodes, 2), "this image 1", "held against it 1",
             "others labelled stain 3", "others labelled chip 3");
  CHECK_ROWS(finding_object(nodes, 3), "others labelled dent 3", "others labelled chip 3",
             "confused 2");
  CHECK_ROWS(finding_object(nodes, 4), "mask and image 2");
  g_assert_null(strstr(html, "{{"));
  g_assert_null(strstr(html, "<script>alert"));
  g_assert_null(strstr(html, "src=\"http"));
  g_assert_nonnull(strstr(html, "class=\"picture\" id=\"p0\">/9j/")); /* JPEG in base 64 */
}

/* The title and the number of images of row @index of the page's first finding. */
static char *first_row(const Fixture *fixture, const VelmAudit *audit, guint index) {
  g_autofree char *html = write_page(fixture, audit);
  g_autoptr(GPtrArray) nodes = page_findings(html);
  return describe_row(finding_object(nodes, 0), index);
}

/* What stands for a class shows different parts: by groups.csv, or by what the audit found. */
static void test_typical_images(Fixture *fixture, gconstpointer data) {
  g_autofree char *groups = g_build_filename(fixture->parts, "groups.csv", NULL);
  g_assert_cmpint(g_remove(groups), ==, 0);
  g_autoptr(VelmDataset) dataset = velm_dataset_open(fixture->parts, NULL);
  const VelmSample *dents[6];
  for (guint i = 0; i < G_N_ELEMENTS(dents); i++)
    dents[i] = sample_of(dataset, "dent", i);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  ADD_FINDING(audit, VELM_AUDIT_INSEPARABLE, .5, "dent", "chip", "x", dents[0]->path);
  g_autofree char *apart = first_row(fixture, audit, 0);
  g_assert_cmpstr(apart, ==, "others labelled dent 3");
  ADD_FINDING(audit, VELM_AUDIT_GROUP, 1, NULL, NULL, "x", dents[0]->path, dents[1]->path,
              dents[2]->path);
  ADD_FINDING(audit, VELM_AUDIT_GROUP, 1, NULL, NULL, "x", dents[3]->path, dents[4]->path);
  ADD_FINDING(audit, VELM_AUDIT_SUSPECT_LABEL, 1, "dent", "chip", "x", dents[5]->path);
  g_autofree char *grouped = first_row(fixture, audit, 0);
  g_assert_cmpstr(grouped, ==, "others labelled dent 2");
}

/* The same image in several findings is drawn once. */
static void test_pictures_once(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = velm_audit_new(fixture->dataset);
  const VelmSample *dent = sample_of(fixture->dataset, "dent", 0);
  for (guint i = 0; i < 3; i++)
    ADD_FINDING(audit, VELM_AUDIT_GROUP, 1, NULL, NULL, "x", dent->path, dent->mask);
  g_autofree char *html = write_page(fixture, audit);
  g_assert_cmpuint(count_of(html, "class=\"picture\""), ==, 2);
}

static void test_page_without_pictures(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = velm_audit_new(fixture->dataset);
  const VelmSample *bad = sample_of(fixture->dataset, "dent", 0);
  g_assert_true(velm_file_write(bad->path, "no image", 8, NULL));
  ADD_FINDING(audit, VELM_AUDIT_UNREADABLE, 1, "dent", NULL, "no image", bad->path);
  ADD_FINDING(audit, VELM_AUDIT_UNREADABLE, 1, "dent", NULL, "gone", "test/dent/gone.png");
  g_autofree char *html = write_page(fixture, audit);
  g_autoptr(GPtrArray) nodes = page_findings(html);
  JsonArray *rows = json_object_get_array_member(finding_object(nodes, 0), "rows");
  JsonArray *images =
      json_object_get_array_member(json_array_get_object_element(rows, 0), "images");
  JsonObject *image = json_array_get_object_element(images, 0);
  g_assert_cmpint(json_object_get_int_member(image, "picture"), ==, -1);
  g_assert_cmpuint(count_of(html, "class=\"picture\""), ==, 0);
}

static void test_empty_page(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = velm_audit_new(fixture->dataset);
  g_autofree char *html = write_page(fixture, audit);
  g_assert_cmpuint(count_of(html, "class=\"finding\""), ==, 0);
  g_assert_nonnull(strstr(html, "Nothing was found."));
}

static void test_page_into_nowhere(Fixture *fixture, gconstpointer data) {
  g_autoptr(VelmAudit) audit = velm_audit_new(fixture->dataset);
  g_autofree char *path = g_build_filename(fixture->folder, "gone", "audit.html", NULL);
  GError *error = NULL;
  g_assert_false(velm_audit_write_page(audit, path, NULL, NULL, &error));
  assert_failure(&error, VELM_ERROR_FILE, "audit.html: cannot be written");
}

#define ADD(path, function) g_test_add("/audit/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("clean", test_clean);
  ADD("defaults", test_defaults);
  ADD("features-without-the-unreadable", test_features_without_the_unreadable);
  ADD("text", test_text);
  ADD("text/is-short", test_text_is_short);
  ADD("json", test_json);
  ADD("page", test_page);
  ADD("page/typical-images", test_typical_images);
  ADD("page/pictures-once", test_pictures_once);
  ADD("page/without-pictures", test_page_without_pictures);
  ADD("page/empty", test_empty_page);
  ADD("page/into-nowhere", test_page_into_nowhere);
  return g_test_run();
}
