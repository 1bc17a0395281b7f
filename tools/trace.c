/* trace.c: see trace.h. A buffer is filled with the unpacked bytes of the file and cut into lines, and each line goes
 * to the parser of the format that the first line decided.
 *
 *   file ──unpack.c──▶ buffer ──lines──▶ first: which format?  ──▶ mooncake_line │ azure_line ──▶ requests, ids
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "exit.h"
#include "os/descriptor.h"
#include "unpack.h"

#include <cJSON.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 256 << 10, MAX_LINE = 64 << 20, MAX_COLUMNS = 64 };

typedef struct reader {
    const char *path; /* for messages */
    int fd;
    unpack *bytes;
    char *buffer;     /* [at, end) is read and not yet consumed; always room for a NUL at end */
    size_t at, end, room;
    bool at_end;
    uint64_t line;    /* number of the last line given out, from 1 */
    int input_column, output_column; /* of the CSV */
    bool is_odd;       /* the row that is being read */
    uint64_t odd_line; /* the first odd row, and why it is; 0 = none is */
    char odd[160];
} reader;

static int fail_line(const reader *r, const char *fmt, ...) TOOLS_PRINTF(2, 3);

static int fail_line(const reader *r, const char *fmt, ...)
{
    char why[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return tool_fail(EXIT_USAGE, "%s:%" PRIu64 ": %s", r->path, r->line, why);
}

static int reader_open(reader *r, const char *path)
{
    bool standard = !strcmp(path, "-");
    *r = (reader){ .path = standard ? "standard input" : path, .room = READ_BYTES };
    r->fd = standard ? CLKV_STDIN : clkv_descriptor_open(path);
    if (r->fd < 0) return tool_fail(EXIT_USAGE, "%s: %s", r->path, strerror(errno));
    r->bytes = unpack_create(r->fd);
    r->buffer = malloc(r->room + 1);
    if (r->bytes && r->buffer) return 0;
    return tool_fail(EXIT_CHECK, "%s: out of memory", r->path);
}

static void reader_close(reader *r)
{
    unpack_destroy(&r->bytes);
    if (r->fd > CLKV_STDIN) clkv_descriptor_close(r->fd);
    free(r->buffer);
}

/* Reads more behind what is there. */
static int reader_fill(reader *r)
{
    if (r->at) {
        memmove(r->buffer, r->buffer + r->at, r->end - r->at);
        r->end -= r->at;
        r->at = 0;
    }
    if (r->end == r->room) {
        if (r->room >= MAX_LINE)
            return tool_fail(EXIT_USAGE, "%s:%" PRIu64 ": the line is longer than %d MiB", r->path, r->line + 1,
                             MAX_LINE >> 20);
        char *buffer = realloc(r->buffer, 2 * r->room + 1);
        if (!buffer) return tool_fail(EXIT_CHECK, "%s: out of memory", r->path);
        r->buffer = buffer;
        r->room *= 2;
    }
    const char *why;
    const ptrdiff_t got = unpack_read(r->bytes, r->buffer + r->end, r->room - r->end, &why);
    if (got < 0) return tool_fail(EXIT_USAGE, "%s: cannot read on after line %" PRIu64 ": %s", r->path, r->line, why);
    r->end += (size_t)got;
    r->at_end = !got;
    return 0;
}

/* The next line, without its end, NUL-terminated; NULL in *line at the end of the file. */
static int reader_line(reader *r, char **line, size_t *n)
{
    size_t looked = 0;
    for (;;) {
        char *start = r->buffer + r->at;
        char *newline = memchr(start + looked, '\n', r->end - r->at - looked);
        if (newline || (r->at_end && r->end > r->at)) {
            char *stop = newline ? newline : r->buffer + r->end;
            r->at = (size_t)(stop - r->buffer) + (newline != NULL);
            r->line++;
            if (stop > start && stop[-1] == '\r') stop--;
            *stop = 0;
            *line = start;
            *n = (size_t)(stop - start);
            return strlen(start) == *n ? 0 : fail_line(r, "a NUL byte in the text");
        }
        if (r->at_end) {
            *line = NULL;
            return 0;
        }
        looked = r->end - r->at;
        int code = reader_fill(r);
        if (code) return code;
    }
}

/* Room for one more request, and for n more ids. */
static int make_room(trace *t, size_t n)
{
    if (t->n_requests == t->requests_room) {
        size_t room = t->requests_room ? 2 * t->requests_room : 1024;
        trace_request *requests = realloc(t->requests, room * sizeof *requests);
        if (!requests) return tool_fail(EXIT_CHECK, "out of memory for the trace");
        t->requests = requests;
        t->requests_room = room;
    }
    if (t->n_ids + n > t->ids_room) {
        size_t room = 2 * t->ids_room > t->n_ids + n ? 2 * t->ids_room : t->n_ids + n;
        uint32_t *ids = realloc(t->ids, room * sizeof *ids);
        if (!ids) return tool_fail(EXIT_CHECK, "out of memory for the trace");
        t->ids = ids;
        t->ids_room = room;
    }
    return 0;
}

/* ---- rows ----
 * A row that follows the format but is no request that could be served is odd: it is skipped and counted. */

/* The row has no value there, or one that no request has. */
static void mark_odd(reader *r, const char *name, const char *value, uint32_t min)
{
    r->is_odd = true;
    if (r->odd_line) return;
    r->odd_line = r->line;
    snprintf(r->odd, sizeof r->odd, "%s is %s, not from %" PRIu32 " to %d", name, value, min, TRACE_MAX_LENGTH);
}

/* What is read of a row becomes a request, if it is not odd. */
static void add_request(const reader *r, trace *t, const trace_request *request)
{
    if (r->is_odd) t->n_skipped++;
    else t->requests[t->n_requests++] = *request;
}

/* A length in [min, TRACE_MAX_LENGTH] out of a member of the line's object. */
static int json_length(reader *r, const cJSON *object, const char *key, uint32_t min, uint32_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item) return fail_line(r, "no \"%s\"", key);
    const double v = cJSON_IsNumber(item) ? item->valuedouble : 0;
    const bool large = v > TRACE_MAX_LENGTH;
    if ((!cJSON_IsNumber(item) && !cJSON_IsNull(item)) || v < 0 || (!large && v != (uint32_t)v))
        return fail_line(r, "\"%s\" is not a whole number from %" PRIu32 " to %d", key, min, TRACE_MAX_LENGTH);
    char shown[32] = "null";
    if (cJSON_IsNumber(item)) snprintf(shown, sizeof shown, "%.15g", v);
    if (cJSON_IsNull(item) || large || v < min) mark_odd(r, key, shown, min);
    else *out = (uint32_t)v;
    return 0;
}

