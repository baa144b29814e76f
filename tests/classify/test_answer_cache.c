#include "classify/answer_cache.h"

#include "core/file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  char *folder, *path;
  VelmAnswerCache *cache; /* once opened */
  GError *error;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = g_dir_make_tmp("velm-cache-XXXXXX", &f->error);
  g_assert_no_error(f->error);
  f->path = g_build_filename(f->folder, "answers.sqlite", NULL);
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_answer_cache_free(f->cache);
  g_clear_error(&f->error);
  g_autoptr(GDir) folder = g_dir_open(f->folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name(folder));) {
    g_autofree char *path = g_build_filename(f->folder, name, NULL);
    g_remove(path);
  }
  g_rmdir(f->folder);
  g_free(f->folder);
  g_free(f->path);
}

static void reopen(Fixture *f) {
  g_clear_pointer(&f->cache, velm_answer_cache_free);
  f->cache = velm_answer_cache_open(f->path, &f->error);
  g_assert_no_error(f->error);
  g_assert_nonnull(f->cache);
}

static void put(Fixture *f, const char *key, const char *answer) {
  g_assert_true(velm_answer_cache_put(f->cache, key, answer, 800, 20, &f->error));
  g_assert_no_error(f->error);
}

static void assert_has(Fixture *f, const char *key, const char *text) {
  g_autoptr(VelmCachedAnswer) answer = NULL;
  g_assert_true(velm_answer_cache_get(f->cache, key, &answer, &f->error));
  g_assert_no_error(f->error);
  g_assert_cmpstr(answer ? answer->answer : NULL, ==, text);
}

static gint64 count(Fixture *f) {
  gint64 answers = -1;
  g_assert_true(velm_answer_cache_measure(f->cache, &answers, NULL, &f->error));
  return answers;
}

static void assert_refused(Fixture *f, const char *words) {
  g_clear_error(&f->error);
  g_assert_null(velm_answer_cache_open(f->path, &f->error));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_FILE);
  if (!strstr(f->error->message, words) || !strstr(f->error->message, "answers.sqlite"))
    g_error("\"%s\" is not in \"%s\"", words, f->error->message);
  g_assert_null(strchr(f->error->message, '\n'));
}

/* ---- answers ---- */

static void test_put_and_get(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmCachedAnswer) answer = NULL;
  gint64 before = g_get_real_time();
  reopen(f);
  assert_has(f, "a", NULL);
  put(f, "a", "{\"class\":\"傷\"}");
  put(f, "b", "");
  reopen(f);
  assert_has(f, "b", "");
  assert_has(f, "c", NULL);
  g_assert_true(velm_answer_cache_get(f->cache, "a", &answer, &f->error));
  g_assert_cmpstr(answer->answer, ==, "{\"class\":\"傷\"}");
  g_assert_cmpint(answer->prompt_tokens, ==, 800);
  g_assert_cmpint(answer->completion_tokens, ==, 20);
  g_assert_cmpint(answer->time, >=, before);
  g_assert_cmpint(answer->time, <=, g_get_real_time());
}

static void test_first_stays(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  reopen(f);
  put(f, "a", "first");
  put(f, "a", "second");
  assert_has(f, "a", "first");
  g_assert_cmpint(count(f), ==, 1);
}

static void test_measure(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 answers = 0, bytes = 0;
  reopen(f);
  g_assert_true(velm_answer_cache_measure(f->cache, &answers, &bytes, &f->error));
  g_assert_cmpint(answers, ==, 0);
  g_assert_cmpint(bytes, ==, 0);
  put(f, "a", "12345");
  put(f, "b", "傷"); /* 3 bytes, not 1 character */
  g_assert_true(velm_answer_cache_measure(f->cache, &answers, &bytes, &f->error));
  g_assert_cmpint(answers, ==, 2);
  g_assert_cmpint(bytes, ==, 8);
}

static void test_only_the_user_reads(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  mode_t old = umask(0);
  reopen(f);
  put(f, "a", "x");
  umask(old);
  for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
    g_autofree char *path = g_strconcat(f->path, endings[i], NULL);
    GStatBuf status;
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
  }
}

/* ---- keys ---- */

static void test_keys(void) {
  g_autofree char *key = velm_answer_cache_key("m", "p", "body", 4);
  g_autofree char *same = velm_answer_cache_key("m", "p", "body", 4);
  const struct {
    const char *llm, *parameters, *body;
  } others[] = {{"n", "p", "body"}, {"m", "q", "body"}, {"m", NULL, "body"}, {"m", "p", "bodx"},
                {"mp", "", "body"}, {"m", "pb", "ody"}, {"m", "", "pbody"},  {"m", "p", "bod"}};
  g_assert_cmpuint(strlen(key), ==, 64);
  g_assert_cmpstr(key, ==, same);
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
    g_autofree char *other = velm_answer_cache_key(others[i].llm, others[i].parameters,
                                                   others[i].body, strlen(others[i].body));
    g_assert_cmpstr(key, !=, other);
  }
}

