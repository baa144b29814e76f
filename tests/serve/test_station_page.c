/* The page in a browser: station_page.py is what a person does there. */
#include "core/file.h"
#include "core/scratch.h"
#include "serve/station_fixture.h"

#include <gio/gio.h>
#include <string.h>

#define N_IMAGES 4 /* of a class */

/* The Python that has Playwright. Returns: (transfer full): NULL where the browser is not set up.
 */
static char *find_python(void) {
  g_autofree char *setup =
      g_test_build_filename(G_TEST_DIST, "..", "tools", "test", "browser", "setup.sh", NULL);
  g_autofree char *out = NULL;
  const char *const arguments[] = {setup, "--where", NULL};
  if (!g_file_test("/usr/bin/chromium", G_FILE_TEST_IS_EXECUTABLE) ||
      !g_spawn_sync(NULL, (char **)(gpointer)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                    NULL, NULL, NULL))
    return NULL;
  g_autofree char *python = g_build_filename(g_strstrip(out), "bin", "python", NULL);
  return g_file_test(python, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer(&python) : NULL;
}

static void add_part(const StationFixture *f, const char *class_name, guint number) {
  g_autoptr(GBytes) image = small_product_image(class_name, number);
  station_add(f, NULL, image);
}

static void take_record(VelmStoredRecord *record, gboolean existed, const GError *error,
                        gpointer is_done) {
  g_assert_no_error(error);
  velm_stored_record_free(record);
  g_atomic_int_set((gint *)is_done, TRUE);
}

/* A good part of another line. */
static void add_part_of(const StationFixture *f, const char *station) {
  gint is_done = FALSE;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  const VelmArrival arrival = {.key = "of another line",
                               .name = "part.png",
                               .station = station,
                               .media_type = "image/png",
                               .image = image};
  velm_station_inspect(f->station, velm_station_find_product(f->station, PRODUCT), &arrival,
                       take_record, &is_done);
  while (!g_atomic_int_get(&is_done))
    g_usleep(1000);
}

/* Good parts and defect ones, in turn. */
static void add_parts(const StationFixture *f) {
  static const char *const defects[] = {"scratch", "dent"};
  for (guint i = 0; i < N_IMAGES * G_N_ELEMENTS(defects); i++) {
    add_part(f, "good", i % N_IMAGES);
    add_part(f, defects[i / N_IMAGES], i % N_IMAGES);
  }
  g_autoptr(GBytes) black = small_product_black(100, 50);
  station_add(f, NULL, black);
}

/* Where its pictures are kept for who wants to look: VELM_TEST_PICTURES, else nowhere. */
static const char *pictures_of(const StationFixture *f) {
  const char *given = g_getenv("VELM_TEST_PICTURES");
  return given ? given : f->folder;
}

static void test_page(StationFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *python = find_python(), *out = NULL;
  if (!python) {
    g_test_skip("needs Chromium and Playwright: tools/test/browser/setup.sh");
    return;
  }
  f->spec = g_strdup(small_product_spec());
  station_start(f);
  json_node_unref(station_wait_for(f, "ready"));
  add_parts(f);
  add_part_of(f, "line 2");
  g_autofree char *script = g_test_build_filename(G_TEST_DIST, "serve", "station_page.py", NULL);
  g_autoptr(GSubprocess) process =
      g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error,
                       python, script, f->url, pictures_of(f), NULL);
  g_assert_no_error(error);
  g_subprocess_communicate_utf8(process, NULL, NULL, &out, NULL, &error);
  g_assert_no_error(error);
  if (!g_subprocess_get_successful(process))
    g_error("the page is not as it is to be:\n%s", out);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  small_product_set_up();
  g_test_add("/station_page/person", StationFixture, NULL, station_set_up, test_page,
             station_tear_down);
  int result = g_test_run();
  small_product_tear_down();
  return result;
}
