/* test_ref.c: the plain-C twins: half conversion exhaustively, the layout by round trips, attention in both
 * arithmetics and at its edges. SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <clkv/ref.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

static float uniform(void) /* [-1, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) / 8388608.0f - 1.0f;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = uniform();
}

START_TEST(half_every_value)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const float x = clkv_ref_float((uint16_t)h);
        const uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
        const double sign = h & 0x8000 ? -1 : 1;
        if (exponent == 31 && mantissa) {
            must(isnan(x));
            must(clkv_ref_half(x) == (h | 0x200)); /* quiet, payload kept */
            continue;
        }
        const double expected = exponent == 31  ? sign * INFINITY
                                : exponent == 0 ? sign * ldexp(mantissa, -24)
                                                : sign * ldexp(1024 + mantissa, (int)exponent - 25);
        must(x == expected);
        must(!!signbit(x) == !!(h & 0x8000));
        must(clkv_ref_half(x) == h);
    }
}
END_TEST

/* Between each pair of neighbours: the midpoint goes to the even one, its neighbours to the nearer. */
START_TEST(half_rounding)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float low = clkv_ref_float((uint16_t)h);
        const float high = h == 0x7bff ? 65536.0f : clkv_ref_float((uint16_t)(h + 1));
        const float middle = low + (high - low) / 2; /* exact in binary32 */
        must(clkv_ref_half(middle) == (h & 1 ? h + 1 : h));
        must(clkv_ref_half(nextafterf(middle, 0)) == h);
        must(clkv_ref_half(nextafterf(middle, INFINITY)) == h + 1);
        must(clkv_ref_half(-middle) == ((h & 1 ? h + 1 : h) | 0x8000));
    }
    ck_assert_uint_eq(clkv_ref_half(1e30f), 0x7c00);
    ck_assert_uint_eq(clkv_ref_half(-1e30f), 0xfc00);
    ck_assert_uint_eq(clkv_ref_half(1e-30f), 0);
    ck_assert_uint_eq(clkv_ref_half(-1e-45f), 0x8000);
}
END_TEST

enum { TOKENS = 53, BLOCKS = 64 };

typedef struct world {
    clkv_ref_layout layout;
    void *slabs[4]; /* of 16 blocks */
    uint32_t table[BLOCKS], slots[TOKENS];
} world;

static void world_make(world *w, clkv_type k_type, clkv_type v_type, uint32_t block_size)
{
    w->layout = (clkv_ref_layout){ .kv_heads = 3, .head_dim = 8, .head_dim_v = 16, .block_size = block_size,
                                   .k_type = k_type, .v_type = v_type, .blocks_per_slab = 16, .layers = 2 };
    for (int i = 0; i < 4; i++) {
        w->slabs[i] = malloc(clkv_ref_slab_bytes(&w->layout));
        ck_assert_ptr_nonnull(w->slabs[i]);
        memset(w->slabs[i], 0xff, clkv_ref_slab_bytes(&w->layout));
    }
    for (uint32_t i = 0; i < BLOCKS; i++) w->table[i] = i * 37 % BLOCKS; /* a permutation over all slabs */
    for (uint32_t t = 0; t < TOKENS; t++)
        w->slots[t] = w->table[t / block_size] * block_size + t % block_size;
}

static void world_free(world *w)
{
    for (int i = 0; i < 4; i++) free(w->slabs[i]);
}

static float stored(clkv_type type, float x)
{
    return type == CLKV_F16 ? clkv_ref_float(clkv_ref_half(x)) : x;
}

