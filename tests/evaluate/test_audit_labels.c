#include "core/scratch.h"
#include "dataset/procedural.h"
#include "evaluate/audit_labels.h"
#include "evaluate/part_labels.h"

#include <math.h>
#include <string.h>

#define N_FEATURES 16

/* ---- a world of made-up images ---- */

/* An image as it was made: what it shows, whatever its label says. */
typedef struct {
  VelmSample *sample;
  guint truth;
} Made;

typedef struct {
  GRand *rand;
  VelmDataset dataset;
  GPtrArray *seen, *samples; /* own what is in them */
  GArray *made;              /* of Made */
  double class_spread, part_spread, noise;
  GError *error;
} World;

static const char *const classes[] = {"dent", "scratch", "stain", NULL};

static void set_up(World *world, G_GNUC_UNUSED gconstpointer data) {
  world->rand = g_rand_new_with_seed(3);
  world->seen = g_ptr_array_new_with_free_func((GDestroyNotify)velm_label_seen_free);
  world->samples = g_ptr_array_new_with_free_func((GDestroyNotify)velm_sample_free);
  world->made = g_array_new(FALSE, FALSE, sizeof(Made));
  world->dataset = (VelmDataset){.directory = (char *)"/parts", .test = world->samples};
  world->class_spread = 1;
  world->part_spread = 0.3;
  world->noise = 0.4;
}

static void tear_down(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&world->error);
  g_rand_free(world->rand);
  g_ptr_array_unref(world->seen);
  g_ptr_array_unref(world->samples);
  g_array_unref(world->made);
}

/* Nearly normal. */
static double normal(GRand *rand) {
  double sum = -6;
  for (int i = 0; i < 12; i++)
    sum += g_rand_double(rand);
  return sum;
}

/* Numbers that classes share, and within them parts, which have their own seed. */
static void fill(World *world, float *values, int n, guint class_index, guint part) {
  g_autoptr(GRand) of_part = g_rand_new_with_seed(1000 + part);
  for (int k = 0; k < n; k++)
    values[k] = (float)(world->class_spread * sin(1.7 * class_index + 0.9 * k) +
                        world->part_spread * normal(of_part) + world->noise * normal(world->rand));
}

static VelmSight *look(World *world, guint class_index, guint part) {
  VelmSight *sight = g_new0(VelmSight, 1);
  fill(world, sight->geometry, VELM_N_GEOMETRY, class_index, part);
  fill(world, sight->appearance, VELM_N_APPEARANCE, class_index, part);
  sight->n_crop = N_FEATURES;
  sight->n_views = 1;
  for (int layer = 0; layer < 2; layer++) {
    sight->crop[layer] = g_new0(float, N_FEATURES);
    fill(world, sight->crop[layer], N_FEATURES, class_index, part);
  }
  return sight;
}

/* An image that shows @truth and is labelled @label. */
static VelmLabelSeen *add(World *world, guint truth, const char *label, guint part) {
  g_autofree char *path = g_strdup_printf("/parts/test/%s/%03u.png", label, world->samples->len);
  g_autofree char *group = g_strdup_printf("part %u", part);
  VelmSample *sample = velm_sample_new(path, label, group);
  VelmLabelSeen *seen = g_new0(VelmLabelSeen, 1);
  seen->sample = sample;
  seen->given = look(world, truth, part);
  g_ptr_array_add(world->samples, sample);
  g_ptr_array_add(world->seen, seen);
  Made made = {sample, truth};
  g_array_append_val(world->made, made);
  return seen;
}

/* @n_parts parts a class, of @n_views images each. */
static void add_classes(World *world, guint n_classes, guint n_parts, guint n_views) {
  for (guint c = 0; c < n_classes; c++)
    for (guint p = 0; p < n_parts; p++)
      for (guint v = 0; v < n_views; v++)
        add(world, c, classes[c], c * n_parts + p);
}

static void relabel(World *world, guint i, const char *label) {
  VelmSample *sample = g_ptr_array_index(world->samples, i);
  g_free(sample->label);
  sample->label = g_strdup(label);
}

/* The next class for every @step-th image, from @first on. */
static void exchange(World *world, guint first, guint step) {
  for (guint i = first; i < world->made->len; i += step)
    relabel(world, i, classes[(g_array_index(world->made, Made, i).truth + 1) % 3]);
}

static VelmLabelRanking *rank(World *world) {
  VelmLabelRanking *ranking =
      velm_label_ranking(world->seen, classes, 0, NULL, NULL, &world->error);
  g_assert_no_error(world->error);
  g_assert_cmpstrv(ranking->classes, classes);
  return ranking;
}

static const VelmLabelDoubt *doubt_at(const VelmLabelRanking *ranking, guint i) {
  return &g_array_index(ranking->doubts, VelmLabelDoubt, i);
}

