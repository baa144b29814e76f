/*
 * One product at the station: its model, its spec, and the thread that inspects its images.
 *
 * Model and spec can be read again while images are inspected: the new ones take over when they are
 * open and warm, and where they are no good the old ones stay.
 */
#pragma once

#include "detect/inspection.h"
#include "serve/status.h"

typedef struct _VelmProduct VelmProduct;

/**
 * VelmProductParams: all borrowed, and copied where they are kept, but for @inspector's strings,
 * which must outlive the product.
 * @name: letters, digits, - and _, 64 at most
 * @model: path of the model file, NULL where that is to come by velm_product_give(); @spec: of the
 * spec, NULL for the model's own
 * @most_queued: images that may wait; more are refused
 * @elsewhere: others inspect it: it has no model here, and its spec, where there is one, says what
 * its classes are
 */
typedef struct {
  const char *name, *model, *spec;
  VelmInspectorParams inspector;
  guint most_queued;
  gboolean elsewhere;
} VelmProductParams;

/** What changed about a product; called in its threads. */
typedef void (*VelmProductChanged)(VelmProduct *product, gpointer user_data);

#define VELM_PRODUCT_MOST_NAME 64
/** Whether a product may have this name: letters, digits, - and _, VELM_PRODUCT_MOST_NAME at most.
 * Returns: FALSE with VELM_ERROR_USAGE. */
gboolean velm_product_check_name(const char *name, GError **error);
/** Returns: (transfer full): NULL with VELM_ERROR_USAGE where the name will not do; or, of a
 * product that is inspected elsewhere, with VELM_ERROR_SPEC or VELM_ERROR_FILE where the spec will
 * not. */
VelmProduct *velm_product_new(const VelmProductParams *params, VelmProductChanged changed,
                              gpointer user_data, GError **error);
/** Starts to open the model, in a thread of the product's. */
void velm_product_start(VelmProduct *product);
/** Ends when the images that were handed in are done; no more may be. */
void velm_product_end(VelmProduct *product);
/** Ends it, where it has not been. */
void velm_product_free(VelmProduct *product);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmProduct, velm_product_free)

const char *velm_product_get_name(const VelmProduct *product);
/** Returns: (transfer full). */
VelmStatus velm_product_get_status(VelmProduct *product);
/**
 * How the language model that the product's classifier asks does: DEGRADED while its server is
 * away, STARTING until that is known.
 * @place: (out) (transfer full): "HOST:PORT"
 * @status: (out) (transfer full)
 * Returns: FALSE where none is asked
 */
gboolean velm_product_get_llm(VelmProduct *product, char **place, VelmStatus *status);
/** Whether others inspect it. */
gboolean velm_product_is_elsewhere(const VelmProduct *product);
/** How they do: for a product that is inspected elsewhere. @reason: (nullable). */
void velm_product_set_status(VelmProduct *product, VelmState state, const char *reason);
/** Images that wait or are looked at. */
guint velm_product_get_queued(VelmProduct *product);

/**
 * VelmProductText: what can be said of a product, as it is now.
 * @model: what the model holds, for a person; @spec: YAML; both NULL where there is none
 */
typedef struct {
  char *model, *spec;
} VelmProductText;

VelmProductText velm_product_get_text(VelmProduct *product);
void velm_product_text_clear(VelmProductText *text);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmProductText, velm_product_text_clear)

/** Whether the model can work with the spec @text: it is opened with it, which takes a moment, and
 * closed again. Returns: FALSE with VELM_ERROR_SPEC or what the model says. */
gboolean velm_product_try_spec(VelmProduct *product, const char *text, GError **error);
/** Likewise whether the model in the file @path can be opened with the product's spec. */
gboolean velm_product_try_model(VelmProduct *product, const char *path, GError **error);
/** The spec that it is to use: in its file, or the model's own. It may still be read for
 * inspecting. Returns: (transfer full): NULL with VELM_ERROR_SPEC, also where there is none, or
 * VELM_ERROR_FILE. */
VelmSpec *velm_product_read_spec(VelmProduct *product, GError **error);
/** The file that the spec is from. Returns: (transfer full): NULL where it is the model's own. */
char *velm_product_get_spec_path(VelmProduct *product);
/** From the next time on that it is read, it is the one in this file. */
void velm_product_set_spec_path(VelmProduct *product, const char *path);
/** The file of the model that it was given. Returns: (transfer full): NULL where that is to come.
 */
char *velm_product_get_given_model(VelmProduct *product);
/**
 * VelmProductFiles: what a plant gives a product; all borrowed.
 * @model: path of the model file; @spec: of the spec, NULL for the model's own
 * @version: the plant's number for the two
 */
typedef struct {
  const char *model, *spec;
  gint64 version;
} VelmProductFiles;

typedef enum { VELM_OPENING_UNDER_WAY, VELM_OPENING_DONE, VELM_OPENING_FAILED } VelmOpening;

/** Gives it other files, for velm_station_reload() to have read. */
void velm_product_give(VelmProduct *product, const VelmProductFiles *files);
/** Says what it waits for, as long as it was given no model; nothing where others inspect it. */
void velm_product_set_waiting(VelmProduct *product, const char *reason);
/** What came of the last velm_product_reload(). @why: (out) (transfer full): where it failed. */
VelmOpening velm_product_get_opening(VelmProduct *product, char **why);
/** What makes its records now. Returns: (transfer full): without a model where none is open. */
VelmMadeBy velm_product_get_made_by(VelmProduct *product);
/** The SHA-256 of that file; it is read only where it is another than the last time. Returns:
 * (transfer full): NULL with VELM_ERROR_FILE. */
char *velm_product_get_given_sha256(VelmProduct *product, GError **error);
/** That of the model that it is to use. Returns: (transfer full). */
char *velm_product_get_model_path(VelmProduct *product);
/** Likewise for the model. @remark: (nullable): why it is not the one that it should be: the
 * product is then degraded for that reason. */
void velm_product_set_model_path(VelmProduct *product, const char *path, const char *remark);

/** How it inspects; the strings are the creator's. */
VelmInspectorParams velm_product_get_inspector_params(const VelmProduct *product);

/** Reads model and spec again, behind what is going on; of a product that is inspected elsewhere
 * the spec alone, before this returns. */
void velm_product_reload(VelmProduct *product);

/**
 * @inspection: (transfer full): the record, decided; NULL where it could not be inspected
 * @error: (nullable): borrowed; why
 */
typedef void (*VelmProductDone)(VelmInspection *inspection, const GError *error,
                                gpointer user_data);

/** Takes a place among the images that wait, for one that is inspected elsewhere. Returns: FALSE
 * with VELM_ERROR_CANCELLED where too many do; else velm_product_give_place() must follow. */
gboolean velm_product_take_place(VelmProduct *product, GError **error);
void velm_product_give_place(VelmProduct *product);

/**
 * Hands in the image at @path; it must stay there until @done, which is called in the product's
 * thread.
 * Returns: FALSE with VELM_ERROR_CANCELLED where it cannot be taken now: too many wait, or there
 * is no model that works
 */
gboolean velm_product_inspect(VelmProduct *product, const char *path, VelmProductDone done,
                              gpointer user_data, GError **error);
