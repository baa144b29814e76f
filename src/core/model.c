#include "core/model.h"

#include "core/file.h"

#include <string.h>

/* "\x89" keeps text tools away, "\r\n" and "\n" show a file that went through a line-ending
 * conversion (as in PNG). */
static const guint8 magic[8] = {0x89, 'V', 'E', 'L', 'M', '\r', '\n', '\n'};

#define FORMAT_VERSION 1
#define HEADER_SIZE 64
#define DIGEST_SIZE 32

struct _VelmModel {
  char *name;         /* what messages call it */
  GHashTable *values; /* name -> GVariant */
};

VelmModel *velm_model_new(void) {
  VelmModel *model = g_new0(VelmModel, 1);
  model->name = g_strdup("model");
  model->values =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
  return model;
}

void velm_model_free(VelmModel *model) {
  if (!model)
    return;
  g_free(model->name);
  g_hash_table_unref(model->values);
  g_free(model);
}

VelmModel *velm_model_copy(const VelmModel *model) {
  VelmModel *copy = velm_model_new();
  GHashTableIter iter;
  gpointer name, value;
  g_free(copy->name);
  copy->name = g_strdup(model->name);
  g_hash_table_iter_init(&iter, model->values);
  while (g_hash_table_iter_next(&iter, &name, &value))
    velm_model_set(copy, name, value);
  return copy;
}

void velm_model_take(VelmModel *model, VelmModel *from) {
  GHashTable *values = model->values;
  model->values = from->values;
  from->values = values;
  velm_model_free(from);
}

/* ---- writers ---- */

void velm_model_set(VelmModel *model, const char *name, GVariant *value) {
  g_hash_table_replace(model->values, g_strdup(name), g_variant_ref_sink(value));
}

void velm_model_set_string(VelmModel *model, const char *name, const char *value) {
  velm_model_set(model, name, g_variant_new_string(value));
}

void velm_model_set_double(VelmModel *model, const char *name, double value) {
  velm_model_set(model, name, g_variant_new_double(value));
}

void velm_model_set_int(VelmModel *model, const char *name, gint64 value) {
  velm_model_set(model, name, g_variant_new_int64(value));
}

/* GVariant has no 32-bit float: the bytes are kept as an array of 32-bit numbers, which also aligns
 * them. */
void velm_model_set_floats(VelmModel *model, const char *name, const float *values, gsize n) {
  velm_model_set(model, name,
                 g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, values, n, sizeof(float)));
}

void velm_model_set_bytes(VelmModel *model, const char *name, GBytes *bytes) {
  velm_model_set(model, name, g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
}

void velm_model_set_strv(VelmModel *model, const char *name, const char *const *values) {
  velm_model_set(model, name, g_variant_new_strv(values, -1));
}

void velm_model_remove_prefix(VelmModel *model, const char *prefix) {
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, model->values);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    if (g_str_has_prefix(key, prefix))
      g_hash_table_iter_remove(&iter);
}

/* ---- readers ---- */

gboolean velm_model_has(VelmModel *model, const char *name) {
  return g_hash_table_contains(model->values, name);
}

static GVariant *lookup(VelmModel *model, const char *name, const char *type, GError **error) {
  GVariant *value = g_hash_table_lookup(model->values, name);
  if (value && g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
    return value;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "%s: has no usable \"%s\"", model->name, name);
  return NULL;
}

const char *velm_model_get_string(VelmModel *model, const char *name, GError **error) {
  GVariant *value = lookup(model, name, "s", error);
  return value ? g_variant_get_string(value, NULL) : NULL;
}

gboolean velm_model_get_double(VelmModel *model, const char *name, double *out, GError **error) {
  GVariant *value = lookup(model, name, "d", error);
  if (value)
    *out = g_variant_get_double(value);
  return value != NULL;
}

gboolean velm_model_get_int(VelmModel *model, const char *name, gint64 *out, GError **error) {
  GVariant *value = lookup(model, name, "x", error);
  if (value)
    *out = g_variant_get_int64(value);
  return value != NULL;
}

gboolean velm_model_get_optional_int(VelmModel *model, const char *name, gint64 *out,
                                     GError **error) {
  return !velm_model_has(model, name) || velm_model_get_int(model, name, out, error);
}

const float *velm_model_get_floats(VelmModel *model, const char *name, gsize expected, gsize *n,
                                   GError **error) {
  GVariant *value = lookup(model, name, "au", error);
  if (!value)
    return NULL;
  gsize count = 0;
  const float *values = g_variant_get_fixed_array(value, &count, sizeof(float));
  if (count == 0 || (expected && count != expected)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "%s: \"%s\" has %" G_GSIZE_FORMAT " numbers where %" G_GSIZE_FORMAT " are expected",
                model->name, name, count, expected);
    return NULL;
  }
  if (n)
    *n = count;
  return values;
}

