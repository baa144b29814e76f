/*
 * What one output has yet to deliver: the records behind its mark, in the order in which they came
 * to be on the disk. The mark is kept in the store, so that after a restart it goes on where it
 * was.
 */
#pragma once

#include "act/store.h"

typedef struct _VelmOutbox VelmOutbox;

/** @name: of the output; one that is new begins with the next record. Returns: (transfer full):
 * NULL with VELM_ERROR_FILE. */
VelmOutbox *velm_outbox_new(VelmStore *store, const char *name, GError **error);
void velm_outbox_free(VelmOutbox *outbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmOutbox, velm_outbox_free)

/** The first that is not delivered. @record: (out) (transfer full): NULL where there is none. */
gboolean velm_outbox_next(VelmOutbox *outbox, VelmStoredRecord **record, GError **error);
/** Notes, on the disk, that @record and those before it are delivered. */
gboolean velm_outbox_done(VelmOutbox *outbox, const VelmStoredRecord *record, GError **error);
