/* replay.c: main() of a target where there is no libFuzzer: every file named, and every file of a folder named,
 * once. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <dirent.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak)); /* few targets have one */

static size_t replay_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) return 0;
    uint8_t *data = NULL;
    size_t bytes = 0, room = 0, n;
    do {
        if (bytes == room) {
            room = room ? 2 * room : 4096;
            data = realloc(data, room);
            FUZZ_CHECK(data);
        }
        n = fread(data + bytes, 1, room - bytes, in);
        bytes += n;
    } while (n);
    fclose(in);
    uint8_t *exact = malloc(bytes ? bytes : 1); /* no room behind the input that would hide a step too far */
    FUZZ_CHECK(exact);
    memcpy(exact, data, bytes);
    free(data);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    return 1;
}

static size_t replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    size_t done = 0;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        char file[4096];
        if (*entry->d_name == '.') continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        done += replay_file(file);
    }
    if (folder) closedir(folder);
    return folder ? done : replay_file(path);
}

int main(int argc, char **argv)
{
    size_t done = 0;
    if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) done += replay_folder(argv[i]);
    printf("%zu inputs\n", done);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
