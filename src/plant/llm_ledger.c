#include "plant/llm_ledger.h"

#include "core/json_member.h"
#include "plant/bucket.h"
#include "serve/product.h"

#include <math.h>
#include <string.h>

#define PICO 1e12
#define MINUTE_US (60 * G_TIME_SPAN_SECOND)
#define MOST_BYTES 4096
/* Changes of others in a row, before which one of ours is not to be had. */
#define MOST_CONFLICTS 200
#define MOST_WAIT_US 4000

VelmLlmLedger velm_llm_ledger_new(void) {
  return (VelmLlmLedger){.per_minute = -1, .usd_per_day = NAN, .usd = NAN, .minute = -1, .day = -1};
}

gint64 velm_llm_minute_of(gint64 time) { return time / MINUTE_US; }
gint64 velm_llm_day_of(gint64 time) { return time / G_TIME_SPAN_DAY; }

char *velm_llm_day_to_text(gint64 day) {
  g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(day * 24 * 60 * 60);
  return g_date_time_format(date, "%Y-%m-%d");
}

/* ---- using it up ---- */

static gint64 add(gint64 a, gint64 b) { return a > G_MAXINT64 - b ? G_MAXINT64 : a + b; }

void velm_llm_ledger_begin(VelmLlmLedger *ledger, gint64 time) {
  if (velm_llm_minute_of(time) > ledger->minute) {
    ledger->minute = velm_llm_minute_of(time);
    ledger->requests = 0;
  }
  if (velm_llm_day_of(time) > ledger->day) {
    ledger->day = velm_llm_day_of(time);
    ledger->day_picodollars = 0;
  }
}

gboolean velm_llm_ledger_has_budget(const VelmLlmLedger *ledger) {
  return isfinite(ledger->usd_per_day) || isfinite(ledger->usd);
}

static gint64 left_of(double usd, gint64 used) {
  if (!isfinite(usd))
    return G_MAXINT64;
  gint64 limit = usd * PICO < (double)G_MAXINT64 ? (gint64)llround(usd * PICO) : G_MAXINT64;
  return MAX(limit - used, 0);
}

gint64 velm_llm_ledger_left(const VelmLlmLedger *ledger) {
  return MIN(left_of(ledger->usd_per_day, ledger->day_picodollars),
             left_of(ledger->usd, ledger->picodollars));
}

gint64 velm_llm_ledger_take(VelmLlmLedger *ledger, gint64 most, gint64 picodollars) {
  gint64 n = most;
  if (ledger->per_minute >= 0)
    n = MIN(n, MAX(ledger->per_minute - ledger->requests, 0));
  if (picodollars > 0)
    n = MIN(n, velm_llm_ledger_left(ledger) / picodollars);
  ledger->requests = add(ledger->requests, n);
  ledger->day_picodollars = add(ledger->day_picodollars, n * picodollars);
  ledger->picodollars = add(ledger->picodollars, n * picodollars);
  return n;
}

void velm_llm_ledger_give_back(VelmLlmLedger *ledger, gint64 minute, gint64 requests, gint64 day,
                               gint64 picodollars) {
  if (minute == ledger->minute)
    ledger->requests = MAX(ledger->requests - requests, 0);
  if (day == ledger->day)
    ledger->day_picodollars = MAX(ledger->day_picodollars - picodollars, 0);
  ledger->picodollars = MAX(ledger->picodollars - picodollars, 0);
}

/* ---- as JSON ---- */

static void set_limit(JsonBuilder *builder, const char *name, gint64 value) {
  if (value >= 0)
    velm_json_set_int(builder, name, value);
  else
    velm_json_set_double(builder, name, NAN);
}

static char *to_json(const VelmLlmLedger *ledger) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  g_autofree char *day = ledger->day >= 0 ? velm_llm_day_to_text(ledger->day) : NULL;
  json_builder_begin_object(builder);
  set_limit(builder, "per_minute", ledger->per_minute);
  velm_json_set_double(builder, "usd_per_day", ledger->usd_per_day);
  velm_json_set_double(builder, "usd", ledger->usd);
  velm_json_set_int(builder, "window", ledger->minute);
  velm_json_set_int(builder, "requests", ledger->requests);
  velm_json_set_string(builder, "day", day);
  velm_json_set_int(builder, "day_picodollars", ledger->day_picodollars);
  velm_json_set_int(builder, "picodollars", ledger->picodollars);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* Returns: -1 where it is none. */
static gint64 day_of_text(const char *text) {
  g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
  g_autofree char *full = text ? g_strdup_printf("%sT00:00:00", text) : NULL;
  g_autoptr(GDateTime) date = full ? g_date_time_new_from_iso8601(full, utc) : NULL;
  return date ? g_date_time_to_unix(date) / (24 * 60 * 60) : -1;
}

