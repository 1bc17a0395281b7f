/* device.c: opens a device, or wraps the caller's objects. SPDX-License-Identifier: Apache-2.0 */
#include "device/device.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/choose.h"
#include "device/process.h"
#include "os/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills an array whose structs have the caller's size, which may differ from this library's. */
static clkv_status fill_list(void *infos, size_t stride, size_t n, const clkv_device_set *set)
{
    for (size_t i = 0; i < n && i < set->n; i++) {
        void *info = (char *)infos + i * stride;
        memcpy(info, &stride, sizeof stride);
        const clkv_status st = CLKV_PARAMS_WRITE(info, set->facts[i].info);
        if (st) return st; /* only the first call can fail: all structs have the same size */
    }
    return CLKV_OK;
}

static clkv_status find_and_fill(clkv_device_info *infos, size_t n, size_t *found)
{
    if (!found || (n && !infos)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", found ? "infos" : "found");
    if (n && infos->size < sizeof infos->size)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "infos[0].size is %zu: set it to the size of the struct", infos->size);
    clkv_status st = clkv_process_enter();
    if (st) return st;
    clkv_device_set set;
    st = clkv_devices_find(&set);
    if (st) return st;
    if (n) st = fill_list(infos, infos->size, n, &set);
    if (!st) *found = set.n;
    clkv_devices_free(&set);
    return st;
}

clkv_status clkv_device_list(clkv_device_info *infos, size_t n, size_t *found)
{
    return CLKV_PUBLIC(find_and_fill(infos, n, found));
}

/* Chooses the directory of program binaries: first by CLKV_NO_CACHE, then by the params, then by the environment. */
static void choose_cache_dir(clkv_device *device, const char *wanted)
{
    char off[4], *const out = device->facts.info.cache_dir;
    const size_t size = sizeof device->facts.info.cache_dir;
    *out = 0;
    if ((clkv_os_environment("CLKV_NO_CACHE", off, sizeof off) && strcmp(off, "0")) ||
        clkv_device_has(device, CLKV_QUIRK_OCLGRIND_NO_BINARIES))
        return;
    size_t n = wanted ? (size_t)snprintf(out, size, "%s", wanted) : clkv_os_environment("CLKV_CACHE_DIR", out, size);
    if (!n && !wanted && (n = clkv_os_cache_home(out, size)) > 0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "/clkv");
    if (n >= size) {
        clkv_log(CLKV_LOG_WARNING, "no program cache: its directory's name has more than %zu bytes", size - 1);
        *out = 0;
    }
}

static void CL_CALLBACK on_driver_message(const char *text, const void *data, size_t size, void *user)
{
    (void)data, (void)size, (void)user;
    clkv_log(CLKV_LOG_WARNING, "driver: %s", text);
}

