/* bench_attention.c: clkv-bench attention, the speed of attention beside what the device can do at best.
 * Every repeat measures attention, the plain read and the plain multiply-add one after the other, so that
 * whatever disturbs the machine disturbs all of them; figures are medians over the repeats.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "bench_arena.h"
#include "bench_stream.h"
#include "exit.h"
#include "kv.h"
#include "options.h"
#include "os/interrupt.h"
#include "progress.h"
#include "variant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ERROR 1e-3 /* of values in [−1, 1): what fp16 results may cost; here only the arithmetic differs */

static struct {
    bench_shape shape;
    int kv, non_causal, consecutive, compare, json;
    uint32_t repeat;
    const char *variant, *device;
} given = {
    .shape =
        {.batch = 16, .context = 4096, .queries = 1, .heads = 32, .kv_heads = 8, .head_dim = 128, .block_size = 16,
         .layers = 1},
    .repeat = 15,
};

static const option_def table_of_options[] = {
    {"batch", OPTION_U32, "N", "sequences", &given.shape.batch, .min = 1, .max = 65535},
    {"context", OPTION_U32, "N", "tokens of each sequence, the new ones included", &given.shape.context, .min = 1,
     .max = 1u << 30},
    {"queries", OPTION_U32, "N", "new tokens of each sequence: 1 = decode, a few = verification, many = prefill",
     &given.shape.queries, .min = 1, .max = 1u << 20},
    {"heads", OPTION_U32, "N", "query heads", &given.shape.heads, .min = 1, .max = 1024},
    {"kv-heads", OPTION_U32, "N", "KV heads; heads must be a multiple", &given.shape.kv_heads, .min = 1,
     .max = 1024},
    {"head-dim", OPTION_U32, "N", "of Q and K", &given.shape.head_dim, .min = 1, .max = 256},
    {"head-dim-v", OPTION_U32, "N", "of V", &given.shape.head_dim_v, .min = 1, .max = 256, .absent = "as head-dim"},
    {"block-size", OPTION_U32, "N", "tokens per block, a power of two", &given.shape.block_size, .min = 1,
     .max = 256},
    {"kv", OPTION_CHOICE, NULL, KV_HELP, &given.kv, .choices = kv_names},
    {"layers", OPTION_U32, "N", "layers of the cache; figures are of one, the mean of all", &given.shape.layers,
     .min = 1, .max = 1024},
    {"non-causal", OPTION_FLAG, NULL, "every query sees the whole context; else new tokens see those before them",
     &given.non_causal},
    {"parts", OPTION_U32, "N", "parts that each context is split into", &given.shape.parts, .max = 65535,
     .absent = "as fills the device"},
    {"consecutive", OPTION_FLAG, NULL, "the blocks of a sequence follow each other; else they are shuffled",
     &given.consecutive},
    {"overhead", OPTION_FLAG, NULL, "measure shuffled and consecutive blocks in turn; adds paged_overhead",
     &given.compare},
    {"repeat", OPTION_U32, "N", "measurements, of which the median is reported", &given.repeat, .min = 1,
     .max = 100000},
    {"variant", OPTION_TEXT, "NAME", "the kernels to use: cpu or portable", &given.variant,
     .choices = variant_names, .absent = "by capability"},
    {"device", OPTION_TEXT, "WHICH", "an index or a part of a name, as clkv-info lists them", &given.device,
     .absent = "CLKV_DEVICE, else the best"},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
};

const option_set bench_attention_options = {
    "",
    "Measures attention over a paged KV cache, beside the device's own read bandwidth and multiply-add rate.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .of_command = 1,
    .epilogue = "kv_bytes counts every byte of K and V once per KV head and sequence; gflop_per_s counts the\n"
                "query-key pairs that are not masked, 2 * (head_dim + head_dim_v) operations for each and head.",
};

/* The samples of one run, [repeat] each. */
typedef struct samples {
    double *ms, *read, *fma;
    double *consecutive_ms, *overhead; /* NULL unless consecutive blocks are measured too; ratio per repeat */
} samples;

