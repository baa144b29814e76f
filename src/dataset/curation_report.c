/* What a curation did, in words and as JSON. */
#include "core/json.h"
#include "dataset/curate.h"

#include <string.h>

/* Files left behind that the text names; curation.json has them all. */
#define SHOWN_FILES 5

typedef struct {
  char *name; /* "train/good", "test/crack" */
  guint before, after;
} Row;

static void row_free(gpointer data) {
  Row *row = data;
  g_free(row->name);
  g_free(row);
}

static int compare_rows(gconstpointer a, gconstpointer b) {
  const Row *x = *(Row *const *)a, *y = *(Row *const *)b;
  /* train before test, good before the defects */
  gboolean x_train = g_str_has_prefix(x->name, "train"),
           y_train = g_str_has_prefix(y->name, "train");
  gboolean x_good = g_str_equal(x->name, "test/" VELM_LABEL_GOOD);
  gboolean y_good = g_str_equal(y->name, "test/" VELM_LABEL_GOOD);
  if (x_train != y_train)
    return x_train ? -1 : 1;
  if (x_good != y_good)
    return x_good ? -1 : 1;
  return strcmp(x->name, y->name);
}

static Row *row_of(GPtrArray *rows, const char *path) {
  g_autofree char *name = g_path_get_dirname(path);
  for (guint i = 0; i < rows->len; i++) {
    Row *row = g_ptr_array_index(rows, i);
    if (g_str_equal(row->name, name))
      return row;
  }
  Row *row = g_new0(Row, 1);
  row->name = g_steal_pointer(&name);
  g_ptr_array_add(rows, row);
  return row;
}

static GPtrArray *count_rows(const VelmCuration *curation) {
  GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);
  for (guint i = 0; i < curation->images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(curation->images, i);
    row_of(rows, image->from)->before++;
    if (image->to)
      row_of(rows, image->to)->after++;
  }
  g_ptr_array_sort(rows, compare_rows);
  return rows;
}

static guint count_changes(const VelmCuration *curation, VelmCurationChange change) {
  guint n = 0;
  for (guint i = 0; i < curation->images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(curation->images, i);
    n += image->change == change;
  }
  return n;
}

/* Test images that have a mask and leave it behind; those of train are not looked at. */
static guint count_lost_masks(const VelmCuration *curation) {
  guint n = 0;
  for (guint i = 0; i < curation->images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(curation->images, i);
    gboolean test = g_str_has_prefix(image->from, "test/");
    n += test && image->to && image->sample->mask && !image->carries_mask;
  }
  return n;
}

static guint count_unapplied(const VelmManifest *manifest) {
  guint n = 0;
  for (guint i = 0; i < manifest->entries->len; i++)
    n += !((const VelmManifestEntry *)g_ptr_array_index(manifest->entries, i))->apply;
  return n;
}

/* ---- text ---- */

static void append_left_behind(GString *text, const GPtrArray *files) {
  if (files->len == 0)
    return;
  g_string_append_printf(text, "%u file%s left behind, no part of the set:", files->len,
                         files->len == 1 ? "" : "s");
  for (guint i = 0; i < MIN(files->len, SHOWN_FILES); i++) {
    g_autofree char *name = g_filename_display_name(g_ptr_array_index(files, i));
    g_string_append_printf(text, "%s %s", i ? "," : "", name);
  }
  g_string_append(text, files->len > SHOWN_FILES ? ", ...\n" : "\n");
}

static void append_table(GString *text, const GPtrArray *rows) {
  guint before = 0, after = 0;
  g_string_append_printf(text, "%-32s%8s%8s\n", "images", "before", "after");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = g_ptr_array_index(rows, i);
    g_autofree char *name = g_filename_display_name(row->name);
    g_string_append_printf(text, "%-32s%8u%8u\n", name, row->before, row->after);
    before += row->before;
    after += row->after;
  }
  g_string_append_printf(text, "%-32s%8u%8u\n", "all", before, after);
}

