/* mapping.h: a whole file, mapped read-only: a large or sparse one costs nothing until it is read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_MAPPING_H
#define CLKV_TOOLS_LLM_MAPPING_H

#include "model.h"

/* Fails for what is not an ordinary file, and for an empty one. */
int llm_mapping_open(llm_mapping *out, const char *path, char *why);

/* Takes a mapping that was never opened (all 0), or is closed already. */
void llm_mapping_close(llm_mapping *m);

#endif
