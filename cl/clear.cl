/* clear.cl: writes zeros into whole blocks, all layers. A block is one run of bytes; `shares` work-groups each clear
 * share_units of it. SPDX-License-Identifier: Apache-2.0 */

__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_clear(CLKV_SLAB_PARAMS, __global const uint *batch, uint clears_at, uint shares, uint share_units,
                ulong block_bytes, uint blocks_per_slab)
{
    const uint block = batch[clears_at + get_group_id(0) / shares];
    const uint share = get_group_id(0) % shares;
    const ulong first = (ulong)share * share_units;
    __global clkv_unit *to =
        (__global clkv_unit *)clkv_block(block, block_bytes, blocks_per_slab, CLKV_SLAB_ARGS) + first;

    for (uint i = get_local_id(0); i < share_units; i += CLKV_WORK_GROUP) {
        to[i] = (clkv_unit)(0u);
    }
}
