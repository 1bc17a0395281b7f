/* bench_stream.c: see bench_stream.h.
 *
 *   CPU devices   one work-item per group and float16 vectors; each item reads a chunk of 64 KiB or 1 MiB,
 *                 in 1 … 8 runs at a time, with or without prefetch; memory aligned and advised for 2 MiB
 *                 pages, as the pool's
 *   other         256 work-items per group, each reads float4 elements side by side with its neighbours
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench_stream.h"

#include "clock.h"
#include "exit.h"
#include "os/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB              ((size_t)1 << 20)
#define CALIBRATION_RUNS 4
#define FMA_SECONDS      0.02 /* of one measurement */

/* RUNS runs of CHUNK / RUNS bytes at a time, eight float16 per turn. A turn is written out by macros: arrays
 * of accumulators would go through memory in some compilers. */
static const char cpu_source[] =
    "#define AT(u) x[((u) % RUNS) * run + i * (8 / RUNS) + (u) / RUNS]\n"
    "#if AHEAD\n"
    "#define FETCH(u) __builtin_prefetch((const void *)((size_t)&AT(u) + AHEAD), 0, 3);\n"
    "#else\n"
    "#define FETCH(u)\n"
    "#endif\n"
    "#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)\n"
    "#define ZERO(u) float16 a##u = (float16)(0.0f);\n"
    "#define ADD(u) FETCH(u) a##u += AT(u);\n"
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void stream_read(__global const float16 *x, __global float *out)\n"
    "{\n"
    "    const size_t run = CHUNK / 64 / RUNS;\n"
    "    x += get_group_id(0) * (size_t)(CHUNK / 64);\n"
    "    EACH(ZERO)\n"
    "    for (size_t i = 0; i < CHUNK / 512; i++) { EACH(ADD) }\n"
    "    const float16 a = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7));\n"
    "    const float8 b = a.lo + a.hi;\n"
    "    const float4 c = b.lo + b.hi;\n"
    "    out[get_group_id(0)] = c.x + c.y + c.z + c.w;\n"
    "}\n";

static const char gpu_source[] = "__kernel __attribute__((reqd_work_group_size(256, 1, 1)))\n"
                                 "void stream_read(__global const float4 *x, __global float *out)\n"
                                 "{\n"
                                 "    float4 a = (float4)(0.0f), b = a, c = a, d = a;\n"
                                 "    x += get_group_id(0) * (size_t)(CHUNK / 16) + get_local_id(0);\n"
                                 "    for (size_t i = 0; i < CHUNK / 16; i += 1024) {\n"
                                 "        a += x[i];\n"
                                 "        b += x[i + 256];\n"
                                 "        c += x[i + 512];\n"
                                 "        d += x[i + 768];\n"
                                 "    }\n"
                                 "    a += b + c + d;\n"
                                 "    out[get_global_id(0)] = a.x + a.y + a.z + a.w;\n"
                                 "}\n";

/* N independent chains of VEC: enough of them hide the latency of the multiply-add. */
static const char fma_source[] = "#define EACH4(M, o) M(o##0) M(o##1) M(o##2) M(o##3)\n"
                                 "#if CHAINS == 4\n"
                                 "#define EACH(M) EACH4(M, 1)\n"
                                 "#elif CHAINS == 8\n"
                                 "#define EACH(M) EACH4(M, 1) EACH4(M, 2)\n"
                                 "#elif CHAINS == 12\n"
                                 "#define EACH(M) EACH4(M, 1) EACH4(M, 2) EACH4(M, 3)\n"
                                 "#else\n"
                                 "#define EACH(M) EACH4(M, 1) EACH4(M, 2) EACH4(M, 3) EACH4(M, 4)\n"
                                 "#endif\n"
                                 "#define START(u) VEC c##u = (VEC)(start + u);\n"
                                 "#define STEP(u) c##u = OP(c##u, x, y);\n"
                                 "#define SUM(u) s += c##u;\n"
                                 "__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))\n"
                                 "void stream_fma(__global float *out, uint n, float start)\n"
                                 "{\n"
                                 "    const VEC x = (VEC)(0.999f), y = (VEC)(start);\n"
                                 "    EACH(START)\n"
                                 "    for (uint i = 0; i < n; i++) { EACH(STEP) }\n"
                                 "    VEC s = (VEC)(0.0f);\n"
                                 "    EACH(SUM)\n"
                                 "    union { VEC v; float f[WIDTH]; } u;\n"
                                 "    u.v = s;\n"
                                 "    float t = 0.0f;\n"
                                 "    for (uint i = 0; i < WIDTH; i++) t += u.f[i];\n"
                                 "    out[get_global_id(0)] = t;\n"
                                 "}\n";

