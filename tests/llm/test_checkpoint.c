/* test_checkpoint.c: llama2.c checkpoints and tokenizer files, good and broken, and the real one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"
#include "files.h"

#include <math.h>

#ifdef _WIN32
enum { ON_POSIX = 0 };
#else
enum { ON_POSIX = 1 };
#endif

enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 10, CONTEXT = 6 };
enum { KV = KV_HEADS * (DIM / HEADS) };
enum {
    LAYER_FLOATS = 2 * DIM + 2 * DIM * DIM + 2 * KV * DIM + 3 * HIDDEN * DIM,
    FLOATS = VOCAB * DIM + LAYERS * LAYER_FLOATS + DIM + CONTEXT * (DIM / HEADS),
    HEADER = 7 * 4,
};

static char path[64], tokenizer[64];
/* Room for a classifier of its own, and for one byte too many. */
static unsigned char bytes[HEADER + 4 * (FLOATS + VOCAB * DIM) + 1];

static void setup(void)
{
    const int32_t header[7] = {DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT};
    memcpy(bytes, header, sizeof header);
    for (int i = 0; i < FLOATS + VOCAB * DIM; i++) {
        const float x = (float)i;
        memcpy(bytes + HEADER + 4 * i, &x, sizeof x);
    }
    temporary_path(path);
    temporary_path(tokenizer);
    write_whole(path, bytes, HEADER + 4 * FLOATS);
}

static void teardown(void)
{
    remove(path);
    remove(tokenizer);
}

static void set_header(int field, int32_t value)
{
    memcpy(bytes + 4 * field, &value, sizeof value);
    write_whole(path, bytes, HEADER + 4 * FLOATS);
}

static llm_model *opened(const char *tokenizer_path)
{
    llm_model *m;
    char why[WHY_BYTES];
    if (llm_model_open(&m, path, tokenizer_path, why)) ck_abort_msg("%s", why);
    ck_valid(llm_model_check(m));
    return m;
}

/* The floats of the file count up, so a tensor's first one says where it was found. */
static float at(const llm_tensor *t, uint64_t row, int col)
{
    float out[HIDDEN];
    ck_assert_uint_le(t->cols, HIDDEN);
    llm_tensor_row(t, row, out);
    return out[col];
}

START_TEST(tensors_are_found)
{
    llm_model *m = opened(NULL);
    ck_assert_uint_eq(m->head_dim, 2);
    ck_assert_int_eq(m->rope_halves, 0);
    ck_assert_ptr_null(m->output.data);
    ck_assert_int_eq(m->tok.kind, LLM_VOCAB_NONE);
    ck_assert_float_eq(at(&m->embedding, VOCAB - 1, DIM - 1), VOCAB * DIM - 1);
    int floats = VOCAB * DIM;
    ck_assert_float_eq(at(&m->layers[1].attn_norm, 0, 0), floats + DIM);
    floats += LAYERS * DIM;
    ck_assert_float_eq(at(&m->layers[1].wq, 1, 0), floats + DIM * DIM + DIM);
    floats += LAYERS * DIM * DIM;
    ck_assert_float_eq(at(&m->layers[1].wk, 0, 0), floats + KV * DIM);
    floats += LAYERS * KV * DIM;
    ck_assert_float_eq(at(&m->layers[0].wv, 0, 0), floats);
    floats += LAYERS * KV * DIM;
    ck_assert_float_eq(at(&m->layers[1].wo, 0, 0), floats + DIM * DIM);
    floats += LAYERS * DIM * DIM;
    ck_assert_float_eq(at(&m->layers[0].ffn_norm, 0, 0), floats);
    floats += LAYERS * DIM;
    ck_assert_float_eq(at(&m->layers[1].w_gate, 0, 0), floats + HIDDEN * DIM);
    floats += LAYERS * HIDDEN * DIM;
    ck_assert_float_eq(at(&m->layers[1].w_down, 0, 0), floats + HIDDEN * DIM);
    ck_assert_float_eq(at(&m->layers[1].w_down, 1, 0), floats + HIDDEN * DIM + HIDDEN);
    floats += LAYERS * HIDDEN * DIM;
    ck_assert_float_eq(at(&m->layers[0].w_up, 0, 0), floats);
    floats += LAYERS * HIDDEN * DIM;
    ck_assert_float_eq(at(&m->final_norm, 0, DIM - 1), floats + DIM - 1);
    llm_model_close(&m);
    ck_assert_ptr_null(m);
    llm_model_close(&m);
}
END_TEST

