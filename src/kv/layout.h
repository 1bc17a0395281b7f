/* layout.h: where the tiles of a block lie; cl/slabs.cl has the same for kernels.
 *
 *   slab   [block of the slab][layer][kv_head]{ K tile, V tile }
 *
 * So a block is one run of bytes for all of its layers. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_KV_LAYOUT_H
#define CLKV_KV_LAYOUT_H

#include "kv/format.h"

typedef struct clkv_layout {
    const clkv_format *k, *v;
    uint32_t layers, kv_heads, head_dim, head_dim_v, block_size;
} clkv_layout;

/* Bytes of a block, all layers. */
uint64_t clkv_layout_block_bytes(const clkv_layout *layout);

/* Bytes from the start of a block to the K tile, or to the V tile, of a layer and KV head. */
uint64_t clkv_layout_k_at(const clkv_layout *layout, uint32_t layer, uint32_t kv_head);
uint64_t clkv_layout_v_at(const clkv_layout *layout, uint32_t layer, uint32_t kv_head);

#endif
