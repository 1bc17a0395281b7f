/* test_serve.c: the serving loop on a model that is none: it defines the three functions of the runtime that
 * serve.c calls. Its cache holds token ids instead of keys and values, in the blocks that the manager gave, and
 * each next token is a function of everything that its query sees there. So a text is right only if every block
 * table, every copy and every slot was, and what it must be is computed without any of that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "../unit/support.h"

#include <clkv/manager.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 11, END = 10, LONGEST = 2200, MOST_REQUESTS = 64, MOST_PASSES = 20000, UNWRITTEN = 0xffff };

struct llm_runtime {
    clkv_manager *manager;
    uint32_t block_size;
    uint32_t *slots; /* of every block: what was written there */
    uint32_t sampled[4096], n_sampled;
    uint64_t passes, tokens;
    uint32_t most_tokens; /* in a batch */
};

/* Mostly of the last two tokens, so that texts repeat themselves; now and then of all that are visible. */
static uint32_t next_token(const uint32_t *ids, uint32_t n, const llm_sampler_params *how, float coin)
{
    uint32_t all = 2166136261u, last = (ids[n - 1] * 7 + (n > 1 ? ids[n - 2] : 0)) * 5 + 3;
    for (uint32_t i = 0; i < n; i++) all = (all ^ ids[i]) * 16777619u;
    uint32_t id = (n % 9 ? last : all >> 7) % END;
    if (how->temperature > 0) id = (id + (uint32_t)(coin * 3)) % END;
    return all % 97 ? id : END;
}

clkv_cache *llm_runtime_cache(llm_runtime *runtime)
{
    (void)runtime;
    return NULL;
}

int llm_tokenizer_is_end(const llm_tokenizer *t, uint32_t id)
{
    (void)t;
    return id == END;
}

/* What the query at `position` of an entry sees: committed tokens by the block table, new ones by their slots. */
static void visible(llm_runtime *r, const clkv_batch_entry *e, const uint32_t *slots, uint32_t position,
                    uint32_t *ids)
{
    const uint32_t first = e->context - e->new_tokens;
    for (uint32_t p = 0; p <= position; p++) {
        uint32_t block, offset, slot;
        if (p < first) {
            must(clkv_sequence_locate(e->sequence, 0, p, &block, &offset) == CLKV_OK);
            slot = block * r->block_size + offset;
        } else {
            slot = slots[e->first + p - first];
        }
        ids[p] = r->slots[slot];
        must(ids[p] != UNWRITTEN);
    }
}

int llm_runtime_step(llm_runtime *r, clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens,
                     const llm_pick *picks, uint32_t n_picks, char *why)
{
    const clkv_batch_entry *entries;
    const clkv_block_copy *copies;
    const uint32_t *slots;
    uint32_t n_entries, n_copies, n_slots, ids[LONGEST + 64], e = 0;
    (void)why;
    clkv_batch_get_entries(batch, &entries, &n_entries);
    clkv_batch_get_copies(batch, 0, &copies, &n_copies);
    clkv_batch_get_slots(batch, 0, &slots, &n_slots);
    must(n_tokens == n_slots && n_tokens <= r->most_tokens);
    for (uint32_t i = 0; i < n_copies; i++)
        memcpy(r->slots + copies[i].to * r->block_size, r->slots + copies[i].from * r->block_size,
               r->block_size * sizeof *r->slots);
    for (uint32_t i = 0; i < n_tokens; i++) r->slots[slots[i]] = tokens[i];
    for (uint32_t i = 0; i < n_picks; i++) {
        while (picks[i].token >= entries[e].first + entries[e].new_tokens) e++;
        const uint32_t position = entries[e].context - entries[e].new_tokens + picks[i].token - entries[e].first;
        visible(r, &entries[e], slots, position, ids);
        r->sampled[i] = next_token(ids, position + 1, &picks[i].how, picks[i].coin);
    }
    r->n_sampled = n_picks;
    r->passes++;
    r->tokens += n_tokens;
    return 0;
}

int llm_runtime_sampled(llm_runtime *r, uint32_t *ids, char *why)
{
    (void)why;
    memcpy(ids, r->sampled, r->n_sampled * sizeof *ids);
    return 0;
}

/* ---- one run ---- */

typedef struct run {
    uint32_t blocks, block_size, concurrency, chunk, draft, requests, samples, shared;
    float temperature;
    bool follow; /* every other prompt is the text that the one before it becomes */
} run;

typedef struct outcome {
    clkv_stats stats;
    uint64_t passes, tokens;
    uint32_t offered, accepted, told;
    uint64_t prompts, reused; /* tokens */
} outcome;

static void on_ids(void *user, llm_request *request, uint32_t n)
{
    outcome *o = user;
    (void)request;
    o->told += n;
}