typedef struct candidate {
    const char *name, *options;
    uint32_t chunk; /* of a read kernel: bytes per group */
    uint32_t flops; /* of an fma kernel: per work-item and turn */
    uint32_t local;
} candidate;

#define READ(chunk_kib, runs, ahead)                                                                               \
    {                                                                                                              \
        "float16, " #chunk_kib " KiB chunks, " #runs " runs, prefetch " #ahead " bytes ahead",                     \
            "-DCHUNK=" #chunk_kib "*1024 -DRUNS=" #runs " -DAHEAD=" #ahead, chunk_kib * 1024, 0, 1                 \
    }
static const candidate cpu_reads[] = {
    READ(64, 1, 0), READ(64, 1, 2048), READ(64, 4, 0), READ(1024, 1, 2048), READ(1024, 4, 2048),
};
static const candidate gpu_reads[] = {
    {"float4, 64 KiB per group", "-DCHUNK=65536", 65536, 0, 256},
    {"float4, 256 KiB per group", "-DCHUNK=262144", 262144, 0, 256},
};

#define FMA(width, vec, chains, op, local)                                                                         \
    {                                                                                                              \
#op ", " #vec ", " #chains " chains",                                                                      \
            "-DVEC=" #vec " -DWIDTH=" #width " -DCHAINS=" #chains " -DOP=" #op " -DLOCAL=" #local, 0,              \
            2 * (width) * (chains), local                                                                          \
    }
static const candidate cpu_fmas[] = {
    FMA(8, float8, 12, fma, 1),   FMA(16, float16, 8, fma, 1),  FMA(16, float16, 12, fma, 1),
    FMA(16, float16, 16, fma, 1), FMA(16, float16, 12, mad, 1),
};
static const candidate gpu_fmas[] = {
    FMA(1, float, 8, fma, 256),  FMA(1, float, 16, fma, 256), FMA(4, float4, 4, fma, 256),
    FMA(4, float4, 4, mad, 256), FMA(1, float, 16, mad, 256),
};

struct bench_stream {
    clkv_device *device;
    cl_command_queue queue;
    cl_uint units;
    int cpu;
    void *host; /* the buffer's memory on CPU devices */
    size_t bytes;
    cl_mem data, out;
    cl_kernel read, fma;
    const candidate *read_kind, *fma_kind;
    cl_uint fma_turns;
};

/* As in clkv's prelude.cl: pocl would print the number of warnings. */
static const char no_warnings[] = "#ifdef __clang__\n#pragma clang diagnostic ignored \"-Wpsabi\"\n#endif\n";

/* A kernel of one candidate, or NULL when the device's compiler refuses it. */
static cl_kernel build(const bench_stream *s, const char *source, const char *options, const char *name)
{
    cl_int err;
    const cl_device_id device = clkv_device_id(s->device);
    const char *sources[] = { no_warnings, source };
    cl_program program = clCreateProgramWithSource(clkv_device_context(s->device), 2, sources, NULL, &err);
    if (err != CL_SUCCESS) return NULL;
    cl_kernel kernel = NULL;
    if (clBuildProgram(program, 1, &device, options, NULL, NULL) == CL_SUCCESS)
        kernel = clCreateKernel(program, name, &err);
    clReleaseProgram(program);
    return kernel;
}

