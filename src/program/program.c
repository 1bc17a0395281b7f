/* program.c: the table of built programs of one device.
 *
 *   clkv_program_kernel ──▶ in the table? ──▶ in the disk cache? ──▶ build from source ──▶ disk cache
 *
 * A binary is trusted as far as it gives the kernel that is asked for; whatever else happens to it, the
 * program is built from source. One mutex is held while a program is built, so that two threads that
 * want the same one compile it once. SPDX-License-Identifier: Apache-2.0 */
#include "program/program.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "program/binary.h"
#include "program/build.h"
#include "device/device.h"
#include "device/process.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* No fast-math: INFINITY and NaN are tested for, and log-sum-exp needs its accuracy. */

typedef struct program {
    char *key; /* family, newline, options */
    size_t key_bytes;
    clkv_binary_key file;
    cl_program program;
    int from_disk;
} program;

struct clkv_programs {
    clkv_device *device;
    pthread_mutex_t lock;
    program *list;
    size_t n, capacity;
    uint64_t built, from_disk;
};

/* Puts the binary of a program that was built from source into the disk cache. */
static void keep_binary(const clkv_programs *p, const program *entry)
{
    const char *dir = p->device->facts.info.cache_dir;
    if (!*dir || entry->from_disk) return;
    size_t bytes = 0;
    void *binary = clkv_build_binary(entry->program, p->device->facts.id, &bytes);
    if (!binary) return;
    clkv_binary_store(dir, &entry->file, binary, bytes);
    clkv_free(binary, bytes);
}

/* Builds from source, and replaces the entry's program if it has one. */
static clkv_status build_entry(clkv_programs *p, program *entry, const char *family, const char *options)
{
    cl_program built = NULL;
    clkv_status st = clkv_build_source(&built, p->device, family, options);
    if (st) return st;
    if (entry->program) clReleaseProgram(entry->program);
    entry->program = built;
    entry->from_disk = 0;
    p->built++;
    if (!clkv_device_has(p->device, CLKV_QUIRK_POCL_LATE_CODE)) keep_binary(p, entry);
    return CLKV_OK;
}

/* A program that the disk cache has, and that has the kernel that is asked for. */
static int load_entry(clkv_programs *p, program *entry, const char *options, const char *kernel)
{
    const char *dir = p->device->facts.info.cache_dir;
    if (!*dir) return 0;
    size_t bytes = 0;
    void *binary = clkv_binary_load(dir, &entry->file, &bytes);
    if (!binary) return 0;
    cl_program loaded = clkv_build_load(p->device, binary, bytes, options, kernel);
    clkv_free(binary, bytes);
    if (!loaded) return 0;
    entry->program = loaded;
    entry->from_disk = 1;
    p->from_disk++;
    return 1;
}

static void free_entry(program *entry)
{
    if (entry->program) clReleaseProgram(entry->program);
    clkv_free(entry->key, entry->key_bytes);
}

static clkv_status add_entry(clkv_programs *p, const char *key, const char *family, const char *options,
                             const char *kernel)
{
    void *list = p->list;
    if (clkv_grow(&list, &p->capacity, p->n + 1, sizeof *p->list))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu programs", p->n + 1);
    p->list = list;
    program entry = {.key_bytes = strlen(key) + 1};
    entry.key = clkv_alloc(entry.key_bytes);
    if (!entry.key) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", entry.key_bytes);
    memcpy(entry.key, key, entry.key_bytes);
    clkv_status st = clkv_build_key(&entry.file, p->device, family, options);
    if (!st && !load_entry(p, &entry, options, kernel)) st = build_entry(p, &entry, family, options);
    if (st) {
        free_entry(&entry);
        return st;
    }
    p->list[p->n++] = entry;
    return CLKV_OK;
}

static clkv_status get_kernel(clkv_programs *p, const char *family, const char *wanted, const char *kernel,
                              cl_kernel *out)
{
    char key[2048];
    const int n = snprintf(key, sizeof key, "%s\n" CLKV_BUILD_OPTIONS " %s", family, wanted ? wanted : "");
    if (n < 0 || (size_t)n >= sizeof key)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: %d bytes of build options", family, n);
    const char *options = strchr(key, '\n') + 1;
    size_t i = 0;
    while (i < p->n && strcmp(p->list[i].key, key)) i++;
    clkv_status st = i < p->n ? CLKV_OK : add_entry(p, key, family, options, kernel);
    if (st) return st;

    cl_int err = CL_SUCCESS;
    cl_kernel made = clCreateKernel(p->list[i].program, kernel, &err);
    if (err != CL_SUCCESS && p->list[i].from_disk) {
        /* A binary with another kernel than the one it was loaded for. */
        st = build_entry(p, &p->list[i], family, options);
        if (st) return st;
        made = clCreateKernel(p->list[i].program, kernel, &err);
    }
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateKernel", "%s of %s.cl", kernel, family);
    *out = made;
    return CLKV_OK;
}

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
    const int forked = clkv_process_forked();
    for (size_t i = 0; i < p->n; i++) {
        if (forked)
            p->list[i].program = NULL; /* the parent process has it */
        else if (clkv_device_has(p->device, CLKV_QUIRK_POCL_LATE_CODE))
            keep_binary(p, &p->list[i]);
        free_entry(&p->list[i]);
    }
    clkv_free(p->list, p->capacity * sizeof *p->list);
    pthread_mutex_destroy(&p->lock);
    clkv_free(p, sizeof *p);
    *programs = NULL;
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

clkv_status clkv_program_limits(const clkv_device *device, cl_kernel kernel, size_t *work_group,
                                cl_ulong *local_bytes)
{
    cl_device_id id = device->facts.id;
    cl_int err =
        clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_WORK_GROUP_SIZE, sizeof *work_group, work_group, NULL);
    if (err == CL_SUCCESS)
        err =
            clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof *local_bytes, local_bytes, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetKernelWorkGroupInfo", "work-group and local memory");
    if (clkv_device_has(device, CLKV_QUIRK_RUSTICL_LOCAL_TWICE)) *local_bytes /= 2;
    return CLKV_OK;
}

void clkv_device_get_program_counts(const clkv_device *device, uint64_t *built, uint64_t *from_disk)
{
    clkv_programs *p = device->programs;
    pthread_mutex_lock(&p->lock);
    if (built) *built = p->built;
    if (from_disk) *from_disk = p->from_disk;
    pthread_mutex_unlock(&p->lock);
}