/* What the request must be in the end, one token after the other. */
static void check_text(const llm_request *r, uint64_t coins)
{
    uint32_t ids[LONGEST], n = r->n_prompt, id = 0;
    ck_assert_int_ne(r->finish, LLM_FINISH_NOT);
    memcpy(ids, r->ids, n * sizeof *ids);
    while (n < r->most && id != END) {
        id = next_token(ids, n, &r->how, r->how.temperature > 0 ? llm_coin(&coins) : 0);
        if (id != END) ids[n++] = id;
    }
    ck_assert_uint_eq(r->n_ids, n);
    ck_assert_mem_eq(r->ids, ids, n * sizeof *ids);
    ck_assert_int_eq(r->finish, id == END ? LLM_FINISH_END : LLM_FINISH_STEPS);
    ck_assert_uint_le(r->accepted, r->offered);
    ck_assert_uint_lt(r->reused, r->n_prompt + 1);
}

static llm_request *make_request(const run *how, uint32_t number, uint64_t *state)
{
    uint32_t ids[LONGEST];
    const llm_sampler_params sampling = { .temperature = how->temperature, .seed = number + 5 };
    for (uint32_t i = 0; i < how->shared; i++) ids[i] = i % END;
    const uint32_t n = how->shared + 1 + (uint32_t)(llm_coin(state) * 40);
    for (uint32_t i = how->shared; i < n; i++) ids[i] = (uint32_t)(llm_coin(state) * END);
    llm_request *r = llm_request_create(ids, n, n + (uint32_t)(llm_coin(state) * 60), &sampling);
    for (uint32_t i = 1; i < how->samples; i++) ck_assert_ptr_nonnull(llm_request_fork(r));
    return r;
}

/* A prompt that is what another request's text will be. */
static llm_request *make_follower(const llm_request *before)
{
    uint32_t ids[LONGEST], n = before->n_prompt;
    memcpy(ids, before->ids, n * sizeof *ids);
    for (; n < before->most; n++) ids[n] = next_token(ids, n, &before->how, 0) % END;
    return llm_request_create(ids, n, n + 10, &before->how);
}

static outcome serve(const run *how)
{
    outcome out = { .stats = CLKV_PARAMS_INIT(clkv_stats) };
    llm_runtime runtime = { .block_size = how->block_size };
    clkv_manager_params params = CLKV_PARAMS_INIT(clkv_manager_params);
    llm_server server = { 0 };
    llm_request *requests[MOST_REQUESTS];
    uint64_t state = 42, coins[MOST_REQUESTS * 4];
    char why[WHY_BYTES] = "";
    int more = 1;

    params.blocks = how->blocks;
    params.block_size = how->block_size;
    params.max_sequences = how->concurrency;
    params.shuffle_seed = 3;
    ck_assert_int_eq(clkv_manager_create(&runtime.manager, &params), CLKV_OK);
    runtime.slots = malloc((size_t)how->blocks * how->block_size * sizeof *runtime.slots);
    for (uint32_t i = 0; i < how->blocks * how->block_size; i++) runtime.slots[i] = UNWRITTEN;
    llm_server_params serving = { .runtime = &runtime, .on_ids = on_ids, .user = &out };
    serving.schedule = (llm_schedule_params){ runtime.manager, how->concurrency, how->chunk, how->draft };
    runtime.most_tokens = llm_schedule_batch_tokens(&serving.schedule, how->block_size);
    ck_assert_msg(!llm_server_init(&server, &serving, why), "%s", why);
    for (uint32_t i = 0; i < how->requests; i++) {
        requests[i] = how->follow && i % 2 ? make_follower(requests[i - 1]) : make_request(how, i, &state);
        coins[i * 4] = requests[i]->coins;
        for (uint32_t s = 1; s < how->samples; s++) coins[i * 4 + s] = requests[i]->forks[s - 1]->coins;
        ck_assert_msg(!llm_server_add(&server, requests[i], why), "%s", why);
    }
    while (more) {
        if (llm_server_step(&server, &more, why)) ck_abort_msg("%s", why);
        must(runtime.passes < MOST_PASSES);
        ck_valid(clkv_manager_validate(runtime.manager));
    }
    uint32_t generated = 0;
    for (uint32_t i = 0; i < how->requests; i++) {
        for (uint32_t s = 0; s < how->samples; s++) {
            llm_request *r = s ? requests[i]->forks[s - 1] : requests[i];
            check_text(r, coins[i * 4 + s]);
            generated += r->n_ids - r->n_prompt;
            out.offered += r->offered;
            out.accepted += r->accepted;
            out.prompts += s ? 0 : r->n_prompt;
            out.reused += s ? 0 : r->reused;
        }
    }
    ck_assert_uint_eq(out.told, generated);
    clkv_manager_get_stats(runtime.manager, &out.stats);
    ck_assert_uint_eq(out.stats.blocks_used, 0);
    ck_assert_uint_eq(out.stats.sequences, 0);
    out.passes = runtime.passes;
    out.tokens = runtime.tokens;
    for (uint32_t i = 0; i < how->requests; i++) {
        for (uint32_t s = 1; s < how->samples; s++) llm_request_destroy(&requests[i]->forks[s - 1]);
        llm_request_destroy(&requests[i]);
    }
    llm_server_free(&server);
    clkv_manager_destroy(&runtime.manager);
    free(runtime.slots);
    return out;
}

