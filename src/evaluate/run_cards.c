#include "evaluate/run_cards.h"

#include "evaluate/mistakes.h"
#include "evaluate/run_tables.h"
#include "evaluate/thumbnail.h"

#include <math.h>

struct _VelmRunCards {
  const VelmRun *run;
  VelmRunLook look;
  gpointer look_data;
  GHashTable *pictures; /* "DETECTOR IMAGE" -> markup: an image may be a mistake in several ways */
};

VelmRunCards *velm_run_cards_new(const VelmRun *run, VelmRunLook look, gpointer look_data) {
  VelmRunCards *cards = g_new0(VelmRunCards, 1);
  cards->run = run;
  cards->look = look;
  cards->look_data = look_data;
  cards->pictures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return cards;
}

void velm_run_cards_free(VelmRunCards *cards) {
  if (!cards)
    return;
  g_hash_table_unref(cards->pictures);
  g_free(cards);
}

void velm_run_cards_escape(GString *html, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  g_autofree char *escaped = g_markup_escape_text(valid, -1);
  g_string_append(html, escaped);
}

/* ---- pictures ---- */

static void append_picture(GString *html, const char *class_name, const char *what,
                           const char *base64) {
  if (base64)
    g_string_append_printf(html,
                           "<img class=\"%s\" alt=\"%s\" decoding=\"async\" "
                           "src=\"data:image/jpeg;base64,%s\">",
                           class_name, what, base64);
}

/* The pictures of an inspection as markup; without an image none. */
static char *draw_pictures(const VelmInspection *inspection, GError **error) {
  g_autofree char *contour = NULL, *heatmap = NULL;
  if (!velm_thumbnail_pictures(inspection, &contour, &heatmap, error))
    return NULL;
  if (!contour)
    return g_strdup("");
  g_autoptr(GString) html = g_string_new("<div class=\"pictures\">");
  append_picture(html, "contour", "The image with its regions outlined", contour);
  append_picture(html, "heatmap", "The image with its scores as colours", heatmap);
  g_string_append(html, "</div>\n");
  return g_string_free(g_steal_pointer(&html), FALSE);
}

static char *look_at(const VelmRunCards *cards, guint detector, guint image) {
  g_autoptr(GError) error = NULL;
  if (!cards->look)
    return g_strdup("");
  g_autoptr(VelmInspection) inspection =
      cards->look(cards->run, detector, image, cards->look_data, &error);
  char *markup = inspection ? draw_pictures(inspection, &error) : NULL;
  if (markup)
    return markup;
  g_autoptr(GString) html = g_string_new("<p class=\"none\">No pictures: ");
  velm_run_cards_escape(html, error ? error->message : "the image cannot be inspected");
  g_string_append(html, "</p>\n");
  return g_string_free(g_steal_pointer(&html), FALSE);
}

/* Returns: borrowed. */
static const char *pictures_of(VelmRunCards *cards, guint detector, guint image) {
  g_autofree char *key = g_strdup_printf("%u %u", detector, image);
  const char *markup = g_hash_table_lookup(cards->pictures, key);
  if (!markup) {
    char *made = look_at(cards, detector, image);
    g_hash_table_insert(cards->pictures, g_steal_pointer(&key), made);
    markup = made;
  }
  return markup;
}

/* ---- one card ---- */

/* What a card is about. @classifier: NULL where the mistake is the detector's. */
typedef struct {
  const VelmMistake *mistake;
  const VelmRunImage *image;
  const VelmDetectorRun *detector;
  const VelmClassifierRun *classifier;
  guint detector_index;
  const char *kind; /* "false-alarm", "missed", "wrong-name" */
} Card;

static void append_name(GString *html, const VelmRun *run, const VelmRunImage *image) {
  g_autofree char *joined =
      g_build_filename(run->directory ? run->directory : "", image->path, NULL);
  g_autofree char *full = g_canonicalize_filename(joined, NULL);
  g_autofree char *uri = g_filename_to_uri(full, NULL, NULL);
  g_autofree char *name = g_path_get_basename(image->path);
  g_autofree char *folder = g_path_get_dirname(image->path);
  g_string_append(html, "<h4><a href=\"");
  velm_run_cards_escape(html, uri);
  g_string_append(html, "\">");
  velm_run_cards_escape(html, name);
  g_string_append(html, "</a></h4>\n<p class=\"folder\">");
  velm_run_cards_escape(html, folder);
  g_string_append(html, "</p>\n");
}

static void append_score(GString *html, const Card *card) {
  double score = card->mistake->score, threshold = card->detector->threshold;
  g_autofree char *shown = velm_run_number("%.4g", score);
  g_autofree char *level = velm_run_number("%.4g", threshold);
  g_string_append(html, "<p class=\"score\">");
  if (threshold > 0 && isfinite(threshold) && isfinite(score))
    g_string_append_printf(
        html,
        "<span class=\"meter\" aria-hidden=\"true\"><span style=\"width:%d%%\"></span></span> ",
        (int)CLAMP(score / threshold * 50, 0, 100));
  g_string_append_printf(html, "<span class=\"figures\">score %s, threshold %s</span></p>\n", shown,
                         level);
}

