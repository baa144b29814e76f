#include "detect/coreset.h"

#include "detect/nearest_kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A point that is no pick, its squared distance to the nearest pick that it met, and its squared
 * norm. */
typedef struct {
  guint32 index;
  float nearest2, norm2;
} Member;

/*
 * The points that have one pick for their nearest. They have met the picks up to @met only: later
 * ones can but bring them nearer, so the farthest member's distance is never less than it should
 * be, and most clusters need not meet a pick before many others have come.
 */
typedef struct {
  GArray *members; /* of Member */
  GArray *rows;    /* the members' points one after another: reading them is most of the work */
  Member farthest; /* of them, the first of several */
  gsize met;
} Cluster;

typedef struct {
  const VelmNearestKernel *kernel;
  const float *points;
  gsize dims;
  const gsize *picks;
  gsize n_picks; /* so far */
  Cluster *clusters;
} Cover;

static const Member no_member = {G_MAXUINT32, -1, 0};

static gboolean is_farther(const Member *a, const Member *b) {
  return a->nearest2 > b->nearest2 || (a->nearest2 == b->nearest2 && a->index < b->index);
}

static const float *pick_at(const Cover *cover, gsize pick) {
  return cover->points + cover->picks[pick] * cover->dims;
}

static float *row_of(const Cover *cover, const Cluster *cluster, guint i) {
  return (float *)(gpointer)cluster->rows->data + i * cover->dims;
}

static void cluster_add(const Cover *cover, Cluster *cluster, const Member *member) {
  g_array_append_vals(cluster->members, member, 1);
  g_array_append_vals(cluster->rows, cover->points + member->index * cover->dims,
                      (guint)cover->dims);
  if (is_farther(member, &cluster->farthest))
    cluster->farthest = *member;
}

/* Moves member @from of @cluster to @to, over another one. */
static void move_member(const Cover *cover, Cluster *cluster, guint from, guint to) {
  if (from == to)
    return;
  g_array_index(cluster->members, Member, to) = g_array_index(cluster->members, Member, from);
  memcpy(row_of(cover, cluster, to), row_of(cover, cluster, from), cover->dims * sizeof(float));
}

static void cluster_shrink(const Cover *cover, Cluster *cluster, guint n) {
  g_array_set_size(cluster->members, n);
  g_array_set_size(cluster->rows, n * (guint)cover->dims);
}

/* ---- clusters meet picks ---- */

/* A pick, and its distance to that of the cluster that meets it. */
typedef struct {
  gsize pick;
  float between;
} Newcomer;

/* A member that is nearer to another pick. */
typedef struct {
  Member member;
  gsize pick;
} Move;

static int compare_newcomers(gconstpointer a, gconstpointer b) {
  const Newcomer *x = a, *y = b;
  return x->between < y->between ? -1 : x->between > y->between;
}

/*
 * How far a newcomer may be from a member's own pick, at @own from the member, to be nearer to the
 * member than @nearest (triangle inequality), with what rounding may take from it.
 */
static float reach_of(float own, float nearest) { return (own + nearest) * 1.00001f; }

/* The picks that the cluster has not met and that may take a member, those nearest to its own
 * first.
 */
static GArray *find_newcomers(const Cover *cover, gsize index) {
  const Cluster *cluster = &cover->clusters[index];
  GArray *newcomers = g_array_new(FALSE, FALSE, sizeof(Newcomer));
  float radius = sqrtf(MAX(0.0f, cluster->farthest.nearest2)), reach = reach_of(radius, radius);
  for (gsize pick = cluster->met; pick < cover->n_picks; pick++) {
    float between2 =
        cover->kernel->distance2(pick_at(cover, pick), pick_at(cover, index), cover->dims);
    const Newcomer newcomer = {pick, sqrtf(between2)};
    if (newcomer.between < reach)
      g_array_append_val(newcomers, newcomer);
  }
  g_array_sort(newcomers, compare_newcomers);
  return newcomers;
}

static float norm2(const float *values, gsize n) {
  float sum = 0;
  for (gsize k = 0; k < n; k++)
    sum += values[k] * values[k];
  return sum;
}

/* Newcomers as the kernel wants them. */
typedef struct {
  const GArray *newcomers;
  float *panels;
  gsize n, size; /* of the panels, and of one of them */
  float reach2;  /* the largest squared norm of a newcomer */
} Panels;

static void panels_clear(Panels *panels) { g_aligned_free(panels->panels); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Panels, panels_clear)

