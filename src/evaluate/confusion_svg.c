#include "evaluate/confusion_svg.h"

#include "evaluate/svg.h"

#include <math.h>

/* Names are cut to so many letters, each about so wide at 12 pixels. */
enum { MAX_COLUMNS = 22 };
#define LETTER 7.0

/* From the edge to the row names, above the column names, below the last row. */
enum { LEFT = 30, TOP = 32, BOTTOM = 76 };

/* From this share of a row on, a cell is so dark that its count is light. */
#define DARK 0.55

typedef struct {
  const char *const *names;
  const guint64 *counts;
  gsize n;
  double *rows, *columns; /* totals */
  double right, total;
  double cell;        /* side */
  double left, top;   /* of the cells */
  double after;       /* from the cells to the right edge */
  double digits;      /* of the largest total */
  gboolean is_turned; /* the column names */
} Matrix;

static double digits_of(double count) { return floor(log10(fmax(count, 1))) + 1; }

static double count_of(const Matrix *matrix, gsize row, gsize column) {
  return (double)matrix->counts[row * matrix->n + column];
}

static void sum_counts(Matrix *matrix) {
  for (gsize row = 0; row < matrix->n; row++) {
    for (gsize column = 0; column < matrix->n; column++) {
      matrix->rows[row] += count_of(matrix, row, column);
      matrix->columns[column] += count_of(matrix, row, column);
    }
    matrix->right += count_of(matrix, row, row);
    matrix->total += matrix->rows[row];
  }
  for (gsize i = 0; i < matrix->n; i++)
    matrix->digits = fmax(matrix->digits, digits_of(fmax(matrix->rows[i], matrix->columns[i])));
}

/* Sets where the cells are. */
static void lay_out(Matrix *matrix) {
  gsize n = matrix->n, widest = 0;
  for (gsize i = 0; i < n; i++)
    widest = MAX(widest, velm_svg_columns(matrix->names[i]));
  double name = (double)CLAMP(widest, 10, MAX_COLUMNS) * LETTER;
  matrix->cell = n <= 4 ? 76 : n <= 8 ? 66 : n <= 12 ? 48 : 40;
  matrix->is_turned = (double)widest * LETTER > matrix->cell - 6;
  matrix->left = LEFT + name + 10;
  double turned = name * sqrt(0.5);
  matrix->top = TOP + (matrix->is_turned ? turned + 16 : 24);
  /* "100 % of 12345"; the last of the turned names may reach further. */
  matrix->after = (9 + matrix->digits) * LETTER + 16;
  if (matrix->is_turned)
    matrix->after = fmax(matrix->after, turned + 16 - matrix->cell / 2);
}

/* ---- text ---- */

/* A share in per cent; 0 and 100 are what they say. */
static void append_share(GString *svg, double part, double whole) {
  double percent = 100 * part / whole;
  if (whole <= 0) {
    g_string_append_c(svg, '-');
  } else if (part < whole && percent > 99) {
    g_string_append(svg, "&gt;99 %");
  } else if (part > 0 && percent < 1) {
    g_string_append(svg, "&lt;1 %");
  } else {
    velm_svg_number(svg, "%.0f", percent);
    g_string_append(svg, " %");
  }
}

static void append_title(GString *svg, const char *name) {
  g_string_append(svg, "<title>");
  velm_svg_escaped(svg, name);
  g_string_append(svg, "</title>");
}

static void append_name(GString *svg, const char *name, const char *class_name, double x, double y,
                        const char *anchor) {
  velm_svg_text_begin(svg, class_name, x, y, anchor);
  append_title(svg, name);
  velm_svg_elided(svg, name, MAX_COLUMNS);
  g_string_append(svg, "</text>");
}

