#include "serve/spec_use.h"

#include "core/file.h"

#include <stdint.h>
#include <string.h>

static gboolean write_spec(VelmStation *station, VelmProduct *product, const char *text,
                           GError **error) {
  g_autofree char *given = velm_product_get_spec_path(product);
  g_autofree char *path =
      given ? g_strdup(given) : velm_station_own_spec_path(station, velm_product_get_name(product));
  g_autofree char *folder = g_path_get_dirname(path);
  if (!velm_file_make_folder(folder, error) || !velm_file_write(path, text, strlen(text), error))
    return FALSE;
  velm_product_set_spec_path(product, path);
  return TRUE;
}

gboolean velm_spec_use(VelmStation *station, VelmProduct *product, const char *text,
                       const char *who, GError **error) {
  /* Lent to be read. */
  const VelmStoredSpec spec = {.product = (char *)(uintptr_t)velm_product_get_name(product),
                               .who = (char *)(uintptr_t)who,
                               .text = (char *)(uintptr_t)text};
  if (!velm_product_try_spec(product, text, error) ||
      !velm_store_add_spec(velm_station_get_store(station), &spec, error) ||
      !write_spec(station, product, text, error))
    return FALSE;
  velm_station_reload(station, product);
  return TRUE;
}