START_TEST(own_classifier)
{
    set_header(5, -VOCAB);
    must_refuse(path, NULL, "output (10 × 8, 1 times)");
    write_whole(path, bytes, sizeof bytes - 1);
    llm_model *m = opened(NULL);
    ck_assert_uint_eq(m->vocab, VOCAB);
    ck_assert_float_eq(at(&m->output, 0, 0), FLOATS);
    llm_model_close(&m);
}
END_TEST

/* From bytes that end where the memory does, so that a sanitizer sees every step too far. */
START_TEST(wrong_lengths)
{
    for (size_t n = 1; n < HEADER + 4 * FLOATS; n++) {
        char why[WHY_BYTES] = "";
        unsigned char *copy = malloc(n);
        must(copy);
        memcpy(copy, bytes, n);
        llm_model m = {.file = {copy, n}};
        must(llm_checkpoint_read(&m, "a file", why) == -1);
        must(strstr(why, n < HEADER ? "a file: neither" : "a file: too short for its own header"));
        free(m.layers);
        free(copy);
    }
    write_whole(path, bytes, 0);
    must_refuse(path, NULL, "is empty");
    write_whole(path, bytes, HEADER + 4 * FLOATS + 1);
    must_refuse(path, NULL, "1 bytes more");
}
END_TEST

START_TEST(hostile_headers)
{
    static const int32_t values[] = {0, -1, 1, 3, INT32_MAX, INT32_MIN, 1 << 16, 1 << 30};
    for (int field = 0; field < 7; field++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            int32_t good;
            memcpy(&good, bytes + 4 * field, sizeof good);
            set_header(field, values[i]);
            must(!try_open(path, NULL));
            set_header(field, good);
        }
    }
    for (int field = 0; field < 7; field++) set_header(field, INT32_MAX);
    must(!try_open(path, NULL));
}
END_TEST

START_TEST(other_files)
{
    must_refuse("/nowhere/model.bin", NULL, ON_POSIX ? "/nowhere/model.bin: No such file" : "/nowhere/model.bin: ");
    must_refuse("/tmp", NULL, "/tmp: not an ordinary file");
    memcpy(bytes, "24ka", 4);
    write_whole(path, bytes, 300);
    must_refuse(path, NULL, "version 1 or 2");
    memcpy(bytes, "PK\3\4", 4);
    write_whole(path, bytes, 300);
    must_refuse(path, NULL, "PyTorch");
    char longer[600];
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    strcpy(longer + sizeof longer - 12, "/there.gguf");
    char reason[128]; /* the C library's words, or those of Windows */
    snprintf(reason, sizeof reason, "/there.gguf: %s", ON_POSIX ? strerror(ENAMETOOLONG) : "");
    must_refuse(longer, NULL, reason);
}
END_TEST

/* A tokenizer file of `n` pieces, "<unk>" and so on; returns its bytes. */
static size_t make_tokenizer(unsigned char *out, uint32_t n)
{
    static const char *const pieces[] = {"<unk>",         "\n<s>\n", "\n</s>\n", "<0x00>", "<0xfF>", " a",
                                         "\342\226\201b", "",        "<0xZZ>",   "z",      "zz"};
    size_t at_byte = 4;
    memset(out, 0, 4);
    for (uint32_t i = 0; i < n; i++) {
        const float score = -(float)i;
        const int32_t length = (int32_t)strlen(pieces[i]);
        memcpy(out + at_byte, &score, 4);
        memcpy(out + at_byte + 4, &length, 4);
        memcpy(out + at_byte + 8, pieces[i], (size_t)length);
        at_byte += 8 + (size_t)length;
    }
    return at_byte;
}

