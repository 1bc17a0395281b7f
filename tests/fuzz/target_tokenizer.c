/* target_tokenizer.c: a vocabulary (vocab_make.h) and a text for it. Where the vocabulary has all bytes, every text
 * must come back as it was. SPDX-License-Identifier: Apache-2.0 */
#include "model_use.h"
#include "vocab_make.h"

#include "llm/text.h"
#include "llm/tokenizer.h"
#include "llm/why.h"

static void comes_back(const llm_model *m, const char *text, size_t bytes)
{
    char why[WHY_BYTES];
    llm_tokenizer *t;
    if (llm_tokenizer_create(&t, m, why)) return;
    uint32_t *ids;
    size_t n;
    llm_text back = {0};
    FUZZ_CHECK(!llm_tokenizer_encode(t, text, bytes, 0, &ids, &n));
    FUZZ_CHECK(!llm_text_add(&back, t, ids, 0, n));
    FUZZ_CHECK(back.n == bytes && (!bytes || !memcmp(back.bytes, text, bytes)));
    free(back.bytes);
    free(ids);
    llm_tokenizer_destroy(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    llm_model m;
    const int whole = fuzz_vocab_make(&m, &in);
    char *text = malloc(in.left ? in.left : 1);
    FUZZ_CHECK(text);
    memcpy(text, in.at, in.left);
    if (whole) comes_back(&m, text, in.left);
    fuzz_text(&m, text, in.left);
    free(text);
    fuzz_vocab_free(&m);
    return 0;
}
