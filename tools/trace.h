/* trace.h: recorded requests to an LLM server, read from a file.
 *
 * Two formats, told apart by what is in the file and not by its name; both plain or gzipped:
 *   Mooncake   JSON lines: {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, …]}
 *              one id per 512 tokens of the prompt, the last may stand for fewer; an id names its whole
 *              prefix, so equal ids at the start of two prompts are equal tokens
 *   Azure      CSV with a header line: TIMESTAMP,ContextTokens,GeneratedTokens (in any order, more columns
 *              are ignored); nothing is known of the prompts but their length
 *
 * Requests are kept in the order of the file; times of arrival are not. A row that follows the format but is no request
 * (0 tokens of context, more than TRACE_MAX_LENGTH, no value) is skipped and counted; what does not follow the format
 * is an error. docs/formats.md has the details. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_TRACE_H
#define CLKV_TOOLS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_CHUNK = 512,            /* tokens per hash id */
    TRACE_MAX_LENGTH = 1 << 24,   /* tokens of a prompt, or of an answer */
    TRACE_MAX_ID = (1 << 22) - 1, /* of a hash id: token ids are id × 512 + offset and stay below 2^31 */
};

typedef struct trace_request {
    uint32_t input, output; /* tokens; input ≥ 1, output may be 0 */
    size_t first_id;        /* its hash ids are trace.ids[first_id … first_id + n_ids) */
    uint32_t n_ids;         /* ceil(input / 512), or 0 where the format has none */
} trace_request;

typedef struct trace {
    trace_request *requests;
    size_t n_requests;
    uint64_t n_skipped;     /* rows that are no requests */
    uint32_t *ids;
    size_t n_ids;
    bool has_ids;           /* Mooncake */
    size_t requests_room, ids_room;
} trace;

/* Reads the first `limit` requests (0 = all) of the file at `path`; "-" is standard input. Returns 0, or
 * the code to exit with after a message with file, line and reason; *out is empty then. A file without any
 * request is an error. Prints a note when rows were skipped. */
int trace_load(trace *out, const char *path, size_t limit);

void trace_free(trace *t);

#endif
