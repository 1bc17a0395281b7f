/* choose.h: all devices of the machine, and which of them to use. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_CHOOSE_H
#define CLKV_DEVICE_CHOOSE_H

#include "device/set.h"

/* Every usable device of every platform, as the loader orders them. A platform that fails and a device
 * that is unusable are skipped with a log line. No device at all is OK with n = 0, and log lines say why
 * (explain.h). *out needs freeing only after success. NO_MEMORY; DEVICE: the loader itself failed. */
clkv_status clkv_devices_find(clkv_device_set *out);
void clkv_devices_free(clkv_device_set *set);

/* The index of the device to use. select is an index, or a part of "platform name / device name" in any
 * case; NULL or "" takes any. Of those that fit it is the best, as documented for clkv_device_params.select.
 * NO_DEVICE; where there is no device because a driver failed, that failure. */
clkv_status clkv_devices_choose(const clkv_device_set *set, const char *select, size_t *index);

#endif
