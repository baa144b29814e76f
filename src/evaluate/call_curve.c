#include "evaluate/call_curve.h"

#include "classify/classifier.h"
#include "evaluate/answerer.h"

#include <math.h>

/* Rounding does not keep a curve from the accuracy that it reaches. */
#define ROUNDING 1e-9

/* ---- images that both answered ---- */

/* One image in one trial. @truth, @first, @second: classes from 0, without "good": what it shows,
 * what the few-shot classifier and what the language model say. @certainty: -1 where the few-shot
 * answer never stands. */
typedef struct {
  guint trial, truth, first, second;
  double certainty;
  const char *group; /* borrowed */
} Case;

/* "good" is no answer to a defect image, as in the other figures of classification. */
static guint class_of(const VelmClassifierRun *classes, const VelmClassifierRun *classifier,
                      const VelmAnswer *answer) {
  guint last = g_strv_length(classes->classes) - 1;
  guint index = velm_run_class(classes, classifier->classes[answer->answer]);
  return (index == 0 ? last : index) - 1;
}

static double certainty_of(const VelmClassifierRun *fewshot, const VelmAnswer *answer) {
  gboolean unknown = g_str_equal(fewshot->classes[answer->answer], VELM_CLASS_UNKNOWN);
  return unknown || isnan(answer->confidence) ? -1 : answer->confidence;
}

/* The language model's answer to each image; NULL where it gave none. */
static const VelmAnswer **index_answers(const VelmRun *run, const VelmClassifierRun *llm) {
  const VelmAnswer **index = g_new0(const VelmAnswer *, run->images->len + 1);
  for (guint i = 0; i < llm->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(llm->answers, VelmAnswer, i);
    index[answer->image] = answer;
  }
  return index;
}

static int compare_cases(gconstpointer a, gconstpointer b) {
  const Case *x = a, *y = b;
  if (x->trial != y->trial)
    return x->trial < y->trial ? -1 : 1;
  return (x->certainty > y->certainty) - (x->certainty < y->certainty);
}

/* Returns: (transfer full) (element-type Case): trial after trial, by rising certainty. */
static GArray *collect_cases(const VelmRun *run, const VelmClassifierRun *fewshot,
                             const VelmClassifierRun *llm) {
  GArray *cases = g_array_new(FALSE, FALSE, sizeof(Case));
  g_autofree const VelmAnswer **others = index_answers(run, llm);
  for (guint i = 0; i < fewshot->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(fewshot->answers, VelmAnswer, i);
    const VelmAnswer *other = others[answer->image];
    const VelmRunImage *image = run->images->pdata[answer->image];
    if (!other || g_str_equal(image->label, VELM_LABEL_GOOD))
      continue;
    Case one = {.trial = answer->trial,
                .truth = velm_run_class(fewshot, image->label) - 1,
                .first = class_of(fewshot, fewshot, answer),
                .second = class_of(fewshot, llm, other),
                .certainty = certainty_of(fewshot, answer),
                .group = image->group};
    g_array_append_val(cases, one);
  }
  g_array_sort(cases, compare_cases);
  return cases;
}

/* ---- one trial ---- */

/* How often the mix of answers is right, by class. */
typedef struct {
  guint n_classes, n;
  guint *support, *right;
} Tally;

static Tally tally_new(const Case *cases, guint n, guint n_classes) {
  Tally tally = {n_classes, n, g_new0(guint, n_classes), g_new0(guint, n_classes)};
  for (guint i = 0; i < n; i++) {
    tally.support[cases[i].truth]++;
    tally.right[cases[i].truth] += cases[i].first == cases[i].truth ? 1 : 0;
  }
  return tally;
}

static void tally_clear(Tally *tally) {
  g_free(tally->support);
  g_free(tally->right);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tally, tally_clear)

/* From now on the language model is asked about @one. */
static void tally_ask(Tally *tally, const Case *one) {
  tally->right[one->truth] -= one->first == one->truth ? 1 : 0;
  tally->right[one->truth] += one->second == one->truth ? 1 : 0;
}

static VelmCallPoint tally_point(const Tally *tally, guint asked) {
  double recalls = 0;
  guint n_right = 0, n_recalls = 0;
  for (guint k = 0; k < tally->n_classes; k++) {
    n_right += tally->right[k];
    if (tally->support[k] == 0)
      continue;
    recalls += (double)tally->right[k] / tally->support[k];
    n_recalls++;
  }
  return (VelmCallPoint){(double)asked / tally->n, (double)n_right / tally->n, recalls / n_recalls};
}

/* The steps of one trial, by rising share: those of equal certainty are one. */
static GArray *steps_of_trial(const Case *cases, guint n, guint n_classes) {
  GArray *steps = g_array_new(FALSE, FALSE, sizeof(VelmCallPoint));
  g_auto(Tally) tally = tally_new(cases, n, n_classes);
  VelmCallPoint point = tally_point(&tally, 0);
  g_array_append_val(steps, point);
  for (guint i = 0; i < n; i++) {
    tally_ask(&tally, &cases[i]);
    if (i + 1 < n && cases[i + 1].certainty <= cases[i].certainty)
      continue;
    point = tally_point(&tally, i + 1);
    g_array_append_val(steps, point);
  }
  return steps;
}

/* Adds the values of one trial at the shares of @points. Between two steps chance chooses who of
 * equal certainty is asked: what is to be expected lies on the line between them. */
