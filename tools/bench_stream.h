/* bench_stream.h: what a device can do at best, measured by plain kernels of the tool's own: read bandwidth
 * and the fp32 multiply-add rate. Several kernels are tried at the start (vector width, accumulators, runs
 * per work-item, prefetch); the fastest is then measured, so that the figure is no easy one to beat.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_BENCH_STREAM_H
#define CLKV_TOOLS_BENCH_STREAM_H

#include <clkv/device.h>

typedef struct bench_stream bench_stream;

/* Makes a buffer of `bytes` (rounded up to whole MiB; no more than one allocation can be) and picks the
 * kernels, which takes a second or so. NULL: a message was printed. */
bench_stream *bench_stream_create(clkv_device *device, uint64_t bytes);
void bench_stream_destroy(bench_stream **stream);

/* One measurement each, in 10^9 bytes and 10^9 operations (an fma is two) a second; negative: an OpenCL call
 * failed. They wait until the queue is done. */
double bench_stream_read(bench_stream *stream);
double bench_stream_fma(bench_stream *stream);

/* Which kernels won; static storage of the stream. */
const char *bench_stream_read_name(const bench_stream *stream);
const char *bench_stream_fma_name(const bench_stream *stream);

#endif
