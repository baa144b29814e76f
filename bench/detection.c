/*
 * Detection, stage by stage: one table by backbone and image size, by memory bank (1,000 to 100,000
 * patches a layer) and by threads, with the peak memory of each; how the search grows; and how far
 * it and the network are from what this processor can multiply and read.
 *
 *   bench_detection [BACKBONE]
 *
 * Parts and models are made up. A bank beyond what their patches give is filled up with points
 * between two of its entries. Each row of the table is a process of its own, held to as many
 * processors as the row has threads.
 */
#include "core/model.h"
#include "core/scratch.h"
#include "dataset/dataset.h"
#include "dataset/procedural.h"
#include "detect/detector.h"
#include "detect/inspection.h"
#include "mark/mark.h"
#include "median.h"

#include <cblas.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ROUNDS 3

/* Marking is for anomalous parts alone, and not in the total. */
typedef enum { DECODE, FEATURES, SEARCH, TOTAL, MARK, N_STAGES } Stage;

static const struct {
  const char *backbone;
  int size;
} settings[] = {{"lite2", 256}, {"lite2", 384}, {"dinov2s", 224}, {"dinov2s", 448}};
static const gsize banks[] = {1000, 10000, 100000};

/* ---- the machine ---- */

/* Billions of floating-point operations a second in a product of matrices, on all processors. */
static double peak_flops(void) {
  enum { N = 1024 };
  g_autofree float *a = g_new(float, N *N), *b = g_new(float, N *N), *c = g_new(float, N *N);
  for (gsize i = 0; i < N * N; i++)
    a[i] = b[i] = (float)(i % 7);
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));
  for (gsize i = 0; i < 7; i++) {
    gint64 start = g_get_monotonic_time();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, a, N, b, N, 0, c, N);
    double ms = velm_timing_since(start);
    g_array_append_val(times, ms);
  }
  return 2.0 * N * N * N / median(times) / 1e6;
}

/* GB a second that are read from memory, by one thread. */
static double peak_reading(void) {
  gsize n = 64 << 20;
  g_autofree float *values = g_new0(float, n);
  memset(values, 1, n * sizeof *values);
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));
  double sum = 0;
  for (gsize k = 0; k < 5; k++) {
    gint64 start = g_get_monotonic_time();
    sum += (double)cblas_sasum((blasint)n, values, 1);
    double ms = velm_timing_since(start);
    g_array_append_val(times, ms);
  }
  return sum > 0 ? (double)(n * sizeof *values) / median(times) / 1e6 : 0;
}

/* ---- one row, in a process of its own ---- */

static void add_times(GArray *series[N_STAGES], const VelmInspection *inspection) {
  const double *ms = inspection->timings_ms;
  const double decode = ms[VELM_TIMING_DECODE], features = ms[VELM_TIMING_FEATURES],
               search = ms[VELM_TIMING_SEARCH], mark = ms[VELM_TIMING_MARK];
  const double stages[N_STAGES] = {decode, features, search, decode + features + search, mark};
  for (gsize i = 0; i < N_STAGES; i++)
    if (i != MARK || inspection->anomalous)
      g_array_append_val(series[i], stages[i]);
}

static VelmInspection *inspect(VelmDetector *detector, const VelmSample *sample, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  if (!velm_inspection_load(inspection, NULL, 0, error) ||
      !velm_detector_detect(detector, inspection, error))
    return NULL;
  gint64 start = g_get_monotonic_time();
  if (inspection->anomalous && !velm_mark_regions(inspection, TRUE, error))
    return NULL;
  inspection->timings_ms[VELM_TIMING_MARK] = velm_timing_since(start);
  return g_steal_pointer(&inspection);
}

