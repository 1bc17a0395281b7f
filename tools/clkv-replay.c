/* clkv-replay: serves a recorded hour of chat through the paged KV cache, and says what came of it.
 *
 *   trace.c ──▶ replay_tokens.c ──▶ replay_scheduler.c ──▶ clkv_manager          --attention off
 *   (file)      (token ids)         (batches)         └──▶ replay_model.c ──▶ clkv_cache ──▶ device    on
 *                                                              └──▶ replay_rows.c             --check
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"
#include "kv.h"
#include "json.h"
#include "options.h"
#include "os/arguments.h"
#include "os/interrupt.h"
#include "replay_scheduler.h"
#include "table.h"
#include "trace.h"
#include "variant.h"
#ifdef CLKV_TOOLS_OPENCL
#include "compiling.h"
#include "replay_model.h"
#endif

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* The values of head_dim, heads and so on that the library takes are its own affair: it says no. */
static struct {
    uint32_t block_size, blocks, concurrency, chunk, limit, scale;
    uint64_t memory;
    int blocks_given, memory_given;
    int attention, kv, check, clear_freed, json;
    uint32_t layers, heads, kv_heads, head_dim, seed;
    const char *device, *variant;
} options = {
    .block_size = 16, .concurrency = 32, .chunk = 2048, .scale = 1,
    .layers = 2, .heads = 8, .kv_heads = 2, .head_dim = 64, .seed = 1,
};

static const char *const off_on[] = { "off", "on", NULL };

static const option_def table_of_options[] = {
    { .kind = OPTION_HEADING, .help = "Requests" },
    { "limit", OPTION_U32, "N", "only the first N requests; 0 = all", &options.limit },
    { "scale", OPTION_U32, "S",
      "divide all lengths by S: a chunk of 512 tokens that has a hash id becomes 512/S tokens (rounded down, at "
      "least 1), a last partial chunk and an answer are rounded up. Equal prefixes stay equal: token i of the "
      "chunk with id h is h times the chunk's tokens, plus i",
      &options.scale, .min = 1, .max = TRACE_MAX_LENGTH },
    { "concurrency", OPTION_U32, "N", "requests alive at a time; admitted in the trace's order",
      &options.concurrency, .min = 1, .max = 65535 },
    { "chunk", OPTION_U32, "N",
      "tokens of a step: one for each sequence that decodes, and the rest for prefill (at least a block)",
      &options.chunk, .min = 1, .max = 1 << 24 },
    { .kind = OPTION_HEADING, .help = "The pool" },
    { "block-size", OPTION_U32, "N", "tokens per block, a power of two up to 256", &options.block_size,
      .min = 1, .max = 256 },
    { "blocks", OPTION_U32, "N",
      "blocks in the pool; 0 = as many as needed, so that nothing is ever evicted (with --attention on at most "
      "half of the device's memory)",
      &options.blocks, .max = UINT32_C(1) << 31, .given = &options.blocks_given },
    { "memory", OPTION_SIZE, "SIZE", "the same in bytes of keys and values of the shape below: 512M, 4G",
      &options.memory, .given = &options.memory_given, .absent = "" },
    { .kind = OPTION_HEADING, .help = "The model" },
    { "attention", OPTION_CHOICE, NULL,
      "off: the host side only. on: append and attention for every layer of every step",
      &options.attention, .choices = off_on },
    { "layers", OPTION_U32, "N", "layers", &options.layers, .min = 1, .max = 1024 },
    { "heads", OPTION_U32, "N", "query heads", &options.heads, .min = 1, .max = 1024 },
    { "kv-heads", OPTION_U32, "N", "KV heads", &options.kv_heads, .min = 1, .max = 1024 },
    { "head-dim", OPTION_U32, "N", "dimensions of a head", &options.head_dim, .min = 1, .max = 1024 },
    { "kv", OPTION_CHOICE, NULL, KV_HELP, &options.kv, .choices = kv_names },
    { "device", OPTION_TEXT, "D",
      "the device's index or a part of its name, as clkv-info lists them; default: the best", &options.device },
    { "variant", OPTION_TEXT, "V", "force a kernel variant: cpu or portable", &options.variant,
      .choices = variant_names },
    { "clear-freed", OPTION_FLAG, NULL, "blocks are zeroed when they are freed or evicted; needs --attention on",
      &options.clear_freed },
    { "check", OPTION_FLAG, NULL,
      "compare two rows of attention with the C reference in each of the first 64 steps and in every 64th after; "
      "needs --attention on", &options.check },
    { "seed", OPTION_U32, "N", "of keys, values, queries and of the choice of rows", &options.seed },
    { .kind = OPTION_HEADING, .help = "Output" },
    { "json", OPTION_FLAG, NULL, "print one JSON object", &options.json },
};