static const VelmLabelDoubt *doubt_of(const VelmLabelRanking *ranking, const VelmSample *sample) {
  for (guint i = 0; i < ranking->doubts->len; i++)
    if (doubt_at(ranking, i)->sample == sample)
      return doubt_at(ranking, i);
  g_assert_not_reached();
}

static guint truth_of(const World *world, const VelmSample *sample) {
  for (guint i = 0; i < world->made->len; i++)
    if (g_array_index(world->made, Made, i).sample == sample)
      return g_array_index(world->made, Made, i).truth;
  g_assert_not_reached();
}

static guint count_suspects(const VelmLabelRanking *ranking) {
  guint n = 0;
  for (guint i = 0; i < ranking->doubts->len; i++)
    n += velm_label_is_suspect(doubt_at(ranking, i));
  return n;
}

static VelmAudit *audit_of(World *world) {
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  VelmAudit *audit = velm_audit_new(&world->dataset);
  velm_audit_label_ranking(ranking, audit);
  velm_audit_sort(audit);
  return audit;
}

/* The nth finding of @kind, or NULL. */
static const VelmFinding *finding_at(const VelmAudit *audit, VelmAuditKind kind, guint nth) {
  for (guint i = 0; i < audit->findings->len; i++) {
    const VelmFinding *finding = g_ptr_array_index(audit->findings, i);
    if (finding->kind == kind && nth-- == 0)
      return finding;
  }
  return NULL;
}

/* ---- labels of parts ---- */

static void test_part_labels_agree(void) {
  static const guint labels[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1};
  static const guint parts[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4};
  g_autoptr(VelmPartLabels) learnt = velm_part_labels_learn(labels, parts, 13, 2, 5);
  double factors[2];
  double a = velm_part_labels_get_concentration(learnt), share[] = {7 / 15.0, 8 / 15.0};
  g_assert_cmpfloat_with_epsilon(a, 0.01, 1e-9);
  velm_part_labels_weigh(learnt, 4, factors);
  g_assert_cmpfloat_with_epsilon(factors[0], a / (3 + a), 1e-12);
  g_assert_cmpfloat_with_epsilon(factors[1], (3 + a * share[1]) / (3 + a) / share[1], 1e-12);
  velm_part_labels_weigh(learnt, 12, factors);
  g_assert_cmpfloat_with_epsilon(factors[0], 1, 1e-12);
  g_assert_cmpfloat_with_epsilon(factors[1], 1, 1e-12);
}

static void test_part_labels_count(void) {
  static const guint labels[] = {0, 1, 1, 2, 0};
  static const guint parts[] = {0, 0, 0, 0, 1};
  g_autoptr(VelmPartLabels) learnt = velm_part_labels_learn(labels, parts, 5, 3, 2);
  g_assert_cmpuint(velm_part_labels_count_all(learnt, 1), ==, 3);
  g_assert_cmpuint(velm_part_labels_count(learnt, 1, 0), ==, 1);
  g_assert_cmpuint(velm_part_labels_count(learnt, 1, 1), ==, 1);
  g_assert_cmpuint(velm_part_labels_count(learnt, 1, 2), ==, 1);
  g_assert_cmpuint(velm_part_labels_count_all(learnt, 4), ==, 0);
}

/* Labels that ignore the part tell nothing; with a few strays they still tell much. */
static void test_part_labels_differ(void) {
  enum { N = 240 };
  guint labels[N], parts[N];
  double factors[3];
  g_autoptr(GRand) rand = g_rand_new_with_seed(1);
  for (guint i = 0; i < N; i++) {
    labels[i] = (guint)g_rand_int_range(rand, 0, 3);
    parts[i] = i / 6;
  }
  g_autoptr(VelmPartLabels) mixed = velm_part_labels_learn(labels, parts, N, 3, N / 6);
  for (guint i = 0; i < N; i++) {
    velm_part_labels_weigh(mixed, i, factors);
    for (guint c = 0; c < 3; c++)
      g_assert_true(factors[c] > 0.5 && factors[c] < 2);
  }
  for (guint i = 0; i < N; i++)
    labels[i] = i % 20 == 0 ? (i / 6 + 1) % 3 : (i / 6) % 3;
  g_autoptr(VelmPartLabels) strays = velm_part_labels_learn(labels, parts, N, 3, N / 6);
  velm_part_labels_weigh(strays, 20, factors); /* of part 3, labelled 1 */
  g_assert_cmpfloat(factors[0], >, 2);
  g_assert_cmpfloat(factors[1], <, 0.2);
}

/* ---- cross-validated answers ---- */

static GArray *examples_of(const World *world) {
  GArray *examples = g_array_new(FALSE, FALSE, sizeof(VelmExample));
  for (guint i = 0; i < world->made->len; i++) {
    const VelmLabelSeen *seen = g_ptr_array_index(world->seen, i);
    guint label = 0;
    while (!g_str_equal(classes[label], seen->sample->label))
      label++;
    VelmExample example = {.given = seen->given, .class_index = label};
    example.part = seen->sample->group;
    g_array_append_val(examples, example);
  }
  return examples;
}

