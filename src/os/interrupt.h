/* interrupt.h: a program that has something to save when it is asked to end: by Ctrl-C (SIGINT), SIGTERM or SIGHUP; on
 * Windows by Ctrl-C, Ctrl-Break, or the end of its console.
 *
 *   clkv_interrupt_begin ─▶ … ─▶ clkv_interrupt_catch ─▶ the first signal is only noted ─▶ the program saves
 *                                     └── a second one, of any of them, ends it at once           │
 *                                                                                   clkv_interrupt_end
 *
 * A signal that the caller of the program has chosen to ignore stays ignored. A signal that the system gives to another
 * thread (a driver's, say) is passed on to the main one, whose reads and writes it then ends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_INTERRUPT_H
#define CLKV_OS_INTERRUPT_H

#include <stdatomic.h>
#include <stdint.h>

/* Notes which signals are ignored, and that the caller is the main thread. Call it before an OpenCL device is opened:
 * LLVM, which is in many drivers, replaces the handlers of all of them. */
void clkv_interrupt_begin(void);

/* From now on signals are noted. */
void clkv_interrupt_catch(void);

/* The signal that has been noted, or 0. */
int clkv_interrupt_seen(void);

/* When none has been noted, signals end the program at once again. */
void clkv_interrupt_release(void);

/* What happens at Ctrl-C: a struct sigaction, or on Windows how far the functions of this file have come. */
typedef struct clkv_interrupt_handling {
    uint64_t words[32];
} clkv_interrupt_handling;

/* For a program that goes on after Ctrl-C: from here to clkv_interrupt_handle, which gets the same struct, Ctrl-C sets
 * clkv_interrupt_pressed, which is 0 at first, and does nothing else. Pairs may be nested. */
extern atomic_int clkv_interrupt_pressed;
void clkv_interrupt_watch(clkv_interrupt_handling *was);

/* Tells, and sets, what happens at Ctrl-C. */
void clkv_interrupt_handled(clkv_interrupt_handling *out);
void clkv_interrupt_handle(const clkv_interrupt_handling *handling);

/* "SIGINT", for messages; on Windows "Ctrl-C". */
const char *clkv_interrupt_name(int signal);

/* Ends the program as the noted signal would have done, which shells report as 130 (SIGINT), 143 (SIGTERM) or 129
 * (SIGHUP), and Windows as 0xC000013A. Does nothing when none has been noted. */
void clkv_interrupt_end(void);

#endif
