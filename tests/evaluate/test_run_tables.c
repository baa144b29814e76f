#include "evaluate/run_tables.h"

#include "core/scratch.h"
#include "evaluate/run_fixture.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static char *folder;

/* ---- reading CSV, by RFC 4180 ---- */

/* One field at *@at, which is moved behind its comma; @end: (out): whether a line ends with it. */
static char *read_field(const char **at, gboolean *end) {
  GString *field = g_string_new(NULL);
  gboolean quoted = **at == '"';
  *at += quoted ? 1 : 0;
  while (quoted ? !(**at == '"' && (*at)[1] != '"') : **at != ',' && **at != '\n') {
    g_assert_cmpint(**at, !=, 0);
    *at += **at == '"' ? 1 : 0;
    g_string_append_c(field, *(*at)++);
  }
  *at += quoted ? 1 : 0;
  g_assert_true(**at == ',' || **at == '\n');
  *end = *(*at)++ == '\n';
  return g_string_free(field, FALSE);
}

/* All lines (element-type GStrv); each has as many fields as the first. */
static GPtrArray *read_csv(const char *name) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_true(g_utf8_validate(text, -1, NULL));
  GPtrArray *lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (const char *at = text; *at;) {
    g_autoptr(GStrvBuilder) fields = g_strv_builder_new();
    for (gboolean end = FALSE; !end;) {
      g_autofree char *field = read_field(&at, &end);
      g_strv_builder_add(fields, field);
    }
    g_ptr_array_add(lines, g_strv_builder_end(fields));
    g_assert_cmpuint(g_strv_length(lines->pdata[lines->len - 1]), ==,
                     g_strv_length(lines->pdata[0]));
  }
  return lines;
}

/* The field of column @name in @line. */
static const char *field(const GPtrArray *lines, guint line, const char *name) {
  char **head = lines->pdata[0];
  g_assert_cmpuint(line, <, lines->len);
  for (guint i = 0; head[i]; i++)
    if (strcmp(head[i], name) == 0)
      return ((char **)lines->pdata[line])[i];
  g_test_message("no column %s", name);
  g_test_fail();
  return "";
}

static void assert_line(const GPtrArray *lines, guint line, const char *expected) {
  g_assert_cmpuint(line, <, lines->len);
  g_autofree char *joined = g_strjoinv("|", lines->pdata[line]);
  g_assert_cmpstr(joined, ==, expected);
}

