#include "detect/inspection.h"

#include "detect/registration.h"

const char *velm_timing_name(VelmTiming timing) {
  static const char *const names[VELM_N_TIMINGS] = {"decode", "features", "search",
                                                    "mark",   "classify", "total"};
  return names[timing];
}

VelmInspection *velm_inspection_new(const char *path) {
  VelmInspection *inspection = g_new0(VelmInspection, 1);
  inspection->path = g_strdup(path);
  inspection->regions = g_array_new(FALSE, TRUE, sizeof(VelmRegion));
  return inspection;
}

double velm_timing_since(gint64 start) { return (double)(g_get_monotonic_time() - start) / 1e3; }

/* All that compare with the reference, detectors and classifiers, find it where the part is. */
static gboolean load_reference(VelmInspection *inspection, const char *path, gint64 max_pixels,
                               GError **error) {
  g_autoptr(GError) cause = NULL;
  inspection->reference = velm_image_load(path, max_pixels, error);
  if (!inspection->reference)
    return FALSE;
  VelmImage *aligned = velm_registration_align(inspection->image, inspection->reference, &cause);
  if (cause) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
  }
  if (aligned) {
    velm_image_free(inspection->reference);
    inspection->reference = aligned;
  }
  return TRUE;
}

gboolean velm_inspection_load(VelmInspection *inspection, const char *reference, gint64 max_pixels,
                              GError **error) {
  gint64 start = g_get_monotonic_time();
  inspection->image = velm_image_load(inspection->path, max_pixels, error);
  if (!inspection->image)
    return FALSE;
  if (reference && !load_reference(inspection, reference, max_pixels, error))
    return FALSE;
  inspection->timings_ms[VELM_TIMING_DECODE] = velm_timing_since(start);
  return TRUE;
}

void velm_features_free(VelmFeatures *features) {
  if (!features)
    return;
  g_free(features->values);
  g_free(features);
}

void velm_llm_transcript_clear(VelmLlmTranscript *transcript) {
  g_free(transcript->text);
  g_strfreev(transcript->images);
  g_free(transcript->answer);
  g_free(transcript->failure);
  *transcript = (VelmLlmTranscript){0};
}

VelmMadeBy velm_made_by_new(GBytes *model, const char *spec) {
  VelmMadeBy made_by = {.model = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, model)};
  if (spec)
    made_by.spec = g_compute_checksum_for_string(G_CHECKSUM_SHA256, spec, -1);
  return made_by;
}

VelmMadeBy velm_made_by_copy(const VelmMadeBy *made_by) {
  return (VelmMadeBy){g_strdup(made_by->model), g_strdup(made_by->spec), made_by->version,
                      g_strdup(made_by->worker)};
}

void velm_made_by_clear(VelmMadeBy *made_by) {
  g_free(made_by->model);
  g_free(made_by->spec);
  g_free(made_by->worker);
  *made_by = (VelmMadeBy){0};
}

void velm_inspection_free(VelmInspection *inspection) {
  if (!inspection)
    return;
  g_free(inspection->path);
  g_free(inspection->part);
  velm_image_free(inspection->image);
  velm_image_free(inspection->reference);
  velm_plane_free(inspection->map);
  velm_features_free(inspection->features);
  velm_features_free(inspection->reference_features);
  g_clear_pointer(&inspection->regions, g_array_unref);
  velm_mask_free(inspection->mask);
  velm_mask_free(inspection->focus);
  g_free(inspection->class_name);
  g_strfreev(inspection->class_names);
  g_free(inspection->probabilities);
  g_free(inspection->classifier);
  g_free(inspection->reason);
  g_free(inspection->stage_reason);
  g_free(inspection->llm.llm);
  velm_llm_transcript_clear(&inspection->transcript);
  g_free(inspection->severity);
  g_free(inspection->action);
  g_free(inspection->rule);
  g_free(inspection->warning);
  velm_made_by_clear(&inspection->made_by);
  g_free(inspection->error);
  g_free(inspection);
}

const char *velm_inspection_get_path(const VelmInspection *inspection) { return inspection->path; }

double velm_inspection_get_score(const VelmInspection *inspection) { return inspection->score; }

double velm_inspection_get_threshold(const VelmInspection *inspection) {
  return inspection->threshold;
}

gboolean velm_inspection_get_anomalous(const VelmInspection *inspection) {
  return inspection->anomalous;
}

const VelmRegion *velm_inspection_get_regions(const VelmInspection *inspection, gsize *n_regions) {
  *n_regions = inspection->regions->len;
  return (const VelmRegion *)(void *)inspection->regions->data;
}

const char *velm_inspection_get_class(const VelmInspection *inspection) {
  return inspection->class_name;
}

double velm_inspection_get_confidence(const VelmInspection *inspection) {
  return inspection->confidence;
}

VelmDecision velm_inspection_get_decision(const VelmInspection *inspection) {
  return inspection->decision;
}

const char *velm_inspection_get_action(const VelmInspection *inspection) {
  return inspection->action;
}

void velm_inspection_clear_class(VelmInspection *inspection) {
  g_clear_pointer(&inspection->class_name, g_free);
  g_clear_pointer(&inspection->class_names, g_strfreev);
  g_clear_pointer(&inspection->probabilities, g_free);
  g_clear_pointer(&inspection->classifier, g_free);
  g_clear_pointer(&inspection->reason, g_free);
  g_clear_pointer(&inspection->stage_reason, g_free);
  inspection->fallback = FALSE;
  inspection->confidence = 0;
  inspection->bare = FALSE;
}
