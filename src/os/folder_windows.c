/* folder_windows.c: see folder.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/folder.h"

#include "os/text_windows.h"

#include <aclapi.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <winioctl.h>

_Static_assert(sizeof(((clkv_folder *)0)->path) == CLKV_WIDE_PATH * sizeof(wchar_t), "a path has room");

static const FILE_INFO_BY_HANDLE_CLASS rename_ex = (FILE_INFO_BY_HANDLE_CLASS)22; /* some headers lack FileRenameInfoEx */
#define MAY_CHANGE (FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_DELETE_CHILD | WRITE_DAC | WRITE_OWNER | DELETE | \
                    GENERIC_WRITE | GENERIC_ALL)

static int fail_error(char *why, DWORD error)
{
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return clkv_os_fail(why, "");
    clkv_os_error_text(error, why, CLKV_OS_WHY);
    return -1;
}

/* ---- whom to trust ---- */

/* The process's user, in a buffer that holds a SID too. NULL when the system does not tell. */
static PSID process_user(void *buffer, DWORD room)
{
    HANDLE token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return NULL;
    const BOOL told = GetTokenInformation(token, TokenUser, buffer, room, &room);
    CloseHandle(token);
    return told ? ((TOKEN_USER *)buffer)->User.Sid : NULL;
}

/* The system and the administrators can write everywhere in any case. */
static int is_trusted(PSID sid, PSID user)
{
    return EqualSid(sid, user) || IsWellKnownSid(sid, WinLocalSystemSid) ||
           IsWellKnownSid(sid, WinBuiltinAdministratorsSid) || IsWellKnownSid(sid, WinCreatorOwnerSid) ||
           IsWellKnownSid(sid, WinCreatorOwnerRightsSid);
}

static int others_may_change(PACL list, PSID user)
{
    if (!list) return 1; /* no list: everybody may do everything */
    for (DWORD i = 0; i < list->AceCount; i++) {
        void *entry;
        if (!GetAce(list, i, &entry)) return 1;
        const ACE_HEADER *header = entry;
        if (header->AceType != ACCESS_ALLOWED_ACE_TYPE || (header->AceFlags & INHERIT_ONLY_ACE)) continue;
        ACCESS_ALLOWED_ACE *allowed = entry;
        if (allowed->Mask & MAY_CHANGE && !is_trusted(&allowed->SidStart, user)) return 1;
    }
    return 0;
}

/* Why somebody else could have put something here; NULL: nobody. A file that an administrator makes belongs to the
 * group of administrators. */
static const char *distrust(HANDLE handle)
{
    union {
        TOKEN_USER user;
        char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } buffer;
    PSID owner, user = process_user(&buffer, sizeof buffer);
    PACL list;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    const char *fault = NULL;
    if (!user || GetSecurityInfo(handle, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                 &owner, NULL, &list, NULL, &descriptor) != ERROR_SUCCESS)
        return "cannot be examined";
    if (!EqualSid(owner, user) && !IsWellKnownSid(owner, WinBuiltinAdministratorsSid)) fault = "of another user";
    else if (others_may_change(list, user)) fault = "writable by others";
    LocalFree(descriptor);
    return fault;
}

/* ---- folders ---- */

