/* prefix_table.c: the hash table of the prefix index; see prefix_table.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/prefix_table.h"

#include "core/memory.h"

_Static_assert(sizeof(clkv_table_line) == 64, "a line of the table is one cache line");

/* Lines are at most three quarters full on average, so few lines are full, and few look-ups need a second line. */
#define IDS_PER_LINE 9

int clkv_table_init(clkv_table *table, uint32_t limit)
{
    const uint32_t n_lines = limit / IDS_PER_LINE + 1;
    clkv_table_line *lines = clkv_map((size_t)n_lines * sizeof *lines);
    if (!lines) return -1;
    *table = (clkv_table){.lines = lines, .n_lines = n_lines, .limit = limit};
    return 0;
}

void clkv_table_free(clkv_table *table)
{
    clkv_unmap(table->lines, clkv_table_bytes(table));
    *table = (clkv_table){0};
}

size_t clkv_table_bytes(const clkv_table *table)
{
    return (size_t)table->n_lines * sizeof *table->lines;
}

static void insert_now(clkv_table *table, uint64_t hash, uint32_t id)
{
    clkv_table_line *line = &table->lines[clkv_table_home(table, hash)];
    uint32_t empty = clkv_table_places(line, 0);
    while (!empty) {
        line->passed++;
        line = &table->lines[clkv_table_next(table, (uint32_t)(line - table->lines))];
        empty = clkv_table_places(line, 0);
    }
    const int place = __builtin_ctz(empty);
    line->tags[place] = clkv_table_tag(hash);
    line->ids[place] = id;
}

static void remove_now(clkv_table *table, uint64_t hash, uint32_t id)
{
    const uint8_t tag = clkv_table_tag(hash);
    for (uint32_t at = clkv_table_home(table, hash);; at = clkv_table_next(table, at)) {
        clkv_table_line *line = &table->lines[at];
        for (uint32_t places = clkv_table_places(line, tag); places; places &= places - 1) {
            const int place = __builtin_ctz(places);
            if (line->ids[place] != id) continue;
            line->tags[place] = 0;
            return;
        }
        line->passed--;
    }
}

static void settle_one(clkv_table *table)
{
    const clkv_table_change *change = &table->waiting[table->first++ % CLKV_TABLE_WAITING];
    if (change->insert)
        insert_now(table, change->hash, change->id);
    else
        remove_now(table, change->hash, change->id);
}

static void put_off(clkv_table *table, clkv_table_change change)
{
    __builtin_prefetch(&table->lines[clkv_table_home(table, change.hash)], 1);
    if (table->last - table->first == CLKV_TABLE_WAITING) settle_one(table);
    table->waiting[table->last++ % CLKV_TABLE_WAITING] = change;
}

void clkv_table_insert(clkv_table *table, uint64_t hash, uint32_t id)
{
    put_off(table, (clkv_table_change){hash, id, 1});
    table->used++;
}

void clkv_table_remove(clkv_table *table, uint64_t hash, uint32_t id)
{
    put_off(table, (clkv_table_change){hash, id, 0});
    table->used--;
}

void clkv_table_settle(clkv_table *table)
{
    while (table->first != table->last) settle_one(table);
}
