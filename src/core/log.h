/* What a person at a terminal sees of long work: a progress line on stderr, and none when stderr is
 * piped. */
#pragma once

#include <glib.h>

/** A VelmProgress that draws "stage  done/total" in place on a terminal; @user_data is not used.
 * Never asks to stop. */
gboolean velm_log_progress(const char *stage, gsize done, gsize total, gpointer user_data);

/** One line on stderr, clear of the progress line. */
void velm_log_line(const char *format, ...) G_GNUC_PRINTF(1, 2);
