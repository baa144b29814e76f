#include "core/log.h"

#include <stdio.h>
#include <unistd.h>

/* Redrawing more often than a person sees costs more than the work that it reports. */
#define REDRAW_US 100000

static gint64 last_drawn;
static gboolean line_open;

static void clear_line(void) {
  if (!line_open)
    return;
  fputs("\r\033[K", stderr);
  line_open = FALSE;
}

gboolean velm_log_progress(const char *stage, gsize done, gsize total,
                           G_GNUC_UNUSED gpointer user_data) {
  if (!isatty(STDERR_FILENO))
    return TRUE;
  gint64 now = g_get_monotonic_time();
  if (done < total && now - last_drawn < REDRAW_US)
    return TRUE;
  last_drawn = now;
  fprintf(stderr, "\r\033[K%s  %" G_GSIZE_FORMAT "/%" G_GSIZE_FORMAT, stage, done, total);
  line_open = TRUE;
  if (done >= total)
    clear_line();
  fflush(stderr);
  return TRUE;
}

void velm_log_line(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  clear_line();
  fprintf(stderr, "%s\n", text);
}
