/* slab.c: the cl_mem objects that hold the blocks. On CPU devices they wrap host memory that clkv maps, so that the
 * pool gets 2 MiB pages; on other devices, and where the driver does not report that it has destroyed a buffer, the driver
 * allocates. SPDX-License-Identifier: Apache-2.0 */
#include "device/slab.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/device.h"
#include "os/machine.h"
#include "device/process.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t clkv_slabs_limit(const clkv_device *device)
{
    const clkv_device_info *info = &device->facts.info;
    /* On a CPU device clkv allocates the slabs itself, and the driver's figure for global memory is a guess: pocl has
     * said 3.4 GiB on a machine with 23. */
    const uint64_t limit = info->kind == CLKV_DEVICE_CPU ? clkv_machine_available() : info->global_bytes;
    const uint64_t each = clkv_quirks_max_alloc(device->quirks, info);
    return each > limit / CLKV_POOL_SLABS ? limit : each * CLKV_POOL_SLABS;
}

/* Computes the number of slabs and of blocks in each, so that all have the same size and as little memory as possible
 * is unused. */
clkv_status clkv_slabs_divide(clkv_slabs *out, const clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes)
{
    *out = (clkv_slabs){0};
    if (blocks == 0 || block_bytes == 0)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks of %llu bytes", (unsigned)blocks,
                         (unsigned long long)block_bytes);
    uint64_t max = clkv_quirks_max_alloc(device->quirks, &device->facts.info);
    if (max_slab_bytes) max = least(max, max_slab_bytes);
    if (device->facts.info.address_bits < 64) max = least(max, UINT32_MAX);
    const uint64_t fit = least(max / block_bytes, blocks);
    if (fit == 0)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "a block of %llu bytes does not fit a slab of %llu",
                         (unsigned long long)block_bytes, (unsigned long long)max);
    const uint64_t n = (blocks + fit - 1) / fit;
    if (n > CLKV_POOL_SLABS)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED,
                         "%u blocks of %llu bytes need %llu slabs of at most %llu bytes, "
                         "more than %d",
                         (unsigned)blocks, (unsigned long long)block_bytes, (unsigned long long)n,
                         (unsigned long long)max, CLKV_POOL_SLABS);
    out->blocks_per_slab = (uint32_t)((blocks + n - 1) / n);
    out->blocks = blocks;
    out->block_bytes = block_bytes;
    out->slab_bytes = out->blocks_per_slab * block_bytes;
    out->n = (uint32_t)((blocks + out->blocks_per_slab - 1) / out->blocks_per_slab);
    out->args = 1;
    while (out->args < out->n) out->args *= 2;

    const uint64_t limit = clkv_slabs_limit(device);
    if (out->slab_bytes > limit / out->n)
        return CLKV_FAIL(CLKV_ERROR_DEVICE_MEMORY, "%u slabs of %llu bytes; the device has %llu for them",
                         (unsigned)out->n, (unsigned long long)out->slab_bytes, (unsigned long long)limit);
    return CLKV_OK;
}

uint64_t clkv_slabs_size(const clkv_slabs *slabs, uint32_t i)
{
    return i + 1 < slabs->n ? slabs->slab_bytes : (slabs->blocks - (uint64_t)i * slabs->blocks_per_slab) * slabs->block_bytes;
}

/* The host memory of a slab. It is unmapped when the driver destroys the buffer: if waiting for the queue has failed,
 * commands may still use the memory after clkv has released the buffer. This record has a page of its own, since it
 * can outlive the cache and the allocator. */
typedef struct backing {
    void *host;
    size_t bytes;
} backing;

static void CL_CALLBACK unmap_backing(cl_mem mem, void *user)
{
    (void)mem;
    const backing b = *(backing *)user;
    clkv_unmap(b.host, b.bytes);
    clkv_unmap(user, sizeof b);
}

/* INVALID_OPERATION, which OpenCL does not have for this call, comes from a driver that does not have the call (wine's). */
static clkv_status hand_over(clkv_slabs *slabs, uint32_t i, int *refused)
{
    backing *b = clkv_map(sizeof *b);
    if (!b) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *b);
    *b = (backing){slabs->host[i], (size_t)clkv_slabs_size(slabs, i)};
    const cl_int err = clSetMemObjectDestructorCallback(slabs->mem[i], unmap_backing, b);
    if (err == CL_SUCCESS) {
        slabs->driver_frees |= UINT32_C(1) << i;
        return CLKV_OK;
    }
    clkv_unmap(b, sizeof *b);
    *refused = err == CL_INVALID_OPERATION;
    if (*refused) return CLKV_OK;
    return CLKV_FAIL_DRIVER(err, "clSetMemObjectDestructorCallback", "slab %u of %u", (unsigned)i, (unsigned)slabs->n);
}

static clkv_status create_buffer(clkv_slabs *slabs, uint32_t i, const clkv_device *device)
{
    const size_t bytes = (size_t)clkv_slabs_size(slabs, i);
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (slabs->host[i] ? CL_MEM_USE_HOST_PTR : 0);
    cl_int err = CL_SUCCESS;
    slabs->mem[i] = clCreateBuffer(device->context, flags, bytes, slabs->host[i], &err);
    if (err == CL_SUCCESS) return CLKV_OK;
    slabs->mem[i] = NULL;
    return CLKV_FAIL_DRIVER(err, "clCreateBuffer", "slab %u of %u: %zu bytes", (unsigned)i, (unsigned)slabs->n, bytes);
}

