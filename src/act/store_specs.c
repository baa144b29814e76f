#include "act/store_private.h"

#include "act/spec.h"

void velm_stored_spec_free(VelmStoredSpec *spec) {
  if (!spec)
    return;
  g_free(spec->product);
  g_free(spec->who);
  g_free(spec->text);
  g_free(spec);
}

/* ---- adding ---- */

static gboolean check(const VelmStoredSpec *spec, GError **error) {
  return velm_store_check_text(spec->product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(spec->who, "person", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(spec->text, "spec", VELM_SPEC_MAX_BYTES, TRUE, error);
}

gboolean velm_store_write_spec(VelmDatabase *database, const VelmStoredSpec *spec, gint64 time,
                               GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "INSERT INTO specs (product, time, who, text) VALUES (?1, ?2, ?3, ?4)", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, spec->product);
  velm_statement_bind_int(statement, 2, time);
  velm_statement_bind_text(statement, 3, spec->who);
  velm_statement_bind_text(statement, 4, spec->text);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_add_spec(VelmStore *store, const VelmStoredSpec *spec, GError **error) {
  gint64 time = g_get_real_time();
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = check(spec, error) ? velm_store_begin_writing(store, error) : NULL;
  if (!database)
    return FALSE;
  g_autofree char *target = g_strconcat("product ", spec->product, NULL);
  gboolean ok = velm_database_begin(database, &cause) &&
                velm_store_write_spec(database, spec, time, &cause) &&
                velm_store_write_audit(database, time, spec->who, "spec", target, NULL, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

/* ---- listing ---- */

static VelmStoredSpec *read_spec(VelmStatement *statement) {
  VelmStoredSpec *spec = g_new(VelmStoredSpec, 1);
  *spec = (VelmStoredSpec){.id = velm_statement_int(statement, 0),
                           .time = velm_statement_int(statement, 1),
                           .product = velm_statement_text(statement, 2),
                           .who = velm_statement_text(statement, 3),
                           .text = velm_statement_text(statement, 4)};
  return spec;
}

static GPtrArray *list(VelmDatabase *database, const char *product, guint limit, GError **error) {
  g_autoptr(GPtrArray) specs =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_spec_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database,
      "SELECT id, time, product, who, text FROM specs WHERE product = ?1 ORDER BY id DESC LIMIT ?2",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_text(statement, 1, product);
  velm_statement_bind_int(statement, 2, limit);
  VelmStep step;
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(specs, read_spec(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&specs) : NULL;
}

GPtrArray *velm_store_list_specs(VelmStore *store, const char *product, guint limit,
                                 GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *specs = list(database, product, MIN(limit, VELM_STORE_MAX_PAGE), error);
  velm_store_end_reading(store, database);
  return specs;
}