static double run(const bench_stream *s, cl_kernel kernel, size_t groups, size_t local)
{
    const size_t global = groups * local;
    if (clFinish(s->queue) != CL_SUCCESS) return -1;
    const double start = clock_seconds();
    if (clEnqueueNDRangeKernel(s->queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL) != CL_SUCCESS) return -1;
    if (clFinish(s->queue) != CL_SUCCESS) return -1;
    return clock_seconds() - start;
}

static double run_read(const bench_stream *s, cl_kernel kernel, const candidate *kind)
{
    if (clSetKernelArg(kernel, 0, sizeof s->data, &s->data) != CL_SUCCESS ||
        clSetKernelArg(kernel, 1, sizeof s->out, &s->out) != CL_SUCCESS)
        return -1;
    const double seconds = run(s, kernel, s->bytes / kind->chunk, kind->local);
    return seconds > 0 ? (double)s->bytes / seconds * 1e-9 : -1;
}

static double run_fma(const bench_stream *s, cl_kernel kernel, const candidate *kind, cl_uint turns,
                      double *seconds)
{
    const float start = 0.001f;
    const size_t groups = (size_t)s->units * (s->cpu ? 4 : 32);
    if (clSetKernelArg(kernel, 0, sizeof s->out, &s->out) != CL_SUCCESS ||
        clSetKernelArg(kernel, 1, sizeof turns, &turns) != CL_SUCCESS ||
        clSetKernelArg(kernel, 2, sizeof start, &start) != CL_SUCCESS)
        return -1;
    *seconds = run(s, kernel, groups, kind->local);
    return *seconds > 0 ? (double)groups * kind->local * kind->flops * turns / *seconds * 1e-9 : -1;
}

static void pick_read(bench_stream *s)
{
    const candidate *kinds = s->cpu ? cpu_reads : gpu_reads;
    const size_t n = s->cpu ? sizeof cpu_reads / sizeof *cpu_reads : sizeof gpu_reads / sizeof *gpu_reads;
    double best = 0;
    for (size_t i = 0; i < n; i++) {
        cl_kernel kernel = build(s, s->cpu ? cpu_source : gpu_source, kinds[i].options, "stream_read");
        if (!kernel) continue;
        double rate = run_read(s, kernel, &kinds[i]); /* the first run may still compile */
        for (int r = 0; rate > 0 && r < CALIBRATION_RUNS; r++) {
            const double again = run_read(s, kernel, &kinds[i]);
            if (again > rate || r == 0) rate = again;
        }
        if (rate > best) {
            best = rate;
            s->read_kind = &kinds[i];
            cl_kernel loser = s->read;
            s->read = kernel;
            kernel = loser;
        }
        if (kernel) clReleaseKernel(kernel);
    }
}

/* The turns that take about FMA_SECONDS are found with each kernel, by doubling. */
static void pick_fma(bench_stream *s)
{
    const candidate *kinds = s->cpu ? cpu_fmas : gpu_fmas;
    const size_t n = s->cpu ? sizeof cpu_fmas / sizeof *cpu_fmas : sizeof gpu_fmas / sizeof *gpu_fmas;
    double best = 0;
    for (size_t i = 0; i < n; i++) {
        cl_kernel kernel = build(s, fma_source, kinds[i].options, "stream_fma");
        if (!kernel) continue;
        cl_uint turns = 1024;
        double seconds = 0, rate = run_fma(s, kernel, &kinds[i], turns, &seconds);
        do {
            rate = run_fma(s, kernel, &kinds[i], turns, &seconds);
            if (seconds < FMA_SECONDS) turns *= 2;
        } while (rate > 0 && seconds < FMA_SECONDS && turns < 1u << 30);
        for (int r = 0; rate > 0 && r < CALIBRATION_RUNS; r++) {
            const double again = run_fma(s, kernel, &kinds[i], turns, &seconds);
            if (again > rate) rate = again;
        }
        if (rate > best) {
            best = rate;
            s->fma_kind = &kinds[i];
            s->fma_turns = turns;
            cl_kernel loser = s->fma;
            s->fma = kernel;
            kernel = loser;
        }
        if (kernel) clReleaseKernel(kernel);
    }
}

