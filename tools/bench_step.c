/* bench_step.c: clkv-bench step, what a decode step costs the host: clear and add, reserve, upload (the call:
 * plan, pack, enqueue), commit. All sequences have the same length, so that a step is of one kind for all of
 * them: one in block_size takes a new block each ("crosses"), one fills its last block, which becomes findable
 * by prefix ("fills"), and the others stay inside ("inside"). Medians of each kind, and the mean of "all".
 * Keys, values and attention are left out: only what the host does and sends is measured, and the device is
 * idle while the host is timed. SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "bench_list.h"
#include "clock.h"
#include "compiling.h"
#include "exit.h"
#include "options.h"
#include "os/interrupt.h"
#include "progress.h"
#include "random.h"

#include <clkv/clkv.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFILL 4096u /* tokens of a batch that brings sequences to their length */

static struct {
    const char *sequences, *device;
    uint32_t context, steps, block_size;
    int json;
} given = {.sequences = "1,4,16,64,256,1024", .context = 1024, .steps = 256, .block_size = 16};

static const option_def table_of_options[] = {
    {"sequences", OPTION_TEXT, "LIST", "numbers of sequences", &given.sequences},
    {"context", OPTION_U32, "N", "tokens that each sequence has before the first step", &given.context, .min = 1,
     .max = 1u << 24},
    {"steps", OPTION_U32, "N", "decode steps, of which the median is reported", &given.steps, .min = 1,
     .max = 1u << 20},
    {"block-size", OPTION_U32, "N", "tokens per block, a power of two", &given.block_size, .min = 1, .max = 256},
    {"device", OPTION_TEXT, "WHICH", "an index or a part of a name, as clkv-info lists them", &given.device,
     .absent = "CLKV_DEVICE, else the best"},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
};

const option_set bench_step_options = {
    "",
    "Measures the host's work and the bytes uploaded per decode step.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .of_command = 1,
    .epilogue = "A step is: clear the batch, add one token of each sequence, reserve, upload, commit. Kinds:\n"
                "inside = no sequence takes a new block; crosses = every one does; fills = every one's last block\n"
                "becomes full and findable. Medians of each kind; all = the mean over all steps.",
};

enum { ADD, RESERVE, UPLOAD, COMMIT, TOTAL, BYTES, PHASES };
enum { INSIDE, CROSSES, FILLS, KINDS };
static const char *const kind_names[] = {"inside", "crosses", "fills"};
static const char *const phase_names[] = {"add_us",    "reserve_us", "upload_us",
                                          "commit_us", "total_us",   "uploaded_bytes"};

typedef struct bench_steps {
    clkv_device *device;
    uint32_t n; /* sequences */
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence **sequences;
    random_state random;            /* of tokens */
    double *samples[KINDS][PHASES]; /* [steps] each */
    uint32_t counts[KINDS];
    double sums[PHASES]; /* over all steps */
} bench_steps;

