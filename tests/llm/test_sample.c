/* test_sample.c: sampling on the device against its plain-C twin (sampler.c), over distributions that are flat,
 * peaked, full of ties, or broken, with every filter alone and together.
 *
 * The device sums in another order than the host. A draw may differ only where a boundary is near: then the twin
 * must give the device's token, or ones around it, for a coin or filter that is EDGE off.
 * SPDX-License-Identifier: Apache-2.0 */
#include "devices.h"
#include "compute.h"
#include "../random.h"
#include "sampler.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDGE(n) (2e-5f + 5e-8f * (float)(n)) /* the twin adds n floats, one to another */
#define PICKS   24
#define WORDS   5

static char why[WHY_BYTES];
static int picks = PICKS; /* in a launch */
static llm_compute compute;
static const char *const variants[] = {"cpu", "portable"};

#define ck_ok(call) ck_assert_msg((call) == 0, "%s: %s", #call, why)

typedef struct shape {
    const char *name;
    float (*logit)(random_state *r, uint32_t i, uint32_t n);
} shape;

static float flat(random_state *r, uint32_t i, uint32_t n)
{
    (void)r, (void)i, (void)n;
    return 3.0f;
}
static float smooth(random_state *r, uint32_t i, uint32_t n)
{
    (void)i, (void)n;
    return 4.0f * random_signed(r);
}
static float peaked(random_state *r, uint32_t i, uint32_t n)
{
    return (i == n / 3 ? 12.0f : 0.0f) + 3.0f * random_signed(r);
}
static float tied(random_state *r, uint32_t i, uint32_t n)
{
    (void)i, (void)n;
    return floorf(3.0f * random_signed(r));
}
static float steep(random_state *r, uint32_t i, uint32_t n)
{
    (void)i, (void)n;
    return 200.0f * random_signed(r);
}
static float broken(random_state *r, uint32_t i, uint32_t n)
{
    (void)n;
    return i % 7 == 0 ? NAN : i % 5 == 0 ? -INFINITY : 2.0f * random_signed(r);
}
static float one_only(random_state *r, uint32_t i, uint32_t n)
{
    (void)r;
    return i == n - 1 ? 0.0f : -INFINITY;
}
static const shape shapes[] = {
    {"flat", flat},   {"smooth", smooth}, {"peaked", peaked},     {"tied", tied},
    {"steep", steep}, {"broken", broken}, {"one only", one_only},
};
static const llm_sampler_params kinds[] = {
    {.temperature = 0},
    {.temperature = 1, .top_p = 1},
    {.temperature = 0.7f, .top_p = 0.9f},
    {.temperature = 1.5f, .top_p = 0.1f},
    {.temperature = 1, .top_p = 0.999f},
    {.temperature = 1, .top_k = 1, .top_p = 1},
    {.temperature = 1, .top_k = 5, .top_p = 1},
    {.temperature = 2, .top_k = 40, .top_p = 1},
    {.temperature = 1, .top_k = 1000000, .top_p = 1},
    {.temperature = 1, .min_p = 0.05f, .top_p = 1},
    {.temperature = 1, .min_p = 1, .top_p = 1},
    {.temperature = 1, .top_k = 50, .top_p = 0.8f},
    {.temperature = 1, .top_k = 50, .top_p = 0.8f, .min_p = 0.1f},
    {.temperature = 1e-30f, .top_p = 0.5f},
    {.temperature = 1, .top_p = 0},
    {.temperature = 3, .top_k = 50, .min_p = 0.01f, .top_p = 0},
};

static uint32_t twin(const float *logits, uint32_t n, const llm_sampler_params *how, float coin)
{
    float *copy = malloc(n * sizeof *copy);
    memcpy(copy, logits, n * sizeof *copy);
    const uint32_t id = llm_sample(copy, n, how, coin);
    free(copy);
    return id;
}

/* Where a token stands when they are walked: by descending logit, or by id where nothing filters. */
static uint32_t rank_of(const float *logits, uint32_t n, const llm_sampler_params *how, uint32_t id)
{
    const int filtered = how->top_k > 0 || how->min_p > 0 || how->top_p < 1;
    uint32_t rank = 0;
    if (!filtered) return id;
    for (uint32_t i = 0; i < n; i++)
        if (logits[i] > logits[id] || (logits[i] == logits[id] && i < id)) rank++;
    return rank;
}

/* Whether the token stands among those that the twin gives for settings at most EDGE(n) off. */
static int near_boundary(const float *logits, uint32_t n, const llm_sampler_params *how, float coin, uint32_t id)
{
    uint32_t first = n, last = 0;
    if (!(logits[id] > -INFINITY)) return 0;
    for (int c = -1; c <= 1; c++)
        for (int p = -1; p <= 1; p++)
            for (int m = -1; m <= 1; m++) {
                llm_sampler_params h = *how;
                if (h.top_p > 0 && h.top_p < 1) h.top_p = fminf(h.top_p + (float)p * EDGE(n), 0.99999994f);
                if (h.min_p > 0) h.min_p *= 1 + (float)m * EDGE(n);
                const float off = fmaxf(coin + (float)c * EDGE(n), 0); /* 1 and more: the last one */
                const uint32_t rank = rank_of(logits, n, how, twin(logits, n, &h, off));
                if (rank < first) first = rank;
                if (rank > last) last = rank;
            }
    const uint32_t rank = rank_of(logits, n, how, id);
    return rank >= first && rank <= last;
}

