/* clkv/status.h: what every call returns, and where the reason is found.
 * Thread-safe: the last error belongs to the calling thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_STATUS_H
#define CLKV_STATUS_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers are stable: they are never reused or renumbered. */
typedef enum clkv_status {
    CLKV_OK = 0,
    CLKV_ERROR_INVALID = -1,     /* an argument is wrong: NULL, out of range, a foreign id */
    CLKV_ERROR_STATE = -2,       /* right argument, wrong moment: double release, commit without reserve */
    CLKV_ERROR_BUSY = -3,        /* in use by somebody else: a sequence in a reserved batch, a reset while blocks are used */
    CLKV_ERROR_NO_MEMORY = -4,   /* the host is out of memory */
    CLKV_ERROR_NO_BLOCKS = -5,   /* the pool has too few free and cached blocks; nothing was taken */
    CLKV_ERROR_LIMIT = -6,       /* a limit set at creation is reached: max_sequences, max_context, max_batch_tokens */
    CLKV_ERROR_UNSUPPORTED = -7, /* a valid wish that this build or device cannot serve; the message says why */
    CLKV_ERROR_NO_DEVICE = -8,   /* no OpenCL platform, no device, or none of that name */
    CLKV_ERROR_DEVICE = -9,      /* an OpenCL call failed; clkv_error.driver_code holds its cl_int */
    CLKV_ERROR_BUILD = -10,      /* a kernel did not compile; the log callback got the compiler's output */
    CLKV_ERROR_DEVICE_MEMORY = -11, /* the device cannot give that much memory, or is out of other resources */
    CLKV_ERROR_DEVICE_LOST = -12, /* the driver takes no more commands for the device: see cache.h */
    CLKV_ERROR_FORKED = -13,     /* this process was forked from one that had used OpenCL: see device.h */
} clkv_status;

/* The calling thread's most recent failure. A successful call leaves it as it was. */
typedef struct clkv_error {
    clkv_status status;
    int32_t driver_code;    /* the cl_int of the failed OpenCL call, else 0 */
    const char *where;      /* the function of clkv that was called, as "clkv_batch_add"; static storage */
    char message[256];      /* one line, no newline: what and with which values; an OpenCL call's begins with
                               "clFoo gave CL_SOMETHING (-5): " */
} clkv_error;

/* A short English text for a status; static storage, never NULL. */
CLKV_API const char *clkv_status_text(clkv_status status);

/* The name of a cl_int, as "CL_OUT_OF_RESOURCES"; "an unknown code" for one that OpenCL 1.2 does not define.
 * Static storage. */
CLKV_API const char *clkv_driver_text(int32_t driver_code);

/* The calling thread's last error; valid until the thread ends, changed by its next failure. Never NULL. */
CLKV_API const clkv_error *clkv_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
