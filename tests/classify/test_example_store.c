#include "classify/example_store.h"

#include "core/scratch.h"

#include <math.h>
#include <string.h>

#define N_PATCH 12
#define N_CROP 8

static const char *const classes[] = {"dent", "scratch", "stain", NULL};

typedef struct {
  GRand *rand;
  GPtrArray *seen; /* of VelmSeen */
  VelmModel *model;
  GError *error;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->rand = g_rand_new_with_seed(5);
  f->seen = g_ptr_array_new_with_free_func((GDestroyNotify)velm_seen_free);
  f->model = velm_model_new();
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_rand_free(f->rand);
  g_ptr_array_unref(f->seen);
  velm_model_free(f->model);
  g_clear_error(&f->error);
}

/* ---- made-up examples ---- */

static void fill(Fixture *f, float *values, gsize n, guint label) {
  for (gsize k = 0; k < n; k++)
    values[k] = (float)(sin(1.7 * label + 0.9 * (double)k) + g_rand_double(f->rand));
}

static VelmSight *look(Fixture *f, guint label, gboolean difference, gboolean patch) {
  VelmSight *sight = g_new0(VelmSight, 1);
  fill(f, sight->geometry, VELM_N_GEOMETRY, label);
  fill(f, sight->appearance, VELM_N_APPEARANCE, label);
  sight->has_difference = difference;
  if (difference)
    fill(f, sight->difference, VELM_N_DIFFERENCE, label);
  sight->n_patch = patch ? N_PATCH : 0;
  sight->patch = patch ? g_new0(float, N_PATCH) : NULL;
  if (patch)
    fill(f, sight->patch, N_PATCH, label);
  sight->n_crop = N_CROP;
  sight->n_views = VELM_N_FLIPS;
  for (guint i = 0; i < 2; i++) {
    sight->crop[i] = g_new0(float, VELM_N_FLIPS *N_CROP);
    fill(f, sight->crop[i], VELM_N_FLIPS * N_CROP, label);
  }
  return sight;
}

static VelmSeen *add(Fixture *f, guint label) {
  g_autofree char *part = g_strdup_printf("part %u", f->seen->len);
  VelmSeen *seen = velm_seen_new(classes[label], part);
  seen->digest = g_strdup_printf("%064x", f->seen->len);
  g_ptr_array_add(f->seen, seen);
  return seen;
}

/* As it mostly is: a mask, a region, patches, and no reference. */
static void add_classes(Fixture *f, guint n_each) {
  for (guint label = 0; label < 3; label++)
    for (guint i = 0; i < n_each; i++) {
      VelmSeen *seen = add(f, label);
      seen->given = look(f, label, FALSE, TRUE);
      seen->detected = look(f, label, FALSE, TRUE);
    }
}

/* Every kind of sight beside every other. */
static void add_odd_ones(Fixture *f) {
  add(f, 0)->given = look(f, 0, TRUE, TRUE);
  add(f, 1)->detected = look(f, 1, TRUE, FALSE);
  VelmSeen *both = add(f, 2);
  both->given = look(f, 2, FALSE, FALSE);
  both->detected = look(f, 2, TRUE, TRUE);
}

/* ---- through the model ---- */

static void pass_through_file(Fixture *f) {
  g_autoptr(GBytes) bytes = velm_model_serialise(f->model);
  velm_model_free(f->model);
  f->model = velm_model_parse(bytes, "file", &f->error);
  g_assert_no_error(f->error);
}

static GPtrArray *restore(Fixture *f) {
  GPtrArray *restored = velm_examples_restore(f->model, &f->error);
  g_assert_no_error(f->error);
  return restored;
}

static void assert_same_values(const float *a, const float *b, gsize n) {
  g_assert_true((a == NULL) == (b == NULL));
  if (a)
    g_assert_cmpmem(a, n * sizeof(float), b, n * sizeof(float));
}

static void assert_same_sight(const VelmSight *a, const VelmSight *b) {
  g_assert_true((a == NULL) == (b == NULL));
  if (!a)
    return;
  g_assert_cmpint(a->has_difference, ==, b->has_difference);
  g_assert_cmpint(a->n_patch, ==, b->n_patch);
  g_assert_cmpint(a->n_crop, ==, b->n_crop);
  g_assert_cmpint(a->n_views, ==, b->n_views);
  assert_same_values(a->geometry, b->geometry, VELM_N_GEOMETRY);
  assert_same_values(a->appearance, b->appearance, VELM_N_APPEARANCE);
  assert_same_values(a->difference, b->difference, VELM_N_DIFFERENCE);
  assert_same_values(a->patch, b->patch, (gsize)a->n_patch);
  for (guint i = 0; i < 2; i++)
    assert_same_values(a->crop[i], b->crop[i], (gsize)a->n_crop * (gsize)a->n_views);
}

static void test_round_trip(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  add_odd_ones(f);
  add_classes(f, 2);
  velm_model_set_int(f->model, "examples.stale", 1);
  velm_examples_store(f->seen, f->model);
  g_assert_false(velm_model_has(f->model, "examples.stale"));
  pass_through_file(f);
  g_assert_cmpuint(velm_examples_count(f->model), ==, f->seen->len);
  g_autoptr(GPtrArray) restored = restore(f);
  g_assert_cmpuint(restored->len, ==, f->seen->len);
  for (guint i = 0; i < restored->len; i++) {
    const VelmSeen *before = f->seen->pdata[i], *after = restored->pdata[i];
    g_assert_cmpstr(after->label, ==, before->label);
    g_assert_cmpstr(after->part, ==, before->part);
    g_assert_cmpstr(after->digest, ==, before->digest);
    assert_same_sight(after->given, before->given);
    assert_same_sight(after->detected, before->detected);
  }
}

