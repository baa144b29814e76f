#include "act/rules.h"
#include "act/spec.h"
#include "core/findings.h"

#include <string.h>

#define HEAD "object: disc\nnormal: round\n"

static const VelmNewClass stain = {.key = "stain",
                                   .name = "oil stain",
                                   .description = "a dark spot",
                                   .action = "wash",
                                   .severity = VELM_DECISION_DEFECT};

#define BLOCK                                                                                      \
  "  stain:\n    name: oil stain\n    description: a dark spot\n    severity: defect\n"            \
  "    action: wash\n"

static VelmSpec *parse(const char *yaml) {
  g_autoptr(GError) error = NULL;
  VelmSpec *spec = velm_spec_parse(yaml, strlen(yaml), "part.yaml", NULL, &error);
  if (!spec)
    g_error("in\n%s\n%s", yaml, error->message);
  return spec;
}

static char *add(const char *yaml, const VelmNewClass *class, GError **error) {
  g_autoptr(VelmSpec) spec = parse(yaml);
  return velm_spec_add_class(spec, class, error);
}

/* Fails unless adding @class to @yaml gives @expected. */
static void assert_added(const char *yaml, const VelmNewClass *class, const char *expected) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = add(yaml, class, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(text, ==, expected);
}

static void assert_refused(const char *yaml, const VelmNewClass *class, const char *message) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = add(yaml, class, &error);
  g_assert_null(text);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
  if (!strstr(error->message, message))
    g_error("in\n%s\nsaid:     %s\nexpected: %s", yaml, error->message, message);
}

/* ---- places ---- */

static void test_end_of_file(void) {
  assert_added(HEAD "classes:\n  dent: {description: a hollow}\n", &stain,
               HEAD "classes:\n  dent: {description: a hollow}\n" BLOCK);
  assert_added(HEAD "classes:\n  dent: {description: a hollow} # as on the sheet", &stain,
               HEAD "classes:\n  dent: {description: a hollow} # as on the sheet\n" BLOCK);
  assert_added(HEAD "classes:\n  dent:\n    description: >\n      a\n\n      hollow", &stain,
               HEAD "classes:\n  dent:\n    description: >\n      a\n\n      hollow\n" BLOCK);
  assert_added(HEAD "classes:\n  dent:\n\n\n", &stain, HEAD "classes:\n  dent:\n" BLOCK "\n\n");
  assert_added("---\n" HEAD "classes:\n  dent:\n...\n# end\n", &stain,
               "---\n" HEAD "classes:\n  dent:\n" BLOCK "...\n# end\n");
}

#define RULES "rules:\n- when: {class: dent, confidence below: 0.5}\n  severity: review\n"

static void test_before_others(void) {
  assert_added(HEAD "classes:\n  dent: {action: \"#1\"}\n" RULES, &stain,
               HEAD "classes:\n  dent: {action: \"#1\"}\n" BLOCK RULES);
  assert_added("classes:\n  dent:\n\n\n" HEAD, &stain, "classes:\n  dent:\n" BLOCK "\n\n" HEAD);
}

/* What is indented as the classes are is said of them; what is not, of what follows. */
static void test_comments(void) {
  assert_added(
      HEAD "classes:\n  dent:\n    name: a dent\n    # action: scrap\n\n  # all of them\n\n"
           "# The rules.\n" RULES,
      &stain,
      HEAD "classes:\n  dent:\n    name: a dent\n    # action: scrap\n\n  # all of them\n" BLOCK
           "\n# The rules.\n" RULES);
  /* In a block of text it is text, however it looks. */
  assert_added(HEAD
               "classes:\n  dent:\n    description: |\n      see\n      # 7\n# The rules.\n" RULES,
               &stain,
               HEAD "classes:\n  dent:\n    description: |\n      see\n      # 7\n" BLOCK
                    "# The rules.\n" RULES);
}