GBytes *velm_model_get_bytes(VelmModel *model, const char *name, GError **error) {
  GVariant *value = lookup(model, name, "ay", error);
  return value ? g_variant_get_data_as_bytes(value) : NULL;
}

const char **velm_model_get_strv(VelmModel *model, const char *name, GError **error) {
  GVariant *value = lookup(model, name, "as", error);
  return value ? g_variant_get_strv(value, NULL) : NULL;
}

/* ---- the file ---- */

static int compare_strings(gconstpointer a, gconstpointer b) { return strcmp(a, b); }

/* Sorted, so that the same model gives the same bytes. */
static GVariant *payload_of(VelmModel *model) {
  g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(model->values), compare_strings);
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
  for (GList *item = names; item; item = item->next)
    g_variant_builder_add(&builder, "{sv}", item->data,
                          g_hash_table_lookup(model->values, item->data));
  return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static void digest_of(const guint8 *data, gsize size, guint8 digest[DIGEST_SIZE]) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize length = DIGEST_SIZE;
  g_checksum_update(checksum, data, (gssize)size);
  g_checksum_get_digest(checksum, digest, &length);
}

GBytes *velm_model_serialise(VelmModel *model) {
  g_autoptr(GVariant) payload = payload_of(model);
  gsize size = g_variant_get_size(payload);
  guint8 *file = g_malloc0(HEADER_SIZE + size);
  guint32 version = GUINT32_TO_LE(FORMAT_VERSION);
  guint64 length = GUINT64_TO_LE(size);
  g_variant_store(payload, file + HEADER_SIZE);
  memcpy(file, magic, sizeof magic);
  memcpy(file + 8, &version, sizeof version);
  memcpy(file + 16, &length, sizeof length);
  digest_of(file + HEADER_SIZE, size, file + 24);
  return g_bytes_new_take(file, HEADER_SIZE + size);
}

/* The header's flags and its spare bytes are for later versions. */
static gboolean is_zero(const guint8 *file, gsize from, gsize to) {
  while (from < to && file[from] == 0)
    from++;
  return from == to;
}

static gboolean check_header(const guint8 *file, gsize size, const char *name, GError **error) {
  const char *why = NULL;
  guint32 version = 0;
  guint64 length = 0;
  guint8 digest[DIGEST_SIZE];
  if (size < sizeof magic || memcmp(file, magic, sizeof magic) != 0) {
    why = "not a velm model file";
  } else if (size < HEADER_SIZE) {
    why = "the model file is truncated";
  } else {
    memcpy(&version, file + 8, sizeof version);
    memcpy(&length, file + 16, sizeof length);
    if (GUINT32_FROM_LE(version) != FORMAT_VERSION || !is_zero(file, 12, 16) ||
        !is_zero(file, 24 + DIGEST_SIZE, HEADER_SIZE))
      why = "the model file is of another version; fit it again";
    else if (GUINT64_FROM_LE(length) > size - HEADER_SIZE)
      why = "the model file is truncated";
    else if (GUINT64_FROM_LE(length) < size - HEADER_SIZE)
      why = "the model file has bytes after its end";
  }
  if (!why) {
    digest_of(file + HEADER_SIZE, size - HEADER_SIZE, digest);
    if (memcmp(digest, file + 24, DIGEST_SIZE) != 0)
      why = "the model file is damaged (its checksum differs)";
  }
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "%s: %s", name, why);
  return why == NULL;
}

VelmModel *velm_model_parse(GBytes *bytes, const char *name, GError **error) {
  gsize size = 0;
  const guint8 *file = g_bytes_get_data(bytes, &size);
  if (!check_header(file, size, name, error))
    return NULL;
  g_autoptr(GBytes) payload = g_bytes_new_from_bytes(bytes, HEADER_SIZE, size - HEADER_SIZE);
  g_autoptr(GVariant) root =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, payload, FALSE));
  VelmModel *model = velm_model_new();
  g_free(model->name);
  model->name = g_strdup(name);
  GVariantIter iter;
  const char *key;
  GVariant *value;
  g_variant_iter_init(&iter, root);
  while (g_variant_iter_next(&iter, "{&sv}", &key, &value))
    g_hash_table_replace(model->values, g_strdup(key), value);
  return model;
}

VelmModel *velm_model_load(const char *path, GError **error) {
  g_autoptr(GBytes) bytes = velm_file_read(path, error);
  return bytes ? velm_model_parse(bytes, path, error) : NULL;
}

gboolean velm_model_save(VelmModel *model, const char *path, GError **error) {
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(bytes, &size);
  return velm_file_write(path, data, size, error);
}
