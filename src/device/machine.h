/* machine.h: the memory, the caches and the registers of the machine itself. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_MACHINE_H
#define CLKV_DEVICE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that this process could still touch without swapping or being killed: what the system
 * calls available, and what is left of the control group's limit. UINT64_MAX where nobody tells. */
uint64_t clkv_machine_available(void);

/* Bytes of the data cache of a level, 1 or 2, that the first core has; 0 where nobody tells. */
uint32_t clkv_machine_cache_bytes(int level);

/* Floats that a vector register of the processor holds: 16, 8 or 4; 0 where nobody tells. */
uint32_t clkv_machine_vector_floats(void);

#endif
