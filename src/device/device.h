/* device.h: what a clkv_device is made of. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_DEVICE_H
#define CLKV_DEVICE_DEVICE_H

#include "device/facts.h"
#include "device/quirks.h"
#include "device/tuning.h"

#include <stdatomic.h>

/* An object of a room above that lives as long as the device does: the table of programs. It begins with this. */
typedef struct clkv_attached {
    void (*destroy)(struct clkv_attached *self);
} clkv_attached;

/* Immutable once open, but for the count of references, and what is attached, which locks itself. */
struct clkv_device {
    atomic_uint refs; /* the caller's until clkv_device_close, and one for each cache: the last one frees it */
    clkv_facts facts;
    uint32_t quirks; /* a bit per row of the quirk table */
    clkv_tuning tuning;
    cl_context context;     /* both retained, or made here */
    cl_command_queue queue;
    _Atomic(clkv_attached *) attached; /* or NULL */
};

/* What keeps a device open holds a reference: it is closed when the last one goes. Any thread. unref takes NULL. */
clkv_device *clkv_device_ref(clkv_device *device);
void clkv_device_unref(clkv_device *device);

/* What every operation on a device, or on what was made on it, asks before it calls OpenCL. INVALID: NULL.
 * FORKED: this process was forked from the one that opened the device (process.h). Any thread. */
clkv_status clkv_device_check(const clkv_device *device);

const clkv_tuning *clkv_device_tuning(const clkv_device *device);

static inline int clkv_device_has(const clkv_device *device, clkv_quirk quirk)
{
    return (int)(device->quirks >> quirk & 1);
}

#endif
