/* sample.cl: a token id out of each picked row of logits, by the definition in sampler.h. Compiled behind
 * layers.cl.
 *
 * Nothing is sorted. The tokens that a filter keeps are those of p above a threshold, and the first so many (in
 * id order) of p equal to it; the threshold is found by bisection over the bits of floats, which for p ≥ 0 are
 * in the order of the values: some 27 sums over the vocabulary. The same search finds the token on which the
 * coin falls. Sums are taken in another order than on the host: where the coin, or a filter's edge, is within
 * their rounding (1e-6 or so) of the boundary between two tokens, the neighbour may be drawn.
 * SPDX-License-Identifier: Apache-2.0 */

/* What a work-item takes of a row at a time: all that a CPU's registers hold; of a GPU's 16 would spill. */
#if LLM_GROUP == 1
#define LLM_WIDE 16
typedef float16 llm_wide;
typedef int16 llm_wide_int;
#define LLM_WIDE_LOAD(p) vload16(0, (p))
#define LLM_WIDE_FLOAT(v) convert_float16(v)
#define LLM_WIDE_SUM(v) llm_sum16(v)
#define LLM_WIDE_MAX(v) llm_max16(v)
static inline float llm_max16(float16 v)
{
    const float8 a = fmax(v.lo, v.hi);
    const float4 b = fmax(a.lo, a.hi);
    const float2 c = fmax(b.lo, b.hi);
    return fmax(c.x, c.y);
}
#else
#define LLM_WIDE 4
typedef float4 llm_wide;
typedef int4 llm_wide_int;
#define LLM_WIDE_LOAD(p) vload4(0, (p))
#define LLM_WIDE_FLOAT(v) convert_float4(v)
#define LLM_WIDE_SUM(v) (((v).x + (v).z) + ((v).y + (v).w))
#define LLM_WIDE_MAX(v) fmax(fmax((v).x, (v).z), fmax((v).y, (v).w))
#endif

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