static clkv_status make_slab_in_place(clkv_slabs *slabs, uint32_t i, const clkv_device *device, int *refused)
{
    slabs->host[i] = clkv_map((size_t)clkv_slabs_size(slabs, i));
    if (!slabs->host[i])
        return CLKV_FAIL(CLKV_ERROR_DEVICE_MEMORY, "slab %u of %u: no address space for %zu bytes", (unsigned)i,
                         (unsigned)slabs->n, (size_t)clkv_slabs_size(slabs, i));
    clkv_status st = create_buffer(slabs, i, device);
    if (!st) st = hand_over(slabs, i, refused);
    if (st || !*refused) return st;
    /* Without the callback clkv cannot know when the driver has done with the memory. No command has used it yet. */
    clReleaseMemObject(slabs->mem[i]);
    slabs->mem[i] = NULL;
    clkv_unmap(slabs->host[i], (size_t)clkv_slabs_size(slabs, i));
    slabs->host[i] = NULL;
    return CLKV_OK;
}

static clkv_status make_slab(clkv_slabs *slabs, uint32_t i, const clkv_device *device, int *by_driver)
{
    *by_driver = device->facts.info.kind != CLKV_DEVICE_CPU;
    if (!*by_driver) {
        const clkv_status st = make_slab_in_place(slabs, i, device, by_driver);
        if (st || !*by_driver) return st;
    }
    return create_buffer(slabs, i, device);
}

/* Many drivers allocate at the first use, and would fail in the middle of a step: use the buffer now. */
static clkv_status use_first(const clkv_slabs *slabs, uint32_t i, const clkv_device *device)
{
    const uint8_t zero = 0;
    const cl_int err = clEnqueueWriteBuffer(device->queue, slabs->mem[i], CL_TRUE, 0, sizeof zero, &zero, 0, NULL, NULL);
    if (err != CL_SUCCESS)
        return CLKV_FAIL_DRIVER(err, "clEnqueueWriteBuffer", "first use of slab %u of %u: %zu bytes", (unsigned)i,
                                (unsigned)slabs->n, (size_t)clkv_slabs_size(slabs, i));
    return CLKV_OK;
}

static int is_open(const clkv_slabs *slabs, uint32_t i)
{
    return (int)(slabs->open >> i & 1);
}

/* Puts an open slab where there is none. */
static void fill_places(clkv_slabs *slabs)
{
    const cl_mem some = slabs->open ? slabs->mem[__builtin_ctz(slabs->open)] : NULL;
    for (uint32_t i = 0; i < slabs->args; i++)
        if (!is_open(slabs, i)) slabs->mem[i] = some;
}

/* Frees what a slab has, also if it is half made. */
static void free_slab(clkv_slabs *slabs, uint32_t i)
{
    const int forked = clkv_process_forked(); /* then the driver does not run in this process, and frees nothing */
    if (slabs->mem[i] && !forked) clReleaseMemObject(slabs->mem[i]);
    if (forked || !(slabs->driver_frees >> i & 1)) clkv_unmap(slabs->host[i], (size_t)clkv_slabs_size(slabs, i));
    slabs->mem[i] = NULL;
    slabs->host[i] = NULL;
    slabs->driver_frees &= ~(UINT32_C(1) << i);
    slabs->open &= ~(UINT32_C(1) << i);
}

clkv_status clkv_slabs_create(clkv_slabs *slabs, clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes, uint32_t n_open)
{
    *slabs = (clkv_slabs){0};
    clkv_slabs s;
    clkv_status st = clkv_slabs_divide(&s, device, blocks, block_bytes, max_slab_bytes);
    for (uint32_t i = 0; !st && i < s.n && i < n_open; i++) {
        int by_driver = 0;
        s.open |= UINT32_C(1) << i;
        st = make_slab(&s, i, device, &by_driver);
        if (!st && by_driver) st = use_first(&s, i, device);
    }
    if (st) {
        clkv_slabs_destroy(&s);
        return st;
    }
    fill_places(&s);
    *slabs = s;
    return CLKV_OK;
}

clkv_status clkv_slabs_open(clkv_slabs *slabs, uint32_t i, clkv_stream *stream)
{
    int by_driver = 0;
    slabs->mem[i] = NULL; /* another slab was in this place */
    clkv_status st = make_slab(slabs, i, stream->device, &by_driver);
    if (!st && by_driver) st = clkv_stream_fill(stream, slabs->mem[i], 0, 1);
    if (st) {
        free_slab(slabs, i);
    } else {
        slabs->open |= UINT32_C(1) << i;
    }
    fill_places(slabs);
    return st;
}

void clkv_slabs_close(clkv_slabs *slabs, uint32_t i)
{
    free_slab(slabs, i);
    fill_places(slabs);
}

void clkv_slabs_destroy(clkv_slabs *slabs)
{
    for (uint32_t i = 0; i < slabs->n; i++)
        if (is_open(slabs, i)) free_slab(slabs, i);
    *slabs = (clkv_slabs){0};
}

uint64_t clkv_slabs_bytes(const clkv_slabs *slabs)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < slabs->n; i++)
        if (is_open(slabs, i)) bytes += clkv_slabs_size(slabs, i);
    return bytes;
}
