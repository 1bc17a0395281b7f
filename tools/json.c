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

/* Bytes of the UTF-8 character at s, 0 when it is none. Overlong forms and surrogates are none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

void json_text(cJSON *to, const char *key, const char *value)
{
    char *copy = strdup(value);
    for (unsigned char *s = (unsigned char *)copy; s && *s;) {
        size_t n = utf8_length(s);
        if (!n) *s = '?';
        s += n ? n : 1;
    }
    json_add(to, key, copy ? cJSON_CreateString(copy) : NULL);
    free(copy);
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
