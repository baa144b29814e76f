#include "classify/token_probabilities.h"

#include "core/json.h"

#include <math.h>
#include <string.h>

#define MAX_ANSWERS 8

/* An answer of the model that is put together token by token. */
typedef struct {
  JsonArray *tokens;
  JsonArray *top; /* of the last token */
  const VelmAnswerName *names;
  guint n_names, n_answers;
} Answer;

static const VelmAnswerName metal[] = {{"rust", 0}, {"dent", 1}, {"good", 2}};
static const VelmAnswerName cracks[] = {{"crack", 0}, {"crack_long", 1}, {"dent", 2}};
static const VelmAnswerName board[] = {{"missing_hole", 0}, {"misaligned", 1}, {"rust", 2}};
/* In UTF-8: e6 ac a0 e3 81 91, e6 b1 9a e3 82 8c, e5 82 b7. */
static const VelmAnswerName japanese[] = {{"欠け", 0}, {"汚れ", 1}, {"傷", 2}};

static void begin(Answer *answer, const VelmAnswerName *names, guint n_names) {
  answer->tokens = json_array_new();
  answer->names = names;
  answer->n_names = n_names;
  answer->n_answers = 0;
  for (guint i = 0; i < n_names; i++)
    answer->n_answers = MAX(answer->n_answers, names[i].answer + 1);
}
#define BEGIN(answer, names) begin(answer, names, G_N_ELEMENTS(names))

static void end(Answer *answer) { json_array_unref(answer->tokens); }

static JsonObject *entry(const char *token, double logprob) {
  JsonObject *object = json_object_new();
  json_object_set_string_member(object, "token", token);
  json_object_set_double_member(object, "logprob", logprob);
  return object;
}

static void set_bytes(JsonObject *object, const char *bytes) {
  JsonArray *array = json_array_new();
  for (; *bytes; bytes++)
    json_array_add_int_element(array, (guchar)*bytes);
  json_object_set_array_member(object, "bytes", array);
}

/* The next token, of probability @p. */
static void write_token(Answer *answer, const char *token, double p) {
  JsonObject *object = entry(token, log(p));
  answer->top = json_array_new();
  json_array_add_object_element(answer->top, entry(token, log(p)));
  json_object_set_array_member(object, "top_logprobs", answer->top);
  json_array_add_object_element(answer->tokens, object);
}

/* What might have been written in its place. */
static void or_else(Answer *answer, const char *token, double p) {
  json_array_add_object_element(answer->top, entry(token, log(p)));
}

static void write_start(Answer *answer) {
  write_token(answer, "{\"", 1);
  write_token(answer, "class", 1);
  write_token(answer, "\":\"", 1);
}

static void write_end(Answer *answer) {
  write_token(answer, "\",\"reason\":\"a dent\"}", 0.5);
  or_else(answer, "dent", 0.4);
}

static gboolean weigh(const Answer *answer, guint index, double *p) {
  return velm_token_probabilities(answer->tokens, answer->names, answer->n_names, index, p,
                                  answer->n_answers);
}

static void check(Answer *answer, guint index, const double *expected) {
  double p[MAX_ANSWERS], sum = 0;
  g_assert_true(weigh(answer, index, p));
  for (guint i = 0; i < answer->n_answers; i++) {
    g_assert_cmpfloat_with_epsilon(p[i], expected[i], 1e-9);
    sum += p[i];
  }
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-9);
  end(answer);
}
#define CHECK(answer, index, ...) check(answer, index, (const double[]){__VA_ARGS__})

static void check_none(Answer *answer, guint index) {
  double p[MAX_ANSWERS];
  g_assert_false(weigh(answer, index, p));
  end(answer);
}

/* ---- one token a class ---- */

static void test_one_token(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.6);
  or_else(&answer, "dent", 0.3);
  or_else(&answer, "good", 0.1);
  write_end(&answer);
  CHECK(&answer, 0, 0.6, 0.3, 0.1);
}

/* What fits no class is left out. */
static void test_strange_tokens(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.5);
  or_else(&answer, "dent", 0.25);
  or_else(&answer, "corrosion", 0.125);
  or_else(&answer, "rusty", 0.125);
  write_end(&answer);
  CHECK(&answer, 0, 2.0 / 3, 1.0 / 3, 0);
}

/* An unlisted class shares what is left, but is no likelier than what is listed. */
static void test_unlisted(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.6);
  or_else(&answer, "dent", 0.25);
  write_end(&answer);
  CHECK(&answer, 0, 0.6, 0.25, 0.15);
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.9);
  or_else(&answer, "dent", 0.02);
  write_end(&answer);
  CHECK(&answer, 0, 0.9 / 0.94, 0.02 / 0.94, 0.02 / 0.94);
}

