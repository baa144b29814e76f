/* velm store: a station's folder becomes a part of a store that many machines share. */
#include "act/store.h"
#include "act/store_fixture.h"
#include "core/file.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  int code;
  char *out, *err;
} Said;

static void said_clear(Said *said) {
  g_free(said->out);
  g_free(said->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Said, said_clear)

/* Runs velm store with these arguments. */
static Said run(const char *const *arguments) {
  Said said = {0};
  int status = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_ptr_array_add(all, (gpointer)g_getenv("VELM_BIN"));
  g_ptr_array_add(all, (gpointer) "store");
  for (; *arguments; arguments++)
    g_ptr_array_add(all, (gpointer)*arguments);
  g_ptr_array_add(all, NULL);
  g_spawn_sync(NULL, (char **)all->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &said.out, &said.err,
               &status, &error);
  g_assert_no_error(error);
  g_assert_true(WIFEXITED(status));
  said.code = WEXITSTATUS(status);
  return said;
}

#define velm_store(...) run((const char *const[]){__VA_ARGS__, NULL})

static void assert_says(const char *text, const char *part) {
  if (!strstr(text, part))
    g_error("\"%s\" is not in: %s", part, text);
}

/* One line on stderr. */
static void assert_refused(const Said *said, int code, const char *part) {
  g_assert_cmpint(said->code, ==, code);
  g_assert_nonnull(strchr(said->err, '\n'));
  g_assert_cmpstr(strchr(said->err, '\n'), ==, "\n");
  assert_says(said->err, part);
}

static void add_file(StoreFixture *f, const char *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(f->path, folder, NULL);
  g_assert_true(velm_file_make_folder(path, &f->error));
  g_free(scratch_write(path, name, text, strlen(text)));
}

/* How many of the records are of the station @name. */
static void assert_is_of(StoreFixture *f, const char *url, const char *images, const char *name,
                         gint64 expected) {
  gint64 n = -1;
  VelmStoreQuery query = velm_store_query_default();
  g_autoptr(VelmStore) store = velm_store_open_shared(images, url, "test", &f->error);
  g_assert_no_error(f->error);
  query.station = name;
  g_assert_true(velm_store_count(store, &query, &n, &f->error));
  g_assert_cmpint(n, ==, expected);
}

/* Twice; then with a damaged image, which does not keep the others. */
static void test_migrate(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = postgres_server_new_database();
  g_autofree char *shared = g_build_filename(f->folder, "shared", NULL);
  g_autofree char *model = g_build_filename(shared, "models", "1.velm", NULL);
  store_add_part(f, "a", 1, 1);
  store_add_part(f, "b", 2, 2);
  add_file(f, "models", "1.velm", "a model");
  g_clear_pointer(&f->store, velm_store_free);
  g_auto(Said) first = velm_store("migrate", "--from", f->path, "--to", url, "--images", shared);
  g_assert_cmpstr(first.err, ==, "");
  g_assert_cmpint(first.code, ==, 0);
  g_assert_cmpstr(first.out, ==, "2 records copied, 0 were there already, 0 failed\n");
  g_assert_true(g_file_test(model, G_FILE_TEST_EXISTS));
  store_reopen(f);
  store_add_part(f, "c", 3, 3);
  store_add_part(f, "d", 4, 4);
  g_autoptr(VelmStoredRecord) record = NULL;
  g_assert_true(velm_store_find(f->store, "c", &record, &f->error));
  g_autofree char *image = velm_store_image_path(f->store, record->image);
  g_assert_true(velm_file_write(image, "x", 1, &f->error));
  g_clear_pointer(&f->store, velm_store_free);
  g_auto(Said) second = velm_store("migrate", "--from", f->path, "--to", url, "--images", shared,
                                   "--station", "left");
  assert_refused(&second, 1, "velm: c: ");
  g_assert_cmpstr(second.out, ==, "1 records copied, 2 were there already, 1 failed\n");
  assert_is_of(f, url, shared, g_get_host_name(), 2);
  assert_is_of(f, url, shared, "left", 1);
  g_auto(Said) info = velm_store("info", "--json", url);
  g_assert_cmpint(info.code, ==, 0);
  assert_says(info.out, "\"records\":3,\"images\":3,\"image_bytes\":6000,");
  assert_says(info.out, "\"partitions\":[{\"week\":\"19691229\",\"records\":3}]");
}

static void test_info(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "a", 1, 1);
  g_auto(Said) info = velm_store("info", f->path); /* while it is in use */
  g_assert_cmpint(info.code, ==, 0);
  assert_says(info.out, "records     1\n");
  assert_says(info.out, "images      1, 2000 bytes\n");
}

static void test_mistakes(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char away[] = "postgresql://u:secret@127.0.0.1:1/d";
  g_autofree char *missing = g_build_filename(f->folder, "missing", NULL);
  g_auto(Said) in_use = velm_store("migrate", "--from", f->path, "--to", away, "--images", missing);
  assert_refused(&in_use, 1, "in use by another process");
  g_auto(Said) none = velm_store("migrate", "--from", missing, "--to", away, "--images", missing);
  assert_refused(&none, 1, "there is no store");
  g_assert_false(g_file_test(missing, G_FILE_TEST_EXISTS));
  g_clear_pointer(&f->store, velm_store_free);
  g_auto(Said) gone = velm_store("migrate", "--from", f->path, "--to", away, "--images", missing);
  assert_refused(&gone, 1, "postgresql://127.0.0.1:1/d: the store cannot be reached: ");
  g_assert_null(strstr(gone.err, "secret"));
  g_auto(Said) half = velm_store("migrate", "--from", f->path);
  assert_refused(&half, 2, "name the station's folder with --from");
  g_auto(Said) other = velm_store("mend");
  g_assert_cmpint(other.code, ==, 2);
}

#define ADD(name, function)                                                                        \
  g_test_add("/cli/store/" name, StoreFixture, NULL, store_set_up, function, store_tear_down)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  if (store_add_shared())
    ADD("migrate", test_migrate);
  ADD("info", test_info);
  ADD("mistakes", test_mistakes);
  return g_test_run();
}
