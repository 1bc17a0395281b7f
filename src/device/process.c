/* process.c: remembers the process that uses OpenCL. SPDX-License-Identifier: Apache-2.0 */
#include "device/process.h"

#include "core/error.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_long first; /* the process that first used OpenCL; 0: none yet. A child inherits the value. */

int clkv_process_forked(void)
{
    const long user = atomic_load(&first);
    return user != 0 && user != (long)getpid();
}

clkv_status clkv_process_enter(void)
{
    long none = 0;
    atomic_compare_exchange_strong(&first, &none, (long)getpid());
    if (!clkv_process_forked()) return CLKV_OK;
    return CLKV_FAIL(CLKV_ERROR_FORKED, "this process was forked from process %ld, which had used OpenCL: "
                     "drivers do not work in a child process", atomic_load(&first));
}
