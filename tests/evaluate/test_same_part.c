#include "evaluate/same_part.h"

#include "core/file.h"
#include "core/image.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "evaluate/audit_parts.h"
#include "evaluate/fourier.h"
#include "evaluate/principal.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE VELM_FOURIER_SIDE

/* ---- the transform ---- */

static void test_fourier(void) {
  const int y = 5, x = 11;
  VelmFourier fourier = velm_fourier_new();
  g_autofree VelmSpectrum *spectrum = g_new0(VelmSpectrum, 1);
  spectrum->re[y * SIDE + x] = 1;
  velm_fourier_transform(&fourier, spectrum->re, spectrum->im);
  for (int u = 0; u < SIDE; u++) {
    for (int v = 0; v < SIDE; v++) { /* rows and columns are exchanged */
      double angle = -2 * G_PI * (u * x + v * y) / SIDE;
      g_assert_cmpfloat_with_epsilon((double)spectrum->re[u * SIDE + v], cos(angle), 1e-5);
      g_assert_cmpfloat_with_epsilon((double)spectrum->im[u * SIDE + v], sin(angle), 1e-5);
    }
  }
  velm_fourier_transform(&fourier, spectrum->im, spectrum->re);
  for (int k = 0; k < VELM_FOURIER_SIZE; k++) {
    g_assert_cmpfloat_with_epsilon((double)spectrum->re[k] / VELM_FOURIER_SIZE,
                                   k == y * SIDE + x ? 1.0 : 0.0, 1e-5);
    g_assert_cmpfloat_with_epsilon((double)spectrum->im[k], 0, 1e-2);
  }
}

/* ---- principal directions ---- */

/* 60 rows: all have an amount of direction 0, the first three much of direction 1. */
static void test_principal(void) {
  enum { N = 60, DIMS = 16 };
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  float *rows[N];
  for (int i = 0; i < N; i++) {
    rows[i] = g_new0(float, DIMS);
    rows[i][0] = (float)(i % 2 ? 3 : -3) + (float)g_rand_double(random);
    rows[i][1] = i < 3 ? 20 : 0;
    for (int k = 2; k < DIMS; k++)
      rows[i][k] = (float)g_rand_double_range(random, -0.1, 0.1);
  }
  g_autoptr(GPtrArray) all = velm_principal_directions(rows, N, DIMS, 2, 0);
  g_autoptr(GPtrArray) of_many = velm_principal_directions(rows, N, DIMS, 2, 0.2);
  g_assert_cmpuint(all->len, ==, 2);
  g_assert_cmpuint(of_many->len, ==, 1);
  const float *strongest = g_ptr_array_index(all, 0), *shared = g_ptr_array_index(of_many, 0);
  g_assert_cmpfloat(fabs((double)strongest[1]), >, 0.99);
  g_assert_cmpfloat(fabs((double)shared[0]), >, 0.99);
  double length = 0;
  for (int k = 0; k < DIMS; k++)
    length += (double)shared[k] * (double)shared[k];
  g_assert_cmpfloat_with_epsilon(length, 1, 1e-4);
  for (int i = 0; i < N; i++)
    g_free(rows[i]);
}

/* ---- folders of images ---- */

typedef struct {
  char *folder;
  VelmDataset *dataset;
  VelmAudit *audit;
} Audited;

static void make_folder(const char *folder, const char *below) {
  g_autofree char *path = g_build_filename(folder, below, NULL);
  g_assert_cmpint(g_mkdir_with_parents(path, 0777), ==, 0);
}

static char *new_folder(void) {
  char *folder = scratch_new();
  make_folder(folder, "train/good");
  make_folder(folder, "test/good");
  return folder;
}

static void write_bytes(const char *folder, const char *name, GBytes *bytes) {
  gsize size = 0;
  const void *data = g_bytes_get_data(bytes, &size);
  g_free(scratch_write(folder, name, data, size));
}

static void write_png(const char *folder, const char *name, const VelmImage *image) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  write_bytes(folder, name, bytes);
}

