/* grid.c: the cases of test_attention: what has gone wrong elsewhere, and what the random cases of test_numbers are
 * too short for. SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include "../unit/support.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static test_case grid[64];
static size_t n_grid;

/* Adds a case with defaults; fields are then changed in place. */
static test_case *add(const char *batch)
{
    test_case *c = &grid[n_grid];
    char line[2 * CASE_LINE];
    snprintf(line, sizeof line, "seed=%u batch=%s", (unsigned)n_grid + 1, batch);
    if (n_grid == COUNT(grid) || !case_parse(c, line)) {
        fprintf(stderr, "grid.c: %s\n", line);
        abort();
    }
    n_grid++;
    return c;
}

/* Turns the types with the number of the case, so that each axis meets several. */
static test_case *turn(test_case *c)
{
    const unsigned i = (unsigned)n_grid;
    c->k_f16 = i % 2;
    c->v_f16 = i % 4 < 2;
    c->in_f16 = i % 3 == 0;
    c->out_f16 = i % 7 == 0;
    c->slabs = i % 5 == 0 ? 3 : 1;
    return c;
}

/* Many heads. */
static void add_ratios(void)
{
    static const uint32_t heads[][2] = {{40, 40}, {64, 8}, {5, 1}, {32, 1}};
    for (size_t i = 0; i < COUNT(heads); i++) {
        test_case *c = turn(add(i % 2 ? "1:200,7:31" : "1:65,19:100"));
        c->head_dim = c->head_dim_v = 32;
        c->heads = heads[i][0];
        c->kv_heads = heads[i][1];
        c->split_tokens = i % 2 ? 48 : 0;
    }
}

static void add_mixed(void)
{
    static const char *const batches[] = {"1:1328,5:18,129:463", "1:523,1:37,1:2011"};
    for (int i = 0; i < 4; i++) {
        test_case *c = turn(add(batches[i % 2]));
        c->head_dim = c->head_dim_v = 128;
        c->heads = 16;
        c->kv_heads = 4;
        c->parts = i < 2 ? 0 : 4;
    }
    add("1:5000,1:4097,2:4096")->k_f16 = 1;
}

static void add_splits(void)
{
    add("1:129,5:18,40:150,8:257")->split_tokens = 48;
    add("1:400,16:500")->parts = 5;
    /* of 7 drafts the first see no key in the last part */
    test_case *c = add("7:130,3:65");
    c->block_size = 4;
    c->split_tokens = 4;
    c = add("9:140,1:133");
    c->non_causal = 1;
    c->split_tokens = 32;
}

static void add_shared(void)
{
    add("1:200,1:230<0@150,4:170<0@121"); /* partial tails, copied on write */
    add("1:200,1:200<0@199,1:200<1@199"); /* parallel samples: same history, own last token */
    add("1:300,1:250=0@160,9:311<1@249"); /* found by prefix, and a fork of that */
    test_case *c = add("2:200,2:170=0@99,1:200<0@198");
    c->split_tokens = 64;
    c->slabs = 4;
    c->k_f16 = c->v_f16 = 0;
}

/* A handful that touches everything, for an implementation thousands of times slower than a CPU. */
static void add_tiny(void)
{
    add("1:1,3:18,1:33")->head_dim = 8;
    test_case *c = turn(add("5:20,1:37"));
    c->head_dim_v = 8;
    c->head_dim = 16;
    c->split_tokens = 16;
    c->slabs = 2;
    c = add("1:20,1:22<0@18");
    c->head_dim = c->head_dim_v = 8;
    c->k_f16 = c->v_f16 = 0;
    c->block_size = 4;
    c->parts = 3;
    for (size_t i = 0; i < n_grid; i++) {
        grid[i].kv_heads = 1;
        grid[i].heads = i % 2 ? 3 : 2;
        if (grid[i].head_dim_v > 16) grid[i].head_dim_v = 16;
    }
}

static void add_small(void)
{
    test_case *c = add("1:129,5:18,17:60");
    c->parts = 3;
    c = turn(add("1:90,6:40"));
    c->head_dim = 24;
    c->head_dim_v = 80;
    c->heads = 7;
    c->kv_heads = 1;
    c->block_size = 1;
    c = turn(add("1:270,2:256"));
    c->heads = 24;
    c->block_size = 256;
    add("1:60,1:75<0@50,4:90=0@40")->slabs = 3;
    add("1:100,5:40")->scores = SCORES_PEAK;
    c = add("9:40,1:33");
    c->non_causal = 1;
    c->split_tokens = 16;
    /* whole steps of 128 tokens, of 1, 4 and 8 heads per KV head; and K and V of unlike types */
    add("1:400,5:1024,1:640")->parts = 1;
    c = add("1:530,3:700");
    c->head_dim = c->head_dim_v = 80;
    c->heads = 8;
    c->kv_heads = c->parts = 1;
    c->v_f16 = 0;
    c = turn(add("1:1024,9:450"));
    c->head_dim = c->head_dim_v = 128;
    c->heads = c->kv_heads = 2;
    c->k_f16 = 0;
    c->parts = 1;
}

const test_case *case_grid(size_t *n)
{
    const char *one = getenv("CLKV_TEST_CASE"), *size = getenv("CLKV_TEST_GRID");
    *n = 1;
    if (one) return case_parse(&grid[0], one) ? grid : NULL;
    n_grid = 0;
    if (size && !strcmp(size, "tiny")) {
        add_tiny();
    } else if (size && !strcmp(size, "small")) {
        add_small();
    } else {
        add_ratios();
        add_mixed();
        add_splits();
        add_shared();
    }
    *n = n_grid;
    return grid;
}
