/* An audit as a self-contained HTML page: data/audit.html, .css and .js over report.css. */
#include "core/file.h"
#include "core/json.h"
#include "detect/inspection.h"
#include "evaluate/audit.h"
#include "evaluate/thumbnail.h"
#include "mark/mark.h"

#include <gio/gio.h>
#include <string.h>

enum {
  MAX_PICTURED = 100, /* findings of one kind that have pictures: the highest scores */
  MAX_IMAGES = 8,     /* of one finding */
  N_TYPICAL = 3,      /* images that stand for a class */
};

typedef struct {
  const VelmAudit *audit;
  GHashTable *samples;  /* path below the folder -> borrowed VelmSample */
  GHashTable *numbers;  /* path below the folder -> number of its picture + 1 */
  GString *pictures;    /* finished markup */
  GString *findings;    /* finished markup */
  GHashTable *suspects; /* paths whose label is doubted */
  GHashTable *parts;    /* path -> the finding that groups it with others */
} Page;

static void page_clear(Page *page) {
  GHashTable **const tables[] = {&page->samples, &page->numbers, &page->suspects, &page->parts};
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
    g_clear_pointer(tables[i], g_hash_table_unref);
  g_string_free(page->pictures, TRUE);
  g_string_free(page->findings, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Page, page_clear)

static void index_samples(Page *page) {
  const GPtrArray *const sides[] = {page->audit->dataset->train, page->audit->dataset->test};
  for (gsize side = 0; side < G_N_ELEMENTS(sides); side++)
    for (guint i = 0; i < sides[side]->len; i++) {
      VelmSample *sample = g_ptr_array_index(sides[side], i);
      g_hash_table_insert(page->samples,
                          velm_dataset_path_below(page->audit->dataset, sample->path), sample);
    }
}

static void index_findings(Page *page) {
  for (guint i = 0; i < page->audit->findings->len; i++) {
    VelmFinding *finding = g_ptr_array_index(page->audit->findings, i);
    if (finding->kind == VELM_AUDIT_SUSPECT_LABEL && finding->paths->len > 0)
      g_hash_table_add(page->suspects, g_ptr_array_index(finding->paths, 0));
    for (guint k = 0; finding->kind == VELM_AUDIT_GROUP && k < finding->paths->len; k++)
      g_hash_table_insert(page->parts, g_ptr_array_index(finding->paths, k), finding);
  }
}

/* ---- pictures ---- */

/* A mask that cannot be read leaves the image without its outline. */
static void outline(VelmInspection *inspection, const char *path) {
  g_autoptr(VelmMask) mask = velm_mask_load(path, NULL);
  if (mask && velm_mask_count(mask) > 0)
    velm_mark_given(inspection, mask, NULL);
}

/* JPEG in base 64, with the mask outlined; NULL where there is no picture to be had. */
static char *draw(const Page *page, const char *path) {
  const VelmSample *sample = g_hash_table_lookup(page->samples, path);
  g_autofree char *full = g_build_filename(page->audit->dataset->directory, path, NULL);
  g_autoptr(VelmInspection) inspection = velm_inspection_new(full);
  if (!velm_inspection_load(inspection, NULL, 0, NULL))
    return NULL;
  if (sample && sample->mask)
    outline(inspection, sample->mask);
  return velm_thumbnail_contour(inspection, NULL);
}

/* The number of the picture of @path, which is drawn once; -1 where there is none. */
static int picture_of(Page *page, const char *path) {
  gpointer known = NULL;
  if (g_hash_table_lookup_extended(page->numbers, path, NULL, &known))
    return GPOINTER_TO_INT(known) - 1;
  g_autofree char *data = draw(page, path);
  int number = -1;
  if (data) {
    number = (int)g_hash_table_size(page->numbers);
    g_string_append_printf(page->pictures,
                           "<script type=\"text/plain\" class=\"picture\" id=\"p%d\">%s</script>\n",
                           number, data);
  }
  g_hash_table_insert(page->numbers, g_strdup(path), GINT_TO_POINTER(number + 1));
  return number;
}

/* ---- what stands for a class ---- */

/* Whether @sample, at @path, is undoubted and the first of its part, which is added to @seen: parts
 * are known by groups.csv or by what the audit found. */
static gboolean is_candidate(const Page *page, const VelmSample *sample, const char *path,
                             GHashTable *seen) {
  if (g_hash_table_contains(page->suspects, path) || g_hash_table_contains(seen, sample->group))
    return FALSE;
  const VelmFinding *part = g_hash_table_lookup(page->parts, path);
  for (guint i = 0; part && i < part->paths->len; i++)
    if (g_hash_table_contains(seen, g_ptr_array_index(part->paths, i)))
      return FALSE;
  g_hash_table_add(seen, g_strdup(sample->group));
  g_hash_table_add(seen, g_strdup(path));
  return TRUE;
}

/* The first undoubted image of every part of class @label, of the test images where it has any. */
static GPtrArray *candidates(const Page *page, const char *label) {
  const VelmDataset *dataset = page->audit->dataset;
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
  const GPtrArray *const sides[] = {dataset->test, dataset->train};
  for (gsize side = 0; side < G_N_ELEMENTS(sides) && paths->len == 0; side++)
    for (guint i = 0; i < sides[side]->len; i++) {
      const VelmSample *sample = g_ptr_array_index(sides[side], i);
      g_autofree char *path = velm_dataset_path_below(page->audit->dataset, sample->path);
      if (g_str_equal(sample->label, label) && is_candidate(page, sample, path, seen))
        g_ptr_array_add(paths, g_steal_pointer(&path));
    }
  return paths;
}

/* N_TYPICAL of them, spread evenly. */
static GPtrArray *typical_of(const Page *page, const char *label) {
  g_autoptr(GPtrArray) all = candidates(page, label);
  GPtrArray *chosen = g_ptr_array_new_with_free_func(g_free);
  guint n = MIN(all->len, N_TYPICAL);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(chosen, g_strdup(g_ptr_array_index(all, (2 * i + 1) * all->len / (2 * n))));
  return chosen;
}

/* ---- findings ---- */

static void build_image(Page *page, JsonBuilder *builder, const char *path) {
  g_autofree char *folder = g_canonicalize_filename(page->audit->dataset->directory, NULL);
  g_autofree char *full = g_build_filename(folder, path, NULL);
  g_autofree char *uri = g_filename_to_uri(full, NULL, NULL);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "path", path);
  velm_json_set_string(builder, "uri", uri);
  velm_json_set_int(builder, "picture", picture_of(page, path));
  json_builder_end_object(builder);
}

