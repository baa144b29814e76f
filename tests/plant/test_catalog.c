/* The plant's catalog: what is published is what is fetched, by whoever and at whatever time. */
#include "plant/catalog.h"

#include "core/file.h"
#include "core/scratch.h"
#include "plant/catalog_files.h"
#include "plant/nats_fixture.h"
#include "serve/station_fixture.h"

#include <string.h>

#define BIG_BYTES (1300 * 1000) /* three pieces */
#define N_TWICE 5

typedef struct {
  char *folder;
  NatsServer server;
  VelmBroker *broker;
  VelmCatalog *catalog;
  kvStore *products, *files; /* as a stranger has them */
  GError *error;
} Fixture;

static kvStore *open_bucket(Fixture *f, const char *name) {
  kvStore *bucket = NULL;
  g_assert_cmpint(js_KeyValue(&bucket, velm_broker_get_jetstream(f->broker), name), ==, NATS_OK);
  return bucket;
}

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = scratch_new();
  nats_server_set_up(&f->server, f->folder);
  nats_server_start(&f->server);
  f->broker = nats_server_connect(&f->server, "test");
  f->catalog = velm_catalog_open(f->broker, &f->error);
  g_assert_no_error(f->error);
  f->products = open_bucket(f, "velm_products");
  f->files = open_bucket(f, "velm_files");
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&f->error);
  kvStore_Destroy(f->products);
  kvStore_Destroy(f->files);
  velm_catalog_free(f->catalog);
  velm_broker_free(f->broker);
  nats_server_tear_down(&f->server);
  scratch_remove(f->folder);
}

/* ---- files ---- */

/* A file of @size bytes; another seed, another file. Returns: (transfer full): its path. */
static char *make_file(Fixture *f, guint32 seed, gsize size) {
  g_autofree char *name = g_strdup_printf("file-%u", seed);
  g_autofree char *bytes = g_malloc(size);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (gsize i = 0; i < size; i++)
    bytes[i] = (char)g_rand_int(random);
  return scratch_write(f->folder, name, bytes, size);
}

/* @spec: (nullable). */
static VelmCatalogVersion *publish(Fixture *f, const char *model, const char *spec,
                                   gboolean *known) {
  const VelmCatalogFiles files = {model, spec, "anna@line", "better"};
  VelmCatalogVersion *version = velm_catalog_publish(f->catalog, PRODUCT, &files, known, &f->error);
  g_assert_no_error(f->error);
  return version;
}

/* Publishes a small file of its own. */
static VelmCatalogVersion *publish_small(Fixture *f, guint32 seed) {
  gboolean known = TRUE;
  g_autofree char *path = make_file(f, seed, 100);
  VelmCatalogVersion *version = publish(f, path, NULL, &known);
  g_assert_false(known);
  return version;
}

static gboolean fetch(Fixture *f, const VelmCatalogFile *file, char **path) {
  *path = g_build_filename(f->folder, "fetched", NULL);
  g_unlink(*path);
  return velm_catalog_fetch(f->catalog, file, *path, NULL, NULL, &f->error);
}

static void assert_same_file(const char *path, const char *other) {
  g_autofree char *a = velm_file_sha256(path, NULL), *b = velm_file_sha256(other, NULL);
  g_assert_nonnull(a);
  g_assert_cmpstr(a, ==, b);
}

/* Messages that came to the bucket of files so far. */
static guint64 count_sent(Fixture *f) {
  g_autoptr(jsStreamInfo) info = NULL;
  g_assert_cmpint(
      js_GetStreamInfo(&info, velm_broker_get_jetstream(f->broker), "KV_velm_files", NULL, NULL),
      ==, NATS_OK);
  return info->State.LastSeq;
}

static guint count_files(Fixture *f) {
  g_autoptr(GHashTable) files = velm_catalog_files_list(f->broker, f->files, &f->error);
  g_assert_no_error(f->error);
  return g_hash_table_size(files);
}

/* ---- publishing ---- */

