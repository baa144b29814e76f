/* The options of the classifier mllm, which several subcommands have. */
#include "cli/cli.h"
#include "core/log.h"

#include <stdio.h>

/* Of requests that are with a server at once. */
#define MAX_IN_FLIGHT 1024

#define MAX_TIMEOUT_S 86400

GOptionGroup *velm_cli_llm_options(VelmCliLlm *llm) {
  const GOptionEntry entries[] = {
      {"endpoint", 0, 0, G_OPTION_ARG_STRING, &llm->endpoint,
       "OpenAI-compatible server for mllm (default: OPENAI_BASE_URL); its key comes from "
       "OPENAI_API_KEY",
       "URL"},
      {"serve-llm", 0, 0, G_OPTION_ARG_FILENAME, &llm->serve_llm,
       "Start a llama-server with this model in place of an endpoint, and stop it at the end",
       "MODEL.gguf"},
      {"mmproj", 0, 0, G_OPTION_ARG_FILENAME, &llm->mmproj,
       "Vision projector of the model that --serve-llm names", "FILE.gguf"},
      {"llm", 0, 0, G_OPTION_ARG_STRING, &llm->llm,
       "Name of the server's model (default: the first that it lists)", "NAME"},
      {"in-flight", 0, 0, G_OPTION_ARG_INT, &llm->in_flight,
       "Requests that are with the server at once (default 8; 2 with --serve-llm)", "N"},
      {"llm-timeout", 0, 0, G_OPTION_ARG_INT, &llm->timeout_s,
       "Longest wait for one answer, all tries included (default 300, of velm serve 30; 1200 with "
       "--serve-llm)",
       "SECONDS"},
      {"cache", 0, 0, G_OPTION_ARG_FILENAME, &llm->cache,
       "Keep answers in FILE, and ask for none that it has", "FILE"},
      {"prices", 0, 0, G_OPTION_ARG_FILENAME, &llm->prices,
       "Prices of models, for --budget: NAME: {prompt: USD, completion: USD} a million tokens",
       "FILE.yaml"},
      {"budget", 0, 0, G_OPTION_ARG_DOUBLE, &llm->budget,
       "Ask for no answer that might cost more than USD in all", "USD"},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &llm->offline,
       "Send nothing: answer from the cache alone", NULL},
      {"prompt-template", 0, 0, G_OPTION_ARG_FILENAME, &llm->wording,
       "Wording of the prompt in place of velm's own", "FILE"},
      {"normal-image", 0, 0, G_OPTION_ARG_FILENAME, &llm->normal_image,
       "Good image of another part to show beside every one (default: the nearest that the model "
       "carries)",
       "IMAGE"},
      {"regions", 0, 0, G_OPTION_ARG_STRING, &llm->regions,
       "How the prompt shows what was marked: overview (the default) or crops", "NAME"},
      {"examples", 0, 0, G_OPTION_ARG_INT, &llm->examples,
       "Show the model N labelled examples of each class (default 0)", "N"},
      {"key-file", 0, 0, G_OPTION_ARG_FILENAME, &llm->key_file,
       "File with the server's key, which nobody else may read", "FILE"},
      {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &llm->ca_file,
       "Certificates to trust besides the system's", "FILE.pem"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group =
      g_option_group_new("llm", "Language model:", "Options of the language model", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

gboolean velm_cli_llm_params(const VelmCliLlm *llm, VelmClassifierParams *params) {
  const char *why = NULL;
  if (llm->in_flight < 0 || llm->in_flight > MAX_IN_FLIGHT)
    why = "--in-flight must be 1 to 1024";
  else if (llm->timeout_s < 0 || llm->timeout_s > MAX_TIMEOUT_S)
    why = "--llm-timeout must be 1 to 86400";
  else if (!(llm->budget >= 0))
    why = "--budget must be over 0";
  else if (llm->examples < 0)
    why = "--examples must be 0 or more";
  if (why) {
    fprintf(stderr, "velm: %s\n", why);
    return FALSE;
  }
  *params = (VelmClassifierParams){.endpoint = llm->endpoint,
                                   .llm = llm->llm,
                                   .in_flight = (guint)llm->in_flight,
                                   .timeout_s = (guint)llm->timeout_s,
                                   .key_file = llm->key_file,
                                   .ca_file = llm->ca_file,
                                   .wording = llm->wording,
                                   .regions = llm->regions,
                                   .normal_image = llm->normal_image,
                                   .cache = llm->cache,
                                   .prices = llm->prices,
                                   .budget = llm->budget,
                                   .offline = llm->offline,
                                   .examples = (guint)llm->examples,
                                   .serve_llm = llm->serve_llm,
                                   .mmproj = llm->mmproj,
                                   .progress = velm_log_progress};
  return TRUE;
}

void velm_cli_llm_clear(VelmCliLlm *llm) {
  char *strings[] = {llm->endpoint, llm->llm,       llm->key_file,     llm->ca_file,
                     llm->wording,  llm->regions,   llm->normal_image, llm->cache,
                     llm->prices,   llm->serve_llm, llm->mmproj};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(strings[i]);
}
