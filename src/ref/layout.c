/* layout.c: where the elements of a block lie; see layout.h. SPDX-License-Identifier: Apache-2.0 */
#include "ref/layout.h"

#include "core/error.h"

#include <string.h>

clkv_status clkv_ref_layout_check(const clkv_ref_layout *layout)
{
    if (!layout) return CLKV_FAIL(CLKV_ERROR_INVALID, "layout is NULL");
    if (!layout->kv_heads || !layout->head_dim || !layout->head_dim_v || !layout->block_size ||
        !layout->blocks_per_slab || !layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID,
                         "kv_heads %u, head_dim %u, head_dim_v %u, block_size %u, blocks_per_slab %u, layers %u: "
                         "none may be 0",
                         layout->kv_heads, layout->head_dim, layout->head_dim_v, layout->block_size,
                         layout->blocks_per_slab, layout->layers);
    if (layout->kv_type != CLKV_F16 && layout->kv_type != CLKV_F32)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "kv_type %d is neither CLKV_F32 nor CLKV_F16", (int)layout->kv_type);
    return CLKV_OK;
}

size_t clkv_ref_element_bytes(const clkv_ref_layout *layout)
{
    return layout->kv_type == CLKV_F16 ? 2 : 4;
}

size_t clkv_ref_block_bytes(const clkv_ref_layout *layout)
{
    return (size_t)layout->kv_heads * ((size_t)layout->head_dim + layout->head_dim_v) * layout->block_size *
           clkv_ref_element_bytes(layout);
}

size_t clkv_ref_slab_bytes(const clkv_ref_layout *layout)
{
    return clkv_ref_block_bytes(layout) * layout->blocks_per_slab * layout->layers;
}

unsigned char *clkv_ref_k_tile(const clkv_ref_layout *layout, void *const *slabs, uint32_t block, uint32_t layer,
                               uint32_t kv_head)
{
    const size_t block_bytes = clkv_ref_block_bytes(layout);
    const size_t in_slab = (size_t)layer * layout->blocks_per_slab + block % layout->blocks_per_slab;
    return (unsigned char *)slabs[block / layout->blocks_per_slab] + in_slab * block_bytes +
           block_bytes / layout->kv_heads * kv_head;
}

unsigned char *clkv_ref_v_tile(const clkv_ref_layout *layout, void *const *slabs, uint32_t block, uint32_t layer,
                               uint32_t kv_head)
{
    return clkv_ref_k_tile(layout, slabs, block, layer, kv_head) +
           (size_t)layout->head_dim * layout->block_size * clkv_ref_element_bytes(layout);
}

float clkv_ref_load(const clkv_ref_layout *layout, const unsigned char *tile, size_t i)
{
    if (layout->kv_type == CLKV_F16) {
        uint16_t h;
        memcpy(&h, tile + i * sizeof h, sizeof h);
        return clkv_ref_float(h);
    }
    float x;
    memcpy(&x, tile + i * sizeof x, sizeof x);
    return x;
}

void clkv_ref_store(const clkv_ref_layout *layout, unsigned char *tile, size_t i, float x)
{
    if (layout->kv_type == CLKV_F16) {
        const uint16_t h = clkv_ref_half(x);
        memcpy(tile + i * sizeof h, &h, sizeof h);
    } else {
        memcpy(tile + i * sizeof x, &x, sizeof x);
    }
}
