/* test_blocks.c: append, gather, copy-on-write and copy through the public API against the twins in src/ref,
 * to the bit; slabs small and many, and one beyond 32 bits where memory allows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raw.h"
#include "targets.h"
#include "warm_up.h"

#include "../leftovers.h"

#include <clkv/clkv.h>
#include <clkv/ref.h>

#include <math.h>

enum { LAYERS = 2, KV_HEADS = 3, DIM = 24, DIM_V = 40, TOKENS = 203, MAX_BLOCKS = 72 };

static target targets[MAX_TARGETS];
static size_t n_targets;

/* A cache, and the memory of the twins with the same layout. */
typedef struct twins {
    clkv_device *device;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_ref_layout layout;
    void *slabs[MAX_BLOCKS]; /* one per block: blocks_per_slab is 1 here, wherever the cache puts them */
    uint32_t blocks;
} twins;

static void twins_open(twins *t, clkv_device *device, clkv_type k_type, clkv_type v_type, uint32_t block_size,
                       uint32_t slabs)
{
    memset(t, 0, sizeof *t);
    t->device = device;
    t->blocks = (TOKENS + 40) / block_size + 5;
    ck_assert_uint_le(t->blocks, MAX_BLOCKS);
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = LAYERS;
    params.heads = params.kv_heads = KV_HEADS;
    params.head_dim = DIM;
    params.head_dim_v = DIM_V;
    params.k_type = k_type;
    params.v_type = v_type;
    params.blocks = t->blocks;
    params.block_size = block_size;
    params.shuffle_seed = 11;
    params.prefix = CLKV_PREFIX_OFF;
    params.max_slab_bytes = clkv_cache_block_bytes(&params) * ((t->blocks + slabs - 1) / slabs);
    params.growth = CLKV_GROWTH_AT_ONCE;
    params.compile = CLKV_COMPILE_LATER;
    ck_ok(clkv_cache_create(&t->cache, device, &params));
    warm_up_for(t->cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_COPY | CLKV_OP_GATHER, 0,
                type_bit(0) | type_bit(1));
    ck_ok(clkv_cache_fill(t->cache, 0xff));
    t->manager = clkv_cache_manager(t->cache);
    t->layout = (clkv_ref_layout){.kv_heads = KV_HEADS,
                                  .head_dim = DIM,
                                  .head_dim_v = DIM_V,
                                  .block_size = block_size,
                                  .k_type = k_type,
                                  .v_type = v_type,
                                  .blocks_per_slab = 1,
                                  .layers = LAYERS};
    for (uint32_t i = 0; i < t->blocks; i++) {
        t->slabs[i] = malloc(clkv_ref_slab_bytes(&t->layout));
        ck_assert_ptr_nonnull(t->slabs[i]);
        memset(t->slabs[i], 0xff, clkv_ref_slab_bytes(&t->layout));
    }
}

static void twins_close(twins *t)
{
    destroy_leftovers(t->manager);
    clkv_cache_destroy(&t->cache);
    for (uint32_t i = 0; i < t->blocks; i++) free(t->slabs[i]);
}

