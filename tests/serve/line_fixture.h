/* A station in a folder of its own, with one product on a model that opens in no time. */
#pragma once

#include "serve/station.h"

#define LINE_PRODUCT "disc"

/* The name of a station whose store is shared. */
#define LINE_STATION "line-1"

typedef struct {
  char *folder;   /* of the test */
  char *data;     /* of the station, in it */
  char *database; /* (nullable): of the station's store, which is shared then */
  VelmStation *station;
  guint most_queued; /* of each product that is added */
  GError *error;
} LineFixture;

/** Fits the model of this program's stations; before g_test_run(). */
void line_fit_model(void);
/** Removes it; after g_test_run(). */
void line_remove_model(void);
/** The folder of the model, for another process; and its model is that there. */
const char *line_model_folder(void);
void line_use_model(const char *folder);

/** Makes the folder; there is no station yet. */
void line_set_up(LineFixture *f, gconstpointer data);
void line_tear_down(LineFixture *f, gconstpointer data);

/** Makes the station, for links to be added. */
void line_make(LineFixture *f);
/** Adds another product, with the same model. */
void line_add_product(LineFixture *f, const char *name);
/** Starts it, and waits until its product is ready. */
void line_start(LineFixture *f);
/** Ends it. */
void line_end(LineFixture *f);
/** Adds @link: (transfer full): there must be one. */
VelmLink *line_add_link(LineFixture *f, VelmLink *link);

/** Bytes of an image for a number: another number, another image. 0 to 3 are parts that the model
 * was fitted to, which are normal; others are not. Returns: (transfer full). */
GBytes *line_image(guint number);
/** Writes that image. @path: where to, at once: not by a rename. */
void line_write_image(const char *path, guint number);

/** Inspects the image of a number under @key. Returns: the record's number. */
gint64 line_inspect(LineFixture *f, const char *key, guint number);
/** Likewise, of any bytes. Returns: (transfer full): NULL with f->error. */
VelmStoredRecord *line_inspect_bytes(LineFixture *f, const char *key, GBytes *image);
/** Queues the image of a number under @key; it must be new. @callback: (nullable). */
void line_enqueue(LineFixture *f, const char *product, const char *key, guint number,
                  const char *callback);

/** Adds a record of the image of a number to the station's store, as a worker does for the station
 * @station. Returns: its number. */
gint64 line_add_record_of(LineFixture *f, const char *station, guint number);

/** The station's records in the order in which they came to be on the disk. Returns: (transfer
 * full) (element-type VelmStoredRecord): with their JSON. */
GPtrArray *line_records(LineFixture *f);
guint line_count(LineFixture *f);
guint line_count_queued(LineFixture *f);
/** How many of the records name their image @name. */
guint line_count_of(LineFixture *f, const char *name);

/** Whether @link is in @state, for a reason that has @words (nullable: none). */
gboolean line_link_is(VelmLink *link, VelmState state, const char *words);

/** "127.0.0.1:PORT", of a port that was free a moment ago. Returns: (transfer full). */
char *line_free_address(void);

/** Runs SQL on the records beside the station. */
void line_run_sql(const LineFixture *f, const char *sql);

/** Waits until @condition holds; the test fails where it does not within a minute. */
#define line_wait_for(condition)                                                                   \
  for (gint64 end_ = g_get_monotonic_time() + G_TIME_SPAN_MINUTE; !(condition);)                   \
  line_pause(end_, #condition, G_STRLOC)
/** A moment, before the condition is looked at again. */
void line_pause(gint64 end, const char *condition, const char *where);