/* Images number @from up to @to of @paths, side by side under @title. */
static void build_row(Page *page, JsonBuilder *builder, const char *title, const GPtrArray *paths,
                      guint from, guint to) {
  to = MIN(to, paths->len);
  if (from >= to)
    return;
  guint shown = MIN(to, from + MAX_IMAGES);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "title", title);
  velm_json_set_int(builder, "more", to - shown);
  json_builder_set_member_name(builder, "images");
  json_builder_begin_array(builder);
  for (guint i = from; i < shown; i++)
    build_image(page, builder, g_ptr_array_index(paths, i));
  json_builder_end_array(builder);
  json_builder_end_object(builder);
}

static void build_typical(Page *page, JsonBuilder *builder, const char *label) {
  if (!label)
    return;
  g_autoptr(GPtrArray) paths = typical_of(page, label);
  g_autofree char *title = g_strdup_printf("others labelled %s", label);
  build_row(page, builder, title, paths, 0, paths->len);
}

/* What a person needs to see to judge. */
static void build_rows(Page *page, JsonBuilder *builder, const VelmFinding *finding) {
  const GPtrArray *paths = finding->paths;
  switch (finding->kind) {
  case VELM_AUDIT_SUSPECT_LABEL:
    build_row(page, builder, "this image", paths, 0, 1);
    build_row(page, builder, "held against it", paths, 1, paths->len);
    build_typical(page, builder, finding->label);
    build_typical(page, builder, finding->other);
    break;
  case VELM_AUDIT_INSEPARABLE:
    build_typical(page, builder, finding->label);
    build_typical(page, builder, finding->other);
    build_row(page, builder, "confused", paths, 0, paths->len);
    break;
  case VELM_AUDIT_LEAK:
    build_row(page, builder, "test image", paths, 0, 1);
    build_row(page, builder, "training images", paths, 1, paths->len);
    break;
  case VELM_AUDIT_MASK:
    build_row(page, builder, paths->len > 1 ? "mask and image" : "", paths, 0, paths->len);
    break;
  default:
    build_row(page, builder, "", paths, 0, paths->len);
    break;
  }
}

/* The object as an inert script element: JSON has < in strings only, where \u003c is the same. */
static void append_script(GString *markup, JsonBuilder *builder) {
  g_autofree char *json = velm_json_print(builder, FALSE);
  g_auto(GStrv) parts = g_strsplit(g_strchomp(json), "<", -1);
  g_autofree char *safe = g_strjoinv("\\u003c", parts);
  g_string_append_printf(markup,
                         "<script type=\"application/json\" class=\"finding\">%s</script>\n", safe);
}

