/*
 * velm: find an anomaly on a part, name the kind of defect, decide what to do.
 *
 * The method is "Detect, Classify, Act" (arXiv 2505.02626): a vision expert scores every pixel
 * (section 3.1), what it marks is outlined in red, a classifier names it by classes that the user
 * describes (section 3.2), and the class leads to an action.
 *
 * Conventions
 *  - Every failure is a GError of the domain VELM_ERROR; a function that takes a GError returns
 * NULL or FALSE when it sets it.
 *  - "transfer full" results are the caller's to free, with the type's own _free() or g_autoptr();
 * everything else is borrowed and lives as long as its owner.
 *  - Strings are UTF-8, paths are in the file system's encoding, lengths are pixels of the image as
 * stored, times milliseconds.
 *  - A VelmModel and a VelmSpec may be shared between threads once loaded; a VelmInspector serves
 * one thread at a time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#if defined(__GNUC__)
#define VELM_API __attribute__((visibility("default")))
#else
#define VELM_API
#endif

/* ---- errors
 * ------------------------------------------------------------------------------------------------------------
 */

#define VELM_ERROR (velm_error_quark())

/**
 * VelmError: why something failed.
 * @VELM_ERROR_FILE: a file or folder cannot be read or written
 * @VELM_ERROR_IMAGE: an image is damaged, too large, or no image
 * @VELM_ERROR_MODEL: a model file is truncated, foreign, of another version, or lacks what is asked
 * of it
 * @VELM_ERROR_SPEC: an inspection spec is wrong; the message names the line
 * @VELM_ERROR_DATASET: a folder does not have the layout, images, classes or masks that are needed
 * @VELM_ERROR_ENGINE: inference failed
 * @VELM_ERROR_LLM: the language model's server failed or its answer cannot be used
 * @VELM_ERROR_USAGE: a parameter is out of range
 * @VELM_ERROR_CANCELLED: the caller asked to stop
 */
typedef enum {
  VELM_ERROR_FILE,
  VELM_ERROR_IMAGE,
  VELM_ERROR_MODEL,
  VELM_ERROR_SPEC,
  VELM_ERROR_DATASET,
  VELM_ERROR_ENGINE,
  VELM_ERROR_LLM,
  VELM_ERROR_USAGE,
  VELM_ERROR_CANCELLED,
} VelmError;

VELM_API GQuark velm_error_quark(void);

/** The library's version, "MAJOR.MINOR.PATCH". */
VELM_API const char *velm_version(void);

/**
 * VelmProgress: called between items of long work.
 * @stage: what is being done, in a word or two
 * @done: items finished, of @total
 * Returns: FALSE to stop; the work then fails with VELM_ERROR_CANCELLED.
 */
typedef gboolean (*VelmProgress)(const char *stage, gsize done, gsize total, gpointer user_data);

/* ---- model: everything that inspecting one product needs, in one file
 * --------------------------------------------------- */

typedef struct _VelmModel VelmModel;

/**
 * Reads a model file.
 * @path: a file that velm_model_save() wrote
 * Returns: (transfer full): the model; NULL with VELM_ERROR_FILE or VELM_ERROR_MODEL
 */
VELM_API VelmModel *velm_model_load(const char *path, GError **error);

/** Writes @model to @path, by a temporary file that is renamed. */
VELM_API gboolean velm_model_save(VelmModel *model, const char *path, GError **error);

/** Describes @model for a person: backbone, layers, bank, thresholds, classes taught. Returns:
 * (transfer full). */
VELM_API char *velm_model_describe(VelmModel *model);

VELM_API void velm_model_free(VelmModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmModel, velm_model_free)

