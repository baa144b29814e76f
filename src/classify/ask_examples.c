#include "classify/ask_examples.h"

#include "classify/mllm.h"
#include "mark/mark.h"

#include <math.h>

/* How long to wait for an answer before telling of the progress. */
#define WAIT_MS 200

/* What came back of one image; the probabilities are NULL where the server gives none. */
typedef struct {
  double *probabilities;
  int truth; /* the label's place among them */
} Answer;

typedef struct {
  VelmClassifier *mllm;
  VelmDetector *detector;
  const GPtrArray *samples;
  Answer *answers; /* one a sample */
  guint n_answers; /* probabilities of each */
  guint n_open, n_done;
  GError *last; /* why there is no answer */
  VelmLlmCalibration *calibration;
} Course;

static void course_clear(Course *course) {
  for (guint i = 0; i < course->samples->len; i++)
    g_free(course->answers[i].probabilities);
  g_free(course->answers);
  g_clear_error(&course->last);
  velm_llm_calibration_free(course->calibration);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Course, course_clear)

/* One image on its way. */
typedef struct {
  Course *course;
  guint index;
} Question;

/* ---- asking ---- */

static int find(char *const *names, const char *name) {
  for (int i = 0; names[i]; i++)
    if (g_str_equal(names[i], name))
      return i;
  return -1;
}

static void take_probabilities(Course *course, guint index, VelmInspection *inspection) {
  const VelmSample *sample = course->samples->pdata[index];
  if (!inspection->probabilities || inspection->bare)
    return;
  course->n_answers = g_strv_length(inspection->class_names);
  course->answers[index].probabilities = g_steal_pointer(&inspection->probabilities);
  course->answers[index].truth = find(inspection->class_names, sample->label);
}

static void take(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Question *question = user_data;
  Course *course = question->course;
  const VelmSample *sample = course->samples->pdata[question->index];
  VelmLlmCalibration *calibration = course->calibration;
  course->n_open--;
  course->n_done++;
  if (error) {
    g_clear_error(&course->last);
    course->last = g_error_copy(error);
    calibration->n_failed++;
  } else {
    calibration->n_answered++;
    calibration->n_right += g_strcmp0(inspection->class_name, sample->label) == 0;
    take_probabilities(course, question->index, inspection);
  }
  velm_inspection_free(inspection);
  g_free(question);
}

static gboolean ask(Course *course, guint index, GError **error) {
  const VelmSample *sample = course->samples->pdata[index];
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  inspection->part = g_strdup(sample->group);
  if (!velm_inspection_load(inspection, sample->reference, 0, error) ||
      !velm_detector_detect(course->detector, inspection, error) ||
      !velm_detector_examine(course->detector, inspection, error) ||
      !velm_mark_regions(inspection, TRUE, error))
    return FALSE;
  Question *question = g_new(Question, 1);
  *question = (Question){course, index};
  course->n_open++;
  velm_classifier_submit(course->mllm, g_steal_pointer(&inspection), take, question);
  return TRUE;
}

/* Goes on until fewer than @most are on their way. */
static gboolean wait_for(Course *course, guint most, VelmProgress progress, gpointer progress_data,
                         GError **error) {
  do {
    velm_classifier_iterate(course->mllm, course->n_open >= most ? WAIT_MS : 0);
    if (progress &&
        !progress("language model", course->n_done, course->samples->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED,
                  "stopped while asking the language model");
      return FALSE;
    }
  } while (course->n_open >= most);
  return TRUE;
}

static gboolean ask_all(Course *course, VelmProgress progress, gpointer progress_data,
                        GError **error) {
  guint capacity = velm_classifier_capacity(course->mllm);
  for (guint i = 0; i < course->samples->len; i++)
    if (!ask(course, i, error) || !wait_for(course, capacity, progress, progress_data, error))
      return FALSE;
  return wait_for(course, 1, progress, progress_data, error);
}

/* ---- learning ---- */

/* In the samples' order, whatever that of the answers was. */
static void fit(Course *course) {
  guint n_samples = course->samples->len, n = 0;
  g_autofree double *rows = g_new(double, (gsize)n_samples * course->n_answers);
  g_autofree int *truths = g_new(int, n_samples);
  for (guint i = 0; i < n_samples; i++) {
    const Answer *answer = &course->answers[i];
    if (!answer->probabilities)
      continue;
    for (guint k = 0; k < course->n_answers; k++)
      rows[(gsize)n * course->n_answers + k] = answer->probabilities[k];
    truths[n++] = answer->truth;
  }
  if (n > 0)
    velm_llm_calibration_fit(course->calibration, rows, truths, n, course->n_answers);
}

static gboolean learn(Course *course, GError **error) {
  if (course->calibration->n_answered == 0) {
    g_propagate_prefixed_error(
        error, g_steal_pointer(&course->last),
        "the language model answered none of %u examples; the last one: ", course->samples->len);
    return FALSE;
  }
  fit(course);
  course->calibration->llm =
      velm_llm_calibration_name(velm_mllm_get_session(course->mllm)->server, error);
  return course->calibration->llm != NULL;
}

VelmLlmCalibration *velm_ask_examples(VelmClassifier *mllm, VelmDetector *detector,
                                      const GPtrArray *samples, VelmProgress progress,
                                      gpointer progress_data, GError **error) {
  g_auto(Course) course = {.mllm = mllm,
                           .detector = detector,
                           .samples = samples,
                           .answers = g_new0(Answer, samples->len),
                           .calibration = g_new0(VelmLlmCalibration, 1)};
  course.calibration->temperature = NAN;
  course.calibration->loss = course.calibration->scaled_loss = NAN;
  gboolean ok = ask_all(&course, progress, progress_data, error);
  if (!ok)
    velm_classifier_cancel(mllm); /* the images on their way write to the course */
  return ok && learn(&course, error) ? g_steal_pointer(&course.calibration) : NULL;
}
