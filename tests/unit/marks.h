/* marks.h: tokens and keys that are easy to find again, and a collector of everything that the library says: log
 * lines, errors, events, and whatever else a test adds. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_MARKS_H
#define CLKV_TESTS_MARKS_H

#include "support.h"

#include <clkv/log.h>
#include <clkv/prefix.h>

#include <stdio.h>
#include <string.h>

#define MARK     0x5EC2E701u /* tokens are MARK, MARK + 1, …: 1589831425 and on */
#define MARKS    4096u
#define KEY_TEXT "s3cr3t-tenant"

/* Everything that the library has said so far. */
static char said[1 << 22];
static size_t n_said;

static inline void say(const void *bytes, size_t n)
{
    ck_assert_uint_le(n_said + n, sizeof said);
    memcpy(said + n_said, bytes, n);
    n_said += n;
}

static inline void say_line(void *user, clkv_log_level level, const char *line)
{
    (void)user, (void)level;
    say(line, strlen(line) + 1);
}

static inline void say_event(void *user, const clkv_cache_event *event)
{
    (void)user;
    say(event, sizeof *event);
    if (event->tokens) say(event->tokens, event->token_count * sizeof *event->tokens);
    if (event->keys) say(event->keys, event->keys_bytes);
}

static inline void say_error(clkv_status status)
{
    ck_assert_int_ne(status, CLKV_OK);
    say_line(NULL, CLKV_LOG_ERROR, clkv_last_error()->message);
}

/* The first mark in what was said, or NULL: a token in decimal or hexadecimal, a key; and, where not everything
 * may stand there by chance (`words`), a token as it lies in memory. */
static inline const char *find_mark(int words)
{
    char digits[3][16]; /* the first five are those of every mark */
    snprintf(digits[0], sizeof digits[0], "%u", MARK);
    snprintf(digits[1], sizeof digits[1], "%x", MARK);
    snprintf(digits[2], sizeof digits[2], "%X", MARK);
    for (size_t i = 0; i + sizeof KEY_TEXT <= n_said; i++) {
        if (!memcmp(said + i, KEY_TEXT, sizeof KEY_TEXT - 1)) return "a key";
        uint32_t word;
        memcpy(&word, said + i, sizeof word);
        const uint32_t turned = __builtin_bswap32(word);
        if (words && (word - MARK < MARKS || turned - MARK < MARKS)) return "a token as it lies in memory";
        for (int k = 0; k < 3; k++)
            if (!memcmp(said + i, digits[k], 5)) return k ? "hexadecimal digits" : "decimal digits";
    }
    return NULL;
}

#endif