static void test_without_top(void) {
  Answer answer;
  BEGIN(&answer, metal);
  json_array_add_object_element(answer.tokens, entry("{\"class\":\"", 0));
  json_array_add_object_element(answer.tokens, entry("rust", log(0.7)));
  json_array_add_object_element(answer.tokens, entry("\"}", 0));
  CHECK(&answer, 0, 0.7, 0.15, 0.15);
  /* The token written was the likeliest. */
  BEGIN(&answer, metal);
  json_array_add_object_element(answer.tokens, entry("{\"class\":\"", 0));
  json_array_add_object_element(answer.tokens, entry("rust", log(0.1)));
  json_array_add_object_element(answer.tokens, entry("\"}", 0));
  CHECK(&answer, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3);
}

/* Held to the schema, the model wrote what it would not have written. */
static void test_written_is_not_likeliest(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.2);
  or_else(&answer, "dent", 0.6);
  or_else(&answer, "good", 0.2);
  write_end(&answer);
  CHECK(&answer, 0, 0.2, 0.6, 0.2);
}

/* Servers write -9999 for what is impossible. */
static void test_impossible(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 1);
  json_array_add_object_element(answer.top, entry("dent", -9999));
  write_end(&answer);
  CHECK(&answer, 0, 1, 0, 0);
  BEGIN(&answer, metal);
  json_array_add_object_element(answer.tokens, entry("{\"class\":\"", 0));
  json_array_add_object_element(answer.tokens, entry("rust", -9999));
  CHECK(&answer, 0, 1, 0, 0);
}

/* ---- several tokens a class ---- */

static void test_prefix_of_another(void) {
  Answer answer;
  BEGIN(&answer, cracks);
  write_start(&answer);
  write_token(&answer, "crack", 0.8);
  or_else(&answer, "dent", 0.2);
  write_token(&answer, "\",\"", 0.75);
  or_else(&answer, "_long", 0.25);
  CHECK(&answer, 0, 0.6, 0.2, 0.2);
  BEGIN(&answer, cracks);
  write_start(&answer);
  write_token(&answer, "crack", 0.8);
  or_else(&answer, "dent", 0.2);
  write_token(&answer, "_", 0.75);
  or_else(&answer, "\"", 0.25);
  write_token(&answer, "long", 0.5);
  CHECK(&answer, 1, 0.2, 0.6, 0.2);
}

static void test_shared_prefix(void) {
  Answer answer;
  BEGIN(&answer, board);
  write_start(&answer);
  write_token(&answer, "mis", 0.6);
  or_else(&answer, "rust", 0.4);
  write_token(&answer, "sing", 0.9);
  or_else(&answer, "al", 0.1);
  write_token(&answer, "_hole\"", 1);
  CHECK(&answer, 0, 0.54, 0.06, 0.4);
}

/* A token that leads to two classes, and is not written, is shared. */
static void test_split(void) {
  Answer answer;
  BEGIN(&answer, cracks);
  write_start(&answer);
  write_token(&answer, "dent", 0.5);
  or_else(&answer, "cr", 0.5);
  write_end(&answer);
  CHECK(&answer, 2, 0.25, 0.25, 0.5);
}

/* Two cuts of the same text count together, and the next token tells what they lead to. */
static void test_other_cut(void) {
  Answer answer;
  BEGIN(&answer, cracks);
  write_start(&answer);
  write_token(&answer, "cr", 0.5);
  or_else(&answer, "crack", 0.2);
  or_else(&answer, "dent", 0.3);
  write_token(&answer, "ack_", 0.75);
  or_else(&answer, "ack\"", 0.25);
  CHECK(&answer, 1, 0.175, 0.525, 0.3);
}

/* ---- tokens that are more than the name ---- */

static void test_straddling(void) {
  static const char *const same[] = {"\":\"ru", "\": \"rust", "\" : \"ru"};
  for (gsize i = 0; i < G_N_ELEMENTS(same); i++) {
    Answer answer;
    BEGIN(&answer, board);
    write_token(&answer, "{\"class", 1);
    write_token(&answer, "\":\"mis", 0.6);
    or_else(&answer, same[i], 0.4);
    write_token(&answer, "sing", 0.9);
    or_else(&answer, "al", 0.1);
    write_token(&answer, "_hole\",\"reason\":\"rust\"}", 1);
    CHECK(&answer, 0, 0.54, 0.06, 0.4);
  }
}

