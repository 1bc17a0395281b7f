/* build.c: the compiler calls. SPDX-License-Identifier: Apache-2.0 */
#include "program/build.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "program/source.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXTS 16

/* The sources of one program: the shared files in their order, then the family's own file. */
typedef struct source_list {
    const char *texts[MAX_TEXTS];
    size_t bytes[MAX_TEXTS];
    cl_uint n;
} source_list;

static void add_source(source_list *list, const clkv_source *source)
{
    list->texts[list->n] = source->text;
    list->bytes[list->n++] = source->bytes;
}

static clkv_status find_sources(source_list *out, const char *file)
{
    const clkv_source *own = NULL;
    out->n = 0;
    for (const clkv_source *s = clkv_sources; s->name; s++) {
        if (s->shared && out->n < MAX_TEXTS - 1) add_source(out, s);
        if (!s->shared && strcmp(s->name, file) == 0) own = s;
    }
    if (!own) return CLKV_FAIL(CLKV_ERROR_INVALID, "there is no kernel file %s.cl", file);
    add_source(out, own);
    return CLKV_OK;
}

clkv_status clkv_build_key(clkv_binary_key *out, const clkv_target *target, const char *file, const char *options)
{
    source_list sources;
    clkv_status st = find_sources(&sources, file);
    if (st) return st;
    clkv_binary_part parts[2 + MAX_TEXTS] = {
        {target->identity, target->identity_bytes},
        {options, strlen(options)},
    };
    for (cl_uint i = 0; i < sources.n; i++) parts[2 + i] = (clkv_binary_part){sources.texts[i], sources.bytes[i]};
    clkv_binary_key_make(out, parts, 2 + sources.n);
    return CLKV_OK;
}

/* Passes the output of the compiler to the log callback, line by line, and copies the first line with an error. */
static void log_build(cl_program built, cl_device_id id, clkv_log_level level, const char *file, char *first,
                      size_t first_size)
{
    *first = 0;
    size_t size = 0;
    if (clGetProgramBuildInfo(built, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS || size < 2) return;
    char *text = clkv_alloc(size + 1);
    if (!text) return;
    if (clGetProgramBuildInfo(built, id, CL_PROGRAM_BUILD_LOG, size, text, NULL) == CL_SUCCESS) {
        for (char *line = text, *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            if (*end) *end++ = 0;
            if (*line) clkv_log(level, "%s.cl: %s", file, line);
            if (!*first && strstr(line, "error")) snprintf(first, first_size, "%s", line);
        }
    }
    clkv_free(text, size + 1);
}

clkv_status clkv_build_source(cl_program *out, const clkv_target *target, const char *file, const char *options)
{
    source_list sources;
    clkv_status st = find_sources(&sources, file);
    if (st) return st;
    cl_int err = CL_SUCCESS;
    cl_program built =
        clCreateProgramWithSource(target->context, sources.n, sources.texts, sources.bytes, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateProgramWithSource", "%s.cl", file);
    err = clBuildProgram(built, 1, &target->id, options, NULL, NULL);
    char first[160];
    log_build(built, target->id, err == CL_SUCCESS ? CLKV_LOG_DEBUG : CLKV_LOG_ERROR, file, first,
              sizeof first);
    if (err == CL_SUCCESS) {
        clkv_log(CLKV_LOG_INFO, "%s.cl built with %s", file, options);
        *out = built;
        return CLKV_OK;
    }
    clReleaseProgram(built);
    clkv_log(CLKV_LOG_ERROR, "%s.cl does not build with %s", file, options);
    if (err == CL_OUT_OF_HOST_MEMORY) return CLKV_FAIL_DRIVER(err, "clBuildProgram", "%s.cl", file);
    /* Drivers use different codes for wrong source or options; the meaning is the same. */
    return clkv_error_set(CLKV_ERROR_BUILD, err, "clBuildProgram", "%s.cl: %s", file,
                          *first ? first : "no reason given");
}

cl_program clkv_build_load(const clkv_target *target, const void *binary, size_t bytes, const char *options,
                           const char *kernel)
{
    const unsigned char *binaries[] = {binary};
    cl_int status = CL_SUCCESS, err = CL_SUCCESS;
    const char *call = "clCreateProgramWithBinary";
    cl_program program =
        clCreateProgramWithBinary(target->context, 1, &target->id, &bytes, binaries, &status, &err);
    if (err == CL_SUCCESS) err = status;
    if (err == CL_SUCCESS) {
        call = "clBuildProgram";
        err = clBuildProgram(program, 1, &target->id, options, NULL, NULL);
    }
    if (err == CL_SUCCESS) {
        call = "clCreateKernel";
        cl_kernel probe = clCreateKernel(program, kernel, &err);
        if (err == CL_SUCCESS) clReleaseKernel(probe);
    }
    if (err == CL_SUCCESS) return program;
    clkv_log(CLKV_LOG_WARNING, "program cache: a binary with %s is not usable: %s gave %d", kernel, call, (int)err);
    if (program) clReleaseProgram(program);
    return NULL;
}

/* A context may have several devices; the program is built for one of them only. */
static int binary_of(cl_program program, cl_device_id id, cl_uint n, void **out, size_t *bytes)
{
    cl_device_id *ids = clkv_alloc(n * sizeof *ids);
    size_t *sizes = clkv_alloc(n * sizeof *sizes);
    unsigned char **binaries = clkv_alloc(n * sizeof *binaries);
    int ok = ids && sizes && binaries &&
             clGetProgramInfo(program, CL_PROGRAM_DEVICES, n * sizeof *ids, ids, NULL) == CL_SUCCESS &&
             clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, n * sizeof *sizes, sizes, NULL) == CL_SUCCESS;
    cl_uint i = 0;
    while (ok && i < n && ids[i] != id) i++;
    ok = ok && i < n && sizes[i] > 0;
    if (ok) {
        /* With a NULL entry the driver returns no binary for that device. */
        binaries[i] = clkv_alloc(sizes[i]);
        ok = binaries[i] &&
             clGetProgramInfo(program, CL_PROGRAM_BINARIES, n * sizeof *binaries, binaries, NULL) == CL_SUCCESS;
        if (ok) {
            *out = binaries[i];
            *bytes = sizes[i];
        } else {
            clkv_free(binaries[i], sizes[i]);
        }
    }
    clkv_free(ids, n * sizeof *ids);
    clkv_free(sizes, n * sizeof *sizes);
    clkv_free(binaries, n * sizeof *binaries);
    return ok;
}

void *clkv_build_binary(cl_program program, cl_device_id id, size_t *bytes)
{
    cl_uint n = 0;
    void *binary = NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof n, &n, NULL) != CL_SUCCESS || n == 0 ||
        !binary_of(program, id, n, &binary, bytes)) {
        clkv_log(CLKV_LOG_INFO, "program cache: the driver gives no binary");
        return NULL;
    }
    return binary;
}
