#include "act/rules.h"
#include "act/spec.h"
#include "core/file.h"
#include "core/findings.h"

#include <glib/gstdio.h>
#include <string.h>

/* A spec with every key. */
static const char complete[] = "object: magnetic tile\n"
                               "normal: a flat, evenly grey surface\n"
                               "strategy: first look at the outline\n"
                               "scale: 0.05\n"
                               "confidence: 0.6\n"
                               "unknown: {action: call the foreman}\n"
                               "classes:\n"
                               "  crack: {name: hairline crack, description: a thin dark line,\n"
                               "          severity: defect, action: scrap}\n"
                               "  uneven: {description: brightness changes, severity: negligible}\n"
                               "  dent:\n"
                               "    description: >\n"
                               "      a hollow\n"
                               "rules:\n"
                               "  - when: {class: dent, area below: 2 mm2}\n"
                               "    severity: negligible\n"
                               "  - when: {count at least: 5, score ratio at least: 1.5}\n"
                               "    action: scrap\n";

/* The least that a spec without warnings needs, for a case to be added to. */
#define HEAD "object: disc\nnormal: round\n"
#define CLASSES "classes:\n  dent: {description: a hollow}\n  crack: {description: a line}\n"

static VelmSpec *parse(const char *yaml, GPtrArray **findings) {
  return velm_spec_parse(yaml, strlen(yaml), "part.yaml", findings, NULL);
}

static char *describe(const VelmTextFinding *finding) {
  return g_strdup_printf("%d:%d: %s%s", finding->line, finding->column,
                         finding->error ? "" : "warning: ", finding->message);
}

/* Fails unless the findings of @yaml are one for each of @expected, in order, which each begin so.
 */
static void assert_findings(const char *yaml, const char *const *expected) {
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = parse(yaml, &findings);
  gboolean error = FALSE;
  for (guint i = 0; i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    g_autofree char *line = describe(finding);
    error = error || finding->error;
    if (!expected[i])
      g_error("in\n%s\nunexpected: %s", yaml, line);
    if (!g_str_has_prefix(line, expected[i]))
      g_error("in\n%s\nfound:    %s\nexpected: %s", yaml, line, expected[i]);
  }
  if (expected[findings->len])
    g_error("in\n%s\nnot found: %s", yaml, expected[findings->len]);
  g_assert_true((spec == NULL) == error);
}

#define ASSERT_FINDINGS(yaml, ...) assert_findings(yaml, (const char *const[]){__VA_ARGS__, NULL})
#define ASSERT_CLEAN(yaml) assert_findings(yaml, (const char *const[]){NULL})

static void test_complete(void) {
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = parse(complete, &findings);
  g_assert_nonnull(spec);
  g_assert_cmpuint(findings->len, ==, 0);
  const VelmClasses *classes = velm_spec_get_classes(spec);
  g_assert_cmpstr(classes->object, ==, "magnetic tile");
  g_assert_cmpstr(classes->normal, ==, "a flat, evenly grey surface");
  g_assert_cmpstr(classes->strategy, ==, "first look at the outline");
  g_assert_cmpuint(classes->classes->len, ==, 3);
  const VelmClass *crack = g_ptr_array_index(classes->classes, 0);
  g_assert_cmpstr(crack->key, ==, "crack");
  g_assert_cmpstr(crack->name, ==, "hairline crack");
  g_assert_cmpstr(crack->description, ==, "a thin dark line");
  g_assert_cmpstr(velm_spec_get_outcome(spec, 0)->action, ==, "scrap");
  g_assert_cmpint(velm_spec_get_outcome(spec, 1)->severity, ==, VELM_DECISION_NEGLIGIBLE);
  g_assert_cmpstr(velm_spec_get_outcome(spec, 1)->action, ==, "pass");
  g_assert_cmpint(velm_spec_get_outcome(spec, 2)->severity, ==, VELM_DECISION_DEFECT);
  g_assert_cmpstr(velm_spec_get_outcome(spec, 2)->action, ==, "reject");
  g_assert_null(velm_spec_get_outcome(spec, 3));
  g_assert_cmpfloat(velm_spec_get_confidence(spec), ==, 0.6);
  g_assert_cmpstr(velm_spec_get_review_action(spec), ==, "call the foreman");
  g_assert_cmpuint(velm_spec_get_rules(spec)->len, ==, 2);
  const VelmRule *second = g_ptr_array_index(velm_spec_get_rules(spec), 1);
  g_assert_cmpint(second->line, ==, 17);
  g_assert_cmpstr(velm_spec_get_text(spec), ==, complete);
}

