#include "evaluate/run_page.h"

#include "core/scratch.h"
#include "evaluate/run_fixture.h"

#include <libxml/HTMLparser.h>
#include <libxml/xpath.h>
#include <math.h>
#include <string.h>

static char *folder;

/* ---- making a page ---- */

/* What the look is asked for: "DETECTOR/IMAGE" of each call. */
static VelmInspection *look(const VelmRun *run, guint detector, guint image, gpointer data,
                            GError **error) {
  GPtrArray *asked = data;
  g_ptr_array_add(asked, g_strdup_printf("%u/%u", detector, image));
  if (image == 7) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "hole/001.png: <gone>");
    return NULL;
  }
  VelmInspection *inspection =
      velm_inspection_new(((const VelmRunImage *)run->images->pdata[image])->path);
  inspection->image = velm_image_new(40, 20);
  inspection->mask = velm_mask_new(40, 20);
  inspection->map = velm_plane_new(4, 2);
  memset(inspection->mask->values + 5 * 40 + 5, 255, 10);
  inspection->threshold = 2;
  inspection->score = 3;
  return inspection;
}

static char *write_page(const VelmRun *run, VelmRunLook look_at, gpointer data) {
  g_autofree char *path = g_build_filename(folder, "run.html", NULL);
  g_autoptr(GError) error = NULL;
  char *page = NULL;
  gboolean ok = velm_run_page_write(run, look_at, data, path, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
  g_assert_true(g_utf8_validate(page, -1, NULL));
  g_assert_null(strstr(page, "{{"));
  g_assert_true(g_str_has_suffix(page, "</html>\n"));
  return page;
}

/* ---- reading it ---- */

#if LIBXML_VERSION < 21200
typedef xmlError *Fault;
#else
typedef const xmlError *Fault;
#endif

/* libxml2 knows HTML 4, so that a tag of HTML 5 is no fault of the page. */
static void note_fault(void *data, Fault fault) {
  if (fault->code == XML_HTML_UNKNOWN_TAG)
    return;
  g_test_message("line %d: %s", fault->line, fault->message);
  *(gboolean *)data = FALSE;
}

/* The document; every element is closed, and no id is there twice. */
static xmlDoc *parse(const char *page) {
  gboolean good = TRUE;
  xmlSetStructuredErrorFunc(&good, note_fault);
  xmlDoc *document = htmlReadMemory(page, (int)strlen(page), "page", "UTF-8", HTML_PARSE_NONET);
  xmlSetStructuredErrorFunc(NULL, NULL);
  g_assert_nonnull(document);
  g_assert_true(good);
  return document;
}

/* The texts of the nodes that @path finds, blanks folded, with '|' between. */
static char *find(xmlDoc *document, const char *path) {
  xmlXPathContext *context = xmlXPathNewContext(document);
  xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)path, context);
  GString *texts = g_string_new(NULL);
  g_assert_nonnull(found);
  for (int i = 0; found->nodesetval && i < found->nodesetval->nodeNr; i++) {
    xmlChar *text = xmlNodeGetContent(found->nodesetval->nodeTab[i]);
    g_auto(GStrv) words = g_strsplit_set((const char *)text, " \n\t", -1);
    g_string_append(texts, i ? "|" : "");
    for (guint k = 0; words[k]; k++)
      if (*words[k])
        g_string_append_printf(
            texts, "%s%s", texts->len && !g_str_has_suffix(texts->str, "|") ? " " : "", words[k]);
    xmlFree(text);
  }
  xmlXPathFreeObject(found);
  xmlXPathFreeContext(context);
  return g_string_free(texts, FALSE);
}

static void assert_found(xmlDoc *document, const char *path, const char *expected) {
  g_autofree char *found = find(document, path);
  g_assert_cmpstr(found, ==, expected);
}