static VelmCrossAnswers *answers_of(World *world, const VelmCrossParams *params) {
  g_autoptr(GArray) examples = examples_of(world);
  return velm_cross_answers((const VelmExample *)(void *)examples->data, examples->len, classes,
                            FALSE, params, &world->error);
}

/* Share of judged images whose label is the most probable class. */
static double share_right(const World *world, const VelmCrossAnswers *answers) {
  guint right = 0, n = 0;
  for (guint i = 0; i < answers->n; i++) {
    const double *row = answers->probabilities + (gsize)i * answers->n_classes;
    const VelmSample *sample = g_ptr_array_index(world->samples, i);
    guint best = 0;
    for (guint c = 1; c < answers->n_classes; c++)
      best = row[c] > row[best] ? c : best;
    n += answers->judged[i];
    right += answers->judged[i] && g_str_equal(classes[best], sample->label);
  }
  return right / (double)n;
}

static void test_answers(World *world, G_GNUC_UNUSED gconstpointer data) {
  VelmCrossParams params = velm_cross_params_default();
  add_classes(world, 3, 6, 2);
  g_autoptr(VelmCrossAnswers) answers = answers_of(world, &params);
  g_autoptr(VelmCrossAnswers) again = answers_of(world, &params);
  g_assert_no_error(world->error);
  g_assert_cmpuint(answers->n, ==, 36);
  g_assert_cmpuint(answers->n_classes, ==, 3);
  for (guint i = 0; i < answers->n; i++) {
    const double *row = answers->probabilities + 3 * (gsize)i;
    g_assert_true(answers->judged[i]);
    g_assert_cmpfloat_with_epsilon(row[0] + row[1] + row[2], 1, 1e-9);
  }
  g_assert_cmpmem(answers->probabilities, 36 * 3 * sizeof(double), again->probabilities,
                  36 * 3 * sizeof(double));
  g_assert_cmpfloat(share_right(world, answers), >, 0.95);
}

/* Images that have nothing in common but their part: had the classifier seen it, it would know
 * their label. */
static void test_answers_keep_parts_apart(World *world, G_GNUC_UNUSED gconstpointer data) {
  VelmCrossParams params = velm_cross_params_default();
  world->class_spread = 0;
  world->part_spread = 2;
  world->noise = 0.05;
  add_classes(world, 3, 8, 4);
  g_autoptr(VelmCrossAnswers) answers = answers_of(world, &params);
  g_assert_no_error(world->error);
  g_assert_cmpfloat(share_right(world, answers), <, 0.6);
  for (guint i = 0; i < world->samples->len; i++) { /* parts of one image each: now it does */
    VelmSample *sample = g_ptr_array_index(world->samples, i);
    g_free(sample->group);
    sample->group = g_strdup_printf("image %u", i);
  }
  g_autoptr(VelmCrossAnswers) leaked = answers_of(world, &params);
  g_assert_no_error(world->error);
  g_assert_cmpfloat(share_right(world, leaked), >, 0.9);
}

static void test_answers_of_single_part(World *world, G_GNUC_UNUSED gconstpointer data) {
  VelmCrossParams params = velm_cross_params_default();
  add_classes(world, 2, 6, 2);
  add(world, 2, "stain", 100);
  add(world, 2, "stain", 100);
  g_autoptr(VelmCrossAnswers) answers = answers_of(world, &params);
  g_assert_no_error(world->error);
  for (guint i = 0; i < 24; i++)
    g_assert_true(answers->judged[i]);
  g_assert_false(answers->judged[24] || answers->judged[25]);
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  g_assert_cmpuint(ranking->doubts->len, ==, 26);
  for (guint i = 24; i < 26; i++) {
    g_assert_true(isnan(doubt_at(ranking, i)->score));
    g_assert_false(velm_label_is_suspect(doubt_at(ranking, i)));
    g_assert_cmpuint(doubt_at(ranking, i)->label, ==, 2);
  }
}

static gboolean stop_at_fourth(const char *stage, gsize done, gsize total, gpointer user_data) {
  g_assert_cmpstr(stage, ==, "labels");
  g_assert_cmpuint(total, ==, 15);
  *(gsize *)user_data = done;
  return done < 4;
}

static void test_answers_stop(World *world, G_GNUC_UNUSED gconstpointer data) {
  VelmCrossParams params = velm_cross_params_default();
  gsize done = 0;
  params.progress = stop_at_fourth;
  params.progress_data = &done;
  add_classes(world, 3, 5, 1);
  g_assert_null(answers_of(world, &params));
  assert_failure(&world->error, VELM_ERROR_CANCELLED, "stopped");
  g_assert_cmpuint(done, ==, 4);
}

static void test_answers_not_a_number(World *world, G_GNUC_UNUSED gconstpointer data) {
  VelmCrossParams params = velm_cross_params_default();
  add_classes(world, 3, 5, 1);
  ((VelmLabelSeen *)g_ptr_array_index(world->seen, 2))->given->geometry[4] = NAN;
  g_assert_null(answers_of(world, &params));
  assert_failure(&world->error, VELM_ERROR_DATASET, "\"part 2\"");
}

