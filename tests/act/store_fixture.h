/* A store in a folder of its own, and parts to put into it. */
#pragma once

#include "act/store.h"

typedef struct {
  char *folder; /* of the test */
  char *path;   /* of the store, in it */
  char *url;    /* of the store's database; NULL for one in the folder */
  VelmStore *store;
  GError *error;
} StoreFixture;

/* Who opens a store that is shared, and whose images store_add() adds to it. */
#define STORE_STATION "station 1"

/* The data of a test whose store is a shared one. */
#define STORE_SHARED GINT_TO_POINTER(1)

void store_set_up(StoreFixture *f, gconstpointer data);
void store_tear_down(StoreFixture *f, gconstpointer data);
/** Closes the store where it is open, and opens it. */
void store_reopen(StoreFixture *f);

/** An image's bytes for a number: the same number gives the same bytes. @size: 16 at least.
 * Returns: (transfer full). */
GBytes *store_image(guint number, gsize size);

/** The record of an anomalous part. @class_name: (nullable). Returns: (transfer full). */
VelmInspection *store_inspection(const char *class_name, double confidence, double score,
                                 VelmDecision decision);

/** Adds the record @inspection with the image of number @image under @key. Returns: (transfer
 * full): NULL with f->error. */
VelmStoredRecord *store_add(StoreFixture *f, const char *key, guint image, gint64 time,
                            const VelmInspection *inspection);
/** Likewise, a part of product "bracket" with a scratch; it must succeed. Returns: its number. */
gint64 store_add_part(StoreFixture *f, const char *key, guint image, gint64 time);

/** Makes the image of a shared store look as if it was put there long ago; store_add() does. */
void store_age_image(const StoreFixture *f, const char *sha256);

/** Whether there can be tests of a shared store; where not, adds one that is skipped. */
gboolean store_add_shared(void);

/* Adds a test of both kinds of store; @shared is what store_add_shared() returned. */
#define STORE_ADD_BOTH(shared, path, name, set_up, function)                                       \
  do {                                                                                             \
    g_test_add(path name, StoreFixture, NULL, set_up, function, store_tear_down);                  \
    if (shared)                                                                                    \
      g_test_add(path "shared/" name, StoreFixture, STORE_SHARED, set_up, function,                \
                 store_tear_down);                                                                 \
  } while (0)

/** Connects to the database beside the store. Returns: (transfer full). */
VelmDatabase *store_connect(StoreFixture *f);
/** Runs SQL on it. */
void store_run_sql(StoreFixture *f, const char *sql);
/** The whole number that SQL gives, beside the store. */
gint64 store_read_int(StoreFixture *f, const char *sql);
/** The files of images that are there. */
guint store_count_files(const StoreFixture *f);
/** The store's check finds nothing, and looks at @images. */
void store_assert_whole(StoreFixture *f, gint64 images);

/** From here on this process writes no file beyond @bytes; RLIM_INFINITY for any. */
void store_limit_files(guint64 bytes);
/** Runs @test with a disk of 6 MiB of its own at f->folder, in a child that may mount one. */
void store_with_small_disk(StoreFixture *f, void (*test)(StoreFixture *f));
