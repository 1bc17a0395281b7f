/* target_checkpoint.c: a llama2.c checkpoint and its tokenizer file.
 *
 *   [how][difference][length of the model: u16][model][tokenizer]
 *
 * how, bit 0: the model is only its header, and grows by as many zeros as that asks for (up to a MiB), and by
 * `difference` more or fewer; bit 1: no tokenizer file. SPDX-License-Identifier: Apache-2.0 */
#include "model_use.h"

enum { HEADER = 28, MOST = 1 << 20 };

/* What the header asks for, as llama2.c lays it out, or HEADER when that is no sensible size. */
static size_t wanted(const uint8_t *model, size_t bytes)
{
    int32_t h[HEADER / 4];
    if (bytes < HEADER) return bytes;
    memcpy(h, model, HEADER);
    double dim = h[0], hidden = h[1], layers = h[2], vocab = h[5] < 0 ? -(double)h[5] : h[5], context = h[6];
    if (h[3] == 0) return HEADER;
    const double head = dim / h[3], kv = head * h[4];
    const double floats = vocab * dim * (h[5] < 0 ? 2 : 1) + dim + context * head +
                          layers * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * dim * hidden);
    return floats >= 0 && floats < MOST / 4 ? HEADER + 4 * (size_t)floats : HEADER;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    const int how = fuzz_byte(&in), difference = (int8_t)fuzz_byte(&in);
    const size_t length = fuzz_byte(&in) | (size_t)fuzz_byte(&in) << 8;
    size_t bytes;
    const uint8_t *model = fuzz_bytes(&in, how & 1 && length > HEADER ? HEADER : length, &bytes);
    size_t whole = how & 1 ? wanted(model, bytes) + (size_t)difference : bytes;
    if (whole < bytes || whole > 2 * MOST) whole = bytes;
    uint8_t *file = calloc(whole + 1, 1);
    FUZZ_CHECK(file);
    if (bytes) memcpy(file, model, bytes);
    const char *tokenizer = how & 2 ? NULL : fuzz_file(1, in.at, in.left);
    fuzz_model(fuzz_file(0, file, whole), tokenizer);
    free(file);
    return 0;
}