/* ---- what must hold ---- */

static const run plain = { .blocks = 900, .block_size = 4, .concurrency = 8, .chunk = 32, .requests = 40,
                           .samples = 1 };

START_TEST(every_shape)
{
    static const uint32_t chunks[] = { 1, 5, 64, 1000 }, sizes[] = { 1, 2, 8, 64 }, drafts[] = { 0, 1, 7 };
    run how = plain;
    how.chunk = chunks[_i % 4];
    how.block_size = sizes[_i / 4 % 4];
    how.draft = drafts[_i / 16];
    if (how.block_size < 4) how.blocks *= 4 / how.block_size;
    how.temperature = _i % 2 ? 0.5f : 0;
    outcome out = serve(&how);
    ck_assert_uint_eq(out.stats.preemptions, 0);
    if (how.draft) ck_assert_uint_gt(out.accepted, 0);
    else ck_assert_uint_eq(out.offered, 0);
}
END_TEST

START_TEST(small_pools)
{
    run how = plain;
    uint64_t preempted = 0;
    how.samples = 1 + (uint32_t)_i % 3;
    how.draft = _i % 2 ? 5 : 0;
    how.temperature = 1;
    how.shared = _i % 4 == 3 ? 20 : 0;
    for (how.blocks = 31; how.blocks < 80; how.blocks += 7) {
        outcome out = serve(&how);
        preempted += out.stats.preemptions;
        ck_assert_uint_le(out.stats.blocks_peak_used, how.blocks);
    }
    ck_assert_uint_gt(preempted, 20);
}
END_TEST

START_TEST(drafts_save_passes)
{
    run how = plain;
    how.concurrency = 1;
    outcome without = serve(&how);
    how.draft = 6;
    outcome with = serve(&how);
    ck_assert_uint_eq(with.passes + with.accepted, without.passes);
    ck_assert_uint_gt(with.offered, with.accepted);
    ck_assert_uint_gt(with.accepted, without.passes / 20);
}
END_TEST

START_TEST(samples_share_their_prompt)
{
    run how = plain;
    how.samples = 4;
    how.temperature = 1;
    outcome four = serve(&how);
    ck_assert_uint_gt(four.stats.copies_on_write, how.requests);
    ck_assert_uint_eq(four.stats.lookups, how.requests); /* forks look nothing up */
}
END_TEST

START_TEST(equal_prefixes_are_computed_once)
{
    run how = plain;
    how.shared = 64; /* 16 blocks */
    how.chunk = 16;
    outcome out = serve(&how);
    ck_assert_uint_ge(out.reused, (how.requests - 1) * how.shared);
    ck_assert_uint_eq(out.stats.hit_tokens, out.reused);
}
END_TEST

/* Also in a pool that holds them all only because they share: those that wait take no room for what is coming. */
START_TEST(sixteen_prompts_given_at_once)
{
    run how = plain;
    how.requests = how.concurrency = 16;
    how.shared = 2000; /* 125 blocks */
    how.block_size = 16;
    how.chunk = _i ? 100 : 512;
    how.blocks = 16 * 140;
    outcome out = serve(&how);
    ck_assert_uint_eq(out.reused, 15 * 2000);
    ck_assert_uint_eq(out.stats.hit_tokens, 15 * 2000);
    ck_assert_uint_eq(out.stats.lookups, 16);
    /* What was generated was fed again, but for the last of each text that was not ended by the model. */
    const uint64_t new = out.prompts - out.reused + out.told;
    ck_assert_uint_le(out.tokens, new);
    ck_assert_uint_ge(out.tokens, new - 16);
    how.blocks = 125 + 16 * 8;
    outcome small = serve(&how);
    ck_assert_uint_eq(small.stats.preemptions, 0);
    ck_assert_uint_eq(small.tokens, out.tokens);
    ck_assert_uint_eq(small.passes, out.passes);
    /* A pool for few of them: those that are let in later look the prefix up anew, and still find it. */
    how.blocks = 125 + 3 * 8;
    small = serve(&how);
    ck_assert_uint_eq(small.reused, 15 * 2000);
    ck_assert_uint_gt(small.passes, out.passes);
}
END_TEST

