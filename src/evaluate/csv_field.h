/* One field of a CSV file. */
#pragma once

#include <glib.h>

/** Appends @text, UTF-8: quoted by RFC 4180 where it has a quote, a comma or a line end in it. */
void velm_csv_append_field(GString *csv, const char *text);
