#include "classify/classes.h"

static void class_free(gpointer data) {
  VelmClass *class = data;
  g_free(class->key);
  g_free(class->name);
  g_free(class->description);
  g_free(class);
}

VelmClasses *velm_classes_new(void) {
  VelmClasses *classes = g_new0(VelmClasses, 1);
  classes->classes = g_ptr_array_new_with_free_func(class_free);
  return classes;
}

void velm_classes_add(VelmClasses *classes, const char *key, const char *name,
                      const char *description) {
  VelmClass *class = g_new0(VelmClass, 1);
  class->key = g_strdup(key);
  class->name = g_strdup(name ? name : key);
  class->description = g_strdup(description);
  g_ptr_array_add(classes->classes, class);
}

int velm_classes_find(const VelmClasses *classes, const char *key) {
  for (guint i = 0; i < classes->classes->len; i++) {
    const VelmClass *class = g_ptr_array_index(classes->classes, i);
    if (g_str_equal(class->key, key))
      return (int)i;
  }
  return -1;
}

void velm_classes_free(VelmClasses *classes) {
  if (!classes)
    return;
  g_free(classes->object);
  g_free(classes->normal);
  g_free(classes->strategy);
  g_ptr_array_unref(classes->classes);
  g_free(classes);
}