/* ---- ranking ---- */

static void test_clean(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 8, 3);
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  g_assert_cmpuint(ranking->doubts->len, ==, 72);
  g_assert_cmpuint(count_suspects(ranking), ==, 0);
  g_autoptr(VelmAudit) audit = audit_of(world);
  g_assert_cmpuint(audit->findings->len, ==, 0);
}

/* By looks alone: every image is a part of its own. */
static void test_exchanged(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 24, 1);
  exchange(world, 5, 18);
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  g_assert_cmpuint(ranking->doubts->len, ==, 72);
  for (guint i = 0; i < 4; i++) {
    const VelmLabelDoubt *doubt = doubt_at(ranking, i);
    g_assert_cmpuint(doubt->other, ==, truth_of(world, doubt->sample));
    g_assert_cmpuint(doubt->label, ==, (doubt->other + 1) % 3);
    g_assert_cmpuint(doubt->n_siblings, ==, 0);
    g_assert_true(velm_label_is_suspect(doubt));
    g_assert_cmpfloat_with_epsilon(doubt->p_label, doubt->looks[doubt->label], 1e-9);
    g_assert_cmpfloat_with_epsilon(doubt->score, 1 - doubt->p_label, 1e-12);
  }
  for (guint i = 1; i < 72; i++)
    g_assert_cmpfloat(doubt_at(ranking, i)->score, <=, doubt_at(ranking, i - 1)->score);
  g_assert_cmpuint(count_suspects(ranking), <=, 6);
}

/* Nothing can be seen of the class: the part's other images decide. */
static void test_siblings(World *world, G_GNUC_UNUSED gconstpointer data) {
  world->class_spread = 0;
  add_classes(world, 3, 8, 6);
  relabel(world, 8, "stain"); /* the third of part 1 */
  const VelmSample *stray = g_ptr_array_index(world->samples, 8);
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  const VelmLabelDoubt *doubt = doubt_at(ranking, 0);
  g_assert_true(doubt->sample == stray);
  g_assert_cmpstr(classes[doubt->other], ==, "dent");
  g_assert_cmpuint(doubt->n_siblings, ==, 5);
  g_assert_cmpuint(doubt->n_siblings_other, ==, 5);
  g_assert_cmpfloat(doubt->p_label, <, 0.05);
  g_assert_cmpfloat(doubt->looks[doubt->label], >, 0.05);
  g_assert_cmpuint(count_suspects(ranking), ==, 1);
}

static void test_siblings_finding(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 8, 6);
  relabel(world, 8, "stain");
  g_autoptr(VelmAudit) audit = audit_of(world);
  g_assert_cmpuint(audit->findings->len, ==, 1);
  const VelmFinding *finding = g_ptr_array_index(audit->findings, 0);
  g_assert_cmpint(finding->kind, ==, VELM_AUDIT_SUSPECT_LABEL);
  g_assert_cmpstr(finding->label, ==, "stain");
  g_assert_cmpstr(finding->other, ==, "dent");
  g_assert_true(g_str_has_prefix(finding->message, "probably dent (1.00), not stain (0.00): "));
  g_assert_true(
      g_str_has_suffix(finding->message, "5 of the part's 5 other images are labelled dent"));
  g_assert_cmpuint(finding->paths->len, ==, 4);
  g_assert_cmpstr(g_ptr_array_index(finding->paths, 0), ==, "test/dent/008.png");
  for (guint i = 1; i < 4; i++) { /* of part 1 */
    const char *path = g_ptr_array_index(finding->paths, i);
    guint64 number = g_ascii_strtoull(path + strlen("test/dent/"), NULL, 10);
    g_assert_true(number >= 6 && number < 12 && number != 8);
  }
}

static void test_looks_finding(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 24, 1);
  relabel(world, 30, "dent");
  g_autoptr(VelmAudit) audit = audit_of(world);
  g_assert_cmpuint(audit->findings->len, >=, 1);
  const VelmFinding *finding = g_ptr_array_index(audit->findings, 0);
  g_assert_cmpstr(finding->label, ==, "dent");
  g_assert_cmpstr(finding->other, ==, "scratch");
  g_assert_true(g_str_has_prefix(finding->message, "looks like scratch ("));
  g_assert_nonnull(strstr(finding->message, "), not dent ("));
  g_assert_cmpuint(finding->paths->len, ==, 1);
  g_assert_cmpstr(g_ptr_array_index(finding->paths, 0), ==, "test/scratch/030.png");
}

