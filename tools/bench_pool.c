/* bench_pool.c: clkv-bench pool, the host structures alone: block pool and prefix index.
 *
 *   allocate+release  every block allocated one by one, then released
 *   register          chains of CHAIN blocks, each block hashed, compared and entered
 *   match             whole chains looked up in random order; per block found
 *   evict             every block cached, then allocated again: the old content leaves the index too, after
 *                     the allocation, as when a batch is committed
 *
 * Blocks are released in one of two orders: "sequences" (whole chains in random order, each from its tail, as
 * sequences are freed) and "random" (block by block, the worst there is for memory). Since what is free is
 * used in the order in which it was released, that order shows in all figures.
 * Each is repeated until it has run for a while; the fastest repeat counts, as interruptions only ever add.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "bench_list.h"
#include "clock.h"
#include "exit.h"
#include "options.h"
#include "os/interrupt.h"
#include "progress.h"
#include "random.h"

#include <clkv/pool.h>
#include <clkv/prefix.h>

#include <stdlib.h>
#include <string.h>

#define CHAIN       64u /* blocks of one prompt */
#define MIN_SECONDS 0.2 /* of repeats of one size */
#define MIN_REPEATS 3

static struct {
    const char *blocks;
    uint32_t block_size;
    int json;
} given = {.blocks = "1000,10000,100000,1000000", .block_size = 16};

static const option_def table_of_options[] = {
    {"blocks", OPTION_TEXT, "LIST", "sizes of pool and index", &given.blocks},
    {"block-size", OPTION_U32, "N", "tokens per block, a power of two", &given.block_size, .min = 1, .max = 256},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
};

const option_set bench_pool_options = {
    "",
    "Measures block pool and prefix index, in nanoseconds per block.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .of_command = 1,
    .epilogue = "Orders in which blocks are released: sequences = whole prompts in random order, each from its\n"
                "tail; random = block by block. On large sizes what is measured is mostly cache misses. The\n"
                "fastest of several repeats is reported.",
};

typedef struct bench_host {
    uint32_t n; /* blocks */
    clkv_pool *pool;
    clkv_prefix *prefix;
    uint32_t *blocks; /* [n] as allocated: block i holds tokens[i · block_size …) */
    uint32_t *order;  /* [n] a random order */
    uint32_t *chains; /* a random order of chains */
    uint32_t *tokens; /* [n][block_size] */
    uint32_t *evicted; /* [n] of which n_evicted count: blocks that the pool took from the cache */
    uint32_t n_evicted;
    uint32_t found[CHAIN];
} bench_host;

/* ns per block of the fastest repeat. */
typedef struct figures {
    double allocate_release, registered, matched, evicted;
} figures;

enum { SEQUENCES, RANDOM, ORDERS };
static const char *const order_names[] = {"sequences", "random"};

static void on_evict(void *user, uint32_t block)
{
    bench_host *h = user;
    h->evicted[h->n_evicted++] = block;
}

static void shuffle(uint32_t *x, uint32_t n, random_state *random)
{
    for (uint32_t i = 0; i < n; i++) x[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = (uint32_t)(random_next(random) % i), t = x[i - 1];
        x[i - 1] = x[j];
        x[j] = t;
    }
}

static uint32_t chains_of(const bench_host *h)
{
    return (h->n + CHAIN - 1) / CHAIN;
}

/* Chains in random order, each from its tail to its head. */
static void order_by_chain(bench_host *h)
{
    uint32_t at = 0;
    for (uint32_t c = 0; c < chains_of(h); c++) {
        const uint32_t first = h->chains[c] * CHAIN, n = h->n - first < CHAIN ? h->n - first : CHAIN;
        for (uint32_t i = n; i > 0; i--) h->order[at++] = first + i - 1;
    }
}