static clkv_status open_own(clkv_device *device, const char *select)
{
    clkv_device_set set;
    size_t index = 0;
    clkv_status st = clkv_devices_find(&set);
    if (st) return st;
    char named[256];
    if (!select || !*select) select = clkv_os_environment("CLKV_DEVICE", named, sizeof named) ? named : NULL;
    st = clkv_devices_choose(&set, select, &index);
    if (!st) device->facts = set.facts[index];
    clkv_devices_free(&set);
    if (st) return st;

    const clkv_facts *f = &device->facts;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)f->platform, 0};
    cl_int err = CL_SUCCESS;
    device->context = clCreateContext(properties, 1, &f->id, on_driver_message, NULL, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateContext", "%s", f->info.name);
    device->queue = clCreateCommandQueue(device->context, f->id, 0, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateCommandQueue", "%s", f->info.name);
    return CLKV_OK;
}

/* INVALID unless the queue belongs to the context and the device. The context's list of devices is not queried: a
 * driver creates a queue only for a device of the context, and pocl 3.1 lists the whole device in the context of a
 * sub-device. */
static clkv_status check_belong(cl_context context, cl_device_id id, cl_command_queue queue)
{
    cl_context queue_context = NULL;
    cl_device_id queue_device = NULL;
    cl_int err = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof queue_context, &queue_context, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetCommandQueueInfo", "context of the caller's queue");
    err = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof queue_device, &queue_device, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetCommandQueueInfo", "device of the caller's queue");
    if (queue_context != context) return CLKV_FAIL(CLKV_ERROR_INVALID, "params.queue is not of params.context");
    if (queue_device != id) return CLKV_FAIL(CLKV_ERROR_INVALID, "params.queue is not of params.device");
    return CLKV_OK;
}

static clkv_status wrap_callers(clkv_device *device, const clkv_device_params *params)
{
    clkv_status st = check_belong(params->context, params->device, params->queue);
    if (st) return st;
    cl_platform_id platform = NULL;
    cl_int err = clGetDeviceInfo(params->device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetDeviceInfo", "platform of the caller's device");
    st = clkv_facts_query(&device->facts, platform, params->device);
    if (st) return st;
    device->facts.info.index = UINT32_MAX;

    err = clRetainContext(params->context);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clRetainContext", "the caller's context");
    device->context = params->context;
    err = clRetainCommandQueue(params->queue);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clRetainCommandQueue", "the caller's queue");
    device->queue = params->queue;
    return CLKV_OK;
}

/* Sets up everything that depends on the facts and the queue, which are set already. */
static clkv_status set_up(clkv_device *device, const clkv_device_params *params)
{
    clkv_device_info *info = &device->facts.info;
    device->quirks = clkv_quirks_match(&device->facts);
    clkv_status st = clkv_quirks_force(&device->quirks);
    if (st) return st;
    char named[32];
    const char *variant = params->variant;
    if (!variant || !*variant) variant = clkv_os_environment("CLKV_VARIANT", named, sizeof named) ? named : NULL;
    st = clkv_tuning_choose(&device->tuning, &device->facts, device->quirks, variant);
    if (st) return st;
    cl_command_queue_properties properties = 0;
    cl_int err = clGetCommandQueueInfo(device->queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetCommandQueueInfo", "properties of the queue");
    info->out_of_order = (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
    snprintf(info->variant, sizeof info->variant, "%s", clkv_variant_name(device->tuning.variant));
    choose_cache_dir(device, params->cache_dir);
    return CLKV_OK;
}

static clkv_status open_device(clkv_device **out, const clkv_device_params *callers)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_device_params params;
    clkv_status st = clkv_params_read(&params, sizeof params, callers, "params");
    if (st) return st;
    const int given = (params.context != NULL) + (params.device != NULL) + (params.queue != NULL);
    if (given % 3)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "context, device and queue: give all three or none, not %d", given);
    st = clkv_process_enter();
    if (st) return st;

    clkv_device *device = clkv_alloc(sizeof *device);
    if (!device) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *device);
    atomic_init(&device->refs, 1);
    st = given ? wrap_callers(device, &params) : open_own(device, params.select);
    if (!st) st = set_up(device, &params);
    if (st) {
        clkv_device_unref(device);
        return st;
    }
    const clkv_device_info *info = &device->facts.info;
    clkv_log(CLKV_LOG_INFO, "device: %s / %s, %s kernels", info->platform, info->name, info->variant);
    *out = device;
    return CLKV_OK;
}

clkv_status clkv_device_open(clkv_device **out, const clkv_device_params *params)
{
    return CLKV_PUBLIC(open_device(out, params));
}

clkv_device *clkv_device_ref(clkv_device *device)
{
    atomic_fetch_add(&device->refs, 1);
    return device;
}

void clkv_device_unref(clkv_device *device)
{
    if (!device || atomic_fetch_sub(&device->refs, 1) > 1) return;
    clkv_attached *attached = atomic_load(&device->attached);
    if (attached) attached->destroy(attached); /* before its context is released */
    if (!clkv_process_forked()) {
        if (device->queue) clReleaseCommandQueue(device->queue);
        if (device->context) clReleaseContext(device->context);
    }
    clkv_free(device, sizeof *device);
}

void clkv_device_close(clkv_device **device)
{
    if (!device) return;
    clkv_device_unref(*device);
    *device = NULL;
}

clkv_status clkv_device_check(const clkv_device *device)
{
    if (!device) return CLKV_FAIL(CLKV_ERROR_INVALID, "device is NULL");
    if (!clkv_process_forked()) return CLKV_OK;
    return CLKV_FAIL(CLKV_ERROR_FORKED, "the process has forked since the device was opened");
}

clkv_status clkv_device_get_info(const clkv_device *device, clkv_device_info *info)
{
    clkv_status st = clkv_device_check(device);
    if (!st) st = CLKV_PARAMS_WRITE(info, device->facts.info);
    return CLKV_PUBLIC(st);
}

cl_context clkv_device_context(const clkv_device *device)
{
    return device ? device->context : NULL;
}

cl_device_id clkv_device_id(const clkv_device *device)
{
    return device ? device->facts.id : NULL;
}

cl_command_queue clkv_device_queue(const clkv_device *device)
{
    return device ? device->queue : NULL;
}

const clkv_tuning *clkv_device_tuning(const clkv_device *device)
{
    return &device->tuning;
}

int clkv_device_get_quirk(const clkv_device *device, size_t index, const char **name, const char **reason,
                          const char **link)
{
    return device ? clkv_quirks_get(device->quirks, index, name, reason, link) : 0;
}

int clkv_device_get_tuning(const clkv_device *device, size_t index, const char **name, uint64_t *value)
{
    return device ? clkv_tuning_get(&device->tuning, index, name, value) : 0;
}
