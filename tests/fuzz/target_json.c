/* target_json.c: text of any bytes on its way into the tools' JSON, which must be read back by a parser, and be
 * UTF-8. Every piece between 0 bytes is a text, and all of the input is one more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "json.h"
#include "llm/unicode.h"

/* Whether a JSON string (without its first quote) says these bytes, '?' for each that is no UTF-8. */
static int says(const char *json, const char *text, size_t bytes)
{
    static const char escapes[] = /* what follows a backslash, and the byte that it means */
        "\"\"\\\\b\bf\fn\nr\rt\t";
    uint32_t taken;
    for (size_t at = 0; at < bytes; at += taken) {
        char want = text[at], got = *json;
        const int broken = llm_utf8_next(text + at, bytes - at, &taken) == 0xfffd && taken == 1;
        if (taken > 1) {
            if (memcmp(json, text + at, taken)) return 0;
            json += taken;
            continue;
        }
        if (broken) want = '?';
        json++;
        if (got == '\\' && *json == 'u') {
            got = (char)strtoul((char[]){json[1], json[2], json[3], json[4], 0}, NULL, 16);
            json += 5;
        } else if (got == '\\') {
            const char *pair = strchr(escapes, *json++);
            FUZZ_CHECK(pair);
            got = pair[1];
        }
        if (got != want) return 0;
    }
    return *json == '"';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text);
    memcpy(text, data, size);
    text[size] = 0;
    cJSON *root = cJSON_CreateArray();
    for (size_t at = 0; at <= size; at += strlen(text + at) + 1) json_text(root, NULL, text + at);
    json_bytes(root, NULL, (const char *)data, size);
    double real = 0;
    if (size >= sizeof real) memcpy(&real, data, sizeof real);
    json_real(root, NULL, real);
    const int n = cJSON_GetArraySize(root);
    out_stream kept = {.fd = -1};
    FUZZ_CHECK(!json_print(root, &kept));
    const char *out = kept.bytes;
    const size_t bytes = kept.n;
    uint32_t taken;
    for (size_t at = 0; at < bytes; at += taken)
        FUZZ_CHECK(llm_utf8_next(out + at, bytes - at, &taken) != 0xfffd || taken == 3);
    cJSON *back = cJSON_ParseWithLength(out, bytes);
    FUZZ_CHECK(cJSON_IsArray(back) && cJSON_GetArraySize(back) == n);
    const cJSON *item = back->child;
    for (size_t at = 0; at <= size; at += strlen(text + at) + 1, item = item->next)
        FUZZ_CHECK(cJSON_IsString(item) && strlen(item->valuestring) == strlen(text + at));
    cJSON_Delete(back);
    cJSON *one = cJSON_CreateArray();
    json_bytes(one, NULL, (const char *)data, size);
    char *alone = cJSON_PrintUnformatted(one);
    FUZZ_CHECK(alone && !memcmp(alone, "[\"", 2) && says(alone + 2, (const char *)data, size));
    cJSON_free(alone);
    cJSON_Delete(one);
    free(kept.bytes);
    free(text);
    return 0;
}
