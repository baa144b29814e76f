/* What a manifest makes of every image, or why it cannot. */
#include "core/findings.h"
#include "dataset/curate.h"

#include <string.h>

/* An entry and the place in it that names something. */
typedef struct {
  const VelmManifestEntry *entry;
  const VelmManifestName *name;
} Claim;

typedef struct {
  const VelmDataset *dataset;
  const VelmManifest *manifest;
  GPtrArray *findings;
  GHashTable *samples; /* path below the folder -> VelmSample */
  GHashTable *classes; /* class -> Claim of what changes it */
  GHashTable *targets; /* class that a merge or a renaming makes -> Claim */
  GHashTable *images;  /* path -> Claim of what relabels or drops it */
  GHashTable *parts;   /* path -> Claim of the part it is given */
  GHashTable *taken;   /* "LABEL/STEM" of the images placed */
} Plan;

#define MISTAKE(plan, name, ...)                                                                   \
  velm_findings_error((plan)->findings, (name)->line, (name)->column, __VA_ARGS__)

/* ---- memory ---- */

static void image_free(gpointer data) {
  VelmCuratedImage *image = data;
  g_free(image->from);
  g_free(image->to);
  g_free(image->label);
  g_free(image->group);
  g_free(image);
}

void velm_curation_free(VelmCuration *curation) {
  if (!curation)
    return;
  g_ptr_array_unref(curation->images);
  g_ptr_array_unref(curation->left_behind);
  g_free(curation->out);
  g_free(curation);
}

static GHashTable *claims_new(void) {
  return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
}

