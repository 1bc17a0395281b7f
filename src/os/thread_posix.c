/* thread_posix.c: see thread.h. SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE  /* _SC_NPROCESSORS_ONLN */
#define _DARWIN_C_SOURCE /* the same on Apple's systems */
#include "os/thread.h"

#include <signal.h>
#include <unistd.h>

int clkv_mutex_init(clkv_mutex *mutex)
{
    return pthread_mutex_init(mutex, NULL) ? -1 : 0;
}

void clkv_mutex_destroy(clkv_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

int clkv_cond_init(clkv_cond *cond)
{
    return pthread_cond_init(cond, NULL) ? -1 : 0;
}

void clkv_cond_destroy(clkv_cond *cond)
{
    pthread_cond_destroy(cond);
}

void clkv_cond_wait(clkv_cond *cond, clkv_mutex *mutex)
{
    pthread_cond_wait(cond, mutex);
}

void clkv_cond_signal(clkv_cond *cond)
{
    pthread_cond_signal(cond);
}

void clkv_cond_broadcast(clkv_cond *cond)
{
    pthread_cond_broadcast(cond);
}

static void *begin(void *p)
{
    const clkv_thread *thread = p;
    thread->run(thread->user);
    return NULL;
}

/* A new thread inherits the signals that its creator blocks. */
int clkv_thread_start(clkv_thread *thread, size_t stack_bytes, void (*run)(void *user), void *user)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes)) return -1;
    pthread_attr_setstacksize(&attributes, stack_bytes);
    thread->run = run;
    thread->user = user;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const int error = pthread_create(&thread->id, &attributes, begin, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error ? -1 : 0;
}

void clkv_thread_join(clkv_thread *thread)
{
    pthread_join(thread->id, NULL);
}

uint32_t clkv_os_processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (uint32_t)n;
}
