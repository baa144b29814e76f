/*
 * Scores and score maps of images, for what compares them with another tool's.
 *
 *   maps_of_images MODEL.velm FOLDER IMAGE...
 *
 * Prints for each image, by its number from 0, "score width height ms", and writes the map's
 * floats, row by row, to FOLDER/NUMBER.f32.
 */
#include "core/file.h"
#include "detect/detector.h"

#include <stdio.h>

static gboolean write_map(const VelmPlane *map, const char *folder, int number, GError **error) {
  g_autofree char *name = g_strdup_printf("%d.f32", number);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  gsize n = (gsize)map->width * (gsize)map->height;
  return velm_file_write(path, map->values, n * sizeof(float), error);
}

static gboolean inspect(VelmDetector *detector, const char *path, const char *folder, int number,
                        GError **error) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(VelmInspection) inspection = velm_inspection_new(path);
  if (!velm_inspection_load(inspection, NULL, 0, error) ||
      !velm_detector_detect(detector, inspection, error))
    return FALSE;
  printf("%.9g %d %d %.3f\n", inspection->score, inspection->map->width, inspection->map->height,
         velm_timing_since(start));
  return write_map(inspection->map, folder, number, error);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s MODEL.velm FOLDER IMAGE...\n", argv[0]);
    return 2;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(argv[1], &error);
  g_autoptr(VelmDetector) detector = model ? velm_detector_open(model, &error) : NULL;
  for (int i = 3; detector && !error && i < argc; i++)
    inspect(detector, argv[i], argv[2], i - 3, &error);
  if (error)
    fprintf(stderr, "%s: %s\n", argv[0], error->message);
  return error ? 1 : 0;
}