/* Runs the check on @folder, which it takes. */
static Audited audit_new(char *folder) {
  g_autoptr(GError) error = NULL;
  Audited a = {.folder = folder};
  a.dataset = velm_dataset_open(folder, &error);
  g_assert_no_error(error);
  a.audit = velm_audit_new(a.dataset);
  velm_audit_files(a.audit, NULL, NULL, &error);
  g_assert_no_error(error);
  g_ptr_array_set_size(a.audit->findings, 0);
  velm_audit_parts(a.dataset, a.audit, NULL, NULL, &error);
  g_assert_no_error(error);
  velm_audit_sort(a.audit);
  return a;
}

static void audited_clear(Audited *a) {
  velm_audit_free(a->audit);
  velm_dataset_free(a->dataset);
  scratch_remove(a->folder);
}

/* Finding @index of @kind, or NULL. */
static const VelmFinding *finding_at(const Audited *a, VelmAuditKind kind, guint index) {
  for (guint i = 0; i < a->audit->findings->len; i++) {
    const VelmFinding *finding = g_ptr_array_index(a->audit->findings, i);
    if (finding->kind == kind && index-- == 0)
      return finding;
  }
  return NULL;
}

static guint count(const Audited *a, VelmAuditKind kind) {
  guint n = 0;
  while (finding_at(a, kind, n))
    n++;
  return n;
}

static const char *path_at(const VelmFinding *finding, guint i) {
  return g_ptr_array_index(finding->paths, i);
}

/* The finding of @kind whose first path is @path, or NULL. */
static const VelmFinding *finding_of(const Audited *a, VelmAuditKind kind, const char *path) {
  const VelmFinding *finding = NULL;
  for (guint i = 0; (finding = finding_at(a, kind, i)); i++)
    if (g_str_equal(path_at(finding, 0), path))
      return finding;
  return NULL;
}

/* ---- made-up parts under two lights ---- */

enum { N_TRAIN = 110, N_LEAKED = 40, N_TEST = 80, PART_SIZE = 128 };

static VelmImage *draw(guint part, guint view, int size) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = size;
  params.seed = 7;
  VelmImage *image = velm_procedural_draw(&params, part, view, NULL, NULL);
  g_assert_nonnull(image);
  return image;
}

static void write_part(const char *folder, const char *side, guint part, guint view) {
  g_autofree char *name = g_strdup_printf("%s/good/%03u_%u.png", side, part, view);
  g_autoptr(VelmImage) image = draw(part, view, PART_SIZE);
  write_png(folder, name, image);
}

/* Parts 0 to 109 in train, 70 to 149 in test: the first 40 of these are leaks. */
static char *write_parts(void) {
  char *folder = new_folder();
  for (guint i = 0; i < N_TRAIN; i++)
    write_part(folder, "train", i, 0);
  for (guint i = 0; i < N_TEST; i++)
    write_part(folder, "test", N_TRAIN - N_LEAKED + i, 1);
  return folder;
}

static guint part_of(const char *path) {
  return (guint)g_ascii_strtoull(strrchr(path, '/') + 1, NULL, 10);
}

/* Near duplicates other than copies ("zz_") are the few parts whose two lights are by chance alike.
 */
static void assert_same_light(const Audited *a) {
  const VelmFinding *finding = NULL;
  guint n = 0;
  for (guint i = 0; (finding = finding_at(a, VELM_AUDIT_NEAR_DUPLICATE, i)); i++) {
    if (strstr(path_at(finding, finding->paths->len - 1), "zz_"))
      continue;
    g_assert_cmpuint(part_of(path_at(finding, 0)), ==, part_of(path_at(finding, 1)));
    n++;
  }
  g_assert_cmpuint(n, <=, N_LEAKED / 10);
}

