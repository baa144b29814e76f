#include "cli/cli.h"

#include <locale.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>

const VelmCommand velm_cli_commands[] = {
    {"fit", "DIR -o MODEL.velm", "fit a detector to good images", velm_cli_fit},
    {"teach", "DIR -m MODEL.velm -s SPEC.yaml", "teach a model the classes of a spec",
     velm_cli_teach},
    {"inspect", "-m MODEL.velm PATH...", "inspect images: detect, mark, classify, act",
     velm_cli_inspect},
    {"serve", "-m MODEL.velm --data DIR", "run a station: inspect over HTTP, keep, show, review",
     velm_cli_serve},
    {"worker", "--nats URL --product NAME=MODEL.velm --data DIR",
     "take a plant's jobs, and inspect them", velm_cli_worker},
    {"submit", "--nats URL --product NAME PATH...", "hand images in to a plant", velm_cli_submit},
    {"evaluate", "DIR -m MODEL.velm", "measure detection and classification on labelled images",
     velm_cli_evaluate},
    {"ablate", "DIR -m MODEL.velm -s SPEC.yaml", "say what each part of the prompt is worth",
     velm_cli_ablate},
    {"prompt", "IMAGE -m MODEL.velm -s SPEC.yaml -o DIR",
     "write what a language model would be sent", velm_cli_prompt},
    {"dataset", "audit|curate DIR", "find doubtful images and labels, and mend them",
     velm_cli_dataset},
    {"demo", "[--out DIR]", "show all of it on made-up parts", velm_cli_demo},
    {"info", "MODEL.velm", "say what a model holds", velm_cli_info},
    {"spec", "check|import FILE", "check an inspection spec, or make one", velm_cli_spec},
    {"store", "info|migrate", "say what a store holds, or copy it into a shared one",
     velm_cli_store},
};

const gsize velm_cli_n_commands = G_N_ELEMENTS(velm_cli_commands);

static void print_help(FILE *to) {
  fputs("velm finds what is wrong on a part, says what kind of defect it is, and decides what to "
        "do.\n\n"
        "usage: velm COMMAND [OPTION...] [ARGUMENT...]\n\n",
        to);
  for (gsize i = 0; i < velm_cli_n_commands; i++)
    fprintf(to, "  %-9s %s\n", velm_cli_commands[i].name, velm_cli_commands[i].summary);
  fputs("\nEnvironment:\n"
        "  VELM_MODELS        folder of the backbones dinov2s and lite2, in place of the installed "
        "one\n"
        "  OPENAI_BASE_URL    server of the classifier mllm, where --endpoint does not name one\n"
        "  OPENAI_API_KEY     key for that server\n"
        "  VELM_WEBHOOK_KEY   key that velm serve signs what it sends with\n"
        "  VELM_NATS          the plant's broker, where --nats does not name one\n"
        "  VELM_LLAMA_SERVER  llama-server that --serve-llm starts, in place of the one on PATH\n"
        "\nExit status:\n"
        "  0  all is well\n"
        "  1  something failed, in whole or for some of the images\n"
        "  2  the command line is wrong\n"
        "\nvelm COMMAND --help explains a command; velm --version prints the version.\n",
        to);
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return VELM_CLI_USAGE;
  }
  if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h") ||
      g_str_equal(argv[1], "help")) {
    print_help(stdout);
    return VELM_CLI_OK;
  }
  if (g_str_equal(argv[1], "--version")) {
    printf("velm %s\n", velm_version());
    return VELM_CLI_OK;
  }
  for (gsize i = 0; i < velm_cli_n_commands; i++)
    if (g_str_equal(argv[1], velm_cli_commands[i].name))
      return velm_cli_commands[i].run(argc - 1, argv + 1);
  fprintf(stderr, "velm: no command \"%s\"; velm --help lists them\n", argv[1]);
  return VELM_CLI_USAGE;
}

/* libvips warns of every piece of a damaged image; the error says it once. */
static void ignore_warning(const char *domain, GLogLevelFlags level, const char *message,
                           gpointer user_data) {}

/* Features and maps are megabytes each, and every image has its own: they are to go back when they
 * are freed, and not to lie between smaller things in a heap for each thread. */
static void set_up_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}

int main(int argc, char **argv) {
  set_up_memory();
  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C"); /* numbers in files and JSON have a point, wherever velm runs */
  g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, ignore_warning, NULL);
  int code = run(argc, argv);
  /* On a full disk, say, what was printed may be lost only now. */
  if ((fflush(stdout) != 0 || ferror(stdout)) && code == VELM_CLI_OK) {
    fprintf(stderr, "velm: standard output cannot be written\n");
    code = VELM_CLI_FAILED;
  }
  return code;
}
