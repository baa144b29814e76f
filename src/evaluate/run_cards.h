/* The mistakes of a run as cards of its page. */
#pragma once

#include "evaluate/run_page.h"

typedef struct _VelmRunCards VelmRunCards;

/** @run: borrowed. @look, @look_data: as for velm_run_page_write(). Returns: (transfer full). */
VelmRunCards *velm_run_cards_new(const VelmRun *run, VelmRunLook look, gpointer look_data);
void velm_run_cards_free(VelmRunCards *cards);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRunCards, velm_run_cards_free)

/** Appends false alarms and missed defects of detector @index to @html. */
void velm_run_cards_append_detector(VelmRunCards *cards, guint index, GString *html);
/** Appends the wrong names of classifier @index. */
void velm_run_cards_append_classifier(VelmRunCards *cards, guint index, GString *html);

/** Appends text of any bytes to @html, escaped for content and attributes. */
void velm_run_cards_escape(GString *html, const char *text);
