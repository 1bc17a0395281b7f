/* facts.c: all queries about one device. SPDX-License-Identifier: Apache-2.0 */
#include "device/facts.h"

#include "core/error.h"
#include "core/memory.h"
#include "os/machine.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* Constants that are newer than the 1.2 headers with which the library is compiled. */
#define DEVICE_IL_VERSION         0x105B
#define DEVICE_MAX_NUM_SUB_GROUPS 0x105C
#define DEVICE_SUB_GROUP_SIZES    0x4108 /* cl_intel_required_subgroup_size */

/* A string of any length: platform versions of more than 100 bytes exist. */
typedef struct text {
    char *bytes;
    size_t size; /* with the NUL */
} text;

static void text_free(text *t)
{
    clkv_free(t->bytes, t->size);
    t->bytes = NULL;
    t->size = 0;
}

static clkv_status ask_text(text *out, cl_platform_id platform, cl_device_id id, cl_uint what, const char *name)
{
    const char *call = id ? "clGetDeviceInfo" : "clGetPlatformInfo";
    size_t size = 0;
    cl_int err = id ? clGetDeviceInfo(id, what, 0, NULL, &size) : clGetPlatformInfo(platform, what, 0, NULL, &size);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, call, "size of %s", name);
    text t = {.bytes = clkv_alloc(size + 1), .size = size + 1};
    if (!t.bytes) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes for %s", size + 1, name);
    err = id ? clGetDeviceInfo(id, what, size, t.bytes, NULL)
             : clGetPlatformInfo(platform, what, size, t.bytes, NULL);
    if (err != CL_SUCCESS) {
        text_free(&t);
        return CLKV_FAIL_DRIVER(err, call, "%s", name);
    }
    *out = t;
    return CLKV_OK;
}

/* Copies a string, cut to fit, without the blanks that some drivers put around names. */
static void copy_trimmed(char *out, size_t size, const char *in)
{
    while (*in == ' ' || *in == '\t') in++;
    size_t n = strlen(in);
    while (n && (in[n - 1] == ' ' || in[n - 1] == '\t' || in[n - 1] == '\n')) n--;
    if (n >= size) n = size - 1;
    memcpy(out, in, n);
    out[n] = 0;
}

/* Fills a fixed-size copy of a string, and adds the whole string to the identity if there is one. */
static clkv_status fact_text(char *out, size_t size, XXH3_state_t *identity, cl_platform_id platform,
                             cl_device_id id, cl_uint what, const char *name)
{
    text t = {0};
    clkv_status st = ask_text(&t, platform, id, what, name);
    if (st) return st;
    copy_trimmed(out, size, t.bytes);
    if (identity) XXH3_128bits_update(identity, t.bytes, strlen(t.bytes) + 1);
    text_free(&t);
    return CLKV_OK;
}

static clkv_status query_names(clkv_facts *f, XXH3_state_t *identity)
{
    clkv_device_info *i = &f->info;
    struct {
        char *out;
        size_t size;
        int identifies, of_platform;
        cl_uint what;
        const char *name;
    } names[] = {
        {i->platform, sizeof i->platform, 1, 1, CL_PLATFORM_NAME, "CL_PLATFORM_NAME"},
        {i->platform_version, sizeof i->platform_version, 1, 1, CL_PLATFORM_VERSION, "CL_PLATFORM_VERSION"},
        {i->name, sizeof i->name, 1, 0, CL_DEVICE_NAME, "CL_DEVICE_NAME"},
        {i->vendor, sizeof i->vendor, 0, 0, CL_DEVICE_VENDOR, "CL_DEVICE_VENDOR"},
        {i->driver_version, sizeof i->driver_version, 1, 0, CL_DRIVER_VERSION, "CL_DRIVER_VERSION"},
        {i->c_version, sizeof i->c_version, 0, 0, CL_DEVICE_OPENCL_C_VERSION, "CL_DEVICE_OPENCL_C_VERSION"},
    };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        clkv_status st = fact_text(names[k].out, names[k].size, names[k].identifies ? identity : NULL, f->platform,
                                   names[k].of_platform ? NULL : f->id, names[k].what, names[k].name);
        if (st) return st;
    }
    char version[64];
    clkv_status st =
        fact_text(version, sizeof version, identity, f->platform, f->id, CL_DEVICE_VERSION, "CL_DEVICE_VERSION");
    if (st) return st;
    unsigned major = 0, minor = 0;
    if (sscanf(version, "OpenCL %u.%u", &major, &minor) != 2)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s: version \"%s\" is not of the form OpenCL x.y", i->name,
                         version);
    i->version = major * 100 + minor * 10;
    return CLKV_OK;
}

