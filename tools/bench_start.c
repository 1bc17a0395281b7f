/* bench_start.c: clkv-bench start, the time from opening the device to the first finished attention.
 * Each start is a process of its own (this program with --child), since a driver keeps what it has compiled
 * as long as its process lives. Directories are new ones that are removed in the end:
 *
 *   cold          clkv's cache of binaries and the driver's own (POCL_CACHE_DIR) are empty
 *   warm          both are as a start before has left them
 *   warm_clkv     clkv's is, the driver's is empty: what clkv's cache does alone
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "clock.h"
#include "exit.h"
#include "kv.h"
#include "options.h"
#include "os/child.h"
#include "os/interrupt.h"
#include "os/scratch.h"
#include "progress.h"
#include "variant.h"

#include <clkv/clkv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    uint32_t heads, kv_heads, head_dim, repeat;
    int kv, child, json;
    const char *device, *variant;
} given = {.heads = 32, .kv_heads = 8, .head_dim = 128, .repeat = 5};

static const option_def table_of_options[] = {
    {"heads", OPTION_U32, "N", "query heads", &given.heads, .min = 1, .max = 1024},
    {"kv-heads", OPTION_U32, "N", "KV heads; heads must be a multiple", &given.kv_heads, .min = 1, .max = 1024},
    {"head-dim", OPTION_U32, "N", "of Q, K and V", &given.head_dim, .min = 1, .max = 256},
    {"kv", OPTION_CHOICE, NULL, KV_HELP, &given.kv, .choices = kv_names},
    {"repeat", OPTION_U32, "N", "starts of each kind, of which the median is reported", &given.repeat, .min = 1,
     .max = 1000},
    {"variant", OPTION_TEXT, "NAME", "the kernels to use: cpu or portable", &given.variant,
     .choices = variant_names, .absent = "by capability"},
    {"device", OPTION_TEXT, "WHICH", "an index or a part of a name, as clkv-info lists them", &given.device,
     .absent = "CLKV_DEVICE, else the best"},
    {"child", OPTION_FLAG, NULL,
     "start once with the caches as they are and print the milliseconds and the programs built", &given.child},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
};

const option_set bench_start_options = {
    "",
    "Measures the time from opening the device to the first finished attention, in processes of their own.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .of_command = 1,
    .epilogue =
        "cold: no cache of binaries, neither clkv's nor the driver's (POCL_CACHE_DIR). warm: both. warm_clkv:\n"
        "clkv's only. Other drivers' own caches are left alone. Folders are made in TMPDIR and\n"
        "removed in the end.",
};

/* What a program does until its first result: make a cache, one step of one sequence. Sets *done to when
 * that was. */
