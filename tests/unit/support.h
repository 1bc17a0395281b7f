/* support.h: what several unit tests share: a small random number generator, an allocator that fails on
 * demand, and the end of every Check program. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_SUPPORT_H
#define CLKV_TESTS_SUPPORT_H

#include <clkv/memory.h>
#include <clkv/status.h>

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64*: the same numbers everywhere. The state must not be 0. */
static inline uint64_t rng_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

/* 0 … n − 1. */
static inline uint32_t rng_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((rng_next(state) >> 32) * n >> 32);
}

/* How many steps a random test makes of those it should: a tenth where CLKV_TEST_GRID asks for less, as under the
 * sanitizers. */
static inline uint32_t random_steps(uint32_t full)
{
    const char *size = getenv("CLKV_TEST_GRID");
    return size && strcmp(size, "full") ? full / 10 : full;
}

/* An allocator that fails the fail_at-th request from now (1 = the next), and counts what it gave out. */
typedef struct fail_allocator {
    long fail_at; /* 0: never */
    long requests;
    size_t live_bytes;
} fail_allocator;

static inline void *fail_resize(void *user, void *p, size_t old_bytes, size_t new_bytes)
{
    fail_allocator *a = user;
    if (new_bytes > 0 && ++a->requests == a->fail_at) return NULL;
    void *q = NULL;
    if (new_bytes == 0) {
        free(p);
    } else if (!(q = realloc(p, new_bytes))) {
        return NULL;
    }
    a->live_bytes += new_bytes - old_bytes;
    return q;
}

/* Check writes a line to a file for every assertion that it sees, failed or not: loops of millions use
 * these, which it only sees when they fail. */
#define must(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) ck_abort_msg("%s", #condition);                                                    \
    } while (0)

/* Fails the test, with the text, when a validity function found something. */
#define ck_valid(call)                                                                                       \
    do {                                                                                                     \
        const char *ck_broken = (call);                                                                      \
        if (ck_broken) ck_abort_msg("%s", ck_broken);                                                        \
    } while (0)

#define ck_ok(call)                                                                                          \
    do {                                                                                                     \
        const clkv_status ck_status = (call);                                                                \
        if (ck_status != CLKV_OK) ck_abort_msg("%s: %s", #call, clkv_last_error()->message);                 \
    } while (0)

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
