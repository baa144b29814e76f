/*
 * The station's API over HTTP: data/station/openapi.yaml describes it. A resource is a file
 * api_*.c, whose handlers stand in the table in api.c.
 */
#pragma once

#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/station.h"

typedef struct _VelmApi VelmApi;

/**
 * VelmApiParams: start from velm_api_params_default().
 * @access: (nullable): who has tokens; NULL where everyone may do everything
 * @max_body: bytes of an image's file
 * @callbacks: (nullable): what addresses may be called with a record, as in
 * core/http_prefix; NULL-terminated
 * @per_second: requests of one address, on average; four times as many at once
 */
typedef struct {
  VelmHttpServerParams http;
  const VelmAccess *access;
  gsize max_body;
  const char *const *callbacks;
  double per_second;
} VelmApiParams;

VelmApiParams velm_api_params_default(void);

/** Serves @station, which must outlive it. Returns: (transfer full): NULL as
 * velm_http_server_start(), and with VELM_ERROR_USAGE where strangers could reach a station
 * without tokens. */
VelmApi *velm_api_new(VelmStation *station, const VelmApiParams *params, GError **error);
const char *velm_api_get_url(const VelmApi *api);
/** Takes no more, finishes what was asked, and ends. */
void velm_api_free(VelmApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmApi, velm_api_free)
