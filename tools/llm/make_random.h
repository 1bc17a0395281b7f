/* make_random.h: GGUF files of real shapes with random weights, for measuring speed where the real ones cannot be
 * had: as many bytes and operations as a trained model, and text without sense.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_MAKE_RANDOM_H
#define CLKV_TOOLS_LLM_MAKE_RANDOM_H

#include "model.h"

/* The shapes' names, for messages: "1M, 100M, …". */
const char *llm_random_shapes(void);

/* Writes a file of that shape, matrices as LLM_F16 or LLM_Q8_0 and vectors as floats; the same seed gives the same
 * bytes. A file at `path` is replaced once the new file is complete. A device, pipe or folder is not replaced: that
 * is a failure. On failure nothing is left behind. Returns 0, or −1 and the reason in `why`. */
int llm_make_random(const char *path, const char *shape, llm_type type, uint64_t seed, char *why);

#endif
