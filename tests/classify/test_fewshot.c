#include "classify/blend.h"
#include "classify/expert.h"
#include "classify/fewshot.h"
#include "classify/novelty.h"
#include "classify/trust.h"

#include <math.h>
#include <string.h>

#define N_FEATURES 24
#define UNSEEN_CLASS 2.85 /* the sines of classes 0 to 2 leave a gap there */
#define HEADER_SIZE 64    /* of a model file */

static const char *const three_classes[] = {"dent", "scratch", "stain", NULL};

/* ---- a world of made-up sights ---- */

typedef struct {
  GRand *rand;
  GPtrArray *sights; /* owns them */
  GArray *examples;
  GPtrArray *parts;
  gboolean with_patch, with_reference, with_flips;
  double noise;
  GError *error;
} World;

static void set_up(World *world, G_GNUC_UNUSED gconstpointer data) {
  world->rand = g_rand_new_with_seed(7);
  world->sights = g_ptr_array_new_with_free_func((GDestroyNotify)velm_sight_free);
  world->examples = g_array_new(FALSE, TRUE, sizeof(VelmExample));
  world->parts = g_ptr_array_new_with_free_func(g_free);
  world->with_patch = TRUE;
  world->noise = 0.5;
}

static void tear_down(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&world->error);
  g_rand_free(world->rand);
  g_ptr_array_unref(world->sights);
  g_array_unref(world->examples);
  g_ptr_array_unref(world->parts);
}

/* Nearly normal. */
static double noise(GRand *rand) {
  double sum = -6;
  for (int i = 0; i < 12; i++)
    sum += g_rand_double(rand);
  return sum;
}

/* Numbers that are about the same for one class and different for others. */
static void fill(World *world, float *values, int n, double class_index) {
  for (int k = 0; k < n; k++)
    values[k] = (float)(sin(1.7 * class_index + 0.9 * k) + world->noise * noise(world->rand));
}

static VelmSight *see(World *world, double class_index) {
  VelmSight *sight = g_new0(VelmSight, 1);
  g_ptr_array_add(world->sights, sight);
  fill(world, sight->geometry, VELM_N_GEOMETRY, class_index);
  fill(world, sight->appearance, VELM_N_APPEARANCE, class_index);
  sight->has_difference = world->with_reference;
  if (world->with_reference)
    fill(world, sight->difference, VELM_N_DIFFERENCE, class_index);
  if (world->with_patch) {
    sight->n_patch = N_FEATURES;
    sight->patch = g_new0(float, N_FEATURES);
    fill(world, sight->patch, N_FEATURES, class_index);
  }
  sight->n_crop = N_FEATURES;
  sight->n_views = world->with_flips ? VELM_N_FLIPS : 1;
  for (int layer = 0; layer < 2; layer++) {
    sight->crop[layer] = g_new0(float, (gsize)sight->n_views *N_FEATURES);
    for (int view = 0; view < sight->n_views; view++)
      fill(world, sight->crop[layer] + (gsize)view * N_FEATURES, N_FEATURES, class_index);
  }
  return sight;
}

/* The part is a new one where @part is NULL. Returns: its example, until the next is added. */
static VelmExample *add(World *world, guint class_index, const char *part) {
  char *name = part ? g_strdup(part) : g_strdup_printf("part %u", world->parts->len);
  VelmExample example = {.given = see(world, class_index), .class_index = class_index};
  g_ptr_array_add(world->parts, name);
  example.part = name;
  g_array_append_val(world->examples, example);
  return &g_array_index(world->examples, VelmExample, world->examples->len - 1);
}

static void add_classes(World *world, guint n_classes, int n_each) {
  for (guint c = 0; c < n_classes; c++)
    for (int i = 0; i < n_each; i++)
      add(world, c, NULL);
}

static VelmFewshot *learn(World *world, const char *const *class_names, gboolean detected) {
  return velm_fewshot_learn((const VelmExample *)(void *)world->examples->data,
                            world->examples->len, class_names, detected, &world->error);
}

static VelmFewshot *learn_three(World *world) {
  VelmFewshot *fewshot = learn(world, three_classes, FALSE);
  g_assert_no_error(world->error);
  return fewshot;
}

static void assert_probabilities(const double *probabilities, guint n) {
  double sum = 0;
  for (guint c = 0; c < n; c++) {
    g_assert_true(probabilities[c] >= 0 && probabilities[c] <= 1);
    sum += probabilities[c];
  }
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-9);
}

static guint best_of_three(const VelmFewshot *fewshot, const VelmSight *sight, gboolean *unknown) {
  double p[3];
  velm_fewshot_predict(fewshot, sight, p, unknown);
  assert_probabilities(p, 3);
  return p[0] > p[1] ? (p[0] > p[2] ? 0 : 2) : p[1] > p[2] ? 1 : 2;
}

/* Of @n new sights of each of three classes: how many are named right, and how many unknown. */
static int count_right(World *world, const VelmFewshot *fewshot, int n, int *n_unknown) {
  int right = 0;
  *n_unknown = 0;
  for (guint c = 0; c < 3; c++)
    for (int i = 0; i < n; i++) {
      gboolean unknown = FALSE;
      right += best_of_three(fewshot, see(world, c), &unknown) == c;
      *n_unknown += unknown ? 1 : 0;
    }
  return right;
}

static float stored_weight(const VelmFewshot *fewshot, const char *name, VelmExpertKind kind) {
  g_autoptr(VelmModel) model = velm_model_new();
  velm_fewshot_store(fewshot, model);
  const float *weights = velm_model_get_floats(model, name, VELM_N_EXPERTS, NULL, NULL);
  g_assert_nonnull(weights);
  return weights[kind];
}

/* ---- shots ---- */

/* Class 0: part 0 three times, part 1 once. Class 1: parts 2 and 0 once each. Class 2: part 3. */
static VelmShots *some_shots(void) {
  static const guint classes[] = {0, 0, 0, 0, 1, 1, 2}, parts[] = {0, 0, 0, 1, 2, 0, 3};
  VelmShots *shots = velm_shots_new(7, 3, 4);
  memcpy(shots->classes, classes, sizeof classes);
  memcpy(shots->parts, parts, sizeof parts);
  return shots;
}

