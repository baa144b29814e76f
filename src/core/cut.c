#include "core/cut.h"

#include "core/onnx.pb-c.h"
#include "core/separate_resize.h"

#include <libxml/parser.h>
#include <string.h>

/* How many of a network's layers a message names: a deep one has thousands. */
#define MAX_NAMED 8
/* ONNX's numbers for types of attributes. */
enum { ONNX_ATTRIBUTE_GRAPH = 5, ONNX_ATTRIBUTE_GRAPHS = 10 };

static void set_missing(GError **error, const char *name, const char *layer, GPtrArray *known) {
  g_autoptr(GString) text = g_string_new(NULL);
  guint step = MAX(1, (known->len + MAX_NAMED - 1) / MAX_NAMED);
  for (guint i = 0; i < known->len; i += step)
    g_string_append_printf(text, "%s%s", i ? ", " : "", (char *)g_ptr_array_index(known, i));
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
              "%s: has no layer \"%s\"; it has %u, among them: %s", name, layer, known->len,
              text->str);
}

static gboolean contains(GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(g_ptr_array_index(names, i), name))
      return TRUE;
  return FALSE;
}

/* ---- ONNX ---- */

static GPtrArray *onnx_tensors(const Velm__Onnx__GraphProto *graph) {
  GPtrArray *names = g_ptr_array_new();
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_output; k++)
      g_ptr_array_add(names, graph->node[i]->output[k]);
  return names;
}

static gboolean check_onnx_layers(const Velm__Onnx__GraphProto *graph, const char *const *layers,
                                  const char *name, GError **error) {
  g_autoptr(GPtrArray) known = onnx_tensors(graph);
  for (gsize i = 0; layers[i]; i++) {
    if (contains(known, layers[i]))
      continue;
    set_missing(error, name, layers[i], known);
    return FALSE;
  }
  return TRUE;
}

/* A node may hold graphs (If, Loop), which may use any tensor of the graph around them. */
static gboolean has_inner_graphs(const Velm__Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_attribute; k++)
      if (graph->node[i]->attribute[k]->type == ONNX_ATTRIBUTE_GRAPH ||
          graph->node[i]->attribute[k]->type == ONNX_ATTRIBUTE_GRAPHS)
        return TRUE;
  return FALSE;
}

static gboolean gives_any(const Velm__Onnx__NodeProto *node, GHashTable *tensors) {
  for (size_t i = 0; i < node->n_output; i++)
    if (g_hash_table_contains(tensors, node->output[i]))
      return TRUE;
  return FALSE;
}

/* Drops what @layers do not need, so that the engine need not hold it while it reads the rest. In
 * an ONNX graph each node comes after those whose tensors it takes. */
static void drop_unneeded(Velm__Onnx__GraphProto *graph, const char *const *layers) {
  if (has_inner_graphs(graph))
    return;
  g_autoptr(GHashTable) needed = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; layers[i]; i++)
    g_hash_table_add(needed, (char *)layers[i]);
  size_t first = graph->n_node;
  g_autoptr(GPtrArray) dropped = g_ptr_array_new();
  for (size_t i = graph->n_node; i-- > 0;) {
    Velm__Onnx__NodeProto *node = graph->node[i];
    if (!gives_any(node, needed)) {
      g_ptr_array_add(dropped, node);
      continue;
    }
    for (size_t k = 0; k < node->n_input; k++)
      g_hash_table_add(needed, node->input[k]);
    graph->node[--first] = node;
  }
  graph->n_node -= first;
  memmove(graph->node, graph->node + first, graph->n_node * sizeof *graph->node);
  size_t kept = 0;
  for (size_t i = 0; i < graph->n_initializer; i++) {
    Velm__Onnx__TensorProto *tensor = graph->initializer[i];
    if (tensor->name && g_hash_table_contains(needed, tensor->name))
      graph->initializer[kept++] = tensor;
    else
      velm__onnx__tensor_proto__free_unpacked(tensor, NULL);
  }
  graph->n_initializer = kept;
  /* Last, for the names of what is needed are those of nodes. */
  for (guint i = 0; i < dropped->len; i++)
    velm__onnx__node_proto__free_unpacked(dropped->pdata[i], NULL);
}

