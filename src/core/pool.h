/* pool.h: functions of the pool for the block manager. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_POOL_H
#define CLKV_CORE_POOL_H

#include <clkv/pool.h>

/* Undoes the clkv_pool_allocate of these n blocks, each of which has one reference: they return to their lists, in
 * the order that they had. The last n_evicted of them were cached. They become cached again and will be taken first
 * among their priority, which is priorities[block]. The counters of allocations and evictions are restored; the peak
 * is not. */
void clkv_pool_undo(clkv_pool *pool, const uint32_t *blocks, uint32_t n, uint32_t n_evicted,
                    const uint8_t *priorities);

#endif
