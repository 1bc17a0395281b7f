/* device.h: what a clkv_device is made of. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_DEVICE_H
#define CLKV_DEVICE_DEVICE_H

#include "device/facts.h"
#include "program/program.h"
#include "device/quirks.h"
#include "device/tuning.h"

/* Immutable once open; the program table locks itself. */
struct clkv_device {
    clkv_facts facts;
    uint32_t quirks; /* a bit per row of the quirk table */
    clkv_tuning tuning;
    cl_context context;     /* both retained, or made here */
    cl_command_queue queue;
    clkv_programs *programs;
};

static inline int clkv_device_has(const clkv_device *device, clkv_quirk quirk)
{
    return (int)(device->quirks >> quirk & 1);
}

#endif