static int create(bench_host *h, uint32_t n, int order)
{
    *h = (bench_host){.n = n};
    random_state random = random_seed(n);
    const clkv_pool_params pool = {.size = sizeof pool, .blocks = n, .evict = on_evict, .user = h};
    const clkv_prefix_params prefix = {.size = sizeof prefix, .blocks = n, .block_size = given.block_size};
    h->blocks = malloc(n * sizeof *h->blocks);
    h->order = malloc(n * sizeof *h->order);
    h->chains = malloc(chains_of(h) * sizeof *h->chains);
    h->evicted = malloc(n * sizeof *h->evicted);
    h->tokens = malloc((size_t)n * given.block_size * sizeof *h->tokens);
    if (!h->blocks || !h->order || !h->chains || !h->evicted || !h->tokens)
        return tool_fail(EXIT_CHECK, "out of memory");
    clkv_status status = clkv_pool_create(&h->pool, &pool);
    if (status == CLKV_OK) status = clkv_prefix_create(&h->prefix, &prefix);
    if (status != CLKV_OK) return tool_fail_status(status, "%u blocks", n);
    shuffle(h->chains, chains_of(h), &random);
    if (order == RANDOM)
        shuffle(h->order, n, &random);
    else
        order_by_chain(h);
    for (size_t i = 0; i < (size_t)n * given.block_size; i++)
        h->tokens[i] = (uint32_t)(random_next(&random) % 128000);
    return 0;
}

static void destroy(bench_host *h)
{
    clkv_pool_destroy(&h->pool);
    clkv_prefix_destroy(&h->prefix);
    free(h->blocks);
    free(h->order);
    free(h->chains);
    free(h->evicted);
    free(h->tokens);
}

static clkv_status allocate_all(bench_host *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const clkv_status status = clkv_pool_allocate(h->pool, 1, &h->blocks[i]);
        if (status != CLKV_OK) return status;
    }
    return CLKV_OK;
}

static clkv_status release_all(bench_host *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const clkv_status status = clkv_pool_release(h->pool, h->blocks[h->order[i]]);
        if (status != CLKV_OK) return status;
    }
    return CLKV_OK;
}

static clkv_status register_all(bench_host *h)
{
    const uint32_t bs = given.block_size;
    clkv_prefix_node node = CLKV_PREFIX_ROOT;
    for (uint32_t i = 0; i < h->n; i++) {
        if (i % CHAIN == 0) node = CLKV_PREFIX_ROOT;
        const clkv_status status = clkv_prefix_register(h->prefix, node, (uint64_t)(i % CHAIN) * bs, NULL, 0,
                                                        h->tokens + (size_t)i * bs, h->blocks[i], &node);
        if (status != CLKV_OK) return status;
    }
    return CLKV_OK;
}

static clkv_status match_all(bench_host *h, uint32_t *matched)
{
    const uint32_t bs = given.block_size;
    *matched = 0;
    for (uint32_t c = 0; c < chains_of(h); c++) {
        const uint32_t first = h->chains[c] * CHAIN, n = h->n - first < CHAIN ? h->n - first : CHAIN;
        size_t found;
        const clkv_status status =
            clkv_prefix_match(h->prefix, CLKV_PREFIX_ROOT, 0, NULL, 0, h->tokens + (size_t)first * bs,
                              (size_t)n * bs, h->found, &found, NULL);
        if (status != CLKV_OK) return status;
        *matched += (uint32_t)found;
    }
    return CLKV_OK;
}

static clkv_status retain_all(bench_host *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const clkv_status status = clkv_pool_retain(h->pool, h->blocks[i], 1);
        if (status != CLKV_OK) return status;
    }
    return CLKV_OK;
}

static void keep_least(double *least, double seconds, uint32_t n)
{
    const double ns = seconds / n * 1e9;
    if (*least == 0 || ns < *least) *least = ns;
}

