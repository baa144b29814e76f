/*
 * What inspection costs over its network: `inspect` end to end with decoding, one image after
 * another, against the cut backbone alone and the whole network, in one run on the same images; and
 * images a second where several are inspected at a time, against the whole network's.
 *
 *   bench_inspect [MODEL.velm IMAGE|FOLDER...]
 *
 * Without arguments it makes parts and, for each backbone that velm brings, a model first.
 */
#include "act/inspector.h"
#include "act/spec.h"
#include "core/engine.h"
#include "core/file.h"
#include "core/scratch.h"
#include "dataset/dataset.h"
#include "dataset/procedural.h"
#include "detect/backbone.h"
#include "detect/inspection.h"
#include "median.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 3

/* ---- times ---- */

typedef struct {
  GArray *whole;    /* of double: ms of the whole network's inference, which nobody cut */
  GArray *network;  /* of double: ms of the inference alone, on a resized image */
  GArray *backbone; /* resizing, inference and gathering the features */
  GArray *total[2]; /* whole inspections: of parts found normal; of anomalous ones */
  GArray *all;
  GArray *stages[VELM_TIMING_TOTAL]; /* of those where the stage ran */
} Times;

static GArray *series_new(void) { return g_array_new(FALSE, FALSE, sizeof(double)); }

static Times times_new(void) {
  Times times = {series_new(), series_new(), series_new(), {series_new(), series_new()},
                 series_new(), {0}};
  for (gsize i = 0; i < G_N_ELEMENTS(times.stages); i++)
    times.stages[i] = series_new();
  return times;
}

static void times_clear(Times *times) {
  g_array_unref(times->whole);
  g_array_unref(times->network);
  g_array_unref(times->backbone);
  g_array_unref(times->total[0]);
  g_array_unref(times->total[1]);
  g_array_unref(times->all);
  for (gsize i = 0; i < G_N_ELEMENTS(times->stages); i++)
    g_array_unref(times->stages[i]);
}

static void add(GArray *series, double ms) { g_array_append_val(series, ms); }

static void print_row(const char *name, GArray *series, double network) {
  if (series->len == 0)
    return;
  double ms = median(series);
  printf("  %-38s %6u %10.2f %9.2f\n", name, series->len, ms, ms / network);
}

static void print_times(const Times *times) {
  static const char *const stages[] = {"    decode", "    features", "    search", "    mark",
                                       "    classify"};
  double network = median(times->network), whole = median(times->all);
  printf("  %-38s %6s %10s %9s\n", "", "runs", "median ms", "/ network");
  print_row("whole network", times->whole, network);
  print_row("network alone, cut", times->network, network);
  print_row("backbone: resize, network, features", times->backbone, network);
  print_row("inspect, end to end", times->all, network);
  print_row("  of parts found normal", times->total[0], network);
  print_row("  of anomalous parts", times->total[1], network);
  for (gsize i = 0; i < G_N_ELEMENTS(stages); i++)
    print_row(stages[i], times->stages[i], network);
  printf("  ratio of inspect to the whole network: %.2f, to the cut one: %.2f, to the backbone: "
         "%.2f\n",
         whole / median(times->whole), whole / network, whole / median(times->backbone));
}

/* ---- measuring ---- */

typedef struct {
  VelmNet *whole, *net; /* the backbone's network once more, bare */
  guint n_threads;      /* of the batch */
  GPtrArray *wholes;    /* the whole network for as many threads */
  VelmInspector *batch; /* which inspects as many images at a time */
  int size;
  VelmBackbone *backbone;
  VelmInspector *inspector;
} Subject;

static void subject_clear(Subject *subject) {
  velm_net_free(subject->whole);
  velm_net_free(subject->net);
  if (subject->wholes)
    g_ptr_array_unref(subject->wholes);
  velm_inspector_free(subject->batch);
  velm_backbone_free(subject->backbone);
  velm_inspector_free(subject->inspector);
}

static VelmNetParams net_params(const VelmBackboneSpec *spec) {
  VelmNetParams params = {.width = spec->size, .height = spec->size};
  memcpy(params.mean, spec->mean, sizeof params.mean);
  memcpy(params.scale, spec->scale, sizeof params.scale);
  return params;
}

/* The network of @spec, cut as velm_backbone_open() cuts it: every layer once, without what is
 * added to its name. */
static VelmNet *open_net(const VelmBackboneSpec *spec, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (char **layer = spec->layers; *layer; layer++) {
    g_autofree char *name = g_strdup(*layer);
    char *at = strchr(name, '@');
    if (at)
      *at = '\0';
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
      g_ptr_array_add(names, g_steal_pointer(&name));
  }
  g_ptr_array_add(names, NULL);
  VelmNetParams params = net_params(spec);
  params.layers = (const char *const *)names->pdata;
  return velm_net_open(spec->path, &params, error);
}

