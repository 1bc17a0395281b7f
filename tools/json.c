/* json.c: see json.h. SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "exit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_add(cJSON *to, const char *key, cJSON *item)
{
    if (to && item && (key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item))) return;
    cJSON_Delete(item);
}

void json_u64(cJSON *to, const char *key, uint64_t value)
{
    char text[24]; /* cJSON's own numbers are doubles */
    snprintf(text, sizeof text, "%" PRIu64, value);
    json_add(to, key, cJSON_CreateRaw(text));
}

void json_real(cJSON *to, const char *key, double value)
{
    json_add(to, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void json_bool(cJSON *to, const char *key, int value)
{
    json_add(to, key, cJSON_CreateBool(value));
}

void json_null(cJSON *to, const char *key)
{
    json_add(to, key, cJSON_CreateNull());
}

/* Bytes of the UTF-8 character at s, of which `left` ≥ 1 bytes are there; 0 when it is none. Overlong forms and
 * surrogates are none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

/* Writes one byte below 128 as it stands in a JSON string; returns how many bytes that takes, at most 6. */
static size_t escape(unsigned char c, char *to)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: a byte, and what follows the backslash */
    for (size_t i = 0; i + 1 < sizeof letters; i += 2)
        if (c == (unsigned char)letters[i]) {
            to[0] = '\\';
            to[1] = letters[i + 1];
            return 2;
        }
    if (c < 32) return (size_t)snprintf(to, 7, "\\u%04x", c);
    *to = (char)c;
    return 1;
}

/* The text as a JSON string with its quotes. cJSON's own strings end at a 0 byte, so this does not use them. */
static char *quote(const char *text, size_t bytes)
{
    /* two quotes, 6 bytes at most for each, and a 0, which an escape may also write behind itself */
    char *out = bytes < SIZE_MAX / 6 - 8 ? malloc(6 * bytes + 8) : NULL;
    size_t at = 0;
    if (!out) return NULL;
    out[at++] = '"';
    for (size_t i = 0; i < bytes;) {
        const unsigned char *s = (const unsigned char *)text + i;
        const size_t n = utf8_length(s, bytes - i);
        if (n > 1) memcpy(out + at, s, n);
        at += n > 1 ? n : escape(n ? *s : '?', out + at);
        i += n ? n : 1;
    }
    out[at++] = '"';
    out[at] = 0;
    return out;
}

void json_bytes(cJSON *to, const char *key, const char *text, size_t bytes)
{
    char *quoted = quote(text, bytes);
    json_add(to, key, quoted ? cJSON_CreateRaw(quoted) : NULL);
    free(quoted);
}

void json_text(cJSON *to, const char *key, const char *text)
{
    json_bytes(to, key, text, strlen(text));
}

int json_print(cJSON *root, out_stream *out)
{
    char *text = root ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) return tool_fail(EXIT_CHECK, "out of memory for the JSON output");
    output_printf(out, "%s\n", text);
    free(text);
    return tool_flush(out);
}