static void test_line_ends(void) {
  assert_added("object: disc\r\nclasses:\r\n  dent:\r\n\r\nscale: 0.1\r\n",
               &(VelmNewClass){.key = "a", .severity = VELM_DECISION_REVIEW},
               "object: disc\r\nclasses:\r\n  dent:\r\n  a:\r\n    severity: review\r\n\r\n"
               "scale: 0.1\r\n");
  assert_added("\xEF\xBB\xBFobject: disc\nclasses:\n  dent:",
               &(VelmNewClass){.key = "a", .severity = VELM_DECISION_NEGLIGIBLE},
               "\xEF\xBB\xBFobject: disc\nclasses:\n  dent:\n  a:\n    severity: negligible\n");
}

static void test_indentation(void) {
  VelmNewClass class = {.key = "a", .severity = VELM_DECISION_NORMAL};
  assert_added("object: disc\nclasses:\n       dent:\n        name: x\n   # less\n", &class,
               "object: disc\nclasses:\n       dent:\n        name: x\n"
               "       a:\n         severity: normal\n   # less\n");
  assert_added("  object: disc\n  classes:\n   dent:\n  scale: 1\n", &class,
               "  object: disc\n  classes:\n   dent:\n   a:\n     severity: normal\n  scale: 1\n");
  assert_added("object: disc\nclasses: # all\n\n  dent:\t# a tab\n  \n", &class,
               "object: disc\nclasses: # all\n\n  dent:\t# a tab\n  a:\n    severity: normal\n"
               "  \n");
  assert_added("object: disc\nclasses: &all\n  &d dent:\nscale: 1\n", &class,
               "object: disc\nclasses: &all\n  &d dent:\n  a:\n    severity: normal\nscale: 1\n");
}

/* What cannot be extended is left to a person, and never spoilt. */
static void test_odd_styles(void) {
  assert_refused("object: disc\nclasses: {dent: {}}\n", &stain, "written in braces");
  assert_refused("{object: disc, classes: {dent: {}}}\n", &stain, "written in braces");
  assert_refused("object: disc\nclasses:\n  ? dent\n  : {name: a}\n", &stain, "edit it by hand");
  assert_refused("object: disc\rclasses:\r  dent:\rscale: 1\r", &stain, "edit it by hand");
}

/* ---- texts ---- */

