/* error.c: status texts and the calling thread's last error. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <clkv/version.h>

#include <stdarg.h>
#include <stdio.h>

static _Thread_local clkv_error last_error;

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *clkv_version(void)
{
    return TEXT(CLKV_VERSION_MAJOR) "." TEXT(CLKV_VERSION_MINOR) "." TEXT(CLKV_VERSION_PATCH);
}

const char *clkv_status_text(clkv_status status)
{
    switch (status) {
    case CLKV_OK: return "ok";
    case CLKV_ERROR_INVALID: return "invalid argument";
    case CLKV_ERROR_STATE: return "not allowed in this state";
    case CLKV_ERROR_BUSY: return "in use";
    case CLKV_ERROR_NO_MEMORY: return "out of host memory";
    case CLKV_ERROR_NO_BLOCKS: return "not enough blocks";
    case CLKV_ERROR_LIMIT: return "limit reached";
    case CLKV_ERROR_UNSUPPORTED: return "unsupported";
    case CLKV_ERROR_NO_DEVICE: return "no usable device";
    case CLKV_ERROR_DEVICE: return "OpenCL call failed";
    case CLKV_ERROR_BUILD: return "kernel did not compile";
    case CLKV_ERROR_DEVICE_MEMORY: return "out of device memory";
    case CLKV_ERROR_DEVICE_LOST: return "device lost";
    case CLKV_ERROR_FORKED: return "the process has forked";
    case CLKV_ERROR_NOT_FOUND: return "not found";
    }
    return "unknown status";
}

const clkv_error *clkv_last_error(void)
{
    return &last_error;
}

static void record(clkv_status status, int32_t code, const char *where, const char *fmt, va_list args)
{
    char *out = last_error.message;
    int n = 0;
    last_error.status = status;
    last_error.driver_code = code;
    last_error.where = where;
    /* This fits: both names are from fixed lists and much shorter than the message. */
    if (code) n = snprintf(out, sizeof last_error.message, "%s gave %s (%d): ", where, clkv_driver_text(code), (int)code);
    vsnprintf(out + n, sizeof last_error.message - (size_t)n, fmt, args);
}

clkv_status clkv_error_set(clkv_status status, int32_t driver_code, const char *where, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    record(status, driver_code, where, fmt, args);
    va_end(args);
    return status;
}

void clkv_error_set_where(const char *function)
{
    last_error.where = function;
}

clkv_status clkv_error_restore(const clkv_error *error)
{
    last_error = *error;
    return error->status;
}

clkv_status clkv_error_set_driver(int32_t code, const char *call, const char *fmt, ...)
{
    /* CL_DEVICE_NOT_AVAILABLE, CL_INVALID_COMMAND_QUEUE, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES,
     * CL_OUT_OF_HOST_MEMORY, CL_BUILD_PROGRAM_FAILURE, CL_INVALID_BUFFER_SIZE: src/core does not include OpenCL's
     * headers. No buffer of ours has 0 bytes, so a size that is invalid is one that is too large. */
    clkv_status status = CLKV_ERROR_DEVICE;
    if (code == -2 || code == -36) status = CLKV_ERROR_DEVICE_LOST;
    if (code == -4 || code == -5 || code == -61) status = CLKV_ERROR_DEVICE_MEMORY;
    if (code == -6) status = CLKV_ERROR_NO_MEMORY;
    if (code == -11) status = CLKV_ERROR_BUILD;
    va_list args;
    va_start(args, fmt);
    record(status, code, call, fmt, args);
    va_end(args);
    return status;
}
