/* Images, masks and references that cannot be decoded, and masks that cannot be right. */
#include "core/file.h"
#include "core/image.h"
#include "dataset/audit.h"

#include <string.h>

/* How much a doubtful mask matters, for its place in the list. */
#define SCORE_EMPTY 1.0 /* a defect that nothing shows */
#define SCORE_SPECK .95
#define SCORE_PROPORTIONS .9 /* it is squeezed, so it shows another place */
#define SCORE_GOOD .8        /* a good image with a defect */
#define SCORE_NOBODY .7      /* it is not used */
#define SCORE_FULL .6
#define SCORE_MISSING .5
#define SCORE_SIZE .3 /* it is enlarged or shrunk, and fits */

/* A mask of no more pixels, and a smaller share of it, is a slip of the pen: 3 x 3. */
#define SPECK_PX 9
#define SPECK_SHARE 1e-4

/* Sides of the same proportions differ by this at the most, from rounding to pixels. */
#define ROUNDING_PX 1.0

/* ---- decoding ---- */

/* Without the file's name before it, which a finding has beside it. */
static const char *reason_of(const GError *error, const char *path) {
  gsize length = strlen(path);
  gboolean named =
      strncmp(error->message, path, length) == 0 && strncmp(error->message + length, ": ", 2) == 0;
  return named ? error->message + length + 2 : error->message;
}

/* @path is the image's own or its mask's or its reference's, which @what names. */
static void add_unreadable(VelmAudit *audit, const VelmSample *sample, const char *path,
                           const char *what, const GError *error) {
  const char *const paths[] = {path, path == sample->path ? NULL : sample->path, NULL};
  velm_audit_add(audit, VELM_AUDIT_UNREADABLE, path == sample->path ? 1 : .5, sample->label, NULL,
                 paths, "the %s cannot be read: %s", what, reason_of(error, path));
}

static char *digest_of(const VelmImage *image) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  const int size[2] = {image->width, image->height};
  g_checksum_update(checksum, (const guchar *)size, sizeof size);
  gsize rows = (gsize)image->height, row = (gsize)image->width * 3;
  for (gsize y = 0; y < rows; y++)
    g_checksum_update(checksum, image->pixels + y * row, (gssize)row);
  return g_strdup(g_checksum_get_string(checksum));
}

/* Returns: the image, or NULL with a finding. */
static VelmImage *check_image(VelmAudit *audit, const VelmSample *sample) {
  g_autoptr(GError) error = NULL;
  VelmImage *image = velm_image_load(sample->path, 0, &error);
  if (image)
    g_hash_table_insert(audit->digests, g_strdup(sample->path), digest_of(image));
  else
    add_unreadable(audit, sample, sample->path, "image", error);
  return image;
}

static void check_reference(VelmAudit *audit, const VelmSample *sample) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) reference = velm_image_load(sample->reference, 0, &error);
  if (!reference)
    add_unreadable(audit, sample, sample->reference, "reference", error);
}

/* ---- masks ---- */

static void check_mask_size(VelmAudit *audit, const VelmSample *sample, const VelmMask *mask,
                            const VelmImage *image) {
  if (mask->width == image->width && mask->height == image->height)
    return;
  const char *const paths[] = {sample->mask, sample->path, NULL};
  /* The height that a mask of this width would have, had it the image's proportions. */
  double height = (double)mask->width * image->height / image->width;
  gboolean fits = ABS(height - mask->height) <= MAX(ROUNDING_PX, height / image->height);
  velm_audit_add(audit, VELM_AUDIT_MASK, fits ? SCORE_SIZE : SCORE_PROPORTIONS, sample->label, NULL,
                 paths, "the mask has %d x %d pixels, its image %d x %d: %s", mask->width,
                 mask->height, image->width, image->height,
                 fits ? "it is fitted to that size"
                      : "its proportions differ, so it is squeezed out of place");
}

static void check_mask_contents(VelmAudit *audit, const VelmSample *sample, const VelmMask *mask) {
  const char *const paths[] = {sample->mask, sample->path, NULL};
  gsize n = (gsize)mask->width * (gsize)mask->height, set = velm_mask_count(mask);
  gboolean good = g_str_equal(sample->label, VELM_LABEL_GOOD);
  if (!good && set == 0)
    velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_EMPTY, sample->label, NULL, paths,
                   "the mask is empty: it marks no defect");
  else if (!good && set <= SPECK_PX && (double)set < SPECK_SHARE * (double)n)
    velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_SPECK, sample->label, NULL, paths,
                   "the mask marks %u pixel%s", (guint)set, set == 1 ? "" : "s");
  else if (good && set > 0)
    velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_GOOD, sample->label, NULL, paths,
                   "the image is labelled good, but a mask marks %.2g %% of it",
                   100 * (double)set / (double)n);
  else if (set == n)
    velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_FULL, sample->label, NULL, paths,
                   "the mask marks the whole image");
}

