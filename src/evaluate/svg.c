#include "evaluate/svg.h"

#include <math.h>

/*
 * The style of all pictures: a selector below the svg element, and its declarations. A renderer
 * that knows no custom properties keeps to the first of two declarations.
 */
static const struct {
  const char *selector, *declarations;
} STYLE[] = {
    {"", "max-width:100%;height:auto;font-size:12px;font-family:system-ui,-apple-system,"
         "'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif"},
    {" .plate", "fill:#fff;fill:var(--panel,#fff)"},
    {" text", "fill:#1a212b;fill:var(--text,#1a212b)"},
    {" .soft", "fill:#5a6573;fill:var(--soft,#5a6573)"},
    {" .title", "font-size:14px;font-weight:600"},
    {" .strong", "font-weight:600"},
    {" .on-right", "fill:#fff;fill:var(--panel,#fff)"},
    {" .on-wrong", "fill:#190800;fill:var(--on-defect,#190800)"},
    {" .grid", "stroke:#e6e8ec;stroke:var(--grid,#e6e8ec)"},
    {" .axis", "stroke:#5a6573;stroke:var(--soft,#5a6573)"},
    {" .dashed", "stroke-dasharray:4 3"},
    {" .cell", "fill:none;stroke:#e6e8ec;stroke:var(--grid,#e6e8ec)"},
    {" .right", "fill:#0a5aa8;fill:var(--accent,#0a5aa8)"},
    {" .wrong", "fill:#d55e00;fill:var(--defect,#d55e00)"},
    {" .shade", "fill:#0a5aa8;fill:var(--accent,#0a5aa8);fill-opacity:0.08"},
    {" .whisker", "stroke:#0a5aa8;stroke:var(--accent,#0a5aa8);stroke-width:1.5"},
    {" .gap", "stroke:#d55e00;stroke:var(--defect,#d55e00);stroke-width:5;stroke-opacity:0.5"},
    {" .curve", "fill:none;stroke-width:2;stroke-linejoin:round"},
};

static void append_style(GString *svg, const char *class_name) {
  g_string_append(svg, "<style>");
  for (gsize i = 0; i < G_N_ELEMENTS(STYLE); i++)
    g_string_append_printf(svg, "svg.%s%s{%s}", class_name, STYLE[i].selector,
                           STYLE[i].declarations);
  g_string_append(svg, "</style>");
}

GString *velm_svg_begin(const char *class_name, double width, double height, const char *label) {
  GString *svg = g_string_new("<svg xmlns=\"http://www.w3.org/2000/svg\"");
  g_string_append_printf(svg, " class=\"%s\"", class_name);
  velm_svg_attribute(svg, "width", width);
  velm_svg_attribute(svg, "height", height);
  g_string_append(svg, " viewBox=\"0 0 ");
  velm_svg_number(svg, "%.2f", width);
  g_string_append_c(svg, ' ');
  velm_svg_number(svg, "%.2f", height);
  g_string_append(svg, "\" role=\"img\" aria-label=\"");
  velm_svg_escaped(svg, label);
  g_string_append(svg, "\">");
  append_style(svg, class_name);
  velm_svg_rect(svg, "plate", 0, 0, width, height);
  return svg;
}

char *velm_svg_end(GString *svg) {
  g_string_append(svg, "</svg>");
  return g_string_free(svg, FALSE);
}

void velm_svg_number(GString *svg, const char *format, double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(svg,
                  isfinite(value) ? g_ascii_formatd(buffer, sizeof buffer, format, value) : "-");
}

void velm_svg_attribute(GString *svg, const char *name, double value) {
  g_string_append_printf(svg, " %s=\"", name);
  velm_svg_number(svg, "%.2f", value);
  g_string_append_c(svg, '"');
}

/* ---- text ---- */

/* @text in characters that XML may hold, on one line. */
static char *clean(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  GString *cleaned = g_string_new(NULL);
  for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
    gunichar c = g_utf8_get_char(at);
    gboolean forbidden = c == 0xfffe || c == 0xffff || (c >= 0x7f && c < 0xa0);
    g_string_append_unichar(cleaned, c < ' ' ? ' ' : forbidden ? 0xfffd : c);
  }
  return g_string_free(cleaned, FALSE);
}

