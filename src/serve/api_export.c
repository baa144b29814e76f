/*
 * All records of a question, as CSV, JSON Lines or COCO. The answer is made page by page as it is
 * sent, so that its length takes no memory.
 */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/record_json.h"

#include "evaluate/csv_field.h"

#include <math.h>
#include <string.h>

/* Records a page: little work at a time for the server's threads. */
#define PAGE 50

typedef struct _Export Export;

/* A format: @head, then each record by @add, for each of @n_passes, which @between parts; then
 * @tail. */
typedef struct {
  const char *type, *file;
  guint n_passes;
  void (*head)(Export *export, GString *out);
  gboolean (*add)(Export *export, const VelmStoredRecord *record, GString *out);
  void (*between)(Export *export, GString *out);
  void (*tail)(Export *export, GString *out);
} Format;

struct _Export {
  VelmStore *store;
  VelmStoreQuery query;
  char *product, *station, *class_name; /* the query's */
  const Format *format;
  guint pass;
  gboolean begun, ended;
  char *cursor;
  gint64 n;              /* written in this pass */
  GPtrArray *categories; /* COCO: names, in the order of their numbers */
};

static void export_free(gpointer data) {
  Export *export = data;
  g_free(export->product);
  g_free(export->station);
  g_free(export->class_name);
  g_free(export->cursor);
  g_ptr_array_unref(export->categories);
  g_free(export);
}

/* ---- CSV (RFC 4180) ---- */

static void csv_head(Export *export, GString *out) {
  g_string_append(out, "id,key,product,part,time,decision,class,detected_class,score,threshold,"
                       "confidence,verdict,image_sha256,station\r\n");
}

static void csv_text(GString *out, const char *text) {
  velm_csv_append_field(out, text ? text : "");
  g_string_append_c(out, ',');
}

static void csv_number(GString *out, double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (isfinite(value))
    g_string_append(out, g_ascii_dtostr(buffer, sizeof buffer, value));
  g_string_append_c(out, ',');
}

static gboolean csv_add(Export *export, const VelmStoredRecord *record, GString *out) {
  g_autofree char *time = velm_time_text(record->time);
  g_string_append_printf(out, "%" G_GINT64_FORMAT ",", record->id);
  csv_text(out, record->key);
  csv_text(out, record->product);
  csv_text(out, record->part);
  csv_text(out, time);
  csv_text(out, record->decision);
  csv_text(out, record->class_name);
  csv_text(out, record->detected_class);
  csv_number(out, record->score);
  csv_number(out, record->threshold);
  csv_number(out, record->confidence);
  csv_text(out, velm_verdict_name(record->verdict));
  csv_text(out, record->image);
  velm_csv_append_field(out, record->station ? record->station : "");
  g_string_append(out, "\r\n");
  return TRUE;
}

/* ---- JSON Lines ---- */

/* The record with its document, which lists leave out. Returns: NULL where it went meanwhile, or,
 * with @ok FALSE, where the store fails. */
static VelmStoredRecord *fetch(const Export *export, gint64 id, gboolean *ok) {
  VelmStoredRecord *record = NULL;
  *ok = velm_store_get(export->store, id, &record, NULL);
  return record;
}

static gboolean jsonl_add(Export *export, const VelmStoredRecord *record, GString *out) {
  gboolean ok = FALSE;
  g_autoptr(VelmStoredRecord) whole = fetch(export, record->id, &ok);
  g_autofree char *line = whole ? velm_stored_record_to_json(export->store, whole, NULL) : NULL;
  if (!line)
    return ok && !whole;
  g_string_append_printf(out, "%s\n", line);
  return TRUE;
}

/* ---- COCO: all images, then all their regions, then the classes ---- */

static void coco_head(Export *export, GString *out) { g_string_append(out, "{\"images\":["); }
static void coco_between(Export *export, GString *out) {
  g_string_append(out, "],\"annotations\":[");
}

static void append_object(Export *export, JsonBuilder *builder, GString *out) {
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  g_string_append_printf(out, "%s%s", export->n++ ? ",\n" : "", text);
}

static void coco_add_image(Export *export, const VelmStoredRecord *record, JsonObject *document,
                           GString *out) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  g_autofree char *time = velm_time_text(record->time);
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "id", record->id);
  velm_json_set_string(builder, "file_name", record->image);
  velm_json_set_int(builder, "width", velm_json_int_member(document, "width", 0));
  velm_json_set_int(builder, "height", velm_json_int_member(document, "height", 0));
  velm_json_set_string(builder, "date_captured", time);
  append_object(export, builder, out);
}

static guint category_of(Export *export, const char *name) {
  guint index = 0;
  if (!g_ptr_array_find_with_equal_func(export->categories, name, g_str_equal, &index)) {
    index = export->categories->len;
    g_ptr_array_add(export->categories, g_strdup(name));
  }
  return index + 1;
}

