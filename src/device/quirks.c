/* quirks.c: the table of workarounds. A row says when the workaround is in force, its reason, and a link to its
 * documentation. quirks.h says what it does; the code that does it calls clkv_device_has.
 * SPDX-License-Identifier: Apache-2.0 */
#include "device/quirks.h"

#include "core/error.h"
#include "os/environment.h"

#include <string.h>

static int is_apple(const clkv_facts *facts)
{
    return strcmp(facts->info.platform, "Apple") == 0;
}

static int is_apple_gpu(const clkv_facts *facts)
{
    return is_apple(facts) && facts->info.kind != CLKV_DEVICE_CPU;
}

static int is_intel_gpu(const clkv_facts *facts)
{
    return strncmp(facts->info.platform, "Intel(R) OpenCL", 15) == 0 && facts->info.kind != CLKV_DEVICE_CPU;
}

static int can_narrow(const clkv_facts *facts)
{
    return is_intel_gpu(facts) && facts->min_sub_group > 0;
}

static int is_pocl(const clkv_facts *facts)
{
    return strcmp(facts->info.platform, "Portable Computing Language") == 0;
}

static int is_rusticl(const clkv_facts *facts)
{
    return strcmp(facts->info.platform, "rusticl") == 0;
}

static int is_llvmpipe(const clkv_facts *facts)
{
    return is_rusticl(facts) && strncmp(facts->info.name, "llvmpipe", 8) == 0;
}

static int is_oclgrind(const clkv_facts *facts)
{
    return strcmp(facts->info.platform, "Oclgrind") == 0;
}

static const struct {
    const char *name;
    int (*match)(const clkv_facts *facts);
    const char *reason, *link;
} table[CLKV_QUIRKS] = {
    [CLKV_QUIRK_APPLE_LARGE_BUFFERS] = { "apple-large-buffers", is_apple,
        "buffers of 2 GiB and more read and write wrong places: slabs stay below 2 GiB",
        "docs/devices.md#apple-large-buffers" },
    [CLKV_QUIRK_APPLE_SLOW_LAUNCH] = { "apple-slow-launch", is_apple_gpu,
        "a launch is reported to take as long as reading megabytes: contexts of up to 512 tokens are not split, which saves "
        "the launch that merges the parts",
        "docs/devices.md#apple-slow-launch" },
    [CLKV_QUIRK_INTEL_LARGE_BUFFERS] = { "intel-large-buffers", is_intel_gpu,
        "a buffer above 4 GiB is addressed right only with an Intel allocation flag and an Intel build option "
        "together: slabs stay below 4 GiB",
        "https://github.com/intel/compute-runtime/blob/master/programmers-guide/ALLOCATIONS_GREATER_THAN_4GB.md" },
    [CLKV_QUIRK_INTEL_NARROW] = { "intel-narrow", can_narrow,
        "left alone the compiler takes 32 lanes on some devices, whose registers then spill: attention asks for the "
        "narrowest sub-group",
        "docs/devices.md#intel-narrow" },
    [CLKV_QUIRK_POCL_LATE_CODE] = { "pocl-late-code", is_pocl,
        "machine code is made at a kernel's first launch and not in clBuildProgram: a launch that does nothing is made "
        "while a kernel is compiled, and the binary for the disk cache is taken after it",
        "https://portablecl.org/docs/html/kernel_compiler.html" },
    [CLKV_QUIRK_LLVMPIPE_PORTABLE] = { "llvmpipe-portable", is_llvmpipe,
        "the CPU variant's unrolled vectors take minutes to compile, the portable variant a second: that one",
        "docs/devices.md#llvmpipe-portable" },
    [CLKV_QUIRK_RUSTICL_LOCAL_TWICE] = { "rusticl-local-twice", is_rusticl,
        "CL_KERNEL_LOCAL_MEM_SIZE counts a kernel's local arrays twice, and kernels that fit seem not to: half of it",
        "docs/devices.md#rusticl-local-twice" },
    [CLKV_QUIRK_OCLGRIND_NO_BINARIES] = { "oclgrind-no-binaries", is_oclgrind,
        "a program's binary saves no compilation in this simulator: no disk cache",
        "https://github.com/jrprice/Oclgrind" },
    [CLKV_QUIRK_OCLGRIND_ONE_COMPILER] = { "oclgrind-one-compiler", is_oclgrind,
        "the process crashes when two threads build programs at a time (21.10): one after the other",
        "https://github.com/jrprice/Oclgrind" },
};

uint32_t clkv_quirks_match(const clkv_facts *facts)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < CLKV_QUIRKS; i++)
        if (table[i].match(facts)) bits |= 1u << i;
    return bits;
}

/* Adds the quirk whose name has the given length. */
static clkv_status force_one(uint32_t *quirks, const char *name, size_t bytes)
{
    for (uint32_t i = 0; i < CLKV_QUIRKS; i++) {
        if (strlen(table[i].name) != bytes || memcmp(table[i].name, name, bytes)) continue;
        *quirks |= 1u << i;
        return CLKV_OK;
    }
    return CLKV_FAIL(CLKV_ERROR_INVALID, "CLKV_QUIRKS: there is no quirk \"%.*s\"", (int)(bytes < 40 ? bytes : 40),
                     name);
}

clkv_status clkv_quirks_force(uint32_t *quirks)
{
    char names[512];
    const size_t bytes = clkv_os_environment("CLKV_QUIRKS", names, sizeof names);
    if (bytes >= sizeof names)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "CLKV_QUIRKS has %zu bytes, more than %zu", bytes, sizeof names - 1);
    uint32_t bits = *quirks;
    for (const char *at = bytes ? names : ""; *at;) {
        const size_t length = strcspn(at, ",");
        const clkv_status st = length ? force_one(&bits, at, length) : CLKV_OK;
        if (st) return st;
        at += length;
        if (*at) at++;
    }
    *quirks = bits;
    return CLKV_OK;
}

uint64_t clkv_quirks_max_alloc(uint32_t quirks, const clkv_device_info *info)
{
    const uint64_t page = 65536, gib = (uint64_t)1 << 30;
    uint64_t max = info->max_alloc_bytes;
    if (quirks >> CLKV_QUIRK_APPLE_LARGE_BUFFERS & 1 && max > 2 * gib - page) max = 2 * gib - page;
    if (quirks >> CLKV_QUIRK_INTEL_LARGE_BUFFERS & 1 && max > 4 * gib - page) max = 4 * gib - page;
    return max;
}

int clkv_quirks_get(uint32_t quirks, size_t index, const char **name, const char **reason, const char **link)
{
    for (uint32_t i = 0; i < CLKV_QUIRKS; i++) {
        if (!(quirks >> i & 1) || index-- > 0) continue;
        if (name) *name = table[i].name;
        if (reason) *reason = table[i].reason;
        if (link) *link = table[i].link;
        return 1;
    }
    return 0;
}
