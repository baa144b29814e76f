/*
 * The inspector with many records on their way: the detector goes on while a classifier waits for a
 * server's answers.
 */
#pragma once

#include "classify/classifier.h"
#include "detect/inspection.h"

/**
 * VelmInspected: called once for a submitted image, in the caller's thread.
 * @inspection: (transfer full): the record, decided; NULL where the image could not be inspected
 * @error: (nullable): borrowed; why
 */
typedef void (*VelmInspected)(VelmInspection *inspection, const GError *error, gpointer user_data);

/** As velm_inspector_inspect(); @done is called by this function, or by velm_inspector_iterate().
 */
void velm_inspector_submit(VelmInspector *inspector, const char *path, const char *reference,
                           VelmInspected done, gpointer user_data);
/** Goes on with what was submitted, for @wait_ms at the longest where nothing happens. Returns:
 * whether anything is not done yet. */
gboolean velm_inspector_iterate(VelmInspector *inspector, int wait_ms);
/** How many images this machine should detect at the same time, for the most images a second. */
guint velm_inspector_best_parallel(void);
/** How many images are worth having submitted at a time. Each holds its decoded image. */
guint velm_inspector_capacity(const VelmInspector *inspector);
/** As velm_classifier_watch(). */
gboolean velm_inspector_watch(VelmInspector *inspector, VelmClassifierServer *server);
/** As velm_classifier_get_spending(). */
const VelmSpending *velm_inspector_get_spending(const VelmInspector *inspector);