static clkv_status first_result(clkv_device *device, double *done)
{
    const clkv_cache_params cache_params = {
        .size = sizeof cache_params,
        .layers = 1,
        .heads = given.heads,
        .kv_heads = given.kv_heads,
        .head_dim = given.head_dim,
        .k_type = kv_k_type(given.kv),
        .v_type = kv_v_type(given.kv),
        .blocks = 16,
        .prefix = CLKV_PREFIX_OFF,
        .compile = CLKV_COMPILE_LATER,
    };
    const clkv_warm_up_params needed = {
        .size = sizeof needed,
        .operations = CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION,
    };
    const clkv_sequence_params sequence_params = {.size = sizeof sequence_params, .prefix = CLKV_PREFIX_OFF};
    const size_t q_bytes = (size_t)given.heads * given.head_dim * sizeof(float);
    const cl_context context = clkv_device_context(device);
    clkv_cache *cache = NULL;
    clkv_batch *batch = NULL;
    clkv_sequence *sequence = NULL;
    void *zeros = calloc(1, q_bytes);
    cl_int err = zeros ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
    cl_mem in = NULL, out = NULL;
    if (err == CL_SUCCESS)
        in = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, q_bytes, zeros, &err);
    if (err == CL_SUCCESS) out = clCreateBuffer(context, CL_MEM_WRITE_ONLY, q_bytes, NULL, &err);
    const clkv_append_params append = {.size = sizeof append, .k = {.mem = in}, .v = {.mem = in}};
    const clkv_attention_params attention = {.size = sizeof attention, .q = {.mem = in}, .o = {.mem = out}};
    clkv_status status = err == CL_SUCCESS ? clkv_cache_create(&cache, device, &cache_params) : CLKV_ERROR_DEVICE;
    if (status == CLKV_OK) status = clkv_cache_warm_up(cache, &needed);
    if (status == CLKV_OK) status = clkv_batch_create(&batch, clkv_cache_manager(cache));
    if (status == CLKV_OK)
        status = clkv_sequence_create(&sequence, clkv_cache_manager(cache), &sequence_params, NULL);
    if (status == CLKV_OK) status = clkv_batch_add(batch, sequence, NULL, 1, NULL);
    if (status == CLKV_OK) status = clkv_batch_reserve(batch);
    if (status == CLKV_OK) status = clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL);
    if (status == CLKV_OK) status = clkv_append(cache, batch, &append, 0, NULL, NULL);
    if (status == CLKV_OK) status = clkv_attention(cache, batch, &attention, 0, NULL, NULL);
    if (status == CLKV_OK && clFinish(clkv_device_queue(device)) != CL_SUCCESS) status = CLKV_ERROR_DEVICE;
    *done = clock_seconds();
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_cache_destroy(&cache);
    if (in) clReleaseMemObject(in);
    if (out) clReleaseMemObject(out);
    free(zeros);
    return status;
}

static int child(void)
{
    clkv_device *device = NULL;
    const clkv_device_params params = {.size = sizeof params, .select = given.device, .variant = given.variant};
    uint64_t built = 0;
    const double start = clock_seconds();
    double done = 0;
    clkv_status status = clkv_device_open(&device, &params);
    if (status != CLKV_OK) return tool_fail_status(status, "opening the device");
    status = first_result(device, &done);
    const int code = status == CLKV_OK ? EXIT_GOOD : tool_fail_status(status, "the first step");
    clkv_device_get_program_counts(device, &built, NULL);
    clkv_device_close(&device);
    if (!code) output_printf(&output_out, "%.3f %llu\n", (done - start) * 1e3, (unsigned long long)built);
    return code ? code : tool_flush(&output_out);
}

enum { PATH_BYTES = 4096 };

/* Milliseconds of one start in a child process, and how many programs it had to compile; negative after a
 * message, and *code is what to exit with. Nothing of OpenCL has run in this process. */
static double start_once(char **argv, unsigned long long *built, int *code)
{
    char printed[64], why[CLKV_OS_WHY];
    double ms = -1;
    const int failed = clkv_child_run(argv, printed, sizeof printed, code, why);
    if (clkv_interrupt_seen()) return -1; /* Ctrl-C ends the child too */
    if (failed) {
        *code = tool_fail(EXIT_CHECK, "%s", why);
        return -1;
    }
    if (*code) return -1; /* it said why */
    if (sscanf(printed, "%lf %llu", &ms, built) == 2 && ms >= 0) return ms;
    *code = tool_fail(EXIT_CHECK, "the child process printed no figure");
    return -1;
}

/* A new empty directory in `base` that becomes what the variable names. */
static int fresh_dir(const char *base, const char *variable, uint32_t number)
{
    char path[PATH_BYTES], why[CLKV_OS_WHY] = "its name is too long for the environment";
    snprintf(path, sizeof path, "%s/%s-%u", base, variable, number);
    if (!clkv_scratch_make(path, sizeof path, why) && !clkv_child_environment(variable, path)) return 0;
    return tool_fail(EXIT_CHECK, "cannot make a directory in %s: %s", base, why);
}

enum { COLD, WARM, WARM_CLKV, KINDS };