static void append_names(GString *svg, const Matrix *matrix) {
  for (gsize i = 0; i < matrix->n; i++) {
    double centre = ((double)i + 0.5) * matrix->cell;
    append_name(svg, matrix->names[i], matrix->rows[i] > 0 ? "name" : "name soft",
                matrix->left - 10, matrix->top + centre + 4, "end");
    const char *class_name = matrix->columns[i] > 0 ? "name" : "name soft";
    if (matrix->is_turned) {
      velm_svg_turn_begin(svg, matrix->left + centre, matrix->top - 8, -45);
      append_name(svg, matrix->names[i], class_name, 0, 0, "start");
      g_string_append(svg, "</g>");
    } else {
      append_name(svg, matrix->names[i], class_name, matrix->left + centre, matrix->top - 8,
                  "middle");
    }
  }
}

static void append_axis_titles(GString *svg, const Matrix *matrix) {
  double middle = (double)matrix->n * matrix->cell / 2, end = (double)matrix->n * matrix->cell;
  velm_svg_text(svg, "strong", matrix->left + middle, 20, "middle", "answer");
  velm_svg_turn_begin(svg, 20, matrix->top + middle, -90);
  velm_svg_text(svg, "strong", 0, 0, "middle", "truth");
  g_string_append(svg, "</g>");
  velm_svg_text(svg, "strong", matrix->left + end + 10, matrix->top - 8, "start", "recall");
  velm_svg_text(svg, "strong", matrix->left - 10, matrix->top + end + 20, "end", "precision");
}

/* ---- cells ---- */

static void append_cell_title(GString *svg, const Matrix *matrix, gsize row, gsize column) {
  g_string_append(svg, "<title>truth ");
  velm_svg_escaped(svg, matrix->names[row]);
  g_string_append(svg, ", answer ");
  velm_svg_escaped(svg, matrix->names[column]);
  g_string_append(svg, ": ");
  velm_svg_number(svg, "%.0f", count_of(matrix, row, column));
  g_string_append(svg, " of ");
  velm_svg_number(svg, "%.0f", matrix->rows[row]);
  g_string_append(svg, " (");
  append_share(svg, count_of(matrix, row, column), matrix->rows[row]);
  g_string_append(svg, ")</title>");
}

/* The count, as large as fits. A 0 is only told where it says that a class is never named right. */
static void append_count(GString *svg, const Matrix *matrix, gsize row, gsize column, double x,
                         double y) {
  double count = count_of(matrix, row, column);
  if (count <= 0 && (row != column || matrix->rows[row] <= 0))
    return;
  double size = fmin(matrix->cell > 50 ? 15 : 13, (matrix->cell - 6) / (digits_of(count) * 0.64));
  gboolean dark = count > DARK * matrix->rows[row];
  const char *class_name = count <= 0      ? "soft"
                           : !dark         ? "count"
                           : row == column ? "on-right"
                                           : "on-wrong";
  g_string_append_printf(svg, "<text class=\"%s\" text-anchor=\"middle\"", class_name);
  velm_svg_attribute(svg, "x", x + matrix->cell / 2);
  velm_svg_attribute(svg, "y", y + matrix->cell / 2 + size * 0.35);
  g_string_append(svg, " style=\"font-size:");
  velm_svg_number(svg, "%.1f", size);
  g_string_append(svg, "px\">");
  velm_svg_number(svg, "%.0f", count);
  g_string_append(svg, "</text>");
}

static void append_cell(GString *svg, const Matrix *matrix, gsize row, gsize column) {
  double x = matrix->left + (double)column * matrix->cell;
  double y = matrix->top + (double)row * matrix->cell;
  double count = count_of(matrix, row, column);
  g_string_append(svg, "<g>");
  append_cell_title(svg, matrix, row, column);
  velm_svg_rect(svg, "cell", x, y, matrix->cell, matrix->cell);
  if (count > 0) {
    g_string_append(svg, "<g fill-opacity=\"");
    velm_svg_number(svg, "%.3f", 0.1 + 0.9 * count / matrix->rows[row]);
    g_string_append(svg, "\">");
    velm_svg_rect(svg, row == column ? "right" : "wrong", x + 1, y + 1, matrix->cell - 2,
                  matrix->cell - 2);
    g_string_append(svg, "</g>");
  }
  append_count(svg, matrix, row, column, x, y);
  g_string_append(svg, "</g>");
}

