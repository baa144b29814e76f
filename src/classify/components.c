#include "classify/components.h"

static gint32 find_root(gint32 *parents, gint32 label) {
  while (parents[label] != label) {
    parents[label] = parents[parents[label]];
    label = parents[label];
  }
  return label;
}

/* Returns the root of both; 0 stands for no label. The earlier root wins, which keeps the order. */
static gint32 unite(gint32 *parents, gint32 a, gint32 b) {
  if (!a || !b)
    return a ? a : b;
  a = find_root(parents, a);
  b = find_root(parents, b);
  if (a == b)
    return a;
  parents[MAX(a, b)] = MIN(a, b);
  return MIN(a, b);
}

/* The label that the pixel at @at takes from those before it, or 0. */
static gint32 label_before(const gint32 *at, int x, int y, int width, gboolean diagonal,
                           gint32 *parents) {
  gint32 label = x > 0 ? at[-1] : 0;
  if (y == 0)
    return label;
  const gint32 *above = at - width;
  label = unite(parents, label, above[0]);
  /* The pixel above is a neighbour of its own neighbours already. */
  if (!diagonal || above[0])
    return label;
  label = unite(parents, label, x > 0 ? above[-1] : 0);
  return unite(parents, label, x + 1 < width ? above[1] : 0);
}

/* First pass: provisional labels, of which those of one component have one root. */
static GArray *label_provisionally(const VelmMask *mask, gboolean diagonal, gint32 *labels) {
  GArray *parents = g_array_new(FALSE, FALSE, sizeof(gint32));
  gint32 next = 0;
  g_array_append_val(parents, next);
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++) {
      gsize i = (gsize)y * (gsize)mask->width + (gsize)x;
      if (!mask->values[i])
        continue;
      gint32 *forest = (gint32 *)(void *)parents->data;
      labels[i] = label_before(labels + i, x, y, mask->width, diagonal, forest);
      if (labels[i])
        continue;
      labels[i] = ++next;
      g_array_append_val(parents, next);
    }
  return parents;
}

VelmComponents *velm_components_find(const VelmMask *mask, gboolean diagonal) {
  gsize n_pixels = (gsize)mask->width * (gsize)mask->height;
  VelmComponents *components = g_new0(VelmComponents, 1);
  components->labels = g_new0(gint32, n_pixels);
  g_autoptr(GArray) parents = label_provisionally(mask, diagonal, components->labels);
  gint32 *forest = (gint32 *)(void *)parents->data;
  g_autofree gint32 *final = g_new0(gint32, parents->len);
  for (gint32 i = 1; i < (gint32)parents->len; i++) {
    gint32 root = find_root(forest, i);
    final[i] = root == i ? ++components->n : final[root];
  }
  components->sizes = g_new0(gsize, (gsize)components->n + 1);
  for (gsize i = 0; i < n_pixels; i++)
    if (components->labels[i]) {
      components->labels[i] = final[components->labels[i]];
      components->sizes[components->labels[i] - 1]++;
    }
  return components;
}

gint32 velm_components_largest(const VelmComponents *components) {
  gint32 best = 0;
  for (gint32 i = 1; i <= components->n; i++)
    if (!best || components->sizes[i - 1] > components->sizes[best - 1])
      best = i;
  return best;
}

int velm_components_count(const VelmComponents *components, double min_size) {
  int count = 0;
  for (int i = 0; i < components->n; i++)
    count += (double)components->sizes[i] >= min_size;
  return count;
}

VelmMask *velm_components_extract(const VelmComponents *components, const VelmMask *mask,
                                  gint32 label) {
  VelmMask *out = velm_mask_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    out->values[i] = components->labels[i] == label ? 255 : 0;
  return out;
}

void velm_components_free(VelmComponents *components) {
  if (!components)
    return;
  g_free(components->labels);
  g_free(components->sizes);
  g_free(components);
}
