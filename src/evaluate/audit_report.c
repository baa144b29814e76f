/* An audit's findings in words and as JSON. */
#include "core/json.h"
#include "evaluate/audit.h"

/* Findings of one kind that the text shows; the JSON and the page have all. */
#define SHOWN_FINDINGS 20

/* ---- text ---- */

/* What a kind is called in a list: "suspect label". */
static char *title_of(VelmAuditKind kind) {
  return g_strdelimit(g_strdup(velm_audit_kind_name(kind)), "_", ' ');
}

static guint count_kind(const VelmAudit *audit, VelmAuditKind kind) {
  guint n = 0;
  for (guint i = 0; i < audit->findings->len; i++)
    n += ((const VelmFinding *)g_ptr_array_index(audit->findings, i))->kind == kind;
  return n;
}

/* What a finding is about: an image, a class, or two. */
static char *subject_of(const VelmFinding *finding) {
  gboolean about_class =
      finding->kind == VELM_AUDIT_INSEPARABLE || finding->kind == VELM_AUDIT_FEW_SAMPLES;
  if (finding->label && (about_class || finding->paths->len == 0))
    return finding->other ? g_strdup_printf("%s, %s", finding->label, finding->other)
                          : g_strdup(finding->label);
  return finding->paths->len > 0 ? g_filename_display_name(g_ptr_array_index(finding->paths, 0))
                                 : g_strdup("");
}

/* The width of the first column: that of the longest subject shown, within reason. */
static int subject_width(const VelmAudit *audit, VelmAuditKind kind) {
  enum { MAX_WIDTH = 60 };
  glong width = 0;
  guint shown = 0;
  for (guint i = 0; i < audit->findings->len && shown < SHOWN_FINDINGS; i++) {
    const VelmFinding *finding = g_ptr_array_index(audit->findings, i);
    if (finding->kind != kind)
      continue;
    g_autofree char *subject = subject_of(finding);
    width = MAX(width, g_utf8_strlen(subject, -1));
    shown++;
  }
  return (int)MIN(width, MAX_WIDTH);
}

static void append_padded(GString *text, const char *subject, int width) {
  g_string_append(text, subject);
  for (glong n = g_utf8_strlen(subject, -1); n < width; n++)
    g_string_append_c(text, ' ');
}

static void append_kind(GString *text, const VelmAudit *audit, VelmAuditKind kind) {
  guint n = count_kind(audit, kind), shown = 0;
  if (n == 0)
    return;
  g_autofree char *title = title_of(kind);
  int width = subject_width(audit, kind);
  g_string_append_printf(text, "\n%s, %u\n", title, n);
  for (guint i = 0; i < audit->findings->len && shown < SHOWN_FINDINGS; i++) {
    const VelmFinding *finding = g_ptr_array_index(audit->findings, i);
    if (finding->kind != kind)
      continue;
    g_autofree char *subject = subject_of(finding);
    g_string_append(text, "  ");
    append_padded(text, subject, width);
    g_string_append_printf(text, "  %s\n", finding->message);
    shown++;
  }
  if (shown < n)
    g_string_append_printf(text, "  and %u more: --json or --out has them\n", n - shown);
}

char *velm_audit_to_text(const VelmAudit *audit) {
  const VelmDataset *dataset = audit->dataset;
  guint n = audit->findings->len;
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s: %u training images, %u test images, %u class%s, %s; ",
                         dataset->directory, dataset->train->len, dataset->test->len,
                         dataset->classes->len, dataset->classes->len == 1 ? "" : "es",
                         dataset->has_groups ? "with groups.csv" : "no groups.csv");
  if (n == 0)
    g_string_append(text, "nothing found\n");
  else
    g_string_append_printf(text, "%u finding%s\n", n, n == 1 ? "" : "s");
  for (int kind = 0; kind < VELM_N_AUDIT_KINDS; kind++)
    append_kind(text, audit, (VelmAuditKind)kind);
  return g_string_free(text, FALSE);
}

/* ---- JSON ---- */

static void build_finding(JsonBuilder *builder, const VelmFinding *finding) {
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "kind", velm_audit_kind_name(finding->kind));
  velm_json_set_double(builder, "score", finding->score);
  velm_json_set_string(builder, "label", finding->label);
  velm_json_set_string(builder, "other", finding->other);
  json_builder_set_member_name(builder, "paths");
  json_builder_begin_array(builder);
  for (guint i = 0; i < finding->paths->len; i++) {
    g_autofree char *path = g_utf8_make_valid(g_ptr_array_index(finding->paths, i), -1);
    json_builder_add_string_value(builder, path);
  }
  json_builder_end_array(builder);
  velm_json_set_string(builder, "message", finding->message);
  json_builder_end_object(builder);
}

static void build_labels(JsonBuilder *builder, const VelmAudit *audit) {
  json_builder_set_member_name(builder, "label_ranking");
  json_builder_begin_array(builder);
  for (guint i = 0; i < audit->labels->len; i++) {
    const VelmLabelRank *rank = audit->labels->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "path", rank->path);
    velm_json_set_string(builder, "label", rank->label);
    velm_json_set_string(builder, "other", rank->other);
    velm_json_set_double(builder, "score", rank->score);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

char *velm_audit_to_json(const VelmAudit *audit) {
  const VelmDataset *dataset = audit->dataset;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "directory", dataset->directory);
  velm_json_set_int(builder, "train_images", dataset->train->len);
  velm_json_set_int(builder, "test_images", dataset->test->len);
  velm_json_set_int(builder, "classes", dataset->classes->len);
  velm_json_set_boolean(builder, "has_groups", dataset->has_groups);
  json_builder_set_member_name(builder, "counts");
  json_builder_begin_object(builder);
  for (int kind = 0; kind < VELM_N_AUDIT_KINDS; kind++)
    velm_json_set_int(builder, velm_audit_kind_name((VelmAuditKind)kind),
                      count_kind(audit, (VelmAuditKind)kind));
  json_builder_end_object(builder);
  json_builder_set_member_name(builder, "findings");
  json_builder_begin_array(builder);
  for (guint i = 0; i < audit->findings->len; i++)
    build_finding(builder, g_ptr_array_index(audit->findings, i));
  json_builder_end_array(builder);
  build_labels(builder, audit);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
