/* file_windows.c: see file.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/file.h"

#include "os/offset.h"
#include "os/text_windows.h"

enum { AT_ONCE = 1 << 30 };

static int fail_with(char *why, DWORD error)
{
    clkv_os_error_text(error, why, CLKV_OS_WHY);
    return -1;
}

static OVERLAPPED at(uint64_t offset)
{
    return (OVERLAPPED){ .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
}

void clkv_file_close(clkv_file *file)
{
    CloseHandle(file->handle);
}

int clkv_file_read(const clkv_file *file, uint64_t offset, void *out, size_t bytes, char why[CLKV_OS_WHY])
{
    char *p = out;
    if (!clkv_offset_is_good(offset, bytes)) return fail_with(why, ERROR_INVALID_PARAMETER);
    while (bytes) {
        OVERLAPPED where = at(offset);
        DWORD n = 0;
        if (!ReadFile(file->handle, p, bytes < AT_ONCE ? (DWORD)bytes : AT_ONCE, &n, &where)) {
            if (GetLastError() != ERROR_HANDLE_EOF) return fail_with(why, GetLastError());
            n = 0;
        }
        if (!n) return clkv_os_fail(why, "");
        p += n;
        offset += n;
        bytes -= n;
    }
    return 0;
}

int clkv_file_write(const clkv_file *file, uint64_t offset, const void *data, size_t bytes, char why[CLKV_OS_WHY])
{
    const char *p = data;
    if (!clkv_offset_is_good(offset, bytes)) return fail_with(why, ERROR_FILE_TOO_LARGE);
    while (bytes) {
        OVERLAPPED where = at(offset);
        DWORD n = 0;
        if (!WriteFile(file->handle, p, bytes < AT_ONCE ? (DWORD)bytes : AT_ONCE, &n, &where))
            return fail_with(why, GetLastError());
        if (!n) return fail_with(why, ERROR_WRITE_FAULT);
        p += n;
        offset += n;
        bytes -= n;
    }
    return 0;
}

int clkv_file_size(const clkv_file *file, uint64_t *bytes, char why[CLKV_OS_WHY])
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file->handle, &size)) return fail_with(why, GetLastError());
    *bytes = (uint64_t)size.QuadPart;
    return 0;
}

int clkv_file_resize(const clkv_file *file, uint64_t bytes, char why[CLKV_OS_WHY])
{
    FILE_END_OF_FILE_INFO end = { .EndOfFile.QuadPart = (LONGLONG)bytes };
    if (!clkv_offset_is_good(bytes, 0)) return fail_with(why, ERROR_FILE_TOO_LARGE);
    if (SetFileInformationByHandle(file->handle, FileEndOfFileInfo, &end, sizeof end)) return 0;
    return fail_with(why, GetLastError());
}

int clkv_file_sync(const clkv_file *file, char why[CLKV_OS_WHY])
{
    return FlushFileBuffers(file->handle) ? 0 : fail_with(why, GetLastError());
}

/* A lock of Windows keeps others from reading and writing the bytes that it covers, so it covers one where no file has
 * any. */
static const uint64_t locked_offset = INT64_MAX - 1;

int clkv_file_lock(const clkv_file *file, clkv_file_lock_kind kind, int wait, char why[CLKV_OS_WHY])
{
    OVERLAPPED where = at(locked_offset);
    const DWORD flags = (kind == CLKV_FILE_LOCK_EXCLUSIVE ? LOCKFILE_EXCLUSIVE_LOCK : 0) |
                        (wait ? 0 : LOCKFILE_FAIL_IMMEDIATELY);
    if (LockFileEx(file->handle, flags, 0, 1, 0, &where)) return 0;
    const DWORD error = GetLastError();
    return !wait && (error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING) ? 1 : fail_with(why, error);
}

void clkv_file_unlock(const clkv_file *file)
{
    OVERLAPPED where = at(locked_offset);
    UnlockFileEx(file->handle, 0, 1, 0, &where);
}
