/* clkv/ref.h: the operations in plain C over ordinary arrays, one sequence or token at a time. Every kernel is
 * compared with them. You can use them to test your own kernels.
 * Threads: any; the functions have no state and use host memory only. They are slow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_REF_H
#define CLKV_REF_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Convert binary32 to IEEE binary16, rounding to nearest even, and binary16 to binary32. NaN and infinities are
 * kept. */
CLKV_API uint16_t clkv_ref_half(float x);
CLKV_API float clkv_ref_float(uint16_t h);

/* The physical layout. A slab is [block], a block is [layer][kv_head]{ K tile, V tile }, and a tile is
 * K [head_dim][block_size] or V [block_size][head_dim_v], padded to a multiple of 16 bytes. So a block is one run of
 * bytes for all of its layers. clkv_ref_append, _clear, _copy and _gather work on such memory. */
typedef struct clkv_ref_layout {
    uint32_t kv_heads, head_dim, head_dim_v, block_size;
    clkv_type k_type, v_type;  /* each CLKV_F32 or CLKV_F16 */
    uint32_t blocks_per_slab;  /* blocks in each slab */
    uint32_t layers;
} clkv_ref_layout;

/* The bytes of one block, all layers, and of a slab. 0 when the layout is not valid. */
CLKV_API size_t clkv_ref_block_bytes(const clkv_ref_layout *layout);
CLKV_API size_t clkv_ref_slab_bytes(const clkv_ref_layout *layout);

/* Writes k [token][kv_head][head_dim] and v [token][kv_head][head_dim_v], float32, into the slots of the tokens. A
 * slot is block × block_size + offset; slabs[i] points to slab i. */
CLKV_API clkv_status clkv_ref_append(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer,
                                     const float *k, const float *v, const uint32_t *slots, size_t n_tokens);

/* Copies all layers of block `from` to block `to`. */
CLKV_API clkv_status clkv_ref_copy(const clkv_ref_layout *layout, void *const *slabs, uint32_t from, uint32_t to);

/* Writes zeros into all layers of a block. */
CLKV_API clkv_status clkv_ref_clear(const clkv_ref_layout *layout, void *const *slabs, uint32_t block);

/* Copies tokens [first, first + n) of a block table to contiguous k [token][kv_head][head_dim] and
 * v [token][kv_head][head_dim_v] as float32; either may be NULL. */
CLKV_API clkv_status clkv_ref_gather(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer,
                                     const uint32_t *table, size_t first, size_t n, float *k, float *v);

typedef struct clkv_ref_attention_params {
    size_t size;
    uint32_t q_len, kv_len;          /* the queries are the last q_len positions */
    uint32_t heads, kv_heads;        /* query head h reads KV head h / (heads / kv_heads) */
    uint32_t head_dim, head_dim_v;
    float scale;                     /* 0 = 1 / sqrt(head_dim) */
    int causal;                      /* 1: query i sees keys 0 … kv_len − q_len + i; 0: all */
    const float *q;                  /* [q_len][heads][head_dim] */
    const float *k;                  /* [kv_len][kv_heads][head_dim] */
    const float *v;                  /* [kv_len][kv_heads][head_dim_v] */
    float *o;                        /* [q_len][heads][head_dim_v] */
    float *lse;                      /* [q_len][heads], natural log; may be NULL */
    uint32_t row_first, row_count;   /* compute only queries [row_first, row_first + row_count); count 0 = all */
    int use_float32;                 /* 1: float32 arithmetic, like the kernels; 0: float64 */
} clkv_ref_attention_params;

/* Computes softmax(scale · q kᵀ) v. A row that sees no key gets 0 and log-sum-exp −inf. Rows that are not asked for
 * do not change. INVALID. */
CLKV_API clkv_status clkv_ref_attention(const clkv_ref_attention_params *params);

#ifdef __cplusplus
}
#endif
#endif