static void add_steps(const GArray *steps, VelmCallPoint *points) {
  guint at = 0;
  for (guint p = 0; p < VELM_CALL_POINTS; p++) {
    while (at + 2 < steps->len &&
           g_array_index(steps, VelmCallPoint, at + 1).share <= points[p].share)
      at++;
    const VelmCallPoint *a = &g_array_index(steps, VelmCallPoint, at);
    const VelmCallPoint *b = &g_array_index(steps, VelmCallPoint, at + 1);
    double share = (points[p].share - a->share) / (b->share - a->share);
    points[p].accuracy += (1 - share) * a->accuracy + share * b->accuracy;
    points[p].macro_accuracy += (1 - share) * a->macro_accuracy + share * b->macro_accuracy;
  }
}

/* How many of @cases are of the same trial as the first. */
static guint length_of_trial(const GArray *cases, guint first) {
  guint end = first;
  while (end < cases->len &&
         g_array_index(cases, Case, end).trial == g_array_index(cases, Case, first).trial)
    end++;
  return end - first;
}

static void measure_points(const GArray *cases, guint n_classes, VelmCallCurve *curve) {
  for (guint p = 0; p < VELM_CALL_POINTS; p++)
    curve->points[p].share = (double)p / (VELM_CALL_POINTS - 1);
  for (guint i = 0, n; i < cases->len; i += n) {
    n = length_of_trial(cases, i);
    g_autoptr(GArray) steps = steps_of_trial(&g_array_index(cases, Case, i), n, n_classes);
    add_steps(steps, curve->points);
    curve->trials++;
  }
  for (guint p = 0; p < VELM_CALL_POINTS; p++) {
    curve->points[p].accuracy /= curve->trials;
    curve->points[p].macro_accuracy /= curve->trials;
  }
}

/* ---- the operating point ---- */

static gboolean is_asked(const Case *one, const double *trusts) {
  return one->certainty < 0 || one->certainty < trusts[one->trial];
}

/* The mean over the trials. */
static double share_asked(const GArray *cases, const double *trusts, guint n_trials) {
  double shares = 0;
  for (guint i = 0, n; i < cases->len; i += n) {
    guint asked = 0;
    n = length_of_trial(cases, i);
    for (guint k = 0; k < n; k++)
      asked += is_asked(&g_array_index(cases, Case, i + k), trusts) ? 1 : 0;
    shares += (double)asked / n;
  }
  return shares / n_trials;
}

static void measure_trusted(const GArray *cases, VelmCallCurve *curve) {
  const VelmClassifierRun *fewshot = curve->fewshot;
  g_autoptr(GArray) verdicts = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  for (guint i = 0; i < cases->len; i++) {
    const Case *one = &g_array_index(cases, Case, i);
    VelmVerdict verdict = {.truth = one->truth,
                           .answer = is_asked(one, fewshot->trusts) ? one->second : one->first,
                           .trial = one->trial,
                           .group = one->group};
    g_array_append_val(verdicts, verdict);
  }
  VelmClassificationFigures figures;
  velm_classification_measure(verdicts, (const char *const *)fewshot->classes + 1, fewshot->trials,
                              &figures);
  curve->trusted = (VelmCallPoint){share_asked(cases, fewshot->trusts, curve->trials),
                                   figures.accuracy, figures.macro_accuracy};
  curve->trusted_accuracy = figures.intervals[VELM_FIGURE_ACCURACY];
  curve->trusted_macro_accuracy = figures.intervals[VELM_FIGURE_MACRO_ACCURACY];
  velm_classification_clear(&figures);
}

/* ---- all ---- */

VelmCallCurve *velm_call_curve_new(const VelmRun *run, const VelmClassifierRun *fewshot,
                                   const VelmClassifierRun *llm) {
  g_autoptr(GArray) cases = collect_cases(run, fewshot, llm);
  if (cases->len == 0)
    return NULL;
  VelmCallCurve *curve = g_new0(VelmCallCurve, 1);
  curve->fewshot = fewshot;
  curve->llm = llm;
  curve->answers = cases->len;
  curve->trusted = (VelmCallPoint){NAN, NAN, NAN};
  curve->trusted_accuracy = curve->trusted_macro_accuracy = (VelmInterval){NAN, NAN};
  measure_points(cases, g_strv_length(fewshot->classes) - 1, curve);
  if (fewshot->trusts)
    measure_trusted(cases, curve);
  return curve;
}

double velm_call_curve_calls_at(const VelmCallCurve *curve, double target) {
  for (guint p = 0; p < VELM_CALL_POINTS; p++)
    if (curve->points[p].accuracy >= target - ROUNDING)
      return curve->points[p].share;
  return NAN;
}

/* The model's own, or one that the trials taught. */
static gboolean is_fewshot(const char *name) {
  return g_str_equal(name, "fewshot") || g_str_has_prefix(name, "fewshot (");
}

static gboolean is_pair(const VelmClassifierRun *fewshot, const VelmClassifierRun *llm) {
  return fewshot->detector == llm->detector && is_fewshot(fewshot->name) &&
         velm_answerer_is_llm(llm->name) && llm->trials == 1;
}

void velm_run_measure_calls(VelmRun *run) {
  g_ptr_array_set_size(run->call_curves, 0);
  for (guint i = 0; i < run->classifiers->len; i++)
    for (guint k = 0; k < run->classifiers->len; k++) {
      const VelmClassifierRun *fewshot = run->classifiers->pdata[i],
                              *llm = run->classifiers->pdata[k];
      VelmCallCurve *curve = is_pair(fewshot, llm) ? velm_call_curve_new(run, fewshot, llm) : NULL;
      if (curve)
        g_ptr_array_add(run->call_curves, curve);
    }
}

char *velm_call_curve_title(const VelmRun *run, const VelmCallCurve *curve) {
  g_autofree char *first = velm_run_title(run, curve->fewshot);
  return g_strdup_printf("%s, then %s", first, curve->llm->name);
}
