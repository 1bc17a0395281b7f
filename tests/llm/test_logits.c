/* test_logits.c: the device's logits against those of the plain-C forward pass (forward.h), for random models
 * that have what the real checkpoint lacks. Every position of several sequences, in one batch, in chunks of many
 * sizes and token by token.
 *
 * That agreeing means something is tested too: for all that a model has, the same reference without it must be far
 * off. SPDX-License-Identifier: Apache-2.0 */
#include "devices.h"
#include "feature_gguf.h"
#include "forward.h"
#include "runtime.h"

#define SEQUENCES 3u
#define LONGEST   48u
#define FLOAT_TOLERANCE 5e-5 /* logits are around 1 */
#define HALF_TOLERANCE  1e-2 /* K and V in fp16 */
#define LESION          0.1  /* what a missing feature must change at least */

static uint32_t lengths[SEQUENCES] = {41, 17, 30};
static char path[64], why[WHY_BYTES];
static enum { FULL, SMALL, TINY } grid;

#define ck_why(call) ck_assert_msg((call) == 0, "%s: %s", #call, why)

/* ---- models ---- */

/* Six heads of 16 in a width of 48: head_dim is not dim / heads, and rows are no multiple of a vector. */
#define SMALL_SHAPE                                                                                                \
    .dim = 48, .hidden = 88, .layers = 2, .heads = 6, .kv_heads = 3, .head_dim = 16, .vocab = 61, .context = 64

static const feature_model models[] = {
    {SMALL_SHAPE},
    {SMALL_SHAPE, .arch = "qwen2", .biases = 1, .rope_base = 1000},
    {SMALL_SHAPE, .arch = "qwen3", .norms = 1, .untied = 1, .rope_base = 500},
    {SMALL_SHAPE, .biases = 1, .norms = 1, .rope_dims = 8},
    {SMALL_SHAPE, .arch = "qwen2", .biases = 1, .rope_dims = 12, .factors = 1},
    {SMALL_SHAPE, .rope_scale = 4, .untied = 1},
    {SMALL_SHAPE, .factors = 1, .rope_base = 500000},
    {SMALL_SHAPE, .rope_scale = 0.0005f}, /* angles as of positions up to 82,000 */
    {SMALL_SHAPE, .window = 41},
};
/* Groups of 1, 4, 7 and 8 query heads; heads of 8 to 256, values narrower than keys. */
static const feature_model shapes[] = {
    {.dim = 40, .hidden = 33, .layers = 2, .heads = 5, .kv_heads = 5, .head_dim = 8, .vocab = 37, .context = 64},
    {.dim = 64, .hidden = 96, .layers = 1, .heads = 8, .kv_heads = 2, .head_dim = 64, .vocab = 300, .context = 64},
    {.dim = 56, .hidden = 70, .layers = 2, .heads = 7, .kv_heads = 1, .head_dim = 32, .head_dim_v = 16,
     .vocab = 50, .context = 64},
    {.dim = 96, .hidden = 64, .layers = 1, .heads = 16, .kv_heads = 2, .head_dim = 128, .vocab = 33, .context = 64},
    {.dim = 72, .hidden = 64, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 256, .vocab = 40, .context = 64},
};
/* All at once, and small enough for Oclgrind. */
static const feature_model tiny = {.arch = "qwen3", .dim = 12, .hidden = 18, .layers = 1, .heads = 2, .kv_heads = 1,
                                   .head_dim = 8, .vocab = 17, .context = 64, .rope_dims = 4, .factors = 1,
                                   .untied = 1, .biases = 1, .norms = 1, .rope_base = 100};
static const llm_type types[] = {LLM_F32,  LLM_F16,  LLM_BF16, LLM_Q8_0, LLM_Q4_0, LLM_Q4_1,
                                 LLM_Q5_0, LLM_Q5_1, LLM_Q4_K, LLM_Q5_K, LLM_Q6_K};

static llm_model *open_model(const feature_model *m)
{
    llm_model *model;
    feature_write(m, path);
    ck_why(llm_model_open(&model, path, NULL, why));
    ck_valid(llm_model_check(model));
    return model;
}

