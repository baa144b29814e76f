/* The options of the plant's broker, which several subcommands have. */
#include "cli/cli.h"

GOptionGroup *velm_cli_broker_options(VelmCliBroker *broker) {
  const GOptionEntry entries[] = {
      {"nats", 0, 0, G_OPTION_ARG_STRING, &broker->url,
       "The plant's NATS servers, tls:// for TLS (default: the environment's VELM_NATS)",
       "nats://HOST[:4222][,...]"},
      {"nats-creds", 0, 0, G_OPTION_ARG_FILENAME, &broker->credentials,
       "File with the user's credentials (default: the environment's VELM_NATS_TOKEN, or "
       "VELM_NATS_USER and VELM_NATS_PASSWORD, where there are such)",
       "FILE"},
      {"nats-ca", 0, 0, G_OPTION_ARG_FILENAME, &broker->ca,
       "Certificate of the servers' authority, a PEM file (default: the system's)", "FILE"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group =
      g_option_group_new("broker", "Broker:", "Options of the plant's broker", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

VelmBroker *velm_cli_connect_broker(const VelmCliBroker *broker, const char *name, gboolean patient,
                                    GError **error) {
  const VelmBrokerParams params = {.url = broker->url ? broker->url : g_getenv("VELM_NATS"),
                                   .credentials = broker->credentials,
                                   .ca = broker->ca,
                                   .name = name,
                                   .patient = patient};
  if (params.url)
    return velm_broker_connect(&params, error);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "name the broker with --nats");
  return NULL;
}

void velm_cli_broker_clear(VelmCliBroker *broker) {
  g_free(broker->url);
  g_free(broker->credentials);
  g_free(broker->ca);
}
