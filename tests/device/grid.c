/* grid.c: the cases of the attention tests: each axis walked on its own with the others in turn, then the
 * combinations that have gone wrong elsewhere, then random ones. SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include "../unit/support.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static test_case grid[256];
static size_t n_grid;

/* Adds a case with defaults; fields are then changed in place. */
static test_case *add(const char *batch)
{
    test_case *c = &grid[n_grid];
    char line[2 * CASE_LINE];
    snprintf(line, sizeof line,
             "dim=64/64 heads=8/2 block=16 kv=f16 in=f32 out=f32 causal=1 split=0 parts=0 slabs=1 scores=random "
             "seed=%u batch=%s",
             (unsigned)n_grid + 1, batch);
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
    c->kv_f16 = i % 2;
    c->in_f16 = i % 3 == 0;
    c->out_f16 = i % 7 == 0;
    c->slabs = i % 5 == 0 ? 3 : 1;
    return c;
}

static void add_dims(void)
{
    static const uint32_t dims[][2] = {{8, 8},     {16, 48},   {32, 32},   {64, 64},   {80, 80},
                                       {96, 96},   {112, 112}, {120, 120}, {128, 128}, {192, 192},
                                       {256, 256}, {192, 128}, {24, 256},  {256, 8},   {72, 40}};
    for (size_t i = 0; i < COUNT(dims); i++) {
        test_case *c = turn(add(i % 2 ? "1:129,5:18,40:150" : "1:77,1:300,3:3"));
        c->head_dim = dims[i][0];
        c->head_dim_v = dims[i][1];
        c->parts = i % 3;
    }
}

static void add_ratios(void)
{
    static const uint32_t heads[][2] = {{40, 40}, {64, 8}, {32, 4}, {9, 3}, {5, 1}, {7, 1}, {32, 1}};
    for (size_t i = 0; i < COUNT(heads); i++) {
        test_case *c = turn(add(i % 2 ? "1:200,7:31" : "1:65,19:100"));
        c->head_dim = c->head_dim_v = 32;
        c->heads = heads[i][0];
        c->kv_heads = heads[i][1];
        c->split_tokens = i % 2 ? 48 : 0;
    }
}

/* Contexts that end one before, on and one after the edge of a block. */
static void add_blocks(void)
{
    for (uint32_t size = 1; size <= 256; size *= 2) {
        char batch[CASE_LINE];
        const uint32_t at = size < 8 ? 40 * size : size < 128 ? 5 * size : 2 * size;
        snprintf(batch, sizeof batch, "1:%u,1:%u,1:%u,6:%u,%u:%u", at - 1 ? at - 1 : 1, at, at + 1, at + 3,
                 size + 1, at + size + 1);
        test_case *c = turn(add(batch));
        c->block_size = size;
        c->parts = size % 3 == 1 ? 3 : 0;
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
    add("1:5000,1:4097,2:4096")->kv_f16 = 1;
}

static void add_splits(void)
{
    static const uint32_t chunks[] = {16, 48, 128};
    for (size_t i = 0; i < COUNT(chunks); i++) add("1:129,5:18,40:150,8:257")->split_tokens = chunks[i];
    for (uint32_t parts = 2; parts <= 8; parts += 3) add("1:400,16:500")->parts = parts;
    /* of 7 drafts the first see no key in the last part */
    test_case *c = add("7:130,3:65");
    c->block_size = 4;
    c->split_tokens = 4;
    c = add("9:40,1:33,20:20");
    c->non_causal = 1;
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
    c->kv_f16 = 0;
}

static void add_scores(void)
{
    add("1:1,1:1")->scores = SCORES_LOW;
    add("1:300,5:40")->scores = SCORES_LOW;
    add("1:300,5:40")->scores = SCORES_HIGH;
    add("1:300,5:40")->scores = SCORES_PEAK;
    test_case *c = add("1:300,5:140");
    c->scores = SCORES_PEAK;
    c->split_tokens = 32;
    c->kv_f16 = 0;
}

static void add_random(unsigned n)
{
    static const uint32_t dims[] = {8, 32, 64, 128};
    static const uint32_t groups[] = {1, 2, 3, 4, 6, 8, 12};
    uint64_t state = 20240731;
    for (unsigned i = 0; i < n; i++) {
        char batch[CASE_LINE];
        int at = 0;
        for (uint32_t j = 0, entries = 1 + rng_below(&state, 5); j < entries; j++) {
            const uint32_t total = 1 + rng_below(&state, rng_below(&state, 2) ? 40 : 600);
            const uint32_t most = total < 30 ? total : 30;
            const uint32_t new_tokens = rng_below(&state, 2) ? 1 : 1 + rng_below(&state, most);
            at += snprintf(batch + at, sizeof batch - (size_t)at, "%s%u:%u", j ? "," : "", new_tokens, total);
        }
        test_case *c = turn(add(batch));
        c->head_dim = dims[rng_below(&state, 4)];
        c->head_dim_v = rng_below(&state, 4) ? c->head_dim : dims[rng_below(&state, 4)];
        c->kv_heads = 1 + rng_below(&state, 3);
        c->heads = c->kv_heads * groups[rng_below(&state, COUNT(groups))];
        c->block_size = 1u << rng_below(&state, 7);
        c->non_causal = rng_below(&state, 5) == 0;
        c->slabs = 1 + rng_below(&state, 5);
        if (rng_below(&state, 2)) c->split_tokens = 1 + rng_below(&state, 200);
    }
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
    c->kv_f16 = 0;
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
    c = turn(add("1:77,3:3"));
    c->head_dim = 128;
    c->block_size = 8;
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
        add_dims();
        add_ratios();
        add_blocks();
        add_mixed();
        add_splits();
        add_shared();
        add_scores();
        add_random(16);
    }
    *n = n_grid;
    return grid;
}