static void write_tables(const VelmRun *run) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_run_write_tables(run, folder, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

/* ---- CSV ---- */

static void test_detection(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("detection.csv");
  g_assert_cmpuint(lines->len, ==, 3);
  g_assert_cmpstr(field(lines, 1, "detector"), ==, "patchcore");
  g_assert_cmpstr(field(lines, 1, "threshold"), ==, "2");
  g_assert_cmpstr(field(lines, 1, "images"), ==, "10");
  /* The same double again, and no digit more than that takes. */
  g_assert_cmpfloat(g_ascii_strtod(field(lines, 1, "image_auroc"), NULL), ==, 0.9123456789012345);
  g_assert_cmpfloat(g_ascii_strtod(field(lines, 1, "image_f1_max"), NULL), ==, 2.0 / 3);
  g_assert_cmpstr(field(lines, 1, "pixel_average_precision"), ==, "0.1");
  g_assert_cmpstr(field(lines, 1, "image_auroc_low"), ==, "0.85");
  g_assert_cmpstr(field(lines, 1, "image_auroc_high"), ==, "0.9625");
  g_assert_cmpstr(field(lines, 1, "pointing_low"), ==, "");
  g_assert_cmpstr(field(lines, 1, "ms_per_image"), ==, "12.34");
  g_assert_cmpstr(field(lines, 2, "detector"), ==, "oracle");
  g_assert_cmpstr(field(lines, 2, "image_auroc"), ==, "1");
  g_assert_cmpstr(field(lines, 2, "aupro"), ==, "");
  g_assert_cmpstr(field(lines, 2, "ms_per_image"), ==, "");
}

static void test_classes(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("classes.csv");
  /* Two detectors of two classes; two classifiers of 3 + 4 + 4. */
  g_assert_cmpuint(lines->len, ==, 1 + 2 * 2 + 2 * 11);
  assert_line(lines, 1, "patchcore||detection|crack|3|1|1|0.5|0.5|0.5|0.5|0.5|||");
  assert_line(lines, 2, "patchcore||detection|hole|3|0.625|0.625||||||||");
  assert_line(lines, 5, "patchcore|fewshot|classification|crack|5||||||||0.6|0.6|0.6");
  assert_line(lines, 6,
              "patchcore|fewshot|classification|hole|4||||||||0.5|0.6666666666666666|"
              "0.5714285714285714");
  assert_line(lines, 7, "patchcore|fewshot|classification|unknown|0|||||||||0|0");
}

static void test_classification(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("classification.csv");
  g_assert_cmpuint(lines->len, ==, 1 + 2 * VELM_N_RUN_KINDS);
  g_assert_cmpstr(field(lines, 1, "kind"), ==, "classification");
  g_assert_cmpstr(field(lines, 2, "kind"), ==, "end_to_end");
  g_assert_cmpstr(field(lines, 3, "kind"), ==, "decisions");
  g_assert_cmpstr(field(lines, 1, "trials"), ==, "2");
  g_assert_cmpstr(field(lines, 1, "images"), ==, "9");
  g_assert_cmpstr(field(lines, 1, "missed"), ==, "4");
  g_assert_cmpstr(field(lines, 1, "excluded"), ==, "1");
  g_assert_cmpstr(field(lines, 1, "failed"), ==, "1");
  /* Right are 3 of 5 in the first trial, 2 of 4 in the second. */
  g_assert_cmpfloat(g_ascii_strtod(field(lines, 1, "accuracy"), NULL), ==, (0.6 + 0.5) / 2);
  const VelmClassifierRun *classifier = run->classifiers->pdata[0];
  g_assert_cmpfloat(g_ascii_strtod(field(lines, 1, "ece"), NULL), ==, classifier->calibration->ece);
  g_assert_cmpfloat(g_ascii_strtod(field(lines, 1, "macro_f1_high"), NULL), ==,
                    classifier->classification.intervals[VELM_FIGURE_MACRO_F1].high);
  g_assert_cmpstr(field(lines, 2, "ece"), ==, "");
  g_assert_cmpstr(field(lines, 4, "classifier"), ==, "mllm");
  g_assert_cmpstr(field(lines, 4, "brier"), ==, "");
}

static void test_confusion(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("confusion.csv");
  g_assert_cmpuint(lines->len, ==, 1 + 2 * (9 + 16 + 16));
  assert_line(lines, 1, "patchcore|fewshot|classification|crack|crack|3");
  assert_line(lines, 2, "patchcore|fewshot|classification|crack|hole|1");
  assert_line(lines, 3, "patchcore|fewshot|classification|crack|unknown|1");
  assert_line(lines, 4, "patchcore|fewshot|classification|hole|crack|2");
  /* End to end: two good images pass in two trials, two are called crack, crack and hole, hole. */
  assert_line(lines, 10, "patchcore|fewshot|end_to_end|good|good|4");
  assert_line(lines, 11, "patchcore|fewshot|end_to_end|good|crack|2");
  assert_line(lines, 12, "patchcore|fewshot|end_to_end|good|hole|2");
}

static void test_answers(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("answers.csv");
  /* Of patchcore 13 answers, and two good images and the failed one; of oracle 6 answers, and four
   * good images. */
  g_assert_cmpuint(lines->len, ==, 1 + 13 + 3 + 6 + 4);
  assert_line(lines, 1, "test/good/003.png|good|p2|patchcore|2.5|true|fewshot|0|crack|0.9");
  assert_line(lines, 4, "test/crack/002.png|crack|p4|patchcore|1.25|false|fewshot|0|hole|0.7");
  assert_line(lines, 11, "test/crack/002.png|crack|p4|patchcore|1.25|false|fewshot|1|unknown|0.3");
  assert_line(lines, 14, "test/good/001.png|good|p1|patchcore|1|false||||");
  assert_line(lines, 16, "test/hole/003.png|hole|p7|patchcore||||||");
  assert_line(lines, 17, "test/crack/001.png|crack|p4|oracle|1|true|mllm|0|crack|");
  assert_line(lines, 26, "test/good/004.png|good|p3|oracle|0|false||||");
}

/* What a field holds comes back as it was. */
static void test_quoting(void) {
  static const char NAME[] = "a \"b\", c\r\nd \xc3\xa4.png";
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmRunImage *first = run->images->pdata[0], *second = run->images->pdata[1];
  g_free(first->path);
  g_free(second->path);
  first->path = g_strdup(NAME);
  second->path = g_strdup("\xff.png");
  write_tables(run);
  g_autoptr(GPtrArray) lines = read_csv("answers.csv");
  g_assert_cmpuint(lines->len, ==, 27);
  g_assert_cmpstr(field(lines, 14, "path"), ==, NAME);
  g_assert_cmpstr(field(lines, 15, "path"), ==, "\xef\xbf\xbd.png");
}

/* A run without a classifier, and one without anything. */
static void test_empty(void) {
  g_autoptr(VelmRun) run = run_fixture_new(), empty = velm_run_new();
  g_ptr_array_set_size(run->classifiers, 0);
  write_tables(run);
  g_autoptr(GPtrArray) answers = read_csv("answers.csv"), figures = read_csv("classification.csv");
  g_assert_cmpuint(answers->len, ==, 1 + 2 * 10);
  g_assert_cmpuint(figures->len, ==, 1);
  write_tables(empty);
  g_autoptr(GPtrArray) none = read_csv("detection.csv");
  g_assert_cmpuint(none->len, ==, 1);
  g_autofree char *markdown = velm_run_to_markdown(empty);
  g_assert_nonnull(strstr(markdown, "| Images | 0 |"));
}

static void test_unwritable(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GError) error = NULL;
  g_autofree char *file = scratch_write(folder, "file", "", 0);
  g_assert_false(velm_run_write_tables(run, file, &error));
  assert_failure(&error, VELM_ERROR_FILE, file);
  /* A folder in the place of one of the files. */
  g_autofree char *other = g_build_filename(folder, "other", NULL);
  g_autofree char *inner = g_build_filename(other, "classes.csv", "x", NULL);
  g_assert_cmpint(g_mkdir_with_parents(inner, 0700), ==, 0);
  g_assert_false(velm_run_write_tables(run, other, &error));
  assert_failure(&error, VELM_ERROR_FILE, "classes.csv");
}

