/* layer.c: the failing driver; see fault.h. Loaded by the OpenCL loader, OPENCL_LAYERS=/absolute/libfault.so.
 *
 * Invariant: an object is in the table from the call that made it to the release of its last reference; the
 * control block's live[] are the numbers of entries of each kind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <CL/cl_layer.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_CODES 4

/* The wrapped entry points, each with the codes that a failing driver may well give. */
#define QUERY CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY, CL_INVALID_VALUE
#define MEMORY CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY
#define COMMAND CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_COMMAND_QUEUE
#define ENTRIES(X)                                                                                                 \
    X(clGetPlatformIDs, CL_OUT_OF_HOST_MEMORY, CL_INVALID_VALUE)                                                   \
    X(clGetPlatformInfo, QUERY)                                                                                    \
    X(clGetDeviceIDs, MEMORY, CL_INVALID_PLATFORM)                                                                 \
    X(clGetDeviceInfo, QUERY)                                                                                      \
    X(clCreateContext, MEMORY, CL_DEVICE_NOT_AVAILABLE)                                                            \
    X(clRetainContext, MEMORY)                                                                                     \
    X(clReleaseContext, MEMORY)                                                                                    \
    X(clGetContextInfo, QUERY)                                                                                     \
    X(clCreateCommandQueue, MEMORY, CL_INVALID_DEVICE)                                                             \
    X(clRetainCommandQueue, MEMORY)                                                                                \
    X(clReleaseCommandQueue, MEMORY)                                                                               \
    X(clGetCommandQueueInfo, QUERY)                                                                                \
    X(clCreateBuffer, MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_BUFFER_SIZE)                            \
    X(clRetainMemObject, MEMORY)                                                                                   \
    X(clReleaseMemObject, MEMORY)                                                                                  \
    X(clGetMemObjectInfo, QUERY)                                                                                   \
    X(clSetMemObjectDestructorCallback, MEMORY)                                                                    \
    X(clCreateSampler, MEMORY)                                                                                     \
    X(clRetainSampler, MEMORY)                                                                                     \
    X(clReleaseSampler, MEMORY)                                                                                    \
    X(clCreateProgramWithSource, MEMORY)                                                                           \
    X(clCreateProgramWithBinary, MEMORY, CL_INVALID_BINARY)                                                        \
    X(clRetainProgram, MEMORY)                                                                                     \
    X(clReleaseProgram, MEMORY)                                                                                    \
    X(clBuildProgram, MEMORY, CL_BUILD_PROGRAM_FAILURE)                                                            \
    X(clGetProgramInfo, QUERY)                                                                                     \
    X(clGetProgramBuildInfo, QUERY)                                                                                \
    X(clCreateKernel, MEMORY, CL_INVALID_PROGRAM_EXECUTABLE, CL_INVALID_KERNEL_NAME)                               \
    X(clRetainKernel, MEMORY)                                                                                      \
    X(clReleaseKernel, MEMORY)                                                                                     \
    X(clSetKernelArg, MEMORY, CL_INVALID_MEM_OBJECT)                                                               \
    X(clGetKernelInfo, QUERY)                                                                                      \
    X(clGetKernelWorkGroupInfo, QUERY)                                                                             \
    X(clCreateUserEvent, MEMORY)                                                                                   \
    X(clWaitForEvents, MEMORY, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)                                       \
    X(clGetEventInfo, QUERY)                                                                                       \
    X(clRetainEvent, MEMORY)                                                                                       \
    X(clReleaseEvent, MEMORY)                                                                                      \
    X(clGetEventProfilingInfo, QUERY)                                                                              \
    X(clFlush, MEMORY, CL_INVALID_COMMAND_QUEUE)                                                                   \
    X(clFinish, MEMORY, CL_INVALID_COMMAND_QUEUE)                                                                  \
    X(clEnqueueReadBuffer, COMMAND)                                                                                \
    X(clEnqueueWriteBuffer, COMMAND)                                                                               \
    X(clEnqueueCopyBuffer, COMMAND)                                                                                \
    X(clEnqueueFillBuffer, COMMAND)                                                                                \
    X(clEnqueueNDRangeKernel, COMMAND)                                                                             \
    X(clEnqueueMarkerWithWaitList, COMMAND)

enum {
#define NUMBER(name, ...) ENTRY_##name,
    ENTRIES(NUMBER) ENTRIES_ALL
};

static const struct entry {
    const char *name;
    cl_int codes[MAX_CODES];
} entries[] = {
#define ROW(name, ...) { #name, { __VA_ARGS__ } },
    ENTRIES(ROW)
};