static void test_weights(void) {
  g_autoptr(VelmShots) shots = some_shots();
  g_autofree double *weights = velm_shots_weights(shots);
  double share = 7 / 3.0, unit = share / (1 + sqrt(3));
  g_assert_cmpfloat_with_epsilon(weights[0], unit / sqrt(3), 1e-12);
  g_assert_cmpfloat_with_epsilon(weights[0] + weights[1] + weights[2], unit * sqrt(3), 1e-12);
  g_assert_cmpfloat_with_epsilon(weights[3], unit, 1e-12);
  g_assert_cmpfloat_with_epsilon(weights[4], share / 2, 1e-12);
  g_assert_cmpfloat_with_epsilon(weights[6], share, 1e-12);
  g_assert_cmpuint(velm_shots_count_parts(shots, 0), ==, 2);
  g_assert_cmpuint(velm_shots_count_parts(shots, 2), ==, 1);
}

static void test_folds(void) {
  g_autoptr(VelmShots) shots = some_shots();
  g_autoptr(GPtrArray) folds = velm_shots_folds(shots);
  g_autofree gboolean *usable = velm_folds_usable(folds, shots);
  int n_held[7] = {0};
  g_assert_cmpuint(folds->len, ==, 4); /* as many as parts */
  for (guint f = 0; f < folds->len; f++) {
    const VelmFold *fold = g_ptr_array_index(folds, f);
    for (gsize i = 0; i < shots->n; i++) {
      guint place = fold->place[i];
      n_held[i] += place == G_MAXUINT;
      for (gsize j = 0; j < shots->n; j++)
        if (shots->parts[i] == shots->parts[j])
          g_assert_cmpint(place == G_MAXUINT, ==, fold->place[j] == G_MAXUINT);
      if (place == G_MAXUINT)
        continue;
      g_assert_cmpuint(fold->train->parts[place], ==, shots->parts[i]);
      g_assert_cmpuint(fold->classes[fold->train->classes[place]], ==, shots->classes[i]);
    }
  }
  for (gsize i = 0; i < shots->n; i++) {
    g_assert_cmpint(n_held[i], ==, 1);
    g_assert_cmpint(usable[i], ==, i != 6); /* class 2 has one part alone */
  }
}

/* ---- experts ---- */

typedef struct {
  float values[24][3];
  VelmView views[24];
  VelmShots *shots;
  double *weights;
} Cloud;

/* Three overlapping classes in three dimensions, class 2 with more views and examples. */
static void cloud_init(Cloud *cloud) {
  g_autoptr(GRand) rand = g_rand_new_with_seed(3);
  cloud->shots = velm_shots_new(20, 3, 20);
  for (guint i = 0; i < 24; i++) {
    guint shot = MIN(i, 19);
    cloud->shots->classes[shot] = shot < 5 ? 0 : shot < 10 ? 1 : 2;
    cloud->shots->parts[shot] = shot;
    for (guint k = 0; k < 3; k++)
      cloud->values[i][k] =
          (float)(10.0 * k + (cloud->shots->classes[shot] == k) + 0.7 * noise(rand));
    cloud->views[i] = (VelmView){cloud->values[i], shot};
  }
  cloud->weights = velm_shots_weights(cloud->shots);
}

static void cloud_clear(Cloud *cloud) {
  velm_shots_free(cloud->shots);
  g_free(cloud->weights);
}

/* Weighted cross-entropy of @logistic over the cloud; adds weight * (p - truth) to @residual. */
static double cloud_loss(const Cloud *cloud, const VelmLogistic *logistic, double residual[3]) {
  double loss = 0;
  for (guint i = 0; i < 24; i++) {
    guint shot = cloud->views[i].shot, truth = cloud->shots->classes[shot];
    double weight = cloud->weights[shot] / (shot == 19 ? 5 : 1), log_p[3];
    velm_logistic_predict(logistic, cloud->values[i], log_p);
    loss -= weight * log_p[truth];
    for (guint c = 0; c < 3; c++)
      residual[c] += weight * (exp(log_p[c]) - (c == truth));
  }
  return loss;
}

static double penalty_of(const float *weights) {
  double sum = 0;
  for (int k = 0; k < 9; k++)
    sum += weights[k] * (double)weights[k];
  return 0.1 / 2 * sum;
}

/* The minimum is where no weight can be moved for the better, and residuals sum to nothing. */
static void test_logistic_minimum(void) {
  Cloud cloud;
  cloud_init(&cloud);
  g_autoptr(VelmLogistic) logistic = velm_logistic_learn(cloud.views, 24, 3, cloud.shots);
  g_autoptr(VelmModel) model = velm_model_new();
  float weights[12];
  double residual[3] = {0};
  velm_logistic_store(logistic, model, "x");
  memcpy(weights, velm_model_get_floats(model, "x.weights", 12, NULL, NULL), sizeof weights);
  double least = cloud_loss(&cloud, logistic, residual) + penalty_of(weights);
  g_assert_cmpfloat(least, <, 20 * log(3) - 2); /* better than saying nothing */
  for (int c = 0; c < 3; c++)
    g_assert_cmpfloat(fabs(residual[c]), <, 1e-3);
  for (int k = 0; k < 24; k++) {
    float moved[12];
    memcpy(moved, weights, sizeof moved);
    moved[k / 2] += k % 2 ? 0.05F : -0.05F;
    velm_model_set_floats(model, "x.weights", moved, 12);
    g_autoptr(VelmLogistic) other = velm_logistic_restore(model, "x", 3, NULL);
    g_assert_cmpfloat(cloud_loss(&cloud, other, residual) + penalty_of(moved), >, least);
  }
  cloud_clear(&cloud);
}

/* By hand: z = -1.342, -.447, .447, 1.342; between .4, within 0, covariance .4, spread 1.5. */
static void test_part_gaussian(void) {
  const float values[] = {-1.5F, -0.5F, 0.5F, 1.5F}, at = 1;
  g_autoptr(VelmShots) shots = velm_shots_new(4, 2, 4);
  VelmView views[4];
  double log_p[2];
  for (guint i = 0; i < 4; i++) {
    views[i] = (VelmView){&values[i], i};
    shots->classes[i] = i / 2;
    shots->parts[i] = i;
  }
  g_autoptr(VelmPartGaussian) gaussian = velm_part_gaussian_learn(views, 4, 1, shots);
  velm_part_gaussian_predict(gaussian, &at, log_p);
  double away = 4 / 1.25 / 0.4 / 1.5;
  g_assert_cmpfloat_with_epsilon(log_p[1] - log_p[0], away / 2, 1e-4);
  g_assert_cmpfloat_with_epsilon(exp(log_p[0]) + exp(log_p[1]), 1, 1e-9);
}

