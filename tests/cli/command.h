/*
 * Running the built command as a user would: in a folder that holds a small made-up product, a
 * model fitted to it and the same model taught its classes.
 */
#pragma once

#include <json-glib/json-glib.h>

/* What the folder holds; commands run in it. */
#define PARTS "parts" /* data set with 6 test images of each class, 6 good ones, and spec.yaml */
#define SPEC "parts/spec.yaml"
#define CLASSES "scratch", "dent", "stain", "chip", "missing_hole", "dust"
#define N_CLASSES 6
#define N_PER_CLASS 6
#define FITTED "fitted.velm"
#define TAUGHT "taught.velm"

typedef struct {
  int code; /* exit code */
  char *out, *err;
} Outcome;

void outcome_free(Outcome *outcome);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Outcome, outcome_free)

/* What is not as usual. */
typedef struct {
  const char *models; /* VELM_MODELS; NULL for the tests' own */
  const char *out;    /* file that standard output goes to; NULL to keep it */
} CommandSettings;

/** Makes the folder with the data set and, by the command itself, the two models. */
void command_set_up(void);
void command_tear_down(void);

/** A path in the folder. Returns: (transfer full). */
char *command_path(const char *name);
/** The contents of a file in the folder. Returns: (transfer full). */
GBytes *command_read(const char *name);

/**
 * Runs the command to its end; one that a signal ends fails the test.
 * @settings: may be NULL
 * @arguments: NULL-terminated
 */
Outcome *command_run(const CommandSettings *settings, const char *const *arguments);

#define velm(...) command_run(NULL, (const char *const[]){__VA_ARGS__, NULL})
#define velm_with(settings, ...) command_run(settings, (const char *const[]){__VA_ARGS__, NULL})

/** Checks that it ended well and said nothing on stderr: in a pipe there is no progress. */
void assert_success(const Outcome *outcome);

/** Checks for exit code @code and exactly one line on stderr, which has @text in it. */
void assert_refused(const Outcome *outcome, int code, const char *text);

void assert_contains(const char *text, const char *part);

/** The JSON objects that @text has one a line. Returns: (transfer full) (element-type JsonNode). */
GPtrArray *parse_records(const char *text);
JsonObject *record_at(const GPtrArray *records, guint index);

/** Checks that the members of @object are @keys, separated by spaces, in this order. */
void assert_keys(JsonObject *object, const char *keys);
