#include "cli/top_picture.h"

#include "core/json_member.h"

#include <math.h>

/* A worker that has said nothing for so long may be gone. */
#define LATE_S 15
#define GAP 2

typedef enum { PLAIN, BOLD, TITLES, DOUBTFUL, BAD } Style;

static const char *const styles[] = {"", "\033[1m", "\033[7m", "\033[33m", "\033[1;31m"};

/* ---- text ---- */

/* What others wrote moves no cursor. Returns: (transfer full). */
static char *clean(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  GString *out = g_string_new(NULL);
  for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
  }
  return g_string_free(out, FALSE);
}

/* Columns of a terminal that a character takes. */
static guint width_of_char(gunichar c) {
  if (g_unichar_iszerowidth(c))
    return 0;
  return g_unichar_iswide(c) ? 2 : 1;
}

static guint width_of(const char *text) {
  guint width = 0;
  for (; *text; text = g_utf8_next_char(text))
    width += width_of_char(g_utf8_get_char(text));
  return width;
}

/* Appends as much of @text as @most columns hold, and a mark where that is not all. */
static void append_cut(GString *out, const char *text, guint most) {
  guint width = 0;
  gboolean all = width_of(text) <= most;
  for (; *text; text = g_utf8_next_char(text)) {
    gunichar c = g_utf8_get_char(text);
    if (!all && width + width_of_char(c) > most - 1)
      break;
    width += width_of_char(c);
    g_string_append_unichar(out, c);
  }
  if (!all)
    g_string_append(out, "…");
}

static void append_spaces(GString *out, guint n) {
  for (; n > 0; n--)
    g_string_append_c(out, ' ');
}

/* ---- numbers ---- */

static char *count_text(guint64 n) { return g_strdup_printf("%" G_GUINT64_FORMAT, n); }

static char *rate_text(double value) {
  return isnan(value) ? g_strdup("-") : g_strdup_printf("%.*f", value < 100 ? 1 : 0, value);
}

static char *usd_text(double value) { return g_strdup_printf("%.2f", value); }

