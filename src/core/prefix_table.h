/* prefix_table.h: the hash table of the prefix index, from 64-bit hashes to node ids. It uses open addressing in lines
 * of one cache line each, so that a look-up, an insertion or a removal waits for memory once.
 *
 *   line   tags[12] | passed | ids[12]        64 bytes
 *
 *   tag      0: the place is empty; else 0x80 | the low 7 bits of the hash
 *   home     the line that the upper 32 bits of the hash scale to
 *   passed   the number of ids that are in a later line because this line was full when they were inserted
 *
 * A look-up starts at home and continues to the next line while `passed` is not 0; there are no tombstones. The table
 * holds ids only: the caller of a look-up compares the content of the nodes. Invariant: each line between an id's home
 * and its place counts the id in `passed`.
 *
 * Insertions and removals wait, in order, in a short ring until their line has been fetched from memory. Call
 * clkv_table_settle before a look-up: it makes the changes that wait. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_TABLE_H
#define CLKV_CORE_PREFIX_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CLKV_TABLE_PLACES 12

typedef struct clkv_table_line {
    uint8_t tags[CLKV_TABLE_PLACES];
    uint32_t passed;
    uint32_t ids[CLKV_TABLE_PLACES];
} clkv_table_line;

#define CLKV_TABLE_WAITING 16 /* a power of two */

typedef struct clkv_table_change {
    uint64_t hash;
    uint32_t id;
    int insert; /* else remove */
} clkv_table_change;

typedef struct clkv_table {
    clkv_table_line *lines;
    uint32_t n_lines;
    uint32_t limit;       /* ids that fit before it should grow */
    uint32_t used;        /* ids in the table, when it is settled */
    uint32_t first, last; /* changes that wait: waiting[first … last), modulo the length of the ring */
    clkv_table_change waiting[CLKV_TABLE_WAITING];
} clkv_table;

/* Makes an empty table for `limit` ids; 0 on success. clkv_table_free frees it, and accepts a zeroed table too. */
int clkv_table_init(clkv_table *table, uint32_t limit);
void clkv_table_free(clkv_table *table);
size_t clkv_table_bytes(const clkv_table *table);

/* The id must not be in the table; used < limit. */
void clkv_table_insert(clkv_table *table, uint64_t hash, uint32_t id);
/* The id must be in the table. */
void clkv_table_remove(clkv_table *table, uint64_t hash, uint32_t id);
/* Makes the changes that wait. Call it before a look-up. */
void clkv_table_settle(clkv_table *table);

static inline uint32_t clkv_table_home(const clkv_table *table, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * table->n_lines >> 32);
}

static inline uint32_t clkv_table_next(const clkv_table *table, uint32_t line)
{
    return line + 1 == table->n_lines ? 0 : line + 1;
}

static inline uint8_t clkv_table_tag(uint64_t hash)
{
    return (uint8_t)(0x80 | (hash & 0x7f));
}

/* Bit i: tags[i] equals `tag` (0 finds the empty places). Compares eight tags at a time in one register:
 * the top bit of each byte that is 0 after the exclusive or, then one multiplication to gather them. */
static inline uint32_t clkv_table_places(const clkv_table_line *line, uint8_t tag)
{
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7fu;
    uint64_t first, last = 0;
    memcpy(&first, line->tags, 8);
    memcpy(&last, line->tags + 8, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    first = __builtin_bswap64(first);
    last = __builtin_bswap64(last);
#endif
    const uint64_t wanted = tag * 0x0101010101010101u;
    first ^= wanted;
    last ^= wanted;
    first = ~(((first & low7) + low7) | first | low7);
    last = ~(((last & low7) + low7) | last | low7);
    const uint64_t gather = 0x0102040810204080u;
    const uint32_t places = (uint32_t)((first >> 7) * gather >> 56) | (uint32_t)((last >> 7) * gather >> 56) << 8;
    return places & ((1u << CLKV_TABLE_PLACES) - 1);
}

#endif
