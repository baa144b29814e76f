/* A server of NATS greets who connects with a line "INFO {...}", which names its version. The
 * library keeps that to itself, so it is asked once more. */
#include "plant/broker.h"

#include "core/json_member.h"

#include <gio/gio.h>
#include <string.h>

#define GREETING "INFO "
#define MOST_GREETING 65536
#define WAIT_S 2
#define DEFAULT_PORT 4222

/* Returns: (transfer full): NULL where none came. */
static char *read_greeting(const char *url) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_socket_client_set_timeout(client, WAIT_S);
  g_socket_client_set_enable_proxy(client, FALSE);
  g_autoptr(GSocketConnection) connection =
      g_socket_client_connect_to_uri(client, url, DEFAULT_PORT, NULL, NULL);
  if (!connection)
    return NULL;
  g_autoptr(GDataInputStream) input =
      g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
  g_data_input_stream_set_newline_type(input, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  return g_data_input_stream_read_line(input, NULL, NULL, NULL);
}

char *velm_broker_read_version(VelmBroker *broker) {
  char url[512];
  if (natsConnection_GetConnectedUrl(velm_broker_get_connection(broker), url, sizeof url) !=
      NATS_OK)
    return NULL;
  g_autofree char *line = read_greeting(url);
  if (!line || !g_str_has_prefix(line, GREETING) || strlen(line) > MOST_GREETING)
    return NULL;
  const char *json = line + strlen(GREETING);
  g_autoptr(JsonNode) node = velm_json_parse_object(json, strlen(json));
  return node ? g_strdup(velm_json_string_member(json_node_get_object(node), "version")) : NULL;
}
