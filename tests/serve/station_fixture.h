/* A small product, whose model opens in no time, and a station of it in this process. */
#pragma once

#include "serve/api.h"
#include "serve/http_client.h"

/* What the station calls it. */
#define PRODUCT "disc"
#define INSPECTIONS "/v1/products/" PRODUCT "/inspections"

/** The product: made-up parts, and a model that is fitted to them. One for all tests of a program.
 */
void small_product_set_up(void);
void small_product_tear_down(void);
/** Paths; borrowed. */
const char *small_product_model(void);
const char *small_product_spec(void);
/** A model that was taught the classes besides, with few-shot answers that never stand alone; the
 * first call takes some seconds. */
const char *small_product_taught(void);
/** The file of an image: of a class, or "good". Returns: (transfer full). */
GBytes *small_product_image(const char *class_name, guint number);
/** An image of nothing, which no model takes for a good part. Returns: (transfer full). */
GBytes *small_product_black(int width, int height);

/**
 * StationFixture: settings stand until station_start().
 * @model: path of its own copy of the model
 * @spec: (nullable): path; or of a pipe, see station_use_pipe()
 * @cameras: (nullable): settings of each, NULL-terminated; borrowed
 * @inspector: the product's
 */
typedef struct {
  char *folder, *model, *spec;
  const char *const *cameras;
  guint most_queued;
  VelmInspectorParams inspector;
  VelmApiParams params;
  VelmAccess *access;
  VelmStation *station;
  VelmApi *api;
  const char *url;
} StationFixture;

void station_set_up(StationFixture *f, gconstpointer data);
void station_tear_down(StationFixture *f, gconstpointer data);

/** The tokens of line, operator and engineer, for whoever starts the station then. */
#define TOKEN_LINE "line-token-0123456789"
#define TOKEN_OPERATOR "operator-token-0123456789"
#define TOKEN_ENGINEER "engineer-token-0123456789"
void station_use_tokens(StationFixture *f);
/** The product stays as it is opened until station_write_pipe(), the spec then. */
void station_use_pipe(StationFixture *f);
void station_write_pipe(StationFixture *f, const char *spec);

/** Starts the station and its API. */
void station_start(StationFixture *f);
/** Ends both. */
void station_stop(StationFixture *f);
/** Waits until /readyz says @state. Returns: (transfer full): what it says. */
JsonNode *station_wait_for(const StationFixture *f, const char *state);

/** Hands an image in. @key: (nullable). Returns: (transfer full). */
HttpReply *station_inspect(const StationFixture *f, const char *key, GBytes *image);
/** Likewise; it gets a record. Returns: its number. */
gint64 station_add(const StationFixture *f, const char *key, GBytes *image);

/** GETs @path, which is there. Returns: (transfer full). */
JsonNode *station_get_json(const StationFixture *f, const char *path);
/** Sends JSON. Returns: (transfer full). */
HttpReply *station_send_json(const StationFixture *f, const char *method, const char *path,
                             const char *json);
