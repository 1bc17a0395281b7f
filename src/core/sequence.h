/* sequence.h: the internals of a sequence.
 *
 *               first_block          chained       n_blocks
 *   table   [ – | – | 31 | 8 | … | 12 | 5 ][ fresh … ]    capacity
 *             released  └ registered ┘  │    └ while reserved: what a commit will add
 *                                       └ partial tail; its tokens are in `tail`
 *
 * Invariants
 *   1. n_blocks = ceil(length / block_size). Entries below first_block are CLKV_NO_BLOCK. The sequence holds one
 *      reference on the block of each other entry.
 *   2. The first `chained` blocks are registered, `node` is the node of the last of them, and the sequence holds a
 *      reference on that node. chained = length / block_size unless `broken`.
 *   3. Unless `broken`, tail holds the tokens [chained · block_size, length).
 *   4. The first `synced` entries are in the sequence's row on the device; synced ≤ n_blocks (+ fresh blocks).
 *   5. A sequence belongs to at most one batch. While that batch is reserved, nothing else changes the sequence.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_SEQUENCE_H
#define CLKV_CORE_SEQUENCE_H

#include "core/blocks.h"

#include <clkv/sequence.h>

struct clkv_sequence {
    clkv_manager *manager;
    clkv_sequence *older, *younger;
    struct clkv_batch *batch; /* the open batch that the sequence is in */
    uint32_t *table;
    size_t table_capacity;
    uint32_t length, n_blocks, first_block;
    uint32_t row, synced;
    uint32_t chained;
    clkv_prefix_node root, node; /* the sequence holds a reference on each */
    int reserved;                /* its batch is reserved */
    int no_prefix;               /* the sequence neither looks up nor registers blocks */
    int broken;                  /* the sequence registers no more blocks: memory ran out, or no_prefix */
    int looked_up;               /* the history is counted among the lookups */
    int kept;                    /* an entry's: no scheduler gets it to see, so it is never a victim */
    int dead;                    /* the sequence was destroyed, but its batch still needs it */
    clkv_key *keys;              /* the keys and, behind them, their bytes, in one allocation */
    size_t n_keys, keys_bytes;
    uint64_t user_data;
    uint32_t tail[]; /* [block_size] */
};

/* Whether the next token goes into a block that must not be written, because it is shared or findable. */
int clkv_sequence_tail_is_shared(const clkv_sequence *sequence);

/* Makes room for n table entries. NO_MEMORY. */
clkv_status clkv_sequence_reserve_table(clkv_sequence *sequence, size_t n);

/* Appends n tokens, whose blocks are in the table already, and registers the blocks that became full. NO_MEMORY: the
 * length is right, but the sequence registers no more blocks. */
clkv_status clkv_sequence_extend(clkv_sequence *sequence, const uint32_t *tokens, uint32_t n);

/* Ends the chain of registered blocks after the first `blocks` blocks. The sequence registers no more blocks until it
 * is truncated to that length or preempted. */
void clkv_sequence_cut_chain(clkv_sequence *sequence, uint32_t blocks);

/* Releases the blocks that the window has passed. */
void clkv_sequence_slide(clkv_sequence *sequence);

/* Notes that the device does not have the current entries from `index` on. */
static inline void clkv_sequence_unsync(clkv_sequence *sequence, uint32_t index)
{
    if (sequence->synced > index) sequence->synced = index;
}

/* Releases all blocks, the last block first. The sequence is empty then. */
void clkv_sequence_release_all(clkv_sequence *sequence);

/* A fork that is kept by an entry: see `kept`. The errors of clkv_sequence_fork. */
clkv_status clkv_sequence_fork_kept(clkv_sequence **out, clkv_sequence *sequence);

/* Frees the sequence: releases its blocks, its nodes and its reference on the manager. */
void clkv_sequence_free(clkv_sequence *sequence);

/* NULL, or a static text that names the broken invariant of this sequence. */
const char *clkv_sequence_validate(const clkv_sequence *sequence);

#endif
