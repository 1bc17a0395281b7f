/* system_windows.c: see system.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/system.h"

#include "os/environment.h"
#include "os/text_windows.h"

#include <stdio.h>

/* GetVersionEx() says the version that the program was made for. */
void clkv_os_system(char *out, size_t room)
{
    typedef LONG(WINAPI * get_version)(OSVERSIONINFOW *);
    OSVERSIONINFOW version = { .dwOSVersionInfoSize = sizeof version };
    SYSTEM_INFO system;
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    const get_version get = ntdll ? (get_version)(void (*)(void))GetProcAddress(ntdll, "RtlGetVersion") : NULL;
    if (get) get(&version);
    GetNativeSystemInfo(&system);
    const WORD kind = system.wProcessorArchitecture;
    const char *processor = kind == PROCESSOR_ARCHITECTURE_AMD64 ? "x86_64"
                            : kind == 12 /* ARM64, which some headers lack */ ? "arm64"
                            : kind == PROCESSOR_ARCHITECTURE_INTEL ? "x86"
                                                                   : "unknown processor";
    snprintf(out, room, "Windows %lu.%lu.%lu %s", (unsigned long)version.dwMajorVersion,
             (unsigned long)version.dwMinorVersion, (unsigned long)version.dwBuildNumber, processor);
}

int clkv_os_private(size_t index, clkv_os_name *kind, char *out, size_t room)
{
    static const struct {
        clkv_os_name kind;
        const char *variable;
    } known[] = {
        { CLKV_OS_HOME, "USERPROFILE" }, { CLKV_OS_HOME, "HOME" },          { CLKV_OS_USER, "USERNAME" },
        { CLKV_OS_USER, "USER" },        { CLKV_OS_HOST, "COMPUTERNAME" }, { CLKV_OS_HOST, "HOSTNAME" },
    };
    enum { VARIABLES = sizeof known / sizeof *known, ALL = VARIABLES + 1 };
    wchar_t wide[256];
    DWORD characters = sizeof wide / sizeof *wide;
    *out = 0;
    if (index >= ALL) return 0;
    *kind = index < VARIABLES ? known[index].kind : CLKV_OS_HOST;
    if (index < VARIABLES) clkv_os_environment(known[index].variable, out, room);
    else if (GetComputerNameExW(ComputerNameDnsHostname, wide, &characters)) clkv_os_narrow(wide, out, room);
    return 1;
}