/* Parts that show several classes: what their other images are labelled is no reason. */
static void test_mixed_parts(World *world, G_GNUC_UNUSED gconstpointer data) {
  for (guint i = 0; i < 90; i++)
    add(world, i % 3, classes[i % 3], i / 6);
  relabel(world, 31, "dent");
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  const VelmLabelDoubt *doubt = doubt_at(ranking, 0);
  g_assert_cmpuint(doubt->n_siblings, ==, 5);
  g_assert_true(doubt->sample == g_ptr_array_index(world->samples, 31));
  g_assert_cmpfloat_with_epsilon(doubt->p_label, doubt->looks[doubt->label], 0.03);
  g_assert_cmpuint(count_suspects(ranking), <=, 2);
}

static void test_other_labels_left_out(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 2, 6, 1);
  add(world, 0, "rust", 50);
  g_autoptr(VelmLabelRanking) ranking = rank(world);
  g_assert_cmpuint(ranking->doubts->len, ==, 12);
  for (guint i = 0; i < 12; i++)
    g_assert_cmpfloat(doubt_at(ranking, i)->looks[2], ==, 0); /* there is no stain */
}

static void test_nothing_to_rank(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLabelRanking) none = rank(world);
  g_assert_cmpuint(none->doubts->len, ==, 0);
  add_classes(world, 1, 6, 1);
  g_autoptr(VelmLabelRanking) one = rank(world);
  g_assert_cmpuint(one->doubts->len, ==, 6);
  g_assert_true(isnan(doubt_at(one, 0)->score));
}

/* ---- images without a mask ---- */

static void drop_mask(World *world, guint i) {
  VelmLabelSeen *seen = g_ptr_array_index(world->seen, i);
  velm_sight_free(seen->given);
  seen->given = NULL;
}

/* Every image is also seen without its mask, in numbers that are nothing like those of masks. */
static void see_without_masks(World *world) {
  for (guint i = 0; i < world->seen->len; i++)
    ((VelmLabelSeen *)g_ptr_array_index(world->seen, i))->detected =
        look(world, 2 - g_array_index(world->made, Made, i).truth, 500 + i);
}

static void test_some_masks(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 20, 1);
  for (guint i = 0; i < 60; i += 4)
    drop_mask(world, i);
  relabel(world, 6, "stain"); /* has a mask */
  g_autoptr(VelmLabelRanking) masked = rank(world);
  see_without_masks(world);
  relabel(world, 28, "stain"); /* has none */
  g_autoptr(VelmLabelRanking) all = rank(world);
  g_assert_cmpuint(all->doubts->len, ==, 60);
  g_assert_true(velm_label_is_suspect(doubt_of(all, g_ptr_array_index(world->samples, 6))));
  g_assert_true(velm_label_is_suspect(doubt_of(all, g_ptr_array_index(world->samples, 28))));
  g_assert_cmpuint(count_suspects(all), <=, 3);
  for (guint i = 0; i < 60; i++) { /* images with a mask are judged by those alone */
    const VelmLabelDoubt *alone = doubt_of(masked, g_ptr_array_index(world->samples, i));
    const VelmLabelDoubt *among = doubt_of(all, g_ptr_array_index(world->samples, i));
    g_assert_true(isnan(alone->score) == (i % 4 == 0));
    g_assert_false(isnan(among->score));
    if (i % 4 != 0)
      g_assert_cmpmem(alone->looks, 3 * sizeof(double), among->looks, 3 * sizeof(double));
  }
}

/* Masks of fewer than half are not used. */
static void test_few_masks(World *world, G_GNUC_UNUSED gconstpointer data) {
  add_classes(world, 3, 20, 1);
  see_without_masks(world);
  for (guint i = 0; i < 60; i++)
    if (i % 3 != 0)
      drop_mask(world, i);
  g_autoptr(VelmLabelRanking) few = rank(world);
  for (guint i = 0; i < 60; i++)
    drop_mask(world, i);
  g_autoptr(VelmLabelRanking) none = rank(world);
  for (guint i = 0; i < 60; i++)
    g_assert_cmpfloat(doubt_at(few, i)->score, ==, doubt_at(none, i)->score);
}

/* ---- inseparable classes ---- */

/* One class, its parts dealt to two labels. */
static void test_split_class(World *world, G_GNUC_UNUSED gconstpointer data) {
  for (guint part = 0; part < 40; part++)
    for (guint view = 0; view < 2; view++)
      add(world, 0, part % 2 ? "scratch" : "dent", part);
  for (guint part = 40; part < 60; part++)
    for (guint view = 0; view < 2; view++)
      add(world, 2, "stain", part);
  g_autoptr(VelmAudit) audit = audit_of(world);
  const VelmFinding *finding = finding_at(audit, VELM_AUDIT_INSEPARABLE, 0);
  g_assert_nonnull(finding);
  g_assert_null(finding_at(audit, VELM_AUDIT_INSEPARABLE, 1));
  g_assert_cmpstr(finding->label, ==, "dent");
  g_assert_cmpstr(finding->other, ==, "scratch");
  g_assert_true(finding->score > 0.3 && finding->score < 0.7);
  g_assert_cmpuint(finding->paths->len, ==, 6);
  g_assert_true(g_str_has_prefix(g_ptr_array_index(finding->paths, 0), "test/dent/"));
  g_assert_true(g_str_has_prefix(g_ptr_array_index(finding->paths, 3), "test/scratch/"));
  g_assert_nonnull(strstr(finding->message, "where chance is 0.50"));
}