/* It must stay the same from version to version, or all is asked and paid for again. */
static void test_key_is_stable(void) {
  g_autofree char *key = velm_answer_cache_key("llm", NULL, "{}", 2);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  static const char bytes[] = "\0\0\0\0\0\0\0\3llm\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2{}";
  g_checksum_update(checksum, (const guchar *)bytes, sizeof bytes - 1);
  g_assert_cmpstr(key, ==, g_checksum_get_string(checksum));
}

/* ---- files that are refused ---- */

/* Whatever is there stays as it is. */
static void assert_refused_unchanged(Fixture *f, const char *words) {
  g_autoptr(GBytes) before = velm_file_read(f->path, NULL);
  assert_refused(f, words);
  g_autoptr(GBytes) after = velm_file_read(f->path, NULL);
  g_assert_true(g_bytes_equal(before, after));
}

static void test_foreign_files(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const texts[] = {"x", "object: bracket\nclasses:\n", "SQLite format 3"};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_assert_true(velm_file_write(f->path, texts[i], strlen(texts[i]), &f->error));
    assert_refused_unchanged(f, "is not an answer cache");
  }
  g_autofree char *noise = g_strnfill(8192, 'q');
  memcpy(noise, "SQLite format 3", 16);
  g_assert_true(velm_file_write(f->path, noise, 8192, &f->error));
  assert_refused_unchanged(f, "is not an answer cache");
}

static void run_sql(const Fixture *f, const char *sql) {
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(f->path, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(db);
}

static void test_foreign_database(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  run_sql(f, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
  assert_refused_unchanged(f, "is not an answer cache");
  run_sql(f, "PRAGMA application_id = 77");
  assert_refused_unchanged(f, "is not an answer cache");
}

static void test_other_version(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  reopen(f);
  g_clear_pointer(&f->cache, velm_answer_cache_free);
  run_sql(f, "PRAGMA user_version = 2");
  assert_refused_unchanged(f, "another version of velm (schema 2, not 1)");
}

/* A killed open leaves it. */
static void test_empty_file(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_assert_true(velm_file_write(f->path, "", 0, &f->error));
  reopen(f);
  put(f, "a", "x");
  assert_has(f, "a", "x");
}

static void test_places(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_mkdir(f->path, 0700);
  assert_refused(f, "must be a file");
  g_rmdir(f->path);
  g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
  assert_refused(f, "must be a file");
  g_remove(f->path);
  g_free(f->path);
  f->path = g_build_filename(f->folder, "missing", "answers.sqlite", NULL);
  assert_refused(f, g_strerror(ENOENT));
}

/* SQLite would keep it in memory. */
static void test_memory_is_a_name(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *here = g_get_current_dir();
  g_assert_cmpint(g_chdir(f->folder), ==, 0);
  f->cache = velm_answer_cache_open(":memory:", &f->error);
  g_assert_no_error(f->error);
  g_assert_true(g_file_test(":memory:", G_FILE_TEST_IS_REGULAR));
  g_assert_cmpint(g_chdir(here), ==, 0);
}

/* ---- damage ---- */

static void fill(Fixture *f, int n) {
  reopen(f);
  for (int i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("key %d", i);
    g_autofree char *answer = g_strdup_printf("answer %d %0500d", i, i);
    put(f, key, answer);
  }
  g_clear_pointer(&f->cache, velm_answer_cache_free);
}

static void test_truncated(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  fill(f, 100);
  g_autoptr(GBytes) whole = velm_file_read(f->path, &f->error);
  gsize size = g_bytes_get_size(whole);
  g_assert_cmpuint(size, >, 40000);
  for (gsize length = 1; length < size; length += size / 12) {
    const char *bytes = g_bytes_get_data(whole, NULL);
    g_assert_true(velm_file_write(f->path, bytes, length, &f->error));
    assert_refused_unchanged(f, length < 16 ? "is not an answer cache" : "");
  }
}

/* Reads every answer. Returns: how many are right; 0 and the error where one cannot be read. */
static int read_all(Fixture *f, int n) {
  int right = 0;
  for (int i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("key %d", i);
    g_autofree char *text = g_strdup_printf("answer %d %0500d", i, i);
    g_autoptr(VelmCachedAnswer) answer = NULL;
    if (!velm_answer_cache_get(f->cache, key, &answer, &f->error))
      return 0;
    if (answer) {
      g_assert_cmpstr(answer->answer, ==, text);
      right++;
    }
  }
  return right;
}

/* Damage is told, or strikes nothing that is used; an answer that changed is never given out. */
static void test_flipped_bytes(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  fill(f, 60);
  g_autoptr(GBytes) whole = velm_file_read(f->path, &f->error);
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data(whole, &size);
  int refused = 0, told = 0;
  for (int round = 0; round < 150; round++) {
    g_autofree guint8 *copy = g_memdup2(bytes, size);
    copy[g_rand_int_range(random, 0, (gint32)size)] ^= (guint8)g_rand_int_range(random, 1, 256);
    g_assert_true(velm_file_write(f->path, copy, size, &f->error));
    f->cache = velm_answer_cache_open(f->path, &f->error);
    refused += f->cache ? 0 : 1;
    if (f->cache && read_all(f, 60) < 60 && f->error)
      told++;
    g_assert_true(f->cache || f->error);
    g_clear_error(&f->error);
    g_clear_pointer(&f->cache, velm_answer_cache_free);
  }
  g_assert_cmpint(refused, >, 0);
  g_assert_cmpint(told, >, 50); /* most of the file is answers */
}

static void test_changed_answer(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmCachedAnswer) answer = NULL;
  fill(f, 3);
  run_sql(f, "UPDATE answers SET answer = 'good' WHERE key = 'key 1'");
  reopen(f);
  g_assert_false(velm_answer_cache_get(f->cache, "key 1", &answer, &f->error));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(f->error->message, "damaged (an answer has changed)"));
  g_assert_null(answer);
}