/* One round of all four; the pool is empty before and after. */
static int measure_once(bench_host *h, figures *f)
{
    uint32_t matched;
    double t[6];
    clkv_status status;
    t[0] = clock_seconds();
    if ((status = allocate_all(h)) != CLKV_OK || (status = release_all(h)) != CLKV_OK)
        return tool_fail_status(status, "allocate and release");
    t[1] = clock_seconds();
    if ((status = allocate_all(h)) != CLKV_OK || (status = retain_all(h)) != CLKV_OK)
        return tool_fail_status(status, "allocate and retain");
    t[2] = clock_seconds();
    if ((status = register_all(h)) != CLKV_OK) return tool_fail_status(status, "register");
    t[3] = clock_seconds();
    if ((status = match_all(h, &matched)) != CLKV_OK) return tool_fail_status(status, "match");
    t[4] = clock_seconds();
    if (matched != h->n) return tool_fail(EXIT_CHECK, "%u of %u registered blocks were found", matched, h->n);
    if ((status = release_all(h)) != CLKV_OK) return tool_fail_status(status, "release");
    t[5] = clock_seconds();
    h->n_evicted = 0;
    if ((status = allocate_all(h)) != CLKV_OK) return tool_fail_status(status, "evict");
    clkv_prefix_drop_all(h->prefix, h->evicted, h->n_evicted);
    keep_least(&f->evicted, clock_seconds() - t[5], h->n);
    keep_least(&f->allocate_release, t[1] - t[0], h->n);
    keep_least(&f->registered, t[3] - t[2], h->n);
    keep_least(&f->matched, t[4] - t[3], h->n);

    clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_prefix_counts prefix = CLKV_PARAMS_INIT(clkv_prefix_counts);
    clkv_pool_get_counts(h->pool, &pool);
    clkv_prefix_get_counts(h->prefix, &prefix);
    if (prefix.blocks || pool.used != h->n)
        return tool_fail(EXIT_CHECK, "%llu evicted blocks are still in the index",
                         (unsigned long long)prefix.blocks);
    if ((status = release_all(h)) != CLKV_OK) return tool_fail_status(status, "release");
    return 0;
}

/* Adds a row, unless a signal comes. */
static int measure(uint32_t n, int order, cJSON *rows)
{
    bench_host h;
    figures f = {0};
    int code = create(&h, n, order);
    const double start = clock_seconds();
    for (int i = 0; !code && !clkv_interrupt_seen() && (i < MIN_REPEATS || clock_seconds() - start < MIN_SECONDS); i++)
        code = measure_once(&h, &f);
    if (!code && !clkv_interrupt_seen()) {
        clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
        clkv_prefix_counts prefix = CLKV_PARAMS_INIT(clkv_prefix_counts);
        clkv_pool_get_counts(h.pool, &pool);
        clkv_prefix_get_counts(h.prefix, &prefix);
        cJSON *row = cJSON_CreateObject();
        json_u64(row, "blocks", n);
        json_text(row, "order", order_names[order]);
        json_real(row, "allocate_release_ns", f.allocate_release);
        json_real(row, "match_ns", f.matched);
        json_real(row, "register_ns", f.registered);
        json_real(row, "evict_ns", f.evicted);
        json_u64(row, "host_bytes", pool.host_bytes + prefix.host_bytes);
        json_add(rows, NULL, row);
    }
    destroy(&h);
    return code;
}

int bench_pool(int argc, char **argv)
{
    int first;
    uint32_t sizes[BENCH_LIST_MAX], n;
    const int done = options_parse(&bench_pool_options, argc, argv, &first);
    if (done >= 0) return done;
    int code = bench_list("blocks", given.blocks, 1u << 26, sizes, &n);
    if (code) return code;
    if (given.block_size & (given.block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size %u is not a power of two", given.block_size);
    cJSON *root = cJSON_CreateObject(), *rows = cJSON_CreateArray();
    json_u64(root, "block_size", given.block_size);
    json_add(root, "sizes", rows);
    progress p = progress_begin();
    clkv_interrupt_catch();
    for (uint32_t i = 0; i < n && !code && !clkv_interrupt_seen(); i++) {
        progress_update(&p, "%u blocks", sizes[i]);
        for (int order = 0; order < ORDERS && !code; order++) code = measure(sizes[i], order, rows);
    }
    progress_end(&p);
    if (!code) return bench_print(root, given.json);
    cJSON_Delete(root);
    return code;
}
