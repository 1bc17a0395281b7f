/* growth.h: the growth of a pool: memory for blocks that comes when it is needed and goes when it is empty.
 *
 *   reserve ──▶ clkv_growth_make_room ──▶ hooks.open (makes the memory, unlocked) ──▶ the slab's blocks are free
 *   clkv_growth_close_empty ──▶ hooks.close (gives the memory back)
 *
 * Invariants: a slab of the pool is open only while its memory is there; `opening` has a bit for each closed slab for
 * which hooks.open runs; one slab is always open. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_GROWTH_H
#define CLKV_CORE_GROWTH_H

#include "core/blocks.h"

/* The number of blocks that a reservation could take, if every slab that may be opened is opened. */
uint32_t clkv_growth_available(const clkv_manager *m);

/* Whether n blocks can be taken now and none of them is a cached one, or no slab can be opened. */
int clkv_growth_has_room(const clkv_manager *m, uint64_t n);

/* Opens slabs until n blocks can be taken without evicting any, or no more can be opened. It opens none for a request
 * that cannot be met. The manager is locked; the lock is released and taken again while memory is made. Fails as
 * hooks.open does, but not for lack of memory. */
clkv_status clkv_growth_make_room(clkv_manager *m, uint64_t n);

/* Closes empty slabs, the highest first, until at most `spare` empty slabs are open or, with spare = 0, one slab in all.
 * Returns the number of slabs closed: none while blocks are listed for clearing. */
uint32_t clkv_growth_close_empty(clkv_manager *m, uint32_t spare);

/* The same, until at most n slabs are open, empty or not. */
uint32_t clkv_growth_close_down_to(clkv_manager *m, uint32_t n);

#endif
