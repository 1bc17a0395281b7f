/* manager.h: functions of the block manager for the cache. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MANAGER_H
#define CLKV_CORE_MANAGER_H

#include "core/growth_hooks.h"

#include <clkv/manager.h>

/* Returns the error that clkv_manager_create would return for these params, except NO_MEMORY. The struct has the size
 * of this library; zeros stand for defaults. INVALID. */
clkv_status clkv_manager_check_params(const clkv_manager_params *params);

/* clkv_manager_create, for a pool whose memory comes in slabs; with hooks = NULL it is the same. */
clkv_status clkv_manager_create_growing(clkv_manager **out, const clkv_manager_params *params,
                                           const clkv_growth_hooks *hooks);

/* Fills every field except those of the device. Call it with the manager's lock held. */
void clkv_manager_stats_locked(clkv_manager *manager, clkv_stats *out);

#endif
