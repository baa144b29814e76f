/*
 * What the classifier `mllm` adds to the time of a language model's server: records a second
 * against the most that the server's latency allows, what a prompt costs, and the memory that
 * queued records take. The records are detected and marked already; their prompts are not built.
 *
 *   bench_llm [RECORDS [IN_FLIGHT [LATENCY_MS [SIDE]]]]
 *
 * The server is the tests' own, in a process of its own on the same machine. Each measurement has a
 * process of its own too, so that none pays for the memory of another.
 */
#include "classify/mllm.h"
#include "classify/scripted_server.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "mark/mark.h"
#include "processor_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER "{\"class\":\"scratch\",\"reason\":\"a bright line across the surface\"}"
#define RUNS 3
#define N_PARTS 24   /* drawn; the records are of these, each with a mark of its own */
#define N_SAMPLED 48 /* prompts whose stages are timed */
#define SLOW_MS 2000 /* latency where memory is measured */
#define ENDPOINT_BYTES 64

typedef struct {
  guint records, in_flight, latency_ms, side;
} Load;

typedef struct {
  guint answers, failures;
  double seconds, processor; /* of the caller's thread */
} Outcome;

/* Of all threads, for libvips has its own: what others take of the processors does not count. */
static double now_ms(void) { return 1e3 * processor_time(RUSAGE_SELF); }

/* ---- processes ---- */

/* Runs @measure in a process of its own, and waits. Returns: whether it exited with 0. */
static gboolean run_apart(int (*measure)(const Load *load, gpointer data), const Load *load,
                          gpointer data) {
  int status = 0;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0)
    exit(measure(load, data));
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

typedef struct {
  pid_t process;
  int stop; /* closed to stop it */
  char endpoint[ENDPOINT_BYTES];
} Server;

/* Says its address through @out, and serves until @in is closed. */
static int serve(const Load *load, int out, int in) {
  char endpoint[ENDPOINT_BYTES] = {0}, byte;
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, ANSWER);
  scripted_server_set_latency(server, load->latency_ms);
  scripted_server_set_keep_alive(server, TRUE);
  scripted_server_drop_bodies(server);
  g_strlcpy(endpoint, scripted_server_endpoint(server), sizeof endpoint);
  if (write(out, endpoint, sizeof endpoint) != sizeof endpoint)
    return 1;
  return read(in, &byte, 1) == 0 ? 0 : 1;
}

/* Before the caller's process has threads. */
static Server server_start(const Load *load) {
  Server server = {0};
  int address[2], stop[2];
  if (pipe(address) != 0 || pipe(stop) != 0)
    g_error("no pipes");
  server.process = fork();
  if (server.process == 0) {
    close(stop[1]);
    _exit(serve(load, address[1], stop[0]));
  }
  close(address[1]);
  close(stop[0]);
  server.stop = stop[1];
  if (server.process < 0 ||
      read(address[0], server.endpoint, sizeof server.endpoint) != sizeof server.endpoint)
    g_error("the server does not start");
  close(address[0]);
  return server;
}

static void server_stop(const Server *server) {
  close(server->stop);
  waitpid(server->process, NULL, 0);
}

/* ---- records ---- */

static VelmClasses *make_classes(void) {
  VelmClasses *classes = velm_classes_new();
  classes->object = g_strdup("turned metal disc with a bore and three drilled holes");
  classes->normal = g_strdup("The surface is evenly turned, the holes are round and free.");
  velm_classes_add(classes, "scratch", "scratch", "a thin bright line across the turning marks");
  velm_classes_add(classes, "stain", "stain", "a dark patch with soft edges");
  velm_classes_add(classes, "chip", "chip", "material is missing at an edge");
  return classes;
}

/* A model that brings a normal image, which becomes the prompts' reference. */
static VelmModel *make_model(const VelmProceduralParams *params) {
  VelmModel *model = velm_model_new();
  g_autoptr(VelmImage) drawn = velm_procedural_draw(params, N_PARTS, 0, NULL, NULL);
  g_autoptr(VelmImage) normal =
      velm_image_resize(drawn, VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, NULL);
  g_autoptr(GBytes) png = velm_image_to_png(normal, NULL);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(png, &size);
  velm_model_set(model, "detector.normal_png",
                 g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1));
  return model;
}

