#include "evaluate/report.h"

#include "core/json.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Temporary files go to temp, pages to pages: two folders of this run alone. */
static char *temp, *pages;

static const char RECORD[] = "<script type=\"application/json\" class=\"record\">";

/* ---- records to report ---- */

static VelmInspection *make_inspection(const char *path, double score) {
  VelmInspection *inspection = velm_inspection_new(path);
  inspection->image = velm_image_new(60, 30);
  inspection->map = velm_plane_new(6, 3);
  inspection->mask = velm_mask_new(60, 30);
  for (int i = 0; i < 60 * 30; i++)
    inspection->image->pixels[3 * i] = (guint8)(i % 200);
  for (int y = 10; y < 20; y++)
    memset(inspection->mask->values + y * 60 + 20, 255, 15);
  inspection->map->values[8] = 3;
  inspection->region_threshold = 2;
  inspection->score = score;
  inspection->threshold = 2.5;
  inspection->anomalous = score > 2.5;
  inspection->decision = inspection->anomalous ? VELM_DECISION_DEFECT : VELM_DECISION_NORMAL;
  return inspection;
}

static void classify(VelmInspection *inspection, const char *class_name, VelmDecision decision) {
  inspection->class_name = g_strdup(class_name);
  inspection->confidence = 0.75;
  inspection->decision = decision;
}

static void add(VelmReport *report, VelmInspection *inspection, const char *truth) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_report_add(report, inspection, truth, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  velm_inspection_free(inspection);
}

/* ---- reading a page ---- */

static char *write_page(VelmReport *report) {
  g_autofree char *path = g_build_filename(pages, "report.html", NULL);
  g_autoptr(GError) error = NULL;
  char *page = NULL;
  gboolean ok = velm_report_write(report, path, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
  g_unlink(path);
  /* No mark of the template is left over, and the page ends as it should. */
  g_assert_null(strstr(page, "{{"));
  g_assert_true(g_str_has_suffix(page, "</html>\n"));
  return page;
}

static int count(const char *text, const char *needle) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, needle)); at += strlen(needle))
    n++;
  return n;
}

/* The @index-th record of @page. @pictures: (out) (optional): the text of the block behind it. */
static JsonNode *read_record(const char *page, int index, char **pictures) {
  const char *at = strstr(page, RECORD);
  for (int i = 0; at && i < index; i++)
    at = strstr(at + 1, RECORD);
  g_assert_nonnull(at);
  at += strlen(RECORD);
  const char *end = strstr(at, "</script>");
  g_autoptr(GError) error = NULL;
  JsonNode *node = velm_json_parse(at, end - at, "record", &error);
  g_assert_no_error(error);
  static const char PICTURES[] = "</script><script type=\"text/plain\">";
  if (pictures) {
    g_assert_true(g_str_has_prefix(end, PICTURES));
    at = end + strlen(PICTURES);
    *pictures = g_strndup(at, (gsize)(strstr(at, "</script>") - at));
  }
  return node;
}

static const char *text_of(JsonNode *record, const char *name) {
  return json_object_get_string_member_with_default(json_node_get_object(record), name, NULL);
}

static void assert_total(const char *page, const char *name, int expected) {
  g_autofree char *needle =
      g_strdup_printf("data-decision=\"%s\" aria-pressed=\"false\"><span class=\"count\">%d</span>",
                      name, expected);
  if (!strstr(page, needle))
    g_test_message("no %s", needle);
  g_assert_nonnull(strstr(page, needle));
}

static void assert_empty(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  g_assert_nonnull(dir);
  g_assert_cmpstr(g_dir_read_name(dir), ==, NULL);
}

/* Decodes a picture of a card. */
static VelmImage *decode(const char *base64) {
  gsize size = 0;
  g_autofree guchar *data = g_base64_decode(base64, &size);
  g_autofree char *path = g_build_filename(pages, "picture.jpg", NULL);
  g_assert_cmpint(size, >, 3);
  g_assert_cmpmem(data, 3, "\xff\xd8\xff", 3);
  g_assert_true(g_file_set_contents(path, (const char *)data, (gssize)size, NULL));
  g_autoptr(GError) error = NULL;
  VelmImage *image = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_unlink(path);
  return image;
}

