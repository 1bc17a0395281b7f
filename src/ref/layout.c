/* layout.c: a caller's description of slabs. SPDX-License-Identifier: Apache-2.0 */
#include "ref/layout.h"

#include "core/error.h"

static clkv_status read_format(const clkv_format **out, const char *name, clkv_type type)
{
    *out = clkv_format_of(type);
    if (*out) return CLKV_OK;
    return CLKV_FAIL(CLKV_ERROR_INVALID, "%s %d is neither CLKV_F32 nor CLKV_F16", name, (int)type);
}

clkv_status clkv_ref_layout_read(const clkv_ref_layout *layout, clkv_layout *out)
{
    if (!layout) return CLKV_FAIL(CLKV_ERROR_INVALID, "layout is NULL");
    if (!layout->kv_heads || !layout->head_dim || !layout->head_dim_v || !layout->block_size ||
        !layout->blocks_per_slab || !layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID,
                         "kv_heads %u, head_dim %u, head_dim_v %u, block_size %u, blocks_per_slab %u, layers %u: "
                         "none may be 0",
                         layout->kv_heads, layout->head_dim, layout->head_dim_v, layout->block_size,
                         layout->blocks_per_slab, layout->layers);
    *out = (clkv_layout){ NULL, NULL, layout->layers, layout->kv_heads, layout->head_dim, layout->head_dim_v,
                          layout->block_size };
    clkv_status status = read_format(&out->k, "k_type", layout->k_type);
    if (status == CLKV_OK) status = read_format(&out->v, "v_type", layout->v_type);
    return status;
}

size_t clkv_ref_block_bytes(const clkv_ref_layout *layout)
{
    clkv_layout read;
    return clkv_ref_layout_read(layout, &read) == CLKV_OK ? (size_t)clkv_layout_block_bytes(&read) : 0;
}

size_t clkv_ref_slab_bytes(const clkv_ref_layout *layout)
{
    return layout ? clkv_ref_block_bytes(layout) * layout->blocks_per_slab : 0;
}

unsigned char *clkv_ref_block(const clkv_ref_layout *layout, const clkv_layout *read, void *const *slabs,
                              uint32_t block)
{
    return (unsigned char *)slabs[block / layout->blocks_per_slab] +
           (size_t)(clkv_layout_block_bytes(read) * (block % layout->blocks_per_slab));
}