/* Whether `word` is one of the space-separated words of `list`. */
static int has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = strstr(list, word); p; p = strstr(p + n, word))
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0)) return 1;
    return 0;
}

/* 0 when the driver has no answer: only speed depends on it. */
static uint32_t min_sub_group(cl_device_id id)
{
    size_t sizes[16] = {0}, bytes = 0;
    uint32_t min = 0;
    if (clGetDeviceInfo(id, DEVICE_SUB_GROUP_SIZES, sizeof sizes, sizes, &bytes) != CL_SUCCESS) return 0;
    for (size_t k = 0; k < bytes / sizeof *sizes; k++)
        if (sizes[k] && (!min || sizes[k] < min)) min = (uint32_t)sizes[k];
    return min;
}

static clkv_status query_extensions(clkv_facts *f)
{
    text t = {0};
    clkv_status st = ask_text(&t, f->platform, f->id, CL_DEVICE_EXTENSIONS, "CL_DEVICE_EXTENSIONS");
    if (st) return st;
    clkv_device_info *i = &f->info;
    i->has_fp16 = has_word(t.bytes, "cl_khr_fp16");
    i->has_fp64 = has_word(t.bytes, "cl_khr_fp64");
    i->has_subgroups = has_word(t.bytes, "cl_khr_subgroups") || has_word(t.bytes, "cl_intel_subgroups");
    i->has_il = has_word(t.bytes, "cl_khr_il_program");
    if (has_word(t.bytes, "cl_intel_required_subgroup_size")) f->min_sub_group = min_sub_group(f->id);
    text_free(&t);

    if (i->version >= 210 && !i->has_il) {
        size_t size = 0;
        cl_int err = clGetDeviceInfo(f->id, DEVICE_IL_VERSION, 0, NULL, &size);
        i->has_il = err == CL_SUCCESS && size > 1;
    }
    if (i->version >= 210) {
        /* Subgroups are core in 2.1 and optional again in 3.0, where a device without them reports 0. */
        cl_uint n = 0;
        cl_int err = clGetDeviceInfo(f->id, DEVICE_MAX_NUM_SUB_GROUPS, sizeof n, &n, NULL);
        if (err == CL_SUCCESS) i->has_subgroups = n > 0;
    }
    return CLKV_OK;
}

