/* folder.h: a folder of files that nobody else can have put there.
 *
 * Folder and file must belong to this user and must not be writable by others. Both are examined after they were
 * opened, and read through what was opened, so that nobody can exchange them in between. Paths and names are UTF-8.
 *
 * A function that fails gives the reason in `why`: a text without a line end, or "" where nothing of that name exists.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_FOLDER_H
#define CLKV_OS_FOLDER_H

#include "os/file.h"
#include "os/why.h"

#include <stddef.h>

#ifdef _WIN32
typedef struct clkv_folder {
    void *handle;       /* open, so that the folder cannot be moved or replaced */
    wchar_t path[1024]; /* absolute */
} clkv_folder;
#else
typedef struct clkv_folder {
    int fd;
} clkv_folder;
#endif

/* Bytes to write. */
typedef struct clkv_piece {
    const void *data;
    size_t bytes;
} clkv_piece;

/* Opens a folder that is no link. 0 or −1. */
int clkv_folder_open(clkv_folder *out, const char *path, char why[CLKV_OS_WHY]);
void clkv_folder_close(clkv_folder *folder);

/* Makes the folder and those above it that do not exist, for this user only. 0, also when it exists, or −1. */
int clkv_folder_make(const char *path, char why[CLKV_OS_WHY]);

/* Whether a file could be written into the folder, or when it does not exist, whether the folder could be made. 0 or
 * −1. Changes nothing. */
int clkv_folder_may_write(const char *path, char why[CLKV_OS_WHY]);
int clkv_folder_may_make(const char *path, char why[CLKV_OS_WHY]);

/* Opens a file of the folder: a regular file, no link. It can be renamed, replaced and removed while it is open. 0 or −1. */
int clkv_folder_open_file(const clkv_folder *folder, clkv_file *out, const char *name, clkv_file_access access,
                          char why[CLKV_OS_WHY]);

/* Writes the pieces to a new file `temporary`, then gives it the name `name`: whoever opens that name gets the old file
 * or the new one, whole. When it is `durable`, the system has written the file to the disk before it gets its name, and
 * the name after that. 0, or −1 and neither file has changed. */
int clkv_folder_replace(const clkv_folder *folder, const char *name, const char *temporary, const clkv_piece *pieces,
                        size_t n, int durable, char why[CLKV_OS_WHY]);

#endif
