/* target_trace.c: recorded requests. The low bits of the first byte say how the rest becomes the file: 0 as it is
 * (which may be gzip), 1 packed as gzip, 2 packed and cut short. The upper ones limit the requests read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "trace.h"

#include <zlib.h>

static uint8_t *pack(const uint8_t *data, size_t bytes, size_t *packed)
{
    z_stream z = {0};
    FUZZ_CHECK(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    const uLong room = deflateBound(&z, (uLong)bytes);
    uint8_t *out = malloc(room);
    FUZZ_CHECK(out);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)bytes;
    z.next_out = out;
    z.avail_out = (uInt)room;
    FUZZ_CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    *packed = z.total_out;
    deflateEnd(&z);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const int how = *data & 3;
    const size_t limit = *data >> 2;
    const char *path;
    if (how == 1 || how == 2) {
        size_t bytes;
        uint8_t *file = pack(data + 1, size - 1, &bytes);
        path = fuzz_file(0, file, how == 1 ? bytes : bytes - 1 - limit % bytes);
        free(file);
    } else {
        path = fuzz_file(0, data + 1, size - 1);
    }
    trace t;
    const int code = trace_load(&t, path, limit);
    FUZZ_CHECK(code ? !t.n_requests && !t.requests && !t.ids : t.n_requests > 0);
    FUZZ_CHECK(!limit || t.n_requests <= limit);
    for (size_t i = 0; i < t.n_requests; i++) {
        const trace_request *r = &t.requests[i];
        FUZZ_CHECK(r->input >= 1 && r->input <= TRACE_MAX_LENGTH && r->output <= TRACE_MAX_LENGTH);
        FUZZ_CHECK(r->n_ids == (t.has_ids ? (r->input + TRACE_CHUNK - 1) / TRACE_CHUNK : 0));
        FUZZ_CHECK(r->first_id + r->n_ids <= t.n_ids);
        for (uint32_t k = 0; k < r->n_ids; k++) FUZZ_CHECK(t.ids[r->first_id + k] <= TRACE_MAX_ID);
    }
    trace_free(&t);
    return 0;
}
