/* clkv/device.h: an OpenCL device, opened by clkv or given by the caller, with its facts. Thread-safe: a clkv_device
 * does not change once it is open, except for its table of programs, which locks itself.
 *
 * Forking: OpenCL drivers work only in the process that first used them; in a child of fork() some drivers wait for
 * ever. Once a process has called clkv_device_list or clkv_device_open, every function that would call OpenCL returns
 * FORKED in a child process, and so do all operations on caches and on uploaded batches. Closing and destroying free
 * the child's memory and call no OpenCL. So fork before the first of these calls, or let the child call exec. The
 * parent process is not affected. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_H
#define CLKV_DEVICE_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#ifdef CLKV_PLAIN
#include <clkv/plain.h>
#elif defined(__APPLE__)
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_device clkv_device;

/* How a device is chosen. The order of devices, best first: GPUs with more than one compute unit, discrete before
 * integrated ones; then all others, those with more compute units first, and of equal ones a CPU before another device.
 * Of devices that are still equal, the one with more memory is better, then the one with the lower index. When `select`
 * matches several devices, the best of them is taken.
 *
 * Environment, read when a device is opened:
 *   CLKV_DEVICE     chooses the device when params.select is NULL: an index of clkv_device_list, or a part of
 *                   "platform name / device name", case-insensitive
 *   CLKV_VARIANT    forces a kernel variant: "cpu" or "portable"
 *   CLKV_CPU_TILES, CLKV_CPU_FETCH
 *                   for tests and measurements of the variant "cpu": "wide" or "narrow" register tiles, and the
 *                   cache level, 1 or 2, into which keys and values are fetched ahead; default by the processor
 *   CLKV_QUIRKS     for tests: names of quirks (docs/devices.md), separated by commas, that are in force on any device
 *   CLKV_CACHE_DIR  the directory of program binaries; default $XDG_CACHE_HOME/clkv, else ~/.cache/clkv
 *                   (macOS: ~/Library/Caches/clkv); on Windows clkv in the user's local application data
 *   CLKV_NO_CACHE   not empty and not 0: no program binaries are kept, whatever params.cache_dir says */
typedef struct clkv_device_params {
    size_t size;
    const char *select;        /* like CLKV_DEVICE; NULL: that variable, else the best device (above) */
    const char *variant;       /* like CLKV_VARIANT; NULL: that variable, else by capability */
    const char *cache_dir;     /* like CLKV_CACHE_DIR; NULL: that variable; "" = keep no program binaries */
    /* The caller's own objects, which clkv retains: all three or none. The device may be a sub-device
     * (clCreateSubDevices). The queue may be in-order (best) or out-of-order; clkv then orders its own commands
     * by events. */
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
    uint64_t global_bytes, max_alloc_bytes, local_bytes; /* as the driver reports them; on CPUs a pool may take what
                                     the machine has available, see docs/devices.md */
    uint64_t max_work_group;
    uint32_t max_parameter_bytes;
    uint32_t address_bits, base_align_bytes;
    int unified_memory, has_fp16, has_fp64, has_subgroups, has_il, out_of_order; /* out_of_order: the queue in use */
    char variant[16];             /* the kernel variant chosen; "" in a list */
    char cache_dir[256];          /* "" = none; "" in a list */
} clkv_device_info;

/* Lists all usable devices of all platforms in index order. Fills up to n infos and sets *found to the number of
 * devices; having no device is OK with *found = 0. infos[0].size is the size of the caller's struct and the distance
 * between two elements of the array. The size of each filled element becomes the number of bytes that were filled, so
 * set infos[0].size again before another call. The log callback gets a line for each device that is left out. If
 * there is no device, it gets lines with the likely causes. Blocking: asks the drivers. INVALID: found or infos is
 * NULL, infos[0].size is not set. DEVICE: a driver call failed. FORKED. NO_MEMORY. */
CLKV_API clkv_status clkv_device_list(clkv_device_info *infos, size_t n, size_t *found);

/* Opens a device with a context and an in-order queue, or wraps the objects of the caller. Blocking. NO_DEVICE: no
 * device of that name, or no device at all; in the latter case the message has the number of platforms and the likely
 * cause, and the log callback gets all likely causes. INVALID: unknown variant or quirk; the caller's objects are incomplete
 * or do not belong together. FORKED. UNSUPPORTED: the caller's device is below OpenCL 1.2, has no compiler, or is
 * big-endian, as this machine may be (clkv_device_list leaves such devices out). DEVICE: a driver call failed. NO_MEMORY. */
CLKV_API clkv_status clkv_device_open(clkv_device **out, const clkv_device_params *params);

/* Releases the caller's reference. Each cache holds a reference too. When the last reference is released, context and
 * queue are released. */
CLKV_API void clkv_device_close(clkv_device **device);

/* Fills as many bytes of *info as info->size allows; info->size becomes the number of bytes that were filled.
 * INVALID: NULL, or info->size is not set. FORKED. */
CLKV_API clkv_status clkv_device_get_info(const clkv_device *device, clkv_device_info *info);

/* The quirks in force, one per index: the name, the reason, and a link to its documentation, all in static storage.
 * Returns 1, or 0 past the last quirk. */
CLKV_API int clkv_device_get_quirk(const clkv_device *device, size_t index, const char **name, const char **reason,
                                   const char **link);

/* The numbers that shape the kernels on this device, one per index: the name, in static storage, and the value. They
 * are for reports and logs: another version of clkv may have other numbers. Returns 1, or 0 past the last number. */
CLKV_API int clkv_device_get_tuning(const clkv_device *device, size_t index, const char **name, uint64_t *value);

/* The objects of the device. They are not retained for the caller. They must not be used in a child of fork(). */
CLKV_API cl_context clkv_device_context(const clkv_device *device);
CLKV_API cl_device_id clkv_device_id(const clkv_device *device);
CLKV_API cl_command_queue clkv_device_queue(const clkv_device *device);

/* Says why the device's directory of program binaries cannot be used as it is now: it is writable by others, belongs
 * to another user, is a link, is no directory, cannot be read or written, or does not exist and cannot be created.
 * Writes at most `room` bytes to text, with a final NUL. The text is "" when the directory can be used, and when no
 * binaries are kept (info.cache_dir is ""). Reads the file system and changes nothing. Thread-safe. INVALID: a NULL,
 * or no room. FORKED. */
CLKV_API clkv_status clkv_device_get_cache_problem(const clkv_device *device, char *text, size_t room);

/* The number of programs that were compiled from source so far, and of those that were read from the disk; either
 * pointer may be NULL. */
CLKV_API void clkv_device_get_program_counts(const clkv_device *device, uint64_t *built, uint64_t *from_disk);

#ifdef __cplusplus
}
#endif
#endif
