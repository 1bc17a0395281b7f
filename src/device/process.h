/* process.h: notices that the process was forked: an OpenCL driver works only in the process that first used it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_PROCESS_H
#define CLKV_DEVICE_PROCESS_H

#include <clkv/status.h>

/* Called before the first OpenCL call of a public function that needs no device. The first call remembers this
 * process. FORKED: an ancestor of this process did. Any thread. */
clkv_status clkv_process_enter(void);

/* Whether an ancestor of this process has used OpenCL by clkv. OpenCL must not be called then, not even to release
 * an object: drivers wait for threads that a fork does not copy. Any thread; reads a flag that fork() sets. */
int clkv_process_forked(void);

#endif
