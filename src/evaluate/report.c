#include "evaluate/report.h"

#include "core/error.h"
#include "core/json.h"
#include "dataset/dataset.h"
#include "evaluate/histogram.h"
#include "evaluate/thumbnail.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THRESHOLDS = 4 };
enum { N_DECISIONS = VELM_DECISION_REVIEW + 1 };

#define NOT_CLASSIFIED "not classified"

/* How often a class was answered, and how often it is the label. */
typedef struct {
  guint answered, labelled, right;
} ClassTally;

struct _VelmReport {
  char *title;
  FILE *records;   /* finished markup of every record; a file without a name */
  GError *failure; /* the first one: the page would lack a record, so writing it fails too */
  GArray *scored;  /* of VelmScored */
  double thresholds[MAX_THRESHOLDS];
  gsize n_thresholds;
  GHashTable *classes; /* key -> ClassTally */
  gsize n_decisions[N_DECISIONS], n_errors, n_labelled;
};

VelmReport *velm_report_new(const char *title) {
  VelmReport *report = g_new0(VelmReport, 1);
  report->title = g_utf8_make_valid(title ? title : "", -1);
  report->scored = g_array_new(FALSE, FALSE, sizeof(VelmScored));
  report->classes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return report;
}

void velm_report_free(VelmReport *report) {
  if (!report)
    return;
  if (report->records)
    fclose(report->records);
  g_clear_error(&report->failure);
  g_array_unref(report->scored);
  g_hash_table_unref(report->classes);
  g_free(report->title);
  g_free(report);
}

/* ---- the temporary file ---- */

static FILE *open_nameless(GError **error) {
  g_autofree char *name = NULL;
  g_autoptr(GError) cause = NULL;
  int fd = g_file_open_tmp("velm-report-XXXXXX", &name, &cause);
  if (fd < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no temporary file for the report: %s",
                g_get_tmp_dir(), cause->message);
    return NULL;
  }
  g_unlink(name);
  FILE *file = fdopen(fd, "w+b");
  if (!file) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no temporary file for the report: %s",
                g_get_tmp_dir(), g_strerror(errno));
    close(fd);
  }
  return file;
}

static gboolean append_record(VelmReport *report, const char *markup, GError **error) {
  if (!report->failure && !report->records)
    report->records = open_nameless(&report->failure);
  if (!report->failure && fputs(markup, report->records) < 0)
    g_set_error(&report->failure, VELM_ERROR, VELM_ERROR_FILE,
                "%s: the report's temporary file cannot be written: %s", g_get_tmp_dir(),
                g_strerror(errno));
  if (!report->failure)
    return TRUE;
  if (error)
    *error = g_error_copy(report->failure);
  return FALSE;
}

/* ---- pictures ---- */

/* The block of pictures that follows every record: none, one, or two in base 64, with a blank
 * between. */
static char *draw_pictures(const VelmInspection *inspection, GError **error) {
  g_autofree char *contour = NULL, *heatmap = NULL;
  if (!velm_thumbnail_pictures(inspection, &contour, &heatmap, error))
    return NULL;
  return g_strconcat(contour ? contour : "", heatmap ? " " : "", heatmap, NULL);
}

/* ---- records ---- */

/* What the pipeline says the image shows. */
static const char *answer_of(const VelmInspection *inspection) {
  if (inspection->class_name)
    return inspection->class_name;
  return inspection->anomalous ? NOT_CLASSIFIED : VELM_LABEL_GOOD;
}

/* Whether the answer is the label; where nothing was classified, only good or not good counts. */
static gboolean agrees(const VelmInspection *inspection, const char *truth) {
  if (inspection->class_name || !inspection->anomalous)
    return strcmp(answer_of(inspection), truth) == 0;
  return strcmp(truth, VELM_LABEL_GOOD) != 0;
}

