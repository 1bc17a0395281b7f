/* sample.cl: a token id out of each picked row of logits. Compiled behind layers.cl.
 * SPDX-License-Identifier: Apache-2.0 */

/* The largest, and the smallest, over a work-group's work-items, for each of them. */
static inline float llm_group_max(float x, __local float *room)
{
#if LLM_GROUP == 1
    return x;
#else
    const uint lane = (uint)get_local_id(0);
    room[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_way = LLM_GROUP / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way) room[lane] = fmax(room[lane], room[lane + half_way]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float most = room[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return most;
#endif
}

static inline uint llm_group_min(uint x, __local uint *room)
{
#if LLM_GROUP == 1
    return x;
#else
    const uint lane = (uint)get_local_id(0);
    room[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_way = LLM_GROUP / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way) room[lane] = min(room[lane], room[lane + half_way]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const uint least = room[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return least;
#endif
}

static inline float llm_max_of(__global const float *x, uint n, __local float *room)
{
    float most = -MAXFLOAT;
    uint i = (uint)get_local_id(0) * 16;
    for (; i + 16 <= n; i += LLM_GROUP * 16) {
        const float16 v = vload16(0, x + i);
        const float8 a = fmax(v.lo, v.hi);
        const float4 b = fmax(a.lo, a.hi);
        const float2 c = fmax(b.lo, b.hi);
        most = fmax(most, fmax(c.x, c.y));
    }
    for (; i < n; i++) most = fmax(most, x[i]);
    return llm_group_max(most, room);
}

/* The first of the largest. A group per pick. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_sample(__global const float *logits, uint vocab, __global const uint *input, uint picks_at, __global float *scratch,
           __global uint *ids)
{
    __local float room[LLM_GROUP];
    __local uint count_room[LLM_GROUP];
    const uint pick = (uint)get_group_id(0), lane = (uint)get_local_id(0);
    logits += (ulong)pick * vocab;
    const float most = llm_max_of(logits, vocab, room);
    uint first = vocab;
    for (uint i = lane; i < vocab && first == vocab; i += LLM_GROUP)
        if (logits[i] == most) first = i;
    first = llm_group_min(first, count_room);
    if (lane == 0) ids[pick] = first < vocab ? first : 0;
}