/* ---- tests ---- */

static void test_empty(void) {
  VelmReport *report = velm_report_new("Nothing");
  g_autofree char *page = write_page(report);
  g_assert_nonnull(strstr(page, "<title>Nothing</title>"));
  g_assert_nonnull(strstr(page, "No scores."));
  g_assert_cmpint(count(page, RECORD), ==, 0);
  assert_total(page, "all", 0);
  velm_report_free(report);
  velm_report_free(NULL);
}

static void test_totals(void) {
  VelmReport *report = velm_report_new("Totals");
  add(report, make_inspection("/parts/1.png", 1), NULL);
  add(report, make_inspection("/parts/2.png", 1.5), NULL);
  add(report, make_inspection("/parts/3.png", 3), NULL);
  VelmInspection *named = make_inspection("/parts/4.png", 4);
  classify(named, "crack", VELM_DECISION_NEGLIGIBLE);
  add(report, named, NULL);
  VelmInspection *doubtful = make_inspection("/parts/5.png", 5);
  classify(doubtful, "unknown", VELM_DECISION_REVIEW);
  add(report, doubtful, NULL);
  velm_report_add_error(report, "/parts/6.png", "/parts/6.png: the file is truncated");
  g_autofree char *page = write_page(report);
  assert_total(page, "all", 6);
  assert_total(page, "normal", 2);
  assert_total(page, "defect", 1);
  assert_total(page, "negligible", 1);
  assert_total(page, "review", 1);
  assert_total(page, "errors", 1);
  g_assert_cmpint(count(page, RECORD), ==, 6);
  g_assert_nonnull(strstr(page, ">threshold 2.5</text>"));
  g_assert_cmpint(count(page, "<line class=\"threshold\""), ==, 1);
  /* Without labels the class table has no columns for them. */
  g_assert_nonnull(strstr(page, "<th scope=\"row\">not classified</th>"));
  g_assert_null(strstr(page, ">labelled</th>"));
  velm_report_free(report);
}

static void test_record(void) {
  VelmReport *report = velm_report_new("Record");
  VelmInspection *inspection = make_inspection("/parts/left/a.png", 3.25);
  classify(inspection, "crack", VELM_DECISION_DEFECT);
  inspection->action = g_strdup("scrap");
  inspection->severity = g_strdup("critical");
  inspection->rule = g_strdup("area over 40 px");
  inspection->error = g_strdup("the server answered 503");
  add(report, inspection, NULL);
  g_autofree char *page = write_page(report), *pictures = NULL;
  g_autoptr(JsonNode) record = read_record(page, 0, &pictures);
  JsonObject *object = json_node_get_object(record);
  g_assert_cmpstr(text_of(record, "name"), ==, "a.png");
  g_assert_cmpstr(text_of(record, "folder"), ==, "/parts/left");
  g_assert_cmpstr(text_of(record, "uri"), ==, "file:///parts/left/a.png");
  g_assert_cmpstr(text_of(record, "decision"), ==, "defect");
  g_assert_cmpstr(text_of(record, "class"), ==, "crack");
  g_assert_cmpstr(text_of(record, "action"), ==, "scrap");
  g_assert_cmpstr(text_of(record, "severity"), ==, "critical");
  g_assert_cmpstr(text_of(record, "rule"), ==, "area over 40 px");
  g_assert_cmpstr(text_of(record, "problem"), ==, "the server answered 503");
  g_assert_cmpfloat(json_object_get_double_member(object, "score"), ==, 3.25);
  g_assert_cmpfloat(json_object_get_double_member(object, "threshold"), ==, 2.5);
  g_assert_cmpfloat(json_object_get_double_member(object, "confidence"), ==, 0.75);
  g_assert_false(json_object_has_member(object, "label"));
  velm_report_free(report);
}

