#include "evaluate/run.h"

#include "core/file.h"
#include "core/json.h"
#include "evaluate/call_curve.h"

#include <math.h>
#include <string.h>

/* Of a run that is not damaged; each costs a confusion matrix. */
#define MAX_TRIALS 1000000

/*
 * A place in the file. What is not there, or is of another type, marks the file as damaged and
 * gives an empty place; that is told once, in the end.
 */
typedef struct {
  JsonNode *node; /* NULL: nothing is here */
  gboolean *damaged;
} Place;

static Place place_of(JsonNode *node, gboolean *damaged) {
  if (!node)
    *damaged = TRUE;
  return (Place){node, damaged};
}

static Place member(Place place, const char *name) {
  JsonNode *node = place.node && JSON_NODE_HOLDS_OBJECT(place.node)
                       ? json_object_get_member(json_node_get_object(place.node), name)
                       : NULL;
  return place_of(node, place.damaged);
}

static gboolean has_member(Place place, const char *name) {
  return place.node && JSON_NODE_HOLDS_OBJECT(place.node) &&
         json_object_has_member(json_node_get_object(place.node), name);
}

static guint count(Place place) {
  if (place.node && JSON_NODE_HOLDS_ARRAY(place.node))
    return json_array_get_length(json_node_get_array(place.node));
  *place.damaged = TRUE;
  return 0;
}

static Place element(Place place, guint index) {
  JsonArray *array =
      place.node && JSON_NODE_HOLDS_ARRAY(place.node) ? json_node_get_array(place.node) : NULL;
  gboolean there = array && index < json_array_get_length(array);
  return place_of(there ? json_array_get_element(array, index) : NULL, place.damaged);
}

static gboolean is_null(Place place) { return place.node && JSON_NODE_HOLDS_NULL(place.node); }

/* Whether a value of @type is here; FALSE for null, which is no damage. */
static gboolean holds(Place place, GType type) {
  if (is_null(place))
    return FALSE;
  if (place.node && JSON_NODE_HOLDS_VALUE(place.node) &&
      json_node_get_value_type(place.node) == type)
    return TRUE;
  *place.damaged = TRUE;
  return FALSE;
}

/* Borrowed, or NULL. */
static const char *text(Place place) {
  return holds(place, G_TYPE_STRING) ? json_node_get_string(place.node) : NULL;
}

static char *read_string(Place place, const char *name) {
  return g_strdup(text(member(place, name)));
}

static gint64 whole_number(Place place) {
  return holds(place, G_TYPE_INT64) ? json_node_get_int(place.node) : 0;
}

static gint64 read_int(Place place, const char *name) { return whole_number(member(place, name)); }

/* A number without a fraction is written, and read, as a whole one. NaN for null. */
static double number(Place place) {
  if (place.node && JSON_NODE_HOLDS_VALUE(place.node) &&
      json_node_get_value_type(place.node) == G_TYPE_INT64)
    return (double)json_node_get_int(place.node);
  return holds(place, G_TYPE_DOUBLE) ? json_node_get_double(place.node) : NAN;
}

static double read_double(Place place, const char *name) { return number(member(place, name)); }

static gboolean truth(Place place) {
  return holds(place, G_TYPE_BOOLEAN) && json_node_get_boolean(place.node);
}

/* The array @name of doubles. @n: (out). Returns: (transfer full). */
static double *read_doubles(Place place, const char *name, gsize *n) {
  Place array = member(place, name);
  *n = count(array);
  double *values = g_new0(double, *n + 1);
  for (guint i = 0; i < *n; i++)
    values[i] = number(element(array, i));
  return values;
}

/* The array @name of objects, each read by @read. */
static void read_objects(Place place, const char *name, VelmRun *run,
                         void (*read)(Place place, VelmRun *run)) {
  Place array = member(place, name);
  guint n = count(array);
  for (guint i = 0; i < n; i++)
    read(element(array, i), run);
}

/* ---- images and failures ---- */

static void read_image(Place place, VelmRun *run) {
  VelmRunImage *image = g_new0(VelmRunImage, 1);
  image->path = read_string(place, "path");
  image->label = read_string(place, "label");
  image->group = read_string(place, "group");
  g_ptr_array_add(run->images, image);
}

