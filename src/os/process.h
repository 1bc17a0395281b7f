/* process.h: the process itself. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_PROCESS_H
#define CLKV_OS_PROCESS_H

#include <stdint.h>

uint64_t clkv_os_process_id(void);

/* Has in_child called in every process that this one forks, at once. 0, or −1 when the system has no memory. Nothing
 * happens on Windows, where processes are not forked. */
int clkv_os_at_fork(void (*in_child)(void));

#endif
