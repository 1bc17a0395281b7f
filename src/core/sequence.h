/* sequence.h: a sequence from inside.
 *
 *               first_block          chained       n_blocks
 *   table   [ – | – | 31 | 8 | … | 12 | 5 ][ fresh … ]    capacity
 *             released  └ registered ┘  │    └ while reserved: what a commit will add
 *                                       └ partial tail; its tokens are in `tail`
 *
 * Invariants
 *   1. n_blocks = ceil(length / block_size); entries below first_block are CLKV_NO_BLOCK, the sequence
 *      holds one reference on each other one.
 *   2. The first `chained` blocks are registered, `node` stands for them, and the sequence holds a
 *      reference on it. chained = length / block_size unless `broken`.
 *   3. Not broken: tail holds the tokens [chained · block_size, length).
 *   4. The device's row agrees with the first `synced` entries, synced ≤ n_blocks (+ fresh ones).
 *   5. A sequence belongs to at most one batch; while that is reserved nothing else changes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_SEQUENCE_H
#define CLKV_CORE_SEQUENCE_H

#include "core/blocks.h"

#include <clkv/sequence.h>

struct clkv_sequence {
    clkv_manager *manager;
    clkv_sequence *older, *younger;
    struct clkv_batch *batch; /* the open batch that it is in */
    uint32_t *table;
    size_t table_capacity;
    uint32_t length, n_blocks, first_block;
    uint32_t row, synced;
    uint32_t chained;
    clkv_prefix_node root, node; /* each with a reference of its own */
    int reserved;                /* its batch is */
    int no_prefix;               /* neither looks up nor registers */
    int broken;                  /* registers no more: memory ran out once, or no_prefix */
    int looked_up;               /* its history is counted among the lookups */
    int dead;                    /* destroyed, but its batch still needs it */
    clkv_key *keys;              /* with their bytes behind them, in one allocation */
    size_t n_keys, keys_bytes;
    uint64_t user_data;
    uint32_t tail[]; /* [block_size] */
};

/* Whether the next token goes into a block that must not be written: shared, or findable. */
int clkv_sequence_tail_is_shared(const clkv_sequence *sequence);

/* Room for n table entries. NO_MEMORY. */
clkv_status clkv_sequence_reserve_table(clkv_sequence *sequence, size_t n);

/* Appends n tokens, whose blocks are in the table already, and registers those that became full. NO_MEMORY:
 * the length is right, but the sequence registers no more. */
clkv_status clkv_sequence_extend(clkv_sequence *sequence, const uint32_t *tokens, uint32_t n);

/* No more than the first `blocks` blocks of the sequence are to be findable as its own: the chain ends there, and the
 * sequence registers no more until it is truncated to that length or preempted. */
void clkv_sequence_cut_chain(clkv_sequence *sequence, uint32_t blocks);

/* Gives back what the window has passed. */
void clkv_sequence_slide(clkv_sequence *sequence);

/* The device no longer has entry `index` right, nor those after it. */
static inline void clkv_sequence_unsync(clkv_sequence *sequence, uint32_t index)
{
    if (sequence->synced > index) sequence->synced = index;
}

/* Gives all blocks back, tail first: the sequence is empty. */
void clkv_sequence_release_all(clkv_sequence *sequence);

/* Gives all blocks back, and everything else; also its reference on the manager. */
void clkv_sequence_free(clkv_sequence *sequence);

/* NULL, or a static text naming what is broken in this sequence alone. */
const char *clkv_sequence_validate(const clkv_sequence *sequence);

#endif