/* Many examples of a part move its class no more than one. */
static void test_part_gaussian_counts_parts(void) {
  const float values[] = {-1, -1, -1, -1, -1, 3, 4, 6}, at = 1;
  static const guint parts[] = {0, 0, 0, 0, 0, 1, 2, 3};
  g_autoptr(VelmShots) shots = velm_shots_new(8, 2, 4);
  VelmView views[8];
  g_autoptr(VelmModel) model = velm_model_new();
  for (guint i = 0; i < 8; i++) {
    views[i] = (VelmView){&values[i], i};
    shots->classes[i] = i / 6;
    shots->parts[i] = parts[i];
  }
  g_autoptr(VelmPartGaussian) gaussian = velm_part_gaussian_learn(views, 8, 1, shots);
  velm_part_gaussian_store(gaussian, model, "x");
  g_autoptr(VelmStandardiser) standardiser = velm_standardiser_restore(model, "x", NULL);
  const float *means = velm_model_get_floats(model, "x.means", 2, NULL, NULL);
  float middle = 0;
  velm_standardiser_apply(standardiser, &at, &middle); /* of -1 and 3 */
  g_assert_cmpfloat_with_epsilon(means[0], middle, 1e-5);
}

static void test_standardiser(void) {
  const float rows[2][3] = {{1, 5, -2}, {3, 5, 2}}, far[3] = {1000, NAN, -INFINITY};
  VelmView views[2] = {{rows[0], 0}, {rows[1], 1}};
  float z[3];
  g_autoptr(VelmStandardiser) standardiser = velm_standardiser_learn(views, 2, 3);
  velm_standardiser_apply(standardiser, rows[1], z);
  g_assert_cmpfloat_with_epsilon(z[0], 1, 1e-5);
  g_assert_cmpfloat_with_epsilon(z[1], 0, 1e-5);
  velm_standardiser_apply(standardiser, far, z);
  g_assert_cmpfloat(z[0], ==, VELM_STANDARDISED_LIMIT);
  g_assert_cmpfloat(z[1], ==, 0);
  g_assert_cmpfloat(z[2], ==, -VELM_STANDARDISED_LIMIT);
}

/* ---- blend ---- */

/* Two classes of @n examples, each of its own part; one expert is right, the other makes noise. */
static VelmBlend *blend_of(gsize n, double sure) {
  const double priors[] = {0.5, 0.5, 2};
  g_autoptr(GRand) rand = g_rand_new_with_seed(11);
  g_autoptr(VelmShots) shots = velm_shots_new(2 * n, 2, (guint)(2 * n));
  g_autofree gboolean *usable = g_new(gboolean, 2 * n);
  g_autofree double *right = g_new(double, 4 * n), *wild = g_new(double, 4 * n);
  for (gsize i = 0; i < 2 * n; i++) {
    double guess = 2 * noise(rand);
    shots->classes[i] = i % 2;
    shots->parts[i] = (guint)i;
    usable[i] = TRUE;
    right[2 * i + i % 2] = -log1p(exp(-sure));
    right[2 * i + 1 - i % 2] = -log1p(exp(sure));
    wild[2 * i] = -log1p(exp(-guess));
    wild[2 * i + 1] = -log1p(exp(guess));
  }
  const double *log_p[] = {right, wild, NULL};
  return velm_blend_learn(log_p, priors, 3, shots, usable);
}

static void test_blend_trusts_who_is_right(void) {
  g_autoptr(VelmBlend) blend = blend_of(20, 1);
  const float *weights = velm_blend_get_weights(blend);
  g_assert_cmpfloat(weights[0], >, 0.53); /* the prior is 0.5, and held to */
  g_assert_cmpfloat(weights[0], <=, 0.5 * exp(2) + 1e-6);
  g_assert_cmpfloat(weights[1], <, 0.48);
  g_assert_cmpfloat(weights[1], >=, 0.5 * exp(-3) - 1e-6);
  g_assert_cmpfloat(weights[2], ==, 0);
  g_assert_cmpfloat(velm_blend_get_temperature(blend), >=, 1);
  g_assert_cmpfloat(velm_blend_get_temperature(blend), <=, 2.5001);
}

/* An expert that is as sure of the wrong class is turned down. */
static void test_blend_cools(void) {
  g_autoptr(VelmBlend) blend = blend_of(20, -3);
  g_assert_cmpfloat(velm_blend_get_weights(blend)[0], <, 0.4);
  g_assert_cmpfloat(velm_blend_get_temperature(blend), <, 0.6);
  g_assert_cmpfloat(velm_blend_get_temperature(blend), >=, 0.3999);
}

static void test_blend_of_too_few(void) {
  g_autoptr(VelmBlend) blend = blend_of(1, 1);
  g_assert_cmpfloat(velm_blend_get_weights(blend)[0], ==, 0.5);
  g_assert_cmpfloat(velm_blend_get_weights(blend)[1], ==, 0.5);
  g_assert_cmpfloat(velm_blend_get_temperature(blend), ==, 1);
}

/* Where nobody says anything, the class of fewer parts is named: by (1 + 1/1)^2 to (1 + 1/3)^2. */
static void test_part_bonus(void) {
  const double prior = 1, even[] = {-M_LN2, -M_LN2}, *rows[] = {even};
  const double none[8] = {0}, *log_p[] = {none};
  const gboolean usable[4] = {FALSE};
  g_autoptr(VelmShots) shots = velm_shots_new(4, 2, 4);
  double p[2];
  for (guint i = 0; i < 4; i++) {
    shots->classes[i] = i > 0;
    shots->parts[i] = i;
  }
  g_autoptr(VelmBlend) blend = velm_blend_learn(log_p, &prior, 1, shots, usable);
  velm_blend_predict(blend, rows, p);
  g_assert_cmpfloat_with_epsilon(p[0] / p[1], 4 / (16 / 9.0), 1e-5);
}