/**
 * VelmFitParams: how a detector is fitted. Start from velm_fit_params_default().
 * @detector: NULL for "patchcore" (arXiv 2106.08265); "two-speed": one that does
 * not look in full at what is clearly normal; "exported": an anomaly model that another tool
 * trained and exported; or "ddad" (arXiv 2305.15956): a denoiser that tools/ddad trained makes each
 * part anew
 * @model_file: exported: its ONNX or OpenVINO IR file, which the model refers to by path and
 * SHA-256
 * @mean, @scale: exported: a byte v of channel c (red, green, blue) goes in as (v - mean[c]) /
 * scale[c]; 0 and 255 by default
 * @threshold: exported: the score from which an image is anomalous; NaN, the default, to find it
 * from the good images
 * @denoiser: ddad: its ONNX or OpenVINO IR file, with its settings beside it as JSON
 * @ddad_steps: ddad: in how many steps noise is taken away; 0 for what the settings say
 * @ddad_samples: ddad: how many times an image is made anew; 0 for what the settings say
 * @ddad_start: ddad: from which step of the noise; 0 for what the settings say
 * @ddad_guidance: ddad: how strongly what is made is held to the part; NaN, the default, for what
 * the settings say
 * @ddad_budget_ms: ddad: as many steps as an image may take so long for on this machine; 0 for
 * none
 * @backbone: "dinov2s", "lite2", or the path of an ONNX or OpenVINO IR file; ddad: the file whose
 * features are compared, where it is not to be lite2 or the one that the settings name
 * @layers: NULL for the backbone's own choice, else layer (tensor) names separated by commas
 * @size: side in pixels of the square that images are resized to; 0 for the backbone's or the
 * exported model's own choice
 * @squeeze: resize images to a square even where the backbone (dinov2s) could keep their shape
 * @tiles: cut images into so many tiles across and down, which are looked at one by one: for small
 * defects in large images; 0 or 1 for none, 8 at most
 * @coreset: share of the training patches that the memory bank keeps, over 0 to 1; 0 for the
 * default (a bank of 6,000 at most)
 * @top_share: share of the score map's values, its highest, that the score is the mean of, one
 * value at least; 0 for the default, 0.004
 * @standardise: scale each feature channel to unit variance before distances are taken
 * @false_alarms: share of good parts that may lie over the decision threshold, over 0 to under 0.5
 * @robust: share of the training images, under 0.5, that may be dropped because they do not look
 * good; 0 keeps all
 * @seed: of every random choice; the same seed gives the same model
 * @progress: may be NULL
 */
typedef struct {
  const char *detector;
  const char *model_file;
  float mean[3], scale[3];
  double threshold;
  const char *denoiser;
  int ddad_steps, ddad_samples, ddad_start;
  double ddad_guidance, ddad_budget_ms;
  const char *backbone;
  const char *layers;
  int size;
  gboolean squeeze;
  int tiles;
  double coreset;
  double top_share;
  gboolean standardise;
  double false_alarms;
  double robust;
  guint32 seed;
  VelmProgress progress;
  gpointer progress_data;
} VelmFitParams;

VELM_API VelmFitParams velm_fit_params_default(void);

/**
 * Fits a detector to good images.
 * @directory: a folder in the MVTec layout (train/good), or a plain folder of good images
 * Returns: (transfer full): the model; NULL with VELM_ERROR_DATASET, VELM_ERROR_IMAGE,
 * VELM_ERROR_ENGINE, ...
 *
 * The decision threshold and the calibration come from the training images alone. PatchCore: in
 * four turns a quarter of the parts is held back and scored against a bank of the others. Exported:
 * from the scores that the model gives the images, as it is; give it images that it was not trained
 * on. DDAD: from the good images that the denoiser's settings say were held back from its training,
 * or from all.
 */
VELM_API VelmModel *velm_model_fit(const char *directory, const VelmFitParams *params,
                                   GError **error);

/**
 * VelmAddition: what velm_model_add_normal() did.
 * @n_images: images that were added
 * @n_known: images that were passed over: the model has their very pixels already
 * @n_known_parts: of those added, images of parts that the model knows by name; their scores tell
 * nothing of new parts, and the threshold does not heed them
 * @n_over: of those added, images whose score reached the threshold as it was before
 * @n_layers, @patches: patches that joined the bank of each of the layers; free with
 * velm_addition_clear()
 * @full: a bank has reached its bound, and takes no more
 * @threshold_before, @threshold: of the image score
 */
typedef struct {
  guint n_images, n_known, n_known_parts, n_over;
  gsize n_layers;
  gsize *patches;
  gboolean full;
  double threshold_before, threshold;
} VelmAddition;

VELM_API void velm_addition_clear(VelmAddition *addition);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmAddition, velm_addition_clear)

/**
 * Adds good images to a fitted model, in place, without fitting again. What was taught stays.
 * @directory: as for velm_model_fit()
 * @progress: (nullable)
 * @addition: (out caller-allocates): what it did; all zero where it fails
 * Returns: FALSE where it fails, with @model as it was: VELM_ERROR_MODEL where the model was fitted
 * by a velm that did not yet keep what this needs, VELM_ERROR_DATASET, VELM_ERROR_IMAGE, ...
 *
 * Each image is first scored by the model as it is, which does not know it: this score joins those
 * of the calibration, and the threshold is found anew at the model's rate of false alarms. Then its
 * patches that lie farther from the bank than the bank covered the training patches join it, in
 * the order of greedy k-centre selection.
 */
VELM_API gboolean velm_model_add_normal(VelmModel *model, const char *directory,
                                        VelmProgress progress, gpointer progress_data,
                                        VelmAddition *addition, GError **error);

/**
 * VelmTuning: settings that suit a product, for VelmFitParams of the same names.
 * @report: what was tried, and why this was chosen, for a person: lines
 */
typedef struct {
  char *layers;
  int size;
  double top_share;
  char *report;
} VelmTuning;

