#include "plant/nats_fixture.h"

#include "core/scratch.h"
#include "serve/line_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* Its own folder in the one that it is given. */
#define STORE "jetstream"

/* Debian has it where only root looks. */
static char *find_server(void) {
  char *path = g_find_program_in_path("nats-server");
  return path || !g_file_test("/usr/sbin/nats-server", G_FILE_TEST_IS_EXECUTABLE)
             ? path
             : g_strdup("/usr/sbin/nats-server");
}

gboolean nats_server_is_there(void) {
  g_autofree char *path = find_server();
  return path != NULL;
}

int nats_server_skip(void) {
  g_print("1..0 # SKIP there is no nats-server (package nats-server)\n");
  return 0;
}

void nats_server_set_up(NatsServer *server, const char *folder) {
  server->folder = g_build_filename(folder, "nats", NULL);
  g_assert_cmpint(g_mkdir_with_parents(server->folder, 0700), ==, 0);
  server->address = line_free_address();
  server->url = g_strdup_printf("nats://%s", server->address);
}

void nats_server_tear_down(NatsServer *server) {
  nats_server_kill(server);
  g_clear_pointer(&server->folder, g_free);
  g_clear_pointer(&server->address, g_free);
  g_clear_pointer(&server->url, g_free);
}

/* ---- its process ---- */

static char *write_settings(const NatsServer *server) {
  g_autoptr(GError) error = NULL;
  char *path = g_build_filename(server->folder, "nats.conf", NULL);
  g_autofree char *text = g_strdup_printf(
      "listen: \"%s\"\njetstream { store_dir: \"%s\" }\nlog_file: \"%s/log\"\n%s\n",
      server->address, server->folder, server->folder, server->more ? server->more : "");
  g_assert_true(g_file_set_contents(path, text, -1, &error));
  return path;
}

/* What it says of itself to who comes, in a line. */
static gboolean answers(const NatsServer *server) {
  char line[4096] = "";
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_socket_client_set_timeout(client, 5);
  g_autoptr(GSocketConnection) connection =
      g_socket_client_connect_to_host(client, server->address, 4222, NULL, NULL);
  gssize n = connection ? g_input_stream_read(g_io_stream_get_input_stream(G_IO_STREAM(connection)),
                                              line, sizeof line - 1, NULL, NULL)
                        : 0;
  return n > 0 && strstr(line, "\"jetstream\":true");
}

/* In the server's process: it ends with the test, however that ends. */
static void end_with_test(G_GNUC_UNUSED gpointer data) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

void nats_server_start(NatsServer *server) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = find_server();
  g_autofree char *settings = write_settings(server);
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup(launcher, end_with_test, NULL, NULL);
  server->process = g_subprocess_launcher_spawn(launcher, &error, path, "-c", settings, NULL);
  g_assert_no_error(error);
  line_wait_for(answers(server));
}

static void end(NatsServer *server, int signal_number) {
  g_autoptr(GError) error = NULL;
  if (!server->process)
    return;
  g_subprocess_send_signal(server->process, signal_number);
  g_subprocess_wait(server->process, NULL, &error);
  g_assert_no_error(error);
  g_clear_object(&server->process);
}

void nats_server_stop(NatsServer *server) { end(server, SIGTERM); }
void nats_server_kill(NatsServer *server) { end(server, SIGKILL); }

/* ---- what it keeps ---- */

static void copy(const NatsServer *server, const char *from, const char *to) {
  g_autoptr(GError) error = NULL;
  g_autofree char *source = g_build_filename(server->folder, from, NULL);
  g_autofree char *target = g_build_filename(server->folder, to, NULL);
  g_autoptr(GSubprocess) process =
      g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, "cp", "-r", source, target, NULL);
  g_assert_no_error(error);
  g_assert_true(g_subprocess_wait_check(process, NULL, &error));
}

void nats_server_note(const NatsServer *server, const char *name) { copy(server, STORE, name); }

void nats_server_put_back(const NatsServer *server, const char *name) {
  scratch_remove(g_build_filename(server->folder, STORE, NULL));
  if (name)
    copy(server, name, STORE);
}

/* ---- a cut network ---- */

void nats_server_pause(NatsServer *server) { g_subprocess_send_signal(server->process, SIGSTOP); }
void nats_server_go_on(NatsServer *server) { g_subprocess_send_signal(server->process, SIGCONT); }

/* ---- connections ---- */

VelmBroker *nats_server_connect(const NatsServer *server, const char *name) {
  g_autoptr(GError) error = NULL;
  const VelmBrokerParams params = {.url = server->url, .name = name, .patient = TRUE};
  VelmBroker *broker = velm_broker_connect(&params, &error);
  g_assert_no_error(error);
  line_wait_for(velm_broker_is_connected(broker));
  return broker;
}

guint64 nats_count_messages(VelmBroker *broker, const char *stream) {
  g_autoptr(jsStreamInfo) info = NULL;
  natsStatus status =
      js_GetStreamInfo(&info, velm_broker_get_jetstream(broker), stream, NULL, NULL);
  return status == NATS_OK ? info->State.Msgs : G_MAXUINT64;
}
