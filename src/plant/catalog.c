#include "plant/catalog.h"

#include "core/json_member.h"
#include "plant/bucket.h"
#include "plant/catalog_files.h"
#include "serve/product.h"
#include "serve/record_json.h"

#include <string.h>

#define MOST_VALUE 16384
#define LIST_MS 30000
/* Others publish at the same time at most so often in a row. */
#define MOST_TRIES 20

struct _VelmCatalog {
  VelmBroker *broker;
  kvStore *products, *files;
};

/* ---- the buckets ---- */

static gboolean open_buckets(VelmCatalog *catalog, GError **error) {
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = VELM_CATALOG_PRODUCTS;
  config.History = VELM_CATALOG_HISTORY;
  config.StorageType = js_FileStorage;
  if (!(catalog->products = velm_bucket_open(catalog->broker, &config, error)))
    return FALSE;
  config.Bucket = VELM_CATALOG_FILES;
  config.History = 1;
  return (catalog->files = velm_bucket_open(catalog->broker, &config, error)) != NULL;
}

VelmCatalog *velm_catalog_open(VelmBroker *broker, GError **error) {
  g_autoptr(VelmCatalog) catalog = g_new0(VelmCatalog, 1);
  catalog->broker = broker;
  return open_buckets(catalog, error) ? g_steal_pointer(&catalog) : NULL;
}

void velm_catalog_free(VelmCatalog *catalog) {
  if (!catalog)
    return;
  kvStore_Destroy(catalog->products);
  kvStore_Destroy(catalog->files);
  g_free(catalog);
}

/* ---- reading ---- */

VelmCatalogVersion *velm_catalog_read(kvEntry *entry, GError **error) {
  int size = kvEntry_ValueLen(entry);
  g_autoptr(JsonNode) node =
      size <= MOST_VALUE ? velm_json_parse_object(kvEntry_Value(entry), (gsize)size) : NULL;
  VelmCatalogVersion *version = velm_catalog_version_read(node ? json_node_get_object(node) : NULL,
                                                          kvEntry_Key(entry), error);
  if (version)
    version->revision = kvEntry_Revision(entry);
  return version;
}

gboolean velm_catalog_get(VelmCatalog *catalog, const char *product, VelmCatalogVersion **version,
                          GError **error) {
  g_autoptr(kvEntry) entry = NULL;
  *version = NULL;
  if (!velm_product_check_name(product, error))
    return FALSE;
  natsStatus status = kvStore_Get(&entry, catalog->products, product);
  if (status == NATS_NOT_FOUND)
    return TRUE;
  if (!velm_broker_check(catalog->broker, status, 0, "the catalog cannot be read", error))
    return FALSE;
  *version = velm_catalog_read(entry, error);
  return *version != NULL;
}

static GPtrArray *new_versions(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)velm_catalog_version_free);
}

static int compare_products(gconstpointer a, gconstpointer b) {
  const VelmCatalogVersion *const *x = a, *const *y = b;
  return strcmp((*x)->product, (*y)->product);
}

static gboolean add_current(VelmCatalog *catalog, const kvKeysList *keys, GPtrArray *versions,
                            GError **error) {
  for (int i = 0; i < keys->Count; i++) {
    VelmCatalogVersion *version = NULL;
    if (!velm_catalog_get(catalog, keys->Keys[i], &version, error))
      return FALSE;
    if (version) /* or it has just gone */
      g_ptr_array_add(versions, version);
  }
  return TRUE;
}

GPtrArray *velm_catalog_list(VelmCatalog *catalog, GError **error) {
  g_autoptr(GPtrArray) versions = new_versions();
  kvKeysList keys = {0};
  kvWatchOptions options;
  kvWatchOptions_Init(&options);
  options.Timeout = LIST_MS;
  natsStatus status = kvStore_Keys(&keys, catalog->products, &options);
  gboolean ok =
      status == NATS_NOT_FOUND ||
      (velm_broker_check(catalog->broker, status, 0, "the catalog cannot be read", error) &&
       add_current(catalog, &keys, versions, error));
  kvKeysList_Destroy(&keys);
  g_ptr_array_sort(versions, compare_products);
  return ok ? g_steal_pointer(&versions) : NULL;
}

