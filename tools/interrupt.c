/* interrupt.c: see interrupt.h. SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
static bool ignored[SIGNALS];
static struct sigaction before[SIGNALS]; /* what there was when interrupt_catch came */
static volatile sig_atomic_t seen;

void interrupt_begin(void)
{
    struct sigaction now;
    for (int i = 0; i < SIGNALS; i++) ignored[i] = !sigaction(signals[i], NULL, &now) && now.sa_handler == SIG_IGN;
}

static void put_back(void)
{
    for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
}

static void on_signal(int signal)
{
    seen = signal;
    put_back();
}

void interrupt_catch(void)
{
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&ours.sa_mask, signals[i]);
        sigaction(signals[i], NULL, &before[i]);
        if (ignored[i]) before[i] = ignore;
    }
    for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], ignored[i] ? &ignore : &ours, NULL);
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