/* Packs @model with @layers for its outputs, which are put in place of its own for the while. */
static GBytes *pack_with_outputs(Velm__Onnx__ModelProto *model, const char *const *layers) {
  Velm__Onnx__GraphProto *graph = model->graph;
  gsize n = g_strv_length((char **)layers);
  g_autofree Velm__Onnx__ValueInfoProto *infos = g_new(Velm__Onnx__ValueInfoProto, n);
  g_autofree Velm__Onnx__ValueInfoProto **outputs = g_new(Velm__Onnx__ValueInfoProto *, n);
  for (gsize i = 0; i < n; i++) {
    velm__onnx__value_info_proto__init(&infos[i]);
    infos[i].name = (char *)layers[i];
    outputs[i] = &infos[i];
  }
  Velm__Onnx__ValueInfoProto **own = graph->output;
  size_t n_own = graph->n_output;
  graph->output = outputs;
  graph->n_output = n;
  gsize size = velm__onnx__model_proto__get_packed_size(model);
  guint8 *packed = g_malloc(size);
  velm__onnx__model_proto__pack(model, packed);
  graph->output = own;
  graph->n_output = n_own;
  return g_bytes_new_take(packed, size);
}

/* Returns: (transfer full): NULL where it is none. */
static Velm__Onnx__ModelProto *unpack(GBytes *onnx, const char *name, GError **error) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(onnx, &size);
  Velm__Onnx__ModelProto *model = velm__onnx__model_proto__unpack(NULL, size, data);
  if (model && model->graph)
    return model;
  if (model)
    velm__onnx__model_proto__free_unpacked(model, NULL);
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE, "%s: not an ONNX model", name);
  return NULL;
}

gboolean velm_cut_check_onnx(GBytes *onnx, const char *name, GError **error) {
  Velm__Onnx__ModelProto *model = unpack(onnx, name, error);
  if (model)
    velm__onnx__model_proto__free_unpacked(model, NULL);
  return model != NULL;
}

GBytes *velm_cut_onnx(GBytes *onnx, const char *const *layers, const char *name, GError **error) {
  Velm__Onnx__ModelProto *model = unpack(onnx, name, error);
  GBytes *cut = NULL;
  if (model && check_onnx_layers(model->graph, layers, name, error)) {
    drop_unneeded(model->graph, layers);
    velm_separate_resizes(model->graph);
    cut = pack_with_outputs(model, layers);
  }
  if (model)
    velm__onnx__model_proto__free_unpacked(model, NULL);
  return cut;
}

/* ---- OpenVINO IR ---- */

static void free_xml(xmlDoc *document) { xmlFreeDoc(document); }
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, free_xml)

static xmlDoc *parse_xml(const char *xml, gsize length) {
  xmlParserCtxt *context = length > G_MAXINT ? NULL : xmlNewParserCtxt();
  if (!context)
    return NULL;
  /* Entities can make gigabytes of some lines, and XML_PARSE_HUGE, which a deep network needs, lets
   * them. An IR declares none. */
  context->sax->entityDecl = NULL;
  xmlDoc *document =
      xmlCtxtReadMemory(context, xml, (int)length, NULL, NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE);
  xmlFreeParserCtxt(context);
  return document;
}

static xmlNode *child(xmlNode *parent, const char *name) {
  for (xmlNode *node = parent ? parent->children : NULL; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && g_str_equal((const char *)node->name, name))
      return node;
  return NULL;
}

static xmlNode *next(xmlNode *node) {
  const xmlChar *name = node->name;
  for (node = node->next; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && xmlStrEqual(node->name, name))
      return node;
  return NULL;
}

static gboolean has(xmlNode *node, const char *attribute, const char *value) {
  xmlChar *text = xmlGetProp(node, (const xmlChar *)attribute);
  gboolean same = text && g_str_equal((const char *)text, value);
  xmlFree(text);
  return same;
}

/* Whether the comma-separated "names" of @port have @name. */
static gboolean port_has_name(xmlNode *port, const char *name) {
  xmlChar *text = xmlGetProp(port, (const xmlChar *)"names");
  g_auto(GStrv) names = g_strsplit(text ? (const char *)text : "", ",", -1);
  xmlFree(text);
  return g_strv_contains((const char *const *)names, name);
}

static void remove_results(xmlNode *layers, xmlNode *edges) {
  for (xmlNode *layer = child(layers, "layer"), *after; layer; layer = after) {
    after = next(layer);
    if (!has(layer, "type", "Result"))
      continue;
    xmlChar *id = xmlGetProp(layer, (const xmlChar *)"id");
    for (xmlNode *edge = child(edges, "edge"), *later; edge; edge = later) {
      later = next(edge);
      if (id && has(edge, "to-layer", (const char *)id)) {
        xmlUnlinkNode(edge);
        xmlFreeNode(edge);
      }
    }
    xmlFree(id);
    xmlUnlinkNode(layer);
    xmlFreeNode(layer);
  }
}

