/* target_prompts.c: the file of --prompts, for a vocabulary of all bytes. First byte: bit 0, BPE; bit 1, there is a
 * token that begins a text; bit 2, the file is --prompt-file's, one prompt. SPDX-License-Identifier: Apache-2.0 */
#include "vocab_make.h"

#include "generate_prompts.h"
#include "llm/why.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const uint8_t vocabulary[] = {(uint8_t)(2 | (*data & 1)), 0, *data & 2 ? 3 : 0};
    fuzz_input in = {vocabulary, sizeof vocabulary};
    char why[WHY_BYTES];
    llm_model m;
    llm_tokenizer *t;
    fuzz_vocab_make(&m, &in);
    FUZZ_CHECK(!llm_tokenizer_create(&t, &m, why));
    generate_options options = {0};
    generate_prompts prompts = {0};
    const char *path = fuzz_file(0, data + 1, size - 1);
    if (*data & 4)
        options.prompt_files = (option_texts){&path, 1};
    else
        options.prompts_file = path;
    if (!generate_prompts_read(&prompts, &options, &m, t)) {
        FUZZ_CHECK(*data & 4 ? prompts.n == 1 : prompts.n > 0);
        for (size_t i = 0; i < prompts.n; i++)
            FUZZ_CHECK(prompts.items[i].n > 0 && (*data & 4 || !strchr(prompts.items[i].text, '\n')));
        generate_prompts_tell_cut(&prompts, 3, "four");
    }
    generate_prompts_free(&prompts);
    llm_tokenizer_destroy(&t);
    fuzz_vocab_free(&m);
    return 0;
}
