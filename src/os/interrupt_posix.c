/* interrupt_posix.c: see interrupt.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* sigaction, pthread_kill */
#include "os/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct sigaction) <= sizeof(clkv_interrupt_handling), "a handling has room for a sigaction");

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
static int ignored[SIGNALS]; /* by the caller of the program */
static struct sigaction before[SIGNALS]; /* what there was when clkv_interrupt_catch came */
static const struct sigaction ignore = { .sa_handler = SIG_IGN };
static pthread_t main_thread;
static volatile sig_atomic_t seen;
atomic_int clkv_interrupt_pressed;

void clkv_interrupt_begin(void)
{
    struct sigaction now;
    main_thread = pthread_self();
    for (int i = 0; i < SIGNALS; i++) ignored[i] = !sigaction(signals[i], NULL, &now) && now.sa_handler == SIG_IGN;
}

static void put_back(void)
{
    for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
}

/* The system may give a signal to any thread, a driver's too. Only in the main one it ends a wait. */
static int is_passed_on(int signal)
{
    return !pthread_equal(pthread_self(), main_thread) && !pthread_kill(main_thread, signal);
}

static void on_signal(int signal)
{
    if (is_passed_on(signal)) return;
    seen = signal;
    put_back();
}

void clkv_interrupt_catch(void)
{
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&ours.sa_mask, signals[i]);
        sigaction(signals[i], NULL, &before[i]);
        if (ignored[i]) before[i] = ignore;
    }
    for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], ignored[i] ? &ignore : &ours, NULL);
}

static void on_press(int signal)
{
    if (!is_passed_on(signal)) clkv_interrupt_pressed = 1;
}

void clkv_interrupt_watch(clkv_interrupt_handling *was)
{
    struct sigaction ours = { .sa_handler = on_press, .sa_flags = SA_RESTART }, old;
    sigemptyset(&ours.sa_mask);
    clkv_interrupt_pressed = 0;
    sigaction(SIGINT, ignored[0] ? &ignore : &ours, &old);
    memcpy(was->words, ignored[0] ? &ignore : &old, sizeof old);
}

void clkv_interrupt_handled(clkv_interrupt_handling *out)
{
    struct sigaction now;
    sigaction(SIGINT, NULL, &now);
    memcpy(out->words, &now, sizeof now);
}

void clkv_interrupt_handle(const clkv_interrupt_handling *handling)
{
    struct sigaction wanted;
    memcpy(&wanted, handling->words, sizeof wanted);
    sigaction(SIGINT, &wanted, NULL);
}

int clkv_interrupt_seen(void)
{
    return seen;
}

void clkv_interrupt_release(void)
{
    if (!seen) put_back();
}

const char *clkv_interrupt_name(int signal)
{
    return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

void clkv_interrupt_end(void)
{
    const struct sigaction as_usual = { .sa_handler = SIG_DFL };
    if (!seen) return;
    sigaction(seen, &as_usual, NULL);
    raise(seen);
}
