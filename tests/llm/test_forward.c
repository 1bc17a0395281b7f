/* test_forward.c: the plain-C forward pass. On the real model: the golden ids and the published text. What that
 * model lacks is tested by pairs of small random models that must give the same logits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"
#include "forward.h"
#include "sampler.h"
#include "tokenizer.h"

#include <math.h>

static llm_forward *new_forward(const llm_model *m, uint32_t positions, llm_width width)
{
    llm_forward *f;
    char why[WHY_BYTES] = "";
    if (llm_forward_create(&f, m, positions, width, why)) ck_abort_msg("%s", why);
    return f;
}

static void run(llm_forward *f, const uint32_t *tokens, uint32_t n, float *logits, uint32_t n_logits)
{
    char why[WHY_BYTES] = "";
    if (llm_forward_tokens(f, tokens, n, logits, n_logits, why)) ck_abort_msg("%s", why);
}

static uint32_t greedy(float *logits, uint32_t n)
{
    return llm_sample(logits, n, &(llm_sampler_params){0}, 0);
}

/* NULL without the real data. */
static llm_model *real_model(void)
{
    char model[512], tokenizer[512], why[WHY_BYTES] = "";
    llm_model *m;
    if (!shared_file("model/stories260K.bin", model) || !shared_file("model/tok512.bin", tokenizer)) return NULL;
    if (llm_model_open(&m, model, tokenizer, why)) ck_abort_msg("%s", why);
    return m;
}

static uint32_t read_ids(const char *text, uint32_t *ids, uint32_t room)
{
    uint32_t n = 0;
    char *end;
    for (;; text = end) {
        const unsigned long id = strtoul(text, &end, 10);
        if (end == text) return n;
        must(n < room);
        ids[n++] = (uint32_t)id;
    }
}

/* Given the first n_prompt of them, the model must go on with the rest. */
static void must_speak(const llm_model *m, llm_width width, const uint32_t *ids, uint32_t n, uint32_t n_prompt)
{
    llm_forward *f = new_forward(m, m->context, width);
    float *logits = malloc(m->vocab * sizeof *logits);
    must(logits && n_prompt > 0);
    for (uint32_t at = 0, next = n_prompt; next < n; at = next++) {
        run(f, ids + at, next - at, logits, 1);
        ck_assert_uint_eq(greedy(logits, m->vocab), ids[next]);
    }
    free(logits);
    llm_forward_destroy(&f);
}

static FILE *golden(const char *name)
{
    char path[512];
    return shared_file(name, path) ? fopen(path, "r") : NULL;
}

START_TEST(greedy_ids_of_the_real_model)
{
    static char line[1 << 16];
    uint32_t ids[512];
    llm_model *m = real_model();
    FILE *file = golden("golden/greedy_ids.txt");
    if (!m || !file) return;
    must(fgets(line, sizeof line, file));
    const uint32_t n = read_ids(line, ids, 512);
    ck_assert_uint_eq(n, 257);
    must_speak(m, LLM_WIDTH_DOUBLE, ids, n, 1);
    must_speak(m, LLM_WIDTH_FLOAT, ids, n, 1);
    must_speak(m, LLM_WIDTH_DOUBLE, ids, n, 100);
    fclose(file);
    llm_model_close(&m);
}
END_TEST

START_TEST(greedy_ids_after_prompts)
{
    static char line[1 << 16];
    uint32_t ids[512];
    int prompts = 0;
    llm_model *m = real_model();
    FILE *file = golden("golden/greedy_prompts.tsv");
    if (!m || !file) return;
    while (fgets(line, sizeof line, file)) {
        if (*line == '#') continue;
        const char *count = strchr(line, '\t');
        must(count);
        char *list = strchr(count + 1, '\t'), *after = list ? strchr(list + 1, '\t') : NULL;
        must(after);
        *after = 0;
        must_speak(m, LLM_WIDTH_FLOAT, ids, read_ids(list, ids, 512), (uint32_t)atoi(count));
        prompts++;
    }
    ck_assert_int_eq(prompts, 6);
    fclose(file);
    llm_model_close(&m);
}
END_TEST

