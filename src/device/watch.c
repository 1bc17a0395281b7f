/* watch.c: commands whose outcome is not known yet. SPDX-License-Identifier: Apache-2.0 */
#include "device/watch.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/event.h"
#include "os/thread.h"

#include <string.h>

enum {
    LEAST = 1024, /* commands: there are rarely more at a time, so memory is allocated once */
    KEPT = 64     /* events of commands that failed */
};

typedef struct watched {
    cl_event event;
    const char *call, *what;
    clkv_failure *set;
} watched;

struct clkv_watch {
    clkv_mutex lock;
    watched *ring;
    uint32_t capacity, oldest, n; /* capacity is a power of two */
    clkv_failure first;           /* the first failure that was not taken yet */
    /* The events of the last commands that failed. While pocl 3.1 fails the commands that wait for a failed one,
     * it still uses the event of the failed one, even if that has been released. */
    cl_event kept[KEPT];
    uint32_t n_failed;
};

clkv_status clkv_watch_create(clkv_watch **out)
{
    clkv_watch *watch = clkv_alloc(sizeof *watch);
    watched *ring = clkv_alloc(LEAST * sizeof *ring);
    if (!watch || !ring || clkv_mutex_init(&watch->lock) != 0) {
        clkv_free(ring, LEAST * sizeof *ring);
        clkv_free(watch, sizeof *watch);
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the watch over %d commands", LEAST);
    }
    watch->ring = ring;
    watch->capacity = LEAST;
    *out = watch;
    return CLKV_OK;
}

static watched *at(const clkv_watch *watch, uint32_t i)
{
    return &watch->ring[(watch->oldest + i) & (watch->capacity - 1)];
}

void clkv_watch_destroy(clkv_watch **out)
{
    clkv_watch *watch = *out;
    *out = NULL;
    if (!watch) return;
    for (uint32_t i = 0; i < watch->n; i++) clkv_event_release(&at(watch, i)->event);
    for (uint32_t i = 0; i < KEPT; i++) clkv_event_release(&watch->kept[i]);
    clkv_mutex_destroy(&watch->lock);
    clkv_free(watch->ring, watch->capacity * sizeof *watch->ring);
    clkv_free(watch, sizeof *watch);
}

static void note_failure(clkv_watch *watch, watched *w, cl_int status)
{
    const clkv_failure failure = { status, w->call, w->what };
    if (!watch->first.code) watch->first = failure;
    if (w->set && !w->set->code) *w->set = failure;
    cl_event *kept = &watch->kept[watch->n_failed++ % KEPT];
    clkv_event_release(kept);
    *kept = w->event;
}

/* Whether the command is over. If so, its event is released or kept, and a failure is noted. */
static int is_over(clkv_watch *watch, watched *w)
{
    const cl_int status = clkv_event_status(w->event);
    if (status > CL_COMPLETE) return 0;
    if (status < CL_COMPLETE) note_failure(watch, w, status);
    else clkv_event_release(&w->event);
    return 1;
}

static void look_at_oldest(clkv_watch *watch)
{
    if (watch->n == 0 || !is_over(watch, at(watch, 0))) return;
    watch->oldest = (watch->oldest + 1) & (watch->capacity - 1);
    watch->n--;
}

/* Checks all commands, since on an out-of-order queue any of them may be over. */
static void look_at_all(clkv_watch *watch)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < watch->n; i++) {
        watched *w = at(watch, i);
        if (!is_over(watch, w)) *at(watch, left++) = *w;
    }
    watch->n = left;
}

static clkv_status grow(clkv_watch *watch)
{
    const size_t bytes = watch->capacity * sizeof *watch->ring;
    watched *ring = watch->capacity <= UINT32_MAX / 2 ? clkv_alloc(2 * bytes) : NULL;
    if (!ring) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%u commands are under way", (unsigned)watch->n);
    for (uint32_t i = 0; i < watch->n; i++) ring[i] = *at(watch, i);
    clkv_free(watch->ring, bytes);
    watch->ring = ring;
    watch->capacity *= 2;
    watch->oldest = 0;
    return CLKV_OK;
}

clkv_status clkv_watch_make_room(clkv_watch *watch)
{
    clkv_status st = CLKV_OK;
    clkv_mutex_lock(&watch->lock);
    look_at_oldest(watch);
    if (watch->n == watch->capacity) look_at_all(watch);
    if (watch->n == watch->capacity) st = grow(watch);
    clkv_mutex_unlock(&watch->lock);
    return st;
}

void clkv_watch_add(clkv_watch *watch, cl_event event, const char *call, const char *what, clkv_failure *set)
{
    clkv_mutex_lock(&watch->lock);
    *at(watch, watch->n++) = (watched){ event, call, what, set };
    clkv_mutex_unlock(&watch->lock);
}

clkv_failure clkv_watch_take_failure(clkv_watch *watch)
{
    clkv_mutex_lock(&watch->lock);
    look_at_all(watch);
    const clkv_failure first = watch->first;
    watch->first = (clkv_failure){ 0 };
    clkv_mutex_unlock(&watch->lock);
    return first;
}

clkv_failure clkv_watch_look(clkv_watch *watch, const clkv_failure *set)
{
    clkv_mutex_lock(&watch->lock);
    look_at_all(watch);
    const clkv_failure failure = *set;
    clkv_mutex_unlock(&watch->lock);
    return failure;
}

void clkv_watch_end_set(clkv_watch *watch, clkv_failure *set)
{
    clkv_mutex_lock(&watch->lock);
    for (uint32_t i = 0; i < watch->n; i++) {
        if (at(watch, i)->set == set) at(watch, i)->set = NULL;
    }
    *set = (clkv_failure){ 0 };
    clkv_mutex_unlock(&watch->lock);
}

clkv_status clkv_failure_tell(const clkv_failure *failure)
{
    return clkv_error_set(CLKV_ERROR_DEVICE, failure->code, failure->call, "%s failed on the device", failure->what);
}
