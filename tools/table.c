/* table.c: see table.h. Cells are kept row by row as strings until the widths are known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "exit.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 32 };

struct table {
    char columns[MAX_COLUMNS + 1]; /* a letter per column */
    size_t n_columns;
    bool headings; /* the first row is headings: a rule follows it */
    bool failed;   /* a cell is missing: the host was out of memory */
    char **cells;
    size_t n, room;
};

static void add(table *t, const char *fmt, va_list args)
{
    char text[512];
    if (!t || t->failed) return;
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        char **cells = realloc(t->cells, room * sizeof *cells);
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->room = room;
    }
    vsnprintf(text, sizeof text, fmt, args);
    t->cells[t->n] = strdup(text);
    t->failed = !t->cells[t->n];
    t->n += !t->failed;
}

void table_cell(table *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(t, fmt, args);
    va_end(args);
}

void table_pair(table *t, const char *key, const char *fmt, ...)
{
    va_list args;
    table_cell(t, "%s", key);
    va_start(args, fmt);
    add(t, fmt, args);
    va_end(args);
}

table *table_create(const char *columns, ...)
{
    table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    strncpy(t->columns, columns, MAX_COLUMNS);
    t->n_columns = strlen(t->columns);

    va_list args;
    va_start(args, columns);
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *heading = va_arg(args, const char *);
        if (!heading) break;
        t->headings = true;
        table_cell(t, "%s", heading);
    }
    va_end(args);
    return t;
}

static int width_of(const char *s)
{
    int width = 0;
    for (; *s; s++) width += (*s & 0xc0) != 0x80;
    return width;
}

static void print_rule(const table *t, const int *widths, out_stream *out)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        for (int i = 0; i < widths[c]; i++) output_text(out, "-");
        output_text(out, c + 1 < t->n_columns ? "  " : "\n");
    }
}

int table_print(table *t, out_stream *out)
{
    int widths[MAX_COLUMNS] = { 0 };
    if (!t) return tool_fail(EXIT_CHECK, "out of memory for the output");
    bool failed = t->failed;

    for (size_t i = 0; i < t->n; i++) {
        int width = width_of(t->cells[i]);
        if (width > widths[i % t->n_columns]) widths[i % t->n_columns] = width;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->n_columns;
        int pad = widths[c] - width_of(t->cells[i]);
        bool last = c + 1 == t->n_columns || i + 1 == t->n, right = t->columns[c] == 'r';
        int before = right ? pad : 0, after = right || last ? 0 : pad;
        output_printf(out, "%*s%s%*s%s", before, "", t->cells[i], after, "", last ? "\n" : "  ");
        if (t->headings && i + 1 == t->n_columns) print_rule(t, widths, out);
        free(t->cells[i]);
    }
    free(t->cells);
    free(t);
    const int code = tool_flush(out);
    return failed ? tool_fail(EXIT_CHECK, "out of memory for the output") : code;
}
