/* sequence.c: token histories and their block tables. sequence.h has a drawing and the invariants.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/sequence.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/prefix.h"
#include "core/prefix_index.h"

#include <string.h>

/* ---- the chain: the registered blocks of the sequence ---- */

static void set_node(clkv_sequence *seq, clkv_prefix_node node)
{
    clkv_prefix *prefix = seq->manager->prefix;
    if (!prefix || node == seq->node) return;
    clkv_prefix_ref(prefix, node);
    clkv_prefix_unref(prefix, seq->node);
    seq->node = node;
}

/* Resets the chain to that of an empty sequence. */
static void reset_chain(clkv_sequence *seq)
{
    set_node(seq, seq->root);
    seq->chained = 0;
    seq->broken = seq->no_prefix;
}

/* Shortens the chain for a new, smaller length. The blocks are still in the table. */
static void rewind_chain(clkv_sequence *seq, uint32_t length)
{
    const clkv_manager *m = seq->manager;
    const uint32_t full = length >> m->shift, rest = length & (m->block_size - 1);
    if (seq->no_prefix || full > seq->chained) return;
    if (full == seq->chained) {
        if (rest == 0) seq->broken = 0;
        return;
    }
    const clkv_prefix_node next = clkv_prefix_node_of(m->prefix, seq->table[full]);
    memcpy(seq->tail, clkv_node_tokens(m->prefix, next), rest * sizeof *seq->tail);
    seq->chained = full;
    seq->broken = 0;
    if (full == 0) {
        set_node(seq, seq->root);
    } else if (seq->table[full - 1] != CLKV_NO_BLOCK) {
        set_node(seq, clkv_prefix_node_of(m->prefix, seq->table[full - 1]));
    } else {
        /* A window of one token has released the block whose node is the new end. */
        seq->broken = 1;
    }
}

void clkv_sequence_cut_chain(clkv_sequence *seq, uint32_t blocks)
{
    if (seq->no_prefix) return;
    if (blocks < seq->chained) {
        seq->chained = blocks;
        set_node(seq, clkv_prefix_ancestor(seq->manager->prefix, seq->node, blocks));
    }
    seq->broken = 1;
}

clkv_status clkv_sequence_extend(clkv_sequence *seq, const uint32_t *tokens, uint32_t n)
{
    clkv_manager *m = seq->manager;
    const uint32_t size = m->block_size;
    uint32_t have = seq->length & (size - 1);
    seq->length += n;
    seq->n_blocks = clkv_blocks_for(m, seq->length);
    while (!seq->broken && n > 0) {
        const uint32_t *block_tokens = tokens;
        const uint32_t take = n < size - have ? n : size - have;
        if (take < size) {
            memcpy(seq->tail + have, tokens, take * sizeof *tokens);
            block_tokens = seq->tail;
        }
        tokens += take;
        n -= take;
        have += take;
        if (have < size) break;
        have = 0;
        const uint32_t block = seq->table[seq->chained];
        clkv_prefix_node node;
        const clkv_status status = clkv_prefix_register(m->prefix, seq->node, (uint64_t)seq->chained << m->shift,
                                                        seq->keys, seq->n_keys, block_tokens, block, &node);
        if (status != CLKV_OK) {
            seq->broken = 1;
            return status;
        }
        clkv_pool_retain(m->pool, block, 1);
        set_node(seq, node);
        seq->chained++;
    }
    return CLKV_OK;
}

int clkv_sequence_tail_is_shared(const clkv_sequence *seq)
{
    const clkv_manager *m = seq->manager;
    if ((seq->length & (m->block_size - 1)) == 0) return 0;
    const uint32_t tail = seq->table[seq->n_blocks - 1];
    return clkv_pool_refs(m->pool, tail) > 1 || clkv_blocks_is_registered(m, tail);
}

/* ---- blocks ---- */

clkv_status clkv_sequence_reserve_table(clkv_sequence *seq, size_t n)
{
    void *table = seq->table;
    if (clkv_grow(&table, &seq->table_capacity, n, sizeof *seq->table))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a block table of %zu entries", n);
    seq->table = table;
    return CLKV_OK;
}