static void append_confidence(GString *html, double confidence) {
  if (isnan(confidence))
    return;
  g_autofree char *percent = velm_run_number("%.3g", confidence * 100);
  g_string_append_printf(html, ", %s %%", percent);
}

static void append_trials(GString *html, const VelmMistake *mistake) {
  if (mistake->asked > 1)
    g_string_append_printf(html, ", in %u of %u trials", mistake->trials, mistake->asked);
}

static void append_fact(GString *html, const char *name, const char *value) {
  g_string_append_printf(html, "<dt>%s</dt><dd>", name);
  velm_run_cards_escape(html, value);
  g_string_append(html, "</dd>\n");
}

/* What a classifier says of an image that the detector has wrong. */
static void append_answer(GString *html, const VelmRun *run, const VelmClassifierRun *classifier,
                          guint image) {
  VelmMistake answer;
  if (!velm_mistakes_answer(run, classifier, image, &answer))
    return;
  g_string_append(html, "<dt>");
  velm_run_cards_escape(html, classifier->name);
  g_string_append(html, "</dt><dd>");
  velm_run_cards_escape(html, classifier->classes[answer.answer]);
  append_confidence(html, answer.confidence);
  append_trials(html, &answer);
  g_string_append(html, "</dd>\n");
}

static void append_answers(GString *html, const VelmRun *run, const Card *card) {
  for (guint i = 0; i < run->classifiers->len; i++) {
    const VelmClassifierRun *classifier = run->classifiers->pdata[i];
    if (classifier->detector == card->detector_index)
      append_answer(html, run, classifier, card->mistake->image);
  }
}

/* The wrong answer of a classifier. */
static void append_wrong_name(GString *html, const Card *card) {
  g_string_append(html, "<dt>Answer</dt><dd class=\"wrong\">");
  velm_run_cards_escape(html, card->classifier->classes[card->mistake->answer]);
  append_confidence(html, card->mistake->confidence);
  g_string_append(html, "</dd>\n");
  if (card->mistake->asked > 1)
    g_string_append_printf(html, "<dt>Wrong</dt><dd>in %u of %u trials</dd>\n",
                           card->mistake->trials, card->mistake->asked);
  if (!card->detector->anomalous[card->mistake->image])
    append_fact(html, "Note", "under the threshold: the line is told good");
}

static void append_card(VelmRunCards *cards, GString *html, const Card *card) {
  g_string_append_printf(html, "<article class=\"card %s\">\n", card->kind);
  g_string_append(html, pictures_of(cards, card->detector_index, card->mistake->image));
  g_string_append(html, "<div class=\"facts\">\n");
  append_name(html, cards->run, card->image);
  append_score(html, card);
  g_string_append(html, "<dl>\n");
  append_fact(html, "Label", card->image->label);
  if (card->classifier)
    append_wrong_name(html, card);
  else
    append_answers(html, cards->run, card);
  if (cards->run->has_groups)
    append_fact(html, "Part", card->image->group);
  g_string_append(html, "</dl>\n</div>\n</article>\n");
}

/* ---- a kind of mistakes ---- */

/* @card: without mistake and image. @order: how they are sorted, in words. @mistakes: consumed. */
static void append_kind(VelmRunCards *cards, GString *html, Card card, const char *title,
                        const char *order, const char *none, GArray *mistakes) {
  guint n = MIN(mistakes->len, VELM_RUN_PAGE_MISTAKES);
  g_string_append_printf(html, "<section class=\"mistakes\">\n<h3>%s</h3>\n", title);
  if (n == 0)
    g_string_append_printf(html, "<p class=\"none\">%s</p>\n", none);
  else if (n < mistakes->len)
    g_string_append_printf(html, "<p class=\"none\">%u of %u, %s first</p>\n", n, mistakes->len,
                           order);
  else
    g_string_append_printf(html, "<p class=\"none\">%u, %s first</p>\n", n, order);
  g_string_append(html, "<div class=\"cards\">\n");
  for (guint i = 0; i < n; i++) {
    card.mistake = &g_array_index(mistakes, VelmMistake, i);
    card.image = cards->run->images->pdata[card.mistake->image];
    append_card(cards, html, &card);
  }
  g_string_append(html, "</div>\n</section>\n");
  g_array_unref(mistakes);
}

void velm_run_cards_append_detector(VelmRunCards *cards, guint index, GString *html) {
  Card card = {.detector = cards->run->detectors->pdata[index], .detector_index = index};
  card.kind = "false-alarm";
  append_kind(cards, html, card, "False alarms", "the highest score",
              "No good image is over the threshold.",
              velm_mistakes_false_alarms(cards->run, card.detector));
  card.kind = "missed";
  append_kind(cards, html, card, "Missed defects", "the lowest score",
              "No defect image is under the threshold.",
              velm_mistakes_missed(cards->run, card.detector));
}

void velm_run_cards_append_classifier(VelmRunCards *cards, guint index, GString *html) {
  const VelmClassifierRun *classifier = cards->run->classifiers->pdata[index];
  Card card = {.detector = cards->run->detectors->pdata[classifier->detector],
               .detector_index = classifier->detector,
               .classifier = classifier,
               .kind = "wrong-name"};
  append_kind(cards, html, card, "Wrong names", "the highest confidence",
              "No defect image that was asked for is named wrong.",
              velm_mistakes_wrong_names(cards->run, classifier));
}
