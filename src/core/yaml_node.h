/*
 * A YAML document as a tree whose every node knows its line: what specs and manifests are read
 * from. libyaml parses.
 *
 * Only what a person writes by hand is taken: mappings with words for keys, lists, text. Aliases
 * and tags are refused, so no small file can grow into a large tree.
 */
#pragma once

#include "velm.h"

typedef enum {
  VELM_NODE_NULL, /* nothing, "~" or "null" without quotes */
  VELM_NODE_TEXT,
  VELM_NODE_LIST,
  VELM_NODE_MAPPING,
} VelmNodeKind;

typedef struct {
  VelmNodeKind kind;
  int line, column; /* from 1; columns are characters */
  gboolean flow;    /* a list or mapping written in brackets */
  char *text;       /* the text as written; "" for a list or mapping */
  GPtrArray *keys;  /* of VelmNode with text, of a mapping; else NULL */
  GPtrArray *items; /* of VelmNode: a list's items, or a mapping's values beside keys; else NULL */
} VelmNode;

/**
 * Parses @text. Duplicate keys, aliases, tags and the like are added to @findings as mistakes, and
 * the tree goes on without them.
 * Returns: (transfer full): the root; NULL, with a mistake in @findings, where the text is no YAML
 */
VelmNode *velm_node_parse(const char *text, gsize length, GPtrArray *findings);

/** The value of @key, the first where there are several; NULL where there is none. */
const VelmNode *velm_node_get(const VelmNode *mapping, const char *key);

/** The kind with its article, for messages: "a list". */
const char *velm_node_kind_name(VelmNodeKind kind);

void velm_node_free(VelmNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNode, velm_node_free)