static const option_set set = {
    "TRACE",
    "Serves the requests of a trace by continuous batching with chunked prefill, prefix reuse, eviction and\n"
    "preemption. TRACE is Mooncake JSON lines or an Azure CSV, plain or gzipped; - reads standard input.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    1,
    1,
    "SIGINT (Ctrl-C), SIGTERM or SIGHUP ends the run early: the figures are those of the steps until then.\n"
    "Keys of the output:\n"
    "  finished                 false (in the table: no) when a signal has ended the run early\n"
    "  requests                 that were served\n"
    "  skipped_rows             of the trace that are no requests: 0 tokens of context, say\n"
    "  rejected                 that the whole pool is too small for (exit status 1)\n"
    "  prompt_tokens            of the requests served\n"
    "  prefix_hit_tokens        of those, found in the cache and never computed\n"
    "  prefix_hit_rate          the one divided by the other\n"
    "  generated_tokens         of the answers\n"
    "  computed_tokens          that went through a batch: prompts without what was found, and answers\n"
    "  recomputed_tokens        lost to preemption, not found again, and computed once more\n"
    "  steps                    batches\n"
    "  evictions                cached blocks that were reused for something else\n"
    "  preemptions              sequences that had to give their blocks back\n"
    "  blocks                   in the pool\n"
    "  peak_used_blocks         most blocks that sequences held at one time\n"
    "  waste_percent            slots of used blocks that hold no token, over all steps\n"
    "  uploaded_bytes_per_step  block tables, lengths, slots, work items sent to the device; 0 with --attention off\n"
    "  tokens_per_s             prompt tokens, found or computed, and generated tokens, per second\n"
    "  seconds                  from the first admission to the end of the last step\n"
    "  leaked_blocks            still used when no sequence is left: must be 0, else exit status 1\n"
    "  checked_rows             rows of attention compared with the reference\n"
    "  max_abs_error            largest difference of an element (values are within 1); too large: exit status 1",
};

/* What a run found, beyond the scheduler's figures. */
typedef struct outcome {
    replay_result replay;
    uint32_t blocks;
    uint64_t skipped_rows, checked_rows;
    double max_abs_error; /* NAN when nothing was checked */
    char device[256];     /* "" with attention off */
} outcome;

/* float32 arithmetic over values within 1 and scores within about 10: the field's 1e-5 for float32. It holds
 * for a float16 cache as well, whose rounding the values made for the check do not feel. */
static const double tolerance = 1e-5;

static uint64_t block_bytes(void)
{
    uint64_t elements = kv_bytes(kv_k_type(options.kv)) + kv_bytes(kv_v_type(options.kv));
    return elements * options.layers * options.kv_heads * options.head_dim * options.block_size;
}

/* The pool's blocks: as told, or as many as all requests together take. `most` is what "as needed" may take. */
static int choose_blocks(const replay_tokens *tokens, uint64_t most, uint32_t *out)
{
    const uint64_t limit = UINT64_C(1) << 31;
    uint64_t blocks = options.blocks;
    if (options.memory) {
        blocks = options.memory / block_bytes();
        if (!blocks)
            return tool_fail(EXIT_USAGE, "--memory is smaller than one block of %" PRIu64 " bytes", block_bytes());
        if (blocks > limit)
            return tool_fail(EXIT_USAGE, "--memory: %" PRIu64 " blocks are more than 2^31, the most of a pool", blocks);
    } else if (!blocks) {
        for (size_t i = 0; i < tokens->trace->n_requests; i++) {
            uint64_t n = replay_tokens_prompt(tokens, i) + replay_tokens_output(tokens, i);
            blocks += (n + options.block_size - 1) / options.block_size;
        }
        if (blocks > most) blocks = most;
        if (blocks > limit) blocks = limit;
    }
    *out = (uint32_t)blocks;
    return 0;
}

static int replay_host(replay_tokens *tokens, outcome *out)
{
    clkv_manager *manager = NULL;
    clkv_manager_params params = CLKV_PARAMS_INIT(clkv_manager_params);
    int code = choose_blocks(tokens, UINT64_MAX, &out->blocks);
    if (code) return code;
    params.blocks = out->blocks;
    params.block_size = options.block_size;
    params.max_sequences = options.concurrency;
    params.max_context = tokens->longest;
    clkv_status status = clkv_manager_create(&manager, &params);
    if (status) return tool_fail_status(status, "a pool of %" PRIu32 " blocks", params.blocks);
    replay_params replay = { .manager = manager, .tokens = tokens, .concurrency = options.concurrency,
                             .chunk = options.chunk };
    code = replay_run(&replay, &out->replay);
    clkv_manager_destroy(&manager);
    return code;
}

