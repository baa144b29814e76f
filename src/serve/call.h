/* One request to the API, on its way to a handler and to its answer. */
#pragma once

#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/rate.h"
#include "serve/sessions.h"
#include "serve/station.h"

#include "core/json_member.h"

/* What handlers work with. */
typedef struct {
  const VelmHttpServer *server;
  VelmStation *station;
  VelmSessions *sessions;
  const VelmAccess *access; /* NULL where there are no tokens */
  gsize max_body;
  const char *const *callbacks; /* as VelmApiParams has them; NULL for none */
  VelmRate *failures;           /* wrong tokens of an address */
} VelmContext;

typedef struct _VelmRoute VelmRoute;

/**
 * VelmCall: @argument: what stands at {} in the route's path; NULL where there is none
 * @who: the token's name; NULL where there are no tokens, or nobody is signed in
 */
typedef struct {
  VelmContext *context;
  VelmExchange *exchange;
  const VelmRoute *route;
  char *argument;
  VelmRole role;
  char *who;
} VelmCall;

/* What a body may be. */
typedef enum {
  VELM_CONTENT_NONE,
  VELM_CONTENT_JSON,
  VELM_CONTENT_SPEC, /* JSON with a spec in it */
  VELM_CONTENT_IMAGE,
} VelmContent;

/**
 * VelmRoute: a method and a path, in which {} is one part of any text.
 * @role: the least that may ask
 * @respond: answers, in a thread that may wait; NULL with the error
 * @start: in place of it: begins what velm_call_answer() ends
 */
struct _VelmRoute {
  const char *method, *path;
  VelmRole role;
  VelmContent content;
  VelmResponse *(*respond)(VelmCall *call, GError **error);
  void (*start)(VelmCall *call);
};

/** @response: (transfer full). */
void velm_call_answer(VelmCall *call, VelmResponse *response);

/** Whether the asker's address may try a token: there were not too many wrong ones. */
gboolean velm_call_may_try(const VelmCall *call);
/** Notes a wrong one. */
void velm_call_note_failure(const VelmCall *call);

/** The number that the argument is. Returns: 0 where it is none. */
gint64 velm_call_id(const VelmCall *call);
/** The record that the argument names. Returns: (transfer full): NULL with the error, or with
 * @response where there is none. */
VelmStoredRecord *velm_call_record(const VelmCall *call, VelmResponse **response, GError **error);

/** The product that the argument names, which has its model here. Returns: borrowed; NULL with
 * @response where there is none, or others inspect it. */
VelmProduct *velm_call_own_product(const VelmCall *call, VelmResponse **response);

/** @record, whole. Returns: NULL with the error. */
VelmResponse *velm_call_respond_record(const VelmCall *call, guint status,
                                       const VelmStoredRecord *record, GError **error);

/** The members of the body, an object with no others than @names (NULL-terminated). Returns:
 * (transfer full): NULL with VELM_ERROR_USAGE. */
JsonNode *velm_call_json(const VelmCall *call, const char *const *names, GError **error);
/** The text of member @name, of @most characters at most, or null. Returns: FALSE with
 * VELM_ERROR_USAGE where it is anything else. @value: (out): borrowed. */
gboolean velm_call_text(JsonNode *body, const char *name, gsize most, const char **value,
                        GError **error);

/** The whole number, of @least at least, that @node (nullable) is: 2.0 is one too. Returns: FALSE
 * where it is anything else. */
gboolean velm_call_whole(JsonNode *node, gint64 least, gint64 *value);

/** Who is to be named for a change: whose token it is, else the body's member "who", else
 * "local". @who: (out): borrowed. */
gboolean velm_call_who(const VelmCall *call, JsonNode *body, const char **who, GError **error);

/* ---- handlers ---- */

VelmResponse *velm_api_get_health(VelmCall *call, GError **error);
VelmResponse *velm_api_get_readiness(VelmCall *call, GError **error);
VelmResponse *velm_api_get_metrics(VelmCall *call, GError **error);
VelmResponse *velm_api_get_openapi(VelmCall *call, GError **error);
VelmResponse *velm_api_follow_events(VelmCall *call, GError **error);
VelmResponse *velm_api_list_audit(VelmCall *call, GError **error);

VelmResponse *velm_api_get_session(VelmCall *call, GError **error);
VelmResponse *velm_api_sign_in(VelmCall *call, GError **error);
VelmResponse *velm_api_sign_out(VelmCall *call, GError **error);

VelmResponse *velm_api_list_products(VelmCall *call, GError **error);
VelmResponse *velm_api_get_product(VelmCall *call, GError **error);
VelmResponse *velm_api_reload_product(VelmCall *call, GError **error);

VelmResponse *velm_api_check_spec(VelmCall *call, GError **error);
VelmResponse *velm_api_put_spec(VelmCall *call, GError **error);
VelmResponse *velm_api_list_specs(VelmCall *call, GError **error);

VelmResponse *velm_api_add_class(VelmCall *call, GError **error);

VelmResponse *velm_api_add_job(VelmCall *call, GError **error);
VelmResponse *velm_api_list_jobs(VelmCall *call, GError **error);
VelmResponse *velm_api_get_job(VelmCall *call, GError **error);
VelmResponse *velm_api_cancel_job(VelmCall *call, GError **error);

VelmResponse *velm_api_list_versions(VelmCall *call, GError **error);
VelmResponse *velm_api_put_version(VelmCall *call, GError **error);

void velm_api_inspect(VelmCall *call);
VelmResponse *velm_api_trigger_camera(VelmCall *call, GError **error);
VelmResponse *velm_api_get_inspection(VelmCall *call, GError **error);

VelmResponse *velm_api_list_records(VelmCall *call, GError **error);
VelmResponse *velm_api_export_records(VelmCall *call, GError **error);
VelmResponse *velm_api_get_record(VelmCall *call, GError **error);
VelmResponse *velm_api_get_prompt(VelmCall *call, GError **error);
VelmResponse *velm_api_get_image(VelmCall *call, GError **error);
VelmResponse *velm_api_get_picture(VelmCall *call, GError **error);
VelmResponse *velm_api_list_stations(VelmCall *call, GError **error);
VelmResponse *velm_api_get_stats(VelmCall *call, GError **error);
VelmResponse *velm_api_review(VelmCall *call, GError **error);

/** A file of the page, by the path that was asked for; NULL without an error where there is none.
 */
VelmResponse *velm_api_get_page(VelmCall *call, GError **error);