/* ---- tables ---- */

static const VelmRunCell *cell(const VelmRunTable *table, guint row, guint column) {
  g_assert_cmpuint(row, <, velm_run_table_n_rows(table));
  return &g_array_index(table->cells, VelmRunCell, row * table->n_columns + column);
}

static void test_cells(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(VelmRunTable) table = velm_run_table_detection(run);
  g_assert_cmpuint(velm_run_table_n_rows(table), ==, 2);
  g_assert_cmpstr(table->columns[1], ==, "image AUROC");
  g_assert_cmpstr(cell(table, 0, 0)->text, ==, "patchcore");
  g_assert_cmpstr(cell(table, 0, 0)->anchor, ==, "detector-0");
  g_assert_cmpstr(cell(table, 0, 1)->text, ==, "0.912");
  g_assert_cmpstr(cell(table, 0, 1)->interval, ==, "0.850–0.963");
  g_assert_null(cell(table, 0, 1)->reason);
  /* A figure without an interval says why, and so does a missing figure. */
  g_assert_cmpstr(cell(table, 0, 2)->text, ==, "0.875");
  g_assert_null(cell(table, 0, 2)->interval);
  g_assert_nonnull(strstr(cell(table, 0, 2)->reason, "no interval"));
  g_assert_cmpstr(cell(table, 1, 6)->text, ==, "–");
  g_assert_null(cell(table, 1, 6)->interval);
  g_assert_nonnull(strstr(cell(table, 1, 6)->reason, "no masks"));
}