/**
 * Chooses layers, size and score of PatchCore for a product by trying them: banks of some of the
 * good parts against others that are held back, and defects.
 * @directory: as for velm_model_fit()
 * @labelled: folder in the MVTec layout whose test images are the defects (with masks, where
 * localising is to count) and further good images; its parts are left out of the banks. NULL to
 * make up defects on the good images that are held back
 * @params: the backbone; layers: those to choose from, and size: the only one, where given
 * Returns: (transfer full): NULL with VELM_ERROR_DATASET where there are too few parts or no
 * defects, VELM_ERROR_IMAGE, VELM_ERROR_ENGINE, ...
 */
VELM_API VelmTuning *velm_tune(const char *directory, const char *labelled,
                               const VelmFitParams *params, GError **error);
VELM_API void velm_tuning_free(VelmTuning *tuning);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTuning, velm_tuning_free)

/* ---- spec: the user's classes, and what each leads to
 * -------------------------------------------------------------------- */

typedef struct _VelmSpec VelmSpec;

/** Reads an inspection spec (YAML). Returns: (transfer full); NULL with VELM_ERROR_FILE or
 * VELM_ERROR_SPEC and the line. */
VELM_API VelmSpec *velm_spec_load(const char *path, GError **error);
VELM_API void velm_spec_free(VelmSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSpec, velm_spec_free)

/** Whom others share a language model by (classify/llm_gate.h). */
typedef struct _VelmLlmGate VelmLlmGate;

/**
 * VelmLlmParams: how the language model of the classifier "mllm" is asked; all zero is fine.
 * @endpoint: base URL of an OpenAI-compatible server; NULL for the environment's OPENAI_BASE_URL
 * @llm: its model's name; NULL for the server's first
 * @in_flight: requests that are with the server at once; 0 for the default
 * @timeout_s: the longest wait for one answer, all tries included; 0 for the default, 300, or 30
 * where @fail_fast
 * @key_file: file with the server's key; NULL for the environment's OPENAI_API_KEY
 * @ca_file: certificates that are trusted besides the system's; or NULL
 * @wording: file of a prompt template; NULL for velm's own
 * @regions: "overview" or "crops"; NULL for the first
 * @normal_image: a good image of another part, for the prompt to show beside every one; NULL for
 * the nearest of those that the model carries
 * @cache: file of answers that were paid for; or NULL
 * @prices: file of prices (docs/llm.md); or NULL
 * @budget: USD that may be spent; 0 for no limit
 * @gate: asked before each request besides, and told what it cost; or NULL
 * @offline: nothing may leave the machine: only what the cache has is answered
 * @fail_fast: a line waits: a server that did not answer once is not asked until it is seen to be
 * back, so that only those parts wait for it that it was just asked about
 * @serve_llm, @mmproj: GGUF files of a language model and its vision projector, for a llama-server
 * that is started in place of @endpoint, and stopped with the last who asks it; NULL for none
 * @progress: called while that server loads; or NULL
 * @examples: labelled examples of each class that are shown beside the part, of those that the
 * model was taught, at most; 0 for none
 */
typedef struct {
  const char *endpoint;
  const char *llm;
  guint in_flight, timeout_s;
  const char *key_file, *ca_file;
  const char *wording, *regions, *normal_image;
  const char *cache, *prices;
  double budget;
  VelmLlmGate *gate;
  gboolean offline, fail_fast;
  guint examples;
  const char *serve_llm, *mmproj;
  VelmProgress progress;
  gpointer progress_data;
} VelmLlmParams;

/**
 * VelmTeachParams: how the few-shot classifier is taught.
 * @shots: examples of each class at most; 0 for all
 * @seed: of the choice of examples
 * @trust: accuracy, 0 to 1, that its answers must have to stand where a language model could be
 * asked: what confidence that takes is found on examples that are held back
 * @add: what the model was taught stays: its examples and these are learnt from together. An image
 * that it was taught is not learnt from twice; under another class now, it is moved there. @shots
 * then counts new images alone, and @ask_llm cannot be set, as the images taught before are gone
 * @ask_llm: also ask a language model about the examples, to learn how far its probabilities hold
 * @llm: how it is asked
 */
typedef struct {
  int shots;
  guint32 seed;
  double trust;
  gboolean add;
  gboolean ask_llm;
  VelmLlmParams llm;
  VelmProgress progress;
  gpointer progress_data;
} VelmTeachParams;

VELM_API VelmTeachParams velm_teach_params_default(void);

/**
 * Teaches @model the classes of @spec from labelled images, in place. Each class needs one; with
 * @params->add, one that @model was taught will do. What was seen of the images is kept in @model,
 * for teaching it more.
 * @directory: a folder in the MVTec layout; test/CLASS/ holds the examples, ground_truth/CLASS/
 * their masks where there are any
 * Returns: FALSE where it fails; @model is then as it was
 */
