/* test_sampler.c: which token comes next. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/support.h"
#include "sampler.h"
#include "why.h"

#include <math.h>
#include <string.h>

enum { N = 257 };

static uint32_t sample(const float *logits, uint32_t n, llm_sampler_params how, float coin)
{
    float copy[N];
    memcpy(copy, logits, n * sizeof *copy);
    return llm_sample(copy, n, &how, coin);
}

/* Logits whose probabilities at temperature 1 are these, up to rounding. */
static void logits_of(const float *p, uint32_t n, float *out)
{
    for (uint32_t i = 0; i < n; i++) out[i] = logf(p[i]);
}

/* The first numbers of the generator for the seed of the published text, computed by another program. */
START_TEST(coins_are_those_of_llama2c)
{
    static const float want[] = {11849731, 10446788, 9034627, 8935217, 5501730};
    uint64_t state = 133742, zero = 0;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_float_eq(llm_coin(&state), want[i] / 16777216);
    const float first = llm_coin(&zero);
    ck_assert_uint_ne(zero, 0);
    ck_assert_float_ne(llm_coin(&zero), first);
    for (int i = 0; i < 100000; i++) {
        const float coin = llm_coin(&state);
        must(coin >= 0 && coin < 1);
    }
}
END_TEST

START_TEST(greedy_takes_the_first_of_the_greatest)
{
    const float logits[] = {-3, 2, 7, 7, 1};
    const float broken[] = {NAN, -INFINITY, 4, NAN};
    const float nothing[] = {-INFINITY, -INFINITY};
    const float endless[] = {1, INFINITY, 2};
    ck_assert_uint_eq(sample(logits, 5, (llm_sampler_params){.top_k = 1, .top_p = 0.5f}, 0.9f), 2);
    for (int warm = 0; warm < 2; warm++) {
        const llm_sampler_params how = {.temperature = (float)warm};
        ck_assert_uint_eq(sample(broken, 4, how, 0.5f), 2);
        ck_assert_uint_eq(sample(nothing, 2, how, 0.5f), 0);
        ck_assert_uint_eq(sample(endless, 3, how, 0.5f), 1);
    }
    ck_assert_uint_eq(sample(logits, 5, (llm_sampler_params){.temperature = 1e-39f}, 0.9f), 2);
}
END_TEST

