/* chat.c: see chat.h. SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

struct llm_chat_format {
    const char *name;
    const char *sign;   /* stands in the model's template */
    const char *pre;    /* the vocabulary's way of splitting, or NULL: any */
    const char *again;  /* closes the answer before; NULL: nothing does but its end token */
    const char *before; /* the user's text */
    const char *after;
};

static const llm_chat_format formats[] = {
    { "chatml", "<|im_start|>", NULL, "<|im_end|>\n", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n" },
    { "llama3", "<|start_header_id|>", NULL, "<|eot_id|>", "<|start_header_id|>user<|end_header_id|>\n\n",
      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" },
    { "tekken", "[INST]", "tekken", "</s>", "[INST]", "[/INST]" },
    { "llama2", "[INST]", NULL, "</s><s>", "[INST] ", " [/INST]" },
    { "plain", "", NULL, NULL, "", "" },
};
enum { FORMATS = sizeof formats / sizeof *formats };

typedef struct id_list {
    uint32_t *ids;
    size_t n;
} id_list;

static int has(const char *text, size_t bytes, const char *sign)
{
    const size_t n = strlen(sign);
    for (size_t i = 0; i + n <= bytes; i++)
        if (!memcmp(text + i, sign, n)) return 1;
    return 0;
}

static int is_format_of(const llm_chat_format *f, const llm_tokenizer_data *tok)
{
    return has(tok->chat_template, tok->chat_template_bytes, f->sign) && (!f->pre || !strcmp(tok->pre, f->pre));
}

const llm_chat_format *llm_chat_find(const llm_model *model)
{
    int i = model->tok.chat_template ? 0 : FORMATS - 1;
    while (i < FORMATS - 1 && !is_format_of(&formats[i], &model->tok)) i++;
    return &formats[i];
}

const char *llm_chat_name(const llm_chat_format *format)
{
    return format->name;
}

static int add(id_list *to, const llm_tokenizer *tokenizer, const char *text, size_t bytes, int flags)
{
    uint32_t *ids;
    size_t n;
    if (llm_tokenizer_encode(tokenizer, text, bytes, flags, &ids, &n)) return -1;
    uint32_t *grown = realloc(to->ids, (to->n + n + 1) * sizeof *grown);
    if (grown) {
        memcpy(grown + to->n, ids, n * sizeof *ids);
        to->ids = grown;
        to->n += n;
    }
    free(ids);
    return grown ? 0 : -1;
}

/* What the format itself puts there. */
static int add_marks(id_list *to, const llm_tokenizer *tokenizer, const char *text, int flags)
{
    return *text || flags ? add(to, tokenizer, text, strlen(text), flags | LLM_ENCODE_SPECIAL) : 0;
}

/* What stands between the answer before and this turn. A text that has ended begins anew; one that was cut short
 * goes on in a new line. */
static int close_answer(id_list *to, const llm_chat_format *format, const llm_tokenizer *tokenizer, int64_t end)
{
    if (format->again) return add_marks(to, tokenizer, format->again, 0);
    if (end < 0) return add(to, tokenizer, "\n", 1, 0);
    to->ids = malloc(sizeof *to->ids);
    if (!to->ids) return -1;
    to->ids[to->n++] = (uint32_t)end;
    return 0;
}

int llm_chat_turn(const llm_chat_format *format, const llm_tokenizer *tokenizer, const char *text, size_t bytes,
                  int first, int64_t end, uint32_t **ids, size_t *n, char *why)
{
    id_list out = { NULL, 0 };
    int failed = first ? 0 : close_answer(&out, format, tokenizer, end);
    failed = failed || add_marks(&out, tokenizer, format->before, first ? LLM_ENCODE_BOS : 0) ||
             add(&out, tokenizer, text, bytes, 0) || add_marks(&out, tokenizer, format->after, 0);
    if (failed) {
        free(out.ids);
        return llm_fail(why, "out of memory for a turn of %zu bytes", bytes);
    }
    *ids = out.ids;
    *n = out.n;
    return 0;
}