/* ---- the classifier ---- */

static void test_separable(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  add_classes(world, 3, 8);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_assert_cmpint(count_right(world, fewshot, 40, &n_unknown), >=, 118);
  g_assert_cmpint(n_unknown, <=, 24); /* 95 % of the examples themselves are inside */
  g_assert_cmpstrv(velm_fewshot_get_classes(fewshot), three_classes);
}

static void test_flips_and_regions(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  world->with_flips = world->with_reference = TRUE;
  add_classes(world, 3, 5);
  for (guint i = 0; i < world->examples->len; i++) {
    VelmExample *example = &g_array_index(world->examples, VelmExample, i);
    example->detected = see(world, example->class_index);
  }
  g_autoptr(VelmFewshot) fewshot = learn(world, three_classes, TRUE);
  g_assert_no_error(world->error);
  g_assert_true(velm_fewshot_get_detected(fewshot));
  world->with_flips = FALSE;
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
}

/* For masks, from masks alone; for a detector's regions, from both. */
static void test_what_teaches_geometry(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 6);
  for (guint i = 0; i < world->examples->len; i++) {
    VelmExample *example = &g_array_index(world->examples, VelmExample, i);
    VelmSight *region = see(world, example->class_index);
    for (int k = 0; k < VELM_N_GEOMETRY; k++)
      region->geometry[k] += 1000;
    example->detected = region;
  }
  for (int detected = 0; detected < 2; detected++) {
    g_autoptr(VelmModel) model = velm_model_new();
    g_autoptr(VelmFewshot) fewshot = learn(world, three_classes, detected);
    velm_fewshot_store(fewshot, model);
    float mean =
        velm_model_get_floats(model, "fewshot.geometry.mean", VELM_N_GEOMETRY, NULL, NULL)[0];
    g_assert_cmpfloat(fabs(mean - (detected ? 500 : 0)), <, 2);
  }
}

static void test_one_sided_examples(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  add_classes(world, 3, 6);
  for (guint i = 0; i < world->examples->len; i++) {
    VelmExample *example = &g_array_index(world->examples, VelmExample, i);
    if (i % 6 < 3)
      example->detected = g_steal_pointer(&example->given); /* no mask */
    else if (i % 6 == 3)
      example->given = NULL; /* nothing was seen at all */
  }
  for (int detected = 0; detected < 2; detected++) {
    g_autoptr(VelmFewshot) fewshot = learn(world, three_classes, detected);
    g_assert_no_error(world->error);
    g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
  }
}

static void test_single_example(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  world->noise = 0.3;
  add_classes(world, 2, 6);
  add(world, 2, NULL);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 58);
}

/* One example of each class: nothing can be held back, and the priors serve. */
static void test_single_examples_only(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  world->noise = 0.1;
  add_classes(world, 3, 1);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 58);
  g_assert_cmpint(n_unknown, ==, 0);
  g_assert_cmpfloat(stored_weight(fewshot, "fewshot.blend.weights", VELM_EXPERT_GEOMETRY), ==, 1);
}

static void test_one_class(World *world, G_GNUC_UNUSED gconstpointer data) {
  const char *const names[] = {"dent", NULL};
  double p = 0;
  gboolean unknown = FALSE;
  add_classes(world, 1, 5);
  g_autoptr(VelmFewshot) fewshot = learn(world, names, FALSE);
  g_assert_no_error(world->error);
  velm_fewshot_predict(fewshot, see(world, 0), &p, &unknown);
  g_assert_cmpfloat_with_epsilon(p, 1, 1e-12);
}

/* The crops tell the part and nothing of the class. Were images of a part apart, crops would seem
 * to know everything. */
static void test_parts_held_back_together(World *world, G_GNUC_UNUSED gconstpointer data) {
  world->noise = 2;
  for (guint c = 0; c < 3; c++)
    for (int p = 0; p < 4; p++) {
      g_autofree char *part = g_strdup_printf("%u/%d", c, p);
      VelmSight *of_part = see(world, 100 + g_rand_double_range(world->rand, 0, 50));
      for (int i = 0; i < 4; i++) {
        VelmSight *sight = (VelmSight *)add(world, c, part)->given;
        for (int layer = 0; layer < 2; layer++)
          memcpy(sight->crop[layer], of_part->crop[layer], sizeof(float) * N_FEATURES);
      }
    }
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  float geometry = stored_weight(fewshot, "fewshot.blend.weights", VELM_EXPERT_GEOMETRY);
  float early = stored_weight(fewshot, "fewshot.blend.weights", VELM_EXPERT_CROP_EARLY);
  g_assert_cmpfloat(early / geometry, <, 0.47); /* the priors' ratio is 0.5 */
}

static void test_duplicates(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  add_classes(world, 3, 3);
  for (int copy = 0; copy < 3; copy++)
    for (guint i = 0; i < 9; i++) {
      VelmExample twin = g_array_index(world->examples, VelmExample, i);
      if (copy == 2)
        twin.part = g_array_index(world->examples, VelmExample, (i + 1) % 9).part;
      g_array_append_val(world->examples, twin);
    }
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 58);
}

/* All examples are one and the same image. */
static void test_all_alike(World *world, G_GNUC_UNUSED gconstpointer data) {
  gboolean unknown = TRUE;
  double p[3];
  add_classes(world, 3, 4);
  for (guint i = 1; i < 12; i++)
    g_array_index(world->examples, VelmExample, i).given =
        g_array_index(world->examples, VelmExample, 0).given;
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  velm_fewshot_predict(fewshot, g_array_index(world->examples, VelmExample, 0).given, p, &unknown);
  assert_probabilities(p, 3);
  g_assert_cmpfloat_with_epsilon(p[0], 1 / 3.0, 1e-3);
  g_assert_false(unknown);
}

static GBytes *learn_to_bytes(World *world) {
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_autoptr(VelmModel) model = velm_model_new();
  velm_fewshot_store(fewshot, model);
  return velm_model_serialise(model);
}

static void test_deterministic(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 6);
  g_autoptr(GBytes) first = learn_to_bytes(world);
  g_autoptr(GBytes) second = learn_to_bytes(world);
  g_assert_true(g_bytes_equal(first, second));
}