static void test_pictures(void) {
  VelmReport *report = velm_report_new("Pictures");
  add(report, make_inspection("/parts/a.png", 3), NULL);
  g_autofree char *page = write_page(report), *pictures = NULL;
  g_autoptr(JsonNode) record = read_record(page, 0, &pictures);
  g_auto(GStrv) both = g_strsplit(pictures, " ", -1);
  g_assert_cmpint(g_strv_length(both), ==, 2);
  g_assert_cmpstr(both[0], !=, both[1]);
  for (int i = 0; i < 2; i++) {
    g_autoptr(VelmImage) image = decode(both[i]);
    g_assert_cmpint(image->width, ==, 208);
    g_assert_cmpint(image->height, ==, 104);
  }
  /* The contour: somewhere strong red. */
  g_autoptr(VelmImage) contour = decode(both[0]);
  int red = 0;
  for (int i = 0; i < 208 * 104; i++)
    red += contour->pixels[3 * i] > 220 && contour->pixels[3 * i + 1] < 60;
  g_assert_cmpint(red, >, 50);
  velm_report_free(report);
}

static void test_pictures_missing(void) {
  VelmReport *report = velm_report_new("Pictures");
  VelmInspection *no_map = make_inspection("/a.png", 3), *no_image = make_inspection("/b.png", 3);
  VelmInspection *no_mask = make_inspection("/c.png", 1);
  velm_plane_free(g_steal_pointer(&no_map->map));
  velm_image_free(g_steal_pointer(&no_image->image));
  velm_mask_free(g_steal_pointer(&no_mask->mask));
  no_mask->threshold = NAN;
  add(report, no_map, NULL);
  add(report, no_image, NULL);
  add(report, no_mask, NULL);
  g_autofree char *page = write_page(report);
  const guint expected[] = {1, 0, 2};
  for (int i = 0; i < 3; i++) {
    g_autofree char *pictures = NULL;
    g_autoptr(JsonNode) record = read_record(page, i, &pictures);
    g_auto(GStrv) parts = g_strsplit(pictures, " ", -1);
    g_assert_cmpint(g_strv_length(parts), ==, expected[i]);
  }
  velm_report_free(report);
}

static void test_hostile_text(void) {
  static const char NAME[] = "</script><script>alert(1)</script><!--\"'&\n.png";
  VelmReport *report = velm_report_new("<b>\"A & B\"</title>\xff");
  g_autofree char *path = g_strconcat("/parts/", NAME, NULL);
  VelmInspection *inspection = make_inspection("/parts/x.png", 3);
  /* A path cannot hold a slash in a name, a class can. */
  classify(inspection, NAME, VELM_DECISION_DEFECT);
  inspection->reason = g_strdup(NAME);
  inspection->action = g_strdup("bad \xfe\xff bytes");
  add(report, inspection, NAME);
  velm_report_add_error(report, "/parts/<img src=x>&\xff.png", NAME);
  g_autofree char *page = write_page(report);
  g_assert_true(g_utf8_validate(page, -1, NULL));
  g_assert_null(strstr(page, "<script>alert"));
  g_assert_null(strstr(page, "<img src=x"));
  g_assert_null(strstr(page, "<b>"));
  g_assert_null(strstr(page, "<!--"));
  g_assert_nonnull(strstr(page, "<title>&lt;b&gt;&quot;A &amp; B&quot;&lt;/title&gt;"));
  g_autoptr(JsonNode) record = read_record(page, 0, NULL);
  g_assert_cmpstr(text_of(record, "class"), ==, NAME);
  g_assert_cmpstr(text_of(record, "reason"), ==, NAME);
  g_assert_cmpstr(text_of(record, "label"), ==, NAME);
  g_autoptr(JsonNode) failed = read_record(page, 1, NULL);
  g_assert_cmpstr(text_of(failed, "failure"), ==, NAME);
  g_assert_cmpstr(text_of(failed, "uri"), ==, "file:///parts/%3Cimg%20src=x%3E&%FF.png");
  g_assert_true(g_str_has_prefix(text_of(failed, "name"), "<img src=x>&"));
  velm_report_free(report);
}