START_TEST(layout_round_trip)
{
    static const uint32_t sizes[] = { 1, 2, 16, 64 };
    const clkv_type k_type = _i % 2 ? CLKV_F16 : CLKV_F32, v_type = _i / 2 % 2 ? CLKV_F16 : CLKV_F32;
    world w;
    world_make(&w, k_type, v_type, sizes[_i / 4]);
    const size_t nk = TOKENS * 3 * 8, nv = TOKENS * 3 * 16;
    float k[TOKENS * 3 * 8], v[TOKENS * 3 * 16], k_out[TOKENS * 3 * 8], v_out[TOKENS * 3 * 16];
    fill(k, nk);
    fill(v, nv);
    ck_assert_int_eq(clkv_ref_append(&w.layout, w.slabs, 1, k, v, w.slots, TOKENS), CLKV_OK);
    ck_assert_int_eq(clkv_ref_gather(&w.layout, w.slabs, 1, w.table, 0, TOKENS, k_out, v_out), CLKV_OK);
    for (size_t i = 0; i < nk; i++) ck_assert(k_out[i] == stored(k_type, k[i]));
    for (size_t i = 0; i < nv; i++) ck_assert(v_out[i] == stored(v_type, v[i]));

    /* from the middle, one tensor only; the other layer is untouched */
    ck_assert_int_eq(clkv_ref_gather(&w.layout, w.slabs, 1, w.table, 7, 3, NULL, v_out), CLKV_OK);
    for (size_t i = 0; i < 3 * 3 * 16; i++) ck_assert(v_out[i] == stored(v_type, v[7 * 3 * 16 + i]));
    ck_assert_int_eq(clkv_ref_gather(&w.layout, w.slabs, 0, w.table, 0, TOKENS, k_out, NULL), CLKV_OK);
    for (size_t i = 0; i < nk; i++) ck_assert(isnan(k_out[i]));
    world_free(&w);
}
END_TEST

/* The physical layout is a promise to the kernels: spelled out once, independent of the helpers. */
START_TEST(layout_addresses)
{
    world w;
    world_make(&w, CLKV_F32, CLKV_F32, 4);
    float k[24], v[48];
    fill(k, 24);
    fill(v, 48);
    const uint32_t block = 18, at = 3, slot = block * 4 + at;
    ck_assert_int_eq(clkv_ref_append(&w.layout, w.slabs, 1, k, v, &slot, 1), CLKV_OK);
    const float *slab = w.slabs[1]; /* blocks 16 … 31 */
    const size_t tile = (8 + 16) * 4;
    for (size_t h = 0; h < 3; h++) {
        const float *kt = slab + ((2 * 2 + 1) * 3 + h) * tile, *vt = kt + 8 * 4;
        for (size_t d = 0; d < 8; d++) ck_assert(kt[d * 4 + at] == k[h * 8 + d]);
        for (size_t d = 0; d < 16; d++) ck_assert(vt[at * 16 + d] == v[h * 16 + d]);
    }
    world_free(&w);
}
END_TEST

/* A tile is padded to a multiple of 16 bytes, K and V each by its own type. */
START_TEST(layout_of_odd_tiles)
{
    const clkv_ref_layout layout = { .kv_heads = 2, .head_dim = 5, .head_dim_v = 3, .block_size = 3,
                                     .k_type = CLKV_F16, .v_type = CLKV_F32, .blocks_per_slab = 2, .layers = 2 };
    unsigned char slab[2 * 2 * 2 * (32 + 48)]; /* 30 and 36 bytes of elements */
    ck_assert_uint_eq(clkv_ref_block_bytes(&layout), sizeof slab / 2);
    ck_assert_uint_eq(clkv_ref_slab_bytes(&layout), sizeof slab);
    memset(slab, 0xff, sizeof slab);
    void *const slabs[] = { slab };
    float k[10], v[6], last;
    fill(k, 10);
    fill(v, 6);
    const uint32_t slot = 1 * 3 + 2;
    ck_assert_int_eq(clkv_ref_append(&layout, slabs, 1, k, v, &slot, 1), CLKV_OK);
    const size_t head = (((size_t)1 * 2 + 1) * 2 + 1) * (32 + 48); /* block 1, layer 1, KV head 1 */
    const uint16_t half = clkv_ref_half(k[9]);
    ck_assert_mem_eq(slab + head + (4 * 3 + 2) * 2, &half, 2);
    memcpy(&last, slab + head + 32 + (2 * 3 + 2) * 4, 4);
    ck_assert(last == v[5]);
    for (size_t i = 30; i < 32; i++) ck_assert_uint_eq(slab[head + i], 0xff);
    for (size_t i = 32 + 36; i < 32 + 48; i++) ck_assert_uint_eq(slab[head + i], 0xff);
}
END_TEST

