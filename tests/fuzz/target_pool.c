/* target_pool.c: the block pool driven by bytes, against a model that knows every block's state and the exact order
 * in which blocks are handed out: the most recently freed, then the never used, then cached ones, by priority and
 * age.
 *
 *   [blocks][watermark][shuffle]{ [operation][block or number][more] }…
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <clkv/pool.h>

enum { BLOCKS = 24 };

typedef struct block {
    uint32_t refs, priority;
    int retained, cached;
    uint64_t cached_at; /* the order on its list */
} block;

static struct world {
    clkv_pool *pool;
    uint32_t n, watermark;
    block blocks[BLOCKS];
    uint32_t freed[BLOCKS], n_freed; /* a stack */
    uint32_t never_used;             /* so many blocks were never handed out */
    uint8_t touched[BLOCKS];
    uint64_t clock;
    uint32_t evicted[BLOCKS], n_evicted; /* by the callback, in the last call */
    int in_order;
} w;

static void on_evict(void *user, uint32_t id)
{
    (void)user;
    FUZZ_CHECK(id < w.n && w.n_evicted < BLOCKS);
    w.evicted[w.n_evicted++] = id;
}

static int is_free(uint32_t id)
{
    return !w.blocks[id].refs && !w.blocks[id].cached;
}

static uint32_t oldest_cached(void)
{
    uint32_t found = BLOCKS;
    for (uint32_t id = 0; id < w.n; id++) {
        const block *b = &w.blocks[id], *f = &w.blocks[found % BLOCKS];
        if (!b->cached) continue;
        if (found == BLOCKS || b->priority < f->priority ||
            (b->priority == f->priority && b->cached_at < f->cached_at))
            found = id;
    }
    FUZZ_CHECK(found < BLOCKS);
    return found;
}

static void set_free(uint32_t id)
{
    w.blocks[id] = (block){0};
    w.freed[w.n_freed++] = id;
}

static void set_cached(uint32_t id)
{
    w.blocks[id].cached = 1;
    w.blocks[id].cached_at = ++w.clock;
}

/* How many blocks of the model are in each state. */
static void count(uint32_t *used, uint32_t *cached)
{
    *used = *cached = 0;
    for (uint32_t id = 0; id < w.n; id++) {
        *used += w.blocks[id].refs > 0;
        *cached += (uint32_t)w.blocks[id].cached;
    }
}

static void allocate(uint32_t n)
{
    uint32_t out[BLOCKS + 8], used, cached;
    count(&used, &cached);
    const uint32_t left = w.n - used, available = left > w.watermark ? left - w.watermark : 0;
    FUZZ_CHECK(clkv_pool_available(w.pool) == available);
    const clkv_status status = clkv_pool_allocate(w.pool, n, out);
    FUZZ_CHECK(status == (n > available ? CLKV_ERROR_NO_BLOCKS : CLKV_OK));
    if (status) FUZZ_CHECK(!w.n_evicted);
    uint32_t evictions = 0;
    for (uint32_t i = 0; !status && i < n; i++) {
        const uint32_t id = out[i];
        FUZZ_CHECK(id < w.n);
        if (w.n_freed) {
            FUZZ_CHECK(id == w.freed[--w.n_freed]);
        } else if (w.never_used) {
            FUZZ_CHECK(!w.touched[id] && (!w.in_order || id == w.n - w.never_used));
            w.never_used--;
        } else {
            FUZZ_CHECK(id == oldest_cached() && evictions < w.n_evicted && w.evicted[evictions] == id);
            evictions++;
        }
        w.touched[id] = 1;
        w.blocks[id] = (block){.refs = 1};
    }
    FUZZ_CHECK(evictions == w.n_evicted);
}

static void acquire(uint32_t id)
{
    const clkv_status status = clkv_pool_acquire(w.pool, id);
    FUZZ_CHECK(status == (id >= w.n ? CLKV_ERROR_INVALID : is_free(id) ? CLKV_ERROR_STATE : CLKV_OK));
    if (status) return;
    w.blocks[id].refs++;
    w.blocks[id].cached = 0;
}

