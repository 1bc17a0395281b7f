/* prefix.h: what the block manager needs of the prefix index beyond its public face.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_H
#define CLKV_CORE_PREFIX_H

#include <clkv/prefix.h>

/* INVALID for a number that clkv_prefix_use does not have. */
clkv_status clkv_prefix_check_use(clkv_prefix_use use);

/* on_event is not called any more. NULL is taken. */
void clkv_prefix_stop_events(clkv_prefix *prefix);

#endif
