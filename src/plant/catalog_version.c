#include "plant/catalog_version.h"

#include "core/json_member.h"

#include <string.h>

void velm_catalog_version_free(VelmCatalogVersion *version) {
  if (!version)
    return;
  g_free(version->product);
  g_free(version->model.sha256);
  g_free(version->spec.sha256);
  g_free(version->time);
  g_free(version->who);
  g_free(version->note);
  g_free(version);
}

static void build_file(JsonBuilder *builder, const char *name, const VelmCatalogFile *file) {
  json_builder_set_member_name(builder, name);
  if (!file->sha256) {
    json_builder_add_null_value(builder);
    return;
  }
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "sha256", file->sha256);
  velm_json_set_int(builder, "bytes", file->bytes);
  json_builder_end_object(builder);
}

void velm_catalog_version_build(JsonBuilder *builder, const VelmCatalogVersion *version) {
  velm_json_set_int(builder, "version", version->version);
  build_file(builder, "model", &version->model);
  build_file(builder, "spec", &version->spec);
  velm_json_set_string(builder, "time", version->time);
  velm_json_set_string(builder, "who", version->who);
  velm_json_set_string(builder, "note", version->note);
}

char *velm_catalog_version_to_json(const VelmCatalogVersion *version) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_catalog_version_build(builder, version);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

static gboolean is_sha256(const char *text) {
  return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* Its name becomes that of a file. */
static gboolean read_file(JsonObject *object, const char *name, VelmCatalogFile *file) {
  JsonObject *member = velm_json_object_member(object, name);
  const char *sha256 = velm_json_string_member(member, "sha256");
  file->bytes = velm_json_int_member(member, "bytes", 0);
  if (!is_sha256(sha256) || file->bytes <= 0 || file->bytes > VELM_CATALOG_MOST_BYTES)
    return FALSE;
  file->sha256 = g_strdup(sha256);
  return TRUE;
}

VelmCatalogVersion *velm_catalog_version_read(JsonObject *object, const char *product,
                                              GError **error) {
  g_autoptr(VelmCatalogVersion) version = g_new0(VelmCatalogVersion, 1);
  version->product = g_strdup(product);
  version->version = velm_json_int_member(object, "version", 0);
  version->time = g_strdup(velm_json_string_member(object, "time"));
  version->who = g_strdup(velm_json_string_member(object, "who"));
  version->note = g_strdup(velm_json_string_member(object, "note"));
  JsonObject *spec = velm_json_object_member(object, "spec");
  if (version->version > 0 && read_file(object, "model", &version->model) &&
      (!spec || read_file(object, "spec", &version->spec)))
    return g_steal_pointer(&version);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: this is no version of a product", product);
  return NULL;
}

gboolean velm_catalog_version_is_same(const VelmCatalogVersion *a, const VelmCatalogVersion *b) {
  return a && b && a->version == b->version && velm_catalog_version_has_same(a, b);
}

gboolean velm_catalog_version_has_same(const VelmCatalogVersion *a, const VelmCatalogVersion *b) {
  return g_str_equal(a->model.sha256, b->model.sha256) &&
         g_strcmp0(a->spec.sha256, b->spec.sha256) == 0;
}