/* The whole network, opened once for @n threads. */
static GPtrArray *open_wholes(const VelmBackboneSpec *spec, guint n, GError **error) {
  g_autoptr(GPtrArray) nets = g_ptr_array_new_with_free_func((GDestroyNotify)velm_net_free);
  VelmNetParams params = net_params(spec);
  params.streams = n;
  for (guint i = 0; i < n; i++) {
    VelmNet *net =
        i == 0 ? velm_net_open(spec->path, &params, error) : velm_net_share(nets->pdata[0], error);
    if (!net)
      return NULL;
    g_ptr_array_add(nets, net);
  }
  return g_steal_pointer(&nets);
}

static gboolean open_subject(Subject *subject, VelmModel *model, GError **error) {
  g_autoptr(VelmBackboneSpec) spec = velm_backbone_spec_restore(model, error);
  if (!spec)
    return FALSE;
  VelmInspectorParams params = velm_inspector_params_default();
  subject->size = spec->size;
  subject->net = open_net(spec, error);
  subject->backbone = subject->net ? velm_backbone_open(spec, error) : NULL;
  subject->inspector = subject->backbone ? velm_inspector_new(model, NULL, &params, error) : NULL;
  if (!subject->inspector)
    return FALSE;
  const VelmNetParams whole = net_params(spec);
  params.parallel = subject->n_threads = velm_inspector_best_parallel();
  subject->whole = velm_net_open(spec->path, &whole, error);
  subject->wholes = subject->whole ? open_wholes(spec, subject->n_threads, error) : NULL;
  subject->batch = subject->wholes ? velm_inspector_new(model, NULL, &params, error) : NULL;
  return subject->batch != NULL;
}

static gboolean time_backbone(Subject *subject, const VelmSample *sample, Times *times,
                              GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmImage) resized =
      image ? velm_image_resize(image, subject->size, subject->size, error) : NULL;
  if (!resized)
    return FALSE;
  gint64 start = g_get_monotonic_time();
  if (!velm_net_run_image(subject->whole, resized->pixels, error))
    return FALSE;
  add(times->whole, velm_timing_since(start));
  start = g_get_monotonic_time();
  if (!velm_net_run_image(subject->net, resized->pixels, error))
    return FALSE;
  add(times->network, velm_timing_since(start));
  start = g_get_monotonic_time();
  g_autoptr(VelmFeatures) features = velm_backbone_extract(subject->backbone, image, error);
  add(times->backbone, velm_timing_since(start));
  return features != NULL;
}

static gboolean time_inspection(Subject *subject, const VelmSample *sample, Times *times,
                                GError **error) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(VelmInspection) inspection =
      velm_inspector_inspect(subject->inspector, sample->path, sample->reference, error);
  if (!inspection)
    return FALSE;
  double ms = velm_timing_since(start);
  add(times->all, ms);
  add(times->total[inspection->anomalous ? 1 : 0], ms);
  for (gsize i = 0; i < G_N_ELEMENTS(times->stages); i++)
    if (inspection->timings_ms[i] > 0)
      add(times->stages[i], inspection->timings_ms[i]);
  return TRUE;
}

/* ---- many at a time ---- */

/* What one thread runs the whole network on, again and again. */
typedef struct {
  VelmNet *net;
  const guint8 *pixels;
  guint n;
} Runs;

static gpointer run_often(gpointer data) {
  Runs *runs = data;
  for (guint i = 0; i < runs->n; i++)
    velm_net_run_image(runs->net, runs->pixels, NULL);
  return NULL;
}

/* Images a second of the whole network, as many threads as the batch has. */
static double rate_network(Subject *subject, guint n) {
  VelmImage *image = velm_image_new(subject->size, subject->size);
  g_autofree Runs *runs = g_new(Runs, subject->n_threads);
  g_autofree GThread **threads = g_new(GThread *, subject->n_threads);
  guint share = MAX(1, n / subject->n_threads);
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < subject->n_threads; i++) {
    runs[i] = (Runs){subject->wholes->pdata[i], image->pixels, share};
    threads[i] = g_thread_new("network", run_often, &runs[i]);
  }
  for (guint i = 0; i < subject->n_threads; i++)
    g_thread_join(threads[i]);
  double rate = 1e3 * (double)(share * subject->n_threads) / velm_timing_since(start);
  velm_image_free(image);
  return rate;
}

static void count_done(VelmInspection *inspection, const GError *error, gpointer user_data) {
  velm_inspection_free(inspection);
  --*(guint *)user_data;
}

