/* unpack.c: see unpack.h. SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include "os/descriptor.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { READ_BYTES = 64 << 10, GZIP_ONLY = 15 + 16 }; /* the largest window; the header must be gzip's */

struct unpack {
    int fd;
    bool begun, packed; /* its first bytes were looked at; they are gzip's */
    bool inside;        /* a member has begun and not ended */
    bool later;         /* it is not the first one */
    bool at_end;        /* of the file */
    z_stream z;         /* next_in and avail_in: what was read and not yet consumed, of plain files too */
    unsigned char in[READ_BYTES];
};

unpack *unpack_create(int fd)
{
    unpack *u = calloc(1, sizeof *u);
    if (!u) return NULL;
    u->fd = fd;
    u->z.next_in = u->in;
    if (inflateInit2(&u->z, GZIP_ONLY) == Z_OK) return u;
    free(u);
    return NULL;
}

void unpack_destroy(unpack **u)
{
    if (!*u) return;
    inflateEnd(&(*u)->z);
    free(*u);
    *u = NULL;
}

/* Reads more behind what is there. −1 with the reason. */
static int fill(unpack *u, const char **why)
{
    ptrdiff_t got;
    memmove(u->in, u->z.next_in, u->z.avail_in);
    u->z.next_in = u->in;
    do got = clkv_descriptor_read(u->fd, u->in + u->z.avail_in, sizeof u->in - u->z.avail_in, NULL);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        *why = strerror(errno);
        return -1;
    }
    u->z.avail_in += (uInt)got;
    u->at_end = !got;
    return 0;
}

static int begin(unpack *u, const char **why)
{
    while (u->z.avail_in < 2 && !u->at_end)
        if (fill(u, why)) return -1;
    u->packed = u->inside = u->z.avail_in >= 2 && u->in[0] == 0x1f && u->in[1] == 0x8b;
    u->begun = true;
    return 0;
}

static ptrdiff_t read_plain(unpack *u, void *bytes, size_t n, const char **why)
{
    if (!u->z.avail_in && !u->at_end && fill(u, why)) return -1;
    if (n > u->z.avail_in) n = u->z.avail_in;
    memcpy(bytes, u->z.next_in, n);
    u->z.next_in += n;
    u->z.avail_in -= (uInt)n;
    return (ptrdiff_t)n;
}

/* Unpacks what is read into what is free, if there is any of both. */
static int inflate_some(unpack *u, const char **why)
{
    if (!u->inside) { /* more bytes behind a member: they must be another one */
        inflateReset(&u->z);
        u->inside = u->later = true;
    }
    const int status = inflate(&u->z, Z_NO_FLUSH);
    if (status == Z_STREAM_END) u->inside = false;
    if (status == Z_STREAM_END || status == Z_OK || status == Z_BUF_ERROR) return 0;
    if (status == Z_MEM_ERROR) *why = "out of memory";
    else if (u->later && !u->z.total_out) *why = "what follows the end of the gzip data is no gzip data";
    else *why = u->z.msg ? u->z.msg : "the gzip file is damaged";
    return -1;
}

static ptrdiff_t read_packed(unpack *u, void *bytes, size_t n, const char **why)
{
    const uInt room = n < UINT_MAX ? (uInt)n : UINT_MAX;
    u->z.next_out = bytes;
    u->z.avail_out = room;
    while (u->z.avail_out == room) {
        /* Zlib may hold output back although all input is consumed, so the end of the file alone is no end. */
        if (!u->z.avail_in && !u->at_end && fill(u, why)) return -1;
        if (!u->z.avail_in && !u->inside) break;
        const uInt before = u->z.avail_in;
        if (inflate_some(u, why)) return -1;
        if (u->at_end && !before && u->inside && u->z.avail_out == room) {
            *why = "the gzip file is cut off";
            return -1;
        }
    }
    return (ptrdiff_t)(room - u->z.avail_out);
}

ptrdiff_t unpack_read(unpack *u, void *bytes, size_t n, const char **why)
{
    if (!u->begun && begin(u, why)) return -1;
    return u->packed ? read_packed(u, bytes, n, why) : read_plain(u, bytes, n, why);
}