/* ---- the reference ---- */

typedef struct texts {
    uint32_t vocab, ids[SEQUENCES][LONGEST];
    float *logits[SEQUENCES]; /* [position][vocab] */
} texts;

static void refer(const llm_model *m, texts *t)
{
    uint64_t rng = 99;
    t->vocab = m->vocab;
    for (uint32_t s = 0; s < SEQUENCES; s++) {
        llm_forward *f;
        t->logits[s] = malloc((size_t)lengths[s] * m->vocab * sizeof(float));
        must(t->logits[s]);
        for (uint32_t i = 0; i < lengths[s]; i++) t->ids[s][i] = rng_below(&rng, m->vocab);
        ck_why(llm_forward_create(&f, m, LONGEST, LLM_WIDTH_DOUBLE, why));
        ck_why(llm_forward_tokens(f, t->ids[s], lengths[s], t->logits[s], lengths[s], why));
        llm_forward_destroy(&f);
    }
}

static void forget(texts *t)
{
    for (uint32_t s = 0; s < SEQUENCES; s++) free(t->logits[s]);
}

static double distance(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) most = d; /* NaN too */
    }
    return most;
}

/* ---- what a model loses when a feature is left out ---- */

static const char *const lesions[] = {"pair order",   "RoPE's scale", "RoPE's factors", "RoPE's base",
                                      "RoPE's width", "bias of Q",    "bias of K",      "bias of V",
                                      "norm of Q",    "norm of K",    "own output",     "epsilon", "head order"};
enum { LESIONS = sizeof lesions / sizeof *lesions };

/* Takes it out of a copy; 0 when there is nothing to take out. */
static int take_out(int which, const feature_model *from, llm_model *m)
{
    llm_tensor none = {0};
    for (uint32_t i = 0; i < m->n_layers; i++) {
        llm_layer *l = &m->layers[i];
        llm_tensor *const tensors[] = {&l->bq, &l->bk, &l->bv, &l->q_norm, &l->k_norm};
        if (which >= 5 && which < 10) *tensors[which - 5] = none;
    }
    switch (which) {
    case 0: m->rope_halves = !m->rope_halves; return 1;
    case 1: m->rope_scale = 1; return from->rope_scale > 0;
    case 2: m->rope_factors = none; return from->factors;
    case 3: m->rope_base = 10000; return from->rope_base > 0 && from->rope_base < 10000;
    case 4: m->rope_dims = m->head_dim; m->rope_factors = none; return from->rope_dims > 0;
    case 5:
    case 6:
    case 7: return from->biases;
    case 8:
    case 9: return from->norms;
    case 10: m->output = none; return from->untied;
    case 11: m->rms_eps = 0; return 1;
    default: m->kv_heads = 1; return from->kv_heads > 1; /* all heads read the first one's keys and values */
    }
}

static int lose(int which, const feature_model *from, const llm_model *m, const texts *whole)
{
    llm_model less = *m;
    texts got;
    double most = 0;
    less.layers = malloc(m->n_layers * sizeof *less.layers);
    must(less.layers);
    memcpy(less.layers, m->layers, m->n_layers * sizeof *less.layers);
    const int there = take_out(which, from, &less);
    if (there && which == LESIONS - 1) {
        for (uint32_t i = 0; i < m->n_layers; i++) {
            less.layers[i].wk.rows = less.head_dim;
            less.layers[i].wv.rows = less.head_dim_v;
        }
    }
    if (there) {
        refer(&less, &got);
        for (uint32_t s = 0; s < SEQUENCES; s++)
            most = fmax(most, distance(got.logits[s], whole->logits[s], (size_t)lengths[s] * m->vocab));
        forget(&got);
        ck_assert_msg(most > LESION, "without its %s the model says nearly the same: %g", lesions[which], most);
    }
    free(less.layers);
    return there;
}

/* ---- the device ---- */

static llm_runtime *make(const llm_model *m, const llm_runtime_params *params)
{
    llm_runtime *r;
    int code;
    ck_why(llm_runtime_create(&r, m, params, why, &code));
    return r;
}