/* ---- edges ---- */

static void append_of(GString *svg, double whole) {
  g_string_append(svg, "of ");
  velm_svg_number(svg, "%.0f", whole);
}

static void append_recall(GString *svg, const Matrix *matrix, gsize i) {
  velm_svg_text_begin(svg, "recall", matrix->left + (double)matrix->n * matrix->cell + 10,
                      matrix->top + ((double)i + 0.5) * matrix->cell + 4, "start");
  append_share(svg, count_of(matrix, i, i), matrix->rows[i]);
  if (matrix->rows[i] > 0) {
    g_string_append(svg, " <tspan class=\"soft\" dx=\"3\">");
    append_of(svg, matrix->rows[i]);
    g_string_append(svg, "</tspan>");
  }
  g_string_append(svg, "</text>");
}

static void append_precision(GString *svg, const Matrix *matrix, gsize i) {
  double x = matrix->left + ((double)i + 0.5) * matrix->cell;
  double y = matrix->top + (double)matrix->n * matrix->cell + 20, whole = matrix->columns[i];
  velm_svg_text_begin(svg, "precision", x, y, "middle");
  g_string_append(svg, "<title>");
  velm_svg_number(svg, "%.0f", count_of(matrix, i, i));
  g_string_append_c(svg, ' ');
  append_of(svg, whole);
  g_string_append(svg, "</title>");
  append_share(svg, count_of(matrix, i, i), whole);
  g_string_append(svg, "</text>");
  /* Where totals would run into each other, they are left to the hover texts. */
  if (whole <= 0 || (3 + matrix->digits) * LETTER - 3 > matrix->cell)
    return;
  velm_svg_text_begin(svg, "soft", x, y + 15, "middle");
  append_of(svg, whole);
  g_string_append(svg, "</text>");
}

static void append_accuracy(GString *svg, const Matrix *matrix, double height) {
  velm_svg_text_begin(svg, "strong", matrix->left, height - 14, "start");
  g_string_append(svg, "accuracy ");
  append_share(svg, matrix->right, matrix->total);
  g_string_append(svg, " <tspan class=\"soft\" dx=\"3\" style=\"font-weight:400\">");
  velm_svg_number(svg, "%.0f", matrix->right);
  g_string_append_c(svg, ' ');
  append_of(svg, matrix->total);
  g_string_append(svg, "</tspan></text>");
}

static char *draw(Matrix *matrix) {
  sum_counts(matrix);
  lay_out(matrix);
  double side = (double)matrix->n * matrix->cell;
  double width = matrix->left + side + matrix->after, height = matrix->top + side + BOTTOM;
  GString *svg = velm_svg_begin("confusion", width, height,
                                "Confusion matrix: rows are truths, columns are answers");
  append_axis_titles(svg, matrix);
  append_names(svg, matrix);
  for (gsize row = 0; row < matrix->n; row++)
    for (gsize column = 0; column < matrix->n; column++)
      append_cell(svg, matrix, row, column);
  for (gsize i = 0; i < matrix->n; i++) {
    append_recall(svg, matrix, i);
    append_precision(svg, matrix, i);
  }
  append_accuracy(svg, matrix, height);
  return velm_svg_end(svg);
}

char *velm_confusion_svg(const char *const *names, const guint64 *counts, gsize n) {
  if (n == 0)
    return g_strdup("");
  g_autofree double *rows = g_new0(double, n);
  g_autofree double *columns = g_new0(double, n);
  Matrix matrix = {.names = names, .counts = counts, .n = n, .rows = rows, .columns = columns};
  return draw(&matrix);
}