VELM_API gboolean velm_model_teach(VelmModel *model, const char *directory, VelmSpec *spec,
                                   const VelmTeachParams *params, GError **error);

/* ---- inspection: the record of one image
 * ---------------------------------------------------------------------------------- */

/** What happens to a part. VELM_DECISION_REVIEW: a person looks. */
typedef enum {
  VELM_DECISION_NORMAL,
  VELM_DECISION_NEGLIGIBLE,
  VELM_DECISION_DEFECT,
  VELM_DECISION_REVIEW,
} VelmDecision;

/** The decision's word in records: "normal", "negligible", "defect", "review". */
VELM_API const char *velm_decision_name(VelmDecision decision);

/**
 * VelmRegion: one connected anomalous region.
 * @x, @y, @width, @height: its box, in pixels of the image
 * @area: in pixels of the image
 * @centroid_x, @centroid_y: its centre of mass
 * @elongation: ratio of the principal axes' lengths, 1 for a disc, large for a line
 * @score: the largest anomaly score in it
 */
typedef struct {
  int x, y, width, height;
  double area;
  double centroid_x, centroid_y;
  double elongation;
  double score;
} VelmRegion;

typedef struct _VelmInspection VelmInspection;

VELM_API void velm_inspection_free(VelmInspection *inspection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmInspection, velm_inspection_free)

VELM_API const char *velm_inspection_get_path(const VelmInspection *inspection);
/** Image score and the threshold it is held against, in the detector's own unit. */
VELM_API double velm_inspection_get_score(const VelmInspection *inspection);
VELM_API double velm_inspection_get_threshold(const VelmInspection *inspection);
VELM_API gboolean velm_inspection_get_anomalous(const VelmInspection *inspection);
/** The regions, the highest score first. @n_regions: (out). */
VELM_API const VelmRegion *velm_inspection_get_regions(const VelmInspection *inspection,
                                                       gsize *n_regions);
/** The class by its key in the spec, "unknown" where none fits, "unclassified" where the classifier
 * gave no answer that can be used, or NULL where there is no classifier or no anomaly. */
VELM_API const char *velm_inspection_get_class(const VelmInspection *inspection);
/** Probability of the class, 0 to 1; 0 where nothing was classified. */
VELM_API double velm_inspection_get_confidence(const VelmInspection *inspection);
VELM_API VelmDecision velm_inspection_get_decision(const VelmInspection *inspection);
/** What to do with the part, in the spec's words. */
VELM_API const char *velm_inspection_get_action(const VelmInspection *inspection);
/** The record as one JSON object on one line. Returns: (transfer full). */
VELM_API char *velm_inspection_to_json(const VelmInspection *inspection);
/** Writes the image with its regions outlined in red, as PNG. */
VELM_API gboolean velm_inspection_save_overlay(const VelmInspection *inspection, const char *path,
                                               GError **error);

/* ---- inspector: the stages in a row
 * ---------------------------------------------------------------------------------------- */

typedef struct _VelmInspector VelmInspector;

/**
 * VelmInspectorParams: which classifier names what the detector marked.
 * @classifier: "auto", "fewshot", "mllm", "cascade" (few-shot first, the language model where that
 * is not sure enough) or "none". "auto" is cascade where the model was taught and @llm names an
 * endpoint, else fewshot, mllm or none by which of the two there is
 * @llm: for "mllm" and "cascade"
 * @max_pixels: larger images are refused
 * @parallel: how many images are detected at the same time, where several are submitted: more
 * images a second, each of which takes longer. 0 or 1: one, as fast as can be
 */
typedef struct {
  const char *classifier;
  VelmLlmParams llm;
  gint64 max_pixels;
  guint parallel;
} VelmInspectorParams;

VELM_API VelmInspectorParams velm_inspector_params_default(void);

/**
 * @model: must outlive the inspector
 * @spec: may be NULL: the decision is then by the detector alone, or, where the model was taught,
 * by the spec it was taught with Returns: (transfer full): an inspector; NULL on error
 */
VELM_API VelmInspector *velm_inspector_new(VelmModel *model, VelmSpec *spec,
                                           const VelmInspectorParams *params, GError **error);

/**
 * Inspects one image: detect, mark, classify, act.
 * @path: the image
 * @reference: path of the aligned defect-free image of the same part, or NULL
 * Returns: (transfer full): the record; NULL with VELM_ERROR_IMAGE, VELM_ERROR_FILE,
 * VELM_ERROR_ENGINE, VELM_ERROR_LLM
 */
VELM_API VelmInspection *velm_inspector_inspect(VelmInspector *inspector, const char *path,
                                                const char *reference, GError **error);

VELM_API void velm_inspector_free(VelmInspector *inspector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmInspector, velm_inspector_free)

G_END_DECLS
