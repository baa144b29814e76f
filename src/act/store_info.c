/* What a store holds, looked at from outside. */
#include "act/store_private.h"

#include "act/store_schema.h"
#include "core/database_postgres.h"
#include "core/database_sqlite.h"

void velm_store_info_clear(VelmStoreInfo *info) {
  g_clear_pointer(&info->name, g_free);
  g_clear_pointer(&info->weeks, g_array_unref);
}

static void week_clear(VelmStoreCount *week) { g_free(week->name); }

static gboolean read_weeks(VelmDatabase *database, VelmStoreInfo *info, GError **error) {
  VelmStep step;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT name, records FROM weeks ORDER BY first", error);
  if (!statement)
    return FALSE;
  info->weeks = g_array_new(FALSE, FALSE, sizeof(VelmStoreCount));
  g_array_set_clear_func(info->weeks, (GDestroyNotify)week_clear);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    VelmStoreCount week = {velm_statement_text(statement, 0), velm_statement_int(statement, 1)};
    g_array_append_val(info->weeks, week);
  }
  return step == VELM_STEP_DONE;
}

static VelmDatabase *connect_to(const char *place, GError **error) {
  static const char what[] = "the store";
  if (velm_postgres_is_url(place))
    return velm_postgres_open(place, what, 0, TRUE, NULL, error);
  g_autofree char *path = velm_store_database_path(place);
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return velm_sqlite_open(path, what, FALSE, NULL, error);
  g_autofree char *name = g_filename_display_name(place);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: there is no store", name);
  return NULL;
}

gboolean velm_store_read_info(const char *place, VelmStoreInfo *info, GError **error) {
  *info = (VelmStoreInfo){0};
  g_autoptr(VelmDatabase) database = connect_to(place, error);
  if (!database)
    return FALSE;
  info->name =
      velm_store_is_on_server(database) ? g_strdup(database->name) : g_filename_display_name(place);
  return velm_store_schema_check(database, &info->version, error) &&
         velm_store_measure_database(database, &info->size, error) &&
         velm_database_read_int(database, "SELECT count(*) FROM images", &info->images, error) &&
         (!velm_store_is_on_server(database) || read_weeks(database, info, error));
}