/* ---- evidence that is missing ---- */

static void test_without_reference(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  world->with_reference = TRUE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
  world->with_reference = FALSE;
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
  const char *alone = "fewshot.blend.weights", *with = "fewshot.blend_with_reference.weights";
  g_assert_cmpfloat(stored_weight(fewshot, alone, VELM_EXPERT_DIFFERENCE), ==, 0);
  g_assert_cmpfloat(stored_weight(fewshot, with, VELM_EXPERT_DIFFERENCE), >, 0);
}

/* The blend without reference is the one that would have been learnt without. */
static void test_reference_leaves_the_rest(World *world, G_GNUC_UNUSED gconstpointer data) {
  double with[3], without[3];
  gboolean unknown[2] = {FALSE};
  world->with_reference = TRUE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) taught_with = learn_three(world);
  world->with_reference = FALSE;
  for (guint i = 0; i < world->examples->len; i++)
    ((VelmSight *)g_array_index(world->examples, VelmExample, i).given)->has_difference = FALSE;
  g_autoptr(VelmFewshot) taught_without = learn_three(world);
  VelmSight *sight = see(world, 1.4);
  velm_fewshot_predict(taught_with, sight, with, &unknown[0]);
  velm_fewshot_predict(taught_without, sight, without, &unknown[1]);
  g_assert_cmpmem(with, sizeof with, without, sizeof without);
  g_assert_cmpint(unknown[0], ==, unknown[1]);
}

static void test_without_patches(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  double missing[3], foreign[3], all[3];
  gboolean unknown = FALSE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  VelmSight *sight = see(world, 0.6);
  velm_fewshot_predict(fewshot, sight, all, &unknown);
  sight->n_patch--; /* of another detector */
  velm_fewshot_predict(fewshot, sight, foreign, &unknown);
  g_clear_pointer(&sight->patch, g_free);
  velm_fewshot_predict(fewshot, sight, missing, &unknown);
  g_assert_cmpmem(missing, sizeof missing, foreign, sizeof foreign);
  g_assert_true(memcmp(missing, all, sizeof all) != 0);
  world->with_patch = FALSE;
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
}

/* What one example lacks is not learnt from. */
static void test_taught_without_patch(World *world, G_GNUC_UNUSED gconstpointer data) {
  int n_unknown = 0;
  g_autoptr(VelmModel) model = velm_model_new();
  add_classes(world, 3, 6);
  world->with_patch = FALSE;
  add(world, 1, NULL);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  velm_fewshot_store(fewshot, model);
  g_assert_false(velm_model_has(model, "fewshot.patch.mean"));
  g_assert_true(velm_model_has(model, "fewshot.crop_late.mean"));
  g_assert_cmpint(count_right(world, fewshot, 20, &n_unknown), >=, 59);
}

/* ---- unknown ---- */

static void test_unknown(World *world, gconstpointer with_reference) {
  int n_unknown = 0, n_typical = 0;
  world->with_reference = with_reference != NULL;
  world->noise = 0.3;
  add_classes(world, 3, 8);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  for (int i = 0; i < 20; i++) {
    gboolean far = FALSE, typical = FALSE;
    best_of_three(fewshot, see(world, UNSEEN_CLASS), &far);
    best_of_three(fewshot, g_array_index(world->examples, VelmExample, i).given, &typical);
    n_unknown += far ? 1 : 0;
    n_typical += typical ? 1 : 0;
  }
  g_assert_cmpint(n_unknown, >=, 18);
  g_assert_cmpint(n_typical, ==, 0); /* they are examples themselves */
}

static void test_novelty_needs_fellows(void) {
  const float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const guint d = 1;
  g_autoptr(VelmShots) shots = velm_shots_new(8, 1, 8);
  VelmView views[8];
  const VelmView *blocks[] = {views};
  for (guint i = 0; i < 8; i++) {
    views[i] = (VelmView){&values[i], i};
    shots->parts[i] = i;
  }
  g_autoptr(VelmNovelty) novelty = velm_novelty_learn(blocks, &d, 1, shots);
  const float near = 7.9F, far = 9.5F, *at_near[] = {&near}, *at_far[] = {&far};
  g_assert_nonnull(novelty);
  g_assert_false(velm_novelty_is_unknown(novelty, at_near)); /* examples lie 1 apart */
  g_assert_true(velm_novelty_is_unknown(novelty, at_far));
  for (guint i = 0; i < 8; i++)
    shots->parts[i] = 0;
  g_assert_null(velm_novelty_learn(blocks, &d, 1, shots));
}

/* ---- trust ---- */

static void add_answers(GArray *answers, double confidence, guint n, gboolean right) {
  VelmHeldBack one = {confidence, right};
  for (guint i = 0; i < n; i++)
    g_array_append_val(answers, one);
}

static void test_trust_level(void) {
  g_autoptr(GArray) answers = g_array_new(FALSE, FALSE, sizeof(VelmHeldBack));
  g_assert_true(isinf(velm_trust_level(answers, 0.95)));
  /* Seventeen right ones are one too few: 18 of 19. */
  add_answers(answers, 0.9, 17, TRUE);
  g_assert_true(isinf(velm_trust_level(answers, 0.95)));
  add_answers(answers, 0.8, 1, TRUE);
  g_assert_cmpfloat(velm_trust_level(answers, 0.95), ==, 0.8);
  /* Those that are as sure count together, whatever their order: 19 of 21. */
  add_answers(answers, 0.7, 1, FALSE);
  add_answers(answers, 0.8, 1, FALSE);
  g_assert_true(isinf(velm_trust_level(answers, 0.95)));
  /* More right ones below make up for it: 58 of 61. */
  add_answers(answers, 0.6, 38, TRUE);
  g_assert_cmpfloat(velm_trust_level(answers, 0.95), ==, 0.6);
  add_answers(answers, 0.1, 9, FALSE);
  g_assert_cmpfloat(velm_trust_level(answers, 0.95), ==, 0.6);
  g_assert_cmpfloat(velm_trust_level(answers, 0), ==, 0.1);
  g_assert_true(isinf(velm_trust_level(answers, 1)));
}

