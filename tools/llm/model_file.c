/* model_file.c: see model_file.h. SPDX-License-Identifier: Apache-2.0 */
#include "model_file.h"

#include "checkpoint.h"
#include "gguf_model.h"
#include "mapping.h"
#include "vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of files that people have and that this is not for, told by their first four bytes. */
static const struct {
    const char magic[5];
    const char *what;
} others[] = {
    {"24ka", "a llama2.c checkpoint of version 1 or 2: only version 0 is supported"},
    {"lmgg", "a GGML file, which GGUF has replaced: convert it"},
    {"tjgg", "a GGJT file, which GGUF has replaced: convert it"},
    {"PK\3\4", "a PyTorch or zip file: convert it to GGUF"},
};

static void name_after_file(llm_model *m, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    const size_t bytes = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    snprintf(m->name, sizeof m->name, "%.*s", (int)(bytes < sizeof m->name ? bytes : sizeof m->name - 1), base);
}

static int read_file(llm_model *m, const char *path, int want_vocab, char *why)
{
    if (m->file.bytes >= 4) {
        if (!memcmp(m->file.data, "GGUF", 4)) return llm_gguf_read(m, path, want_vocab, why);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (!memcmp(m->file.data, others[i].magic, 4))
                return llm_fail(why, "%s: this is %s", llm_shown_path(path), others[i].what);
    }
    return llm_checkpoint_read(m, path, why);
}

int llm_model_open(llm_model **out, const char *path, const char *tokenizer_path, char *why)
{
    *out = NULL;
    llm_model *m = calloc(1, sizeof *m);
    if (!m) return llm_fail(why, "%s: out of memory", llm_shown_path(path));
    llm_vocab_free(&m->tok);
    if (llm_mapping_open(&m->file, path, why)) goto fail;
    name_after_file(m, path);
    if (read_file(m, path, !tokenizer_path, why)) goto fail;
    if (tokenizer_path && llm_vocab_read(m, tokenizer_path, why)) goto fail;
    *out = m;
    return 0;
fail:
    llm_model_close(&m);
    return -1;
}

void llm_model_close(llm_model **model)
{
    llm_model *m = *model;
    if (!m) return;
    llm_vocab_free(&m->tok);
    free(m->layers);
    clkv_mapping_close(&m->file);
    free(m);
    *model = NULL;
}