static void read_failure(Place place, VelmRun *run) {
  g_autofree char *path = read_string(place, "path");
  g_autofree char *message = read_string(place, "message");
  if (path && message)
    velm_run_add_failure(run, path, message);
}

/* ---- detectors ---- */

static VelmInterval read_interval(Place place, const char *name) {
  Place ends = member(place, name);
  if (is_null(ends))
    return (VelmInterval){NAN, NAN};
  return (VelmInterval){number(element(ends, 0)), number(element(ends, 1))};
}

static void read_intervals(Place place, VelmDetectionIntervals *intervals) {
  intervals->image_auroc = read_interval(place, "image_auroc");
  intervals->image_average_precision = read_interval(place, "image_average_precision");
  intervals->image_f1_max = read_interval(place, "image_f1_max");
  intervals->pixel_auroc = read_interval(place, "pixel_auroc");
  intervals->pixel_average_precision = read_interval(place, "pixel_average_precision");
  intervals->aupro = read_interval(place, "aupro");
  intervals->pointing = read_interval(place, "pointing");
  intervals->region_iou = read_interval(place, "region_iou");
}

static VelmClassDetection read_class(Place place, const char *name) {
  return (VelmClassDetection){
      .name = g_strdup(name),
      .images = (guint)read_int(place, "images"),
      .image_auroc = read_double(place, "image_auroc"),
      .image_average_precision = read_double(place, "image_average_precision"),
      .pixel_auroc = read_double(place, "pixel_auroc"),
      .pixel_average_precision = read_double(place, "pixel_average_precision"),
      .aupro = read_double(place, "aupro"),
      .pointing = read_double(place, "pointing"),
      .region_iou = read_double(place, "region_iou")};
}

static void read_classes(Place place, VelmDetectionFigures *figures) {
  figures->by_class = velm_class_detections_new();
  if (!place.node || !JSON_NODE_HOLDS_OBJECT(place.node))
    return;
  g_autoptr(GList) names = json_object_get_members(json_node_get_object(place.node));
  for (GList *name = names; name; name = name->next) {
    VelmClassDetection class = read_class(member(place, name->data), name->data);
    g_array_append_val(figures->by_class, class);
  }
}

static void read_figures(Place place, VelmDetectionFigures *figures) {
  figures->image_auroc = read_double(place, "image_auroc");
  figures->image_average_precision = read_double(place, "image_average_precision");
  figures->image_f1_max = read_double(place, "image_f1_max");
  figures->pixel_auroc = read_double(place, "pixel_auroc");
  figures->pixel_average_precision = read_double(place, "pixel_average_precision");
  figures->aupro = read_double(place, "aupro");
  figures->pointing = read_double(place, "pointing");
  figures->region_iou = read_double(place, "region_iou");
  figures->images = (guint)read_int(place, "images");
  figures->ms_per_image = read_double(place, "ms_per_image");
  read_intervals(member(place, "intervals"), &figures->intervals);
  read_classes(member(place, "by_class"), figures);
}

/* A curve that is not there was not measured. */
static VelmCurvePoints *read_curve(Place place, const char *name) {
  if (!has_member(place, name))
    return NULL;
  gsize n_x, n_y;
  g_autofree double *x = read_doubles(member(place, name), "x", &n_x);
  g_autofree double *y = read_doubles(member(place, name), "y", &n_y);
  VelmCurvePoints *points = velm_curve_points_new();
  for (gsize i = 0; i < MIN(n_x, n_y); i++)
    velm_curve_points_append(points, x[i], y[i]);
  return points;
}

static void read_curves(Place place, VelmDetectionFigures *figures) {
  figures->image_roc = read_curve(place, "image_roc");
  figures->pixel_roc = read_curve(place, "pixel_roc");
  figures->pixel_precision_recall = read_curve(place, "pixel_precision_recall");
  figures->pro = read_curve(place, "pro");
}