START_TEST(published_sampled_text)
{
    static char want[1 << 14], got[1 << 14];
    size_t bytes = 0;
    char why[WHY_BYTES] = "";
    llm_tokenizer *t;
    llm_model *m = real_model();
    FILE *file = golden("golden/sampled_t1.0_p0.9_s133742.txt");
    if (!m || !file) return;
    const size_t want_bytes = fread(want, 1, sizeof want, file);
    const llm_sampler_params how = {.temperature = 1.0f, .top_p = 0.9f, .seed = 133742};
    ck_assert_int_eq(llm_tokenizer_create(&t, m, why), 0);
    llm_forward *f = new_forward(m, m->context, LLM_WIDTH_FLOAT);
    float *logits = malloc(m->vocab * sizeof *logits);
    must(logits);
    uint64_t state = how.seed;
    uint32_t token = (uint32_t)m->tok.bos;
    for (int step = 0; step < 256; step++) {
        run(f, &token, 1, logits, 1);
        const uint32_t next = llm_sample(logits, m->vocab, &how, llm_coin(&state));
        if (llm_tokenizer_is_end(t, next)) break;
        bytes += llm_tokenizer_piece(t, token, next, got + bytes, sizeof got - bytes);
        must(bytes < sizeof got);
        token = next;
    }
    while (want[strlen(want) - 1] == '\n') want[strlen(want) - 1] = 0;
    ck_assert_uint_gt(want_bytes, 500);
    ck_assert_str_eq(got, want);
    free(logits);
    llm_forward_destroy(&f);
    llm_tokenizer_destroy(&t);
    fclose(file);
    llm_model_close(&m);
}
END_TEST

/* Small random models. Their arrays are never freed one by one: `made` has them all. */
enum { TOKENS = 7, MADE = 64 };
static const uint32_t text[TOKENS] = {3, 1, 4, 1, 5, 9, 2};
static float *made[MADE];
static int n_made;
static uint64_t rng;

static float *room(uint64_t n)
{
    must(n_made < MADE);
    float *x = calloc((size_t)n, sizeof *x);
    must(x);
    return made[n_made++] = x;
}

static float *array(llm_tensor *t, uint64_t rows, uint64_t cols)
{
    float *x = room(rows * cols);
    *t = (llm_tensor){LLM_F32, rows, cols, x};
    return x;
}

static float *random_array(llm_tensor *t, uint64_t rows, uint64_t cols, float centre)
{
    float *x = array(t, rows, cols);
    for (uint64_t i = 0; i < rows * cols; i++) x[i] = centre + (float)rng_below(&rng, 2001) / 1000 - 1;
    return x;
}

/* One layer, so that what a token sees of the others are their embeddings. */
static llm_model new_model(llm_layer *l)
{
    llm_model m = {.dim = 12,
                   .hidden_dim = 10,
                   .n_layers = 1,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 8,
                   .head_dim_v = 6,
                   .vocab = 11,
                   .context = 64,
                   .rms_eps = 1e-5f,
                   .rope_base = 100,
                   .rope_dims = 8,
                   .rope_scale = 1,
                   .layers = l};
    *l = (llm_layer){0};
    random_array(&m.embedding, m.vocab, m.dim, 0);
    random_array(&m.final_norm, 1, m.dim, 1);
    random_array(&l->attn_norm, 1, m.dim, 1);
    random_array(&l->wq, m.heads * m.head_dim, m.dim, 0);
    random_array(&l->wk, m.kv_heads * m.head_dim, m.dim, 0);
    random_array(&l->wv, m.kv_heads * m.head_dim_v, m.dim, 0);
    random_array(&l->wo, m.dim, m.heads * m.head_dim_v, 0);
    random_array(&l->ffn_norm, 1, m.dim, 1);
    random_array(&l->w_gate, m.hidden_dim, m.dim, 0);
    random_array(&l->w_up, m.hidden_dim, m.dim, 0);
    random_array(&l->w_down, m.dim, m.hidden_dim, 0);
    return m;
}

static void begin(void)
{
    rng = 42;
    n_made = 0;
}

static void end(void)
{
    while (n_made > 0) free(made[--n_made]);
}

