#include "serve/versions.h"

#include "core/file.h"

#include <glib/gstdio.h>
#include <stdint.h>

/* Files that are kept of a product's versions, besides that of the one in use. */
#define KEPT 5

static char *folder_of(const VelmStation *station) {
  return g_build_filename(velm_station_get_folder(station), "models", NULL);
}

char *velm_versions_path(const VelmStation *station, const VelmStoredVersion *version) {
  g_autofree char *folder = folder_of(station);
  return g_build_filename(folder, version->file, NULL);
}

/* ---- which one ---- */

/* @version: (out) (transfer full): the one that was put in use, of the model that the product is
 * given now; NULL where that itself is to be used. */
static gboolean find_used(VelmStation *station, VelmProduct *product, VelmStoredVersion **version,
                          GError **error) {
  g_autoptr(VelmStoredVersion) used = NULL;
  *version = NULL;
  if (!velm_store_get_used_version(velm_station_get_store(station), velm_product_get_name(product),
                                   &used, error))
    return FALSE;
  if (!used)
    return TRUE;
  g_autofree char *given = velm_product_get_given_sha256(product, error);
  if (given && g_str_equal(given, used->base))
    *version = g_steal_pointer(&used);
  return given != NULL;
}

/* Where this fails, the model that was given cannot be read, which is said where it is opened, or
 * the store cannot. */
void velm_versions_settle(VelmStation *station, VelmProduct *product) {
  g_autoptr(VelmStoredVersion) used = NULL;
  g_autofree char *path = NULL, *remark = NULL;
  if (find_used(station, product, &used, NULL) && used)
    path = velm_versions_path(station, used);
  if (path && !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
    remark = g_strdup_printf("%s: version %" G_GINT64_FORMAT
                             " is gone; the model that was given is in use",
                             path, used->id);
    g_clear_pointer(&path, g_free);
  }
  if (!path)
    path = velm_product_get_given_model(product);
  velm_product_set_model_path(product, path, remark);
}

gboolean velm_versions_get_used(VelmStation *station, VelmProduct *product, gint64 *id,
                                GError **error) {
  g_autoptr(VelmStoredVersion) used = NULL;
  gboolean ok = find_used(station, product, &used, error);
  *id = used ? used->id : 0;
  return ok;
}

/* ---- making ---- */

/* Older ones lose their files. What cannot be removed is tried again the next time. */
static void prune(VelmStation *station, VelmProduct *product) {
  gint64 used = 0;
  g_autoptr(GPtrArray) versions = velm_store_list_versions(
      velm_station_get_store(station), velm_product_get_name(product), VELM_STORE_MAX_PAGE, NULL);
  if (!versions || !velm_versions_get_used(station, product, &used, NULL))
    return;
  for (guint i = KEPT; i < versions->len; i++) {
    const VelmStoredVersion *version = versions->pdata[i];
    g_autofree char *path = velm_versions_path(station, version);
    if (version->id != used)
      g_unlink(path);
  }
}

static gboolean note(VelmStation *station, VelmProduct *product, const VelmNewVersion *version,
                     const char *file, gint64 *id, GError **error) {
  /* Lent to be read. */
  const VelmStoredVersion stored = {.product = (char *)(uintptr_t)velm_product_get_name(product),
                                    .who = (char *)(uintptr_t)version->who,
                                    .kind = (char *)(uintptr_t)version->kind,
                                    .base = (char *)(uintptr_t)version->base,
                                    .file = (char *)(uintptr_t)file,
                                    .report = (char *)(uintptr_t)version->report};
  return velm_store_add_version(velm_station_get_store(station), &stored, id, error);
}

gboolean velm_versions_add(VelmStation *station, VelmProduct *product,
                           const VelmNewVersion *version, gint64 *id, GError **error) {
  g_autofree char *folder = folder_of(station), *unique = g_uuid_string_random();
  g_autofree char *file = g_strdup_printf("%s-%s.velm", velm_product_get_name(product), unique);
  g_autofree char *path = g_build_filename(folder, file, NULL);
  if (!velm_file_make_folder(folder, error) || !velm_model_save(version->model, path, error))
    return FALSE;
  if (!note(station, product, version, file, id, error)) {
    g_unlink(path);
    return FALSE;
  }
  prune(station, product);
  return TRUE;
}

/* ---- using ---- */

static gboolean check_base(VelmProduct *product, const VelmStoredVersion *version, GError **error) {
  g_autofree char *given = velm_product_get_given_sha256(product, error);
  if (!given || g_str_equal(given, version->base))
    return given != NULL;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "version %" G_GINT64_FORMAT " was made from another model than %s is given now",
              version->id, velm_product_get_name(product));
  return FALSE;
}

/* @path: (out) (transfer full): NULL where there is no such version, or its file has gone. */
static gboolean find_path(VelmStation *station, VelmProduct *product, gint64 id, char **path,
                          GError **error) {
  g_autoptr(VelmStoredVersion) version = NULL;
  *path = id == 0 ? velm_product_get_given_model(product) : NULL;
  if (*path)
    return TRUE;
  if (!velm_store_get_version(velm_station_get_store(station), velm_product_get_name(product), id,
                              &version, error) ||
      (version && !check_base(product, version, error)))
    return FALSE;
  g_autofree char *file = version ? velm_versions_path(station, version) : NULL;
  if (file && g_file_test(file, G_FILE_TEST_IS_REGULAR))
    *path = g_steal_pointer(&file);
  return TRUE;
}

gboolean velm_versions_use(VelmStation *station, VelmProduct *product, gint64 id, const char *who,
                           gboolean *found, GError **error) {
  g_autofree char *path = NULL;
  gboolean ok = find_path(station, product, id, &path, error);
  *found = path != NULL;
  if (!path)
    return ok;
  if (!velm_product_try_model(product, path, error) ||
      !velm_store_use_version(velm_station_get_store(station), velm_product_get_name(product), id,
                              who, error))
    return FALSE;
  velm_station_reload(station, product);
  return TRUE;
}