static int open_path(HANDLE *out, const wchar_t *path, DWORD access, DWORD share, char *why)
{
    *out = CreateFileW(path, access, share, NULL, OPEN_EXISTING,
                       FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    return *out == INVALID_HANDLE_VALUE ? fail_error(why, GetLastError()) : 0;
}

/* 0, or −1 with the reason and the handle closed. */
static int examine(HANDLE handle, int folder, uint64_t *bytes, char *why)
{
    BY_HANDLE_FILE_INFORMATION info;
    const char *fault = NULL;
    if (!GetFileInformationByHandle(handle, &info)) fault = "cannot be examined";
    else if (info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) fault = "a link";
    else if (folder && !(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) fault = "not a directory";
    else if (!folder && (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY || GetFileType(handle) != FILE_TYPE_DISK))
        fault = "not a regular file";
    else fault = distrust(handle);
    if (!fault) {
        *bytes = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
        return 0;
    }
    CloseHandle(handle);
    return clkv_os_fail(why, fault);
}

/* The whole path, in a form that may be longer than 260 characters. */
static int absolute_path(const char *path, wchar_t *out, size_t room, char *why)
{
    wchar_t wide[CLKV_WIDE_PATH];
    if (clkv_os_widen(path, wide, CLKV_WIDE_PATH)) return clkv_os_fail(why, "the name is too long, or is not UTF-8");
    const DWORD n = GetFullPathNameW(wide, (DWORD)room - 4, out + 4, NULL);
    if (!n || n >= room - 4) return clkv_os_fail(why, "the name is too long");
    if (out[4] == L'\\' && out[5] == L'\\') memmove(out, out + 4, (n + 1) * sizeof *out); /* another machine's */
    else memcpy(out, L"\\\\?\\", 4 * sizeof *out);
    return 0;
}

int clkv_folder_open(clkv_folder *out, const char *path, char why[CLKV_OS_WHY])
{
    HANDLE handle;
    uint64_t bytes;
    if (absolute_path(path, out->path, CLKV_WIDE_PATH, why)) return -1;
    /* Without FILE_SHARE_DELETE nobody can move the folder while it is open. */
    if (open_path(&handle, out->path, FILE_READ_ATTRIBUTES | FILE_LIST_DIRECTORY | READ_CONTROL,
                  FILE_SHARE_READ | FILE_SHARE_WRITE, why))
        return -1;
    if (examine(handle, 1, &bytes, why)) return -1;
    out->handle = handle;
    return 0;
}

void clkv_folder_close(clkv_folder *folder)
{
    CloseHandle(folder->handle);
}

int clkv_folder_make(const char *path, char why[CLKV_OS_WHY])
{
    wchar_t whole[CLKV_WIDE_PATH];
    if (absolute_path(path, whole, CLKV_WIDE_PATH, why)) return -1;
    /* A folder of the user's profile is for this user only, since it inherits that. */
    for (wchar_t *p = whole + 7; wcslen(whole) > 7; p++) { /* behind \\?\C:\ */
        const wchar_t end = *p;
        if (end && end != L'\\') continue;
        *p = 0;
        if (!CreateDirectoryW(whole, NULL)) {
            const DWORD error = GetLastError();
            const DWORD attributes = GetFileAttributesW(whole);
            if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY)) {
                clkv_os_error_text(error, why, CLKV_OS_WHY);
                return -1;
            }
        }
        *p = end;
        if (!end) break;
    }
    return 0;
}

static int may_write(const wchar_t *path, char *why)
{
    HANDLE handle;
    if (open_path(&handle, path, FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY,
                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, why))
        return -1;
    CloseHandle(handle);
    return 0;
}

int clkv_folder_may_write(const char *path, char why[CLKV_OS_WHY])
{
    wchar_t whole[CLKV_WIDE_PATH];
    return absolute_path(path, whole, CLKV_WIDE_PATH, why) ? -1 : may_write(whole, why);
}

int clkv_folder_may_make(const char *path, char why[CLKV_OS_WHY])
{
    wchar_t whole[CLKV_WIDE_PATH];
    if (absolute_path(path, whole, CLKV_WIDE_PATH, why)) return -1;
    for (wchar_t *slash; (slash = wcsrchr(whole, L'\\')) && slash > whole + 6;) {
        *slash = 0;
        const DWORD attributes = GetFileAttributesW(whole);
        if (attributes == INVALID_FILE_ATTRIBUTES) continue;
        if (attributes & FILE_ATTRIBUTE_DIRECTORY) return may_write(whole, why);
        clkv_os_error_text(ERROR_DIRECTORY, why, CLKV_OS_WHY);
        return -1;
    }
    return may_write(wcscat(whole, L"\\"), why);
}

/* ---- files ---- */

static int join(const clkv_folder *folder, const char *name, wchar_t *out, char *why)
{
    wchar_t wide[CLKV_WIDE_PATH];
    const size_t n = wcslen(folder->path);
    if (clkv_os_widen(name, wide, CLKV_WIDE_PATH) || n + 1 + wcslen(wide) >= CLKV_WIDE_PATH)
        return clkv_os_fail(why, "the name is too long, or is not UTF-8");
    memcpy(out, folder->path, n * sizeof *out);
    out[n] = L'\\';
    memcpy(out + n + 1, wide, (wcslen(wide) + 1) * sizeof *out);
    return 0;
}

