/* machine_windows.c: see machine.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/machine.h"

#include <stddef.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

uint64_t clkv_machine_available(void)
{
    MEMORYSTATUSEX status = { .dwLength = sizeof status };
    return GlobalMemoryStatusEx(&status) ? status.ullAvailPhys : UINT64_MAX;
}

/* The list has entries of unlike sizes, each for what some processors share. The first cache of the level counts. */
uint32_t clkv_machine_cache_bytes(int level)
{
    DWORD bytes = 0;
    uint32_t found = 0;
    GetLogicalProcessorInformationEx(RelationCache, NULL, &bytes);
    char *list = bytes ? HeapAlloc(GetProcessHeap(), 0, bytes) : NULL;
    if (!list) return 0;
    if (GetLogicalProcessorInformationEx(RelationCache, (SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *)list, &bytes)) {
        for (DWORD at = 0; at < bytes && !found;) {
            const SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *entry = (const void *)(list + at);
            const CACHE_RELATIONSHIP *cache = &entry->Cache;
            if (cache->Level == level && cache->Type != CacheInstruction) found = cache->CacheSize;
            at += entry->Size;
        }
    }
    HeapFree(GetProcessHeap(), 0, list);
    return found;
}