static int check_shape(const bench_shape *s)
{
    if (s->block_size & (s->block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size %u is not a power of two", s->block_size);
    if (s->heads % s->kv_heads)
        return tool_fail(EXIT_USAGE, "--heads %u is not a multiple of --kv-heads %u", s->heads, s->kv_heads);
    if (s->queries > s->context)
        return tool_fail(EXIT_USAGE, "--queries %u are more than --context %u", s->queries, s->context);
    if ((uint64_t)s->batch * s->queries > 1u << 24)
        return tool_fail(EXIT_USAGE, "--batch %u x --queries %u are too many tokens", s->batch, s->queries);
    return 0;
}

static double bytes_read(const bench_shape *s)
{
    const double token = (double)s->head_dim * kv_bytes(s->k_type) + (double)s->head_dim_v * kv_bytes(s->v_type);
    return (double)s->batch * s->context * s->kv_heads * token;
}

static double gflop(const bench_shape *s)
{
    const double all = (double)s->queries * s->context, masked = 0.5 * s->queries * (s->queries - 1.0);
    return s->batch * (s->causal ? all - masked : all) * s->heads * 2 * ((double)s->head_dim + s->head_dim_v) *
           1e-9;
}

/* Shuffled and consecutive blocks go first in turn, since who is first has the other kernels behind it. *done of the n
 * measurements are made: all, unless a signal comes. */
static int measure(bench_arena *arena, bench_arena *consecutive, bench_stream *stream, samples *x, uint32_t n,
                   uint32_t *done)
{
    progress p = progress_begin();
    int bad = 0;
    uint32_t i = 0;
    clkv_interrupt_catch();
    for (; i < n && !bad && !clkv_interrupt_seen(); i++) {
        progress_update(&p, "attention: %u of %u", i + 1, n);
        if (consecutive && i % 2) x->consecutive_ms[i] = bench_arena_attention(consecutive) * 1e3;
        x->ms[i] = bench_arena_attention(arena) * 1e3;
        if (consecutive && i % 2 == 0) x->consecutive_ms[i] = bench_arena_attention(consecutive) * 1e3;
        if (consecutive) x->overhead[i] = x->ms[i] / x->consecutive_ms[i] - 1;
        x->read[i] = bench_stream_read(stream);
        x->fma[i] = bench_stream_fma(stream);
        bad = x->ms[i] < 0 || (consecutive && x->consecutive_ms[i] < 0) || x->read[i] < 0 || x->fma[i] < 0;
    }
    progress_end(&p);
    *done = i;
    if (bad) return tool_fail(EXIT_CHECK, "a measurement failed");
    return i ? 0 : bench_nothing();
}

static int report(const bench_arena *arena, const bench_stream *stream, const clkv_device *device, samples *x,
                  uint32_t n, double error)
{
    const bench_shape *s = arena->shape;
    const double ms = bench_median(x->ms, n), read = bench_median(x->read, n), fma = bench_median(x->fma, n);
    const double gb = bytes_read(s) / ms * 1e-6, gf = gflop(s) / ms * 1e3;
    cJSON *o = cJSON_CreateObject();
    bench_add_device(o, device);
    json_u64(o, "batch", s->batch);
    json_u64(o, "context", s->context);
    json_u64(o, "queries", s->queries);
    json_u64(o, "heads", s->heads);
    json_u64(o, "kv_heads", s->kv_heads);
    json_u64(o, "head_dim", s->head_dim);
    json_u64(o, "head_dim_v", s->head_dim_v);
    json_u64(o, "block_size", s->block_size);
    json_text(o, "kv", kv_names[given.kv]);
    json_u64(o, "layers", s->layers);
    json_bool(o, "causal", s->causal);
    json_text(o, "blocks", given.consecutive ? "consecutive" : "shuffled");
    json_u64(o, "items", arena->plan.items);
    json_u64(o, "parts", arena->plan.parts);
    json_u64(o, "chunk", arena->plan.chunk);
    json_u64(o, "uploaded_bytes", arena->plan.uploaded_bytes);
    json_real(o, "upload_ms", arena->upload_ms);
    json_real(o, "append_ms", arena->append_ms);
    json_u64(o, "repeat", n);
    json_real(o, "ms", ms);
    json_real(o, "ms_min", x->ms[0]); /* sorted by now */
    json_u64(o, "kv_bytes", (uint64_t)bytes_read(s));
    json_real(o, "gb_per_s", gb);
    json_real(o, "stream_read_gb_per_s", read);
    json_real(o, "bandwidth_ratio", gb / read);
    json_real(o, "gflop_per_s", gf);
    json_real(o, "fma_peak_gflop_per_s", fma);
    json_real(o, "peak_ratio", gf / fma);
    if (x->consecutive_ms) {
        json_real(o, "consecutive_ms", bench_median(x->consecutive_ms, n));
        json_real(o, "paged_overhead", bench_median(x->overhead, n));
    }
    json_real(o, "max_abs_error", error);
    json_text(o, "read_kernel", bench_stream_read_name(stream));
    json_text(o, "fma_kernel", bench_stream_fma_name(stream));
    const int code = bench_print(o, given.json);
    if (code) return code;
    if (!(error <= MAX_ERROR)) return tool_fail(EXIT_CHECK, "max_abs_error is %g, over %g", error, MAX_ERROR);
    return EXIT_GOOD;
}

static int run(clkv_device *device, const bench_shape *shape, samples *x, uint32_t n)
{
    bench_noise noise = {0};
    bench_arena arena = {0}, consecutive = {0};
    bench_stream *stream = NULL;
    double error = -1;
    progress p = progress_begin();
    progress_update(&p, "filling %.0f MB of keys and values", bytes_read(shape) * shape->layers * 1e-6);
    int code = bench_noise_create(&noise, device, shape);
    if (!code) code = bench_arena_create(&arena, device, shape, &noise, !given.consecutive);
    if (!code && given.compare) code = bench_arena_create(&consecutive, device, shape, &noise, 0);
    /* The first run compiles, the second finds warm tables. */
    for (int i = 0; i < 2 && !code; i++) {
        if (given.compare && bench_arena_attention(&consecutive) < 0) code = EXIT_CHECK;
        if (!code && bench_arena_attention(&arena) < 0) code = EXIT_CHECK;
    }
    progress_end(&p);
    if (!code) {
        progress_update(&p, "comparing with the C twin");
        error = bench_arena_error(&arena);
        progress_end(&p);
        if (error < 0) code = EXIT_CHECK;
    }
    if (!code && !(stream = bench_stream_create(device, (uint64_t)bytes_read(shape)))) code = EXIT_CHECK;
    if (!code) code = measure(&arena, given.compare ? &consecutive : NULL, stream, x, n, &n);
    if (!code) code = report(&arena, stream, device, x, n, error);
    bench_stream_destroy(&stream);
    bench_arena_destroy(&consecutive);
    bench_arena_destroy(&arena);
    bench_noise_destroy(&noise);
    return code;
}

int bench_attention(int argc, char **argv)
{
    int first;
    const int done = options_parse(&bench_attention_options, argc, argv, &first);
    if (done >= 0) return done;
    bench_shape *shape = &given.shape;
    int code = check_shape(shape);
    if (code) return code;
    if (!shape->head_dim_v) shape->head_dim_v = shape->head_dim;
    shape->k_type = kv_k_type(given.kv);
    shape->v_type = kv_v_type(given.kv);
    shape->causal = !given.non_causal;
    if (given.compare && given.consecutive)
        return tool_fail(EXIT_USAGE,
                         "--overhead compares shuffled blocks with consecutive ones: leave --consecutive out");

    clkv_device *device = NULL;
    const clkv_device_params params = {.size = sizeof params, .select = given.device, .variant = given.variant};
    const clkv_status status = clkv_device_open(&device, &params);
    if (status != CLKV_OK) return tool_fail_status(status, "opening the device");
    const uint32_t n = given.repeat;
    double *memory = calloc(5 * (size_t)n, sizeof *memory);
    samples x = {.ms = memory, .read = memory + n, .fma = memory + 2 * n};
    if (given.compare) x.consecutive_ms = memory + 3 * n, x.overhead = memory + 4 * n;
    code = memory ? run(device, shape, &x, n) : tool_fail(EXIT_CHECK, "out of memory");
    free(memory);
    clkv_device_close(&device);
    return code;
}