/* Releases blocks [keep, n_blocks), the tail first, so that the first blocks of a prefix stay findable longer. */
static void release_from(clkv_sequence *seq, uint32_t keep)
{
    for (uint32_t i = seq->n_blocks; i-- > keep;) {
        if (i < seq->first_block) break;
        clkv_pool_release(seq->manager->pool, seq->table[i]);
    }
    seq->n_blocks = keep;
    if (seq->first_block > keep) seq->first_block = keep;
    clkv_sequence_unsync(seq, keep);
}

void clkv_sequence_release_all(clkv_sequence *seq)
{
    release_from(seq, 0);
    seq->length = 0;
    seq->looked_up = 0;
    reset_chain(seq);
}

void clkv_sequence_slide(clkv_sequence *seq)
{
    const uint32_t window = seq->manager->window;
    if (window == 0 || seq->length < window) return;
    const uint32_t end = (seq->length - window + 1) >> seq->manager->shift;
    if (end <= seq->first_block) return;
    clkv_sequence_unsync(seq, seq->first_block);
    for (; seq->first_block < end; seq->first_block++) {
        clkv_pool_release(seq->manager->pool, seq->table[seq->first_block]);
        seq->table[seq->first_block] = CLKV_NO_BLOCK;
    }
}

/* Counts a lookup of n tokens that has found `found` blocks beyond the sequence's length. A lookup that continues an
 * earlier one is not counted again: tokens that were misses become hits. */
static void count_lookup(clkv_sequence *seq, size_t n, size_t found)
{
    clkv_stats *c = &seq->manager->counters;
    const uint64_t tokens = (uint64_t)found << seq->manager->shift;
    if (!seq->looked_up) {
        c->lookups++;
        c->miss_blocks += n >> seq->manager->shift;
        c->miss_tokens += n;
    }
    seq->looked_up = 1;
    c->hit_blocks += found;
    c->hit_tokens += tokens;
    c->miss_blocks -= c->miss_blocks < found ? c->miss_blocks : found;
    c->miss_tokens -= c->miss_tokens < tokens ? c->miss_tokens : tokens;
}

/* Takes the blocks that the cache holds of a history of n tokens beyond the sequence's length, which is a whole
 * number of blocks. The last token of the history is never taken. */
static clkv_status adopt_prefix(clkv_sequence *seq, const uint32_t *tokens, size_t n)
{
    clkv_manager *m = seq->manager;
    if (seq->broken || !tokens || n <= seq->length) return CLKV_OK;
    clkv_status status = clkv_sequence_reserve_table(seq, (n - 1) >> m->shift);
    if (status != CLKV_OK) return status;
    size_t found = 0;
    clkv_prefix_node node = seq->node;
    uint32_t *out = seq->table ? seq->table + seq->n_blocks : NULL; /* no table: less than a block is missing */
    status = clkv_blocks_match(m, seq->node, seq->length, seq->keys, seq->n_keys, tokens + seq->length,
                               n - 1 - seq->length, out, &found, &node);
    if (status != CLKV_OK) return status;
    for (size_t i = 0; i < found; i++) clkv_pool_acquire(m->pool, out[i]);
    set_node(seq, node);
    seq->chained = seq->n_blocks += (uint32_t)found;
    seq->length += (uint32_t)found << m->shift;
    count_lookup(seq, n, found);
    return CLKV_OK;
}

/* ---- life ---- */

static clkv_status copy_keys(clkv_sequence *seq, const clkv_key *keys, size_t n_keys)
{
    if (n_keys == 0) return CLKV_OK;
    size_t bytes = n_keys * sizeof *keys;
    for (size_t i = 0; i < n_keys; i++) bytes += keys[i].bytes;
    seq->keys = clkv_alloc(bytes);
    if (!seq->keys) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes of keys", bytes);
    seq->n_keys = n_keys;
    seq->keys_bytes = bytes;
    char *data = (char *)(seq->keys + n_keys);
    for (size_t i = 0; i < n_keys; i++) {
        seq->keys[i] = keys[i];
        seq->keys[i].data = memcpy(data, keys[i].data, keys[i].bytes);
        data += keys[i].bytes;
    }
    return CLKV_OK;
}

static size_t sequence_bytes(const clkv_manager *m)
{
    return sizeof(clkv_sequence) + m->block_size * sizeof(uint32_t);
}

