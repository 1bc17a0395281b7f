/* choose.c: finds all devices and picks one of them. SPDX-License-Identifier: Apache-2.0 */
#include "device/choose.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "device/explain.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLATFORM_NOT_FOUND (-1001) /* CL_PLATFORM_NOT_FOUND_KHR: the loader has no driver */

/* Skips a device or platform that has just failed, unless it failed for lack of memory. */
static clkv_status skip(clkv_device_set *all, clkv_status st, const char *what)
{
    if (st == CLKV_ERROR_NO_MEMORY) return st;
    all->skipped = *clkv_last_error();
    all->n_skipped++;
    clkv_log(CLKV_LOG_WARNING, "%s skipped: %s", what, all->skipped.message);
    return CLKV_OK;
}

static clkv_status add_device(clkv_device_set *all, cl_platform_id platform, cl_device_id id)
{
    clkv_facts f;
    clkv_status st = clkv_facts_query(&f, platform, id);
    if (st) return skip(all, st, "device");
    void *p = all->facts;
    if (clkv_grow(&p, &all->capacity, all->n + 1, sizeof *all->facts))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu devices", all->n + 1);
    all->facts = p;
    f.info.index = (uint32_t)all->n;
    all->facts[all->n++] = f;
    return CLKV_OK;
}

static clkv_status add_platform(clkv_device_set *all, cl_platform_id platform)
{
    char name[128] = "?";
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    cl_uint n = 0;
    cl_int err = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
    if (err == CL_DEVICE_NOT_FOUND || (err == CL_SUCCESS && n == 0)) {
        const size_t at = strlen(all->without);
        snprintf(all->without + at, sizeof all->without - at, "%s%s", at ? ", " : "", name);
        clkv_log(CLKV_LOG_INFO, "platform %s has no devices", name);
        return CLKV_OK;
    }
    if (err != CL_SUCCESS)
        return skip(all, CLKV_FAIL_DRIVER(err, "clGetDeviceIDs", "devices of %s", name), "platform");
    cl_device_id *ids = clkv_alloc(n * sizeof *ids);
    if (!ids) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%u device ids", (unsigned)n);
    clkv_status st = CLKV_OK;
    err = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, ids, NULL);
    if (err != CL_SUCCESS)
        st = skip(all, CLKV_FAIL_DRIVER(err, "clGetDeviceIDs", "%u devices of %s", (unsigned)n, name), "platform");
    for (cl_uint i = 0; err == CL_SUCCESS && !st && i < n; i++) st = add_device(all, platform, ids[i]);
    clkv_free(ids, n * sizeof *ids);
    return st;
}

clkv_status clkv_devices_find(clkv_device_set *out)
{
    cl_uint n = 0;
    cl_int err = clGetPlatformIDs(0, NULL, &n);
    if (err == PLATFORM_NOT_FOUND) n = 0;
    else if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetPlatformIDs", "number of platforms");

    clkv_device_set all = { .platforms = n };
    const clkv_error before = *clkv_last_error(); /* skipping a device is not a failure of this call */
    if (n) {
        cl_platform_id *platforms = clkv_alloc(n * sizeof *platforms);
        if (!platforms) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%u platform ids", (unsigned)n);
        clkv_status st = CLKV_OK;
        err = clGetPlatformIDs(n, platforms, NULL);
        if (err != CL_SUCCESS) st = CLKV_FAIL_DRIVER(err, "clGetPlatformIDs", "%u platforms", (unsigned)n);
        for (cl_uint i = 0; !st && i < n; i++) st = add_platform(&all, platforms[i]);
        clkv_free(platforms, n * sizeof *platforms);
        if (st) {
            clkv_devices_free(&all);
            return st;
        }
    }
    clkv_error_restore(&before);
    if (all.n == 0) {
        clkv_reasons reasons;
        clkv_explain(&reasons, &all);
        for (size_t i = 0; i < reasons.n; i++) clkv_log(CLKV_LOG_WARNING, "%s", reasons.lines[i]);
    }
    *out = all;
    return CLKV_OK;
}

void clkv_devices_free(clkv_device_set *set)
{
    clkv_free(set->facts, set->capacity * sizeof *set->facts);
    *set = (clkv_device_set){ 0 };
}

/* tolower() follows the locale that the program has set: in Turkish the small letter of I is no i. */
static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether `text` contains `part`, case-insensitive. */
static int contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && small(text[i]) == small(part[i])) i++;
        if (!part[i]) return 1;
    }
    return 0;
}

/* Whether the device is a GPU with more than one compute unit. A GPU with one unit is a simulator (Oclgrind), or so
 * small that a CPU with several cores is faster. */
static int is_parallel_gpu(const clkv_device_info *info)
{
    return (info->kind == CLKV_DEVICE_GPU_DISCRETE || info->kind == CLKV_DEVICE_GPU_INTEGRATED) &&
           info->compute_units > 1;
}

/* The order that clkv_device_params documents. An accelerator is often the CPU under another name, with the same
 * number of units (Intel's FPGA emulation). So the CPU comes first when the numbers are equal. */
static int better(const clkv_device_info *a, const clkv_device_info *b)
{
    const int gpu = is_parallel_gpu(a), cpu = a->kind == CLKV_DEVICE_CPU;
    if (gpu != is_parallel_gpu(b)) return gpu;
    if (!gpu && a->compute_units != b->compute_units) return a->compute_units > b->compute_units;
    if (!gpu && cpu != (b->kind == CLKV_DEVICE_CPU)) return cpu;
    if (a->kind != b->kind) return a->kind < b->kind;
    return a->global_bytes > b->global_bytes;
}

static clkv_status no_such_device(const clkv_device_set *set, const char *select)
{
    char names[160];
    size_t at = 0;
    for (size_t i = 0; i < set->n && at < sizeof names; i++) {
        int n = snprintf(names + at, sizeof names - at, "%s%zu = %s", i ? ", " : "", i, set->facts[i].info.name);
        at += (size_t)n;
    }
    return CLKV_FAIL(CLKV_ERROR_NO_DEVICE, "no device fits \"%.40s\"; there are: %s", select, names);
}

clkv_status clkv_devices_choose(const clkv_device_set *set, const char *select, size_t *index)
{
    if (set->n == 0) {
        /* When there is no device because a driver failed, return that failure. */
        if (set->skipped.driver_code) return clkv_error_restore(&set->skipped);
        clkv_reasons reasons;
        clkv_explain(&reasons, set);
        return CLKV_FAIL(CLKV_ERROR_NO_DEVICE, "%s%s%s", reasons.lines[0], reasons.n > 1 ? "; " : "",
                         reasons.n > 1 ? reasons.lines[1] : "");
    }
    if (!select) select = "";
    if (*select && strspn(select, "0123456789") == strlen(select)) {
        const unsigned long i = strlen(select) < 10 ? strtoul(select, NULL, 10) : ULONG_MAX;
        if (i >= set->n) return no_such_device(set, select);
        *index = i;
        return CLKV_OK;
    }
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < set->n; i++) {
        const clkv_device_info *info = &set->facts[i].info;
        char full[sizeof info->platform + sizeof info->name + 4];
        snprintf(full, sizeof full, "%s / %s", info->platform, info->name);
        if (*select && !contains(full, select)) continue;
        if (best == SIZE_MAX || better(info, &set->facts[best].info)) best = i;
    }
    if (best == SIZE_MAX) return no_such_device(set, select);
    *index = best;
    return CLKV_OK;
}