#ifdef CLKV_TOOLS_OPENCL
static int create_cache(clkv_device *device, const replay_tokens *tokens, uint32_t batch_tokens, outcome *out,
                        clkv_cache **cache)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    clkv_status status = clkv_device_get_info(device, &info);
    if (status) return tool_fail_status(status, "the device");
    snprintf(out->device, sizeof out->device, "%s / %s (%s)", info.platform, info.name, info.variant);
    uint64_t most = info.global_bytes / 2 / block_bytes();
    int code = choose_blocks(tokens, most ? most : 1, &out->blocks);
    if (code) return code;
    params.layers = options.layers;
    params.heads = options.heads;
    params.kv_heads = options.kv_heads;
    params.head_dim = options.head_dim;
    params.k_type = kv_k_type(options.kv);
    params.v_type = kv_v_type(options.kv);
    params.blocks = out->blocks;
    params.block_size = options.block_size;
    params.max_sequences = options.concurrency;
    params.max_context = tokens->longest;
    params.max_batch_tokens = batch_tokens;
    params.clear_freed = options.clear_freed;
    params.compile = CLKV_COMPILE_LATER;
    status = clkv_cache_create(cache, device, &params);
    if (!status) status = compile_kernels(*cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION);
    if (status)
        return tool_fail_status(status, "a cache of %" PRIu32 " blocks of %" PRIu64 " bytes", params.blocks,
                                block_bytes());
    return 0;
}

static int replay_device(replay_tokens *tokens, outcome *out)
{
    /* Decoding may exceed the step's budget, and leaves prefill at least a block. */
    uint32_t batch_tokens = options.chunk > options.concurrency ? options.chunk : options.concurrency;
    batch_tokens += options.block_size;
    clkv_device_params opened = CLKV_PARAMS_INIT(clkv_device_params);
    clkv_device *device = NULL;
    clkv_cache *cache = NULL;
    replay_model *model = NULL;
    opened.select = options.device;
    opened.variant = options.variant;
    clkv_status status = clkv_device_open(&device, &opened);
    if (status) return tool_fail_status(status, "opening the device");
    int code = create_cache(device, tokens, batch_tokens, out, &cache);
    if (!code) {
        replay_model_params params = {
            .shape = { options.layers, options.heads, options.kv_heads, options.head_dim,
                       options.kv ? CLKV_F32 : CLKV_F16 },
            .cache = cache, .batch_tokens = batch_tokens, .context = tokens->longest,
            .check = options.check, .seed = options.seed,
        };
        code = replay_model_create(&model, &params);
    }
    if (!code) {
        replay_params replay = { .manager = clkv_cache_manager(cache), .tokens = tokens,
                                 .concurrency = options.concurrency, .chunk = options.chunk,
                                 .step = replay_model_step, .finish = replay_model_finish, .user = model };
        code = replay_run(&replay, &out->replay);
        clkv_cache_get_stats(cache, &out->replay.stats);
        double error;
        replay_model_check(model, &out->checked_rows, &error);
        if (out->checked_rows) out->max_abs_error = error;
    }
    replay_model_destroy(&model);
    clkv_cache_destroy(&cache);
    clkv_device_close(&device);
    return code;
}
#else
static int replay_device(replay_tokens *tokens, outcome *out)
{
    (void)tokens;
    (void)out;
    return tool_fail(EXIT_NO_DEVICE, "this build has no OpenCL: only --attention off works");
}
#endif

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* The keys of the report, in order; each is a count or a real number. */
typedef struct figure {
    const char *key;
    bool real;
    uint64_t count;
    double value;
    int decimals; /* in the table */
} figure;

enum { MAX_FIGURES = 24 };

static size_t collect(const outcome *o, figure *f)
{
    const replay_result *r = &o->replay;
    const figure all[] = {
        { "requests", false, r->requests, 0, 0 },
        { "skipped_rows", false, o->skipped_rows, 0, 0 },
        { "rejected", false, r->rejected, 0, 0 },
        { "prompt_tokens", false, r->prompt_tokens, 0, 0 },
        { "prefix_hit_tokens", false, r->prefix_hit_tokens, 0, 0 },
        { "prefix_hit_rate", true, 0, ratio((double)r->prefix_hit_tokens, (double)r->prompt_tokens), 4 },
        { "generated_tokens", false, r->generated_tokens, 0, 0 },
        { "computed_tokens", false, r->stats.tokens_committed, 0, 0 },
        { "recomputed_tokens", false, r->recomputed_tokens, 0, 0 },
        { "steps", false, r->steps, 0, 0 },
        { "evictions", false, r->stats.evictions, 0, 0 },
        { "preemptions", false, r->stats.preemptions, 0, 0 },
        { "blocks", false, o->blocks, 0, 0 },
        { "peak_used_blocks", false, r->stats.blocks_peak_used, 0, 0 },
        { "waste_percent", true, 0, r->waste_percent, 3 },
        { "uploaded_bytes_per_step", true, 0, ratio((double)r->stats.uploaded_bytes, (double)r->steps), 1 },
        { "tokens_per_s", true, 0, ratio((double)(r->prompt_tokens + r->generated_tokens), r->seconds), 0 },
        { "seconds", true, 0, r->seconds, 3 },
        { "leaked_blocks", false, r->leaked_blocks, 0, 0 },
        { "checked_rows", false, o->checked_rows, 0, 0 },
    };
    size_t n = sizeof all / sizeof *all;
    for (size_t i = 0; i < n; i++) f[i] = all[i];
    return n;
}