static void panels_fill(Panels *panels, const Cover *cover, const GArray *newcomers) {
  *panels = (Panels){.newcomers = newcomers,
                     .n = (newcomers->len + VELM_PANEL - 1) / VELM_PANEL,
                     .size = (cover->dims + 1) * VELM_PANEL};
  panels->panels = g_aligned_alloc0(panels->n * panels->size, sizeof(float), 64);
  for (gsize i = 0; i < panels->n * VELM_PANEL; i++) {
    float *at = panels->panels + i / VELM_PANEL * panels->size + i % VELM_PANEL;
    *at = -INFINITY;
    if (i >= newcomers->len)
      continue;
    const float *row = pick_at(cover, g_array_index(newcomers, Newcomer, i).pick);
    float square = norm2(row, cover->dims);
    panels->reach2 = MAX(panels->reach2, square);
    *at = -square / 2;
    for (gsize k = 0; k < cover->dims; k++)
      at[(k + 1) * VELM_PANEL] = row[k];
  }
}

/* Up to VELM_GROUP members that meet newcomers. */
typedef struct {
  const float *rows;
  guint n;
  Move moves[VELM_GROUP];
  float own[VELM_GROUP];    /* distances to the own pick */
  float limits[VELM_GROUP]; /* of products with newcomers that may be nearer */
} Group;

/* For a member m and a newcomer b, |m - b|^2 / 2 = |m|^2 / 2 - (m b - |b|^2 / 2); what is in
 * brackets is the kernel's product, and rounding may make it too small. */
static void set_limit(const Cover *cover, const Panels *panels, Group *group, guint i) {
  const Member *member = &group->moves[i].member;
  float rounding = 2 * FLT_EPSILON * (float)cover->dims * (member->norm2 + panels->reach2);
  group->limits[i] = (member->norm2 - member->nearest2) / 2 - rounding;
}

static void start_group(const Cover *cover, const Panels *panels, Group *group) {
  for (guint i = 0; i < VELM_GROUP; i++) {
    group->limits[i] = INFINITY;
    group->own[i] = i < group->n ? sqrtf(group->moves[i].member.nearest2) : 0;
    if (i < group->n)
      set_limit(cover, panels, group, i);
  }
}

/* How far a newcomer may be from the group's own pick to be of interest to a member. */
static float group_reach(const Group *group) {
  float reach = 0;
  for (guint i = 0; i < group->n; i++)
    reach = MAX(reach, reach_of(group->own[i], sqrtf(group->moves[i].member.nearest2)));
  return reach;
}

/* Member @i meets the newcomers from @first on whose bits are in @which. */
static void meet(const Cover *cover, const Panels *panels, Group *group, guint i, gsize first,
                 guint32 which) {
  Move *move = &group->moves[i];
  for (; which; which &= which - 1) {
    gsize index = first + (gsize)__builtin_ctz(which);
    gsize pick = g_array_index(panels->newcomers, Newcomer, index).pick;
    float d2 =
        cover->kernel->distance2(group->rows + i * cover->dims, pick_at(cover, pick), cover->dims);
    if (!(d2 < move->member.nearest2))
      continue;
    move->member.nearest2 = d2;
    move->pick = pick;
    set_limit(cover, panels, group, i);
  }
}

static void meet_newcomers(const Cover *cover, const Panels *panels, Group *group) {
  float products[VELM_GROUP * VELM_PANEL] __attribute__((aligned(64)));
  guint32 over[VELM_GROUP];
  start_group(cover, panels, group);
  for (gsize panel = 0; panel < panels->n; panel++) {
    gsize first = panel * VELM_PANEL;
    if (!(g_array_index(panels->newcomers, Newcomer, first).between < group_reach(group)))
      return; /* nor are those behind it, which are farther away */
    if (!cover->kernel->multiply(group->rows, panels->panels + panel * panels->size, cover->dims,
                                 group->limits, products, over))
      continue;
    for (guint i = 0; i < group->n; i++)
      meet(cover, panels, group, i, first, over[i]);
  }
}

/* Reads the members of @cluster from @first on. @scratch: for the last ones, which are too few */
static void read_group(const Cover *cover, const Cluster *cluster, guint first, Group *group,
                       float *scratch) {
  group->n = MIN((guint)VELM_GROUP, cluster->members->len - first);
  for (guint i = 0; i < group->n; i++)
    group->moves[i].member = g_array_index(cluster->members, Member, first + i);
  group->rows = row_of(cover, cluster, first);
  if (group->n == VELM_GROUP)
    return;
  memcpy(scratch, group->rows, group->n * cover->dims * sizeof(float));
  group->rows = scratch;
}

/* Keeps the members of @group, the first of which is member @first, that stay with pick @own; lists
 * the others in @moves. */
static void sort_group(const Cover *cover, gsize own, const Group *group, guint first, guint *kept,
                       GArray *moves) {
  Cluster *cluster = &cover->clusters[own];
  for (guint i = 0; i < group->n; i++) {
    const Move *move = &group->moves[i];
    if (move->pick != own) {
      g_array_append_vals(moves, move, 1);
      continue;
    }
    move_member(cover, cluster, first + i, (*kept)++);
    if (is_farther(&move->member, &cluster->farthest))
      cluster->farthest = move->member;
  }
}

/* Lets all members of the cluster of pick @own meet the newcomers. Returns: (transfer full): those
 * that are to move, of Move. */