static cl_mem make_buffer(const twins *t, const void *data, size_t bytes)
{
    cl_int err;
    cl_mem mem =
        clCreateBuffer(clkv_device_context(t->device), data ? CL_MEM_COPY_HOST_PTR : 0, bytes, (void *)data, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

static void fill(float *x, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)(rng_next(state) >> 40) / 8388608.0f - 1.0f;
    /* what rounding to half can get wrong: ties, the subnormal, the too large, zero with a sign */
    const float odd[] = {1.00048828125f, 1.00146484375f, 5.9604645e-8f, 2.98e-8f,
                         -6.1e-5f,       65519.9f,       65520.0f,      -0.0f};
    for (size_t i = 0; i < 8 && i * 5 < n; i++) x[i * 5] = odd[i];
}

/* The batch's tokens into one layer, in the cache and in the twins. */
static void append(twins *t, clkv_batch *batch, uint32_t layer, uint64_t *state)
{
    const uint32_t n = clkv_batch_tokens(batch);
    static float k[TOKENS * KV_HEADS * DIM], v[TOKENS * KV_HEADS * DIM_V];
    const uint32_t *slots;
    uint32_t n_slots;
    fill(k, (size_t)n * KV_HEADS * DIM, state);
    fill(v, (size_t)n * KV_HEADS * DIM_V, state);
    clkv_append_params params = CLKV_PARAMS_INIT(clkv_append_params);
    params.layer = layer;
    params.k.mem = make_buffer(t, k, sizeof(float) * n * KV_HEADS * DIM);
    params.v.mem = make_buffer(t, v, sizeof(float) * n * KV_HEADS * DIM_V);
    ck_ok(clkv_append(t->cache, batch, &params, 0, NULL, NULL));
    clkv_batch_get_slots(batch, 0, &slots, &n_slots);
    ck_assert_uint_eq(n_slots, n);
    ck_ok(clkv_ref_append(&t->layout, t->slabs, layer, k, v, slots, n));
    clReleaseMemObject(params.k.mem);
    clReleaseMemObject(params.v.mem);
}

/* n new tokens of a sequence: reserve, upload, the copies that it asks for in the twins too, append, commit. */
static void grow(twins *t, clkv_sequence *sequence, uint32_t n, uint64_t *state)
{
    clkv_batch *batch;
    const clkv_block_copy *copies;
    uint32_t n_copies;
    ck_ok(clkv_batch_create(&batch, t->manager));
    ck_ok(clkv_batch_add(batch, sequence, NULL, n, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_batch_get_copies(batch, 0, &copies, &n_copies);
    for (uint32_t i = 0; i < n_copies; i++)
        ck_ok(clkv_ref_copy(&t->layout, t->slabs, copies[i].from, copies[i].to));
    ck_ok(clkv_cache_upload(t->cache, batch, NULL, 0, NULL, NULL));
    for (uint32_t layer = 0; layer < LAYERS; layer++) append(t, batch, layer, state);
    ck_ok(clkv_batch_commit(batch));
    clkv_batch_destroy(&batch);
}

static clkv_sequence *new_sequence(twins *t)
{
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    clkv_sequence *sequence;
    params.prefix = CLKV_PREFIX_OFF;
    ck_ok(clkv_sequence_create(&sequence, t->manager, &params, NULL));
    return sequence;
}

/* Both layers of positions [first, first + n) are in the cache what they are in the twins, to the bit. */
static void check_gather(twins *t, const clkv_sequence *sequence, uint32_t first, uint32_t n, clkv_type type)
{
    static float k[2][TOKENS * KV_HEADS * DIM], v[2][TOKENS * KV_HEADS * DIM_V];
    const size_t each = type == CLKV_F16 ? 2 : 4, nk = (size_t)n * KV_HEADS * DIM,
                 nv = (size_t)n * KV_HEADS * DIM_V;
    cl_command_queue queue = clkv_device_queue(t->device);
    const uint32_t *table;
    size_t n_table;
    clkv_sequence_get_table(sequence, 0, &table, &n_table);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        clkv_gather_params params = CLKV_PARAMS_INIT(clkv_gather_params);
        params.layer = layer;
        params.first = first;
        params.count = n;
        params.k.type = params.v.type = type;
        params.k.mem = make_buffer(t, NULL, nk * each);
        params.v.mem = make_buffer(t, NULL, nv * each);
        ck_ok(clkv_gather(t->cache, sequence, &params, 0, NULL, NULL));
        ck_assert_int_eq(clEnqueueReadBuffer(queue, params.k.mem, CL_TRUE, 0, nk * each, k[0], 0, NULL, NULL),
                         CL_SUCCESS);
        ck_assert_int_eq(clEnqueueReadBuffer(queue, params.v.mem, CL_TRUE, 0, nv * each, v[0], 0, NULL, NULL),
                         CL_SUCCESS);
        ck_ok(clkv_ref_gather(&t->layout, t->slabs, layer, table, first, n, k[1], v[1]));
        if (type == CLKV_F16) { /* in place: the narrow element never lies behind the wide one it comes from */
            for (size_t i = 0; i < nk; i++) ((uint16_t *)k[1])[i] = clkv_ref_half(k[1][i]);
            for (size_t i = 0; i < nv; i++) ((uint16_t *)v[1])[i] = clkv_ref_half(v[1][i]);
        }
        ck_assert_mem_eq(k[0], k[1], nk * each);
        ck_assert_mem_eq(v[0], v[1], nv * each);
        clReleaseMemObject(params.k.mem);
        clReleaseMemObject(params.v.mem);
    }
}

START_TEST(append_and_gather)
{
    static const uint32_t sizes[] = {4, 16, 64, 256};
    const uint32_t size = sizes[_i / 2 % 4];
    const clkv_type type = _i % 2 ? CLKV_F16 : CLKV_F32, other = _i / 2 % 2 ? CLKV_F16 : CLKV_F32;
    uint64_t state = 77;
    twins t;
    twins_open(&t, targets[(size_t)_i / 8].device, type, other, size, 1 + (uint32_t)_i % 3);
    clkv_sequence *a = new_sequence(&t);
    grow(&t, a, 150, &state);
    grow(&t, a, 1, &state);
    grow(&t, a, TOKENS - 151, &state);
    check_gather(&t, a, 0, TOKENS, CLKV_F32);
    check_gather(&t, a, 37, 99, CLKV_F32);
    check_gather(&t, a, TOKENS - 1, 1, CLKV_F16);
    twins_close(&t);
}
END_TEST

START_TEST(forks_are_copied_on_write)
{
    uint64_t state = 78;
    twins t;
    twins_open(&t, targets[_i].device, CLKV_F16, CLKV_F16, 16, 4);
    clkv_sequence *a = new_sequence(&t), *b, *c;
    grow(&t, a, 39, &state);
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_ok(clkv_sequence_fork(&c, a, 0));
    grow(&t, b, 3, &state); /* into the shared partial block */
    grow(&t, a, 2, &state);
    grow(&t, c, 20, &state);
    check_gather(&t, a, 0, 41, CLKV_F32);
    check_gather(&t, b, 0, 42, CLKV_F32);
    check_gather(&t, c, 0, 59, CLKV_F32);
    twins_close(&t);
}
END_TEST

START_TEST(blocks_are_copied)
{
    uint64_t state = 79;
    twins t;
    twins_open(&t, targets[_i].device, CLKV_F32, CLKV_F16, 16, 4);
    clkv_sequence *a = new_sequence(&t);
    const uint32_t *table;
    size_t n;
    grow(&t, a, 100, &state);
    clkv_sequence_get_table(a, 0, &table, &n);
    ck_assert_uint_eq(n, 7);
    const clkv_block_copy copies[] = {{table[0], table[4]}, {table[1], table[5]}, {table[0], table[2]}};
    ck_ok(clkv_copy_blocks(t.cache, 0, copies, 3, 0, NULL, NULL));
    for (int i = 0; i < 3; i++) ck_ok(clkv_ref_copy(&t.layout, t.slabs, copies[i].from, copies[i].to));
    check_gather(&t, a, 0, 100, CLKV_F32);
    const clkv_block_copy chain[] = {{0, 1}, {1, 2}};
    ck_assert_int_eq(clkv_copy_blocks(t.cache, 0, chain, 2, 0, NULL, NULL), CLKV_ERROR_INVALID);
    check_gather(&t, a, 0, 100, CLKV_F32); /* nothing was done */
    twins_close(&t);
}
END_TEST

/* A pool of more than 2^32 elements, in as few slabs as the device allows: whatever multiplies in 32 bits writes
 * over the first blocks. Untouched blocks take no memory on CPUs. */
START_TEST(beyond_32_bits)
{
    clkv_device *device = targets[_i].device;
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 1;
    params.heads = params.kv_heads = 64;
    params.head_dim = params.head_dim_v = 256;
    params.block_size = 256;
    const uint64_t block = clkv_cache_block_bytes(&params);
    params.blocks = (uint32_t)((((uint64_t)1 << 33) + block - 1) / block) + 8;
    params.max_context = params.max_batch_tokens = params.blocks * params.block_size;
    params.prefix = CLKV_PREFIX_OFF;
    params.compile = CLKV_COMPILE_LATER;
    clkv_cache *cache;
    const clkv_status st = clkv_cache_create(&cache, device, &params);
    if (st == CLKV_ERROR_DEVICE_MEMORY || st == CLKV_ERROR_NO_MEMORY) {
        printf("not tried on %s: %s\n", targets[_i].name, clkv_last_error()->message);
        return;
    }
    ck_ok(st);
    warm_up_for(cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_GATHER, 0, 0);
    twins t = {.device = device, .cache = cache, .manager = clkv_cache_manager(cache)};
    const size_t n = 64 * 256;
    float *rows = malloc(2 * n * sizeof(float)), *back = malloc(2 * n * sizeof(float));
    ck_assert(rows && back);
    clkv_sequence *first = new_sequence(&t), *filler = new_sequence(&t), *last = new_sequence(&t);
    clkv_sequence *const users[] = {first, filler, last};
    for (uint32_t i = 0; i < 3; i++) { /* the filler takes all blocks between without writing them */
        clkv_batch *batch;
        ck_ok(clkv_batch_create(&batch, t.manager));
        ck_ok(clkv_batch_add(batch, users[i], NULL, i == 1 ? (params.blocks - 2) * 256 : 1, NULL));
        ck_ok(clkv_batch_reserve(batch));
        if (i != 1) {
            for (size_t j = 0; j < n; j++) rows[i / 2 * n + j] = (float)(j % 1000) + (float)i;
            clkv_append_params append_params = CLKV_PARAMS_INIT(clkv_append_params);
            append_params.k.mem = append_params.v.mem = make_buffer(&t, rows + i / 2 * n, n * sizeof(float));
            ck_ok(clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL));
            ck_ok(clkv_append(cache, batch, &append_params, 0, NULL, NULL));
            clReleaseMemObject(append_params.k.mem);
        }
        ck_ok(clkv_batch_commit(batch));
        clkv_batch_destroy(&batch);
    }
    for (uint32_t i = 0; i < 2; i++) {
        clkv_gather_params gather = CLKV_PARAMS_INIT(clkv_gather_params);
        gather.k.mem = make_buffer(&t, NULL, n * sizeof(float));
        ck_ok(clkv_gather(cache, users[2 * i], &gather, 0, NULL, NULL));
        ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(device), gather.k.mem, CL_TRUE, 0, n * sizeof(float),
                                             back + i * n, 0, NULL, NULL),
                         CL_SUCCESS);
        clReleaseMemObject(gather.k.mem);
    }
    ck_assert_mem_eq(rows, back, 2 * n * sizeof(float));
    free(rows);
    free(back);
    destroy_leftovers(t.manager);
    clkv_cache_destroy(&cache);
}
END_TEST

