/*
 * What the HTTP pool adds to the time of a language model's server: requests a second against the
 * most that the server's latency allows, and the processor's time. The server is the tests' own, in
 * the same process, over the loopback device without TLS.
 *
 *   bench_http_pool [REQUESTS [IN_FLIGHT [LATENCY_MS [KILOBYTES]]]]
 */
#include "core/http_pool.h"
#include "classify/scripted_server.h"
#include "processor_time.h"

#include <stdio.h>
#include <string.h>

#define ANSWER "{\"class\":\"scratch\",\"reason\":\"a bright line across the surface\"}"
#define QUEUED_PER_PLACE 2 /* as a caller that limits its memory */

typedef struct {
  guint requests, in_flight, latency_ms, kilobytes;
} Load;

typedef struct {
  guint answers, failures;
} Outcome;

static void count(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Outcome *outcome = data;
  if (response && response->status == 200)
    outcome->answers++;
  else
    outcome->failures++;
  if (error && outcome->failures == 1)
    fprintf(stderr, "%s\n", error->message);
}

/* The body of each request is its own, as pictures are. */
static GBytes *make_body(guint kilobytes) {
  gsize size = (gsize)kilobytes * 1000;
  return g_bytes_new_take(g_strnfill(size, 'A'), size);
}

/* Returns: seconds. */
static double send_all(VelmHttpPool *pool, const char *url, const Load *load, Outcome *outcome) {
  gint64 start = g_get_monotonic_time();
  guint submitted = 0;
  do {
    for (; submitted < load->requests &&
           velm_http_pool_pending(pool) < QUEUED_PER_PLACE * load->in_flight;
         submitted++) {
      g_autoptr(GBytes) body = make_body(load->kilobytes);
      velm_http_pool_submit(pool, url, body, count, outcome, NULL);
    }
  } while (velm_http_pool_iterate(pool, -1) || submitted < load->requests);
  return (double)(g_get_monotonic_time() - start) / 1e6;
}

static void print(const Load *load, const Outcome *outcome, double seconds, double own,
                  double all) {
  double rate = load->requests / seconds;
  double most = load->in_flight / (load->latency_ms / 1e3);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("%u requests of %u kB, %u in flight, server's latency %u ms\n", load->requests,
         load->kilobytes, load->in_flight, load->latency_ms);
  printf("  answers %u, failures %u, time %.2f s\n", outcome->answers, outcome->failures, seconds);
  printf("  %.1f requests/s of %.1f that the latency allows: %.1f %%\n", rate, most,
         100 * rate / most);
  printf(
      "  processor: pool %.2f s (%.1f %% of a core, %.2f ms a request), with the server %.2f s\n",
      own, 100 * own / seconds, 1e3 * own / load->requests, all);
  printf("  most memory, with the server's: %ld MiB\n", usage.ru_maxrss / 1024);
}

static int measure(const Load *load) {
  g_autoptr(GError) error = NULL;
  g_autoptr(ScriptedServer) server = scripted_server_new();
  g_autofree char *url = g_strconcat(scripted_server_endpoint(server), "/chat/completions", NULL);
  VelmHttpParams params = velm_http_params_default();
  Outcome outcome = {0};
  params.in_flight = load->in_flight;
  g_autoptr(VelmHttpPool) pool = velm_http_pool_new(&params, &error);
  if (!pool) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  scripted_server_answer(server, ANSWER);
  scripted_server_set_latency(server, load->latency_ms);
  scripted_server_set_keep_alive(server, TRUE);
  scripted_server_drop_bodies(server);
  double own = processor_time(RUSAGE_THREAD), all = processor_time(RUSAGE_SELF);
  double seconds = send_all(pool, url, load, &outcome);
  own = processor_time(RUSAGE_THREAD) - own;
  all = processor_time(RUSAGE_SELF) - all;
  print(load, &outcome, seconds, own, all);
  return outcome.failures > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
  Load load = {.requests = 1000, .in_flight = 32, .latency_ms = 200, .kilobytes = 300};
  guint *const fields[] = {&load.requests, &load.in_flight, &load.latency_ms, &load.kilobytes};
  for (int i = 1; i < argc && i <= (int)G_N_ELEMENTS(fields); i++) {
    guint64 value = 0;
    if (!g_ascii_string_to_unsigned(argv[i], 10, 1, 1000 * 1000, &value, NULL)) {
      fprintf(stderr, "usage: bench_http_pool [REQUESTS [IN_FLIGHT [LATENCY_MS [KILOBYTES]]]]\n");
      return 2;
    }
    *fields[i - 1] = (guint)value;
  }
  return measure(&load);
}
