/* test_attention.c: append and attention through the public API against the float64 twin, over the grid of
 * shapes; splits; results that do not depend on the rest of the batch; pools of several slabs and beyond 32
 * bits. A failing case is printed as a line for CLKV_TEST_CASE. SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"
#include "world.h"

#include "cache/state.h"

#include <math.h>

static target targets[MAX_TARGETS];
static size_t n_targets;
static const test_case *grid;
static size_t n_grid;

static void fail_case(const test_case *c, const target *t, const char *what)
{
    char line[CASE_LINE];
    case_format(c, line);
    ck_abort_msg("%s: %s\nCLKV_TEST_CASE='%s'", t->name, what, line);
}

static uint32_t whole_blocks(const test_case *c, uint32_t tokens)
{
    return (tokens + c->block_size - 1) / c->block_size * c->block_size;
}

/* Parts of an entry that is cut into chunks, tile by tile: a tile has as many as its last query sees. */
static uint32_t parts_of(const world *w, const case_entry *e, uint32_t chunk)
{
    const uint32_t tile = w->cache->ops.tile_tokens;
    uint32_t parts = 0;
    for (uint32_t q = 0, n; q < e->new_tokens; q += n) {
        n = e->new_tokens - q < tile ? e->new_tokens - q : tile;
        const uint32_t sees = w->c->non_causal ? e->total : e->total - e->new_tokens + q + n;
        parts += n * ((sees + chunk - 1) / chunk);
    }
    return parts;
}

/* A plan is cut as the case asks, by this test's own arithmetic: else the results prove nothing about parts. */
static void check_plan(const world *w, const target *t, const clkv_plan_info *info)
{
    const test_case *c = w->c;
    if (!c->split_tokens && !c->parts) return;
    const uint32_t most = w->cache->ops.tuning.split_max_queries; /* an entry with more is never split */
    uint32_t longest = 1, split = 0, parts = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->entries[i].new_tokens <= most && c->entries[i].total > longest) longest = c->entries[i].total;
    const uint32_t chunk = whole_blocks(c, c->split_tokens ? c->split_tokens : (longest + c->parts - 1) / c->parts);
    for (uint32_t i = 0; i < c->n; i++) {
        const case_entry *e = &c->entries[i];
        if (e->new_tokens > most || e->total <= chunk) continue;
        split++;
        parts += parts_of(w, e, chunk);
    }
    if (info->chunk != chunk || info->split_entries != split || info->parts != parts)
        fail_case(c, t, "was not split as asked");
}

START_TEST(against_oracle)
{
    const target *t = &targets[(size_t)_i % n_targets];
    const test_case *c = &grid[(size_t)_i / n_targets];
    world w;
    clkv_plan_info info;
    world_open(&w, c, t->device);
    world_reserve(&w, (1u << c->n) - 1);
    world_pass(&w, c->split_tokens, c->parts, &info);
    check_plan(&w, t, &info);
    const char *wrong = world_check(&w, NULL);
    if (wrong) fail_case(c, t, wrong);
    /* Another pass over the same reservation, cut in another way, after the batch's slots were written once. */
    world_pass(&w, c->split_tokens ? 0 : 64, 0, NULL);
    wrong = world_check(&w, NULL);
    if (wrong) fail_case(c, t, wrong);
    world_rollback(&w);
    world_close(&w);
}
END_TEST

/* With a fixed split a sequence's result has the same bits alone, with some, and with all others. */
START_TEST(same_bits_in_any_batch)
{
    static const char *const lines[] = {
        "dim=64/64 heads=8/2 block=16 kv=f16 in=f32 out=f32 causal=1 split=64 parts=0 slabs=2 scores=random seed=5 "
        "batch=1:300,5:200,1:17,20:90,1:129",
        "dim=16/24 heads=3/1 block=4 kv=f32 in=f16 out=f16 causal=0 split=8 parts=0 slabs=1 scores=random seed=6 "
        "batch=1:30,2:19,1:7",
    };
    const target *t = &targets[(size_t)_i % n_targets];
    test_case c;
    ck_assert(case_parse(&c, lines[(size_t)_i / n_targets]));
    world w;
    world_open(&w, &c, t->device);
    const uint32_t all = (1u << c.n) - 1, subsets[] = {1, 3, all & ~2u, all};
    float *o[CASE_ENTRIES] = {NULL};
    for (size_t s = 0; s < sizeof subsets / sizeof *subsets; s++) {
        world_reserve(&w, subsets[s]);
        world_pass(&w, c.split_tokens, 0, NULL);
        const char *wrong = world_check(&w, NULL);
        if (wrong) fail_case(&c, t, wrong);
        for (uint32_t i = 0; i < c.n; i++) {
            if (!(subsets[s] >> i & 1)) continue;
            const size_t bytes = sizeof(float) * c.entries[i].new_tokens * c.heads * c.head_dim_v;
            if (!o[i]) {
                o[i] = malloc(bytes);
                ck_assert_ptr_nonnull(o[i]);
                memcpy(o[i], w.o[i], bytes);
            } else if (memcmp(o[i], w.o[i], bytes)) {
                fail_case(&c, t, "another batch, other bits");
            }
        }
        world_rollback(&w);
    }
    for (uint32_t i = 0; i < c.n; i++) free(o[i]);
    world_close(&w);
}
END_TEST

/* A key alone gives exactly its value. */
START_TEST(one_key_is_its_value)
{
    test_case c;
    ck_assert(case_parse(&c, "dim=16/24 heads=4/2 block=4 kv=f16 in=f32 out=f32 causal=1 split=0 parts=0 slabs=1 "
                             "scores=low seed=3 batch=1:1,3:3"));
    const target *t = &targets[(size_t)_i];
    world w;
    world_open(&w, &c, t->device);
    world_reserve(&w, 3);
    world_pass(&w, 0, 0, NULL);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t h = 0; h < c.heads; h++)
            if (memcmp(w.o[i] + h * c.head_dim_v, w.v[i] + h / 2 * c.head_dim_v, c.head_dim_v * sizeof(float)))
                fail_case(&c, t, "one key, not its value");
    world_rollback(&w);
    world_close(&w);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    grid = case_grid(&n_grid);
    if (!grid) {
        printf("CLKV_TEST_CASE is no case: see case.h\n");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < n_targets; i++) printf("on %s\n", targets[i].name);
    Suite *suite = suite_create("attention");
    TCase *tcase = tcase_create("attention");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, against_oracle, 0, (int)(n_grid * n_targets));
    if (!getenv("CLKV_TEST_CASE")) {
        const char *size = getenv("CLKV_TEST_GRID");
        const int tiny = size && !strcmp(size, "tiny");
        tcase_add_loop_test(tcase, same_bits_in_any_batch, tiny ? (int)n_targets : 0, (int)(2 * n_targets));
        tcase_add_loop_test(tcase, one_key_is_its_value, 0, (int)n_targets);
    }
    suite_add_tcase(suite, tcase);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
