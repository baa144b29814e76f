#include "core/findings.h"

#include <string.h>

/* Longer words are no misspelt keys. */
#define MAX_WORD 64

static void finding_free(gpointer data) {
  VelmTextFinding *finding = data;
  g_free(finding->message);
  g_free(finding);
}

GPtrArray *velm_findings_new(void) { return g_ptr_array_new_with_free_func(finding_free); }

gboolean velm_findings_full(const GPtrArray *findings) { return findings->len > VELM_FINDINGS_MAX; }

static void add(GPtrArray *findings, int line, int column, gboolean error, char *message) {
  VelmTextFinding *finding = g_new0(VelmTextFinding, 1);
  finding->line = line;
  finding->column = column;
  finding->error = error;
  finding->message = message;
  g_ptr_array_add(findings, finding);
}

G_GNUC_PRINTF(5, 0)
static void add_format(GPtrArray *findings, int line, int column, gboolean error,
                       const char *format, va_list arguments) {
  if (velm_findings_full(findings))
    return;
  if (findings->len == VELM_FINDINGS_MAX)
    /* Counts as a mistake: what is not shown may be one. */
    add(findings, line, column, TRUE, g_strdup("there is more to say, which is not shown"));
  else
    add(findings, line, column, error, g_strdup_vprintf(format, arguments));
}

void velm_findings_error(GPtrArray *findings, int line, int column, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_format(findings, line, column, TRUE, format, arguments);
  va_end(arguments);
}

void velm_findings_warning(GPtrArray *findings, int line, int column, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_format(findings, line, column, FALSE, format, arguments);
  va_end(arguments);
}

const VelmTextFinding *velm_findings_first_error(const GPtrArray *findings) {
  for (guint i = 0; i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    if (finding->error)
      return finding;
  }
  return NULL;
}

static int compare(gconstpointer a, gconstpointer b) {
  const VelmTextFinding *x = *(const VelmTextFinding *const *)a;
  const VelmTextFinding *y = *(const VelmTextFinding *const *)b;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return (x->column > y->column) - (x->column < y->column);
}

void velm_findings_sort(GPtrArray *findings) { g_ptr_array_sort(findings, compare); }

/* Optimal string alignment distance of two words, MAX_WORD bytes at the most each. */
static guint distance(const char *a, const char *b) {
  guint rows[3][MAX_WORD + 1];
  guint *before = rows[0], *previous = rows[1], *current = rows[2];
  gsize n = strlen(a), m = strlen(b);
  for (gsize j = 0; j <= m; j++)
    previous[j] = (guint)j;
  for (gsize i = 1; i <= n; i++) {
    current[0] = (guint)i;
    for (gsize j = 1; j <= m; j++) {
      guint substitution = previous[j - 1] + (a[i - 1] != b[j - 1]);
      current[j] = MIN(substitution, MIN(previous[j], current[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = MIN(current[j], before[j - 2] + 1);
    }
    guint *oldest = before;
    before = previous;
    previous = current;
    current = oldest;
  }
  return previous[m];
}

const char *velm_findings_suggest(const char *word, const char *const *candidates, gsize n) {
  gsize length = strlen(word);
  if (length == 0 || length > MAX_WORD)
    return NULL;
  g_autofree char *lower = g_ascii_strdown(word, -1);
  const char *best = NULL;
  guint least = (guint)MAX(length / 3, 1) + 1;
  for (gsize i = 0; i < n; i++) {
    if (strlen(candidates[i]) > MAX_WORD)
      continue;
    g_autofree char *candidate = g_ascii_strdown(candidates[i], -1);
    guint d = distance(lower, candidate);
    if (d < least) {
      least = d;
      best = candidates[i];
    }
  }
  return best;
}