/* On CPU devices host memory in place, aligned and advised as the pool's is; elsewhere the device's own. */
static int make_buffers(bench_stream *s)
{
    cl_int err;
    const cl_context context = clkv_device_context(s->device);
    const size_t out_bytes = s->bytes / 65536 * 256 * sizeof(float) + (size_t)s->units * 32 * 256 * sizeof(float);
    const float half = 0.5f;
    if (s->cpu) {
        s->host = clkv_map(s->bytes);
        if (!s->host) return tool_fail(EXIT_CHECK, "no memory for %zu bytes to read", s->bytes);
        s->data = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, s->bytes, s->host, &err);
    } else {
        s->data = clCreateBuffer(context, CL_MEM_READ_ONLY, s->bytes, NULL, &err);
    }
    if (err == CL_SUCCESS) s->out = clCreateBuffer(context, CL_MEM_WRITE_ONLY, out_bytes, NULL, &err);
    if (err == CL_SUCCESS)
        err = clEnqueueFillBuffer(s->queue, s->data, &half, sizeof half, 0, s->bytes, 0, NULL, NULL);
    if (err == CL_SUCCESS) err = clFinish(s->queue);
    if (err == CL_SUCCESS) return 0;
    return tool_fail(EXIT_CHECK, "no buffer of %zu bytes for the read measurement: OpenCL error %d", s->bytes, err);
}

bench_stream *bench_stream_create(clkv_device *device, uint64_t bytes)
{
    clkv_device_info info = {.size = sizeof info};
    bench_stream *s = calloc(1, sizeof *s);
    if (!s || clkv_device_get_info(device, &info) != CLKV_OK) goto fail;
    s->device = device;
    s->queue = clkv_device_queue(device);
    s->units = info.compute_units ? info.compute_units : 1;
    s->cpu = info.kind == CLKV_DEVICE_CPU;
    if (bytes > info.max_alloc_bytes) bytes = info.max_alloc_bytes;
    s->bytes = (size_t)(bytes + MIB - 1) / MIB * MIB;
    if (make_buffers(s)) goto fail;
    pick_read(s);
    pick_fma(s);
    if (s->read && s->fma) return s;
    tool_fail(EXIT_CHECK, "the device runs none of the plain kernels that measure it");
fail:
    bench_stream_destroy(&s);
    return NULL;
}

void bench_stream_destroy(bench_stream **stream)
{
    bench_stream *s = *stream;
    *stream = NULL;
    if (!s) return;
    if (s->queue) clFinish(s->queue);
    if (s->read) clReleaseKernel(s->read);
    if (s->fma) clReleaseKernel(s->fma);
    if (s->data) clReleaseMemObject(s->data);
    if (s->out) clReleaseMemObject(s->out);
    clkv_unmap(s->host, s->bytes);
    free(s);
}

double bench_stream_read(bench_stream *stream)
{
    return run_read(stream, stream->read, stream->read_kind);
}

double bench_stream_fma(bench_stream *stream)
{
    double seconds;
    return run_fma(stream, stream->fma, stream->fma_kind, stream->fma_turns, &seconds);
}

const char *bench_stream_read_name(const bench_stream *stream)
{
    return stream->read_kind->name;
}

const char *bench_stream_fma_name(const bench_stream *stream)
{
    return stream->fma_kind->name;
}