/* Without filters the line from 0 to 1 is cut up in id order. */
START_TEST(no_filter_walks_ids)
{
    const float p[] = {0.25f, 0.125f, 0.5f, 0.125f};
    float logits[4];
    logits_of(p, 4, logits);
    const llm_sampler_params how = {.temperature = 1, .top_p = 1};
    const struct {
        float coin;
        uint32_t id;
    } cases[] = {{0, 0}, {0.24f, 0}, {0.26f, 1}, {0.37f, 1}, {0.38f, 2}, {0.87f, 2}, {0.88f, 3}, {0.9999999f, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(sample(logits, 4, how, cases[i].coin), cases[i].id);
}
END_TEST

/* With one the most probable come first: 0.4 (id 3), 0.2 (0 and 2), 0.15 (1), 0.05 (4). */
START_TEST(filters_keep_the_most_probable)
{
    const float p[] = {0.2f, 0.15f, 0.2f, 0.4f, 0.05f};
    float logits[5];
    logits_of(p, 5, logits);
    const struct {
        llm_sampler_params how;
        float coin;
        uint32_t id;
    } cases[] = {
        /* top-p 0.5 keeps 0.4 + 0.2: the coin is worth 0.6 */
        {{1, 0.5f, 0, 0, 0}, 0.66f, 3},
        {{1, 0.5f, 0, 0, 0}, 0.67f, 0},
        {{1, 0.5f, 0, 0, 0}, 0.99f, 0},
        {{1, 0.39f, 0, 0, 0}, 0.99f, 3},
        /* top-k 3 keeps 0.8 */
        {{1, 1, 0, 3, 0}, 0.49f, 3},
        {{1, 1, 0, 3, 0}, 0.74f, 0},
        {{1, 1, 0, 3, 0}, 0.76f, 2},
        {{1, 1, 0, 1, 0}, 0.99f, 3},
        {{1, 1, 0, 99, 0}, 0.99f, 4},
        /* of them top-p 0.6 keeps 0.48 and more: 0.6 */
        {{1, 0.6f, 0, 3, 0}, 0.99f, 0},
        /* without top-k 0.6 and more: 0.8 */
        {{1, 0.61f, 0, 0, 0}, 0.99f, 2},
        /* min-p 0.3 keeps 0.12 and more: 0.95 */
        {{1, 1, 0.3f, 0, 0}, 0.99f, 1},
        {{1, 1, 0.45f, 0, 0}, 0.99f, 2},
        {{1, 1, 1, 0, 0}, 0.99f, 3},
        {{1, 0.5f, 0.45f, 0, 0}, 0.99f, 0},
        {{1, 0.99f, 0.45f, 4, 0}, 0.99f, 2},
        /* so low a top-p, or one token, is the most probable */
        {{1, 1e-9f, 0, 0, 0}, 0.99f, 3},
        {{1, 0, 0, 0, 0}, 0.99f, 3},
        {{1, 0, 0, 0, 0}, 0, 3},
        {{9, 0, 0.01f, 4, 0}, 0.99f, 3},
        /* the temperature comes before: at 0.5 they are 0.16 : 0.04 : 0.04 : 0.0225 : 0.0025 */
        {{0.5f, 0.6f, 0, 0, 0}, 0.99f, 3},
        {{0.5f, 1, 0.3f, 0, 0}, 0.99f, 3},
        {{0.5f, 1, 0.24f, 0, 0}, 0.99f, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint32_t id = sample(logits, 5, cases[i].how, cases[i].coin);
        if (id != cases[i].id) ck_abort_msg("case %zu: %u", i, (unsigned)id);
    }
    const float even[] = {0, 0, 0, 0}, one[] = {5};
    ck_assert_uint_eq(sample(even, 4, (llm_sampler_params){1, 1e-9f, 0, 0, 0}, 0.99f), 0);
    ck_assert_uint_eq(sample(even, 4, (llm_sampler_params){1, 0, 0, 0, 0}, 0.99f), 0);
    ck_assert_uint_eq(sample(one, 1, (llm_sampler_params){1, 0, 0, 0, 0}, 0.99f), 0);
    ck_assert_uint_eq(sample(even, 4, (llm_sampler_params){1, 1, 1, 0, 0}, 0.99f), 3);
    ck_assert_uint_eq(sample(one, 1, (llm_sampler_params){1, 0.9f, 0.1f, 3, 0}, 0.99f), 0);
}
END_TEST

/* The definition, done slowly: the most probable is looked for again for every rank. */
static uint32_t slow_sample(const float *logits, uint32_t n, llm_sampler_params how, float coin)
{
    double p[N], sorted[N], sum = 0, mass = 0, limit = (double)how.top_p;
    uint32_t order[N], kept = 0;
    float max = -INFINITY;
    for (uint32_t i = 0; i < n; i++) max = logits[i] > max ? logits[i] : max;
    for (uint32_t i = 0; i < n; i++) sum += p[i] = exp((double)(logits[i] - max) / (double)how.temperature);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t best = n;
        for (uint32_t j = 0; j < n; j++)
            if (p[j] >= 0 && (best == n || p[j] > p[best])) best = j;
        order[i] = best;
        sorted[i] = p[best] / sum;
        p[best] = -1;
    }
    const uint32_t most = how.top_k > 0 && how.top_k < n ? how.top_k : n;
    for (uint32_t i = 0; i < most; i++) mass += sorted[i];
    if (how.top_k > 0) limit *= mass;
    mass = 0;
    while (kept < most && (kept == 0 || sorted[kept] >= (double)how.min_p * sorted[0])) {
        mass += sorted[kept++];
        if (how.top_p < 1 && mass > limit) break;
    }
    double run = 0;
    for (uint32_t i = 0; i < kept; i++)
        if ((double)coin * mass < (run += sorted[i])) return order[i];
    return order[kept - 1];
}

/* Floats against doubles: a coin that falls within rounding of a boundary may differ, which is rare. */
START_TEST(random_filters_agree_with_the_definition)
{
    uint64_t rng = 7;
    int different = 0;
    float logits[N];
    for (int round = 0; round < 3000; round++) {
        const uint32_t n = 1 + rng_below(&rng, N);
        for (uint32_t i = 0; i < n; i++) logits[i] = (float)rng_below(&rng, 4000) / 400 - 5;
        const llm_sampler_params how = {
            .temperature = 0.25f + (float)rng_below(&rng, 100) / 50,
            .top_p = rng_below(&rng, 2) ? (float)rng_below(&rng, 1000) / 1000 : 1,
            .min_p = rng_below(&rng, 2) ? (float)(1 + rng_below(&rng, 400)) / 1000 : 0,
            .top_k = 1 + rng_below(&rng, 40),
        };
        llm_sampler_params all = how;
        if (rng_below(&rng, 2) && (how.top_p < 1 || how.min_p > 0)) all.top_k = 0;
        const float coin = llm_coin(&rng);
        different += sample(logits, n, all, coin) != slow_sample(logits, n, all, coin);
    }
    ck_assert_int_le(different, 3);
}
END_TEST

START_TEST(bad_params_are_named)
{
    const struct {
        llm_sampler_params how;
        const char *want; /* NULL: good */
    } cases[] = {
        {{0}, NULL},
        {{1, 1, 1, UINT32_MAX, UINT64_MAX}, NULL},
        {{.temperature = -0.5f}, "temperature is -0.5"},
        {{.temperature = NAN}, "temperature is "},
        {{.temperature = INFINITY}, "temperature is inf"},
        {{.top_p = -1}, "top-p is -1"},
        {{.top_p = 1.5f}, "top-p is 1.5"},
        {{.top_p = NAN}, "top-p"},
        {{.min_p = -1}, "min-p is -1"},
        {{.min_p = 2}, "min-p is 2"},
        {{.min_p = NAN}, "min-p"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[WHY_BYTES] = "";
        ck_assert_int_eq(llm_sampler_check(&cases[i].how, why), cases[i].want ? -1 : 0);
        if (cases[i].want && !strstr(why, cases[i].want)) ck_abort_msg("'%s' is not in '%s'", cases[i].want, why);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sample");
    tcase_add_test(tc, coins_are_those_of_llama2c);
    tcase_add_test(tc, greedy_takes_the_first_of_the_greatest);
    tcase_add_test(tc, no_filter_walks_ids);
    tcase_add_test(tc, filters_keep_the_most_probable);
    tcase_add_test(tc, random_filters_agree_with_the_definition);
    tcase_add_test(tc, bad_params_are_named);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