EXPORT fault_control fault_layer_control;
static fault_control *const control = &fault_layer_control;
static const cl_icd_dispatch *next;
static cl_icd_dispatch ours;
static uint64_t calls_of[ENTRIES_ALL], failed_of[ENTRIES_ALL];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of everything above but `next` and `ours` */

/* ---- objects ---- */

typedef struct object {
    void *handle; /* NULL: an empty place */
    fault_kind kind;
    uint32_t refs;
} object;

static object *objects; /* open addressing, at most half full */
static size_t n_objects, n_places;

static size_t place_of(const object *table, size_t places, const void *handle)
{
    size_t i = ((uintptr_t)handle >> 4) * 2654435761u % places;
    while (table[i].handle && table[i].handle != handle) i = (i + 1) % places;
    return i;
}

static void grow(void)
{
    const size_t places = n_places ? 2 * n_places : 1024;
    object *bigger = calloc(places, sizeof *bigger);
    if (!bigger) abort();
    for (size_t i = 0; i < n_places; i++)
        if (objects[i].handle) bigger[place_of(bigger, places, objects[i].handle)] = objects[i];
    free(objects);
    objects = bigger;
    n_places = places;
}

static void born(fault_kind kind, void *handle)
{
    pthread_mutex_lock(&lock);
    if (2 * (n_objects + 1) > n_places) grow();
    object *o = &objects[place_of(objects, n_places, handle)];
    if (o->handle) {
        control->misuses++; /* a driver gives a handle again that lives */
    } else {
        *o = (object){ handle, kind, 1 };
        n_objects++;
        control->live[kind]++;
    }
    pthread_mutex_unlock(&lock);
}

/* Takes an entry out, and moves up what had to make way for it. */
static void remove_at(size_t hole)
{
    control->live[objects[hole].kind]--;
    n_objects--;
    objects[hole].handle = NULL;
    for (size_t i = (hole + 1) % n_places; objects[i].handle; i = (i + 1) % n_places) {
        const object o = objects[i];
        objects[i].handle = NULL;
        objects[place_of(objects, n_places, o.handle)] = o;
    }
}