static GBytes *learnt_from(const GPtrArray *seen) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmFewshot) fewshot = velm_examples_learn(seen, classes, TRUE, &error);
  g_assert_no_error(error);
  g_autoptr(VelmModel) model = velm_model_new();
  velm_examples_set_trust(seen, fewshot, 0.5);
  velm_fewshot_store(fewshot, model);
  return velm_model_serialise(model);
}

/* What is learnt from restored examples is the same to the last bit. */
static void test_learns_alike(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  add_classes(f, 6);
  velm_examples_store(f->seen, f->model);
  pass_through_file(f);
  g_autoptr(GPtrArray) restored = restore(f);
  g_autoptr(GBytes) before = learnt_from(f->seen);
  g_autoptr(GBytes) after = learnt_from(restored);
  g_assert_true(g_bytes_equal(before, after));
}

static void test_counts(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_assert_cmpuint(velm_examples_count(f->model), ==, 0);
  add_classes(f, 4);
  add_odd_ones(f);
  velm_examples_store(f->seen, f->model);
  g_autoptr(GHashTable) counts = velm_examples_count_classes(f->model);
  g_assert_cmpuint(g_hash_table_size(counts), ==, 3);
  g_assert_cmpuint(GPOINTER_TO_UINT(g_hash_table_lookup(counts, "scratch")), ==, 5);
  velm_model_set_int(f->model, "examples.labels", 1);
  g_assert_cmpuint(velm_examples_count(f->model), ==, 0);
}

/* ---- what is damaged ---- */

static void refuse(Fixture *f, const char *text) {
  g_assert_null(velm_examples_restore(f->model, &f->error));
  assert_failure(&f->error, VELM_ERROR_MODEL, text);
}

static void test_none(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  refuse(f, "does not carry the examples");
}

static void test_hostile_names(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const names[] = {"examples.labels", "examples.parts", "examples.digests"};
  static const char *const one[] = {"dent", NULL}, *const none[] = {NULL};
  add_classes(f, 2);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    velm_examples_store(f->seen, f->model);
    velm_model_set_strv(f->model, names[i], one);
    refuse(f, "examples.");
    velm_model_set_strv(f->model, names[i], none);
    refuse(f, "examples.");
    velm_model_set_string(f->model, names[i], "dent");
    refuse(f, names[i]);
    velm_model_remove_prefix(f->model, names[i]);
    refuse(f, i == 0 ? "does not carry the examples" : names[i]);
  }
}

/* Each number in turn, of the shapes and of some values. */
static void test_hostile_numbers(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const names[] = {"examples.shapes", "examples.values"};
  static const float wrong[] = {-1, 0.5F, 3, 1e7F, 1e30F, NAN, INFINITY};
  add_classes(f, 1);
  add_odd_ones(f);
  velm_examples_store(f->seen, f->model);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    gsize n = 0;
    const float *stored = velm_model_get_floats(f->model, names[i], 0, &n, NULL);
    g_autofree float *values = g_memdup2(stored, n * sizeof(float));
    for (gsize k = 0; k < (i == 0 ? n : 4); k++)
      for (gsize w = i == 0 ? 0 : 4; w < G_N_ELEMENTS(wrong); w++) {
        float right = values[k];
        values[k] = wrong[w];
        velm_model_set_floats(f->model, names[i], values, n);
        refuse(f, "\"examples.");
        values[k] = right;
      }
    velm_model_set_floats(f->model, names[i], values, n);
    g_autoptr(GPtrArray) whole = restore(f);
    g_assert_cmpuint(whole->len, ==, f->seen->len);
  }
}

static void test_hostile_lengths(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const names[] = {"examples.shapes", "examples.values"};
  add_classes(f, 2);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    gsize n = 0;
    velm_examples_store(f->seen, f->model);
    const float *stored = velm_model_get_floats(f->model, names[i], 0, &n, NULL);
    g_autofree float *values = g_new0(float, n + 1);
    memcpy(values, stored, n * sizeof(float));
    velm_model_set_floats(f->model, names[i], values, n - 1);
    refuse(f, names[i]);
    velm_model_set_floats(f->model, names[i], values, n + 1);
    refuse(f, names[i]);
    velm_model_set_floats(f->model, names[i], values, 0);
    refuse(f, names[i]);
    velm_model_set_string(f->model, names[i], "text");
    refuse(f, names[i]);
    velm_model_remove_prefix(f->model, names[i]);
    refuse(f, names[i]);
  }
}

/* Shapes that agree with the values: one whose image shows nothing. */
static void test_hostile_nothing(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  add_classes(f, 1);
  add(f, 0);
  velm_examples_store(f->seen, f->model);
  refuse(f, "nothing is seen of an example");
}

#define ADD(name, function)                                                                        \
  g_test_add("/example-store/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("round-trip", test_round_trip);
  ADD("learns-alike", test_learns_alike);
  ADD("counts", test_counts);
  ADD("none", test_none);
  ADD("hostile/names", test_hostile_names);
  ADD("hostile/numbers", test_hostile_numbers);
  ADD("hostile/lengths", test_hostile_lengths);
  ADD("hostile/nothing", test_hostile_nothing);
  return g_test_run();
}
