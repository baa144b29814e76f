/* Teaching a product's model, as jobs. */
#include "serve/call.h"
#include "serve/jobs.h"
#include "serve/query.h"

#define MOST_NAME 200

static VelmResponse *respond_job(guint status, const VelmJob *job) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_job_build(job, builder);
  json_builder_end_object(builder);
  return velm_response_new_json(status, builder);
}

static gboolean read_kind(JsonNode *body, VelmJobKind *kind, GError **error) {
  const char *text = NULL;
  if (!velm_call_text(body, "kind", 20, &text, error))
    return FALSE;
  for (*kind = 0; *kind < VELM_N_JOB_KINDS; (*kind)++)
    if (g_strcmp0(text, velm_job_kind_name(*kind)) == 0)
      return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "kind: it is to be teach or refit");
  return FALSE;
}

VelmResponse *velm_api_add_job(VelmCall *call, GError **error) {
  static const char *const names[] = {"kind", "who", NULL};
  VelmStation *station = call->context->station;
  VelmResponse *problem = NULL;
  VelmProduct *product = velm_call_own_product(call, &problem);
  VelmJobKind kind = VELM_JOB_TEACH;
  const char *who = NULL;
  if (!product)
    return problem;
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  if (!body || !read_kind(body, &kind, error) || !velm_call_who(call, body, &who, error))
    return NULL;
  g_autoptr(VelmJob) job = velm_jobs_add(velm_station_get_jobs(station), product, kind, who);
  if (!job)
    return velm_response_new_problem(409, "a job of this product waits or runs already");
  VelmResponse *response = respond_job(202, job);
  g_autofree char *location = g_strconcat("/v1/jobs/", job->id, NULL);
  velm_response_set_header(response, "Location", location);
  return response;
}

VelmResponse *velm_api_list_jobs(VelmCall *call, GError **error) {
  static const char *const names[] = {"product", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  const char *product = NULL;
  if (!velm_query_only(query, names, FALSE, error) ||
      !velm_query_text(query, "product", MOST_NAME, &product, error))
    return NULL;
  g_autoptr(GPtrArray) jobs =
      velm_jobs_list(velm_station_get_jobs(call->context->station), product);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "jobs");
  json_builder_begin_array(builder);
  for (guint i = 0; i < jobs->len; i++) {
    json_builder_begin_object(builder);
    velm_job_build(jobs->pdata[i], builder);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_get_job(VelmCall *call, GError **error) {
  g_autoptr(VelmJob) job =
      velm_jobs_get(velm_station_get_jobs(call->context->station), call->argument);
  return job ? respond_job(200, job) : velm_response_new_problem(404, "there is no such job");
}

VelmResponse *velm_api_cancel_job(VelmCall *call, GError **error) {
  if (!velm_jobs_cancel(velm_station_get_jobs(call->context->station), call->argument))
    return velm_response_new_problem(404, "there is no such job");
  return velm_response_new(204, NULL, NULL);
}