/* Makes a sequence without history. It is the youngest of all. */
static clkv_status new_sequence(clkv_manager *m, clkv_sequence **out)
{
    if (m->n_free_rows == 0) return CLKV_FAIL(CLKV_ERROR_LIMIT, "all %u sequences are in use", m->max_sequences);
    clkv_sequence *seq = clkv_alloc(sequence_bytes(m));
    if (!seq) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a sequence");
    seq->manager = m;
    seq->row = m->free_rows[--m->n_free_rows];
    seq->older = m->youngest;
    if (m->youngest) {
        m->youngest->younger = seq;
    } else {
        m->oldest = seq;
    }
    m->youngest = seq;
    m->live++;
    m->references++;
    *out = seq;
    return CLKV_OK;
}

void clkv_sequence_free(clkv_sequence *seq)
{
    clkv_manager *m = seq->manager;
    clkv_sequence_release_all(seq);
    if (m->prefix) {
        clkv_prefix_unref(m->prefix, seq->node);
        clkv_prefix_unref(m->prefix, seq->root);
    }
    if (seq->older) seq->older->younger = seq->younger;
    if (seq->younger) seq->younger->older = seq->older;
    if (m->oldest == seq) m->oldest = seq->younger;
    if (m->youngest == seq) m->youngest = seq->older;
    m->live -= !seq->dead;
    m->references--;
    m->free_rows[m->n_free_rows++] = seq->row;
    clkv_free(seq->keys, seq->keys_bytes);
    clkv_free(seq->table, seq->table_capacity * sizeof *seq->table);
    clkv_free(seq, sequence_bytes(m));
}

static clkv_status create_locked(clkv_manager *m, clkv_sequence **out, const clkv_sequence_params *params)
{
    clkv_sequence *seq = NULL;
    clkv_status status = new_sequence(m, &seq);
    if (status != CLKV_OK) return status;
    seq->user_data = params->user_data;
    seq->no_prefix = seq->broken = params->prefix == CLKV_PREFIX_OFF || !m->prefix;
    if (!seq->no_prefix) {
        clkv_prefix_node root;
        status = clkv_prefix_root(m->prefix, params->keys, params->n_keys, &root);
        if (status != CLKV_OK) goto fail;
        seq->root = root;
        set_node(seq, root);
        status = copy_keys(seq, params->keys, params->n_keys);
        if (status != CLKV_OK) goto fail;
    }
    status = adopt_prefix(seq, params->tokens, params->n_tokens);
    if (status != CLKV_OK) goto fail;
    *out = seq;
    return CLKV_OK;
fail:
    clkv_sequence_free(seq);
    return status;
}

