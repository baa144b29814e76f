#include "serve/listen.h"

#include "velm.h"

#include <string.h>

static GSocketAddress *parse_address(const char *listen, GError **error) {
  const char *colon = strrchr(listen, ':');
  g_autofree char *host = colon ? g_strndup(listen, (gsize)(colon - listen)) : NULL;
  guint64 port = 0;
  const char *numeric = host;
  if (host && host[0] == '[' && g_str_has_suffix(host, "]")) {
    host[strlen(host) - 1] = '\0';
    numeric = host + 1;
  } else if (host && g_str_equal(host, "localhost"))
    numeric = "127.0.0.1";
  else if (host && (host[0] == '\0' || g_str_equal(host, "*")))
    numeric = "0.0.0.0";
  if (colon && g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL)) {
    GSocketAddress *address = g_inet_socket_address_new_from_string(numeric, (guint)port);
    if (address)
      return address;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: not an address to listen at: it is to be ADDRESS:PORT, such as 127.0.0.1:8080 "
              "or [::1]:8080",
              listen);
  return NULL;
}

GSocket *velm_listen(const char *listen, GError **error) {
  g_autoptr(GSocketAddress) address = parse_address(listen, error);
  if (!address)
    return NULL;
  g_autoptr(GError) cause = NULL;
  g_autoptr(GSocket) socket = g_socket_new(g_socket_address_get_family(address),
                                           G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &cause);
  if (socket)
    g_socket_set_listen_backlog(socket, 1024);
  if (socket && g_socket_bind(socket, address, TRUE, &cause) && g_socket_listen(socket, &cause))
    return g_steal_pointer(&socket);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be listened at: %s", listen,
              cause->message);
  return NULL;
}
