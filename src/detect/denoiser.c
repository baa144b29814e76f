#include "detect/denoiser.h"

#include "core/engine.h"

struct _VelmDenoiser {
  VelmNet *net;
  gsize n_values;
  int batch;
  float *steps;
};

static VelmDenoiser *denoiser_new(VelmNet *net, gsize n_values, int batch) {
  VelmDenoiser *denoiser = g_new0(VelmDenoiser, 1);
  denoiser->net = net;
  denoiser->n_values = n_values;
  denoiser->batch = batch;
  denoiser->steps = g_new0(float, batch);
  return denoiser;
}

static gboolean check_output(VelmNet *net, const gint64 *dims, const char *path, GError **error) {
  const VelmTensor *output = velm_net_output(net, 0);
  gboolean fits = velm_net_n_outputs(net) == 1 && output->rank == 4;
  for (gsize i = 0; fits && i < 4; i++)
    fits = output->dims[i] == dims[i];
  if (!fits)
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: is no denoiser: its one output must have the images' own shape, %d x 3 x %d x "
                "%d",
                path, (int)dims[0], (int)dims[2], (int)dims[3]);
  return fits;
}

VelmDenoiser *velm_denoiser_open(const char *path, int width, int height, int batch, guint streams,
                                 GError **error) {
  const VelmNetShape inputs[] = {{4, {batch, 3, height, width}}, {1, {batch}}};
  /* Exact, for what is rounded in one step goes into all those after it. */
  const VelmNetParams params = {.inputs = inputs, .n_inputs = 2, .exact = TRUE, .streams = streams};
  g_autoptr(VelmNet) net = velm_net_open(path, &params, error);
  if (!net || !check_output(net, inputs[0].dims, path, error))
    return NULL;
  return denoiser_new(g_steal_pointer(&net), (gsize)batch * 3 * (gsize)height * (gsize)width,
                      batch);
}

VelmDenoiser *velm_denoiser_share(VelmDenoiser *denoiser, GError **error) {
  VelmNet *net = velm_net_share(denoiser->net, error);
  return net ? denoiser_new(net, denoiser->n_values, denoiser->batch) : NULL;
}

gsize velm_denoiser_n_values(const VelmDenoiser *denoiser) { return denoiser->n_values; }

const float *velm_denoiser_predict(VelmDenoiser *denoiser, const float *images, int step,
                                   GError **error) {
  for (int i = 0; i < denoiser->batch; i++)
    denoiser->steps[i] = (float)step;
  const float *inputs[] = {images, denoiser->steps};
  return velm_net_run_inputs(denoiser->net, inputs, error) ? velm_net_output(denoiser->net, 0)->data
                                                           : NULL;
}

void velm_denoiser_free(VelmDenoiser *denoiser) {
  if (!denoiser)
    return;
  velm_net_free(denoiser->net);
  g_free(denoiser->steps);
  g_free(denoiser);
}
