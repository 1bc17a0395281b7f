/* manager.h: the block manager from inside, for a cache that has one. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MANAGER_H
#define CLKV_CORE_MANAGER_H

#include <clkv/manager.h>

/* Everything that clkv_manager_create would say against the params, memory aside: the library's own struct, in
 * which zeros stand for defaults. INVALID. */
clkv_status clkv_manager_check_params(const clkv_manager_params *params);

/* Fills every field but the device's. The manager's lock is held. */
void clkv_manager_stats_locked(clkv_manager *manager, clkv_stats *out);

#endif