static void test_wrong_classes(void) {
  static const char spec[] = HEAD "classes:\n  dent: {name: hollow spot}\n";
  static const struct {
    const char *key, *name, *description, *action, *message;
  } cases[] = {
      {"dent", "a", NULL, NULL, "has a class `dent` already"},
      {"good", "a", NULL, NULL, "the class `good` is reserved"},
      {"unknown", "a", NULL, NULL, "the class `unknown` is reserved"},
      {"a/b", "a", NULL, NULL, "`a/b` cannot be a class"},
      {".a", "a", NULL, NULL, "`.a` cannot be a class"},
      {"", "a", NULL, NULL, "cannot be a class"},
      {"a\nb", "a", NULL, NULL, "cannot be a class"},
      {"a", "Hollow_Spot", NULL, NULL, "have the same name"},
      {"a", "good", NULL, NULL, "no class may be named `good`"},
      {"a", "two\nlines", NULL, NULL, "`name` must be one line of text"},
      {"a", "a", "bell \a", NULL, "`description` must be text without control characters"},
      {"a", "a", NULL, "two\nlines", "`action` must be one line of text"},
      {"a", "\xE9", NULL, NULL, "cannot be written as YAML"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_refused(spec,
                   &(VelmNewClass){.key = cases[i].key,
                                   .name = cases[i].name,
                                   .description = cases[i].description,
                                   .action = cases[i].action},
                   cases[i].message);
}

static void test_limits(void) {
  g_autoptr(GString) text = g_string_new(HEAD "classes:\n");
  for (int i = 0; i < 1000; i++)
    g_string_append_printf(text, "  c%d: {description: d}\n", i);
  assert_refused(text->str, &stain, "over 1000 classes");
  g_string_assign(text, HEAD "classes:\n  dent:\n#");
  while (text->len < VELM_SPEC_MAX_BYTES)
    g_string_append_c(text, 'x');
  assert_refused(text->str, &stain, "larger than a spec may be");
}

static void test_block_text(void) {
  VelmNewClass class = {.key = "a", .description = " first: \"line\"\n\n  second # line \n"};
  g_autofree char *text = add(HEAD "classes:\n  dent:\n", &class, NULL);
  g_assert_cmpstr(text, ==,
                  HEAD "classes:\n  dent:\n  a:\n    description: |-\n"
                       "      first: \"line\"\n\n        second # line\n    severity: normal\n");
}

/* ---- any spec, any class ---- */

#define N_TRIALS 3000

static const char *pick(GRand *rand, const char *const *texts, guint n) {
  return texts[g_rand_int_range(rand, 0, (gint32)n)];
}

/* Up to eight pieces of what is hard to quote. Returns: (transfer full). */
static char *make_text(GRand *rand, gboolean lines) {
  static const char *const pieces[] = {"a",
                                       "dent",
                                       ": ",
                                       "#",
                                       " #",
                                       "'",
                                       "\"",
                                       "\\",
                                       "{",
                                       "}",
                                       "[",
                                       "- ",
                                       "-",
                                       "? ",
                                       "&x",
                                       "*x",
                                       "!",
                                       "|",
                                       ">",
                                       "%",
                                       "@",
                                       "`",
                                       ",",
                                       "~",
                                       "null",
                                       "no",
                                       "1.5",
                                       "  ",
                                       "---",
                                       "\u00e9",
                                       "\u50b7",
                                       "\U0001F527",
                                       "\u00a0",
                                       "\ufeffx",
                                       ":",
                                       "=",
                                       "é:",
                                       "...",
                                       "<<",
                                       "\n",
                                       "\n  indented",
                                       "\n\n# hash",
                                       "\ttab",
                                       "\r\n"};
  g_autoptr(GString) text = g_string_new(NULL);
  guint n = G_N_ELEMENTS(pieces) - (lines ? 0 : 5);
  for (int i = g_rand_int_range(rand, 1, 9); i > 0; i--)
    g_string_append(text, pick(rand, pieces, n));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void append_gap(GRand *rand, GString *text, int indent) {
  static const char *const gaps[] = {"", "", "", "\n", "# aside\n", " \n\n", "\n# aside: \"1\n\n"};
  g_string_append(text, pick(rand, gaps, G_N_ELEMENTS(gaps)));
  if (g_rand_int_range(rand, 0, 3) == 0)
    g_string_append_printf(text, "%*s# dent:\n", indent, "");
}

static void append_class(GRand *rand, GString *text, int indent, int number) {
  static const char *const forms[] = {
      "\n",
      " # bare\n",
      " {description: \"a # b\", action: x}\n",
      " {description: 'over\n  # two lines',\n  action: x}\n",
      "\n          description: plain\n            in two # lines\n",
      "\n          description: |\n            literal\n            # text\n",
      "\n          description: >+\n            folded\n\n\n",
      "\n          name: \"quoted: %\n            twice\"\n          severity: review\n",
  };
  g_string_append_printf(text, "%*sclass %d:", indent, "", number);
  const char *form = pick(rand, forms, G_N_ELEMENTS(forms));
  /* One name for all would be a mistake. */
  g_string_append(text, strstr(form, "name") && number ? forms[0] : form);
  append_gap(rand, text, indent);
}

/* Returns: (transfer full): a spec without mistakes, with block style classes. */
static char *make_spec(GRand *rand) {
  int indent = g_rand_int_range(rand, 1, 9);
  g_autoptr(GString) text = g_string_new(g_rand_boolean(rand) ? "object: disc\n" : "");
  gboolean headless = text->len == 0;
  append_gap(rand, text, 0);
  g_string_append(text, "classes:\n");
  for (int i = 0, n = g_rand_int_range(rand, 1, 5); i < n; i++)
    append_class(rand, text, indent, i);
  if (headless)
    g_string_append(text, "object: disc\n");
  if (g_rand_boolean(rand))
    g_string_append(text, "rules:\n  - {when: {class: class 0}, severity: review}\n");
  append_gap(rand, text, 0);
  if (g_rand_boolean(rand) && text->str[text->len - 1] == '\n')
    g_string_truncate(text, text->len - 1);
  if (g_rand_boolean(rand))
    g_string_replace(text, "\n", "\r\n", 0);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_same_classes(const VelmSpec *before, const VelmSpec *after) {
  const GPtrArray *old = velm_spec_get_classes(before)->classes;
  const GPtrArray *new = velm_spec_get_classes(after)->classes;
  g_assert_cmpuint(new->len, ==, old->len + 1);
  for (guint i = 0; i < old->len; i++) {
    const VelmClass *a = old->pdata[i], *b = new->pdata[i];
    g_assert_cmpstr(a->key, ==, b->key);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->description, ==, b->description);
    const VelmOutcome *one = velm_spec_get_outcome(before, i);
    const VelmOutcome *other = velm_spec_get_outcome(after, i);
    g_assert_cmpint(one->severity, ==, other->severity);
    g_assert_cmpstr(one->action, ==, other->action);
  }
  g_assert_cmpuint(velm_spec_get_rules(before)->len, ==, velm_spec_get_rules(after)->len);
}

/* Whether @after is @before with one piece more. */
static gboolean is_insertion(const char *before, const char *after) {
  gsize old = strlen(before), new = strlen(after), head = 0, tail = 0;
  while (head < old && before[head] == after[head])
    head++;
  while (tail < old && before[old - tail - 1] == after[new - tail - 1])
    tail++;
  return new > old &&head + tail >= old;
}

static char *stripped(const char *text) {
  char *copy = g_strstrip(g_strdup(text));
  if (!*copy)
    g_clear_pointer(&copy, g_free);
  return copy;
}

static void assert_last_class(const VelmSpec *spec, const VelmNewClass *class) {
  const GPtrArray *classes = velm_spec_get_classes(spec)->classes;
  const VelmClass *last = classes->pdata[classes->len - 1];
  g_autofree char *name = stripped(class->name), *description = stripped(class->description);
  g_autofree char *action = stripped(class->action);
  const VelmOutcome *outcome = velm_spec_get_outcome(spec, classes->len - 1);
  g_assert_cmpstr(last->key, ==, class->key);
  g_assert_cmpstr(last->name, ==, name ? name : class->key);
  g_assert_cmpstr(last->description, ==, description);
  g_assert_cmpstr(outcome->action, ==, action ? action : "pass");
  g_assert_cmpint(outcome->severity, ==, VELM_DECISION_NEGLIGIBLE);
}

/* Returns: whether the class did. */
static gboolean try(GRand *rand) {
  g_autoptr(GError) error = NULL;
  g_autofree char *yaml = make_spec(rand), *key = make_text(rand, FALSE);
  g_autofree char *name = make_text(rand, FALSE), *description = make_text(rand, TRUE);
  g_autofree char *action = make_text(rand, FALSE);
  VelmNewClass class = {key, name, description, action, VELM_DECISION_NEGLIGIBLE};
  g_autoptr(VelmSpec) before = parse(yaml);
  g_autofree char *text = velm_spec_add_class(before, &class, &error);
  if (!text) {
    /* Only a key that cannot be one may be refused: begins with a point, or holds a slash. */
    if (*key != '.' && !strchr(key, '\\'))
      g_error("to\n%s\nnot added: %s: %s", yaml, key, error->message);
    return FALSE;
  }
  g_autoptr(VelmSpec) after = parse(text);
  assert_same_classes(before, after);
  assert_last_class(after, &class);
  if (!is_insertion(yaml, text))
    g_error("to\n%s\nwas made\n%s", yaml, text);
  return TRUE;
}

static void test_any(void) {
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)g_test_rand_int());
  int n_added = 0;
  for (int i = 0; i < N_TRIALS; i++)
    n_added += try(rand);
  g_assert_cmpint(n_added, >, N_TRIALS / 2);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spec_add_class/end-of-file", test_end_of_file);
  g_test_add_func("/spec_add_class/before-others", test_before_others);
  g_test_add_func("/spec_add_class/comments", test_comments);
  g_test_add_func("/spec_add_class/line-ends", test_line_ends);
  g_test_add_func("/spec_add_class/indentation", test_indentation);
  g_test_add_func("/spec_add_class/odd-styles", test_odd_styles);
  g_test_add_func("/spec_add_class/wrong-classes", test_wrong_classes);
  g_test_add_func("/spec_add_class/limits", test_limits);
  g_test_add_func("/spec_add_class/block-text", test_block_text);
  g_test_add_func("/spec_add_class/any", test_any);
  return g_test_run();
}
