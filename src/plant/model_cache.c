#include "plant/model_cache.h"

#include "core/file.h"
#include "core/json_member.h"

#include <string.h>
#include <utime.h>

#define MOST_NOTE 65536
#define DIGITS 64
/* Another worker may have just fetched what nothing names yet. */
#define UNNAMED_S (24 * 60 * 60)

/* ---- files ---- */

static char *path_of(const char *folder, const VelmCatalogFile *file, const char *ending) {
  g_autofree char *name = file->sha256 ? g_strconcat(file->sha256, ending, NULL) : NULL;
  return name ? g_build_filename(folder, name, NULL) : NULL;
}

VelmModelPaths velm_model_cache_paths(const char *folder, const VelmCatalogVersion *version,
                                      VelmModelParts parts) {
  return (VelmModelPaths){parts == VELM_SPEC_ALONE ? NULL
                                                   : path_of(folder, &version->model, ".velm"),
                          path_of(folder, &version->spec, ".yaml")};
}

void velm_model_paths_clear(VelmModelPaths *paths) {
  g_clear_pointer(&paths->model, g_free);
  g_clear_pointer(&paths->spec, g_free);
}

/* The disk may have damaged it. @path: (nullable): where none is wanted */
static gboolean is_whole(const char *path, const VelmCatalogFile *file) {
  if (!path)
    return TRUE;
  g_autofree char *sha256 =
      g_file_test(path, G_FILE_TEST_IS_REGULAR) ? velm_file_sha256(path, NULL) : NULL;
  return sha256 && g_str_equal(sha256, file->sha256);
}

gboolean velm_model_cache_has(const char *folder, const VelmCatalogVersion *version,
                              VelmModelParts parts) {
  g_auto(VelmModelPaths) paths = velm_model_cache_paths(folder, version, parts);
  return is_whole(paths.model, &version->model) && is_whole(paths.spec, &version->spec);
}

gboolean velm_model_cache_fetch(const char *folder, VelmCatalog *catalog,
                                const VelmCatalogVersion *version, VelmModelParts parts,
                                gboolean (*stop)(gpointer user_data), gpointer user_data,
                                GError **error) {
  g_auto(VelmModelPaths) paths = velm_model_cache_paths(folder, version, parts);
  if (!velm_file_make_folder(folder, error))
    return FALSE;
  return (is_whole(paths.model, &version->model) ||
          velm_catalog_fetch(catalog, &version->model, paths.model, stop, user_data, error)) &&
         (is_whole(paths.spec, &version->spec) ||
          velm_catalog_fetch(catalog, &version->spec, paths.spec, stop, user_data, error));
}

/* ---- notes ---- */

static char *note_path(const char *folder, const char *product) {
  g_autofree char *name = g_strconcat(product, ".json", NULL);
  return g_build_filename(folder, name, NULL);
}

VelmCatalogVersion *velm_model_cache_recall(const char *folder, const char *product) {
  gsize length = 0;
  g_autofree char *path = note_path(folder, product);
  g_autofree char *text = velm_file_read_limited(path, MOST_NOTE, &length, NULL);
  g_autoptr(JsonNode) node =
      text && length <= MOST_NOTE ? velm_json_parse_object(text, length) : NULL;
  return node ? velm_catalog_version_read(json_node_get_object(node), product, NULL) : NULL;
}

static void add_named(GHashTable *named, char *sha256) {
  if (sha256)
    g_hash_table_add(named, g_strdup(sha256));
}

/* The SHA-256 of what the notes name. */
static GHashTable *list_named(const char *folder, const GPtrArray *names) {
  GHashTable *named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    if (!g_str_has_suffix(name, ".json"))
      continue;
    g_autofree char *product = g_strndup(name, strlen(name) - strlen(".json"));
    g_autoptr(VelmCatalogVersion) version = velm_model_cache_recall(folder, product);
    if (version) {
      add_named(named, version->model.sha256);
      add_named(named, version->spec.sha256);
    }
  }
  return named;
}

/* Others may have files of their own there. */
static gboolean is_of_cache(const char *name) {
  return strspn(name, "0123456789abcdef") == DIGITS && name[DIGITS] == '.';
}

static void tidy(const char *folder) {
  g_autoptr(GPtrArray) names = velm_file_list(folder, NULL);
  g_autoptr(GHashTable) named = names ? list_named(folder, names) : NULL;
  for (guint i = 0; named && i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *sha256 = is_of_cache(name) ? g_strndup(name, DIGITS) : NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    GStatBuf status;
    if (sha256 && !g_hash_table_contains(named, sha256) && g_stat(path, &status) == 0 &&
        g_get_real_time() / G_USEC_PER_SEC - status.st_mtime > UNNAMED_S)
      g_unlink(path);
  }
}

/* So that it lies there for a day, when another takes its place. */
static void touch(const char *path) {
  if (path)
    g_utime(path, NULL);
}

gboolean velm_model_cache_remember(const char *folder, const VelmCatalogVersion *version,
                                   GError **error) {
  g_autofree char *path = note_path(folder, version->product);
  g_autofree char *json = velm_catalog_version_to_json(version);
  g_auto(VelmModelPaths) paths = velm_model_cache_paths(folder, version, VELM_MODEL_AND_SPEC);
  touch(paths.model);
  touch(paths.spec);
  if (!velm_file_write(path, json, strlen(json), error))
    return FALSE;
  tidy(folder);
  return TRUE;
}