/* The smallest odd number of units of 16 bytes that a block can have: 48 bytes, of one token. */
START_TEST(every_byte_of_a_small_block)
{
    clkv_device *device = targets[_i].device;
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = params.heads = params.kv_heads = params.block_size = 1;
    params.head_dim = 8;
    params.head_dim_v = 16;
    params.blocks = 8;
    params.clear_freed = 1;
    params.prefix = CLKV_PREFIX_OFF;
    clkv_cache *cache;
    ck_ok(clkv_cache_create(&cache, device, &params));
    unsigned char before[48], after[48];
    ck_ok(clkv_cache_fill(cache, 0x5a));
    for (size_t i = 0; i < sizeof before; i++) before[i] = (unsigned char)(i + 1);
    ck_assert_int_eq(clEnqueueWriteBuffer(clkv_device_queue(device), cache->ops.slabs.mem[0], CL_TRUE,
                                          2 * sizeof before, sizeof before, before, 0, NULL, NULL),
                     CL_SUCCESS);
    const clkv_block_copy copy = {2, 5};
    ck_ok(clkv_copy_blocks(cache, 0, &copy, 1, 0, NULL, NULL));
    ck_assert_uint_eq(raw_block(cache, 5, after, sizeof after), sizeof after);
    ck_assert_mem_eq(before, after, sizeof after);

    clkv_manager *manager = clkv_cache_manager(cache);
    twins t = {.manager = manager};
    clkv_sequence *sequence = new_sequence(&t);
    clkv_batch *batch;
    ck_ok(clkv_batch_create(&batch, manager));
    ck_ok(clkv_batch_add(batch, sequence, NULL, 8, NULL)); /* all blocks */
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    clkv_sequence_destroy(&sequence);
    ck_ok(clkv_cache_clear_freed(cache, 0, NULL, NULL));
    memset(before, 0, sizeof before);
    for (uint32_t block = 0; block < 8; block++) {
        raw_block(cache, block, after, sizeof after);
        ck_assert_mem_eq(before, after, sizeof after);
    }
    clkv_batch_destroy(&batch);
    clkv_cache_destroy(&cache);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    for (size_t i = 0; i < n_targets; i++) printf("on %s\n", targets[i].name);
    const char *size = getenv("CLKV_TEST_GRID");
    const int tiny = size && !strcmp(size, "tiny"), n = (int)n_targets;
    Suite *suite = suite_create("blocks");
    TCase *tcase = tcase_create("blocks");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, append_and_gather, tiny ? 8 * n - 1 : 0, 8 * n);
    tcase_add_loop_test(tcase, forks_are_copied_on_write, 0, n);
    tcase_add_loop_test(tcase, blocks_are_copied, 0, n);
    tcase_add_loop_test(tcase, every_byte_of_a_small_block, 0, n);
    if (!size || !strcmp(size, "full")) tcase_add_loop_test(tcase, beyond_32_bits, 0, n);
    suite_add_tcase(suite, tcase);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
