/* merge.cl: merges the parts of one query whose keys were split, one work-group per (query, head). A part has its
 * normalised output, the maximum of its scores (times log2 e) and its sum of exp2(score − maximum). The result is the
 * mean of the outputs, weighted by sum · exp2(maximum − the largest maximum). The host lists only the parts that have
 * a key which the query sees. SPDX-License-Identifier: Apache-2.0 */

#define CLKV_STRIDE (CLKV_WORK_GROUP * CLKV_WIDTH)
#define CLKV_PIECES ((CLKV_HEAD_DIM_V + CLKV_STRIDE - 1) / CLKV_STRIDE) /* per work-item, the last perhaps idle */

/* Parts are float32 whatever the outputs are. */
static inline clkv_wide clkv_part_wide(__global const float *p)
{
#if CLKV_WIDTH == 8
    return vload8(0, p);
#else
    return p[0];
#endif
}

__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_merge(__global const uint *batch, uint merges_at, __global clkv_out *o, ulong o_offset, uint o_stride,
                __global float *lse, ulong lse_offset, uint lse_stride, uint want_lse,
                __global const float *part_o, __global const float2 *part_sums)
{
    const uint head = get_group_id(0) % CLKV_HEADS;
    __global const uint *merge = batch + merges_at + CLKV_MERGE_WORDS * (get_group_id(0) / CLKV_HEADS);
    const uint token = merge[0], n = merge[2];
    const ulong first = (ulong)merge[1] * CLKV_HEADS + head, step = (ulong)merge[3] * CLKV_HEADS;
    __global const float2 *first_sums = part_sums + first;
    __global const float *first_o = part_o + first * CLKV_HEAD_DIM_V;

    float largest = first_sums[0].x;
    for (uint p = 1; p < n; p++) {
        largest = max(largest, first_sums[p * step].x);
    }
    clkv_wide sum[CLKV_PIECES];
    for (uint i = 0; i < CLKV_PIECES; i++) {
        sum[i] = (clkv_wide)(0.0f);
    }
    float weight_sum = 0.0f;
    for (uint p = 0; p < n; p++) {
        const float2 sums = first_sums[p * step];
        const float weight = exp2(sums.x - largest) * sums.y;
        __global const float *part = first_o + p * step * CLKV_HEAD_DIM_V;
        weight_sum += weight;
        for (uint i = 0; i < CLKV_PIECES; i++) {
            const uint d = get_local_id(0) * CLKV_WIDTH + i * CLKV_STRIDE;
            if (d < CLKV_HEAD_DIM_V) {
                sum[i] += weight * clkv_part_wide(part + d);
            }
        }
    }
    const float divisor = weight_sum == 0.0f ? 1.0f : weight_sum; /* no key of any weight: 0, as of one part */
    const ulong o_at = o_offset + (ulong)token * o_stride + head * CLKV_HEAD_DIM_V;
    for (uint i = 0; i < CLKV_PIECES; i++) {
        const uint d = get_local_id(0) * CLKV_WIDTH + i * CLKV_STRIDE;
        if (d < CLKV_HEAD_DIM_V) {
            CLKV_OUT_WIDE(sum[i] / divisor, o, o_at + d);
        }
    }
    if (want_lse && get_local_id(0) == 0) {
        lse[lse_offset + (ulong)token * lse_stride + head] = (largest + log2(weight_sum)) * M_LN2_F;
    }
}
