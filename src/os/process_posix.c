/* process_posix.c: see process.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "os/process.h"

#include <pthread.h>
#include <unistd.h>

uint64_t clkv_os_process_id(void)
{
    return (uint64_t)getpid();
}

int clkv_os_at_fork(void (*in_child)(void))
{
    return pthread_atfork(NULL, NULL, in_child) ? -1 : 0;
}
