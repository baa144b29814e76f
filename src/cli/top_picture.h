/* What velm top shows: a look at the plant as text. */
#pragma once

#include "plant/overview.h"

/**
 * VelmTopPaper: what is drawn on.
 * @width, @height: in characters; 0 for no end
 * @styled: a terminal, which shows what needs a look in colour
 */
typedef struct {
  guint width, height;
  gboolean styled;
} VelmTopPaper;

/**
 * @overview: (nullable): none yet
 * @trouble: (nullable): why there is none, or none that is newer
 * Returns: (transfer full): lines, each of which ends with "\n"
 */
char *velm_top_picture(const VelmOverview *overview, const char *trouble,
                       const VelmTopPaper *paper);
