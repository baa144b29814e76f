/* What a request asks for behind its question mark: checked, with nothing unknown let through. All
 * fail with VELM_ERROR_USAGE naming the parameter. */
#pragma once

#include "act/store.h"

/** Whether @query has no others than @names (NULL-terminated) and, where @filters, those of
 * velm_query_filters(). */
gboolean velm_query_only(GHashTable *query, const char *const *names, gboolean filters,
                         GError **error);

/** A text of 1 to @most characters. @value: (out): borrowed; NULL where it is not given. */
gboolean velm_query_text(GHashTable *query, const char *name, gsize most, const char **value,
                         GError **error);
/** One of @words (NULL-terminated). @index: (out): as it is where it is not given. */
gboolean velm_query_word(GHashTable *query, const char *name, const char *const *words,
                         guint *index, GError **error);
/** A whole number. @value: (out): as it is where it is not given. */
gboolean velm_query_int(GHashTable *query, const char *name, gint64 least, gint64 most,
                        gint64 *value, GError **error);

/** Which records: product, class, decision, reviewed, min_score, max_score, since, until. @filters:
 * (out): starts from the default; its texts are @query's. */
gboolean velm_query_filters(GHashTable *query, VelmStoreQuery *filters, GError **error);