static void test_parts(void) {
  Audited a = audit_new(write_parts());
  const VelmFinding *finding = NULL;
  for (guint i = 0; (finding = finding_at(&a, VELM_AUDIT_LEAK, i)); i++) {
    g_assert_true(g_str_has_prefix(path_at(finding, 0), "test/"));
    g_assert_cmpuint(finding->paths->len, ==, 2);
    g_assert_true(g_str_has_prefix(path_at(finding, 1), "train/"));
    g_assert_cmpuint(part_of(path_at(finding, 0)), ==, part_of(path_at(finding, 1)));
    g_assert_cmpstr(finding->message, ==, "shows the same part as 1 training image");
    g_assert_cmpstr(finding->label, ==, "good");
    g_assert_cmpfloat(finding->score, >, 0);
    g_assert_cmpfloat(finding->score, <, 1);
  }
  g_test_message("%u of %d leaks", count(&a, VELM_AUDIT_LEAK), N_LEAKED);
  g_assert_cmpuint(count(&a, VELM_AUDIT_LEAK), >=, N_LEAKED * 8 / 10);
  /* The two images of a part are one group. */
  g_assert_cmpuint(count(&a, VELM_AUDIT_GROUP), ==, count(&a, VELM_AUDIT_LEAK));
  g_assert_cmpstr(finding_at(&a, VELM_AUDIT_GROUP, 0)->message, ==,
                  "2 images seem to show one part");
  assert_same_light(&a);
  audited_clear(&a);
}

static void write_lines(const char *folder, const GString *lines) {
  g_free(scratch_write(folder, "groups.csv", lines->str, lines->len));
}

/* groups.csv knows of one leak, and takes the images of all other parts apart. */
static void test_groups(void) {
  char *folder = write_parts();
  g_autoptr(GString) lines = g_string_new("path,group\n");
  for (guint i = 0; i < N_TRAIN; i++)
    g_string_append_printf(lines, "train/good/%03u_0.png,train-%u\n", i, i);
  for (guint i = 0; i < N_TEST; i++) {
    guint part = N_TRAIN - N_LEAKED + i;
    g_string_append_printf(lines, "test/good/%03u_1.png,%s-%u\n", part, i == 0 ? "train" : "test",
                           part);
  }
  write_part(folder, "train", 3, 1);
  g_string_append(lines, "train/good/003_1.png,another\n");
  write_lines(folder, lines);
  Audited a = audit_new(folder);
  const VelmFinding *certain = finding_at(&a, VELM_AUDIT_LEAK, 0);
  g_assert_cmpstr(path_at(certain, 0), ==, "test/good/070_1.png");
  g_assert_cmpstr(path_at(certain, 1), ==, "train/good/070_0.png");
  g_assert_cmpfloat(certain->score, ==, 1);
  g_assert_cmpstr(certain->message, ==,
                  "shows the same part as 1 training image, as groups.csv says");
  const VelmFinding *second = finding_at(&a, VELM_AUDIT_LEAK, 1);
  g_assert_cmpstr(second->message, ==,
                  "shows the same part as 1 training image; groups.csv calls them different parts");
  const VelmFinding *contradiction = finding_at(&a, VELM_AUDIT_GROUP, 0);
  g_assert_cmpuint(count(&a, VELM_AUDIT_GROUP), ==, 1);
  g_assert_cmpstr(path_at(contradiction, 0), ==, "train/good/003_0.png");
  g_assert_cmpstr(path_at(contradiction, 1), ==, "train/good/003_1.png");
  g_assert_nonnull(strstr(contradiction->message, "different parts, another and train-3"));
  audited_clear(&a);
}

static void write_changed(const char *folder, const char *name, guint part, double factor) {
  g_autoptr(VelmImage) image = draw(part, 0, PART_SIZE);
  for (gsize k = 0; k < (gsize)3 * PART_SIZE * PART_SIZE; k++)
    image->pixels[k] = (guint8)MIN(255, image->pixels[k] * factor + 0.5);
  write_png(folder, name, image);
}

