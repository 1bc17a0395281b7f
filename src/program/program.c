/* program.c: the table of compiled programs of one device.
 *
 *   clkv_program_kernel ──▶ in the table? ──▶ in the disk cache? ──▶ build from source ──▶ disk cache
 *
 * A binary is used only if the driver accepts it and it has the wanted kernel. Otherwise the program is built from
 * source.
 *
 *   an entry    missing ──▶ building, by one thread ──▶ built
 *                  ▲                 │
 *                  └─────────────────┘ it failed: the next call builds again
 *
 * The mutex is not held while a program is built. An entry is never removed, so its address is stable; only the thread
 * that builds an entry writes its program. SPDX-License-Identifier: Apache-2.0 */
#include "program/program.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/device.h"
#include "device/process.h"
#include "os/thread.h"
#include "program/binary.h"
#include "program/build.h"
#include "program/jobs.h"

#include <stdio.h>
#include <string.h>

typedef struct program {
    struct program *next;
    size_t key_bytes;
    char *key; /* file, newline, options: allocated with the struct */
    int building;
    cl_program program; /* NULL until it is built */
} program;

struct clkv_programs {
    clkv_attached attached;
    clkv_target target;
    uint32_t threads;
    clkv_mutex lock; /* guards the members below */
    clkv_cond changed; /* an entry is built, or has failed */
    program *list;
    uint32_t under_way; /* entries that are being built: at most `threads` */
    uint64_t built, from_disk;
};

/* ---- the table ---- */

static program *new_entry(const char *key)
{
    const size_t key_bytes = strlen(key) + 1;
    program *entry = clkv_alloc(sizeof *entry + key_bytes);
    if (!entry) return NULL;
    entry->key_bytes = key_bytes;
    entry->key = (char *)(entry + 1);
    memcpy(entry->key, key, key_bytes);
    return entry;
}

/* The entry of a key. It is built, or the caller has to build it and `building` is set. NULL: no memory. */
static program *take_entry(clkv_programs *p, const char *key)
{
    clkv_mutex_lock(&p->lock);
    program *entry = p->list;
    while (entry && strcmp(entry->key, key)) entry = entry->next;
    if (!entry && (entry = new_entry(key))) {
        entry->next = p->list;
        p->list = entry;
    }
    while (entry && (entry->building || (!entry->program && p->under_way == p->threads)))
        clkv_cond_wait(&p->changed, &p->lock);
    if (entry && !entry->program) {
        entry->building = 1;
        p->under_way++;
    }
    clkv_mutex_unlock(&p->lock);
    return entry;
}

/* Ends the building of an entry; `built` is NULL when it failed. */
static void give_entry(clkv_programs *p, program *entry, cl_program built, int from_disk)
{
    clkv_mutex_lock(&p->lock);
    entry->building = 0;
    p->under_way--;
    entry->program = built;
    if (built) p->built += !from_disk, p->from_disk += from_disk != 0;
    clkv_cond_broadcast(&p->changed);
    clkv_mutex_unlock(&p->lock);
}

/* ---- one program ---- */

/* Loads a program from the disk cache; NULL if there is none, or if it lacks the wanted kernel. */
static cl_program load(const clkv_target *target, const clkv_binary_key *key, const char *options, const char *kernel)
{
    if (!*target->cache_dir) return NULL;
    size_t bytes = 0;
    void *binary = clkv_binary_load(target->cache_dir, key, &bytes);
    if (!binary) return NULL;
    cl_program loaded = clkv_build_load(target, binary, bytes, options, kernel);
    clkv_free(binary, bytes);
    return loaded;
}

/* Launches the kernel once on drivers that make machine code at the first launch. Skips a work-group that is larger
 * than the device allows: the caller will compile the kernel again for a smaller one. */