static int count(xmlDoc *document, const char *path) {
  xmlXPathContext *context = xmlXPathNewContext(document);
  xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)path, context);
  g_assert_nonnull(found);
  int n = found->nodesetval ? found->nodesetval->nodeNr : 0;
  xmlXPathFreeObject(found);
  xmlXPathFreeContext(context);
  return n;
}

#define SECTION(id, kind) "//section[@id='" id "']//article[contains(@class, '" kind "')]"

/* ---- tests ---- */

static void test_headline(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  assert_found(document, "//head/title", "Evaluation of a & b");
  assert_found(document, "//p[@class='made']", "2026-01-02T03:04:05Z, velm 1.2.3");
  assert_found(document, "//section[@id='figures']/h3",
               "Detection|Classification|End to end|Decisions");
  assert_found(document, "//section[@id='figures']/div[1]//tbody/tr[1]/*[position() < 4]",
               "patchcore|0.912 0.850–0.963|0.875");
  assert_found(document, "//section[@id='figures']/div[1]//tbody/tr[2]/*[position() > 3]",
               "1.000|–|–|–|–|–|10|–");
  assert_found(document, "//section[@id='figures']/div[1]//tbody/tr[2]/td[4]/@title",
               "no masks to measure by, or a score map that is not of numbers");
  assert_found(document, "//section[@id='figures']/div[2]//tbody/tr/th",
               "patchcore / fewshot|oracle / mllm");
  assert_found(document, "//dl[@class='run-facts']/div[dt='SHA-256']/dd", "0123456789ab");
  assert_found(document, "//dl[@class='run-facts']/div[dt='Shots']/dd", "10 images a class");
  assert_found(document, "//details/pre", "classes: crack: <b>long & thin</b>");
  assert_found(document, "//section[@id='failures']//tbody/tr/*",
               "test/hole/003.png|test/hole/003.png: the file is truncated");
  xmlFreeDoc(document);
}

/* Every link within the page leads somewhere. */
static void test_anchors(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  g_autofree char *found = find(document, "//a[starts-with(@href, '#')]/@href");
  g_auto(GStrv) links = g_strsplit(found, "|", -1);
  /* The skip link, two detectors, and two classifiers in three tables. */
  g_assert_cmpuint(g_strv_length(links), ==, 1 + 2 + 2 * 3);
  for (guint i = 0; links[i]; i++) {
    g_autofree char *path = g_strdup_printf("//*[@id='%s']", links[i] + 1);
    g_assert_cmpint(count(document, path), ==, 1);
  }
  xmlFreeDoc(document);
}

static void test_pictures(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, "//svg[@class='curves']"), ==, 2);
  g_assert_cmpint(count(document, "//svg[@class='histogram']"), ==, 2);
  g_assert_cmpint(count(document, "//svg[@class='confusion']"), ==, 6);
  g_assert_cmpint(count(document, "//svg[@class='reliability']"), ==, 1);
  /* One picture has the curves of both detectors; oracle has none of pixels. */
  g_autofree char *roc = find(document, "(//svg[@class='curves'])[1]//text");
  g_assert_nonnull(strstr(roc, "patchcore"));
  g_assert_nonnull(strstr(roc, "oracle"));
  assert_found(document, "//section[@id='classifier-1']//p[contains(., 'confidences')]",
               "The classifier gives no confidences.");
  xmlFreeDoc(document);
}

