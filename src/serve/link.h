/*
 * What joins the station to the line: images come in by a link, or records go out by it. A kind of
 * link is a file with a VelmLinkClass.
 */
#pragma once

#include "act/store.h"
#include "serve/metrics.h"
#include "serve/status.h"

typedef struct _VelmLink VelmLink;
typedef struct _VelmStation VelmStation;
typedef struct _VelmJobs VelmJobs;

/**
 * VelmLinkClass: its threads end in @stop or in @end, while all links are still there: who says how
 * he does reads how all do.
 * @start: begins, in threads of its own
 * @stop: (nullable): takes no more in; what it handed in may still be on its way
 * @tell: (nullable): a new record is on the disk; called in one of the station's threads, in no
 * order, and must not wait
 * @end: (nullable): what still runs ends; nothing is on its way any more
 * @measure: (nullable): sets its metrics to what they are now, for whoever asks; must not wait
 * @free: frees what has ended, or never began
 */
typedef struct {
  void (*start)(VelmLink *link);
  void (*stop)(VelmLink *link);
  void (*tell)(VelmLink *link, const VelmStoredRecord *record);
  void (*end)(VelmLink *link);
  void (*measure)(VelmLink *link, VelmMetrics *metrics);
  void (*free)(VelmLink *link);
} VelmLinkClass;

/* At the head of every link's own struct. */
struct _VelmLink {
  const VelmLinkClass *klass;
  VelmStation *station;
  char *name; /* for people, such as "folder /data/in" */
  VelmStatusCell status;
};

/** @name: (transfer full). */
void velm_link_init(VelmLink *link, const VelmLinkClass *klass, VelmStation *station, char *name);
/** What velm_link_init() took; for the class's free. */
void velm_link_clear(VelmLink *link);
/** Sets the status, and tells those who follow the station. */
void velm_link_set_status(VelmLink *link, VelmState state, const char *reason);