static clkv_status complete(const clkv_programs *p, cl_program built, const clkv_wish *wish)
{
    if (!p->target.late_code || !wish->idle.set_args) return CLKV_OK;
    cl_int err = CL_SUCCESS;
    cl_kernel kernel = clCreateKernel(built, wish->kernel, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateKernel", "%s of %s.cl", wish->kernel, wish->file);
    size_t group = 0;
    cl_ulong local = 0;
    clkv_status st = clkv_program_limits(p, kernel, &group, &local);
    if (!st && group >= wish->idle.group) st = clkv_launch_idle(&p->target, kernel, &wish->idle);
    clReleaseKernel(kernel);
    return st;
}

/* Puts the binary of a program that was built from source into the disk cache. */
static void keep_binary(const clkv_target *target, const clkv_binary_key *key, cl_program built)
{
    if (!*target->cache_dir) return;
    size_t bytes = 0;
    void *binary = clkv_build_binary(built, target->id, &bytes);
    if (!binary) return;
    clkv_binary_store(target->cache_dir, key, binary, bytes);
    clkv_free(binary, bytes);
}

static clkv_status make(const clkv_programs *p, const clkv_wish *wish, const char *options, cl_program *out,
                        int *from_disk)
{
    clkv_binary_key key;
    clkv_status st = clkv_build_key(&key, &p->target, wish->file, options);
    if (st) return st;
    *out = load(&p->target, &key, options, wish->kernel);
    *from_disk = *out != NULL;
    if (*out) return CLKV_OK;
    cl_program built = NULL;
    st = clkv_build_source(&built, &p->target, wish->file, options);
    if (!st) st = complete(p, built, wish);
    if (st) {
        if (built) clReleaseProgram(built);
        return st;
    }
    keep_binary(&p->target, &key, built);
    *out = built;
    return CLKV_OK;
}

static clkv_status get_kernel(clkv_programs *p, const clkv_wish *wish, const char *key, cl_kernel *out)
{
    program *entry = take_entry(p, key);
    if (!entry) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "an entry of the program table");
    if (entry->building) { /* this thread has to build it: take_entry waits for other threads */
        cl_program built = NULL;
        int from_disk = 0;
        const clkv_status st = make(p, wish, strchr(key, '\n') + 1, &built, &from_disk);
        give_entry(p, entry, built, from_disk);
        if (st) return st;
    }
    cl_int err = CL_SUCCESS;
    cl_kernel kernel = clCreateKernel(entry->program, wish->kernel, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateKernel", "%s of %s.cl", wish->kernel, wish->file);
    *out = kernel;
    return CLKV_OK;
}

clkv_status clkv_program_kernel(clkv_programs *programs, const clkv_wish *wish, cl_kernel *out)
{
    const char *options = wish->options ? wish->options : "";
    const size_t bytes = strlen(wish->file) + strlen(options) + sizeof "\n" CLKV_BUILD_OPTIONS " ";
    char *key = clkv_alloc(bytes);
    if (!key) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", bytes);
    snprintf(key, bytes, "%s\n" CLKV_BUILD_OPTIONS " %s", wish->file, options);
    const clkv_status st = get_kernel(programs, wish, key, out);
    clkv_free(key, bytes);
    return st;
}

clkv_status clkv_program_limits(const clkv_programs *programs, cl_kernel kernel, size_t *work_group,
                                cl_ulong *local_bytes)
{
    cl_device_id id = programs->target.id;
    cl_int err =
        clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_WORK_GROUP_SIZE, sizeof *work_group, work_group, NULL);
    if (err == CL_SUCCESS)
        err =
            clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof *local_bytes, local_bytes, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetKernelWorkGroupInfo", "work-group and local memory");
    if (programs->target.local_twice) *local_bytes /= 2;
    return CLKV_OK;
}

/* ---- the device's table ---- */

static void destroy(clkv_attached *attached)
{
    clkv_programs *p = (clkv_programs *)attached;
    const int forked = clkv_process_forked(); /* then no OpenCL call, and no lock: another thread may have held it */
    while (p->list) {
        program *entry = p->list;
        p->list = entry->next;
        if (entry->program && !forked) clReleaseProgram(entry->program);
        clkv_free(entry, sizeof *entry + entry->key_bytes);
    }
    if (!forked) {
        clkv_cond_destroy(&p->changed);
        clkv_mutex_destroy(&p->lock);
    }
    clkv_free(p, sizeof *p);
}

static clkv_programs *create(const clkv_device *device)
{
    clkv_programs *p = clkv_alloc(sizeof *p);
    if (!p) return NULL;
    p->attached.destroy = destroy;
    p->target = (clkv_target){
        .context = device->context,
        .id = device->facts.id,
        .identity = device->facts.identity,
        .identity_bytes = sizeof device->facts.identity,
        .cache_dir = device->facts.info.cache_dir,
        .late_code = clkv_device_has(device, CLKV_QUIRK_POCL_LATE_CODE),
        .local_twice = clkv_device_has(device, CLKV_QUIRK_RUSTICL_LOCAL_TWICE),
    };
    p->threads = clkv_device_has(device, CLKV_QUIRK_OCLGRIND_ONE_COMPILER) ? 1 : clkv_jobs_threads();
    if (!clkv_mutex_init(&p->lock)) {
        if (!clkv_cond_init(&p->changed)) return p;
        clkv_mutex_destroy(&p->lock);
    }
    clkv_free(p, sizeof *p);
    return NULL;
}

clkv_status clkv_programs_of(clkv_programs **out, clkv_device *device)
{
    clkv_attached *there = atomic_load(&device->attached);
    if (!there) {
        clkv_programs *made = create(device);
        if (!made) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the program table");
        if (atomic_compare_exchange_strong(&device->attached, &there, &made->attached))
            there = &made->attached;
        else
            destroy(&made->attached); /* another thread was first */
    }
    *out = (clkv_programs *)there;
    return CLKV_OK;
}

uint32_t clkv_programs_threads(const clkv_programs *programs)
{
    return programs->threads;
}

void clkv_device_get_program_counts(const clkv_device *device, uint64_t *built, uint64_t *from_disk)
{
    clkv_programs *p = device ? (clkv_programs *)atomic_load(&device->attached) : NULL;
    if (built) *built = 0;
    if (from_disk) *from_disk = 0;
    if (!p || clkv_process_forked()) return; /* nothing has been compiled yet, or the lock cannot be trusted */
    clkv_mutex_lock(&p->lock);
    if (built) *built = p->built;
    if (from_disk) *from_disk = p->from_disk;
    clkv_mutex_unlock(&p->lock);
}
