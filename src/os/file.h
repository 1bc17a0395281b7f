/* file.h: an open file whose bytes are read and written at offsets, which may lie beyond 4 GiB, and its lock.
 * clkv_folder_open_file (folder.h) opens one.
 *
 * A part that was never written reads as zeros, and takes no room where the file system can leave it out. Several threads
 * may use a file at once. A function that fails gives the reason in `why`: a text without a line end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_FILE_H
#define CLKV_OS_FILE_H

#include "os/why.h"

#include <stddef.h>
#include <stdint.h>

typedef enum clkv_file_access {
    CLKV_FILE_READ,   /* a file that exists, for reading */
    CLKV_FILE_WRITE,  /* a file that exists, for reading and writing */
    CLKV_FILE_CREATE, /* a file that does not exist yet, for reading and writing */
} clkv_file_access;

typedef struct clkv_file {
#ifdef _WIN32
    void *handle;
#else
    int fd;
#endif
    uint64_t bytes; /* the file had when it was opened */
} clkv_file;

void clkv_file_close(clkv_file *file);

/* Reads or writes all the bytes at an offset. 0 or −1. A read that the file ends before has the reason "". A write that
 * fails may have written a part. */
int clkv_file_read(const clkv_file *file, uint64_t offset, void *out, size_t bytes, char why[CLKV_OS_WHY]);
int clkv_file_write(const clkv_file *file, uint64_t offset, const void *data, size_t bytes, char why[CLKV_OS_WHY]);

/* How many bytes the file has now. 0 or −1. */
int clkv_file_size(const clkv_file *file, uint64_t *bytes, char why[CLKV_OS_WHY]);

/* Cuts the file to a size, or lengthens it by zeros. 0 or −1. */
int clkv_file_resize(const clkv_file *file, uint64_t bytes, char why[CLKV_OS_WHY]);

/* Returns when the disk has what was written, not only the system or the disk's own memory. 0 or −1. */
int clkv_file_sync(const clkv_file *file, char why[CLKV_OS_WHY]);

/* The lock of the file, for all who ask for it: reading and writing do not. Many can have it shared, or one exclusively,
 * for which the file must be open for writing. Each opening of the file counts by itself, also those of one process. The
 * system takes the lock back when the process ends, however it ends.
 *
 * A child of fork() has the parent's opening, and with it the lock, which is held until both have closed the file or one
 * has unlocked it: a child that does not want the lock closes the file and does not unlock it. A program that is started
 * by exec has nothing of it. On a network's file system the lock also keeps out other machines, if its server has locks;
 * else the call fails. */
typedef enum clkv_file_lock_kind { CLKV_FILE_LOCK_SHARED, CLKV_FILE_LOCK_EXCLUSIVE } clkv_file_lock_kind;

/* Locks a file that is not locked through this opening. 0: it is; 1: somebody else has it, and `wait` is 0; or −1. With
 * `wait` it waits, signals or not, until it gets the lock. */
int clkv_file_lock(const clkv_file *file, clkv_file_lock_kind kind, int wait, char why[CLKV_OS_WHY]);
void clkv_file_unlock(const clkv_file *file);

#endif
