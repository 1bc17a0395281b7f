/* choose.h: all devices of the machine, and which of them to use. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_CHOOSE_H
#define CLKV_DEVICE_CHOOSE_H

#include "device/facts.h"

typedef struct clkv_device_set {
    clkv_facts *facts; /* in index order */
    size_t n, capacity;
    clkv_error skipped; /* why a device or platform was left out, the last one; status OK: none was */
} clkv_device_set;

/* Every usable device of every platform, as the loader orders them. A platform that fails and a device
 * that is unusable are skipped with a log line. No platform at all is OK with n = 0. *out needs freeing
 * only after success. NO_MEMORY; DEVICE: the loader itself failed. */
clkv_status clkv_devices_find(clkv_device_set *out);
void clkv_devices_free(clkv_device_set *set);

/* The index of the device to use. select is an index, or a part of "platform name / device name" in any
 * case; NULL or "" takes any. Of those that fit it is the best: discrete GPU, integrated GPU,
 * accelerator, CPU; then more memory; then the lower index. NO_DEVICE; where there is no device because a driver
 * failed, that failure. */
clkv_status clkv_devices_choose(const clkv_device_set *set, const char *select, size_t *index);

#endif
