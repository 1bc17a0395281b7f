/* pins.h: the priorities of pinned blocks and their deadlines. The deadlines are in a min-heap; each block's place in
 * the heap is known, so that pinning a block again moves its deadline and leaves no old one behind.
 *
 *   priority[block]   the priority in the pool, 0 = not pinned
 *   place[block]      1 + index in the heap, 0 = no deadline
 *   heap              { deadline, block }, the earliest first
 *
 * Invariants: place[heap[i].block] = i + 1; a block with a place has a priority; a pinned block is registered in the
 * prefix index (code that drops the block there also unpins it here). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PINS_H
#define CLKV_CORE_PINS_H

#include <clkv/pool.h>

typedef struct clkv_pin {
    uint64_t deadline; /* milliseconds of the manager's clock */
    uint32_t block;
} clkv_pin;

typedef struct clkv_pins {
    uint8_t *priority;
    uint32_t *place;
    clkv_pin *heap;
    size_t n, capacity;
    uint32_t blocks;
} clkv_pins;

/* NO_MEMORY; *pins is all zero then. */
clkv_status clkv_pins_init(clkv_pins *pins, uint32_t blocks);
void clkv_pins_free(clkv_pins *pins);

/* Makes room for n more deadlines, so that clkv_pins_set cannot fail. NO_MEMORY. */
clkv_status clkv_pins_reserve(clkv_pins *pins, size_t n);

/* Sets the pin of a block. Priority 0 unpins; deadline UINT64_MAX is for ever. The caller also sets the priority in
 * the pool. */
void clkv_pins_set(clkv_pins *pins, uint32_t block, uint32_t priority, uint64_t deadline);

/* Gives the pin of block `from`, if it has one, to block `to`, which has none. The caller moves the block in the pool. */
void clkv_pins_move(clkv_pins *pins, uint32_t from, uint32_t to);

/* Unpins one block whose deadline is not after `now`. Returns its id, or CLKV_NO_BLOCK when there is none. */
uint32_t clkv_pins_expire(clkv_pins *pins, uint64_t now);

/* Address space of the maps, and the heap. */
size_t clkv_pins_bytes(const clkv_pins *pins);

const char *clkv_pins_validate(const clkv_pins *pins);

#endif
