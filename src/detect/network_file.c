#include "detect/network_file.h"

#include <string.h>

char *velm_network_weights_path(const char *path) {
  if (g_str_has_suffix(path, ".xml")) {
    g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".xml"));
    return g_strconcat(stem, ".bin", NULL);
  }
  g_autofree char *data = g_strconcat(path, ".data", NULL);
  return g_file_test(data, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&data) : NULL;
}

gboolean velm_network_check_digest(VelmModel *model, const char *name, const char *path,
                                   VelmDigest digest, const char *other, GError **error) {
  const char *expected = velm_model_get_string(model, name, error);
  g_autofree char *found = expected ? digest(path, error) : NULL;
  if (!found)
    return FALSE;
  if (g_str_equal(found, expected))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "%s: is %s; fit it again", path, other);
  return FALSE;
}