START_TEST(copy_all_layers)
{
    world w;
    world_make(&w, CLKV_F16, CLKV_F16, 16);
    float k[16 * 3 * 8], v[16 * 3 * 16], k_out[16 * 3 * 8];
    uint32_t slots[16], from = 5, to = 40; /* in different slabs */
    for (uint32_t t = 0; t < 16; t++) slots[t] = from * 16 + t;
    for (uint32_t layer = 0; layer < 2; layer++) {
        fill(k, 16 * 3 * 8);
        fill(v, 16 * 3 * 16);
        ck_assert_int_eq(clkv_ref_append(&w.layout, w.slabs, layer, k, v, slots, 16), CLKV_OK);
    }
    ck_assert_int_eq(clkv_ref_copy(&w.layout, w.slabs, from, to), CLKV_OK);
    const size_t bytes = clkv_ref_block_bytes(&w.layout);
    ck_assert_uint_eq(bytes, 2 * 3 * (8 + 16) * 16 * 2);
    ck_assert_mem_eq((char *)w.slabs[0] + 5 * bytes, (char *)w.slabs[2] + 8 * bytes, bytes);
    ck_assert_int_eq(clkv_ref_gather(&w.layout, w.slabs, 1, &to, 0, 16, k_out, NULL), CLKV_OK);
    for (size_t i = 0; i < 16 * 3 * 8; i++) ck_assert(k_out[i] == stored(CLKV_F16, k[i]));
    world_free(&w);
}
END_TEST

/* One block of both layers is zero, every byte around it as it was. */
START_TEST(clear_all_layers)
{
    world w;
    world_make(&w, CLKV_F32, CLKV_F16, 16);
    ck_assert_int_eq(clkv_ref_clear(&w.layout, w.slabs, 40), CLKV_OK);
    const size_t bytes = clkv_ref_block_bytes(&w.layout), slab = clkv_ref_slab_bytes(&w.layout);
    for (size_t s = 0; s < 4; s++) {
        for (size_t i = 0; i < slab; i++) {
            const int cleared = s == 2 && i / bytes == 8;
            if (((unsigned char *)w.slabs[s])[i] != (cleared ? 0 : 0xff)) ck_abort_msg("slab %zu, byte %zu", s, i);
        }
    }
    ck_assert_int_eq(clkv_ref_clear(&w.layout, NULL, 0), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_ref_clear(NULL, w.slabs, 0), CLKV_ERROR_INVALID);
    world_free(&w);
}
END_TEST

enum { HEADS = 6, KV_HEADS = 2, DIM = 24, DIM_V = 8, KEYS = 300 };

static float q[KEYS * HEADS * DIM], k[KEYS * KV_HEADS * DIM], v[KEYS * KV_HEADS * DIM_V];
static float o[KEYS * HEADS * DIM_V], o2[KEYS * HEADS * DIM_V], lse[KEYS * HEADS], lse2[KEYS * HEADS];

static clkv_ref_attention_params make_case(uint32_t q_len, uint32_t kv_len)
{
    fill(q, (size_t)q_len * HEADS * DIM);
    fill(k, (size_t)KEYS * KV_HEADS * DIM);
    fill(v, (size_t)KEYS * KV_HEADS * DIM_V);
    return (clkv_ref_attention_params){ .size = sizeof(clkv_ref_attention_params), .q_len = q_len,
                                        .kv_len = kv_len, .heads = HEADS, .kv_heads = KV_HEADS, .head_dim = DIM,
                                        .head_dim_v = DIM_V, .causal = 1, .q = q, .k = k, .v = v, .o = o,
                                        .lse = lse };
}