clkv_status clkv_sequence_create(clkv_sequence **out, clkv_manager *m, const clkv_sequence_params *params,
                                 size_t *matched)
{
    if (!m || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", m ? "out" : "manager");
    clkv_sequence_params own;
    clkv_status status = CLKV_PARAMS_READ(own, params);
    if (status == CLKV_OK) status = clkv_prefix_check_use(own.prefix);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (own.n_keys && !own.keys) return CLKV_FAIL(CLKV_ERROR_INVALID, "keys is NULL");
    clkv_sequence *seq = NULL;
    clkv_manager_lock(m);
    status = create_locked(m, &seq, &own);
    clkv_manager_unlock(m);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (matched) *matched = seq->length;
    *out = seq;
    return CLKV_OK;
}

void clkv_sequence_destroy(clkv_sequence **sequence)
{
    if (!sequence || !*sequence) return;
    clkv_sequence *seq = *sequence;
    clkv_manager *m = seq->manager;
    *sequence = NULL;
    clkv_manager_lock(m);
    if (!seq->batch) {
        clkv_sequence_free(seq);
    } else {
        /* The batch frees the sequence when it removes the entry. Blocks that it did not reserve are released now. */
        seq->dead = 1;
        m->live--;
        if (!seq->reserved) clkv_sequence_release_all(seq);
    }
    clkv_manager_unlock_last(m);
}

static clkv_status fork_locked(const clkv_sequence *seq, uint64_t user_data, clkv_sequence **out)
{
    clkv_manager *m = seq->manager;
    clkv_sequence *fork = NULL;
    clkv_status status = new_sequence(m, &fork);
    if (status != CLKV_OK) return status;
    fork->no_prefix = fork->broken = seq->no_prefix;
    status = copy_keys(fork, seq->keys, seq->n_keys);
    if (status == CLKV_OK) status = clkv_sequence_reserve_table(fork, seq->n_blocks);
    if (status != CLKV_OK) {
        clkv_sequence_free(fork);
        return status;
    }
    fork->user_data = user_data;
    fork->length = seq->length;
    fork->n_blocks = seq->n_blocks;
    fork->first_block = seq->first_block;
    if (seq->n_blocks) memcpy(fork->table, seq->table, seq->n_blocks * sizeof *seq->table);
    for (uint32_t i = seq->first_block; i < seq->n_blocks; i++) clkv_pool_acquire(m->pool, seq->table[i]);
    if (m->prefix) clkv_prefix_ref(m->prefix, seq->root);
    fork->root = seq->root;
    set_node(fork, seq->node);
    fork->chained = seq->chained;
    fork->broken = seq->broken;
    memcpy(fork->tail, seq->tail, m->block_size * sizeof *seq->tail);
    *out = fork;
    return CLKV_OK;
}

/* BUSY if the sequence is in a reserved batch. */
static clkv_status check_idle(const clkv_sequence *seq)
{
    return seq->reserved ? CLKV_FAIL(CLKV_ERROR_BUSY, "the sequence is in a reserved batch") : CLKV_OK;
}

static clkv_status fork_sequence(clkv_sequence **out, clkv_sequence *seq, uint64_t user_data, int kept)
{
    if (!seq || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", seq ? "out" : "sequence");
    clkv_manager_lock(seq->manager);
    clkv_status status = check_idle(seq);
    if (status == CLKV_OK) status = fork_locked(seq, user_data, out);
    if (status == CLKV_OK) (*out)->kept = kept;
    clkv_manager_unlock(seq->manager);
    return status;
}

clkv_status clkv_sequence_fork(clkv_sequence **out, clkv_sequence *seq, uint64_t user_data)
{
    return CLKV_PUBLIC(fork_sequence(out, seq, user_data, 0));
}

clkv_status clkv_sequence_fork_kept(clkv_sequence **out, clkv_sequence *seq)
{
    return fork_sequence(out, seq, 0, 1);
}

static clkv_status truncate_locked(clkv_sequence *seq, size_t length)
{
    const clkv_manager *m = seq->manager;
    if (length > seq->length)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "cannot truncate %u tokens to %zu", seq->length, length);
    if (length == seq->length) return CLKV_OK;
    /* The block of the first position that the token at `length` will see must still be in the table. */
    const size_t seen = m->window && length >= m->window ? length - m->window + 1 : 0;
    if (seen >> m->shift < seq->first_block)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "the window has released position %zu, which position %zu sees", seen,
                         length);
    rewind_chain(seq, (uint32_t)length);
    release_from(seq, clkv_blocks_for(m, length));
    seq->length = (uint32_t)length;
    return CLKV_OK;
}