/* ---- size ---- */

static void test_prune_by_number(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  reopen(f);
  put(f, "a", "1");
  put(f, "b", "2");
  put(f, "c", "3");
  g_usleep(2000);
  assert_has(f, "a", "1"); /* used last */
  g_assert_true(velm_answer_cache_prune(f->cache, 2, 1000, &f->error));
  assert_has(f, "b", NULL);
  assert_has(f, "a", "1");
  assert_has(f, "c", "3");
}

static void test_prune_by_bytes(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  reopen(f);
  put(f, "a", "1234567890");
  put(f, "b", "12345");
  put(f, "c", "12345");
  g_assert_true(velm_answer_cache_prune(f->cache, 100, 12, &f->error));
  assert_has(f, "a", NULL);
  assert_has(f, "b", "12345");
  assert_has(f, "c", "12345");
  g_assert_true(velm_answer_cache_prune(f->cache, 100, 0, &f->error));
  g_assert_cmpint(count(f), ==, 0);
}

static void test_prune_gives_space_back(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  GStatBuf full, pruned;
  fill(f, 300);
  g_assert_cmpint(g_stat(f->path, &full), ==, 0);
  reopen(f);
  g_assert_true(velm_answer_cache_prune(f->cache, 3, 1 << 20, &f->error));
  g_assert_cmpint(g_stat(f->path, &pruned), ==, 0);
  g_assert_cmpint(full.st_size, >, 150000);
  g_assert_cmpint(pruned.st_size, <, 50000);
  g_assert_cmpint(count(f), ==, 3);
  assert_has(f, "key 296", NULL);
  g_clear_pointer(&f->cache, velm_answer_cache_free);
  reopen(f);
  g_assert_cmpint(count(f), ==, 3);
}

/* ---- several processes ---- */

/* Puts answers and tells each one's number, once it is on disk, until it is killed. */
static void put_until_killed(const char *path, int pipe) {
  VelmAnswerCache *cache = velm_answer_cache_open(path, NULL);
  for (int i = 0; cache; i++) {
    g_autofree char *key = g_strdup_printf("key %d", i);
    g_autofree char *answer = g_strdup_printf("answer %d %0500d", i, i);
    if (!velm_answer_cache_put(cache, key, answer, 1, 1, NULL) ||
        write(pipe, &i, sizeof i) != sizeof i)
      break;
  }
  _exit(1);
}

/* How many answers the child had on disk when it was killed at a random moment. */
static int kill_in_the_middle(const Fixture *f, gulong after_us) {
  int ends[2], last = -1;
  g_assert_cmpint(pipe(ends), ==, 0);
  pid_t child = fork();
  if (child == 0)
    put_until_killed(f->path, ends[1]);
  close(ends[1]);
  g_assert_cmpint(read(ends[0], &last, sizeof last), ==, sizeof last);
  g_usleep(after_us);
  kill(child, SIGKILL);
  while (read(ends[0], &last, sizeof last) == sizeof last)
    continue;
  int status = 0;
  waitpid(child, &status, 0);
  g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  close(ends[0]);
  return last + 1;
}