START_TEST(attention_float32_against_float64)
{
    static const uint32_t shapes[][2] = { { 1, 1 }, { 1, 300 }, { 7, 300 }, { 64, 64 } };
    clkv_ref_attention_params p = make_case(shapes[_i / 2][0], shapes[_i / 2][1]);
    p.causal = _i % 2;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
    p.use_float32 = 1;
    p.o = o2;
    p.lse = lse2;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
    for (size_t i = 0; i < (size_t)p.q_len * HEADS * DIM_V; i++) ck_assert_float_eq_tol(o[i], o2[i], 1e-6f);
    for (size_t i = 0; i < (size_t)p.q_len * HEADS; i++) ck_assert_float_eq_tol(lse[i], lse2[i], 2e-6f);
}
END_TEST

/* Three keys with values that a person can follow. */
START_TEST(attention_by_hand)
{
    const float q1[1] = { 2 }, k3[3] = { 0, 1, -1 }, v3[6] = { 1, 10, 2, 20, 4, 40 };
    float o1[2], l1;
    clkv_ref_attention_params p = { .size = sizeof p, .q_len = 1, .kv_len = 3, .heads = 1, .kv_heads = 1,
                                    .head_dim = 1, .head_dim_v = 2, .scale = 0.5f, .causal = 1, .q = q1, .k = k3,
                                    .v = v3, .o = o1, .lse = &l1 };
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
    const double a = 1, b = exp(1), c = exp(-1), sum = a + b + c;
    ck_assert_double_eq_tol(o1[0], (a + 2 * b + 4 * c) / sum, 1e-6);
    ck_assert_double_eq_tol(o1[1], 10 * (a + 2 * b + 4 * c) / sum, 1e-5);
    ck_assert_double_eq_tol(l1, log(sum), 1e-6);
}
END_TEST

/* What no query may see is NaN: beyond the context, and after each query's own position. */
START_TEST(attention_reads_only_what_is_visible)
{
    for (int f32 = 0; f32 < 2; f32++) {
        clkv_ref_attention_params p = make_case(4, 50);
        p.use_float32 = f32;
        for (size_t i = 50 * KV_HEADS * DIM; i < KEYS * KV_HEADS * DIM; i++) k[i] = NAN;
        for (size_t i = 50 * KV_HEADS * DIM_V; i < KEYS * KV_HEADS * DIM_V; i++) v[i] = NAN;
        ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
        for (size_t i = 0; i < 4 * HEADS * DIM_V; i++) ck_assert(isfinite(o[i]));

        for (size_t i = 47 * KV_HEADS * DIM; i < 50 * KV_HEADS * DIM; i++) k[i] = NAN;
        memset(o2, 0, sizeof o2);
        p.o = o2;
        p.row_first = 0;
        p.row_count = 1; /* sees keys 0 … 46 */
        ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
        ck_assert_mem_eq(o, o2, HEADS * DIM_V * sizeof(float));
        for (size_t i = HEADS * DIM_V; i < 4 * HEADS * DIM_V; i++) ck_assert(o2[i] == 0); /* not asked for */
    }
}
END_TEST

START_TEST(attention_masked_rows)
{
    for (int f32 = 0; f32 < 2; f32++) {
        clkv_ref_attention_params p = make_case(5, 3); /* queries 0 and 1 are before the first key */
        p.use_float32 = f32;
        ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
        for (size_t i = 0; i < 2 * HEADS; i++) ck_assert(lse[i] == -INFINITY);
        for (size_t i = 0; i < 2 * HEADS * DIM_V; i++) ck_assert(o[i] == 0);
        for (size_t h = 0; h < HEADS; h++) /* query 2 sees key 0 only: exactly its V */
            ck_assert_mem_eq(o + (2 * HEADS + h) * DIM_V, v + h / 3 * DIM_V, DIM_V * sizeof(float));
    }
    clkv_ref_attention_params none = make_case(2, 0);
    none.k = none.v = NULL;
    none.causal = 0;
    ck_assert_int_eq(clkv_ref_attention(&none), CLKV_OK);
    ck_assert(lse[0] == -INFINITY && o[0] == 0);
}
END_TEST