static void test_labels(void) {
  VelmReport *report = velm_report_new("Labels");
  /* Label, class (NULL: nothing was classified), score, whether they agree. */
  const struct {
    const char *truth, *class_name;
    double score;
    gboolean agrees;
  } cases[] = {
      {"good", NULL, 1, TRUE},       {"crack", NULL, 1, FALSE},   {"crack", NULL, 3, TRUE},
      {"good", NULL, 3, FALSE},      {"crack", "crack", 3, TRUE}, {"crack", "hole", 3, FALSE},
      {"hole", "unknown", 3, FALSE}, {"good", "good", 3, TRUE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    VelmInspection *inspection = make_inspection("/parts/a.png", cases[i].score);
    if (cases[i].class_name)
      classify(inspection, cases[i].class_name, VELM_DECISION_DEFECT);
    add(report, inspection, cases[i].truth);
  }
  g_autofree char *page = write_page(report);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(JsonNode) record = read_record(page, (int)i, NULL);
    JsonObject *object = json_node_get_object(record);
    g_assert_cmpint(json_object_get_boolean_member(object, "agrees"), ==, cases[i].agrees);
  }
  /* crack: found once, the label of four, two of which are called crack or at least not good. */
  const char *row = strstr(page, "<th scope=\"row\">crack</th>");
  g_assert_nonnull(row);
  g_assert_true(g_str_has_prefix(strstr(row, "<td>"), "<td>1</td><td>4</td><td>2</td></tr>"));
  row = strstr(page, "<th scope=\"row\">good</th>");
  g_assert_true(g_str_has_prefix(strstr(row, "<td>"), "<td>3</td><td>3</td><td>2</td></tr>"));
  velm_report_free(report);
}

static void test_self_contained(void) {
  VelmReport *report = velm_report_new("Alone");
  add(report, make_inspection("/parts/a.png", 3), NULL);
  g_autofree char *page = write_page(report);
  g_assert_null(strstr(page, "http:"));
  g_assert_null(strstr(page, "https:"));
  g_assert_null(strstr(page, "@import"));
  g_assert_null(strstr(page, "url("));
  g_assert_null(strstr(page, " src=\""));
  g_assert_nonnull(strstr(page, "default-src 'none'"));
  /* The parts are in it. */
  g_assert_nonnull(strstr(page, "prefers-color-scheme: dark"));
  g_assert_nonnull(strstr(page, "\"use strict\""));
  g_assert_nonnull(strstr(page, "<svg class=\"histogram\""));
  velm_report_free(report);
}

static void test_write_again(void) {
  VelmReport *report = velm_report_new("Again");
  add(report, make_inspection("/parts/1.png", 1), NULL);
  g_autofree char *first = write_page(report);
  add(report, make_inspection("/parts/2.png", 2), NULL);
  g_autofree char *second = write_page(report), *third = write_page(report);
  g_assert_cmpint(count(first, RECORD), ==, 1);
  g_assert_cmpint(count(second, RECORD), ==, 2);
  g_assert_cmpint(count(third, RECORD), ==, 2);
  g_autoptr(JsonNode) record = read_record(third, 1, NULL);
  g_assert_cmpstr(text_of(record, "name"), ==, "2.png");
  velm_report_free(report);
}

static void test_no_file_left(void) {
  VelmReport *report = velm_report_new("Clean");
  add(report, make_inspection("/parts/1.png", 1), NULL);
  assert_empty(temp);
  g_autofree char *page = write_page(report);
  assert_empty(temp);
  assert_empty(pages);
  velm_report_free(report);
}

