/* clkv/status.h: the status that calls return, and the text of the last error.
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
    CLKV_ERROR_INVALID = -1,     /* an argument is wrong: NULL, out of range, an id of another object */
    CLKV_ERROR_STATE = -2,       /* the call is not allowed in this state: double release, commit without reserve */
    CLKV_ERROR_BUSY = -3,        /* the object is in use: a sequence in a reserved batch, blocks during a reset */
    CLKV_ERROR_NO_MEMORY = -4,   /* the host is out of memory */
    CLKV_ERROR_NO_BLOCKS = -5,   /* the pool has too few free and cached blocks; nothing was taken */
    CLKV_ERROR_LIMIT = -6,       /* a limit set at creation is reached: max_sequences, max_entries, room for data … */
    CLKV_ERROR_UNSUPPORTED = -7, /* a valid request that this build or device cannot serve; the message says why */
    CLKV_ERROR_NO_DEVICE = -8,   /* no OpenCL platform, no device, or no device of that name */
    CLKV_ERROR_DEVICE = -9,      /* an OpenCL call failed; clkv_error.driver_code holds its cl_int */
    CLKV_ERROR_BUILD = -10,      /* a kernel did not compile; the log callback got the compiler's output */
    CLKV_ERROR_DEVICE_MEMORY = -11, /* the device cannot give that much memory, or is out of other resources */
    CLKV_ERROR_DEVICE_LOST = -12, /* the driver accepts no more commands for the device: see cache.h */
    CLKV_ERROR_FORKED = -13,     /* this process was forked from a process that had used OpenCL: see device.h */
    CLKV_ERROR_NOT_FOUND = -14,  /* nothing has this key */
} clkv_status;

/* The most recent failure of the calling thread. A successful call does not change it. */
typedef struct clkv_error {
    clkv_status status;
    int32_t driver_code;    /* the cl_int of the failed OpenCL call, else 0 */
    const char *where;      /* the function of clkv that the caller called: "clkv_batch_add"; static storage */
    char message[256];      /* one line without a newline: the reason and the values; when an OpenCL call
                               failed, the line begins with "clFoo gave CL_SOMETHING (-5): " */
} clkv_error;

/* A short English text for a status; static storage, never NULL. */
CLKV_API const char *clkv_status_text(clkv_status status);

/* The name of a cl_int, such as "CL_OUT_OF_RESOURCES"; "an unknown code" for a number that OpenCL 1.2 does not
 * define. Static storage. */
CLKV_API const char *clkv_driver_text(int32_t driver_code);

/* The last error of the calling thread. The pointer is valid until the thread ends; the next failure of the thread
 * changes the content. Never NULL. */
CLKV_API const clkv_error *clkv_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