static VelmInspection *make_record(const VelmImage *image, const VelmMask *mask, guint number) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = velm_image_copy(image);
  for (guint bit = 0; bit < 24; bit++) /* no two pictures are the same */
    inspection->image->pixels[bit] = number >> bit & 1 ? 255 : 0;
  inspection->mask = velm_mask_copy(mask);
  inspection->focus = velm_mask_copy(mask);
  inspection->anomalous = TRUE;
  return inspection;
}

static GPtrArray *make_records(const VelmProceduralParams *params, guint n) {
  const char *const *defects = velm_procedural_classes();
  guint n_defects = g_strv_length((char **)defects);
  GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)velm_inspection_free);
  for (guint part = 0; part < MIN(N_PARTS, n); part++) {
    g_autoptr(VelmMask) mask = NULL;
    g_autoptr(VelmImage) image =
        velm_procedural_draw(params, part, 0, defects[part % n_defects], &mask);
    for (guint i = part; i < n; i += N_PARTS)
      g_ptr_array_add(records, make_record(image, mask, i));
  }
  return records;
}

typedef struct {
  VelmClasses *classes;
  VelmModel *model;
  VelmClassifier *mllm;
  GPtrArray *records; /* of VelmInspection */
  char *folder;       /* of the cache, or NULL */
} Scene;

static Scene scene_new(const Load *load, const char *endpoint, guint n_records, gboolean cached) {
  g_autoptr(GError) error = NULL;
  VelmProceduralParams procedural = velm_procedural_params_default();
  procedural.size = (int)load->side;
  Scene scene = {.classes = make_classes(),
                 .model = make_model(&procedural),
                 .records = make_records(&procedural, n_records),
                 .folder = cached ? scratch_new() : NULL};
  g_autofree char *cache = cached ? g_build_filename(scene.folder, "answers.sqlite", NULL) : NULL;
  VelmClassifierParams params = {
      .endpoint = endpoint, .llm = "scripted", .in_flight = load->in_flight, .cache = cache};
  VelmMllmParams mllm = velm_mllm_params_default();
  scene.mllm = velm_mllm_open(scene.model, scene.classes, &params, &mllm, &error);
  if (!scene.mllm)
    g_error("%s", error->message);
  return scene;
}

static void scene_clear(Scene *scene) {
  velm_classifier_free(scene->mllm);
  g_ptr_array_unref(scene->records);
  velm_model_free(scene->model);
  velm_classes_free(scene->classes);
  if (scene->folder)
    scratch_remove(scene->folder);
}

/* ---- rate ---- */

static void count(G_GNUC_UNUSED VelmInspection *inspection, const GError *error, gpointer data) {
  Outcome *outcome = data;
  if (!error) {
    outcome->answers++;
    return;
  }
  if (outcome->failures++ == 0 && !g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED))
    fprintf(stderr, "%s\n", error->message);
}

/* As `velm inspect` does, but for detecting. */
static Outcome classify_all(const Scene *scene) {
  Outcome outcome = {0};
  guint most = velm_classifier_capacity(scene->mllm);
  double processor = processor_time(RUSAGE_THREAD);
  gint64 start = g_get_monotonic_time();
  for (guint submitted = 0; outcome.answers + outcome.failures < scene->records->len;) {
    while (submitted < scene->records->len && submitted - outcome.answers - outcome.failures < most)
      velm_classifier_submit(scene->mllm, scene->records->pdata[submitted++], count, &outcome);
    velm_classifier_iterate(scene->mllm, 1000);
  }
  outcome.seconds = (double)(g_get_monotonic_time() - start) / 1e6;
  outcome.processor = processor_time(RUSAGE_THREAD) - processor;
  return outcome;
}

static void print_run(const Load *load, const char *name, const Outcome *outcome, double own,
                      double server) {
  double rate = outcome->answers / outcome->seconds;
  double most = load->in_flight / (load->latency_ms / 1e3);
  printf("  %-12s %6.1f records/s, %5.1f %% of the ideal; processor, ms a record: %.2f in the "
         "caller's thread, %.2f in all, and %.2f of the server\n",
         name, rate, 100 * rate / most, 1e3 * outcome->processor / load->records,
         1e3 * own / load->records, 1e3 * server / load->records);
}