/* Copies of training images: compressed, smaller, brighter, exact. */
static void test_near_duplicates(void) {
  char *folder = write_parts();
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) first = draw(200, 0, 2 * PART_SIZE), second = draw(201, 0, 2 * PART_SIZE);
  g_autoptr(GBytes) jpeg = velm_image_to_jpeg(first, 60, &error);
  g_assert_no_error(error);
  write_png(folder, "train/good/200_0.png", first);
  write_bytes(folder, "train/good/zz_compressed.jpg", jpeg);
  g_autoptr(VelmImage) small = velm_image_resize(second, 200, 200, &error);
  g_assert_no_error(error);
  write_png(folder, "train/good/201_0.png", second);
  write_png(folder, "train/good/zz_smaller.png", small);
  write_changed(folder, "train/good/zz_brighter.png", 2, 1.05);
  write_changed(folder, "train/good/zz_exact.png", 3, 1);
  write_changed(folder, "train/good/zz_darker.png", 4, 0.5);
  Audited a = audit_new(folder);
  static const char *const expected[][2] = {
      {"train/good/200_0.png", "train/good/zz_compressed.jpg"},
      {"train/good/201_0.png", "train/good/zz_smaller.png"},
      {"train/good/002_0.png", "train/good/zz_brighter.png"}};
  for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
    const VelmFinding *finding = finding_of(&a, VELM_AUDIT_NEAR_DUPLICATE, expected[i][0]);
    g_test_message("%s", expected[i][1]);
    g_assert_nonnull(finding);
    g_assert_cmpuint(finding->paths->len, ==, 2);
    g_assert_cmpstr(path_at(finding, 1), ==, expected[i][1]);
    g_assert_cmpfloat(finding->score, >, 0.99);
    g_assert_cmpstr(finding->message, ==, "2 images whose pixels are almost the same");
  }
  g_assert_null(finding_of(&a, VELM_AUDIT_NEAR_DUPLICATE, "train/good/003_0.png"));
  g_assert_null(finding_of(&a, VELM_AUDIT_NEAR_DUPLICATE, "train/good/004_0.png"));
  assert_same_light(&a);
  /* Exact or much darker, they are of one part all the same. */
  g_assert_nonnull(finding_of(&a, VELM_AUDIT_GROUP, "train/good/003_0.png"));
  g_assert_nonnull(finding_of(&a, VELM_AUDIT_GROUP, "train/good/004_0.png"));
  audited_clear(&a);
}

/* ---- textures ---- */

enum { CELL = 3, WINDOW = 96 };

/* A window of a rough surface from column @x on. */
static void write_surface(const char *folder, const char *name, guint32 seed, int x) {
  const int columns = 200;
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  g_autofree guint8 *cells = g_new(guint8, columns * columns);
  for (int k = 0; k < columns * columns; k++)
    cells[k] = (guint8)g_rand_int_range(random, 60, 200);
  g_autoptr(VelmImage) image = velm_image_new(WINDOW, WINDOW);
  for (int row = 0; row < WINDOW; row++)
    for (int column = 0; column < WINDOW; column++)
      memset(image->pixels + 3 * (row * WINDOW + column),
             cells[row / CELL * columns + (column + x) / CELL], 3);
  write_png(folder, name, image);
}

/* Windows that each overlap the next by four fifths show one part by pairs, but neighbours'
 * neighbours lie out of reach: such a chain is no one group. */
static void test_chain(void) {
  char *folder = new_folder();
  for (int i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf("train/good/chain%d.png", i);
    write_surface(folder, name, 1, i * 19);
  }
  for (int i = 0; i < 40; i++) {
    g_autofree char *name = g_strdup_printf("train/good/other%02d.png", i);
    write_surface(folder, name, 100 + (guint32)i, 0);
  }
  Audited a = audit_new(folder);
  guint in_groups = 0;
  const VelmFinding *finding = NULL;
  for (guint i = 0; (finding = finding_at(&a, VELM_AUDIT_GROUP, i)); i++) {
    g_assert_cmpuint(finding->paths->len, <=, 4);
    for (guint k = 0; k < finding->paths->len; k++)
      g_assert_nonnull(strstr(path_at(finding, k), "chain"));
    in_groups += finding->paths->len;
  }
  g_assert_cmpuint(in_groups, ==, 8);
  g_assert_cmpuint(count(&a, VELM_AUDIT_LEAK), ==, 0);
  audited_clear(&a);
}

