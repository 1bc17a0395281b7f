/* stats.h: handing statistics out across versions. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_STATS_H
#define CLKV_CORE_STATS_H

#include <clkv/stats.h>

/* Whether out->size can be served: at least the size field itself. INVALID. */
clkv_status clkv_stats_check(const clkv_stats *out);

/* Copies as much as out->size asks for and the library knows, and sets out->size to that. */
void clkv_stats_give(const clkv_stats *all, clkv_stats *out);

#endif
