#include "classify/token_probabilities.h"

#include "core/json_member.h"

#include <math.h>
#include <string.h>

/* A token, as written or as one that might have been. */
typedef struct {
  char *text; /* may be a piece of a character */
  gsize length;
  double p;
} Token;

/* One way to write a class name in JSON, with the quote at its end. */
typedef struct {
  char *text;
  guint answer;
} Spelling;

/* Place in a spelling that does not begin with what was written. */
#define DEAD G_MAXSIZE

/*
 * The walk along the name that the model wrote.
 * @places: one a spelling: how much of it was written so far, or DEAD
 * @mass: probability of what was written
 */
typedef struct {
  GArray *spellings; /* of Spelling */
  gsize *places;
  double mass;
  double *probabilities;
  guint n_answers;
} Walk;

/* What the tokens of one position are worth. Arrays have one number an answer. */
typedef struct {
  gboolean *go_on; /* answers that the token written leaves */
  gboolean *fits;  /* scratch: of one other token */
  double *shares;  /* of the others */
  gboolean *led_to;
  double written; /* of the token written and those that leave the same */
  double listed;  /* sum and least of all tokens listed, whether they fit or not */
  double least;
} Position;

/* ---- tokens ---- */

static void token_clear(gpointer data) { g_free(((Token *)data)->text); }

/* The bytes of a token as an array of numbers; FALSE where it is none. */
static gboolean read_bytes(JsonArray *bytes, Token *token) {
  if (!bytes)
    return FALSE;
  guint n = json_array_get_length(bytes);
  g_autofree char *text = g_malloc0((gsize)n + 1);
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element(bytes, i);
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 ||
        json_node_get_int(node) < 0 || json_node_get_int(node) > 255)
      return FALSE;
    text[i] = (char)(guchar)json_node_get_int(node);
  }
  token->text = g_steal_pointer(&text);
  token->length = n;
  return TRUE;
}

/* "<0xE3>", as SentencePiece calls a byte that is no token of its own. */
static gboolean is_byte_token(const char *text) {
  return strlen(text) == 6 && g_str_has_prefix(text, "<0x") && g_ascii_isxdigit(text[3]) &&
         g_ascii_isxdigit(text[4]) && text[5] == '>';
}

static void read_text(const char *text, Token *token) {
  token->text = g_strdup(text);
  token->length = strlen(text);
  if (is_byte_token(text)) {
    token->text[0] =
        (char)(guchar)(g_ascii_xdigit_value(text[3]) * 16 + g_ascii_xdigit_value(text[4]));
    token->length = 1;
  }
}

static gboolean read_token(JsonObject *object, Token *token) {
  double logprob = velm_json_double_member(object, "logprob", NAN);
  const char *text = velm_json_string_member(object, "token");
  if (isnan(logprob) || (!read_bytes(velm_json_array_member(object, "bytes"), token) && !text))
    return FALSE;
  if (!token->text)
    read_text(text, token);
  token->p = exp(MIN(logprob, 0));
  return TRUE;
}

/* Of the tokens written. Returns: (transfer full): NULL where one has no probability. */
static GArray *read_tokens(JsonArray *array) {
  g_autoptr(GArray) tokens = g_array_new(FALSE, TRUE, sizeof(Token));
  g_array_set_clear_func(tokens, token_clear);
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    Token token = {NULL};
    if (!read_token(velm_json_object_at(array, i), &token))
      return NULL;
    g_array_append_val(tokens, token);
  }
  return g_steal_pointer(&tokens);
}

/* ---- the place of the name ---- */

static char *join(const GArray *tokens, gsize *length) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < tokens->len; i++) {
    const Token *token = &g_array_index(tokens, Token, i);
    g_string_append_len(text, token->text, (gssize)token->length);
  }
  *length = text->len;
  return g_string_free(text, FALSE);
}

static gsize skip_space(const char *text, gsize at, gsize length) {
  while (at < length && strchr(" \t\r\n", text[at]) && text[at])
    at++;
  return at;
}

