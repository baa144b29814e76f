/* inspect MODEL.velm IMAGE...: prints what becomes of each part, and why. Exits with 1 where an
 * image failed. */
#include <velm.h>

#include <stdio.h>

static gboolean inspect(VelmInspector *inspector, const char *path, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspector_inspect(inspector, path, NULL, error);
  if (!inspection)
    return FALSE;
  const char *class_key = velm_inspection_get_class(inspection);
  printf("%s: %s, %s -> %s\n", path, velm_decision_name(velm_inspection_get_decision(inspection)),
         class_key ? class_key : "not classified", velm_inspection_get_action(inspection));
  return TRUE;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  if (argc < 3) {
    fprintf(stderr, "usage: %s MODEL.velm IMAGE...\n", argv[0]);
    return 2;
  }
  VelmInspectorParams params = velm_inspector_params_default();
  g_autoptr(VelmModel) model = velm_model_load(argv[1], &error);
  g_autoptr(VelmInspector) inspector =
      model ? velm_inspector_new(model, NULL, &params, &error) : NULL;
  for (int i = 2; inspector && i < argc; i++)
    if (!inspect(inspector, argv[i], &error))
      break;
  if (error)
    fprintf(stderr, "%s\n", error->message);
  return error ? 1 : 0;
}
