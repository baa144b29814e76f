#include "evaluate/csv_field.h"

#include <string.h>

void velm_csv_append_field(GString *csv, const char *text) {
  if (!strpbrk(text, "\",\r\n")) {
    g_string_append(csv, text);
    return;
  }
  g_auto(GStrv) parts = g_strsplit(text, "\"", -1);
  g_autofree char *doubled = g_strjoinv("\"\"", parts);
  g_string_append_printf(csv, "\"%s\"", doubled);
}