static void test_publish(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = TRUE;
  g_autofree char *big = make_file(f, 1, BIG_BYTES), *spec = make_file(f, 2, 300), *path = NULL;
  g_autofree char *sha256 = velm_file_sha256(big, NULL);
  g_autoptr(VelmCatalogVersion) current = NULL;
  g_assert_true(velm_catalog_get(f->catalog, PRODUCT, &current, &f->error));
  g_assert_null(current);
  g_autoptr(VelmCatalogVersion) first = publish(f, big, NULL, &known);
  g_assert_false(known);
  g_assert_cmpint(first->version, ==, 1);
  g_assert_cmpint(first->model.bytes, ==, BIG_BYTES);
  g_assert_cmpstr(first->model.sha256, ==, sha256);
  g_assert_cmpuint(count_sent(f), ==, 4); /* its pieces, and who wants it */
  g_autoptr(VelmCatalogVersion) second = publish(f, big, spec, &known);
  g_assert_false(known);
  g_assert_cmpuint(count_sent(f), ==, 7); /* who wants the two, and the spec */
  g_assert_true(velm_catalog_get(f->catalog, PRODUCT, &current, &f->error));
  g_assert_cmpint(current->version, ==, 2);
  g_assert_cmpuint(current->revision, ==, second->revision);
  g_assert_cmpstr(current->who, ==, "anna@line");
  g_assert_cmpstr(current->note, ==, "better");
  g_assert_true(fetch(f, &current->model, &path));
  assert_same_file(path, big);
  g_free(path);
  g_assert_true(fetch(f, &current->spec, &path));
  assert_same_file(path, spec);
}

static void test_known(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = FALSE;
  g_autofree char *model = make_file(f, 1, 500);
  g_autoptr(VelmCatalogVersion) first = publish(f, model, NULL, &known);
  g_autoptr(VelmCatalogVersion) second = publish(f, model, NULL, &known);
  g_assert_true(known);
  g_assert_cmpint(second->version, ==, 1);
  g_assert_cmpuint(second->revision, ==, first->revision);
}

