#include "core/postgres_server.h"

#include "core/database_postgres.h"
#include "core/file.h"
#include "core/scratch.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER "velm"

/* The one of this program. */
static struct {
  char *folder;
  guint port;
  GPid pid, owner; /* the server's process; the one that started it */
  guint n_databases;
} server;

/* Returns: (transfer full): NULL where it is not installed. */
static char *find_program(const char *name) {
  static const char versions[] = "/usr/lib/postgresql";
  char *found = g_find_program_in_path(name);
  g_autoptr(GPtrArray) folders = found ? NULL : velm_file_list_folders(versions, NULL);
  for (guint i = folders ? folders->len : 0; i > 0 && !found; i--) {
    found = g_build_filename(versions, folders->pdata[i - 1], "bin", name, NULL);
    if (!g_file_test(found, G_FILE_TEST_IS_EXECUTABLE))
      g_clear_pointer(&found, g_free);
  }
  return found;
}

gboolean postgres_server_is_installed(void) {
  g_autofree char *initdb = find_program("initdb");
  g_autofree char *postgres = find_program("postgres");
  return initdb && postgres;
}

/* ---- its process ---- */

/* It refuses to be root. */
static const struct passwd *user_of_server(void) {
  return getuid() == 0 ? getpwnam("nobody") : NULL;
}

/* In the new process: it ends with this program, however that ends. */
static void become_user(gpointer user) {
  const struct passwd *other = user;
  if (other &&
      (setgroups(0, NULL) != 0 || setgid(other->pw_gid) != 0 || setuid(other->pw_uid) != 0))
    _exit(1);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

static GPid spawn(const char *const *arguments) {
  GPid pid = 0;
  g_autoptr(GError) error = NULL;
  g_spawn_async(server.folder, (char **)arguments, NULL,
                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                become_user, (gpointer)user_of_server(), &pid, &error);
  g_assert_no_error(error);
  return pid;
}

static guint find_free_port(void) {
  g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
  g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
  g_autoptr(GSocket) socket =
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_assert_true(g_socket_bind(socket, any, FALSE, NULL));
  g_autoptr(GSocketAddress) bound = g_socket_get_local_address(socket, NULL);
  return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
}

static void make_cluster(void) {
  int status = 0;
  const struct passwd *user = user_of_server();
  g_autofree char *initdb = find_program("initdb");
  const char *const arguments[] = {initdb,  "-D", "data", "-U", USER,         "-A",
                                   "trust", "-E", "UTF8", "-N", "--locale=C", "--no-instructions",
                                   NULL};
  server.folder = scratch_new();
  if (user)
    g_assert_cmpint(chown(server.folder, user->pw_uid, user->pw_gid), ==, 0);
  waitpid(spawn(arguments), &status, 0);
  g_assert_cmpint(status, ==, 0);
}

static VelmDatabase *connect_to(const char *name, GError **error) {
  g_autofree char *url =
      g_strdup_printf("postgresql://" USER "@127.0.0.1:%u/%s", server.port, name);
  return velm_postgres_open(url, "the server", 1, FALSE, NULL, error);
}

static void wait_until_it_answers(void) {
  for (int tries = 0; tries < 2000; tries++) {
    g_autoptr(VelmDatabase) database = connect_to("postgres", NULL);
    if (database)
      return;
    g_usleep(10000);
  }
  g_error("the PostgreSQL of the test does not answer");
}

void postgres_server_start(void) {
  g_autofree char *postgres = find_program("postgres");
  g_autofree char *port = g_strdup_printf("%u", server.port);
  const char *const arguments[] = {postgres,
                                   "-D",
                                   "data",
                                   "-p",
                                   port,
                                   "-k",
                                   server.folder,
                                   "-h",
                                   "127.0.0.1",
                                   "-c",
                                   "fsync=off",
                                   "-c",
                                   "full_page_writes=off",
                                   "-c",
                                   "shared_buffers=32MB",
                                   "-c",
                                   "max_connections=60",
                                   "-c",
                                   "logging_collector=off",
                                   NULL};
  server.owner = getpid();
  server.pid = spawn(arguments);
  wait_until_it_answers();
}

void postgres_server_stop(void) {
  kill(server.pid, SIGQUIT);
  waitpid(server.pid, NULL, 0);
  server.pid = 0;
}

static void end(void) {
  if (server.owner != getpid())
    return;
  if (server.pid)
    postgres_server_stop();
  scratch_remove(server.folder);
}

char *postgres_server_new_database(void) {
  g_autoptr(GError) error = NULL;
  if (!server.folder) {
    make_cluster();
    server.port = find_free_port();
    postgres_server_start();
    atexit(end);
  }
  g_autofree char *name = g_strdup_printf("test%u", server.n_databases++);
  g_autofree char *sql = g_strdup_printf("CREATE DATABASE %s STRATEGY file_copy", name);
  g_autoptr(VelmDatabase) database = connect_to("postgres", &error);
  g_assert_no_error(error);
  velm_database_run_script(database, sql, &error);
  g_assert_no_error(error);
  return g_strdup_printf("postgresql://" USER "@127.0.0.1:%u/%s", server.port, name);
}