/* Dents and scratches, as many parts each of one image; the first @n_right of each look like what
 * they are. */
static VelmLabelRanking *rank_by_hand(World *world, guint n_parts, guint n_right) {
  VelmLabelRanking *ranking = g_new0(VelmLabelRanking, 1);
  ranking->classes = g_strdupv((char **)classes);
  ranking->n_classes = 3;
  ranking->doubts = g_array_new(FALSE, TRUE, sizeof(VelmLabelDoubt));
  ranking->answers = velm_cross_answers_new(2 * (gsize)n_parts, 3);
  for (guint i = 0; i < 2 * n_parts; i++) {
    double *looks = ranking->answers->probabilities + 3 * (gsize)i;
    guint label = i / n_parts;
    gboolean right = i % n_parts < n_right;
    looks[label] = right ? 0.5 : 0.3;
    looks[1 - label] = right ? 0.3 : 0.5;
    looks[2] = 0.2;
    VelmLabelDoubt doubt = {.sample = add(world, label, classes[label], i)->sample,
                            .label = label,
                            .looks = looks,
                            .p_label = looks[label],
                            .score = 1 - looks[label]};
    g_array_append_val(ranking->doubts, doubt);
  }
  return ranking;
}

/* The score where the pair is named, else 0. */
static double pair_score(World *world, const VelmLabelRanking *ranking) {
  g_autoptr(VelmAudit) audit = velm_audit_new(&world->dataset);
  velm_audit_label_ranking(ranking, audit);
  const VelmFinding *finding = finding_at(audit, VELM_AUDIT_INSEPARABLE, 0);
  return finding ? finding->score : 0;
}

/* Two in three are right in both: of 12 images that may be chance, of 150 it is not. */
static void test_pair_interval(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLabelRanking) small = rank_by_hand(world, 6, 4);
  g_autoptr(VelmLabelRanking) large = rank_by_hand(world, 75, 50);
  g_autoptr(VelmLabelRanking) better = rank_by_hand(world, 75, 60);
  g_assert_cmpfloat(pair_score(world, small), ==, 0);
  g_assert_cmpfloat_with_epsilon(pair_score(world, large), 1 / 3.0, 1e-9);
  g_assert_cmpfloat(pair_score(world, better), ==, 0);
}

static void test_pair_of_few_parts(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLabelRanking) four = rank_by_hand(world, 4, 0);
  g_autoptr(VelmLabelRanking) five = rank_by_hand(world, 5, 0);
  g_assert_cmpfloat(pair_score(world, four), ==, 0);
  g_assert_cmpfloat(pair_score(world, five), ==, 1);
}

/* Suspect labels do not count: without them four parts of a class are left. */
static void test_pair_of_suspects(World *world, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLabelRanking) ranking = rank_by_hand(world, 5, 0);
  g_array_index(ranking->doubts, VelmLabelDoubt, 7).p_label = 0.049;
  g_assert_cmpfloat(pair_score(world, ranking), ==, 0);
  g_array_index(ranking->doubts, VelmLabelDoubt, 7).p_label = 0.051;
  g_assert_cmpfloat(pair_score(world, ranking), ==, 1);
}

/* ---- made-up parts, from the image on ---- */

static char *write_parts(void) {
  GError *error = NULL;
  char *folder = scratch_new();
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 96;
  params.n_train = 8;
  params.n_test_good = 1;
  params.n_per_class = 8;
  params.views = 1;
  g_assert_true(velm_procedural_write(&params, folder, NULL, NULL, &error));
  g_assert_no_error(error);
  return folder;
}

static VelmDataset *open_dataset(const char *folder) {
  GError *error = NULL;
  VelmDataset *dataset = velm_dataset_open(folder, &error);
  g_assert_no_error(error);
  return dataset;
}

/* The @nth image of @label. */
static VelmSample *sample_of(const VelmDataset *dataset, const char *label, guint nth) {
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = g_ptr_array_index(dataset->test, i);
    if (g_str_equal(sample->label, label) && nth-- == 0)
      return sample;
  }
  g_assert_not_reached();
}

static void test_images(void) {
  GError *error = NULL;
  char *folder = write_parts();
  g_autoptr(VelmDataset) dataset = open_dataset(folder);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  const char *first = g_ptr_array_index(dataset->classes, 0);
  const char *second = g_ptr_array_index(dataset->classes, 1);
  VelmSample *stray = sample_of(dataset, first, 3);
  g_free(stray->label);
  stray->label = g_strdup(second);
  g_assert_true(velm_audit_labels(dataset, NULL, audit, NULL, NULL, &error));
  g_assert_no_error(error);
  velm_audit_sort(audit);
  const VelmFinding *finding = finding_at(audit, VELM_AUDIT_SUSPECT_LABEL, 0);
  g_assert_nonnull(finding);
  g_assert_true(g_str_has_suffix(stray->path, g_ptr_array_index(finding->paths, 0)));
  g_assert_cmpstr(finding->label, ==, second);
  g_assert_cmpstr(finding->other, ==, first);
  g_assert_null(finding_at(audit, VELM_AUDIT_INSEPARABLE, 0));
  scratch_remove(folder);
}