static void test_mistakes(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  assert_found(document, SECTION("detector-0", "false-alarm") "//h4", "004.png|003.png");
  assert_found(document, SECTION("detector-0", "missed") "//h4", "001.png|002.png");
  assert_found(document, SECTION("detector-0", "missed") "//span[@class='figures']",
               "score 0.5, threshold 2|score 1.25, threshold 2");
  assert_found(document, SECTION("detector-0", "false-alarm") "//dl/*",
               "Label|good|fewshot|hole, 80 %, in 2 of 2 trials|Part|p3|"
               "Label|good|fewshot|crack, 90 %, in 2 of 2 trials|Part|p2");
  assert_found(document, SECTION("classifier-0", "wrong-name") "//dl/*",
               "Label|hole|Answer|crack, 97 %|Wrong|in 2 of 2 trials|Note|under the threshold: "
               "the line is told good|Part|p6|"
               "Label|crack|Answer|hole, 70 %|Wrong|in 2 of 2 trials|Note|under the threshold: "
               "the line is told good|Part|p4");
  assert_found(document, SECTION("classifier-1", "wrong-name") "//dl/*",
               "Label|crack|Answer|hole|Part|p5|Label|hole|Answer|good|Part|p7");
  assert_found(document, "//section[@id='detector-1']//section[@class='mistakes']/p",
               "No good image is over the threshold.|No defect image is under the threshold.");
  assert_found(document, "//section[@id='classifier-0']//h4/a/@href",
               "file:///data/a%20&%20b/test/hole/001.png|"
               "file:///data/a%20&%20b/test/crack/002.png");
  g_assert_cmpint(count(document, "//img"), ==, 0);
  xmlFreeDoc(document);
}

static int compare(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Only what is shown is looked at, and once: image 5 and 7 are missed and named wrong. */
static void test_look(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GPtrArray) asked = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *page = write_page(run, look, asked);
  g_ptr_array_sort(asked, compare);
  g_ptr_array_add(asked, NULL);
  g_autofree char *calls = g_strjoinv(" ", (char **)asked->pdata);
  g_assert_cmpstr(calls, ==, "0/2 0/3 0/5 0/7 1/6 1/9");
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, SECTION("detector-0", "false-alarm") "//img"), ==, 4);
  /* Where the look fails the card says why. */
  g_assert_cmpint(count(document, SECTION("detector-0", "missed") "//img"), ==, 2);
  assert_found(document, SECTION("detector-0", "missed") "[1]/p",
               "No pictures: hole/001.png: <gone>");
  assert_found(document, SECTION("classifier-0", "wrong-name") "[1]/p",
               "No pictures: hole/001.png: <gone>");
  g_assert_nonnull(strstr(page, "src=\"data:image/jpeg;base64,/9j/"));
  xmlFreeDoc(document);
}

/* More mistakes than are shown: the most certain ones are. */
static void test_limit(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmDetectorRun *detector = run->detectors->pdata[0];
  guint n = run->images->len;
  for (guint i = 0; i < 30; i++) {
    VelmRunImage *image = g_new0(VelmRunImage, 1);
    image->path = g_strdup_printf("test/good/1%02u.png", i);
    image->label = g_strdup("good");
    image->group = g_strdup("p9");
    g_ptr_array_add(run->images, image);
  }
  g_ptr_array_set_size(run->classifiers, 0);
  for (guint d = 0; d < 2; d++) {
    VelmDetectorRun *each = run->detectors->pdata[d];
    each->scores = g_renew(double, each->scores, n + 30);
    each->anomalous = g_renew(guint8, each->anomalous, n + 30);
    for (guint i = 0; i < 30; i++) {
      each->scores[n + i] = d == 0 ? 10 + i : 0;
      each->anomalous[n + i] = d == 0;
    }
  }
  g_assert_true(detector->anomalous[n + 29]);
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, SECTION("detector-0", "false-alarm")), ==,
                  VELM_RUN_PAGE_MISTAKES);
  assert_found(document, SECTION("detector-0", "false-alarm") "[1]//h4", "129.png");
  assert_found(document, "(//section[@id='detector-0']//section[@class='mistakes']/p)[1]",
               "12 of 32, the highest score first");
  xmlFreeDoc(document);
}

static void set(char **text, const char *value) {
  g_free(*text);
  *text = g_strdup(value);
}

