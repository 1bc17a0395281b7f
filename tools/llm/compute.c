/* compute.c: see compute.h. SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

#include "kernels.h"
#include "os/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_PAGE   ((size_t)2 << 20)
#define GROUP_LIMIT 64u /* work-items: enough to hide latency, few enough for every device's registers */
#define CPU_STRIP   32u /* as in matmul.cl */

static const char *const kernel_names[LLM_KERNELS] = {
    [LLM_KERNEL_EMBED] = "llm_embed",
    [LLM_KERNEL_NORM] = "llm_norm",
    [LLM_KERNEL_ANGLES] = "llm_angles",
    [LLM_KERNEL_HEADS] = "llm_heads",
    [LLM_KERNEL_SWIGLU] = "llm_swiglu",
    [LLM_KERNEL_ROWS] = "llm_rows",
    [LLM_KERNEL_PACK] = "llm_pack",
    [LLM_KERNEL_EXPAND] = "llm_expand",
    [LLM_KERNEL_MATMUL_FEW] = "llm_matmul_few", /* of tiers with groups only */
    [LLM_KERNEL_MATMUL_MANY] = "llm_matmul_many",
    [LLM_KERNEL_GREEDY] = "llm_greedy",
    [LLM_KERNEL_SAMPLE] = "llm_sample",
};

int llm_fail_driver(char *why, cl_int code, const char *call)
{
    return llm_fail(why, "%s failed (%d)", call, (int)code);
}

int llm_exit_code(clkv_status status)
{
    switch (status) {
    case CLKV_ERROR_NO_DEVICE:
    case CLKV_ERROR_BUILD: return EXIT_NO_DEVICE;
    case CLKV_ERROR_INVALID:
    case CLKV_ERROR_UNSUPPORTED:
    case CLKV_ERROR_LIMIT:
    case CLKV_ERROR_NO_MEMORY:
    case CLKV_ERROR_DEVICE_MEMORY: return EXIT_USAGE;
    default: return EXIT_CHECK;
    }
}

static int open_device(llm_compute *c, const llm_compute_params *params, char *why, int *exit_code)
{
    clkv_device_params dp = CLKV_PARAMS_INIT(clkv_device_params);
    dp.select = params->device;
    dp.variant = params->variant;
    clkv_status status = clkv_device_open(&c->device, &dp);
    if (status == CLKV_OK && params->profile) {
        /* The library's own queue does not take times: the same device again, with a queue of ours. */
        clkv_device *chosen = c->device;
        cl_int err;
        c->device = NULL;
        dp.context = clkv_device_context(chosen);
        dp.device = clkv_device_id(chosen);
        dp.queue = clCreateCommandQueue(dp.context, dp.device, CL_QUEUE_PROFILING_ENABLE, &err);
        if (err == CL_SUCCESS) {
            status = clkv_device_open(&c->device, &dp);
            clReleaseCommandQueue(dp.queue);
        }
        clkv_device_close(&chosen);
        if (err != CL_SUCCESS) return llm_fail_driver(why, err, "clCreateCommandQueue");
    }
    if (status != CLKV_OK) {
        *exit_code = llm_exit_code(status);
        return llm_fail_clkv(why, "opening the device");
    }
    c->context = clkv_device_context(c->device);
    c->id = clkv_device_id(c->device);
    c->queue = clkv_device_queue(c->device);
    c->profile = params->profile;
    c->half_weights = params->half_weights;
    return 0;
}

static void release_program(llm_compute *c)
{
    for (int i = 0; i < LLM_KERNELS; i++) {
        if (c->kernels[i]) clReleaseKernel(c->kernels[i]);
        c->kernels[i] = NULL;
    }
    if (c->program) clReleaseProgram(c->program);
    c->program = NULL;
}