/* Masks of some images only: all are seen both ways. */
static void test_images_without_masks(void) {
  GError *error = NULL;
  char *folder = write_parts();
  g_autoptr(VelmDataset) dataset = open_dataset(folder);
  g_ptr_array_set_size(dataset->test, 12);
  for (guint i = 0; i < dataset->test->len; i += 2)
    g_clear_pointer(&((VelmSample *)g_ptr_array_index(dataset->test, i))->mask, g_free);
  g_autoptr(GPtrArray) seen = velm_label_see(dataset, NULL, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(seen->len, ==, 12);
  for (guint i = 0; i < seen->len; i++) {
    const VelmLabelSeen *one = g_ptr_array_index(seen, i);
    g_assert_true((one->given != NULL) == (one->sample->mask != NULL));
    g_assert_nonnull(one->detected);
    g_assert_null(one->detected->patch);
    g_assert_cmpfloat(one->detected->geometry[0], ==, 0); /* log of the whole image's share */
  }
  scratch_remove(folder);
}

/* With a model: through its regions where there is no mask, and with its features. */
static void test_images_with_model(void) {
  GError *error = NULL;
  char *folder = write_parts();
  g_autoptr(VelmDataset) dataset = open_dataset(folder);
  VelmFitParams params = velm_fit_params_default();
  params.backbone = "lite2";
  params.size = 96;
  g_autoptr(VelmModel) model = velm_model_fit(folder, &params, &error);
  g_assert_no_error(error);
  g_ptr_array_set_size(dataset->test, 10);
  for (guint i = 0; i < 3; i++)
    g_clear_pointer(&sample_of(dataset, g_ptr_array_index(dataset->classes, 0), i)->mask, g_free);
  g_autoptr(GPtrArray) seen = velm_label_see(dataset, model, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(seen->len, >, 3);
  for (guint i = 0; i < seen->len; i++) {
    const VelmLabelSeen *one = g_ptr_array_index(seen, i);
    g_assert_true((one->given == NULL) == (i < 3));
    g_assert_nonnull(one->detected->patch);
    g_assert_cmpfloat(one->detected->geometry[0], <, -0.1);
    if (one->given)
      g_assert_nonnull(one->given->patch);
  }
  scratch_remove(folder);
}

static gboolean stop_at_second(const char *stage, gsize done, gsize total, gpointer user_data) {
  g_assert_cmpstr(stage, ==, "defects");
  return done < 2;
}

static void test_images_fail(void) {
  GError *error = NULL;
  char *folder = write_parts();
  g_autoptr(VelmDataset) dataset = open_dataset(folder);
  g_autoptr(VelmAudit) audit = velm_audit_new(dataset);
  g_assert_false(velm_audit_labels(dataset, NULL, audit, stop_at_second, NULL, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "stopped");
  VelmSample *sample = sample_of(dataset, g_ptr_array_index(dataset->classes, 0), 1);
  g_assert_true(g_file_set_contents(sample->mask, "no mask", -1, NULL));
  g_assert_false(velm_audit_labels(dataset, NULL, audit, NULL, NULL, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "_mask.png");
  g_assert_true(g_file_set_contents(sample->path, "no image", -1, NULL));
  g_assert_false(velm_audit_labels(dataset, NULL, audit, NULL, NULL, &error));
  g_autofree char *name = g_path_get_basename(sample->path);
  assert_failure(&error, VELM_ERROR_IMAGE, name);
  g_autoptr(VelmModel) empty = velm_model_new();
  g_assert_false(velm_audit_labels(dataset, empty, audit, NULL, NULL, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "");
  g_assert_cmpuint(audit->findings->len, ==, 0);
  g_ptr_array_set_size(dataset->classes, 1);
  g_assert_true(velm_audit_labels(dataset, empty, audit, NULL, NULL, &error)); /* nothing to do */
  g_assert_cmpuint(audit->findings->len, ==, 0);
  scratch_remove(folder);
}

/* ---- the tiles, where they are at hand ---- */

static char *tiles(void) {
  const char *folder = g_getenv("VELM_SHARED");
  g_autofree char *beside = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *path = g_build_filename(folder ? folder : beside, "data", "magnetic_tile", NULL);
  return g_file_test(path, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&path) : NULL;
}

/* Gives one image in twenty a random other class. Returns: (transfer full): these samples. */
static GHashTable *exchange_at_random(const VelmDataset *dataset, const GPtrArray *seen,
                                      guint32 seed) {
  GHashTable *exchanged = g_hash_table_new(NULL, NULL);
  g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
  gint32 n_classes = (gint32)dataset->classes->len;
  while (g_hash_table_size(exchanged) < seen->len / 20) {
    gint32 i = g_rand_int_range(rand, 0, (gint32)seen->len);
    VelmSample *sample = (VelmSample *)((VelmLabelSeen *)g_ptr_array_index(seen, (guint)i))->sample;
    if (!g_hash_table_add(exchanged, sample))
      continue;
    gint32 label = velm_dataset_class_index(dataset, sample->label);
    gint32 other = (label + g_rand_int_range(rand, 1, n_classes)) % n_classes;
    g_free(sample->label);
    sample->label = g_strdup(g_ptr_array_index(dataset->classes, (guint)other));
  }
  return exchanged;
}

static int compare_looks(gconstpointer a, gconstpointer b) {
  const VelmLabelDoubt *x = a, *y = b;
  double p = x->looks[x->label], q = y->looks[y->label];
  return (p > q) - (p < q);
}

static guint count_first(const GArray *doubts, guint n, GHashTable *exchanged) {
  guint found = 0;
  for (guint i = 0; i < n; i++)
    found += g_hash_table_contains(exchanged, g_array_index(doubts, VelmLabelDoubt, i).sample);
  return found;
}

/* Keeps every second image of each class: to look at one takes a second. */
static void halve(VelmDataset *dataset) {
  for (guint i = 0; i < dataset->test->len; i++)
    g_ptr_array_remove_index(dataset->test, i);
}

static void test_tiles(void) {
  GError *error = NULL;
  g_autofree char *folder = tiles();
  if (!folder) {
    g_test_skip("the tiles are not here");
    return;
  }
  g_autoptr(VelmDataset) dataset = open_dataset(folder);
  if (!g_test_slow())
    halve(dataset);
  g_autoptr(GPtrArray) seen = velm_label_see(dataset, NULL, NULL, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(seen->len, ==, g_test_slow() ? 200 : 100);
  g_autoptr(GHashTable) exchanged = exchange_at_random(dataset, seen, 1);
  g_ptr_array_add(dataset->classes, NULL);
  g_autoptr(VelmLabelRanking) ranking =
      velm_label_ranking(seen, (const char *const *)dataset->classes->pdata, 0, NULL, NULL, &error);
  g_assert_no_error(error);
  guint n = g_hash_table_size(exchanged), n_first = 3 * n;
  guint found = count_first(ranking->doubts, n_first, exchanged);
  guint n_suspects = count_suspects(ranking);
  guint n_right = count_first(ranking->doubts, n_suspects, exchanged);
  g_array_sort(ranking->doubts, compare_looks);
  guint found_by_looks = count_first(ranking->doubts, n_first, exchanged);
  g_test_message("of %u exchanged labels: %u among the first %u, %u by looks alone; %u of %u "
                 "suspects",
                 n, found, n_first, found_by_looks, n_right, n_suspects);
  g_assert_cmpuint(n, ==, g_test_slow() ? 10 : 5);
  g_assert_cmpuint(found, >=, n - n / 10);
  g_assert_cmpfloat(found_by_looks, >=, 0.6 * n);
  g_assert_cmpfloat(n_right, >=, 0.7 * n);
  g_assert_cmpuint(n_suspects, <=, n_right + 4);
}

#define ADD(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/part-labels/agree", test_part_labels_agree);
  g_test_add_func("/part-labels/count", test_part_labels_count);
  g_test_add_func("/part-labels/differ", test_part_labels_differ);
  ADD("/answers/all", test_answers);
  ADD("/answers/parts-apart", test_answers_keep_parts_apart);
  ADD("/answers/single-part", test_answers_of_single_part);
  ADD("/answers/stop", test_answers_stop);
  ADD("/answers/not-a-number", test_answers_not_a_number);
  ADD("/ranking/clean", test_clean);
  ADD("/ranking/exchanged", test_exchanged);
  ADD("/ranking/siblings", test_siblings);
  ADD("/ranking/siblings-finding", test_siblings_finding);
  ADD("/ranking/looks-finding", test_looks_finding);
  ADD("/ranking/mixed-parts", test_mixed_parts);
  ADD("/ranking/other-labels", test_other_labels_left_out);
  ADD("/ranking/nothing", test_nothing_to_rank);
  ADD("/masks/some", test_some_masks);
  ADD("/masks/few", test_few_masks);
  ADD("/inseparable/split", test_split_class);
  ADD("/inseparable/interval", test_pair_interval);
  ADD("/inseparable/few-parts", test_pair_of_few_parts);
  ADD("/inseparable/suspects", test_pair_of_suspects);
  g_test_add_func("/images/stray", test_images);
  g_test_add_func("/images/without-masks", test_images_without_masks);
  g_test_add_func("/images/model", test_images_with_model);
  g_test_add_func("/images/fail", test_images_fail);
  g_test_add_func("/tiles", test_tiles);
  return g_test_run();
}