/* Without FILE_SHARE_DELETE a file could not be renamed, replaced or removed while it is open. */
#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* A new file that has holes where nothing was written, if the file system can: else Windows writes zeros into them. */
static HANDLE create_file(const wchar_t *path, DWORD access)
{
    DWORD none = 0;
    const HANDLE handle = CreateFileW(path, access, SHARE_ALL, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle != INVALID_HANDLE_VALUE) DeviceIoControl(handle, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &none, NULL);
    return handle;
}

int clkv_folder_open_file(const clkv_folder *folder, clkv_file *out, const char *name, clkv_file_access access,
                          char why[CLKV_OS_WHY])
{
    const DWORD wanted = GENERIC_READ | READ_CONTROL | (access == CLKV_FILE_READ ? 0 : GENERIC_WRITE);
    wchar_t path[CLKV_WIDE_PATH];
    HANDLE handle;
    if (join(folder, name, path, why)) return -1;
    if (access == CLKV_FILE_CREATE) {
        handle = create_file(path, wanted);
        if (handle == INVALID_HANDLE_VALUE) {
            clkv_os_error_text(GetLastError(), why, CLKV_OS_WHY);
            return -1;
        }
    } else if (open_path(&handle, path, wanted, SHARE_ALL, why)) {
        return -1;
    }
    if (examine(handle, 0, &out->bytes, why)) {
        if (access == CLKV_FILE_CREATE) DeleteFileW(path);
        return -1;
    }
    out->handle = handle;
    return 0;
}

static int write_pieces(HANDLE handle, const clkv_piece *pieces, size_t n, char *why)
{
    const clkv_file file = { .handle = handle };
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (clkv_file_write(&file, at, pieces[i].data, pieces[i].bytes, why)) return -1;
        at += pieces[i].bytes;
    }
    return 0;
}

/* Gives an open file its name. Windows 10 can replace a file that somebody reads, if it is asked in this way. */
static DWORD rename_open(HANDLE handle, const wchar_t *to)
{
    const size_t bytes = wcslen(to) * sizeof *to;
    FILE_RENAME_INFO *info = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof *info + bytes);
    if (!info) return ERROR_NOT_ENOUGH_MEMORY;
    info->Flags = FILE_RENAME_FLAG_REPLACE_IF_EXISTS | FILE_RENAME_FLAG_POSIX_SEMANTICS;
    info->FileNameLength = (DWORD)bytes;
    memcpy(info->FileName, to, bytes);
    const BOOL renamed = SetFileInformationByHandle(handle, rename_ex, info, (DWORD)(sizeof *info + bytes));
    const DWORD error = renamed ? 0 : GetLastError();
    HeapFree(GetProcessHeap(), 0, info);
    return error;
}

/* Where the system does not know that way, a file cannot be replaced while somebody has it open: waits for the reader,
 * for a second at most. */
static DWORD rename_closed(const wchar_t *from, const wchar_t *to, int durable)
{
    DWORD error = 0;
    for (int wait = 0; wait < 44; wait++) { /* 1 + 2 + … + 44 ms: about a second */
        if (wait) Sleep((DWORD)wait);
        if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | (durable ? MOVEFILE_WRITE_THROUGH : 0))) return 0;
        error = GetLastError();
        const DWORD attributes = GetFileAttributesW(to);
        if (error != ERROR_ACCESS_DENIED && error != ERROR_SHARING_VIOLATION) break;
        if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY) break;
    }
    return error;
}

int clkv_folder_replace(const clkv_folder *folder, const char *name, const char *temporary, const clkv_piece *pieces,
                        size_t n, int durable, char why[CLKV_OS_WHY])
{
    wchar_t to[CLKV_WIDE_PATH], from[CLKV_WIDE_PATH];
    if (join(folder, name, to, why) || join(folder, temporary, from, why)) return -1;
    HANDLE handle = CreateFileW(from, GENERIC_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, CREATE_NEW,
                                FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        clkv_os_error_text(GetLastError(), why, CLKV_OS_WHY);
        return -1;
    }
    const clkv_file file = { .handle = handle };
    int failed = write_pieces(handle, pieces, n, why) || (durable && clkv_file_sync(&file, why)), named = 0;
    if (!failed) named = !rename_open(handle, to);
    if (named && durable) FlushFileBuffers(handle);
    CloseHandle(handle);
    if (!failed && !named) {
        const DWORD error = rename_closed(from, to, durable);
        if (error) clkv_os_error_text(error, why, CLKV_OS_WHY);
        failed = error != 0;
    }
    if (failed) DeleteFileW(from);
    return failed ? -1 : 0;
}