/* Builds for c->group. *fits says whether each kernel can run with so many work-items. */
static int build(llm_compute *c, int *fits, char *why)
{
    const char *texts[] = {llm_text_matmul, llm_text_layers, llm_text_sample};
    char options[128], log[160] = "";
    cl_int err;
    *fits = 1;
    c->program = clCreateProgramWithSource(c->context, sizeof texts / sizeof *texts, texts, NULL, &err);
    if (err != CL_SUCCESS) return llm_fail_driver(why, err, "clCreateProgramWithSource");
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DLLM_GROUP=%u -DLLM_STRIP=%u -DLLM_HALF=%d",
             (unsigned)c->group, (unsigned)c->strip, c->half_weights);
    err = clBuildProgram(c->program, 1, &c->id, options, NULL, NULL);
    if (err != CL_SUCCESS) {
        clGetProgramBuildInfo(c->program, c->id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
        return llm_fail(why, "the device's compiler refuses the model's kernels: clBuildProgram gave %d: %s",
                        (int)err, log);
    }
    for (int i = 0; i < LLM_KERNELS; i++) {
        if (i == LLM_KERNEL_MATMUL_FEW && c->group == 1) continue;
        c->kernels[i] = clCreateKernel(c->program, kernel_names[i], &err);
        if (err != CL_SUCCESS) return llm_fail(why, "clCreateKernel of %s failed (%d)", kernel_names[i], (int)err);
        size_t most = c->group;
        clGetKernelWorkGroupInfo(c->kernels[i], c->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
        if (most < c->group) *fits = 0;
    }
    return 0;
}

int llm_compute_open(llm_compute *c, const llm_compute_params *params, char *why, int *exit_code)
{
    *exit_code = EXIT_CHECK;
    if (open_device(c, params, why, exit_code)) return -1;
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    if (clkv_device_get_info(c->device, &info) != CLKV_OK) return llm_fail_clkv(why, "asking the device");
    c->cpu = !strcmp(info.variant, "cpu");
    c->cpu_device = info.kind == CLKV_DEVICE_CPU;
    c->group = c->cpu ? 1 : GROUP_LIMIT;
    while (c->group > info.max_work_group && c->group > 1) c->group /= 2;
    *exit_code = EXIT_NO_DEVICE;
    for (int fits = 0; !fits; c->group /= fits ? 1 : 2) {
        release_program(c);
        c->strip = c->group == 1 && !params->row_major ? CPU_STRIP : 1;
        if (build(c, &fits, why)) return -1;
        if (!fits && c->group == 1)
            return llm_fail(why, "the device cannot run one work-item of the model's kernels");
    }
    return 0;
}

void llm_compute_close(llm_compute *c)
{
    if (c->queue) clFinish(c->queue);
    for (size_t i = 0; i < c->n_trail; i++) clReleaseEvent(c->trail[i].event);
    free(c->trail);
    release_program(c);
    clkv_device_close(&c->device);
    memset(c, 0, sizeof *c);
}

int llm_buffer_create(llm_compute *c, llm_buffer *b, size_t bytes, char *why)
{
    cl_int err;
    if (bytes == 0) bytes = 4;
    b->mem = clCreateBuffer(c->context, CL_MEM_READ_WRITE, bytes, NULL, &err);
    if (err != CL_SUCCESS) {
        b->mem = NULL;
        return llm_fail(why, "the device gives no buffer of %zu bytes (%d)", bytes, (int)err);
    }
    b->bytes = bytes;
    return 0;
}

int llm_buffer_huge(llm_compute *c, llm_buffer *b, size_t bytes, char *why)
{
    if (!c->cpu || bytes < HUGE_PAGE) return llm_buffer_create(c, b, bytes, why);
    const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *host = clkv_map(whole);
    cl_int err;
    if (!host) return llm_fail(why, "no memory for %zu bytes of weights", whole);
    b->mem = clCreateBuffer(c->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, whole, host, &err);
    if (err != CL_SUCCESS) {
        b->mem = NULL;
        clkv_unmap(host, whole);
        return llm_fail(why, "the device gives no buffer of %zu bytes (%d)", whole, (int)err);
    }
    b->host = host;
    b->bytes = whole;
    return 0;
}

int llm_buffer_room(llm_compute *c, llm_buffer *b, size_t bytes, char *why)
{
    if (b->bytes >= bytes) return 0;
    llm_buffer more = {0};
    if (llm_buffer_create(c, &more, bytes + bytes / 2, why)) return -1;
    llm_buffer_free(b);
    *b = more;
    return 0;
}

void llm_buffer_free(llm_buffer *b)
{
    if (b->mem) clReleaseMemObject(b->mem);
    clkv_unmap(b->host, b->bytes);
    memset(b, 0, sizeof *b);
}

int llm_compute_launch(llm_compute *c, llm_kernel kernel, size_t groups, const llm_arg *args, size_t n_args,
                       llm_time time, char *why)
{
    const size_t local = c->group, global = groups * local;
    cl_event event;
    for (size_t i = 0; i < n_args; i++) {
        const cl_int err = clSetKernelArg(c->kernels[kernel], (cl_uint)i, args[i].bytes, args[i].value);
        if (err != CL_SUCCESS)
            return llm_fail(why, "clSetKernelArg %zu of %s failed (%d)", i, kernel_names[kernel], (int)err);
    }
    const cl_int err = clEnqueueNDRangeKernel(c->queue, c->kernels[kernel], 1, NULL, &global, &local, 0, NULL,
                                              llm_compute_event(c, &event));
    if (err != CL_SUCCESS)
        return llm_fail(why, "clEnqueueNDRangeKernel of %s failed (%d)", kernel_names[kernel], (int)err);
    if (c->profile) llm_compute_note(c, event, time);
    return 0;
}

cl_event *llm_compute_event(llm_compute *c, cl_event *event)
{
    return c->profile ? event : NULL;
}

void llm_compute_note(llm_compute *c, cl_event event, llm_time time)
{
    if (!c->profile) return;
    if (c->n_trail == c->trail_room) {
        const size_t room = c->trail_room ? 2 * c->trail_room : 1024;
        llm_event *trail = realloc(c->trail, room * sizeof *trail);
        if (!trail) {
            clReleaseEvent(event); /* a time less: nothing else is lost */
            return;
        }
        c->trail = trail;
        c->trail_room = room;
    }
    c->trail[c->n_trail++] = (llm_event){event, time};
}

void llm_compute_settle(llm_compute *c)
{
    cl_ulong before = 0;
    for (size_t i = 0; i < c->n_trail; i++) {
        cl_ulong start = 0, end = 0;
        const llm_event *e = &c->trail[i];
        clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
        clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
        /* Attention and CLBlast may be several commands of which only the last one's event is there. */
        if (before > 0 && (before > start || e->time != LLM_TIME_OTHER)) start = before;
        if (end > start) c->seconds[e->time] += (double)(end - start) * 1e-9;
        before = end;
        clReleaseEvent(e->event);
    }
    c->n_trail = 0;
}

void llm_compute_forget(llm_compute *c)
{
    llm_compute_settle(c);
    memset(c->seconds, 0, sizeof c->seconds);
}
