/* target_dequant.c: rows of every type of weights, of every shape, out of hostile bytes:
 *
 *   [type][columns: blocks][row][bytes of the tensor …]
 *
 * The tensor has exactly the bytes that it needs, and so has the row. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "llm/dequant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    const llm_type type = (llm_type)fuzz_byte(&in);
    const llm_type_facts *f = llm_type_find(type);
    FUZZ_CHECK(llm_type_name(type));
    if (!f) return 0;
    const uint64_t blocks = 1 + fuzz_below(&in, 8), row = fuzz_below(&in, 16);
    const uint64_t rows = in.left / (blocks * f->bytes);
    if (row >= rows) return 0;
    llm_tensor t = {type, rows, blocks * f->elements, NULL};
    FUZZ_CHECK(llm_tensor_bytes(&t) == rows * blocks * f->bytes);
    uint8_t *copy = malloc(llm_tensor_bytes(&t));
    float *out = malloc(t.cols * sizeof *out), *again = malloc(t.cols * sizeof *out);
    FUZZ_CHECK(copy && out && again);
    memcpy(copy, in.at, llm_tensor_bytes(&t));
    memset(out, 0x55, t.cols * sizeof *out);
    memset(again, 0xaa, t.cols * sizeof *out);
    t.data = copy;
    llm_tensor_row(&t, row, out);
    llm_tensor_row(&t, row, again);
    /* every element is written; a NaN's bits are the processor's affair */
    for (uint64_t i = 0; i < t.cols; i++)
        FUZZ_CHECK(!memcmp(out + i, again + i, sizeof *out) || (out[i] != out[i] && again[i] != again[i]));
    free(copy);
    free(out);
    free(again);
    return 0;
}
