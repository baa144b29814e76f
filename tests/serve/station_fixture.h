/* A station in a folder of its own, with one product on a model that opens in no time. */
#pragma once

#include "serve/station.h"

#define STATION_PRODUCT "disc"

typedef struct {
  char *folder; /* of the test */
  char *data;   /* of the station, in it */
  VelmStation *station;
  guint most_queued; /* of each product that is added */
  GError *error;
} StationFixture;

/** Fits the model of this program's stations; before g_test_run(). */
void station_fit_model(void);
/** Removes it; after g_test_run(). */
void station_remove_model(void);
/** The folder of the model, for another process; and its model is that there. */
const char *station_model_folder(void);
void station_use_model(const char *folder);

/** Makes the folder; there is no station yet. */
void station_set_up(StationFixture *f, gconstpointer data);
void station_tear_down(StationFixture *f, gconstpointer data);

/** Makes the station, for links to be added. */
void station_make(StationFixture *f);
/** Adds another product, with the same model. */
void station_add_product(StationFixture *f, const char *name);
/** Starts it, and waits until its product is ready. */
void station_start(StationFixture *f);
/** Ends it. */
void station_end(StationFixture *f);
/** Adds @link: (transfer full): there must be one. */
VelmLink *station_add_link(StationFixture *f, VelmLink *link);

/** Bytes of an image for a number: another number, another image. 0 to 3 are parts that the model
 * was fitted to, which are normal; others are not. Returns: (transfer full). */
GBytes *station_image(guint number);
/** Writes that image. @path: where to, at once: not by a rename. */
void station_write_image(const char *path, guint number);

/** Inspects the image of a number under @key. Returns: the record's number. */
gint64 station_inspect(StationFixture *f, const char *key, guint number);
/** Likewise, of any bytes. Returns: (transfer full): NULL with f->error. */
VelmStoredRecord *station_inspect_bytes(StationFixture *f, const char *key, GBytes *image);
/** Queues the image of a number under @key; it must be new. @callback: (nullable). */
void station_enqueue(StationFixture *f, const char *product, const char *key, guint number,
                     const char *callback);

/** The station's records in the order in which they came to be on the disk. Returns: (transfer
 * full) (element-type VelmStoredRecord): with their JSON. */
GPtrArray *station_records(StationFixture *f);
guint station_count(StationFixture *f);
guint station_count_queued(StationFixture *f);
/** How many of the records name their image @name. */
guint station_count_of(StationFixture *f, const char *name);

/** Whether @link is in @state, for a reason that has @words (nullable: none). */
gboolean station_link_is(VelmLink *link, VelmState state, const char *words);

/** "127.0.0.1:PORT", of a port that was free a moment ago. Returns: (transfer full). */
char *station_free_address(void);

/** Runs SQL on the records beside the station. */
void station_run_sql(const StationFixture *f, const char *sql);

/** Waits until @condition holds; the test fails where it does not within a minute. */
#define station_wait_for(condition)                                                                \
  for (gint64 end_ = g_get_monotonic_time() + G_TIME_SPAN_MINUTE; !(condition);)                   \
  station_pause(end_, #condition, G_STRLOC)
/** A moment, before the condition is looked at again. */
void station_pause(gint64 end, const char *condition, const char *where);