/* The output port that @name means: a layer's first, or the one with that tensor name. */
static xmlNode *find_port(xmlNode *layers, const char *name, xmlNode **layer_out) {
  for (xmlNode *layer = child(layers, "layer"); layer; layer = next(layer)) {
    xmlNode *first = child(child(layer, "output"), "port");
    for (xmlNode *port = first; port; port = next(port)) {
      if (!port_has_name(port, name) && !(port == first && has(layer, "name", name)))
        continue;
      *layer_out = layer;
      return port;
    }
  }
  return NULL;
}

static void set_number(xmlNode *node, const char *attribute, guint number) {
  g_autofree char *text = g_strdup_printf("%u", number);
  xmlNewProp(node, (const xmlChar *)attribute, (const xmlChar *)text);
}

/* Appends a Result layer of id @id that takes @port of @layer. */
static void add_result(xmlNode *layers, xmlNode *edges, xmlNode *layer, xmlNode *port, guint id) {
  xmlNode *result = xmlNewChild(layers, NULL, (const xmlChar *)"layer", NULL);
  set_number(result, "id", id);
  g_autofree char *name = g_strdup_printf("velm_result_%u", id);
  xmlNewProp(result, (const xmlChar *)"name", (const xmlChar *)name);
  xmlNewProp(result, (const xmlChar *)"type", (const xmlChar *)"Result");
  xmlNewProp(result, (const xmlChar *)"version", (const xmlChar *)"opset1");
  xmlNode *in = xmlNewChild(result, NULL, (const xmlChar *)"input", NULL);
  xmlNode *copy = xmlCopyNode(port, 1);
  xmlUnsetProp(copy, (const xmlChar *)"id");
  xmlUnsetProp(copy, (const xmlChar *)"names");
  set_number(copy, "id", 0);
  xmlAddChild(in, copy);
  xmlNode *edge = xmlNewChild(edges, NULL, (const xmlChar *)"edge", NULL);
  xmlChar *from = xmlGetProp(layer, (const xmlChar *)"id");
  xmlChar *from_port = xmlGetProp(port, (const xmlChar *)"id");
  xmlNewProp(edge, (const xmlChar *)"from-layer", from);
  xmlNewProp(edge, (const xmlChar *)"from-port", from_port);
  xmlFree(from);
  xmlFree(from_port);
  set_number(edge, "to-layer", id);
  set_number(edge, "to-port", 0);
}

/* One over the largest layer id. */
static guint free_id(xmlNode *layers) {
  guint64 largest = 0;
  for (xmlNode *layer = child(layers, "layer"); layer; layer = next(layer)) {
    xmlChar *id = xmlGetProp(layer, (const xmlChar *)"id");
    largest = MAX(largest, id ? g_ascii_strtoull((const char *)id, NULL, 10) : 0);
    xmlFree(id);
  }
  return (guint)largest + 1;
}

static void set_missing_in_ir(GError **error, const char *name, const char *wanted,
                              xmlNode *layers) {
  g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func(xmlFree);
  for (xmlNode *layer = child(layers, "layer"); layer; layer = next(layer)) {
    xmlChar *text = xmlGetProp(layer, (const xmlChar *)"name");
    if (text && child(layer, "output") && !has(layer, "type", "Const"))
      g_ptr_array_add(known, text);
    else
      xmlFree(text);
  }
  set_missing(error, name, wanted, known);
}

char *velm_cut_ir(const char *xml, gsize length, const char *const *wanted, const char *name,
                  GError **error) {
  g_autoptr(xmlDoc) document = parse_xml(xml, length);
  xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
  xmlNode *layers = child(root, "layers"), *edges = child(root, "edges");
  if (!layers || !edges) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE, "%s: not an OpenVINO IR", name);
    return NULL;
  }
  remove_results(layers, edges);
  guint id = free_id(layers);
  for (gsize i = 0; wanted[i]; i++, id++) {
    xmlNode *layer = NULL;
    xmlNode *port = find_port(layers, wanted[i], &layer);
    if (!port) {
      set_missing_in_ir(error, name, wanted[i], layers);
      return NULL;
    }
    add_result(layers, edges, layer, port, id);
  }
  xmlChar *text = NULL;
  int size = 0;
  xmlDocDumpMemory(document, &text, &size);
  char *cut = g_strndup((const char *)text, (gsize)size);
  xmlFree(text);
  return cut;
}
