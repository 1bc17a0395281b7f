/* rows.cl: writes the changes of a batch to the block tables on the device, one work-item for each change. Every
 * index occurs once. SPDX-License-Identifier: Apache-2.0 */
__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_rows(__global uint *rows, __global const uint *batch, uint changes_at, uint n)
{
    const uint i = get_global_id(0);
    if (i < n) {
        rows[batch[changes_at + 2 * i]] = batch[changes_at + 2 * i + 1];
    }
}
