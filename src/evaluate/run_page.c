#include "evaluate/run_page.h"

#include "core/file.h"
#include "dataset/dataset.h"
#include "evaluate/call_curve_svg.h"
#include "evaluate/confusion_svg.h"
#include "evaluate/curve_svg.h"
#include "evaluate/histogram.h"
#include "evaluate/pixel_metrics.h"
#include "evaluate/reliability_svg.h"
#include "evaluate/run_cards.h"
#include "evaluate/run_tables.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

typedef struct {
  const VelmRun *run;
  VelmRunCards *cards;
  GString *html;
} Page;

static void put(Page *page, const char *markup) { g_string_append(page->html, markup); }

static void put_escaped(Page *page, const char *text) { velm_run_cards_escape(page->html, text); }

/* ---- tables ---- */

static void put_text_of(Page *page, const VelmRunCell *cell) {
  if (cell->anchor)
    g_string_append_printf(page->html, "<a href=\"#%s\">", cell->anchor);
  put_escaped(page, cell->text);
  if (cell->anchor)
    put(page, "</a>");
  if (cell->interval)
    g_string_append_printf(page->html, " <span class=\"interval\">%s</span>", cell->interval);
}

static void put_cell(Page *page, const VelmRunCell *cell, gboolean is_head) {
  put(page, is_head ? "<th scope=\"row\"" : "<td");
  if (cell->reason) {
    put(page, " title=\"");
    put_escaped(page, cell->reason);
    put(page, "\"");
  }
  put(page, ">");
  put_text_of(page, cell);
  put(page, is_head ? "</th>" : "</td>");
}

static void put_rows(Page *page, const VelmRunTable *table) {
  put(page, "<thead><tr>");
  for (guint i = 0; i < table->n_columns; i++) {
    put(page, "<th scope=\"col\">");
    put_escaped(page, table->columns[i]);
    put(page, "</th>");
  }
  put(page, "</tr></thead>\n<tbody>\n");
  for (guint i = 0; i < table->cells->len; i++) {
    guint column = i % table->n_columns;
    put(page, column == 0 ? "<tr>" : "");
    put_cell(page, &g_array_index(table->cells, VelmRunCell, i), column == 0);
    put(page, column + 1 == table->n_columns ? "</tr>\n" : "");
  }
  put(page, "</tbody>\n");
}

/* Consumes @table; one without rows is left out. @heading: whether it is headed by its title. */
static void put_table(Page *page, VelmRunTable *table, gboolean heading) {
  g_autoptr(VelmRunTable) owned = table;
  if (velm_run_table_n_rows(owned) == 0)
    return;
  if (heading) {
    put(page, "<h3>");
    put_escaped(page, owned->title);
    put(page, "</h3>\n");
  }
  /* A table that is wider than the page is scrolled, which a keyboard must be able to do too. */
  g_string_append_printf(page->html, "<div class=\"scroll\" tabindex=\"0\"><table class=\"%s\">\n",
                         owned->is_text ? "words" : "figures sortable");
  put_rows(page, owned);
  put(page, "</table></div>\n");
  if (owned->note) {
    put(page, "<p class=\"none\">");
    put_escaped(page, owned->note);
    put(page, "</p>\n");
  }
}

/* A picture, scrolled where the page is narrow; or @none, where there is none. */
static void put_picture(Page *page, const char *svg, const char *none) {
  if (svg && *svg)
    g_string_append_printf(page->html, "<div class=\"scroll\" tabindex=\"0\">%s</div>\n", svg);
  else
    g_string_append_printf(page->html, "<p class=\"none\">%s</p>\n", none);
}

/* ---- what was measured ---- */

static void put_title(Page *page) {
  g_autofree char *name = g_path_get_basename(page->run->directory ? page->run->directory : "");
  put(page, "Evaluation of ");
  put_escaped(page, name);
}

static void put_facts(Page *page) {
  g_autoptr(VelmRunTable) facts = velm_run_table_facts(page->run);
  put(page, "<dl class=\"run-facts\">\n");
  for (guint i = 0; i < facts->cells->len; i += 2) {
    put(page, "<div><dt>");
    put_escaped(page, g_array_index(facts->cells, VelmRunCell, i).text);
    put(page, "</dt><dd>");
    put_escaped(page, g_array_index(facts->cells, VelmRunCell, i + 1).text);
    put(page, "</dd></div>\n");
  }
  put(page, "</dl>\n");
  if (!page->run->spec)
    return;
  put(page, "<details><summary>The spec</summary><pre>");
  put_escaped(page, page->run->spec);
  put(page, "</pre></details>\n");
}

static void put_failures(Page *page) {
  if (page->run->failures->len == 0)
    return;
  put(page, "<section class=\"panel\" id=\"failures\">\n<h2>Failures</h2>\n"
            "<p class=\"none\">Images that could not be inspected or classified.</p>\n");
  put_table(page, velm_run_table_failures(page->run), FALSE);
  put(page, "</section>\n");
}