static GArray *hold_back(World *world) {
  return velm_trust_hold_back((const VelmExample *)(void *)world->examples->data,
                              world->examples->len, three_classes, FALSE);
}

static void test_trust_hold_back(World *world, G_GNUC_UNUSED gconstpointer data) {
  guint right = 0;
  add_classes(world, 3, 8);
  add(world, 1, NULL)->given = NULL; /* nothing was seen of it */
  g_autoptr(GArray) answers = hold_back(world);
  g_assert_cmpuint(answers->len, >=, 20);
  g_assert_cmpuint(answers->len, <=, 24);
  for (guint i = 0; i < answers->len; i++)
    right += g_array_index(answers, VelmHeldBack, i).right ? 1 : 0;
  g_assert_cmpuint(right, >=, answers->len - 1);
  /* Classes swapped among the same images: none is right for long. */
  for (guint i = 0; i < 24; i++)
    g_array_index(world->examples, VelmExample, i).class_index = i % 3;
  g_autoptr(GArray) swapped = hold_back(world);
  right = 0;
  for (guint i = 0; i < swapped->len; i++)
    right += g_array_index(swapped, VelmHeldBack, i).right ? 1 : 0;
  g_assert_cmpuint(right, <, 16);
}

/* All images of a class show one part: nothing is left to learn it from when that is held back. */
static void test_trust_one_part(World *world, G_GNUC_UNUSED gconstpointer data) {
  for (guint c = 0; c < 3; c++)
    for (int i = 0; i < 4; i++)
      add(world, c, three_classes[c]);
  g_autoptr(GArray) answers = hold_back(world);
  g_assert_cmpuint(answers->len, ==, 0);
}

/* ---- errors of teaching ---- */

static void test_class_without_example(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 2, 3);
  g_assert_null(learn(world, three_classes, FALSE));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_DATASET);
  g_assert_nonnull(strstr(world->error->message, "\"stain\""));
  g_clear_error(&world->error);
  add(world, 2, NULL)->given = NULL; /* nothing was seen of it */
  g_assert_null(learn(world, three_classes, FALSE));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_DATASET);
}

static void test_no_examples(World *world, G_GNUC_UNUSED gconstpointer data) {
  const char *const none[] = {NULL};
  g_assert_null(learn(world, none, FALSE));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_DATASET);
  g_clear_error(&world->error);
  add(world, 3, NULL);
  g_assert_null(learn(world, three_classes, FALSE));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_DATASET);
}

static void test_not_a_number(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 3);
  VelmSight *bad = (VelmSight *)add(world, 1, "bad part")->given;
  bad->crop[1][2] = INFINITY;
  g_assert_null(learn(world, three_classes, FALSE));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_DATASET);
  g_assert_nonnull(strstr(world->error->message, "\"bad part\""));
}

/* What the network says at inspection is not learnt from, and a number is answered all the same. */
static void test_not_a_number_shown(World *world, G_GNUC_UNUSED gconstpointer data) {
  gboolean unknown = FALSE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  VelmSight *sight = see(world, 1);
  sight->patch[3] = sight->crop[0][0] = sight->geometry[5] = NAN;
  g_assert_cmpuint(best_of_three(fewshot, sight, &unknown), ==, 1);
}

/* ---- in the model ---- */

static VelmModel *stored(World *world) {
  world->with_reference = TRUE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  VelmModel *model = velm_model_new();
  velm_model_set_int(model, "detector.kept", 1);
  velm_model_set_int(model, "fewshot.stale", 1);
  velm_fewshot_store(fewshot, model);
  return model;
}

static VelmModel *through_file(VelmModel *model) {
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  VelmModel *copy = velm_model_parse(bytes, "copy", NULL);
  g_assert_nonnull(copy);
  return copy;
}

static void test_store_and_restore(World *world, G_GNUC_UNUSED gconstpointer data) {
  world->with_reference = TRUE;
  add_classes(world, 3, 6);
  g_autoptr(VelmFewshot) fewshot = learn(world, three_classes, TRUE);
  g_autoptr(VelmModel) model = velm_model_new();
  velm_fewshot_store(fewshot, model);
  g_autoptr(VelmModel) copy = through_file(model);
  g_autoptr(VelmFewshot) restored = velm_fewshot_restore(copy, &world->error);
  g_assert_no_error(world->error);
  g_assert_true(velm_fewshot_get_detected(restored));
  g_assert_cmpstrv(velm_fewshot_get_classes(restored), three_classes);
  for (int i = 0; i < 40; i++) {
    double before[3], after[3];
    gboolean unknown[2] = {FALSE};
    world->with_reference = i % 2 == 0;
    VelmSight *sight = see(world, i * 0.1);
    velm_fewshot_predict(fewshot, sight, before, &unknown[0]);
    velm_fewshot_predict(restored, sight, after, &unknown[1]);
    g_assert_cmpmem(before, sizeof before, after, sizeof after);
    g_assert_cmpint(unknown[0], ==, unknown[1]);
  }
}

static void test_store_replaces(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmModel) model = stored(world);
  g_assert_false(velm_model_has(model, "fewshot.stale"));
  g_assert_true(velm_model_has(model, "detector.kept"));
}

/* The names that start with "fewshot.", as the file has them. */
static char **names_in(VelmModel *model) {
  g_autoptr(GBytes) file = velm_model_serialise(model);
  g_autoptr(GBytes) payload =
      g_bytes_new_from_bytes(file, HEADER_SIZE, g_bytes_get_size(file) - HEADER_SIZE);
  g_autoptr(GVariant) root =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, payload, FALSE));
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (gsize i = 0; i < g_variant_n_children(root); i++) {
    g_autoptr(GVariant) entry = g_variant_get_child_value(root, i);
    const char *name = NULL;
    g_variant_get_child(entry, 0, "&s", &name);
    if (g_str_has_prefix(name, "fewshot."))
      g_strv_builder_add(names, name);
  }
  return g_strv_builder_end(names);
}

static void assert_refused(World *world, VelmModel *model) {
  g_assert_null(velm_fewshot_restore(model, &world->error));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_MODEL);
  g_assert_nonnull(strstr(world->error->message, "\"fewshot."));
  g_assert_null(strchr(world->error->message, '\n'));
  g_clear_error(&world->error);
}