static llm_runtime_params floats(void)
{
    return (llm_runtime_params){.kv_type = CLKV_F32, .weight_type = CLKV_F32, .blocks = 64, .block_size = 4,
                                .max_sequences = SEQUENCES, .max_batch_tokens = 64, .shuffle_seed = 3};
}

/* How many tokens of a sequence its step takes: prompts in chunks, and then one by one. */
static uint32_t chunk(uint32_t s, uint32_t step)
{
    static const uint32_t first[SEQUENCES][4] = {{1, 13, 1, 5}, {6, 1, 1, 1}, {0, 3, 21, 2}};
    return step < 4 ? first[s][step] : 1;
}

/* Runs the texts through the device, and holds the logits of each position against the reference's. */
static void follow(llm_runtime *r, const texts *t, double tolerance)
{
    clkv_manager *manager = clkv_cache_manager(llm_runtime_cache(r));
    clkv_batch *batch;
    clkv_sequence *seq[SEQUENCES];
    clkv_sequence_params none = CLKV_PARAMS_INIT(clkv_sequence_params);
    uint32_t at[SEQUENCES] = {0}, done = 0, tokens[64];
    llm_pick picks[64];
    float *row = malloc(t->vocab * sizeof *row);
    must(row);
    ck_ok(clkv_batch_create(&batch, manager));
    for (uint32_t s = 0; s < SEQUENCES; s++) ck_ok(clkv_sequence_create(&seq[s], manager, &none, NULL));
    for (uint32_t step = 0; done < SEQUENCES; step++) {
        uint32_t n = 0, from[SEQUENCES];
        const float *wanted[64];
        ck_ok(clkv_batch_clear(batch));
        for (uint32_t s = done = 0; s < SEQUENCES; s++) {
            uint32_t here = chunk(s, step);
            if (here > lengths[s] - at[s]) here = lengths[s] - at[s];
            from[s] = at[s];
            for (uint32_t i = 0; i < here; i++, n++) {
                tokens[n] = t->ids[s][at[s] + i];
                picks[n] = (llm_pick){.token = n};
                wanted[n] = t->logits[s] + (size_t)(at[s] + i) * t->vocab;
            }
            if (here) ck_ok(clkv_batch_add(batch, seq[s], &t->ids[s][at[s]], here, NULL));
            at[s] += here;
            done += at[s] == lengths[s];
        }
        if (!n) break;
        ck_ok(clkv_batch_reserve(batch));
        ck_why(llm_runtime_step(r, batch, tokens, n, picks, n, why));
        ck_ok(clkv_batch_commit(batch));
        for (uint32_t i = 0; i < n; i++) {
            ck_why(llm_runtime_logits(r, i, row, why));
            const double d = distance(row, wanted[i], t->vocab);
            ck_assert_msg(d <= tolerance, "step %u (sequences at %u, %u, %u), token %u: off by %g", (unsigned)step,
                          (unsigned)from[0], (unsigned)from[1], (unsigned)from[2], (unsigned)i, d);
        }
    }
    for (uint32_t s = 0; s < SEQUENCES; s++) clkv_sequence_destroy(&seq[s]);
    clkv_batch_destroy(&batch);
    free(row);
}

static void compare(const llm_model *m, const texts *t, const llm_runtime_params *params, double tolerance)
{
    llm_runtime *r = make(m, params);
    ck_assert_uint_eq(llm_runtime_max_context(r), m->window ? m->window : m->context);
    follow(r, t, tolerance);
    llm_runtime_destroy(&r);
}

/* Once with floats everywhere, in the default variant and the portable one. */
static void compare_variants(const llm_model *m, const texts *t)
{
    llm_runtime_params p = floats();
    compare(m, t, &p, FLOAT_TOLERANCE);
    p.variant = "portable";
    if (grid == FULL) compare(m, t, &p, FLOAT_TOLERANCE);
}

START_TEST(features)
{
    const feature_model *from = &models[_i];
    llm_model *m = open_model(from);
    texts t;
    refer(m, &t);
    int found = 0;
    for (int i = 0; i < LESIONS; i++) found += lose(i, from, m, &t);
    ck_assert_int_ge(found, 3);
    compare_variants(m, &t);
    forget(&t);
    llm_model_close(&m);
}
END_TEST