/*
 * Where the value of the last "class" member begins, after its quote; 0 where there is none. The
 * last, as thoughts may come before the answer. It cannot be within another string: its quotes
 * would be escaped there.
 */
static gsize find_name(const char *text, gsize length) {
  static const char key[] = "\"class\"";
  gsize found = 0, n = strlen(key);
  for (gsize i = 0; i + n <= length; i++) {
    if (memcmp(text + i, key, n) != 0)
      continue;
    gsize colon = skip_space(text, i + n, length);
    gsize quote = colon < length && text[colon] == ':' ? skip_space(text, colon + 1, length) : 0;
    if (quote > 0 && quote < length && text[quote] == '"')
      found = quote + 1;
  }
  return found;
}

/* ---- spellings ---- */

/* @ascii: other characters as \uXXXX, as many JSON writers have it. */
static void append_character(GString *text, gunichar c, gboolean ascii) {
  if (c == '"' || c == '\\')
    g_string_append_printf(text, "\\%c", (char)c);
  else if (c < 0x20 || (ascii && c > 0x7E && c <= 0xFFFF))
    g_string_append_printf(text, "\\u%04x", c);
  else if (ascii && c > 0xFFFF)
    g_string_append_printf(text, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                           0xDC00 + ((c - 0x10000) & 0x3FF));
  else
    g_string_append_unichar(text, c);
}

static void add_spelling(GArray *spellings, const VelmAnswerName *name, gboolean ascii) {
  GString *text = g_string_new(NULL);
  for (const char *c = name->name; *c; c = g_utf8_next_char(c))
    append_character(text, g_utf8_get_char(c), ascii);
  g_string_append_c(text, '"');
  Spelling spelling = {g_string_free(text, FALSE), name->answer};
  g_array_append_val(spellings, spelling);
}

static void spelling_clear(gpointer data) { g_free(((Spelling *)data)->text); }

static GArray *spell(const VelmAnswerName *names, guint n_names, guint n_answers) {
  GArray *spellings = g_array_new(FALSE, TRUE, sizeof(Spelling));
  g_array_set_clear_func(spellings, spelling_clear);
  for (guint i = 0; i < n_names; i++) {
    if (names[i].answer >= n_answers || !g_utf8_validate(names[i].name, -1, NULL))
      continue;
    add_spelling(spellings, &names[i], FALSE);
    if (!g_str_is_ascii(names[i].name))
      add_spelling(spellings, &names[i], TRUE);
  }
  return spellings;
}

/* ---- does a token fit? ---- */

static char fold(char c) { return c == ' ' || c == '-' ? '_' : g_ascii_tolower(c); }

static const Spelling *spelling_at(const Walk *walk, guint index) {
  return &g_array_index(walk->spellings, Spelling, index);
}

/*
 * Where in @spelling one is when @text was written from @at on; DEAD where @text is something else.
 * With @folded, letters' case does not count. Spaces before and after a name never do.
 */
static gsize follow(const char *spelling, gsize at, const char *text, gsize length,
                    gboolean folded) {
  for (gsize i = 0; i < length && spelling[at]; i++) {
    gboolean edge = at == 0 || (spelling[at] == '"' && !spelling[at + 1]);
    if (spelling[at] == text[i] || (folded && fold(spelling[at]) == fold(text[i])))
      at++;
    else if (!edge || text[i] != ' ')
      return DEAD;
  }
  return at;
}

/*
 * Marks in @fits the answers that are alive and that @text can go on with.
 * @places: (out) (nullable): one a spelling, after @text
 * Returns: how many answers
 */