static void test_reasons(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmDetectorRun *detector = run->detectors->pdata[0];
  detector->figures.image_auroc = NAN;
  g_autoptr(VelmRunTable) scores = velm_run_table_detection(run);
  g_assert_cmpstr(cell(scores, 0, 1)->reason, ==, "an image has no score");
  for (guint i = 0; i < 4; i++)
    g_ptr_array_remove_index(run->images, 0);
  g_autoptr(VelmRunTable) no_good = velm_run_table_detection(run);
  g_assert_cmpstr(cell(no_good, 0, 1)->reason, ==, "no good images");
  for (guint i = 0; i < run->images->len; i++) {
    VelmRunImage *image = run->images->pdata[i];
    g_free(image->label);
    image->label = g_strdup("good");
  }
  g_autoptr(VelmRunTable) no_defects = velm_run_table_detection(run);
  g_assert_cmpstr(cell(no_defects, 0, 1)->reason, ==, "no defect images");
}

static void test_classifier_tables(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  const VelmClassifierRun *fewshot = run->classifiers->pdata[0], *mllm = run->classifiers->pdata[1];
  g_autoptr(VelmRunTable) all = velm_run_table_classification(run, VELM_RUN_CLASSIFICATION);
  g_assert_cmpuint(velm_run_table_n_rows(all), ==, 2);
  g_assert_cmpstr(cell(all, 1, 0)->text, ==, "oracle / mllm");
  g_assert_cmpstr(cell(all, 1, 0)->anchor, ==, "classifier-1");
  g_assert_cmpstr(cell(all, 0, 1)->text, ==, "0.550");
  /* One trial has no deviation; no confidences, no calibration. */
  g_assert_cmpstr(cell(all, 1, 3)->reason, ==, "one trial only");
  g_assert_nonnull(strstr(cell(all, 1, 6)->reason, "no confidences"));
  g_assert_cmpstr(cell(all, 0, 9)->text, ==, "4");
  g_autoptr(VelmRunTable) classes =
      velm_run_table_classifier_classes(run, fewshot, VELM_RUN_CLASSIFICATION);
  g_assert_cmpuint(velm_run_table_n_rows(classes), ==, 3);
  g_assert_cmpstr(cell(classes, 2, 0)->text, ==, "unknown");
  g_assert_cmpstr(cell(classes, 2, 2)->reason, ==, "no image of this class");
  /* Neither a truth nor an answer: no row. */
  g_autoptr(VelmRunTable) line = velm_run_table_classifier_classes(run, mllm, VELM_RUN_END_TO_END);
  g_assert_cmpuint(velm_run_table_n_rows(line), ==, 3);
  g_assert_cmpstr(cell(line, 0, 0)->text, ==, "good");
  g_autoptr(VelmRunTable) matrix = velm_run_table_confusion(run, mllm, VELM_RUN_END_TO_END);
  g_assert_cmpuint(matrix->n_columns, ==, 5);
  g_assert_cmpstr(cell(matrix, 2, 0)->text, ==, "hole");
  g_assert_cmpstr(cell(matrix, 2, 1)->text, ==, "1");
}

/* Without a spec there are no decisions. */
static void test_no_decisions(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_clear_pointer(&run->severities, g_free);
  for (guint i = 0; i < run->classifiers->len; i++)
    velm_run_measure(run, run->classifiers->pdata[i]);
  g_autoptr(VelmRunTable) table = velm_run_table_classification(run, VELM_RUN_DECISIONS);
  g_assert_cmpuint(velm_run_table_n_rows(table), ==, 0);
  g_autofree char *markdown = velm_run_to_markdown(run);
  g_assert_null(strstr(markdown, "Decisions"));
  g_assert_nonnull(strstr(markdown, "## End to end\n"));
}

