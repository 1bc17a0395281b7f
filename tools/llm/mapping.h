/* mapping.h: a model's file, mapped read-only. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_MAPPING_H
#define CLKV_TOOLS_LLM_MAPPING_H

#include "os/mapping.h"

/* Fails for what is not an ordinary file, for an empty one, and on a big-endian machine: the formats are little-endian. */
int llm_mapping_open(clkv_mapping *out, const char *path, char *why);

#endif
