/*
 * Accuracy against time: the fast detector alone, the accurate one alone, and both in a row at
 * several levels.
 *
 *   bench_two_speed MODEL.velm DIR
 *
 * MODEL.velm: of `velm fit --detector two-speed`; DIR: a folder with labelled test images. Every
 * image is looked at by each detector once; the rows are then reckoned from the same scores and
 * times. Times are of a line with 5 % defects: means over good and over defective images, weighted.
 * Without arguments it says so and does nothing, for a model takes minutes to fit.
 */
#include "dataset/dataset.h"
#include "detect/twospeed.h"
#include "evaluate/metrics.h"

#include <stdio.h>

#define DEFECTS 0.05

/* A map points where its maximum lies in the mask, or this share of the side beside it. */
#define NEAR 0.03

static const double levels[] = {0.1, 0.2, 0.35, 0.5, 0.7};

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

static GArray *look_at_all(VelmDetector *detector, const VelmDataset *dataset, GError **error) {
  g_autoptr(GArray) parts = g_array_new(FALSE, TRUE, sizeof(Part));
  for (guint i = 0; i < dataset->test->len; i++) {
    const VelmSample *sample = dataset->test->pdata[i];
    Part part = {.defective = !velm_sample_is_good(sample), .has_mask = sample->mask != NULL};
    if (!look(velm_two_speed_get_fast(detector), sample, &part.fast, error) ||
        !look(velm_two_speed_get_accurate(detector), sample, &part.accurate, error))
      return NULL;
    g_array_append_val(parts, part);
  }
  return g_steal_pointer(&parts);
}

/* What the setting makes of a part; one that the fast look ends points nowhere. */
static Look combine(const Setting *setting, const Part *part) {
  if (!setting->screen)
    return setting->use_fast ? part->fast : part->accurate;
  Look both = part->accurate;
  both.ms += part->fast.ms;
  if (!velm_screen_is_clearly_normal(setting->screen, part->fast.score))
    return both;
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
  const Setting accurate = {"accurate alone", FALSE, NULL}, fast = {"fast alone", TRUE, NULL};
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

int main(int argc, char **argv) {
  if (argc != 3) {
    printf("usage: bench_two_speed MODEL.velm DIR\n");
    return argc == 1 ? 0 : 2;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(argv[1], &error);
  g_autoptr(VelmDetector) detector = model ? velm_detector_open(model, &error) : NULL;
  g_autoptr(VelmDataset) dataset = detector ? velm_dataset_open(argv[2], &error) : NULL;
  if (dataset && detector->klass != &velm_detector_two_speed)
    g_set_error(&error, VELM_ERROR, VELM_ERROR_MODEL, "%s: has not two speeds", argv[1]);
  g_autoptr(GArray) parts = error || !dataset ? NULL : look_at_all(detector, dataset, &error);
  if (!parts) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  printf("%u test images; times of a line with %.0f %% defects\n", parts->len, 100 * DEFECTS);
  print_table(detector, parts);
  return 0;
}
