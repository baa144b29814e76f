/*
 * Accuracy against time: the early look alone, the full one alone, and both in a row at several
 * levels.
 *
 *   bench_two_speed [MODEL.velm DIR]
 *
 * MODEL.velm: of `velm fit --detector two-speed`; DIR: a folder with labelled test images. Without
 * arguments it makes parts, and a model of them. Every image is looked at both ways once; the rows
 * are then reckoned from the same scores and times. Times are of a line with 5 % defects: means
 * over good and over defective images, weighted.
 */
#include "core/scratch.h"
#include "dataset/dataset.h"
#include "dataset/procedural.h"
#include "detect/twospeed.h"
#include "evaluate/metrics.h"

#include <stdio.h>

#define DEFECTS 0.05

/* A map points where its maximum lies in the mask, or this share of the side beside it. */
#define NEAR 0.03

static const double levels[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.7};

/* What one detector says of one image. */
typedef struct {
  double score, ms;
  gboolean points;
} Look;

typedef struct {
  guint8 defective;
  gboolean has_mask;
  Look fast, accurate;
} Part;

/* One row of the table; of two detectors where @screen is set. */
typedef struct {
  const char *name;
  gboolean use_fast;
  const VelmScreen *screen;
} Setting;

static gboolean find_pointing(const VelmInspection *inspection, const VelmSample *sample,
                              gboolean *points, GError **error) {
  const VelmPlane *map = inspection->map;
  int top = 0;
  if (!sample->mask)
    return TRUE;
  g_autoptr(VelmMask) mask = velm_mask_load(sample->mask, error);
  g_autoptr(VelmMask) near =
      mask ? velm_mask_dilate(mask, (int)(NEAR * MAX(mask->width, mask->height)), error) : NULL;
  if (!near)
    return FALSE;
  for (int i = 1; i < map->width * map->height; i++)
    if (map->values[i] > map->values[top])
      top = i;
  int x = (2 * (top % map->width) + 1) * near->width / (2 * map->width);
  int y = (2 * (top / map->width) + 1) * near->height / (2 * map->height);
  *points = near->values[y * near->width + x] != 0;
  return TRUE;
}

static gboolean look(VelmDetector *detector, const VelmSample *sample, Look *look, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  if (!velm_inspection_load(inspection, NULL, 0, error))
    return FALSE;
  gint64 start = g_get_monotonic_time();
  if (!velm_detector_detect(detector, inspection, error))
    return FALSE;
  look->ms = velm_timing_since(start);
  look->score = inspection->score;
  return find_pointing(inspection, sample, &look->points, error);
}

/* Ends every look early, and leaves its score as it is. */
static const float any_score[] = {0, 1000};
static const VelmScreen ends_all = {.fast = any_score,
                                    .n_fast = 2,
                                    .accurate = any_score,
                                    .n_accurate = 2,
                                    .threshold = 1000,
                                    .level = 1000};

static GArray *look_at_all(VelmDetector *detector, const VelmDataset *dataset, GError **error) {
  g_autoptr(GArray) parts = g_array_new(FALSE, TRUE, sizeof(Part));
  VelmScreen *screen = velm_two_speed_get_screen(detector), whole = *screen, ends_none = *screen;
  ends_none.level = 0;
  gboolean ok = TRUE;
  for (guint i = 0; ok && i < dataset->test->len; i++) {
    const VelmSample *sample = dataset->test->pdata[i];
    Part part = {.defective = !velm_sample_is_good(sample), .has_mask = sample->mask != NULL};
    *screen = ends_all;
    ok = look(detector, sample, &part.fast, error);
    *screen = ends_none;
    ok = ok && look(detector, sample, &part.accurate, error);
    g_array_append_val(parts, part);
  }
  *screen = whole;
  return ok ? g_steal_pointer(&parts) : NULL;
}

/* What the setting makes of a part; one that the fast look ends points nowhere. */
static Look combine(const Setting *setting, const Part *part) {
  if (!setting->screen)
    return setting->use_fast ? part->fast : part->accurate;
  if (!velm_screen_is_clearly_normal(setting->screen, part->fast.score))
    return part->accurate;
  return (Look){velm_screen_score(setting->screen, part->fast.score), part->fast.ms, FALSE};
}

