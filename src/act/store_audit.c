#include "act/store_private.h"

void velm_audit_entry_free(VelmAuditEntry *entry) {
  if (!entry)
    return;
  g_free(entry->who);
  g_free(entry->action);
  g_free(entry->target);
  g_free(entry->detail);
  g_free(entry);
}

gboolean velm_store_write_audit(VelmDatabase *database, gint64 time, const char *who,
                                const char *action, const char *target, const char *detail,
                                GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "INSERT INTO audit (time, who, action, target, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
      error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, time);
  velm_statement_bind_text(statement, 2, who);
  velm_statement_bind_text(statement, 3, action);
  velm_statement_bind_text(statement, 4, target);
  velm_statement_bind_text(statement, 5, detail);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_audit(VelmStore *store, const char *who, const char *action, const char *target,
                          const char *detail, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (!velm_store_check_text(who, "person", VELM_STORE_MAX_NAME, FALSE, error) ||
      !velm_store_check_text(action, "action", VELM_STORE_MAX_NAME, FALSE, error) ||
      !velm_store_check_text(target, "target", VELM_STORE_MAX_NAME, FALSE, error) ||
      (detail && !velm_store_check_text(detail, "detail", G_MAXINT, TRUE, error)))
    return FALSE;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok =
      velm_store_write_audit(database, g_get_real_time(), who, action, target, detail, &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}

static VelmAuditEntry *read_entry(VelmStatement *statement) {
  VelmAuditEntry *entry = g_new0(VelmAuditEntry, 1);
  *entry = (VelmAuditEntry){.id = velm_statement_int(statement, 0),
                            .time = velm_statement_int(statement, 1),
                            .who = velm_statement_text(statement, 2),
                            .action = velm_statement_text(statement, 3),
                            .target = velm_statement_text(statement, 4),
                            .detail = velm_statement_text(statement, 5)};
  return entry;
}

static GPtrArray *list(VelmDatabase *database, gint64 before, guint limit, GError **error) {
  g_autoptr(GPtrArray) entries =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_audit_entry_free);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "SELECT id, time, who, action, target, detail FROM audit WHERE id < ?1"
                            " ORDER BY id DESC LIMIT ?2",
                            error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, before > 0 ? before : G_MAXINT64);
  velm_statement_bind_int(statement, 2, limit);
  VelmStep step;
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(entries, read_entry(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&entries) : NULL;
}

GPtrArray *velm_store_list_audit(VelmStore *store, gint64 before, guint limit, GError **error) {
  if (limit < 1 || limit > VELM_STORE_MAX_PAGE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a page has 1 to %d entries",
                VELM_STORE_MAX_PAGE);
    return NULL;
  }
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *entries = list(database, before, limit, error);
  velm_store_end_reading(store, database);
  return entries;
}
