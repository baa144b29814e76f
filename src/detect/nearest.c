#include "detect/nearest.h"

#include "core/engine.h"

#include <math.h>
#include <string.h>

struct _VelmNearest {
  VelmNet *net;
  gsize n, channels, n_queries;
  float *centre;  /* of the bank: distances do not depend on it, rounding does */
  float *shifted; /* queries less the centre */
  float *squares; /* of the queries' norms */
};

/*
 * For query q and entry b, |q - b|^2 = |q|^2 + 2 (|b|^2 / 2 - q b). The network computes the
 * minimum over the entries of what is in brackets, with -b as its weights.
 */
static char *network_text(gsize n, gsize channels, gsize n_queries) {
  GString *xml = g_string_new("<net name=\"nearest\" version=\"11\"><layers>");
  gsize bank_bytes = n * channels * sizeof(float);
#define DIM "<dim>%" G_GSIZE_FORMAT "</dim>"
  g_string_append_printf(
      xml,
      "<layer id=\"0\" name=\"queries\" type=\"Parameter\" version=\"opset1\">"
      "<data shape=\"%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "\" element_type=\"f32\"/>"
      "<output><port id=\"0\" precision=\"FP32\">" DIM DIM "</port></output></layer>",
      n_queries, channels, n_queries, channels);
  g_string_append_printf(xml,
                         "<layer id=\"1\" name=\"bank\" type=\"Const\" version=\"opset1\">"
                         "<data element_type=\"f32\" shape=\"%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT
                         "\" offset=\"0\" size=\"%" G_GSIZE_FORMAT "\"/>"
                         "<output><port id=\"0\" precision=\"FP32\">" DIM DIM
                         "</port></output></layer>",
                         n, channels, bank_bytes, n, channels);
  g_string_append_printf(xml,
                         "<layer id=\"2\" name=\"norms\" type=\"Const\" version=\"opset1\">"
                         "<data element_type=\"f32\" shape=\"1,%" G_GSIZE_FORMAT
                         "\" offset=\"%" G_GSIZE_FORMAT "\" size=\"%" G_GSIZE_FORMAT "\"/>"
                         "<output><port id=\"0\" precision=\"FP32\"><dim>1</dim>" DIM
                         "</port></output></layer>",
                         n, bank_bytes, n * sizeof(float), n);
  g_string_append_printf(
      xml,
      "<layer id=\"3\" name=\"products\" type=\"MatMul\" version=\"opset1\">"
      "<data transpose_a=\"false\" transpose_b=\"true\"/>"
      "<input><port id=\"0\">" DIM DIM "</port><port id=\"1\">" DIM DIM "</port></input>"
      "<output><port id=\"2\" precision=\"FP32\">" DIM DIM "</port></output></layer>",
      n_queries, channels, n, channels, n_queries, n);
  g_string_append_printf(
      xml,
      "<layer id=\"4\" name=\"halves\" type=\"Add\" version=\"opset1\">"
      "<data auto_broadcast=\"numpy\"/>"
      "<input><port id=\"0\">" DIM DIM "</port><port id=\"1\"><dim>1</dim>" DIM "</port></input>"
      "<output><port id=\"2\" precision=\"FP32\">" DIM DIM "</port></output></layer>",
      n_queries, n, n, n_queries, n);
  g_string_append_printf(
      xml,
      "<layer id=\"5\" name=\"axis\" type=\"Const\" version=\"opset1\">"
      "<data element_type=\"i64\" shape=\"1\" offset=\"%" G_GSIZE_FORMAT "\" size=\"8\"/>"
      "<output><port id=\"0\" precision=\"I64\"><dim>1</dim></port></output></layer>",
      bank_bytes + n * sizeof(float));
  g_string_append_printf(xml,
                         "<layer id=\"6\" name=\"least\" type=\"ReduceMin\" version=\"opset1\">"
                         "<data keep_dims=\"false\"/>"
                         "<input><port id=\"0\">" DIM DIM
                         "</port><port id=\"1\"><dim>1</dim></port></input>"
                         "<output><port id=\"2\" precision=\"FP32\">" DIM "</port></output></layer>"
                         "<layer id=\"7\" name=\"result\" type=\"Result\" "
                         "version=\"opset1\"><input><port id=\"0\">" DIM "</port></input></layer>",
                         n_queries, n, n_queries, n_queries);
#undef DIM
#define EDGE(from, from_port, to, to_port)                                                         \
  "<edge from-layer=\"" #from "\" from-port=\"" #from_port "\" to-layer=\"" #to                    \
  "\" to-port=\"" #to_port "\"/>"
  g_string_append(xml, "</layers><edges>" EDGE(0, 0, 3, 0) EDGE(1, 0, 3, 1) EDGE(3, 2, 4, 0)
                           EDGE(2, 0, 4, 1) EDGE(4, 2, 6, 0) EDGE(5, 0, 6, 1) EDGE(6, 2, 7, 0));
#undef EDGE
  g_string_append(xml, "</edges></net>");
  return g_string_free(xml, FALSE);
}

