/* Connected components of a mask. */
#pragma once

#include "core/image.h"

/**
 * Labels the connected components of @mask (4-neighbours), the background's pieces among them.
 * @n_labels: (out): labels are 0 to below it
 * Returns: (transfer full): one a pixel; free with g_free()
 */
gint32 *velm_mark_label(const VelmMask *mask, int *n_labels, GError **error);

/** Keeps of @mask the component that has the pixel @at. Returns: (transfer full). */
VelmMask *velm_mark_component_at(const VelmMask *mask, gsize at, GError **error);
