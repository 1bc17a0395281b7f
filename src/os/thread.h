/* thread.h: threads, locks and conditions. Not every system has the threads of C11, so these are POSIX's or Windows'
 * own. Locks are not recursive. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_THREAD_H
#define CLKV_OS_THREAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
typedef struct clkv_mutex {
    void *word; /* an SRWLOCK */
} clkv_mutex;
typedef struct clkv_cond {
    void *word; /* a CONDITION_VARIABLE */
} clkv_cond;
typedef void *clkv_thread_id; /* a HANDLE */
#else
#include <pthread.h>
typedef pthread_mutex_t clkv_mutex;
typedef pthread_cond_t clkv_cond;
typedef pthread_t clkv_thread_id;
#endif

typedef struct clkv_thread {
    clkv_thread_id id;
    void (*run)(void *user);
    void *user;
} clkv_thread;

/* 0, or −1 when the system has no memory. */
int clkv_mutex_init(clkv_mutex *mutex);
void clkv_mutex_destroy(clkv_mutex *mutex);
int clkv_cond_init(clkv_cond *cond);
void clkv_cond_destroy(clkv_cond *cond);

/* Waits until somebody signals, or for no reason: the caller asks again for what it waits for. The mutex is held
 * before and after. */
void clkv_cond_wait(clkv_cond *cond, clkv_mutex *mutex);
void clkv_cond_signal(clkv_cond *cond);    /* wakes one */
void clkv_cond_broadcast(clkv_cond *cond); /* wakes all */

/* Starts run(user) on a thread with a stack of this size, to which the system gives none of the process's signals. 0,
 * or −1 when there are no more threads. A thread that was started must be joined; *thread stays where it is until then. */
int clkv_thread_start(clkv_thread *thread, size_t stack_bytes, void (*run)(void *user), void *user);
void clkv_thread_join(clkv_thread *thread);

/* Processors that the system has; at least 1. */
uint32_t clkv_os_processors(void);

/* Inline on POSIX, since every operation locks. */
#ifdef _WIN32
void clkv_mutex_lock(clkv_mutex *mutex);
void clkv_mutex_unlock(clkv_mutex *mutex);
#else
static inline void clkv_mutex_lock(clkv_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

static inline void clkv_mutex_unlock(clkv_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}
#endif

#endif