char *velm_curation_to_text(const VelmCuration *curation) {
  GString *text = g_string_new(NULL);
  g_autoptr(GPtrArray) rows = count_rows(curation);
  append_table(text, rows);
  g_string_append(text, "\nimages");
  for (int change = VELM_CURATION_RELABELLED; change <= VELM_CURATION_DROPPED; change++)
    g_string_append_printf(text, "%s %s %u", change == VELM_CURATION_RELABELLED ? "" : ",",
                           velm_curation_change_name((VelmCurationChange)change),
                           count_changes(curation, (VelmCurationChange)change));
  guint n = curation->manifest->entries->len, unapplied = count_unapplied(curation->manifest);
  g_string_append_printf(text, "\n%u of %u entr%s applied", n - unapplied, n, n == 1 ? "y" : "ies");
  if (unapplied)
    g_string_append_printf(text, "; %u ha%s apply: no", unapplied, unapplied == 1 ? "s" : "ve");
  g_string_append_c(text, '\n');
  guint lost = count_lost_masks(curation);
  if (lost)
    g_string_append_printf(text, "%u mask%s not taken along, as the image%s now good or was\n",
                           lost, lost == 1 ? "" : "s", lost == 1 ? " is" : "s are");
  append_left_behind(text, curation->left_behind);
  return g_string_free(text, FALSE);
}

/* ---- JSON ---- */

static void begin(JsonBuilder *builder, const char *name, gboolean array) {
  json_builder_set_member_name(builder, name);
  if (array)
    json_builder_begin_array(builder);
  else
    json_builder_begin_object(builder);
}

static void add_string(JsonBuilder *builder, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  json_builder_add_string_value(builder, valid);
}

static void build_counts(JsonBuilder *builder, const GPtrArray *rows, gboolean after) {
  begin(builder, after ? "after" : "before", FALSE);
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = g_ptr_array_index(rows, i);
    g_autofree char *name = g_utf8_make_valid(row->name, -1);
    velm_json_set_int(builder, name, after ? row->after : row->before);
  }
  json_builder_end_object(builder);
}

static void build_entries(JsonBuilder *builder, const VelmManifest *manifest) {
  begin(builder, "entries", TRUE);
  for (guint i = 0; i < manifest->entries->len; i++) {
    const VelmManifestEntry *entry = g_ptr_array_index(manifest->entries, i);
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "action", velm_manifest_action_name(entry->action));
    begin(builder, "names", TRUE);
    for (guint k = 0; k < entry->names->len; k++)
      add_string(builder, ((const VelmManifestName *)g_ptr_array_index(entry->names, k))->text);
    json_builder_end_array(builder);
    velm_json_set_string(builder, "target", entry->target.text);
    velm_json_set_string(builder, "reason", entry->reason);
    velm_json_set_string(builder, "evidence", entry->evidence);
    velm_json_set_boolean(builder, "applied", entry->apply);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_image(JsonBuilder *builder, const VelmCuratedImage *image) {
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "from", image->from);
  velm_json_set_string(builder, "to", image->to);
  velm_json_set_string(builder, "change", velm_curation_change_name(image->change));
  velm_json_set_string(builder, "reason", image->entry ? image->entry->reason : NULL);
  json_builder_end_object(builder);
}

/* Those that are not as they were. */
static void build_images(JsonBuilder *builder, const VelmCuration *curation) {
  begin(builder, "images", TRUE);
  for (guint i = 0; i < curation->images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(curation->images, i);
    if (image->change != VELM_CURATION_KEPT || g_strcmp0(image->from, image->to) != 0)
      build_image(builder, image);
  }
  json_builder_end_array(builder);
}

static void build_changes(JsonBuilder *builder, const VelmCuration *curation) {
  for (int change = VELM_CURATION_KEPT; change <= VELM_CURATION_DROPPED; change++)
    velm_json_set_int(builder, velm_curation_change_name((VelmCurationChange)change),
                      count_changes(curation, (VelmCurationChange)change));
  velm_json_set_int(builder, "masks_not_taken", count_lost_masks(curation));
}

char *velm_curation_to_json(const VelmCuration *curation, gboolean indented) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  g_autoptr(GPtrArray) rows = count_rows(curation);
  g_autofree char *source = g_canonicalize_filename(curation->dataset->directory, NULL);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "velm", velm_version());
  velm_json_set_string(builder, "source", source);
  velm_json_set_boolean(builder, "linked", curation->linked);
  build_counts(builder, rows, FALSE);
  build_counts(builder, rows, TRUE);
  begin(builder, "changes", FALSE);
  build_changes(builder, curation);
  json_builder_end_object(builder);
  build_entries(builder, curation->manifest);
  build_images(builder, curation);
  begin(builder, "left_behind", TRUE);
  for (guint i = 0; i < curation->left_behind->len; i++)
    add_string(builder, g_ptr_array_index(curation->left_behind, i));
  json_builder_end_array(builder);
  velm_json_set_string(builder, "manifest", curation->manifest->path);
  velm_json_set_string(builder, "manifest_text", curation->manifest->text);
  json_builder_end_object(builder);
  return velm_json_print(builder, indented);
}
