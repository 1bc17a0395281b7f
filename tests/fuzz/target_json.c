/* target_json.c: text of any bytes on its way into the tools' JSON, which must be read back by a parser, and be
 * UTF-8. A 0 byte ends a text. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "json.h"
#include "llm/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text);
    memcpy(text, data, size);
    text[size] = 0;
    cJSON *root = cJSON_CreateArray();
    for (size_t at = 0; at <= size; at += strlen(text + at) + 1) json_text(root, NULL, text + at);
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
    free(kept.bytes);
    free(text);
    return 0;
}