GPtrArray *velm_catalog_list_versions(VelmCatalog *catalog, const char *product, GError **error) {
  g_autoptr(GPtrArray) versions = new_versions();
  kvEntryList list = {0};
  if (!velm_product_check_name(product, error))
    return NULL;
  natsStatus status = kvStore_History(&list, catalog->products, product, NULL);
  for (int i = list.Count - 1; status == NATS_OK && i >= 0; i--) {
    VelmCatalogVersion *version = kvEntry_Operation(list.Entries[i]) == kvOp_Put
                                      ? velm_catalog_read(list.Entries[i], NULL)
                                      : NULL;
    if (version)
      g_ptr_array_add(versions, version);
  }
  kvEntryList_Destroy(&list);
  if (status == NATS_NOT_FOUND)
    status = NATS_OK;
  return velm_broker_check(catalog->broker, status, 0, "the catalog cannot be read", error)
             ? g_steal_pointer(&versions)
             : NULL;
}

gboolean velm_catalog_watch(VelmCatalog *catalog, const char *product, kvWatcher **watcher,
                            GError **error) {
  natsStatus status = kvStore_Watch(watcher, catalog->products, product, NULL);
  return velm_broker_check(catalog->broker, status, 0, "the catalog cannot be followed", error);
}

gboolean velm_catalog_fetch(VelmCatalog *catalog, const VelmCatalogFile *file, const char *path,
                            gboolean (*stop)(gpointer user_data), gpointer user_data,
                            GError **error) {
  return velm_catalog_files_get(catalog->broker, catalog->files, file->sha256, file->bytes, path,
                                stop, user_data, error);
}

/* ---- publishing ---- */

/* @current: (nullable): what it takes the place of. */
static natsStatus write_version(VelmCatalog *catalog, VelmCatalogVersion *version,
                                const VelmCatalogVersion *current) {
  version->version = current ? current->version + 1 : 1;
  g_autofree char *json = velm_catalog_version_to_json(version);
  return current
             ? kvStore_UpdateString(&version->revision, catalog->products, version->product, json,
                                    current->revision)
             : kvStore_CreateString(&version->revision, catalog->products, version->product, json);
}

/* Whether @current is what was written, though no answer came. */
static gboolean is_written(const VelmCatalogVersion *version, const VelmCatalogVersion *current) {
  return current && current->version == version->version &&
         velm_catalog_version_has_same(current, version) &&
         g_strcmp0(current->time, version->time) == 0 && g_strcmp0(current->who, version->who) == 0;
}

/* Makes @version the next one, whatever others do meanwhile. @version: (inout). */
static gboolean add_version(VelmCatalog *catalog, VelmCatalogVersion **version, gboolean *known,
                            GError **error) {
  guint64 revision = 0;
  natsStatus status = NATS_OK;
  for (guint i = 0; i < MOST_TRIES; i++) {
    g_autoptr(VelmCatalogVersion) current = NULL;
    if (!velm_catalog_get(catalog, (*version)->product, &current, error))
      return FALSE;
    gboolean written = i > 0 && is_written(*version, current);
    *known = !written && current && velm_catalog_version_has_same(current, *version);
    if (*known || written) {
      velm_catalog_version_free(*version);
      *version = g_steal_pointer(&current);
      return TRUE;
    }
    if (i > 0 && revision == (current ? current->revision : 0))
      break; /* it was not for another */
    revision = current ? current->revision : 0;
    status = write_version(catalog, *version, current);
    if (status == NATS_OK)
      return TRUE;
  }
  return velm_broker_check(catalog->broker, status, 0, "the version cannot be published", error);
}

static VelmCatalogVersion *new_version(const char *product, const char *who, const char *note) {
  VelmCatalogVersion *version = g_new0(VelmCatalogVersion, 1);
  version->product = g_strdup(product);
  version->time = velm_time_text(g_get_real_time());
  version->who = g_strdup(who);
  version->note = g_strdup(note);
  return version;
}