/* Blank images, and images with one edge, look all alike and show nothing that tells a part. */
static void test_plain(void) {
  char *folder = new_folder();
  for (int i = 0; i < 30; i++) {
    g_autofree char *name = g_strdup_printf("%s/good/%02d.png", i % 2 ? "train" : "test", i);
    g_autoptr(VelmImage) image = velm_image_new(WINDOW, WINDOW);
    if (i < 20)
      memset(image->pixels, 200, (gsize)3 * WINDOW * (gsize)(33 + i % 6));
    write_png(folder, name, image);
  }
  Audited a = audit_new(folder);
  g_assert_cmpuint(count(&a, VELM_AUDIT_LEAK), ==, 0);
  g_assert_cmpuint(count(&a, VELM_AUDIT_GROUP), ==, 0);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmSameParts) parts = velm_same_part_find(a.dataset->train, FALSE, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(parts->n_plain, ==, 15);
  g_assert_cmpuint(parts->n_compared, ==, 0);
  audited_clear(&a);
}

/* Too few images say nothing of what different parts share; a damaged one is passed over. */
static void test_few(void) {
  char *folder = new_folder();
  for (int i = 0; i < VELM_SAME_PART_MIN_IMAGES - 1; i++) {
    g_autofree char *name = g_strdup_printf("train/good/%02d.png", i);
    write_surface(folder, name, (guint32)i / 2, 0);
  }
  g_free(scratch_write(folder, "train/good/damaged.png", "no image", 8));
  Audited a = audit_new(folder);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmSameParts) parts = velm_same_part_find(a.dataset->train, FALSE, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(parts->n_compared, ==, VELM_SAME_PART_MIN_IMAGES - 1);
  g_assert_cmpuint(parts->same->len, ==, 0);
  g_assert_cmpuint(count(&a, VELM_AUDIT_GROUP), ==, 0);
  audited_clear(&a);
}

/* Where all images show the same, nothing tells one part from another. */
static void test_all_alike(void) {
  char *folder = new_folder();
  for (int i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("train/good/%02d.png", i);
    write_surface(folder, name, 1, 0);
  }
  Audited a = audit_new(folder);
  g_assert_cmpuint(a.audit->findings->len, ==, 0);
  audited_clear(&a);
}

static gboolean stop_at(const char *stage, gsize done, gsize total, gpointer user_data) {
  g_assert_cmpuint(done, <=, total);
  return !g_str_equal(stage, user_data);
}

static void test_cancel(void) {
  char *folder = new_folder();
  for (int i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("train/good/%02d.png", i);
    write_surface(folder, name, (guint32)i, 0);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(folder, &error);
  g_assert_no_error(error);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  static const char *const stages[] = {"reading images", "comparing images"};
  for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
    g_assert_false(velm_audit_parts(dataset, audit, stop_at, (gpointer)stages[i], &error));
    assert_failure(&error, VELM_ERROR_CANCELLED, stages[i]);
    g_assert_cmpuint(audit->findings->len, ==, 0);
  }
  scratch_remove(folder);
}

/* ---- real images ---- */

/* groups.csv of the tiles gives three tiles two names: the same marks and scratches are on both. */
static const char *const tiles[][2] = {{"exp1_num_13526", "exp5_num_5874"},
                                       {"exp1_num_65001", "exp1_num_52659"},
                                       {"exp1_num_358102", "exp1_num_355636"}};

/* The first of them stands on both sides, so these test images are leaks. */
static const char *const known_leaks[] = {"test/good/exp1_num_5907.jpg",
                                          "test/good/exp2_num_5924.jpg",
                                          "test/good/exp3_num_5941.jpg",
                                          "test/good/exp4_num_5959.jpg",
                                          "test/good/exp5_num_5874.jpg",
                                          "test/good/exp6_num_5892.jpg",
                                          NULL};