/* @data: (out): double, the rate; in memory that the processes share. */
static int measure_rate(const Load *load, const char *name, gboolean cached, double *rate) {
  Server server = server_start(load);
  Scene scene = scene_new(load, server.endpoint, load->records, cached);
  double own = processor_time(RUSAGE_SELF);
  Outcome outcome = classify_all(&scene);
  own = processor_time(RUSAGE_SELF) - own;
  scene_clear(&scene);
  server_stop(&server);
  print_run(load, name, &outcome, own, processor_time(RUSAGE_CHILDREN));
  *rate = outcome.answers / outcome.seconds;
  return outcome.failures > 0 ? 1 : 0;
}

static int measure_plain(const Load *load, gpointer rate) {
  return measure_rate(load, "no cache", FALSE, rate);
}

static int measure_cached(const Load *load, gpointer rate) {
  return measure_rate(load, "empty cache", TRUE, rate);
}

static int compare(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ---- where the time goes ---- */

typedef struct {
  double resize, outline, jpeg, prompt, request, key;
  gsize bytes;
} Stages;

/* velm_prompt_new() is the pictures' stages, besides the text and the reference. */
static void time_prompt(const VelmInspection *inspection, const VelmClasses *classes,
                        const VelmImage *reference, Stages *sum) {
  const int side = VELM_PROMPT_IMAGE_SIZE;
  double at[7] = {now_ms()};
  g_autoptr(VelmImage) part = velm_image_resize(inspection->image, side, side, NULL);
  at[1] = now_ms();
  g_autoptr(VelmImage) outlined =
      velm_mark_outline(inspection->image, inspection->mask, side, side, NULL);
  at[2] = now_ms();
  g_autoptr(GBytes) jpeg = velm_prompt_encode(outlined, NULL);
  at[3] = now_ms();
  VelmPromptParams params = velm_prompt_params_default();
  params.reference = reference;
  g_autoptr(VelmPrompt) prompt = velm_prompt_new(inspection, classes, &params, NULL);
  at[4] = now_ms();
  g_autofree char *json = velm_prompt_request(prompt, "scripted");
  at[5] = now_ms();
  gsize length = strlen(json);
  g_autofree char *key = velm_answer_cache_key("scripted", NULL, json, length);
  at[6] = now_ms();
  double *const stages[] = {&sum->resize, &sum->outline, &sum->jpeg,
                            &sum->prompt, &sum->request, &sum->key};
  for (int i = 0; i < 6; i++)
    *stages[i] += (at[i + 1] - at[i]) / N_SAMPLED;
  sum->bytes += length / N_SAMPLED;
}

static int measure_stages(const Load *load, G_GNUC_UNUSED gpointer data) {
  Stages sum = {0};
  VelmProceduralParams procedural = velm_procedural_params_default();
  procedural.size = (int)load->side;
  g_autoptr(VelmClasses) classes = make_classes();
  g_autoptr(GPtrArray) records = make_records(&procedural, N_SAMPLED);
  g_autoptr(VelmImage) normal = velm_procedural_draw(&procedural, N_PARTS, 0, NULL, NULL);
  for (guint i = 0; i < N_SAMPLED; i++)
    time_prompt(records->pdata[i], classes, normal, &sum);
  printf("  processor, ms: resize %.2f, resize and outline %.2f, one JPEG %.2f, prompt with "
         "three pictures %.2f, base64 and JSON %.2f, hash for the cache %.2f; body %.0f kB\n",
         sum.resize, sum.outline, sum.jpeg, sum.prompt, sum.request, sum.key,
         (double)sum.bytes / 1e3);
  return 0;
}

/* ---- memory ---- */

/* In MiB: now, or the most that there was. */
static double memory(const char *field) {
  g_autofree char *status = NULL;
  g_file_get_contents("/proc/self/status", &status, NULL, NULL);
  const char *at = status ? strstr(status, field) : NULL;
  return at ? g_ascii_strtod(at + strlen(field), NULL) / 1024 : 0;
}

/* The same part over and over, so that the memory is the queue's and not the pictures'. */
static int measure_memory(const Load *load, gpointer data) {
  guint n = *(const guint *)data;
  Outcome outcome = {0};
  Server server = server_start(load);
  Scene scene = scene_new(load, server.endpoint, 1, FALSE);
  VelmInspection *part = scene.records->pdata[0];
  g_autofree VelmInspection *parts = g_new(VelmInspection, n);
  for (guint i = 0; i < n; i++)
    parts[i] = *part;
  double before = memory("VmRSS:");
  for (guint i = 0; i < n; i++)
    velm_classifier_submit(scene.mllm, &parts[i], count, &outcome);
  double queued = memory("VmHWM:");
  while (outcome.answers < MIN(n, 2 * load->in_flight) && outcome.failures == 0)
    velm_classifier_iterate(scene.mllm, 1000);
  printf("  %6u queued: %.0f MiB before, %.0f once submitted, %.0f at most with %u in flight\n", n,
         before, queued, memory("VmHWM:"), load->in_flight);
  velm_classifier_cancel(scene.mllm);
  for (guint i = 0; i < n; i++)
    velm_inspection_clear_class(&parts[i]);
  scene_clear(&scene);
  server_stop(&server);
  return outcome.answers > 0 ? 0 : 1;
}

/* ---- all ---- */

static gboolean measure_rates(const Load *load, double *rate) {
  double rates[RUNS];
  for (int run = 0; run < RUNS; run++) {
    if (!run_apart(measure_plain, load, rate))
      return FALSE;
    rates[run] = *rate;
  }
  qsort(rates, RUNS, sizeof(double), compare);
  double median = rates[RUNS / 2], most = load->in_flight / (load->latency_ms / 1e3);
  gboolean cached = run_apart(measure_cached, load, rate);
  printf(
      "median of %d runs: %.1f records/s of %.1f that the latency allows: %.1f %% (best %.1f %%; "
      "with a cache to fill %.1f %%)\n",
      RUNS, median, most, 100 * median / most, 100 * rates[RUNS - 1] / most, 100 * *rate / most);
  return cached;
}

/* A slow server: all places fill up, and so does what is built ahead. */
static gboolean measure_memories(const Load *load) {
  Load slow = *load;
  gboolean done = TRUE;
  slow.latency_ms = SLOW_MS;
  for (guint n = 100; n <= 10000; n *= 10)
    done = run_apart(measure_memory, &slow, &n) && done;
  return done;
}

static gboolean parse(int argc, char **argv, Load *load) {
  guint *const fields[] = {&load->records, &load->in_flight, &load->latency_ms, &load->side};
  guint64 value = 0;
  if (argc > (int)G_N_ELEMENTS(fields) + 1)
    return FALSE;
  for (int i = 1; i < argc; i++) {
    if (!g_ascii_string_to_unsigned(argv[i], 10, 1, 1000 * 1000, &value, NULL))
      return FALSE;
    *fields[i - 1] = (guint)value;
  }
  return load->in_flight <= 1024 && load->side >= VELM_PROCEDURAL_MIN_SIZE &&
         load->side <= VELM_PROCEDURAL_MAX_SIZE;
}

int main(int argc, char **argv) {
  Load load = {.records = 1000, .in_flight = 32, .latency_ms = 200, .side = 448};
  if (!parse(argc, argv, &load)) {
    fprintf(stderr, "usage: bench_llm [RECORDS [IN_FLIGHT [LATENCY_MS [SIDE]]]]\n");
    return 2;
  }
  double *rate =
      mmap(NULL, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (rate == MAP_FAILED)
    g_error("no shared memory");
  /* The server is on this machine, whatever the machine's proxy; it wants no key. */
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_unsetenv("OPENAI_API_KEY");
  printf("%u records, pictures of %u x %u, %u in flight, server's latency %u ms\n", load.records,
         load.side, load.side, load.in_flight, load.latency_ms);
  gboolean done = run_apart(measure_stages, &load, NULL);
  done = measure_rates(&load, rate) && done;
  return measure_memories(&load) && done ? 0 : 1;
}
