/* layout.c: where the tiles of a block lie. SPDX-License-Identifier: Apache-2.0 */
#include "kv/layout.h"

static uint64_t k_bytes(const clkv_layout *layout)
{
    return clkv_format_tile_bytes(layout->k, layout->head_dim, layout->block_size);
}

uint64_t clkv_layout_k_at(const clkv_layout *layout, uint32_t layer, uint32_t kv_head)
{
    const uint64_t v_bytes = clkv_format_tile_bytes(layout->v, layout->head_dim_v, layout->block_size);
    return ((uint64_t)layer * layout->kv_heads + kv_head) * (k_bytes(layout) + v_bytes);
}

uint64_t clkv_layout_v_at(const clkv_layout *layout, uint32_t layer, uint32_t kv_head)
{
    return clkv_layout_k_at(layout, layer, kv_head) + k_bytes(layout);
}

uint64_t clkv_layout_block_bytes(const clkv_layout *layout)
{
    return clkv_layout_k_at(layout, layout->layers, 0);
}