static gboolean put_file(VelmCatalog *catalog, const char *path, const char *who,
                         VelmCatalogFile *file, GError **error) {
  return velm_catalog_files_put(catalog->broker, catalog->files, path, who, &file->sha256,
                                &file->bytes, NULL, error);
}

VelmCatalogVersion *velm_catalog_publish(VelmCatalog *catalog, const char *product,
                                         const VelmCatalogFiles *files, gboolean *known,
                                         GError **error) {
  if (!velm_product_check_name(product, error))
    return NULL;
  g_autoptr(VelmCatalogVersion) version = new_version(product, files->who, files->note);
  if (!put_file(catalog, files->model, files->who, &version->model, error) ||
      (files->spec && !put_file(catalog, files->spec, files->who, &version->spec, error)) ||
      !add_version(catalog, &version, known, error))
    return NULL;
  return g_steal_pointer(&version);
}

/* Returns: borrowed (nullable). */
static const VelmCatalogVersion *find_version(const GPtrArray *versions, gint64 number) {
  for (guint i = 0; i < versions->len; i++) {
    const VelmCatalogVersion *version = versions->pdata[i];
    if (version->version == number)
      return version;
  }
  return NULL;
}

VelmCatalogVersion *velm_catalog_use(VelmCatalog *catalog, const char *product, gint64 number,
                                     const char *who, gboolean *known, GError **error) {
  g_autoptr(GPtrArray) versions = velm_catalog_list_versions(catalog, product, error);
  const VelmCatalogVersion *old = versions ? find_version(versions, number) : NULL;
  if (!old) {
    if (versions)
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                  "%s has no version %" G_GINT64_FORMAT " among its last %d", product, number,
                  VELM_CATALOG_HISTORY);
    return NULL;
  }
  g_autofree char *note = g_strdup_printf("back to version %" G_GINT64_FORMAT, number);
  g_autoptr(VelmCatalogVersion) version = new_version(product, who, note);
  version->model = (VelmCatalogFile){g_strdup(old->model.sha256), old->model.bytes};
  version->spec = (VelmCatalogFile){g_strdup(old->spec.sha256), old->spec.bytes};
  return add_version(catalog, &version, known, error) ? g_steal_pointer(&version) : NULL;
}

/* ---- pruning ---- */

static void forget_named(GHashTable *files, const GPtrArray *versions) {
  for (guint i = 0; i < versions->len; i++) {
    const VelmCatalogVersion *version = versions->pdata[i];
    g_hash_table_remove(files, version->model.sha256);
    if (version->spec.sha256)
      g_hash_table_remove(files, version->spec.sha256);
  }
}

/* Leaves in @files those that no version names. */
static gboolean forget_all_named(VelmCatalog *catalog, GHashTable *files, GError **error) {
  g_autoptr(GPtrArray) products = velm_catalog_list(catalog, error);
  for (guint i = 0; products && i < products->len; i++) {
    const VelmCatalogVersion *current = products->pdata[i];
    g_autoptr(GPtrArray) versions = velm_catalog_list_versions(catalog, current->product, error);
    if (!versions)
      return FALSE;
    forget_named(files, versions);
  }
  return products != NULL;
}

gboolean velm_catalog_prune(VelmCatalog *catalog, guint *removed, GError **error) {
  *removed = 0;
  g_autoptr(GHashTable) files = velm_catalog_files_list(catalog->broker, catalog->files, error);
  if (!files || !forget_all_named(catalog, files, error))
    return FALSE;
  GHashTableIter iter;
  gpointer sha256;
  g_hash_table_iter_init(&iter, files);
  while (g_hash_table_iter_next(&iter, &sha256, NULL)) {
    gboolean gone = FALSE;
    if (!velm_catalog_files_remove(catalog->broker, catalog->files, sha256, &gone, error))
      return FALSE;
    *removed += gone;
  }
  return TRUE;
}
