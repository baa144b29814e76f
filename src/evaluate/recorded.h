/*
 * Recorded answers: what a classifier said of the images of several categories, in the two files of
 * JSON that the method's paper publishes. docs/predictions.md describes them.
 *
 *   descriptions  {CATEGORY: {CLASS: [NAME, DESCRIPTION, ...]}}
 *   predictions   {CATEGORY_CLASS_INDEX: ANSWER}
 */
#pragma once

#include <glib.h>

/* @key: as in the keys of the predictions. @name: what the classifier calls it, the first of its
 * texts. */
typedef struct {
  char *key, *name;
} VelmRecordedClass;

/**
 * VelmRecordedCategory: one product.
 * @classes: of VelmRecordedClass, in the file's order, without the normal one (`normal` or `good`)
 *
 * Truths and answers are numbered by labels: VELM_RECORDED_GOOD, then the classes from 1 on, and
 * the last one stands for every answer that names none of them.
 */
typedef struct {
  char *name;
  GPtrArray *classes;
} VelmRecordedCategory;

enum { VELM_RECORDED_GOOD = 0 };

/* @category: index. @truth, @answer: labels of that category. @text: the answer, its case folded.
 */
typedef struct {
  guint category, truth, answer;
  char *text;
} VelmRecordedAnswer;

/**
 * VelmRecorded:
 * @categories: of VelmRecordedCategory, in the order of the descriptions
 * @answers: of VelmRecordedAnswer, in the order of the predictions; at least one
 * @keys_by_text: every text of every class, its case folded, to the class's key; where categories
 * share a text the later one's. The paper's severity experiment reads answers by it.
 */
typedef struct {
  GPtrArray *categories, *answers;
  GHashTable *keys_by_text;
} VelmRecorded;

/**
 * Reads @predictions and @descriptions, paths of files. An answer is the class whose name it is
 * without regard to case; `good` is VELM_RECORDED_GOOD.
 * Returns: (transfer full); NULL with VELM_ERROR_FILE naming the file and the key, where a file
 * cannot be read or is not of that form, or where a key has no category and class in @descriptions
 */
VelmRecorded *velm_recorded_read(const char *predictions, const char *descriptions, GError **error);
void velm_recorded_free(VelmRecorded *recorded);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRecorded, velm_recorded_free)

/** Index of the class with @key in @category's classes, or -1. */
int velm_recorded_find_class(const VelmRecordedCategory *category, const char *key);

/** The classes, good, and the answers of no class. */
guint velm_recorded_n_labels(const VelmRecordedCategory *category);

/** "good", a class's key, or "Unknown class". Borrowed. */
const char *velm_recorded_label_name(const VelmRecordedCategory *category, guint label);
