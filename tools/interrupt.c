/* interrupt.c: see interrupt.h. SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
static bool ignored[SIGNALS]; /* by the caller of the program */
static struct sigaction before[SIGNALS]; /* what there was when interrupt_catch came */
static const struct sigaction ignore = { .sa_handler = SIG_IGN };
static pthread_t main_thread;
static volatile sig_atomic_t seen;
volatile sig_atomic_t interrupt_pressed;

void interrupt_begin(void)
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
static bool is_passed_on(int signal)
{
    return !pthread_equal(pthread_self(), main_thread) && !pthread_kill(main_thread, signal);
}

static void on_signal(int signal)
{
    if (is_passed_on(signal)) return;
    seen = signal;
    put_back();
}

void interrupt_catch(void)
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
    if (!is_passed_on(signal)) interrupt_pressed = 1;
}

void interrupt_watch(struct sigaction *was)
{
    struct sigaction ours = { .sa_handler = on_press, .sa_flags = SA_RESTART };
    sigemptyset(&ours.sa_mask);
    interrupt_pressed = 0;
    sigaction(SIGINT, ignored[0] ? &ignore : &ours, was);
    if (ignored[0]) *was = ignore;
}

void interrupt_unwatch(const struct sigaction *was)
{
    sigaction(SIGINT, was, NULL);
}

int interrupt_seen(void)
{
    return seen;
}

void interrupt_release(void)
{
    if (!seen) put_back();
}

const char *interrupt_name(int signal)
{
    return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

void interrupt_end(void)
{
    const struct sigaction as_usual = { .sa_handler = SIG_DFL };
    if (!seen) return;
    sigaction(seen, &as_usual, NULL);
    raise(seen);
}
