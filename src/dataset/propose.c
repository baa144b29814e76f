/* From an audit's findings to a manifest that a person reviews. */
#include "dataset/manifest.h"

#include <string.h>

static const char preamble[] =
    "# Proposed by velm dataset audit. Nothing here has an effect yet: look at each entry, and "
    "set\n"
    "# `apply: yes` (or take the line away) where you agree, change it where you know better, and\n"
    "# leave or delete the rest. Then: velm dataset curate DIR --manifest THIS_FILE -o OUT\n";

typedef struct {
  const VelmAudit *audit;
  GString *sections[5]; /* the entries of each, in the manifest's order */
  GHashTable *said;     /* "drop PATH", so that no entry comes twice */
  guint n_parts;
} Proposal;

enum { RELABEL, MERGE, RENAME, DROP, GROUPS };
static const char *const keys[] = {"relabel", "merge", "rename", "drop", "groups"};

/* ---- YAML ---- */

/* @text in double quotes, as YAML has them. */
static void append_quoted(GString *yaml, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  g_string_append_c(yaml, '"');
  for (const char *at = valid; *at; at++) {
    if (*at == '"' || *at == '\\')
      g_string_append_printf(yaml, "\\%c", *at);
    else if (g_ascii_iscntrl(*at))
      g_string_append_printf(yaml, "\\x%02x", (guchar)*at);
    else
      g_string_append_c(yaml, *at);
  }
  g_string_append_c(yaml, '"');
}

/* A line of an entry, of which it is the first where @first. */
static void append_line(GString *yaml, gboolean first, const char *key, const char *text) {
  g_string_append_printf(yaml, "  %s %s: ", first ? "-" : " ", key);
  append_quoted(yaml, text);
  g_string_append_c(yaml, '\n');
}

static void append_list(GString *yaml, const char *key, const char *const *texts, gsize n) {
  g_string_append_printf(yaml, "    %s:\n", key);
  for (gsize i = 0; i < n; i++) {
    g_string_append(yaml, "      - ");
    append_quoted(yaml, texts[i]);
    g_string_append_c(yaml, '\n');
  }
}

/* The end of every entry: @reason, and what was measured, with the images to look at but for
 * @shown. */
static void append_end(GString *yaml, const VelmFinding *finding, const char *reason,
                       const char *shown) {
  enum { MAX_PATHS = 6 };
  g_autoptr(GString) evidence = g_string_new(NULL);
  g_string_append_printf(evidence, "%s, score %.3g", velm_audit_kind_name(finding->kind),
                         finding->score);
  const char *separator = "; see ";
  for (guint i = 0; i < MIN(finding->paths->len, MAX_PATHS); i++) {
    const char *path = g_ptr_array_index(finding->paths, i);
    if (g_strcmp0(path, shown) == 0)
      continue;
    g_string_append_printf(evidence, "%s%s", separator, path);
    separator = ", ";
  }
  append_line(yaml, FALSE, "reason", reason);
  append_line(yaml, FALSE, "evidence", evidence->str);
  g_string_append(yaml, "    apply: no\n");
}

/* ---- entries ---- */

/* Whether an entry of @what about @name is new. */
static gboolean is_new(Proposal *proposal, const char *what, const char *name) {
  return g_hash_table_add(proposal->said, g_strdup_printf("%s %s", what, name));
}

static const VelmSample *find_in(const VelmAudit *audit, const GPtrArray *samples,
                                 const char *path) {
  g_autofree char *full = g_build_filename(audit->dataset->directory, path, NULL);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    if (g_str_equal(sample->path, full))
      return sample;
  }
  return NULL;
}

/* The image at @path, or NULL: a mask, say. */
static const VelmSample *find_sample(const VelmAudit *audit, const char *path) {
  const VelmSample *sample = find_in(audit, audit->dataset->test, path);
  return sample ? sample : find_in(audit, audit->dataset->train, path);
}

static void drop_image(Proposal *proposal, const VelmFinding *finding, const char *path) {
  GString *yaml = proposal->sections[DROP];
  if (!find_sample(proposal->audit, path) || !is_new(proposal, "drop", path))
    return;
  append_line(yaml, TRUE, "image", path);
  append_end(yaml, finding, finding->message, path);
}

/* All but the one to keep: the first. Where the labels differ, none is known to be right, and a
 * person takes away the entry of the one that is. */
static void drop_duplicates(Proposal *proposal, const VelmFinding *finding) {
  for (guint i = finding->other ? 0 : 1; i < finding->paths->len; i++)
    drop_image(proposal, finding, g_ptr_array_index(finding->paths, i));
}

/* Which image of two near duplicates goes: one of test that training images show, else the later
 * by path. */
static void drop_near_duplicates(Proposal *proposal, const VelmFinding *finding) {
  const char *kept = NULL;
  for (guint i = 0; i < finding->paths->len; i++) {
    const char *path = g_ptr_array_index(finding->paths, i);
    gboolean train = g_str_has_prefix(path, "train/");
    gboolean kept_train = kept && g_str_has_prefix(kept, "train/");
    if (!kept || (train && !kept_train) || (train == kept_train && strcmp(path, kept) < 0))
      kept = path;
  }
  for (guint i = 0; i < finding->paths->len; i++) {
    const char *path = g_ptr_array_index(finding->paths, i);
    if (path != kept)
      drop_image(proposal, finding, path);
  }
}

