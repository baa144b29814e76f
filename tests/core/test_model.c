#include "core/model.h"

#include "core/scratch.h"

#include <string.h>

static char *folder;

/* ---- a model with a value of every kind ---- */

static const float floats[] = {0.1f, -2.5e30f, 0, 1e-38f, 3};
static const char *const words[] = {"one", "", "drei \xe2\x82\xac", NULL};

static void fill(VelmModel *model) {
  g_autoptr(GBytes) bytes = g_bytes_new("\x00\x01\xff", 3);
  velm_model_set_string(model, "a.string",
                        "Gr\xc3\xb6\xc3\x9f"
                        "e");
  velm_model_set_double(model, "a.double", -1.25e-300);
  velm_model_set_int(model, "a.int", G_MININT64);
  velm_model_set_floats(model, "b.floats", floats, G_N_ELEMENTS(floats));
  velm_model_set_bytes(model, "b.bytes", bytes);
  velm_model_set_strv(model, "b.strv", words);
}

static VelmModel *filled(void) {
  VelmModel *model = velm_model_new();
  fill(model);
  return model;
}

static VelmModel *parse(GBytes *bytes) {
  g_autoptr(GError) error = NULL;
  VelmModel *model = velm_model_parse(bytes, "the model", &error);
  g_assert_no_error(error);
  g_assert_nonnull(model);
  return model;
}

static void check_filled(VelmModel *model) {
  g_autoptr(GError) error = NULL;
  double number = 0;
  gint64 integer = 0;
  gsize n = 0;
  g_assert_cmpstr(velm_model_get_string(model, "a.string", &error), ==,
                  "Gr\xc3\xb6\xc3\x9f"
                  "e");
  g_assert_true(velm_model_get_double(model, "a.double", &number, &error));
  g_assert_cmpfloat(number, ==, -1.25e-300);
  g_assert_true(velm_model_get_int(model, "a.int", &integer, &error));
  g_assert_cmpint(integer, ==, G_MININT64);
  const float *values = velm_model_get_floats(model, "b.floats", 5, &n, &error);
  g_assert_cmpmem(values, n * sizeof(float), floats, sizeof floats);
  g_autoptr(GBytes) bytes = velm_model_get_bytes(model, "b.bytes", &error);
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "\x00\x01\xff", 3);
  g_autofree const char **strings = velm_model_get_strv(model, "b.strv", &error);
  g_assert_cmpstrv((char **)strings, (char **)words);
  g_assert_no_error(error);
}

static void test_values(void) {
  g_autoptr(VelmModel) model = filled();
  check_filled(model);
  velm_model_set_string(model, "a.string", "another");
  g_assert_cmpstr(velm_model_get_string(model, "a.string", NULL), ==, "another");
}

static void test_round_trip(void) {
  g_autoptr(VelmModel) model = filled();
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  g_autoptr(VelmModel) back = parse(bytes);
  check_filled(back);
  g_autoptr(GBytes) again = velm_model_serialise(back);
  g_assert_true(g_bytes_equal(bytes, again));
}

/* The order of setting leaves no trace, nor does what was removed. */
static void test_same_bytes(void) {
  g_autoptr(VelmModel) model = filled();
  g_autoptr(VelmModel) other = velm_model_new();
  for (int i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf("c.%d", i);
    velm_model_set_int(model, name, i);
  }
  for (int i = 99; i >= 0; i--) {
    g_autofree char *name = g_strdup_printf("c.%d", i);
    velm_model_set_int(other, name, i);
  }
  velm_model_set_int(other, "d.gone", 1);
  fill(other);
  velm_model_remove_prefix(other, "d.");
  g_autoptr(GBytes) a = velm_model_serialise(model);
  g_autoptr(GBytes) b = velm_model_serialise(other);
  g_assert_true(g_bytes_equal(a, b));
}

static void test_file(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = filled();
  g_autofree char *path = g_build_filename(folder, "part.velm", NULL);
  g_assert_true(velm_model_save(model, path, &error));
  g_assert_no_error(error);
  g_autoptr(VelmModel) back = velm_model_load(path, &error);
  g_assert_no_error(error);
  check_filled(back);
}

static void test_empty(void) {
  g_autoptr(VelmModel) model = velm_model_new();
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  g_autoptr(VelmModel) back = parse(bytes);
  g_assert_false(velm_model_has(back, "a.string"));
}

