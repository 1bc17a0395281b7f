/* case.h: one case of the attention tests, and its form as a line, so that a failure can be repeated:
 *
 *   test_numbers --case 'variant=cpu dim=128/64 heads=32/8 block=16 kv=f16 in=f32 out=f32 causal=1 split=0 parts=3
 *                        slabs=2 layers=3/1 scale=0 lse=1 scores=random rest=nan seed=7
 *                        batch=1:1328,5:18,129:463<0@200,1:90=0@64'
 *
 *   variant  the kernels' tier, or any     dim      head_dim/head_dim_v     heads  query/KV heads
 *   block    block size                    kv       types of K/V kept       in     of Q and of what is appended
 *   out      type of O                     causal   1 or 0                  split  tokens in a part, or 0
 *   parts    parts of a context, or 0      slabs    exactly so many         layers how many/the one that is used
 *   scale    0: the library's default      lse      wanted or not           scores, rest: below
 *   seed     of all numbers, and of the order in which the pool hands out its blocks
 *   batch    new:total tokens of each entry; "<P@N" forks entry P's history and cuts it to N tokens, "=P@N"
 *            has a prompt that begins with N tokens of P's and finds them by prefix
 *
 * Words may come in any order; one that is left out has the value of case_defaults.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_CASE_H
#define CLKV_TESTS_CASE_H

#include <stddef.h>
#include <stdint.h>

#define CASE_ENTRIES 8
#define CASE_LINE    512

/* What Q, K and V hold; content.c makes it. SCORES_LOW … SCORES_NONE have exact products. */
enum {
    SCORES_RANDOM,  /* about ±4 at the default scale */
    SCORES_LOW,     /* all −46341 */
    SCORES_HIGH,    /* all +10,000 */
    SCORES_PEAK,    /* +10,000 for one key in the middle, −10,000 for all others */
    SCORES_FIRST,   /* the same, but it is the first key … */
    SCORES_LAST,    /* … the last one … */
    SCORES_TAIL,    /* … the first of the last block */
    SCORES_NONE,    /* every score is −∞ */
    SCORES_EQUAL,   /* every key is the same, of random elements */
    SCORES_TINY,    /* K, V and some of Q denormal in their types */
    SCORES_LARGE,   /* V of ±65504 and about 1, K the same times a small scale */
    SCORES_ZERO,    /* 0 and −0 everywhere, a few ones */
    SCORES_ODD,     /* an infinity or a NaN in one used slot, or in one query; too large for fp16 counts as one */
    SCORES_KINDS,
};

/* What unused slots hold: those of no token, those behind a context, and all other layers. */
enum { REST_NAN, REST_INF, REST_MINUS_INF, REST_LARGEST, REST_KINDS };

typedef struct case_entry {
    uint32_t new_tokens, total;
    char from; /* 0, '<' (fork) or '=' (prefix) */
    uint32_t parent, shared;
} case_entry;

typedef struct test_case {
    char variant[16]; /* "any": what the target has */
    uint32_t head_dim, head_dim_v, heads, kv_heads, block_size;
    int k_f16, v_f16, in_f16, out_f16, non_causal;
    uint32_t split_tokens, parts, slabs;
    uint32_t layers, layer;
    float scale;
    int no_lse;
    uint32_t scores, rest;
    uint32_t seed;
    uint32_t n;
    case_entry entries[CASE_ENTRIES];
} test_case;

void case_format(const test_case *c, char line[CASE_LINE]);
/* 0 when the line is no case. */
int case_parse(test_case *c, const char *line);

/* The list of cases for CLKV_TEST_GRID, or the one of CLKV_TEST_CASE; n is set. Static storage. NULL when
 * CLKV_TEST_CASE is no case. */
const test_case *case_grid(size_t *n);

#endif