/* A limit that cannot be read is not taken to be none. */
static gboolean is_limit(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return !node || JSON_NODE_HOLDS_NULL(node) || velm_json_double_member(object, name, -1) >= 0;
}

static gboolean from_json(VelmLlmLedger *ledger, const char *text, gsize length) {
  g_autoptr(JsonNode) node = length <= MOST_BYTES ? velm_json_parse_object(text, length) : NULL;
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  if (!object || !is_limit(object, "per_minute") || !is_limit(object, "usd_per_day") ||
      !is_limit(object, "usd"))
    return FALSE;
  double per_minute = velm_json_double_member(object, "per_minute", -1);
  *ledger = (VelmLlmLedger){.per_minute = (gint64)CLAMP(per_minute, -1, 1e15),
                            .usd_per_day = velm_json_double_member(object, "usd_per_day", NAN),
                            .usd = velm_json_double_member(object, "usd", NAN),
                            .minute = velm_json_int_member(object, "window", -1),
                            .requests = velm_json_int_member(object, "requests", 0),
                            .day = day_of_text(velm_json_string_member(object, "day")),
                            .day_picodollars = velm_json_int_member(object, "day_picodollars", 0),
                            .picodollars = velm_json_int_member(object, "picodollars", 0)};
  return ledger->requests >= 0 && ledger->day_picodollars >= 0 && ledger->picodollars >= 0;
}

/* ---- where it is kept ---- */

gboolean velm_llm_ledger_check_name(const char *name, GError **error) {
  if (velm_product_check_name(name, NULL) && !g_str_equal(name, "none"))
    return TRUE;
  g_set_error(
      error, VELM_ERROR, VELM_ERROR_USAGE,
      "\"%s\": an allowance's name has letters, digits, - and _, %d at most, and is not none", name,
      VELM_PRODUCT_MOST_NAME);
  return FALSE;
}

kvStore *velm_llm_ledger_open(VelmBroker *broker, GError **error) {
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = VELM_LLM_BUCKET;
  config.History = 1;
  return velm_bucket_open(broker, &config, error);
}

static gboolean fail(const char *name, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "the allowance %s in the bucket " VELM_LLM_BUCKET " cannot be read", name);
  return FALSE;
}

/* @revision: (out): 0 where there is none. */
static gboolean read_revision(VelmBroker *broker, kvStore *store, const char *name,
                              VelmLlmLedger *ledger, guint64 *revision, GError **error) {
  g_autoptr(kvEntry) entry = NULL;
  natsStatus status = kvStore_Get(&entry, store, name);
  *revision = 0;
  *ledger = velm_llm_ledger_new();
  if (status == NATS_NOT_FOUND)
    return TRUE;
  if (!velm_broker_check(broker, status, 0, "an allowance cannot be read", error))
    return FALSE;
  *revision = kvEntry_Revision(entry);
  return from_json(ledger, kvEntry_Value(entry), (gsize)MAX(kvEntry_ValueLen(entry), 0)) ||
         fail(name, error);
}

gboolean velm_llm_ledger_read(VelmBroker *broker, kvStore *store, const char *name,
                              VelmLlmLedger *ledger, gboolean *there, GError **error) {
  guint64 revision = 0;
  gboolean done = read_revision(broker, store, name, ledger, &revision, error);
  *there = revision > 0;
  return done;
}

/* What is refused since another was first has no status of its own. The last error may be of an
 * earlier failure, of another status. */
static gboolean is_conflict(natsStatus status) {
  natsStatus last = NATS_OK;
  const char *detail = nats_GetLastError(&last);
  return status == NATS_ERR && last == status && detail && strstr(detail, "wrong last sequence");
}

static natsStatus write_revision(kvStore *store, const char *name, const VelmLlmLedger *ledger,
                                 guint64 revision) {
  g_autofree char *text = to_json(ledger);
  return revision ? kvStore_UpdateString(NULL, store, name, text, revision)
                  : kvStore_CreateString(NULL, store, name, text);
}

gboolean velm_llm_ledger_change(VelmBroker *broker, kvStore *store, const char *name,
                                VelmLlmChange change, gpointer user_data, gboolean *unknown,
                                GError **error) {
  natsStatus status = NATS_OK;
  if (unknown)
    *unknown = FALSE;
  for (int i = 0; i < MOST_CONFLICTS; i++) {
    VelmLlmLedger ledger;
    guint64 revision = 0;
    if (!read_revision(broker, store, name, &ledger, &revision, error))
      return FALSE;
    if (!change(&ledger, revision > 0, user_data))
      return TRUE;
    status = write_revision(store, name, &ledger, revision);
    if (status == NATS_OK)
      return TRUE;
    if (!is_conflict(status))
      break;
    g_usleep((gulong)g_random_int_range(0, MOST_WAIT_US));
  }
  if (unknown)
    *unknown = !is_conflict(status);
  return velm_broker_fail(broker, status, 0, "an allowance cannot be changed", error);
}
