/* uncleared.h: the list of blocks that still hold data of an earlier holder, and must be cleared before they are
 * written again.
 *
 *   list  [ 7 | 31 | 8 | … ]  n blocks, each once
 *   bits  one per block: the block is on the list
 *
 * A zeroed struct is switched off: no block is ever on its list. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_UNCLEARED_H
#define CLKV_CORE_UNCLEARED_H

#include <clkv/status.h>

typedef struct clkv_uncleared {
    uint32_t *list;
    uint8_t *bits;
    uint32_t n, blocks;
} clkv_uncleared;

/* NO_MEMORY; *u is all zero then. */
clkv_status clkv_uncleared_init(clkv_uncleared *u, uint32_t blocks);
void clkv_uncleared_free(clkv_uncleared *u);

static inline int clkv_uncleared_is_on(const clkv_uncleared *u)
{
    return u->list != NULL;
}

static inline int clkv_uncleared_has(const clkv_uncleared *u, uint32_t block)
{
    return u->bits[block >> 3] >> (block & 7) & 1;
}

/* Adds a block, unless it is on the list already. Only for a struct that is switched on. */
void clkv_uncleared_add(clkv_uncleared *u, uint32_t block);

/* Removes the last n blocks of the list. */
void clkv_uncleared_drop_last(clkv_uncleared *u, uint32_t n);

/* Address space of its tables. */
size_t clkv_uncleared_bytes(const clkv_uncleared *u);

const char *clkv_uncleared_validate(const clkv_uncleared *u);

#endif
