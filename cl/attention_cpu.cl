/* attention_cpu.cl: attention for CPU devices, one work-item per work-group with explicit float16 vectors.
 *
 * An item is a tile of queries × one KV head × a range of keys. Its rows are (query, head of the group),
 * row = query · CLKV_GROUP + head. The keys are walked in steps of 64, and a step is
 *
 *   scores   S [row][64]          one lane is one token: K is read as it lies, [dim][token]
 *   softmax  S → P, the running maximum and sum of each row, in base 2
 *   values   O [row][head_dim_v]  one lane is one dimension: V is read as it lies, [token][dim]
 *
 * Few rows (decode, drafts) take K and V straight from the blocks, each element once: memory bounds them.
 * Many rows (prefill) first widen the step's K, then its V, to float32 in private memory, and run over that
 * with register tiles of 6 rows × 4 vectors: arithmetic bounds them. Blocks of fewer than 16 tokens always
 * take the second way. The choice and the order of every sum depend on the item alone.
 *
 * Slots without a token may hold NaN, and so may keys that a row must not see: scores are selected, and
 * values past a row's last key are never multiplied. SPDX-License-Identifier: Apache-2.0 */

#define STEP 64u                               /* tokens */
#define LANES 16u
#define VECS (STEP / LANES)
#define V_VECS ((CLKV_HEAD_DIM_V + 15u) / 16u) /* the last one half empty where head_dim_v is 8 more */
#define TILE_ROWS (CLKV_TILE_TOKENS * CLKV_GROUP)
#define MICRO 6u                               /* rows of a register tile */
#define PASS_ROWS (TILE_ROWS > 48 ? 48u : ((TILE_ROWS + MICRO - 1u) / MICRO) * MICRO)
#define LOWEST (-1e30f)                        /* below any score; infinity is undefined under some flags */
#define LOG2_E 1.44269504088896340736f
#define LN_2 0.69314718055994530942f

/* Everything that one pass over the keys works on. */
typedef struct clkv_pass {
    float q[PASS_ROWS][CLKV_HEAD_DIM];   /* scaled by scale · log2 e; padded with rows of 0 */
    float16 p[PASS_ROWS][VECS];          /* scores, then their exponentials */
    float16 o[PASS_ROWS][V_VECS];
    float16 sum[PASS_ROWS];              /* lane by lane */
    float top[PASS_ROWS];                /* the running maximum */
    float rescale[PASS_ROWS];            /* what this step multiplies o by */
    uint seen[PASS_ROWS];                /* keys of this step that the row sees */
} clkv_pass;

/* 2^x for x ≤ 0: relative error below 2e-7, exactly 0 below −126. Truncating x − ½ rounds to nearest. */
static inline float16 exp2_16(float16 x)
{
    const float16 bounded = max(x, (float16)(-126.0f));
    const int16 whole = convert_int16(bounded - 0.5f);
    const float16 f = bounded - convert_float16(whole);
    float16 y = fma(f, (float16)(1.3264739e-3f), (float16)(9.67151672e-3f));
    y = fma(y, f, (float16)(5.55073358e-2f));
    y = fma(y, f, (float16)(2.40222424e-1f));
    y = fma(y, f, (float16)(6.93147004e-1f));
    y = fma(y, f, (float16)(1.0f)); /* exactly 1 at 0: a single key gives exactly its V */
    return select(as_float16(as_int16(y) + (whole << 23)), (float16)(0.0f), x < -126.0f);
}

static inline float max_of(float16 x)
{
    const float8 a = max(x.lo, x.hi);
    const float4 b = max(a.lo, a.hi);
    const float2 c = max(b.lo, b.hi);
    return max(c.x, c.y);
}

