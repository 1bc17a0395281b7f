/* target_plan.c: plans of hostile batches and tunings: whatever is asked for, every pair of a query and a key that
 * it sees is in one work item. Plans are made one into the other, as a cache does.
 *
 *   [KV heads][block size][tile][groups: u32][smallest part][most queries][causal][part: u32][parts: u32]
 *   { [queries][tokens before: u16] }…
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "plan/plan.h"

enum { ENTRIES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    clkv_plan plan = {0};
    while (in.left > 8) {
        clkv_batch_entry entries[ENTRIES];
        clkv_plan_params p = {0};
        p.kv_heads = 1 + fuzz_below(&in, 16);
        p.block_size = 1u << fuzz_below(&in, 9);
        p.tile_tokens = 1 + fuzz_below(&in, 40);
        p.target_groups = fuzz_u32(&in) >> fuzz_below(&in, 32);
        p.min_split = fuzz_byte(&in) * 4u;
        p.split_max_queries = fuzz_byte(&in);
        p.rule = fuzz_byte(&in) & 1 ? CLKV_RULE_CAUSAL : CLKV_RULE_ALL;
        p.split_tokens = fuzz_u32(&in) >> fuzz_below(&in, 32);
        p.parts = fuzz_u32(&in) >> fuzz_below(&in, 32);
        uint32_t n = 0, first = 0;
        for (const uint32_t most = 1 + fuzz_below(&in, ENTRIES); n < most; n++) {
            const uint32_t queries = 1 + fuzz_below(&in, 70), before = fuzz_below(&in, 700);
            entries[n] = (clkv_batch_entry){NULL, n, queries, first, before + queries};
            first += queries;
        }
        FUZZ_CHECK(!clkv_plan_build(&plan, &p, entries, n));
        const char *broken = clkv_plan_validate(&plan, &p, entries, n);
        if (broken) fuzz_broken("clkv_plan_validate", 0, broken);
        FUZZ_CHECK(plan.n_items > 0);
    }
    clkv_plan_free(&plan);
    return 0;
}