static void plan_clear(Plan *plan) {
  GHashTable **const tables[] = {&plan->samples, &plan->classes, &plan->targets,
                                 &plan->images,  &plan->parts,   &plan->taken};
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
    g_clear_pointer(tables[i], g_hash_table_unref);
  g_clear_pointer(&plan->findings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

const char *velm_curation_change_name(VelmCurationChange change) {
  static const char *const names[] = {"kept", "relabelled", "merged", "renamed", "dropped"};
  return (unsigned)change < G_N_ELEMENTS(names) ? names[change] : "unknown";
}

/* ---- the dataset ---- */

static gboolean is_train(const VelmDataset *dataset, guint index) {
  return index < dataset->train->len;
}

static const VelmSample *sample_at(const VelmDataset *dataset, guint index) {
  guint n_train = dataset->train->len;
  return index < n_train ? g_ptr_array_index(dataset->train, index)
                         : g_ptr_array_index(dataset->test, index - n_train);
}

static guint count_samples(const VelmDataset *dataset) {
  return dataset->train->len + dataset->test->len;
}

/* test/LABEL/NAME */
static char *path_below(const VelmSample *sample, gboolean train) {
  g_autofree char *name = g_path_get_basename(sample->path);
  return g_strdup_printf("%s/%s/%s", train ? "train" : "test", sample->label, name);
}

static void index_samples(Plan *plan) {
  for (guint i = 0; i < count_samples(plan->dataset); i++) {
    const VelmSample *sample = sample_at(plan->dataset, i);
    g_hash_table_insert(plan->samples, path_below(sample, is_train(plan->dataset, i)),
                        (gpointer)sample);
  }
}

static gboolean is_class(const Plan *plan, const char *name) {
  return velm_dataset_class_index(plan->dataset, name) >= 0;
}

/* ---- claims ---- */

/* Enters that @entry decides about @name; a second entry about the same is a mistake. */
static void claim(Plan *plan, GHashTable *claims, const VelmManifestEntry *entry,
                  const VelmManifestName *name, const char *what) {
  const Claim *before = g_hash_table_lookup(claims, name->text);
  if (before) {
    MISTAKE(plan, name, "%s `%s` is already in line %d (%s)", what, name->text, before->name->line,
            velm_manifest_action_name(before->entry->action));
    return;
  }
  Claim *new = g_new0(Claim, 1);
  new->entry = entry;
  new->name = name;
  g_hash_table_insert(claims, name->text, new);
}

static void report_class(const Plan *plan, const VelmManifestName *name) {
  const GPtrArray *classes = plan->dataset->classes;
  const char *meant =
      velm_findings_suggest(name->text, (const char *const *)classes->pdata, classes->len);
  g_autofree char *suggestion = meant ? g_strdup_printf("; did you mean `%s`?", meant) : NULL;
  MISTAKE(plan, name, "%s has no class `%s`%s", plan->dataset->directory, name->text,
          suggestion ? suggestion : "");
}

/* Classes that are merged, renamed or dropped. */
static void claim_classes(Plan *plan, const VelmManifestEntry *entry) {
  for (guint i = 0; i < entry->names->len; i++) {
    const VelmManifestName *name = g_ptr_array_index(entry->names, i);
    if (g_str_equal(name->text, VELM_LABEL_GOOD))
      MISTAKE(plan, name, "`good` is the normal class: it is not merged, renamed or dropped");
    else if (!is_class(plan, name->text))
      report_class(plan, name);
    else
      claim(plan, plan->classes, entry, name, "the class");
  }
}

static gboolean is_folder_name(const char *name) {
  for (const char *at = name; *at; at++)
    if (g_ascii_iscntrl(*at))
      return FALSE;
  return *name && *name != '.' && !strpbrk(name, "/\\");
}

static void claim_target(Plan *plan, const VelmManifestEntry *entry) {
  const VelmManifestName *target = &entry->target;
  if (g_str_equal(target->text, "unknown"))
    MISTAKE(plan, target, "`unknown` is reserved for what no class fits");
  else if (!is_folder_name(target->text))
    MISTAKE(plan, target,
            "`%s` cannot be a class: a class is a folder's name, without slashes and not beginning "
            "with a point",
            target->text);
  else
    claim(plan, plan->targets, entry, target, "the new class");
}

static void claim_images(Plan *plan, GHashTable *claims, const VelmManifestEntry *entry) {
  for (guint i = 0; i < entry->names->len; i++) {
    const VelmManifestName *name = g_ptr_array_index(entry->names, i);
    if (g_hash_table_contains(plan->samples, name->text))
      claim(plan, claims, entry, name, "the image");
    else
      MISTAKE(plan, name, "%s has no image `%s`", plan->dataset->directory, name->text);
  }
}

static void claim_entry(Plan *plan, const VelmManifestEntry *entry) {
  switch (entry->action) {
  case VELM_MANIFEST_RELABEL:
  case VELM_MANIFEST_DROP_IMAGE:
    claim_images(plan, plan->images, entry);
    break;
  case VELM_MANIFEST_MERGE:
  case VELM_MANIFEST_RENAME:
    claim_classes(plan, entry);
    claim_target(plan, entry);
    break;
  case VELM_MANIFEST_DROP_CLASS:
    claim_classes(plan, entry);
    break;
  case VELM_MANIFEST_GROUP:
    claim_images(plan, plan->parts, entry);
    break;
  }
}

/* ---- contradictions, once all claims are known ---- */

/* Whether what changes the existing class @target is another entry than @entry, which makes it. */
static void check_target(Plan *plan, const VelmManifestEntry *entry) {
  const VelmManifestName *target = &entry->target;
  const Claim *change = g_hash_table_lookup(plan->classes, target->text);
  gboolean exists = is_class(plan, target->text) || g_str_equal(target->text, VELM_LABEL_GOOD);
  if (entry->action == VELM_MANIFEST_RENAME && exists)
    MISTAKE(plan, target, "`%s` is a class already: merge into it instead", target->text);
  else if (change && change->entry != entry)
    MISTAKE(plan, target, "`%s` cannot take other classes: line %d changes it (%s)", target->text,
            change->name->line, velm_manifest_action_name(change->entry->action));
}

static void check_relabel(Plan *plan, const VelmManifestEntry *entry) {
  const VelmManifestName *image = g_ptr_array_index(entry->names, 0), *to = &entry->target;
  const VelmSample *sample = g_hash_table_lookup(plan->samples, image->text);
  const Claim *change = g_hash_table_lookup(plan->classes, to->text);
  gboolean exists = is_class(plan, to->text) || g_str_equal(to->text, VELM_LABEL_GOOD) ||
                    g_hash_table_contains(plan->targets, to->text);
  if (!exists)
    report_class(plan, to);
  else if (sample && g_str_equal(sample->label, to->text))
    MISTAKE(plan, to, "the image is labelled `%s` already", to->text);
  else if (change && change->entry->action == VELM_MANIFEST_DROP_CLASS)
    MISTAKE(plan, to, "the class `%s` is dropped in line %d", to->text, change->name->line);
}

/* groups.csv has one image a line. */
static void check_part(Plan *plan, const VelmManifestEntry *entry) {
  for (guint i = 0; i < entry->names->len; i++) {
    const VelmManifestName *name = g_ptr_array_index(entry->names, i);
    if (strpbrk(name->text, "\r\n"))
      MISTAKE(plan, name, "a name with a line break cannot stand in groups.csv");
  }
}

static void check_entry(Plan *plan, const VelmManifestEntry *entry) {
  switch (entry->action) {
  case VELM_MANIFEST_RELABEL:
    check_relabel(plan, entry);
    break;
  case VELM_MANIFEST_MERGE:
  case VELM_MANIFEST_RENAME:
    check_target(plan, entry);
    break;
  case VELM_MANIFEST_GROUP:
    check_part(plan, entry);
    break;
  default:
    break;
  }
}

static void check(Plan *plan) {
  const GPtrArray *entries = plan->manifest->entries;
  void (*const passes[])(Plan *, const VelmManifestEntry *) = {claim_entry, check_entry};
  for (gsize pass = 0; pass < G_N_ELEMENTS(passes); pass++)
    for (guint i = 0; i < entries->len; i++) {
      const VelmManifestEntry *entry = g_ptr_array_index(entries, i);
      if (entry->apply)
        passes[pass](plan, entry);
    }
}

/* ---- what becomes of an image ---- */

static VelmCurationChange change_of(VelmManifestAction action) {
  switch (action) {
  case VELM_MANIFEST_RELABEL:
    return VELM_CURATION_RELABELLED;
  case VELM_MANIFEST_MERGE:
    return VELM_CURATION_MERGED;
  case VELM_MANIFEST_RENAME:
    return VELM_CURATION_RENAMED;
  case VELM_MANIFEST_DROP_CLASS:
  case VELM_MANIFEST_DROP_IMAGE:
    return VELM_CURATION_DROPPED;
  default:
    return VELM_CURATION_KEPT;
  }
}

/* The label comes from the image's own entry, then from its class's. */
static void decide(const Plan *plan, VelmCuratedImage *image) {
  const char *label = image->sample->label;
  const Claim *own = g_hash_table_lookup(plan->images, image->from);
  if (own) {
    image->entry = own->entry;
    image->change = change_of(own->entry->action);
    label = own->entry->target.text; /* NULL where it is dropped */
  }
  const Claim *class = label ? g_hash_table_lookup(plan->classes, label) : NULL;
  if (class) {
    label = class->entry->target.text;
    if (g_strcmp0(label, image->sample->label) != 0 && !own) {
      image->entry = class->entry;
      image->change = change_of(class->entry->action);
    }
  }
  image->label = g_strdup(label);
  const Claim *part = g_hash_table_lookup(plan->parts, image->from);
  if (part || plan->dataset->has_groups)
    image->group = g_strdup(part ? part->entry->target.text : image->sample->group);
}

/* "LABEL/STEM": a mask is found by these. */
static char *place_key(const char *label, const char *name) {
  const char *dot = strrchr(name, '.');
  int length = dot ? (int)(dot - name) : (int)strlen(name);
  return g_strdup_printf("%s/%.*s", label, length, name);
}

static gboolean stays(const VelmCuratedImage *image) {
  return image->label && g_str_equal(image->label, image->sample->label);
}

static void place_staying(Plan *plan, VelmCuratedImage *image) {
  g_autofree char *name = g_path_get_basename(image->from);
  g_hash_table_add(plan->taken, place_key(image->label, name));
  image->to = g_strdup(image->from);
  image->carries_mask = image->sample->mask != NULL;
}

/* A name that its new class does not have yet: with the old class before it, and a number. */
static char *free_name(Plan *plan, const VelmCuratedImage *image) {
  g_autofree char *own = g_path_get_basename(image->from);
  for (guint i = 0;; i++) {
    g_autofree char *name = i == 0   ? g_strdup(own)
                            : i == 1 ? g_strdup_printf("%s_%s", image->sample->label, own)
                                     : g_strdup_printf("%s_%u_%s", image->sample->label, i, own);
    g_autofree char *key = place_key(image->label, name);
    if (g_hash_table_contains(plan->taken, key))
      continue;
    g_hash_table_add(plan->taken, g_steal_pointer(&key));
    return g_steal_pointer(&name);
  }
}

static void place_moved(Plan *plan, VelmCuratedImage *image) {
  g_autofree char *name = free_name(plan, image);
  image->to = g_strdup_printf("test/%s/%s", image->label, name);
  gboolean was_good = g_str_equal(image->sample->label, VELM_LABEL_GOOD);
  gboolean is_good = g_str_equal(image->label, VELM_LABEL_GOOD);
  image->carries_mask = image->sample->mask && !was_good && !is_good;
}

static VelmCuration *curation_new(Plan *plan) {
  VelmCuration *curation = g_new0(VelmCuration, 1);
  curation->dataset = plan->dataset;
  curation->manifest = plan->manifest;
  curation->left_behind = g_ptr_array_new_with_free_func(g_free);
  curation->images = g_ptr_array_new_with_free_func(image_free);
  curation->has_groups = plan->dataset->has_groups || g_hash_table_size(plan->parts) > 0;
  for (guint i = 0; i < count_samples(plan->dataset); i++) {
    VelmCuratedImage *image = g_new0(VelmCuratedImage, 1);
    image->sample = sample_at(plan->dataset, i);
    image->from = path_below(image->sample, is_train(plan->dataset, i));
    decide(plan, image);
    g_ptr_array_add(curation->images, image);
  }
  return curation;
}

/* Those that stay keep their names; only then are the others placed. Returns: how many are left. */
static guint place(Plan *plan, VelmCuration *curation) {
  guint n = 0;
  for (int moved = 0; moved < 2; moved++)
    for (guint i = 0; i < curation->images->len; i++) {
      VelmCuratedImage *image = g_ptr_array_index(curation->images, i);
      if (!image->label || stays(image) == moved)
        continue;
      (moved ? place_moved : place_staying)(plan, image);
      n++;
    }
  return n;
}

static gboolean has_layout(const VelmDataset *dataset) {
  g_autofree char *train = g_build_filename(dataset->directory, "train", NULL);
  g_autofree char *test = g_build_filename(dataset->directory, "test", NULL);
  return g_file_test(train, G_FILE_TEST_IS_DIR) || g_file_test(test, G_FILE_TEST_IS_DIR);
}

VelmCuration *velm_curation_plan(const VelmDataset *dataset, const VelmManifest *manifest,
                                 GPtrArray **findings, GError **error) {
  g_auto(Plan) plan = {.dataset = dataset, .manifest = manifest, .findings = velm_findings_new()};
  if (findings)
    *findings = g_ptr_array_ref(plan.findings);
  if (!has_layout(dataset)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has neither train nor test, so there are no labels to change",
                dataset->directory);
    return NULL;
  }
  plan.samples = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  plan.taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  plan.classes = claims_new();
  plan.targets = claims_new();
  plan.images = claims_new();
  plan.parts = claims_new();
  index_samples(&plan);
  check(&plan);
  velm_findings_sort(plan.findings);
  if (!velm_manifest_refuse(manifest, plan.findings, error))
    return NULL;
  g_autoptr(VelmCuration) curation = curation_new(&plan);
  if (place(&plan, curation) > 0)
    return g_steal_pointer(&curation);
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: would leave no image of %s",
              manifest->path, dataset->directory);
  return NULL;
}