static void drop_class(Proposal *proposal, const VelmFinding *finding) {
  GString *yaml = proposal->sections[DROP];
  if (!finding->label || g_str_equal(finding->label, VELM_LABEL_GOOD) ||
      !is_new(proposal, "drop class", finding->label))
    return;
  append_line(yaml, TRUE, "class", finding->label);
  append_end(yaml, finding, finding->message, NULL);
}

static void relabel(Proposal *proposal, const VelmFinding *finding) {
  GString *yaml = proposal->sections[RELABEL];
  if (finding->paths->len == 0 || !finding->other)
    return;
  const char *path = g_ptr_array_index(finding->paths, 0);
  if (!find_sample(proposal->audit, path) || !is_new(proposal, "relabel", path))
    return;
  append_line(yaml, TRUE, "image", path);
  append_line(yaml, FALSE, "to", finding->other);
  append_end(yaml, finding, finding->message, path);
}

static void merge(Proposal *proposal, const VelmFinding *finding) {
  GString *yaml = proposal->sections[MERGE];
  const char *const classes[] = {finding->label, finding->other};
  if (!classes[0] || !classes[1])
    return;
  g_autofree char *both = g_strdup_printf("%s_or_%s", classes[0], classes[1]);
  if (!is_new(proposal, "merge", both))
    return;
  append_line(yaml, TRUE, "into", both);
  append_list(yaml, "classes", classes, 2);
  append_end(yaml, finding, finding->message, NULL);
}

/* The parts, by groups.csv, of the finding's images. */
static GHashTable *known_parts(const Proposal *proposal, const VelmFinding *finding) {
  GHashTable *parts = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < finding->paths->len; i++) {
    const VelmSample *sample = find_sample(proposal->audit, g_ptr_array_index(finding->paths, i));
    if (sample)
      g_hash_table_add(parts, sample->group);
  }
  return parts;
}

/* Adds the paths of those of @samples that are of one of @parts, but not of @part. */
static void add_members(const VelmDataset *dataset, const GPtrArray *samples, GHashTable *parts,
                        const char *part, GPtrArray *paths) {
  const char *side = samples == dataset->train ? "train" : "test";
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    g_autofree char *name = g_path_get_basename(sample->path);
    if (g_hash_table_contains(parts, sample->group) && !g_str_equal(sample->group, part))
      g_ptr_array_add(paths, g_strdup_printf("%s/%s/%s", side, sample->label, name));
  }
}

static void append_group(GString *yaml, const VelmFinding *finding, const char *part,
                         const GPtrArray *images) {
  append_line(yaml, TRUE, "part", part);
  append_list(yaml, "images", (const char *const *)images->pdata, images->len);
  append_line(yaml, FALSE, "reason", finding->message);
  g_string_append_printf(yaml, "    evidence: \"%s, score %.3g\"\n    apply: no\n",
                         velm_audit_kind_name(finding->kind), finding->score);
}

/* Where groups.csv is there, the other parts join that of the first image, whole: an image that was
 * left behind would split them. */
static void group(Proposal *proposal, const VelmFinding *finding) {
  const VelmDataset *dataset = proposal->audit->dataset;
  GString *yaml = proposal->sections[GROUPS];
  if (finding->paths->len < 2)
    return;
  const VelmSample *first = find_sample(proposal->audit, g_ptr_array_index(finding->paths, 0));
  if (!dataset->has_groups) {
    g_autofree char *part = g_strdup_printf("part-%04u", ++proposal->n_parts);
    append_group(yaml, finding, part, finding->paths);
  } else if (first) {
    g_autoptr(GHashTable) parts = known_parts(proposal, finding);
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(g_free);
    add_members(dataset, dataset->train, parts, first->group, images);
    add_members(dataset, dataset->test, parts, first->group, images);
    if (images->len > 0)
      append_group(yaml, finding, first->group, images);
  }
}

static void propose(Proposal *proposal, const VelmFinding *finding) {
  switch (finding->kind) {
  case VELM_AUDIT_UNREADABLE:
  case VELM_AUDIT_LEAK:
    if (finding->paths->len > 0)
      drop_image(proposal, finding, g_ptr_array_index(finding->paths, 0));
    break;
  case VELM_AUDIT_SUSPECT_LABEL:
    relabel(proposal, finding);
    break;
  case VELM_AUDIT_INSEPARABLE:
    merge(proposal, finding);
    break;
  case VELM_AUDIT_FEW_SAMPLES:
    drop_class(proposal, finding);
    break;
  case VELM_AUDIT_DUPLICATE:
    drop_duplicates(proposal, finding);
    break;
  case VELM_AUDIT_NEAR_DUPLICATE:
    drop_near_duplicates(proposal, finding);
    break;
  case VELM_AUDIT_GROUP:
    group(proposal, finding);
    break;
  default: /* a mask is mended by hand */
    break;
  }
}

char *velm_manifest_propose(const VelmAudit *audit) {
  g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Proposal proposal = {.audit = audit, .said = said};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
    proposal.sections[i] = g_string_new(NULL);
  for (guint i = 0; i < audit->findings->len; i++)
    propose(&proposal, g_ptr_array_index(audit->findings, i));
  GString *yaml = g_string_new(preamble);
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_string_append_printf(yaml, "%s:%s\n", keys[i], proposal.sections[i]->len ? "" : " []");
    g_string_append_len(yaml, proposal.sections[i]->str, (gssize)proposal.sections[i]->len);
    g_string_free(proposal.sections[i], TRUE);
  }
  return g_string_free(yaml, FALSE);
}