static void set_path(JsonBuilder *builder, const char *path) {
  g_autofree char *full = g_canonicalize_filename(path, NULL);
  g_autofree char *uri = g_filename_to_uri(full, NULL, NULL);
  g_autofree char *name = g_filename_display_basename(path);
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *shown = g_filename_display_name(folder);
  velm_json_set_string(builder, "name", name);
  velm_json_set_string(builder, "folder", shown);
  velm_json_set_string(builder, "uri", uri);
}

/* The object as an inert script element: JSON has < in strings only, where \u003c is the same. */
static char *print_record(JsonBuilder *builder) {
  g_autofree char *json = velm_json_print(builder, FALSE);
  g_strchomp(json);
  g_auto(GStrv) parts = g_strsplit(json, "<", -1);
  g_autofree char *safe = g_strjoinv("\\u003c", parts);
  return g_strconcat("<script type=\"application/json\" class=\"record\">", safe, "</script>",
                     NULL);
}

static char *describe_record(const VelmInspection *inspection, const char *truth) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  set_path(builder, inspection->path);
  velm_json_set_double(builder, "score", inspection->score);
  velm_json_set_double(builder, "threshold", inspection->threshold);
  velm_json_set_string(builder, "decision", velm_decision_name(inspection->decision));
  velm_json_set_string(builder, "class", answer_of(inspection));
  if (inspection->class_name)
    velm_json_set_double(builder, "confidence", inspection->confidence);
  velm_json_set_string(builder, "severity", inspection->severity);
  velm_json_set_string(builder, "action", inspection->action);
  velm_json_set_string(builder, "rule", inspection->rule);
  velm_json_set_string(builder, "reason", inspection->reason);
  velm_json_set_string(builder, "problem", inspection->error);
  velm_json_set_int(builder, "regions", inspection->regions ? inspection->regions->len : 0);
  velm_json_set_double(builder, "ms", inspection->timings_ms[VELM_TIMING_TOTAL]);
  if (truth) {
    velm_json_set_string(builder, "label", truth);
    velm_json_set_boolean(builder, "agrees", agrees(inspection, truth));
  }
  json_builder_end_object(builder);
  return print_record(builder);
}

static ClassTally *tally_of(VelmReport *report, const char *key) {
  ClassTally *tally = g_hash_table_lookup(report->classes, key);
  if (!tally) {
    tally = g_new0(ClassTally, 1);
    g_hash_table_insert(report->classes, g_strdup(key), tally);
  }
  return tally;
}

static void count_threshold(VelmReport *report, double threshold) {
  for (gsize i = 0; i < report->n_thresholds; i++)
    if (report->thresholds[i] == threshold)
      return;
  if (isfinite(threshold) && report->n_thresholds < MAX_THRESHOLDS)
    report->thresholds[report->n_thresholds++] = threshold;
}

static void count_record(VelmReport *report, const VelmInspection *inspection, const char *truth) {
  VelmScored scored = {inspection->score, inspection->decision};
  g_array_append_val(report->scored, scored);
  count_threshold(report, inspection->threshold);
  if ((int)inspection->decision < N_DECISIONS)
    report->n_decisions[inspection->decision]++;
  tally_of(report, answer_of(inspection))->answered++;
  if (!truth)
    return;
  report->n_labelled++;
  tally_of(report, truth)->labelled++;
  tally_of(report, truth)->right += agrees(inspection, truth);
}

gboolean velm_report_add(VelmReport *report, const VelmInspection *inspection, const char *truth,
                         GError **error) {
  g_autofree char *pictures = draw_pictures(inspection, error);
  if (!pictures)
    return FALSE;
  g_autofree char *record = describe_record(inspection, truth);
  g_autofree char *markup =
      g_strconcat(record, "<script type=\"text/plain\">", pictures, "</script>\n", NULL);
  if (!append_record(report, markup, error))
    return FALSE;
  count_record(report, inspection, truth);
  return TRUE;
}

void velm_report_add_error(VelmReport *report, const char *path, const char *message) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  set_path(builder, path);
  velm_json_set_string(builder, "failure", message);
  json_builder_end_object(builder);
  g_autofree char *record = print_record(builder);
  g_autofree char *markup = g_strconcat(record, "\n", NULL);
  /* A failure to keep the record is told by velm_report_write(). */
  append_record(report, markup, NULL);
  report->n_errors++;
}