static const float *logits_of(const llm_model *m, const uint32_t *tokens, uint32_t n)
{
    float *logits = room((uint64_t)n * m->vocab);
    llm_forward *f = new_forward(m, n, LLM_WIDTH_DOUBLE);
    run(f, tokens, n, logits, n);
    llm_forward_destroy(&f);
    return logits;
}

static double distance(const float *a, const float *b, uint32_t n)
{
    double most = 0;
    for (uint32_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static void must_agree(const llm_model *a, const llm_model *b)
{
    const double d = distance(logits_of(a, text, TOKENS), logits_of(b, text, TOKENS), TOKENS * a->vocab);
    if (!(d < 2e-4)) ck_abort_msg("they differ by %g", d);
}

/* So that agreeing means something. */
static void must_differ(const llm_model *a, const llm_model *b)
{
    ck_assert_double_gt(distance(logits_of(a, text, TOKENS), logits_of(b, text, TOKENS), TOKENS * a->vocab), 1e-2);
}

START_TEST(chunks_rewinding_and_widths)
{
    llm_layer l;
    const llm_model m = new_model(&l);
    const float *whole = logits_of(&m, text, TOKENS);
    float *logits = room((uint64_t)TOKENS * m.vocab);
    llm_forward *f = new_forward(&m, TOKENS, LLM_WIDTH_DOUBLE);
    for (uint32_t chunk = 1; chunk <= TOKENS; chunk++) {
        for (uint32_t at = 0; at < TOKENS; at += chunk) {
            const uint32_t n = at + chunk <= TOKENS ? chunk : TOKENS - at;
            run(f, text + at, n, logits + at * m.vocab, n);
            ck_assert_uint_eq(llm_forward_length(f), at + n);
        }
        ck_assert_mem_eq(logits, whole, TOKENS * m.vocab * sizeof *logits);
        llm_forward_rewind(f, chunk % 3);
        run(f, text + chunk % 3, TOKENS - chunk % 3, logits, 1);
        ck_assert_mem_eq(logits, whole + (TOKENS - 1) * m.vocab, m.vocab * sizeof *logits);
        llm_forward_rewind(f, TOKENS + 1);
        ck_assert_uint_eq(llm_forward_length(f), TOKENS);
        llm_forward_rewind(f, 0);
    }
    llm_forward_destroy(&f);
    f = new_forward(&m, TOKENS, LLM_WIDTH_FLOAT);
    run(f, text, TOKENS, logits, TOKENS);
    const double d = distance(logits, whole, TOKENS * m.vocab);
    ck_assert_double_gt(d, 0);
    ck_assert_double_lt(d, 1e-3);
    llm_forward_destroy(&f);
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(wrong_tokens_change_nothing)
{
    llm_layer l;
    char why[WHY_BYTES] = "";
    const uint32_t bad[2] = {1, 11};
    const llm_model m = new_model(&l);
    llm_forward *f = new_forward(&m, 4, LLM_WIDTH_DOUBLE);
    run(f, text, 3, NULL, 0);
    ck_assert_int_eq(llm_forward_tokens(f, text, 2, NULL, 0, why), -1);
    ck_assert(strstr(why, "room for 4"));
    ck_assert_int_eq(llm_forward_tokens(f, bad + 1, 1, NULL, 0, why), -1);
    ck_assert(strstr(why, "token 11"));
    ck_assert_uint_eq(llm_forward_length(f), 3);
    llm_forward_destroy(&f);
}
END_TEST

START_TEST(groups_and_narrow_values_are_copies_and_zeros)
{
    llm_layer l, wide_l;
    const llm_model m = new_model(&l);
    llm_model wide = m;
    wide_l = l;
    wide.layers = &wide_l;
    wide.kv_heads = wide.heads;
    wide.head_dim_v = 8;
    float *k = array(&wide_l.wk, wide.heads * 8, m.dim), *v = array(&wide_l.wv, wide.heads * 8, m.dim);
    float *o = array(&wide_l.wo, m.dim, wide.heads * 8);
    for (uint32_t h = 0; h < m.heads; h++) {
        memcpy(k + h * 8 * m.dim, (const float *)l.wk.data + h / 2 * 8 * m.dim, 8 * m.dim * sizeof *k);
        memcpy(v + h * 8 * m.dim, (const float *)l.wv.data + h / 2 * 6 * m.dim, 6 * m.dim * sizeof *v);
        for (uint32_t r = 0; r < m.dim; r++)
            memcpy(o + r * 32 + h * 8, (const float *)l.wo.data + r * 24 + h * 6, 6 * sizeof *o);
    }
    must_agree(&m, &wide);
}
END_TEST

START_TEST(pair_orders_differ_by_a_permutation)
{
    llm_layer l, other_l;
    llm_model m = new_model(&l), other = m;
    for (uint32_t dims = 4; dims <= 8; dims += 4) {
        m.rope_dims = other.rope_dims = dims;
        other.rope_halves = 1;
        other_l = l;
        other.layers = &other_l;
        must_differ(&m, &other);
        float *q = array(&other_l.wq, l.wq.rows, m.dim), *k = array(&other_l.wk, l.wk.rows, m.dim);
        for (uint32_t r = 0; r < l.wq.rows; r++) {
            const uint32_t i = r % 8, pair = i < dims ? i / 2 + i % 2 * (dims / 2) : i, to = r - i + pair;
            memcpy(q + to * m.dim, (const float *)l.wq.data + r * m.dim, m.dim * sizeof *q);
            if (r < l.wk.rows) memcpy(k + to * m.dim, (const float *)l.wk.data + r * m.dim, m.dim * sizeof *k);
        }
        must_agree(&m, &other);
    }
}
END_TEST

/* Scale, factors, base and the number of dimensions all say how fast each pair turns. */
START_TEST(rope_frequencies)
{
    llm_layer l;
    const llm_model m = new_model(&l);
    llm_model by_scale = m, by_factors = m, other_base = m, few = m;
    by_scale.rope_scale = 3;
    must_differ(&m, &by_scale);
    float *f = array(&by_factors.rope_factors, 1, 4);
    for (int i = 0; i < 4; i++) f[i] = 3;
    must_agree(&by_scale, &by_factors);

    other_base.rope_base = 5000;
    for (int i = 0; i < 4; i++) f[i] = (float)pow(50, 2.0 * i / 8);
    must_agree(&other_base, &by_factors);

    few.rope_dims = 4; /* frequencies 1 and 1/10, and two pairs at rest */
    f[0] = 1;
    f[1] = (float)(10 * pow(100, -2.0 / 8));
    f[2] = f[3] = 1e30f;
    must_agree(&few, &by_factors);
    must_differ(&few, &m);
}
END_TEST

/* RoPE tells distances only, so that what a window leaves can as well be all there is. */
START_TEST(windows)
{
    llm_layer l;
    const llm_model m = new_model(&l);
    const float *whole = logits_of(&m, text, TOKENS);
    for (uint32_t window = 1; window <= TOKENS + 1; window++) {
        llm_model narrow = m;
        narrow.window = window;
        const float *got = logits_of(&narrow, text, TOKENS);
        for (uint32_t t = 0; t < TOKENS; t++) {
            const uint32_t first = t + 1 > window ? t + 1 - window : 0;
            const float *alone = logits_of(&m, text + first, t + 1 - first) + (t - first) * m.vocab;
            ck_assert_double_lt(distance(got + t * m.vocab, alone, m.vocab), 1e-4);
            if (first > 0 && t == TOKENS - 1)
                ck_assert_double_gt(distance(got + t * m.vocab, whole + t * m.vocab, m.vocab), 1e-3);
            free(made[--n_made]);
        }
        free(made[--n_made]);
    }
}
END_TEST

/* Where what a projection reads is the same for each token, its result is a bias. */
START_TEST(biases)
{
    llm_layer l, other_l;
    const llm_model m = new_model(&l);
    llm_model other = m;
    float *e = (float *)(uintptr_t)m.embedding.data, *norm = (float *)(uintptr_t)l.attn_norm.data;
    for (uint32_t i = 0; i < m.vocab * m.dim; i++)
        e[i] = i % m.dim < 6 ? 0.25f * (float)(i % m.dim) - 1 : i * 2654435761u >> 31 ? 1 : -1;
    double square = 0;
    for (uint32_t i = 0; i < m.dim; i++) square += (double)e[i] * (double)e[i];
    const double scale = 1 / sqrt(square / m.dim + (double)m.rms_eps);
    const struct {
        const llm_tensor *w;
        llm_tensor *other_w, *bias;
    } parts[] = {
        {&l.wq, &other_l.wq, &other_l.bq}, {&l.wk, &other_l.wk, &other_l.bk}, {&l.wv, &other_l.wv, &other_l.bv}};
    for (size_t p = 0; p < 3; p++) {
        other_l = l;
        other.layers = &other_l;
        float *w = (float *)(uintptr_t)parts[p].w->data, *bias = array(parts[p].bias, 1, parts[p].w->rows);
        for (uint32_t r = 0; r < parts[p].w->rows; r++) {
            double sum = 0;
            for (uint32_t c = 0; c < m.dim; c++) {
                if (c >= 6) w[r * m.dim + c] = 0;
                sum += (double)w[r * m.dim + c] * (double)e[c] * scale * (double)norm[c];
            }
            bias[r] = (float)sum;
        }
        must_differ(&m, &other);
        array(parts[p].other_w, parts[p].w->rows, m.dim);
        must_agree(&m, &other);
        random_array((llm_tensor *)(uintptr_t)parts[p].w, parts[p].w->rows, m.dim, 0);
    }
}
END_TEST

/* A normed head does not depend on how long it was; of the weights of q and k only the product counts. */
START_TEST(head_norms)
{
    llm_layer l, other_l;
    llm_model m = new_model(&l), other = m;
    m.rms_eps = other.rms_eps = 0;
    other.layers = &other_l;
    other_l = l;
    float *q = array(&other_l.q_norm, 1, 8), *k = array(&other_l.k_norm, 1, 8);
    for (int i = 0; i < 8; i++) q[i] = k[i] = 1;
    must_differ(&m, &other);
    l.q_norm = other_l.q_norm;
    l.k_norm = other_l.k_norm;
    float *wq = array(&other_l.wq, l.wq.rows, m.dim), *wk = array(&other_l.wk, l.wk.rows, m.dim);
    for (uint32_t i = 0; i < l.wq.rows * m.dim; i++) wq[i] = 3 * ((const float *)l.wq.data)[i];
    for (uint32_t i = 0; i < l.wk.rows * m.dim; i++) wk[i] = 5 * ((const float *)l.wk.data)[i];
    must_agree(&m, &other);

    float *q2 = array(&other_l.q_norm, 1, 8), *k2 = array(&other_l.k_norm, 1, 8);
    for (int i = 0; i < 8; i++) {
        q2[i] = (float)(1 << i / 2);
        k2[i] = 1;
    }
    must_differ(&m, &other);
    for (int i = 0; i < 8; i++) k2[i] = 1 / q2[i];
    must_agree(&m, &other);
}
END_TEST

START_TEST(tied_output_is_the_embedding)
{
    llm_layer l;
    const llm_model m = new_model(&l);
    llm_model untied = m;
    untied.output = m.embedding;
    must_agree(&m, &untied);
    random_array(&untied.output, m.vocab, m.dim, 0);
    must_differ(&m, &untied);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forward");
    TCase *real = tcase_create("real model"), *small = tcase_create("small models");
    tcase_set_timeout(real, 300);
    tcase_add_test(real, greedy_ids_of_the_real_model);
    tcase_add_test(real, greedy_ids_after_prompts);
    tcase_add_test(real, published_sampled_text);
    tcase_add_checked_fixture(small, begin, end);
    tcase_add_test(small, chunks_rewinding_and_widths);
    tcase_add_test(small, wrong_tokens_change_nothing);
    tcase_add_test(small, groups_and_narrow_values_are_copies_and_zeros);
    tcase_add_test(small, pair_orders_differ_by_a_permutation);
    tcase_add_test(small, rope_frequencies);
    tcase_add_test(small, windows);
    tcase_add_test(small, biases);
    tcase_add_test(small, head_norms);
    tcase_add_test(small, tied_output_is_the_embedding);
    suite_add_tcase(suite, real);
    suite_add_tcase(suite, small);
    return run_suite(suite);
}