static void coco_add_region(Export *export, const VelmStoredRecord *record, JsonObject *region,
                            GString *out) {
  static const char *const sides[] = {"x", "y", "width", "height"};
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "id", export->n + 1);
  velm_json_set_int(builder, "image_id", record->id);
  velm_json_set_int(builder, "category_id", category_of(export, record->class_name));
  json_builder_set_member_name(builder, "bbox");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < G_N_ELEMENTS(sides); i++)
    json_builder_add_int_value(builder, velm_json_int_member(region, sides[i], 0));
  json_builder_end_array(builder);
  velm_json_set_double(builder, "area", velm_json_double_member(region, "area", 0));
  velm_json_set_double(builder, "score", velm_json_double_member(region, "score", 0));
  velm_json_set_int(builder, "iscrowd", 0);
  append_object(export, builder, out);
}

static gboolean coco_add(Export *export, const VelmStoredRecord *record, GString *out) {
  gboolean ok = FALSE;
  g_autoptr(VelmStoredRecord) whole = fetch(export, record->id, &ok);
  g_autoptr(JsonNode) node =
      whole ? velm_json_parse_object(whole->json, strlen(whole->json)) : NULL;
  if (!node)
    return ok;
  JsonObject *document = json_node_get_object(node);
  if (export->pass == 0) {
    coco_add_image(export, whole, document, out);
    return TRUE;
  }
  JsonArray *regions = velm_json_array_member(document, "regions");
  guint n = regions && whole->class_name ? json_array_get_length(regions) : 0;
  for (guint i = 0; i < n; i++)
    coco_add_region(export, whole, velm_json_object_at(regions, i), out);
  return TRUE;
}

static void coco_tail(Export *export, GString *out) {
  g_string_append(out, "],\"categories\":[");
  export->n = 0;
  for (guint i = 0; i < export->categories->len; i++) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "id", i + 1);
    velm_json_set_string(builder, "name", export->categories->pdata[i]);
    append_object(export, builder, out);
  }
  g_string_append(out, "]}\n");
}

static const char *const format_names[] = {"csv", "jsonl", "coco", NULL};
static const Format formats[] = {
    {"text/csv; charset=utf-8", "records.csv", 1, csv_head, csv_add, NULL, NULL},
    {"application/jsonl", "records.jsonl", 1, NULL, jsonl_add, NULL, NULL},
    {"application/json", "records.coco.json", 2, coco_head, coco_add, coco_between, coco_tail},
};

/* ---- page by page ---- */

static void end_pass(Export *export, GString *out) {
  const Format *format = export->format;
  export->n = 0;
  if (++export->pass < format->n_passes) {
    format->between(export, out);
    return;
  }
  export->ended = TRUE;
  if (format->tail)
    format->tail(export, out);
}

static gboolean add_page(Export *export, GString *out) {
  g_autofree char *next = NULL;
  g_autoptr(GPtrArray) records =
      velm_store_list(export->store, &export->query, export->cursor, PAGE, &next, NULL);
  for (guint i = 0; records && i < records->len; i++)
    if (!export->format->add(export, records->pdata[i], out))
      return FALSE;
  if (!records)
    return FALSE;
  g_free(export->cursor);
  export->cursor = g_steal_pointer(&next);
  if (!export->cursor)
    end_pass(export, out);
  return TRUE;
}

static VelmBodyState next_page(gpointer state, GString *out) {
  Export *export = state;
  if (export->ended)
    return VELM_BODY_END;
  if (!export->begun && export->format->head)
    export->format->head(export, out);
  export->begun = TRUE;
  return add_page(export, out) ? VELM_BODY_MORE : VELM_BODY_BROKEN;
}

VelmResponse *velm_api_export_records(VelmCall *call, GError **error) {
  static const char *const names[] = {"format", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  VelmStoreQuery filters;
  guint index = 1;
  if (!velm_query_only(query, names, TRUE, error) || !velm_query_filters(query, &filters, error) ||
      !velm_query_word(query, "format", format_names, &index, error))
    return NULL;
  Export *export = g_new0(Export, 1);
  export->store = velm_station_get_store(call->context->station);
  export->query = filters;
  export->query.order = VELM_STORE_OLDEST;
  /* The request's texts may go before the answer is made. */
  export->query.product = export->product = g_strdup(filters.product);
  export->query.station = export->station = g_strdup(filters.station);
  export->query.class_name = export->class_name = g_strdup(filters.class_name);
  export->format = &formats[index];
  export->categories = g_ptr_array_new_with_free_func(g_free);
  VelmResponse *response =
      velm_response_new_made(export->format->type, (VelmBody){next_page, export_free, export});
  g_autofree char *disposition =
      g_strdup_printf("attachment; filename=\"%s\"", export->format->file);
  velm_response_set_header(response, "Content-Disposition", disposition);
  return response;
}