static int create(bench_steps *b)
{
    const uint64_t per_sequence = ((uint64_t)given.context + given.steps) / given.block_size + 1;
    const uint64_t blocks = b->n * per_sequence;
    if (blocks > INT32_MAX) return tool_fail(EXIT_USAGE, "%llu blocks are too many", (unsigned long long)blocks);
    const clkv_cache_params params = {
        .size = sizeof params,
        .layers = 1,
        .heads = 32,
        .kv_heads = 8,
        .head_dim = 8, /* small blocks: what is kept on the device plays no part here */
        .blocks = (uint32_t)blocks,
        .block_size = given.block_size,
        .max_sequences = b->n,
        .max_context = given.context + given.steps,
        .max_batch_tokens = b->n > PREFILL ? b->n : PREFILL,
        .compile = CLKV_COMPILE_LATER,
    };
    clkv_status status = clkv_cache_create(&b->cache, b->device, &params);
    if (status == CLKV_OK) status = compile_kernels(b->cache, CLKV_OP_UPLOAD);
    if (status == CLKV_OK) status = clkv_batch_create(&b->batch, clkv_cache_manager(b->cache));
    if (status != CLKV_OK) return tool_fail_status(status, "making a cache of %u blocks", params.blocks);
    b->sequences = calloc(b->n, sizeof *b->sequences);
    for (int i = 0; i < KINDS * PHASES && b->sequences; i++)
        if (!(b->samples[i / PHASES][i % PHASES] = malloc(given.steps * sizeof(double))))
            return tool_fail(EXIT_CHECK, "out of memory");
    if (!b->sequences) return tool_fail(EXIT_CHECK, "out of memory");
    const clkv_sequence_params sequence = {.size = sizeof sequence};
    for (uint32_t i = 0; i < b->n; i++) {
        status = clkv_sequence_create(&b->sequences[i], clkv_cache_manager(b->cache), &sequence, NULL);
        if (status != CLKV_OK) return tool_fail_status(status, "making sequence %u", i);
    }
    return 0;
}

static void destroy(bench_steps *b)
{
    clkv_batch_destroy(&b->batch);
    for (uint32_t i = 0; b->sequences && i < b->n; i++) clkv_sequence_destroy(&b->sequences[i]);
    clkv_cache_destroy(&b->cache);
    free(b->sequences);
    for (int i = 0; i < KINDS * PHASES; i++) free(b->samples[i / PHASES][i % PHASES]);
}

static int finish(const bench_steps *b)
{
    const cl_int err = clFinish(clkv_device_queue(b->device));
    return err == CL_SUCCESS ? 0 : tool_fail(EXIT_CHECK, "a step failed on the device: OpenCL error %d", err);
}

/* Brings every sequence to its first length, several in a batch, with random tokens. Ends early when a signal comes. */
static int prefill(bench_steps *b)
{
    uint32_t tokens[PREFILL];
    for (uint32_t i = 0; i < b->n && !clkv_interrupt_seen();) {
        clkv_status status = clkv_batch_clear(b->batch);
        for (uint32_t room = PREFILL; room && i < b->n && status == CLKV_OK;) {
            uint32_t n = given.context - (uint32_t)clkv_sequence_length(b->sequences[i]);
            const int whole = n <= room;
            if (!whole) n = room;
            for (uint32_t t = 0; t < n; t++) tokens[t] = (uint32_t)random_next(&b->random) >> 8;
            status = clkv_batch_add(b->batch, b->sequences[i], tokens, n, NULL);
            room -= n;
            if (!whole) break; /* goes on with this one in the next batch */
            i++;
        }
        if (status == CLKV_OK) status = clkv_batch_reserve(b->batch);
        if (status == CLKV_OK) status = clkv_cache_upload(b->cache, b->batch, NULL, 0, NULL, NULL);
        if (status == CLKV_OK) status = clkv_batch_commit(b->batch);
        if (status != CLKV_OK) return tool_fail_status(status, "filling sequences");
    }
    return finish(b);
}