static void put_headline(Page *page) {
  put_table(page, velm_run_table_detection(page->run), TRUE);
  for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
    put_table(page, velm_run_table_classification(page->run, (VelmRunKind)kind), TRUE);
  put_table(page, velm_run_table_calls(page->run), TRUE);
}

/* ---- curves ---- */

static VelmCurve curve_of(const char *name, const VelmCurvePoints *points, double area) {
  VelmCurve curve = {.name = name, .area = area};
  if (points) {
    curve.x = points->x;
    curve.y = points->y;
    curve.n = points->n;
  }
  return curve;
}

/* One picture of the curves of all detectors. @pro: per-region overlap, else the ROC of images. */
static void put_curve(Page *page, gboolean pro, const VelmCurveAxes *axes, const char *none) {
  const GPtrArray *detectors = page->run->detectors;
  g_autofree VelmCurve *curves = g_new0(VelmCurve, detectors->len + 1);
  guint n_drawn = 0;
  for (guint i = 0; i < detectors->len; i++) {
    const VelmDetectorRun *detector = detectors->pdata[i];
    const VelmDetectionFigures *figures = &detector->figures;
    curves[i] = curve_of(detector->name, pro ? figures->pro : figures->image_roc,
                         pro ? figures->aupro : figures->image_auroc);
    n_drawn += curves[i].n > 0 ? 1 : 0;
  }
  g_autofree char *svg = n_drawn ? velm_curve_svg(axes, curves, detectors->len) : NULL;
  g_string_append_printf(page->html, "<section class=\"panel\">\n<h3>%s</h3>\n",
                         pro ? "Localisation: per-region overlap" : "Detection: ROC of the images");
  put_picture(page, svg, none);
  put(page, "</section>\n");
}

static void put_curves(Page *page) {
  const VelmCurveAxes roc = {.x_label = "good images over the threshold (false-positive rate)",
                             .y_label = "defect images over it (true-positive rate)",
                             .area_label = "AUROC",
                             .diagonal = TRUE};
  const VelmCurveAxes pro = {.x_label = "normal pixels over the threshold (false-positive rate)",
                             .y_label = "mean share of each defect over it",
                             .area_label = "AUPRO",
                             .x_end = VELM_AUPRO_LIMIT,
                             .limit = VELM_AUPRO_LIMIT};
  put_curve(page, FALSE, &roc, "No curve: it needs good images and defect images.");
  put_curve(page, TRUE, &pro, "No curve: it needs masks.");
}

/* ---- a detector ---- */

static void put_histogram(Page *page, const VelmDetectorRun *detector) {
  const GPtrArray *images = page->run->images;
  g_autofree VelmScored *scored = g_new0(VelmScored, images->len + 1);
  for (guint i = 0; i < images->len; i++) {
    const VelmRunImage *image = images->pdata[i];
    gboolean good = g_str_equal(image->label, VELM_LABEL_GOOD);
    scored[i].score = detector->scores[i];
    scored[i].decision = good ? VELM_DECISION_NORMAL : VELM_DECISION_DEFECT;
  }
  g_autofree char *svg = velm_histogram_svg(scored, images->len, &detector->threshold,
                                            isfinite(detector->threshold) ? 1 : 0);
  put(page, "<section class=\"panel\">\n<h3>Scores by label</h3>\n"
            "<ul class=\"legend\"><li class=\"normal\">normal: labelled good</li>"
            "<li class=\"defect\">defect: every other label</li></ul>\n");
  put_picture(page, svg, "No scores.");
  put(page, "</section>\n");
}

static void put_detector(Page *page, guint index) {
  const VelmDetectorRun *detector = page->run->detectors->pdata[index];
  g_string_append_printf(page->html, "<section class=\"setup\" id=\"detector-%u\">\n<h2>", index);
  put_escaped(page, detector->name);
  put(page, "</h2>\n<div class=\"overview\">\n");
  put_histogram(page, detector);
  put(page, "<section class=\"panel\">\n<h3>By class</h3>\n");
  put_table(page, velm_run_table_detector_classes(page->run, detector), FALSE);
  put(page, "</section>\n</div>\n");
  velm_run_cards_append_detector(page->cards, index, page->html);
  put(page, "</section>\n");
}

static void put_detectors(Page *page) {
  for (guint i = 0; i < page->run->detectors->len; i++)
    put_detector(page, i);
}

/* ---- a classifier ---- */

static void put_kind(Page *page, const VelmClassifierRun *classifier, VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  if (!figures)
    return;
  g_autofree char *svg = velm_confusion_svg((const char *const *)figures->classes,
                                            figures->confusion, figures->n_classes);
  g_string_append_printf(page->html, "<section class=\"panel\">\n<h3>%s</h3>\n",
                         velm_run_kind_title(kind));
  put_picture(page, svg, "No classes.");
  put_table(page, velm_run_table_classifier_classes(page->run, classifier, kind), FALSE);
  put(page, "</section>\n");
}

