/* Values of YAML nodes as a file's reader wants them; what is wrong is added to its findings. */
#pragma once

#include "core/yaml_node.h"

/** Whether the key is not there (@node is NULL) or has no value. */
gboolean velm_node_is_absent(const VelmNode *node);

/** Whether @node has a value of @kind; one of another kind is a mistake. @what names the value in
 * messages. */
gboolean velm_node_expect(const VelmNode *node, VelmNodeKind kind, const char *what,
                          GPtrArray *findings);

/** Text of one line or, where @lines, of several. @node may be NULL. Returns: (transfer full): NULL
 * where absent or wrong. */
char *velm_node_read_text(const VelmNode *node, const char *what, gboolean lines,
                          GPtrArray *findings);

/**
 * Reports the key number @index of @mapping where it is not among @keys, with a suggestion.
 * @what: what the mapping describes, with its article: "a class"
 */
void velm_node_check_key(const VelmNode *mapping, guint index, const char *what,
                         const char *const *keys, gsize n, GPtrArray *findings);

/** velm_node_check_key() of every key. */
void velm_node_check_keys(const VelmNode *mapping, const char *what, const char *const *keys,
                          gsize n, GPtrArray *findings);
