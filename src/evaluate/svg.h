/*
 * SVG elements as text, for pictures that are right both within a page and as a file of their own.
 *
 * A picture takes the colours of the page that it is in, by the custom properties --panel (ground),
 * --text, --soft (lesser text, axes), --grid, --accent (right), --defect (wrong) and --on-defect.
 * Alone, where they are not defined, it is dark on white. There are no scripts and no fonts; hover
 * texts are <title> elements. The same input gives the same bytes, whatever the locale.
 */
#pragma once

#include <glib.h>

/**
 * Starts a document: the svg element, the style and the ground.
 * @class_name: of the svg element, to which the style is confined; a plain name
 * @width, @height: units of the picture; pixels where it is shown at its own size
 * @label: (nullable): what is read out to those who do not see it; escaped
 * Returns: (transfer full): end it by velm_svg_end()
 */
GString *velm_svg_begin(const char *class_name, double width, double height, const char *label);
/** Closes the document and gives its text. Consumes @svg. Returns: (transfer full). */
char *velm_svg_end(GString *svg);

/** Appends a number by @format, one conversion of a double, with a point; "-" of one that is not
 * finite. */
void velm_svg_number(GString *svg, const char *format, double value);
/** Appends ' @name="@value"' with two decimals. @value is finite. */
void velm_svg_attribute(GString *svg, const char *name, double value);
/** Appends text of any bytes: escaped, and what XML forbids replaced. NULL is none. */
void velm_svg_escaped(GString *svg, const char *text);
/** As velm_svg_escaped(), but no wider than @columns letters: a longer text ends in an ellipsis. */
void velm_svg_elided(GString *svg, const char *text, gsize columns);
/** How many letters wide a text is; those of East Asia count twice. */
gsize velm_svg_columns(const char *text);

/** Appends a line, and a rectangle, with classes of the style (see svg.c). */
void velm_svg_line(GString *svg, const char *class_name, double x1, double y1, double x2,
                   double y2);
void velm_svg_rect(GString *svg, const char *class_name, double x, double y, double width,
                   double height);
/**
 * Starts a text element, whose content follows, and "</text>".
 * @anchor: which part of it is at @x: "start", "middle" or "end"
 */
void velm_svg_text_begin(GString *svg, const char *class_name, double x, double y,
                         const char *anchor);
/** A text of one line; escaped. */
void velm_svg_text(GString *svg, const char *class_name, double x, double y, const char *anchor,
                   const char *text);
/** Starts a group whose origin is at @x, @y, turned by @degrees clockwise; end it by "</g>". */
void velm_svg_turn_begin(GString *svg, double x, double y, double degrees);

/**
 * VelmSvgAxes: a plot within a picture.
 * @left, @top, @width, @height: its frame
 * @x_end, @y_end: what the axes end at, over 0; they begin at 0
 * @y_is_count: whole numbers only on the y axis
 * @x_label, @y_label: (nullable): what they show
 */
typedef struct {
  double left, top, width, height;
  double x_end, y_end;
  gboolean y_is_count;
  const char *x_label, *y_label;
} VelmSvgAxes;

/** Where a value lies in the picture. */
double velm_svg_x(const VelmSvgAxes *axes, double value);
double velm_svg_y(const VelmSvgAxes *axes, double value);
/** Appends the grid, the numbers and the labels. */
void velm_svg_axes(GString *svg, const VelmSvgAxes *axes);