/* The quote alone says nothing where the token written says more. */
static void test_says_nothing(void) {
  static const char *const nothing[] = {"\":\"", "\":", "\"", "\": \"", "\" "};
  for (gsize i = 0; i < G_N_ELEMENTS(nothing); i++) {
    Answer answer;
    BEGIN(&answer, metal);
    write_token(&answer, "{\"class", 1);
    write_token(&answer, "\":\"rust", 0.5);
    or_else(&answer, nothing[i], 0.3);
    or_else(&answer, "\":\"dent", 0.2);
    write_token(&answer, "\"}", 1);
    CHECK(&answer, 0, 5.0 / 7, 2.0 / 7, 0);
  }
}

static void test_quote_with_others(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_token(&answer, "{\"class\":", 1);
  write_token(&answer, "\"", 0.6);
  or_else(&answer, "\"rust", 0.3);
  or_else(&answer, "\"dent", 0.1);
  write_token(&answer, "dent", 0.5);
  or_else(&answer, "rust", 0.5);
  write_token(&answer, "\"}", 1);
  /* good: nothing is left over for it. */
  CHECK(&answer, 1, 0.6, 0.4, 0);
}

static void test_whole_in_one(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_token(&answer, "{\"class\":\"rust\",\"reason\":\"x\"}", 0.75);
  or_else(&answer, "{\"class\":\"dent\"}", 0.25);
  CHECK(&answer, 0, 0.75, 0.25, 0);
}

static void test_spaces(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_token(&answer, "{ \"class\" :\n", 1);
  write_token(&answer, " \"", 1);
  write_token(&answer, " rust", 0.6);
  or_else(&answer, "dent", 0.25);
  or_else(&answer, " dent", 0.15);
  write_token(&answer, " \" }", 1);
  CHECK(&answer, 0, 0.6, 0.4, 0);
}

/* ---- bytes and scripts ---- */

static void test_japanese_bytes(void) {
  static const char *const written[] = {"\xe6", "\xac", "\xa0\xe3\x81\x91", "\""};
  static const double p[] = {0.7, 0.5, 1, 1};
  Answer answer;
  BEGIN(&answer, japanese);
  write_start(&answer);
  for (gsize i = 0; i < G_N_ELEMENTS(written); i++) {
    write_token(&answer, "\357\277\275", p[i]);
    JsonObject *token =
        json_array_get_object_element(answer.tokens, json_array_get_length(answer.tokens) - 1);
    set_bytes(token, written[i]);
    set_bytes(json_array_get_object_element(answer.top, 0), written[i]);
    or_else(&answer, "\357\277\275", 1 - p[i]);
    set_bytes(json_array_get_object_element(answer.top, 1), i == 0 ? "\xe5" : "\xb1");
  }
  CHECK(&answer, 0, 0.35, 0.35, 0.3);
}

static void test_byte_tokens(void) {
  Answer answer;
  BEGIN(&answer, japanese);
  write_start(&answer);
  write_token(&answer, "<0xE6>", 0.7);
  or_else(&answer, "<0xE5>", 0.3);
  write_token(&answer, "<0xAC>", 0.5);
  or_else(&answer, "<0xB1>", 0.5);
  write_token(&answer, "<0xA0>", 1);
  write_token(&answer, "け", 1);
  write_token(&answer, "\"}", 1);
  CHECK(&answer, 0, 0.35, 0.35, 0.3);
}

static void test_japanese_characters(void) {
  Answer answer;
  BEGIN(&answer, japanese);
  write_start(&answer);
  write_token(&answer, "汚", 0.5);
  or_else(&answer, "傷", 0.25);
  or_else(&answer, "欠け", 0.25);
  write_token(&answer, "れ\"", 1);
  CHECK(&answer, 1, 0.25, 0.5, 0.25);
}

static void test_escapes(void) {
  static const VelmAnswerName names[] = {{"5\" bolt", 0}, {"back\\slash", 1}, {"😀", 2}};
  Answer answer;
  BEGIN(&answer, japanese);
  write_start(&answer);
  write_token(&answer, "\\u6b20\\u3051\"", 0.75);
  or_else(&answer, "\\u50B7", 0.125);
  or_else(&answer, "汚", 0.125);
  CHECK(&answer, 0, 0.75, 0.125, 0.125);
  BEGIN(&answer, names);
  write_start(&answer);
  write_token(&answer, "5\\\" bolt\"", 0.5);
  or_else(&answer, "back\\\\", 0.25);
  or_else(&answer, "\\ud83d\\ude00\"", 0.25);
  CHECK(&answer, 0, 0.5, 0.25, 0.25);
}

/* ---- names ---- */

