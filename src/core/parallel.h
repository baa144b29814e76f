/*
 * Work shared out to threads that sleep while there is none.
 *
 * OpenMP's threads spin for milliseconds after each loop, and take the processor from the inference
 * that follows: for loops of a millisecond between inferences, sharing out costs less than that.
 */
#pragma once

#include <glib.h>

typedef void (*VelmParallelBody)(gsize index, gpointer data);

/** Calls @body for each index under @n, at the same time where the calling thread may, and returns
 * when all are done. */
void velm_parallel(gsize n, VelmParallelBody body, gpointer data);

/** How many threads the calling thread's work is shared out to: the processors there are, or what
 * velm_parallel_limit() said. */
guint velm_parallel_threads(void);

/** From now on the calling thread's work is shared out to @threads; 0: to all processors. */
void velm_parallel_limit(guint threads);

/** Has BLAS work in the calling thread alone, where it is OpenBLAS: its threads spin as OpenMP's
 * do, and what velm multiplies by it is small. */
void velm_parallel_calm_blas(void);
