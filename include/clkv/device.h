/* clkv/device.h: an OpenCL device, opened by clkv or handed in by the caller, with its facts.
 * Thread-safe: a clkv_device is immutable once open, but for its table of programs, which locks itself.
 *
 * Forking: OpenCL drivers work only in the process that first used them; in a child of fork() some wait for ever. From
 * the first clkv_device_list or clkv_device_open on, every function that would call OpenCL returns FORKED in a child
 * process, and so do all operations on its caches and batches that were uploaded. Closing and destroying free the
 * child's memory and call no OpenCL. Fork before, or let the child call exec. The parent process is not affected.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_H
#define CLKV_DEVICE_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_device clkv_device;

/* The best device: GPUs that have more than one compute unit come first, discrete before integrated ones; then all
 * others, those with more compute units first, and a CPU before another device with as many. Among equals the one
 * with more memory, then the one with the lower index. When `select` fits several devices, the best of them is taken.
 *
 * Environment, read when a device is opened:
 *   CLKV_DEVICE     which device, when params.select is NULL: an index of clkv_device_list, or a part of
 *                   "platform name / device name", case-insensitive
 *   CLKV_VARIANT    forces a kernel variant: "cpu" or "portable"
 *   CLKV_CACHE_DIR  where program binaries are kept; default $XDG_CACHE_HOME/clkv or ~/.cache/clkv
 *   CLKV_NO_CACHE   not empty and not 0: no disk cache, whatever else says where it would be */
typedef struct clkv_device_params {
    size_t size;
    const char *select;        /* as CLKV_DEVICE; NULL: that variable, else the best device (above) */
    const char *variant;       /* as CLKV_VARIANT; NULL: that variable, else by capability */
    const char *cache_dir;     /* as CLKV_CACHE_DIR; "" = no disk cache */
    /* The caller's own objects, retained: all three or none. The device may be a part of one
     * (clCreateSubDevices). The queue may be in-order (best) or out-of-order (clkv then orders its own commands
     * by events). */
    cl_context context;
    cl_device_id device;
    cl_command_queue queue;
} clkv_device_params;

typedef enum clkv_device_kind {
    CLKV_DEVICE_GPU_DISCRETE = 1, CLKV_DEVICE_GPU_INTEGRATED = 2, CLKV_DEVICE_ACCELERATOR = 3, CLKV_DEVICE_CPU = 4,
} clkv_device_kind;

typedef struct clkv_device_info {
    size_t size;
    uint32_t index;               /* in clkv_device_list; UINT32_MAX for a caller's device */
    clkv_device_kind kind;
    char platform[64], platform_version[96], name[96], vendor[64], driver_version[64], c_version[48];
    uint32_t version;             /* OpenCL × 100: 120, 200, 300 */
    uint32_t compute_units, clock_mhz;
    uint64_t global_bytes, max_alloc_bytes, local_bytes; /* as the driver says; on CPUs a pool may have what
                                     the machine has available, see docs/devices.md */
    uint64_t max_work_group;
    uint32_t max_parameter_bytes;
    uint32_t address_bits, base_align_bytes;
    int unified_memory, has_fp16, has_fp64, has_subgroups, has_il, out_of_order; /* out_of_order: the queue in use */
    char variant[16];             /* the kernel variant chosen; "" in a list */
    char cache_dir[256];          /* "" = none; "" in a list */
} clkv_device_info;

/* All usable devices of all platforms, in index order. Fills up to n infos, sets *found to how many there
 * are; no device at all is OK with *found = 0. infos[0].size is the size of the caller's struct and the distance
 * between two of the array; the size of each filled one becomes the number of bytes that were filled, so set
 * infos[0].size again before another call. The log callback gets a line for each device that is left out and,
 * where there is none, lines with the likely causes. Blocking: asks the drivers.
 * INVALID: found or infos is NULL, infos[0].size is not set. DEVICE: a driver call failed. FORKED. NO_MEMORY. */
CLKV_API clkv_status clkv_device_list(clkv_device_info *infos, size_t n, size_t *found);

/* Opens a device with a context and an in-order queue, or wraps the caller's. Blocking.
 * NO_DEVICE: none of that name, or none at all: then the message says how many platforms were found and the likely
 * cause, and the log callback gets all of them. INVALID: unknown variant, caller's objects that are
 * incomplete or do not belong together. FORKED. UNSUPPORTED: the caller's device is below OpenCL 1.2, has no
 * compiler, or is big-endian (a list leaves such devices out). DEVICE: a driver call failed. NO_MEMORY. */
CLKV_API clkv_status clkv_device_open(clkv_device **out, const clkv_device_params *params);

/* Lets go of the caller's reference. Caches hold one each: the last to go releases context and queue. */
CLKV_API void clkv_device_close(clkv_device **device);

/* Fills as much of *info as info->size has room for; info->size becomes the number of bytes that were filled.
 * INVALID: NULL, or info->size is not set. FORKED. */
CLKV_API clkv_status clkv_device_get_info(const clkv_device *device, clkv_device_info *info);

/* The quirks in force, one per index: its name, why it is there, and where that is documented. Static
 * storage. Returns 0 past the last one. */
CLKV_API int clkv_device_get_quirk(const clkv_device *device, size_t index, const char **name, const char **reason,
                                   const char **link);

/* Not retained for the caller. In a child of fork() they must not be used. */
CLKV_API cl_context clkv_device_context(const clkv_device *device);
CLKV_API cl_device_id clkv_device_id(const clkv_device *device);
CLKV_API cl_command_queue clkv_device_queue(const clkv_device *device);

/* Why no program binary can be kept in the device's cache directory as it is now: it is writable by others, of another
 * user, a link, no directory, cannot be read or written, or is not there and cannot be made. Writes at most room bytes
 * with a final NUL; "" when nothing is wrong, and when there is no such directory (info.cache_dir is ""). Looks at the
 * file system and changes nothing. Thread-safe. INVALID: a NULL, or no room. As clkv_device_get_info otherwise. */
CLKV_API clkv_status clkv_device_get_cache_problem(const clkv_device *device, char *text, size_t room);

/* Programs compiled from source, and read from the disk cache, so far; either may be NULL. */
CLKV_API void clkv_device_get_program_counts(const clkv_device *device, uint64_t *built, uint64_t *from_disk);

#ifdef __cplusplus
}
#endif
#endif
