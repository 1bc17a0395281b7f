/* error.h: how a function fails. Two macros, the caller's error and the driver's; both record what and
 * where for clkv_last_error() and give the status to return:
 *
 *     if (!params) return CLKV_FAIL(CLKV_ERROR_INVALID, "params is NULL");
 *     if (err != CL_SUCCESS) { st = CLKV_FAIL_DRIVER(err, "clCreateBuffer", "%zu bytes", n); goto fail; }
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_ERROR_H
#define CLKV_CORE_ERROR_H

#include <clkv/status.h>

#include <stdint.h>

#if defined(__GNUC__)
#define CLKV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CLKV_PRINTF(fmt, args)
#endif

#define CLKV_FAIL(status, ...) clkv_error_set((status), 0, __func__, __VA_ARGS__)
/* `call` is the OpenCL function's name; the status follows from the code (out of memory or not). */
#define CLKV_FAIL_DRIVER(code, call, ...) clkv_error_set_driver((code), (call), __VA_ARGS__)

/* What a public function returns: a failure gets that function's name in clkv_error.where, whichever inner function
 * noticed it. The outermost public function is the last to do so, and its name stays. Used as
 *     return CLKV_PUBLIC(status); */
#define CLKV_PUBLIC(status) clkv_error_public((status), __func__)

void clkv_error_set_where(const char *function);
static inline clkv_status clkv_error_public(clkv_status status, const char *function)
{
    if (status != CLKV_OK) clkv_error_set_where(function);
    return status;
}

clkv_status clkv_error_set(clkv_status status, int32_t driver_code, const char *where, const char *fmt, ...)
    CLKV_PRINTF(4, 5);
clkv_status clkv_error_set_driver(int32_t code, const char *call, const char *fmt, ...) CLKV_PRINTF(3, 4);

/* Makes a copy of an earlier last error the last one again: what failed meanwhile did no harm, or the earlier
 * failure is the one to tell. Returns its status. */
clkv_status clkv_error_restore(const clkv_error *error);

#endif
