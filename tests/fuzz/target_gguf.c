/* target_gguf.c: a GGUF file and everything that is read of it. First byte: bit 0, 64 KiB of zeros follow as data
 * of the tensors; bit 1, a tokenizer file of 9 pieces is given beside it. SPDX-License-Identifier: Apache-2.0 */
#include "model_use.h"

enum { ZEROS = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t tokenizer[4 + 9 * 9];
    if (!size) return 0;
    for (int i = 0; i < 9; i++) tokenizer[4 + 9 * i + 4] = 1, tokenizer[4 + 9 * i + 8] = (uint8_t)('a' + i);
    const size_t zeros = *data & 1 ? ZEROS : 0, bytes = size - 1 + zeros;
    uint8_t *file = calloc(bytes + 1, 1);
    FUZZ_CHECK(file);
    memcpy(file, data + 1, size - 1);
    const char *beside = *data & 2 ? fuzz_file(1, tokenizer, sizeof tokenizer) : NULL;
    fuzz_model(fuzz_file(0, file, bytes), beside);
    free(file);
    return 0;
}