static void test_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = FALSE;
  g_autofree char *empty = scratch_write(f->folder, "empty", "", 0);
  const VelmCatalogFiles no_file = {"no-such-file", NULL, "anna", NULL};
  const VelmCatalogFiles no_bytes = {empty, NULL, "anna", NULL};
  g_assert_null(velm_catalog_publish(f->catalog, "a.b", &no_file, &known, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "a.b");
  g_assert_null(velm_catalog_publish(f->catalog, PRODUCT, &no_file, &known, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "no-such-file");
  g_assert_null(velm_catalog_publish(f->catalog, PRODUCT, &no_bytes, &known, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "is empty");
}

/* What is not ours is told, and not written over. */
static void test_stranger(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const values[] = {
      "", "[]", "{\"version\": 1}",
      "{\"version\": 1, \"model\": {\"sha256\": \"../../../../etc/passwd\", \"bytes\": 5}}"};
  gboolean known = FALSE;
  g_autofree char *model = make_file(f, 1, 500);
  const VelmCatalogFiles files = {model, NULL, "anna", NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    VelmCatalogVersion *version = NULL;
    g_assert_cmpint(kvStore_PutString(NULL, f->products, PRODUCT, values[i]), ==, NATS_OK);
    g_assert_false(velm_catalog_get(f->catalog, PRODUCT, &version, &f->error));
    assert_failure(&f->error, VELM_ERROR_FILE, "no version of a product");
    g_assert_null(velm_catalog_publish(f->catalog, PRODUCT, &files, &known, &f->error));
    assert_failure(&f->error, VELM_ERROR_FILE, "no version of a product");
  }
}

/* ---- two at once ---- */

typedef struct {
  Fixture *f;
  guint32 first_seed;
} Publisher;

static gpointer publish_some(gpointer data) {
  const Publisher *publisher = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBroker) broker = nats_server_connect(&publisher->f->server, "publisher");
  g_autoptr(VelmCatalog) catalog = velm_catalog_open(broker, &error);
  g_assert_no_error(error);
  for (guint32 i = 0; i < N_TWICE; i++) {
    gboolean known = TRUE;
    g_autofree char *path = make_file(publisher->f, publisher->first_seed + i, 100);
    const VelmCatalogFiles files = {path, NULL, "anna", NULL};
    g_autoptr(VelmCatalogVersion) version =
        velm_catalog_publish(catalog, PRODUCT, &files, &known, &error);
    g_assert_no_error(error);
    g_assert_false(known);
  }
  return NULL;
}

static void test_two_at_once(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Publisher publishers[] = {{f, 100}, {f, 200}};
  GThread *threads[2];
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < 2; i++)
    threads[i] = g_thread_new("publisher", publish_some, &publishers[i]);
  for (gsize i = 0; i < 2; i++)
    g_thread_join(threads[i]);
  g_autoptr(GPtrArray) versions = velm_catalog_list_versions(f->catalog, PRODUCT, &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpuint(versions->len, ==, 2 * N_TWICE);
  for (guint i = 0; i < versions->len; i++) {
    VelmCatalogVersion *version = versions->pdata[i];
    g_assert_cmpint(version->version, ==, 2 * N_TWICE - i);
    g_assert_true(g_hash_table_add(seen, version->model.sha256));
  }
}

/* ---- damage ---- */

/* A byte of a piece is another. */
static void spoil(Fixture *f, const char *key) {
  g_autoptr(kvEntry) entry = NULL;
  g_assert_cmpint(kvStore_Get(&entry, f->files, key), ==, NATS_OK);
  int size = kvEntry_ValueLen(entry);
  g_autofree char *bytes = g_memdup2(kvEntry_Value(entry), (gsize)size);
  bytes[size / 2] ^= 1;
  g_assert_cmpint(kvStore_Put(NULL, f->files, key, bytes, size), ==, NATS_OK);
}

static void test_damaged(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = FALSE;
  g_autofree char *model = make_file(f, 1, BIG_BYTES), *path = NULL;
  g_autoptr(VelmCatalogVersion) version = publish(f, model, NULL, &known);
  g_autofree char *piece = g_strconcat(version->model.sha256, ".0001", NULL);
  spoil(f, piece);
  g_assert_false(fetch(f, &version->model, &path));
  assert_failure(&f->error, VELM_ERROR_FILE, "is damaged: publish it again");
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
  g_assert_cmpint(kvStore_Delete(f->files, piece), ==, NATS_OK);
  g_free(path);
  g_assert_false(fetch(f, &version->model, &path));
  assert_failure(&f->error, VELM_ERROR_FILE, "lacks a piece: publish it again");
  guint64 before = count_sent(f);
  g_autoptr(VelmCatalogVersion) again = publish(f, model, NULL, &known);
  g_assert_true(known);
  g_assert_cmpuint(count_sent(f), ==, before + 2); /* the piece, and who wants it */
  g_free(path);
  g_assert_true(fetch(f, &version->model, &path));
  assert_same_file(path, model);
}

static gboolean stop_at_once(gpointer data) {
  *(gboolean *)data = TRUE;
  return TRUE;
}

static void test_stopped(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = FALSE, asked = FALSE;
  g_autofree char *model = make_file(f, 1, BIG_BYTES), *folder = NULL, *path = NULL;
  g_autoptr(VelmCatalogVersion) version = publish(f, model, NULL, &known);
  folder = g_build_filename(f->folder, "cache", NULL);
  path = g_build_filename(folder, "model", NULL);
  g_assert_true(velm_file_make_folder(folder, &f->error));
  g_assert_false(
      velm_catalog_fetch(f->catalog, &version->model, path, stop_at_once, &asked, &f->error));
  assert_failure(&f->error, VELM_ERROR_CANCELLED, "is not fetched");
  g_assert_true(asked);
  g_autoptr(GPtrArray) left = velm_file_list(folder, &f->error);
  g_assert_cmpuint(left->len, ==, 0);
}

/* ---- going back, and what goes ---- */

/* As if they had been published long ago. */
static void forget_publishers(Fixture *f) {
  g_autoptr(GHashTable) files = velm_catalog_files_list(f->broker, f->files, &f->error);
  g_assert_no_error(f->error);
  GHashTableIter iter;
  gpointer sha256;
  g_hash_table_iter_init(&iter, files);
  while (g_hash_table_iter_next(&iter, &sha256, NULL)) {
    g_autofree char *key = g_strconcat(sha256, ".wanted", NULL);
    g_assert_cmpint(kvStore_Delete(f->files, key), ==, NATS_OK);
  }
}

static void assert_pruned(Fixture *f, guint expected) {
  guint removed = 0;
  g_assert_true(velm_catalog_prune(f->catalog, &removed, &f->error));
  g_assert_cmpuint(removed, ==, expected);
}

static void test_history(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean known = TRUE;
  g_autofree char *sha256_of_5 = NULL, *path = NULL;
  for (guint32 i = 1; i <= 22; i++) {
    g_autoptr(VelmCatalogVersion) version = publish_small(f, i);
    if (i == 5)
      sha256_of_5 = g_strdup(version->model.sha256);
  }
  g_assert_null(velm_catalog_use(f->catalog, PRODUCT, 2, "berta", &known, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "no version 2 among its last 20");
  g_autoptr(VelmCatalogVersion) back =
      velm_catalog_use(f->catalog, PRODUCT, 5, "berta", &known, &f->error);
  g_assert_no_error(f->error);
  g_assert_false(known);
  g_assert_cmpint(back->version, ==, 23);
  g_assert_cmpstr(back->model.sha256, ==, sha256_of_5);
  g_assert_cmpstr(back->who, ==, "berta");
  g_autoptr(VelmCatalogVersion) again =
      velm_catalog_use(f->catalog, PRODUCT, 5, "berta", &known, &f->error);
  g_assert_true(known);
  g_assert_cmpint(again->version, ==, 23);
  g_autoptr(GPtrArray) versions = velm_catalog_list_versions(f->catalog, PRODUCT, &f->error);
  g_assert_cmpuint(versions->len, ==, 20);
  g_assert_cmpint(((VelmCatalogVersion *)versions->pdata[19])->version, ==, 4);
  g_assert_cmpuint(count_files(f), ==, 22);
  assert_pruned(f, 0); /* they were published within the hour */
  forget_publishers(f);
  assert_pruned(f, 3);
  g_assert_cmpuint(count_files(f), ==, 19);
  g_assert_true(fetch(f, &back->model, &path));
  assert_pruned(f, 0);
}

/* ---- the command ---- */

/* Runs velm plant. @arguments: NULL-terminated. Returns: (transfer full): what it printed. */
static char *run(Fixture *f, const char *const *arguments, int code) {
  g_autoptr(GPtrArray) line = g_ptr_array_new();
  g_autofree char *out = NULL, *errors = NULL;
  int status = 0;
  g_ptr_array_add(line, (gpointer)g_getenv("VELM_BIN"));
  g_ptr_array_add(line, (gpointer) "plant");
  for (gsize i = 0; arguments[i]; i++)
    g_ptr_array_add(line, (gpointer)arguments[i]);
  g_ptr_array_add(line, (gpointer) "--nats");
  g_ptr_array_add(line, f->server.url);
  g_ptr_array_add(line, NULL);
  g_assert_true(g_spawn_sync(NULL, (char **)line->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out,
                             &errors, &status, &f->error));
  g_assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) != code)
    g_error("velm plant %s: %d: %s", arguments[0], WEXITSTATUS(status), errors);
  return g_strconcat(out, errors, NULL);
}

