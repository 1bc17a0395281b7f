/* choose.h: finds all devices of the machine, and chooses one. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_CHOOSE_H
#define CLKV_DEVICE_CHOOSE_H

#include "device/set.h"

/* Finds every usable device of every platform, in the order of the loader. A platform that fails and a device that is
 * unusable are skipped with a log line. Having no device is OK with n = 0; log lines then have the causes
 * (explain.h). Free *out only after success. NO_MEMORY. DEVICE: the loader itself failed. */
clkv_status clkv_devices_find(clkv_device_set *out);
void clkv_devices_free(clkv_device_set *set);

/* Chooses the best device that matches `select`, and sets *index to its index. `select` is an index, or a part of
 * "platform name / device name", case-insensitive; NULL or "" matches every device. The order of devices is that of
 * clkv_device_params. NO_DEVICE; or the failure of a driver, if that is why there is no device. */
clkv_status clkv_devices_choose(const clkv_device_set *set, const char *select, size_t *index);

#endif