static void test_hostile_text(void) {
  static const char NAME[] = "</script><script>alert(1)</script>{{script}}\"'&\xff";
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmRunImage *image = run->images->pdata[3];
  VelmRunFailure *failure = run->failures->pdata[0];
  VelmDetectorRun *detector = run->detectors->pdata[0];
  VelmClassifierRun *classifier = run->classifiers->pdata[0];
  set(&image->path, "test/good/<img src=x>\"\xff.png");
  set(&image->group, NAME);
  set(&failure->message, NAME);
  set(&detector->name, NAME);
  set(&classifier->name, NAME);
  set(&classifier->classes[1], NAME);
  velm_run_measure(run, classifier);
  set(&g_array_index(detector->figures.by_class, VelmClassDetection, 0).name, NAME);
  set(&run->spec, NAME);
  set(&run->model, NAME);
  set(&run->directory, "/data/</title><b>");
  g_autofree char *path = g_build_filename(folder, "hostile.html", NULL), *page = NULL;
  g_autoptr(GError) error = NULL;
  velm_run_page_write(run, NULL, NULL, path, &error);
  g_assert_no_error(error);
  g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
  g_assert_true(g_utf8_validate(page, -1, NULL));
  g_assert_null(strstr(page, "<script>alert"));
  g_assert_null(strstr(page, "<img src=x"));
  g_assert_null(strstr(page, "<b>"));
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, "//script"), ==, 1);
  assert_found(document, "//h1", "Evaluation of title><b>");
  xmlFreeDoc(document);
}

static void test_self_contained(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_clear_pointer(&run->endpoint, g_free);
  g_autoptr(GPtrArray) asked = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *page = write_page(run, look, asked);
  g_assert_null(strstr(page, "https:"));
  g_assert_null(strstr(page, "@import"));
  g_assert_null(strstr(page, "url("));
  g_assert_nonnull(strstr(page, "default-src 'none'"));
  g_assert_nonnull(strstr(page, "prefers-color-scheme: dark"));
  g_assert_nonnull(strstr(page, "\"use strict\""));
  /* What is not within the page: names of namespaces. */
  for (const char *at = page; (at = strstr(at, "http:")); at++)
    g_assert_true(g_str_has_prefix(at, "http://www.w3.org/2000/svg\""));
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, "//@src[not(starts-with(., 'data:'))]"), ==, 0);
  g_assert_cmpint(count(document, "//link[not(@href='data:,')]"), ==, 0);
  xmlFreeDoc(document);
}

/* The page has no date of its own: the same run is the same page. */
static void test_same_again(void) {
  g_autoptr(VelmRun) run = run_fixture_new(), other = run_fixture_new();
  g_autofree char *first = write_page(run, NULL, NULL), *second = write_page(other, NULL, NULL);
  g_assert_cmpstr(first, ==, second);
}

static void test_empty(void) {
  g_autoptr(VelmRun) run = velm_run_new();
  g_autofree char *page = write_page(run, NULL, NULL);
  xmlDoc *document = parse(page);
  g_assert_cmpint(count(document, "//article"), ==, 0);
  g_assert_cmpint(count(document, "//svg"), ==, 0);
  g_assert_cmpint(count(document, "//section[@id='failures']"), ==, 0);
  xmlFreeDoc(document);
}

static void test_unwritable(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *path = g_build_filename(folder, "no", "run.html", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_false(velm_run_page_write(run, NULL, NULL, path, &error));
  assert_failure(&error, VELM_ERROR_FILE, path);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/run-page/headline", test_headline);
  g_test_add_func("/run-page/anchors", test_anchors);
  g_test_add_func("/run-page/pictures", test_pictures);
  g_test_add_func("/run-page/mistakes", test_mistakes);
  g_test_add_func("/run-page/look", test_look);
  g_test_add_func("/run-page/limit", test_limit);
  g_test_add_func("/run-page/hostile-text", test_hostile_text);
  g_test_add_func("/run-page/self-contained", test_self_contained);
  g_test_add_func("/run-page/same-again", test_same_again);
  g_test_add_func("/run-page/empty", test_empty);
  g_test_add_func("/run-page/unwritable", test_unwritable);
  int failed = g_test_run();
  xmlCleanupParser();
  scratch_remove(folder);
  return failed;
}