static void add_finding(Page *page, const VelmFinding *finding, gboolean pictured) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "kind", velm_audit_kind_name(finding->kind));
  velm_json_set_double(builder, "score", finding->score);
  velm_json_set_string(builder, "label", finding->label);
  velm_json_set_string(builder, "other", finding->other);
  velm_json_set_string(builder, "message", finding->message);
  velm_json_set_string(builder, "path",
                       finding->paths->len > 0 ? g_ptr_array_index(finding->paths, 0) : NULL);
  velm_json_set_boolean(builder, "pictured", pictured);
  json_builder_set_member_name(builder, "rows");
  json_builder_begin_array(builder);
  if (pictured)
    build_rows(page, builder, finding);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  append_script(page->findings, builder);
}

static gboolean add_findings(Page *page, VelmProgress progress, gpointer data, GError **error) {
  guint of_kind[VELM_N_AUDIT_KINDS] = {0};
  const GPtrArray *findings = page->audit->findings;
  for (guint i = 0; i < findings->len; i++) {
    const VelmFinding *finding = g_ptr_array_index(findings, i);
    add_finding(page, finding, of_kind[finding->kind]++ < MAX_PICTURED);
    if (progress && !progress("drawing pictures", i + 1, findings->len, data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "the page was stopped");
      return FALSE;
    }
  }
  return TRUE;
}

/* ---- the page ---- */

static void append_resource(GString *html, const char *path) {
  g_autoptr(GBytes) bytes = g_resources_lookup_data(path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  gsize size = 0;
  const char *text = bytes ? g_bytes_get_data(bytes, &size) : "";
  g_string_append_len(html, text, (gssize)size);
}

static void append_escaped(GString *html, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  g_autofree char *escaped = g_markup_escape_text(valid, -1);
  g_string_append(html, escaped);
}

static void append_made(const Page *page, GString *html) {
  const VelmDataset *dataset = page->audit->dataset;
  g_autoptr(GDateTime) now = g_date_time_new_now_local();
  g_autofree char *time = now ? g_date_time_format(now, "%Y-%m-%d %H:%M") : g_strdup("");
  g_string_append_printf(html, "%s, velm %s; %u training images, %u test images, %s", time,
                         velm_version(), dataset->train->len, dataset->test->len,
                         dataset->has_groups ? "with groups.csv" : "no groups.csv");
}

/* The folder's own name: "." says nothing. */
static void append_title(const Page *page, GString *html) {
  g_autofree char *path = g_canonicalize_filename(page->audit->dataset->directory, NULL);
  g_autofree char *name = g_filename_display_basename(path);
  append_escaped(html, name);
}

/* Puts what stands for the mark @name of the template. */
static void append_part(const Page *page, const char *name, GString *html) {
  if (g_str_equal(name, "title"))
    append_title(page, html);
  else if (g_str_equal(name, "folder"))
    append_escaped(html, page->audit->dataset->directory);
  else if (g_str_equal(name, "made"))
    append_made(page, html);
  else if (g_str_equal(name, "style")) {
    append_resource(html, "/velm/report.css");
    append_resource(html, "/velm/audit.css");
  } else if (g_str_equal(name, "script"))
    append_resource(html, "/velm/audit.js");
  else if (g_str_equal(name, "findings"))
    g_string_append_len(html, page->findings->str, (gssize)page->findings->len);
  else if (g_str_equal(name, "pictures"))
    g_string_append_len(html, page->pictures->str, (gssize)page->pictures->len);
}

static GString *fill_template(const Page *page) {
  g_autoptr(GString) template = g_string_new(NULL);
  append_resource(template, "/velm/audit.html");
  GString *html = g_string_new(NULL);
  const char *at = template->str;
  for (const char *open; (open = strstr(at, "{{"));) {
    const char *close = strstr(open, "}}");
    if (!close)
      break;
    g_string_append_len(html, at, open - at);
    g_autofree char *name = g_strndup(open + 2, (gsize)(close - open - 2));
    append_part(page, name, html);
    at = close + 2;
  }
  g_string_append(html, at);
  return html;
}

gboolean velm_audit_write_page(const VelmAudit *audit, const char *path, VelmProgress progress,
                               gpointer progress_data, GError **error) {
  g_auto(Page) page = {.audit = audit};
  page.samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  page.numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  page.suspects = g_hash_table_new(g_str_hash, g_str_equal);
  page.parts = g_hash_table_new(g_str_hash, g_str_equal);
  page.pictures = g_string_new(NULL);
  page.findings = g_string_new(NULL);
  index_samples(&page);
  index_findings(&page);
  if (!add_findings(&page, progress, progress_data, error))
    return FALSE;
  g_autoptr(GString) html = fill_template(&page);
  return velm_file_write(path, html->str, html->len, error);
}
