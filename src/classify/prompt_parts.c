#include "classify/prompt.h"

static const struct {
  const char *code, *name;
  VelmPromptParts part;
} parts[] = {
    {"RI", "reference image", VELM_PROMPT_REFERENCE},
    {"VP", "visual prompt", VELM_PROMPT_VISUAL},
    {"ND", "normal description", VELM_PROMPT_NORMAL},
    {"AD", "anomaly descriptions", VELM_PROMPT_ANOMALIES},
    {"CS", "classification strategy", VELM_PROMPT_STRATEGY},
};

VelmPromptParts velm_prompt_part_find(const char *code) {
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    if (g_ascii_strcasecmp(parts[i].code, code) == 0)
      return parts[i].part;
  return 0;
}

gboolean velm_prompt_part_parse(const char *code, VelmPromptParts *part, GError **error) {
  *part = velm_prompt_part_find(code);
  if (*part == 0)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the prompt has no part \"%s\"; there are: RI, VP, ND, AD, CS", code);
  return *part != 0;
}

const char *velm_prompt_part_code(VelmPromptParts part) {
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    if (parts[i].part == part)
      return parts[i].code;
  return NULL;
}

const char *velm_prompt_part_name(VelmPromptParts part) {
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    if (parts[i].part == part)
      return parts[i].name;
  return NULL;
}
