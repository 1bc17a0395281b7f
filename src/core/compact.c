/* compact.c: plans and makes the moves of a compaction; see compact.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/compact.h"

#include "core/batch.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/pool.h"
#include "core/prefix.h"

typedef struct slab_room {
    uint32_t slab, first, blocks, taken;
    uint32_t given; /* free blocks that moves of the plan will take */
    int source;
} slab_room;

typedef struct planner {
    clkv_manager *m;
    uint8_t *fixed; /* a bit per block that must not move */
    slab_room slabs[CLKV_POOL_SLABS]; /* the open ones, those with the fewest blocks first */
    uint32_t n;
} planner;

static size_t fixed_bytes(const clkv_manager *m)
{
    return m->blocks / 8 + 1;
}

static void fix(planner *p, uint32_t block)
{
    p->fixed[block >> 3] |= (uint8_t)(1u << (block & 7));
}

static void fix_reserved(planner *p)
{
    for (const clkv_batch *batch = p->m->batches; batch; batch = batch->next) {
        if (!batch->reserved) continue;
        for (uint32_t i = 0; i < batch->n_fresh; i++) fix(p, batch->fresh[i]);
        for (uint32_t i = 0; i < batch->n_entries; i++) {
            const clkv_sequence *seq = batch->entries[i].sequence;
            if (batch->parts[i].copied_from != CLKV_NO_BLOCK) fix(p, batch->parts[i].copied_from);
            for (uint32_t b = seq->first_block; b < seq->n_blocks; b++) fix(p, seq->table[b]);
        }
    }
}

static void list_slabs(planner *p)
{
    for (uint32_t s = 0; s < CLKV_POOL_SLABS; s++) {
        clkv_slab_counts c = CLKV_PARAMS_INIT(clkv_slab_counts);
        const clkv_slab_id id = clkv_pool_slab_at(p->m->pool, s);
        if (!id || clkv_pool_get_slab(p->m->pool, id, &c) != CLKV_OK) continue;
        uint32_t at = p->n++;
        for (; at > 0 && p->slabs[at - 1].taken >= c.taken; at--) p->slabs[at] = p->slabs[at - 1];
        p->slabs[at] = (slab_room){.slab = s, .first = c.first_block, .blocks = c.blocks, .taken = c.taken};
    }
}

static int is_taken(const clkv_manager *m, uint32_t block)
{
    return clkv_pool_refs(m->pool, block) || clkv_blocks_is_registered(m, block);
}

static int may_move(const planner *p, const slab_room *slab)
{
    for (uint32_t b = slab->first; b < slab->first + slab->blocks; b++)
        if (p->fixed[b >> 3] >> (b & 7) & 1) return 0;
    return 1;
}

/* Chooses the slabs to empty, those with the fewest blocks first. Returns the number of moves. */
static uint32_t choose_sources(planner *p, uint32_t slabs, uint32_t max_moves)
{
    uint64_t room = 0; /* free blocks of slabs that are no sources */
    uint32_t moves = 0, filled = 0;
    for (uint32_t i = 0; i < p->n; i++) filled += p->slabs[i].taken > 0;
    for (uint32_t i = 0; i < p->n; i++) room += p->slabs[i].blocks - p->slabs[i].taken;
    for (uint32_t i = 0; i < p->n && filled > slabs; i++) {
        slab_room *s = &p->slabs[i];
        const uint32_t own = s->blocks - s->taken;
        if ((uint64_t)moves + s->taken > room - own || moves + s->taken > max_moves) continue;
        if (s->taken == 0 || !may_move(p, s)) continue;
        s->source = 1;
        filled--;
        room -= own;
        moves += s->taken;
    }
    return moves;
}

/* The next free block of the fullest slab that has one left. choose_sources has made sure that there is one. */
static uint32_t next_target(planner *p)
{
    for (uint32_t i = p->n; i-- > 0;) {
        slab_room *s = &p->slabs[i];
        if (s->source || s->taken + s->given == s->blocks) continue;
        return clkv_pool_next_free(p->m->pool, s->slab, s->given++);
    }
    return CLKV_NO_BLOCK;
}

static void list_moves(planner *p, clkv_compaction *out)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const slab_room *s = &p->slabs[i];
        if (!s->source) continue;
        for (uint32_t b = s->first; b < s->first + s->blocks; b++) {
            if (!is_taken(p->m, b)) continue;
            const uint32_t to = next_target(p);
            out->moves[out->n++] = (clkv_block_copy){b, to};
            out->moved[b] = to + 1;
        }
    }
}

clkv_status clkv_compact_plan(clkv_manager *m, uint32_t slabs, uint32_t max_moves, clkv_compaction *out)
{
    *out = (clkv_compaction){.blocks = m->blocks};
    planner p = {.m = m, .fixed = clkv_map(fixed_bytes(m))};
    clkv_status status = p.fixed ? CLKV_OK : CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a plan of %u blocks", m->blocks);
    if (status == CLKV_OK) {
        fix_reserved(&p);
        list_slabs(&p);
        out->room = choose_sources(&p, slabs, max_moves);
        out->moves = out->room ? clkv_alloc(out->room * sizeof *out->moves) : NULL;
        out->moved = out->room ? clkv_map(m->blocks * sizeof *out->moved) : NULL;
        if (out->room && (!out->moves || !out->moved))
            status = CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a plan of %u moves", out->room);
    }
    if (status == CLKV_OK) {
        list_moves(&p, out);
    } else {
        clkv_compact_free(out);
    }
    clkv_unmap(p.fixed, fixed_bytes(m));
    return status;
}

void clkv_compact_free(clkv_compaction *c)
{
    clkv_free(c->moves, c->room * sizeof *c->moves);
    clkv_unmap(c->moved, c->blocks * sizeof *c->moved);
    *c = (clkv_compaction){0};
}

static void patch_tables(clkv_manager *m, const clkv_compaction *c)
{
    for (clkv_sequence *seq = m->oldest; seq; seq = seq->younger) {
        for (uint32_t i = seq->n_blocks; i-- > seq->first_block;) {
            const uint32_t moved = c->moved[seq->table[i]];
            if (!moved) continue;
            seq->table[i] = moved - 1;
            clkv_sequence_unsync(seq, i);
        }
    }
}

void clkv_compact_apply(clkv_manager *m, const clkv_compaction *c)
{
    if (c->n == 0) return;
    for (uint32_t i = 0; i < c->n; i++) {
        const uint32_t from = c->moves[i].from, to = c->moves[i].to;
        clkv_pool_move(m->pool, from, to / m->growth.hooks.slab_blocks);
        if (clkv_blocks_is_registered(m, from)) clkv_prefix_move(m->prefix, from, to);
        clkv_pins_move(&m->pins, from, to);
        if (clkv_uncleared_is_on(&m->uncleared)) clkv_uncleared_add(&m->uncleared, from);
    }
    patch_tables(m, c);
    m->counters.blocks_moved += c->n;
}
