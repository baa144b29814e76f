#include "core/yaml_write.h"

#include <string.h>
#include <yaml.h>

struct _VelmYamlWriter {
  yaml_emitter_t emitter;
  GString *text;
  gboolean begun, failed;
};

static int append(void *data, unsigned char *buffer, size_t size) {
  g_string_append_len(data, (const char *)buffer, (gssize)size);
  return 1;
}

/* Hands @event to the emitter where making it @made it; nothing after the first failure. */
static void emit(VelmYamlWriter *writer, yaml_event_t *event, int made) {
  if (!made) {
    writer->failed = TRUE;
  } else if (writer->failed) {
    yaml_event_delete(event);
  } else if (!yaml_emitter_emit(&writer->emitter, event)) {
    writer->failed = TRUE;
  }
}

static void start(VelmYamlWriter *writer) {
  yaml_event_t event;
  emit(writer, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
  emit(writer, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
}

VelmYamlWriter *velm_yaml_writer_new(int width) {
  VelmYamlWriter *writer = g_new0(VelmYamlWriter, 1);
  writer->text = g_string_new(NULL);
  writer->begun = yaml_emitter_initialize(&writer->emitter);
  writer->failed = !writer->begun;
  if (!writer->begun)
    return writer;
  yaml_emitter_set_output(&writer->emitter, append, writer->text);
  yaml_emitter_set_unicode(&writer->emitter, 1);
  yaml_emitter_set_width(&writer->emitter, width);
  start(writer);
  return writer;
}

static yaml_scalar_style_t style_of(const char *text) {
  /* Bare, it would be read as nothing. */
  static const char *const nulls[] = {"~", "null", "Null", "NULL", NULL};
  /* Line ends to YAML, but to no editor: a reader might not take them for what they are. */
  static const char *const rare_ends[] = {"\xC2\x85", "\u2028", "\u2029"};
  for (gsize i = 0; i < G_N_ELEMENTS(rare_ends); i++)
    if (strstr(text, rare_ends[i]))
      return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  if (g_strv_contains(nulls, text))
    return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  return strchr(text, '\n') ? YAML_LITERAL_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;
}

void velm_yaml_writer_add(VelmYamlWriter *writer, const char *text) {
  yaml_event_t event;
  int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                          (int)strlen(text), 1, 1, style_of(text));
  emit(writer, &event, made);
}

void velm_yaml_writer_add_entry(VelmYamlWriter *writer, const char *key, const char *text) {
  if (!text)
    return;
  velm_yaml_writer_add(writer, key);
  velm_yaml_writer_add(writer, text);
}

void velm_yaml_writer_open(VelmYamlWriter *writer) {
  yaml_event_t event;
  int made = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
  emit(writer, &event, made);
}

void velm_yaml_writer_close(VelmYamlWriter *writer) {
  yaml_event_t event;
  emit(writer, &event, yaml_mapping_end_event_initialize(&event));
}

char *velm_yaml_writer_end(VelmYamlWriter *writer, const char *name, GError **error) {
  yaml_event_t event;
  if (writer->begun) {
    emit(writer, &event, yaml_document_end_event_initialize(&event, 1));
    emit(writer, &event, yaml_stream_end_event_initialize(&event));
  }
  if (writer->failed) {
    const char *problem = writer->begun ? writer->emitter.problem : NULL;
    g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s: cannot be written as YAML: %s", name,
                problem ? problem : "not enough memory");
  }
  if (writer->begun)
    yaml_emitter_delete(&writer->emitter);
  char *text = g_string_free(writer->text, writer->failed);
  g_free(writer);
  return text;
}