/* ---- the page: data/report.html, .css and .js, compiled in as resources ---- */

static char *escape(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  return g_markup_escape_text(valid, -1);
}

static void put_title(const VelmReport *report, FILE *page) {
  g_autofree char *title = escape(report->title);
  fputs(title, page);
}

static void put_resource(const char *path, FILE *page) {
  g_autoptr(GBytes) bytes = g_resources_lookup_data(path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (bytes)
    fwrite(g_bytes_get_data(bytes, NULL), 1, g_bytes_get_size(bytes), page);
}

static void put_style(const VelmReport *report, FILE *page) {
  (void)report;
  put_resource("/velm/report.css", page);
}

static void put_script(const VelmReport *report, FILE *page) {
  (void)report;
  put_resource("/velm/report.js", page);
}

static void put_made(const VelmReport *report, FILE *page) {
  (void)report;
  g_autoptr(GDateTime) now = g_date_time_new_now_local();
  g_autofree char *time = now ? g_date_time_format(now, "%Y-%m-%d %H:%M") : NULL;
  fprintf(page, "%s, velm %s", time ? time : "", velm_version());
}

static void put_total(FILE *page, const char *name, const char *label, gsize count) {
  fprintf(page,
          "<button type=\"button\" class=\"total %s\" data-decision=\"%s\" aria-pressed=\"false\">"
          "<span class=\"count\">%" G_GSIZE_FORMAT "</span> <span class=\"name\">%s</span>"
          "</button>\n",
          name, name, count, label);
}

static void put_totals(const VelmReport *report, FILE *page) {
  put_total(page, "all", report->scored->len + report->n_errors == 1 ? "image" : "images",
            report->scored->len + report->n_errors);
  for (int d = 0; d < N_DECISIONS; d++) {
    const char *name = velm_decision_name((VelmDecision)d);
    put_total(page, name, name, report->n_decisions[d]);
  }
  put_total(page, "errors", report->n_errors == 1 ? "error" : "errors", report->n_errors);
}

static void put_histogram(const VelmReport *report, FILE *page) {
  g_autofree char *svg =
      velm_histogram_svg((const VelmScored *)(void *)report->scored->data, report->scored->len,
                         report->thresholds, report->n_thresholds);
  fputs(*svg ? svg : "<p class=\"none\">No scores.</p>", page);
}

static int compare_keys(gconstpointer a, gconstpointer b) { return strcmp(a, b); }

static guint most_answered(GHashTable *classes) {
  GHashTableIter iter;
  gpointer key, value;
  guint most = 1;
  g_hash_table_iter_init(&iter, classes);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (strcmp(key, VELM_LABEL_GOOD) != 0)
      most = MAX(most, ((const ClassTally *)value)->answered);
  return most;
}

/* A row of the class table. The good parts have no bar: they would leave the others none to see. */
static void put_class(const VelmReport *report, const char *key, guint most, FILE *page) {
  const ClassTally *tally = g_hash_table_lookup(report->classes, key);
  g_autofree char *name = escape(key);
  gboolean good = strcmp(key, VELM_LABEL_GOOD) == 0;
  guint percent = good ? 0 : (tally->answered * 100 + most - 1) / most;
  fprintf(page,
          "<tr><th scope=\"row\">%s</th><td class=\"bar\"><span style=\"width:%u%%\"></span></td>"
          "<td>%u</td>",
          name, percent, tally->answered);
  if (report->n_labelled)
    fprintf(page, "<td>%u</td><td>%u</td>", tally->labelled, tally->right);
  fputs("</tr>\n", page);
}

static void put_classes(const VelmReport *report, FILE *page) {
  if (g_hash_table_size(report->classes) == 0) {
    fputs("<p class=\"none\">No classes.</p>", page);
    return;
  }
  fprintf(page,
          "<table class=\"classes\"><thead><tr><th scope=\"col\">class</th><td></td>"
          "<th scope=\"col\">found</th>%s</tr></thead><tbody>\n",
          report->n_labelled ? "<th scope=\"col\">labelled</th><th scope=\"col\">right</th>" : "");
  guint most = most_answered(report->classes);
  g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(report->classes), compare_keys);
  for (GList *key = keys; key; key = key->next)
    put_class(report, key->data, most, page);
  fputs("</tbody></table>\n", page);
}