static int step(bench_steps *b, uint32_t number)
{
    clkv_plan_info plan = {.size = sizeof plan};
    const uint32_t offset = (given.context + number) % given.block_size; /* of the new token in its block */
    const int kind = offset == 0 ? CROSSES : offset == given.block_size - 1 ? FILLS : INSIDE;
    double t[5];
    uint32_t tokens[64]; /* made before the clock starts, and reused in turn */
    for (int i = 0; i < 64; i++) tokens[i] = (uint32_t)random_next(&b->random) >> 8;
    t[0] = clock_seconds();
    clkv_status status = clkv_batch_clear(b->batch);
    for (uint32_t i = 0; i < b->n && status == CLKV_OK; i++)
        status = clkv_batch_add(b->batch, b->sequences[i], &tokens[i % 64], 1, NULL);
    t[1] = clock_seconds();
    if (status == CLKV_OK) status = clkv_batch_reserve(b->batch);
    t[2] = clock_seconds();
    if (status == CLKV_OK) status = clkv_cache_upload(b->cache, b->batch, NULL, 0, NULL, NULL);
    t[3] = clock_seconds();
    const clkv_status planned = status == CLKV_OK ? clkv_cache_get_plan_info(b->cache, b->batch, &plan) : status;
    const double again = clock_seconds();
    if (status == CLKV_OK) status = clkv_batch_commit(b->batch);
    t[4] = clock_seconds();
    if (status != CLKV_OK || planned != CLKV_OK)
        return tool_fail_status(status != CLKV_OK ? status : planned, "a step");
    const double values[PHASES] = {
        [ADD] = t[1] - t[0],
        [RESERVE] = t[2] - t[1],
        [UPLOAD] = t[3] - t[2],
        [COMMIT] = t[4] - again,
        [TOTAL] = t[3] - t[0] + t[4] - again,
    };
    const uint32_t at = b->counts[kind]++;
    for (int p = 0; p < PHASES; p++) {
        const double x = p == BYTES ? (double)plan.uploaded_bytes : values[p] * 1e6;
        b->samples[kind][p][at] = x;
        b->sums[p] += x;
    }
    return finish(b);
}

static void report(bench_steps *b, cJSON *rows)
{
    for (int kind = 0; kind <= KINDS; kind++) {
        const uint32_t n = kind < KINDS ? b->counts[kind] : b->counts[INSIDE] + b->counts[CROSSES] + b->counts[FILLS];
        if (!n) continue;
        cJSON *row = cJSON_CreateObject();
        json_u64(row, "sequences", b->n);
        json_text(row, "kind", kind < KINDS ? kind_names[kind] : "all");
        json_u64(row, "steps", n);
        for (int p = 0; p < PHASES; p++)
            json_real(row, phase_names[p], kind < KINDS ? bench_median(b->samples[kind][p], n) : b->sums[p] / n);
        json_add(rows, NULL, row);
    }
}

static int measure(clkv_device *device, uint32_t n, cJSON *rows, progress *p)
{
    bench_steps b = {.device = device, .n = n, .random = random_seed(n)};
    progress_update(p, "%u sequences", n);
    int code = create(&b);
    if (!code) code = prefill(&b);
    for (uint32_t i = 0; i < given.steps && !code && !clkv_interrupt_seen(); i++) {
        progress_update(p, "%u sequences: step %u of %u", n, i + 1, given.steps);
        code = step(&b, i);
    }
    progress_end(p);
    if (!code) report(&b, rows);
    destroy(&b);
    return code;
}

int bench_step(int argc, char **argv)
{
    int first;
    uint32_t sizes[BENCH_LIST_MAX], n;
    const int done = options_parse(&bench_step_options, argc, argv, &first);
    if (done >= 0) return done;
    int code = bench_list("sequences", given.sequences, 65535, sizes, &n);
    if (code) return code;
    if (given.block_size & (given.block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size %u is not a power of two", given.block_size);
    clkv_device *device = NULL;
    const clkv_device_params params = {.size = sizeof params, .select = given.device};
    const clkv_status status = clkv_device_open(&device, &params);
    if (status != CLKV_OK) return tool_fail_status(status, "opening the device");
    cJSON *root = cJSON_CreateObject(), *rows = cJSON_CreateArray();
    bench_add_device(root, device);
    json_u64(root, "context", given.context);
    json_u64(root, "block_size", given.block_size);
    json_add(root, "steps", rows);
    progress p = progress_begin();
    clkv_interrupt_catch();
    for (uint32_t i = 0; i < n && !code && !clkv_interrupt_seen(); i++) code = measure(device, sizes[i], rows, &p);
    clkv_device_close(&device);
    if (!code) return bench_print(root, given.json);
    cJSON_Delete(root);
    return code;
}
