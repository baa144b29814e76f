/* Writing the planned folder. */
#include "dataset/curate.h"

#include "core/file.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  VelmCuration *curation;
  char *folder;      /* the temporary one */
  GHashTable *used;  /* paths of the dataset's files that are carried over or dropped with intent */
  GHashTable *wrote; /* paths below the folder */
} Writer;

static void writer_clear(Writer *writer) {
  g_free(writer->folder);
  g_clear_pointer(&writer->used, g_hash_table_unref);
  g_clear_pointer(&writer->wrote, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Writer, writer_clear)

/* ---- where ---- */

static gboolean is_empty_folder(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  return folder && !g_dir_read_name(folder);
}

/* The real path of the deepest folder of @path that exists: links are followed. */
static char *resolve(const char *path) {
  g_autofree char *at = g_canonicalize_filename(path, NULL);
  char *real = realpath(at, NULL);
  while (!real && strcmp(at, "/") != 0) {
    char *above = g_path_get_dirname(at);
    g_free(at);
    at = above;
    real = realpath(at, NULL);
  }
  char *copy = g_strdup(real ? real : "/");
  free(real);
  return copy;
}

static gboolean lies_in(const char *path, const char *folder) {
  g_autofree char *real = resolve(path), *real_folder = resolve(folder);
  gsize length = strlen(real_folder);
  return strncmp(real, real_folder, length) == 0 && (real[length] == '/' || real[length] == '\0');
}

static gboolean check_out(const VelmCuration *curation, const char *out, GError **error) {
  gboolean exists =
      g_file_test(out, G_FILE_TEST_EXISTS) || g_file_test(out, G_FILE_TEST_IS_SYMLINK);
  if (lies_in(out, curation->dataset->directory))
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: lies in %s, which must stay as it is",
                out, curation->dataset->directory);
  else if (exists && (g_file_test(out, G_FILE_TEST_IS_SYMLINK) || !is_empty_folder(out)))
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: exists, and is no empty folder: name a new one", out);
  else
    return TRUE;
  return FALSE;
}

/* A new folder beside @out, whose parents are made. */
static char *make_beside(const char *out, GError **error) {
  g_autofree char *full = g_canonicalize_filename(out, NULL);
  g_autofree char *parent = g_path_get_dirname(full);
  if (!velm_file_make_folder(parent, error))
    return NULL;
  g_autofree char *folder = g_strconcat(full, ".XXXXXX", NULL);
  if (g_mkdtemp_full(folder, 0755))
    return g_steal_pointer(&folder);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the folder cannot be made: %s", out,
              g_strerror(errno));
  return NULL;
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) folder =
      g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_tree(below);
  }
  g_remove(path);
}

/* ---- files ---- */

static gboolean link_file(const char *from, const char *to, GError **error) {
  g_autofree char *target = g_canonicalize_filename(from, NULL);
  if (symlink(target, to) == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the link cannot be made: %s", to,
              g_strerror(errno));
  return FALSE;
}

/* GIO shares the file's blocks where the file system can. Always by the local file system: others
 * would need their daemons. */
static gboolean copy_file(const char *from, const char *to, GError **error) {
  GVfs *local = g_vfs_get_local();
  g_autoptr(GFile) source = g_vfs_get_file_for_path(local, from);
  g_autoptr(GFile) target = g_vfs_get_file_for_path(local, to);
  g_autoptr(GError) cause = NULL;
  if (g_file_copy(source, target, G_FILE_COPY_TARGET_DEFAULT_PERMS, NULL, NULL, NULL, &cause))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be copied to %s: %s", from, to,
              cause->message);
  return FALSE;
}