#define ASK(what, var)                                                                                             \
    do {                                                                                                           \
        cl_int err_ = clGetDeviceInfo(f->id, (what), sizeof(var), &(var), NULL);                                   \
        if (err_ != CL_SUCCESS) return CLKV_FAIL_DRIVER(err_, "clGetDeviceInfo", #what " of %s", i->name);         \
    } while (0)

static clkv_status query_numbers(clkv_facts *f)
{
    clkv_device_info *i = &f->info;
    cl_device_type type = 0;
    cl_bool unified = CL_FALSE, available = CL_FALSE, compiler = CL_FALSE, little = CL_FALSE;
    cl_uint units = 0, clock = 0, bits = 0, align = 0;
    cl_ulong global = 0, alloc = 0, local = 0;
    size_t group = 0, parameter = 0, items[3] = {0};
    cl_uint dimensions = 0;

    ASK(CL_DEVICE_AVAILABLE, available);
    ASK(CL_DEVICE_COMPILER_AVAILABLE, compiler);
    ASK(CL_DEVICE_ENDIAN_LITTLE, little);
    if (!available) return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s says that it is not available", i->name);
    if (!compiler) return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s has no compiler", i->name);
    if (!little) return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s is big-endian", i->name);

    ASK(CL_DEVICE_TYPE, type);
    ASK(CL_DEVICE_HOST_UNIFIED_MEMORY, unified);
    ASK(CL_DEVICE_MAX_COMPUTE_UNITS, units);
    ASK(CL_DEVICE_MAX_CLOCK_FREQUENCY, clock);
    ASK(CL_DEVICE_ADDRESS_BITS, bits);
    ASK(CL_DEVICE_MEM_BASE_ADDR_ALIGN, align);
    ASK(CL_DEVICE_GLOBAL_MEM_SIZE, global);
    ASK(CL_DEVICE_MAX_MEM_ALLOC_SIZE, alloc);
    ASK(CL_DEVICE_LOCAL_MEM_SIZE, local);
    ASK(CL_DEVICE_MAX_WORK_GROUP_SIZE, group);
    ASK(CL_DEVICE_MAX_PARAMETER_SIZE, parameter);
    ASK(CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, dimensions);
    if (dimensions <= 3) {
        ASK(CL_DEVICE_MAX_WORK_ITEM_SIZES, items);
        if (items[0] < group) group = items[0]; /* every launch here has one dimension */
    }

    i->kind = CLKV_DEVICE_ACCELERATOR;
    if (type & CL_DEVICE_TYPE_CPU) i->kind = CLKV_DEVICE_CPU;
    if (type & CL_DEVICE_TYPE_GPU) i->kind = unified ? CLKV_DEVICE_GPU_INTEGRATED : CLKV_DEVICE_GPU_DISCRETE;
    i->unified_memory = unified != CL_FALSE;
    i->compute_units = units ? units : 1;
    i->clock_mhz = clock;
    i->address_bits = bits;
    i->base_align_bytes = align / 8;
    i->global_bytes = global;
    i->max_alloc_bytes = alloc;
    i->local_bytes = local;
    i->max_work_group = group ? group : 1;
    i->max_parameter_bytes = (uint32_t)parameter;
    if (i->kind == CLKV_DEVICE_CPU) {
        f->l1_bytes = clkv_machine_cache_bytes(1);
        f->l2_bytes = clkv_machine_cache_bytes(2);
        f->vector_floats = clkv_machine_vector_floats();
    }
    return CLKV_OK;
}

clkv_status clkv_facts_query(clkv_facts *out, cl_platform_id platform, cl_device_id id)
{
    XXH3_state_t *identity = XXH3_createState();
    if (!identity) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "hash state");
    XXH3_128bits_reset(identity);

    clkv_facts f = {.platform = platform, .id = id};
    f.info.size = sizeof f.info;
    clkv_status st = query_names(&f, identity);
    XXH3_128bits_update(identity, clkv_machine_name(), strlen(clkv_machine_name()) + 1);
    if (!st && clkv_machine_is_big_endian())
        st = CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s: this machine is big-endian, where clkv uses no devices", f.info.name);
    if (!st && f.info.version < 120)
        st = CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s has OpenCL %u.%u, below 1.2", f.info.name,
                       (unsigned)(f.info.version / 100), (unsigned)(f.info.version / 10 % 10));
    if (!st) st = query_numbers(&f);
    if (!st) st = query_extensions(&f);
    if (!st) {
        XXH128_hash_t h = XXH3_128bits_digest(identity);
        f.identity[0] = h.low64;
        f.identity[1] = h.high64;
        *out = f;
    }
    XXH3_freeState(identity);
    return st;
}