/* Each value in turn with one number less, one more, one that is none, one far too large, or of
 * another type. */
static void test_hostile_arrays(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmModel) model = stored(world);
  g_auto(GStrv) names = names_in(model);
  int n_tried = 0;
  for (char **name = names; *name; name++) {
    gsize n = 0;
    const float *values = velm_model_get_floats(model, *name, 0, &n, NULL);
    if (!values)
      continue;
    g_autoptr(VelmModel) bad = through_file(model);
    g_autofree float *changed = g_new0(float, n + 1);
    n_tried++;
    memcpy(changed, values, n * sizeof(float));
    velm_model_set_floats(bad, *name, changed, n + 1);
    assert_refused(world, bad);
    velm_model_set_floats(bad, *name, changed, n - 1);
    assert_refused(world, bad);
    changed[n - 1] = NAN;
    velm_model_set_floats(bad, *name, changed, n);
    assert_refused(world, bad);
    changed[n - 1] = 1e30F;
    velm_model_set_floats(bad, *name, changed, n);
    assert_refused(world, bad);
    velm_model_set_string(bad, *name, "text");
    assert_refused(world, bad);
  }
  g_assert_cmpint(n_tried, >, 30);
}

/* Each value missing in turn: refused, or evidence that is not learnt from, but never a crash. */
static void test_hostile_gaps(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmModel) model = stored(world);
  g_auto(GStrv) names = names_in(model);
  int n_refused = 0;
  for (char **name = names; *name; name++) {
    g_autoptr(VelmModel) gap = through_file(model);
    gboolean unknown = FALSE;
    velm_model_remove_prefix(gap, *name);
    g_autoptr(VelmFewshot) fewshot = velm_fewshot_restore(gap, &world->error);
    if (fewshot) {
      best_of_three(fewshot, see(world, 1), &unknown);
      continue;
    }
    g_assert_error(world->error, VELM_ERROR, VELM_ERROR_MODEL);
    g_clear_error(&world->error);
    n_refused++;
  }
  g_assert_cmpint(n_refused, >, 20);
}

static void test_hostile_values(World *world, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *name;
    float value;
  } cases[] = {{"fewshot.blend.temperature", 0},
               {"fewshot.blend.temperature", 100},
               {"fewshot.novelty.0.radius", 0},
               {"fewshot.novelty.threshold", -1}};
  g_autoptr(VelmModel) model = stored(world);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmModel) bad = through_file(model);
    velm_model_set_floats(bad, cases[i].name, &cases[i].value, 1);
    assert_refused(world, bad);
  }
  static const char *const arrays[] = {"fewshot.patch.deviation", "fewshot.geometry.spread",
                                       "fewshot.blend.weights"};
  for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++) {
    g_autoptr(VelmModel) bad = through_file(model);
    gsize n = 0;
    const float *values = velm_model_get_floats(bad, arrays[i], 0, &n, NULL);
    g_autofree float *changed = g_memdup2(values, n * sizeof(float));
    changed[0] = -0.5F;
    velm_model_set_floats(bad, arrays[i], changed, n);
    assert_refused(world, bad);
  }
}

static void test_hostile_classes(World *world, G_GNUC_UNUSED gconstpointer data) {
  static const char *const none[] = {NULL}, *const twice[] = {"a", "b", "a", NULL},
                           *const empty[] = {"a", "", "b", NULL},
                           *const more[] = {"a", "b", "c", "d", NULL};
  static const char *const *const lists[] = {none, twice, empty, more};
  g_autoptr(VelmModel) model = stored(world);
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    velm_model_set_strv(model, "fewshot.classes", lists[i]);
    assert_refused(world, model);
  }
}

/* Sizes that agree with each other and with nothing else. */
static void test_foreign_sizes(World *world, G_GNUC_UNUSED gconstpointer data) {
  static const float one[] = {1, 1}, row[] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
  g_autoptr(VelmModel) model = stored(world);
  gboolean unknown = FALSE;
  velm_model_set_floats(model, "fewshot.appearance.mean", one, 2);
  velm_model_set_floats(model, "fewshot.appearance.deviation", one, 2);
  velm_model_set_floats(model, "fewshot.appearance.weights", row, 9);
  g_autoptr(VelmFewshot) fewshot = velm_fewshot_restore(model, &world->error);
  g_assert_no_error(world->error);
  g_assert_cmpuint(best_of_three(fewshot, see(world, 1), &unknown), ==, 1);
}

/* ---- the answer ---- */

static VelmClasses *classes_of(const char *const *keys) {
  VelmClasses *classes = velm_classes_new();
  for (; *keys; keys++)
    velm_classes_add(classes, *keys, NULL, NULL);
  return classes;
}

static void test_answer(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 8);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("x.png");
  inspection->class_name = g_strdup("earlier");
  inspection->reason = g_strdup("earlier");
  const VelmSight *sight = g_array_index(world->examples, VelmExample, 9).given;
  g_assert_true(velm_fewshot_answer(fewshot, NULL, sight, inspection, &world->error));
  g_assert_cmpstr(inspection->class_name, ==, "scratch");
  g_assert_cmpstr(inspection->classifier, ==, "fewshot");
  g_assert_cmpstrv(inspection->class_names, three_classes);
  assert_probabilities(inspection->probabilities, 3);
  g_assert_cmpfloat(inspection->confidence, ==, inspection->probabilities[1]);
  g_assert_null(inspection->reason);
}

static void test_answer_within_spec(World *world, G_GNUC_UNUSED gconstpointer data) {
  static const char *const keys[] = {"stain", "rust", "dent", NULL};
  static const char *const expected[] = {"dent", "stain", NULL};
  double all[3];
  gboolean unknown = FALSE;
  add_classes(world, 3, 8);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_autoptr(VelmClasses) classes = classes_of(keys);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("x.png");
  const VelmSight *sight = g_array_index(world->examples, VelmExample, 9).given;
  velm_fewshot_predict(fewshot, sight, all, &unknown);
  g_assert_true(velm_fewshot_answer(fewshot, classes, sight, inspection, &world->error));
  g_assert_cmpstrv(inspection->class_names, expected);
  assert_probabilities(inspection->probabilities, 2);
  g_assert_cmpfloat_with_epsilon(inspection->probabilities[0], all[0] / (all[0] + all[2]), 1e-9);
  g_assert_cmpstr(inspection->class_name, ==, all[0] > all[2] ? "dent" : "stain");
}

