/*
 * Watches for dead letters of jobs that have no record: who waits for one is told that none comes.
 *
 * Each is told once: as it is published, or, where the connection was cut then, when the stream is
 * looked through.
 */
#pragma once

#include "plant/streams.h"

typedef struct _VelmDeadWatch VelmDeadWatch;

/** @subject: that of the record, velm_record_subject(). Called in a thread of the connection's, or
 * in that of velm_dead_watch_look(). */
typedef void (*VelmDeadTold)(const char *subject, const char *reason, gpointer user_data);

/** Begins to watch. Returns: (transfer full): NULL with VELM_ERROR_FILE. */
VelmDeadWatch *velm_dead_watch_new(VelmBroker *broker, VelmDeadTold told, gpointer user_data,
                                   GError **error);
/** When it returns, nothing more is told. */
void velm_dead_watch_free(VelmDeadWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDeadWatch, velm_dead_watch_free)

/** Looks through what came since the last time; at first, through the latest. One thread calls it.
 */
gboolean velm_dead_watch_look(VelmDeadWatch *watch, GError **error);

/** Whether the job whose record @subject would tell was given up lately. Returns: (transfer full):
 * why; else NULL. */
char *velm_dead_watch_find(VelmDeadWatch *watch, const char *subject);
/** It was handed in anew, after @time of g_get_monotonic_time(): what was before counts no more. */
void velm_dead_watch_forget(VelmDeadWatch *watch, const char *subject, gint64 time);