static inline float sum_of(float16 x)
{
    const float8 a = x.lo + x.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

#if CLKV_KV_HALF
typedef ushort clkv_kv_bits;
#define LOAD_16(p) vload_half16(0, (p))
#define LOAD_8(p) vload_half8(0, (p))
#else
typedef float clkv_kv_bits;
#define LOAD_16(p) vload16(0, (p))
#define LOAD_8(p) vload8(0, (p))
#endif

/* Vector i of a row of V. */
static inline float16 load_v(__global const clkv_kv *row, uint i)
{
#if CLKV_HEAD_DIM_V % 16 != 0
    if (i == V_VECS - 1u) {
        return (float16)(LOAD_8(row + 16u * i), (float8)(0.0f));
    }
#endif
    return LOAD_16(row + 16u * i);
}

/* A step's tokens in units that lie together: 16 tokens, or a whole smaller block. */
#define UNIT (CLKV_BLOCK_SIZE < 16 ? CLKV_BLOCK_SIZE : 16u)
#define UNITS (STEP / UNIT)

typedef struct clkv_step {
    __global const clkv_kv *k[UNITS]; /* K of the unit's first token: [dim], CLKV_BLOCK_SIZE apart */
    __global const clkv_kv *v[UNITS]; /* V of the unit's first token: [token][head_dim_v] */
} clkv_step;

/* 16 tokens' K of one dimension. */
static inline float16 load_k(const clkv_step *step, uint vec, uint d)
{
#if CLKV_BLOCK_SIZE >= 16
    return LOAD_16(step->k[vec] + d * CLKV_BLOCK_SIZE);
#else
    clkv_kv_bits bits[LANES];
    for (uint i = 0; i < LANES; i++) {
        const uint token = vec * LANES + i;
        bits[i] = ((__global const clkv_kv_bits *)step->k[token / UNIT])[d * CLKV_BLOCK_SIZE + token % UNIT];
    }
    return LOAD_16((const clkv_kv *)bits);
#endif
}

static inline __global const clkv_kv *v_row(const clkv_step *step, uint token)
{
    return step->v[token / UNIT] + token % UNIT * CLKV_HEAD_DIM_V;
}

/* Scores of MICRO rows from row r on, K widened to [dim][VECS]. */
static inline void scores_staged(clkv_pass *pass, const float16 *k, uint r)
{
    float16 s[MICRO][VECS];
    for (uint i = 0; i < MICRO; i++) {
        for (uint j = 0; j < VECS; j++) {
            s[i][j] = (float16)(0.0f);
        }
    }
    for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
        for (uint i = 0; i < MICRO; i++) {
            const float16 q = (float16)(pass->q[r + i][d]);
            for (uint j = 0; j < VECS; j++) {
                s[i][j] = fma(q, k[d * VECS + j], s[i][j]);
            }
        }
    }
    for (uint i = 0; i < MICRO; i++) {
        for (uint j = 0; j < VECS; j++) {
            pass->p[r + i][j] = s[i][j];
        }
    }
}

