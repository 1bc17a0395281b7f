/* process.h: notices that the process was forked, since OpenCL drivers work only in the process that first used them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_PROCESS_H
#define CLKV_DEVICE_PROCESS_H

#include <clkv/status.h>

/* Call it before the first OpenCL call of a public function that needs no device. The first call remembers the
 * process. FORKED: an ancestor of this process has made the first call. Any thread. */
clkv_status clkv_process_enter(void);

/* Whether an ancestor of this process has used OpenCL through clkv. Then OpenCL must not be called, not even to
 * release an object: drivers wait for threads that a fork does not copy. Any thread; makes one system call. */
int clkv_process_forked(void);

#endif