/* Carries the file @from to @to below the folder, once. */
static gboolean carry(Writer *writer, const char *from, const char *to, GError **error) {
  g_hash_table_add(writer->used, g_strdup(from));
  if (!g_hash_table_add(writer->wrote, g_strdup(to)))
    return TRUE; /* images of one stem share a mask */
  g_autofree char *path = g_build_filename(writer->folder, to, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  if (!velm_file_make_folder(parent, error))
    return FALSE;
  return writer->curation->linked ? link_file(from, path, error) : copy_file(from, path, error);
}

static char *mask_path(const VelmCuratedImage *image) {
  g_autofree char *name = g_path_get_basename(image->to);
  char *dot = strrchr(name, '.');
  if (dot)
    *dot = '\0';
  return g_strdup_printf("ground_truth/%s/%s_mask.png", image->label, name);
}

static gboolean carry_image(Writer *writer, const VelmCuratedImage *image, GError **error) {
  const VelmSample *sample = image->sample;
  if (!carry(writer, sample->path, image->to, error))
    return FALSE;
  if (image->carries_mask) {
    g_autofree char *to = mask_path(image);
    if (!carry(writer, sample->mask, to, error))
      return FALSE;
  }
  if (!sample->reference)
    return TRUE;
  g_autofree char *name = g_path_get_basename(image->to);
  g_autofree char *to = g_strdup_printf("reference/%s/%s", image->label, name);
  return carry(writer, sample->reference, to, error);
}

/* What goes with a dropped image was dropped, not left behind. */
static void drop_image(Writer *writer, const VelmSample *sample) {
  const char *const paths[] = {sample->path, sample->mask, sample->reference};
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
    if (paths[i])
      g_hash_table_add(writer->used, g_strdup(paths[i]));
}

static gboolean carry_images(Writer *writer, VelmProgress progress, gpointer data, GError **error) {
  const GPtrArray *images = writer->curation->images;
  for (guint i = 0; i < images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(images, i);
    if (!image->to)
      drop_image(writer, image->sample);
    else if (!carry_image(writer, image, error))
      return FALSE;
    if (progress && !progress("writing images", i + 1, images->len, data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "curation was stopped");
      return FALSE;
    }
  }
  return TRUE;
}

/* ---- groups.csv ---- */

static void append_field(GString *csv, const char *text) {
  if (!strpbrk(text, ",\"") && !g_ascii_isspace(text[strlen(text) - 1])) {
    g_string_append(csv, text);
    return;
  }
  g_string_append_c(csv, '"');
  for (const char *at = text; *at; at++) {
    if (*at == '"')
      g_string_append_c(csv, '"');
    g_string_append_c(csv, *at);
  }
  g_string_append_c(csv, '"');
}

static gboolean write_groups(const Writer *writer, GError **error) {
  if (!writer->curation->has_groups)
    return TRUE;
  g_autoptr(GString) csv = g_string_new("path,group\n");
  for (guint i = 0; i < writer->curation->images->len; i++) {
    const VelmCuratedImage *image = g_ptr_array_index(writer->curation->images, i);
    if (!image->to)
      continue;
    append_field(csv, image->to);
    g_string_append_c(csv, ',');
    append_field(csv, image->group ? image->group : image->to);
    g_string_append_c(csv, '\n');
  }
  g_autofree char *path = g_build_filename(writer->folder, "groups.csv", NULL);
  return velm_file_write(path, csv->str, csv->len, error);
}

/* ---- what is left behind ---- */

static gboolean find_left(Writer *writer, const char *below, GError **error) {
  VelmCuration *curation = writer->curation;
  g_autofree char *folder = g_build_filename(curation->dataset->directory, below, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(folder, error);
  g_autoptr(GPtrArray) folders = names ? velm_file_list_folders(folder, error) : NULL;
  if (!folders)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index(names, i);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (!g_hash_table_contains(writer->used, path))
      g_ptr_array_add(curation->left_behind,
                      *below ? g_build_filename(below, name, NULL) : g_strdup(name));
  }
  for (guint i = 0; i < folders->len; i++) {
    const char *name = g_ptr_array_index(folders, i);
    g_autofree char *deeper = *below ? g_build_filename(below, name, NULL) : g_strdup(name);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    /* A link may lead back up. test/CLASS may be one; its images are known by their paths. */
    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && !find_left(writer, deeper, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- all of it ---- */

static gboolean write_record(const Writer *writer, GError **error) {
  g_autofree char *json = velm_curation_to_json(writer->curation, TRUE);
  g_autofree char *path = g_build_filename(writer->folder, "curation.json", NULL);
  return velm_file_write(path, json, strlen(json), error);
}

static gboolean write_all(Writer *writer, VelmProgress progress, gpointer data, GError **error) {
  g_autofree char *groups =
      g_build_filename(writer->curation->dataset->directory, "groups.csv", NULL);
  g_hash_table_add(writer->used, g_steal_pointer(&groups));
  if (!carry_images(writer, progress, data, error) || !write_groups(writer, error) ||
      !find_left(writer, "", error) || !write_record(writer, error))
    return FALSE;
  /* The new folder must be one that every command takes. */
  g_autoptr(VelmDataset) dataset = velm_dataset_open(writer->folder, error);
  return dataset != NULL;
}

static gboolean move_to(const char *folder, const char *out, GError **error) {
  g_autofree char *full = g_canonicalize_filename(out, NULL);
  if (g_rename(folder, full) == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", out,
              g_strerror(errno));
  return FALSE;
}

gboolean velm_curation_write(VelmCuration *curation, const char *out, gboolean link,
                             VelmProgress progress, gpointer progress_data, GError **error) {
  if (!check_out(curation, out, error))
    return FALSE;
  g_auto(Writer) writer = {.curation = curation};
  writer.used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  writer.wrote = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  writer.folder = make_beside(out, error);
  if (!writer.folder)
    return FALSE;
  g_free(curation->out);
  curation->out = g_strdup(out);
  curation->linked = link;
  g_ptr_array_set_size(curation->left_behind, 0);
  if (write_all(&writer, progress, progress_data, error) && move_to(writer.folder, out, error))
    return TRUE;
  remove_tree(writer.folder);
  return FALSE;
}