static void check_mask(VelmAudit *audit, const VelmSample *sample, const VelmImage *image) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMask) mask = velm_mask_load(sample->mask, &error);
  if (!mask) {
    add_unreadable(audit, sample, sample->mask, "mask", error);
    return;
  }
  if (image)
    check_mask_size(audit, sample, mask, image);
  check_mask_contents(audit, sample, mask);
}

/* Images of class @label that have no mask, where others of the class have one. */
static void check_missing_masks(VelmAudit *audit, const char *label) {
  g_autoptr(GPtrArray) without = g_ptr_array_new();
  guint n = 0;
  for (guint i = 0; i < audit->dataset->test->len; i++) {
    const VelmSample *sample = g_ptr_array_index(audit->dataset->test, i);
    if (!g_str_equal(sample->label, label))
      continue;
    n++;
    if (!sample->mask)
      g_ptr_array_add(without, sample->path);
  }
  guint n_without = without->len;
  if (n_without == 0 || n_without == n)
    return;
  g_ptr_array_add(without, NULL);
  velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_MISSING, label, NULL,
                 (const char *const *)without->pdata, "%u of %u images have no mask", n_without, n);
}

/* ---- files of ground_truth that no image has ---- */

/* @known: paths of the masks that images have */
static gboolean check_mask_folder(VelmAudit *audit, const char *label, GHashTable *known,
                                  GError **error) {
  g_autofree char *folder =
      g_build_filename(audit->dataset->directory, "ground_truth", label, NULL);
  g_autoptr(GPtrArray) names = velm_file_list(folder, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index(names, i);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (!velm_file_is_image_name(name) || g_hash_table_contains(known, path))
      continue;
    const char *const paths[] = {path, NULL};
    velm_audit_add(audit, VELM_AUDIT_MASK, SCORE_NOBODY, label, NULL, paths, "%s",
                   g_str_has_suffix(name, "_mask.png")
                       ? "the mask of no image of test: it is not used"
                       : "not named STEM_mask.png: it is not used");
  }
  return TRUE;
}

static gboolean check_unused_masks(VelmAudit *audit, GError **error) {
  g_autofree char *folder = g_build_filename(audit->dataset->directory, "ground_truth", NULL);
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autoptr(GPtrArray) labels = velm_file_list_folders(folder, error);
  if (!labels)
    return FALSE;
  g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
  const GPtrArray *const sides[] = {audit->dataset->train, audit->dataset->test};
  for (gsize side = 0; side < G_N_ELEMENTS(sides); side++)
    for (guint i = 0; i < sides[side]->len; i++) {
      const VelmSample *sample = g_ptr_array_index(sides[side], i);
      if (sample->mask)
        g_hash_table_add(known, sample->mask);
    }
  for (guint i = 0; i < labels->len; i++)
    if (!check_mask_folder(audit, g_ptr_array_index(labels, i), known, error))
      return FALSE;
  return TRUE;
}

/* ---- all of it ---- */

/* Training images look for masks in ground_truth/good too, but only test images are measured by
 * them. */
static void check_sample(VelmAudit *audit, const VelmSample *sample, gboolean test) {
  g_autoptr(VelmImage) image = check_image(audit, sample);
  if (sample->mask && test)
    check_mask(audit, sample, image);
  if (sample->reference)
    check_reference(audit, sample);
}

static gboolean tick(VelmProgress progress, gpointer data, gsize done, gsize total,
                     GError **error) {
  if (!progress || progress("reading images", done, total, data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "the audit was stopped");
  return FALSE;
}

gboolean velm_audit_files(VelmAudit *audit, VelmProgress progress, gpointer progress_data,
                          GError **error) {
  const VelmDataset *dataset = audit->dataset;
  guint n_train = dataset->train->len, n = n_train + dataset->test->len;
  for (guint i = 0; i < n; i++) {
    gboolean test = i >= n_train;
    check_sample(audit,
                 test ? g_ptr_array_index(dataset->test, i - n_train)
                      : g_ptr_array_index(dataset->train, i),
                 test);
    if (!tick(progress, progress_data, i + 1, n, error))
      return FALSE;
  }
  for (guint i = 0; i < dataset->classes->len; i++)
    check_missing_masks(audit, g_ptr_array_index(dataset->classes, i));
  return check_unused_masks(audit, error);
}