static void test_killed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(9);
  int most = 0;
  for (int round = 0; round < 15; round++) {
    /* One pipe holds the numbers of some ten thousand answers: the child does not wait. */
    int n = kill_in_the_middle(f, (gulong)g_rand_int_range(random, 0, 60000));
    most = MAX(most, n);
    reopen(f);
    g_assert_cmpint(read_all(f, n), ==, n);
    g_assert_no_error(f->error);
    g_assert_cmpint(count(f), >=, most);
    g_clear_pointer(&f->cache, velm_answer_cache_free);
  }
  g_assert_cmpint(most, >, 20);
}

#define N_WRITERS 4
#define N_ANSWERS 150

/* Opens a file that is not there yet, with the others, and puts what they put too. */
static void put_with_others(const char *path, int writer) {
  VelmAnswerCache *cache = velm_answer_cache_open(path, NULL);
  gboolean done = cache != NULL;
  for (int i = 0; i < N_ANSWERS && done; i++) {
    int number = (i + writer * 37) % N_ANSWERS;
    g_autofree char *key = g_strdup_printf("key %d", number);
    g_autofree char *text = g_strdup_printf("answer %d %0500d", number, number);
    g_autoptr(VelmCachedAnswer) answer = NULL;
    done = velm_answer_cache_put(cache, key, text, 1, 1, NULL) &&
           velm_answer_cache_get(cache, key, &answer, NULL) && answer &&
           g_str_equal(answer->answer, text);
  }
  velm_answer_cache_free(cache);
  _exit(done ? 0 : 1);
}

static void test_several_processes(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (int round = 0; round < 5; round++) {
    pid_t children[N_WRITERS];
    g_remove(f->path);
    for (int i = 0; i < N_WRITERS; i++)
      if ((children[i] = fork()) == 0)
        put_with_others(f->path, i);
    for (int i = 0; i < N_WRITERS; i++) {
      int status = 0;
      waitpid(children[i], &status, 0);
      g_assert_true(WIFEXITED(status));
      g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    }
    reopen(f);
    g_assert_cmpint(count(f), ==, N_ANSWERS);
    g_assert_cmpint(read_all(f, N_ANSWERS), ==, N_ANSWERS);
    g_clear_pointer(&f->cache, velm_answer_cache_free);
  }
}

/* ---- secrets ---- */

/* What is put is all that is written: no request, so no key and no password, reaches the file. */
static void test_no_request_in_the_file(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char body[] = "{\"secret\":\"sk-test-0123456789\"}";
  static const char *const endings[] = {"", "-wal"};
  g_autofree char *key = velm_answer_cache_key("llm", "secret-parameter", body, strlen(body));
  reopen(f);
  put(f, key, "an answer");
  for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
    g_autofree char *path = g_strconcat(f->path, endings[i], NULL);
    g_autoptr(GBytes) bytes = velm_file_read(path, &f->error);
    gsize size = 0;
    const void *data_of = g_bytes_get_data(bytes, &size);
    g_assert_null(memmem(data_of, size, "0123456789", 10));
    g_assert_null(memmem(data_of, size, "secret", 6));
    if (i == 1)
      g_assert_nonnull(memmem(data_of, size, "an answer", 9));
  }
}

#define ADD(name, function)                                                                        \
  g_test_add("/answer-cache/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  ADD("put-and-get", test_put_and_get);
  ADD("first-stays", test_first_stays);
  ADD("measure", test_measure);
  ADD("only-the-user-reads", test_only_the_user_reads);
  g_test_add_func("/answer-cache/keys", test_keys);
  g_test_add_func("/answer-cache/key-is-stable", test_key_is_stable);
  ADD("foreign-files", test_foreign_files);
  ADD("foreign-database", test_foreign_database);
  ADD("other-version", test_other_version);
  ADD("empty-file", test_empty_file);
  ADD("places", test_places);
  ADD("memory-is-a-name", test_memory_is_a_name);
  ADD("truncated", test_truncated);
  ADD("flipped-bytes", test_flipped_bytes);
  ADD("changed-answer", test_changed_answer);
  ADD("prune-by-number", test_prune_by_number);
  ADD("prune-by-bytes", test_prune_by_bytes);
  ADD("prune-gives-space-back", test_prune_gives_space_back);
  ADD("killed", test_killed);
  ADD("several-processes", test_several_processes);
  ADD("no-request-in-the-file", test_no_request_in_the_file);
  return g_test_run();
}