static void test_remove_prefix(void) {
  g_autoptr(VelmModel) model = filled();
  velm_model_remove_prefix(model, "b.");
  g_assert_true(velm_model_has(model, "a.int"));
  g_assert_false(velm_model_has(model, "b.floats"));
  g_assert_false(velm_model_has(model, "b.strv"));
  velm_model_remove_prefix(model, "");
  g_assert_false(velm_model_has(model, "a.int"));
}

/* ---- files that are refused ---- */

static void refuse(gconstpointer data, gsize size, const char *text) {
  /* A block of exactly this size, so that reading past it is noticed. */
  g_autoptr(GBytes) bytes = g_bytes_new(data, size);
  GError *error = NULL;
  g_assert_null(velm_model_parse(bytes, "the model", &error));
  assert_failure(&error, VELM_ERROR_MODEL, text);
}

static guint8 *file_of(VelmModel *model, gsize *size) {
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  *size = g_bytes_get_size(bytes);
  return g_memdup2(g_bytes_get_data(bytes, NULL), *size);
}

static void test_truncated(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  g_assert_cmpuint(size, >, 64);
  for (gsize cut = 0; cut < size; cut++)
    refuse(data, cut, cut < 8 ? "the model: not a velm model file" : "truncated");
}

static void test_flipped(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  for (gsize at = 0; at < size; at++)
    for (int bit = 0; bit < 8; bit++) {
      data[at] ^= (guint8)(1 << bit);
      refuse(data, size, "the model: ");
      data[at] ^= (guint8)(1 << bit);
    }
}

static void test_trailing(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  g_autofree guint8 *longer = g_malloc0(size + 100);
  memcpy(longer, data, size);
  refuse(longer, size + 1, "bytes after its end");
  refuse(longer, size + 100, "bytes after its end");
}

static void test_other_version(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  g_assert_cmpint(data[8], ==, 1);
  data[8] = 2;
  refuse(data, size, "another version");
  data[8] = 1;
  data[12] = 1; /* a flag that this version does not know */
  refuse(data, size, "another version");
}

static void test_huge_length(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  memset(data + 16, 0xff, 8);
  refuse(data, size, "truncated");
}

