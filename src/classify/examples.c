#include "classify/examples.h"

#include "classify/trust.h"
#include "detect/image_digest.h"
#include "mark/mark.h"

VelmSeen *velm_seen_new(const char *label, const char *part) {
  VelmSeen *seen = g_new0(VelmSeen, 1);
  seen->label = g_strdup(label);
  seen->part = g_strdup(part);
  return seen;
}

void velm_seen_free(VelmSeen *seen) {
  if (!seen)
    return;
  g_free(seen->label);
  g_free(seen->part);
  g_free(seen->digest);
  velm_sight_free(seen->given);
  velm_sight_free(seen->detected);
  g_free(seen);
}

static gboolean see_given(VelmSightNet *net, VelmInspection *inspection, const char *path,
                          VelmSeen *seen, GError **error) {
  if (!path)
    return TRUE;
  g_autoptr(VelmMask) mask = velm_mask_load(path, error);
  if (!mask || !velm_mark_given(inspection, mask, error))
    return FALSE;
  seen->given = velm_sight_take(net, inspection, FALSE, TRUE, error);
  return seen->given != NULL;
}

VelmSeen *velm_examples_see(VelmSightNet *net, VelmInspection *inspection, const VelmSample *sample,
                            gboolean detected, GError **error) {
  g_autoptr(VelmSeen) seen = velm_seen_new(sample->label, sample->group);
  if (!see_given(net, inspection, sample->mask, seen, error) ||
      !velm_mark_regions(inspection, TRUE, error))
    return NULL;
  if (!detected && seen->given)
    return g_steal_pointer(&seen);
  seen->detected = velm_sight_take(net, inspection, TRUE, TRUE, error);
  return seen->detected ? g_steal_pointer(&seen) : NULL;
}

static VelmSeen *collect_one(VelmDetector *detector, VelmSightNet *net, const VelmSample *sample,
                             GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  if (!velm_inspection_load(inspection, sample->reference, 0, error) ||
      !velm_detector_detect(detector, inspection, error) ||
      !velm_detector_examine(detector, inspection, error))
    return NULL;
  VelmSeen *seen = velm_examples_see(net, inspection, sample, TRUE, error);
  if (seen)
    seen->digest = velm_image_digest(inspection->image);
  return seen;
}

GPtrArray *velm_examples_collect(VelmDetector *detector, const GPtrArray *samples,
                                 VelmProgress progress, gpointer progress_data, GError **error) {
  g_autoptr(VelmSightNet) net = velm_sight_net_open(error);
  if (!net)
    return NULL;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)velm_seen_free);
  for (guint i = 0; i < samples->len; i++) {
    VelmSeen *seen = collect_one(detector, net, samples->pdata[i], error);
    if (!seen)
      return NULL;
    g_ptr_array_add(all, seen);
    if (progress && !progress("examples", i + 1, samples->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while looking at examples");
      return NULL;
    }
  }
  return g_steal_pointer(&all);
}

static int index_of(const char *const *names, const char *name) {
  for (int i = 0; names[i]; i++)
    if (g_str_equal(names[i], name))
      return i;
  return -1;
}

/* Those of @class_names. Returns: (transfer full) (element-type VelmExample) */
static GArray *examples_of(const GPtrArray *all, const char *const *class_names) {
  GArray *examples = g_array_new(FALSE, TRUE, sizeof(VelmExample));
  for (guint i = 0; i < all->len; i++) {
    const VelmSeen *seen = all->pdata[i];
    int index = index_of(class_names, seen->label);
    if (index < 0)
      continue;
    VelmExample example = {.given = seen->given,
                           .detected = seen->detected,
                           .class_index = (guint)index,
                           .part = seen->part};
    g_array_append_val(examples, example);
  }
  return examples;
}

VelmFewshot *velm_examples_learn(const GPtrArray *seen, const char *const *class_names,
                                 gboolean detected, GError **error) {
  g_autoptr(GArray) examples = examples_of(seen, class_names);
  return velm_fewshot_learn((const VelmExample *)(void *)examples->data, examples->len, class_names,
                            detected, error);
}

void velm_examples_set_trust(const GPtrArray *seen, VelmFewshot *fewshot, double accuracy) {
  const char *const *class_names = velm_fewshot_get_classes(fewshot);
  g_autoptr(GArray) examples = examples_of(seen, class_names);
  g_autoptr(GArray) answers =
      velm_trust_hold_back((const VelmExample *)(void *)examples->data, examples->len, class_names,
                           velm_fewshot_get_detected(fewshot));
  velm_fewshot_set_trust(fewshot, velm_trust_level(answers, accuracy));
}