static guint find_fits(const Walk *walk, const char *text, gsize length, gboolean *fits,
                       gsize *places) {
  guint n = 0;
  for (int folded = 0; folded <= 1 && n == 0; folded++) {
    memset(fits, 0, sizeof(gboolean) * walk->n_answers);
    for (guint i = 0; i < walk->spellings->len; i++) {
      const Spelling *spelling = spelling_at(walk, i);
      gsize place = walk->places[i] == DEAD
                        ? DEAD
                        : follow(spelling->text, walk->places[i], text, length, folded == 1);
      gboolean fit = place != DEAD;
      if (places)
        places[i] = place;
      n += fit && !fits[spelling->answer] ? 1 : 0;
      fits[spelling->answer] |= fit;
    }
  }
  return n;
}

static guint mark_live(const Walk *walk, gboolean *alive) {
  guint n = 0;
  memset(alive, 0, sizeof(gboolean) * walk->n_answers);
  for (guint i = 0; i < walk->spellings->len; i++) {
    guint answer = spelling_at(walk, i)->answer;
    gboolean live = walk->places[i] != DEAD;
    n += live && !alive[answer] ? 1 : 0;
    alive[answer] |= live;
  }
  return n;
}

/*
 * What @token says after @head, the text of the token written that lies before the name. White
 * space in JSON does not count.
 * @rest: (out): may be empty
 * Returns: FALSE where it is another text
 */
static gboolean skip_head(const char *head, gsize n_head, const Token *token, const char **rest,
                          gsize *n_rest) {
  gsize h = 0, t = 0;
  for (;;) {
    h = skip_space(head, h, n_head);
    if (h < n_head)
      t = skip_space(token->text, t, token->length);
    if (h == n_head || t == token->length)
      break;
    if (head[h++] != token->text[t++])
      return FALSE;
  }
  *rest = token->text + t;
  *n_rest = token->length - t;
  return TRUE;
}

/* ---- one token of the name ---- */

/* Gives @p to the answers that another token than the written one leads to. */
static void count_other(const Walk *walk, Position *position, guint n_live, const char *rest,
                        gsize n_rest, double p) {
  guint n = find_fits(walk, rest, n_rest, position->fits, NULL);
  if (n == 0)
    return;
  if (memcmp(position->fits, position->go_on, sizeof(gboolean) * walk->n_answers) == 0) {
    position->written += p;
    return;
  }
  for (guint a = 0; n < n_live && a < walk->n_answers; a++) {
    position->shares[a] += position->fits[a] ? p / n : 0;
    position->led_to[a] |= position->fits[a];
  }
}

