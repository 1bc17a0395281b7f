/* vocab_make.c: see vocab_make.h. Keeps what gguf_vocab.c has checked by then: types in range, scores that are
 * numbers, merges of two pieces. SPDX-License-Identifier: Apache-2.0 */
#include "vocab_make.h"

#include "llm/unicode.h"
#include "llm/vocab.h"

enum { MOST_PIECES = 48, MOST_MERGES = 32, MOST_BYTES = 24 };

/* A byte in GPT-2's alphabet. */
static uint32_t alphabet_letter(int byte, char out[4])
{
    uint32_t code = (uint32_t)byte;
    if (byte < 33)
        code = 0x100u + (uint32_t)byte;
    else if (byte >= 127 && byte < 161)
        code = 0x121u + (uint32_t)byte - 127;
    else if (byte == 173)
        code = 0x143;
    return llm_utf8_write(code, out);
}

static void add_bytes(llm_vocab_writer *w, int bpe)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        uint32_t n = 6;
        if (bpe)
            n = alphabet_letter(byte, text);
        else
            snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        llm_vocab_piece(w, text, n, 0, bpe ? LLM_PIECE_NORMAL : LLM_PIECE_BYTE);
    }
}

static void add_merge(llm_vocab_writer *w, fuzz_input *in)
{
    char text[MOST_BYTES];
    size_t n;
    const uint8_t *from = fuzz_bytes(in, fuzz_below(in, sizeof text), &n);
    for (size_t i = 0; i < n; i++) text[i] = from[i] ? (char)from[i] : '0';
    if (n > 2 && memchr(text + 1, ' ', n - 2)) llm_vocab_merge(w, text, n);
}

int fuzz_vocab_make(llm_model *m, fuzz_input *in)
{
    static const char *const splits[] = {"gpt-2", "llama-bpe", "qwen2", "smollm", "", "unheard-of", "tekken"};
    memset(m, 0, sizeof *m);
    llm_vocab_free(&m->tok);
    llm_tokenizer_data *tok = &m->tok;
    llm_vocab_writer w;
    const uint32_t kind = fuzz_byte(in), split = fuzz_below(in, 7), bos = fuzz_byte(in);
    const int bpe = kind & 1, all_bytes = kind >> 1 & 1;
    const llm_vocab_sizes sizes = {MOST_PIECES + 256, MOST_MERGES,
                                   MOST_PIECES * MOST_BYTES + 256 * 8 + MOST_MERGES * MOST_BYTES};
    tok->kind = bpe ? LLM_VOCAB_BPE : LLM_VOCAB_SENTENCEPIECE;
    strcpy(tok->pre, splits[split]);
    FUZZ_CHECK(!llm_vocab_begin(&w, tok, &sizes));
    if (all_bytes) add_bytes(&w, bpe);
    for (uint32_t n = fuzz_below(in, MOST_PIECES) + 1; n > 0; n--) {
        const int32_t type = LLM_PIECE_NORMAL + (int32_t)fuzz_below(in, 6);
        const float score = (float)(int8_t)fuzz_byte(in);
        size_t bytes;
        const char *text = (const char *)fuzz_bytes(in, fuzz_below(in, MOST_BYTES), &bytes);
        llm_vocab_piece(&w, text, (uint32_t)bytes, score, type);
    }
    for (uint32_t n = bpe ? fuzz_below(in, MOST_MERGES) : 0; n > 0; n--) add_merge(&w, in);
    tok->add_space_prefix = !bpe && kind >> 2 & 1;
    if (kind >> 3 & 1) tok->unk = (int32_t)(split % tok->n);
    if (bos & 1) {
        tok->bos = (int32_t)(bos % tok->n);
        tok->add_bos = bos >> 1 & 1;
        tok->eos = (int32_t)((bos >> 2) % tok->n);
    }
    m->vocab = tok->n;
    strcpy(m->name, "fuzz");
    return all_bytes && !(bos & 1);
}

void fuzz_vocab_free(llm_model *m)
{
    llm_vocab_free(&m->tok);
}