static void test_foreign(void) {
  static const char text[] = "PK\x03\x04 some other kind of file, longer than the header is, which "
                             "has sixty-four bytes";
  refuse(text, sizeof text, "not a velm model file");
  refuse("", 0, "not a velm model file");
  g_autofree guint8 *zeros = g_malloc0(1000);
  refuse(zeros, 1000, "not a velm model file");
  GError *error = NULL;
  g_autofree char *path = scratch_write(folder, "foreign.velm", text, sizeof text);
  g_assert_null(velm_model_load(path, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "foreign.velm: not a velm model file");
  g_autofree char *missing = g_build_filename(folder, "missing.velm", NULL);
  g_assert_null(velm_model_load(missing, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing.velm: no such file");
  g_assert_null(velm_model_load(folder, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is a folder");
}

/* A file line with "\r\n" for "\n", as text tools make of it, is no model any more. */
static void test_line_endings(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  g_assert_cmpmem(data + 5, 3, "\r\n\n", 3);
  g_autofree guint8 *converted = g_malloc0(size + 1);
  memcpy(converted, data, 7);
  converted[7] = '\r';
  memcpy(converted + 8, data + 7, size - 7);
  refuse(converted, size + 1, "not a velm model file");
}

/* ---- right checksum, wrong content ---- */

/* The file that holds @payload, whatever that is. */
static GBytes *file_around(gconstpointer payload, gsize size) {
  g_autoptr(VelmModel) model = velm_model_new();
  g_autoptr(GBytes) empty = velm_model_serialise(model);
  g_autofree guint8 *file = g_malloc0(64 + size);
  memcpy(file, g_bytes_get_data(empty, NULL), 16);
  guint64 length = GUINT64_TO_LE(size);
  memcpy(file + 16, &length, sizeof length);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize n = 32;
  g_checksum_update(checksum, payload, (gssize)size);
  g_checksum_get_digest(checksum, file + 24, &n);
  if (size)
    memcpy(file + 64, payload, size);
  return g_bytes_new(file, 64 + size);
}

static void refuse_all(VelmModel *model) {
  GError *error = NULL;
  double number;
  gint64 integer;
  g_assert_null(velm_model_get_string(model, "a", &error));
  assert_failure(&error, VELM_ERROR_MODEL, "has no usable \"a\"");
  g_assert_false(velm_model_get_double(model, "a", &number, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"a\"");
  g_assert_false(velm_model_get_int(model, "a", &integer, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"a\"");
  g_assert_null(velm_model_get_floats(model, "a", 0, NULL, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"a\"");
  g_assert_null(velm_model_get_bytes(model, "a", &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"a\"");
  g_assert_null(velm_model_get_strv(model, "a", &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"a\"");
}

static void test_missing(void) {
  g_autoptr(VelmModel) model = filled();
  refuse_all(model);
  g_assert_false(velm_model_has(model, "a"));
}

static void test_wrong_types(void) {
  g_autoptr(VelmModel) model = velm_model_new();
  velm_model_set(model, "a", g_variant_new_boolean(TRUE));
  refuse_all(model);
  velm_model_set(model, "a", g_variant_new_int32(1));
  refuse_all(model);
  velm_model_set(model, "a", g_variant_new_parsed("@a{sv} {}"));
  refuse_all(model);
  GError *error = NULL;
  double number;
  velm_model_set_int(model, "b", 1);
  g_assert_false(velm_model_get_double(model, "b", &number, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "model: has no usable \"b\"");
}

static void test_wrong_sizes(void) {
  g_autoptr(VelmModel) model = filled();
  GError *error = NULL;
  gsize n = 0;
  g_assert_null(velm_model_get_floats(model, "b.floats", 4, &n, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "\"b.floats\" has 5 numbers where 4 are expected");
  velm_model_set_floats(model, "b.floats", NULL, 0);
  g_assert_null(velm_model_get_floats(model, "b.floats", 0, &n, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "b.floats");
}

/* Whatever the payload is, reading it neither crashes nor gives a value that breaks its type. */
static void read_all(VelmModel *model) {
  static const char *const names[] = {"a.string", "a.double", "a.int", "b.floats",
                                      "b.bytes",  "b.strv",   ""};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    double number;
    gint64 integer;
    gsize n = 0;
    const char *string = velm_model_get_string(model, names[i], NULL);
    g_assert_true(!string || g_utf8_validate(string, -1, NULL));
    velm_model_get_double(model, names[i], &number, NULL);
    velm_model_get_int(model, names[i], &integer, NULL);
    const float *values = velm_model_get_floats(model, names[i], 0, &n, NULL);
    g_assert_true(!values || n > 0);
    double sum = 0;
    for (gsize k = 0; values && k < n; k++)
      sum += (double)values[k];
    g_assert_false(sum == 0.123456789);
    g_autoptr(GBytes) bytes = velm_model_get_bytes(model, names[i], NULL);
    g_autofree const char **strings = velm_model_get_strv(model, names[i], NULL);
    for (gsize k = 0; strings && strings[k]; k++)
      g_assert_true(g_utf8_validate(strings[k], -1, NULL));
  }
}

static void read_payload(gconstpointer payload, gsize size) {
  g_autoptr(GBytes) file = file_around(payload, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_parse(file, "forged", &error);
  if (model)
    read_all(model);
  else
    g_assert_error(error, VELM_ERROR, VELM_ERROR_MODEL);
}

/* The checksum keeps out accidents, not intent. */
static void test_forged(void) {
  g_autoptr(VelmModel) model = filled();
  gsize size = 0;
  g_autofree guint8 *data = file_of(model, &size);
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (gsize cut = 0; cut <= size - 64; cut++)
    read_payload(data + 64, cut);
  for (gsize at = 64; at < size; at++) {
    guint8 was = data[at];
    data[at] = (guint8)g_rand_int_range(random, 0, 256);
    read_payload(data + 64, size - 64);
    data[at] = was;
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/model/values", test_values);
  g_test_add_func("/model/round-trip", test_round_trip);
  g_test_add_func("/model/same-bytes", test_same_bytes);
  g_test_add_func("/model/file", test_file);
  g_test_add_func("/model/empty", test_empty);
  g_test_add_func("/model/remove-prefix", test_remove_prefix);
  g_test_add_func("/model/truncated", test_truncated);
  g_test_add_func("/model/flipped", test_flipped);
  g_test_add_func("/model/trailing", test_trailing);
  g_test_add_func("/model/other-version", test_other_version);
  g_test_add_func("/model/huge-length", test_huge_length);
  g_test_add_func("/model/foreign", test_foreign);
  g_test_add_func("/model/line-endings", test_line_endings);
  g_test_add_func("/model/missing", test_missing);
  g_test_add_func("/model/wrong-types", test_wrong_types);
  g_test_add_func("/model/wrong-sizes", test_wrong_sizes);
  g_test_add_func("/model/forged", test_forged);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
