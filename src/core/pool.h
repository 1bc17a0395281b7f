/* pool.h: what the block manager needs of the pool beyond its public face. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_POOL_H
#define CLKV_CORE_POOL_H

#include <clkv/pool.h>

/* Undoes clkv_pool_allocate of these n blocks, each of which has one reference: back to where they came
 * from, in the order that they had. The last n_evicted of them were cached: they become cached again, to
 * be taken first, with the priority that `priorities` (indexed by block id) says. The counters of
 * allocations and evictions go back too; the peak does not. */
void clkv_pool_undo(clkv_pool *pool, const uint32_t *blocks, uint32_t n, uint32_t n_evicted,
                    const uint8_t *priorities);

#endif