/* Prints the medians of the stages in ms, and MiB at the most. */
static gboolean measure_row(const char *model_path, const char *images, GError **error) {
  g_autoptr(VelmModel) model = velm_model_load(model_path, error);
  VelmDetector *detector = model ? velm_detector_open(model, error) : NULL;
  g_autoptr(GPtrArray) samples =
      detector ? velm_dataset_expand((const char *const[]){images, NULL}, error) : NULL;
  GArray *series[N_STAGES];
  for (gsize i = 0; i < N_STAGES; i++)
    series[i] = g_array_new(FALSE, FALSE, sizeof(double));
  gboolean ok = samples != NULL;
  for (guint round = 0; ok && round <= ROUNDS; round++)
    for (guint i = 0; ok && i < samples->len; i++) {
      g_autoptr(VelmInspection) inspection = inspect(detector, samples->pdata[i], error);
      ok = inspection != NULL;
      if (ok && round > 0)
        add_times(series, inspection);
    }
  for (gsize i = 0; i < N_STAGES; i++) {
    if (ok)
      printf("%.3f ", series[i]->len ? median(series[i]) : 0.0);
    g_array_unref(series[i]);
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("%.0f\n", (double)usage.ru_maxrss / 1024);
  velm_detector_free(detector);
  return ok;
}

static void hold_to(gpointer data) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (gint i = 0; i < GPOINTER_TO_INT(data); i++)
    CPU_SET((size_t)i, &set);
  sched_setaffinity(0, sizeof set, &set);
}

/* Runs this program for one row. @row: (out): the stages, and MiB */
static gboolean run_row(const char *program, const char *model, const char *images, guint threads,
                        double row[N_STAGES + 1], GError **error) {
  g_autofree char *out = NULL, *number = g_strdup_printf("%u", threads);
  const char *const arguments[] = {program, "--row", model, images, NULL};
  int status = 0;
  g_auto(GStrv) environment = g_get_environ();
  environment = g_environ_setenv(environment, "OMP_NUM_THREADS", number, TRUE);
  if (!g_spawn_sync(NULL, (char **)arguments, environment, G_SPAWN_DEFAULT, hold_to,
                    GINT_TO_POINTER(threads), &out, NULL, &status, error) ||
      !g_spawn_check_wait_status(status, error))
    return FALSE;
  char *at = out;
  for (gsize i = 0; i <= N_STAGES; i++)
    row[i] = g_ascii_strtod(at, &at);
  return TRUE;
}

/* ---- models ---- */

/* Fills the bank of layer @index up to @n entries, or cuts it. FALSE where there is no such. */
static gboolean fill_bank(VelmModel *model, gsize index, gsize n, GRand *random) {
  g_autofree char *bank_name = g_strdup_printf("patchcore.bank.%" G_GSIZE_FORMAT, index);
  g_autofree char *scale_name = g_strdup_printf("patchcore.scale.%" G_GSIZE_FORMAT, index);
  gsize size = 0, channels = 0;
  if (!velm_model_has(model, bank_name))
    return FALSE;
  const float *bank = velm_model_get_floats(model, bank_name, 0, &size, NULL);
  velm_model_get_floats(model, scale_name, 0, &channels, NULL);
  gsize entries = size / channels;
  g_autofree float *filled = g_new(float, n *channels);
  for (gsize i = 0; i < n; i++) {
    const float *one = bank + i % entries * channels;
    const float *other = bank + (gsize)g_rand_int_range(random, 0, (gint32)entries) * channels;
    float part = i < entries ? 0 : (float)g_rand_double_range(random, 0, 0.3);
    for (gsize k = 0; k < channels; k++)
      filled[i * channels + k] = one[k] + part * (other[k] - one[k]);
  }
  velm_model_set_floats(model, bank_name, filled, n * channels);
  return TRUE;
}

static gboolean write_model(const char *fitted, const char *path, gsize n, GError **error) {
  g_autoptr(VelmModel) model = velm_model_load(fitted, error);
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  if (!model)
    return FALSE;
  for (gsize layer = 0; fill_bank(model, layer, n, random); layer++)
    ;
  return velm_model_save(model, path, error);
}

/* ---- the table ---- */

/* Operations of the default layers' transformer blocks: 8 at the full size, 8 at half. */
static double transformer_gflop(int size) {
  double sum = 0;
  for (int scale = 0; scale < 2; scale++) {
    double tokens = pow((size >> scale) / 14, 2) + 1, width = 384;
    sum += 8 * (24 * width * width * tokens + 4 * tokens * tokens * width) / 1e9;
  }
  return sum;
}