static void sample(const float *logits, uint32_t n, const llm_sampler_params *how, const float *coins,
                   uint32_t *ids)
{
    llm_buffer in = {0}, words = {0}, scratch = {0}, out = {0};
    uint32_t packed[PICKS * WORDS];
    const cl_uint at = 0, vocab = n;
    for (int i = 0; i < picks; i++) {
        const float floats[4] = {how->temperature, how->top_p, how->min_p, coins[i]};
        memcpy(packed + i * WORDS, floats, sizeof floats);
        packed[i * WORDS + 4] = how->top_k;
    }
    ck_ok(llm_buffer_create(&compute, &in, PICKS * n * sizeof(float), why));
    ck_ok(llm_buffer_create(&compute, &scratch, PICKS * n * sizeof(float), why));
    ck_ok(llm_buffer_create(&compute, &words, sizeof packed, why));
    ck_ok(llm_buffer_create(&compute, &out, PICKS * sizeof *ids, why));
    for (int i = 0; i < picks; i++)
        clEnqueueWriteBuffer(compute.queue, in.mem, CL_TRUE, i * n * sizeof(float), n * sizeof(float), logits, 0,
                             NULL, NULL);
    const size_t n_picks = (size_t)picks;
    clEnqueueWriteBuffer(compute.queue, words.mem, CL_TRUE, 0, n_picks * WORDS * sizeof *packed, packed, 0, NULL,
                         NULL);
    const llm_arg args[] = {LLM_ARG(in.mem),
                            LLM_ARG(vocab),
                            LLM_ARG(words.mem),
                            LLM_ARG(at),
                            LLM_ARG(scratch.mem),
                            LLM_ARG(out.mem),
                            {compute.group * sizeof(float), NULL}};
    ck_ok(llm_compute_launch(&compute, LLM_KERNEL_SAMPLE, n_picks, args, 7, LLM_TIME_OTHER, why));
    ck_assert_int_eq(
        clEnqueueReadBuffer(compute.queue, out.mem, CL_TRUE, 0, n_picks * sizeof *ids, ids, 0, NULL, NULL), 0);
    llm_buffer_free(&in);
    llm_buffer_free(&words);
    llm_buffer_free(&scratch);
    llm_buffer_free(&out);
}

START_TEST(draws_what_the_twin_draws)
{
    static const uint32_t sizes[] = {17, 1, 2, 512, 4099};
    const llm_compute_params params = {.variant = variants[_i]};
    random_state r = random_seed(7);
    int code;
    unsigned draws = 0, off = 0;
    ck_ok(llm_compute_open(&compute, &params, why, &code));
    const char *grid = getenv("CLKV_TEST_GRID");
    const int tiny = grid && !strcmp(grid, "tiny"); /* a few draws of a kind */
    const size_t n_sizes = tiny ? 1 : grid && strcmp(grid, "full") ? 4 : 5, kind_step = tiny ? 5 : 1;
    if (tiny) picks = 2;
    for (size_t z = 0; z < n_sizes; z++) {
        const uint32_t n = sizes[z];
        float *logits = malloc(n * sizeof *logits);
        for (size_t s = tiny ? 3 : 0; s < (tiny ? 4 : sizeof shapes / sizeof *shapes); s++) {
            for (uint32_t i = 0; i < n; i++) logits[i] = shapes[s].logit(&r, i, n);
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k += kind_step) {
                uint32_t ids[PICKS];
                float coins[PICKS] = {0, 0.99999994f};
                for (int i = 2; i < picks; i++) coins[i] = 0.5f + 0.4999999f * random_signed(&r);
                sample(logits, n, &kinds[k], coins, ids);
                for (int i = 0; i < picks; i++, draws++) {
                    if (ids[i] == twin(logits, n, &kinds[k], coins[i])) continue;
                    off++;
                    ck_assert_msg(ids[i] < n && near_boundary(logits, n, &kinds[k], coins[i], ids[i]),
                                  "%s logits of %u, kind %u, coin %.9g: %u instead of %u", shapes[s].name,
                                  (unsigned)n, (unsigned)k, (double)coins[i], (unsigned)ids[i],
                                  (unsigned)twin(logits, n, &kinds[k], coins[i]));
                }
            }
        }
        free(logits);
    }
    printf("%s: %u draws, %u of them beside a boundary\n", variants[_i], draws, off);
    ck_assert_uint_le(off, draws / 50);
    llm_compute_close(&compute);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    TCase *c = tcase_create("sample");
    tcase_add_loop_test(c, draws_what_the_twin_draws, 0, 2);
    return run_on_device("sample", c);
}
