/* velm serve as a front of the plant. */
#include "cli/cli.h"
#include "plant/model_link.h"

#include <stdio.h>
#include <string.h>

/* The plant has a queue of its own: many images may be there at once. */
#define MOST_QUEUED 1024

static gboolean has_llm(const VelmCliLlm *llm) {
  return llm->endpoint || llm->llm || llm->key_file || llm->ca_file || llm->wording ||
         llm->regions || llm->normal_image || llm->cache || llm->prices || llm->serve_llm ||
         llm->mmproj || llm->budget != 0 || llm->in_flight != 0 || llm->timeout_s != 0 ||
         llm->examples != 0 || llm->offline;
}

gboolean velm_cli_check_front(const VelmCliProducts *products, const VelmCliLlm *llm) {
  const char *name = g_get_prgname();
  if (products->model || products->spec || products->classifier || products->parallel != 0 ||
      products->megapixels != 0 || has_llm(llm))
    fprintf(stderr,
            "%s: with --nats the plant's workers inspect: models, classifiers, language models and "
            "how they work are theirs\n",
            name);
  else if (!products->products)
    fprintf(stderr, "%s: name products with --product NAME\n", name);
  else if (products->queue < 0)
    fprintf(stderr, "%s: numbers cannot be negative\n", name);
  else
    return TRUE;
  return FALSE;
}

/* Products without a spec of their own have the catalog's. */
static gboolean add_spec_links(VelmStation *station, VelmBroker *broker, GError **error) {
  const GPtrArray *products = velm_station_get_products(station);
  const char *own = velm_station_make_own_folder(station, error);
  if (!own)
    return FALSE;
  g_autofree char *folder = g_build_filename(own, "models", NULL);
  for (guint i = 0; i < products->len; i++) {
    g_autofree char *spec = velm_product_get_spec_path(products->pdata[i]);
    if (!spec)
      velm_station_add_link(station,
                            velm_model_link_new(station, products->pdata[i], broker, folder));
  }
  return TRUE;
}

/* @text: NAME or NAME,SPEC.yaml. */
static gboolean add_product(VelmStation *station, const char *text, int queue, GError **error) {
  const char *comma = strchr(text, ',');
  g_autofree char *name = comma ? g_strndup(text, (gsize)(comma - text)) : g_strdup(text);
  if (strchr(name, '=')) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "--product %s: with --nats it is to be NAME or NAME,SPEC.yaml", text);
    return FALSE;
  }
  const VelmProductParams params = {.name = name,
                                    .spec = comma ? comma + 1 : NULL,
                                    .inspector = velm_inspector_params_default(),
                                    .most_queued = queue > 0 ? (guint)queue : MOST_QUEUED,
                                    .elsewhere = TRUE};
  return velm_station_add_product(station, &params, error);
}

VelmLink *velm_cli_add_front(VelmStation *station, const VelmCliProducts *products,
                             const VelmFrontParams *params, GError **error) {
  for (char **text = products->products; *text; text++)
    if (!add_product(station, *text, products->queue, error))
      return NULL;
  VelmLink *front = velm_front_new(station, params);
  velm_station_add_link(station, front);
  return add_spec_links(station, params->broker, error) ? front : NULL;
}
