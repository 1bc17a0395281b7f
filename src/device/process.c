/* process.c: remembers which process uses OpenCL. SPDX-License-Identifier: Apache-2.0 */
#include "device/process.h"

#include "core/error.h"
#include "os/process.h"

#include <inttypes.h>
#include <stdatomic.h>

static _Atomic uint64_t first; /* the process that first used OpenCL; 0: none has. A child inherits it. */
/* Set by fork() in its child, so that asking costs no system call: every operation asks. */
static atomic_int forked;

static void in_child(void)
{
    atomic_store(&forked, 1);
}

int clkv_process_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}

clkv_status clkv_process_enter(void)
{
    if (clkv_process_forked())
        return CLKV_FAIL(CLKV_ERROR_FORKED, "this process was forked from process %" PRIu64 ", which had used OpenCL: "
                         "drivers do not work in a child process", atomic_load(&first));
    uint64_t none = 0;
    if (!atomic_compare_exchange_strong(&first, &none, clkv_os_process_id())) return CLKV_OK;
    if (!clkv_os_at_fork(in_child)) return CLKV_OK;
    atomic_store(&first, 0);
    return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "noticing a fork");
}