static int mooncake_ids(const reader *r, const cJSON *object, trace *t, trace_request *request)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(object, "hash_ids"), *id;
    if (!cJSON_IsArray(ids)) return fail_line(r, "\"hash_ids\" is missing or no array");
    if (r->is_odd) return 0;
    uint32_t wanted = (request->input + TRACE_CHUNK - 1) / TRACE_CHUNK;
    int n = cJSON_GetArraySize(ids);
    if ((uint32_t)n != wanted)
        return fail_line(r, "%d hash_ids for %" PRIu32 " tokens: one per %d makes %" PRIu32, n, request->input,
                         TRACE_CHUNK, wanted);
    int code = make_room(t, wanted);
    if (code) return code;
    request->first_id = t->n_ids;
    request->n_ids = wanted;
    cJSON_ArrayForEach(id, ids) {
        double v = cJSON_IsNumber(id) ? id->valuedouble : -1;
        if (!(v >= 0 && v <= TRACE_MAX_ID) || v != (uint32_t)v) {
            t->n_ids = request->first_id;
            return fail_line(r, "a hash id is not a whole number from 0 to %d", TRACE_MAX_ID);
        }
        t->ids[t->n_ids++] = (uint32_t)v;
    }
    return 0;
}

static int mooncake_line(reader *r, const char *line, size_t n, trace *t)
{
    trace_request request = { 0 };
    const char *stop = NULL;
    cJSON *object = cJSON_ParseWithLengthOpts(line, n + 1, &stop, 1); /* with its NUL: nothing may follow */
    int code = 0;
    if (!cJSON_IsObject(object)) {
        if (object || !stop) code = fail_line(r, "not a JSON object");
        else code = fail_line(r, "not valid JSON from column %zu on%s", (size_t)(stop - line) + 1,
                              strchr(line, '}') ? "" : ": the line is cut off");
    }
    if (!code) code = json_length(r, object, "input_length", 1, &request.input);
    if (!code) code = json_length(r, object, "output_length", 0, &request.output);
    if (!code) code = mooncake_ids(r, object, t, &request);
    if (!code) add_request(r, t, &request);
    cJSON_Delete(object);
    return code;
}