static GArray *meet_all(const Cover *cover, gsize own, const GArray *newcomers) {
  Cluster *cluster = &cover->clusters[own];
  GArray *moves = g_array_new(FALSE, FALSE, sizeof(Move));
  g_auto(Panels) panels = {0};
  panels_fill(&panels, cover, newcomers);
  g_autofree float *scratch = g_new0(float, VELM_GROUP * cover->dims);
  cluster->farthest = no_member;
  guint kept = 0;
  for (guint first = 0; first < cluster->members->len; first += VELM_GROUP) {
    Group group;
    for (guint i = 0; i < VELM_GROUP; i++)
      group.moves[i].pick = own;
    read_group(cover, cluster, first, &group, scratch);
    meet_newcomers(cover, &panels, &group);
    sort_group(cover, own, &group, first, &kept, moves);
  }
  cluster_shrink(cover, cluster, kept);
  return moves;
}

/* Lets the cluster of pick @own meet all picks that it has not met. */
static void update(Cover *cover, gsize own) {
  g_autoptr(GArray) newcomers = find_newcomers(cover, own);
  cover->clusters[own].met = cover->n_picks;
  if (newcomers->len == 0)
    return;
  g_autoptr(GArray) moves = meet_all(cover, own, newcomers);
  for (guint i = 0; i < moves->len; i++) {
    const Move *move = &g_array_index(moves, Move, i);
    cluster_add(cover, &cover->clusters[move->pick], &move->member);
  }
}

/* ---- picking ---- */

static gsize find_farthest(const Cover *cover) {
  gsize best = 0;
  for (gsize k = 1; k < cover->n_picks; k++)
    if (is_farther(&cover->clusters[k].farthest, &cover->clusters[best].farthest))
      best = k;
  return best;
}

/* Takes the point farthest from all picks out of its cluster and returns it. */
static gsize take_farthest(Cover *cover) {
  gsize best = find_farthest(cover);
  for (; cover->clusters[best].met < cover->n_picks; best = find_farthest(cover))
    update(cover, best);
  Cluster *from = &cover->clusters[best];
  Member farthest = from->farthest;
  from->farthest = no_member;
  guint at = 0;
  for (guint i = 0; i < from->members->len; i++) {
    const Member *member = &g_array_index(from->members, Member, i);
    if (member->index == farthest.index)
      at = i;
    else if (is_farther(member, &from->farthest))
      from->farthest = *member;
  }
  move_member(cover, from, from->members->len - 1, at);
  cluster_shrink(cover, from, from->members->len - 1);
  return farthest.index;
}

/* The first pick has all points. */
static void form_first(Cover *cover, gsize n) {
  for (gsize i = 0; i < n; i++) {
    float d =
        cover->kernel->distance2(cover->points + i * cover->dims, pick_at(cover, 0), cover->dims);
    const Member member = {(guint32)i, isnan(d) ? INFINITY : d,
                           norm2(cover->points + i * cover->dims, cover->dims)};
    if (i != cover->picks[0])
      cluster_add(cover, &cover->clusters[0], &member);
  }
}

gsize *velm_coreset_select(const float *points, gsize n, gsize dims, gsize n_picks, gsize first) {
  gsize *picks = g_new(gsize, n_picks);
  g_autofree Cluster *clusters = g_new(Cluster, n_picks);
  Cover cover = {velm_nearest_kernel(), points, dims, picks, 0, clusters};
  while (cover.n_picks < n_picks) {
    gsize pick = cover.n_picks;
    picks[pick] = pick == 0 ? first : take_farthest(&cover);
    clusters[pick] = (Cluster){.members = g_array_new(FALSE, FALSE, sizeof(Member)),
                               .rows = g_array_new(FALSE, FALSE, sizeof(float)),
                               .farthest = no_member,
                               .met = ++cover.n_picks};
    if (pick == 0)
      form_first(&cover, n);
  }
  for (gsize pick = 0; pick < n_picks; pick++) {
    g_array_unref(clusters[pick].members);
    g_array_unref(clusters[pick].rows);
  }
  return picks;
}

float *velm_coreset_projection(gsize from, gsize to, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  float *projection = g_new(float, from *to);
  for (gsize i = 0; i < from * to; i++) {
    /* Box and Muller. */
    double u = 1.0 - g_rand_double(random), v = g_rand_double(random);
    projection[i] = (float)(sqrt(-2.0 * log(u)) * cos(2.0 * G_PI * v) / sqrt((double)to));
  }
  return projection;
}

void velm_coreset_project(const float *projection, gsize from, gsize to, const float *rows, gsize n,
                          float *projected) {
#pragma omp parallel for schedule(static)
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < to; k++) {
      const float *a = rows + i * from, *b = projection + k * from;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (gsize j = 0; j < from; j++)
        sum += a[j] * b[j];
      projected[i * to + k] = sum;
    }
}