START_TEST(attention_extreme_scores)
{
    clkv_ref_attention_params p = make_case(1, 2);
    p.scale = 1;
    memset(q, 0, sizeof q);
    memset(k, 0, sizeof k);
    for (size_t h = 0; h < HEADS; h++) q[h * DIM] = 100;
    for (size_t h = 0; h < KV_HEADS; h++) {
        k[h * DIM] = -463.41f;           /* a score of −46341 */
        k[(KV_HEADS + h) * DIM] = -1e4f; /* and one of −1e6 */
    }
    for (int f32 = 0; f32 < 2; f32++) {
        p.use_float32 = f32;
        ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
        for (size_t h = 0; h < HEADS; h++) {
            ck_assert_mem_eq(o + h * DIM_V, v + h / 3 * DIM_V, DIM_V * sizeof(float));
            ck_assert_float_eq_tol(lse[h], -46341.0f, 0.01f);
        }
    }
}
END_TEST

START_TEST(bad_arguments)
{
    clkv_ref_attention_params p = make_case(2, 4);
    ck_assert_int_eq(clkv_ref_attention(NULL), CLKV_ERROR_INVALID);
    p.size = 1;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_ERROR_INVALID);
    p.size = sizeof p;
    p.heads = 5;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_ERROR_INVALID);
    p.heads = HEADS;
    p.row_first = 1;
    p.row_count = 2;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_ERROR_INVALID);
    p.row_count = 0;
    p.v = NULL;
    ck_assert_int_eq(clkv_ref_attention(&p), CLKV_ERROR_INVALID);

    world w;
    world_make(&w, CLKV_F16, CLKV_F16, 16);
    ck_assert_int_eq(clkv_ref_append(&w.layout, w.slabs, 2, k, v, w.slots, 1), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_ref_gather(&w.layout, w.slabs, 2, w.table, 0, 1, k, v), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_ref_copy(&w.layout, NULL, 0, 1), CLKV_ERROR_INVALID);
    ck_assert_uint_gt(clkv_ref_block_bytes(&w.layout), 0);
    w.layout.v_type = CLKV_TYPE_DEFAULT;
    ck_assert_int_eq(clkv_ref_copy(&w.layout, w.slabs, 0, 1), CLKV_ERROR_INVALID);
    ck_assert_uint_eq(clkv_ref_block_bytes(&w.layout), 0);
    ck_assert_uint_eq(clkv_ref_slab_bytes(NULL), 0);
    world_free(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ref");
    TCase *half = tcase_create("half"), *layout = tcase_create("layout"), *attention = tcase_create("attention");
    tcase_add_test(half, half_every_value);
    tcase_add_test(half, half_rounding);
    tcase_add_loop_test(layout, layout_round_trip, 0, 16);
    tcase_add_test(layout, layout_addresses);
    tcase_add_test(layout, layout_of_odd_tiles);
    tcase_add_test(layout, copy_all_layers);
    tcase_add_test(layout, clear_all_layers);
    tcase_add_loop_test(attention, attention_float32_against_float64, 0, 8);
    tcase_add_test(attention, attention_by_hand);
    tcase_add_test(attention, attention_reads_only_what_is_visible);
    tcase_add_test(attention, attention_masked_rows);
    tcase_add_test(attention, attention_extreme_scores);
    tcase_add_test(attention, bad_arguments);
    suite_add_tcase(suite, half);
    suite_add_tcase(suite, layout);
    suite_add_tcase(suite, attention);
    return run_suite(suite);
}
