/* What is done for the store now and then. */
#include "serve/line_fixture.h"
#include "serve/upkeep_link.h"

#include <glib/gstdio.h>

/* Writes a file of the station's data, and says where its copy is to be. */
static char *write_file(const LineFixture *f, const char *copy, const char *folder,
                        const char *name) {
  g_autofree char *below = g_build_filename(f->data, folder, NULL);
  g_autofree char *path = g_build_filename(below, name, NULL);
  g_assert_cmpint(g_mkdir_with_parents(below, 0700), ==, 0);
  g_assert_true(g_file_set_contents(path, name, -1, NULL));
  return g_build_filename(copy, folder, name, NULL);
}

static void assert_holds(const char *path, const char *text) {
  g_autofree char *contents = NULL;
  g_assert_true(g_file_get_contents(path, &contents, NULL, NULL));
  g_assert_cmpstr(contents, ==, text);
}

static void test_backup(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention everything = {0};
  g_autofree char *folder = g_build_filename(f->folder, "copy", NULL);
  g_autofree char *records = g_build_filename(folder, "records.sqlite", NULL);
  line_make(f);
  line_start(f);
  line_inspect(f, "a", 0);
  line_end(f);
  g_autofree char *version = write_file(f, folder, "models", "one.velm");
  g_autofree char *spec = write_file(f, folder, "specs", "other.yaml");
  g_autofree char *models = g_path_get_dirname(version);
  g_autofree char *gone = g_build_filename(models, "gone.velm", NULL);
  g_assert_cmpint(g_mkdir_with_parents(models, 0700), ==, 0);
  g_assert_true(g_file_set_contents(gone, "old", -1, NULL));
  line_make(f);
  VelmLink *link = line_add_link(f, velm_upkeep_link_new(f->station, &everything, folder));
  line_start(f);
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
  g_assert_true(g_file_test(records, G_FILE_TEST_EXISTS));
  assert_holds(version, "one.velm");
  assert_holds(spec, "other.yaml");
  g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
  line_end(f);
  g_autoptr(VelmStore) copy = velm_store_open(folder, &f->error);
  g_assert_no_error(f->error);
  g_autoptr(VelmStoredRecord) record = NULL;
  g_assert_true(velm_store_find(copy, "a", &record, &f->error));
  g_assert_nonnull(record);
  g_autoptr(GBytes) image = velm_store_read_image(copy, record->image, &f->error);
  g_assert_no_error(f->error);
}

/* A folder that cannot be copied to makes the station lame, and stops nothing. */
static void test_no_backup(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention everything = {0};
  g_autofree char *file = g_build_filename(f->folder, "file", NULL);
  g_assert_true(g_file_set_contents(file, "in its place", -1, NULL));
  line_make(f);
  VelmLink *link = line_add_link(f, velm_upkeep_link_new(f->station, &everything, file));
  line_start(f);
  line_wait_for(line_link_is(link, VELM_STATE_DEGRADED, "file"));
  g_assert_cmpint(line_inspect(f, "a", 0), ==, 1);
}

static void test_retention(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention nothing = {.max_age = 1};
  line_make(f);
  line_start(f);
  line_inspect(f, "a", 0);
  line_end(f);
  line_make(f);
  line_add_link(f, velm_upkeep_link_new(f->station, &nothing, NULL));
  line_start(f);
  line_wait_for(line_count(f) == 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  line_fit_model();
  g_test_add("/upkeep_link/backup", LineFixture, NULL, line_set_up, test_backup, line_tear_down);
  g_test_add("/upkeep_link/no_backup", LineFixture, NULL, line_set_up, test_no_backup,
             line_tear_down);
  g_test_add("/upkeep_link/retention", LineFixture, NULL, line_set_up, test_retention,
             line_tear_down);
  int result = g_test_run();
  line_remove_model();
  return result;
}