static int print_json(const outcome *o, const figure *f, size_t n)
{
    cJSON *root = cJSON_CreateObject();
    json_bool(root, "finished", o->replay.finished);
    for (size_t i = 0; i < n; i++) {
        if (f[i].real) json_real(root, f[i].key, f[i].value);
        else json_u64(root, f[i].key, f[i].count);
    }
    json_real(root, "max_abs_error", o->max_abs_error);
    if (*o->device) json_text(root, "device", o->device);
    else json_null(root, "device");
    return json_print(root, &output_out);
}

static int print_table(const outcome *o, const figure *f, size_t n)
{
    table *t = table_create("lr", NULL);
    if (*o->device) output_printf(&output_out, "%s\n\n", o->device);
    if (!o->replay.finished) table_pair(t, "finished", "no");
    for (size_t i = 0; i < n; i++) {
        if (f[i].real) table_pair(t, f[i].key, "%.*f", f[i].decimals, f[i].value);
        else table_pair(t, f[i].key, "%" PRIu64, f[i].count);
    }
    if (isnan(o->max_abs_error)) table_pair(t, "max_abs_error", "not checked");
    else table_pair(t, "max_abs_error", "%.2e", o->max_abs_error);
    return table_print(t, &output_out);
}

static int report(const outcome *o)
{
    figure f[MAX_FIGURES];
    size_t n = collect(o, f);
    int code = options.json ? print_json(o, f, n) : print_table(o, f, n);
    if (o->replay.leaked_blocks)
        code = tool_fail(EXIT_CHECK, "%" PRIu64 " blocks are still used at the end", o->replay.leaked_blocks);
    if (o->replay.rejected)
        code = tool_fail(EXIT_CHECK, "%" PRIu64 " requests need more blocks than the pool's %" PRIu32,
                         o->replay.rejected, o->blocks);
    if (!o->replay.finished)
        tool_note("stopped by %s: the figures are those of the requests served until then",
                  clkv_interrupt_name(clkv_interrupt_seen()));
    if (options.check && o->replay.finished && !(o->max_abs_error <= tolerance))
        code = tool_fail(EXIT_CHECK, "attention differs from the reference by %g, more than %g", o->max_abs_error,
                         tolerance);
    return code;
}

static int check_options(void)
{
    if (options.block_size & (options.block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size: %" PRIu32 " is not a power of two", options.block_size);
    if (options.blocks_given && options.memory_given)
        return tool_fail(EXIT_USAGE, "--blocks and --memory: give one of them");
    if (options.clear_freed && !options.attention)
        return tool_fail(EXIT_USAGE, "--clear-freed is of blocks on a device: it needs --attention on");
    if (options.check && !options.attention)
        return tool_fail(EXIT_USAGE, "--check compares attention: it needs --attention on");
    if (options.heads % options.kv_heads)
        return tool_fail(EXIT_USAGE, "--heads: %" PRIu32 " is not a multiple of --kv-heads %" PRIu32, options.heads,
                         options.kv_heads);
    return 0;
}

static int replay(const char *path)
{
    trace t;
    replay_tokens tokens;
    outcome out = { .max_abs_error = NAN };
    int code = check_options();
    if (!code) code = trace_load(&t, path, options.limit);
    if (code) return code;
    out.skipped_rows = t.n_skipped;
    code = replay_tokens_create(&tokens, &t, options.scale);
    if (!code) {
        code = options.attention ? replay_device(&tokens, &out) : replay_host(&tokens, &out);
        replay_tokens_destroy(&tokens);
    }
    trace_free(&t);
    return code ? code : report(&out);
}

int main(int argc, char **argv)
{
    int first;
    clkv_os_arguments(&argc, &argv);
    clkv_interrupt_begin();
    int code = options_parse(&set, argc, argv, &first);
    if (code < 0) code = replay(argv[first]);
    clkv_interrupt_end();
    return code;
}