START_TEST(groups_and_head_sizes)
{
    texts t;
    llm_model *m = open_model(&shapes[_i]);
    llm_runtime_params p = floats();
    p.variant = _i % 2 ? "portable" : NULL; /* compiling takes longest, and tests/device has every shape in both */
    refer(m, &t);
    compare(m, &t, &p, FLOAT_TOLERANCE);
    forget(&t);
    llm_model_close(&m);
}
END_TEST

/* ---- types ---- */

static void *rounded[64];
static size_t n_rounded;

/* What fp16 weights on the device are. */
static void round_to_half(llm_tensor *t)
{
    if (!t->data) return;
    uint16_t *halves = malloc((size_t)(t->rows * t->cols) * sizeof *halves);
    float *row = malloc((size_t)t->cols * sizeof *row);
    must(halves && row && n_rounded < sizeof rounded / sizeof *rounded);
    for (uint64_t r = 0; r < t->rows; r++) {
        llm_tensor_row(t, r, row);
        for (uint64_t i = 0; i < t->cols; i++) halves[r * t->cols + i] = clkv_ref_half(row[i]);
    }
    free(row);
    *t = (llm_tensor){LLM_F16, t->rows, t->cols, rounded[n_rounded++] = halves};
}

/* Every type, kept on the device as floats and as halves. */
START_TEST(weights_of_every_type)
{
    const feature_model from = {.dim = 256, .hidden = 256, .layers = 1, .heads = 16, .kv_heads = 8, .head_dim = 16,
                                .vocab = 61, .context = 64, .untied = 1, .type = types[_i]};
    llm_model *m = open_model(&from);
    llm_runtime_params p = floats();
    texts t;
    ck_assert_int_eq((int)m->layers[0].w_down.type, (int)types[_i]);
    refer(m, &t);
    compare(m, &t, &p, FLOAT_TOLERANCE);
    forget(&t);

    llm_layer *l = m->layers;
    llm_tensor *const matrices[] = {&m->embedding, &m->output, &l->wq,   &l->wk,    &l->wv,
                                    &l->wo,        &l->w_up,   &l->w_gate, &l->w_down};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) round_to_half(matrices[i]);
    refer(m, &t);
    p.weight_type = CLKV_F16;
    compare(m, &t, &p, FLOAT_TOLERANCE);
    p.kv_type = CLKV_F16;
    compare(m, &t, &p, HALF_TOLERANCE);
    p.variant = "portable";
    if (grid == FULL && types[_i] == LLM_F16) compare(m, &t, &p, HALF_TOLERANCE);
    forget(&t);
    while (n_rounded > 0) free(rounded[--n_rounded]);
    llm_model_close(&m);
}
END_TEST

START_TEST(everything_at_once)
{
    llm_runtime_params p = floats();
    texts t;
    if (grid == TINY) lengths[0] = 7, lengths[1] = 3, lengths[2] = 4;
    llm_model *m = open_model(&tiny);
    refer(m, &t);
    p.variant = "portable";
    compare(m, &t, &p, FLOAT_TOLERANCE);
    p.variant = NULL;
    p.weight_type = p.kv_type = CLKV_F16;
    compare(m, &t, &p, HALF_TOLERANCE);
    forget(&t);
    llm_model_close(&m);
}
END_TEST

static void setup(void)
{
    temporary_path(path);
}

static void teardown(void)
{
    remove(path);
}

int main(void)
{
    const char *wanted = getenv("CLKV_TEST_GRID");
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    grid = !wanted || !strcmp(wanted, "full") ? FULL : strcmp(wanted, "tiny") ? SMALL : TINY;
    TCase *c = tcase_create("logits");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, everything_at_once);
    if (grid != TINY) {
        tcase_add_loop_test(c, features, 0, sizeof models / sizeof *models);
        tcase_add_loop_test(c, groups_and_head_sizes, 0, sizeof shapes / sizeof *shapes);
        tcase_add_loop_test(c, weights_of_every_type, 0, sizeof types / sizeof *types);
    }
    return run_on_device("logits", c);
}