/* ---- Markdown ---- */

static void test_markdown(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *markdown = velm_run_to_markdown(run), *written = NULL;
  g_assert_true(g_str_has_prefix(markdown, "# Evaluation of a \\& b\n"));
  g_assert_nonnull(strstr(markdown, "| Images | 10: 4 good, 3 crack, 3 hole |\n"));
  g_assert_nonnull(strstr(markdown, "| Parts | 7, by groups.csv |\n"));
  g_assert_nonnull(strstr(markdown, "| SHA-256 | 0123456789ab |\n"));
  g_assert_nonnull(strstr(markdown, "| patchcore | 0.912 (0.850–0.963) | 0.875 |"));
  g_assert_nonnull(
      strstr(markdown, "| oracle | 1.000 | 1.000 | 1.000 | – | – | – | – | – | 10 | – |"));
  g_assert_nonnull(strstr(markdown, "| crack | 3 | 1 | 1 |\n"));
  g_assert_nonnull(strstr(markdown, "| test/hole/003.png | test/hole/003.png: the file is"));
  g_assert_nonnull(strstr(markdown, "| set-up | accuracy |"));
  write_tables(run);
  g_autofree char *path = g_build_filename(folder, "tables.md", NULL);
  g_assert_true(g_file_get_contents(path, &written, NULL, NULL));
  g_assert_cmpstr(written, ==, markdown);
}

/* A row has as many cells as its head, whatever the names. */
static void test_markdown_escapes(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmRunFailure *failure = run->failures->pdata[0];
  g_free(failure->path);
  failure->path = g_strdup("a|b\n<i>_x_ missing_hole\xff.png");
  g_autofree char *markdown = velm_run_to_markdown(run);
  g_assert_true(g_utf8_validate(markdown, -1, NULL));
  g_assert_nonnull(strstr(markdown, "| a\\|b \\<i\\>\\_x\\_ missing_hole\xef\xbf\xbd.png |"));
}

static void test_locale(void) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autofree char *plain = velm_run_to_markdown(run);
  gboolean set = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(names) && !set; i++)
    set = setlocale(LC_NUMERIC, names[i]) != NULL;
  if (!set) {
    g_test_skip("no locale with a decimal comma");
    return;
  }
  g_autofree char *other = velm_run_to_markdown(run);
  write_tables(run);
  setlocale(LC_NUMERIC, "C");
  g_assert_cmpstr(other, ==, plain);
  g_autoptr(GPtrArray) lines = read_csv("detection.csv");
  g_assert_cmpstr(field(lines, 1, "ms_per_image"), ==, "12.34");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/run-tables/csv/detection", test_detection);
  g_test_add_func("/run-tables/csv/classes", test_classes);
  g_test_add_func("/run-tables/csv/classification", test_classification);
  g_test_add_func("/run-tables/csv/confusion", test_confusion);
  g_test_add_func("/run-tables/csv/answers", test_answers);
  g_test_add_func("/run-tables/csv/quoting", test_quoting);
  g_test_add_func("/run-tables/csv/empty", test_empty);
  g_test_add_func("/run-tables/csv/unwritable", test_unwritable);
  g_test_add_func("/run-tables/cells", test_cells);
  g_test_add_func("/run-tables/reasons", test_reasons);
  g_test_add_func("/run-tables/classifiers", test_classifier_tables);
  g_test_add_func("/run-tables/no-decisions", test_no_decisions);
  g_test_add_func("/run-tables/markdown", test_markdown);
  g_test_add_func("/run-tables/markdown/escapes", test_markdown_escapes);
  g_test_add_func("/run-tables/locale", test_locale);
  int failed = g_test_run();
  scratch_remove(folder);
  return failed;
}
