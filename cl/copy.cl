/* copy.cl: copies whole blocks, all layers. A block is one run of bytes; `shares` work-groups each copy share_units
 * of it. No block may occur in two copies of one launch, except as a source. SPDX-License-Identifier: Apache-2.0 */

__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_copy(CLKV_SLAB_PARAMS, __global const uint *batch, uint copies_at, uint shares, uint share_units,
               ulong block_bytes, uint blocks_per_slab)
{
    const uint copy = get_group_id(0) / shares;
    const uint share = get_group_id(0) % shares;
    const ulong first = (ulong)share * share_units;
    const uint from_block = batch[copies_at + 2 * copy];
    const uint to_block = batch[copies_at + 2 * copy + 1];
    __global const clkv_unit *from =
        (__global const clkv_unit *)clkv_block(from_block, block_bytes, blocks_per_slab, CLKV_SLAB_ARGS) + first;
    __global clkv_unit *to =
        (__global clkv_unit *)clkv_block(to_block, block_bytes, blocks_per_slab, CLKV_SLAB_ARGS) + first;

    for (uint i = get_local_id(0); i < share_units; i += CLKV_WORK_GROUP) {
        to[i] = from[i];
    }
}
