/* compact.h: compaction: moves the blocks of the emptiest slabs to free blocks of other slabs, so that whole slabs become
 * empty.
 *
 *   [ a . b . ][ c d . e ][ . f . . ]      plan: f ─▶ slab 1, a b ─▶ nowhere, since they do not fit
 *   [ a . b . ][ c d f e ][ . . . . ]      after: slab 2 is empty
 *
 * The device copies the content in between. Blocks of reserved batches, and of the sequences in them, do not move: what
 * was sent to the device names them. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_COMPACT_H
#define CLKV_CORE_COMPACT_H

#include "core/blocks.h"

#include <clkv/batch.h>

typedef struct clkv_compaction {
    clkv_block_copy *moves;
    uint32_t n, room;
    uint32_t *moved; /* [blocks of the manager] 1 + where a block moves, 0 = stays; address space only */
    uint32_t blocks;
} clkv_compaction;

/* Plans at most max_moves moves that empty whole slabs, until at most `slabs` slabs have blocks. *out is all zero after a failure. Call it, and
 * clkv_compact_apply, with the manager locked and without unlocking it in between. NO_MEMORY. */
clkv_status clkv_compact_plan(clkv_manager *m, uint32_t slabs, uint32_t max_moves, clkv_compaction *out);

/* Makes the moves in the pool, the prefix index, the pins and the block tables. The list of blocks to clear, if there is
 * one, is empty before; then it has the blocks that are free now. */
void clkv_compact_apply(clkv_manager *m, const clkv_compaction *compaction);

void clkv_compact_free(clkv_compaction *compaction);

#endif
