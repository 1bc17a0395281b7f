/* sampler.h: which token comes next, given the logits and one random number. This is the plain-C twin of the
 * device's sampling kernels, and the definition that they follow:
 *
 *   logits ─▶ temperature ─▶ softmax ─▶ top-k ─▶ top-p ─▶ min-p ─▶ draw with the coin ─▶ id
 *
 *  1. temperature 0: the greatest logit (the lowest id of equals), and the coin is not looked at.
 *  2. p(i) = exp(logit(i) / temperature − the greatest of those), divided by the sum, in float and id order.
 *  3. The tokens of p > 0 stand in descending p, equals by ascending id. Each filter keeps a prefix, at least
 *     one token: top-k the first top_k; top-p up to and with the first token at which the running sum exceeds top_p
 *     (of what top-k kept: that sum × top_p), so that 0 keeps one token; min-p those with p ≥ min_p · the
 *     greatest p.
 *  4. r = coin × the sum of what is kept: the first token at which the running sum exceeds r is drawn. When no
 *     filter is on, the tokens are walked in id order and r = coin. The last one, should rounding pass them all.
 *
 * The filters' order and what their limits mean are llama.cpp's: top_k 0, min_p 0 and top_p 1 keep everything. The
 * temperature comes before them, so that with temperature and 0 < top_p < 1 alone every result is that of
 * llama2.c's run.c (which takes a top_p of 0 for "everything"). A logit that is NaN counts as −infinity.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_SAMPLER_H
#define CLKV_TOOLS_LLM_SAMPLER_H

#include <stdint.h>

/* All 0: greedy. */
typedef struct llm_sampler_params {
    float temperature; /* ≥ 0; 0: greedy, and the rest does not count */
    float top_p;       /* 0 … 1; 1: off; 0: only the likeliest token */
    float min_p;       /* 0 … 1; 0: off */
    uint32_t top_k;    /* 0: off */
    uint64_t seed;     /* what the state of llm_coin starts as */
} llm_sampler_params;

#define LLM_NO_TOKEN UINT32_MAX

/* 0, or −1 with the reason in `why` (WHY_BYTES): a number that is NaN, infinite, negative or out of its range. */
int llm_sampler_check(const llm_sampler_params *params, char *why);

/* The next random number in [0, 1), by xorshift64* as in llama2.c: one is taken for each token that is sampled
 * at a temperature above 0, none for a greedy one. A state of 0, which the generator would never leave, becomes
 * a fixed other one first. */
float llm_coin(uint64_t *state);

/* The token of n ≥ 1 logits, which are overwritten. The params are valid. Returns LLM_NO_TOKEN when there is no
 * memory. */
uint32_t llm_sample(float *logits, uint32_t n, const llm_sampler_params *params, float coin);

#endif