static void read_detector(Place place, VelmRun *run) {
  VelmDetectorRun *detector = g_new0(VelmDetectorRun, 1);
  g_ptr_array_add(run->detectors, detector);
  detector->name = read_string(place, "detector");
  detector->threshold = read_double(place, "threshold");
  read_figures(member(place, "detection"), &detector->figures);
  read_curves(member(place, "curves"), &detector->figures);
  gsize n = run->images->len, n_scores = 0;
  g_autofree double *scores = read_doubles(place, "scores", &n_scores);
  Place anomalous = member(place, "anomalous");
  detector->scores = g_new0(double, n + 1);
  detector->anomalous = g_new0(guint8, n + 1);
  for (guint i = 0; i < n; i++) {
    detector->scores[i] = i < n_scores ? scores[i] : NAN;
    detector->anomalous[i] = truth(element(anomalous, i));
  }
  if (n_scores != n)
    *place.damaged = TRUE;
}

/* ---- classifiers ---- */

static char **read_strings(Place place, const char *name) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  Place array = member(place, name);
  guint n = count(array);
  for (guint i = 0; i < n; i++) {
    const char *string = text(element(array, i));
    g_strv_builder_add(builder, string ? string : "");
  }
  return g_strv_builder_end(builder);
}

/* An answer that does not fit the images, the trials and the classes is damage. */
static void read_answers(Place place, const VelmRun *run, VelmClassifierRun *classifier) {
  gint64 n_classes = g_strv_length(classifier->classes);
  guint n = count(place);
  for (guint i = 0; i < n; i++) {
    Place one = element(place, i);
    gint64 image = whole_number(element(one, 0)), trial = whole_number(element(one, 1));
    gint64 class = whole_number(element(one, 2));
    VelmAnswer answer = {(guint)image, (guint)trial, (guint) class, number(element(one, 3))};
    if (image >= 0 && image < run->images->len && trial >= 0 && trial < classifier->trials &&
        class >= 0 && class < n_classes)
      g_array_append_val(classifier->answers, answer);
    else
      *place.damaged = TRUE;
  }
}

/* One a trial; null is a level that no answer reaches. */
static void read_trusts(Place place, VelmClassifierRun *classifier) {
  gsize n;
  if (!has_member(place, "trusts"))
    return;
  double *trusts = classifier->trusts = read_doubles(place, "trusts", &n);
  for (gsize i = 0; i < n; i++)
    trusts[i] = isnan(trusts[i]) ? INFINITY : trusts[i];
  if (n == classifier->trials)
    return;
  g_clear_pointer(&classifier->trusts, g_free);
  *place.damaged = TRUE;
}

static void read_classifier(Place place, VelmRun *run) {
  g_autofree char *name = read_string(place, "classifier");
  g_auto(GStrv) classes = read_strings(place, "classes");
  guint n = g_strv_length(classes);
  gint64 detector = read_int(place, "detector_index");
  gint64 trials = read_int(place, "trials");
  if (!name || n < 2 || n != run->n_classes + 2 || detector < 0 ||
      detector >= run->detectors->len || trials < 1 || trials > MAX_TRIALS) {
    *place.damaged = TRUE;
    return;
  }
  g_clear_pointer(&classes[n - 1], g_free);
  VelmClassifierRun *classifier =
      velm_run_add_classifier(run, name, (guint)detector, (const char *const *)classes + 1);
  classifier->trials = (guint)trials;
  classifier->excluded = (guint)read_int(place, "excluded");
  classifier->failed = (guint)read_int(place, "failed");
  read_trusts(place, classifier);
  read_answers(member(place, "answers"), run, classifier);
}

/* ---- all ---- */

static void read_severities(Place place, VelmRun *run) {
  if (!run->spec)
    return;
  g_auto(GStrv) names = read_strings(place, "severities");
  run->severities = g_new0(VelmDecision, run->n_classes + 1);
  for (guint i = 0; i < run->n_classes && names[i]; i++)
    for (int d = VELM_DECISION_NORMAL; d <= VELM_DECISION_REVIEW; d++)
      if (g_str_equal(names[i], velm_decision_name((VelmDecision)d)))
        run->severities[i] = (VelmDecision)d;
}

