/* text.c: see text.h. SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdlib.h>
#include <string.h>

static int make_room(llm_text *t, size_t more)
{
    if (t->room - t->n > more) return 0;
    size_t room = 2 * t->room + more + 1;
    char *bytes = realloc(t->bytes, room);
    if (!bytes) return -1;
    t->bytes = bytes;
    t->room = room;
    return 0;
}

static int add_piece(llm_text *t, const llm_tokenizer *tokenizer, uint32_t previous, uint32_t id)
{
    size_t n = llm_tokenizer_piece(tokenizer, previous, id, NULL, 0);
    if (make_room(t, n)) return -1;
    llm_tokenizer_piece(tokenizer, previous, id, t->bytes + t->n, t->room - t->n);
    t->n += n;
    t->bytes[t->n] = 0;
    return 0;
}

int llm_text_add(llm_text *text, const llm_tokenizer *tokenizer, const uint32_t *ids, size_t from, size_t n)
{
    for (size_t i = from; i < n; i++)
        if (add_piece(text, tokenizer, i ? ids[i - 1] : UINT32_MAX, ids[i])) return -1;
    return 0;
}