/* *done rounds, each with a start of every kind, are made: all, unless a signal comes. */
static int measure(char **argv, const char *base, double *samples[KINDS], unsigned long long built[KINDS],
                   uint32_t *done)
{
    progress p = progress_begin();
    int code = 0;
    uint32_t i = 0;
    clkv_interrupt_catch();
    for (; i < given.repeat && !code; i++) {
        for (int kind = 0; kind < KINDS && !code && !clkv_interrupt_seen(); kind++) {
            progress_update(&p, "start %u of %u", i * KINDS + (uint32_t)kind + 1, given.repeat * KINDS);
            if (kind == COLD) code = fresh_dir(base, "CLKV_CACHE_DIR", i);
            if (kind != WARM && !code) code = fresh_dir(base, "POCL_CACHE_DIR", i);
            if (!code && (samples[kind][i] = start_once(argv, &built[kind], &code)) >= 0) code = 0;
        }
        if (clkv_interrupt_seen()) break;
    }
    progress_end(&p);
    *done = i;
    if (clkv_interrupt_seen()) code = i ? 0 : bench_nothing();
    return code;
}

static int report(double *samples[KINDS], const unsigned long long built[KINDS], uint32_t rounds)
{
    const double cold = bench_median(samples[COLD], rounds), warm = bench_median(samples[WARM], rounds);
    const double warm_clkv = bench_median(samples[WARM_CLKV], rounds);
    cJSON *o = cJSON_CreateObject();
    json_u64(o, "heads", given.heads);
    json_u64(o, "kv_heads", given.kv_heads);
    json_u64(o, "head_dim", given.head_dim);
    json_text(o, "kv", kv_names[given.kv]);
    json_u64(o, "repeat", rounds);
    json_real(o, "cold_ms", cold);
    json_real(o, "warm_ms", warm);
    json_real(o, "warm_clkv_ms", warm_clkv);
    json_u64(o, "cold_programs_built", built[COLD]);
    json_u64(o, "warm_programs_built", built[WARM]);
    json_real(o, "speedup", cold / warm);
    json_real(o, "speedup_clkv", cold / warm_clkv);
    return bench_print(o, given.json);
}

int bench_start(int argc, char **argv)
{
    int first;
    char **again = calloc((size_t)argc + 4, sizeof *again); /* this command line, and --child */
    if (!again) return tool_fail(EXIT_CHECK, "out of memory");
    static char program[] = "clkv-bench", command[] = "start", flag[] = "--child";
    again[0] = program;
    again[1] = command;
    for (int i = 1; i < argc; i++) again[i + 1] = argv[i];
    again[argc + 1] = flag;
    const int done = options_parse(&bench_start_options, argc, argv, &first);
    int code = done;
    if (done < 0 && given.heads % given.kv_heads)
        code = tool_fail(EXIT_USAGE, "--heads %u is not a multiple of --kv-heads %u", given.heads, given.kv_heads);
    if (code >= 0 || given.child) {
        free(again);
        return code >= 0 ? code : child();
    }
    char home[PATH_BYTES / 4], base[PATH_BYTES / 2], why[CLKV_OS_WHY];
    clkv_scratch_home(home, sizeof home);
    snprintf(base, sizeof base, "%s/clkv-bench", home);
    double *memory = calloc(KINDS * (size_t)given.repeat, sizeof *memory);
    double *samples[KINDS];
    unsigned long long built[KINDS] = {0}; /* by the last start of each kind */
    for (int i = 0; i < KINDS && memory; i++) samples[i] = memory + (size_t)i * given.repeat;
    if (!memory) {
        code = tool_fail(EXIT_CHECK, "out of memory");
    } else if (clkv_scratch_make(base, sizeof base, why)) {
        code = tool_fail(EXIT_CHECK, "cannot make a directory in %s: %s", home, why);
    } else {
        uint32_t rounds;
        code = measure(again, base, samples, built, &rounds);
        if (!code) code = report(samples, built, rounds);
        clkv_scratch_remove(base);
    }
    free(memory);
    free(again);
    return code;
}
