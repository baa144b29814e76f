#include "serve/outbox.h"

struct _VelmOutbox {
  VelmStore *store;
  char *name;
  gint64 mark; /* the last record that is delivered */
};

VelmOutbox *velm_outbox_new(VelmStore *store, const char *name, GError **error) {
  gint64 mark = 0;
  if (!velm_store_begin_mark(store, name, &mark, error))
    return NULL;
  VelmOutbox *outbox = g_new(VelmOutbox, 1);
  *outbox = (VelmOutbox){store, g_strdup(name), mark};
  return outbox;
}

void velm_outbox_free(VelmOutbox *outbox) {
  if (!outbox)
    return;
  g_free(outbox->name);
  g_free(outbox);
}

gboolean velm_outbox_next(VelmOutbox *outbox, VelmStoredRecord **record, GError **error) {
  return velm_store_next(outbox->store, outbox->mark, record, error);
}

gboolean velm_outbox_done(VelmOutbox *outbox, const VelmStoredRecord *record, GError **error) {
  if (!velm_store_set_mark(outbox->store, outbox->name, record->id, error))
    return FALSE;
  outbox->mark = record->id;
  return TRUE;
}