/* A prompt may wait for what another text is just generating, or guessing wrongly; it must not wait for ever, and
 * each ends as it must. */
START_TEST(prompts_that_others_generate)
{
    run how = plain;
    how.follow = true;
    how.draft = _i % 3 * 3;
    how.chunk = 1 + (uint32_t)_i;
    uint64_t preempted = 0;
    for (how.blocks = 28; how.blocks < 80; how.blocks += 7) preempted += serve(&how).stats.preemptions;
    ck_assert_uint_gt(preempted, 0);
}
END_TEST

START_TEST(nothing_to_generate)
{
    run how = plain;
    how.requests = 0;
    ck_assert_uint_eq(serve(&how).passes, 0);
}
END_TEST

START_TEST(more_samples_than_sequences)
{
    char why[WHY_BYTES] = "";
    llm_schedule schedule = { .max_sequences = 2 };
    const llm_sampler_params greedy = { 0 };
    const uint32_t id = 1;
    llm_request *r = llm_request_create(&id, 1, 4, &greedy);
    for (int i = 0; i < 2; i++) ck_assert_ptr_nonnull(llm_request_fork(r));
    ck_assert_int_eq(llm_schedule_add(&schedule, r, why), -1);
    ck_assert_ptr_nonnull(strstr(why, "3 samples"));
    for (int i = 0; i < 2; i++) llm_request_destroy(&r->forks[i]);
    llm_request_destroy(&r);
}
END_TEST

/* What the device would make of such numbers is not defined. */
START_TEST(sampling_that_makes_no_sense_is_refused)
{
    static const llm_sampler_params odd[] = {
        { .temperature = NAN, .top_p = 1 }, { .temperature = 1, .top_p = NAN }, { .temperature = 1, .top_p = -0.5f },
        { .temperature = 1, .top_p = 1.5f }, { .temperature = 1, .top_p = 1, .min_p = -1 },
    };
    llm_server server = { 0 };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char why[WHY_BYTES] = "";
        const uint32_t id = 1;
        llm_request *r = llm_request_create(&id, 1, 4, &odd[i]);
        ck_assert_int_eq(llm_server_add(&server, r, why), -1);
        ck_assert_ptr_nonnull(strstr(why, "must be"));
        llm_request_destroy(&r);
    }
}
END_TEST

/* A text that is computed further than it goes, as after drafts that nobody took back: the loop must say so, where
 * it once went round for ever. */
START_TEST(no_progress_is_an_error)
{
    llm_runtime runtime = { .block_size = 4, .most_tokens = 64 };
    clkv_manager_params params = CLKV_PARAMS_INIT(clkv_manager_params);
    llm_server server = { 0 };
    llm_server_params serving = { .runtime = &runtime };
    const llm_sampler_params greedy = { 0 };
    const uint32_t ids[6] = { 1, 2, 3, 4, 5, 6 };
    char why[WHY_BYTES] = "";
    uint32_t slots[64];
    int more = 1;
    params.blocks = 16;
    params.block_size = 4;
    runtime.slots = slots;
    ck_assert_int_eq(clkv_manager_create(&runtime.manager, &params), CLKV_OK);
    serving.schedule = (llm_schedule_params){ runtime.manager, 2, 16, 0 };
    ck_assert_int_eq(llm_server_init(&server, &serving, why), 0);
    llm_request *r = llm_request_create(ids, 6, 40, &greedy);
    ck_assert_int_eq(llm_server_add(&server, r, why), 0);
    ck_assert_int_eq(llm_server_step(&server, &more, why), 0);
    ck_assert_uint_eq(clkv_sequence_length(r->sequence), 6);
    for (r->n_ids = 6; r->n_ids > 4; r->n_ids--) {
        ck_assert_int_eq(llm_server_step(&server, &more, why), -1);
        ck_assert_ptr_nonnull(strstr(why, "nothing is left to compute"));
    }
    llm_server_free(&server);
    llm_request_destroy(&r);
    clkv_manager_destroy(&runtime.manager);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_shape, 0, 48);
    tcase_add_loop_test(tc, small_pools, 0, 12);
    tcase_add_test(tc, drafts_save_passes);
    tcase_add_test(tc, samples_share_their_prompt);
    tcase_add_test(tc, equal_prefixes_are_computed_once);
    tcase_add_loop_test(tc, sixteen_prompts_given_at_once, 0, 2);
    tcase_add_loop_test(tc, prompts_that_others_generate, 0, 9);
    tcase_add_test(tc, nothing_to_generate);
    tcase_add_test(tc, more_samples_than_sequences);
    tcase_add_test(tc, sampling_that_makes_no_sense_is_refused);
    tcase_add_test(tc, no_progress_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