static void print_row(const char *backbone, int size, guint threads, gsize bank,
                      const double row[N_STAGES + 1]) {
  printf("%-8s %4d %7u %7" G_GSIZE_FORMAT, backbone, size, threads, bank);
  for (gsize i = 0; i < N_STAGES; i++)
    printf(" %8.2f", row[i]);
  printf(" %8.1f %6.0f\n", 1e3 / row[TOTAL], row[N_STAGES]);
  fflush(stdout);
}

static gboolean measure_setting(const char *program, const char *folder, gsize index, guint threads,
                                double flops, GError **error) {
  const char *backbone = settings[index].backbone;
  g_autofree char *fitted = g_build_filename(folder, backbone, NULL);
  g_autofree char *sized = g_strdup_printf("%s%d.velm", fitted, settings[index].size);
  g_autofree char *path = g_build_filename(folder, "row.velm", NULL);
  g_autofree char *images = g_build_filename(folder, "parts", "test", NULL);
  double search[G_N_ELEMENTS(banks)], row[N_STAGES + 1];
  for (gsize i = 0; i < G_N_ELEMENTS(banks); i++) {
    if (!write_model(sized, path, banks[i], error) ||
        !run_row(program, path, images, threads, row, error))
      return FALSE;
    print_row(backbone, settings[index].size, threads, banks[i], row);
    search[i] = row[SEARCH];
  }
  gsize last = G_N_ELEMENTS(banks) - 1;
  printf("  search grows with the bank to the power of %.2f (1,000 to 10,000) and %.2f (to "
         "100,000)\n",
         log10(search[1] / search[0]), log10(search[last] / search[1]));
  if (g_str_equal(backbone, "dinov2s"))
    printf("  network: %.0f GFLOP/s, %.0f %% of what products of matrices reach on "
           "all processors\n",
           1e3 * transformer_gflop(settings[index].size) / row[FEATURES],
           100e3 * transformer_gflop(settings[index].size) / row[FEATURES] / flops);
  return TRUE;
}

static gboolean fit(const char *folder, gsize index, GError **error) {
  g_autofree char *parts = g_build_filename(folder, "parts", NULL);
  g_autofree char *name =
      g_strdup_printf("%s%d.velm", settings[index].backbone, settings[index].size);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  VelmFitParams params = velm_fit_params_default();
  params.backbone = settings[index].backbone;
  params.size = settings[index].size;
  g_autoptr(VelmModel) model = velm_model_fit(parts, &params, error);
  return model && velm_model_save(model, path, error);
}

static gboolean measure_all(const char *program, const char *only, const char *folder,
                            GError **error) {
  g_autofree char *parts = g_build_filename(folder, "parts", NULL);
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 512;
  params.n_train = 24;
  params.n_test_good = 4;
  params.n_per_class = 2;
  if (!velm_procedural_write(&params, parts, NULL, NULL, error))
    return FALSE;
  double flops = peak_flops();
  printf("this machine: %u processors; products of matrices %.0f GFLOP/s, one thread reads %.1f "
         "GB/s\n",
         g_get_num_processors(), flops, peak_reading());
  printf("ms an image (medians; mark: of anomalous parts, not in the total), images a second, MiB "
         "at the "
         "most\n"
         "%-8s %4s %7s %7s %8s %8s %8s %8s %8s %8s %6s\n",
         "backbone", "size", "threads", "bank", "decode", "features", "search", "total", "mark",
         "a second", "MiB");
  for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
    if (only && !g_str_equal(only, settings[i].backbone))
      continue;
    if (!fit(folder, i, error))
      return FALSE;
    for (guint threads = 1; threads <= MIN(16, g_get_num_processors()); threads *= 2)
      if (!measure_setting(program, folder, i, threads, flops, error))
        return FALSE;
  }
  return TRUE;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  gboolean ok;
  if (argc == 4 && g_str_equal(argv[1], "--row")) {
    ok = measure_row(argv[2], argv[3], &error);
  } else {
    char *folder = scratch_new();
    ok = measure_all(argv[0], argc > 1 ? argv[1] : NULL, folder, &error);
    scratch_remove(folder);
  }
  if (!ok)
    fprintf(stderr, "%s: %s\n", argv[0], error->message);
  return ok ? 0 : 1;
}