static gsize letter_columns(gunichar c) {
  return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

static void append_escaped(GString *svg, const char *cleaned, gssize length) {
  g_autofree char *escaped = g_markup_escape_text(cleaned, length);
  g_string_append(svg, escaped);
}

void velm_svg_escaped(GString *svg, const char *text) {
  g_autofree char *cleaned = clean(text);
  append_escaped(svg, cleaned, -1);
}

static gsize columns_of(const char *cleaned) {
  gsize columns = 0;
  for (const char *at = cleaned; *at; at = g_utf8_next_char(at))
    columns += letter_columns(g_utf8_get_char(at));
  return columns;
}

gsize velm_svg_columns(const char *text) {
  g_autofree char *cleaned = clean(text);
  return columns_of(cleaned);
}

void velm_svg_elided(GString *svg, const char *text, gsize columns) {
  g_autofree char *cleaned = clean(text);
  if (columns_of(cleaned) <= columns) {
    append_escaped(svg, cleaned, -1);
    return;
  }
  const char *end = cleaned;
  for (gsize used = 1; *end; end = g_utf8_next_char(end)) {
    used += letter_columns(g_utf8_get_char(end));
    if (used > columns)
      break;
  }
  append_escaped(svg, cleaned, end - cleaned);
  g_string_append(svg, "\u2026");
}

/* ---- elements ---- */

void velm_svg_line(GString *svg, const char *class_name, double x1, double y1, double x2,
                   double y2) {
  g_string_append_printf(svg, "<line class=\"%s\"", class_name);
  velm_svg_attribute(svg, "x1", x1);
  velm_svg_attribute(svg, "y1", y1);
  velm_svg_attribute(svg, "x2", x2);
  velm_svg_attribute(svg, "y2", y2);
  g_string_append(svg, "/>");
}

void velm_svg_rect(GString *svg, const char *class_name, double x, double y, double width,
                   double height) {
  g_string_append_printf(svg, "<rect class=\"%s\"", class_name);
  velm_svg_attribute(svg, "x", x);
  velm_svg_attribute(svg, "y", y);
  velm_svg_attribute(svg, "width", width);
  velm_svg_attribute(svg, "height", height);
  g_string_append(svg, "/>");
}

void velm_svg_text_begin(GString *svg, const char *class_name, double x, double y,
                         const char *anchor) {
  g_string_append_printf(svg, "<text class=\"%s\" text-anchor=\"%s\"", class_name, anchor);
  velm_svg_attribute(svg, "x", x);
  velm_svg_attribute(svg, "y", y);
  g_string_append_c(svg, '>');
}

void velm_svg_text(GString *svg, const char *class_name, double x, double y, const char *anchor,
                   const char *text) {
  velm_svg_text_begin(svg, class_name, x, y, anchor);
  velm_svg_escaped(svg, text);
  g_string_append(svg, "</text>");
}

void velm_svg_turn_begin(GString *svg, double x, double y, double degrees) {
  g_string_append(svg, "<g transform=\"translate(");
  velm_svg_number(svg, "%.2f", x);
  g_string_append_c(svg, ' ');
  velm_svg_number(svg, "%.2f", y);
  g_string_append(svg, ") rotate(");
  velm_svg_number(svg, "%.0f", degrees);
  g_string_append(svg, ")\">");
}

/* ---- axes ---- */

double velm_svg_x(const VelmSvgAxes *axes, double value) {
  return axes->left + value / axes->x_end * axes->width;
}

double velm_svg_y(const VelmSvgAxes *axes, double value) {
  return axes->top + (1 - value / axes->y_end) * axes->height;
}

/* A round step that cuts an axis into @parts at most: 1, 2 or 5 times a power of ten. */
static double round_step(double end, double parts) {
  double raw = end / parts, power = pow(10, floor(log10(raw))), share = raw / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

static void append_tick(GString *svg, double x, double y, const char *anchor, double value) {
  velm_svg_text_begin(svg, "soft", x, y, anchor);
  gboolean is_long = value >= 10000;
  velm_svg_number(svg, is_long ? "%.0f" : "%.4g", is_long ? value / 1000 : value);
  g_string_append(svg, is_long ? "k" : "");
  g_string_append(svg, "</text>");
}

static void append_grid(GString *svg, const VelmSvgAxes *axes) {
  double right = axes->left + axes->width, bottom = axes->top + axes->height;
  /* As many numbers as have room. */
  double x_step = round_step(axes->x_end, fmax(axes->width / 60, 1));
  double y_step = round_step(axes->y_end, fmax(axes->height / 40, 1));
  if (axes->y_is_count)
    y_step = fmax(y_step, 1);
  for (int i = 0; i * x_step <= axes->x_end * (1 + 1e-9); i++) {
    double x = velm_svg_x(axes, i * x_step);
    velm_svg_line(svg, "grid", x, axes->top, x, bottom);
    append_tick(svg, x, bottom + 17, "middle", i * x_step);
  }
  for (int i = 0; i * y_step <= axes->y_end * (1 + 1e-9); i++) {
    double y = velm_svg_y(axes, i * y_step);
    velm_svg_line(svg, "grid", axes->left, y, right, y);
    append_tick(svg, axes->left - 8, y + 4, "end", i * y_step);
  }
}

void velm_svg_axes(GString *svg, const VelmSvgAxes *axes) {
  double right = axes->left + axes->width, bottom = axes->top + axes->height;
  append_grid(svg, axes);
  velm_svg_line(svg, "axis", axes->left, axes->top, axes->left, bottom);
  velm_svg_line(svg, "axis", axes->left, bottom, right, bottom);
  velm_svg_text(svg, "label", axes->left + axes->width / 2, bottom + 37, "middle", axes->x_label);
  velm_svg_turn_begin(svg, axes->left - 48, axes->top + axes->height / 2, -90);
  velm_svg_text(svg, "label", 0, 0, "middle", axes->y_label);
  g_string_append(svg, "</g>");
}
