/* Cameras on software trigger. */
#include "serve/call.h"
#include "serve/camera_link.h"

VelmResponse *velm_api_trigger_camera(VelmCall *call, GError **error) {
  VelmLink *link = velm_camera_link_find(call->context->station, call->argument);
  g_autoptr(GError) cause = NULL;
  if (!link)
    return velm_response_new_problem(404, "there is no such camera");
  if (velm_camera_link_trigger(link, &cause))
    return velm_response_new(202, NULL, NULL);
  if (g_error_matches(cause, VELM_ERROR, VELM_ERROR_USAGE))
    return velm_response_new_problem(409, cause->message);
  g_propagate_error(error, g_steal_pointer(&cause));
  return NULL;
}