static char *seconds_text(double value) {
  gint64 s = (gint64)MAX(value, 0);
  if (isnan(value))
    return g_strdup("-");
  if (s < 60)
    return g_strdup_printf("%ds", (int)s);
  if (s < 60 * 60)
    return g_strdup_printf("%dm%02ds", (int)(s / 60), (int)(s % 60));
  if (s < 24 * 60 * 60)
    return g_strdup_printf("%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
  return g_strdup_printf("%" G_GINT64_FORMAT "d%02dh", s / 86400, (int)(s / 3600 % 24));
}

static double seconds_since(gint64 time, gint64 now) {
  return time ? (double)(now - time) / G_TIME_SPAN_SECOND : NAN;
}

/* ---- lines ---- */

/* What is being drawn: lines, as far as the paper goes. */
typedef struct {
  const VelmTopPaper *paper;
  GString *out;
  guint lines, left_out;
} Drawing;

/* One line is kept for saying that there are more. */
static void draw_line(Drawing *drawing, Style style, const char *text) {
  const VelmTopPaper *paper = drawing->paper;
  if (paper->height > 0 && drawing->lines + 1 >= paper->height) {
    drawing->left_out++;
    return;
  }
  gboolean styled = paper->styled && style != PLAIN;
  drawing->lines++;
  g_string_append(drawing->out, styled ? styles[style] : "");
  append_cut(drawing->out, text, paper->width > 0 ? paper->width : G_MAXUINT);
  g_string_append(drawing->out, styled ? "\033[0m\n" : "\n");
}

static void draw_format(Drawing *drawing, Style style, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void draw_format(Drawing *drawing, Style style, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *shown = clean(text);
  draw_line(drawing, style, shown);
}

/* ---- tables ---- */

/* @right: numbers */
typedef struct {
  const char *title;
  gboolean right;
} Column;

typedef struct {
  Style style;
  GStrv cells;
} Row;

typedef struct {
  const Column *columns;
  guint n_columns;
  GPtrArray *rows;
} Table;

static void row_free(gpointer data) {
  g_strfreev(((Row *)data)->cells);
  g_free(data);
}

static Table table_new(const Column *columns, guint n_columns) {
  return (Table){columns, n_columns, g_ptr_array_new_with_free_func(row_free)};
}

static void table_clear(Table *table) { g_ptr_array_unref(table->rows); }

/* @cells: (transfer full): one a column, which are cleaned. */
static void add_row(Table *table, Style style, char **cells) {
  Row *row = g_new0(Row, 1);
  *row = (Row){style, g_new0(char *, table->n_columns + 1)};
  for (guint i = 0; i < table->n_columns; i++) {
    row->cells[i] = clean(cells[i]);
    g_free(cells[i]);
  }
  g_ptr_array_add(table->rows, row);
}

static guint width_of_column(const Table *table, guint column) {
  guint width = width_of(table->columns[column].title);
  for (guint i = 0; i < table->rows->len; i++)
    width = MAX(width, width_of(((Row *)table->rows->pdata[i])->cells[column]));
  return width;
}

/* @cells: (nullable): NULL for the titles. */
static void draw_row(Drawing *drawing, const Table *table, const guint *widths, Style style,
                     GStrv cells) {
  g_autoptr(GString) line = g_string_new(NULL);
  for (guint i = 0; i < table->n_columns; i++) {
    const char *cell = cells ? cells[i] : table->columns[i].title;
    gboolean last = i + 1 == table->n_columns;
    guint space = widths[i] - MIN(widths[i], width_of(cell));
    if (table->columns[i].right)
      append_spaces(line, space);
    g_string_append(line, cell);
    if (!last)
      append_spaces(line, GAP + (table->columns[i].right ? 0 : space));
  }
  draw_line(drawing, style, g_strchomp(line->str));
}

static void draw_table(Drawing *drawing, const Table *table) {
  g_autofree guint *widths = g_new0(guint, table->n_columns);
  for (guint i = 0; i < table->n_columns; i++)
    widths[i] = width_of_column(table, i);
  draw_row(drawing, table, widths, TITLES, NULL);
  for (guint i = 0; i < table->rows->len; i++) {
    const Row *row = table->rows->pdata[i];
    draw_row(drawing, table, widths, row->style, row->cells);
  }
}

/* ---- the head ---- */

static guint64 sum_bytes(const VelmOverview *overview) {
  guint64 bytes = 0;
  for (guint i = 0; i < overview->streams->len; i++)
    bytes += ((VelmStreamFigures *)overview->streams->pdata[i])->bytes;
  return bytes;
}

static void draw_head(Drawing *drawing, const VelmOverview *overview) {
  g_autoptr(GDateTime) utc = g_date_time_new_from_unix_local(overview->time / G_TIME_SPAN_SECOND);
  g_autofree char *time = g_date_time_format(utc, "%H:%M:%S");
  g_autofree char *size = g_format_size(sum_bytes(overview));
  draw_format(drawing, BOLD,
              "velm top  %s   broker %s%s%s, %s   workers %u   dead letters %" G_GUINT64_FORMAT,
              time, overview->shown, overview->version ? ", nats-server " : "",
              overview->version ? overview->version : "", size, overview->workers->len,
              overview->dead);
}

/* All products together. */
static void draw_stages(Drawing *drawing, const VelmOverview *overview) {
  g_autoptr(GString) line = g_string_new(NULL);
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++) {
    const VelmStageFigures *figures = &overview->stages[stage];
    g_autofree char *in = rate_text(figures->in_per_second);
    g_autofree char *done = rate_text(figures->done_per_second);
    g_string_append_printf(line, "%s%s %" G_GUINT64_FORMAT " jobs, %s/s in, %s/s done",
                           stage > 0 ? "   " : "", velm_stage_name(stage), figures->jobs, in, done);
  }
  draw_line(drawing, PLAIN, line->str);
}

/* ---- the jobs ---- */

static Style style_of_queue(const VelmQueueFigures *queue) {
  if (queue->waiting > 0 && queue->workers == 0)
    return BAD;
  return queue->again > 0 ? DOUBTFUL : PLAIN;
}

static void add_queue(Table *table, const VelmQueueFigures *queue, gint64 now) {
  char *cells[] = {g_strdup(velm_stage_name(queue->stage)),
                   g_strdup(queue->product),
                   count_text(queue->workers),
                   count_text(queue->waiting),
                   count_text(queue->in_hand),
                   count_text(queue->again),
                   seconds_text(seconds_since(queue->oldest, now)),
                   rate_text(queue->in_per_second),
                   rate_text(queue->done_per_second),
                   count_text(queue->dead)};
  add_row(table, style_of_queue(queue), cells);
}

static void draw_jobs(Drawing *drawing, const VelmOverview *overview) {
  static const Column columns[] = {
      {"STAGE"},       {"PRODUCT"},      {"WORKERS", TRUE}, {"WAITING", TRUE}, {"IN HAND", TRUE},
      {"AGAIN", TRUE}, {"OLDEST", TRUE}, {"IN/S", TRUE},    {"DONE/S", TRUE},  {"DEAD", TRUE}};
  Table table = table_new(columns, G_N_ELEMENTS(columns));
  for (guint i = 0; i < overview->queues->len; i++)
    add_queue(&table, overview->queues->pdata[i], overview->time);
  draw_line(drawing, PLAIN, "");
  if (table.rows->len > 0)
    draw_table(drawing, &table);
  else
    draw_line(drawing, PLAIN, "no jobs, and no workers that would take any");
  table_clear(&table);
}

static void draw_dead(Drawing *drawing, const VelmOverview *overview) {
  gboolean first = TRUE;
  for (guint i = 0; i < overview->queues->len; i++) {
    const VelmQueueFigures *queue = overview->queues->pdata[i];
    if (!queue->reason)
      continue;
    if (first)
      draw_line(drawing, PLAIN, "");
    first = FALSE;
    draw_format(drawing, DOUBTFUL, "last dead letter of %s %s: %s", velm_stage_name(queue->stage),
                queue->product, queue->reason);
  }
}

/* ---- the workers ---- */

/* Of a product that is not ready, its state. Returns: (transfer full). */
static char *products_text(JsonObject *worker) {
  JsonArray *products = velm_json_array_member(worker, "products");
  GString *text = g_string_new(NULL);
  for (guint i = 0; products && i < json_array_get_length(products); i++) {
    JsonObject *product = velm_json_object_at(products, i);
    const char *name = velm_json_string_member(product, "name");
    const char *state = velm_json_string_member(product, "state");
    const char *reason = velm_json_string_member(product, "reason");
    g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", name ? name : "?");
    if (state && !g_str_equal(state, "ready"))
      g_string_append_printf(text, " (%s%s%s)", state, reason ? ": " : "", reason ? reason : "");
  }
  return g_string_free(text, FALSE);
}

static Style style_of_worker(const char *state, double seen) {
  if (g_strcmp0(state, "failed") == 0)
    return BAD;
  gboolean well = g_strcmp0(state, "ready") == 0 || g_strcmp0(state, "starting") == 0;
  return well && seen < LATE_S ? PLAIN : DOUBTFUL;
}

static char *member_count(JsonObject *object, const char *name) {
  return count_text((guint64)MAX(velm_json_int_member(object, name, 0), 0));
}

static void add_worker(Table *table, const VelmBucketEntry *entry, gint64 now) {
  JsonObject *worker = json_node_get_object(entry->value);
  const char *state = velm_json_string_member(worker, "state");
  double seen = seconds_since(entry->time, now),
         ms = velm_json_double_member(worker, "ms_mean", NAN);
  char *cells[] = {g_strdup(velm_json_string_member(worker, "name")),
                   g_strdup(velm_json_string_member(worker, "role")),
                   g_strdup(state),
                   rate_text(velm_json_double_member(worker, "images_per_second", NAN)),
                   isnan(ms) ? g_strdup("-") : g_strdup_printf("%.0f", ms),
                   member_count(worker, "jobs_in_hand"),
                   member_count(worker, "done"),
                   member_count(worker, "failed"),
                   member_count(worker, "dead"),
                   member_count(worker, "passed_on"),
                   seconds_text(seen),
                   g_strdup(velm_json_string_member(worker, "host")),
                   products_text(worker)};
  add_row(table, style_of_worker(state, seen), cells);
}

static void draw_workers(Drawing *drawing, const VelmOverview *overview) {
  static const Column columns[] = {
      {"WORKER"},     {"ROLE"},       {"STATE"},        {"IMAGES/S", TRUE}, {"MS", TRUE},
      {"HAS", TRUE},  {"DONE", TRUE}, {"FAILED", TRUE}, {"DEAD", TRUE},     {"PASSED", TRUE},
      {"SEEN", TRUE}, {"HOST"},       {"PRODUCTS"}};
  if (overview->workers->len == 0)
    return;
  Table table = table_new(columns, G_N_ELEMENTS(columns));
  for (guint i = 0; i < overview->workers->len; i++)
    add_worker(&table, overview->workers->pdata[i], overview->time);
  draw_line(drawing, PLAIN, "");
  draw_table(drawing, &table);
  table_clear(&table);
}

/* ---- language models ---- */

/* "3 of 10", "3". Returns: (transfer full). */
static char *of_text(double used, double limit, char *(*text)(double)) {
  g_autofree char *now = text(used), *most = isnan(limit) ? NULL : text(limit);
  return most ? g_strdup_printf("%s of %s", now, most) : g_steal_pointer(&now);
}

static char *whole_text(double value) { return g_strdup_printf("%.0f", value); }

static Style style_of_allowance(const VelmAllowance *allowance) {
  gboolean spent =
      allowance->usd_today >= allowance->usd_per_day || allowance->usd >= allowance->usd_in_all;
  if (spent) /* a limit that is NAN is never reached */
    return BAD;
  return allowance->requests >= allowance->per_minute ? DOUBTFUL : PLAIN;
}

static void draw_allowances(Drawing *drawing, const VelmOverview *overview) {
  static const Column columns[] = {{"LANGUAGE MODEL"}, {"THIS MINUTE"}, {"USD TODAY"}, {"USD"}};
  if (overview->allowances->len == 0)
    return;
  Table table = table_new(columns, G_N_ELEMENTS(columns));
  for (guint i = 0; i < overview->allowances->len; i++) {
    const VelmBucketEntry *entry = overview->allowances->pdata[i];
    VelmAllowance allowance = velm_allowance_read(entry, overview->time);
    char *cells[] = {g_strdup(entry->key),
                     of_text(allowance.requests, allowance.per_minute, whole_text),
                     of_text(allowance.usd_today, allowance.usd_per_day, usd_text),
                     of_text(allowance.usd, allowance.usd_in_all, usd_text)};
    add_row(&table, style_of_allowance(&allowance), cells);
  }
  draw_line(drawing, PLAIN, "");
  draw_table(drawing, &table);
  table_clear(&table);
}

/* ---- the broker ---- */

static void draw_streams(Drawing *drawing, const VelmOverview *overview) {
  static const Column columns[] = {{"STREAM"}, {"MESSAGES", TRUE}, {"BYTES", TRUE}};
  if (overview->streams->len == 0)
    return;
  Table table = table_new(columns, G_N_ELEMENTS(columns));
  for (guint i = 0; i < overview->streams->len; i++) {
    const VelmStreamFigures *stream = overview->streams->pdata[i];
    char *cells[] = {g_strdup(stream->name), count_text(stream->messages),
                     g_format_size(stream->bytes)};
    add_row(&table, PLAIN, cells);
  }
  draw_line(drawing, PLAIN, "");
  draw_table(drawing, &table);
  table_clear(&table);
}

/* ---- the picture ---- */

static void draw_rest(Drawing *drawing) {
  if (drawing->left_out > 0)
    g_string_append_printf(drawing->out, "... and %u more lines\n", drawing->left_out);
}

char *velm_top_picture(const VelmOverview *overview, const char *trouble,
                       const VelmTopPaper *paper) {
  Drawing drawing = {.paper = paper, .out = g_string_new(NULL)};
  if (overview) {
    draw_head(&drawing, overview);
    draw_stages(&drawing, overview);
  }
  if (trouble)
    draw_format(&drawing, BAD, "%s", trouble);
  if (overview) {
    draw_jobs(&drawing, overview);
    draw_dead(&drawing, overview);
    draw_workers(&drawing, overview);
    draw_allowances(&drawing, overview);
    draw_streams(&drawing, overview);
  }
  draw_rest(&drawing);
  return g_string_free(drawing.out, FALSE);
}
