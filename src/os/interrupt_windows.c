/* interrupt_windows.c: see interrupt.h. Windows calls a handler on a thread that it makes for that; when the handler
 * does not take the event, the system ends the program. SPDX-License-Identifier: Apache-2.0 */
#include "os/interrupt.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

enum { AS_USUAL, NOTE, WATCH }; /* what happens at Ctrl-C */
static atomic_int handling, seen; /* seen: the event and 1, since Ctrl-C is 0 */
atomic_int clkv_interrupt_pressed;

static int is_key(DWORD event)
{
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

static BOOL WINAPI on_event(DWORD event)
{
    int noting = NOTE;
    if (is_key(event) && handling == WATCH) {
        clkv_interrupt_pressed = 1;
        return TRUE;
    }
    if (!atomic_compare_exchange_strong(&handling, &noting, AS_USUAL)) return FALSE;
    seen = (int)event + 1;
    /* When the console ends, the program ends as soon as this function returns. The system gives it some seconds. */
    while (!is_key(event)) Sleep(INFINITE);
    return TRUE;
}

void clkv_interrupt_begin(void)
{
    SetConsoleCtrlHandler(on_event, TRUE);
}

void clkv_interrupt_catch(void)
{
    handling = NOTE;
}

void clkv_interrupt_watch(clkv_interrupt_handling *was)
{
    clkv_interrupt_pressed = 0;
    was->words[0] = (uint64_t)atomic_exchange(&handling, WATCH);
}

void clkv_interrupt_handled(clkv_interrupt_handling *out)
{
    out->words[0] = (uint64_t)handling;
}

void clkv_interrupt_handle(const clkv_interrupt_handling *wanted)
{
    handling = (int)wanted->words[0];
}

int clkv_interrupt_seen(void)
{
    return seen;
}

void clkv_interrupt_release(void)
{
    if (!seen) handling = AS_USUAL;
}

const char *clkv_interrupt_name(int signal)
{
    switch (signal - 1) {
    case CTRL_C_EVENT: return "Ctrl-C";
    case CTRL_BREAK_EVENT: return "Ctrl-Break";
    default: return "the end of the console";
    }
}

void clkv_interrupt_end(void)
{
    if (seen) ExitProcess((UINT)STATUS_CONTROL_C_EXIT);
}
