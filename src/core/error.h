/* error.h: two macros for failures: one for an error of the caller, one for a failed OpenCL call. Both record reason
 * and function for clkv_last_error(), and give the status to return:
 *
 *     if (!params) return CLKV_FAIL(CLKV_ERROR_INVALID, "params is NULL");
 *     if (err != CL_SUCCESS) { st = CLKV_FAIL_DRIVER(err, "clCreateBuffer", "%zu bytes", n); goto fail; }
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_ERROR_H
#define CLKV_CORE_ERROR_H

#include <clkv/status.h>

#include <stdint.h>

#if defined(__clang__)
#define CLKV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#elif defined(__GNUC__) /* of MinGW's two sorts of printf, the one that knows %zu */
#define CLKV_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#else
#define CLKV_PRINTF(fmt, args)
#endif

#define CLKV_FAIL(status, ...) clkv_error_set((status), 0, __func__, __VA_ARGS__)
/* `call` is the OpenCL function's name; the status follows from the code (out of memory or not). */
#define CLKV_FAIL_DRIVER(code, call, ...) clkv_error_set_driver((code), (call), __VA_ARGS__)

/* Every public function returns through this macro, which writes the function's name to clkv_error.where when it fails.
 * When public functions call each other, the outermost one writes last, so its name stays. Used as
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

/* Makes an earlier error, of which the caller has a copy, the last error again. Use it when later failures do no
 * harm, or when the earlier failure is the one to report. Returns its status. */
clkv_status clkv_error_restore(const clkv_error *error);

#endif