/* Copies the temporary file; what goes wrong is left in the streams' error flags. */
static void put_records(const VelmReport *report, FILE *page) {
  if (!report->records)
    return;
  g_autofree char *block = g_malloc(1 << 16);
  rewind(report->records);
  for (gsize n; (n = fread(block, 1, 1 << 16, report->records)) > 0;)
    fwrite(block, 1, n, page);
  if (!ferror(report->records))
    fseek(report->records, 0, SEEK_END);
}

static const struct {
  const char *mark;
  void (*put)(const VelmReport *report, FILE *page);
} parts[] = {
    {"{{title}}", put_title},         {"{{style}}", put_style},     {"{{made}}", put_made},
    {"{{totals}}", put_totals},       {"{{classes}}", put_classes}, {"{{records}}", put_records},
    {"{{histogram}}", put_histogram}, {"{{script}}", put_script},
};

/* Puts the part that @text starts with; returns the length of its mark, 0 where it starts with
 * none. */
static gsize put_part(const VelmReport *report, const char *text, gsize left, FILE *page) {
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    gsize length = strlen(parts[i].mark);
    if (length <= left && memcmp(text, parts[i].mark, length) == 0) {
      parts[i].put(report, page);
      return length;
    }
  }
  return 0;
}

static gboolean put_page(const VelmReport *report, FILE *page, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) bytes =
      g_resources_lookup_data("/velm/report.html", G_RESOURCE_LOOKUP_FLAGS_NONE, &cause);
  if (!bytes) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the report's template is missing: %s",
                cause->message);
    return FALSE;
  }
  gsize size;
  const char *text = g_bytes_get_data(bytes, &size);
  for (gsize i = 0; i < size;) {
    gsize length = text[i] == '{' ? put_part(report, text + i, size - i, page) : 0;
    if (length == 0)
      fputc(text[i++], page);
    i += length;
  }
  return TRUE;
}

static gboolean flush_page(FILE *page, const char *path, GError **error) {
  if (fflush(page) == 0 && !ferror(page) && fsync(fileno(page)) == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
              g_strerror(errno ? errno : EIO));
  return FALSE;
}

static gboolean check_records(const VelmReport *report, GError **error) {
  if (!report->records || (fflush(report->records) == 0 && !ferror(report->records)))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the report's temporary file is damaged: %s",
              g_get_tmp_dir(), g_strerror(errno ? errno : EIO));
  return FALSE;
}

/* A new file beside @path. @name: (out): its name. */
static FILE *open_beside(const char *path, char **name, GError **error) {
  g_autofree char *pattern = g_strconcat(path, ".XXXXXX", NULL);
  int fd = g_mkstemp_full(pattern, O_RDWR | O_CLOEXEC, 0644);
  FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
  if (file) {
    *name = g_steal_pointer(&pattern);
    return file;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
              g_strerror(errno));
  if (fd >= 0) {
    close(fd);
    g_unlink(pattern);
  }
  return NULL;
}

gboolean velm_report_write(VelmReport *report, const char *path, GError **error) {
  if (report->failure) {
    if (error)
      *error = g_error_copy(report->failure);
    return FALSE;
  }
  errno = 0; /* a stream's error flag may outlive the errno that came with it */
  if (!check_records(report, error))
    return FALSE;
  g_autofree char *name = NULL;
  FILE *page = open_beside(path, &name, error);
  if (!page)
    return FALSE;
  gboolean ok = put_page(report, page, error) && check_records(report, error) &&
                flush_page(page, path, error);
  fclose(page);
  if (ok && g_rename(name, path) != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
                g_strerror(errno));
    ok = FALSE;
  }
  if (!ok)
    g_unlink(name);
  return ok;
}
