/*
 * Writing YAML: block mappings of text, quoted where YAML asks for it. libyaml writes.
 *
 * What goes wrong on the way is told at the end.
 */
#pragma once

#include "velm.h"

typedef struct _VelmYamlWriter VelmYamlWriter;

/** @width: where long text is folded; -1 for nowhere. Returns: (transfer full): never NULL. */
VelmYamlWriter *velm_yaml_writer_new(int width);

/** A key or a value; text of several lines as a block. */
void velm_yaml_writer_add(VelmYamlWriter *writer, const char *text);

/** "key: text", or nothing where @text is NULL. */
void velm_yaml_writer_add_entry(VelmYamlWriter *writer, const char *key, const char *text);

/** A mapping begins, or ends. */
void velm_yaml_writer_open(VelmYamlWriter *writer);
void velm_yaml_writer_close(VelmYamlWriter *writer);

/**
 * Ends the document, which is one mapping, and frees @writer.
 * @name: what messages call it
 * Returns: (transfer full): NULL with VELM_ERROR_SPEC where it cannot be written
 */
char *velm_yaml_writer_end(VelmYamlWriter *writer, const char *name, GError **error);