static void test_least(void) {
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = parse("object: disc\nclasses:\n  crack:\n", &findings);
  g_assert_nonnull(spec);
  g_assert_cmpuint(findings->len, ==, 2); /* no normal, no description */
  const VelmClass *crack = g_ptr_array_index(velm_spec_get_classes(spec)->classes, 0);
  g_assert_cmpstr(crack->name, ==, "crack");
  g_assert_null(crack->description);
  g_assert_cmpint(velm_spec_get_outcome(spec, 0)->severity, ==, VELM_DECISION_DEFECT);
  g_assert_cmpfloat(velm_spec_get_confidence(spec), ==, VELM_SPEC_CONFIDENCE);
  g_assert_cmpstr(velm_spec_get_review_action(spec), ==, "hold for review");
}

static void test_default_actions(void) {
  g_autoptr(VelmSpec) spec = parse("object: a\nunknown: {action: ask}\nclasses:\n"
                                   "  a: {severity: negligible}\n  b: {severity: normal}\n"
                                   "  c: {severity: review}\n  d: {severity: defect}\n",
                                   NULL);
  static const char *const actions[] = {"pass", "pass", "ask", "reject"};
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
    g_assert_cmpstr(velm_spec_get_outcome(spec, i)->action, ==, actions[i]);
}

