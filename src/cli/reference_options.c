/* Where a worker may fetch images from. */
#include "cli/cli.h"

GOptionGroup *velm_cli_reference_options(VelmCliReferences *references) {
  const GOptionEntry entries[] = {
      {"shared", 0, 0, G_OPTION_ARG_FILENAME, &references->shared,
       "Folder that submitters share with this worker: jobs may name images in it (file:...)",
       "DIR"},
      {"allow-url", 0, 0, G_OPTION_ARG_STRING_ARRAY, &references->allowed,
       "Jobs may name images at or below this address; may be given several times", "URL"},
      {"s3-bucket", 0, 0, G_OPTION_ARG_STRING_ARRAY, &references->s3_buckets,
       "Jobs may name images in this bucket (s3://BUCKET/KEY); may be given several times. The "
       "environment has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
       "BUCKET"},
      {"s3-endpoint", 0, 0, G_OPTION_ARG_STRING, &references->s3_endpoint,
       "Address of the buckets' server (default: the environment's AWS_ENDPOINT_URL)", "URL"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group = g_option_group_new(
      "references", "Images by reference:", "Where images may be fetched from", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

VelmImageSource *velm_cli_open_references(const VelmCliReferences *references, GError **error) {
  const VelmImageSourceParams params = {.shared = references->shared,
                                        .allowed = (const char *const *)references->allowed,
                                        .s3_endpoint = references->s3_endpoint,
                                        .s3_buckets = (const char *const *)references->s3_buckets};
  return velm_image_source_new(&params, error);
}

void velm_cli_references_clear(VelmCliReferences *references) {
  g_free(references->shared);
  g_free(references->s3_endpoint);
  g_strfreev(references->allowed);
  g_strfreev(references->s3_buckets);
}