static void test_answer_unknown(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 8);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("x.png");
  world->noise = 4;
  g_assert_true(
      velm_fewshot_answer(fewshot, NULL, see(world, UNSEEN_CLASS), inspection, &world->error));
  const double *p = inspection->probabilities;
  g_assert_cmpstr(inspection->class_name, ==, VELM_CLASS_UNKNOWN);
  g_assert_cmpfloat(inspection->confidence, ==, MAX(p[0], MAX(p[1], p[2])));
  assert_probabilities(p, 3);
}

static void test_answer_without_classes(World *world, G_GNUC_UNUSED gconstpointer data) {
  static const char *const keys[] = {"rust", NULL};
  add_classes(world, 3, 3);
  g_autoptr(VelmFewshot) fewshot = learn_three(world);
  g_autoptr(VelmClasses) classes = classes_of(keys);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("x.png");
  g_assert_false(velm_fewshot_answer(fewshot, classes, see(world, 1), inspection, &world->error));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_MODEL);
  g_assert_nonnull(strstr(world->error->message, "dent, scratch, stain"));
}

/* ---- the table ---- */

static void test_table(World *world, G_GNUC_UNUSED gconstpointer data) {
  const VelmClassifierParams params = {0};
  g_autoptr(VelmModel) model = velm_model_new();
  g_assert_true(velm_classifier_find("fewshot") == &velm_classifier_fewshot);
  g_assert_nonnull(velm_classifier_find("mllm"));
  g_assert_null(velm_classifier_find("oracle"));
  g_assert_null(velm_classifier_open("oracle", model, NULL, &params, &world->error));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_nonnull(strstr(world->error->message, "fewshot, mllm"));
  g_clear_error(&world->error);
  g_assert_null(velm_classifier_open("fewshot", model, NULL, &params, &world->error));
  g_assert_error(world->error, VELM_ERROR, VELM_ERROR_MODEL);
  g_assert_nonnull(strstr(world->error->message, "velm teach"));
}

/* With the network that looks at crops. Its features are not what was taught, so the measures alone
 * decide. */
static void test_classify(World *world, G_GNUC_UNUSED gconstpointer data) {
  const VelmClassifierParams params = {0};
  g_autoptr(VelmModel) model = stored(world);
  g_autoptr(VelmClassifier) classifier =
      velm_classifier_open("fewshot", model, NULL, &params, &world->error);
  g_assert_no_error(world->error);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("x.png");
  inspection->image = velm_image_new(64, 48);
  g_assert_true(velm_classifier_classify(classifier, inspection, &world->error));
  g_assert_null(inspection->class_name); /* nothing was marked */
  inspection->focus = velm_mask_new(64, 48);
  memset(inspection->focus->values + 20 * 64 + 10, 255, 30);
  g_assert_true(velm_classifier_classify(classifier, inspection, &world->error));
  g_assert_no_error(world->error);
  g_assert_nonnull(inspection->class_name);
  assert_probabilities(inspection->probabilities, 3);
}

#define ADD(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/shots/weights", test_weights);
  g_test_add_func("/shots/folds", test_folds);
  g_test_add_func("/standardiser", test_standardiser);
  g_test_add_func("/logistic/minimum", test_logistic_minimum);
  g_test_add_func("/part-gaussian/by-hand", test_part_gaussian);
  g_test_add_func("/part-gaussian/counts-parts", test_part_gaussian_counts_parts);
  g_test_add_func("/blend/trusts-who-is-right", test_blend_trusts_who_is_right);
  g_test_add_func("/blend/cools", test_blend_cools);
  g_test_add_func("/blend/too-few", test_blend_of_too_few);
  g_test_add_func("/blend/part-bonus", test_part_bonus);
  g_test_add_func("/novelty/fellows", test_novelty_needs_fellows);
  g_test_add_func("/trust/level", test_trust_level);
  ADD("/trust/hold-back", test_trust_hold_back);
  ADD("/trust/one-part", test_trust_one_part);
  ADD("/learn/separable", test_separable);
  ADD("/learn/flips-and-regions", test_flips_and_regions);
  ADD("/learn/what-teaches-geometry", test_what_teaches_geometry);
  ADD("/learn/one-sided-examples", test_one_sided_examples);
  ADD("/learn/single-example", test_single_example);
  ADD("/learn/single-examples-only", test_single_examples_only);
  ADD("/learn/one-class", test_one_class);
  ADD("/learn/parts-held-back-together", test_parts_held_back_together);
  ADD("/learn/duplicates", test_duplicates);
  ADD("/learn/all-alike", test_all_alike);
  ADD("/learn/deterministic", test_deterministic);
  ADD("/learn/class-without-example", test_class_without_example);
  ADD("/learn/no-examples", test_no_examples);
  ADD("/learn/not-a-number", test_not_a_number);
  ADD("/missing/reference", test_without_reference);
  ADD("/missing/reference-leaves-the-rest", test_reference_leaves_the_rest);
  ADD("/missing/patches", test_without_patches);
  ADD("/missing/taught-without-patch", test_taught_without_patch);
  ADD("/missing/not-a-number", test_not_a_number_shown);
  g_test_add("/unknown/alone", World, NULL, set_up, test_unknown, tear_down);
  g_test_add("/unknown/with-reference", World, "yes", set_up, test_unknown, tear_down);
  ADD("/model/store-and-restore", test_store_and_restore);
  ADD("/model/store-replaces", test_store_replaces);
  ADD("/model/hostile-arrays", test_hostile_arrays);
  ADD("/model/hostile-gaps", test_hostile_gaps);
  ADD("/model/hostile-values", test_hostile_values);
  ADD("/model/hostile-classes", test_hostile_classes);
  ADD("/model/foreign-sizes", test_foreign_sizes);
  ADD("/answer/all", test_answer);
  ADD("/answer/within-spec", test_answer_within_spec);
  ADD("/answer/unknown", test_answer_unknown);
  ADD("/answer/without-classes", test_answer_without_classes);
  ADD("/classifier/table", test_table);
  ADD("/classifier/classify", test_classify);
  return g_test_run();
}
