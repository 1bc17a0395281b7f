/* machine_posix.c: see machine.h. SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE  /* _SC_PHYS_PAGES, _SC_LEVEL1_DCACHE_SIZE */
#define _DARWIN_C_SOURCE /* sysctlbyname */
#include "os/machine.h"

#ifdef __APPLE__
#include <mach/mach.h>
#include <sys/sysctl.h>

static uint64_t ask(const char *name)
{
    uint64_t value = 0;
    size_t bytes = sizeof value; /* some of these numbers have 4 bytes; the machine is little-endian */
    return sysctlbyname(name, &value, &bytes, NULL, 0) ? 0 : value;
}

uint32_t clkv_machine_cache_bytes(int level)
{
    const uint64_t bytes = ask(level == 1 ? "hw.l1dcachesize" : "hw.l2cachesize");
    return bytes <= UINT32_MAX ? (uint32_t)bytes : 0;
}

/* Pages that are free, and those that the system takes back from files and caches. */
uint64_t clkv_machine_available(void)
{
    vm_statistics64_data_t pages;
    mach_msg_type_number_t n = HOST_VM_INFO64_COUNT;
    const uint64_t page = ask("hw.pagesize");
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&pages, &n) == KERN_SUCCESS && page)
        return ((uint64_t)pages.free_count + pages.inactive_count + pages.purgeable_count) * page;
    const uint64_t all = ask("hw.memsize");
    return all ? all : UINT64_MAX;
}

#else
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CACHE_FOLDER "/sys/devices/system/cpu/cpu0/cache/index"

/* Reads the number after `key` in a file of "key value" lines, or the only number of the file when key is "". */
static int read_number(const char *path, const char *key, uint64_t *out)
{
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char line[256], format[64];
    int found = 0;
    snprintf(format, sizeof format, "%s%%llu", key);
    while (!found && fgets(line, sizeof line, f)) {
        unsigned long long n;
        if (sscanf(line, format, &n) != 1) continue;
        *out = n;
        found = 1;
    }
    fclose(f);
    return found;
}

static int read_line(const char *path, char *out, int size)
{
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    const int read = fgets(out, size, f) != NULL;
    fclose(f);
    return read;
}

/* The memory that the limit of the process's control group leaves, as seen from inside a container: version 2, else
 * version 1. File pages that the kernel can drop do not count as used. */
static uint64_t group_available(void)
{
    uint64_t max, used, cache = 0;
    if (read_number("/sys/fs/cgroup/memory.max", "", &max)) { /* a number, or "max" */
        if (!read_number("/sys/fs/cgroup/memory.current", "", &used)) return max;
        read_number("/sys/fs/cgroup/memory.stat", "inactive_file ", &cache);
    } else if (read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", "", &max)) {
        if (!read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes", "", &used)) return max;
        read_number("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file ", &cache);
    } else {
        return UINT64_MAX;
    }
    used -= cache < used ? cache : used;
    return used < max ? max - used : 0;
}

static uint64_t system_available(void)
{
    uint64_t kib;
    if (read_number("/proc/meminfo", "MemAvailable: ", &kib)) return kib * 1024;
#ifdef _SC_PHYS_PAGES
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) return (uint64_t)pages * (uint64_t)page;
#endif
    return UINT64_MAX;
}

/* Reads the kernel's description of a core's caches, which has a folder for each; the C library knows the sizes on
 * few architectures. */
static uint64_t cache_of_folder(int level)
{
    for (int i = 0; i < 8; i++) {
        char path[80], type[32];
        uint64_t at, kib;
        snprintf(path, sizeof path, CACHE_FOLDER "%d/level", i);
        if (!read_number(path, "", &at)) return 0;
        snprintf(path, sizeof path, CACHE_FOLDER "%d/type", i);
        if (at != (uint64_t)level || !read_line(path, type, sizeof type) || !strncmp(type, "Instruction", 11)) continue;
        snprintf(path, sizeof path, CACHE_FOLDER "%d/size", i);
        return read_number(path, "", &kib) ? kib * 1024 : 0; /* "32K" */
    }
    return 0;
}

uint32_t clkv_machine_cache_bytes(int level)
{
    uint64_t bytes = cache_of_folder(level);
#ifdef _SC_LEVEL1_DCACHE_SIZE
    if (!bytes) {
        const long told = sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
        if (told > 0) bytes = (uint64_t)told;
    }
#endif
    return bytes <= UINT32_MAX ? (uint32_t)bytes : 0;
}

uint64_t clkv_machine_available(void)
{
    const uint64_t system = system_available(), group = group_available();
    return system < group ? system : group;
}
#endif