clkv_status clkv_sequence_truncate(clkv_sequence *seq, size_t length)
{
    if (!seq) return CLKV_FAIL(CLKV_ERROR_INVALID, "sequence is NULL");
    clkv_manager_lock(seq->manager);
    clkv_status status = check_idle(seq);
    if (status == CLKV_OK) status = truncate_locked(seq, length);
    clkv_manager_unlock(seq->manager);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_sequence_preempt(clkv_sequence *seq)
{
    if (!seq) return CLKV_FAIL(CLKV_ERROR_INVALID, "sequence is NULL");
    clkv_manager_lock(seq->manager);
    const clkv_status status = check_idle(seq);
    if (status == CLKV_OK) {
        clkv_sequence_release_all(seq);
        seq->manager->counters.preemptions++;
    }
    clkv_manager_unlock(seq->manager);
    return CLKV_PUBLIC(status);
}

static clkv_status resume_locked(clkv_sequence *seq, const uint32_t *tokens, size_t n)
{
    if (seq->batch) return CLKV_FAIL(CLKV_ERROR_BUSY, "the sequence is in an open batch");
    if (seq->length & (seq->manager->block_size - 1))
        return CLKV_FAIL(CLKV_ERROR_STATE, "the sequence has %u tokens: no whole number of blocks of %u", seq->length,
                         seq->manager->block_size);
    return adopt_prefix(seq, tokens, n);
}

clkv_status clkv_sequence_resume(clkv_sequence *seq, const uint32_t *tokens, size_t n_tokens, size_t *matched)
{
    if (!seq || (n_tokens && !tokens))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", seq ? "tokens" : "sequence");
    clkv_manager_lock(seq->manager);
    const clkv_status status = resume_locked(seq, tokens, n_tokens);
    if (status == CLKV_OK && matched) *matched = seq->length;
    clkv_manager_unlock(seq->manager);
    return CLKV_PUBLIC(status);
}

/* ---- queries ---- */

size_t clkv_sequence_length(const clkv_sequence *seq)
{
    return seq ? seq->length : 0;
}

uint64_t clkv_sequence_user_data(const clkv_sequence *seq)
{
    return seq ? seq->user_data : 0;
}

void clkv_sequence_set_user_data(clkv_sequence *seq, uint64_t user_data)
{
    if (seq) seq->user_data = user_data;
}

clkv_status clkv_sequence_locate(const clkv_sequence *seq, uint32_t group, size_t position, uint32_t *block,
                                 uint32_t *offset)
{
    if (!seq || !block || !offset) return CLKV_FAIL(CLKV_ERROR_INVALID, "an argument is NULL");
    const clkv_status status = clkv_blocks_check_group(group);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (position >= seq->length)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "position %zu of a sequence of %u tokens", position, seq->length);
    clkv_manager_lock(seq->manager); /* a compaction on another thread changes tables */
    *block = seq->table[position >> seq->manager->shift];
    clkv_manager_unlock(seq->manager);
    *offset = (uint32_t)(position & (seq->manager->block_size - 1));
    return CLKV_OK;
}

clkv_status clkv_sequence_get_table(const clkv_sequence *seq, uint32_t group, const uint32_t **table,
                                    size_t *n_blocks)
{
    if (!seq) return CLKV_FAIL(CLKV_ERROR_INVALID, "sequence is NULL");
    const clkv_status status = clkv_blocks_check_group(group);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (table) *table = seq->table;
    if (n_blocks) *n_blocks = seq->n_blocks;
    return CLKV_OK;
}

const char *clkv_sequence_validate(const clkv_sequence *seq)
{
    const clkv_manager *m = seq->manager;
    const uint32_t full = seq->length >> m->shift;
    if (seq->n_blocks != clkv_blocks_for(m, seq->length)) return "sequence: wrong number of blocks";
    if (seq->n_blocks > seq->table_capacity) return "sequence: the table is longer than its memory";
    if (seq->first_block > seq->n_blocks) return "sequence: more blocks released than there are";
    if (seq->row >= m->max_sequences) return "sequence: row out of range";
    if (seq->reserved && !seq->batch) return "sequence: reserved, but in no batch";
    if (!seq->reserved && seq->synced > seq->n_blocks) return "sequence: more entries synced than there are";
    for (uint32_t i = 0; i < seq->n_blocks; i++) {
        if ((i < seq->first_block) != (seq->table[i] == CLKV_NO_BLOCK))
            return "sequence: a released block is in the table, or a hole";
        if (i >= seq->first_block && seq->table[i] >= m->blocks) return "sequence: a block that does not exist";
    }
    if (seq->no_prefix) return seq->broken && seq->chained == 0 ? NULL : "sequence: a chain without prefix";
    if (seq->chained > full || (!seq->broken && seq->chained != full))
        return "sequence: the chain has a wrong length";
    for (uint32_t i = seq->first_block; i < seq->chained; i++) {
        if (!clkv_prefix_has(m->prefix, seq->table[i])) return "sequence: a block of the chain is not registered";
        if (clkv_blocks_is_hidden(m, seq->table[i])) return "sequence: a block of the chain is hidden";
    }
    if (seq->chained > seq->first_block &&
        clkv_prefix_node_of(m->prefix, seq->table[seq->chained - 1]) != seq->node)
        return "sequence: the chain does not end at its node";
    if (seq->chained == 0 && seq->node != seq->root) return "sequence: an empty chain does not end at its root";
    return NULL;
}
