/* clblast.h: parameters of CLBlast's kernels for devices that CLBlast itself has none for, or bad ones. A table of
 * measured values; docs/performance.md says what they bring and how to measure those of another device.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TUNING_CLBLAST_H
#define CLKV_TOOLS_LLM_TUNING_CLBLAST_H

#include "../why.h"

#include <CL/cl.h>

/* Gives CLBlast what the table has for the device, for the whole process and for good: CLBlast keeps it, and
 * builds its kernels with it from then on. Returns how many kernels there were values for (0: none known), or −1
 * with the reason in `why`. */
int llm_clblast_tune(cl_device_id device, char *why);

#endif