static void release(uint32_t id)
{
    const clkv_status status = clkv_pool_release(w.pool, id);
    FUZZ_CHECK(status == (id >= w.n ? CLKV_ERROR_INVALID : !w.blocks[id].refs ? CLKV_ERROR_STATE : CLKV_OK));
    if (status || --w.blocks[id].refs) return;
    if (w.blocks[id].retained)
        set_cached(id);
    else
        set_free(id);
}

static void retain(uint32_t id, int retained)
{
    const clkv_status status = clkv_pool_retain(w.pool, id, retained);
    FUZZ_CHECK(status == (id >= w.n ? CLKV_ERROR_INVALID : is_free(id) ? CLKV_ERROR_STATE : CLKV_OK));
    if (status) return;
    w.blocks[id].retained = retained;
    if (w.blocks[id].cached && !retained) set_free(id);
}

static void set_priority(uint32_t id, uint32_t priority)
{
    const clkv_status status = clkv_pool_set_priority(w.pool, id, priority);
    FUZZ_CHECK(status == (id >= w.n                          ? CLKV_ERROR_INVALID
                          : is_free(id)                      ? CLKV_ERROR_STATE
                          : priority >= CLKV_POOL_PRIORITIES ? CLKV_ERROR_INVALID
                                                             : CLKV_OK));
    if (status) return;
    w.blocks[id].priority = priority;
    if (w.blocks[id].cached) set_cached(id);
}

static void force_free(uint32_t id)
{
    const clkv_status status = clkv_pool_force_free(w.pool, id);
    FUZZ_CHECK(status == (id >= w.n ? CLKV_ERROR_INVALID : is_free(id) ? CLKV_ERROR_STATE : CLKV_OK));
    if (status) return;
    FUZZ_CHECK(w.n_evicted == (w.blocks[id].retained ? 1u : 0u) && (!w.n_evicted || w.evicted[0] == id));
    set_free(id);
}

static void check(void)
{
    const char *broken = clkv_pool_validate(w.pool);
    if (broken) fuzz_broken("clkv_pool_validate", 0, broken);
    uint32_t used, cached;
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    count(&used, &cached);
    clkv_pool_get_counts(w.pool, &counts);
    FUZZ_CHECK(counts.total == w.n && counts.used == used && counts.cached == cached);
    FUZZ_CHECK(counts.free == w.n - used - cached && counts.peak_used >= used);
    for (uint32_t id = 0; id < w.n; id++) FUZZ_CHECK(clkv_pool_refs(w.pool, id) == w.blocks[id].refs);
    FUZZ_CHECK(!clkv_pool_refs(w.pool, w.n) && !clkv_pool_refs(w.pool, UINT32_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    memset(&w, 0, sizeof w);
    w.n = w.never_used = 1 + fuzz_below(&in, BLOCKS);
    w.watermark = fuzz_below(&in, 8) == 7 ? fuzz_byte(&in) : 0;
    const clkv_pool_params params = {.size = sizeof params,
                                     .blocks = w.n,
                                     .watermark = w.watermark,
                                     .evict = on_evict,
                                     .shuffle_seed = fuzz_byte(&in) & 1};
    w.in_order = !params.shuffle_seed;
    FUZZ_CHECK(!clkv_pool_create(&w.pool, &params));
    while (in.left) {
        const uint32_t operation = fuzz_below(&in, 10), id = fuzz_byte(&in);
        w.n_evicted = 0;
        switch (operation) {
        case 0:
        case 1: allocate(id % (BLOCKS + 4)); break;
        case 2: acquire(id % (w.n + 1)); break;
        case 3:
        case 4:
        case 5: release(id == 255 ? UINT32_MAX : id % (w.n + 1)); break;
        case 6:
        case 7: retain(id % (w.n + 1), fuzz_byte(&in) & 1); break;
        case 8: set_priority(id % (w.n + 1), fuzz_byte(&in) % 9); break;
        default: force_free(id % (w.n + 1)); break;
        }
        check();
    }
    clkv_pool_destroy(&w.pool);
    return 0;
}
