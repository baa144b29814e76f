/*
 * What the user says of a product in words: the normal object, the classes with their definitions,
 * the strategy (section 3.2). The spec of act/ fills it; classifiers read it.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *key;         /* folder name and name in records */
  char *name;        /* for people and language models; never NULL */
  char *description; /* may be NULL */
} VelmClass;

typedef struct {
  char *object;       /* what the part is called */
  char *normal;       /* description of the normal object, or NULL */
  char *strategy;     /* where to look, which thresholds; or NULL */
  GPtrArray *classes; /* of VelmClass, in the user's order */
} VelmClasses;

VelmClasses *velm_classes_new(void);
void velm_classes_add(VelmClasses *classes, const char *key, const char *name,
                      const char *description);
/** Index of the class with @key, or -1. */
int velm_classes_find(const VelmClasses *classes, const char *key);
void velm_classes_free(VelmClasses *classes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmClasses, velm_classes_free)