/* Cuts the line at its commas, in place; returns the number of fields, MAX_COLUMNS + 1 for too many. */
static int cut_fields(char *line, char **fields)
{
    int n = 0;
    for (;;) {
        if (n == MAX_COLUMNS) return n + 1;
        fields[n++] = line;
        char *comma = strchr(line, ',');
        if (!comma) return n;
        *comma = 0;
        line = comma + 1;
    }
}

/* Whether the line is the header of an Azure trace; notes where its columns are. */
static bool azure_header(reader *r, char *line)
{
    char *fields[MAX_COLUMNS];
    r->input_column = r->output_column = -1;
    int n = cut_fields(line, fields);
    for (int i = 0; i < n && i < MAX_COLUMNS; i++) {
        if (!strcmp(fields[i], "ContextTokens")) r->input_column = i;
        if (!strcmp(fields[i], "GeneratedTokens")) r->output_column = i;
    }
    return r->input_column >= 0 && r->output_column >= 0;
}

static int azure_length(reader *r, const char *name, const char *text, uint32_t min, uint32_t *out)
{
    char shown[TOOL_SHOWN_BYTES];
    const size_t n = strlen(text);
    tool_shown(text, n, shown);
    if (strspn(text, "0123456789") != n)
        return fail_line(r, "%s '%s' is not a whole number from %" PRIu32 " to %d", name, shown, min,
                         TRACE_MAX_LENGTH);
    errno = 0;
    const unsigned long long v = strtoull(text, NULL, 10);
    if (!n || errno || v < min || v > TRACE_MAX_LENGTH) mark_odd(r, name, n ? shown : "empty", min);
    else *out = (uint32_t)v;
    return 0;
}

static int azure_line(reader *r, char *line, trace *t)
{
    char *fields[MAX_COLUMNS];
    trace_request request = { 0 };
    int n = cut_fields(line, fields);
    if (n > MAX_COLUMNS || n <= r->input_column || n <= r->output_column)
        return fail_line(r, "%s columns than the header names", n > MAX_COLUMNS ? "more" : "fewer");
    int code = azure_length(r, "ContextTokens", fields[r->input_column], 1, &request.input);
    if (!code) code = azure_length(r, "GeneratedTokens", fields[r->output_column], 0, &request.output);
    if (!code) code = make_room(t, 0);
    if (!code) add_request(r, t, &request);
    return code;
}

static bool is_blank(const char *line)
{
    return !line[strspn(line, " \t")];
}

static int read_all(reader *r, trace *t, size_t limit)
{
    char *line;
    size_t n;
    bool begun = false;
    while (!limit || t->n_requests < limit) {
        int code = reader_line(r, &line, &n);
        if (code) return code;
        if (!line) break;
        if (r->line == 1 && !strncmp(line, "\xef\xbb\xbf", 3)) { /* a byte order mark */
            line += 3;
            n -= 3;
        }
        if (is_blank(line)) continue;
        if (!begun) {
            begun = true;
            t->has_ids = line[strspn(line, " \t")] == '{';
            if (!t->has_ids) {
                if (azure_header(r, line)) continue;
                return fail_line(r, "neither a Mooncake trace (JSON objects) nor an Azure trace "
                                    "(a CSV header with ContextTokens and GeneratedTokens)");
            }
        }
        r->is_odd = false;
        code = t->has_ids ? mooncake_line(r, line, n, t) : azure_line(r, line, t);
        if (code) return code;
    }
    if (t->n_skipped && t->n_requests)
        tool_note("%s: %" PRIu64 " %s skipped; the first in line %" PRIu64 ": %s", r->path, t->n_skipped,
                  t->n_skipped == 1 ? "row" : "rows", r->odd_line, r->odd);
    if (t->n_requests) return 0;
    if (t->n_skipped)
        return tool_fail(EXIT_USAGE, "%s:%" PRIu64 ": %s; and no other row is a request", r->path, r->odd_line, r->odd);
    return tool_fail(EXIT_USAGE, "%s: %s", r->path, begun ? "no requests after the header" : "the file is empty");
}

int trace_load(trace *out, const char *path, size_t limit)
{
    reader r;
    *out = (trace){ 0 };
    int code = reader_open(&r, path);
    if (!code) code = read_all(&r, out, limit);
    reader_close(&r);
    if (code) trace_free(out);
    return code;
}

void trace_free(trace *t)
{
    free(t->requests);
    free(t->ids);
    *t = (trace){ 0 };
}
