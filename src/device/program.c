/* program.c: the table of built programs of one device.
 *
 *   clkv_program_kernel ──▶ in the table? ──▶ in the disk cache? ──▶ build from source ──▶ disk cache
 *
 * A binary is trusted as far as it gives the kernel that is asked for; whatever else happens to it, the
 * program is built from source. One mutex is held while a program is built, so that two threads that
 * want the same one compile it once. SPDX-License-Identifier: Apache-2.0 */
#include "device/program.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "device/device.h"
#include "device/source.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* No fast-math: INFINITY and NaN are tested for, and log-sum-exp needs its accuracy. */
#define FIXED_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-no-signed-zeros"

typedef struct program {
    char *key; /* family, newline, options */
    size_t key_bytes;
    cl_program program;
} program;

struct clkv_programs {
    clkv_device *device;
    pthread_mutex_t lock;
    program *list;
    size_t n, capacity;
    uint64_t built, from_disk;
};

clkv_status clkv_programs_create(clkv_programs **out, clkv_device *device)
{
    clkv_programs *p = clkv_alloc(sizeof *p);
    if (!p) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "program table");
    p->device = device;
    if (pthread_mutex_init(&p->lock, NULL)) {
        clkv_free(p, sizeof *p);
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "mutex of the program table");
    }
    *out = p;
    return CLKV_OK;
}

void clkv_programs_destroy(clkv_programs **programs)
{
    clkv_programs *p = *programs;
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) {
        clReleaseProgram(p->list[i].program);
        clkv_free(p->list[i].key, p->list[i].key_bytes);
    }
    clkv_free(p->list, p->capacity * sizeof *p->list);
    pthread_mutex_destroy(&p->lock);
    clkv_free(p, sizeof *p);
    *programs = NULL;
}

static const clkv_source *find_source(const char *name)
{
    const clkv_source *s = clkv_sources;
    while (s->name && strcmp(s->name, name)) s++;
    return s->name ? s : NULL;
}

/* Hands the compiler's output to the log callback, a line at a time. */
static void log_build(cl_program built, cl_device_id id, clkv_log_level level, const char *family)
{
    size_t size = 0;
    if (clGetProgramBuildInfo(built, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS || size < 2) return;
    char *text = clkv_alloc(size + 1);
    if (!text) return;
    if (clGetProgramBuildInfo(built, id, CL_PROGRAM_BUILD_LOG, size, text, NULL) == CL_SUCCESS) {
        for (char *line = text, *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            if (*end) *end++ = 0;
            if (*line) clkv_log(level, "%s.cl: %s", family, line);
        }
    }
    clkv_free(text, size + 1);
}

static clkv_status build_source(cl_program *out, clkv_device *device, const char *family, const char *options)
{
    const clkv_source *prelude = find_source("prelude"), *source = find_source(family);
    if (!prelude || !source) return CLKV_FAIL(CLKV_ERROR_INVALID, "there is no kernel file %s.cl", prelude ? family : "prelude");
    const char *texts[] = { prelude->text, source->text };
    const size_t sizes[] = { prelude->bytes, source->bytes };
    cl_int err = CL_SUCCESS;
    cl_program built = clCreateProgramWithSource(device->context, 2, texts, sizes, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateProgramWithSource", "%s", family);
    err = clBuildProgram(built, 1, &device->facts.id, options, NULL, NULL);
    log_build(built, device->facts.id, err == CL_SUCCESS ? CLKV_LOG_DEBUG : CLKV_LOG_ERROR, family);
    if (err == CL_SUCCESS) {
        *out = built;
        return CLKV_OK;
    }
    clReleaseProgram(built);
    if (err == CL_OUT_OF_HOST_MEMORY) return CLKV_FAIL_DRIVER(err, "clBuildProgram", "%s", family);
    /* Drivers disagree on the code for source or options that are wrong; the meaning is the same. */
    return clkv_error_set(CLKV_ERROR_BUILD, err, "clBuildProgram", "%s with %s", family, options);
}

static clkv_status add_program(clkv_programs *p, const char *key, cl_program built)
{
    const size_t bytes = strlen(key) + 1;
    void *list = p->list;
    if (clkv_grow(&list, &p->capacity, p->n + 1, sizeof *p->list))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu programs", p->n + 1);
    p->list = list;
    char *copy = clkv_alloc(bytes);
    if (!copy) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", bytes);
    memcpy(copy, key, bytes);
    p->list[p->n++] = (program){ .key = copy, .key_bytes = bytes, .program = built };
    return CLKV_OK;
}

static clkv_status get_kernel(clkv_programs *p, const char *family, const char *options, const char *kernel,
                              cl_kernel *out)
{
    char key[2048];
    const int n = snprintf(key, sizeof key, "%s\n" FIXED_OPTIONS " %s", family, options ? options : "");
    if (n < 0 || (size_t)n >= sizeof key)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: %d bytes of build options", family, n);
    size_t i = 0;
    while (i < p->n && strcmp(p->list[i].key, key)) i++;
    if (i == p->n) {
        cl_program built = NULL;
        clkv_status st = build_source(&built, p->device, family, strchr(key, '\n') + 1);
        if (st) return st;
        st = add_program(p, key, built);
        if (st) {
            clReleaseProgram(built);
            return st;
        }
        p->built++;
    }
    cl_int err = CL_SUCCESS;
    cl_kernel made = clCreateKernel(p->list[i].program, kernel, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateKernel", "%s of %s.cl", kernel, family);
    *out = made;
    return CLKV_OK;
}

clkv_status clkv_program_kernel(clkv_device *device, const char *family, const char *options, const char *kernel,
                                cl_kernel *out)
{
    clkv_programs *p = device->programs;
    pthread_mutex_lock(&p->lock);
    clkv_status st = get_kernel(p, family, options, kernel, out);
    pthread_mutex_unlock(&p->lock);
    return st;
}

clkv_status clkv_program_work_group(const clkv_device *device, cl_kernel kernel, size_t *out)
{
    cl_int err = clGetKernelWorkGroupInfo(kernel, device->facts.id, CL_KERNEL_WORK_GROUP_SIZE, sizeof *out, out, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetKernelWorkGroupInfo", "CL_KERNEL_WORK_GROUP_SIZE");
    return CLKV_OK;
}

void clkv_device_program_counts(const clkv_device *device, uint64_t *built, uint64_t *from_disk)
{
    clkv_programs *p = device->programs;
    pthread_mutex_lock(&p->lock);
    if (built) *built = p->built;
    if (from_disk) *from_disk = p->from_disk;
    pthread_mutex_unlock(&p->lock);
}