/* One row's scores of a step to their exponentials; the row sees the first `seen` tokens. */
static inline void softmax(clkv_pass *pass, uint r, uint seen)
{
    const float16 lane = (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    float16 s[VECS];
    float16 highest = (float16)(LOWEST);
    for (uint j = 0; j < VECS; j++) {
        s[j] = pass->p[r][j];
        if (seen < STEP) {
            s[j] = select((float16)(LOWEST), s[j], lane + (float)(j * LANES) < (float)seen);
        }
        highest = max(highest, s[j]);
    }
    const float before = pass->top[r];
    const float top = max(before, max_of(highest));
    float16 sum = pass->sum[r];
    pass->rescale[r] = 1.0f;
    if (top > before) {
        pass->top[r] = top;
        pass->rescale[r] = exp2_16((float16)(before - top)).s0;
        sum *= pass->rescale[r];
    }
    for (uint j = 0; j < VECS; j++) {
        const float16 p = seen > 0 ? exp2_16(s[j] - top) : (float16)(0.0f);
        pass->p[r][j] = p;
        sum += p;
    }
    pass->sum[r] = sum;
    pass->seen[r] = seen;
}

/* O += P V for rows [r, r + rows) and `vecs` vectors of dimensions from vector c on; both are constants
 * where this is called. V comes from the blocks, or from `wide`, [token][V_VECS]. */
static inline void values(clkv_pass *pass, const clkv_step *step, const float16 *wide, uint r, const uint rows,
                          uint c, const uint vecs)
{
    float16 o[MICRO][8];
    const float *p[MICRO];
    uint all = STEP, any = 0; /* tokens that all rows see, and that any row sees */
    for (uint i = 0; i < rows; i++) {
        p[i] = (const float *)pass->p[r + i];
        all = min(all, pass->seen[r + i]);
        any = max(any, pass->seen[r + i]);
        for (uint j = 0; j < vecs; j++) {
            o[i][j] = (float16)(0.0f);
        }
    }
    for (uint t = 0; t < all; t++) {
        for (uint j = 0; j < vecs; j++) {
            const float16 v = wide ? wide[t * V_VECS + c + j] : load_v(v_row(step, t), c + j);
            for (uint i = 0; i < rows; i++) {
                o[i][j] = fma((float16)(p[i][t]), v, o[i][j]);
            }
        }
    }
    for (uint t = all; t < any; t++) {
        for (uint j = 0; j < vecs; j++) {
            const float16 v = wide ? wide[t * V_VECS + c + j] : load_v(v_row(step, t), c + j);
            for (uint i = 0; i < rows; i++) {
                o[i][j] = t < pass->seen[r + i] ? fma((float16)(p[i][t]), v, o[i][j]) : o[i][j];
            }
        }
    }
    for (uint i = 0; i < rows; i++) {
        for (uint j = 0; j < vecs; j++) {
            pass->o[r + i][c + j] = fma(pass->o[r + i][c + j], (float16)(pass->rescale[r + i]), o[i][j]);
        }
    }
}

static inline void values_all(clkv_pass *pass, const clkv_step *step, const float16 *wide, uint r, const uint rows,
                              const uint vecs)
{
    uint c = 0;
    for (; c + vecs <= V_VECS; c += vecs) {
        values(pass, step, wide, r, rows, c, vecs);
    }
    for (; c < V_VECS; c++) {
        values(pass, step, wide, r, rows, c, 1);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void clkv_attention(CLKV_SLAB_PARAMS, __global const uint *rows, uint row_stride, __global const uint *batch,
                    uint entries_at, uint items_at, uint layer, uint blocks_per_slab, uint chunk, uint causal,
                    float scale, __global const clkv_in *q, ulong q_offset, __global clkv_out *o, ulong o_offset,
                    __global float *lse, ulong lse_offset, uint want_lse, __global float *part_o,
                    __global float *part_lse)
{
    const uint kv_head = get_group_id(0) % CLKV_KV_HEADS;
    const uint2 item = vload2(get_group_id(0) / CLKV_KV_HEADS, batch + items_at);
    const uint part = item.x >> 16;
    const uint4 entry = vload4(item.x & 0xffffu, batch + entries_at);
    const uint q_len = batch[entries_at + 4u * (item.x & 0xffffu) + 6u] - entry.z;
    const uint n_rows = min((uint)CLKV_TILE_TOKENS, q_len - item.y) * CLKV_GROUP;
    const bool direct = entry.w == CLKV_PLAN_DIRECT;
    const uint first = direct ? 0u : part * chunk;
    const uint end = direct ? entry.y : min(entry.y, first + chunk);
    __global const uint *table = rows + (ulong)entry.x * row_stride;
    clkv_pass pass;
    float16 wide[CLKV_HEAD_DIM * VECS > STEP * V_VECS ? CLKV_HEAD_DIM * VECS : STEP * V_VECS];

    for (uint r0 = 0; r0 < n_rows; r0 += PASS_ROWS) {
        const uint n = min(PASS_ROWS, n_rows - r0);
        const uint padded = (n + MICRO - 1u) / MICRO * MICRO;
        for (uint r = 0; r < padded; r++) {
            const uint token = item.y + (r0 + r) / CLKV_GROUP;
            const ulong head = kv_head * CLKV_GROUP + (r0 + r) % CLKV_GROUP;
            const ulong at = q_offset + ((entry.z + token) * (ulong)CLKV_HEADS + head) * CLKV_HEAD_DIM;
            for (uint d = 0; d < CLKV_HEAD_DIM; d += 8) {
                vstore8(r < n ? clkv_in_8(q, at + d) * (scale * LOG2_E) : (float8)(0.0f), 0, pass.q[r] + d);
            }
            for (uint c = 0; c < V_VECS; c++) {
                pass.o[r][c] = (float16)(0.0f);
            }
            pass.sum[r] = (float16)(0.0f);
            pass.top[r] = LOWEST;
            pass.rescale[r] = 1.0f;
        }
        /* the last row sees the most */
        const uint last_q = item.y + (r0 + n - 1u) / CLKV_GROUP;
        const uint pass_end = causal ? min(end, entry.y - q_len + last_q + 1u) : end;
        for (uint t0 = first; t0 < pass_end; t0 += STEP) {
            clkv_step step;
            for (uint u = 0; u < UNITS; u++) {
                const uint t = t0 + u * UNIT < pass_end ? t0 + u * UNIT : t0;
                step.k[u] = clkv_kv_tile(table[t / CLKV_BLOCK_SIZE], layer, kv_head, blocks_per_slab, CLKV_SLAB_ARGS);
                step.v[u] = step.k[u] + CLKV_K_TILE + t % CLKV_BLOCK_SIZE * CLKV_HEAD_DIM_V;
                step.k[u] += t % CLKV_BLOCK_SIZE;
            }
            const uint tokens = min(STEP, pass_end - t0);
            for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
                for (uint j = 0; j < VECS; j++) {
                    wide[d * VECS + j] = load_k(&step, j, d);
                }
            }
            for (uint r = 0; r < n; r += MICRO) {
                scores_staged(&pass, wide, r);
            }
            for (uint r = 0; r < padded; r++) {
                const uint row = min(r, n - 1u);
                const uint visible = causal ? entry.y - q_len + item.y + (r0 + row) / CLKV_GROUP + 1u : entry.y;
                const uint seen = visible > t0 ? min(tokens, visible - t0) : 0u;
                pass.seen[r] = seen;
                if (r < n) {
                    softmax(&pass, r, seen);
                }
            }
            for (uint t = 0; t < tokens; t++) {
                for (uint c = 0; c < V_VECS; c++) {
                    wide[t * V_VECS + c] = load_v(v_row(&step, t), c);
                }
            }
            for (uint r = 0; r < n; r += MICRO) {
                values_all(&pass, &step, wide, r, MICRO, 4);
            }
        }
        for (uint r = 0; r < n; r++) {
            const uint token = item.y + (r0 + r) / CLKV_GROUP;
            const ulong head = kv_head * CLKV_GROUP + (r0 + r) % CLKV_GROUP;
            const float sum = sum_of(pass.sum[r]);
            const float norm = sum > 0.0f ? 1.0f / sum : 0.0f;
            const float row_lse = (pass.top[r] + log2(sum)) * LN_2;
            if (direct) {
                const ulong row = (entry.z + token) * (ulong)CLKV_HEADS + head;
                for (uint c = 0; c < CLKV_HEAD_DIM_V; c += 8) {
                    const float16 x = pass.o[r][c / 16] * norm;
                    clkv_out_8(c % 16 ? x.hi : x.lo, o, o_offset + row * CLKV_HEAD_DIM_V + c);
                }
                if (want_lse) {
                    lse[lse_offset + row] = sum > 0.0f ? row_lse : as_float(0xff800000u);
                }
            } else {
                const ulong at = (entry.w + token * (ulong)((entry.y + chunk - 1u) / chunk) + part) * CLKV_HEADS + head;
                for (uint c = 0; c < CLKV_HEAD_DIM_V; c += 8) {
                    const float16 x = pass.o[r][c / 16] * norm;
                    vstore8(c % 16 ? x.hi : x.lo, 0, part_o + at * CLKV_HEAD_DIM_V + c);
                }
                part_lse[at] = sum > 0.0f ? row_lse : LOWEST;
            }
        }
    }
}