/* Runs in which no language model was asked have none. */
static void read_spending(Place place, VelmRun *run) {
  if (!has_member(place, "spending"))
    return;
  Place object = member(place, "spending");
  run->spending = (VelmSpendingTotals){.requests = read_int(object, "requests"),
                                       .cached = read_int(object, "cached"),
                                       .estimated = read_int(object, "estimated"),
                                       .prompt_tokens = read_int(object, "prompt_tokens"),
                                       .completion_tokens = read_int(object, "completion_tokens"),
                                       .usd = read_double(object, "usd"),
                                       .spared_usd = read_double(object, "spared_usd"),
                                       .budget_usd = read_double(object, "budget_usd")};
}

static void read_settings(Place place, VelmRun *run) {
  run->version = read_string(place, "velm");
  run->made = read_string(place, "made");
  run->directory = read_string(place, "directory");
  run->has_groups = truth(member(place, "has_groups"));
  run->model = read_string(place, "model");
  run->model_sha256 = read_string(place, "model_sha256");
  run->spec = read_string(place, "spec");
  run->spec_path = read_string(place, "spec_path");
  run->endpoint = read_string(place, "endpoint");
  run->llm = read_string(place, "llm");
  read_spending(place, run);
  run->shots = (int)read_int(place, "shots");
  run->trials = (int)read_int(place, "draws");
  run->seed = (guint32)read_int(place, "seed");
  gint64 n_classes = read_int(place, "n_classes");
  run->n_classes = (guint)CLAMP(n_classes, 0, 100000);
  read_severities(place, run);
}

static gboolean is_whole(const VelmRun *run) {
  for (guint i = 0; i < run->images->len; i++) {
    const VelmRunImage *image = run->images->pdata[i];
    if (!image->path || !image->label || !image->group)
      return FALSE;
  }
  for (guint d = 0; d < run->detectors->len; d++)
    if (!((const VelmDetectorRun *)run->detectors->pdata[d])->name)
      return FALSE;
  return run->detectors->len > 0 && run->directory;
}

static gboolean check_format(JsonNode *root, const char *path, GError **error) {
  gboolean damaged = FALSE;
  Place place = {root, &damaged};
  gint64 version = read_int(place, "format_version");
  if (g_strcmp0(text(member(place, "format")), "velm-run") != 0 || damaged) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is no run that velm evaluate stored",
                path);
    return FALSE;
  }
  if (version == 1)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "%s: is of format %" G_GINT64_FORMAT ", which this velm does not read", path,
              version);
  return FALSE;
}

static VelmRun *read_run(JsonNode *root, const char *path, GError **error) {
  if (!check_format(root, path, error))
    return NULL;
  gboolean damaged = FALSE;
  Place place = {root, &damaged};
  g_autoptr(VelmRun) run = velm_run_new();
  read_settings(place, run);
  read_objects(place, "images", run, read_image);
  read_objects(place, "detectors", run, read_detector);
  read_objects(place, "classifiers", run, read_classifier);
  read_objects(place, "failures", run, read_failure);
  if (!damaged && is_whole(run))
    return g_steal_pointer(&run);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "%s: the stored run is damaged: its parts do not fit together", path);
  return NULL;
}

VelmRun *velm_run_load(const char *path, GError **error) {
  g_autofree char *file = g_file_test(path, G_FILE_TEST_IS_DIR)
                              ? g_build_filename(path, "run.json", NULL)
                              : g_strdup(path);
  g_autoptr(GBytes) bytes = velm_file_read(file, error);
  if (!bytes)
    return NULL;
  gsize size;
  const char *json = g_bytes_get_data(bytes, &size);
  g_autoptr(JsonNode) root = velm_json_parse(json ? json : "", (gssize)size, file, error);
  g_autoptr(VelmRun) run = root ? read_run(root, file, error) : NULL;
  for (guint i = 0; run && i < run->classifiers->len; i++)
    velm_run_measure(run, run->classifiers->pdata[i]);
  if (run)
    velm_run_measure_calls(run);
  return g_steal_pointer(&run);
}