#define plant(code, ...) run(f, (const char *const[]){__VA_ARGS__, NULL}, code)

static void assert_says(char *text, const char *words) {
  if (!strstr(text, words))
    g_error("there is no \"%s\" in: %s", words, text);
  g_free(text);
}

static void test_command(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char *model = small_product_model(), *spec = small_product_spec();
  g_autofree char *no_model = make_file(f, 1, 100);
  assert_says(plant(0, "publish", "--product", PRODUCT, model, spec, "--note", "the first"),
              "disc: version 1 is published");
  assert_says(plant(0, "publish", "--product", PRODUCT, model, spec), "has just these already");
  assert_says(plant(0, "publish", "--product", PRODUCT, model), "disc: version 2 is published");
  assert_says(plant(1, "publish", "--product", PRODUCT, no_model), no_model);
  assert_says(plant(1, "publish", "--product", PRODUCT, model, no_model), no_model);
  assert_says(plant(2, "publish", model), "name the product");
  assert_says(plant(0, "use", "--product", PRODUCT, "--version", "1"), "version 3 is published");
  assert_says(plant(2, "use", "--product", PRODUCT, "--version", "7"), "no version 7");
  assert_says(plant(0, "products"), "disc  version 3  model ");
  assert_says(plant(0, "versions", "--product", PRODUCT), "the first");
  assert_says(plant(0, "prune"), "0 files removed");
  g_autofree char *json = plant(0, "versions", "--json", "--product", PRODUCT);
  g_autoptr(JsonNode) node = json_from_string(json, &f->error);
  g_assert_no_error(f->error);
  JsonArray *versions = json_node_get_array(node);
  g_assert_cmpuint(json_array_get_length(versions), ==, 3);
  JsonObject *second = json_array_get_object_element(versions, 1);
  g_assert_cmpint(json_object_get_int_member(second, "version"), ==, 2);
  g_assert_true(json_object_get_null_member(second, "spec"));
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*test)(Fixture *, gconstpointer);
  } tests[] = {{"/catalog/publish", test_publish},         {"/catalog/known", test_known},
               {"/catalog/refused", test_refused},         {"/catalog/stranger", test_stranger},
               {"/catalog/two_at_once", test_two_at_once}, {"/catalog/damaged", test_damaged},
               {"/catalog/stopped", test_stopped},         {"/catalog/history", test_history},
               {"/catalog/command", test_command}};
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