START_TEST(tokenizer_file)
{
    unsigned char text[512];
    write_whole(tokenizer, text, make_tokenizer(text, VOCAB));
    llm_model *m = opened(tokenizer);
    const llm_tokenizer_data *tok = &m->tok;
    ck_assert_int_eq(tok->kind, LLM_VOCAB_SENTENCEPIECE);
    ck_assert_uint_eq(tok->n, VOCAB);
    ck_assert_str_eq(tok->pieces[1], "\n<s>\n");
    ck_assert_str_eq(tok->pieces[5], " a");
    ck_assert_str_eq(tok->pieces[6], " b");
    ck_assert_uint_eq(tok->piece_bytes[6], 2);
    ck_assert_str_eq(tok->pieces[7], "");
    ck_assert_float_eq(tok->scores[9], -9);
    ck_assert_int_eq(tok->types[0], LLM_PIECE_UNKNOWN);
    ck_assert_int_eq(tok->types[2], LLM_PIECE_CONTROL);
    ck_assert_int_eq(tok->types[3], LLM_PIECE_BYTE);
    ck_assert_int_eq(tok->types[4], LLM_PIECE_NORMAL); /* not as they are written */
    ck_assert_int_eq(tok->types[8], LLM_PIECE_NORMAL);
    ck_assert(tok->bos == 1 && tok->eos == 2 && tok->unk == 0 && tok->eot == -1 && tok->add_bos);
    llm_model_close(&m);
}
END_TEST

START_TEST(broken_tokenizer_files)
{
    unsigned char text[512];
    const size_t n = make_tokenizer(text, VOCAB);
    for (size_t i = 0; i < n; i++) {
        write_whole(tokenizer, text, i);
        must(!try_open(path, tokenizer));
    }
    write_whole(tokenizer, text, make_tokenizer(text, VOCAB - 1));
    must_refuse(path, tokenizer, "has 9 tokens, the model has 10");
    write_whole(tokenizer, text, make_tokenizer(text, VOCAB + 1));
    must_refuse(path, tokenizer, "goes on after token 9");
    static const int32_t lengths[] = {-1, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 3; i++) {
        memcpy(text + 8, &lengths[i], 4);
        write_whole(tokenizer, text, n);
        must_refuse(path, tokenizer, "token 0 goes past the end");
    }
    make_tokenizer(text, VOCAB);
    const float nan = NAN;
    memcpy(text + 4, &nan, 4);
    write_whole(tokenizer, text, n);
    must_refuse(path, tokenizer, "token 0 is not a number");
    must_refuse(path, "/nowhere/tok.bin", "/nowhere/tok.bin");
}
END_TEST

START_TEST(the_real_one)
{
    char model_path[512], tokenizer_path[512], why[WHY_BYTES];
    if (!shared_file("model/stories260K.bin", model_path) || !shared_file("model/tok512.bin", tokenizer_path))
        return;
    llm_model *m;
    if (llm_model_open(&m, model_path, tokenizer_path, why)) ck_abort_msg("%s", why);
    ck_valid(llm_model_check(m));
    ck_assert(m->dim == 64 && m->hidden_dim == 172 && m->n_layers == 5 && m->heads == 8 && m->kv_heads == 4);
    ck_assert(m->vocab == 512 && m->context == 512 && m->head_dim == 8 && !m->output.data);
    ck_assert_str_eq(m->name, "stories260K");
    int byte_pieces = 0;
    for (uint32_t i = 0; i < m->tok.n; i++) byte_pieces += m->tok.types[i] == LLM_PIECE_BYTE;
    ck_assert_int_eq(byte_pieces, 256);
    llm_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, tensors_are_found);
    tcase_add_test(tc, own_classifier);
    tcase_add_test(tc, wrong_lengths);
    tcase_add_test(tc, hostile_headers);
    tcase_add_test(tc, other_files);
    tcase_add_test(tc, tokenizer_file);
    tcase_add_test(tc, broken_tokenizer_files);
    tcase_add_test(tc, the_real_one);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
