/* table.h: aligned columns for people.
 *
 *   table *t = table_create("lr", "device", "ms");   l and r: left and right, a letter per column
 *   table_cell(t, "%s", name);
 *   table_cell(t, "%.2f", ms);                       rows fill from left to right
 *   int code = table_print(t, &output_out);          prints and deletes
 *
 * A key/value list is table_create("lr") without headings (pass NULL as the first). Width counts UTF-8
 * characters, not bytes. Calls on NULL do nothing; table_print reports what went wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_TABLE_H
#define CLKV_TOOLS_TABLE_H

#include "output.h"

typedef struct table table;

/* One heading per letter of `columns`, or a NULL in the place of the first for none. At most 32 columns.
 * NULL when the host is out of memory. */
table *table_create(const char *columns, ...);

void table_cell(table *t, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* A line "key  value" of a two-column table. */
void table_pair(table *t, const char *key, const char *fmt, ...) TOOLS_PRINTF(3, 4);

/* Prints, flushes and deletes. 0, or the code to exit with, as of tool_flush; or without memory, after a message. A
 * last row that is not full is printed as far as it goes. */
int table_print(table *t, out_stream *out);

#endif
