/* velm spec: checks an inspection spec, or makes one of the paper's descriptions. */
#include "act/spec.h"
#include "cli/cli.h"
#include "core/file.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: velm spec check FILE...\n"
                            "       velm spec import FILE.json [--object NAME | --all] [-o OUT]\n";

/* Exit codes: what was asked for failed; it was asked for wrongly. */
enum { FAILED = 1, WRONG_USAGE = 2 };

/* ---- check ---- */

/* Prints "2 errors", say. */
static void print_count(guint n, const char *what) {
  g_print("%u %s%s", n, what, n == 1 ? "" : "s");
}

/* Prints one line a finding. Returns: the number of errors. */
static guint print_findings(const char *path, const GPtrArray *findings) {
  guint n_errors = 0;
  for (guint i = 0; i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    n_errors += finding->error ? 1 : 0;
    g_print("%s:%d:%d: %s%s\n", path, finding->line, finding->column,
            finding->error ? "" : "warning: ", finding->message);
  }
  return n_errors;
}

static void print_summary(const char *path, const VelmSpec *spec, guint n_warnings) {
  const VelmClasses *classes = velm_spec_get_classes(spec);
  guint n_classes = classes->classes->len;
  g_print("%s: OK: %s, %u %s, ", path, classes->object, n_classes,
          n_classes == 1 ? "class" : "classes");
  print_count(velm_spec_get_rules(spec)->len, "rule");
  if (n_warnings) {
    g_print(", ");
    print_count(n_warnings, "warning");
  }
  g_print("\n");
}

static gboolean check_file(const char *path) {
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_read(path, &findings, &error);
  guint n_errors = print_findings(path, findings);
  if (spec) {
    print_summary(path, spec, findings->len);
  } else if (n_errors) {
    g_print("%s: ", path);
    print_count(n_errors, "error");
    g_print(", ");
    print_count(findings->len - n_errors, "warning");
    g_print("\n");
  } else {
    g_printerr("velm spec check: %s\n", error->message);
  }
  return spec != NULL;
}

static int check_command(int argc, char **argv) {
  g_autoptr(GOptionContext) context = g_option_context_new("FILE...");
  g_option_context_set_summary(context, "Names every mistake in inspection specs, by line.");
  g_autoptr(GError) error = NULL;
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 2) {
    g_printerr("velm spec check: %s\n%s", error ? error->message : "no file given", usage);
    return WRONG_USAGE;
  }
  gboolean ok = TRUE;
  for (int i = 1; i < argc; i++)
    ok = check_file(argv[i]) && ok;
  return ok ? 0 : FAILED;
}

/* ---- import ---- */

typedef struct {
  char *object, *output;
  gboolean all;
  const char *path;
  const char *json; /* the text at @path */
  gsize length;
} Import;

static gboolean write_text(const char *path, const char *text, GError **error) {
  if (path && !g_str_equal(path, "-"))
    return velm_file_write(path, text, strlen(text), error);
  g_print("%s", text);
  return TRUE;
}

static gboolean import_one(const Import *import, GError **error) {
  g_autofree char *text =
      velm_spec_import(import->json, import->length, import->path, import->object, error);
  return text && write_text(import->output, text, error);
}

/* Writes OBJECT.yaml to the output folder. */
static gboolean import_object(const Import *import, const char *object, GError **error) {
  if (strpbrk(object, "/\\") || *object == '.' || !*object) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC,
                "%s: no file can be named after the object %s: import it with --object and -o",
                import->path, object);
    return FALSE;
  }
  g_autofree char *text =
      velm_spec_import(import->json, import->length, import->path, object, error);
  g_autofree char *name = g_strconcat(object, ".yaml", NULL);
  g_autofree char *path = g_build_filename(import->output, name, NULL);
  if (!text || !write_text(path, text, error))
    return FALSE;
  g_print("%s\n", path);
  return TRUE;
}

static gboolean import_all(const Import *import, GError **error) {
  g_auto(GStrv) objects =
      velm_spec_import_objects(import->json, import->length, import->path, error);
  if (!objects || !velm_file_make_folder(import->output, error))
    return FALSE;
  for (char **at = objects; *at; at++)
    if (!import_object(import, *at, error))
      return FALSE;
  return TRUE;
}

/* Fills @import from the command line. */
static gboolean parse_import(Import *import, int *argc, char ***argv, GError **error) {
  const GOptionEntry entries[] = {
      {"object", 0, 0, G_OPTION_ARG_STRING, &import->object, "Which of the file's objects", "NAME"},
      {"all", 0, 0, G_OPTION_ARG_NONE, &import->all,
       "Every object, each to its own OBJECT.yaml in the folder OUT", NULL},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &import->output,
       "The file (with --all: the folder) to write; standard output without", "OUT"},
      {0}};
  g_autoptr(GOptionContext) context = g_option_context_new("FILE.json");
  g_option_context_set_summary(context, "Makes an inspection spec of a description file of the "
                                        "method's paper:\n"
                                        "{OBJECT: {CLASS: [NAME, DESCRIPTION]}}.");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, argc, argv, error))
    return FALSE;
  if (*argc != 2)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "one FILE.json is needed");
  else if (import->all && import->object)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--all and --object exclude each other");
  else if (import->all && !import->output)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--all needs a folder: -o OUT");
  else
    return TRUE;
  return FALSE;
}

static gboolean run_import(Import *import, GError **error) {
  g_autoptr(GBytes) bytes = velm_file_read(import->path, error);
  if (!bytes)
    return FALSE;
  import->json = g_bytes_get_data(bytes, &import->length);
  return import->all ? import_all(import, error) : import_one(import, error);
}

static int import_command(int argc, char **argv) {
  Import import = {0};
  g_autoptr(GError) error = NULL;
  int code = 0;
  if (!parse_import(&import, &argc, &argv, &error)) {
    g_printerr("velm spec import: %s\n%s", error->message, usage);
    code = WRONG_USAGE;
  } else {
    import.path = argv[1];
    if (!run_import(&import, &error)) {
      g_printerr("velm spec import: %s\n", error->message);
      code = FAILED;
    }
  }
  g_free(import.object);
  g_free(import.output);
  return code;
}

int velm_cli_spec(int argc, char **argv) {
  if (argc < 2) {
    g_printerr("%s", usage);
    return WRONG_USAGE;
  }
  if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) {
    g_print(
        "%s\nChecks inspection specs, or makes them of the descriptions that the method's paper "
        "publishes.\nvelm spec check --help and velm spec import --help explain the two.\n",
        usage);
    return 0;
  }
  g_autofree char *name = g_strconcat("velm spec ", argv[1], NULL);
  g_set_prgname(name); /* for --help */
  if (g_str_equal(argv[1], "check"))
    return check_command(argc - 1, argv + 1);
  if (g_str_equal(argv[1], "import"))
    return import_command(argc - 1, argv + 1);
  g_printerr("velm spec: no such command: %s\n%s", argv[1], usage);
  return WRONG_USAGE;
}
