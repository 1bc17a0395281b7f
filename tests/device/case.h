/* case.h: one case of the attention tests, and its form as a line, so that a failure can be repeated:
 *
 *   CLKV_TEST_CASE='dim=128/64 heads=32/8 block=16 kv=f16 in=f32 out=f32 causal=1 split=0 parts=3 slabs=2
 *                   scores=random seed=7 batch=1:1328,5:18,129:463<0@200,1:90=0@64' test_attention
 *
 * An entry of the batch is new:total tokens; "<P@N" forks entry P's history and cuts it to N tokens, "=P@N"
 * has a prompt that begins with N tokens of P's and finds them by prefix. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_CASE_H
#define CLKV_TESTS_CASE_H

#include <stddef.h>
#include <stdint.h>

#define CASE_ENTRIES 8
#define CASE_LINE    400

/* What the scores of a query are. */
enum {
    SCORES_RANDOM, /* about ±4 */
    SCORES_LOW,    /* all −46341 */
    SCORES_HIGH,   /* all +10,000 */
    SCORES_PEAK,   /* +10,000 for one key in the middle, −10,000 for all others */
};

typedef struct case_entry {
    uint32_t new_tokens, total;
    char from; /* 0, '<' (fork) or '=' (prefix) */
    uint32_t parent, shared;
} case_entry;

typedef struct test_case {
    uint32_t head_dim, head_dim_v, heads, kv_heads, block_size;
    int kv_f16, in_f16, out_f16, non_causal;
    uint32_t split_tokens, parts, slabs;
    uint32_t scores;
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