static void put_calibration(Page *page, const VelmClassifierRun *classifier) {
  put(page, "<section class=\"panel\">\n<h3>Can its confidence be believed?</h3>\n");
  g_autofree char *svg =
      classifier->calibration ? velm_reliability_svg(classifier->calibration) : NULL;
  put_picture(page, svg, "The classifier gives no confidences.");
  put(page, "</section>\n");
}

static void put_classifier(Page *page, guint index) {
  const VelmClassifierRun *classifier = page->run->classifiers->pdata[index];
  g_autofree char *title = velm_run_title(page->run, classifier);
  g_string_append_printf(page->html, "<section class=\"setup\" id=\"classifier-%u\">\n<h2>", index);
  put_escaped(page, title);
  put(page, "</h2>\n<div class=\"kinds\">\n");
  for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
    put_kind(page, classifier, (VelmRunKind)kind);
  put_calibration(page, classifier);
  put(page, "</div>\n");
  velm_run_cards_append_classifier(page->cards, index, page->html);
  put(page, "</section>\n");
}

static void put_classifiers(Page *page) {
  for (guint i = 0; i < page->run->classifiers->len; i++)
    put_classifier(page, i);
}

/* ---- calls to the language model ---- */

static void put_call_curve(Page *page, guint index) {
  const VelmCallCurve *curve = page->run->call_curves->pdata[index];
  g_autofree char *title = velm_call_curve_title(page->run, curve);
  g_autofree char *svg = velm_call_curve_svg(curve);
  g_string_append_printf(page->html, "<section class=\"setup\" id=\"calls-%u\">\n<h2>", index);
  put_escaped(page, title);
  put(page, "</h2>\n<div class=\"overview\">\n"
            "<section class=\"panel\">\n<h3>Accuracy against calls to the language model</h3>\n");
  put_picture(page, svg, "No answers.");
  put(page, "</section>\n<section class=\"panel\">\n<h3>By share of calls</h3>\n");
  put_table(page, velm_run_table_call_curve(page->run, curve), FALSE);
  put(page, "</section>\n</div>\n</section>\n");
}

static void put_call_curves(Page *page) {
  for (guint i = 0; i < page->run->call_curves->len; i++)
    put_call_curve(page, i);
}

/* ---- the page: data/run.html, and the style of data/report.css with data/run.css ---- */

static void put_resource(Page *page, const char *path) {
  g_autoptr(GBytes) bytes = g_resources_lookup_data(path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (bytes)
    g_string_append_len(page->html, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
}

static void put_style(Page *page) {
  put_resource(page, "/velm/report.css");
  put_resource(page, "/velm/run.css");
}

static void put_script(Page *page) { put_resource(page, "/velm/run.js"); }

static void put_made(Page *page) {
  put_escaped(page, page->run->made);
  put(page, ", velm ");
  put_escaped(page, page->run->version);
}

static const struct {
  const char *mark;
  void (*put)(Page *page);
} parts[] = {
    {"{{title}}", put_title},         {"{{style}}", put_style},
    {"{{made}}", put_made},           {"{{facts}}", put_facts},
    {"{{failures}}", put_failures},   {"{{headline}}", put_headline},
    {"{{curves}}", put_curves},       {"{{calls}}", put_call_curves},
    {"{{detectors}}", put_detectors}, {"{{classifiers}}", put_classifiers},
    {"{{script}}", put_script},
};

/* Puts the part that @text starts with; returns the length of its mark, 0 where it starts with
 * none. */
static gsize put_part(Page *page, const char *text) {
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    if (g_str_has_prefix(text, parts[i].mark)) {
      parts[i].put(page);
      return strlen(parts[i].mark);
    }
  return 0;
}

/* One pass: what is put in is not looked through for marks again. */
static void fill(Page *page, const char *template) {
  while (*template) {
    gsize length = put_part(page, template);
    if (length == 0)
      g_string_append_c(page->html, *template ++);
    template += length;
  }
}

gboolean velm_run_page_write(const VelmRun *run, VelmRunLook look, gpointer look_data,
                             const char *path, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) bytes =
      g_resources_lookup_data("/velm/run.html", G_RESOURCE_LOOKUP_FLAGS_NONE, &cause);
  if (!bytes) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the page's template is missing: %s",
                cause->message);
    return FALSE;
  }
  g_autofree char *template = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_autoptr(VelmRunCards) cards = velm_run_cards_new(run, look, look_data);
  g_autoptr(GString) html = g_string_new(NULL);
  Page page = {run, cards, html};
  fill(&page, template);
  return velm_file_write(path, html->str, html->len, error);
}
