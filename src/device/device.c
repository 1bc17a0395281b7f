/* device.c: opens a device, or wraps the caller's objects. SPDX-License-Identifier: Apache-2.0 */
#include "device/device.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "device/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clkv_status clkv_device_list(clkv_device_info *infos, size_t n, size_t *found)
{
    if (!found || (n && !infos)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", found ? "infos" : "found");
    clkv_device_set set;
    clkv_status st = clkv_devices_find(&set);
    if (st) return st;
    for (size_t i = 0; i < n && i < set.n; i++) infos[i] = set.facts[i].info;
    *found = set.n;
    clkv_devices_free(&set);
    return CLKV_OK;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Where binaries go: the switch that turns the cache off wins, then what was asked for, then XDG's way. */
static void choose_cache_dir(clkv_device *device, const char *wanted)
{
    char *out = device->facts.info.cache_dir;
    const size_t size = sizeof device->facts.info.cache_dir;
    const char *off = environment("CLKV_NO_CACHE");
    const char *set = environment("CLKV_CACHE_DIR"), *xdg = environment("XDG_CACHE_HOME"),
               *home = environment("HOME");
    int n = 0;
    *out = 0;
    if ((off && strcmp(off, "0")) || clkv_device_has(device, CLKV_QUIRK_OCLGRIND_NO_BINARIES)) return;
    if (wanted)
        n = snprintf(out, size, "%s", wanted);
    else if (set)
        n = snprintf(out, size, "%s", set);
    else if (xdg && *xdg == '/')
        n = snprintf(out, size, "%s/clkv", xdg);
    else if (home)
        n = snprintf(out, size, "%s/.cache/clkv", home);
    if (n < 0 || (size_t)n >= size) {
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
    st = clkv_devices_choose(&set, select && *select ? select : environment("CLKV_DEVICE"), &index);
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

/* INVALID unless the context has the device, and the queue is of both. */
static clkv_status check_belong(cl_context context, cl_device_id id, cl_command_queue queue)
{
    size_t bytes = 0;
    cl_int err = clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, NULL, &bytes);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetContextInfo", "devices of the caller's context");
    cl_device_id *ids = clkv_alloc(bytes);
    if (!ids) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes of device ids", bytes);
    err = clGetContextInfo(context, CL_CONTEXT_DEVICES, bytes, ids, NULL);
    int has = 0;
    for (size_t i = 0; err == CL_SUCCESS && i < bytes / sizeof *ids; i++) has |= ids[i] == id;
    clkv_free(ids, bytes);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetContextInfo", "devices of the caller's context");
    if (!has) return CLKV_FAIL(CLKV_ERROR_INVALID, "params.device is not in params.context");

    cl_context queue_context = NULL;
    cl_device_id queue_device = NULL;
    err = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof queue_context, &queue_context, NULL);
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

clkv_status clkv_device_open(clkv_device **out, const clkv_device_params *params)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    CLKV_CHECK_PARAMS(params, clkv_device_params);
    const int given = (params->context != NULL) + (params->device != NULL) + (params->queue != NULL);
    if (given % 3)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "context, device and queue: give all three or none, not %d", given);

    clkv_device *device = clkv_alloc(sizeof *device);
    if (!device) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *device);
    clkv_status st = given ? wrap_callers(device, params) : open_own(device, params->select);
    if (st) goto fail;

    clkv_device_info *info = &device->facts.info;
    device->quirks = clkv_quirks_match(&device->facts);
    st = clkv_tuning_choose(&device->tuning, &device->facts, device->quirks,
                            params->variant && *params->variant ? params->variant : environment("CLKV_VARIANT"));
    if (st) goto fail;
    cl_command_queue_properties properties = 0;
    cl_int err = clGetCommandQueueInfo(device->queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (err != CL_SUCCESS) {
        st = CLKV_FAIL_DRIVER(err, "clGetCommandQueueInfo", "properties of the queue");
        goto fail;
    }
    info->out_of_order = (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
    snprintf(info->variant, sizeof info->variant, "%s", clkv_variant_name(device->tuning.variant));
    choose_cache_dir(device, params->cache_dir);
    clkv_log(CLKV_LOG_INFO, "device: %s / %s, %s kernels", info->platform, info->name, info->variant);
    *out = device;
    return CLKV_OK;
fail:
    clkv_device_close(&device);
    return st;
}

void clkv_device_close(clkv_device **device)
{
    if (!device || !*device) return;
    clkv_device *d = *device;
    clkv_attached *attached = atomic_load(&d->attached);
    if (attached) attached->destroy(attached); /* before the context that it is made in */
    if (d->queue) clReleaseCommandQueue(d->queue);
    if (d->context) clReleaseContext(d->context);
    clkv_free(d, sizeof *d);
    *device = NULL;
}

clkv_status clkv_device_get_info(const clkv_device *device, clkv_device_info *info)
{
    if (!device) return CLKV_FAIL(CLKV_ERROR_INVALID, "device is NULL");
    if (!info || info->size != sizeof *info)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "info is NULL or its size is not set");
    *info = device->facts.info;
    return CLKV_OK;
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