static void count(fault_kind kind, const void *handle, int step)
{
    pthread_mutex_lock(&lock);
    const size_t i = n_places ? place_of(objects, n_places, handle) : 0;
    if (!n_places || !objects[i].handle || objects[i].kind != kind) {
        control->misuses++;
    } else {
        objects[i].refs += (uint32_t)step;
        if (objects[i].refs == 0) remove_at(i);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- faults ---- */

static uint64_t random_next(void) /* xorshift64* */
{
    uint64_t x = control->seed ? control->seed : 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    control->seed = x;
    return x * UINT64_C(2685821657736338717);
}

static void finish_queues(void)
{
    for (size_t i = 0; i < n_places; i++)
        if (objects[i].handle && objects[i].kind == FAULT_QUEUE) next->clFinish(objects[i].handle);
}

/* Whether a call that counts is hit. */
static int hit(void)
{
    switch (control->mode) {
    case FAULT_NONE: return 0;
    case FAULT_ONE:
    case FAULT_LATE: return control->calls == control->at;
    case FAULT_FROM:
        if (control->calls == control->at) finish_queues();
        return control->calls >= control->at;
    case FAULT_RANDOM: return random_next() >> 32 < ((uint64_t)control->per_mille << 32) / 1000;
    }
    return 0;
}

static int signal_number; /* not 0: a call that is hit does not fail, it raises this signal */

/* The code that this call fails with, or CL_SUCCESS. Commands are the calls that FAULT_LATE counts. */
static cl_int fault(int entry, int command)
{
    cl_int code = CL_SUCCESS;
    int raised = 0;
    pthread_mutex_lock(&lock);
    calls_of[entry]++;
    if (control->watch && (!control->only || !strcmp(control->only, entries[entry].name)) &&
        (command || control->mode != FAULT_LATE)) {
        control->calls++;
        const int is_hit = hit();
        if (is_hit && signal_number) {
            raised = signal_number;
        } else if (is_hit) {
            const struct entry *e = &entries[entry];
            uint32_t n = 0;
            while (n < MAX_CODES && e->codes[n]) n++;
            code = control->code ? control->code : e->codes[control->choice % n];
            control->failed++;
            failed_of[entry]++;
            control->call = e->name;
            control->call_code = code;
            control->choices = n;
        }
    }
    pthread_mutex_unlock(&lock);
    if (raised) raise(raised);
    return code;
}

/* ---- the wrapped entry points ---- */

#define PLAIN(name, parameters, arguments)                                                                         \
    static cl_int CL_API_CALL wrap_##name parameters                                                               \
    {                                                                                                              \
        const cl_int code = fault(ENTRY_##name, 0);                                                                \
        return code ? code : next->name arguments;                                                                 \
    }

#define CREATE(type, kind, name, parameters, arguments)                                                            \
    static type CL_API_CALL wrap_##name parameters                                                                 \
    {                                                                                                              \
        cl_int own;                                                                                                \
        if (!err) err = &own;                                                                                      \
        *err = fault(ENTRY_##name, 0);                                                                             \
        if (*err) return NULL;                                                                                     \
        type made = next->name arguments;                                                                          \
        if (made) born(kind, made);                                                                                \
        return made;                                                                                               \
    }

#define COUNTED(type, kind, retain, release)                                                                       \
    static cl_int CL_API_CALL wrap_##retain(type handle)                                                           \
    {                                                                                                              \
        cl_int code = fault(ENTRY_##retain, 0);                                                                    \
        if (!code) code = next->retain(handle);                                                                    \
        if (!code) count(kind, handle, 1);                                                                         \
        return code;                                                                                               \
    }                                                                                                              \
    static cl_int CL_API_CALL wrap_##release(type handle)                                                          \
    {                                                                                                              \
        const cl_int code = fault(ENTRY_##release, 0);                                                             \
        count(kind, handle, -1); /* before: the driver may give the same handle out again at once */              \
        const cl_int real = next->release(handle);                                                                 \
        return code ? code : real;                                                                                 \
    }

PLAIN(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *found), (n, ids, found))
PLAIN(clGetPlatformInfo, (cl_platform_id id, cl_platform_info what, size_t n, void *value, size_t *bytes),
      (id, what, n, value, bytes))
PLAIN(clGetDeviceIDs, (cl_platform_id id, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *found),
      (id, type, n, ids, found))
PLAIN(clGetDeviceInfo, (cl_device_id id, cl_device_info what, size_t n, void *value, size_t *bytes),
      (id, what, n, value, bytes))
PLAIN(clGetContextInfo, (cl_context c, cl_context_info what, size_t n, void *value, size_t *bytes),
      (c, what, n, value, bytes))
PLAIN(clGetCommandQueueInfo, (cl_command_queue q, cl_command_queue_info what, size_t n, void *value, size_t *bytes),
      (q, what, n, value, bytes))
PLAIN(clGetMemObjectInfo, (cl_mem mem, cl_mem_info what, size_t n, void *value, size_t *bytes),
      (mem, what, n, value, bytes))
PLAIN(clSetMemObjectDestructorCallback, (cl_mem mem, void(CL_CALLBACK *fn)(cl_mem, void *), void *user),
      (mem, fn, user))
PLAIN(clBuildProgram,
      (cl_program p, cl_uint n, const cl_device_id *ids, const char *options,
       void(CL_CALLBACK *fn)(cl_program, void *), void *user),
      (p, n, ids, options, fn, user))
PLAIN(clGetProgramInfo, (cl_program p, cl_program_info what, size_t n, void *value, size_t *bytes),
      (p, what, n, value, bytes))
PLAIN(clGetProgramBuildInfo,
      (cl_program p, cl_device_id id, cl_program_build_info what, size_t n, void *value, size_t *bytes),
      (p, id, what, n, value, bytes))
PLAIN(clSetKernelArg, (cl_kernel k, cl_uint index, size_t bytes, const void *value), (k, index, bytes, value))
PLAIN(clGetKernelInfo, (cl_kernel k, cl_kernel_info what, size_t n, void *value, size_t *bytes),
      (k, what, n, value, bytes))
PLAIN(clGetKernelWorkGroupInfo,
      (cl_kernel k, cl_device_id id, cl_kernel_work_group_info what, size_t n, void *value, size_t *bytes),
      (k, id, what, n, value, bytes))
PLAIN(clWaitForEvents, (cl_uint n, const cl_event *events), (n, events))
PLAIN(clGetEventInfo, (cl_event e, cl_event_info what, size_t n, void *value, size_t *bytes),
      (e, what, n, value, bytes))
PLAIN(clGetEventProfilingInfo, (cl_event e, cl_profiling_info what, size_t n, void *value, size_t *bytes),
      (e, what, n, value, bytes))
PLAIN(clFlush, (cl_command_queue q), (q))
PLAIN(clFinish, (cl_command_queue q), (q))

CREATE(cl_context, FAULT_CONTEXT, clCreateContext,
       (const cl_context_properties *properties, cl_uint n, const cl_device_id *ids,
        void(CL_CALLBACK *fn)(const char *, const void *, size_t, void *), void *user, cl_int *err),
       (properties, n, ids, fn, user, err))
CREATE(cl_command_queue, FAULT_QUEUE, clCreateCommandQueue,
       (cl_context c, cl_device_id id, cl_command_queue_properties properties, cl_int *err),
       (c, id, properties, err))
CREATE(cl_mem, FAULT_MEM, clCreateBuffer, (cl_context c, cl_mem_flags flags, size_t n, void *host, cl_int *err),
       (c, flags, n, host, err))
CREATE(cl_sampler, FAULT_SAMPLER, clCreateSampler,
       (cl_context c, cl_bool normalized, cl_addressing_mode mode, cl_filter_mode filter, cl_int *err),
       (c, normalized, mode, filter, err))
CREATE(cl_program, FAULT_PROGRAM, clCreateProgramWithSource,
       (cl_context c, cl_uint n, const char **texts, const size_t *bytes, cl_int *err), (c, n, texts, bytes, err))
CREATE(cl_program, FAULT_PROGRAM, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *ids, const size_t *bytes, const unsigned char **binaries,
        cl_int *status, cl_int *err),
       (c, n, ids, bytes, binaries, status, err))
CREATE(cl_kernel, FAULT_KERNEL, clCreateKernel, (cl_program p, const char *name, cl_int *err), (p, name, err))
CREATE(cl_event, FAULT_EVENT, clCreateUserEvent, (cl_context c, cl_int *err), (c, err))

COUNTED(cl_context, FAULT_CONTEXT, clRetainContext, clReleaseContext)
COUNTED(cl_command_queue, FAULT_QUEUE, clRetainCommandQueue, clReleaseCommandQueue)
COUNTED(cl_mem, FAULT_MEM, clRetainMemObject, clReleaseMemObject)
COUNTED(cl_sampler, FAULT_SAMPLER, clRetainSampler, clReleaseSampler)
COUNTED(cl_program, FAULT_PROGRAM, clRetainProgram, clReleaseProgram)
COUNTED(cl_kernel, FAULT_KERNEL, clRetainKernel, clReleaseKernel)
COUNTED(cl_event, FAULT_EVENT, clRetainEvent, clReleaseEvent)

/* A command that fails on the device: it waits for an event that fails after it is enqueued. That event fails only when
 * the others that the command waits for are over: pocl 3.1 corrupts its memory where one of them ends meanwhile. */
typedef struct late {
    cl_event trigger; /* NULL: nothing of the kind */
    cl_event *wait;
    cl_uint n; /* events before the trigger in that list */
    cl_int code;
} late;

static void late_begin(late *l, cl_command_queue q, cl_uint *n, const cl_event **wait)
{
    cl_context context;
    if (next->clGetCommandQueueInfo(q, CL_QUEUE_CONTEXT, sizeof context, &context, NULL)) abort();
    l->trigger = next->clCreateUserEvent(context, NULL);
    l->wait = malloc((*n + 1) * sizeof *l->wait);
    if (!l->trigger || !l->wait) abort();
    if (*n) memcpy(l->wait, *wait, *n * sizeof *l->wait);
    l->n = *n;
    l->wait[(*n)++] = l->trigger;
    *wait = l->wait;
}

static void late_end(const late *l)
{
    if (!l->trigger) return;
    if (l->n) next->clWaitForEvents(l->n, l->wait);
    next->clSetUserEventStatus(l->trigger, l->code);
    next->clReleaseEvent(l->trigger);
    free(l->wait);
}

#define COMMAND_CALL(name, parameters, arguments)                                                                  \
    static cl_int CL_API_CALL wrap_##name parameters                                                               \
    {                                                                                                              \
        late l = { .code = fault(ENTRY_##name, 1) };                                                               \
        if (l.code && control->mode != FAULT_LATE) return l.code;                                                  \
        if (l.code) late_begin(&l, q, &n_wait, &wait);                                                             \
        const cl_int real = next->name arguments;                                                                  \
        if (real == CL_SUCCESS && event) born(FAULT_EVENT, *event);                                                \
        late_end(&l);                                                                                              \
        return real;                                                                                               \
    }
#define WAITS cl_uint n_wait, const cl_event *wait, cl_event *event

COMMAND_CALL(clEnqueueReadBuffer,
             (cl_command_queue q, cl_mem mem, cl_bool block, size_t at, size_t n, void *to, WAITS),
             (q, mem, block, at, n, to, n_wait, wait, event))
COMMAND_CALL(clEnqueueWriteBuffer,
             (cl_command_queue q, cl_mem mem, cl_bool block, size_t at, size_t n, const void *from, WAITS),
             (q, mem, block, at, n, from, n_wait, wait, event))
COMMAND_CALL(clEnqueueCopyBuffer,
             (cl_command_queue q, cl_mem from, cl_mem to, size_t from_at, size_t to_at, size_t n, WAITS),
             (q, from, to, from_at, to_at, n, n_wait, wait, event))
COMMAND_CALL(clEnqueueFillBuffer,
             (cl_command_queue q, cl_mem mem, const void *pattern, size_t width, size_t at, size_t n, WAITS),
             (q, mem, pattern, width, at, n, n_wait, wait, event))
COMMAND_CALL(clEnqueueNDRangeKernel,
             (cl_command_queue q, cl_kernel k, cl_uint dimensions, const size_t *offset, const size_t *global,
              const size_t *local, WAITS),
             (q, k, dimensions, offset, global, local, n_wait, wait, event))
COMMAND_CALL(clEnqueueMarkerWithWaitList, (cl_command_queue q, WAITS), (q, n_wait, wait, event))

/* ---- a whole program, steered by its environment ---- */

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void read_environment(void)
{
    const char *at = environment("CLKV_FAULT_AT"), *from = environment("CLKV_FAULT_FROM"),
               *random = environment("CLKV_FAULT_RANDOM"), *code = environment("CLKV_FAULT_CODE"),
               *choice = environment("CLKV_FAULT_CHOICE"), *signal_text = environment("CLKV_FAULT_SIGNAL");
    control->watch = 1;
    control->only = environment("CLKV_FAULT_CALL");
    if (signal_text) signal_number = (int)strtol(signal_text, NULL, 10);
    if (code) control->code = (cl_int)strtol(code, NULL, 10);
    if (choice) control->choice = (uint32_t)strtoul(choice, NULL, 10);
    if (at || from) {
        control->mode = at ? FAULT_ONE : FAULT_FROM;
        control->at = strtoull(at ? at : from, NULL, 10);
    } else if (random) {
        unsigned long long seed = 1, per_mille = 0;
        if (sscanf(random, "%llu:%llu", &seed, &per_mille) == 2) control->mode = FAULT_RANDOM;
        control->seed = seed;
        control->per_mille = (uint32_t)per_mille;
    }
}

/* What a script wants to know of the program that it ran: one "key value" a line. */
__attribute__((destructor)) static void report(void)
{
    static const char *const kinds[] = { "context", "queue", "mem", "sampler", "program", "kernel", "event" };
    const char *path = environment("CLKV_FAULT_REPORT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f) return;
    fprintf(f, "calls %llu\nfailed %llu\nmisuses %llu\n", (unsigned long long)control->calls,
            (unsigned long long)control->failed, (unsigned long long)control->misuses);
    if (control->failed) fprintf(f, "call %s\ncode %d\n", control->call, (int)control->call_code);
    for (int i = 0; i < FAULT_KINDS; i++) fprintf(f, "live_%s %llu\n", kinds[i], (unsigned long long)control->live[i]);
    for (int i = 0; i < ENTRIES_ALL; i++)
        if (calls_of[i])
            fprintf(f, "of_%s %llu\nfailed_of_%s %llu\n", entries[i].name, (unsigned long long)calls_of[i],
                    entries[i].name, (unsigned long long)failed_of[i]);
    fclose(f);
}

/* ---- what the loader calls ---- */

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t n, void *value, size_t *bytes)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    static const char name[] = "clkv failing driver";
    const void *answer = what == CL_LAYER_API_VERSION ? (const void *)&version : name;
    const size_t size = what == CL_LAYER_API_VERSION ? sizeof version : sizeof name;
    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
    if (value && n < size) return CL_INVALID_VALUE;
    if (value) memcpy(value, answer, size);
    if (bytes) *bytes = size;
    return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch *target, cl_uint *n_out,
                                      const cl_icd_dispatch **out)
{
    if (!target || !n_out || !out || n < sizeof ours / sizeof(void *)) return CL_INVALID_VALUE;
    next = target;
    ours = *target;
#define WRAP(name, ...) ours.name = wrap_##name;
    ENTRIES(WRAP)
    *n_out = sizeof ours / sizeof(void *);
    *out = &ours;
    if (environment("CLKV_FAULT_REPORT")) read_environment();
    return CL_SUCCESS;
}
