/*
 * The record of one image that flows through the pipeline. Each stage fills its part and changes no
 * other.
 */
#pragma once

#include "core/image.h"
#include "velm.h"

/* The stages whose time is kept, in the order of the JSON record. */
typedef enum {
  VELM_TIMING_DECODE,
  VELM_TIMING_FEATURES,
  VELM_TIMING_SEARCH,
  VELM_TIMING_MARK,
  VELM_TIMING_CLASSIFY,
  VELM_TIMING_TOTAL,
  VELM_N_TIMINGS
} VelmTiming;

/** The stage's word in records: "decode", "features", "search", "mark", "classify", "total". */
const char *velm_timing_name(VelmTiming timing);

/* Patch features of an image: a grid of rows x columns, @channels floats each, row-major. */
typedef struct {
  int rows, columns, channels;
  float *values;
} VelmFeatures;

void velm_features_free(VelmFeatures *features);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmFeatures, velm_features_free)

/* What asking a language model about a part took. */
typedef struct {
  char *llm;                               /* its name; NULL where none was asked */
  guint requests;                          /* 0 where the answer was in the cache */
  gint64 prompt_tokens, completion_tokens; /* as the server counts; -1 where it does not tell */
  double usd;                              /* NaN where there is no price */
} VelmLlmUsage;

/*
 * What a language model was asked about a part, and what it said, for people; no part of the
 * record's JSON. Where it was asked again, that is the last time.
 */
typedef struct {
  char *text;      /* of the prompt, as it was sent; NULL where none was asked */
  char **images;   /* NULL-terminated: what went along, in its order: "reference", "part",
                      "outlined", "crop", "example" */
  char *answer;    /* the model's own words, without keys; or NULL */
  char *failure;   /* why there is no answer that can be used; or NULL */
  gboolean cached; /* nothing was sent: the answer was in the cache */
} VelmLlmTranscript;

void velm_llm_transcript_clear(VelmLlmTranscript *transcript);

/*
 * What made a record.
 * @model: SHA-256 of the model's file; NULL where nobody took note
 * @spec: SHA-256 of the spec's text; NULL where it is the model's own
 * @version: the plant's number for the two; 0 where it has none
 * @worker: the station or worker; NULL where it has no name
 */
typedef struct {
  char *model, *spec;
  gint64 version;
  char *worker;
} VelmMadeBy;

/** @model: the model's file; @spec: (nullable): the spec's text. Returns: (transfer full): without
 * version and worker. It takes a moment: a model is large. */
VelmMadeBy velm_made_by_new(GBytes *model, const char *spec);
/** Returns: (transfer full). */
VelmMadeBy velm_made_by_copy(const VelmMadeBy *made_by);
void velm_made_by_clear(VelmMadeBy *made_by);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmMadeBy, velm_made_by_clear)

struct _VelmInspection {
  char *path;
  char *part;           /* its name, as in groups.csv; NULL where it is not known */
  VelmImage *image;     /* decoded */
  VelmImage *reference; /* aligned defect-free image of the part, or NULL */

  /* detect */
  VelmPlane *map;         /* anomaly score a patch, or finer; any size, stretched over the image */
  VelmFeatures *features; /* of the detector's backbone, for those that classify by them; NULL where
                             the detector has none */
  VelmFeatures *reference_features;
  double score, threshold;
  double region_threshold; /* level of the map over which a pixel is anomalous */
  gboolean anomalous;
  const char *look; /* "fast" or "accurate", static, where the detector has two; or NULL */

  /* mark */
  GArray *regions; /* of VelmRegion, the highest score first */
  VelmMask *mask;  /* all regions, at the image's size; NULL before marking */
  VelmMask *focus; /* the region (or given mask) that is classified, at the image's size; NULL where
                      there is none */

  /* classify */
  char *class_name; /* key of the spec, "good", "unknown" or "unclassified" */
  double confidence;
  char **class_names;    /* NULL-terminated, or NULL */
  double *probabilities; /* as many as class_names */
  gboolean bare;         /* the classifier gives no probabilities: these are 1 and 0 instead */
  char *classifier;      /* the name of the one that answered */
  char *reason;          /* in words, where the classifier gives one */
  char *stage_reason;    /* why it was this one's to answer, where several could have; or NULL */
  gboolean fallback;     /* another was to answer, and failed */
  gboolean llm_away;     /* there is no answer, as the language model's server is away */
  VelmLlmUsage llm;
  VelmLlmTranscript transcript;

  /* act */
  VelmDecision decision;
  char *severity;
  char *action;
  char *rule; /* why: what in the spec decided, in words */

  char *warning; /* what the run so far says of the line, on one record of a run; or NULL */

  double timings_ms[VELM_N_TIMINGS];
  VelmMadeBy made_by;
  /* what failed after detection (the classifier, say); the record stands all the same */
  char *error;
};

VelmInspection *velm_inspection_new(const char *path);

/**
 * Decodes the record's image, and keeps the time.
 * @reference: path of the aligned defect-free image, or NULL; it is moved onto the part where it is
 * a little off (velm_registration_align())
 * @max_pixels: as for velm_image_load()
 */
gboolean velm_inspection_load(VelmInspection *inspection, const char *reference, gint64 max_pixels,
                              GError **error);

/** Empties the classify part of the record, but for what language models took. */
void velm_inspection_clear_class(VelmInspection *inspection);

/** Milliseconds since @start of g_get_monotonic_time(). */
double velm_timing_since(gint64 start);
