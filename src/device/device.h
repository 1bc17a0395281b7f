/* device.h: the internals of a clkv_device. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_DEVICE_H
#define CLKV_DEVICE_DEVICE_H

#include "device/facts.h"
#include "device/quirks.h"
#include "device/tuning.h"

#include <stdatomic.h>

/* The first member of an object of a folder above that lives as long as the device: the table of programs. */
typedef struct clkv_attached {
    void (*destroy)(struct clkv_attached *self);
} clkv_attached;

/* Does not change once it is open, except for the count of references and the attached object, which locks itself. */
struct clkv_device {
    atomic_uint refs; /* the caller's until clkv_device_close, and one for each cache: the last one frees it */
    clkv_facts facts;
    uint32_t quirks; /* a bit per row of the quirk table */
    clkv_tuning tuning;
    cl_context context;     /* both retained, or made here */
    cl_command_queue queue;
    _Atomic(clkv_attached *) attached; /* or NULL */
};

/* Take and release a reference. The device is closed when the last reference is released. Any thread. unref accepts
 * NULL. */
clkv_device *clkv_device_ref(clkv_device *device);
void clkv_device_unref(clkv_device *device);

/* Every operation on a device, or on an object of the device, calls this before it calls OpenCL. INVALID: NULL.
 * FORKED: this process was forked from the process that opened the device (process.h). Any thread. */
clkv_status clkv_device_check(const clkv_device *device);

const clkv_tuning *clkv_device_tuning(const clkv_device *device);

static inline int clkv_device_has(const clkv_device *device, clkv_quirk quirk)
{
    return (int)(device->quirks >> quirk & 1);
}

#endif
