/* slabs.cl: where K and V lie in the slabs.
 *
 *   slab   [block of the slab][layer][kv_head]{ K tile, V tile }
 *   tile   K [head_dim][block_size], V [block_size][head_dim_v], in its format; then its scales, if the format has
 *          any; then unused bytes up to a multiple of 16
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define CLKV_TILE_BYTES(elements, scales) (((elements) + (scales) + 15u) / 16u * 16u)
#define CLKV_K_TILE_BYTES                                             \
    CLKV_TILE_BYTES(CLKV_K(bytes)(CLKV_HEAD_DIM * CLKV_BLOCK_SIZE),   \
                    CLKV_K(scale_bytes)(CLKV_HEAD_DIM, CLKV_BLOCK_SIZE))
#define CLKV_V_TILE_BYTES                                             \
    CLKV_TILE_BYTES(CLKV_V(bytes)(CLKV_HEAD_DIM_V * CLKV_BLOCK_SIZE), \
                    CLKV_V(scale_bytes)(CLKV_HEAD_DIM_V, CLKV_BLOCK_SIZE))

/* The first CLKV_SLABS arguments of a kernel are the slabs. OpenCL C 1.2 has no pointers in buffers, and a private
 * array of pointers would spill on GPUs. A chain of selects costs almost nothing when all lanes choose the same
 * slab. */
#define CLKV_SP(i) __global uchar *slab##i
#define CLKV_SP4(a, b, c, d) CLKV_SP(a), CLKV_SP(b), CLKV_SP(c), CLKV_SP(d)
#if CLKV_SLABS == 1
#define CLKV_SLAB_PARAMS CLKV_SP(0)
#define CLKV_SLAB_ARGS slab0
#elif CLKV_SLABS == 2
#define CLKV_SLAB_PARAMS CLKV_SP(0), CLKV_SP(1)
#define CLKV_SLAB_ARGS slab0, slab1
#elif CLKV_SLABS == 4
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3
#elif CLKV_SLABS == 8
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7
#elif CLKV_SLABS == 16
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7), CLKV_SP4(8, 9, 10, 11), CLKV_SP4(12, 13, 14, 15)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7, slab8, slab9, slab10, slab11, \
    slab12, slab13, slab14, slab15
#elif CLKV_SLABS == 32
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7), CLKV_SP4(8, 9, 10, 11), CLKV_SP4(12, 13, 14, 15), \
    CLKV_SP4(16, 17, 18, 19), CLKV_SP4(20, 21, 22, 23), CLKV_SP4(24, 25, 26, 27), CLKV_SP4(28, 29, 30, 31)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7, slab8, slab9, slab10, slab11, \
    slab12, slab13, slab14, slab15, slab16, slab17, slab18, slab19, slab20, slab21, slab22, slab23, \
    slab24, slab25, slab26, slab27, slab28, slab29, slab30, slab31
#else
#error "CLKV_SLABS must be 1, 2, 4, 8, 16 or 32"
#endif

/* The slab that holds block number `slab` · blocks_per_slab + … */
static inline __global uchar *clkv_pick_slab(uint slab, CLKV_SLAB_PARAMS)
{
    __global uchar *p = slab0;
#if CLKV_SLABS >= 2
    p = slab == 1u ? slab1 : p;
#endif
#if CLKV_SLABS >= 4
    p = slab == 2u ? slab2 : p;
    p = slab == 3u ? slab3 : p;
#endif
#if CLKV_SLABS >= 8
    p = slab == 4u ? slab4 : p;
    p = slab == 5u ? slab5 : p;
    p = slab == 6u ? slab6 : p;
    p = slab == 7u ? slab7 : p;
#endif
#if CLKV_SLABS >= 16
    p = slab == 8u ? slab8 : p;
    p = slab == 9u ? slab9 : p;
    p = slab == 10u ? slab10 : p;
    p = slab == 11u ? slab11 : p;
    p = slab == 12u ? slab12 : p;
    p = slab == 13u ? slab13 : p;
    p = slab == 14u ? slab14 : p;
    p = slab == 15u ? slab15 : p;
#endif
#if CLKV_SLABS >= 32
    p = slab == 16u ? slab16 : p;
    p = slab == 17u ? slab17 : p;
    p = slab == 18u ? slab18 : p;
    p = slab == 19u ? slab19 : p;
    p = slab == 20u ? slab20 : p;
    p = slab == 21u ? slab21 : p;
    p = slab == 22u ? slab22 : p;
    p = slab == 23u ? slab23 : p;
    p = slab == 24u ? slab24 : p;
    p = slab == 25u ? slab25 : p;
    p = slab == 26u ? slab26 : p;
    p = slab == 27u ? slab27 : p;
    p = slab == 28u ? slab28 : p;
    p = slab == 29u ? slab29 : p;
    p = slab == 30u ? slab30 : p;
    p = slab == 31u ? slab31 : p;
#endif
    return p;
}

/* The first byte of a block, whose layers are one run of block_bytes. Blocks are numbered through all slabs. Products
 * are 64-bit, since real pools are larger than 4 GiB. */
CLKV_INLINE __global uchar *clkv_block(uint block, ulong block_bytes, uint blocks_per_slab, CLKV_SLAB_PARAMS)
{
#if CLKV_SLABS == 1
    return slab0 + (ulong)block * block_bytes;
#else
    const uint which = block / blocks_per_slab;
    return clkv_pick_slab(which, CLKV_SLAB_ARGS) + (ulong)(block - which * blocks_per_slab) * block_bytes;
#endif
}

/* The place of the K tile of a layer and KV head in a block; the V tile is CLKV_K_TILE_BYTES behind it. */
CLKV_INLINE ulong clkv_tile_at(uint layer, uint kv_head)
{
    return ((ulong)layer * CLKV_KV_HEADS + kv_head) * (CLKV_K_TILE_BYTES + CLKV_V_TILE_BYTES);
}

/* Whole blocks are copied and cleared in units of 16 bytes, of which a block is a multiple. */
typedef uint4 clkv_unit;