static void test_other_names(void) {
  static const VelmAnswerName names[] = {
      {"deep_scratch", 0}, {"long line", 0}, {"dent", 1}, {"Beule", 1}};
  Answer answer;
  BEGIN(&answer, names);
  write_start(&answer);
  write_token(&answer, "Deep", 0.5);
  or_else(&answer, "long", 0.25);
  or_else(&answer, "BEULE", 0.25);
  write_token(&answer, " Scratch\"", 1);
  CHECK(&answer, 0, 0.75, 0.25);
}

/* Names that differ in case only are told apart where they are written exactly; "RU" says nothing.
 */
static void test_case(void) {
  static const VelmAnswerName names[] = {{"rust", 0}, {"Rust", 1}};
  Answer answer;
  BEGIN(&answer, names);
  write_start(&answer);
  write_token(&answer, "Ru", 0.5);
  or_else(&answer, "ru", 0.3);
  or_else(&answer, "RU", 0.2);
  write_end(&answer);
  CHECK(&answer, 1, 0.375, 0.625);
}

/* A name that is one class's key and another's title: the text's reader decides. */
static void test_same_name(void) {
  static const VelmAnswerName names[] = {{"rust", 0}, {"oxide", 1}, {"rust", 1}};
  Answer answer;
  BEGIN(&answer, names);
  write_start(&answer);
  write_token(&answer, "rust", 0.75);
  or_else(&answer, "oxide", 0.25);
  write_token(&answer, "\"", 1);
  CHECK(&answer, 0, 0.75, 0.25);
}

/* The last "class" is the answer's: thoughts come before it. */
static void test_thoughts(void) {
  Answer answer;
  BEGIN(&answer, metal);
  write_token(&answer, "<think>{\"class\":\"rust\"} ? no</think>", 1);
  write_start(&answer);
  write_token(&answer, "dent", 0.8);
  or_else(&answer, "good", 0.2);
  write_token(&answer, "\",\"reason\":\"not \\\"class\\\":\\\"rust\\\"\"}", 1);
  CHECK(&answer, 1, 0, 0.8, 0.2);
}

/* ---- nothing to say ---- */

static void test_no_probabilities(void) {
  Answer answer;
  double p[MAX_ANSWERS];
  g_assert_false(velm_token_probabilities(NULL, metal, 3, 0, p, 3));
  BEGIN(&answer, metal);
  check_none(&answer, 0);
  BEGIN(&answer, metal);
  write_start(&answer);
  write_token(&answer, "rust", 0.5);
  json_object_set_null_member(json_array_get_object_element(answer.tokens, 3), "logprob");
  write_end(&answer);
  check_none(&answer, 0);
  BEGIN(&answer, metal);
  write_start(&answer);
  json_array_add_null_element(answer.tokens);
  check_none(&answer, 0);
}

static void test_not_the_answer(void) {
  Answer answer;
  BEGIN(&answer, metal); /* another class than the text's reader found */
  write_start(&answer);
  write_token(&answer, "rust\"", 1);
  check_none(&answer, 1);
  BEGIN(&answer, metal); /* no class */
  write_start(&answer);
  write_token(&answer, "hole\"", 1);
  check_none(&answer, 0);
  BEGIN(&answer, cracks); /* cut off between two */
  write_start(&answer);
  write_token(&answer, "crack", 1);
  check_none(&answer, 0);
  BEGIN(&answer, metal);
  write_token(&answer, "{\"klass\":\"rust\"}", 1);
  check_none(&answer, 0);
  BEGIN(&answer, metal);
  write_token(&answer, "{\"class\":", 1);
  check_none(&answer, 0);
}

/* ---- properties ---- */

/* Probability that a name drawn by @q begins with the first @n bytes of @start. */
static double mass_of(const char *const *names, const double *q, guint n_names, const char *start,
                      gsize n) {
  double mass = 0;
  for (guint i = 0; i < n_names; i++)
    if (strlen(names[i]) >= n && memcmp(names[i], start, n) == 0)
      mass += q[i];
  return mass;
}

/* What is known of the name @i where @written was written: it leaves it at some byte, together with
 * others, of which no more is known. */
static double expect(const char *const *names, const double *q, guint n_names, guint written,
                     guint i) {
  gsize common = 0;
  guint n = 0;
  while (names[i][common] && names[i][common] == names[written][common])
    common++;
  if (i == written)
    return q[i];
  for (guint k = 0; k < n_names; k++)
    n += strncmp(names[k], names[i], common + 1) == 0 ? 1 : 0;
  return mass_of(names, q, n_names, names[i], common + 1) / n;
}

