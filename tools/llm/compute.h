/* compute.h: the OpenCL side that all parts of the device runtime share: device, queue, kernels, buffers, and
 * where the time went.
 *
 *   compute ── clkv_device, in-order queue (with profiling when times are asked for)
 *           ├─ kernels of matmul.cl, layers.cl and sample.cl, built for one tier
 *           └─ trail of events, oldest first, when times are asked for
 *
 * Two tiers, chosen by the cache's kernel variant so that one setting forces both: `cpu` has one work-item per
 * work-group and float16 vectors, the other has `group` work-items that reduce in local memory. Every launch
 * is one-dimensional, and says how many work-groups it wants.
 * All functions return 0, or −1 with the reason in `why`. One thread at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_COMPUTE_H
#define CLKV_TOOLS_LLM_COMPUTE_H

#include "why.h"

#include <clkv/clkv.h>

typedef enum llm_kernel {
    LLM_KERNEL_EMBED,
    LLM_KERNEL_NORM,
    LLM_KERNEL_ANGLES,
    LLM_KERNEL_HEADS,
    LLM_KERNEL_SWIGLU,
    LLM_KERNEL_ROWS,
    LLM_KERNEL_PACK,
    LLM_KERNEL_EXPAND,
    LLM_KERNEL_MATMUL_FEW,
    LLM_KERNEL_MATMUL_MANY,
    LLM_KERNEL_GREEDY,
    LLM_KERNEL_SAMPLE,
    LLM_KERNELS,
} llm_kernel;

typedef enum llm_time { LLM_TIME_ATTENTION, LLM_TIME_GEMM, LLM_TIME_OTHER, LLM_TIMES } llm_time;

/* One kernel argument; value NULL: so much local memory. LLM_ARG takes an lvalue. */
typedef struct llm_arg {
    size_t bytes;
    const void *value;
} llm_arg;
#define LLM_ARG(x)                                                                                                 \
    {                                                                                                              \
        sizeof(x), &(x)                                                                                            \
    }

typedef struct llm_event {
    cl_event event;
    llm_time time;
} llm_event;

typedef struct llm_compute {
    clkv_device *device;
    cl_context context;
    cl_device_id id;
    cl_command_queue queue;
    int cpu;        /* the tier of one work-item per work-group */
    int cpu_device; /* whatever the tier */
    uint32_t group; /* work-items of a work-group: 1 on that tier */
    uint32_t strip; /* rows of a strip of weights (matmul.cl): 32 where the group is 1, else 1 */
    int half_weights;
    cl_program program;
    cl_kernel kernels[LLM_KERNELS];
    int profile;
    llm_event *trail;
    size_t n_trail, trail_room;
    double seconds[LLM_TIMES]; /* of commands that llm_compute_settle has seen */
} llm_compute;

/* A buffer, and the memory under it where that is the program's own (llm_buffer_huge). */
typedef struct llm_buffer {
    cl_mem mem;
    void *host;
    size_t bytes;
} llm_buffer;

typedef struct llm_compute_params {
    const char *device, *variant; /* as in clkv_device_params */
    int half_weights;             /* the type that the kernels read weights in: 1 fp16, 0 fp32 */
    int row_major;                /* 1: strips of one row on every tier; our own matmul wants 0 */
    int profile;
} llm_compute_params;

/* `c` is all zeros. *exit_code is set on failure. Whether it fails or not, llm_compute_close takes it. */
int llm_compute_open(llm_compute *c, const llm_compute_params *params, char *why, int *exit_code);
void llm_compute_close(llm_compute *c);

/* n rounded up to a multiple of step. */
static inline uint64_t llm_round_up(uint64_t n, uint64_t step)
{
    return (n + step - 1) / step * step;
}

/* Buffers hold nothing defined. A huge one lies in 2 MiB pages on CPU devices, for what is streamed. */
int llm_buffer_create(llm_compute *c, llm_buffer *b, size_t bytes, char *why);
int llm_buffer_huge(llm_compute *c, llm_buffer *b, size_t bytes, char *why);
/* Grows a buffer whose contents nobody needs any more; commands under way keep the old one. */
int llm_buffer_room(llm_compute *c, llm_buffer *b, size_t bytes, char *why);
void llm_buffer_free(llm_buffer *b);

/* Enqueues `groups` (≥ 1) work-groups of a kernel. */
int llm_compute_launch(llm_compute *c, llm_kernel kernel, size_t groups, const llm_arg *args, size_t n_args,
                       llm_time time, char *why);

/* Where an enqueueing call of somebody else's may put its event: NULL when nobody asked for times. Hand the
 * event to llm_compute_note after it, which owns it then. */
cl_event *llm_compute_event(llm_compute *c, cl_event *event);
void llm_compute_note(llm_compute *c, cl_event event, llm_time time);

/* Adds up the trail's times and forgets it; all of its commands must be finished. A command's time runs from
 * the end of the one before it (or its own start, if that is later and it is one command) to its own end. */
void llm_compute_settle(llm_compute *c);
/* Begins to count at 0 again, likewise. */
void llm_compute_forget(llm_compute *c);

/* "Call failed (code)", for OpenCL calls. */
int llm_fail_driver(char *why, cl_int code, const char *call);
/* What a program exits with for a status. */
int llm_exit_code(clkv_status status);

#endif