static void test_unwritable(void) {
  VelmReport *report = velm_report_new("Unwritable");
  add(report, make_inspection("/parts/1.png", 1), NULL);
  g_autofree char *missing = g_build_filename(pages, "no", "report.html", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_false(velm_report_write(report, missing, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(error->message, missing));
  g_clear_error(&error);
  /* In the way of the renaming: a folder. */
  g_autofree char *folder = g_build_filename(pages, "folder", NULL);
  g_mkdir(folder, 0700);
  g_assert_false(velm_report_write(report, folder, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_false(velm_report_write(report, folder, NULL));
  g_rmdir(folder);
  assert_empty(pages);
  velm_report_free(report);
}

/* A write that fails in the middle, as of a full disk: the old page stays, the new one goes. */
static void test_full_disk(void) {
  g_autofree char *path = g_build_filename(pages, "report.html", NULL), *left = NULL;
  VelmReport *report = velm_report_new("Full");
  add(report, make_inspection("/parts/1.png", 1), NULL);
  g_file_set_contents(path, "old", -1, NULL);
  struct rlimit old, small;
  getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 20000;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  g_autoptr(GError) error = NULL, record_error = NULL;
  gboolean written = velm_report_write(report, path, &error);
  /* So do records: the report then never pretends to be whole. */
  gboolean added = TRUE;
  for (int i = 0; i < 100 && added; i++) {
    g_autoptr(VelmInspection) inspection = make_inspection("/parts/2.png", 1);
    added = velm_report_add(report, inspection, NULL, &record_error);
  }
  setrlimit(RLIMIT_FSIZE, &old);
  g_assert_false(written);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(error->message, path));
  g_assert_false(added);
  g_assert_error(record_error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_false(velm_report_write(report, path, NULL));
  g_assert_true(g_file_get_contents(path, &left, NULL, NULL));
  g_assert_cmpstr(left, ==, "old");
  g_unlink(path);
  assert_empty(pages);
  velm_report_free(report);
}

static void test_no_temporary_folder(void) {
  VelmReport *report = velm_report_new("No temp"), *errors = velm_report_new("No temp");
  g_autoptr(VelmInspection) inspection = make_inspection("/parts/1.png", 1);
  g_autofree char *path = g_build_filename(pages, "report.html", NULL);
  g_autoptr(GError) error = NULL;
  g_rmdir(temp);
  g_assert_false(velm_report_add(report, inspection, NULL, &error));
  velm_report_add_error(errors, "/parts/1.png", "broken");
  g_mkdir(temp, 0700);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(error->message, temp));
  g_clear_error(&error);
  g_assert_false(velm_report_write(errors, path, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  assert_empty(pages);
  velm_report_free(report);
  velm_report_free(errors);
}

#ifdef __GLIBC__
static gint64 bytes_in_use(void) { return (gint64)mallinfo2().uordblks; }

static void test_memory(void) {
  VelmReport *report = velm_report_new("Memory");
  for (int i = 0; i < 20; i++)
    add(report, make_inspection("/parts/1.png", 1), NULL);
  gint64 before = bytes_in_use();
  for (int i = 0; i < 400; i++)
    add(report, make_inspection("/parts/1.png", 1), NULL);
  gint64 grown = bytes_in_use() - before;
  g_autofree char *page = write_page(report);
  gint64 written = (gint64)strlen(page);
  g_assert_cmpint(written, >, 420 * 1000);
  if (before == 0)
    g_test_skip("the allocator does not count");
  else /* libvips takes some for itself as it warms up, but the pictures are not in memory */
    g_assert_cmpint(grown, <, written / 8);
  velm_report_free(report);
}
#else
static void test_memory(void) { g_test_skip("needs mallinfo2()"); }
#endif

int main(int argc, char **argv) {
  /* GLib asks for TMPDIR once: nothing may have GLib make a temporary file before it is set. */
  const char *outer = g_getenv("TMPDIR") ? g_getenv("TMPDIR") : "/tmp";
  temp = g_mkdtemp(g_build_filename(outer, "velm-test-temp-XXXXXX", NULL));
  pages = g_mkdtemp(g_build_filename(outer, "velm-test-pages-XXXXXX", NULL));
  if (!temp || !pages || !g_setenv("TMPDIR", temp, TRUE))
    return 1;
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/report/empty", test_empty);
  g_test_add_func("/report/totals", test_totals);
  g_test_add_func("/report/record", test_record);
  g_test_add_func("/report/pictures", test_pictures);
  g_test_add_func("/report/pictures/missing", test_pictures_missing);
  g_test_add_func("/report/hostile-text", test_hostile_text);
  g_test_add_func("/report/labels", test_labels);
  g_test_add_func("/report/self-contained", test_self_contained);
  g_test_add_func("/report/write-again", test_write_again);
  g_test_add_func("/report/no-file-left", test_no_file_left);
  g_test_add_func("/report/unwritable", test_unwritable);
  g_test_add_func("/report/full-disk", test_full_disk);
  g_test_add_func("/report/no-temporary-folder", test_no_temporary_folder);
  g_test_add_func("/report/memory", test_memory);
  int status = g_test_run();
  g_rmdir(temp);
  g_rmdir(pages);
  g_free(temp);
  g_free(pages);
  return status;
}