static void test_first_error(void) {
  g_autoptr(GError) error = NULL;
  static const char yaml[] = "object: disc\nclasses:\n  a: {severity: bad}\n  good:\n";
  g_assert_null(velm_spec_parse(yaml, strlen(yaml), "part.yaml", NULL, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
  g_assert_true(g_str_has_prefix(error->message, "part.yaml:3: unknown severity `bad`"));
}

static void test_every_mistake(void) {
  ASSERT_FINDINGS(
      "object: [a]\n"
      "nromal: round\n"
      "scale: 0,05\n"
      "confidence: 50\n"
      "unknown: {severity: defect}\n"
      "classes:\n"
      "  crack: {descripton: a line, severity: defekt}\n"
      "  good: {description: fine}\n"
      "  Unknown:\n"
      "  dent: deep\n"
      "rules:\n"
      "  - when: {class: crak}\n"
      "    severity: negligible\n",
      "1:1: warning: `normal` is missing", "1:9: `object` must be text, not a list",
      "2:1: unknown key `nromal`: did you mean `normal`?",
      "3:8: `scale` (mm a pixel) must be a number (with a point for decimals), not `0,05`",
      "4:13: `confidence` must be from 0 to 1, not 50",
      "5:11: unknown key `severity`; `unknown`, which is always reviewed, has `action`",
      "7:3: warning: the class `crack` has no description",
      "7:11: unknown key `descripton`: did you mean `description`?",
      "7:41: unknown severity `defekt`; did you mean `defect`? (allowed: defect, "
      "negligible, review, normal)",
      "8:3: the class `good` is reserved", "9:3: the class `Unknown` is reserved",
      "10:9: the class `dent` must be a mapping",
      "12:19: `classes` has no `crak`: did you mean `crack`?");
}

static void test_top_level(void) {
  ASSERT_FINDINGS("", "1:1: the file is empty");
  ASSERT_FINDINGS("# nothing\n\n", "1:1: the file is empty");
  ASSERT_FINDINGS("just words\n", "1:1: a spec is a mapping");
  ASSERT_FINDINGS("- object: disc\n", "1:1: a spec is a mapping of keys that begins such as "
                                      "`object: NAME`, not a list");
  ASSERT_FINDINGS("normal: round\n" CLASSES, "1:1: `object` is missing");
  ASSERT_FINDINGS("object:\nnormal: round\n" CLASSES, "1:8: `object` is missing");
  ASSERT_FINDINGS("object: ' '\nnormal: round\n" CLASSES, "1:9: `object` is empty");
  ASSERT_FINDINGS("object: |\n  a\n  b\nnormal: round\n" CLASSES, "1:9: `object` must be one line");
  ASSERT_FINDINGS("object: \"a\\0b\"\nnormal: round\n" CLASSES, "1:9: the text holds a zero byte");
  ASSERT_FINDINGS(HEAD "scale: 0\n" CLASSES, "3:8: `scale` (mm a pixel) must be from 0.000001");
  ASSERT_FINDINGS(HEAD "scale: nan\n" CLASSES, "3:8: `scale` (mm a pixel) must be a number, not");
  ASSERT_FINDINGS(HEAD "confidence: 0x1\n" CLASSES, "3:13: `confidence` must be a number, not");
  ASSERT_FINDINGS(HEAD "confidence: -0.1\n" CLASSES, "3:13: `confidence` must be from 0 to 1");
  ASSERT_FINDINGS(HEAD "unknown: review\n" CLASSES, "3:10: `unknown` must be a mapping, not text");
  ASSERT_FINDINGS(HEAD "unclassified: {severity: defect}\n" CLASSES,
                  "3:16: unknown key `severity`; `unclassified`, which is always reviewed, has "
                  "`action`");
  ASSERT_FINDINGS(HEAD "colour: red\n" CLASSES,
                  "3:1: unknown key `colour`; a spec has `object`, `normal`, `strategy`, `scale`, "
                  "`confidence`, `unknown`, `unclassified`, `classes` and `rules`");
  ASSERT_CLEAN(HEAD "confidence: 1\n" CLASSES);
  ASSERT_CLEAN("\xEF\xBB\xBF" HEAD CLASSES); /* a byte order mark */
  ASSERT_CLEAN("object: a\r\nnormal: b\r\nclasses:\r\n  c: {description: d}\r\n");
  ASSERT_CLEAN(HEAD "strategy:\nrules:\nconfidence:\n" CLASSES);
}

static void test_classes(void) {
  ASSERT_FINDINGS(HEAD, "1:1: `classes` is missing");
  ASSERT_FINDINGS(HEAD "classes:\n", "3:9: `classes` is empty");
  ASSERT_FINDINGS(HEAD "classes: {}\n", "3:10: `classes` is empty");
  ASSERT_FINDINGS(HEAD "classes: crack\n", "3:10: `classes` must be a mapping");
  ASSERT_FINDINGS(HEAD "classes: [crack]\n", "3:10: `classes` must be a mapping");
  ASSERT_FINDINGS(HEAD CLASSES "  a/b: {description: c}\n", "6:3: `a/b` cannot be a class");
  ASSERT_FINDINGS(HEAD CLASSES "  ..: {description: c}\n", "6:3: `..` cannot be a class");
  ASSERT_FINDINGS(HEAD CLASSES "  '': {description: c}\n", "6:3: `` cannot be a class");
  ASSERT_FINDINGS(HEAD CLASSES "  dent: {description: c}\n",
                  "6:3: the key `dent` is already on line 4");
  ASSERT_FINDINGS(HEAD CLASSES "  x: {name: Crack, description: c}\n",
                  "6:13: the classes `crack` and `x` have the same name, `Crack`");
  ASSERT_FINDINGS(HEAD "classes:\n  a_b: {description: c}\n  A-B: {description: d}\n",
                  "5:3: the classes `a_b` and `A-B` have the same name");
  ASSERT_FINDINGS(HEAD CLASSES "  x: {name: good, description: c}\n",
                  "6:13: no class may be named `good`");
  ASSERT_FINDINGS(HEAD CLASSES "  x: {description: [c]}\n",
                  "6:3: warning: the class `x` has no description",
                  "6:20: `description` must be text, not a list");
  ASSERT_FINDINGS(HEAD CLASSES "  x: {description: a, thin line}\n",
                  "6:23: unknown key `thin line` (inside braces a comma ends the text");
  ASSERT_FINDINGS(HEAD CLASSES "  ? [a, b]\n  : {description: c}\n",
                  "6:5: a key must be text, not a list");
  ASSERT_CLEAN(HEAD "classes:\n  12: {description: a number is a folder too}\n");
}

static void test_syntax(void) {
  ASSERT_FINDINGS(HEAD "classes:\n\tcrack:\n\t\tname: a\n", "4:1: indented by a tab",
                  "5:1: indented by a tab");
  ASSERT_FINDINGS("object: a: b\n", "1:10: mapping values are not allowed in this context (text "
                                    "with `: `");
  ASSERT_FINDINGS(HEAD "strategy: \"open\n" CLASSES,
                  "7:1: found unexpected end of stream while scanning a quoted scalar that starts "
                  "on line 3");
  ASSERT_FINDINGS(HEAD "strategy: @home\n", "3:11: found character that cannot start any token");
  ASSERT_FINDINGS("object: a\x01\n", "1:10: control characters are not allowed");
  ASSERT_FINDINGS("object: a\nnormal: \xE9gal\n", "2:9: not UTF-8 text (byte 0xe9)");
  ASSERT_FINDINGS("object: \xC3\xA9g\xE9\n", "1:11: not UTF-8 text (byte 0xe9)");
  ASSERT_FINDINGS(HEAD CLASSES "---\nobject: b\n", "6:1: a second document starts here");
  ASSERT_FINDINGS(HEAD "strategy: !!str a\n" CLASSES, "3:11: tags (here `tag:yaml.org,2002:str`)");
  /* A tab inside a text is no indentation. */
  ASSERT_CLEAN(HEAD "strategy: |\n  a\n  \tb\n" CLASSES);
}

static void test_not_text(void) {
  g_autoptr(GPtrArray) findings = NULL;
  static const char nul[] = "object: a\0b\n";
  g_assert_null(velm_spec_parse(nul, sizeof nul - 1, "part.yaml", &findings, NULL));
  g_assert_cmpuint(findings->len, ==, 1);
  g_autofree char *line = describe(g_ptr_array_index(findings, 0));
  g_assert_cmpstr(line, ==, "1:10: not UTF-8 text (byte 0x00)");
}

static void test_aliases(void) {
  ASSERT_FINDINGS(HEAD "classes:\n  a: &x {description: b}\n  c: *x\n",
                  "5:3: warning: the class `c` has no description",
                  "5:6: aliases (here `*x`) have no place here");
  /* Each level doubles the one above ten times over, where aliases are followed. */
  g_autoptr(GString) bomb = g_string_new("object: &a0 [x]\n");
  for (int i = 1; i < 30; i++) {
    g_string_append_printf(bomb, "k%d: &a%d [", i, i);
    for (int j = 0; j < 10; j++)
      g_string_append_printf(bomb, "%s*a%d", j ? ", " : "", i - 1);
    g_string_append(bomb, "]\n");
  }
  g_autoptr(GPtrArray) findings = NULL;
  g_assert_null(parse(bomb->str, &findings));
  g_assert_cmpuint(findings->len, ==, VELM_FINDINGS_MAX + 1);
}

static void test_deep(void) {
  g_autofree char *text = g_malloc0(100001);
  memset(text, '[', 100000);
  ASSERT_FINDINGS(text, "1:17: nested over 16 deep");
  for (int i = 0; i < 50000; i++)
    memcpy(text + 2 * i, "- ", 2);
  ASSERT_FINDINGS(text, "1:33: nested over 16 deep");
}

static void test_many_findings(void) {
  g_autoptr(GString) text = g_string_new(HEAD CLASSES);
  for (int i = 0; i < 5000; i++)
    g_string_append_printf(text, "wrong%d: 1\n", i);
  g_autoptr(GPtrArray) findings = NULL;
  g_assert_null(parse(text->str, &findings));
  g_assert_cmpuint(findings->len, ==, VELM_FINDINGS_MAX + 1);
  const VelmTextFinding *last = g_ptr_array_index(findings, VELM_FINDINGS_MAX);
  g_assert_cmpstr(last->message, ==, "there is more to say, which is not shown");
}

static void test_limits(void) {
  g_autoptr(GString) text = g_string_new(HEAD "classes:\n");
  for (int i = 0; i < 1000; i++)
    g_string_append_printf(text, "  c%d: {description: d}\n", i);
  ASSERT_CLEAN(text->str);
  g_string_append(text, "  one: {description: more}\n");
  ASSERT_FINDINGS(text->str, "1004:3: over 1000 classes");
  g_string_assign(text, HEAD CLASSES "rules:\n");
  for (int i = 0; i < 1001; i++)
    g_string_append(text, "- {when: {count at least: 2}, action: b}\n");
  ASSERT_FINDINGS(text->str, "1007:3: over 1000 rules");
}

static void test_large(void) {
  g_autoptr(GString) text = g_string_new(HEAD CLASSES "#");
  while (text->len < VELM_SPEC_MAX_BYTES)
    g_string_append_c(text, 'x');
  ASSERT_CLEAN(text->str);
  g_string_append_c(text, 'x');
  ASSERT_FINDINGS(text->str, "1:1: larger than a spec may be");
}

#define RULE(when) HEAD "scale: 0.1\n" CLASSES "rules:\n- {when: {" when "}, severity: review}\n"

static void test_rules(void) {
  ASSERT_CLEAN(RULE("class: [dent, unknown, good], area at least: 1 px, area below: 2 mm2"));
  ASSERT_CLEAN(RULE("total area below: 2.5mm², confidence at least: 0.2, elongation below: 3"));
  ASSERT_FINDINGS(RULE(""), "8:10: the rule needs conditions");
  ASSERT_FINDINGS(RULE("class: hole"), "8:18: `classes` has no `hole`");
  ASSERT_FINDINGS(RULE("class: [dent, dent]"), "8:25: the rule names `dent` twice");
  ASSERT_FINDINGS(RULE("class: []"), "8:18: `class` names no class");
  ASSERT_FINDINGS(RULE("class: {a: b}"), "8:18: `class` must be a class or a list of classes");
  ASSERT_FINDINGS(RULE("clas: dent"), "8:11: unknown condition `clas`: did you mean `class`?");
  ASSERT_FINDINGS(RULE("area: 2 mm2"), "8:11: unknown condition `area`: write `area below` or");
  ASSERT_FINDINGS(RULE("area_below: 2 px"),
                  "8:11: unknown condition `area_below`: did you mean `area below`?");
  ASSERT_FINDINGS(RULE("weather: bad"), "8:11: unknown condition `weather` (there are class, and");
  ASSERT_FINDINGS(RULE("area below: 2"), "8:23: `area below` must have the unit px");
  ASSERT_FINDINGS(RULE("area below: 2 cm2"), "8:23: `area below` must have the unit px");
  ASSERT_FINDINGS(RULE("area below: small"), "8:23: `area below` must be a number with its unit");
  ASSERT_FINDINGS(RULE("area below: 0 px"), "8:23: `area below: 0 px` can never hold");
  ASSERT_FINDINGS(RULE("area below: -1 px"), "8:23: `area below` must be 0 or more");
  ASSERT_FINDINGS(RULE("count at least: 1.5"), "8:27: `count at least` must be a whole number");
  ASSERT_FINDINGS(RULE("count at least: 1e300"), "8:27: `count at least` must be 0 or more");
  ASSERT_FINDINGS(RULE("count at least: [1]"),
                  "8:27: `count at least` must be a number, not a list");
  ASSERT_FINDINGS(RULE("confidence below: 1.5"), "8:29: `confidence below` must be from 0 to 1");
  ASSERT_FINDINGS(RULE("elongation below: 1"), "8:29: `elongation below: 1` can never hold");
  ASSERT_FINDINGS(RULE("area at least: 2 mm2, area below: 150 px"),
                  "8:10: `area at least: 2 mm2` and `area below: 150 px` can never hold together");
  ASSERT_FINDINGS(RULE("count below: 2, count below: 3"), "8:27: the key `count below` is already");
  ASSERT_FINDINGS(RULE("class: dent, class: crack"), "8:24: the key `class` is already");
}

static void test_rule_shape(void) {
  ASSERT_FINDINGS(HEAD CLASSES "rules: {}\n", "6:8: `rules` must be a list, not a mapping");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- pass\n", "7:3: a rule must be a mapping");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- when: {class: dent}\n", "7:3: the rule changes nothing");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- action: pass\n", "7:3: the rule needs conditions");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- when: dent\n  action: pass\n",
                  "7:9: the rule needs conditions");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- class: dent\n  acton: pass\n",
                  "7:3: `class` is a condition: it belongs below `when`",
                  "7:3: the rule changes nothing",
                  "8:3: unknown key `acton`: did you mean `action`?");
  ASSERT_FINDINGS(HEAD "scale: x\n" CLASSES "rules:\n- {when: {area below: 2 mm2}, action: a}\n",
                  "3:8: `scale` (mm a pixel) must be a number");
  ASSERT_FINDINGS(HEAD CLASSES "rules:\n- when: {area below: 2 mm2}\n  action: pass\n",
                  "7:22: mm2 needs `scale`");
}