/* Names are drawn by @q and written byte by byte, with all bytes that might follow: q is found
 * again. */
static void test_exact_by_bytes(void) {
  static const char *const spelled[] = {"crack\"", "crack_long\"", "crank\"",
                                        "dent\"",  "欠け\"",       "汚れ\""};
  static const VelmAnswerName names[] = {{"crack", 0}, {"crack_long", 1}, {"crank", 2},
                                         {"dent", 3},  {"欠け", 4},       {"汚れ", 5}};
  static const double q[] = {0.3, 0.25, 0.2, 0.1, 0.08, 0.07};
  enum { N = G_N_ELEMENTS(names) };
  for (guint written = 0; written < N; written++) {
    Answer answer;
    double expected[N];
    BEGIN(&answer, names);
    write_start(&answer);
    for (gsize at = 0; spelled[written][at]; at++) {
      double before = mass_of(spelled, q, N, spelled[written], at);
      for (guint order = 0; order < 256; order++) {
        /* The byte written first, then the others. */
        char byte = (char)(guchar)(order ^ (guchar)spelled[written][at]), next[16] = "";
        memcpy(next, spelled[written], at);
        next[at] = byte;
        double p = mass_of(spelled, q, N, next, at + 1) / before;
        g_autofree char *token = g_strdup_printf("<0x%02X>", (guchar)byte);
        if (order == 0)
          write_token(&answer, token, p);
        else if (p > 0)
          or_else(&answer, token, p);
      }
    }
    for (guint i = 0; i < N; i++)
      expected[i] = expect(spelled, q, N, written, i);
    check(&answer, written, expected);
  }
}

static char *random_piece(GRand *random, const char *text) {
  gsize length = strlen(text);
  gsize from = (gsize)g_rand_int_range(random, 0, (gint32)length);
  return g_strndup(text + from, (gsize)g_rand_int_range(random, 0, (gint32)(length - from) + 1));
}

/* Whatever the cuts and the lists, the result is a distribution. */
static void test_random_cuts(void) {
  static const char text[] = "{\"class\": \"crack_long\", \"reason\": \"crack\"}";
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  guint found = 0;
  for (int round = 0; round < 3000; round++) {
    Answer answer;
    double p[MAX_ANSWERS], sum = 0;
    BEGIN(&answer, cracks);
    for (const char *at = text; *at;) {
      gsize longest = (gsize)g_rand_int_range(random, 1, 9), n = MIN(longest, strlen(at));
      g_autofree char *token = g_strndup(at, n);
      write_token(&answer, token, g_rand_double_range(random, 1e-6, 1));
      for (int i = g_rand_int_range(random, 0, 5); i > 0; i--) {
        g_autofree char *other = random_piece(random, at);
        or_else(&answer, other, g_rand_double_range(random, 0, 0.3));
      }
      at += n;
    }
    if (weigh(&answer, 1, p)) {
      found++;
      for (guint i = 0; i < answer.n_answers; i++) {
        g_assert_cmpfloat(p[i], >=, 0);
        sum += p[i];
      }
      g_assert_cmpfloat_with_epsilon(sum, 1, 1e-9);
    }
    end(&answer);
  }
  g_assert_cmpuint(found, ==, 3000);
}

#define ADD(name, function) g_test_add_func("/token-probabilities/" name, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  ADD("one-token", test_one_token);
  ADD("strange-tokens", test_strange_tokens);
  ADD("unlisted", test_unlisted);
  ADD("without-top", test_without_top);
  ADD("written-is-not-likeliest", test_written_is_not_likeliest);
  ADD("impossible", test_impossible);
  ADD("prefix-of-another", test_prefix_of_another);
  ADD("shared-prefix", test_shared_prefix);
  ADD("split", test_split);
  ADD("other-cut", test_other_cut);
  ADD("straddling", test_straddling);
  ADD("says-nothing", test_says_nothing);
  ADD("quote-with-others", test_quote_with_others);
  ADD("whole-in-one", test_whole_in_one);
  ADD("spaces", test_spaces);
  ADD("japanese-bytes", test_japanese_bytes);
  ADD("byte-tokens", test_byte_tokens);
  ADD("japanese-characters", test_japanese_characters);
  ADD("escapes", test_escapes);
  ADD("other-names", test_other_names);
  ADD("case", test_case);
  ADD("same-name", test_same_name);
  ADD("thoughts", test_thoughts);
  ADD("no-probabilities", test_no_probabilities);
  ADD("not-the-answer", test_not_the_answer);
  ADD("exact-by-bytes", test_exact_by_bytes);
  ADD("random-cuts", test_random_cuts);
  return g_test_run();
}