/* Images a second of whole inspections. */
static double rate_batch(Subject *subject, const GPtrArray *samples) {
  guint on_their_way = 0, most = velm_inspector_capacity(subject->batch);
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = samples->pdata[i];
    on_their_way++;
    velm_inspector_submit(subject->batch, sample->path, sample->reference, count_done,
                          &on_their_way);
    while (on_their_way >= most)
      velm_inspector_iterate(subject->batch, 1000);
  }
  while (on_their_way > 0)
    velm_inspector_iterate(subject->batch, 1000);
  return 1e3 * (double)samples->len / velm_timing_since(start);
}

static void measure_batch(Subject *subject, const GPtrArray *samples) {
  g_autoptr(GArray) networks = series_new(), batches = series_new(), ratios = series_new();
  for (guint round = 0; round <= 2 * ROUNDS; round++) {
    double network = rate_network(subject, samples->len), batch = rate_batch(subject, samples);
    if (round == 0)
      continue;
    add(networks, network);
    add(batches, batch);
    add(ratios, batch / network);
  }
  printf("  %u images at a time: %.1f a second; whole network: %.1f a second; ratio %.2f\n",
         subject->n_threads, median(batches), median(networks), median(ratios));
}

/* Both in turn, image by image, so that whatever else the machine does meets both. The first round
 * only warms up. */
static gboolean measure(VelmModel *model, const GPtrArray *samples, GError **error) {
  Subject subject = {0};
  Times warm = times_new(), times = times_new();
  gboolean ok = open_subject(&subject, model, error);
  for (guint round = 0; ok && round <= ROUNDS; round++)
    for (guint i = 0; ok && i < samples->len; i++) {
      Times *to = round == 0 ? &warm : &times;
      ok = time_backbone(&subject, samples->pdata[i], to, error) &&
           time_inspection(&subject, samples->pdata[i], to, error);
    }
  if (ok) {
    print_times(&times);
    measure_batch(&subject, samples);
  }
  times_clear(&warm);
  times_clear(&times);
  subject_clear(&subject);
  return ok;
}

/* ---- parts and models of its own ---- */

static VelmModel *make_model(const char *parts, const char *backbone, GError **error) {
  VelmFitParams fit = velm_fit_params_default();
  VelmTeachParams teach = velm_teach_params_default();
  g_autofree char *spec_path = g_build_filename(parts, "spec.yaml", NULL);
  fit.backbone = backbone;
  teach.shots = 4;
  g_autoptr(VelmModel) model = velm_model_fit(parts, &fit, error);
  g_autoptr(VelmSpec) spec = model ? velm_spec_load(spec_path, error) : NULL;
  if (!spec || !velm_model_teach(model, parts, spec, &teach, error))
    return NULL;
  return g_steal_pointer(&model);
}

static gboolean measure_backbone(const char *parts, const char *backbone, GError **error) {
  g_autofree char *test = g_build_filename(parts, "test", NULL);
  g_autoptr(VelmModel) model = make_model(parts, backbone, error);
  g_autoptr(GPtrArray) samples =
      model ? velm_dataset_expand((const char *const[]){test, NULL}, error) : NULL;
  if (!samples)
    return FALSE;
  printf("%s, on %u made-up parts of 512 x 512\n", backbone, samples->len);
  return measure(model, samples, error);
}

static gboolean measure_made_up(GError **error) {
  g_autofree char *folder = scratch_new();
  g_autofree char *parts = g_build_filename(folder, "parts", NULL);
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 512;
  params.n_train = 24;
  params.n_test_good = 10;
  params.n_per_class = 4;
  gboolean ok = velm_procedural_write(&params, parts, NULL, NULL, error) &&
                measure_backbone(parts, "lite2", error) &&
                measure_backbone(parts, "dinov2s", error);
  scratch_remove(folder);
  return ok;
}

static gboolean measure_given(const char *model_path, const char *const *paths, GError **error) {
  g_autoptr(VelmModel) model = velm_model_load(model_path, error);
  g_autoptr(GPtrArray) samples = model ? velm_dataset_expand(paths, error) : NULL;
  if (!samples)
    return FALSE;
  printf("%s, on %u images\n", model_path, samples->len);
  return measure(model, samples, error);
}

int main(int argc, char **argv) {
  if (argc == 2) {
    fprintf(stderr, "usage: %s [MODEL.velm IMAGE|FOLDER...]\n", argv[0]);
    return 2;
  }
  g_autoptr(GError) error = NULL;
  gboolean ok = argc == 1 ? measure_made_up(&error)
                          : measure_given(argv[1], (const char *const *)argv + 2, &error);
  if (!ok)
    fprintf(stderr, "%s: %s\n", argv[0], error->message);
  return ok ? 0 : 1;
}