/* Returns the milliseconds a part. */
static double print_row(const Setting *setting, const GArray *parts, double accurate_ms) {
  g_autofree double *scores = g_new(double, parts->len);
  g_autofree guint8 *defective = g_new(guint8, parts->len);
  double ms[2] = {0, 0}, n[2] = {0, 0}, hits = 0, masks = 0, missed = 0;
  for (guint i = 0; i < parts->len; i++) {
    const Part *part = &g_array_index(parts, Part, i);
    Look seen = combine(setting, part);
    scores[i] = seen.score;
    defective[i] = part->defective;
    ms[part->defective] += seen.ms;
    n[part->defective]++;
    masks += part->has_mask;
    hits += part->has_mask && seen.points;
    missed += setting->screen && part->defective &&
              velm_screen_is_clearly_normal(setting->screen, part->fast.score);
  }
  double mean = (1 - DEFECTS) * ms[0] / n[0] + DEFECTS * ms[1] / n[1];
  printf("  %-22s %9.3f %9.3f %12.0f %12.1f %8.2f\n", setting->name,
         velm_metrics_auroc(scores, defective, parts->len), hits / MAX(1, masks), missed, mean,
         accurate_ms > 0 ? accurate_ms / mean : 1.0);
  return mean;
}

static void print_table(VelmDetector *detector, const GArray *parts) {
  const Setting accurate = {"full look", FALSE, NULL}, fast = {"early look", TRUE, NULL};
  printf("  %-22s %9s %9s %12s %12s %8s\n", "", "AUROC", "pointing", "screened out", "ms a part",
         "rate");
  double ms = print_row(&accurate, parts, 0);
  print_row(&fast, parts, ms);
  for (gsize i = 0; i < G_N_ELEMENTS(levels); i++) {
    VelmScreen screen = *velm_two_speed_get_screen(detector);
    g_autofree char *name = g_strdup_printf("two-speed, %.0f %% go on", 100 * levels[i]);
    velm_screen_set_level(&screen, levels[i]);
    const Setting setting = {name, FALSE, &screen};
    print_row(&setting, parts, ms);
  }
}

static gboolean measure(VelmModel *model, const char *directory, GError **error) {
  g_autoptr(VelmDetector) detector = velm_detector_open(model, error);
  g_autoptr(VelmDataset) dataset = detector ? velm_dataset_open(directory, error) : NULL;
  if (!dataset)
    return FALSE;
  if (detector->klass != &velm_detector_two_speed) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model has not two speeds");
    return FALSE;
  }
  g_autoptr(GArray) parts = look_at_all(detector, dataset, error);
  if (!parts)
    return FALSE;
  printf("%u test images; times of a line with %.0f %% defects\n", parts->len, 100 * DEFECTS);
  print_table(detector, parts);
  return TRUE;
}

static gboolean measure_made_up(GError **error) {
  g_autofree char *directory = scratch_new();
  g_autofree char *product = g_build_filename(directory, "parts", NULL);
  VelmProceduralParams drawing = velm_procedural_params_default();
  VelmFitParams params = velm_fit_params_default();
  params.detector = velm_detector_two_speed.name;
  g_autoptr(VelmModel) model = velm_procedural_write(&drawing, product, NULL, NULL, error)
                                   ? velm_model_fit(product, &params, error)
                                   : NULL;
  gboolean ok = model && measure(model, product, error);
  scratch_remove(directory);
  return ok;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  if (argc != 1 && argc != 3) {
    fprintf(stderr, "usage: bench_two_speed [MODEL.velm DIR]\n");
    return 2;
  }
  g_autoptr(VelmModel) model = argc == 3 ? velm_model_load(argv[1], &error) : NULL;
  if (argc == 1 ? measure_made_up(&error) : model && measure(model, argv[2], &error))
    return 0;
  fprintf(stderr, "%s\n", error->message);
  return 1;
}
