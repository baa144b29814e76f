#include "detect/backbone_known.h"

static const VelmKnownBackbone known[] = {
    /* Middle blocks localise best: the last ones know what a thing is, no longer where. At half the
       size each patch shows what is wrong with a wider area. A convolutional network errs
       otherwise. */
    {"dinov2s",
     "dinov2s.onnx",
     "block4,block6,block8,block8@half,stage4@3@lite2,stage5@3@lite2,stage4@5@lite2,"
     "block8@half@3@contrast",
     448,
     14,
     TRUE,
     {123.675f, 116.28f, 103.53f},
     {58.395f, 57.12f, 57.375f}},
    {"lite2",
     "lite2.onnx",
     "stage4@3,stage5@3,stage4@5",
     256,
     32,
     FALSE,
     {127.0f, 127.0f, 127.0f},
     {128.0f, 128.0f, 128.0f}},
};

/* A network by file is taken to expect what most were trained with: ImageNet's mean and deviation.
 */
const VelmKnownBackbone velm_backbone_by_file = {
    "file", NULL, NULL, 224, 1, FALSE, {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};

const VelmKnownBackbone *velm_backbone_known(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    if (g_str_equal(known[i].name, name))
      return &known[i];
  return NULL;
}

char *velm_backbone_known_path(const VelmKnownBackbone *backbone) {
  const char *folder = g_getenv("VELM_MODELS");
  return g_build_filename(folder && folder[0] ? folder : VELM_MODELS_DIR, backbone->file, NULL);
}
