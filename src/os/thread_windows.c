/* thread_windows.c: see thread.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

_Static_assert(sizeof(SRWLOCK) == sizeof(clkv_mutex), "a mutex is an SRWLOCK");
_Static_assert(sizeof(CONDITION_VARIABLE) == sizeof(clkv_cond), "a condition is a CONDITION_VARIABLE");

int clkv_mutex_init(clkv_mutex *mutex)
{
    InitializeSRWLock((SRWLOCK *)mutex);
    return 0;
}

/* Windows keeps nothing for locks and conditions. */
void clkv_mutex_destroy(clkv_mutex *mutex)
{
    (void)mutex;
}

void clkv_mutex_lock(clkv_mutex *mutex)
{
    AcquireSRWLockExclusive((SRWLOCK *)mutex);
}

void clkv_mutex_unlock(clkv_mutex *mutex)
{
    ReleaseSRWLockExclusive((SRWLOCK *)mutex);
}

int clkv_cond_init(clkv_cond *cond)
{
    InitializeConditionVariable((CONDITION_VARIABLE *)cond);
    return 0;
}

void clkv_cond_destroy(clkv_cond *cond)
{
    (void)cond;
}

void clkv_cond_wait(clkv_cond *cond, clkv_mutex *mutex)
{
    SleepConditionVariableSRW((CONDITION_VARIABLE *)cond, (SRWLOCK *)mutex, INFINITE, 0);
}

void clkv_cond_signal(clkv_cond *cond)
{
    WakeConditionVariable((CONDITION_VARIABLE *)cond);
}

void clkv_cond_broadcast(clkv_cond *cond)
{
    WakeAllConditionVariable((CONDITION_VARIABLE *)cond);
}

static DWORD WINAPI begin(void *p)
{
    const clkv_thread *thread = p;
    thread->run(thread->user);
    return 0;
}

int clkv_thread_start(clkv_thread *thread, size_t stack_bytes, void (*run)(void *user), void *user)
{
    thread->run = run;
    thread->user = user;
    thread->id = CreateThread(NULL, stack_bytes, begin, thread, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return thread->id ? 0 : -1;
}

void clkv_thread_join(clkv_thread *thread)
{
    WaitForSingleObject(thread->id, INFINITE);
    CloseHandle(thread->id);
}

uint32_t clkv_os_processors(void)
{
    const DWORD n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return n ? n : 1;
}
