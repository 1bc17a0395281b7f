/* why.h: how the runtime's parts say what went wrong: one line for people in a buffer of the caller's, and −1.
 * The line names the file, the key or tensor, and the reason; no final newline.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_WHY_H
#define CLKV_TOOLS_LLM_WHY_H

#include "../exit.h"

#include <stddef.h>

#define WHY_BYTES   256
#define SHOWN_BYTES TOOL_SHOWN_BYTES

/* Writes the line, cut to WHY_BYTES, and returns −1, so that `return llm_fail(why, …);` does both. */
int llm_fail(char *why, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* The same for a failed call of clkv: "doing: text of the status: message". */
int llm_fail_clkv(char *why, const char *doing);

/* Fails on a big-endian machine: model files are little-endian. */
int llm_check_byte_order(const char *path, char *why);

/* tool_shown, for strings of a model. */
const char *llm_shown(const char *text, size_t bytes, char out[SHOWN_BYTES]);

/* The path, or of a long one its end, so that the reason has room behind it. */
const char *llm_shown_path(const char *path);

#endif
