/* The terminal, as long as a program has all of it: keys come one by one, and what was there before
 * comes back in the end. */
#pragma once

#include <glib.h>

typedef struct _VelmTopScreen VelmTopScreen;

/** Whether standard output is a terminal that can be drawn on. */
gboolean velm_top_screen_is_there(void);

/** Takes it. Returns: (transfer full). */
VelmTopScreen *velm_top_screen_open(void);
/** Gives it back. */
void velm_top_screen_free(VelmTopScreen *screen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTopScreen, velm_top_screen_free)

/** In characters; 80 by 24 where it does not say. */
void velm_top_screen_get_size(guint *width, guint *height);
/** Draws @text over what is there. @text: lines that fit. */
void velm_top_screen_draw(VelmTopScreen *screen, const char *text);
