/* json.h: JSON out, a thin layer over cJSON that loses no digits and writes no invalid text.
 *
 * Whole numbers up to 2^64 − 1 are written in full; doubles with as many digits as they need; NaN and the
 * infinities, which JSON cannot write, as null. Text may hold any bytes: a 0 byte is written as \u0000, and a byte
 * that is not UTF-8 (a file's name may be anything) as '?'. Adding to NULL is fine and adds nothing; json_print
 * reports it in the end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_JSON_H
#define CLKV_TOOLS_JSON_H

#include "output.h"

#include <cJSON.h>

#include <stdint.h>

/* To an object under `key`, or to an array when key is NULL. */
void json_u64(cJSON *to, const char *key, uint64_t value);
void json_real(cJSON *to, const char *key, double value);
void json_bytes(cJSON *to, const char *key, const char *text, size_t bytes); /* a text that may hold 0 bytes */
void json_text(cJSON *to, const char *key, const char *text);                /* one that ends at its first */
void json_bool(cJSON *to, const char *key, int value);
void json_null(cJSON *to, const char *key);
void json_add(cJSON *to, const char *key, cJSON *item); /* takes the item over */

/* Prints, ends the line, flushes, and deletes `root`. 0, or the code to exit with, as of tool_flush; or without memory,
 * after a message. */
int json_print(cJSON *root, out_stream *out);

#endif
