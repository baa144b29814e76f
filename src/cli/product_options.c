/* The products of a station or a worker, which both have the options for. */
#include "act/inspector.h"
#include "cli/cli.h"
#include "serve/station.h"

#include <stdio.h>
#include <string.h>

#define MOST_QUEUED 64

GOptionGroup *velm_cli_product_options(VelmCliProducts *products) {
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &products->model,
       "Model of the product, which gets the file's name without its ending", "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &products->spec,
       "Inspection spec (default: the one that the model was taught with)", "SPEC.yaml"},
      {"product", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &products->products,
       "A product with its model, and its spec where it is not the model's own; for each product",
       "NAME=MODEL.velm[,SPEC.yaml]"},
      {"classifier", 0, 0, G_OPTION_ARG_STRING, &products->classifier, "As for velm inspect",
       "NAME"},
      {"parallel", 0, 0, G_OPTION_ARG_INT, &products->parallel,
       "Detect N images of a product at a time (default: by the processors)", "N"},
      {"queue", 0, 0, G_OPTION_ARG_INT, &products->queue,
       "Images of a product that may wait; more are turned away (default 64)", "N"},
      {"max-megapixels", 0, 0, G_OPTION_ARG_INT64, &products->megapixels,
       "Refuse images of more million pixels (default 64)", "N"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group =
      g_option_group_new("products", "Products:", "Options of the products", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

void velm_cli_products_clear(VelmCliProducts *products) {
  g_free(products->model);
  g_free(products->spec);
  g_free(products->classifier);
  g_strfreev(products->products);
}

gboolean velm_cli_check_products(const VelmCliProducts *products) {
  const char *name = g_get_prgname();
  if (!products->model && !products->products)
    fprintf(stderr, "%s: name a model with -m, or products with --product\n", name);
  else if (products->spec && !products->model)
    fprintf(stderr, "%s: -s goes with -m\n", name);
  else if (products->queue < 0 || products->parallel < 0 || products->megapixels < 0)
    fprintf(stderr, "%s: numbers cannot be negative\n", name);
  else
    return TRUE;
  return FALSE;
}

static VelmProductParams product_params(const VelmCliProducts *products,
                                        const VelmInspectorParams *base) {
  VelmProductParams params = {.inspector = *base, .most_queued = MOST_QUEUED};
  if (products->classifier)
    params.inspector.classifier = products->classifier;
  if (products->megapixels > 0)
    params.inspector.max_pixels = products->megapixels * 1000 * 1000;
  params.inspector.parallel =
      products->parallel > 0 ? (guint)products->parallel : velm_inspector_best_parallel();
  params.inspector.llm.fail_fast = TRUE;
  if (products->queue > 0)
    params.most_queued = (guint)products->queue;
  return params;
}

/* @text: NAME=MODEL[,SPEC], or NAME where that will do. */
static gboolean split_product(const VelmCliProducts *products, const char *text, char **name,
                              char **model, char **spec, GError **error) {
  const char *equals = strchr(text, '=');
  if (!equals && products->by_name) {
    *name = g_strdup(text);
    return TRUE;
  }
  if (!equals || equals == text || !equals[1]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "--product %s: it is to be NAME=MODEL.velm or NAME=MODEL.velm,SPEC.yaml", text);
    return FALSE;
  }
  const char *comma = strrchr(equals + 1, ',');
  *name = g_strndup(text, (gsize)(equals - text));
  *model = comma ? g_strndup(equals + 1, (gsize)(comma - equals - 1)) : g_strdup(equals + 1);
  *spec = comma ? g_strdup(comma + 1) : NULL;
  return TRUE;
}

/* A product's name from its model's file: what will not do in a name becomes "_". */
static char *name_of(const char *model) {
  char *name = g_path_get_basename(model);
  char *dot = strrchr(name, '.');
  if (dot && dot != name)
    *dot = '\0';
  return g_strcanon(name, G_CSET_a_2_z G_CSET_A_2_Z "0123456789_-", '_');
}

static gboolean add_product(VelmStation *station, VelmProductParams params, const char *name,
                            const char *model, const char *spec, GError **error) {
  params.name = name;
  params.model = model;
  params.spec = spec;
  return velm_station_add_product(station, &params, error);
}

gboolean velm_cli_add_products(VelmStation *station, const VelmCliProducts *products,
                               const VelmInspectorParams *base, GError **error) {
  VelmProductParams params = product_params(products, base);
  g_autofree char *own = products->model ? name_of(products->model) : NULL;
  if (own && !add_product(station, params, own, products->model, products->spec, error))
    return FALSE;
  for (char **text = products->products; text && *text; text++) {
    g_autofree char *name = NULL, *model = NULL, *spec = NULL;
    if (!split_product(products, *text, &name, &model, &spec, error) ||
        !add_product(station, params, name, model, spec, error))
      return FALSE;
  }
  return TRUE;
}