/* The folder data/@name; NULL where it is not at hand. */
static char *shared_data(const char *name) {
#if defined(__SANITIZE_ADDRESS__)
  (void)name; /* nothing new for the sanitizers, and minutes of it */
  return NULL;
#else
  const char *folder = g_getenv("VELM_SHARED");
  g_autofree char *beside = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *path = g_build_filename(folder ? folder : beside, "data", name, NULL);
  return g_file_test(path, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&path) : NULL;
#endif
}

static const char *tile_of(const VelmSample *sample) {
  for (gsize i = 0; i < G_N_ELEMENTS(tiles); i++)
    if (g_str_equal(sample->group, tiles[i][1]))
      return tiles[i][0];
  return sample->group;
}

/* Links @sample into @folder under @side, and notes which tile it shows. */
static void link_sample(const VelmSample *sample, const char *folder, const char *side,
                        GHashTable *tile_by_path) {
  g_autofree char *base = g_path_get_basename(sample->path);
  char *below = g_strdup_printf("%s/%s/%s", side, sample->label, base);
  g_autofree char *link = g_build_filename(folder, below, NULL);
  g_autofree char *parent = g_path_get_dirname(link);
  g_autofree char *target = g_canonicalize_filename(sample->path, NULL);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0777), ==, 0);
  g_autoptr(GFile) file = g_file_new_for_path(link);
  g_autoptr(GError) error = NULL;
  g_file_make_symbolic_link(file, target, NULL, &error);
  g_assert_no_error(error);
  g_hash_table_insert(tile_by_path, below, g_strdup(tile_of(sample)));
}

/* A copy without groups.csv in which a @share of the training images stands in test. Test images
 * that were moved are in @moved (of borrowed paths of @tile_by_path). */
static char *leaky_copy(const VelmDataset *dataset, double share, guint32 seed,
                        GHashTable *tile_by_path, GPtrArray *moved) {
  char *folder = scratch_new();
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (guint i = 0; i < dataset->train->len; i++) {
    const VelmSample *sample = g_ptr_array_index(dataset->train, i);
    gboolean move = g_rand_double(random) < share;
    link_sample(sample, folder, move ? "test" : "train", tile_by_path);
    g_autofree char *base = g_path_get_basename(sample->path);
    if (move)
      g_ptr_array_add(moved, g_strdup_printf("test/good/%s", base));
  }
  for (guint i = 0; i < dataset->test->len; i++)
    link_sample(g_ptr_array_index(dataset->test, i), folder, "test", tile_by_path);
  return folder;
}

static gboolean stands_in_train(GHashTable *tile_by_path, const char *tile) {
  GHashTableIter iter;
  gpointer path, other;
  g_hash_table_iter_init(&iter, tile_by_path);
  while (g_hash_table_iter_next(&iter, &path, &other))
    if (g_str_has_prefix(path, "train/") && g_str_equal(other, tile))
      return TRUE;
  return FALSE;
}

/* Every leak that is named is one. */
static void assert_true_leaks(const Audited *a, GHashTable *tile_by_path) {
  const VelmFinding *finding = NULL;
  for (guint i = 0; (finding = finding_at(a, VELM_AUDIT_LEAK, i)); i++) {
    const char *own = g_hash_table_lookup(tile_by_path, path_at(finding, 0));
    for (guint k = 1; k < finding->paths->len; k++)
      g_assert_cmpstr(g_hash_table_lookup(tile_by_path, path_at(finding, k)), ==, own);
  }
}

static void check_leaky_tiles(const VelmDataset *dataset, guint32 seed) {
  g_autoptr(GHashTable) tile_by_path =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GPtrArray) moved = g_ptr_array_new_with_free_func(g_free);
  Audited a = audit_new(leaky_copy(dataset, 0.2, seed, tile_by_path, moved));
  guint n = 0, found = 0;
  for (guint i = 0; i < moved->len; i++) {
    const char *path = g_ptr_array_index(moved, i);
    if (!stands_in_train(tile_by_path, g_hash_table_lookup(tile_by_path, path)))
      continue;
    n++;
    found += finding_of(&a, VELM_AUDIT_LEAK, path) != NULL;
  }
  g_test_message("seed %u: %u of %u moved images named, %u leaks in all", seed, found, n,
                 count(&a, VELM_AUDIT_LEAK));
  g_assert_cmpuint(n, >, 50);
  g_assert_cmpfloat(found, >=, 0.9 * n);
  assert_true_leaks(&a, tile_by_path);
  audited_clear(&a);
}

