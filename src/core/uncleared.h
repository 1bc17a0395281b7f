/* uncleared.h: the blocks that still hold what a former holder wrote, and must be cleared before anybody else
 * writes into them.
 *
 *   list  [ 7 | 31 | 8 | … ]  n of them, each once
 *   bits  one per block: it is on the list
 *
 * All zero, it is switched off: nothing is ever on it. SPDX-License-Identifier: Apache-2.0 */
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

/* Nothing happens when it is on the list already. Switched on only. */
void clkv_uncleared_add(clkv_uncleared *u, uint32_t block);

/* The last n of the list have been dealt with. */
void clkv_uncleared_drop_last(clkv_uncleared *u, uint32_t n);

/* Address space of its tables. */
size_t clkv_uncleared_bytes(const clkv_uncleared *u);

const char *clkv_uncleared_validate(const clkv_uncleared *u);

#endif