static gboolean same_text(const Token *a, const Token *b) {
  return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static void count_others(const Walk *walk, Position *position, guint n_live, JsonObject *entry,
                         const Token *written, gsize n_head) {
  JsonArray *top = velm_json_array_member(entry, "top_logprobs");
  for (guint i = 0; top && i < json_array_get_length(top); i++) {
    Token token = {NULL};
    const char *rest = NULL;
    gsize n_rest = 0;
    if (read_token(velm_json_object_at(top, i), &token) && !same_text(&token, written)) {
      position->listed += token.p;
      position->least = MIN(position->least, token.p);
      if (skip_head(written->text, n_head, &token, &rest, &n_rest))
        count_other(walk, position, n_live, rest, n_rest, token.p);
    }
    g_free(token.text);
  }
}

/* What the list leaves over, for live answers that no token of it leads to. */
static void count_unlisted(const Walk *walk, Position *position) {
  guint n = 0;
  double left = MAX(1 - position->listed, 0);
  mark_live(walk, position->fits);
  for (guint a = 0; a < walk->n_answers; a++) {
    position->fits[a] = position->fits[a] && !position->go_on[a] && !position->led_to[a];
    n += position->fits[a] ? 1 : 0;
  }
  for (guint a = 0; a < walk->n_answers; a++)
    if (position->fits[a])
      position->shares[a] += MIN(left / n, position->least);
}

/* Shares the mass between the answers told apart and the way on. */
static void settle(Walk *walk, const Position *position) {
  double sum = position->written;
  for (guint a = 0; a < walk->n_answers; a++)
    sum += position->shares[a];
  /* Written though nothing fits: it is all that is known. */
  if (!(sum > 0))
    return;
  for (guint a = 0; a < walk->n_answers; a++)
    walk->probabilities[a] += walk->mass * position->shares[a] / sum;
  walk->mass *= position->written / sum;
}

static void weigh(Walk *walk, Position *position, JsonObject *entry, const Token *written,
                  gsize n_head) {
  guint n_live = mark_live(walk, position->fits);
  memset(position->shares, 0, sizeof(double) * walk->n_answers);
  memset(position->led_to, 0, sizeof(gboolean) * walk->n_answers);
  position->written = position->listed = position->least = written->p;
  count_others(walk, position, n_live, entry, written, n_head);
  count_unlisted(walk, position);
  settle(walk, position);
}

/* Goes over @written, whose first @n_head bytes lie before the name. FALSE where it leads to no
 * name. */
static gboolean step(Walk *walk, JsonObject *entry, const Token *written, gsize n_head) {
  g_autofree gboolean *go_on = g_new0(gboolean, walk->n_answers);
  g_autofree gboolean *fits = g_new0(gboolean, walk->n_answers);
  g_autofree gboolean *led_to = g_new0(gboolean, walk->n_answers);
  g_autofree double *shares = g_new0(double, walk->n_answers);
  g_autofree gsize *places = g_new0(gsize, walk->spellings->len);
  Position position = {.go_on = go_on, .fits = fits, .shares = shares, .led_to = led_to};
  if (find_fits(walk, written->text + n_head, written->length - n_head, go_on, places) == 0)
    return FALSE;
  weigh(walk, &position, entry, written, n_head);
  memcpy(walk->places, places, sizeof(gsize) * walk->spellings->len);
  return TRUE;
}

/* ---- the whole name ---- */

/* Whether a name that was written ends here. */
static gboolean is_at_end(const Walk *walk) {
  for (guint i = 0; i < walk->spellings->len; i++)
    if (walk->places[i] != DEAD && !spelling_at(walk, i)->text[walk->places[i]])
      return TRUE;
  return FALSE;
}

/* Steps from the token with the name's quote to where one answer is left or the name ends. */
static gboolean walk_tokens(Walk *walk, JsonArray *array, const GArray *tokens, gsize name) {
  g_autofree gboolean *alive = g_new0(gboolean, walk->n_answers);
  gsize end = 0;
  for (guint i = 0; i < tokens->len; i++) {
    const Token *token = &g_array_index(tokens, Token, i);
    gsize start = end;
    end += token->length;
    if (end < name || token->length == 0)
      continue;
    gsize n_head = start < name ? name - start : 0;
    if (!step(walk, velm_json_object_at(array, i), token, n_head))
      return FALSE;
    if (mark_live(walk, alive) == 1 || is_at_end(walk))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_live(const Walk *walk, guint answer) {
  for (guint i = 0; i < walk->spellings->len; i++)
    if (walk->places[i] != DEAD && spelling_at(walk, i)->answer == answer)
      return TRUE;
  return FALSE;
}

gboolean velm_token_probabilities(JsonArray *array, const VelmAnswerName *names, guint n_names,
                                  guint answer, double *probabilities, guint n_answers) {
  gsize length = 0;
  g_autoptr(GArray) tokens = read_tokens(array);
  g_autofree char *text = tokens ? join(tokens, &length) : NULL;
  gsize name = text ? find_name(text, length) : 0;
  if (name == 0)
    return FALSE;
  g_autoptr(GArray) spellings = spell(names, n_names, n_answers);
  g_autofree gsize *places = g_new0(gsize, spellings->len);
  Walk walk = {.spellings = spellings,
               .places = places,
               .mass = 1,
               .probabilities = probabilities,
               .n_answers = n_answers};
  memset(probabilities, 0, sizeof(double) * n_answers);
  if (!walk_tokens(&walk, array, tokens, name) || !is_live(&walk, answer))
    return FALSE;
  probabilities[answer] += walk.mass;
  return TRUE;
}
