/* interrupt.h: a program that has something to save when it is asked to end: by Ctrl-C (SIGINT), SIGTERM or SIGHUP.
 *
 *   interrupt_begin ─▶ … ─▶ interrupt_catch ─▶ the first signal is only noted ─▶ the program saves ─▶ interrupt_end
 *                                                  └── a second one, of any of the three, ends it at once
 *
 * A signal that the caller of the program has chosen to ignore stays ignored. A signal that the system gives to another
 * thread (a driver's, say) is passed on to the main one, whose reads and writes it then ends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_INTERRUPT_H
#define CLKV_TOOLS_INTERRUPT_H

#include <signal.h>

/* Notes which signals are ignored, and that the caller is the main thread. Call it before an OpenCL device is opened:
 * LLVM, which is in many drivers, replaces the handlers of all of them. */
void interrupt_begin(void);

/* From now on signals are noted. */
void interrupt_catch(void);

/* The signal that has been noted, or 0. */
int interrupt_seen(void);

/* When none has been noted, signals end the program at once again. */
void interrupt_release(void);

/* For a program that goes on after Ctrl-C: from here to interrupt_unwatch, which gets the same struct, SIGINT sets
 * interrupt_pressed, which is 0 at first, and does nothing else. Pairs may be nested. */
extern volatile sig_atomic_t interrupt_pressed;
void interrupt_watch(struct sigaction *was);
void interrupt_unwatch(const struct sigaction *was);

/* "SIGINT", for messages. */
const char *interrupt_name(int signal);

/* Ends the program as the noted signal would have done, which shells report as 130 (SIGINT), 143 (SIGTERM) or 129
 * (SIGHUP). Does nothing when none has been noted. */
void interrupt_end(void);

#endif
