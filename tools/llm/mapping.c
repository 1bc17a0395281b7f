/* mapping.c: see mapping.h. SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include "why.h"

int llm_mapping_open(clkv_mapping *out, const char *path, char *why)
{
    char reason[CLKV_OS_WHY];
    const char *shown = llm_shown_path(path);
    if (llm_check_byte_order(path, why)) return -1;
    if (clkv_mapping_open(out, path, reason))
        return llm_fail(why, "%s: %s", shown, *reason ? reason : "not an ordinary file");
    return out->data ? 0 : llm_fail(why, "%s: the file is empty", shown);
}