static inline uint llm_group_min(uint x, __local float *floats)
{
#if LLM_GROUP == 1
    return x;
#else
    __local uint *room = (__local uint *)floats;
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

static inline float llm_sum16(float16 v)
{
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

static inline float llm_max_of(__global const float *x, uint n, __local float *room)
{
    float most = -MAXFLOAT;
    uint i = (uint)get_local_id(0) * LLM_WIDE;
    for (; i + LLM_WIDE <= n; i += LLM_GROUP * LLM_WIDE) {
        const llm_wide v = LLM_WIDE_LOAD(x + i);
        most = fmax(most, LLM_WIDE_MAX(v));
    }
    for (; i < n; i++) most = fmax(most, x[i]);
    return llm_group_max(most, room);
}

/* room: LLM_GROUP floats. An argument, since pocl 3.1 makes one static array, shared by all threads, of the local
 * array that llm_sample once declared. */
#define LLM_SAMPLE_PARAMS                                                                                          \
    __global const float *logits, uint vocab, __global const uint *input, uint picks_at, __global float *scratch,  \
        __global uint *ids, __local float *room

static inline uint llm_first_of(__global const float *x, uint n, float value, __local float *room)
{
    uint first = n;
    for (uint i = (uint)get_local_id(0); i < n && first == n; i += LLM_GROUP)
        if (x[i] == value) first = i;
    first = llm_group_min(first, room);
    return first < n ? first : 0u;
}

/* Σ p and how many there are, of the tokens of p ≥ the float of these bits. */
static inline float2 llm_above(__global const float *p, uint n, uint bits, __local float *room)
{
    const float least = as_float(bits);
    llm_wide sums = (llm_wide)(0.0f);
    llm_wide_int counts = (llm_wide_int)(0);
    uint i = (uint)get_local_id(0) * LLM_WIDE;
    for (; i + LLM_WIDE <= n; i += LLM_GROUP * LLM_WIDE) {
        const llm_wide v = LLM_WIDE_LOAD(p + i);
        const llm_wide_int in = v >= (llm_wide)(least);
        sums += select((llm_wide)(0.0f), v, in);
        counts -= in;
    }
    const llm_wide numbers = LLM_WIDE_FLOAT(counts);
    float sum = LLM_WIDE_SUM(sums), count = LLM_WIDE_SUM(numbers);
    for (; i < n; i++) {
        sum += p[i] >= least ? p[i] : 0.0f;
        count += p[i] >= least ? 1.0f : 0.0f;
    }
    return (float2)(llm_group_sum(sum, room), llm_group_sum(count, room));
}

/* Walks in id order: the first token at which the running sum is over r, of all tokens' p when bits is 0, else of
 * a 1 for each token whose p has just these bits. The last that weighs anything, should rounding pass them all. */
static inline uint llm_walk(__global const float *p, uint n, uint bits, float r, __local float *room)
{
    const uint lane = (uint)get_local_id(0), share = (n + LLM_GROUP - 1) / LLM_GROUP;
    const uint from = min(lane * share, n), to = min(from + share, n);
    float before = 0.0f, sum = 0.0f;
#if LLM_GROUP > 1
    for (uint i = from; i < to; i++) sum += bits ? (as_uint(p[i]) == bits ? 1.0f : 0.0f) : p[i];
    room[lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < lane; i++) before += room[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    sum = 0.0f;
#endif
    uint found = n, last = 0;
    for (uint i = from; i < to && found == n; i++) {
        const float weight = bits ? (as_uint(p[i]) == bits ? 1.0f : 0.0f) : p[i];
        sum += weight;
        if (weight > 0.0f) {
            last = i;
            if (before + sum > r) found = i;
        }
    }
    found = llm_group_min(found, room);
    last = n - llm_group_min(n - last, room);
    return found < n ? found : last;
}

/* What the filters keep: tokens of p above the float of `bits`, and of those equal to it the first `ties`;
 * together that is `mass`. from: llm_above(bits). */
typedef struct llm_kept {
    uint bits;
    float ties, mass;
    float2 from;
} llm_kept;

/* Smaller p count as 0: some devices have no smaller ones. Greater ones there are not. */
#define LLM_LEAST_BITS 0x00800000u
#define LLM_END_BITS 0x40000000u
#define LLM_STEPS 30 /* halve all between them */

enum { LLM_TOP_K, LLM_TOP_P, LLM_MIN_P, LLM_DRAW, LLM_PHASES };

/* how: {temperature, top_p, min_p, coin} as floats, top_k. `p` is overwritten.
 * Where there are barriers every loop around one has a fixed number of turns, done over nothing when there is
 * nothing left to do: pocl copies all that follows a condition with a barrier inside (a build took minutes), and
 * lost values around loops that end on what they found. */
static inline uint llm_draw(__global const float *logits, __global float *p, uint n, __global const uint *how,
                            float most, __local float *room)
{
    const float temperature = as_float(how[0]), top_p = as_float(how[1]), min_p = as_float(how[2]);
    const float coin = as_float(how[3]), max = most / temperature;
    const uint top_k = how[4], lane = (uint)get_local_id(0);
    float sum = 0.0f;
    for (uint i = lane; i < n; i += LLM_GROUP) {
        const float x = logits[i];
        p[i] = isnan(x) ? 0.0f : exp(x / temperature - max);
        sum += p[i];
    }
    const float greatest = 1.0f / llm_group_sum(sum, room);
    for (uint i = lane; i < n; i += LLM_GROUP) p[i] *= greatest;
    barrier(CLK_GLOBAL_MEM_FENCE);

    const uint by_mass = top_p < 1.0f, filtered = by_mass || min_p > 0.0f || top_k > 0;
    const uint edge = as_uint(min_p * greatest);
    const float2 all = llm_above(p, n, LLM_LEAST_BITS, room);
    llm_kept kept = {LLM_LEAST_BITS, (float)n, all.x, all};
    uint drawn = 0;
    float rank = 0.0f;
    for (uint phase = LLM_TOP_K; phase < LLM_PHASES; phase++) {
        /* The largest bits from kept.bits on whose tokens, with all of greater p, are over the limit. */
        const float limit = phase == LLM_TOP_K   ? (float)top_k
                            : phase == LLM_TOP_P ? top_p * (top_k > 0 ? kept.mass : 1.0f)
                                                 : fmin(coin * kept.mass, as_float(as_uint(kept.mass) - 1));
        const uint wanted = phase == LLM_TOP_K   ? top_k > 0 && (float)top_k < all.y
                            : phase == LLM_TOP_P ? by_mass && kept.mass > limit
                            : phase == LLM_MIN_P ? edge > kept.bits
                                                 : filtered;
        uint from = phase == LLM_MIN_P ? edge - 1 : kept.bits;
        uint to = !wanted ? from + 1 : phase == LLM_MIN_P ? edge + 1 : LLM_END_BITS;
        float2 at_from = kept.from, at_to = (float2)(0.0f), at = at_from;
        for (uint step = 0; step < LLM_STEPS; step++) {
            const uint open = to - from > 1;
            if (LLM_GROUP == 1 && !open) break;
            const uint middle = from + (to - from) / 2;
            const float2 seen = llm_above(p, open ? n : 0u, middle, room);
            const uint over = phase == LLM_TOP_K ? seen.y >= limit : seen.x > limit;
            at = open ? seen : at;
            from = open && over ? middle : from;
            at_from = open && over ? seen : at_from;
            to = open && !over ? middle : to;
            at_to = open && !over ? seen : at_to;
        }
        /* Of the tokens of just these bits: those that are there, and those needed to get over the limit. */
        const float there = fmax(at_from.y - at_to.y, 1.0f);
        const float before = phase == LLM_TOP_K ? limit - at_to.y - 1.0f
                                                : floor((limit - at_to.x) / as_float(from));
        const float ties = clamp(before + 1.0f, 1.0f, from == kept.bits ? fmin(there, kept.ties) : there);
        const llm_kept cut = {from, ties, at_to.x + ties * as_float(from), at_from};
        const llm_kept floored = {edge, (float)n, at.x, at};
        drawn = from;
        rank = ties - 1.0f;
        if (wanted && phase < LLM_DRAW) kept = phase == LLM_MIN_P ? floored : cut;
    }
    return llm_walk(p, n, filtered ? drawn : 0u, filtered ? rank : coin, room);
}

/* The first of the greatest logits. A group per pick; a NaN is never chosen. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void llm_greedy(LLM_SAMPLE_PARAMS)
{
    const uint pick = (uint)get_group_id(0);
    logits += (ulong)pick * vocab;
    const uint id = llm_first_of(logits, vocab, llm_max_of(logits, vocab, room), room);
    if (get_local_id(0) == 0) ids[pick] = id;
}

/* The same where a pick is greedy, else one that is drawn. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void llm_sample(LLM_SAMPLE_PARAMS)
{
    const uint pick = (uint)get_group_id(0);
    __global const uint *how = input + picks_at + pick * 5;
    logits += (ulong)pick * vocab;
    scratch += (ulong)pick * vocab;
    const float most = llm_max_of(logits, vocab, room), temperature = as_float(how[0]);
    const uint first = llm_first_of(logits, vocab, most, room);
    const uint greedy = !(temperature > 0.0f && isfinite(most / temperature));
    const uint id = llm_draw(logits, scratch, greedy ? 0u : vocab, how, most, room);
    if (get_local_id(0) == 0) ids[pick] = greedy ? first : id;
}
