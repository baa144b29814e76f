/* What goes by retention, whichever engine has the records. For store_retain*.c alone. */
#pragma once

#include "act/store_private.h"

/**
 * VelmRetentionPass: what one pass is to remove, and has removed so far.
 * @before: records older than this; G_MAXINT64 for any age
 * @bytes: until so many are freed; 0 for all that are old enough
 * @row_bytes: of a shared store: what a record takes of the database on average
 * @from: of a shared store: no record before this may go any more
 * @batch: of a shared store: records at most that go in one transaction
 * @removed: records; @freed: bytes of their images and texts
 * @images: SHA-256 of the batch's images that nothing has any more
 */
typedef struct {
  gint64 before, bytes;
  gboolean reviewed_too;
  gint64 row_bytes, from;
  guint batch;
  gint64 removed, freed;
  GPtrArray *images;
} VelmRetentionPass;

/* Records that go in one transaction at first. */
#define VELM_RETENTION_FIRST_BATCH 1000

/** Whether no more needs to go. */
gboolean velm_retention_is_enough(const VelmRetentionPass *pass);

/** Removes the oldest records, a batch of them, in the transaction of @database: one by one, or all
 * at once on a server. @more: (out): whether there may be others. */
gboolean velm_retention_remove_rows(VelmDatabase *database, VelmRetentionPass *pass, gboolean *more,
                                    GError **error);
gboolean velm_retention_remove_on_server(VelmDatabase *database, VelmRetentionPass *pass,
                                         gboolean *more, GError **error);