static void test_suggest(void) {
  static const char *const words[] = {"name", "description", "severity"};
  g_assert_cmpstr(velm_findings_suggest("NAME", words, 3), ==, "name");
  g_assert_cmpstr(velm_findings_suggest("nmae", words, 3), ==, "name");
  g_assert_cmpstr(velm_findings_suggest("desc", words, 3), ==, NULL);
  g_assert_cmpstr(velm_findings_suggest("descritpoin", words, 3), ==, "description");
  g_assert_cmpstr(velm_findings_suggest("", words, 3), ==, NULL);
  g_autofree char *long_word = g_strnfill(1000, 'n');
  g_assert_cmpstr(velm_findings_suggest(long_word, words, 3), ==, NULL);
}

static void test_load(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("velm-spec-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "spec.yaml", NULL);
  g_assert_null(velm_spec_load(path, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(error->message, path));
  g_clear_error(&error);
  g_assert_null(velm_spec_load(folder, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_clear_error(&error);
  g_assert_true(g_file_set_contents(path, complete, -1, NULL));
  g_autoptr(VelmSpec) spec = velm_spec_load(path, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(velm_spec_get_classes(spec)->object, ==, "magnetic tile");
  g_assert_null(velm_spec_load("/dev/zero", &error)); /* no end: must not be read to it */
  g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
  g_unlink(path);
  g_rmdir(folder);
}

/* ---- import ---- */

static const char described[] =
    "{\"steel_ball\": {\"normal\": [\" round: shiny\"],"
    "  \"pit_mark\": [\"pit, mark\", \"a hole # \\u00e9\", \"with a rim\"],"
    "  \"rust\": [\"null\"], \"2\": \"only words: here\", \"dull\": []},"
    " \"cup\": {\"good\": [\"whole\"], \"chip\": [\"chip\", \"a \\\"chip\\\"\"]}}";

static char *import(const char *json, const char *object, GError **error) {
  return velm_spec_import(json, strlen(json), "des.json", object, error);
}

static void test_import(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = import(described, "steel_ball", &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = parse(text, &findings);
  g_assert_nonnull(spec);
  g_assert_cmpuint(findings->len, ==, 2); /* rust and dull have no description */
  const VelmClasses *classes = velm_spec_get_classes(spec);
  g_assert_cmpstr(classes->object, ==, "steel ball");
  g_assert_cmpstr(classes->normal, ==, "round: shiny");
  static const VelmClass expected[] = {
      {"pit_mark", "pit, mark", "a hole # \xC3\xA9 with a rim"},
      {"rust", "null", NULL},
      {"2", "2", "only words: here"},
      {"dull", "dull", NULL},
  };
  g_assert_cmpuint(classes->classes->len, ==, G_N_ELEMENTS(expected));
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    const VelmClass *class = g_ptr_array_index(classes->classes, i);
    g_assert_cmpstr(class->key, ==, expected[i].key);
    g_assert_cmpstr(class->name, ==, expected[i].name);
    g_assert_cmpstr(class->description, ==, expected[i].description);
    g_assert_cmpint(velm_spec_get_outcome(spec, i)->severity, ==, VELM_DECISION_DEFECT);
  }
}

static void test_import_good(void) {
  g_autofree char *text = import(described, "cup", NULL);
  g_autoptr(VelmSpec) spec = parse(text, NULL);
  g_assert_cmpstr(velm_spec_get_classes(spec)->normal, ==, "whole");
  g_assert_cmpint(velm_classes_find(velm_spec_get_classes(spec), "good"), ==, -1);
  g_auto(GStrv) objects = velm_spec_import_objects(described, strlen(described), "des.json", NULL);
  g_assert_cmpuint(g_strv_length(objects), ==, 2);
  g_assert_cmpstr(objects[1], ==, "cup");
}

/* Fails unless importing @object of @json fails and says so. */
static void assert_import_fails(const char *json, const char *object, const char *message) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = import(json, object, &error);
  g_assert_null(text);
  g_assert_nonnull(error);
  if (!strstr(error->message, message))
    g_error("of %s\nsaid:     %s\nexpected: %s", json, error->message, message);
  g_assert_true(g_str_has_prefix(error->message, "des.json"));
}

static void test_import_errors(void) {
  assert_import_fails(described, NULL, "several objects, name one: steel_ball, cup");
  assert_import_fails(described, "plate", "no object plate; there are: steel_ball, cup");
  assert_import_fails("", NULL, "not valid JSON");
  assert_import_fails("{\"a\": ", NULL, "not valid JSON");
  assert_import_fails("[]", NULL, "not descriptions");
  assert_import_fails("{}", NULL, "not descriptions");
  assert_import_fails("{\"a\": [\"b\"]}", NULL, "object a: classes are needed");
  assert_import_fails("{\"a\": {}}", NULL, "`classes` is empty");
  assert_import_fails("{\"a\": {\"b\": 1}}", NULL, "class b: an array of texts is needed");
  assert_import_fails("{\"a\": {\"b\": [null]}}", NULL, "class b: an array of texts is needed");
  assert_import_fails("{\"a\": {\"b\": [[\"c\"]]}}", NULL, "class b: an array of texts is needed");
  assert_import_fails("{\"a\": {\"unknown\": [\"c\"]}}", NULL, "`unknown` is reserved");
  assert_import_fails("{\"a\": {\"b\": [\"d\"], \"c\": [\"d\"]}}", NULL, "same name, `d`");
}

/* The text of the paper's file @name, where it is at hand. */
static GBytes *published(const char *name) {
  const char *folder = g_getenv("VELM_SHARED");
  g_autofree char *beside = g_test_build_filename(G_TEST_DIST, "..", "..", "shared", NULL);
  g_autofree char *path = g_build_filename(folder ? folder : beside, "velm-paper", name, NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS) ? velm_file_read(path, NULL) : NULL;
}

static void test_import_published(gconstpointer name) {
  g_autoptr(GBytes) bytes = published(name);
  if (!bytes) {
    g_test_skip("the paper's descriptions are not here");
    return;
  }
  gsize length;
  const char *json = g_bytes_get_data(bytes, &length);
  g_auto(GStrv) objects = velm_spec_import_objects(json, length, name, NULL);
  g_assert_cmpuint(g_strv_length(objects), >=, 12);
  for (char **at = objects; *at; at++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *text = velm_spec_import(json, length, name, *at, &error);
    g_assert_no_error(error);
    ASSERT_CLEAN(text);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spec/complete", test_complete);
  g_test_add_func("/spec/least", test_least);
  g_test_add_func("/spec/default-actions", test_default_actions);
  g_test_add_func("/spec/first-error", test_first_error);
  g_test_add_func("/spec/every-mistake", test_every_mistake);
  g_test_add_func("/spec/top-level", test_top_level);
  g_test_add_func("/spec/classes", test_classes);
  g_test_add_func("/spec/syntax", test_syntax);
  g_test_add_func("/spec/not-text", test_not_text);
  g_test_add_func("/spec/aliases", test_aliases);
  g_test_add_func("/spec/deep", test_deep);
  g_test_add_func("/spec/many-findings", test_many_findings);
  g_test_add_func("/spec/limits", test_limits);
  g_test_add_func("/spec/large", test_large);
  g_test_add_func("/spec/rules", test_rules);
  g_test_add_func("/spec/rule-shape", test_rule_shape);
  g_test_add_func("/spec/suggest", test_suggest);
  g_test_add_func("/spec/load", test_load);
  g_test_add_func("/spec/import", test_import);
  g_test_add_func("/spec/import/good", test_import_good);
  g_test_add_func("/spec/import/errors", test_import_errors);
  g_test_add_data_func("/spec/import/mvtec-ac", "mvtec_ac_des.json", test_import_published);
  g_test_add_data_func("/spec/import/mvtec-ad", "mvtec_ad_des.json", test_import_published);
  g_test_add_data_func("/spec/import/visa-ac", "visa_ac_des.json", test_import_published);
  return g_test_run();
}