static void find_centre(VelmNearest *nearest, const float *bank) {
  g_autofree double *sums = g_new0(double, nearest->channels);
  for (gsize i = 0; i < nearest->n; i++)
    for (gsize k = 0; k < nearest->channels; k++)
      sums[k] += (double)bank[i * nearest->channels + k];
  for (gsize k = 0; k < nearest->channels; k++)
    nearest->centre[k] = (float)(sums[k] / (double)nearest->n);
}

/* The network's constants: the negated bank, half of its squared norms, and the axis of the
 * minimum. */
static guint8 *network_weights(const VelmNearest *nearest, const float *bank, gsize *size) {
  gsize n = nearest->n, channels = nearest->channels;
  *size = (n * channels + n) * sizeof(float) + sizeof(gint64);
  guint8 *weights = g_malloc(*size);
  float *entries = (float *)(void *)weights, *halves = entries + n * channels;
  for (gsize i = 0; i < n; i++) {
    double square = 0;
    for (gsize k = 0; k < channels; k++) {
      float value = bank[i * channels + k] - nearest->centre[k];
      entries[i * channels + k] = -value;
      square += (double)value * (double)value;
    }
    halves[i] = (float)(square / 2);
  }
  gint64 axis = 1;
  memcpy(halves + n, &axis, sizeof axis);
  return weights;
}

VelmNearest *velm_nearest_new(const float *bank, gsize n, gsize channels, gsize n_queries,
                              GError **error) {
  g_autoptr(VelmNearest) nearest = g_new0(VelmNearest, 1);
  nearest->n = n;
  nearest->channels = channels;
  nearest->n_queries = n_queries;
  nearest->centre = g_new(float, channels);
  nearest->shifted = g_new(float, n_queries *channels);
  nearest->squares = g_new(float, n_queries);
  find_centre(nearest, bank);
  gsize size = 0;
  g_autofree guint8 *weights = network_weights(nearest, bank, &size);
  g_autofree char *xml = network_text(n, channels, n_queries);
  VelmNetParams params = {0};
  nearest->net = velm_net_compile(xml, weights, size, &params, error);
  return nearest->net ? g_steal_pointer(&nearest) : NULL;
}

static const float *run(VelmNearest *nearest, const float *queries, GError **error) {
  gsize channels = nearest->channels;
  for (gsize i = 0; i < nearest->n_queries; i++) {
    double square = 0;
    for (gsize k = 0; k < channels; k++) {
      float value = queries[i * channels + k] - nearest->centre[k];
      nearest->shifted[i * channels + k] = value;
      square += (double)(value * value);
    }
    nearest->squares[i] = (float)square;
  }
  if (!velm_net_run_floats(nearest->net, nearest->shifted, nearest->n_queries * channels, error))
    return NULL;
  return velm_net_output(nearest->net, 0)->data;
}

gboolean velm_nearest_distances(VelmNearest *nearest, const float *queries, float *distances,
                                GError **error) {
  const float *halves = run(nearest, queries, error);
  if (!halves)
    return FALSE;
  for (gsize i = 0; i < nearest->n_queries; i++)
    distances[i] = sqrtf(MAX(0.0f, nearest->squares[i] + 2 * halves[i]));
  return TRUE;
}

void velm_nearest_free(VelmNearest *nearest) {
  if (!nearest)
    return;
  velm_net_free(nearest->net);
  g_free(nearest->centre);
  g_free(nearest->shifted);
  g_free(nearest->squares);
  g_free(nearest);
}
