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

/* Immutable once open, but for what is attached, which locks itself. */
struct clkv_device {
    clkv_facts facts;
    uint32_t quirks; /* a bit per row of the quirk table */
    clkv_tuning tuning;
    cl_context context;     /* both retained, or made here */
    cl_command_queue queue;
    _Atomic(clkv_attached *) attached; /* or NULL */
};

static inline int clkv_device_has(const clkv_device *device, clkv_quirk quirk)
{
    return (int)(device->quirks >> quirk & 1);
}

#endif