static void test_leaky_tiles(void) {
  g_autofree char *data = shared_data("magnetic_tile");
  if (!data) {
    g_test_skip("no images of magnetic tiles here");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(data, &error);
  g_assert_no_error(error);
  for (guint32 seed = 1; seed <= (g_test_slow() ? 5 : 1); seed++)
    check_leaky_tiles(dataset, seed);
}

/* Nothing but what is known is named, with groups.csv and, where there is time, without. */
static void test_clean_tiles(void) {
  g_autofree char *data = shared_data("magnetic_tile");
  if (!data) {
    g_test_skip("no images of magnetic tiles here");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(data, &error);
  g_assert_no_error(error);
  for (int bare = 0; bare < (g_test_slow() ? 2 : 1); bare++) {
    dataset->has_groups = !bare;
    g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
    velm_audit_parts(dataset, audit, NULL, NULL, &error);
    g_assert_no_error(error);
    Audited a = {.dataset = dataset, .audit = audit};
    for (gsize i = 0; known_leaks[i]; i++) {
      const VelmFinding *leak = finding_of(&a, VELM_AUDIT_LEAK, known_leaks[i]);
      g_assert_nonnull(leak);
      g_test_message("%s %s, %.2f", known_leaks[i], leak->message, leak->score);
    }
    g_assert_cmpuint(count(&a, VELM_AUDIT_LEAK), ==, g_strv_length((char **)known_leaks));
    if (!bare)
      g_assert_cmpuint(count(&a, VELM_AUDIT_GROUP), ==, G_N_ELEMENTS(tiles) - 1);
    g_assert_cmpuint(count(&a, VELM_AUDIT_NEAR_DUPLICATE), <=, 3);
  }
}

/* Crops of boards: one test crop shows the very place of a layout that a training crop shows. */
static void test_clean_boards(void) {
  g_autofree char *data = shared_data("pcb");
  if (!data) {
    g_test_skip("no images of boards here");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(data, &error);
  g_assert_no_error(error);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  velm_audit_parts(dataset, audit, NULL, NULL, &error);
  g_assert_no_error(error);
  Audited a = {.dataset = dataset, .audit = audit};
  g_assert_cmpuint(count(&a, VELM_AUDIT_LEAK), ==, 1);
  g_assert_cmpstr(path_at(finding_at(&a, VELM_AUDIT_LEAK, 0), 0), ==,
                  "test/mousebite/00041130_01.png");
}

/* libvips notes every blur. */
static void drop(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  (void)domain, (void)level, (void)message, (void)data;
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_log_set_handler("VIPS", G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG, drop, NULL);
  g_test_add_func("/same_part/fourier", test_fourier);
  g_test_add_func("/same_part/principal", test_principal);
  g_test_add_func("/same_part/parts", test_parts);
  g_test_add_func("/same_part/groups", test_groups);
  g_test_add_func("/same_part/near_duplicates", test_near_duplicates);
  g_test_add_func("/same_part/chain", test_chain);
  g_test_add_func("/same_part/plain", test_plain);
  g_test_add_func("/same_part/few", test_few);
  g_test_add_func("/same_part/all_alike", test_all_alike);
  g_test_add_func("/same_part/cancel", test_cancel);
  g_test_add_func("/same_part/real/leaky_tiles", test_leaky_tiles);
  g_test_add_func("/same_part/real/clean_tiles", test_clean_tiles);
  g_test_add_func("/same_part/real/clean_boards", test_clean_boards);
  return g_test_run();
}
